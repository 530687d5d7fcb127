//! The stream of a server that connected to us: who it is, and which stanzas it may send.

use std::sync::Arc;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::channel::{Channel, Incident};
use super::dialback::{self, Content};
use super::{
    Config, Event, Host, Key, PAIRS_LIMIT, PENDING_PAIRS_LIMIT, Pair, Peer, Proof, StartTls, Verdict,
};
use crate::error::{Condition, StreamCondition, StreamError};
use crate::header;
use crate::jid::Jid;
use crate::ns;
use crate::sasl::Failure;
use crate::stanza::Stanza;
use crate::xml::{Element, StreamHeader, Token};

/// How often a peer may fail to authenticate by SASL (RFC 6120 section 6.4.5: at least 2, at most 5).
const ATTEMPTS: u8 = 2;

/// An incoming stream.
#[derive(Debug)]
pub struct Incoming {
    config: Arc<Config>,
    channel: Channel,
    peer: Option<Peer>,
    /// A handshake is due.
    asking: bool,
    /// The id of the stream in our header.
    id: String,
    /// What the peer's header said.
    addressed: Option<Pair>,
    /// The pair that SASL has authenticated.
    certified: Option<Pair>,
    failures: u8,
    /// What may send, and what has asked to.
    pairs: Vec<Pair>,
    pending: Vec<Pair>,
}

