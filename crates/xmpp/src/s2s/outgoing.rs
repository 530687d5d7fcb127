//! The stream that we open to another server: proving who we are, then sending; or asking whether a key is its own.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::channel::{Channel, Incident};
use super::dialback::{self, Content};
use super::{Config, Event, Key, Pair, Peer, Proof, StartTls, Verdict};
use crate::error::{Condition, StreamCondition, StreamError};
use crate::header;
use crate::jid::Jid;
use crate::ns;
use crate::xml::{Element, StreamHeader, Token};

/// What a stream is opened for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// To send stanzas.
    Stanzas {
        /// We have a certificate to sign in with.
        certificate: bool,
    },
    /// To ask whether a key that somebody sent is the peer's own. Its pair is the other way round than the stream.
    Verify(Key),
}

/// Why a peer does not take our stanzas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It does not offer TLS.
    NoTls,
    /// Its certificate does not hold for its domain, and we insist on that.
    Certificate,
    /// It offers no way to authenticate that we may use.
    NoMechanism,
    /// It says that our dialback key is not ours, or cannot tell.
    Dialback(Verdict),
}

/// An outgoing stream.
#[derive(Debug)]
pub struct Outgoing {
    config: Arc<Config>,
    channel: Channel,
    pair: Pair,
    purpose: Purpose,
    peer: Option<Peer>,
    phase: Phase,
    /// The id of the stream in the peer's header.
    id: String,
    /// EXTERNAL has been refused.
    external_failed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    AwaitingFeatures,
    AwaitingProceed,
    /// A handshake is due.
    Asking,
    Authenticating,
    /// Authenticated by a certificate; the restarted stream's features are to come.
    Authenticated,
    AwaitingResult,
    AwaitingVerdict,
    Ready,
}

impl Outgoing {
    /// A stream on a fresh connection; with `peer` on one that began with TLS (XEP-0368). `pair` names our domain first.
    pub fn new(config: Arc<Config>, pair: Pair, purpose: Purpose, peer: Option<Peer>) -> Outgoing {
        let mut channel = Channel::new(config.limits_before);
        channel.write_header(&pair.from, Some(&pair.to), None);
        Outgoing {
            channel,
            config,
            pair,
            purpose,
            peer,
            phase: Phase::AwaitingFeatures,
            id: String::new(),
            external_failed: false,
        }
    }

    /// Reads up to and including what causes the next event; see [`Incoming::feed`](super::Incoming::feed).
    pub fn feed(&mut self, input: &[u8]) -> (usize, Option<Event>) {
        let mut used = 0;
        while used < input.len() && self.phase != Phase::Asking {
            let (count, incident) = self.channel.feed(&self.config, &input[used..]);
            used += count;
            let event = match incident {
                None => None,
                Some(Incident::Closed) => Some(Event::Closed),
                Some(Incident::PeerFailed(error)) => Some(Event::PeerFailed(error)),
                Some(Incident::Failed(error)) => Some(Event::Failed(error)),
                Some(Incident::Token(Token::Open(header), _)) => self.opened(&header),
                Some(Incident::Token(Token::Element(element), more)) => self.element(&element, more),
                Some(Incident::Token(Token::Close, _)) => None,
            };
            if event.is_some() {
                return (used, event);
            }
        }
        (used, None)
    }

