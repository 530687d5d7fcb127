//! What a room tells its occupants: presence with what each may know of it, and messages, each encoded once for all who
//! get the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Outgoing, PresenceType, Stanza};
use waxwing_xmpp::xml::Element;

use super::configuration::Configuration;
use super::messages::in_client_namespace;
use super::occupants::{Occupant, Occupants, Seat};
use super::role::Role;
use crate::chat::Chat;
use crate::cluster::rooms::{News, Place};
use crate::nodes::NodeId;

/// The presence refers to whoever receives it.
pub(super) const SELF: u16 = 110;

/// Something about an occupant that others are told.
pub(super) struct Notice<'a> {
    pub(super) occupant: &'a Occupant,
    /// His address outside of the room.
    pub(super) real: Option<&'a Jid>,
    pub(super) kind: PresenceType,
    /// What his client says.
    pub(super) content: &'a Element,
    pub(super) statuses: Vec<u16>,
    /// Codes for himself alone.
    pub(super) own_statuses: Vec<u16>,
    /// The nickname he has from now on.
    pub(super) nick: Option<&'a str>,
    /// Who has done this.
    pub(super) actor: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    pub(super) destroy: Option<&'a Element>,
    /// The id of the stanza that led to this, for himself alone.
    pub(super) id: Option<Box<str>>,
}

impl<'a> Notice<'a> {
    pub(super) fn of(occupant: &'a Occupant, kind: PresenceType, content: &'a Element) -> Self {
        Self {
            occupant,
            real: occupant.seats.last().map(|seat| seat.jid()),
            kind,
            content,
            statuses: Vec::new(),
            own_statuses: Vec::new(),
            nick: None,
            actor: None,
            reason: None,
            destroy: None,
            id: None,
        }
    }
}

/// Presence without content.
pub(super) fn empty_presence() -> Element {
    Element::new(ns::CLIENT, "presence")
}

fn status(code: u16) -> Element {
    Element::new(ns::MUC_USER, "status").with_attr("code", &code.to_string())
}

/// A reason, for people.
pub(super) fn reason(text: &str) -> Element {
    Element::new(ns::MUC_USER, "reason").with_text(text)
}

/// What others know somebody by (XEP-0421).
pub(super) fn occupant_id(id: &str) -> Element {
    Element::new(ns::OCCUPANT_ID, "occupant-id").with_attr("id", id)
}

fn item(notice: &Notice<'_>, with_jid: bool) -> Element {
    let occupant = notice.occupant;
    // Section 7.14: whoever leaves has no role any more. One who changes his nickname does not leave.
    let leaves = notice.kind == PresenceType::Unavailable && notice.nick.is_none();
    let role = if leaves { Role::None } else { occupant.role };
    let mut item = Element::new(ns::MUC_USER, "item").with_attr("affiliation", occupant.affiliation.as_str());
    if let Some(real) = notice.real.filter(|_| with_jid) {
        item.set_attr("jid", real.as_str());
    }
    if let Some(nick) = notice.nick {
        item.set_attr("nick", nick);
    }
    item.set_attr("role", role.as_str());
    if let Some(actor) = notice.actor {
        item.append(Element::new(ns::MUC_USER, "actor").with_attr("nick", actor));
    }
    if let Some(text) = notice.reason {
        item.append(reason(text));
    }
    item
}

fn stanza(notice: &Notice<'_>, with_jid: bool, own: bool) -> Stanza {
    let mut stanza = Stanza::presence(notice.kind).with_from(notice.occupant.jid.clone());
    for child in notice.content.children() {
        stanza.element.append_copy(child);
    }
    if notice.occupant.id.is_some() {
        stanza.append(occupant_id(&notice.occupant.shown_id()));
    }
    if let Some(hats) = notice.occupant.hats.as_ref().filter(|_| notice.kind == PresenceType::Available) {
        stanza.element.append_copy(hats.root());
    }
    let mut x = Element::new(ns::MUC_USER, "x").with_child(item(notice, with_jid));
    if let Some(destroy) = notice.destroy {
        x.append(destroy.clone());
    }
    for code in &notice.statuses {
        x.append(status(*code));
    }
    if own {
        stanza.id = notice.id.clone();
        for code in notice.own_statuses.iter().chain(&[SELF]) {
            x.append(status(*code));
        }
    }
    stanza.with_child(x)
}

/// Presence as the occupant himself gets it.
pub(super) fn own_presence(notice: &Notice<'_>) -> Stanza {
    stanza(notice, true, true)
}

/// The presence of an occupant for one other, or himself without news.
pub(super) fn current_presence(occupant: &Occupant, with_jid: bool) -> Stanza {
    stanza(&Notice::of(occupant, PresenceType::Available, &occupant.presence.content()), with_jid, false)
}

/// Whether somebody in this role sees the addresses of others (section 7.2.4).
pub(super) fn sees_addresses(configuration: &Configuration, role: Role) -> bool {
    configuration.non_anonymous || role == Role::Moderator
}

