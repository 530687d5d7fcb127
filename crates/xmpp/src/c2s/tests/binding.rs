//! Resource binding (RFC 6120 section 7) and stanzas on a bound stream (section 8).

use super::*;

/// Sections 7.6 and 7.7.
#[test]
fn binding() {
    let mut peer = Peer::authenticated();
    let Some(Event::Bind(request)) = peer.says(&bind_iq("balcony")) else { panic!() };
    assert_eq!(request.account, jid("user@example.org"));
    assert_eq!(request.wanted, Some(jid("user@example.org/balcony")));
    assert_eq!(peer.stream.jid(), None);
    peer.stream.bound(request, jid("user@example.org/garden"));
    assert_eq!(peer.stream.jid(), Some(&jid("user@example.org/garden")));
    let result = peer.heard_elements().remove(0);
    assert_eq!((result.attr("type"), result.attr("id")), (Some("result"), Some("b1")));
    assert_eq!(child(&child(&result, ns::BIND, "bind"), ns::BIND, "jid").text(), "user@example.org/garden");
}

/// Section 7.6.1: without a wish the server chooses.
#[test]
fn binding_without_a_resource() {
    for content in ["", "<resource/>"] {
        let iq = format!("<iq type='set' id='b1'><bind xmlns='{}'>{content}</bind></iq>", ns::BIND);
        let Some(Event::Bind(request)) = Peer::authenticated().says(&iq) else { panic!() };
        assert_eq!(request.wanted, None);
    }
}

/// Sections 7.6.2 and 7.7.2: what can go wrong; the client may try again.
#[test]
fn binding_fails() {
    let mut peer = Peer::authenticated();
    assert!(peer.says(&bind_iq("a&#x9;b")).is_none());
    assert!(peer.hears().contains("bad-request"));
    for condition in [Condition::Conflict, Condition::ResourceConstraint, Condition::NotAllowed] {
        let Some(Event::Bind(request)) = peer.says(&bind_iq("balcony")) else { panic!() };
        peer.stream.bind_failed(request, StanzaError::new(condition));
        let error = peer.heard_elements().remove(0);
        assert_eq!((error.attr("type"), error.attr("id")), (Some("error"), Some("b1")));
        let stanza = Stanza::from_element(error).unwrap();
        assert_eq!(stanza.error().unwrap().condition, condition);
    }
}

/// Section 7.1: nothing else before binding.
#[test]
fn stanzas_before_binding() {
    for text in [
        "<message/>",
        "<presence/>",
        "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='result' id='1'/>",
    ] {
        assert_eq!(Peer::authenticated().fails(text), StreamCondition::NotAuthorized, "{text}");
    }
    let get = bind_iq("x").replace("'set'", "'get'");
    assert_eq!(Peer::authenticated().fails(&get), StreamCondition::NotAuthorized);
}

/// Section 7.6.2.2: a second resource is not allowed; the stanza still counts.
#[test]
fn binding_twice() {
    let Some(Event::Answered(Some(reply))) = Peer::bound().says(&bind_iq("other")) else { panic!() };
    assert_eq!(reply.error().unwrap().condition, Condition::NotAllowed);
}

/// RFC 3921 section 3: the session of old clients does nothing.
#[test]
fn the_legacy_session() {
    let text = format!("<iq type='set' id='s1'><session xmlns='{}'/></iq>", ns::SESSION);
    let Some(Event::Answered(Some(reply))) = Peer::bound().says(&text) else { panic!() };
    assert_eq!((reply.kind, reply.id.as_deref()), (Kind::Iq(IqType::Result), Some("s1")));
    assert_eq!(reply.to, Some(jid("user@example.org/balcony")));
}

#[track_caller]
fn stanza(peer: &mut Peer, text: &str) -> Stanza {
    match peer.says(text) {
        Some(Event::Stanza(stanza)) => stanza,
        event => panic!("{event:?}"),
    }
}

/// Section 8.1.2.1: the server says who sent a stanza, and nobody may claim to be another.
#[test]
fn from_is_stamped() {
    let mut peer = Peer::bound();
    for from in ["", "from='user@example.org'", "from='user@example.org/balcony'"] {
        let message = stanza(&mut peer, &format!("<message {from} to='juliet@example.com'/>"));
        assert_eq!(message.from, Some(jid("user@example.org/balcony")));
        assert_eq!(message.to, Some(jid("juliet@example.com")));
    }
    for from in ["user@example.org/other", "juliet@example.org", "example.org", "@@", ""] {
        let text = format!("<message from='{from}'/>");
        assert_eq!(Peer::bound().fails(&text), StreamCondition::InvalidFrom, "{from}");
    }
}

