//! The server's side of a client's stream (RFC 6120): bytes in, events out, an output buffer to write; no I/O, no clock.
//!
//! How to drive it:
//!
//! ```text
//! let mut stream = Stream::new(config, Transport::tcp());
//! loop {
//!     let (used, event) = stream.feed(&input);          // input: what was read; drop `used` octets of it
//!     write(stream.take_output());                      // .bytes() for TCP, .frames() for WebSocket
//!     match event { .. }                                // None: everything is consumed, read more
//! }
//! ```
//!
//! - `feed` stops after each event. An event that holds a question (`StartTls`, `Credentials`, `Authenticated`, `Task`,
//!   `Upgraded`, `Bind`, `Resume`, `Enable`) stops the stream until the question is given back: the types have no public
//!   constructor and are not `Clone`, so that nothing can be answered twice or unasked. Until then `feed` consumes nothing.
//! - `Credentials { question, .. }`: `question.answer(..)` or `.refuse(..)` yields a `sasl::Step`; `stream.advance(step)`
//!   may yield the next event at once (`Authenticated`, `Failed`).
//! - `Authenticated`: `stream.accept(authenticated, Acceptance { .. })`. With SASL2 this one call answers resumption,
//!   binding, stream management and token together. `stream.refuse(authenticated, failure)` turns the user away.
//! - After `accept` of a SASL1 sign-in the client restarts the stream and sends `Bind` or `Resume`.
//! - `stream.jid()` is the full address once bound. `Stanza` events carry it as `from`.
//! - Stanzas to the client: `stream.write(outgoing.encoded(stream.wire()))`, or `stream.send(&stanza)`.
//! - Stream management: the stream parses and writes its elements; `sm::Session` counts and keeps what is unacknowledged.
//! - `stream.close()` ends in order; `stream.fail(StreamError)` ends with an error (`see-other-host`, `system-shutdown`,
//!   `conflict`, `connection-timeout`, ..). After `Closed`, `Failed` or `PeerFailed`: flush, hang up.
//! - WebSocket: feed each message whole, then call `stream.end_of_frame()`.
//!
//! ```text
//!            ┌──────────────────── accept (SASL1: the client restarts) ─────────────────┐
//!            ▼                                                                          │
//!  ──▶ AwaitingHeader ──header──▶ Negotiating ──auth──▶ Exchanging ──advance──▶ [Authenticated]
//!            ▲                     │       ▲  response/failure │                        │ accept (SASL2)
//!            └─tls_established─[StartTls]  └───────────────────┘                        ▼
//!                                                       Authenticated ◀── unbound ──────┤
//!                                                        │ bind, resume                 │ bound, resumed
//!                                                        └────────────▶ Bound ◀─────────┘
//!  any state ──close tag──▶ Closed        any state ──rule broken, fail()──▶ Failed
//! ```

mod authentication;
mod bound;
mod config;
mod event;
mod features;
mod header;
mod output;
mod sasl1;
mod sasl2;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::error::{Condition, StanzaError, StreamCondition, StreamError};
use crate::jid::Jid;
use crate::ns;
use crate::sasl::Exchange;
use crate::sm;
use crate::stanza::{IqType, Kind, Stanza, Wire};
use crate::xml::{Element, Framing, Scanner, Token};

use authentication::Profile;
use header::Header;
use sasl2::Inline;

pub use config::{Config, FillRandom, FindHost, Host, HostPolicy, Tls, Transport};
pub use event::{
    Acceptance, Authenticated, BindRequest, Bound, Credentials, EnableRequest, Event, FastUse, InlineBind,
    IssuedToken, ResumeRequest, Resumption, StartTls, Task, Upgrade, UserAgent,
};
pub use output::Output;

/// One stream of a client. See the module's description for how to drive it.
pub struct Stream {
    config: Arc<Config>,
    scanner: Scanner,
    framing: Framing,
    output: Output,
    host: Option<Arc<HostPolicy>>,
    lang: Option<Box<str>>,
    state: State,
}

enum State {
    /// Everything that only a sign-in needs is in the box, which is gone when the client is bound.
    Negotiating(Box<Negotiation>),
    Bound(Session),
    /// Our closing tag is written; only the client's is of interest.
    Closing,
    /// Nothing is read or written any more.
    Ended,
}

struct Session {
    jid: Jid,
    /// Stream management is enabled.
    managed: bool,
    /// An `Enable` event is not yet answered.
    asked: bool,
}

