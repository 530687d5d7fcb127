//! Whom elsewhere this installation has to do with, either way, by an administrator's word while it runs (XEP-0133 sections
//! 4.11 and 4.12): nobody on the blacklist, and only those on the whitelist if it holds anybody. Which domains it speaks to at
//! all is in its configuration.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use waxwing_xmpp::jid::Jid;

use crate::chat::Chat;
use crate::error::{Error, Result};

/// How many addresses each list may hold.
pub const BARRED_LIMIT: usize = 10_000;

/// One of the two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// Those that nothing is taken from or sent to.
    Blacklist,
    /// The only ones that anything is taken from or sent to; empty for all.
    Whitelist,
}

impl Listing {
    /// Its name among the settings of the installation, where it is kept an address a line.
    fn setting(self) -> &'static str {
        match self {
            Self::Blacklist => "barred",
            Self::Whitelist => "admitted",
        }
    }

    /// What the audit says of an address that is put on it, and of one that is taken off.
    fn actions(self) -> (&'static str, &'static str) {
        match self {
            Self::Blacklist => ("federation.block", "federation.unblock"),
            Self::Whitelist => ("federation.admit", "federation.dismiss"),
        }
    }
}

type List = RwLock<Arc<BTreeSet<Jid>>>;

/// The lists that are in force.
#[derive(Debug, Default)]
pub(crate) struct Barred {
    blacklist: List,
    whitelist: List,
}

impl Barred {
    fn list(&self, listing: Listing) -> &List {
        match listing {
            Listing::Blacklist => &self.blacklist,
            Listing::Whitelist => &self.whitelist,
        }
    }

    fn current(&self, listing: Listing) -> Arc<BTreeSet<Jid>> {
        Arc::clone(&self.list(listing).read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, listing: Listing, list: BTreeSet<Jid>) {
        *self.list(listing).write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
    }
}

/// Whether an address is on a list itself, or its account or its domain is (the matching of XEP-0016 section 2.1).
fn covers(list: &BTreeSet<Jid>, address: &Jid) -> bool {
    list.contains(address) || list.contains(&address.to_bare()) || list.contains(&address.to_domain())
}

impl Chat {
    /// Puts the lists in force that were kept. Called once before anybody is served.
    pub async fn load_barred(&self) -> Result<()> {
        for listing in [Listing::Blacklist, Listing::Whitelist] {
            let kept = self.store.setting(listing.setting()).await?.unwrap_or_default();
            self.barred.replace(listing, kept.lines().filter_map(|line| Jid::new(line).ok()).collect());
        }
        Ok(())
    }

    /// The addresses on a list, in their order.
    pub fn listed_addresses(&self, listing: Listing) -> Vec<Jid> {
        self.barred.current(listing).iter().cloned().collect()
    }

    /// Whether nothing is taken from an address elsewhere or sent to it.
    pub fn bars(&self, address: &Jid) -> bool {
        let (blacklist, whitelist) =
            (self.barred.current(Listing::Blacklist), self.barred.current(Listing::Whitelist));
        (!blacklist.is_empty() && covers(&blacklist, address))
            || (!whitelist.is_empty() && !covers(&whitelist, address))
    }

    /// Adds addresses to a list and takes others off it. `NotAcceptable` for addresses of this installation, whose accounts
    /// can be disabled instead, and `ResourceConstraint` for more than [`BARRED_LIMIT`].
    pub async fn change_listed(
        &self,
        listing: Listing,
        add: &[Jid],
        remove: &[Jid],
        actor: &str,
    ) -> Result<()> {
        if add.iter().any(|jid| self.is_ours(jid.domain())) {
            return Err(Error::NotAcceptable("an address of this installation cannot be on it"));
        }
        let mut list = (*self.barred.current(listing)).clone();
        list.extend(add.iter().cloned());
        list.retain(|jid| !remove.contains(jid));
        if list.len() > BARRED_LIMIT {
            return Err(Error::ResourceConstraint("too many addresses"));
        }
        let kept: String = list.iter().map(|jid| format!("{jid}\n")).collect();
        self.store.put_setting(listing.setting(), &kept).await?;
        self.barred.replace(listing, list);
        let (added, removed) = listing.actions();
        for (action, jids) in [(added, add), (removed, remove)] {
            for jid in jids {
                self.record(actor, action, jid.as_str(), "").await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    /// XEP-0133 section 4.11.
    #[tokio::test]
    async fn an_address_an_account_or_a_domain_is_barred() {
        let world = World::of(&["romeo"]).await;
        let chat = &world.chat;
        let jid = |text: &str| Jid::new(text).unwrap();
        let list = [jid("denmark.lit"), jid("iago@venice.lit"), jid("a@b.lit/phone")];
        chat.change_listed(Listing::Blacklist, &list, &[], "local").await.unwrap();
        for (address, expected) in [
            ("hamlet@denmark.lit/throne", true),
            ("denmark.lit", true),
            ("rooms.denmark.lit", false),
            ("iago@venice.lit/x", true),
            ("othello@venice.lit", false),
            ("a@b.lit/phone", true),
            ("a@b.lit", false),
        ] {
            assert_eq!(chat.bars(&jid(address)), expected, "{address}");
        }
        let own = chat.change_listed(Listing::Blacklist, &[jid("romeo@localhost")], &[], "local").await;
        assert!(matches!(own, Err(Error::NotAcceptable(_))));
        chat.change_listed(Listing::Blacklist, &[], &[jid("denmark.lit")], "local").await.unwrap();
        assert!(!chat.bars(&jid("denmark.lit")));
        chat.load_barred().await.unwrap();
        assert_eq!(chat.listed_addresses(Listing::Blacklist), [jid("a@b.lit/phone"), jid("iago@venice.lit")]);
    }

    /// XEP-0133 section 4.12: the blacklist counts for those on the whitelist too.
    #[tokio::test]
    async fn nobody_but_those_on_the_whitelist_is_admitted() {
        let world = World::of(&["romeo"]).await;
        let chat = &world.chat;
        let jid = |text: &str| Jid::new(text).unwrap();
        assert!(!chat.bars(&jid("hamlet@denmark.lit")));
        let list = [jid("denmark.lit"), jid("iago@venice.lit")];
        chat.change_listed(Listing::Whitelist, &list, &[], "local").await.unwrap();
        chat.change_listed(Listing::Blacklist, &[jid("claudius@denmark.lit")], &[], "local").await.unwrap();
        chat.load_barred().await.unwrap();
        for (address, expected) in [
            ("hamlet@denmark.lit/throne", false),
            ("claudius@denmark.lit/throne", true),
            ("iago@venice.lit/x", false),
            ("othello@venice.lit", true),
            ("england.lit", true),
        ] {
            assert_eq!(chat.bars(&jid(address)), expected, "{address}");
        }
        chat.change_listed(Listing::Whitelist, &[], &list, "local").await.unwrap();
        assert!(!chat.bars(&jid("england.lit")));
    }
}