impl Incoming {
    /// A stream on a fresh connection; with `peer` on one that began with TLS (XEP-0368).
    pub fn new(config: Arc<Config>, peer: Option<Peer>) -> Incoming {
        Incoming {
            channel: Channel::new(config.limits_before),
            config,
            peer,
            asking: false,
            id: String::new(),
            addressed: None,
            certified: None,
            failures: 0,
            pairs: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Reads up to and including what causes the next event. Returns how many octets were used; without an event, either
    /// all of them were, or a handshake is due.
    pub fn feed(&mut self, input: &[u8]) -> (usize, Option<Event>) {
        let mut used = 0;
        while used < input.len() && !self.asking {
            let (count, incident) = self.channel.feed(&self.config, &input[used..]);
            used += count;
            let event = match incident {
                None => None,
                Some(Incident::Closed) => Some(Event::Closed),
                Some(Incident::PeerFailed(error)) => Some(Event::PeerFailed(error)),
                Some(Incident::Failed(error)) => Some(Event::Failed(error)),
                Some(Incident::Token(Token::Open(header), _)) => self.opened(&header),
                Some(Incident::Token(Token::Element(element), _)) => self.element(element, &input[used..]),
                Some(Incident::Token(Token::Close, _)) => None,
            };
            if event.is_some() {
                if self.asking {
                    used = input.len();
                }
                return (used, event);
            }
        }
        (used, None)
    }

    /// What is to be written to the connection.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.channel.output)
    }

    /// Whether the stream is over: flush the output and hang up.
    pub fn is_ended(&self) -> bool {
        self.channel.is_ended()
    }

    /// Whether some pair is authenticated.
    pub fn is_authenticated(&self) -> bool {
        !self.pairs.is_empty()
    }

    /// The pairs that may send.
    pub fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// Goes on after the handshake: whatever was said in plain text is forgotten (RFC 6120 section 5.4.3.3).
    pub fn tls_established(&mut self, _question: StartTls, peer: Peer) {
        self.peer = Some(peer);
        self.asking = false;
        self.addressed = None;
        self.channel.restart(self.config.limits_before);
    }

    /// Closes the stream in order, with an error if there is one. Stanzas that the peer has sent before it hears of that
    /// still come out (RFC 6120 section 4.4), until it closes its side too: nobody would send them again.
    pub fn close_and_linger(&mut self, error: Option<&StreamError>) {
        match error {
            Some(error) if !self.channel.is_introduced() => self.fail(error),
            error => self.channel.close_and_linger(error),
        }
    }

    /// Ends the stream with an error (RFC 6120 section 4.9): write what is in the output and hang up.
    pub fn fail(&mut self, error: &StreamError) {
        self.channel.fail(&self.config, error);
    }

    fn failed(&mut self, condition: StreamCondition) -> Option<Event> {
        let error = StreamError::new(condition);
        self.fail(&error);
        Some(Event::Failed(error))
    }

    fn opened(&mut self, header: &StreamHeader) -> Option<Event> {
        let pair = match self.check(header) {
            Ok(pair) => pair,
            Err(condition) => return self.failed(condition),
        };
        self.id = header::stream_id(&self.config.random);
        self.channel.write_header(&pair.to, Some(&pair.from), Some(&self.id));
        let features = self.features(&pair);
        self.addressed = Some(pair);
        self.channel.write_features(&features);
        None
    }

    fn check(&self, header: &StreamHeader) -> Result<Pair, StreamCondition> {
        let content_ns = (&*header.default_ns, ns::SERVER);
        header::check(&header.prefix, content_ns, header.version.as_deref())?;
        // Sections 4.7.1 and 4.7.2: between servers both are domains, and both are there.
        let to = domain(header.to.as_deref()).ok_or(StreamCondition::ImproperAddressing)?;
        match (self.config.hosts)(to.domain()) {
            Host::Served => {}
            Host::Gone => return Err(StreamCondition::HostGone),
            Host::Unknown => return Err(StreamCondition::HostUnknown),
        }
        let from = domain(header.from.as_deref()).ok_or(StreamCondition::ImproperAddressing)?;
        if (self.config.hosts)(from.domain()) == Host::Served {
            return Err(StreamCondition::InvalidFrom);
        }
        if !(self.config.admits)(from.domain()) {
            return Err(StreamCondition::PolicyViolation);
        }
        let pair = Pair::new(from.domain(), to.domain());
        // Section 4.9.3.9: the restarted stream belongs to whom SASL has authenticated.
        match &self.certified {
            Some(certified) if certified.from != pair.from => Err(StreamCondition::InvalidFrom),
            Some(certified) if certified.to != pair.to => Err(StreamCondition::HostUnknown),
            _ => Ok(pair),
        }
    }

    /// RFC 6120 section 5.3.1: where TLS is required nothing else is offered before it. XEP-0178 section 3: EXTERNAL only
    /// where it can succeed.
    fn features(&self, pair: &Pair) -> Vec<Element> {
        let Some(peer) = &self.peer else {
            let required = Element::new(ns::TLS, "required");
            return vec![Element::new(ns::TLS, "starttls").with_child(required)];
        };
        let mut features = Vec::new();
        if self.certified.is_none() && (peer.0)(&pair.from) {
            let external = Element::new(ns::SASL, "mechanism").with_text("EXTERNAL");
            features.push(Element::new(ns::SASL, "mechanisms").with_child(external));
        }
        if self.config.dialback {
            let errors = Element::new(ns::DIALBACK_FEATURE, "errors");
            features.push(Element::new(ns::DIALBACK_FEATURE, "dialback").with_child(errors));
        }
        features
    }

    fn element(&mut self, element: Element, rest: &[u8]) -> Option<Event> {
        if !self.channel.is_open() && element.ns() != ns::SERVER {
            // Too late to agree on anything.
            return None;
        }
        match element.ns() {
            ns::TLS if element.name() == "starttls" => self.start_tls(rest),
            ns::SASL => self.sasl(&element),
            ns::DIALBACK => self.dialback(&element),
            ns::SERVER => self.stanza(element),
            _ => self.failed(StreamCondition::UnsupportedStanzaType),
        }
    }

    /// RFC 6120 section 5.4.2. Nothing may come between `<starttls/>` and the handshake: what does was put there by someone
    /// who hopes that it is read as if it had come through TLS.
    fn start_tls(&mut self, rest: &[u8]) -> Option<Event> {
        if self.peer.is_some() {
            self.channel.write_element(&Element::new(ns::TLS, "failure"));
            self.channel.close();
            return Some(Event::Closed);
        }
        if rest.iter().any(|octet| !octet.is_ascii_whitespace()) {
            return self.failed(StreamCondition::PolicyViolation);
        }
        self.asking = true;
        self.channel.write_element(&Element::new(ns::TLS, "proceed"));
        Some(Event::StartTls(StartTls(())))
    }

    fn sasl(&mut self, element: &Element) -> Option<Event> {
        if self.certified.is_some() {
            return self.failed(StreamCondition::PolicyViolation);
        }
        match (element.name(), self.external(element)) {
            ("auth", Ok(pair)) => {
                self.channel.write_element(&Element::new(ns::SASL, "success"));
                self.channel.restart(self.config.limits);
                self.certified = Some(pair.clone());
                self.authenticated(pair, Proof::Certificate)
            }
            ("auth", Err(failure)) => {
                self.failures = self.failures.saturating_add(1);
                let failure =
                    Element::new(ns::SASL, "failure").with_child(Element::new(ns::SASL, failure.name()));
                self.channel.write_element(&failure);
                (self.failures >= ATTEMPTS).then(|| self.failed(StreamCondition::PolicyViolation)).flatten()
            }
            _ => self.failed(StreamCondition::UnsupportedStanzaType),
        }
    }

    /// EXTERNAL (RFC 6120 section 6, XEP-0178 section 3): the authorization identity, if there is one, is the domain in the
    /// header, and the certificate holds for it.
    fn external(&self, element: &Element) -> Result<Pair, Failure> {
        let (Some(peer), Some(pair)) = (&self.peer, &self.addressed) else {
            return Err(Failure::EncryptionRequired);
        };
        if element.attr("mechanism") != Some("EXTERNAL") {
            return Err(Failure::InvalidMechanism);
        }
        let text = element.text();
        let octets = match &*text {
            "" | "=" => Vec::new(),
            text => BASE64_STANDARD.decode(text).map_err(|_| Failure::IncorrectEncoding)?,
        };
        let authzid = std::str::from_utf8(&octets).map_err(|_| Failure::MalformedRequest)?;
        if !authzid.is_empty() && domain(Some(authzid)).is_none_or(|own| own.domain() != &*pair.from) {
            return Err(Failure::InvalidAuthzid);
        }
        if !(peer.0)(&pair.from) {
            return Err(Failure::NotAuthorized);
        }
        Ok(pair.clone())
    }

    fn authenticated(&mut self, pair: Pair, proof: Proof) -> Option<Event> {
        if !self.pairs.contains(&pair) {
            self.pairs.push(pair.clone());
        }
        self.channel.set_limits(self.config.limits);
        Some(Event::Ready(pair, proof))
    }

    fn dialback(&mut self, element: &Element) -> Option<Event> {
        let addresses = domain(element.attr("from")).zip(domain(element.attr("to")));
        let Some((from, to)) = addresses else {
            return self.failed(StreamCondition::ImproperAddressing);
        };
        // XEP-0220 section 3.1: answers belong on the stream that the question went out on, and none went out here.
        if element.attr("type").is_some() {
            return self.failed(StreamCondition::PolicyViolation);
        }
        let pair = Pair::new(from.domain(), to.domain());
        let key = element.text().trim().to_owned();
        match (element.name(), element.attr("id")) {
            ("result", _) => self.result(pair, key),
            ("verify", Some(id)) => {
                self.verify(&pair, id, &key);
                None
            }
            _ => self.failed(StreamCondition::BadFormat),
        }
    }

    /// A peer wants to send for a pair (XEP-0220 section 2.2.1).
    fn result(&mut self, pair: Pair, key: String) -> Option<Event> {
        if let Some(condition) = self.refuses(&pair) {
            self.answer(&pair, Verdict::Error(condition));
            return None;
        }
        // Any proof will do (section 2.1.1), and a certificate is a better one than a key.
        if self.peer.as_ref().is_some_and(|peer| (peer.0)(&pair.from)) {
            self.answer(&pair, Verdict::Valid);
            return self.authenticated(pair, Proof::Certificate);
        }
        if !self.config.dialback {
            self.answer(&pair, Verdict::Error(Condition::NotAuthorized));
            return None;
        }
        if self.pending.contains(&pair) || self.pairs.contains(&pair) {
            self.answer(&pair, Verdict::Error(Condition::Conflict));
            return None;
        }
        self.pending.push(pair.clone());
        Some(Event::Key(Key { pair, id: self.id.as_str().into(), key }))
    }

    /// Why a pair may not be authenticated on this stream whatever its key (XEP-0220 section 2.4.2).
    fn refuses(&self, pair: &Pair) -> Option<Condition> {
        if self.peer.is_none() {
            Some(Condition::PolicyViolation)
        } else if (self.config.hosts)(&pair.to) != Host::Served {
            Some(Condition::ItemNotFound)
        } else if (self.config.hosts)(&pair.from) == Host::Served {
            Some(Condition::NotAcceptable)
        } else if !(self.config.admits)(&pair.from) {
            Some(Condition::PolicyViolation)
        } else if self.pending.len() >= PENDING_PAIRS_LIMIT
            || self.pairs.len() + self.pending.len() >= PAIRS_LIMIT
        {
            Some(Condition::ResourceConstraint)
        } else {
            None
        }
    }

    /// Says what has become of the key of a pair. Only a pair that waits is heard of.
    pub fn verified(&mut self, pair: &Pair, verdict: Verdict) -> Option<Event> {
        let at = self.pending.iter().position(|pending| pending == pair)?;
        let pair = self.pending.swap_remove(at);
        self.answer(&pair, verdict);
        match verdict {
            Verdict::Valid => self.authenticated(pair, Proof::Dialback),
            // Section 2.2.1: whoever lies at his first attempt is not listened to any more.
            Verdict::Invalid if self.pairs.is_empty() => {
                self.channel.close();
                Some(Event::Closed)
            }
            Verdict::Invalid | Verdict::Error(_) => None,
        }
    }

    fn answer(&mut self, pair: &Pair, verdict: Verdict) {
        if self.channel.is_open() {
            let back = Pair { from: pair.to.clone(), to: pair.from.clone() };
            dialback::write("result", &back, None, Content::Answer(verdict), &mut self.channel.output);
        }
    }

    /// Somebody asks whether a key is ours (XEP-0220 section 2.2.2). The question goes from the receiving domain to the
    /// sending one, which the key was made the other way round for.
    fn verify(&mut self, asked: &Pair, id: &str, key: &str) {
        let sent = Pair { from: asked.to.clone(), to: asked.from.clone() };
        let verdict = if self.peer.is_none() {
            Verdict::Error(Condition::PolicyViolation)
        } else if (self.config.hosts)(&sent.from) != Host::Served {
            Verdict::Error(Condition::ItemNotFound)
        } else if self.config.secret.made(&sent, id, key) {
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        if self.channel.is_open() {
            dialback::write("verify", &sent, Some(id), Content::Answer(verdict), &mut self.channel.output);
        }
    }

    /// RFC 6120 sections 8.1.1.2 and 8.1.2.2: both addresses are there and belong to an authenticated pair.
    fn stanza(&mut self, mut element: Element) -> Option<Event> {
        if self.pairs.is_empty() {
            return self.failed(StreamCondition::NotAuthorized);
        }
        let address = |name| element.attr(name).and_then(|text| Jid::new(text).ok());
        let Some((from, to)) = address("from").zip(address("to")) else {
            return self.failed(StreamCondition::ImproperAddressing);
        };
        let mut known = self.pairs.iter().filter(|pair| *pair.from == *from.domain()).peekable();
        if known.peek().is_none() {
            return self.failed(StreamCondition::InvalidFrom);
        }
        if !known.any(|pair| *pair.to == *to.domain()) {
            return self.failed(StreamCondition::HostUnknown);
        }
        if !matches!(element.name(), "message" | "presence" | "iq") {
            return self.failed(StreamCondition::UnsupportedStanzaType);
        }
        element.move_content(ns::SERVER, ns::CLIENT);
        match Stanza::accept(element) {
            Ok(stanza) => Some(Event::Stanza(stanza)),
            Err(refusal) => {
                let reply = refusal.reply.map(|reply| reply.with_from(to).with_to(from))?;
                Some(Event::Unreadable(reply))
            }
        }
    }
}

/// A domain without anything else.
fn domain(text: Option<&str>) -> Option<Jid> {
    let jid = Jid::new(text?).ok()?;
    (jid.local().is_none() && jid.is_bare()).then_some(jid)
}