struct Negotiation {
    phase: Phase,
    tls: Option<Tls>,
    plaintext_sign_in: bool,
    from: Option<Jid>,
    /// How often authentication has failed.
    failures: u8,
    /// Who is authenticated.
    account: Option<Jid>,
    /// What the client asked for along with its SASL2 request.
    inline: Option<Box<Inline>>,
}

enum Phase {
    AwaitingHeader,
    Unauthenticated,
    /// A question is with the caller, for an exchange of this profile if there is one.
    Asking(Option<Profile>),
    /// The client has a challenge to respond to.
    Exchanging(Profile, Exchange),
    /// The client has tasks to do (XEP-0388 section 2.6.3).
    Tasked(Box<sasl2::Tasked>),
    /// Authenticated and features sent; not bound.
    Authenticated,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("jid", &self.jid())
            .finish_non_exhaustive()
    }
}

/// # Reading and writing
impl Stream {
    /// A stream on a fresh connection.
    pub fn new(config: Arc<Config>, transport: Transport) -> Stream {
        let negotiation = Negotiation {
            phase: Phase::AwaitingHeader,
            tls: transport.tls,
            plaintext_sign_in: transport.plaintext_sign_in,
            from: None,
            failures: 0,
            account: None,
            inline: None,
        };
        Stream {
            scanner: Scanner::new(transport.framing, config.limits_before),
            config,
            framing: transport.framing,
            output: Output::default(),
            host: None,
            lang: None,
            state: State::Negotiating(Box::new(negotiation)),
        }
    }

    /// Reads up to and including what causes the next event. Returns how many octets were used; without an event, either
    /// all of them were, or a question is open.
    pub fn feed(&mut self, input: &[u8]) -> (usize, Option<Event>) {
        let mut used = 0;
        while used < input.len() && !self.is_asking() {
            if matches!(self.state, State::Ended) {
                return (input.len(), None);
            }
            let token = match self.scanner.feed(&input[used..]) {
                Ok((count, token)) => {
                    used += count;
                    token
                }
                Err(_) if matches!(self.state, State::Closing) => {
                    self.state = State::Ended;
                    return (input.len(), None);
                }
                Err(error) => {
                    let event = self.failed(StreamError::new(error.condition()));
                    return (input.len(), Some(event));
                }
            };
            let Some(token) = token else { continue };
            if let Some(event) = self.token(token, used < input.len()) {
                return (used, Some(event));
            }
        }
        (used, None)
    }

    /// Ends a WebSocket message: a message holds one whole element (RFC 7395 section 3.3.3).
    pub fn end_of_frame(&mut self) -> Option<Event> {
        let partial = self.framing == Framing::WebSocket && self.scanner.is_inside();
        let reading = matches!(self.state, State::Negotiating(_) | State::Bound(_));
        (partial && reading).then(|| self.failed(StreamError::new(StreamCondition::NotWellFormed)))
    }

    /// What is to be written to the connection.
    pub fn take_output(&mut self) -> Output {
        std::mem::take(&mut self.output)
    }

    /// How stanzas for this stream are encoded.
    pub fn wire(&self) -> Wire {
        match self.framing {
            Framing::Stream => Wire::Stream,
            Framing::WebSocket => Wire::WebSocket,
        }
    }

    /// Writes one stanza that is encoded for [`Stream::wire`].
    pub fn write(&mut self, encoded: &[u8]) {
        if matches!(self.state, State::Negotiating(_) | State::Bound(_)) {
            self.output
                .push(self.framing, |bytes| bytes.extend_from_slice(encoded));
        }
    }

    /// Encodes and writes one stanza.
    pub fn send(&mut self, stanza: &Stanza) {
        if matches!(self.state, State::Negotiating(_) | State::Bound(_)) {
            self.output.push(self.framing, |bytes| {
                stanza.write(bytes, output::scope(self.framing))
            });
        }
    }

    /// The full address of the client, once it is bound.
    pub fn jid(&self) -> Option<&Jid> {
        match &self.state {
            State::Bound(session) => Some(&session.jid),
            _ => None,
        }
    }

    /// The account that is authenticated, whether or not it is bound.
    pub fn account(&self) -> Option<Jid> {
        match &self.state {
            State::Negotiating(negotiation) => negotiation.account.clone(),
            State::Bound(session) => Some(session.jid.to_bare()),
            _ => None,
        }
    }

