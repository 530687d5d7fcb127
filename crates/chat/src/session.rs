//! A session: one client of an account, seen from the domain as a bounded queue and a little state.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Outgoing;

use crate::account::AccountId;
use crate::archive::{ArchiveId, Direction};
use crate::event::{Close, Event};
use crate::interests::{self, Interests};
use crate::profile::Profile;
use crate::queue::{Events, Queue, Refused};
use crate::rooms::ROOMS_PER_SESSION_LIMIT;
use crate::rooms::store::RoomId;
use crate::sessions::Mark;

/// How many addresses outside its roster a session may send directed presence to.
pub const DIRECTED_PRESENCE_LIMIT: usize = 1000;

/// How many archived messages a session may get out of turn before its replay.
pub const AHEAD_LIMIT: usize = 10_000;

/// How many requests to other servers of one session may be unanswered; of more, the oldest get no answer.
pub const ASKED_LIMIT: usize = 1000;

/// Whether a session hears rooms that it is not in.
#[derive(Debug, Default)]
enum Listening {
    /// It hears those alone that it is in.
    #[default]
    No,
    /// It hears these.
    To(Vec<RoomId>),
    /// It has gone.
    Over,
}

const NOT_AVAILABLE: i16 = i16::MIN;

/// Identifies a session for as long as the process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// What is known about a session's client, for administrators and the account's owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientInfo {
    /// The face it came by, such as `xmpp` or `websocket`.
    pub face: &'static str,
    /// The client's address, if it has one.
    pub address: Option<std::net::SocketAddr>,
    /// The protocol version of TLS, if any.
    pub tls: Option<String>,
    /// How it signed in.
    pub mechanism: String,
    /// The name of the software, as it told us when signing in.
    pub software: Option<String>,
    /// The client's own lasting id (XEP-0388 user-agent).
    pub agent: Option<String>,
    /// The connection's id in the log.
    pub connection: String,
    /// Milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// One client of an account.
#[derive(Debug)]
pub struct Session {
    /// Its identity.
    pub id: SessionId,
    /// Its full address.
    pub jid: Jid,
    /// Its account's address, shared by all who need it.
    pub bare: Jid,
    /// Its account.
    pub account: AccountId,
    /// How far its account's messages have come.
    pub(crate) delivered: Arc<Mark>,
    /// What is known about its client; replaced when the stream is resumed from elsewhere.
    info: Mutex<ClientInfo>,
    queue: Queue,
    priority: AtomicI16,
    carbons: AtomicBool,
    roster_wanted: AtomicBool,
    blocklist_wanted: AtomicBool,
    /// Set until waiting messages have been replayed; what waits then comes from the archive, not the queue.
    replaying: AtomicBool,
    /// Its last replay has come to its end: whatever the account is sent since then has been put into the queue.
    joined: AtomicBool,
    /// The newest archived message that was put into the queue while no replay was due.
    queued: AtomicU64,
    /// Where the account's delivery mark stood when the replay fell due. What another session confirms meanwhile still is
    /// to be replayed to this one.
    replay_from: AtomicU64,
    replayed: AtomicU64,
    /// It was brought back after a restart, and its first replay begins where it was and not where its account is.
    restored: AtomicBool,
    /// Archived messages that came through the queue although a replay was still due.
    ahead: Mutex<BTreeSet<ArchiveId>>,
    presence: Mutex<Option<Arc<Outgoing>>>,
    directed: Mutex<HashSet<Jid>>,
    /// The nodes of publish-subscribe that it wants to be told of.
    interests: Mutex<Option<Interests>>,
    /// The rooms it is in, each by its own address there.
    rooms: Mutex<Vec<Jid>>,
    /// The rooms that it hears without being in them.
    listening: Mutex<Listening>,
    /// The requests to other servers that are not answered yet, the oldest first.
    asked: Mutex<VecDeque<(Jid, Box<str>)>>,
    /// Its account's profile, and how many changes of profiles there had been when it was read.
    profile: Mutex<Option<(u64, Arc<Profile>)>>,
    /// Milliseconds since the Unix epoch since when no connection carries it; 0 while one does.
    suspended_since_ms: AtomicU64,
    /// Its client says that nobody looks at it (XEP-0352).
    unattended: AtomicBool,
    /// The other nodes have been told that it has gone.
    left: AtomicBool,
}