    /// What is to be written to the connection.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.channel.output)
    }

    /// Writes a stanza that is encoded for a stream of clients: neither declares the namespace of content, which the
    /// header of the stream says (RFC 6120 section 4.8.3).
    pub fn write(&mut self, encoded: &[u8]) {
        if self.phase == Phase::Ready && self.channel.is_open() {
            self.channel.output.extend_from_slice(encoded);
        }
    }

    /// Whether the stream is over: flush the output and hang up.
    pub fn is_ended(&self) -> bool {
        self.channel.is_ended()
    }

    /// Goes on after the handshake: whatever was said in plain text is forgotten (RFC 6120 section 5.4.3.3).
    pub fn tls_established(&mut self, _question: StartTls, peer: Peer) {
        self.peer = Some(peer);
        self.restart(Phase::AwaitingFeatures);
    }

    fn restart(&mut self, phase: Phase) {
        self.phase = phase;
        self.channel.restart(self.config.limits_before);
        self.channel.write_header(&self.pair.from, Some(&self.pair.to), None);
    }

    /// Closes the stream in order.
    pub fn close(&mut self) {
        self.channel.close();
    }

    /// Ends the stream with an error.
    pub fn fail(&mut self, error: &StreamError) {
        self.channel.fail(&self.config, error);
    }

    fn failed(&mut self, condition: StreamCondition) -> Option<Event> {
        let error = StreamError::new(condition);
        self.fail(&error);
        Some(Event::Failed(error))
    }

    fn refused(&mut self, refusal: Refusal) -> Option<Event> {
        self.channel.close();
        Some(Event::Refused(refusal))
    }

    fn opened(&mut self, header: &StreamHeader) -> Option<Event> {
        let content_ns = (&*header.default_ns, ns::SERVER);
        if let Err(condition) = header::check(&header.prefix, content_ns, header.version.as_deref()) {
            return self.failed(condition);
        }
        // Section 4.7.1: whoever answers in another name is not whom we asked for.
        let from = header.from.as_deref().map(|from| Jid::new(from).ok());
        if from.is_some_and(|from| from.is_none_or(|from| from.as_str() != &*self.pair.to)) {
            return self.failed(StreamCondition::InvalidFrom);
        }
        self.id = header.id.clone().unwrap_or_default();
        None
    }

    fn element(&mut self, element: &Element, more: bool) -> Option<Event> {
        match (self.phase, element.ns(), element.name()) {
            (Phase::AwaitingFeatures | Phase::Authenticated, ns::STREAMS, "features") => {
                self.features(element)
            }
            // Section 5.4.2.3: nothing comes between <proceed/> and the handshake.
            (Phase::AwaitingProceed, ns::TLS, "proceed") if more => {
                self.failed(StreamCondition::PolicyViolation)
            }
            (Phase::AwaitingProceed, ns::TLS, "proceed") => {
                self.phase = Phase::Asking;
                Some(Event::StartTls(StartTls(())))
            }
            (Phase::AwaitingProceed, ns::TLS, "failure") => self.refused(Refusal::NoTls),
            (Phase::Authenticating, ns::SASL, "success") => {
                self.restart(Phase::Authenticated);
                None
            }
            (Phase::Authenticating, ns::SASL, "failure") => {
                self.external_failed = true;
                self.by_dialback()
            }
            (_, ns::DIALBACK, name) => self.dialback(name, element),
            // Features may be told again once a pair is verified; nothing in them matters then.
            (Phase::Ready, ns::STREAMS, "features") => None,
            // Stanzas come on the streams that the peer opens.
            (_, ns::SERVER, _) => self.failed(StreamCondition::NotAuthorized),
            _ => self.failed(StreamCondition::UnsupportedStanzaType),
        }
    }

    fn features(&mut self, features: &Element) -> Option<Event> {
        let Some(peer) = &self.peer else {
            if features.child(ns::TLS, "starttls").is_none() {
                return self.refused(Refusal::NoTls);
            }
            self.phase = Phase::AwaitingProceed;
            self.channel.write_element(&Element::new(ns::TLS, "starttls"));
            return None;
        };
        let certified = (peer.0)(&self.pair.to);
        if !certified && !self.config.dialback {
            return self.refused(Refusal::Certificate);
        }
        match &self.purpose {
            Purpose::Verify(key) => {
                let id = Some(&*key.id);
                dialback::write("verify", &self.pair, id, Content::Key(&key.key), &mut self.channel.output);
                self.phase = Phase::AwaitingVerdict;
                None
            }
            Purpose::Stanzas { .. } if self.phase == Phase::Authenticated => self.ready(Proof::Certificate),
            Purpose::Stanzas { certificate } => {
                let mechanisms = features.child(ns::SASL, "mechanisms");
                let external =
                    mechanisms.is_some_and(|offer| offer.children().any(|m| m.text().trim() == "EXTERNAL"));
                if !*certificate || !external || self.external_failed {
                    return self.by_dialback();
                }
                // XEP-0178 section 3: the identity is the one in the header.
                let auth = Element::new(ns::SASL, "auth")
                    .with_attr("mechanism", "EXTERNAL")
                    .with_text(&BASE64_STANDARD.encode(&*self.pair.from));
                self.channel.write_element(&auth);
                self.phase = Phase::Authenticating;
                None
            }
        }
    }

    /// XEP-0220 section 2.1.1.
    fn by_dialback(&mut self) -> Option<Event> {
        if !self.config.dialback {
            return self.refused(Refusal::NoMechanism);
        }
        let key = self.config.secret.key(&self.pair, &self.id);
        dialback::write("result", &self.pair, None, Content::Key(&key), &mut self.channel.output);
        self.phase = Phase::AwaitingResult;
        None
    }

    fn ready(&mut self, proof: Proof) -> Option<Event> {
        self.phase = Phase::Ready;
        Some(Event::Ready(self.pair.clone(), proof))
    }

    /// XEP-0220 section 3.1: only the answer to the question that is open on this stream is heard.
    fn dialback(&mut self, name: &str, element: &Element) -> Option<Event> {
        let is = |attribute, domain: &str| {
            element
                .attr(attribute)
                .and_then(|text| Jid::new(text).ok())
                .is_some_and(|jid| jid.as_str() == domain)
        };
        let answers = is("from", &self.pair.to) && is("to", &self.pair.from);
        let verdict = Verdict::read(element).filter(|_| answers);
        match (self.phase, name, &self.purpose, verdict) {
            (Phase::AwaitingResult, "result", _, Some(Verdict::Valid)) => self.ready(Proof::Dialback),
            (Phase::AwaitingResult, "result", _, Some(verdict)) => self.refused(Refusal::Dialback(verdict)),
            (Phase::AwaitingVerdict, "verify", Purpose::Verify(key), Some(verdict))
                if element.attr("id") == Some(&key.id) =>
            {
                self.channel.close();
                Some(Event::Verdict(verdict))
            }
            _ => self.failed(StreamCondition::PolicyViolation),
        }
    }
}

impl Refusal {
    /// What the senders of queued stanzas are told (XEP-0220 section 2.1.1, RFC 6120 section 10.4).
    pub fn condition(self) -> Condition {
        match self {
            Refusal::Dialback(Verdict::Invalid) => Condition::InternalServerError,
            Refusal::Dialback(_) => Condition::RemoteServerTimeout,
            Refusal::NoTls | Refusal::Certificate | Refusal::NoMechanism => Condition::RemoteServerNotFound,
        }
    }
}