    /// The host that the client addressed.
    pub fn host(&self) -> Option<&Arc<HostPolicy>> {
        self.host.as_ref()
    }

    /// Whether the connection is encrypted, as far as a stream that is not yet bound knows.
    pub fn is_encrypted(&self) -> bool {
        matches!(&self.state, State::Negotiating(negotiation) if negotiation.tls.is_some())
    }

    /// Whether the stream waits for an answer.
    pub fn is_asking(&self) -> bool {
        match &self.state {
            State::Negotiating(negotiation) => matches!(negotiation.phase, Phase::Asking(_)),
            State::Bound(session) => session.asked,
            State::Closing | State::Ended => false,
        }
    }

    /// Whether the stream is over: flush the output and hang up.
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn token(&mut self, token: Token, pipelined: bool) -> Option<Event> {
        if matches!(self.state, State::Closing) {
            let closes = match &token {
                Token::Close => true,
                Token::Element(element) => {
                    self.framing == Framing::WebSocket && element.is(ns::FRAMING, "close")
                }
                Token::Open(_) => false,
            };
            return closes.then(|| self.peer_closed());
        }
        match token {
            Token::Open(header) => self.opened(header.into()),
            Token::Close => Some(self.peer_closed()),
            Token::Element(element) => self.element(element, pipelined),
        }
    }

    fn element(&mut self, element: Element, pipelined: bool) -> Option<Event> {
        if self.framing == Framing::WebSocket && element.ns() == ns::FRAMING {
            return match (element.name(), self.awaits_header()) {
                ("open", true) => self.opened(Header::from_open(&element)),
                ("close", _) => Some(self.peer_closed()),
                _ => Some(self.failed(StreamError::new(StreamCondition::BadFormat))),
            };
        }
        if self.awaits_header() {
            return Some(self.failed(StreamError::new(StreamCondition::BadFormat)));
        }
        if element.is(ns::STREAMS, "error") {
            self.write_close();
            self.state = State::Ended;
            return Some(Event::PeerFailed(element));
        }
        match &self.state {
            State::Negotiating(_) => self.negotiate(element, pipelined),
            State::Bound(_) => self.bound_element(element),
            State::Closing | State::Ended => None,
        }
    }

    fn awaits_header(&self) -> bool {
        matches!(&self.state, State::Negotiating(negotiation) if matches!(negotiation.phase, Phase::AwaitingHeader))
    }
}

/// # Ending
impl Stream {
    /// Closes the stream in order (RFC 6120 section 4.4). What the client still sends is ignored; its own closing tag
    /// causes [`Event::Closed`].
    pub fn close(&mut self) {
        match self.state {
            State::Closing | State::Ended => {}
            State::Negotiating(_) if self.awaits_header() => self.state = State::Ended,
            State::Negotiating(_) | State::Bound(_) => {
                self.write_close();
                self.state = State::Closing;
            }
        }
    }

    /// Closes the stream and sends the client to another WebSocket (RFC 7395 section 3.6.1).
    pub fn redirect(&mut self, uri: &str) {
        if self.framing == Framing::WebSocket && matches!(self.state, State::Negotiating(_) | State::Bound(_))
        {
            let close = Element::new(ns::FRAMING, "close").with_attr("see-other-uri", uri);
            self.output.push_element(self.framing, &close);
            self.state = State::Closing;
        }
    }

    /// Ends the stream with an error (RFC 6120 section 4.9): write what is in the output and hang up.
    pub fn fail(&mut self, error: &StreamError) {
        if matches!(self.state, State::Closing | State::Ended) {
            self.state = State::Ended;
            return;
        }
        // Section 4.9.1.2: an error before the header was answered comes after a header all the same.
        if self.awaits_header() {
            let from = self
                .host
                .as_ref()
                .map_or_else(|| self.config.default_host.clone(), |host| host.name.clone());
            self.write_header(&from, None);
        }
        let children: Vec<_> = error
            .to_element()
            .children()
            .map(|child| child.to_element())
            .collect();
        self.output.push_stream_element(self.framing, "error", &children);
        self.write_close();
        self.state = State::Ended;
    }

    fn failed(&mut self, error: StreamError) -> Event {
        self.fail(&error);
        Event::Failed(error)
    }

