//! What sessions of this node that are in a room elsewhere show there, and what they hear.
//!
//! Each message of a room that is kept says which one came before it. So each session knows whether it has been handed all,
//! whoever is the room's home and whatever was lost on the way; if not, its node says so at the room's home.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, PresenceType, Stanza};

use super::{Home, Homes};
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::cluster::rooms::{Place, SeatAt, Sitting};
use crate::cluster::{Cluster, lock};
use crate::nodes::NodeId;
use crate::rooms::affiliation::Affiliation;
use crate::rooms::role::{Role, Standing};
use crate::session::{Session, SessionId};

/// This node's sessions in a room that has its home elsewhere.
#[derive(Debug, Default)]
pub(super) struct Seats {
    sessions: BTreeMap<Jid, Seated>,
    /// Who they have been told is there.
    seen: BTreeSet<Jid>,
    /// The newest message of which is known that somebody was not handed what came before it.
    missed: ArchiveId,
    /// The room's home is being told who sits here.
    asking: bool,
}

#[derive(Debug, Clone)]
struct Seated {
    /// Which session it is: another may have come under its address.
    session: SessionId,
    own: Jid,
    presence: String,
    /// As what he is there, as he was told last.
    standing: Standing,
    /// The newest message of the room's archive that he has been handed, with all before it.
    heard: ArchiveId,
    /// Which node knows of him as the room's home.
    /// `None` where that may be any.
    known_to: Option<NodeId>,
}

/// Who is handed something that a room says.
pub(in crate::cluster) struct Hearing {
    pub(in crate::cluster) to: Vec<Arc<Session>>,
    /// Somebody has missed what came before it.
    pub(in crate::cluster) lacking: bool,
}

/// As what somebody is in a room, as his presence there says.
fn standing_in(presence: &Stanza) -> Option<Standing> {
    let item = presence.child(ns::MUC_USER, "x")?.child(ns::MUC_USER, "item")?;
    let affiliation = Affiliation::from_word(item.attr("affiliation")?)?;
    Some(Standing { affiliation, role: Role::from_word(item.attr("role")?)? })
}

/// Presence without what says where it is from and for whom.
fn content(presence: &Stanza) -> String {
    presence.element.to_xml()
}

impl Seats {
    /// Notes who is shown to be there, and as what.
    fn see(&mut self, stanza: &Stanza) {
        let (Kind::Presence(kind), Some(from)) = (stanza.kind, &stanza.from) else { return };
        match kind {
            PresenceType::Available => {
                self.seen.insert(from.clone());
                if let Some(standing) = standing_in(stanza) {
                    let own = self.sessions.values_mut().filter(|seated| seated.own == *from);
                    own.for_each(|seated| seated.standing = standing);
                }
            }
            PresenceType::Unavailable => {
                self.seen.remove(from);
            }
            _ => {}
        }
    }

    /// Whether something is for a session: one that is in the room, and has heard all before it, but not this; it is noted.
    fn hears(&mut self, session: &Session, node: NodeId, place: Option<Place>) -> bool {
        let Some(seated) = self.sessions.get_mut(&session.jid) else { return true };
        if seated.session != session.id {
            return false;
        }
        seated.known_to = Some(node);
        let Some(place) = place else { return true };
        if place.id <= seated.heard {
            return false;
        }
        if place.after > seated.heard {
            self.missed = self.missed.max(place.id);
            return false;
        }
        seated.heard = place.id;
        true
    }

    /// Whether somebody has missed something.
    fn lacks(&self) -> bool {
        self.missed > ArchiveId::default() && self.sessions.values().any(|seated| seated.heard < self.missed)
    }

    /// Those whose sessions are there still; the others are forgotten.
    fn sitting(&mut self, cluster: &Cluster, chat: &Chat) -> Vec<Sitting> {
        let mut sitting = Vec::with_capacity(self.sessions.len());
        self.sessions.retain(|jid, seated| {
            let session = chat.sessions.find(jid).filter(|session| session.id == seated.session);
            let Some(session) = session else { return false };
            sitting.push(Sitting {
                own: seated.own.clone(),
                affiliation: seated.standing.affiliation,
                role: seated.standing.role,
                heard: Some(seated.heard),
                presence: seated.presence.clone(),
                seats: vec![SeatAt::Node(cluster.away(&session))],
            });
            true
        });
        sitting
    }
}

impl Cluster {
    /// Those of this node who are in a room that has its home elsewhere, and who they believe is there. The node that is told
    /// knows of them from here on.
    pub(in crate::cluster) fn sitting_here(
        &self,
        chat: &Chat,
        room: &Jid,
        told: NodeId,
    ) -> (Vec<Sitting>, Vec<Jid>) {
        let mut homes = lock(&self.homes);
        let Some(seats) = homes.seats.get_mut(room) else { return Default::default() };
        seats.sessions.values_mut().for_each(|seated| seated.known_to = Some(told));
        (seats.sitting(self, chat), seats.seen.iter().cloned().collect())
    }

    /// The same where this node is the room's home from now on: it knows of its own sessions there without that.
    pub(super) fn stand_up(&self, chat: &Chat, room: &Jid) -> (Vec<Sitting>, Vec<Jid>) {
        let seats = lock(&self.homes).seats.remove(room);
        let Some(mut seats) = seats else { return Default::default() };
        (seats.sitting(self, chat), seats.seen.into_iter().collect())
    }

