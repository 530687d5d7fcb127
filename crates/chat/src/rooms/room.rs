//! A room that is awake: its state, what follows from it, and how it wakes and ends.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sasl::Hash;
use waxwing_xmpp::stanza::{Outgoing, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use super::affiliation::Affiliation;
use super::avatars;
use super::configuration::Configuration;
use super::hats::{self, Hats};
use super::listening::{Listeners, Saying};
use super::messages::Speaker;
use super::nicknames::{nick_key, nick_likeness};
use super::occupants::{Occupant, Occupants, Seat};
use super::registration::{self, Applicant};
use super::requests::Passed;
use super::role::{Role, Standing};
use super::store::{Affiliate, RoomChange, RoomId, RoomRecord};
use super::telling::{self, Notice};
use crate::account::AccountId;
use crate::archive::{ArchiveId, Fence};
use crate::chat::Chat;
use crate::cluster::rooms::Sitting;
use crate::error::{Error, Result};
use crate::store::{DocumentKind, StoreError, StoreResult};

/// How many people may have an affiliation with one room.
pub const AFFILIATIONS_LIMIT: usize = 10_000;

/// Octets of the secret that occupants' ids are made with.
pub(super) const SECRET_BYTES: usize = 32;

/// A room that is awake, whether or not it exists.
pub struct Room {
    pub(super) chat: Arc<Chat>,
    pub(super) jid: Jid,
    pub(super) floor: Arc<Floor>,
    pub(super) state: Option<State>,
    /// Requests between occupants that wait for their answers, oldest first.
    pub(super) passed: VecDeque<Passed>,
    /// What tells the message that is taken now from all others, if another node has sent it.
    pub(super) token: Option<String>,
    /// It is about to have its home at another node, which waits for those who are in it.
    pub(super) yielding: Option<oneshot::Sender<(Vec<Sitting>, ArchiveId)>>,
}

/// What the room's task shares with the store's, which delivers messages as they are committed.
#[derive(Debug, Default)]
pub(super) struct Floor {
    occupants: Mutex<Occupants>,
    /// Those who hear it without being in it.
    pub(super) listeners: Arc<Listeners>,
    /// How many messages are on their way to the store.
    in_flight: AtomicUsize,
    settled: Notify,
    /// The newest message of its archive that everybody has been handed.
    heard: AtomicU64,
}

/// A room that exists.
pub(super) struct State {
    pub(super) record: RoomRecord,
    pub(super) affiliates: HashMap<Jid, Affiliate>,
    /// Whose nickname it is, by its key and by what it looks like.
    pub(super) reserved: HashMap<String, Jid>,
    pub(super) hats: Hats,
    /// Those who wait for an admin to let them register.
    pub(super) applicants: Vec<Applicant>,
    /// The hashes of the pictures in its vCard (XEP-0486).
    pub(super) avatar: Vec<String>,
}

impl Floor {
    pub(super) fn new(listeners: Arc<Listeners>) -> Self {
        Self { listeners, ..Self::default() }
    }

    /// Who is there. Nothing is awaited while this is held.
    pub(super) fn occupants(&self) -> MutexGuard<'_, Occupants> {
        self.occupants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message has come down from the store, and goes to everybody: gives back the one before it.
    pub(super) fn hears(&self, id: ArchiveId) -> ArchiveId {
        ArchiveId(self.heard.fetch_max(id.0, Ordering::AcqRel))
    }

    /// The newest message of its archive that everybody has been handed.
    pub(super) fn heard(&self) -> ArchiveId {
        ArchiveId(self.heard.load(Ordering::Acquire))
    }

    pub(super) fn take_off(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn land(&self) {
        if self.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.settled.notify_one();
        }
    }
}

impl State {
    pub(super) fn new(record: RoomRecord, affiliates: Vec<Affiliate>) -> Self {
        let mut state = Self {
            record,
            affiliates: HashMap::new(),
            reserved: HashMap::new(),
            hats: Hats::default(),
            applicants: Vec::new(),
            avatar: Vec::new(),
        };
        for affiliate in affiliates {
            state.keep(affiliate);
        }
        state
    }

    /// Notes what somebody is from now on.
    pub(super) fn keep(&mut self, affiliate: Affiliate) {
        if let Some(nick) = self.affiliates.get(&affiliate.jid).and_then(|before| before.nick.as_deref()) {
            for key in [Some(nick_key(nick)), nick_likeness(nick)].into_iter().flatten() {
                self.reserved.remove(&key);
            }
        }
        if affiliate.affiliation == Affiliation::None {
            self.affiliates.remove(&affiliate.jid);
            return;
        }
        if let Some(nick) = &affiliate.nick {
            for key in [Some(nick_key(nick)), nick_likeness(nick)].into_iter().flatten() {
                self.reserved.insert(key, affiliate.jid.clone());
            }
        }
        self.affiliates.insert(affiliate.jid.clone(), affiliate);
    }

    /// What a bare address is to the room; a whole domain may be banned (section 9.2). Whole addresses are compared,
    /// nothing less.
    pub(super) fn affiliation(&self, bare: &Jid) -> Affiliation {
        let known = |jid: &Jid| self.affiliates.get(jid).map(|affiliate| affiliate.affiliation);
        known(bare).or_else(|| known(&bare.to_domain())).unwrap_or_default()
    }

    /// Whether a nickname is kept for somebody else.
    pub(super) fn is_reserved_from(&self, nick: &str, bare: &Jid) -> bool {
        let keys = [Some(nick_key(nick)), nick_likeness(nick)].into_iter().flatten();
        keys.filter_map(|key| self.reserved.get(&key)).any(|owner| owner != bare)
    }

    /// The nickname that somebody has to have, where nicknames are locked and one is kept for him.
    pub(super) fn locked_nick(&self, bare: &Jid) -> Option<&str> {
        let kept = self.affiliates.get(bare).and_then(|affiliate| affiliate.nick.as_deref());
        kept.filter(|_| self.configuration().lock_nicks)
    }

    pub(super) fn configuration(&self) -> &Configuration {
        &self.record.configuration
    }

    pub(super) fn id(&self) -> RoomId {
        self.record.id
    }

    /// Whose archive holds what is said here.
    pub(super) fn archive(&self) -> AccountId {
        self.record.id.archive()
    }

    /// What others know somebody by, whatever he calls himself: nobody else can make it, and it says nothing about him
    /// (XEP-0421 section 4.1).
    pub(super) fn occupant_id(&self, bare: &Jid) -> Option<[u8; 32]> {
        let code = Hash::Sha256.hmac(&self.record.secret, &[bare.as_str().as_bytes()]);
        (*code).try_into().ok()
    }

    /// The same as it is shown.
    pub(super) fn shown_occupant_id(&self, jid: &Jid) -> Box<str> {
        self.occupant_id(jid).iter().flatten().map(|octet| format!("{octet:02x}")).collect::<String>().into()
    }
}

impl Room {
    /// Wakes a room, with those in it who were in it at another node.
    pub(super) async fn wake(chat: Arc<Chat>, jid: Jid) -> Result<Self> {
        let mut room = Self::read(chat, jid).await?;
        if let Some(cluster) = room.chat.cluster().cloned()
            && let Some(arrivals) = cluster.arrivals(&room.jid)
        {
            room.resettle(arrivals).await?;
            cluster.have_arrived(&room.jid);
        }
        Ok(room)
    }

    /// Whether this node is the room's home, or the only one.
    pub(super) fn is_at_home(&self) -> bool {
        self.chat.cluster().is_none_or(|cluster| cluster.keeps_home(&self.jid))
    }

    /// Reads what is kept of a room.
    pub(super) async fn read(chat: Arc<Chat>, jid: Jid) -> Result<Self> {
        let state = match chat.store.room(&jid).await? {
            Some(record) => {
                let affiliates = chat.store.affiliates(record.id).await?;
                let documents = chat.store.documents(record.id.archive(), DocumentKind::Room).await?;
                let mut state = State::new(record, affiliates);
                for (key, content) in documents {
                    match key.as_str() {
                        hats::DOCUMENT => state.hats = Hats::from_stored(&content),
                        registration::DOCUMENT => state.applicants = registration::from_stored(&content),
                        avatars::DOCUMENT => state.avatar = content.lines().map(str::to_owned).collect(),
                        _ => {}
                    }
                }
                Some(state)
            }
            None => None,
        };
        let listeners = state.as_ref().map(|state| chat.rooms.listening.of(state.id())).unwrap_or_default();
        let floor = Arc::new(Floor::new(listeners));
        Ok(Self { chat, jid, floor, state, passed: VecDeque::new(), token: None, yielding: None })
    }

    /// Whether there is such a room.
    pub(super) fn exists(&self) -> bool {
        self.state.is_some()
    }

    /// Its identity in the store, if there is such a room.
    pub(super) fn id(&self) -> Option<RoomId> {
        self.state.as_ref().map(State::id)
    }

    /// Whether nobody is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.floor.occupants().is_empty()
    }

    /// The room as it is kept, if there is one.
    pub(super) fn state(&self) -> Result<&State> {
        self.state.as_ref().ok_or(Error::NotFound)
    }

    pub(super) fn state_mut(&mut self) -> Result<&mut State> {
        self.state.as_mut().ok_or(Error::NotFound)
    }

    /// What has to be held for what the room writes, so that a home that was lost without noticing keeps nothing any more;
    /// `None` where there is one node alone.
    pub(super) fn fence(&self) -> Result<Option<Fence>> {
        let Some(cluster) = self.chat.cluster() else { return Ok(None) };
        let held = cluster.fence(&self.jid);
        held.map(Some).ok_or(Error::ResourceConstraint("the room has its home at another node by now"))
    }

    /// Has the store keep a change of the room.
    pub(super) async fn keep(&self, change: RoomChange) -> Result<()> {
        let id = self.state()?.id();
        self.kept(self.chat.store.change_room(id, change, self.fence()?).await)
    }

    /// What came of a change. Where another node has the room by now, this one gives it up.
    fn kept(&self, outcome: StoreResult<()>) -> Result<()> {
        if matches!(outcome, Err(StoreError::Fenced))
            && let Some(cluster) = self.chat.cluster()
        {
            let (cluster, chat, room) = (Arc::clone(cluster), Arc::clone(&self.chat), self.jid.clone());
            tokio::spawn(async move { cluster.has_lost_home(&chat, &room).await });
        }
        Ok(outcome?)
    }

    /// Waits until every message that was taken is safe, and delivered.
    pub(super) async fn settle(&self) {
        while self.floor.in_flight.load(Ordering::Acquire) > 0 {
            self.floor.settled.notified().await;
        }
    }

    /// What somebody is here: lastingly, and for now if he is in the room. Any of his clients speaks for him (section 8:
    /// "the bare JID portion of one of the moderators").
    pub(super) fn standing(&self, asker: &Jid) -> Result<Standing> {
        let bare = asker.to_bare();
        let affiliation = self.state()?.affiliation(&bare);
        let present = {
            let occupants = self.floor.occupants();
            occupants.iter().filter(|o| o.bare == bare).map(|o| o.role).max().unwrap_or(Role::None)
        };
        let role = if present == Role::None { self.absent_role(asker)? } else { present };
        Ok(Standing { affiliation, role })
    }

    /// Refuses whoever may not know about a room that its owner has not configured yet (section 7.2.10).
    pub(super) fn visible_to(&self, asker: &Jid) -> Result<&State> {
        let state = self.state()?;
        if state.record.locked && state.affiliation(&asker.to_bare()) != Affiliation::Owner {
            return Err(Error::NotFound);
        }
        Ok(state)
    }

    /// Tells everybody who may know, the occupant himself last.
    pub(super) fn tell(&self, occupants: &Occupants, notice: &Notice<'_>) {
        let Ok(state) = self.state() else { return };
        telling::presence(&self.chat, state.configuration(), occupants, notice);
    }

    /// Tells of what an occupant is now.
    pub(super) fn tell_current(&self, occupants: &Occupants, occupant: &Occupant, reason: Option<&str>) {
        let content = occupant.presence.content();
        let notice = Notice { reason, ..Notice::of(occupant, PresenceType::Available, &content) };
        self.tell(occupants, &notice);
    }

    /// Takes an occupant out for a reason that a status code names, and tells him and everybody else.
    pub(super) fn put_out(
        &self,
        occupants: &mut Occupants,
        nick: &str,
        code: u16,
        actor: Option<&str>,
        reason: Option<&str>,
    ) {
        let Some(mut gone) = occupants.remove(nick) else { return };
        for seat in &gone.seats {
            seat.leave(&self.chat, &gone.jid);
        }
        if let Ok(state) = self.state() {
            gone.affiliation = state.affiliation(&gone.bare);
        }
        let nothing = telling::empty_presence();
        let statuses = vec![code];
        let notice =
            Notice { statuses, actor, reason, ..Notice::of(&gone, PresenceType::Unavailable, &nothing) };
        self.tell(occupants, &notice);
    }

    /// Ends a room that nothing keeps once nobody is in it (section 7.14), or that was never configured (section 10.1.3).
    pub(super) async fn end_if_deserted(&mut self) -> Result<()> {
        let Some(state) = &self.state else { return Ok(()) };
        let passing = state.record.locked || !state.configuration().persistent;
        // Whoever is in it through a node that has not answered yet is seated late.
        let known = self.chat.cluster().is_none_or(|cluster| cluster.knows_all_in(&self.jid));
        if passing && known && self.is_empty() {
            self.kept(self.chat.store.delete_room(state.id(), self.fence()?).await)?;
            self.ended();
        }
        Ok(())
    }

    /// Ends the room: everybody is told, and nothing of it is kept (section 10.9).
    pub(super) async fn end(&mut self, destroy: Element) -> Result<()> {
        let id = self.state()?.id();
        self.kept(self.chat.store.delete_room(id, self.fence()?).await)?;
        let everybody = self.floor.occupants().take();
        for mut occupant in everybody {
            (occupant.affiliation, occupant.role) = (Affiliation::None, Role::None);
            let nothing = telling::empty_presence();
            let notice = Notice {
                destroy: Some(&destroy),
                ..Notice::of(&occupant, PresenceType::Unavailable, &nothing)
            };
            let stanza = telling::own_presence(&notice);
            for seat in &occupant.seats {
                seat.leave(&self.chat, &occupant.jid);
                seat.push_all(&self.chat, vec![stanza.clone()]);
            }
        }
        self.ended();
        Ok(())
    }

    /// Tells everybody of everybody anew, once addresses are seen by others than before (section 10.2.1): two encodings of
    /// each serve them all, and each gets one event with all of them.
    pub(super) fn tell_everybody_anew(&self) {
        let Ok(state) = self.state() else { return };
        telling::everybody(&self.chat, state.configuration(), &self.floor.occupants());
    }

    /// Puts out those from other servers, since the service stops.
    pub(super) fn close(&mut self) {
        let occupants = self.floor.occupants();
        for occupant in occupants.iter() {
            let nothing = telling::empty_presence();
            let statuses = vec![332];
            let notice = Notice { statuses, ..Notice::of(occupant, PresenceType::Unavailable, &nothing) };
            for seat in occupant.seats.iter().filter(|seat| matches!(seat, Seat::Remote(_))) {
                seat.push_all(&self.chat, vec![telling::own_presence(&notice)]);
            }
        }
    }

    /// What is said and not kept: everybody hears it, in the room or not.
    pub(super) fn say_passing(&self, speaker: &Speaker, said: Stanza) {
        let Ok(state) = self.state() else { return };
        let stanza = Arc::new(Outgoing::for_many(said));
        telling::shared(&self.chat, &self.floor.occupants(), &stanza, None);
        let openly = state.configuration().non_anonymous;
        let (room, by, archive) = (&self.jid, &speaker.real, state.archive());
        let saying = Saying { room, stanza: &stanza, archive, archived: None, by, openly };
        self.floor.listeners.hear(&saying);
        saying.tell_others(&self.chat);
    }

    /// A message of the room itself to everybody in it (section 10.2.1).
    pub(super) fn say(&self, message: Stanza) {
        telling::message(&self.chat, &self.floor.occupants(), message);
    }
}
