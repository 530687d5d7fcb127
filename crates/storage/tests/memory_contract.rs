//! The contract of every store, kept by the one in memory that the domain's tests run on. It finds no words and chains
//! no hashes, and counts what only waited a little longer: nothing in those tests asks for that.

// The contracts left out stay unused here.
#[allow(dead_code, unused_macros, unused_imports)]
mod contract;

use std::sync::Arc;

use waxwing_chat::memory_store::MemoryStore;
use waxwing_chat::store::Store;

fn open() -> Option<(Arc<dyn Store>, ())> {
    Some((Arc::new(MemoryStore::default()), ()))
}

contract::contract! { crate::open();
    accounts: keeps_what_is_created refuses_a_taken_address lists_in_order changes_each_aspect
        adds_verifiers_by_hash deletes_everything_of_an_account;
    rosters: keeps_items counts_versions tells_changes forgets_old_removals refuses_strangers;
    pubsub: keeps_nodes keeps_items expires_items_of_all_nodes finds_what_goes_with_presence tells_last_items keeps_affiliations_and_subscriptions
        nodes_go_with_their_account;
    appending: shares_one_id reports_in_commit_order ids_rise finds_duplicates
        keeps_what_waits imports_under_old_ids deletes_only_ones_own_copies expires_by_age archives_to_nobody;
    pages: pages_both_ways names_the_end filters_by_time_and_id filters_by_contact
        returns_named_messages refuses_unknown_ids keeps_archives_apart ends_of_an_archive;
    people: keeps_cards finds_people finds_parts_of_names counts_accounts;
    belongings: blocks_and_unblocks keeps_documents keeps_tokens redeems_invitations
        takes_streams_once removes_what_has_expired keeps_settings;
    files: keeps_files fills_a_place_once keeps_quotas_under_a_race discards_what_is_overdue
        discards_files_of_deleted_accounts;
}
