//! Who is in a room: nicknames, the sessions behind them, and what each is there.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use super::affiliation::Affiliation;
use super::kept_presence::{Forms, KeptPresence};
use super::nicknames::{nick_key, nick_likeness};
use super::role::{Role, Standing};
use crate::archive::{ArchiveId, Direction};
use crate::chat::Chat;
use crate::cluster::Away;
use crate::cluster::rooms::News;
use crate::error::{Error, Result};
use crate::event::{Delivery, Event};
use crate::nodes::FRAME_BYTES_LIMIT;
use crate::session::Session;

/// How many sessions may share one nickname.
pub const SESSIONS_PER_NICK_LIMIT: usize = 50;

/// About how many bytes of stanzas one frame takes to another node.
const BATCH_BYTES: usize = FRAME_BYTES_LIMIT / 4;

/// One client in a room.
#[derive(Debug, Clone)]
pub enum Seat {
    /// A session of this server.
    Local(Arc<Session>),
    /// A client of another server, at this full address.
    Remote(Jid),
    /// A session of another node.
    Node(Away),
}

impl Seat {
    /// Its full address.
    pub fn jid(&self) -> &Jid {
        match self {
            Self::Local(session) => &session.jid,
            Self::Remote(jid) | Self::Node(Away { jid, .. }) => jid,
        }
    }

    /// Whether another seat with its address is that of the same client. One that has gone already is told by its node alone.
    pub(crate) fn is_of(&self, chat: &Chat, other: &Self) -> bool {
        let here = |away: &Away| chat.cluster().is_some_and(|cluster| cluster.node() == away.node);
        match (self, other) {
            (Self::Local(one), Self::Local(other)) => Arc::ptr_eq(one, other),
            (Self::Local(_), Self::Node(away)) | (Self::Node(away), Self::Local(_)) => here(away),
            (Self::Node(one), Self::Node(other)) => one.node == other.node,
            (Self::Remote(_), Self::Remote(_)) => true,
            (Self::Remote(_), _) | (_, Self::Remote(_)) => false,
        }
    }

    /// It is in a room under this address from now on, which has said all up to here. Says whether it can be.
    pub(crate) fn enter(&self, chat: &Chat, own: &Jid, heard: ArchiveId) -> bool {
        match self {
            Self::Local(session) => session.enter_room(own.clone()),
            Self::Remote(_) => true,
            Self::Node(away) => {
                tell_entered(chat, away, own, heard, true);
                true
            }
        }
    }

    /// The same for one that is in the room already, maybe under another address.
    pub(crate) fn stay(&self, chat: &Chat, former: &Jid, own: &Jid, heard: ArchiveId) {
        match self {
            Self::Local(session) => {
                session.leave_room(former);
                session.enter_room(own.clone());
            }
            Self::Remote(_) => {}
            Self::Node(away) => tell_entered(chat, away, own, heard, false),
        }
    }

    /// It is not in a room under this address any more.
    pub(crate) fn leave(&self, chat: &Chat, own: &Jid) {
        match self {
            Self::Local(session) => session.leave_room(own),
            Self::Remote(_) => {}
            Self::Node(away) => {
                let (session, own) = (away.jid.clone(), own.clone());
                tell(chat, away, &own.to_bare(), News::Left { session, own });
            }
        }
    }

    /// A copy of what another client of the same person has said.
    pub(crate) fn copy(&self, chat: &Chat, sent: &Arc<Outgoing>) {
        match self {
            Self::Local(session) if session.carbons() => {
                let delivery = Delivery { stanza: Arc::clone(sent), archived: None };
                session.push(Event::Carbon(Direction::Outgoing, delivery));
            }
            Self::Node(away) => {
                let stanza = sent.stanza().clone();
                let room = stanza.to.as_ref().map(Jid::to_bare).unwrap_or_else(|| away.jid.to_bare());
                tell(chat, away, &room, News::Carbon { to: away.jid.clone(), stanza });
            }
            Self::Local(_) | Self::Remote(_) => {}
        }
    }

    /// Hands over a stanza that many get.
    pub(crate) fn push(&self, chat: &Chat, stanza: &Arc<Outgoing>) {
        match self {
            Self::Local(session) => {
                session.push(Event::Stanza(Delivery { stanza: Arc::clone(stanza), archived: None }));
            }
            Self::Remote(jid) => {
                // A server that cannot be reached says so by an error, which takes the occupant out.
                drop(chat.to_remote(stanza.stanza_for(jid).into_owned()));
            }
            Self::Node(away) => {
                let stanza = stanza.stanza().clone();
                let room = stanza.from.as_ref().map(Jid::to_bare).unwrap_or_else(|| away.jid.to_bare());
                tell(chat, away, &room, News::Stanza { to: vec![away.jid.clone()], stanza, place: None });
            }
        }
    }

