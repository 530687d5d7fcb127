//! Requests between two in a room (XEP-0045 section 17.4), and the ping to oneself that the room answers (XEP-0410).

use std::sync::Arc;

use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{IqType, Kind, Outgoing, Stanza};

use super::messages::in_client_namespace;
use super::occupants::Seat;
use super::room::Room;
use crate::error::{Error, Result};

/// How many requests between occupants may wait for their answers; the oldest are given up.
pub(super) const REQUESTS_LIMIT: usize = 512;

/// A request that was passed on.
pub(super) struct Passed {
    /// What the one who is asked calls it: an id that nobody else knows.
    id: Box<str>,
    /// Who is asked.
    asked: Jid,
    /// Who asks, by which address in the room he asked it, and what he calls it.
    asker: Seat,
    own: Jid,
    asked_as: Jid,
    original: Box<str>,
}

impl Room {
    /// Passes a request or an answer to somebody in the room.
    pub(super) fn pass_on(&mut self, seat: &Seat, iq: Stanza) -> Result<()> {
        match iq.kind {
            Kind::Iq(IqType::Get | IqType::Set) => self.ask(seat, iq),
            _ => {
                self.answer(seat, iq);
                Ok(())
            }
        }
    }

    fn ask(&mut self, seat: &Seat, iq: Stanza) -> Result<()> {
        let to = iq.to.clone().ok_or(Error::BadRequest("an address is missing"))?;
        let payload = iq.payload().ok_or(Error::BadRequest("a request has content"))?;
        let occupants = self.floor.occupants();
        let Some(own) = occupants.at(seat.jid()) else {
            // Section 6.6 for service discovery, XEP-0410 section 3.2 for pings.
            return Err(match payload.ns() {
                ns::DISCO_INFO | ns::DISCO_ITEMS => Error::BadRequest("you are not in the room"),
                _ => Error::NotAcceptable("you are not in the room"),
            });
        };
        let nick = to.resource().ok_or(Error::NotFound)?;
        let other = occupants.named(nick).ok_or(Error::NotFound)?;
        if other.jid == own.jid && payload.is(ns::PING, "ping") {
            // XEP-0410 section 3.3.
            let pong = Arc::new(Outgoing::new(iq.reply().with_to(seat.jid().clone())));
            seat.push(&self.chat, &pong);
            return Ok(());
        }
        let asked = other.seats.last().ok_or(Error::NotFound)?.clone();
        let id: Box<str> = self.chat.token().into();
        let passed = Passed {
            id: id.clone(),
            asked: asked.jid().clone(),
            asker: seat.clone(),
            own: own.jid.clone(),
            asked_as: other.jid.clone(),
            original: iq.id.clone().unwrap_or_default(),
        };
        let from = own.jid.clone();
        drop(occupants);
        if self.passed.len() >= REQUESTS_LIMIT
            && let Some(old) = self.passed.pop_front()
        {
            self.give_up(&old);
        }
        self.passed.push_back(passed);
        let element = in_clients(&iq);
        let iq = Stanza { id: Some(id), from: Some(from), element, ..iq };
        asked.push(&self.chat, &Arc::new(Outgoing::for_many(iq)));
        Ok(())
    }

    /// An answer is passed only to the one who asked, and only from the one who was asked.
    fn answer(&mut self, seat: &Seat, iq: Stanza) {
        let found = self
            .passed
            .iter()
            .position(|passed| Some(&passed.id) == iq.id.as_ref() && passed.asked == *seat.jid());
        let Some(passed) = found.and_then(|at| self.passed.remove(at)) else { return };
        if iq.to.as_ref() != Some(&passed.own) {
            return;
        }
        let element = in_clients(&iq);
        let iq = Stanza { id: Some(passed.original), from: Some(passed.asked_as), element, ..iq };
        passed.asker.push(&self.chat, &Arc::new(Outgoing::for_many(iq)));
    }

    fn give_up(&self, passed: &Passed) {
        let request = Stanza::iq(IqType::Get, &passed.original).with_to(passed.asked_as.clone());
        if let Some(error) = request.error_reply(StanzaError::new(Condition::RemoteServerTimeout)) {
            passed.asker.push(&self.chat, &Arc::new(Outgoing::for_many(error)));
        }
    }
}

fn in_clients(iq: &Stanza) -> waxwing_xmpp::xml::Element {
    if iq.element.ns() == ns::CLIENT { iq.element.clone() } else { in_client_namespace(&iq.element) }
}