impl Session {
    pub(crate) fn new(
        id: SessionId,
        (bare, jid): (Jid, Jid),
        account: AccountId,
        delivered: Arc<Mark>,
        info: ClientInfo,
    ) -> (Arc<Self>, Events) {
        let (queue, events) = Queue::new();
        let session = Self {
            id,
            jid,
            bare,
            account,
            delivered,
            info: Mutex::new(info),
            queue,
            priority: AtomicI16::new(NOT_AVAILABLE),
            carbons: AtomicBool::new(false),
            roster_wanted: AtomicBool::new(false),
            blocklist_wanted: AtomicBool::new(false),
            replaying: AtomicBool::new(true),
            joined: AtomicBool::new(false),
            queued: AtomicU64::new(0),
            replay_from: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
            restored: AtomicBool::new(false),
            ahead: Mutex::new(BTreeSet::new()),
            presence: Mutex::new(None),
            directed: Mutex::new(HashSet::new()),
            interests: Mutex::new(None),
            rooms: Mutex::default(),
            listening: Mutex::default(),
            asked: Mutex::default(),
            profile: Mutex::default(),
            suspended_since_ms: AtomicU64::new(0),
            unattended: AtomicBool::new(false),
            left: AtomicBool::new(false),
        };
        (Arc::new(session), events)
    }

    /// Its account's profile, if no profile has changed since it was remembered.
    pub(crate) fn profile_as_of(&self, changes: u64) -> Option<Arc<Profile>> {
        let known = lock(&self.profile);
        known.as_ref().filter(|(as_of, _)| *as_of == changes).map(|(_, profile)| Arc::clone(profile))
    }

    pub(crate) fn remember_profile(&self, changes: u64, profile: &Arc<Profile>) {
        *lock(&self.profile) = Some((changes, Arc::clone(profile)));
    }