    fn peer_closed(&mut self) -> Event {
        if !matches!(self.state, State::Closing | State::Ended) {
            self.write_close();
        }
        self.state = State::Ended;
        Event::Closed
    }

    fn write_close(&mut self) {
        match self.framing {
            Framing::Stream => self
                .output
                .push(self.framing, |bytes| bytes.extend_from_slice(b"</stream:stream>")),
            Framing::WebSocket => self
                .output
                .push_element(self.framing, &Element::new(ns::FRAMING, "close")),
        }
    }
}

/// # TLS
impl Stream {
    /// Goes on after the handshake: whatever was said in plain text is forgotten (RFC 6120 section 5.4.3.3).
    pub fn tls_established(&mut self, _question: StartTls, tls: Tls) {
        let State::Negotiating(negotiation) = &mut self.state else {
            return;
        };
        negotiation.tls = Some(tls);
        negotiation.from = None;
        self.host = None;
        self.lang = None;
        self.restart();
    }

    /// Awaits a new header, with a scanner that remembers nothing.
    fn restart(&mut self) {
        self.scanner = Scanner::new(self.framing, self.config.limits_before);
        if let State::Negotiating(negotiation) = &mut self.state {
            negotiation.phase = Phase::AwaitingHeader;
        }
    }

    /// RFC 6120 section 5.4.2.
    fn start_tls(&mut self, pipelined: bool) -> Option<Event> {
        let offered = self.host.as_ref().is_some_and(|host| host.starttls);
        let State::Negotiating(negotiation) = &mut self.state else {
            return None;
        };
        let possible = negotiation.tls.is_none() && negotiation.account.is_none();
        if !possible || !offered || self.framing != Framing::Stream {
            self.output
                .push_element(self.framing, &Element::new(ns::TLS, "failure"));
            self.write_close();
            self.state = State::Ended;
            return Some(Event::Closed);
        }
        // Section 5.3.3: nothing may come between <starttls/> and the handshake. What does was put there by someone who
        // hopes that it is read as if it had come through TLS.
        if pipelined {
            return Some(self.failed(StreamError::new(StreamCondition::PolicyViolation)));
        }
        negotiation.phase = Phase::Asking(None);
        self.output
            .push_element(self.framing, &Element::new(ns::TLS, "proceed"));
        Some(Event::StartTls(StartTls(())))
    }
}

/// # Binding
impl Stream {
    fn negotiate(&mut self, element: Element, pipelined: bool) -> Option<Event> {
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
        let payload = element
            .children()
            .next()
            .map(|child| (child.ns().to_owned(), child.name() == "bind"));
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
            None => self
                .host
                .as_ref()
                .is_some_and(|host| host.iq_before.contains(&payload_ns)),
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
        let resource = stanza
            .child(ns::BIND, "bind")
            .and_then(|bind| bind.child(ns::BIND, "resource"));
        let resource = resource
            .map(|resource| resource.text().trim().to_owned())
            .filter(|text| !text.is_empty());
        let wanted = resource
            .map(|resource| account.with_resource(&resource))
            .transpose();
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
        let account = negotiation
            .account
            .clone()
            .filter(|_| matches!(negotiation.phase, Phase::Authenticated));
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
        self.output.push_element(self.framing, &sm::failed(condition));
        None
    }

    /// Goes on with an earlier session: `h` is how many of the client's stanzas were handled. Afterwards everything that
    /// the client has not acknowledged is to be written again.
    pub fn resumed(&mut self, request: ResumeRequest, jid: Jid, h: u32) {
        self.output
            .push_element(self.framing, &sm::Resume::resumed(&request.resume.previd, h));
        self.enter_session(jid, true);
    }

    /// The session is not there; the client may bind a resource now.
    pub fn resume_failed(&mut self, _request: ResumeRequest, failed: sm::ResumeFailed) {
        self.output.push_element(self.framing, &failed.to_element());
        self.answered(Phase::Authenticated);
    }

    fn enter_session(&mut self, jid: Jid, managed: bool) {
        if matches!(self.state, State::Negotiating(_)) {
            self.scanner.set_limits(self.config.limits);
            self.state = State::Bound(Session {
                jid,
                managed,
                asked: false,
            });
        }
    }

    fn ask(&mut self) {
        self.answered(Phase::Asking(None));
    }

    fn answered(&mut self, phase: Phase) {
        if let State::Negotiating(negotiation) = &mut self.state {
            negotiation.phase = phase;
        }
    }
}
