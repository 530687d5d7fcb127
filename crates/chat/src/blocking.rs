//! Blocking addresses, and what others see of it: somebody who is not there (XEP-0191).

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{PresenceType, Stanza};

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::profile::Profile;
use crate::rosters::{Contacts, Owner};
use crate::session::Session;

impl Chat {
    /// The blocklist for a client, which gets pushes from here on (XEP-0191 section 3.2).
    pub async fn blocklist(&self, session: &Session) -> Result<Vec<Jid>> {
        let owner = Owner::from(session);
        let _lock = self.rosters.lock(&owner.jid).await;
        session.set_blocklist_wanted();
        Ok(self.store.blocked(owner.account).await?)
    }

    /// Blocks addresses (XEP-0191 section 3.3).
    pub async fn block(&self, owner: &Owner, addresses: Vec<Jid>) -> Result<()> {
        if addresses.is_empty() {
            return Err(Error::BadRequest("no address to block"));
        }
        let _lock = self.rosters.lock(&owner.jid).await;
        let before = self.profile(&owner.jid).await?.ok_or(Error::NotFound)?;
        let mut new: Vec<Jid> = Vec::new();
        for address in addresses {
            if !before.blocklist.contains(&address) && !new.contains(&address) {
                new.push(address);
            }
        }
        if before.blocklist.len() + new.len() > self.settings().blocklist_limit {
            return Err(Error::ResourceConstraint("the blocklist is full"));
        }
        if new.is_empty() {
            return Ok(());
        }
        self.store.block(owner.account, &new).await?;
        self.profile_changed(&owner.jid);
        if let Some(cluster) = self.cluster() {
            cluster.tell_blocked(&owner.jid, &new);
        }
        self.push_blocklist(&owner.jid, &Event::Blocked(new.clone().into()));
        self.vanish(owner, &before, &new).await
    }

    /// Another node has blocked addresses for an account.
    pub(crate) async fn blocked_elsewhere(&self, account: &Jid, new: &[Jid]) -> Result<()> {
        let _lock = self.rosters.lock(account).await;
        self.profiles.forget(account);
        let Some(now) = self.profile(account).await? else { return Ok(()) };
        let before = Profile {
            account: now.account,
            jid: now.jid.clone(),
            name: None,
            disabled: now.disabled,
            blocklist: now.blocklist.iter().filter(|known| !new.contains(known)).cloned().collect(),
            archive: now.archive.clone(),
            photo_hash: None,
        };
        self.push_blocklist(account, &Event::Blocked(new.into()));
        self.vanish(&Owner::from(&*now), &before, new).await
    }

    /// Another node has taken addresses off an account's blocklist; none stand for all.
    pub(crate) async fn unblocked_elsewhere(
        &self,
        account: &Jid,
        addresses: Vec<Jid>,
        freed: &[Jid],
    ) -> Result<()> {
        let lock = self.rosters.lock(account).await;
        self.profiles.forget(account);
        let Some(profile) = self.profile(account).await? else { return Ok(()) };
        self.push_blocklist(account, &Event::Unblocked(addresses.into()));
        let owner = Owner::from(&*profile);
        let contacts = self.contacts(&owner).await?;
        for contact in covered(&contacts.watchers, freed) {
            self.show_current_here(&owner, &contact).await?;
        }
        drop(lock);
        self.ask_freed(&owner, &contacts, freed).await
    }

    /// What contacts sent while they were blocked was dropped; nothing in the specification brings it back, so it is asked for.
    async fn ask_freed(&self, owner: &Owner, contacts: &Contacts, freed: &[Jid]) -> Result<()> {
        let sessions = self.sessions.of(&owner.jid);
        for contact in covered(&contacts.watched, freed) {
            for session in sessions.iter().filter(|session| session.is_available()) {
                self.answer_probe(&session.jid, &contact, false).await?;
            }
        }
        Ok(())
    }

