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
//! - Stanzas to the client: `stream.write(&outgoing, &receiver)`, or `stream.send(&stanza)`.
//! - Stream management: the stream parses and writes its elements; `sm::Session` counts and keeps what is unacknowledged.
//! - `stream.close()` ends in order; `stream.fail(StreamError)` ends with an error (`see-other-host`, `system-shutdown`,
//!   `conflict`, `connection-timeout`, ..). After `Closed`, `Failed` or `PeerFailed`: flush, hang up.
//! - WebSocket: feed each message whole, then call `stream.end_of_frame()`.
//! - Resumed at another node than the one that has the session: there `Stream::carried_on(.., stream.carried(), ..)` takes
//!   what the client says from then on, and this stream is not fed any more.
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
mod binding;
mod bound;
mod carried;
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

use crate::error::{StreamCondition, StreamError};
use crate::jid::Jid;
use crate::ns;
use crate::sasl::Exchange;
use crate::stanza::{Outgoing, Stanza, Wire};
use crate::xml::{Element, Framing, Scanner, Token};

use authentication::Profile;
use header::Header;
use sasl2::Inline;

pub use carried::Carried;
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
    /// The former stream is over and nothing of the new one has come: white space still belongs to the former.
    between_streams: bool,
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
        f.debug_struct("Stream").field("jid", &self.jid()).finish_non_exhaustive()
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
            between_streams: false,
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
            used += self.skip_space(&input[used..]);
            if self.forbids_space() && input.get(used).copied().is_some_and(is_space) {
                let event = self.failed(StreamError::new(StreamCondition::PolicyViolation));
                return (input.len(), Some(event));
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
            let pipelined = !input[used..].iter().all(|octet| is_space(*octet));
            if let Some(event) = self.token(token, pipelined) {
                if let Event::StartTls(_) = event {
                    used = input.len();
                }
                return (used, Some(event));
            }
        }
        (used, None)
    }

    /// Ends a WebSocket message: a message holds one whole element (RFC 7395 section 3.3.3).
    pub fn end_of_frame(&mut self) -> Option<Event> {
        let partial = self.framing == Framing::WebSocket && self.scanner.is_inside();
        (partial && self.is_open()).then(|| self.failed(StreamError::new(StreamCondition::NotWellFormed)))
    }

    /// What is to be written to the connection.
    pub fn take_output(&mut self) -> Output {
        std::mem::take(&mut self.output)
    }

    /// Whether there is something to write.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Writes one stanza that others may receive as well, with this receiver's address where it is one for many.
    pub fn write(&mut self, outgoing: &Arc<Outgoing>, receiver: &Jid) {
        if self.is_open() {
            let wire = match self.framing {
                Framing::Stream => Wire::Stream,
                Framing::WebSocket => Wire::WebSocket,
            };
            self.output.push(self.framing, |bytes| outgoing.write(receiver, wire, bytes));
        }
    }

    /// Encodes and writes one stanza.
    pub fn send(&mut self, stanza: &Stanza) {
        if self.is_open() {
            self.output.push(self.framing, |bytes| stanza.write(bytes, output::scope(self.framing)));
        }
    }

    fn write_element(&mut self, element: &Element) {
        if self.is_open() {
            self.output.push_element(self.framing, element);
        }
    }

    /// Whether something may still be said.
    fn is_open(&self) -> bool {
        matches!(self.state, State::Negotiating(_) | State::Bound(_))
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

    /// How many octets of white space stand between a stream and the one that follows it. An XML declaration may not
    /// have any before it, but a client may end its last element of the former stream with a line feed.
    fn skip_space(&mut self, input: &[u8]) -> usize {
        match &mut self.state {
            State::Negotiating(negotiation) if negotiation.between_streams => {
                let first = input.iter().position(|octet| !is_space(*octet));
                negotiation.between_streams = first.is_none();
                first.unwrap_or(input.len())
            }
            _ => 0,
        }
    }

    /// XEP-0388 section 2.4: while authentication is in progress not even white space may stand between elements.
    fn forbids_space(&self) -> bool {
        let State::Negotiating(negotiation) = &self.state else { return false };
        let in_progress =
            matches!(negotiation.phase, Phase::Exchanging(Profile::Sasl2, _) | Phase::Tasked(_));
        in_progress && !self.scanner.is_inside()
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

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
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
            let from =
                self.host.as_ref().map_or_else(|| self.config.default_host.clone(), |host| host.name.clone());
            self.write_header(&from, None);
        }
        let children: Vec<_> = error.to_element().children().map(|child| child.to_element()).collect();
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
            Framing::Stream => {
                self.output.push(self.framing, |bytes| bytes.extend_from_slice(b"</stream:stream>"))
            }
            Framing::WebSocket => self.output.push_element(self.framing, &Element::new(ns::FRAMING, "close")),
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
            negotiation.between_streams = negotiation.account.is_some();
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
            self.output.push_element(self.framing, &Element::new(ns::TLS, "failure"));
            self.write_close();
            self.state = State::Ended;
            return Some(Event::Closed);
        }
        // Section 5.3.3: nothing may come between <starttls/> and the handshake. What does was put there by someone who
        // hopes that it is read as if it had come through TLS. White space is dropped instead: some clients end the
        // element with a line feed, and nobody gains by it.
        if pipelined {
            return Some(self.failed(StreamError::new(StreamCondition::PolicyViolation)));
        }
        negotiation.phase = Phase::Asking(None);
        self.output.push_element(self.framing, &Element::new(ns::TLS, "proceed"));
        Some(Event::StartTls(StartTls(())))
    }
}
