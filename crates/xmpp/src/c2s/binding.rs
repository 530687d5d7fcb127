//! Resource binding (RFC 6120 section 7), and resumption in its place (XEP-0198 section 5).

use super::{BindRequest, Event, Phase, ResumeRequest, Session, State, Stream};
use crate::error::{Condition, StanzaError, StreamCondition, StreamError};
use crate::jid::Jid;
use crate::ns;
use crate::sm;
use crate::stanza::{IqType, Kind, Stanza};
use crate::xml::Element;

impl Stream {
    pub(super) fn negotiate(&mut self, element: Element, pipelined: bool) -> Option<Event> {
        match (element.ns(), element.name()) {
            (ns::TLS, "starttls") if !self.is_exchanging() => self.start_tls(pipelined),
            (ns::SASL, _) => self.sasl1_element(&element),
            (ns::SASL2, _) => self.sasl2_element(element),
            (ns::SM3, name) if !self.is_exchanging() => {
                self.management_before_binding(&element, name == "resume")
            }
            (ns::CLIENT, "message" | "presence" | "iq") => self.stanza_before_binding(element),
            // XEP-0388 section 2.4: nothing else may be said while an exchange is under way.
            _ if self.is_exchanging() => {
                Some(self.failed(StreamError::new(StreamCondition::PolicyViolation)))
            }
            _ => Some(self.failed(StreamError::new(StreamCondition::UnsupportedStanzaType))),
        }
    }

    fn is_exchanging(&self) -> bool {
        matches!(&self.state, State::Negotiating(negotiation)
            if matches!(negotiation.phase, Phase::Exchanging(..) | Phase::Tasked(_)))
    }

    /// RFC 6120 sections 6.2 and 7.1: before a resource is bound there are no stanzas, save for the request to bind one
    /// and what the host lets strangers ask.
    fn stanza_before_binding(&mut self, element: Element) -> Option<Event> {
        let not_authorized = StreamError::new(StreamCondition::NotAuthorized);
        let State::Negotiating(negotiation) = &self.state else {
            return None;
        };
        let payload = element.children().next().map(|child| (child.ns().to_owned(), child.name() == "bind"));
        let Some((payload_ns, is_bind)) = payload.filter(|_| element.name() == "iq") else {
            return Some(self.failed(not_authorized));
        };
        let account = match (&negotiation.phase, &negotiation.account) {
            (Phase::Authenticated, Some(account)) => Some(account.clone()),
            (Phase::Unauthenticated, None) => None,
            _ => return Some(self.failed(not_authorized)),
        };
        let allowed = match &account {
            Some(_) => payload_ns == ns::BIND && is_bind,
            None => self.host.as_ref().is_some_and(|host| host.iq_before.contains(&payload_ns)),
        };
        if !allowed {
            return Some(self.failed(not_authorized));
        }
        let stanza = match Stanza::from_element(element) {
            Ok(stanza) => stanza,
            Err(_) => return Some(self.failed(StreamError::new(StreamCondition::BadFormat))),
        };
        match account {
            Some(account) => self.bind_requested(account, stanza),
            None => Some(Event::Registration(stanza)),
        }
    }

    /// RFC 6120 section 7.6 and 7.7.
    fn bind_requested(&mut self, account: Jid, stanza: Stanza) -> Option<Event> {
        let resource = stanza.child(ns::BIND, "bind").and_then(|bind| bind.child(ns::BIND, "resource"));
        let resource =
            resource.map(|resource| resource.text().trim().to_owned()).filter(|text| !text.is_empty());
        let wanted = resource.map(|resource| account.with_resource(&resource)).transpose();
        let Some(id) = stanza.id.clone().filter(|_| stanza.kind == Kind::Iq(IqType::Set)) else {
            return Some(self.failed(StreamError::new(StreamCondition::NotAuthorized)));
        };
        match wanted {
            Ok(wanted) => {
                self.ask();
                Some(Event::Bind(BindRequest { account, wanted, id }))
            }
            // Section 7.7.2.1: a resource that cannot be prepared.
            Err(_) => {
                if let Some(reply) = stanza.error_reply(StanzaError::new(Condition::BadRequest)) {
                    self.send(&reply);
                }
                None
            }
        }
    }

    /// Binds the resource that the server has chosen.
    pub fn bound(&mut self, request: BindRequest, jid: Jid) {
        let bind =
            Element::new(ns::BIND, "bind").with_child(Element::new(ns::BIND, "jid").with_text(jid.as_str()));
        self.send(&Stanza::iq(IqType::Result, &request.id).with_child(bind));
        self.enter_session(jid, false);
    }

    /// Tells the client that it cannot be bound; it may ask again.
    pub fn bind_failed(&mut self, request: BindRequest, error: StanzaError) {
        if let Some(reply) = Stanza::iq(IqType::Set, &request.id).error_reply(error) {
            self.send(&reply);
        }
        self.answered(Phase::Authenticated);
    }

    /// XEP-0198 sections 3 and 5: before binding, a client can resume and nothing else.
    fn management_before_binding(&mut self, element: &Element, resume: bool) -> Option<Event> {
        let State::Negotiating(negotiation) = &self.state else {
            return None;
        };
        let account =
            negotiation.account.clone().filter(|_| matches!(negotiation.phase, Phase::Authenticated));
        let parsed = sm::Resume::parse(element.root()).filter(|_| resume);
        let offered = self.host.as_ref().is_some_and(|host| host.stream_management);
        let condition = match (account, parsed) {
            (Some(account), Some(resume)) if offered => {
                self.ask();
                return Some(Event::Resume(ResumeRequest { account, resume }));
            }
            (Some(_), Some(_)) => Condition::FeatureNotImplemented,
            (Some(_), None) if resume => Condition::BadRequest,
            _ => Condition::UnexpectedRequest,
        };
        self.write_element(&sm::failed(condition));
        None
    }

    /// Goes on with an earlier session: `h` is how many of the client's stanzas were handled. Afterwards everything that
    /// the client has not acknowledged is to be written again.
    pub fn resumed(&mut self, request: ResumeRequest, jid: Jid, h: u32) {
        self.write_element(&sm::Resume::resumed(&request.resume.previd, h));
        self.enter_session(jid, true);
    }

    /// The session is not there; the client may bind a resource now.
    pub fn resume_failed(&mut self, _request: ResumeRequest, failed: sm::ResumeFailed) {
        self.write_element(&failed.to_element());
        self.answered(Phase::Authenticated);
    }

    pub(super) fn enter_session(&mut self, jid: Jid, managed: bool) {
        if matches!(self.state, State::Negotiating(_)) {
            self.scanner.set_limits(self.config.limits);
            self.state = State::Bound(Session { jid, managed, asked: false });
        }
    }

    pub(super) fn ask(&mut self) {
        self.answered(Phase::Asking(None));
    }

    pub(super) fn answered(&mut self, phase: Phase) {
        if let State::Negotiating(negotiation) = &mut self.state {
            negotiation.phase = phase;
        }
    }
}