    /// Takes addresses off the blocklist; `None` or an empty list empties it (XEP-0191 sections 3.4 and 3.5).
    pub async fn unblock(&self, owner: &Owner, addresses: Option<Vec<Jid>>) -> Result<()> {
        let asked = addresses.filter(|addresses| !addresses.is_empty());
        let lock = self.rosters.lock(&owner.jid).await;
        let before = self.profile(&owner.jid).await?.ok_or(Error::NotFound)?;
        self.store.unblock(owner.account, asked.as_deref()).await?;
        self.profile_changed(&owner.jid);
        self.push_blocklist(&owner.jid, &Event::Unblocked(asked.clone().unwrap_or_default().into()));
        let freed: Vec<Jid> = match &asked {
            Some(asked) => before.blocklist.iter().filter(|jid| asked.contains(jid)).cloned().collect(),
            None => before.blocklist.clone(),
        };
        let contacts = self.contacts(owner).await?;
        if let Some(cluster) = self.cluster() {
            cluster.tell_unblocked(&owner.jid, asked.as_deref().unwrap_or_default(), &freed);
        }
        for contact in covered(&contacts.watchers, &freed) {
            self.show_current_here(owner, &contact).await?;
        }
        drop(lock);
        self.ask_freed(owner, &contacts, &freed).await
    }

    /// Section 3.3: whom the account blocks sees it go, if he saw it before. The block is in force already, so these
    /// stanzas go past it.
    async fn vanish(&self, owner: &Owner, before: &Profile, new: &[Jid]) -> Result<()> {
        let contacts = self.contacts(owner).await?;
        let watchers = covered(&contacts.watchers, new);
        for session in self.sessions.of(&owner.jid) {
            let gone = Stanza::presence(PresenceType::Unavailable).with_from(session.jid.clone());
            let mut told: Vec<Jid> = if session.is_available() { watchers.clone() } else { Vec::new() };
            for to in session.directed() {
                if new.iter().any(|blocked| covers(blocked, &to)) {
                    session.remove_directed(&to);
                    if !told.contains(&to) {
                        told.push(to);
                    }
                }
            }
            for to in told {
                if !before.blocks(&to) && !to.same_bare(&owner.jid) {
                    self.show(None, &gone, &to).await?;
                }
            }
        }
        Ok(())
    }

    fn push_blocklist(&self, owner: &Jid, event: &Event) {
        self.sessions.with(owner, |sessions: &[Arc<Session>]| {
            for session in sessions.iter().filter(|session| session.blocklist_wanted()) {
                session.push(event.clone());
            }
        });
    }
}

/// Whether an entry of a blocklist has to do with an address (XEP-0191 section 5).
fn covers(entry: &Jid, address: &Jid) -> bool {
    entry.domain() == address.domain()
        && entry.local().is_none_or(|local| address.local() == Some(local))
        && entry.resource().is_none_or(|resource| address.resource().is_none_or(|other| other == resource))
}

