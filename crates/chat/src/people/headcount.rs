//! How many accounts there are, and which of them are disabled, administrators, connected or busy elsewhere, for
//! administrators (XEP-0133).

use std::collections::BTreeMap;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;

use crate::account::{Account, Role};
use crate::chat::Chat;
use crate::error::Result;
use crate::session::Session;

/// How many accounts are looked at in one step.
const PAGE: usize = 1000;

/// A part of all accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Those that may not sign in.
    Disabled,
    /// Those that may use every command.
    Administrator,
    /// Those with a session.
    Online,
    /// Those of them with a session that is available and does not say `away` or `xa`.
    Active,
    /// Those of them without one.
    Idle,
}

/// How many accounts there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headcount {
    /// All of them.
    pub registered: u64,
    /// Those that may not sign in.
    pub disabled: u64,
    /// Those with a session.
    pub online: u64,
    /// Those of them that are active.
    pub active: u64,
    /// Those of them that are not.
    pub idle: u64,
}

fn is_active(session: &Session) -> bool {
    session.presence().is_some_and(|presence| {
        let show = presence.stanza().child(ns::CLIENT, "show").map(|show| show.text().into_owned());
        !matches!(show.as_deref().map(str::trim), Some("away" | "xa"))
    })
}

impl Chat {
    /// Counts the accounts of one domain, or of all.
    pub async fn headcount(&self, domain: Option<&str>) -> Result<Headcount> {
        let counts = self.store.account_counts(domain).await?;
        let online = self.connected(domain);
        let active = online.values().filter(|active| **active).count() as u64;
        let online = online.len() as u64;
        let (registered, disabled) = (counts.registered, counts.disabled);
        Ok(Headcount { registered, disabled, online, active, idle: online - active })
    }

    /// The accounts of one kind, in the order of their addresses, beginning behind `after`, at most `limit`.
    pub async fn accounts_standing(
        &self,
        standing: Standing,
        domain: Option<&str>,
        after: Option<&Jid>,
        limit: usize,
    ) -> Result<Vec<Account>> {
        match standing {
            Standing::Disabled => self.accounts_that(domain, after, limit, |a| a.disabled).await,
            Standing::Administrator => {
                self.accounts_that(domain, after, limit, |a| a.role == Role::Administrator).await
            }
            Standing::Online => self.accounts_of(self.connected(domain).into_keys(), after, limit).await,
            Standing::Active | Standing::Idle => {
                let wanted = standing == Standing::Active;
                let found = self.connected(domain).into_iter().filter(|(_, active)| *active == wanted);
                self.accounts_of(found.map(|(jid, _)| jid), after, limit).await
            }
        }
    }

    /// Who has a session, and whether he is active.
    fn connected(&self, domain: Option<&str>) -> BTreeMap<Jid, bool> {
        let mut found = BTreeMap::new();
        for session in self.sessions.all() {
            if domain.is_none_or(|domain| session.jid.domain() == domain) {
                *found.entry(session.bare.clone()).or_default() |= is_active(&session);
            }
        }
        found
    }

    async fn accounts_of(
        &self,
        jids: impl Iterator<Item = Jid>,
        after: Option<&Jid>,
        limit: usize,
    ) -> Result<Vec<Account>> {
        let mut found = Vec::new();
        for jid in jids.filter(|jid| after.is_none_or(|after| jid > after)).take(limit) {
            found.extend(self.store.account(&jid).await?);
        }
        Ok(found)
    }

    async fn accounts_that(
        &self,
        domain: Option<&str>,
        after: Option<&Jid>,
        limit: usize,
        wanted: fn(&Account) -> bool,
    ) -> Result<Vec<Account>> {
        let mut found = Vec::new();
        let mut after = after.cloned();
        loop {
            let page = self.accounts(domain, after.as_ref(), PAGE).await?;
            let last = page.last().map(|account| account.jid.clone());
            let whole = page.len() == PAGE;
            found.extend(page.into_iter().filter(wanted).take(limit - found.len()));
            if !whole || found.len() >= limit {
                return Ok(found);
            }
            after = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    /// XEP-0133 sections 4.13 to 4.22.
    #[tokio::test]
    async fn everybody_is_counted() {
        let world = World::of(&["romeo", "juliet", "tybalt", "nurse"]).await;
        world.chat.set_disabled(&jid("tybalt"), true, "local").await.unwrap();
        let _romeo = world.online("romeo", "orchard").await;
        let phone = world.online("juliet", "phone").await;
        phone.send("<presence><show>away</show></presence>").await;
        let _nurse = world.connect("nurse", "kitchen").await;
        let count = world.chat.headcount(Some("localhost")).await.unwrap();
        assert_eq!(count, Headcount { registered: 4, disabled: 1, online: 3, active: 1, idle: 2 });
        assert_eq!(world.chat.headcount(Some("other.example")).await.unwrap(), Headcount::default());
        let names = async |standing| {
            let found = world.chat.accounts_standing(standing, None, None, 10).await.unwrap();
            found.iter().map(|account| account.jid.local().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(Standing::Disabled).await, ["tybalt"]);
        assert_eq!(names(Standing::Online).await, ["juliet", "nurse", "romeo"]);
        assert_eq!(names(Standing::Active).await, ["romeo"]);
        assert_eq!(names(Standing::Idle).await, ["juliet", "nurse"]);
        let _balcony = world.online("juliet", "balcony").await;
        assert_eq!(names(Standing::Active).await, ["juliet", "romeo"]);
    }
}
