//! Who is told how a colleague is without being his contact: sessions that watch people of their own domain.
//!
//! Presence of everybody for everybody would be most of what a large organisation sends. A session names those whom its person
//! has in view, and hears of them alone, for as long as they are in view.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{Outgoing, Stanza};

use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::people::PresenceFor;
use crate::presence::push;
use crate::profile::Profile;
use crate::rosters::{Contacts, Owner};
use crate::session::{Session, SessionId};

/// How many people one session may watch at a time.
pub const WATCHED_LIMIT: usize = 200;

/// The lists of all sessions, in both directions.
#[derive(Debug, Default)]
struct Lists {
    watchers: HashMap<Jid, HashMap<SessionId, Arc<Session>>>,
    watched: HashMap<SessionId, Vec<Jid>>,
}

/// Which sessions watch whom.
#[derive(Debug, Default)]
pub(crate) struct Watching(Mutex<Lists>);

impl Watching {
    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a session watch these people and nobody else.
    fn set(&self, session: &Arc<Session>, people: Vec<Jid>) {
        let mut lists = self.lock();
        lists.forget(session.id);
        for person in &people {
            lists.watchers.entry(person.clone()).or_default().insert(session.id, Arc::clone(session));
        }
        if !people.is_empty() {
            lists.watched.insert(session.id, people);
        }
    }

    /// Forgets a session.
    pub(crate) fn stop(&self, session: &Session) {
        self.lock().forget(session.id);
    }

    /// Whether anybody here watches this person.
    pub(crate) fn has(&self, person: &Jid) -> bool {
        self.lock().watchers.contains_key(person)
    }

    fn of(&self, person: &Jid) -> Vec<Arc<Session>> {
        self.lock().watchers.get(person).map(|all| all.values().cloned().collect()).unwrap_or_default()
    }
}

impl Lists {
    fn forget(&mut self, session: SessionId) {
        for person in self.watched.remove(&session).into_iter().flatten() {
            if let Some(watchers) = self.watchers.get_mut(&person) {
                watchers.remove(&session);
                if watchers.is_empty() {
                    self.watchers.remove(&person);
                }
            }
        }
    }
}

impl Chat {
    /// Whether the two belong to one domain of this server, and its administrator has its people see one another.
    fn are_colleagues(&self, one: &Jid, other: &Jid) -> bool {
        self.settings().people.presence_for == PresenceFor::Domain
            && one.domain() == other.domain()
            && self.is_local(one.domain())
    }

    /// Whether somebody may be told how the owner is: a contact with a subscription, or a colleague where that is allowed.
    pub async fn tells_presence_to(&self, owner: &Owner, viewer: &Jid) -> Result<bool> {
        Ok(self.are_colleagues(viewer, &owner.jid) || self.shows_presence_to(owner, viewer).await?)
    }

    /// Has a session be told from now on how these people of its own domain are, and nobody whom it named before. Those whom it
    /// may not watch are left out. `ResourceConstraint` for more than [`WATCHED_LIMIT`].
    pub fn watch(&self, session: &Arc<Session>, mut people: Vec<Jid>) -> Result<()> {
        if people.len() > WATCHED_LIMIT {
            return Err(Error::ResourceConstraint("too many people are to be watched"));
        }
        people.retain(|person| person.is_bare() && self.are_colleagues(&session.bare, person));
        people.sort_unstable();
        people.dedup();
        self.watching.set(session, people);
        // One that went meanwhile was forgotten before it was noted.
        if self.sessions.find(&session.jid).is_none_or(|found| found.id != session.id) {
            self.watching.stop(session);
        }
        Ok(())
    }

    /// Tells those who watch somebody, but for his contacts, who are told anyway.
    pub(crate) async fn tell_watching(&self, profile: &Profile, contacts: &Contacts, stanza: &Stanza) {
        let watching = self.watching.of(&profile.jid);
        if watching.is_empty() {
            return;
        }
        let stanza = Arc::new(Outgoing::new(stanza.clone()));
        for session in watching {
            let told = session.bare == profile.jid || contacts.is_watcher(&session.bare);
            if told || !self.are_colleagues(&session.bare, &profile.jid) || profile.blocks(&session.jid) {
                continue;
            }
            match self.profile(&session.bare).await {
                Ok(Some(watcher)) if !watcher.blocks(&profile.jid) => push(&session, &stanza),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "presence could not be told to a colleague"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, jid};

    /// Those in view are told of, and nobody else; what a session names replaces what it named.
    #[tokio::test]
    async fn a_session_hears_of_those_it_watches() {
        let world = World::of(&["romeo", "juliet", "nurse"]).await;
        let mut romeo = world.online("romeo", "orchard").await;
        world.chat.watch(&romeo.session, vec![jid("juliet")]).unwrap();
        let juliet = world.online("juliet", "balcony").await;
        let _nurse = world.online("nurse", "hall").await;
        assert_eq!(romeo.told().len(), 1);
        world.chat.watch(&romeo.session, vec![jid("nurse")]).unwrap();
        juliet.send("<presence><show>away</show></presence>").await;
        assert!(romeo.told().is_empty());
    }

    #[tokio::test]
    async fn whoever_blocks_is_not_seen() {
        let world = World::of(&["romeo", "juliet"]).await;
        let mut romeo = world.online("romeo", "orchard").await;
        world.chat.watch(&romeo.session, vec![jid("juliet")]).unwrap();
        let juliet = world.online("juliet", "balcony").await;
        assert_eq!(romeo.told().len(), 1);
        world.chat.block(&world.owner("juliet").await, vec![jid("romeo")]).await.unwrap();
        romeo.told();
        juliet.send("<presence><show>away</show></presence>").await;
        assert!(romeo.told().is_empty());
    }

    #[tokio::test]
    async fn a_session_that_is_gone_is_forgotten() {
        let world = World::of(&["romeo", "juliet"]).await;
        let romeo = world.online("romeo", "orchard").await;
        world.chat.watch(&romeo.session, vec![jid("juliet")]).unwrap();
        world.chat.unbind(&romeo.session, None).await;
        assert!(world.chat.watching.of(&jid("juliet")).is_empty());
        world.chat.watch(&romeo.session, vec![jid("juliet")]).unwrap();
        assert!(world.chat.watching.of(&jid("juliet")).is_empty());
        let many = vec![jid("juliet"); WATCHED_LIMIT + 1];
        assert!(matches!(world.chat.watch(&romeo.session, many), Err(Error::ResourceConstraint(_))));
    }

    #[tokio::test]
    async fn an_administrator_may_leave_it_to_contacts() {
        let world = World::of(&["romeo", "juliet"]).await;
        let mut settings = world.chat.settings().as_ref().clone();
        settings.people.presence_for = PresenceFor::Contacts;
        world.chat.reload(settings);
        let mut romeo = world.online("romeo", "orchard").await;
        world.chat.watch(&romeo.session, vec![jid("juliet")]).unwrap();
        let _juliet = world.online("juliet", "balcony").await;
        assert!(romeo.told().is_empty());
        let juliet = world.owner("juliet").await;
        assert!(!world.chat.tells_presence_to(&juliet, &jid("romeo")).await.unwrap());
    }
}
