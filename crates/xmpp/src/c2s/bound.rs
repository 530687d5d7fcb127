//! A bound stream: stanzas, stream management (XEP-0198) and client state (XEP-0352).

use super::{EnableRequest, Event, Session, State, Stream};
use crate::error::{Condition, StanzaError, StreamCondition, StreamError};
use crate::header::SERVER_LANG;
use crate::jid::Jid;
use crate::ns;
use crate::sm;
use crate::stanza::{IqType, Kind, Stanza};
use crate::xml::Element;

impl Stream {
    pub(super) fn bound_element(&mut self, element: Element) -> Option<Event> {
        match (element.ns(), element.name()) {
            (ns::CLIENT, "message" | "presence" | "iq") => self.stanza(element),
            (ns::SM3, _) => self.management(&element),
            (ns::CLIENT_STATE, "active") => Some(Event::Active(true)),
            (ns::CLIENT_STATE, "inactive") => Some(Event::Active(false)),
            // XEP-0388 section 4.8 and RFC 4422 section 3.8: a stream authenticates once.
            (ns::SASL | ns::SASL2, _) => {
                Some(self.failed(StreamError::new(StreamCondition::PolicyViolation)))
            }
            // RFC 6120 section 4.9.3.24.
            _ => Some(self.failed(StreamError::new(StreamCondition::UnsupportedStanzaType))),
        }
    }

    fn stanza(&mut self, element: Element) -> Option<Event> {
        let State::Bound(Session { jid, .. }) = &self.state else {
            return None;
        };
        let jid = jid.clone();
        // RFC 6120 section 8.1.2.1: the client may name itself, with or without its resource, and nobody else.
        let from = element.attr("from").map(|from| from.parse::<Jid>());
        if from
            .is_some_and(|from| !from.is_ok_and(|from| from == jid || from.is_bare() && from.same_bare(&jid)))
        {
            return Some(self.failed(StreamError::new(StreamCondition::InvalidFrom)));
        }
        let mut stanza = match Stanza::accept(element) {
            Ok(stanza) => stanza,
            Err(refusal) => return Some(Event::Answered(refusal.reply.map(|reply| reply.with_to(jid)))),
        };
        stanza.from = Some(jid);
        // Section 8.1.5: what is unsaid is in the language of this stream, and would be read as in the language of
        // another.
        if stanza.lang.is_none()
            && self.lang.as_deref().is_some_and(|lang| !lang.eq_ignore_ascii_case(SERVER_LANG))
        {
            stanza.lang = self.lang.clone();
        }
        Some(answer(&stanza).unwrap_or(Event::Stanza(stanza)))
    }

    fn management(&mut self, element: &Element) -> Option<Event> {
        let State::Bound(session) = &mut self.state else {
            return None;
        };
        let offered = self.host.as_ref().is_some_and(|host| host.stream_management);
        let condition = match (element.name(), session.managed) {
            ("r", true) => return Some(Event::AcknowledgementRequested),
            ("a", true) => match sm::count(element.root()) {
                Some(h) => return Some(Event::Acknowledged(h)),
                None => return Some(self.failed(StreamError::new(StreamCondition::BadFormat))),
            },
            ("enable", false) if offered => {
                session.asked = true;
                return Some(Event::Enable(EnableRequest { enable: sm::Enable::parse(element.root()) }));
            }
            ("enable", false) => Condition::FeatureNotImplemented,
            // Section 3: a second attempt should end the stream.
            ("enable", true) => {
                self.write_element(&sm::failed(Condition::UnexpectedRequest));
                return Some(self.failed(StreamError::new(StreamCondition::PolicyViolation)));
            }
            _ => Condition::UnexpectedRequest,
        };
        self.write_element(&sm::failed(condition));
        None
    }

    /// Enables stream management; both counters are zero from here on.
    pub fn enabled(&mut self, _request: EnableRequest, enabled: &sm::Enabled) {
        let State::Bound(session) = &mut self.state else {
            return;
        };
        session.managed = true;
        session.asked = false;
        self.write_element(&enabled.to_element());
    }

    /// Does not enable stream management.
    pub fn enable_failed(&mut self, _request: EnableRequest, condition: Condition) {
        let State::Bound(session) = &mut self.state else {
            return;
        };
        session.asked = false;
        self.write_element(&sm::failed(condition));
    }

    /// Whether stream management is enabled.
    pub fn is_managed(&self) -> bool {
        matches!(&self.state, State::Bound(session) if session.managed)
    }

    /// Writes `<a/>`: that many of the client's stanzas are handled.
    pub fn acknowledge(&mut self, h: u32) {
        if self.is_managed() {
            self.output.push(self.framing, |bytes| sm::write_answer(h, bytes));
        }
    }

    /// Writes `<r/>`: how many of ours are?
    pub fn request_acknowledgement(&mut self) {
        if self.is_managed() {
            self.output.push(self.framing, sm::write_request);
        }
    }
}

/// What the stream answers by itself on a bound stream.
fn answer(stanza: &Stanza) -> Option<Event> {
    let payload = stanza.payload().filter(|_| stanza.kind == Kind::Iq(IqType::Set))?;
    if payload.is(ns::SESSION, "session") {
        // RFC 3921 section 3 asks for it; RFC 6120 Appendix D.3: it does nothing.
        return Some(Event::Answered(Some(stanza.reply())));
    }
    if payload.is(ns::BIND, "bind") {
        // RFC 6120 section 7.6.2.2: one resource for one stream.
        return Some(Event::Answered(stanza.error_reply(StanzaError::new(Condition::NotAllowed))));
    }
    None
}