/// Section 8.1.5: the language of the stream is that of its stanzas.
#[test]
fn the_language_of_the_stream() {
    let in_language = |lang: &str| {
        let mut peer = Peer::encrypted();
        peer.signs_in("\0user\0pencil");
        peer.opens(&HEADER.replace("to=", &format!("xml:lang='{lang}' to=")));
        let Some(Event::Bind(request)) = peer.says(&bind_iq("x")) else { panic!() };
        peer.stream.bound(request, jid("user@example.org/x"));
        peer
    };
    let mut german = in_language("de-AT");
    assert_eq!(stanza(&mut german, "<message/>").lang.as_deref(), Some("de-AT"));
    assert_eq!(stanza(&mut german, "<message xml:lang='fr'/>").lang.as_deref(), Some("fr"));
    assert_eq!(stanza(&mut in_language("en"), "<message/>").lang, None);
    assert_eq!(stanza(&mut in_language("&lt;"), "<message/>").lang, None);
    assert_eq!(stanza(&mut Peer::bound(), "<message/>").lang, None);
}

/// Sections 8.2.3 and 8.3: a stanza that cannot be read is answered, and counted, by whoever counts.
#[test]
fn unreadable_stanzas() {
    let condition = |text: &str| match Peer::bound().says(text) {
        Some(Event::Answered(reply)) => reply.map(|reply| reply.error().unwrap().condition),
        event => panic!("{event:?}"),
    };
    assert_eq!(condition("<message to='@@'/>"), Some(Condition::JidMalformed));
    assert_eq!(condition("<iq type='get' id='1'/>"), Some(Condition::BadRequest));
    assert_eq!(condition("<iq type='foo' id='1'><x xmlns='y'/></iq>"), Some(Condition::BadRequest));
    assert_eq!(condition("<message type='error' to='@@'/>"), None);
}

/// Several events in one read come one by one.
#[test]
fn events_come_one_by_one() {
    let mut peer = Peer::bound();
    let text = "<message id='1'/><message id='2'/>\n<message id='3'/>";
    let mut at = 0;
    for id in ["1", "2", "3"] {
        let (used, Some(Event::Stanza(stanza))) = peer.says_at_once(&text[at..]) else { panic!() };
        assert_eq!(stanza.id.as_deref(), Some(id));
        at += used;
    }
    assert_eq!(at, text.len());
}

/// XEP-0352 section 4.2.
#[test]
fn client_state() {
    let mut peer = Peer::bound();
    assert!(matches!(peer.says("<inactive xmlns='urn:xmpp:csi:0'/>"), Some(Event::Active(false))));
    assert!(matches!(peer.says("<active xmlns='urn:xmpp:csi:0'/>"), Some(Event::Active(true))));
    assert_eq!(peer.hears(), "");
}

/// An idle bound stream holds little: the figure is for the machine without its scanner.
#[test]
fn a_bound_stream_is_small() {
    assert!(size_of::<Stream>() - size_of::<Scanner>() <= 160, "{}", size_of::<Stream>());
    assert!(size_of::<Stream>() <= 600, "{}", size_of::<Stream>());
}

/// RFC 6120 section 4.4: after the closing tag nothing follows, also when an answer comes too late.
#[test]
fn late_answers_are_not_written() {
    let shut_down = |peer: &mut Peer| {
        peer.stream.fail(&StreamError::new(StreamCondition::SystemShutdown));
        peer.hears();
    };
    let mut peer = Peer::authenticated();
    let Some(Event::Bind(request)) = peer.says(&bind_iq("x")) else { panic!() };
    shut_down(&mut peer);
    peer.stream.bound(request, jid("user@example.org/x"));
    assert_eq!((peer.hears().as_str(), peer.stream.jid()), ("", None));

    let mut peer = Peer::bound();
    let Some(Event::Enable(request)) = peer.says("<enable xmlns='urn:xmpp:sm:3'/>") else { panic!() };
    shut_down(&mut peer);
    peer.stream.enabled(request, &sm::Enabled::default());
    assert_eq!(peer.hears(), "");

    let mut peer = Peer::encrypted();
    let auth = format!(
        "<authenticate xmlns='{}' mechanism='PLAIN'><initial-response>{}</initial-response></authenticate>",
        ns::SASL2,
        base64("\0user\0pencil")
    );
    let Some(Event::Authenticated(authenticated)) = peer.asks(&auth) else { panic!() };
    shut_down(&mut peer);
    peer.stream.accept(authenticated, Acceptance::default());
    assert_eq!((peer.hears().as_str(), peer.stream.account()), ("", None));
}
