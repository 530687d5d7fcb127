//! Tests of the client stream, by the sections of the documents they come from.

mod binding;
mod errors;
mod management;
mod sasl1;
mod sasl2;
mod websocket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::*;
use crate::error::{Condition, StanzaError};
use crate::sasl::{ChannelBindings, Failure, Hash, Mechanism, Offer, Question, ScramClient, Step, Verifier};
use crate::sm;
use crate::stanza::{IqType, Kind, MessageType};
use crate::xml::Limits;

const HEADER: &str = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

/// A server with one host, whose users all have the password `pencil`, and the peer that talks to it.
struct Peer {
    stream: Stream,
    output: String,
}

pub(super) fn policy() -> HostPolicy {
    let mut policy = HostPolicy::new("example.org");
    policy.scram = vec![Hash::Sha256, Hash::Sha1];
    policy.upgrades = vec![Hash::Sha512];
    policy.iq_before = vec![ns::REGISTER.to_owned()];
    policy
}

pub(super) fn config(policy: HostPolicy) -> Arc<Config> {
    let counter = AtomicU8::new(1);
    let policy = Arc::new(policy);
    Arc::new(Config {
        hosts: Box::new(move |name| match name {
            "example.org" => Host::Served(policy.clone()),
            "gone.example" => Host::Gone,
            _ => Host::Unknown,
        }),
        default_host: "example.org".into(),
        random: Box::new(move |buffer| buffer.fill(counter.fetch_add(1, Ordering::Relaxed))),
        limits_before: Limits { stanza_bytes: 16_384, ..Limits::default() },
        limits: Limits::default(),
        attempts: 3,
    })
}

fn tls() -> Tls {
    Tls {
        bindings: ChannelBindings { exporter: Some([7; 32]), server_end_point: Some(vec![9; 32].into()) },
        certified: Vec::new(),
    }
}

fn verifier(hash: Hash) -> Verifier {
    Verifier::derive(hash, "pencil", b"sixteen octets..", 4096).unwrap()
}

fn jid(text: &str) -> Jid {
    text.parse().unwrap()
}

fn base64(data: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(data)
}

/// What the server answers about a user: everybody exists but `nobody`, and `disabled` may not sign in.
fn answer(question: Question) -> Step {
    let usable = !matches!(question.username(), "nobody" | "disabled");
    match question {
        Question::Verifier(question) => {
            let verifier = verifier(question.hash());
            question.answer(verifier, usable)
        }
        Question::Password(question) => question.answer(&verifier(Hash::Sha256), usable),
        Question::Tokens(question) => question.answer(&["new", "current"]),
        Question::Identity(question) => question.answer(usable),
    }
}

impl Peer {
    fn new(transport: Transport) -> Peer {
        Peer::with(policy(), transport)
    }

    fn with(policy: HostPolicy, transport: Transport) -> Peer {
        Peer { stream: Stream::new(config(policy), transport), output: String::new() }
    }

    /// Connected with TLS, header and features exchanged.
    fn encrypted() -> Peer {
        let mut peer = Peer::new(Transport::direct_tls(tls()));
        peer.opens(HEADER);
        peer
    }

    /// Signed in as `user` with PLAIN and restarted.
    fn authenticated() -> Peer {
        let mut peer = Peer::encrypted();
        peer.signs_in("\0user\0pencil");
        peer.opens(HEADER);
        peer
    }

    /// Bound as `user@example.org/balcony`.
    fn bound() -> Peer {
        let mut peer = Peer::authenticated();
        let Some(Event::Bind(request)) = peer.says(&bind_iq("balcony")) else { panic!() };
        let wanted = request.wanted.clone().unwrap();
        peer.stream.bound(request, wanted);
        peer.hears();
        peer
    }

    /// Bound, with stream management.
    fn managed() -> Peer {
        let mut peer = Peer::bound();
        let Some(Event::Enable(request)) = peer.says("<enable xmlns='urn:xmpp:sm:3'/>") else { panic!() };
        peer.stream.enabled(request, &sm::Enabled::default());
        peer.hears();
        peer
    }

    /// Feeds octet by octet, so that every place where input can be cut is met, until there is an event.
    fn says(&mut self, text: &str) -> Option<Event> {
        for (index, octet) in text.bytes().enumerate() {
            let (used, event) = self.stream.feed(&[octet]);
            self.collect();
            if event.is_some() {
                assert_eq!(index + 1, text.len(), "an event came before the end of {text}: {event:?}");
                return event;
            }
            assert!(used == 1 || self.stream.is_asking());
        }
        None
    }

