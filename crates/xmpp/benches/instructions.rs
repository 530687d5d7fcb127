//! Work whose instructions `cargo xtask instructions` counts: `instructions CASE TIMES`.

use std::hint::black_box;
use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sasl::{
    ChannelBindings, Context, Exchange, Hash, Mechanism, Offer, Question, ScramClient, Step, Verifier,
};
use waxwing_xmpp::stanza::{Outgoing, Stanza, Wire};
use waxwing_xmpp::xml::{Element, Framing, Limits, Scanner, Token};

const HEADER: &str = "<?xml version='1.0'?><stream:stream to='example.org' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

/// 424 bytes, as a modern client writes it.
const MESSAGE: &str = "<message to='juliet@example.org' from='romeo@example.net/orchard' type='chat' \
     id='9d1f1a2b-7c3d-4e5f-8a9b-0c1d2e3f4a5b' xml:lang='en'><body>But soft! What light through yonder window \
     breaks? It is the east, &amp; Juliet is the sun.</body><origin-id xmlns='urn:xmpp:sid:0' \
     id='9d1f1a2b-7c3d-4e5f-8a9b-0c1d2e3f4a5b'/><request xmlns='urn:xmpp:receipts'/><markable \
     xmlns='urn:xmpp:chat-markers:0'/><active xmlns='http://jabber.org/protocol/chatstates'/></message>";

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    // Run by `cargo bench` or `cargo test --benches` without a case, there is nothing to count.
    let (Some(case), Some(times)) = (args.next(), args.next().and_then(|times| times.parse().ok())) else {
        return;
    };
    match case.as_str() {
        "scanner" => scanner(times),
        "stanza" => stanza(times),
        "address" => address(times),
        "scram" => scram(times),
        other => panic!("no case is called {other}"),
    }
}

fn stream() -> Scanner {
    let mut scanner = Scanner::new(Framing::Stream, Limits::default());
    let opened = scanner.feed(HEADER.as_bytes()).expect("a header");
    assert!(matches!(opened.1, Some(Token::Open(_))));
    scanner
}

fn element(scanner: &mut Scanner) -> Element {
    match scanner.feed(black_box(MESSAGE.as_bytes())) {
        Ok((_, Some(Token::Element(element)))) => element,
        other => panic!("{other:?}"),
    }
}

/// One message, from bytes to an element.
fn scanner(times: usize) {
    let mut scanner = stream();
    for _ in 0..times {
        black_box(element(&mut scanner));
    }
}

/// One message, from the bytes of its sender to those for its recipient.
fn stanza(times: usize) {
    let mut scanner = stream();
    let from = Jid::new("romeo@example.net/orchard").expect("an address");
    for _ in 0..times {
        let stanza = Stanza::from_element(element(&mut scanner)).expect("a stanza");
        let outgoing = Arc::new(Outgoing::new(stanza.with_from(from.clone())));
        let mut out = Vec::with_capacity(512);
        outgoing.write(&from, Wire::Stream, &mut out);
        black_box(out);
    }
}

/// Two addresses: one within ASCII, and one that has to be prepared.
fn address(times: usize) {
    for _ in 0..times {
        black_box(Jid::new(black_box("juliet@example.org/balcony"))).expect("an address");
        black_box(Jid::new(black_box("Jürgen@münchen.example/Büro"))).expect("an address");
    }
}

/// The server's side of a sign-in by SCRAM-SHA-256, from the first message to the proof.
fn scram(times: usize) {
    let mechanism = Mechanism::Scram { hash: Hash::Sha256, plus: false };
    let context = Context {
        host: "example.org".into(),
        bindings: Arc::new(ChannelBindings::default()),
        offer: Arc::new(Offer { mechanisms: vec![mechanism], bindings: Vec::new() }),
        certified: Arc::default(),
        nonce: "c2VydmVyIG5vbmNlIG9mIGEgYmVuY2g".into(),
    };
    let verifier =
        Verifier::derive(Hash::Sha256, "pencil", b"sixteen octets..", 4096).expect("a plain password");
    let client = ScramClient::new(Hash::Sha256, "romeo", "pencil", "Y2xpZW50IG5vbmNl", None);
    let begin = || match Exchange::new(mechanism, context.clone()).step(Some(client.first().as_bytes())) {
        Step::Need(Question::Verifier(question)) => match question.answer(verifier.clone(), true) {
            Step::Challenge(challenge, exchange) => (challenge, exchange),
            step => panic!("{step:?}"),
        },
        step => panic!("{step:?}"),
    };
    let (challenge, _) = begin();
    let challenge = String::from_utf8(challenge).expect("a challenge is text");
    let (last, _) = client.last(&challenge, None).expect("the client's last message");
    for _ in 0..times {
        let (_, exchange) = begin();
        let step = exchange.step(Some(black_box(last.as_bytes())));
        assert!(matches!(step, Step::Success(_)), "{step:?}");
    }
}