    /// Hands over several stanzas at once that others get, too.
    pub(crate) fn push_shared(&self, chat: &Chat, stanzas: &[Arc<Outgoing>]) {
        match self {
            Self::Local(session) => {
                session.push(Event::Batch(stanzas.to_vec()));
            }
            Self::Node(away) => {
                let stanzas = stanzas.iter().map(|stanza| stanza.stanza().clone()).collect();
                batch(chat, away, stanzas);
            }
            Self::Remote(_) => stanzas.iter().for_each(|stanza| self.push(chat, stanza)),
        }
    }

    /// Hands over several stanzas at once, so that a full room does not fill a newcomer's queue.
    pub(crate) fn push_all(&self, chat: &Chat, stanzas: Vec<Stanza>) {
        if let Self::Node(away) = self {
            return batch(chat, away, stanzas);
        }
        let stanzas = stanzas.into_iter().map(|stanza| Arc::new(Outgoing::for_many(stanza)));
        match self {
            Self::Local(session) => {
                session.push(Event::Batch(stanzas.collect()));
            }
            Self::Remote(_) | Self::Node(_) => stanzas.for_each(|stanza| self.push(chat, &stanza)),
        }
    }
}

fn tell(chat: &Chat, away: &Away, room: &Jid, news: News) {
    if let Some(cluster) = chat.cluster() {
        cluster.tell_room_at(away.node, room, news);
    }
}

fn tell_entered(chat: &Chat, away: &Away, own: &Jid, heard: ArchiveId, anew: bool) {
    let (session, own, room) = (away.jid.clone(), own.clone(), own.to_bare());
    tell(chat, away, &room, News::Entered { session, own, heard, anew });
}

/// Several stanzas for a session of another node, in as few frames as may be.
fn batch(chat: &Chat, away: &Away, stanzas: Vec<Stanza>) {
    let mut left = stanzas.into_iter().peekable();
    while left.peek().is_some() {
        let mut bytes = 0;
        let mut some = Vec::new();
        while let Some(stanza) = left.next_if(|_| bytes < BATCH_BYTES) {
            bytes += stanza.element.memory();
            some.push(stanza);
        }
        let room = some.first().and_then(|stanza| stanza.from.as_ref()).map(Jid::to_bare);
        let room = room.unwrap_or_else(|| away.jid.to_bare());
        tell(chat, away, &room, News::Batch { to: away.jid.clone(), stanzas: some });
    }
}

/// Somebody in a room.
#[derive(Debug)]
pub struct Occupant {
    /// His address in the room.
    pub jid: Jid,
    /// His own bare address.
    pub bare: Jid,
    /// What he lastingly is.
    pub affiliation: Affiliation,
    /// What he is for now.
    pub role: Role,
    /// What others know him by, whatever his nickname (XEP-0421); none for one of whom nothing is known but that he left.
    pub id: Option<[u8; 32]>,
    /// His clients.
    pub seats: Vec<Seat>,
    /// His presence as he sent it, without what only a room may say.
    pub presence: KeptPresence,
    /// The hats he wears (XEP-0317), if any.
    pub hats: Option<Arc<Element>>,
}

impl Occupant {
    /// His nickname.
    pub fn nick(&self) -> &str {
        self.jid.resource().unwrap_or_default()
    }

    /// His id as others see it.
    pub fn shown_id(&self) -> String {
        self.id.iter().flatten().map(|octet| format!("{octet:02x}")).collect()
    }

    /// What he is.
    pub fn standing(&self) -> Standing {
        Standing { affiliation: self.affiliation, role: self.role }
    }
}

/// Everybody in a room.
#[derive(Debug, Default)]
pub struct Occupants {
    by_nick: BTreeMap<Arc<str>, Box<Occupant>>,
    /// The key of the nickname that a full address has.
    nicks: HashMap<Jid, Arc<str>>,
    /// The keys of nicknames that look like something else than they are, by what they look like.
    likenesses: HashMap<String, Arc<str>>,
    forms: Forms,
}

