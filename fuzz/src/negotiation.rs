//! The stream machine, driven from the first byte by a server that knows a few users.

use std::mem::discriminant;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, LazyLock};

use waxwing_xmpp::c2s::{
    Acceptance, Bound, Config, Event, Host, HostPolicy, IssuedToken, Resumption, Stream, Tls, Transport,
    Upgrade,
};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::sasl::{ChannelBindings, Failure, Hash, Question, Step, Verifier};
use waxwing_xmpp::sm::{Enabled, ResumeFailed};
use waxwing_xmpp::xml::{Framing, Limits, Scanner};

/// The verifiers of everybody's password, `pencil`: making them is what costs.
static VERIFIERS: LazyLock<[Verifier; 3]> = LazyLock::new(|| {
    [Hash::Sha1, Hash::Sha256, Hash::Sha512]
        .map(|hash| Verifier::derive(hash, "pencil", b"sixteen octets..", 4096).expect("a plain password"))
});

/// The verifier of one hash.
pub(crate) fn verifier(hash: Hash) -> Verifier {
    VERIFIERS.iter().find(|verifier| verifier.hash() == hash).expect("one for each hash").clone()
}

/// What an account's keeper answers: everybody's password is `pencil`, and `disabled` may not sign in.
pub(crate) fn answer(question: Question) -> Step {
    let usable = question.username() != "disabled";
    match question {
        Question::Verifier(question) => {
            let verifier = verifier(question.hash());
            question.answer(verifier, usable)
        }
        Question::Password(question) => {
            let right = question.password().reveal() == "pencil" && usable;
            question.verdict(right)
        }
        Question::Tokens(question) => question.answer(&["new", "current"]),
        Question::Identity(question) => question.answer(usable),
    }
}

fn config() -> Arc<Config> {
    let counter = AtomicU8::new(1);
    let mut policy = HostPolicy::new("example.org");
    policy.upgrades = vec![Hash::Sha512, Hash::Sha256];
    policy.iq_before = vec![ns::REGISTER.to_owned()];
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
        limits: Limits { stanza_bytes: 65_536, ..Limits::default() },
        attempts: 3,
    })
}

fn tls() -> Tls {
    Tls {
        bindings: ChannelBindings { exporter: Some([7; 32]), server_end_point: Some(vec![9; 32].into()) },
        certified: vec![Jid::new("user@example.org").expect("an address")],
    }
}

/// One end of a stream, and what it has been through.
struct Server {
    stream: Stream,
    framing: Framing,
    /// Whether a client may sign in as the connection stands.
    trusted: bool,
    authenticated: bool,
    bound: bool,
    events: Vec<String>,
    output: Vec<u8>,
    reader: Scanner,
}

impl Server {
    fn new(transport: Transport, framing: Framing, trusted: bool) -> Self {
        Self {
            stream: Stream::new(config(), transport),
            framing,
            trusted,
            authenticated: false,
            bound: false,
            events: Vec::new(),
            output: Vec::new(),
            reader: Scanner::new(framing, Limits { stanza_bytes: 1 << 20, ..Limits::default() }),
        }
    }

    /// Gives the stream some input, and answers all that it asks.
    fn hear(&mut self, mut input: &[u8]) {
        while !input.is_empty() {
            let (used, event) = self.stream.feed(input);
            assert!(used <= input.len());
            input = &input[used..];
            self.collect();
            match event {
                Some(event) => self.follow(Some(event)),
                None => assert!(input.is_empty(), "input is left although nothing was asked"),
            }
        }
    }

    fn end_of_frame(&mut self) {
        let event = self.stream.end_of_frame();
        self.follow(event);
    }

    fn follow(&mut self, mut event: Option<Event>) {
        while let Some(now) = event {
            assert!(!self.stream.is_ended() || is_last(&now), "nothing follows the end: {now:?}");
            self.events.push(format!("{:?}", discriminant(&now)));
            event = self.react(now);
            self.collect();
        }
    }

    /// What the server written around the machine would do; the rules that no input may break are checked on the way.
    fn react(&mut self, event: Event) -> Option<Event> {
        match event {
            Event::StartTls(request) => {
                assert!(!self.trusted, "TLS twice");
                self.trusted = true;
                self.stream.tls_established(request, tls());
            }
            Event::Credentials(credentials) => {
                assert!(self.trusted, "RFC 6120 section 6.3.1: a password in plain text");
                return self.stream.advance(answer(credentials.question));
            }
            Event::Authenticated(authenticated) => {
                assert!(self.trusted && !self.authenticated);
                if authenticated.jid.local() == Some("refused") {
                    return self.stream.refuse(authenticated, Failure::TemporaryAuthFailure);
                }
                match authenticated.upgrades.first() {
                    Some(hash) => {
                        let upgrade = Upgrade { hash: *hash, salt: vec![3; 16], iterations: 4096 };
                        return self.stream.upgrade(authenticated, upgrade);
                    }
                    None => self.accept(authenticated),
                }
            }
            Event::Upgraded(_, authenticated) => self.accept(authenticated),
            Event::Task(task) => return self.stream.refuse(task.authenticated, Failure::MalformedRequest),
            Event::Bind(request) => self.bind(request),
            Event::Resume(request) => {
                assert!(self.authenticated && !self.bound);
                if request.resume.previd == "known" {
                    self.bound = true;
                    let jid = request.account.with_resource("resumed").expect("an address");
                    self.stream.resumed(request, jid, 7);
                } else {
                    self.stream.resume_failed(request, ResumeFailed::NOT_FOUND);
                }
            }
            Event::Enable(request) => {
                assert!(self.bound);
                self.stream.enabled(request, &Enabled::default());
            }
            Event::Stanza(stanza) => {
                assert!(self.bound && stanza.from.as_ref() == self.stream.jid(), "the server says who sends");
                self.stream.send(&stanza.reply());
            }
            Event::Answered(answer) => {
                assert!(self.bound);
                if let Some(answer) = answer {
                    self.stream.send(&answer);
                }
            }
            Event::AcknowledgementRequested => self.stream.acknowledge(1),
            Event::Acknowledged(_) | Event::Active(_) => assert!(self.bound),
            Event::Registration(iq) => {
                assert!(!self.authenticated);
                self.stream.send(&iq.reply());
            }
            Event::Closed | Event::PeerFailed(_) | Event::Failed(_) => {}
        }
        None
    }

