//! What the domain tells a session, in the words of this face.

use waxwing_chat::event::{Close, Event};
use waxwing_chat::roster::{self, RosterItem};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, Stanza};

use super::method::Call;
use super::presence;
use super::rooms;
use super::types::{self, Contact, EndReason, Subscription, Typing, What};

/// Turns an event of the domain into what the client is told. Messages are not: no session of this face takes any.
pub(crate) async fn rendered(call: &Call, event: Event) -> Vec<types::Event> {
    match event {
        Event::Stanza(delivery) | Event::Carbon(_, delivery) => {
            passing(call, delivery.stanza.stanza()).into_iter().collect()
        }
        Event::Batch(stanzas) => {
            stanzas.iter().filter_map(|outgoing| passing(call, outgoing.stanza())).collect()
        }
        Event::Room(event) => rooms::told(call, &event).await.into_iter().map(types::Event::from).collect(),
        Event::RosterChanged { change, .. } => told(match &*change {
            waxwing_chat::event::RosterChange::Set(item) => What::Contact { contact: contact(item) },
            waxwing_chat::event::RosterChange::Removed(jid) => {
                What::ContactRemoved { address: jid.to_string() }
            }
        }),
        // The whole list is told: whoever missed a change has it right again after the next.
        Event::Blocked(_) | Event::Unblocked(_) => match call.chat().blocklist(call.session()).await {
            Ok(all) => told(What::Blocked { addresses: all.iter().map(ToString::to_string).collect() }),
            Err(error) => {
                tracing::warn!(%error, "a list of blocked addresses could not be read");
                Vec::new()
            }
        },
    }
}

fn told(what: What) -> Vec<types::Event> {
    vec![what.into()]
}

/// What is told of a stanza that is kept nowhere.
fn passing(call: &Call, stanza: &Stanza) -> Option<types::Event> {
    match stanza.kind {
        Kind::Presence(_) => {
            let presence = presence::of(call.chat(), stanza)?;
            Some(types::Event::from(What::Presence { presence }))
        }
        Kind::Message(_) => typing(stanza),
        Kind::Iq(_) => None,
    }
}

/// That somebody writes, or has stopped (XEP-0085).
fn typing(stanza: &Stanza) -> Option<types::Event> {
    let from = stanza.from.as_ref()?;
    let state = stanza.children().find(|child| child.ns() == ns::CHAT_STATES)?;
    let state = match state.name() {
        "composing" => Typing::Composing,
        _ => Typing::Paused,
    };
    let conversation = from.to_bare().to_string();
    Some(types::Event::from(What::Typing { address: conversation.clone(), conversation, state }))
}

/// A contact as it is shown.
pub(crate) fn contact(item: &RosterItem) -> Contact {
    Contact {
        address: item.jid.to_string(),
        name: item.name.clone(),
        groups: item.groups.clone(),
        subscription: match item.subscription {
            roster::Subscription::None => Subscription::None,
            roster::Subscription::To => Subscription::To,
            roster::Subscription::From => Subscription::From,
            roster::Subscription::Both => Subscription::Both,
        },
        asking: item.ask,
        requested: item.request.is_some(),
    }
}

/// Why a session ends, for its client.
pub(crate) fn end_reason(reason: Close) -> EndReason {
    match reason {
        Close::SignedOut => EndReason::SignedOut,
        Close::Replaced => EndReason::Replaced,
        Close::TooSlow => EndReason::TooSlow,
        Close::Revoked | Close::HostGone => EndReason::Revoked,
        Close::Ended | Close::Reset => EndReason::Ended,
        Close::Shutdown => EndReason::Shutdown,
    }
}
