//! What every store must do, written against the port alone.

pub(crate) mod accounts;
pub(crate) mod appending;
pub(crate) mod belongings;
pub(crate) mod files;
pub(crate) mod integrations;
pub(crate) mod leases;
pub(crate) mod pages;
pub(crate) mod people;
pub(crate) mod pubsub;
pub(crate) mod rooms;
pub(crate) mod rosters;
pub(crate) mod searching;
pub(crate) mod state;

use std::sync::Arc;

use tokio::sync::oneshot;
use waxwing_chat::account::{Account, AccountId, NewAccount, Role};
use waxwing_chat::archive::{
    Append, ArchiveCopy, ArchiveId, ArchiveQuery, Committed, Direction, ImportedMessage, PageFrom,
};
use waxwing_chat::store::{Store, StoreResult};
use waxwing_xmpp::jid::Jid;

/// Makes a test of each contract for one store. The expression opens an empty store and whatever must outlive the test; it gives
/// `None` where there is none and the test is skipped.
macro_rules! contract {
    ($open:expr; $($module:ident: $($test:ident)*;)*) => {
        $(mod $module {
            $(#[tokio::test]
            async fn $test() {
                let Some((store, _kept)) = $open else { return };
                $crate::contract::$module::$test(store).await;
            })*
        })*
    };
}

/// Makes a test of every contract there is.
macro_rules! every_contract {
    ($open:expr) => {
        $crate::contract::contract! { $open;
            accounts: keeps_what_is_created refuses_a_taken_address lists_in_order changes_each_aspect counts_changes
                adds_verifiers_by_hash deletes_everything_of_an_account;
            rosters: keeps_items counts_versions tells_changes forgets_old_removals refuses_strangers;
            rooms: keeps_rooms lists_rooms keeps_affiliates replaces_what_is_archived ends_with_its_archive;
            pubsub: keeps_nodes keeps_items expires_items_of_all_nodes finds_what_goes_with_presence tells_last_items keeps_affiliations_and_subscriptions
                nodes_go_with_their_account;
            appending: shares_one_id reports_in_commit_order ids_rise finds_duplicates
                keeps_what_waits forgets_what_only_waited imports_under_old_ids deletes_only_ones_own_copies expires_by_age archives_to_nobody;
            pages: pages_both_ways names_the_end filters_by_time_and_id filters_by_contact
                returns_named_messages refuses_unknown_ids keeps_archives_apart ends_of_an_archive;
            people: keeps_cards finds_people finds_parts_of_names counts_accounts;
            searching: finds_words finds_unspaced_scripts finds_only_ones_own combines_conditions
                forgets_removed_messages;
            belongings: blocks_and_unblocks keeps_documents keeps_tokens redeems_invitations
                takes_streams_once removes_what_has_expired keeps_settings chains_the_audit_log;
            integrations: keeps_access_tokens keeps_push_subscriptions keeps_webhooks integrations_go_with_their_account;
            files: keeps_files fills_a_place_once keeps_quotas_under_a_race discards_what_is_overdue
                discards_files_of_deleted_accounts;
            state: finds_what_is_labelled lists_conversations keeps_state;
        }
    };
}

/// Makes a test of every contract of leases.
#[allow(unused_macros)]
macro_rules! lease_contract {
    ($open:expr) => {
        $crate::contract::contract! { $open;
            leases: one_alone_holds the_dead_hold_nothing who_leaves_gives_everything_back of_many_who_try_one_wins;
        }
    };
}

#[allow(unused_imports)]
pub(crate) use lease_contract;
pub(crate) use {contract, every_contract};

pub(crate) fn jid(text: &str) -> Jid {
    Jid::new(text).expect("a valid address")
}

pub(crate) async fn account(store: &Arc<dyn Store>, address: &str) -> Account {
    let new = NewAccount {
        jid: jid(address),
        name: None,
        role: Role::Member,
        verifiers: vec!["SCRAM-SHA-256$4096:c2FsdA==$a:b".to_owned()],
        created_ms: 1_700_000_000_000,
    };
    store.create_account(new).await.expect("the account is created")
}

pub(crate) fn copy(owner: &Account, peer: &str, direction: Direction) -> ArchiveCopy {
    ArchiveCopy { owner: owner.id, peer: jid(peer), direction, kept: true, waits: true }
}

/// A message between two accounts, with both copies.
pub(crate) fn message(from: &Account, to: &Account, text: &str) -> Append {
    Append {
        copies: vec![
            copy(from, to.jid.as_str(), Direction::Outgoing),
            copy(to, &format!("{}/balcony", from.jid.as_str()), Direction::Incoming),
        ],
        dedupe: None,
        xml: format!("<message><body>{text}</body></message>").into_bytes(),
        text: Some(text.to_owned()),
        labels: Vec::new(),
        fence: None,
    }
}

pub(crate) fn appending(
    store: &Arc<dyn Store>,
    message: Append,
) -> oneshot::Receiver<StoreResult<Committed>> {
    let (done, committed) = oneshot::channel();
    store.append(message, Box::new(move |result| drop(done.send(result))));
    committed
}

pub(crate) async fn append(store: &Arc<dyn Store>, message: Append) -> ArchiveId {
    match appending(store, message).await.expect("the store reports").expect("the message is archived") {
        Committed::New(id) => id,
        Committed::Duplicate(id) => panic!("{id} is no duplicate"),
    }
}

pub(crate) fn query(owner: AccountId) -> ArchiveQuery {
    ArchiveQuery::page(owner, PageFrom::Start, 100)
}

/// The ids on the page that a query gives.
pub(crate) async fn found(store: &Arc<dyn Store>, query: ArchiveQuery) -> Vec<ArchiveId> {
    let page = store.archive_page(query).await.expect("the page is found");
    page.items.into_iter().map(|item| item.id).collect()
}