    /// Feeds everything at once and returns what was used.
    fn says_at_once(&mut self, text: &str) -> (usize, Option<Event>) {
        let result = self.stream.feed(text.as_bytes());
        self.collect();
        result
    }

    fn collect(&mut self) {
        self.output.push_str(std::str::from_utf8(self.stream.take_output().bytes()).unwrap());
    }

    /// Everything that the server wrote since the last time.
    fn hears(&mut self) -> String {
        self.collect();
        std::mem::take(&mut self.output)
    }

    /// Sends a header and returns the answer.
    fn opens(&mut self, header: &str) -> String {
        assert!(self.says(header).is_none());
        self.hears()
    }

    /// Sends something that fails the stream, and returns the condition.
    #[track_caller]
    fn fails(&mut self, text: &str) -> StreamCondition {
        match self.says(text) {
            Some(Event::Failed(error)) => {
                let heard = self.hears();
                let element = format!("<{} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>", error.condition);
                let canonical = element.replace('\'', "\"");
                assert!(heard.contains(&element) || heard.contains(&canonical), "{heard}");
                assert!(
                    heard.contains("<stream:error>") && heard.ends_with("</stream:error></stream:stream>"),
                    "{heard}"
                );
                assert!(self.stream.is_ended());
                error.condition
            }
            event => panic!("{event:?}"),
        }
    }

    /// Signs in with PLAIN (SASL1), up to `<success/>`.
    fn signs_in(&mut self, message: &str) {
        let auth = format!("<auth xmlns='{}' mechanism='PLAIN'>{}</auth>", ns::SASL, base64(message));
        let Some(Event::Credentials(credentials)) = self.says(&auth) else { panic!() };
        let Some(Event::Authenticated(authenticated)) = self.stream.advance(answer(credentials.question))
        else {
            panic!()
        };
        self.stream.accept(authenticated, Acceptance::default());
        assert_eq!(self.heard_element().name(), "success");
    }

    /// Answers the question that the text causes, with what the server knows.
    fn asks(&mut self, text: &str) -> Option<Event> {
        match self.says(text) {
            Some(Event::Credentials(credentials)) => {
                let event = self.stream.advance(answer(credentials.question));
                self.collect();
                event
            }
            event => panic!("{event:?}"),
        }
    }

    /// The one element that was written.
    #[track_caller]
    fn heard_element(&mut self) -> Element {
        let heard = self.hears();
        Element::parse(&heard).unwrap_or_else(|error| panic!("{error}: {heard}"))
    }

    /// The elements that were written.
    #[track_caller]
    fn heard_elements(&mut self) -> Vec<Element> {
        let heard = self.hears();
        let wrapped = format!("<x xmlns='jabber:client' xmlns:stream='{}'>{heard}</x>", ns::STREAMS);
        let wrapped = Element::parse(&wrapped).unwrap_or_else(|error| panic!("{error}: {heard}"));
        wrapped.children().map(|child| child.to_element()).collect()
    }
}

/// The features in what the server answered to a header.
#[track_caller]
fn features(answer: &str) -> Element {
    let start = answer.find("<stream:features").unwrap_or_else(|| panic!("{answer}"));
    let wrapped = format!("<x xmlns='jabber:client' xmlns:stream='{}'>{}</x>", ns::STREAMS, &answer[start..]);
    Element::parse(&wrapped).unwrap().children().next().unwrap().to_element()
}

/// The names of the mechanisms in a feature.
fn mechanisms(feature: &Element) -> Vec<String> {
    feature
        .children()
        .filter(|child| child.name() == "mechanism")
        .map(|child| child.text().into_owned())
        .collect()
}

fn child(element: &Element, ns: &str, name: &str) -> Element {
    element.child(ns, name).unwrap_or_else(|| panic!("{}", element.to_xml())).to_element()
}

fn bind_iq(resource: &str) -> String {
    format!("<iq type='set' id='b1'><bind xmlns='{}'><resource>{resource}</resource></bind></iq>", ns::BIND)
}

/// The condition of a SASL failure in either profile.
#[track_caller]
fn failure(element: &Element) -> String {
    assert_eq!(element.name(), "failure", "{}", element.to_xml());
    let condition = element.children().next().unwrap();
    assert_eq!(condition.ns(), ns::SASL);
    condition.name().to_owned()
}
