//! Addresses elsewhere that this installation has nothing to do with, either way, by an administrator's word while it runs
//! (XEP-0133 section 4.11). Which domains it speaks to at all is in its configuration.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use waxwing_xmpp::jid::Jid;

use crate::chat::Chat;
use crate::error::{Error, Result};

/// How many addresses the list may hold.
pub const BARRED_LIMIT: usize = 10_000;

/// The name of the list among the settings of the installation; an address a line.
const SETTING: &str = "barred";

/// The list that is in force.
#[derive(Debug, Default)]
pub(crate) struct Barred(RwLock<Arc<BTreeSet<Jid>>>);

impl Barred {
    fn current(&self) -> Arc<BTreeSet<Jid>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Chat {
    /// Puts the list in force that was kept. Called once before anybody is served.
    pub async fn load_barred(&self) -> Result<()> {
        let kept = self.store.setting(SETTING).await?.unwrap_or_default();
        let list = kept.lines().filter_map(|line| Jid::new(line).ok()).collect();
        *self.barred.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        Ok(())
    }

    /// The addresses, in their order.
    pub fn barred(&self) -> Vec<Jid> {
        self.barred.current().iter().cloned().collect()
    }

    /// Whether nothing is taken from an address or sent to it: it is on the list itself, or its account or its domain is
    /// (the matching of XEP-0016 section 2.1).
    pub fn bars(&self, address: &Jid) -> bool {
        let list = self.barred.current();
        !list.is_empty()
            && (list.contains(address)
                || list.contains(&address.to_bare())
                || list.contains(&address.to_domain()))
    }

    /// Adds addresses to the list and takes others off it. `NotAcceptable` for addresses of this installation, whose accounts
    /// can be disabled instead, and for too many.
    pub async fn change_barred(&self, add: &[Jid], remove: &[Jid], actor: &str) -> Result<()> {
        if add.iter().any(|jid| self.is_ours(jid.domain())) {
            return Err(Error::NotAcceptable("an address of this installation cannot be barred"));
        }
        let mut list = (*self.barred.current()).clone();
        list.extend(add.iter().cloned());
        list.retain(|jid| !remove.contains(jid));
        if list.len() > BARRED_LIMIT {
            return Err(Error::ResourceConstraint("too many addresses"));
        }
        let kept: String = list.iter().map(|jid| format!("{jid}\n")).collect();
        self.store.put_setting(SETTING, &kept).await?;
        *self.barred.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        for (action, jids) in [("federation.block", add), ("federation.unblock", remove)] {
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
        chat.change_barred(&list, &[], "local").await.unwrap();
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
        let own = chat.change_barred(&[jid("romeo@localhost")], &[], "local").await;
        assert!(matches!(own, Err(Error::NotAcceptable(_))));
        chat.change_barred(&[], &[jid("denmark.lit")], "local").await.unwrap();
        assert!(!chat.bars(&jid("denmark.lit")));
        chat.load_barred().await.unwrap();
        assert_eq!(chat.barred(), [jid("a@b.lit/phone"), jid("iago@venice.lit")]);
    }
}