    /// Remembers a request to somebody at another server.
    pub(crate) fn note_asked(&self, to: &Jid, id: &str) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= ASKED_LIMIT {
            asked.pop_front();
        }
        asked.push_back((to.clone(), id.into()));
    }

    /// Whether this is the answer to a request that waits for one; it does not wait any more then.
    pub(crate) fn asked(&self, from: &Jid, id: &str) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let found = asked.iter().position(|(to, known)| to == from && **known == *id);
        found.and_then(|at| asked.remove(at)).is_some()
    }

    /// Whether a request to this address waits for its answer.
    pub(crate) fn is_asking(&self, whom: &Jid) -> bool {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|(to, _)| to == whom)
    }

    /// Hands the session an event. Never waits: a full queue closes the session as too slow, and what it did not get
    /// waits in the archive. Returns whether the event was taken.
    pub fn push(&self, event: Event) -> bool {
        match self.queue.push(event) {
            Ok(()) => true,
            Err(Refused::Full) => {
                self.close(Close::TooSlow);
                false
            }
            Err(Refused::Closed) => false,
        }
    }

    /// Ends the session; the first reason counts.
    pub fn close(&self, reason: Close) {
        self.queue.end(reason);
    }

    /// Why the session is being ended, if it is.
    pub fn close_reason(&self) -> Option<Close> {
        self.queue.ending()
    }

    /// The priority of its presence (RFC 6121 section 4.7.2.3); `None` while it is not available.
    pub fn priority(&self) -> Option<i8> {
        i8::try_from(self.priority.load(Ordering::Acquire)).ok()
    }

    /// Sent initial presence and has not gone unavailable since.
    pub fn is_available(&self) -> bool {
        self.priority().is_some()
    }

    /// Takes messages addressed to the account: available with a priority of zero or more (RFC 6121 section 8.5.2).
    pub fn takes_messages(&self) -> bool {
        self.priority().is_some_and(|p| p >= 0)
    }

    /// The last presence it broadcast while available.
    pub fn presence(&self) -> Option<Arc<Outgoing>> {
        lock(&self.presence).clone()
    }

    /// Notes the presence it broadcasts, or with `None` that it is no longer available. A session that begins to take
    /// messages is due a replay of those that wait behind the account's delivery mark; what is sent from now on must not
    /// overtake them. One that ceases to take them leaves those to a replay that come from now on, so what it gets
    /// meanwhile is out of turn.
    pub(crate) fn set_presence(&self, presence: Option<(i8, Arc<Outgoing>)>, delivered: ArchiveId) {
        let priority = presence.as_ref().map_or(NOT_AVAILABLE, |(p, _)| i16::from(*p));
        *lock(&self.presence) = presence.map(|(_, stanza)| stanza);
        // A message comes either wholly before this, through the queue, or after it, by the replay.
        let mut ahead = lock(&self.ahead);
        if priority >= 0 && !self.takes_messages() {
            self.replay_from.store(delivered.0, Ordering::Release);
            self.replaying.store(true, Ordering::Release);
        } else if priority < 0 && self.takes_messages() {
            self.cease(&mut ahead);
        }
        self.priority.store(priority, Ordering::Release);
    }

    /// It takes no messages from here on. What it was handed until now no replay repeats, whether its client has taken it or it
    /// still stands in the queue.
    fn cease(&self, ahead: &mut BTreeSet<ArchiveId>) {
        let replayed = self.replayed();
        self.queue.each(|event| {
            let id = archived(event).filter(|id| *id > replayed);
            id.into_iter().for_each(|id| note(ahead, id));
        });
        if self.joined.swap(false, Ordering::AcqRel) {
            self.set_replayed(ArchiveId(self.queued.load(Ordering::Acquire)));
        }
        self.replaying.store(true, Ordering::Release);
    }

    /// Notes that the other nodes have been told that it has gone.
    pub(crate) fn note_left(&self) {
        self.left.store(true, Ordering::Release);
    }

    /// Whether the other nodes have been told that it has gone.
    pub(crate) fn has_left(&self) -> bool {
        self.left.load(Ordering::Acquire)
    }

    /// Notes whether somebody looks at its client.
    pub fn set_attended(&self, attended: bool) {
        self.unattended.store(!attended, Ordering::Release);
    }

    /// Whether somebody may be looking at its client, so that no other device needs to be woken: it takes messages, has a
    /// connection, and has not said otherwise.
    pub fn is_attended(&self) -> bool {
        self.is_connected() && !self.unattended.load(Ordering::Acquire)
    }

    /// Takes messages, and has a connection.
    pub(crate) fn is_connected(&self) -> bool {
        self.takes_messages() && self.suspended_since_ms().is_none()
    }

    /// Whether it is the only session of its account.
    pub(crate) fn is_alone(&self) -> bool {
        self.delivered.sessions() <= 1
    }

    /// Wants copies of the account's other conversations (XEP-0280).
    pub fn carbons(&self) -> bool {
        self.carbons.load(Ordering::Acquire)
    }

    /// Switches carbons on or off.
    pub fn set_carbons(&self, on: bool) {
        self.carbons.store(on, Ordering::Release);
    }

    /// Asked for the roster, so it gets pushes ("interested resource", RFC 6121 section 2.1.6).
    pub fn roster_wanted(&self) -> bool {
        self.roster_wanted.load(Ordering::Acquire)
    }

    /// Notes that it asked for the roster.
    pub fn set_roster_wanted(&self) {
        self.roster_wanted.store(true, Ordering::Release);
    }

    /// Asked for the blocklist, so it gets pushes (XEP-0191 section 3.3).
    pub fn blocklist_wanted(&self) -> bool {
        self.blocklist_wanted.load(Ordering::Acquire)
    }

    /// Notes that it asked for the blocklist.
    pub fn set_blocklist_wanted(&self) {
        self.blocklist_wanted.store(true, Ordering::Release);
    }

    /// Messages that wait for the account have to be replayed to it (`Chat::replay`) before it is given newer ones.
    pub fn replay_due(&self) -> bool {
        self.takes_messages() && self.replaying.load(Ordering::Acquire)
    }

    pub(crate) fn is_replaying(&self) -> bool {
        self.replaying.load(Ordering::Acquire)
    }

    /// A read of the replay has found nothing more. Says whether the replay has to read once more, because what was committed
    /// since that read began does not come through the queue.
    pub(crate) fn end_replay(&self) -> bool {
        let _ahead = lock(&self.ahead);
        if !self.takes_messages() {
            // What is sent to the account meanwhile waits for the replay that is due when it takes messages again.
            return false;
        }
        if self.replaying.swap(false, Ordering::AcqRel) {
            return true;
        }
        self.joined.store(true, Ordering::Release);
        self.restored.store(false, Ordering::Release);
        false
    }

    /// Notes an archived message that it gets now although a replay is still due, so that the replay leaves it out.
    pub(crate) fn note_ahead(&self, id: ArchiveId) {
        note(&mut lock(&self.ahead), id);
    }

    /// Hands over an event with an archived message, unless a replay is due that will come to that message.
    /// The queue's lock is the last that is ever taken, so it may be taken under the one for what came ahead.
    pub(crate) fn push_archived(&self, event: Event, id: ArchiveId) {
        let mut ahead = lock(&self.ahead);
        if self.is_replaying() {
            let waits = matches!(event, Event::Stanza(_) | Event::Carbon(Direction::Incoming, _));
            if waits && self.takes_messages() {
                return;
            }
            if self.push(event) {
                note(&mut ahead, id);
            }
        } else if self.push(event) {
            self.queued.fetch_max(id.0, Ordering::AcqRel);
        }
    }

    /// Whether anything was handed over out of turn: it stands in the queue before all that the replay is going to bring. Once
    /// the replay has ended, what stands there may also be what its last read is about to bring, and has to wait for that.
    pub fn has_ahead(&self) -> bool {
        self.is_replaying() && !lock(&self.ahead).is_empty()
    }

    fn was_ahead(&self, id: ArchiveId) -> bool {
        lock(&self.ahead).contains(&id)
    }

    /// Whether an archived message that comes by the queue was already handed over by the replay.
    pub fn is_repeated(&self, id: ArchiveId) -> bool {
        id <= self.replayed() && !self.was_ahead(id)
    }

    /// Whether an archived message that the replay found still has to be handed over.
    pub(crate) fn lacks(&self, id: ArchiveId) -> bool {
        !self.was_ahead(id)
    }

    /// Where its replay goes on. Before a restart it was handed what its account's mark may have passed since.
    pub(crate) fn replay_position(&self) -> ArchiveId {
        let due = ArchiveId(self.replay_from.load(Ordering::Acquire));
        if self.restored.load(Ordering::Acquire) { self.replayed() } else { due.max(self.replayed()) }
    }

    /// Everything up to here was handed over by the replay; the queue may hold some of it once more.
    pub fn replayed(&self) -> ArchiveId {
        ArchiveId(self.replayed.load(Ordering::Acquire))
    }

    /// Goes on behind this message: everything up to it was handed over before a restart.
    pub(crate) fn continue_behind(&self, id: ArchiveId) {
        self.set_replayed(id);
        self.restored.store(true, Ordering::Release);
    }

    pub(crate) fn set_replayed(&self, id: ArchiveId) {
        self.replayed.fetch_max(id.0, Ordering::AcqRel);
    }

    /// Remembers an address that got directed presence, to be told when the session goes (RFC 6121 section 4.6.3).
    /// Returns whether there was room for it.
    pub(crate) fn add_directed(&self, to: Jid) -> bool {
        let mut directed = lock(&self.directed);
        if directed.len() >= DIRECTED_PRESENCE_LIMIT && !directed.contains(&to) {
            return false;
        }
        directed.insert(to);
        true
    }

    pub(crate) fn remove_directed(&self, to: &Jid) {
        lock(&self.directed).remove(to);
    }

    /// Whether this address, or its bare form, has directed presence of this session.
    pub fn has_directed(&self, to: &Jid) -> bool {
        let directed = lock(&self.directed);
        directed.contains(to) || directed.contains(&to.to_bare())
    }

    pub(crate) fn take_directed(&self) -> HashSet<Jid> {
        std::mem::take(&mut *lock(&self.directed))
    }

    /// The addresses that have directed presence of this session.
    pub fn directed(&self) -> Vec<Jid> {
        lock(&self.directed).iter().cloned().collect()
    }

    /// Notes what it wants to be told of (XEP-0060 section 9.2), and gives back what that was before.
    pub(crate) fn set_interests(&self, interests: Option<Interests>) -> Option<Interests> {
        std::mem::replace(&mut *lock(&self.interests), interests)
    }

    /// What it wants to be told of, as far as that is known.
    pub fn interests(&self) -> Option<Interests> {
        lock(&self.interests).clone()
    }

    /// Whether it wants to be told what happens at nodes of this name.
    pub(crate) fn is_interested_in(&self, node: &str) -> bool {
        lock(&self.interests).as_ref().is_some_and(|nodes| interests::contains(nodes, node))
    }

    /// Notes that it is in a room under this address. Says whether there was room for it.
    pub(crate) fn enter_room(&self, own: Jid) -> bool {
        let mut rooms = lock(&self.rooms);
        if rooms.contains(&own) {
            return true;
        }
        if rooms.len() >= ROOMS_PER_SESSION_LIMIT {
            return false;
        }
        if rooms.len() == rooms.capacity() {
            // Most are in few rooms, and a list would grow by more than they need.
            let spare = 1 + rooms.len() / 4;
            rooms.reserve_exact(spare);
        }
        rooms.push(own);
        true
    }

    pub(crate) fn leave_room(&self, own: &Jid) {
        lock(&self.rooms).retain(|room| room != own);
    }

    /// Its own addresses in the rooms that it is in.
    pub fn rooms(&self) -> Vec<Jid> {
        lock(&self.rooms).iter().cloned().collect()
    }

    /// The same, after which it counts as being in none: its end is told to none of them.
    pub fn take_rooms(&self) -> Vec<Jid> {
        std::mem::take(&mut *lock(&self.rooms))
    }

    /// Belongs to its person's rooms without entering them (`Chat::attend`).
    pub fn attends(&self) -> bool {
        matches!(*lock(&self.listening), Listening::To(_))
    }

    /// The rooms that it hears without being in them.
    pub(crate) fn listens_to(&self) -> Vec<RoomId> {
        match &*lock(&self.listening) {
            Listening::To(rooms) => rooms.clone(),
            Listening::No | Listening::Over => Vec::new(),
        }
    }

    /// Notes which rooms it hears; `false` when it has gone meanwhile.
    pub(crate) fn set_listens_to(&self, rooms: Vec<RoomId>) -> bool {
        let mut listening = lock(&self.listening);
        if matches!(*listening, Listening::Over) {
            return false;
        }
        *listening = Listening::To(rooms);
        true
    }

    /// Notes that it hears one more; `false` when it does not attend (any more).
    pub(crate) fn add_listens_to(&self, room: RoomId) -> bool {
        match &mut *lock(&self.listening) {
            Listening::To(rooms) => {
                if !rooms.contains(&room) {
                    rooms.push(room);
                }
                true
            }
            Listening::No | Listening::Over => false,
        }
    }

    /// Notes that it does not hear one any more.
    pub(crate) fn remove_listens_to(&self, room: RoomId) {
        if let Listening::To(rooms) = &mut *lock(&self.listening) {
            rooms.retain(|other| *other != room);
        }
    }

    /// It has gone, and hears nothing any more. Gives back the rooms that it heard.
    pub(crate) fn end_listening(&self) -> Vec<RoomId> {
        match std::mem::replace(&mut *lock(&self.listening), Listening::Over) {
            Listening::To(rooms) => rooms,
            Listening::No | Listening::Over => Vec::new(),
        }
    }

    /// What is known about its client.
    pub fn info(&self) -> ClientInfo {
        lock(&self.info).clone()
    }

    /// Notes that its connection was lost, and that its client may resume it (XEP-0198).
    pub fn suspend(&self, now_ms: u64) {
        self.suspended_since_ms.store(now_ms, Ordering::Release);
    }

    /// Since when no connection carries it, in milliseconds since the Unix epoch; `None` while one does.
    pub fn suspended_since_ms(&self) -> Option<u64> {
        Some(self.suspended_since_ms.load(Ordering::Acquire)).filter(|since| *since > 0)
    }

    /// Replaces what is known about its client, when a stream is resumed.
    pub fn set_info(&self, info: ClientInfo) {
        self.suspended_since_ms.store(0, Ordering::Release);
        *lock(&self.info) = info;
    }
}

/// The archived message that an event brings.
fn archived(event: &Event) -> Option<ArchiveId> {
    match event {
        Event::Stanza(delivery) | Event::Carbon(_, delivery) => delivery.archived,
        _ => None,
    }
}

/// Beyond the limit the oldest are forgotten and would come twice.
fn note(ahead: &mut BTreeSet<ArchiveId>, id: ArchiveId) {
    if ahead.len() >= AHEAD_LIMIT {
        ahead.pop_first();
    }
    ahead.insert(id);
}

/// A poisoned lock only means that a thread panicked between two plain assignments; the value is whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