    /// Remembers those of this node who are in a room that has its home elsewhere from now on. Whoever sat in it here has heard it
    /// up to this place.
    pub(super) fn sit_down_here(&self, chat: &Chat, room: &Jid, sitting: &[Sitting], heard: ArchiveId) {
        let mut seats = Seats::default();
        seats.seen.extend(sitting.iter().map(|one| one.own.clone()));
        for one in sitting {
            for seat in &one.seats {
                if let SeatAt::Node(away) = seat
                    && away.node == self.bus.node()
                    && let Some(session) = chat.sessions.find(&away.jid)
                {
                    let seated = Seated {
                        session: session.id,
                        own: one.own.clone(),
                        presence: one.presence.clone(),
                        standing: Standing { affiliation: one.affiliation, role: one.role },
                        heard: one.heard.unwrap_or(heard),
                        known_to: None,
                    };
                    seats.sessions.insert(away.jid.clone(), seated);
                }
            }
        }
        if !seats.sessions.is_empty() {
            lock(&self.homes).seats.insert(room.clone(), seats);
        }
    }

    /// A session of this node is in a room elsewhere under this address, as the room's home says, and has heard all up to here;
    /// if it is there still, it has heard what it had.
    pub(in crate::cluster) fn seated(
        &self,
        session: &Session,
        home: NodeId,
        own: &Jid,
        heard: ArchiveId,
        anew: bool,
    ) {
        let presence = session.presence().map(|presence| content(presence.stanza()));
        let presence = presence.unwrap_or_else(|| "<presence xmlns='jabber:client'/>".to_owned());
        let mut homes = lock(&self.homes);
        let seats = homes.seats.entry(own.to_bare()).or_default();
        let known = seats.sessions.get(&session.jid).filter(|known| known.session == session.id);
        if let Some(former) = known.map(|known| &known.own).filter(|former| *former != own) {
            session.leave_room(former);
        }
        let standing = Standing { affiliation: Affiliation::None, role: Role::None };
        let heard = known.filter(|_| !anew).map_or(heard, |known| known.heard);
        let seated =
            Seated { session: session.id, own: own.clone(), presence, standing, heard, known_to: Some(home) };
        seats.seen.insert(seated.own.clone());
        session.enter_room(seated.own.clone());
        seats.sessions.insert(session.jid.clone(), seated);
    }

    /// What a session of this node shows in a room elsewhere.
    pub(in crate::cluster) fn note_shown(&self, room: &Jid, session: &Jid, presence: &Stanza) {
        if let Some(seats) = lock(&self.homes).seats.get_mut(room)
            && let Some(seated) = seats.sessions.get_mut(session)
        {
            seated.presence = content(presence);
        }
    }

    /// A session of this node is not in a room elsewhere any more.
    pub(in crate::cluster) fn unseated(&self, room: &Jid, session: &Jid) {
        let mut homes = lock(&self.homes);
        if let Some(seats) = homes.seats.get_mut(room) {
            seats.sessions.remove(session);
            if seats.sessions.is_empty() {
                homes.seats.remove(room);
            }
        }
    }

    /// Who of these sessions is handed something that a room says at another node; it is noted. What was kept comes to those who
    /// sit in it at its own home from there.
    pub(in crate::cluster) fn hears(
        &self,
        chat: &Chat,
        node: NodeId,
        room: &Jid,
        (to, stanza, place): (&[Jid], &Stanza, Option<Place>),
    ) -> Hearing {
        let mut to: Vec<Arc<Session>> = to.iter().filter_map(|jid| chat.sessions.find(jid)).collect();
        let mut homes = lock(&self.homes);
        let (is_here, comes) = match homes.homes.get(room) {
            Some(Home::Mine(..) | Home::Giving(..)) => (true, true),
            Some(Home::Taking) => (false, true),
            None => (false, false),
        };
        let Some(seats) = homes.seats.get_mut(room).filter(|_| !is_here) else {
            if place.is_some() && comes {
                to.clear();
            }
            return Hearing { to, lacking: false };
        };
        seats.see(stanza);
        to.retain(|session| seats.hears(session, node, place));
        Hearing { to, lacking: seats.lacks() && !seats.asking }
    }
}

impl Homes {
    /// The rooms that have their home here.
    pub(super) fn mine(&self) -> Vec<Jid> {
        let mine = self.homes.iter().filter(|(_, home)| matches!(home, Home::Mine(..)));
        mine.map(|(room, _)| room.clone()).collect()
    }

    /// Whether a node knows, or knew, as a room's home of somebody who sits in it here.
    pub(super) fn is_known_to(&self, room: &Jid, node: NodeId) -> bool {
        let seats = self.seats.get(room);
        seats.is_some_and(|seats| {
            seats.sessions.values().any(|seated| seated.known_to.is_none_or(|known_to| known_to == node))
        })
    }

    /// A node has said who of its sessions is in a room that has its home here, or is gone. Says whether it was the last of which
    /// that was not known.
    pub(super) fn is_silent_no_more(&mut self, room: &Jid, node: NodeId) -> bool {
        let Some(silent) = self.silent.get_mut(room) else { return false };
        silent.remove(&node);
        silent.is_empty() && self.silent.remove(room).is_some()
    }

    /// Says whether nobody else tells the room's home who sits here; from now on the caller does.
    pub(super) fn begin_asking(&mut self, room: &Jid) -> bool {
        self.seats.get_mut(room).is_some_and(|seats| !std::mem::replace(&mut seats.asking, true))
    }

    /// The caller does so no more, unless somebody lacks something.
    pub(super) fn end_asking(&mut self, room: &Jid) -> bool {
        match self.seats.get_mut(room) {
            Some(seats) if seats.lacks() => false,
            Some(seats) => {
                seats.asking = false;
                true
            }
            None => true,
        }
    }
}
