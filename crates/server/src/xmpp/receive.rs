//! A stanza from a client: what it is, whom it is for, and who answers it (RFC 6120 section 10, RFC 6121 section 8).

use std::sync::Arc;

use waxwing_chat::Chat;
use waxwing_chat::route::Destination;
use waxwing_chat::service::Service;
use waxwing_chat::session::Session;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Header, IqType, Kind, Stanza};
use waxwing_xmpp::xml::Element;

use super::config::Config;
use super::error::stanza_error;
use super::features::{self, Request, Success, Target, last_activity, pubsub, push};
use super::live::InFlight;
use crate::admin::Admin;

/// What a stanza led to.
pub(crate) enum Outcome {
    /// It is on its way into the store, and dealt with when that is done.
    InFlight(InFlight),
    /// It has been dealt with, and these go back to the client.
    Done(Vec<Stanza>),
}

/// What stanzas are received within.
#[derive(Clone, Copy)]
pub(crate) struct Within<'a> {
    /// The domain.
    pub(crate) chat: &'a Arc<Chat>,
    /// The face's configuration now in force.
    pub(crate) config: &'a Arc<Config>,
    /// The commands of administrators, where there are any.
    pub(crate) admin: Option<&'a Arc<Admin>>,
}

/// Takes one stanza of a session, its `from` stamped. All but the way of a message is in boxes, since every message makes room for
/// the largest of what is not.
pub(crate) async fn receive(within: Within<'_>, session: &Arc<Session>, stanza: Stanza) -> Outcome {
    let chat = within.chat;
    match stanza.kind {
        Kind::Message(_) => {
            let header = stanza.header();
            match chat.send(session, stanza).await {
                Ok(receipt) => Outcome::InFlight(InFlight { header, receipt, watched: false }),
                Err(error) => Outcome::Done(refused(chat, &header, &error)),
            }
        }
        Kind::Presence(_) => {
            let header = stanza.header();
            match Box::pin(chat.presence(session, stanza)).await {
                Ok(()) => Outcome::Done(Vec::new()),
                Err(error) => Outcome::Done(refused(chat, &header, &error)),
            }
        }
        Kind::Iq(IqType::Get | IqType::Set) => {
            Outcome::Done(Box::pin(request(within, session, stanza)).await)
        }
        Kind::Iq(IqType::Result | IqType::Error) => {
            // The server's own requests are pings, and questions about what clients announce.
            if stanza.to.as_ref().is_some_and(|to| chat.is_server(to)) {
                Box::pin(pubsub::answered(chat, &stanza)).await;
                Box::pin(push::answered(chat, &stanza)).await;
            } else if stanza.to.as_ref().is_some_and(|to| to.is_full() || !chat.is_ours(to.domain())) {
                // Answers that reach nobody are dropped (RFC 6120 section 8.2.3).
                drop(Box::pin(chat.relay(&session.jid, stanza)).await);
            }
            Outcome::Done(Vec::new())
        }
    }
}

/// Takes one stanza that another server vouches for, for a domain of ours. The second part is the promise that a message is
/// safe; what it is answered goes back through [`Chat::to_remote`].
pub(crate) async fn receive_remote(
    chat: &Arc<Chat>,
    config: &Arc<Config>,
    stanza: Stanza,
) -> (Vec<Stanza>, Option<InFlight>) {
    let header = stanza.header();
    if stanza.from.as_ref().is_some_and(|from| chat.bars(from)) {
        // What is barred gets no answer by the way out either: nothing is sent to it.
        tracing::debug!(from = ?stanza.from, "a stanza of a barred address was dropped");
        return (Vec::new(), None);
    }
    let outcome = match stanza.kind {
        Kind::Message(_) => match chat.receive_message(stanza).await {
            Ok(receipt) => return (Vec::new(), Some(InFlight { header, receipt, watched: false })),
            Err(error) => Err(error),
        },
        Kind::Presence(_) => match chat.receive_presence(stanza).await {
            Ok(()) => Ok(()),
            Err(error) => {
                // RFC 6121 section 8.5.1: what reaches nobody is dropped silently.
                tracing::debug!(%error, "presence from another server was dropped");
                return (Vec::new(), None);
            }
        },
        Kind::Iq(IqType::Get | IqType::Set) => return (remote_request(chat, config, stanza).await, None),
        Kind::Iq(IqType::Result | IqType::Error) => {
            if stanza.to.as_ref().is_some_and(|to| chat.is_server(to)) {
                pubsub::answered(chat, &stanza).await;
                push::answered(chat, &stanza).await;
                return (Vec::new(), None);
            }
            chat.receive_iq(stanza).await.or(Ok(()))
        }
    };
    match outcome {
        Ok(()) => (Vec::new(), None),
        Err(error) => (refused(chat, &header, &error), None),
    }
}