/// Tells everybody who may know about an occupant, and himself: two encodings serve them all.
pub(super) fn presence(
    chat: &Chat,
    configuration: &Configuration,
    occupants: &Occupants,
    notice: &Notice<'_>,
) {
    let own = Arc::new(Outgoing::for_many(stanza(notice, true, true)));
    let himself = notice.occupant;
    if configuration.shows(himself.role) {
        let mut shared: [Option<Spread<'_>>; 2] = [None, None];
        for other in occupants.iter().filter(|other| other.jid != himself.jid) {
            let with_jid = sees_addresses(configuration, other.role);
            let spread = shared[usize::from(with_jid)].get_or_insert_with(|| {
                Spread::new(chat, Arc::new(Outgoing::for_many(stanza(notice, with_jid, false))), None)
            });
            other.seats.iter().for_each(|seat| spread.push(seat, &other.jid));
        }
    }
    for seat in &himself.seats {
        seat.push(chat, &own);
    }
}

/// Tells everybody of everybody who may be seen, himself included.
pub(super) fn everybody(chat: &Chat, configuration: &Configuration, occupants: &Occupants) {
    let mut told: [Vec<(&Jid, Arc<Outgoing>)>; 2] = Default::default();
    for occupant in occupants.iter().filter(|occupant| configuration.shows(occupant.role)) {
        for with_jid in [false, true] {
            let stanza = Arc::new(Outgoing::for_many(current_presence(occupant, with_jid)));
            told[usize::from(with_jid)].push((&occupant.jid, stanza));
        }
    }
    for occupant in occupants.iter() {
        let seen = &told[usize::from(sees_addresses(configuration, occupant.role))];
        let others =
            seen.iter().filter(|(jid, _)| **jid != occupant.jid).map(|(_, stanza)| Arc::clone(stanza));
        let content = occupant.presence.content();
        let notice = Notice::of(occupant, PresenceType::Available, &content);
        let own = Arc::new(Outgoing::for_many(own_presence(&notice)));
        let all: Vec<_> = others.chain([own]).collect();
        for seat in &occupant.seats {
            seat.push_shared(chat, &all);
        }
    }
}

/// Gives a message to everybody: one encoding serves them all.
pub(super) fn message(chat: &Chat, occupants: &Occupants, message: Stanza) {
    shared(chat, occupants, &Arc::new(Outgoing::for_many(message)), None);
}

/// The same for one that others get, too.
pub(super) fn shared(chat: &Chat, occupants: &Occupants, message: &Arc<Outgoing>, place: Option<Place>) {
    let mut spread = Spread::new(chat, Arc::clone(message), place);
    for occupant in occupants.iter() {
        occupant.seats.iter().for_each(|seat| spread.push(seat, &occupant.jid));
    }
}

/// Hands a message of the archive to some seats of a room.
pub(super) fn handed<'a>(
    chat: &Chat,
    room: &Jid,
    seats: impl Iterator<Item = &'a Seat>,
    message: &Arc<Outgoing>,
    place: Place,
) {
    let mut spread = Spread::new(chat, Arc::clone(message), Some(place));
    seats.for_each(|seat| spread.push(seat, room));
}

/// A stanza for many: each other node gets it once, for all of its sessions, when this is dropped.
struct Spread<'a> {
    chat: &'a Chat,
    stanza: Arc<Outgoing>,
    place: Option<Place>,
    room: Option<Jid>,
    nodes: BTreeMap<NodeId, Vec<Jid>>,
}

impl<'a> Spread<'a> {
    fn new(chat: &'a Chat, stanza: Arc<Outgoing>, place: Option<Place>) -> Self {
        Self { chat, stanza, place, room: None, nodes: BTreeMap::new() }
    }

    /// Hands it to a seat, whose occupant has this address.
    fn push(&mut self, seat: &Seat, own: &Jid) {
        match seat {
            Seat::Node(away) => {
                self.room.get_or_insert_with(|| own.to_bare());
                self.nodes.entry(away.node).or_default().push(away.jid.clone());
            }
            seat => seat.push(self.chat, &self.stanza),
        }
    }
}

impl Drop for Spread<'_> {
    fn drop(&mut self) {
        let (Some(room), Some(cluster)) = (&self.room, self.chat.cluster()) else { return };
        for (node, to) in std::mem::take(&mut self.nodes) {
            let stanza = self.stanza.stanza().clone();
            cluster.tell_room_at(node, room, News::Stanza { to, stanza, place: self.place });
        }
    }
}

/// A message of the room itself with status codes (section 10.2.1).
pub(super) fn statuses(room: &Jid, codes: &[u16]) -> Stanza {
    let x = codes.iter().fold(Element::new(ns::MUC_USER, "x"), |x, code| x.with_child(status(*code)));
    Stanza::message(MessageType::Groupchat).with_from(room.clone()).with_child(x)
}

/// What is kept of presence and told to others: the content alone, in the namespace of clients.
pub(super) fn presence_content(presence: &Element, is_ours: impl Fn(&str) -> bool) -> Element {
    let mut cleaned = cleaned(presence, is_ours);
    if cleaned.ns() != ns::CLIENT {
        cleaned = in_client_namespace(&cleaned);
    }
    let mut content = empty_presence();
    for child in cleaned.children() {
        content.append_copy(child);
    }
    content
}

/// Takes out what only a room may say about its occupants, and what was meant for the room alone.
pub(super) fn cleaned(content: &Element, is_ours: impl Fn(&str) -> bool) -> Element {
    let mut content = content.clone();
    let ours = |by: Option<&str>| by.and_then(|by| Jid::new(by).ok()).is_none_or(|by| is_ours(by.domain()));
    content.retain_children(|child| match (child.ns(), child.name()) {
        (ns::MUC | ns::MUC_USER, "x") | (ns::OCCUPANT_ID | ns::HATS, _) => false,
        (ns::STANZA_ID, "stanza-id") => !ours(child.attr("by")),
        (ns::DELAY, "delay") => !ours(child.attr("from")),
        (ns::MODERATION, _) => false,
        // What stands in the place of a message only archives say.
        (ns::RETRACTION, "retracted") => false,
        // Who really said it only the room tells (section 7.2.13).
        (ns::ADDRESS, _) => false,
        _ => true,
    });
    content
}