    fn bind(&mut self, request: waxwing_xmpp::c2s::BindRequest) {
        assert!(self.authenticated && !self.bound);
        let made_up = request.account.with_resource("made-up").expect("an address");
        let jid = request.wanted.clone().unwrap_or(made_up);
        assert!(jid.same_bare(&request.account), "an address of somebody else");
        if jid.resource() == Some("taken") {
            self.stream.bind_failed(request, StanzaError::new(Condition::Conflict));
        } else {
            self.bound = true;
            self.stream.bound(request, jid);
        }
    }

    fn accept(&mut self, authenticated: waxwing_xmpp::c2s::Authenticated) {
        self.authenticated = true;
        let jid = authenticated.jid.with_resource("inline").expect("an address");
        let resumption = authenticated.resume.as_ref().map(|resume| match resume.previd.as_str() {
            "known" => Ok(Resumption { jid: jid.clone(), previd: resume.previd.clone(), h: 7 }),
            _ => Err(ResumeFailed::NOT_FOUND),
        });
        let resumed = matches!(resumption, Some(Ok(_)));
        let bound = authenticated.bind.as_ref().filter(|_| !resumed).map(|bind| Bound {
            jid: bind.resource(&authenticated.jid, "x").unwrap_or(jid),
            enabled: bind.enable.map(|_| Ok(Enabled::default())),
            children: Vec::new(),
        });
        let token = authenticated
            .request_token
            .map(|_| IssuedToken { token: "t".to_owned(), expiry: "2030-01-01T00:00:00Z".to_owned() });
        self.bound = resumed || bound.is_some();
        self.stream.accept(authenticated, Acceptance { resumption, bound, token });
    }

    /// Reads what the server says as a client would: all of it is XML, and stanzas come only to whom they may.
    fn collect(&mut self) {
        let output = self.stream.take_output();
        match self.framing {
            Framing::WebSocket => {
                for frame in output.frames() {
                    let mut scanner = Scanner::new(Framing::WebSocket, Limits::default());
                    let read = scanner.feed(frame);
                    assert!(matches!(&read, Ok((_, Some(_)))), "{read:?}: {}", frame.escape_ascii());
                }
            }
            Framing::Stream => {
                let mut bytes = output.bytes();
                if bytes.starts_with(b"<?xml") {
                    self.reader = Scanner::new(Framing::Stream, Limits::default());
                }
                while !bytes.is_empty() {
                    match self.reader.feed(bytes) {
                        Ok((used, _)) => bytes = &bytes[used..],
                        Err(error) => panic!("{error}: {}", output.bytes().escape_ascii()),
                    }
                }
            }
        }
        self.output.extend_from_slice(output.bytes());
    }
}

fn is_last(event: &Event) -> bool {
    matches!(event, Event::Closed | Event::Failed(_) | Event::PeerFailed(_))
}

/// A stream over TCP. The first byte says how the connection begins; the rest is what the client sends.
pub fn negotiation(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let server = |first: u8| match first % 3 {
        0 => Server::new(Transport::tcp(), Framing::Stream, false),
        1 => Server::new(Transport::direct_tls(tls()), Framing::Stream, true),
        _ => Server::new(Transport::trusted_loopback(), Framing::Stream, true),
    };
    let mut whole = server(*first);
    whole.hear(rest);
    // What was sent in plain text behind <starttls/> is dropped with the piece it came in, so only streams that
    // begin as they go on are the same in any pieces.
    if first % 3 > 0 {
        let mut pieces = server(*first);
        rest.chunks(usize::from(first / 3 % 5) + 1).for_each(|piece| pieces.hear(piece));
        assert_eq!(whole.events, pieces.events, "the pieces matter");
        assert_eq!(whole.output, pieces.output, "the pieces matter");
    }
}

/// A stream over WebSocket (RFC 7395). The input is cut into messages at each NUL, which no message can hold.
pub fn websocket(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let (transport, trusted) = match first % 3 {
        0 => (Transport::web_socket(None), false),
        1 => (Transport::web_socket(Some(tls())), true),
        _ => (Transport::trusted_loopback_web_socket(), true),
    };
    let mut server = Server::new(transport, Framing::WebSocket, trusted);
    for message in rest.split(|octet| *octet == 0) {
        // A WebSocket's text messages are UTF-8, or do not reach the stream.
        if std::str::from_utf8(message).is_ok() {
            server.hear(message);
            server.end_of_frame();
        }
    }
}
