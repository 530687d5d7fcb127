//! What the domain tells a session, in the words of XMPP.

use waxwing_chat::archive::Direction;
use waxwing_chat::event::Event;
use waxwing_chat::session::Session;

use super::features::{blocking, carbons, roster};
use super::live::Sent;

/// Turns an event into all that the client is sent.
pub(crate) fn rendered(event: Event, session: &Session) -> impl Iterator<Item = Sent> + use<> {
    let (one, many) = match event {
        Event::Batch(stanzas) => (None, stanzas),
        event => (render(event, session), Vec::new()),
    };
    one.into_iter().chain(many.into_iter().map(|stanza| Sent { stanza, archived: None }))
}

/// Turns an event into what the client is sent; `None` when it has that already.
fn render(event: Event, session: &Session) -> Option<Sent> {
    match event {
        Event::Stanza(delivery) => {
            let repeated = delivery.archived.is_some_and(|id| session.is_repeated(id));
            (!repeated).then_some(Sent { stanza: delivery.stanza, archived: delivery.archived })
        }
        // Whoever takes batches takes them apart (`rendered`).
        Event::Batch(_) => None,
        // An XMPP client is in the rooms that it hears, and is told what its account keeps by publish-subscribe.
        Event::Room(_) | Event::Account(_) => None,
        Event::Carbon(direction, delivery) => {
            let repeated = direction == Direction::Incoming
                && delivery.archived.is_some_and(|id| session.is_repeated(id));
            (!repeated).then(|| carbons::render(direction, &delivery, &session.jid).into())
        }
        Event::RosterChanged { version, change } => Some(roster::push(&session.jid, version, &change).into()),
        Event::Blocked(addresses) => Some(blocking::blocked(&session.jid, &addresses).into()),
        Event::Unblocked(addresses) => Some(blocking::unblocked(&session.jid, &addresses).into()),
    }
}
