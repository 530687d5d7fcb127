//! Who hears what is said in a room without being in it: the sessions of those who belong to it, and of those who keep it
//! among their bookmarks.
//!
//! Entering would cost a stanza for everybody in the room at each sign-in. A session that *attends* is put on the lists of
//! its person's rooms instead, by one read; it is told in the same callback of the store as everybody in the room, and taken
//! off a list the moment its person may no longer read there.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Outgoing;

use super::affiliation::Affiliation;
use super::store::RoomId;
use crate::account::AccountId;
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::cluster::rooms::News;
use crate::event::Event;
use crate::rooms::news::{RoomEvent, Said};
use crate::session::{Session, SessionId};

/// How many counters of changes there are; accounts share them.
const STRIPES: usize = 256;

/// A session that hears what is said in a room.
#[derive(Debug)]
struct Listener {
    session: Arc<Session>,
    /// Knows who is who, even where others do not.
    ranked: bool,
}

/// The sessions that hear what is said in one room.
#[derive(Debug, Default)]
pub(crate) struct Listeners(Mutex<HashMap<SessionId, Listener>>);

/// Something that is said, on its way to those who listen.
pub(crate) struct Saying<'a> {
    pub(crate) room: &'a Jid,
    pub(crate) stanza: &'a Arc<Outgoing>,
    /// Whose archive keeps it.
    pub(crate) archive: AccountId,
    pub(crate) archived: Option<ArchiveId>,
    /// Who really says it.
    pub(crate) by: &'a Jid,
    /// Everybody may know that.
    pub(crate) openly: bool,
}

impl Saying<'_> {
    /// Tells those who listen at other nodes.
    pub(crate) fn tell_others(&self, chat: &Chat) {
        if let Some(cluster) = chat.cluster() {
            let (stanza, by) = (self.stanza.stanza().clone(), self.by.clone());
            let (archive, archived, openly) = (self.archive, self.archived, self.openly);
            cluster.tell_room(self.room, News::Heard { stanza, archive, archived, by, openly });
        }
    }
}

impl Listeners {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Listener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this session is among them.
    pub(crate) fn has(&self, session: &Session) -> bool {
        self.lock().contains_key(&session.id)
    }

    /// Hands over what is said: all who may know the same share one event.
    pub(crate) fn hear(&self, saying: &Saying<'_>) {
        let listeners = self.lock();
        if listeners.is_empty() {
            return;
        }
        let mut shared: [Option<Arc<RoomEvent>>; 3] = [None, None, None];
        for listener in listeners.values() {
            let knows_people = saying.openly || listener.ranked;
            let own = saying.by.same_bare(&listener.session.bare);
            let which = if knows_people { 0 } else { 1 + usize::from(own) };
            let event = shared[which].get_or_insert_with(|| {
                Arc::new(RoomEvent::Said(Said {
                    room: saying.room.clone(),
                    stanza: Arc::clone(saying.stanza),
                    archive: saying.archive,
                    archived: saying.archived,
                    by: (knows_people || own).then(|| saying.by.clone()),
                    knows_people,
                    rendered: OnceCell::new(),
                }))
            });
            listener.session.push(Event::Room(Arc::clone(event)));
        }
    }

    /// Tells all who listen.
    pub(crate) fn tell(&self, event: RoomEvent) {
        let listeners = self.lock();
        if listeners.is_empty() {
            return;
        }
        let event = Arc::new(event);
        for listener in listeners.values() {
            listener.session.push(Event::Room(Arc::clone(&event)));
        }
    }

    /// Tells those alone who know who is who.
    pub(crate) fn tell_ranked(&self, event: RoomEvent) {
        let event = Arc::new(event);
        for listener in self.lock().values().filter(|listener| listener.ranked) {
            listener.session.push(Event::Room(Arc::clone(&event)));
        }
    }

    /// Notes whether a person knows who is who.
    pub(crate) fn rank(&self, person: &Jid, ranked: bool) {
        for listener in self.lock().values_mut().filter(|listener| listener.session.bare == *person) {
            listener.ranked = ranked;
        }
    }

    /// Takes out all who may not listen any more, and gives them back.
    pub(crate) fn retain(&self, may: impl Fn(&Jid) -> bool) -> Vec<Arc<Session>> {
        let mut gone = Vec::new();
        self.lock().retain(|_, listener| {
            let stays = may(&listener.session.bare);
            if !stays {
                gone.push(Arc::clone(&listener.session));
            }
            stays
        });
        gone
    }

