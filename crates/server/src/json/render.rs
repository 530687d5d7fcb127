//! What the domain tells a session, in the words of this face.

use std::sync::Arc;

use waxwing_chat::archive::{ArchiveId, Direction};
use waxwing_chat::conversations::folding::MessageView;
use waxwing_chat::event::{Close, Delivery, Event};
use waxwing_chat::rooms::news::{RoomEvent, Said};
use waxwing_chat::roster::{self, RosterItem};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Kind, Stanza};

use super::account;
use super::codec;
use super::conversations;
use super::message::{self, Names};
use super::method::Call;
use super::presence;
use super::rooms;
use super::types::{self, Contact, EndReason, Subscription, Typing, What};

/// What a client is sent for one event of the domain.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    /// What it is told, written.
    pub(crate) frames: Vec<Arc<str>>,
    /// The archived message among it, which counts as delivered once it is written.
    pub(crate) archived: Option<ArchiveId>,
}

impl From<Vec<types::Event>> for Rendered {
    fn from(events: Vec<types::Event>) -> Self {
        let frames = events.iter().map(|event| Arc::from(codec::event(event))).collect();
        Self { frames, archived: None }
    }
}

/// Turns an event of the domain into what the client is told. What cannot be read now is told the next time it comes in step,
/// and the log says why.
pub(crate) async fn rendered(call: &Call, event: Event) -> Rendered {
    match event {
        Event::Stanza(delivery) => between_people(call, &delivery, Direction::Incoming).await,
        Event::Carbon(direction, delivery) => between_people(call, &delivery, direction).await,
        Event::Batch(stanzas) => {
            let mut events = Vec::new();
            for outgoing in stanzas {
                events.extend(passing(call, outgoing.stanza()).await);
            }
            events.into()
        }
        Event::Room(event) => match &*event {
            RoomEvent::Said(said) if said.archived.is_some() => said_in_room(call, said).await,
            RoomEvent::Pinned { key, at, .. } => match account::pinned(call, key, *at).await {
                Ok(events) => events.into(),
                Err(error) => {
                    tracing::warn!(%error, "that a message was pinned could not be told");
                    Rendered::default()
                }
            },
            event => {
                rooms::told(call, event).await.into_iter().map(types::Event::from).collect::<Vec<_>>().into()
            }
        },
        Event::Account(event) => match account::told(call, &event).await {
            Ok(events) => events.into(),
            Err(error) => {
                tracing::warn!(%error, "what an account keeps could not be told");
                Rendered::default()
            }
        },
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
                Rendered::default()
            }
        },
    }
}

fn told(what: What) -> Rendered {
    vec![types::Event::from(what)].into()
}

/// A message between two people, and what became of others by it.
async fn between_people(call: &Call, delivery: &Delivery, direction: Direction) -> Rendered {
    let stanza = delivery.stanza.stanza();
    let Some(id) = delivery.archived.filter(|_| matches!(stanza.kind, Kind::Message(_))) else {
        return passing(call, stanza).await.into_iter().collect::<Vec<_>>().into();
    };
    let archived = Some(id).filter(|_| direction == Direction::Incoming);
    let told = call.chat().told_by_message(call.session(), stanza, direction, id).await;
    Rendered { archived, ..messages(call, told, id).await.into() }
}

/// What is said in a room is written once for all who are told the same.
async fn said_in_room(call: &Call, said: &Said) -> Rendered {
    let Some(id) = said.archived else { return Rendered::default() };
    let render = async || {
        let told = call.chat().told_by_room(call.session(), said).await;
        Rendered::from(messages(call, told, id).await)
    };
    if !said.is_same_for_all() {
        return render().await;
    }
    // JSON has no line breaks but those between its values. Whoever comes second waits, and does not do it all again.
    let written = said.rendered.get_or_init(async || Arc::from(render().await.frames.join("\n"))).await;
    Rendered { frames: written.lines().map(Arc::from).collect(), archived: None }
}

async fn messages(
    call: &Call,
    told: waxwing_chat::Result<Vec<MessageView>>,
    id: ArchiveId,
) -> Vec<types::Event> {
    let shown = async {
        let mut events = Vec::new();
        let mut names = Names::default();
        for view in told? {
            let message = Box::new(match view.id == id {
                // Nobody can have pinned what has just been said.
                true => message::shown(call.chat(), &view, &mut names).await?,
                false => conversations::message(call, &view, &mut names).await?,
            });
            events.push(types::Event::lasting(id.0, What::Message { message }));
        }
        Ok::<_, waxwing_chat::Error>(events)
    };
    shown.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "a message could not be told");
        Vec::new()
    })
}

/// What is told of a stanza that is kept nowhere.
async fn passing(call: &Call, stanza: &Stanza) -> Option<types::Event> {
    match stanza.kind {
        Kind::Presence(_) => {
            let presence = presence::of(call.chat(), &call.session().bare, stanza).await;
            let presence = presence.unwrap_or_else(|error| {
                tracing::warn!(%error, "presence could not be told");
                None
            });
            presence.map(|presence| types::Event::from(What::Presence { presence }))
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
