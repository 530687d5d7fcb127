//! Delivering a message: which sessions get it, which get a copy, and what waits for later (RFC 6121 section 8.5,
//! XEP-0160, XEP-0280).

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, MessageType, Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use crate::archive::{ArchiveId, Archived, Direction};
use crate::chat::Chat;
use crate::error::Result;
use crate::event::{Delivery, Event};
use crate::hints;
use crate::messages::Checked;
use crate::session::Session;

/// How many waiting messages one step of a replay reads.
pub const REPLAY_PAGE: usize = 100;

impl Chat {
    /// Hands a checked message to the recipient's sessions and copies to both sides' others. Runs in commit order for
    /// what is archived; never waits.
    pub(crate) fn deliver(&self, checked: &Checked, archived: Option<ArchiveId>) {
        let Checked { message, sender, to, recipient } = checked;
        let own = sender.jid.to_bare();
        let copied = hints::copied(message);
        let delivery = delivery(message, &recipient.jid, archived);
        let sessions = self.sessions.of(&recipient.jid);
        let reached = |session: &Session| receives(session, to, message.kind, &sessions);
        for session in &sessions {
            if reached(session) {
                push(session, Event::Stanza(delivery.clone()), archived);
            } else if copied && session.carbons() && recipient.jid != own {
                push(session, Event::Carbon(Direction::Incoming, delivery.clone()), archived);
            }
        }
        if !copied {
            return;
        }
        let to_self = recipient.jid == own;
        let sent = if to_self { delivery } else { self::delivery(message, &own, archived) };
        for session in self.sessions.of(&own) {
            let has_it = session.id == sender.id || (to_self && reached(&session));
            if session.carbons() && !has_it {
                push(&session, Event::Carbon(Direction::Outgoing, sent.clone()), archived);
            }
        }
    }

    /// A client has confirmed everything it was given up to this archived message.
    pub fn delivered(&self, session: &Session, id: ArchiveId) {
        // What reached a session out of turn says nothing about the messages that wait before it.
        if session.is_replaying() && id > session.replayed() {
            return;
        }
        if let Some(mark) = self.sessions.mark(&session.jid.to_bare()) {
            mark.advance(id);
        }
    }

    /// A session ends without its client having confirmed this archived message and those after it. Unless another
    /// session of the account had its chance at them, they wait again.
    pub(crate) fn undelivered(&self, session: &Session, oldest: ArchiveId) {
        let account = session.jid.to_bare();
        let others = self
            .sessions
            .with(&account, |all| all.iter().any(|s| s.id != session.id && s.takes_messages()))
            .unwrap_or(false);
        if !others && let Some(mark) = self.sessions.mark(&account) {
            mark.rewind(ArchiveId(oldest.0.saturating_sub(1)));
        }
    }

    /// Tells a session that was brought back what its client still has to confirm, so that no replay repeats it.
    pub fn restore(&self, session: &Session, unconfirmed: impl Iterator<Item = ArchiveId>) {
        unconfirmed.for_each(|id| session.note_ahead(id));
    }

    /// The next messages that wait for a session's account, oldest first (XEP-0160 section 3). Called by the session's
    /// own task while `Session::replay_due`, page by page as its client takes them; an empty page ends the replay.
    pub async fn replay(&self, session: &Session) -> Result<Vec<Delivery>> {
        let account = session.jid.to_bare();
        loop {
            let from = match self.sessions.mark(&account) {
                Some(mark) => mark.reached().max(session.replayed()),
                None => return Ok(Vec::new()),
            };
            let page = self.store.waiting(session.account, from, REPLAY_PAGE).await?;
            let Some(last) = page.last().map(|message| message.id) else {
                if !session.is_replaying() {
                    return Ok(Vec::new());
                }
                // What is committed from here on comes through the queue; what came between the two reads is read now.
                session.end_replay();
                continue;
            };
            session.set_replayed(last);
            let ready: Vec<Delivery> = page
                .into_iter()
                .filter(|message| session.lacks(message.id))
                .filter_map(|message| from_archive(&message, &account))
                .collect();
            if !ready.is_empty() {
                return Ok(ready);
            }
        }
    }
}

/// RFC 6121 section 8.5: who of the account's sessions gets the message itself.
fn receives(session: &Session, to: &Jid, kind: Kind, all: &[Arc<Session>]) -> bool {
    if to.is_full() && all.iter().any(|s| s.jid == *to) {
        // 8.5.3.1: exactly the session addressed.
        return session.jid == *to;
    }
    match kind {
        // 8.5.2.1.1: to every session with a priority of zero or more; 8.5.3.2.1: type "chat" to a session that is gone
        // goes the same way.
        Kind::Message(MessageType::Chat) => session.takes_messages(),
        Kind::Message(MessageType::Normal | MessageType::Headline) => {
            to.is_bare() && session.takes_messages()
        }
        _ => false,
    }
}

fn push(session: &Session, event: Event, archived: Option<ArchiveId>) {
    if let Some(id) = archived
        && session.is_replaying()
    {
        if session.takes_messages() && matches!(event, Event::Stanza(_)) {
            // The replay that is under way reads it from the archive, in its place.
            return;
        }
        session.note_ahead(id);
    }
    session.push(event);
}

/// The message as the sessions of `owner` get it: with the id it has in that account's archive (XEP-0359 section 3.1).
fn delivery(message: &Stanza, owner: &Jid, archived: Option<ArchiveId>) -> Delivery {
    let mut stanza = message.clone();
    if let Some(id) = archived {
        stanza.append(stanza_id(id, owner));
    }
    Delivery { stanza: Arc::new(Outgoing::new(stanza)), archived }
}

/// The id of an archived message, as it stands in the message.
pub fn stanza_id(id: ArchiveId, by: &Jid) -> Element {
    Element::new(ns::STANZA_ID, "stanza-id").with_attr("id", &id.to_string()).with_attr("by", by.as_str())
}

/// A waiting message as it is replayed: with its id and the time it was sent (XEP-0160 section 3, XEP-0203).
fn from_archive(message: &Archived, owner: &Jid) -> Option<Delivery> {
    let parsed = std::str::from_utf8(&message.xml).ok().and_then(|xml| Element::parse(xml).ok());
    let stanza = parsed.and_then(|element| Stanza::from_element(element).ok());
    let Some(mut stanza) = stanza else {
        tracing::error!(id = %message.id, "an archived message cannot be read");
        return None;
    };
    stanza.append(stanza_id(message.id, owner));
    stanza.append(
        Element::new(ns::DELAY, "delay")
            .with_attr("from", owner.domain())
            .with_attr("stamp", &crate::time::timestamp(message.id.stamp_ms())),
    );
    Some(Delivery { stanza: Arc::new(Outgoing::new(stanza)), archived: Some(message.id) })
}