    fn insert(&self, session: &Arc<Session>, ranked: bool) {
        let listener = Listener { session: Arc::clone(session), ranked };
        self.lock().insert(session.id, listener);
    }

    fn remove(&self, session: &Session) {
        self.lock().remove(&session.id);
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// All of them.
    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        self.lock().values().map(|listener| Arc::clone(&listener.session)).collect()
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// The lists of all rooms, whether they are awake or not.
#[derive(Debug)]
pub(crate) struct Listening {
    rooms: Mutex<HashMap<RoomId, Arc<Listeners>>>,
    /// What somebody is to rooms has changed so often, by his address; and what rooms are to everybody.
    changes: Box<[AtomicU64]>,
    general: AtomicU64,
    hasher: RandomState,
}

impl Default for Listening {
    fn default() -> Self {
        Self {
            rooms: Mutex::default(),
            changes: (0..STRIPES).map(|_| AtomicU64::new(0)).collect(),
            general: AtomicU64::new(0),
            hasher: RandomState::new(),
        }
    }
}

impl Listening {
    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Arc<Listeners>>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list of a room.
    pub(crate) fn of(&self, room: RoomId) -> Arc<Listeners> {
        Arc::clone(self.lock().entry(room).or_default())
    }

    /// Forgets the lists of these rooms that nobody is on and no room holds.
    fn tidy(&self, rooms: impl Iterator<Item = RoomId>) {
        let mut lists = self.lock();
        for room in rooms {
            let unused = lists.get(&room).is_some_and(|list| Arc::strong_count(list) == 1 && list.is_empty());
            if unused {
                lists.remove(&room);
            }
        }
    }

    /// Forgets the list of a room that goes to sleep, or ends.
    pub(crate) fn asleep(&self, room: RoomId) {
        self.tidy(std::iter::once(room));
    }

    fn stripe(&self, person: &Jid) -> &AtomicU64 {
        let at = usize::try_from(self.hasher.hash_one(person.bare_str()) % STRIPES as u64);
        &self.changes[at.unwrap_or_default()]
    }

    /// As long as this is the same, somebody may read in the same rooms as before.
    pub(crate) fn changes(&self, person: &Jid) -> (u64, u64) {
        (self.stripe(person).load(Ordering::Acquire), self.general.load(Ordering::Acquire))
    }

    /// What somebody is to a room has been changed in the store.
    pub(crate) fn changed_for(&self, person: &Jid) {
        // A whole domain may be banned.
        let counter = if person.local().is_some() { self.stripe(person) } else { &self.general };
        counter.fetch_add(1, Ordering::AcqRel);
    }

    /// A room is open to others than before.
    pub(crate) fn changed_for_all(&self) {
        self.general.fetch_add(1, Ordering::AcqRel);
    }

    /// Puts a session on the lists of exactly these rooms.
    pub(crate) fn set(&self, session: &Arc<Session>, rooms: &[(RoomId, Affiliation)]) {
        let before = session.listens_to();
        for (room, affiliation) in rooms {
            self.of(*room).insert(session, *affiliation >= Affiliation::Admin);
        }
        let now: Vec<RoomId> = rooms.iter().map(|(room, _)| *room).collect();
        for room in before.iter().filter(|room| !now.contains(room)) {
            self.of(*room).remove(session);
        }
        if !session.set_listens_to(now.clone()) {
            self.take_off(session, &now);
        }
        self.tidy(before.into_iter());
    }

    /// Puts a session on the list of one more room.
    pub(crate) fn add(&self, session: &Arc<Session>, room: RoomId, ranked: bool) {
        self.of(room).insert(session, ranked);
        if !session.add_listens_to(room) {
            self.take_off(session, &[room]);
        }
    }

    /// A session has gone.
    pub(crate) fn stop(&self, session: &Session) {
        let rooms = session.end_listening();
        self.take_off(session, &rooms);
    }

    fn take_off(&self, session: &Session, rooms: &[RoomId]) {
        for room in rooms {
            let list = self.lock().get(room).map(Arc::clone);
            if let Some(list) = list {
                list.remove(session);
            }
        }
        self.tidy(rooms.iter().copied());
    }
}