/// The contacts that entries of a blocklist concern; of one blocked by a single resource, that resource.
fn covered(contacts: &[Jid], entries: &[Jid]) -> Vec<Jid> {
    let mut found = Vec::new();
    for contact in contacts {
        for entry in entries.iter().filter(|entry| covers(entry, contact)) {
            let address = entry.resource().and_then(|resource| contact.with_resource(resource).ok());
            let address = address.unwrap_or_else(|| contact.clone());
            if !found.contains(&address) {
                found.push(address);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    fn none() -> Vec<String> {
        Vec::new()
    }

    /// XEP-0191 sections 3.2 and 3.3: sessions that asked for the list are told, the blocked contact sees the owner go.
    #[tokio::test]
    async fn blocking_looks_like_leaving() {
        let world = World::of(&["juliet", "romeo", "tybalt"]).await;
        world.contacts("juliet", "both", "romeo").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let mut chamber = world.online("juliet", "chamber").await;
        let mut romeo = world.online("romeo", "orchard").await;
        let mut tybalt = world.online("tybalt", "street").await;
        let owner = world.owner("juliet").await;
        assert_eq!(world.chat.blocklist(&juliet.session).await.unwrap(), []);
        juliet.told();
        chamber.told();
        world.chat.block(&owner, vec![jid("romeo"), jid("tybalt"), jid("romeo")]).await.unwrap();
        assert_eq!(juliet.told(), ["blocked romeo tybalt"]);
        assert_eq!(chamber.told(), none());
        assert_eq!(
            romeo.told(),
            ["unavailable juliet/balcony -> romeo", "unavailable juliet/chamber -> romeo"]
        );
        // Who may not see the presence learns nothing of its end.
        assert_eq!(tybalt.told(), none());
        assert_eq!(world.chat.blocklist(&juliet.session).await.unwrap(), [jid("romeo"), jid("tybalt")]);
        // Again: nothing new.
        world.chat.block(&owner, vec![jid("romeo")]).await.unwrap();
        assert_eq!((juliet.told(), romeo.told()), (none(), none()));
        // Section 6: the subscription stays ("polite blocking").
        assert_eq!(world.item("juliet", "romeo").await.as_deref(), Some("both"));
    }

    /// XEP-0191 section 3.4: the presence comes back, both ways.
    #[tokio::test]
    async fn unblocking_looks_like_coming() {
        let world = World::of(&["juliet", "romeo"]).await;
        world.contacts("juliet", "both", "romeo").await;
        let owner = world.owner("juliet").await;
        world.chat.block(&owner, vec![jid("romeo"), jid("tybalt")]).await.unwrap();
        let mut juliet = world.online("juliet", "balcony").await;
        let mut romeo = world.online("romeo", "orchard").await;
        world.chat.blocklist(&juliet.session).await.unwrap();
        juliet.told();
        world.chat.unblock(&owner, Some(vec![jid("tybalt")])).await.unwrap();
        assert_eq!((juliet.told(), romeo.told()), (vec!["unblocked tybalt".to_owned()], none()));
        world.chat.unblock(&owner, Some(vec![jid("romeo")])).await.unwrap();
        assert_eq!(juliet.told(), ["unblocked romeo", "available romeo/orchard -> juliet/balcony"]);
        assert_eq!(romeo.told(), ["available juliet/balcony -> romeo"]);
    }

    /// XEP-0191 section 3.5.
    #[tokio::test]
    async fn unblocking_all() {
        let world = World::of(&["juliet", "romeo"]).await;
        world.contacts("juliet", "from", "romeo").await;
        let owner = world.owner("juliet").await;
        let mut juliet = world.online("juliet", "balcony").await;
        let mut romeo = world.online("romeo", "orchard").await;
        world.chat.blocklist(&juliet.session).await.unwrap();
        world.chat.block(&owner, vec![jid("romeo"), Jid::new("evil.lit").unwrap()]).await.unwrap();
        juliet.told();
        romeo.told();
        world.chat.unblock(&owner, Some(Vec::new())).await.unwrap();
        assert_eq!(juliet.told(), ["unblocked "]);
        assert_eq!(romeo.told(), ["available juliet/balcony -> romeo"]);
        assert_eq!(world.chat.blocklist(&juliet.session).await.unwrap(), []);
    }

    /// XEP-0191 section 3.3: directed presence ends too, and a domain covers everyone in it.
    #[tokio::test]
    async fn directed_presence_ends_with_a_block() {
        let world = World::of(&["juliet", "romeo"]).await;
        let juliet = world.online("juliet", "balcony").await;
        let mut romeo = world.online("romeo", "orchard").await;
        juliet.send("<presence to='romeo~/orchard'/>").await;
        romeo.told();
        world.chat.block(&world.owner("juliet").await, vec![Jid::new("localhost").unwrap()]).await.unwrap();
        assert_eq!(romeo.told(), ["unavailable juliet/balcony -> romeo/orchard"]);
        juliet.leave().await;
        assert_eq!(romeo.told(), none());
    }

    #[tokio::test]
    async fn blocklists_are_limited_and_not_empty() {
        let world = World::with(|settings| settings.blocklist_limit = 2);
        world.account("juliet").await;
        let owner = world.owner("juliet").await;
        assert!(matches!(world.chat.block(&owner, Vec::new()).await, Err(Error::BadRequest(_))));
        let full = world.chat.block(&owner, vec![jid("a"), jid("b"), jid("c")]).await;
        assert!(matches!(full, Err(Error::ResourceConstraint(_))));
        world.chat.block(&owner, vec![jid("a"), jid("b"), jid("a")]).await.unwrap();
    }
}