impl Occupants {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_nick.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.by_nick.is_empty()
    }

    /// Everybody, in the order of the nicknames.
    pub fn iter(&self) -> impl Iterator<Item = &Occupant> {
        self.by_nick.values().map(|occupant| &**occupant)
    }

    /// Everybody, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Occupant> {
        self.by_nick.values_mut().map(|occupant| &mut **occupant)
    }

    /// Who has this nickname.
    pub fn named(&self, nick: &str) -> Option<&Occupant> {
        self.by_nick.get(&*nick_key(nick)).map(|occupant| &**occupant)
    }

    /// Who has this nickname, to be changed.
    pub fn named_mut(&mut self, nick: &str) -> Option<&mut Occupant> {
        self.by_nick.get_mut(&*nick_key(nick)).map(|occupant| &mut **occupant)
    }

    /// Who has this nickname, or one that cannot be told from it.
    pub fn claimed(&self, nick: &str) -> Option<&Occupant> {
        let (key, likeness) = (nick_key(nick), nick_likeness(nick));
        let alike = |look: &str| {
            let key = self.likenesses.get(look).map_or(look, |key| &**key);
            self.by_nick.get(look).or_else(|| self.by_nick.get(key))
        };
        alike(&key).or_else(|| alike(likeness.as_deref()?)).map(|occupant| &**occupant)
    }

    /// Who sits at this full address.
    pub fn at(&self, jid: &Jid) -> Option<&Occupant> {
        self.by_nick.get(self.nicks.get(jid)?).map(|occupant| &**occupant)
    }

    /// Who sits at this full address, to be changed.
    pub fn at_mut(&mut self, jid: &Jid) -> Option<&mut Occupant> {
        self.by_nick.get_mut(self.nicks.get(jid)?).map(|occupant| &mut **occupant)
    }

    /// Presence to keep of an occupant.
    pub fn kept(&mut self, presence: &Element) -> KeptPresence {
        self.forms.keep(presence, self.by_nick.len())
    }

    /// Adds somebody whose nickname is free.
    pub fn add(&mut self, occupant: Occupant) {
        let key: Arc<str> = nick_key(occupant.nick()).into();
        for seat in &occupant.seats {
            self.nicks.insert(seat.jid().clone(), Arc::clone(&key));
        }
        if let Some(likeness) = nick_likeness(occupant.nick()) {
            self.likenesses.insert(likeness, Arc::clone(&key));
        }
        self.by_nick.insert(key, Box::new(occupant));
    }

    /// Adds another client of somebody who is there.
    pub fn join(&mut self, nick: &str, seat: Seat) -> Result<()> {
        let key: Arc<str> = nick_key(nick).into();
        let Some(occupant) = self.by_nick.get_mut(&key) else { return Ok(()) };
        if occupant.seats.len() >= SESSIONS_PER_NICK_LIMIT {
            return Err(Error::ResourceConstraint("too many sessions with this nickname"));
        }
        self.nicks.insert(seat.jid().clone(), key);
        // A session that has been resumed at another node has one place all the same.
        match occupant.seats.iter_mut().find(|known| known.jid() == seat.jid()) {
            Some(known) => *known = seat,
            None => occupant.seats.push(seat),
        }
        Ok(())
    }

    /// A client sits at another node than before, or has come anew.
    pub fn reseat(&mut self, seat: &Seat) {
        let Some(occupant) = self.at_mut(seat.jid()) else { return };
        occupant.seats.iter_mut().filter(|known| known.jid() == seat.jid()).for_each(|known| {
            *known = seat.clone();
        });
    }

    /// Takes one client out. `Ok` is the occupant who has left with it, `Err` the seat of one who stays by others.
    pub fn leave(&mut self, jid: &Jid) -> Option<std::result::Result<Occupant, Seat>> {
        let key = self.nicks.remove(jid)?;
        let occupant = self.by_nick.get_mut(&key)?;
        let at = occupant.seats.iter().position(|seat| seat.jid() == jid)?;
        if occupant.seats.len() > 1 {
            return Some(Err(occupant.seats.swap_remove(at)));
        }
        let gone = self.by_nick.remove(&key)?;
        self.forget_likeness(&gone);
        Some(Ok(*gone))
    }

    fn forget_likeness(&mut self, gone: &Occupant) {
        if let Some(likeness) = nick_likeness(gone.nick()) {
            self.likenesses.remove(&likeness);
        }
    }

    /// Takes somebody out with all his clients.
    pub fn remove(&mut self, nick: &str) -> Option<Occupant> {
        let occupant = self.by_nick.remove(&*nick_key(nick))?;
        for seat in &occupant.seats {
            self.nicks.remove(seat.jid());
        }
        self.forget_likeness(&occupant);
        Some(*occupant)
    }

    /// Takes everybody out.
    pub fn take(&mut self) -> Vec<Occupant> {
        self.nicks.clear();
        self.likenesses.clear();
        std::mem::take(&mut self.by_nick).into_values().map(|occupant| *occupant).collect()
    }
}
