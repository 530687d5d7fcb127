//! XMPP over WebSocket (RFC 7395).

use super::*;

const OPEN: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>";

fn web_peer() -> Peer {
    Peer::new(Transport::web_socket(Some(tls())))
}

/// Feeds one message and returns the event and the answers.
fn message(peer: &mut Peer, text: &str) -> (Option<Event>, Vec<Element>) {
    let (_, event) = peer.stream.feed(text.as_bytes());
    let event = event.or_else(|| peer.stream.end_of_frame());
    (event, frames(peer))
}

fn frames(peer: &mut Peer) -> Vec<Element> {
    let output = peer.stream.take_output();
    output.frames().map(|frame| Element::parse(std::str::from_utf8(frame).unwrap()).unwrap()).collect()
}

/// Section 3.4: `<open/>` and features, each in a message of its own; section 3.9: no STARTTLS.
#[test]
fn opening() {
    let mut peer = web_peer();
    let (event, answers) = message(&mut peer, OPEN);
    assert!(event.is_none());
    assert!(answers[0].is(ns::FRAMING, "open"));
    assert_eq!(answers[0].attr("from"), Some("example.org"));
    assert_eq!(answers[0].attr("version"), Some("1.0"));
    assert!(answers[0].attr("id").is_some());
    assert!(answers[1].is(ns::STREAMS, "features"));
    assert!(answers[1].child(ns::TLS, "starttls").is_none());
    assert!(answers[1].child(ns::SASL, "mechanisms").is_some());
    assert_eq!(answers.len(), 2);
}

fn authenticated() -> Peer {
    let mut peer = web_peer();
    message(&mut peer, OPEN);
    let auth = format!("<auth xmlns='{}' mechanism='PLAIN'>{}</auth>", ns::SASL, base64("\0user\0pencil"));
    let (Some(Event::Credentials(credentials)), _) = message(&mut peer, &auth) else { panic!() };
    let Some(Event::Authenticated(authenticated)) = peer.stream.advance(answer(credentials.question)) else {
        panic!()
    };
    peer.stream.accept(authenticated, Acceptance::default());
    assert!(frames(&mut peer)[0].is(ns::SASL, "success"));
    peer
}

/// Section 3.7: the restart is another `<open/>`; then stanzas flow, with their namespace on each.
#[test]
fn restarting_and_binding() {
    let mut peer = authenticated();
    let (_, answers) = message(&mut peer, OPEN);
    assert!(answers[1].child(ns::BIND, "bind").is_some());
    let iq = bind_iq("x").replace("<iq ", "<iq xmlns='jabber:client' ");
    let (Some(Event::Bind(request)), _) = message(&mut peer, &iq) else { panic!() };
    peer.stream.bound(request, jid("user@example.org/x"));
    assert!(frames(&mut peer)[0].is(ns::CLIENT, "iq"));
    let (event, _) = message(&mut peer, "<message xmlns='jabber:client' to='a@b'/>");
    assert!(matches!(event, Some(Event::Stanza(_))));
    let message = Arc::new(Outgoing::new(Stanza::message(MessageType::Normal)));
    peer.stream.write(&message, &"juliet@localhost/balcony".parse().unwrap());
    assert!(frames(&mut peer)[0].is(ns::CLIENT, "message"));
}

/// Section 3.6: closing with `<close/>`, from either side.
#[test]
fn closing() {
    let close = format!("<close xmlns='{}'/>", ns::FRAMING);
    let mut peer = web_peer();
    message(&mut peer, OPEN);
    let (event, answers) = message(&mut peer, &close);
    assert!(matches!(event, Some(Event::Closed)));
    assert!(answers[0].is(ns::FRAMING, "close"));

    let mut peer = web_peer();
    message(&mut peer, OPEN);
    peer.stream.close();
    assert!(frames(&mut peer)[0].is(ns::FRAMING, "close"));
    assert!(matches!(message(&mut peer, &close).0, Some(Event::Closed)));
}

/// Section 3.6.1.
#[test]
fn redirecting() {
    let mut peer = web_peer();
    message(&mut peer, OPEN);
    peer.stream.redirect("wss://other.example.org/ws");
    assert_eq!(frames(&mut peer)[0].attr("see-other-uri"), Some("wss://other.example.org/ws"));
}

/// Section 3.5: errors come in a message, then `<close/>`, and always after an `<open/>`.
#[test]
fn errors() {
    let mut peer = web_peer();
    let (Some(Event::Failed(error)), answers) =
        message(&mut peer, &OPEN.replace("example.org", "example.com"))
    else {
        panic!()
    };
    assert_eq!(error.condition, StreamCondition::HostUnknown);
    let names: Vec<_> =
        answers.iter().map(|answer| (answer.ns().to_owned(), answer.name().to_owned())).collect();
    let expected = [(ns::FRAMING, "open"), (ns::STREAMS, "error"), (ns::FRAMING, "close")];
    assert!(names.iter().map(|(ns, name)| (ns.as_str(), name.as_str())).eq(expected));
}

/// Sections 3.3.1 and 3.3.3: one whole element in a message, and `<open/>` is the first.
#[test]
fn framing() {
    let failure = |peer: &mut Peer, text: &str| match message(peer, text).0 {
        Some(Event::Failed(error)) => error.condition,
        event => panic!("{event:?}"),
    };
    assert_eq!(failure(&mut web_peer(), "<open xmlns='urn:ietf:params"), StreamCondition::NotWellFormed);
    assert_eq!(failure(&mut web_peer(), "<message xmlns='jabber:client'/>"), StreamCondition::BadFormat);
    let mut opened = web_peer();
    message(&mut opened, OPEN);
    assert_eq!(failure(&mut opened, OPEN), StreamCondition::BadFormat);
    let mut opened = web_peer();
    message(&mut opened, OPEN);
    let starttls = format!("<starttls xmlns='{}'/>", ns::TLS);
    assert!(matches!(message(&mut opened, &starttls).0, Some(Event::Closed)));
}

/// RFC 6120 section 6.2 holds here too: no sign-in on a connection that nothing encrypts.
#[test]
fn unencrypted() {
    let mut peer = Peer::new(Transport::web_socket(None));
    let (_, answers) = message(&mut peer, OPEN);
    assert_eq!(answers[1].children().count(), 0);
    let mut peer = Peer::new(Transport::trusted_loopback_web_socket());
    let (_, answers) = message(&mut peer, OPEN);
    assert!(answers[1].child(ns::SASL, "mechanisms").is_some());
}
