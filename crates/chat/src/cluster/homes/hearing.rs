//! What sessions of this node that are in a room elsewhere show there, and what they hear.

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, PresenceType, Stanza};

use super::{Home, Seated};
use crate::archive::ArchiveId;
use crate::cluster::{Cluster, lock};
use crate::nodes::NodeId;
use crate::rooms::affiliation::Affiliation;
use crate::rooms::role::{Role, Standing};
use crate::session::Session;

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

impl Cluster {
    /// A session of this node is in a room elsewhere under this address, and has heard everything up to here.
    pub(in crate::cluster) fn seated(&self, session: &Session, room: &Jid, own: &Jid, heard: ArchiveId) {
        session.enter_room(own.clone());
        let presence = session.presence().map(|presence| content(presence.stanza()));
        let mut homes = lock(&self.homes);
        let seats = homes.seats.entry(room.clone()).or_default();
        let presence = presence.unwrap_or_else(|| "<presence xmlns='jabber:client'/>".to_owned());
        let standing = Standing { affiliation: Affiliation::None, role: Role::None };
        let seated = Seated { own: own.clone(), presence, standing, heard };
        seats.sessions.insert(session.jid.clone(), seated);
        seats.seen.insert(own.clone());
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

    /// To which of these sessions of this node something is new that a room says; it is noted. What was kept comes to those who
    /// sit in it at its own home from there.
    pub(in crate::cluster) fn hears(
        &self,
        node: NodeId,
        room: &Jid,
        stanza: &Stanza,
        archived: Option<ArchiveId>,
        mut to: Vec<Jid>,
    ) -> Vec<Jid> {
        let mut homes = lock(&self.homes);
        let (is_here, comes) = match homes.homes.get(room) {
            Some(Home::Mine(..) | Home::Giving(..)) => (true, true),
            Some(Home::Taking) => (false, true),
            None => (false, false),
        };
        let Some(seats) = homes.seats.get_mut(room).filter(|_| !is_here) else {
            return if archived.is_none() || !comes { to } else { Vec::new() };
        };
        if let (Kind::Presence(kind), Some(from)) = (stanza.kind, &stanza.from) {
            match kind {
                PresenceType::Available => {
                    seats.seen.insert(from.clone());
                    if let Some(standing) = standing_in(stanza) {
                        let own = seats.sessions.values_mut().filter(|seated| seated.own == *from);
                        own.for_each(|seated| seated.standing = standing);
                    }
                }
                PresenceType::Unavailable => {
                    seats.seen.remove(from);
                }
                _ => {}
            }
        }
        let Some(id) = archived else { return to };
        if seats.gap.contains(&node) {
            return Vec::new();
        }
        to.retain(|session| match seats.sessions.get_mut(session) {
            Some(seated) if id <= seated.heard => false,
            Some(seated) => {
                seated.heard = id;
                true
            }
            None => true,
        });
        if !to.is_empty() {
            // Another node hands what it says behind what has been heard.
            seats.gap.clear();
        }
        to
    }
}