/// A request from another server.
async fn remote_request(chat: &Arc<Chat>, config: &Arc<Config>, iq: Stanza) -> Vec<Stanza> {
    let header = iq.header();
    let Some(from) = iq.from.clone() else {
        return Vec::new();
    };
    if let Some(target) = target(chat, &from, &iq) {
        let within = Within { chat, config, admin: None };
        let reply = answer(within, (&from, None), &iq, target).await;
        return answers(&iq, reply);
    }
    if let Err(error) = last_activity::check_passing(chat, &from, &iq).await {
        return header.error_reply(error).into_iter().collect();
    }
    match chat.receive_iq(iq).await {
        Ok(()) => Vec::new(),
        Err(error) => refused(chat, &header, &error),
    }
}

/// The error that tells a sender why his stanza was refused; nothing if it was an error itself.
pub(crate) fn refusal(header: &Header, error: &waxwing_chat::Error) -> Vec<Stanza> {
    header.error_reply(stanza_error(error)).into_iter().collect()
}

/// The same before anything was done. What a room refuses is said to come from the room, not from the occupant whose
/// address stands in the error (XEP-0045 section 7.2 and its examples).
fn refused(chat: &Chat, header: &Header, error: &waxwing_chat::Error) -> Vec<Stanza> {
    let mut answer = stanza_error(error);
    if let Some(to) = header.to().filter(|to| to.local().is_some())
        && matches!(chat.locate(to), Destination::Service(Service::Rooms))
    {
        answer = answer.with_by(to.to_bare());
    }
    header.error_reply(answer).into_iter().collect()
}

/// A request for the server, for an account, or for another client.
async fn request(within: Within<'_>, session: &Arc<Session>, iq: Stanza) -> Vec<Stanza> {
    let chat = within.chat;
    let Some(target) = target(chat, &session.jid, &iq) else {
        let header = iq.header();
        if let Err(error) = last_activity::check_passing(chat, &session.jid, &iq).await {
            return header.error_reply(error).into_iter().collect();
        }
        return match chat.relay(&session.jid, iq).await {
            Ok(()) => Vec::new(),
            Err(error) => refused(chat, &header, &error),
        };
    };
    let request = answer(within, (&session.jid, Some(session)), &iq, target).await;
    answers(&iq, request)
}

/// The stanzas that answer a request.
fn answers(iq: &Stanza, reply: features::Reply) -> Vec<Stanza> {
    match reply {
        Ok(Success { before: mut answers, payload, refused, after }) => {
            let mut result = iq.reply();
            if let Some(payload) = payload {
                result.append(payload);
            }
            answers.push(match refused {
                None => result,
                Some(error) => result.refused(error),
            });
            answers.extend(after);
            answers
        }
        Err(error) => iq.error_reply(error).into_iter().collect(),
    }
}

async fn answer(
    Within { chat, config, admin }: Within<'_>,
    (from, session): (&Jid, Option<&Arc<Session>>),
    iq: &Stanza,
    target: Target,
) -> features::Reply {
    let payload = iq.payload().ok_or_else(|| StanzaError::new(Condition::BadRequest))?;
    let answer = features::find(iq, payload, target)?;
    answer(Request { iq, payload, target, from, session, chat, config, admin }).await
}

/// Who answers on this server; `None` for another client or another server.
fn target(chat: &Chat, from: &Jid, iq: &Stanza) -> Option<Target> {
    let Some(to) = &iq.to else {
        // RFC 6120 section 10.3.3: handled on behalf of the account.
        return Some(Target::OwnAccount);
    };
    if to.is_full() {
        return None;
    }
    match chat.locate(to) {
        Destination::Server => Some(Target::Server),
        Destination::Service(service) if to.local().is_none() => Some(Target::Service(service)),
        Destination::Service(service) => Some(Target::InService(service)),
        Destination::Account(_) if to.same_bare(from) => Some(Target::OwnAccount),
        Destination::Account(_) => Some(Target::OtherAccount),
        Destination::Session(_) | Destination::Elsewhere(_) | Destination::Remote => None,
    }
}

/// A ping to the client: the answer shows that it still is there (XEP-0199 section 4.1).
pub(crate) fn ping(session: &Session, id: &str) -> Stanza {
    let mut ping = Stanza::iq(IqType::Get, id).with_to(session.jid.clone());
    if let Ok(server) = Jid::new(session.jid.domain()) {
        ping = ping.with_from(server);
    }
    ping.with_child(Element::new(ns::PING, "ping"))
}
