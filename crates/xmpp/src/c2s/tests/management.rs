//! The negotiation of stream management (XEP-0198).

use super::*;

const ENABLE: &str = "<enable xmlns='urn:xmpp:sm:3' resume='true' max='600'/>";

/// Section 3, examples 2 to 4, and section 5, examples 8 and 9.
#[test]
fn enabling() {
    let mut peer = Peer::bound();
    let Some(Event::Enable(request)) = peer.says(ENABLE) else { panic!() };
    assert_eq!(request.enable, sm::Enable { resume: true, max: Some(600) });
    assert!(peer.stream.is_asking());
    let enabled = sm::Enabled { id: Some("some-long-sm-id".into()), max: Some(300), location: None };
    peer.stream.enabled(request, &enabled);
    assert_eq!(sm::Enabled::parse(peer.heard_element().root()), enabled);
    assert!(peer.stream.is_managed());
}

/// Section 3, example 5: not before binding.
#[test]
fn enabling_before_binding() {
    for mut peer in [Peer::encrypted(), Peer::authenticated()] {
        assert!(peer.says(ENABLE).is_none());
        let failed = peer.heard_element();
        assert!(failed.is(ns::SM3, "failed"));
        assert!(failed.child(ns::STANZA_ERRORS, "unexpected-request").is_some());
    }
}

/// Section 3, example 6: not twice.
#[test]
fn enabling_twice() {
    let mut peer = Peer::managed();
    assert!(matches!(peer.says(ENABLE), Some(Event::Failed(_))));
    let heard = peer.hears();
    assert!(heard.starts_with("<failed xmlns='urn:xmpp:sm:3'><unexpected-request"), "{heard}");
}

/// Section 6: a server that cannot, and one that does not offer it.
#[test]
fn not_enabling() {
    let mut peer = Peer::bound();
    let Some(Event::Enable(request)) = peer.says(ENABLE) else { panic!() };
    peer.stream.enable_failed(request, Condition::InternalServerError);
    assert!(peer.heard_element().child(ns::STANZA_ERRORS, "internal-server-error").is_some());
    assert!(!peer.stream.is_managed());
    assert!(matches!(peer.says("<message/>"), Some(Event::Stanza(_))));

    let mut without = policy();
    without.stream_management = false;
    let mut peer = Peer::with(without, Transport::direct_tls(tls()));
    peer.opens(HEADER);
    peer.signs_in("\0user\0pencil");
    assert!(features(&peer.opens(HEADER)).child(ns::SM3, "sm").is_none());
    assert!(peer.says("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>").is_none());
    assert!(peer.heard_element().child(ns::STANZA_ERRORS, "feature-not-implemented").is_some());
}

/// Section 4, example 7: acknowledgements in both directions.
#[test]
fn acknowledgements() {
    let mut peer = Peer::managed();
    assert!(matches!(peer.says("<r xmlns='urn:xmpp:sm:3'/>"), Some(Event::AcknowledgementRequested)));
    peer.stream.acknowledge(1);
    assert_eq!(peer.heard_element().attr("h"), Some("1"));
    peer.stream.request_acknowledgement();
    assert!(peer.heard_element().is(ns::SM3, "r"));
    assert!(matches!(
        peer.says("<a xmlns='urn:xmpp:sm:3' h='4294967295'/>"),
        Some(Event::Acknowledged(u32::MAX))
    ));
}

/// Section 4: `h` is required and a number of 32 bits.
#[test]
fn acknowledgements_without_a_count() {
    for text in [
        "<a xmlns='urn:xmpp:sm:3'/>",
        "<a xmlns='urn:xmpp:sm:3' h='-1'/>",
        "<a xmlns='urn:xmpp:sm:3' h='4294967296'/>",
    ] {
        assert_eq!(Peer::managed().fails(text), StreamCondition::BadFormat);
    }
}

/// Section 6: misuse without stream management is recoverable.
#[test]
fn acknowledgements_without_management() {
    let mut peer = Peer::bound();
    for text in [
        "<r xmlns='urn:xmpp:sm:3'/>",
        "<a xmlns='urn:xmpp:sm:3' h='0'/>",
        "<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>",
    ] {
        assert!(peer.says(text).is_none());
        assert!(peer.heard_element().child(ns::STANZA_ERRORS, "unexpected-request").is_some());
    }
    peer.stream.acknowledge(1);
    peer.stream.request_acknowledgement();
    assert_eq!(peer.hears(), "");
}

/// Section 5, examples 12 and 13.
#[test]
fn resuming() {
    let mut peer = Peer::authenticated();
    let Some(Event::Resume(request)) =
        peer.says("<resume xmlns='urn:xmpp:sm:3' previd='some-long-sm-id' h='7'/>")
    else {
        panic!()
    };
    assert_eq!(request.account, jid("user@example.org"));
    assert_eq!(request.resume, sm::Resume { previd: "some-long-sm-id".into(), h: 7 });
    peer.stream.resumed(request, jid("user@example.org/former"), 9);
    assert_eq!(peer.heard_element(), sm::Resume::resumed("some-long-sm-id", 9));
    assert_eq!(peer.stream.jid(), Some(&jid("user@example.org/former")));
    assert!(peer.stream.is_managed());
    peer.stream.send(&Stanza::message(MessageType::Normal));
    assert_eq!(peer.hears(), "<message/>");
}

/// Section 5, example 14: afterwards the client may bind.
#[test]
fn resuming_fails() {
    let mut peer = Peer::authenticated();
    let Some(Event::Resume(request)) = peer.says("<resume xmlns='urn:xmpp:sm:3' previd='x' h='7'/>") else {
        panic!()
    };
    peer.stream.resume_failed(request, sm::ResumeFailed { condition: Condition::ItemNotFound, h: Some(3) });
    let failed = peer.heard_element();
    assert_eq!(failed.attr("h"), Some("3"));
    assert!(failed.child(ns::STANZA_ERRORS, "item-not-found").is_some());
    assert!(matches!(peer.says(&bind_iq("x")), Some(Event::Bind(_))));
}

/// Section 5: both attributes are required, and authentication comes first.
#[test]
fn resuming_out_of_order() {
    let mut peer = Peer::authenticated();
    assert!(peer.says("<resume xmlns='urn:xmpp:sm:3' previd='x'/>").is_none());
    assert!(peer.heard_element().child(ns::STANZA_ERRORS, "bad-request").is_some());
    let mut peer = Peer::encrypted();
    assert!(peer.says("<resume xmlns='urn:xmpp:sm:3' previd='x' h='0'/>").is_none());
    assert!(peer.heard_element().child(ns::STANZA_ERRORS, "unexpected-request").is_some());
}

/// Section 5, example 15: the stream that was replaced is told.
#[test]
fn the_former_stream_is_closed() {
    let mut peer = Peer::managed();
    peer.stream.fail(&StreamError::new(StreamCondition::Conflict));
    let heard = peer.hears();
    assert!(heard.starts_with("<stream:error><conflict") && heard.ends_with("</stream:stream>"), "{heard}");
}

/// Section 6, example 17.
#[test]
fn a_count_too_high() {
    let mut peer = Peer::managed();
    let mut session: sm::Session<()> = sm::Session::new(sm::Limits::default());
    let Some(Event::Acknowledged(h)) = peer.says("<a xmlns='urn:xmpp:sm:3' h='10'/>") else { panic!() };
    peer.stream.fail(&session.acknowledge(h).unwrap_err().stream_error());
    let heard = peer.hears();
    assert!(heard.contains("<undefined-condition") && heard.contains("handled-count-too-high"), "{heard}");
    assert!(heard.contains("You acknowledged 10 stanzas, but I only sent you 0 so far."), "{heard}");
}
