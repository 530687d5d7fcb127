//! Headers and stream errors: RFC 6120 sections 4.3 to 4.9 and 5.

use super::*;

fn header(attributes: &str) -> String {
    format!("<stream:stream {attributes} xmlns:stream='http://etherx.jabber.org/streams'>")
}

/// Section 4.7: the answer names the server, the client, an id, the version and the language.
#[test]
fn the_header_is_answered() {
    let mut peer = Peer::new(Transport::tcp());
    let answer = peer.opens(&header(
        "from='Juliet@example.org/x' to='EXAMPLE.org' version='1.0' xml:lang='de' xmlns='jabber:client'",
    ));
    let close = format!("{answer}</stream:stream>");
    let root = Element::parse(close.trim_start_matches("<?xml version='1.0'?>")).unwrap();
    assert_eq!((root.ns(), root.name()), (ns::STREAMS, "stream"));
    assert_eq!(root.attr("from"), Some("example.org"));
    assert_eq!(root.attr("to"), Some("juliet@example.org"));
    assert_eq!(root.attr("version"), Some("1.0"));
    assert_eq!(root.lang(), Some("en"));
    assert_eq!(root.attr("id").unwrap().len(), 22);
}

/// Section 4.7.3: an id is not used again.
#[test]
fn ids_differ() {
    let config = config(policy());
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let mut peer = Peer { stream: Stream::new(config.clone(), Transport::tcp()), output: String::new() };
        let answer = peer.opens(HEADER);
        assert!(seen.insert(answer.split("id='").nth(1).unwrap().split('\'').next().unwrap().to_owned()));
    }
}

/// Sections 4.7.2, 4.9.3.5 to 4.9.3.7: which host?
#[test]
fn hosts() {
    let condition = |to: &str| {
        Peer::new(Transport::tcp()).fails(&header(&format!("{to} version='1.0' xmlns='jabber:client'")))
    };
    assert_eq!(condition("to='example.com'"), StreamCondition::HostUnknown);
    assert_eq!(condition("to='gone.example'"), StreamCondition::HostGone);
    assert_eq!(condition(""), StreamCondition::ImproperAddressing);
    assert_eq!(condition("to='user@example.org'"), StreamCondition::ImproperAddressing);
    assert_eq!(condition("to='@'"), StreamCondition::ImproperAddressing);
}

/// Section 4.9.1.2: even a header that is refused is answered by a header, before the error.
#[test]
fn an_error_comes_after_a_header() {
    let mut peer = Peer::new(Transport::tcp());
    assert!(matches!(
        peer.says(&header("to='example.com' version='1.0' xmlns='jabber:client'")),
        Some(Event::Failed(_))
    ));
    let heard = peer.hears();
    assert!(heard.starts_with("<?xml version='1.0'?><stream:stream "), "{heard}");
    assert!(heard.contains(" from='example.org'"));
    Element::parse(heard.trim_start_matches("<?xml version='1.0'?>")).unwrap();
}

/// Sections 4.7.1, 4.9.3.9: the client's own address is of the host it addresses.
#[test]
fn from_belongs_to_the_host() {
    let condition = |from: &str| {
        let text = header(&format!("from='{from}' to='example.org' version='1.0' xmlns='jabber:client'"));
        Peer::new(Transport::tcp()).fails(&text)
    };
    assert_eq!(condition("user@example.com"), StreamCondition::InvalidFrom);
    assert_eq!(condition("@@"), StreamCondition::ImproperAddressing);
}

/// Section 4.7.5, 4.9.3.25: older than 1.0 is unsupported, newer is answered with 1.0.
#[test]
fn versions() {
    let with = |version: &str| header(&format!("to='example.org' {version} xmlns='jabber:client'"));
    for old in ["", "version='0.9'", "version='1'", "version='x.y'", "version=''"] {
        assert_eq!(
            Peer::new(Transport::tcp()).fails(&with(old)),
            StreamCondition::UnsupportedVersion,
            "{old}"
        );
    }
    for new in ["version='1.0'", "version='1.1'", "version='2.0'", "version='01.00'"] {
        assert!(Peer::new(Transport::tcp()).opens(&with(new)).contains(" version='1.0'"), "{new}");
    }
}

/// Sections 4.8.1, 4.8.2, 4.9.3.10: namespaces of the stream and of its content.
#[test]
fn namespaces() {
    let condition = |text: &str| Peer::new(Transport::tcp()).fails(text);
    let rest = "to='example.org' version='1.0'";
    for content in ["xmlns='jabber:server'", "xmlns='jabber:component:accept'", ""] {
        assert_eq!(
            condition(&header(&format!("{rest} {content}"))),
            StreamCondition::InvalidNamespace,
            "{content}"
        );
    }
    let other = format!("<stream:stream {rest} xmlns='jabber:client' xmlns:stream='http://wrong.example'>");
    assert_eq!(condition(&other), StreamCondition::InvalidNamespace);
}

/// Section 4.9.3.2: prefixes.
#[test]
fn prefixes() {
    let foo = format!(
        "<foo:stream to='example.org' version='1.0' xmlns='jabber:client' xmlns:foo='{}'>",
        ns::STREAMS
    );
    assert_eq!(Peer::new(Transport::tcp()).fails(&foo), StreamCondition::BadNamespacePrefix);
    assert_eq!(Peer::bound().fails("<message><x:y/>"), StreamCondition::BadNamespacePrefix);
}

/// Sections 4.9.3.1, 4.9.3.13, 4.9.3.18, 4.9.3.22 and 11: what the scanner finds becomes the error it names.
#[test]
fn xml_errors() {
    assert_eq!(Peer::bound().fails("<message></p"), StreamCondition::NotWellFormed);
    assert_eq!(Peer::bound().fails("<message><!-"), StreamCondition::RestrictedXml);
    assert_eq!(Peer::bound().fails("<message>&foo;"), StreamCondition::RestrictedXml);
    assert_eq!(Peer::new(Transport::tcp()).fails("<!D"), StreamCondition::RestrictedXml);
    let encoding = "<?xml version='1.0' encoding='ISO-8859-1'?>";
    assert_eq!(Peer::new(Transport::tcp()).fails(encoding), StreamCondition::UnsupportedEncoding);
    assert_eq!(Peer::bound().fails("x"), StreamCondition::BadFormat);
}

/// Section 4.9.3.14: limits, which are tighter for strangers.
#[test]
fn limits() {
    let long = "x".repeat(20_000);
    let mut peer = Peer::encrypted();
    let (_, event) = peer.says_at_once(&format!("<auth xmlns='{}' mechanism='PLAIN'>{long}", ns::SASL));
    assert!(
        matches!(event, Some(Event::Failed(error)) if error.condition == StreamCondition::PolicyViolation)
    );
    let (_, event) = Peer::bound().says_at_once(&format!("<message><body>{long}</body></message>"));
    assert!(matches!(event, Some(Event::Stanza(_))));
}

/// Sections 4.9.3.12, 6.2: no stanza before authentication.
#[test]
fn stanzas_before_authentication() {
    for stanza in [
        "<message/>",
        "<presence/>",
        "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
        "<iq type='get' id='1'><query xmlns='jabber:iq:auth'/></iq>",
    ] {
        assert_eq!(Peer::encrypted().fails(stanza), StreamCondition::NotAuthorized, "{stanza}");
    }
}

/// XEP-0077 section 3.1: the host may let registration through.
#[test]
fn registration_before_authentication() {
    let mut peer = Peer::encrypted();
    let Some(Event::Registration(stanza)) =
        peer.says("<iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>")
    else {
        panic!()
    };
    peer.stream.send(&stanza.reply());
    assert_eq!(peer.heard_elements()[0].attr("id"), Some("r1"));
    let mut peer = Peer::authenticated();
    assert_eq!(
        peer.fails("<iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>"),
        StreamCondition::NotAuthorized
    );
}

/// Section 4.9.3.24: a first-level element that means nothing here.
#[test]
fn unknown_first_level_elements() {
    let unknown = "<pubsub xmlns='http://example.org/ns'/>";
    assert_eq!(Peer::encrypted().fails(unknown), StreamCondition::UnsupportedStanzaType);
    assert_eq!(Peer::authenticated().fails(unknown), StreamCondition::UnsupportedStanzaType);
    assert_eq!(Peer::bound().fails(unknown), StreamCondition::UnsupportedStanzaType);
    assert_eq!(Peer::bound().fails("<foo/>"), StreamCondition::UnsupportedStanzaType);
    assert_eq!(
        Peer::bound().fails("<message xmlns='jabber:server'/>"),
        StreamCondition::UnsupportedStanzaType
    );
}

/// Section 4.9.3: the errors that the server causes by itself.
#[test]
fn errors_of_the_caller() {
    for condition in [
        StreamCondition::Conflict,
        StreamCondition::ConnectionTimeout,
        StreamCondition::InternalServerError,
        StreamCondition::RemoteConnectionFailed,
        StreamCondition::Reset,
        StreamCondition::ResourceConstraint,
        StreamCondition::SystemShutdown,
    ] {
        let mut peer = Peer::bound();
        peer.stream.fail(&StreamError::new(condition));
        assert!(peer.hears().contains(condition.as_str()));
        assert!(peer.stream.is_ended());
        assert!(peer.says("<message/>").is_none());
    }
    let mut peer = Peer::bound();
    peer.stream.fail(&StreamError::see_other_host("[2001:41D0:1:A49b::1]:9222"));
    assert!(peer.hears().contains(">[2001:41D0:1:A49b::1]:9222</see-other-host>"));
    // A client that never said anything is told in a stream of ours.
    let mut peer = Peer::new(Transport::tcp());
    peer.stream.fail(&StreamError::new(StreamCondition::ConnectionTimeout));
    assert!(peer.hears().starts_with("<?xml version='1.0'?><stream:stream "));
}

/// Section 4.4: closing in order, from either side.
#[test]
fn closing() {
    let mut peer = Peer::bound();
    assert!(matches!(peer.says("</stream:stream>"), Some(Event::Closed)));
    assert_eq!(peer.hears(), "</stream:stream>");

    let mut peer = Peer::bound();
    peer.stream.close();
    assert_eq!(peer.hears(), "</stream:stream>");
    assert!(peer.says("<message/>").is_none());
    assert!(matches!(peer.says("</stream:stream>"), Some(Event::Closed)));
    assert_eq!(peer.hears(), "");
    assert!(peer.stream.is_ended());
}

/// Section 4.9.1.1: an error of the client ends the stream.
#[test]
fn an_error_of_the_client() {
    let mut peer = Peer::bound();
    let error = "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>";
    let Some(Event::PeerFailed(element)) = peer.says(error) else { panic!() };
    assert_eq!(StreamError::from_element(element.root()).condition, StreamCondition::SystemShutdown);
    assert_eq!(peer.hears(), "</stream:stream>");
}

/// Section 4.6.1: white space keeps a connection alive, and is nothing else.
#[test]
fn white_space() {
    let mut peer = Peer::bound();
    assert!(peer.says(" \n\t\r\n ").is_none());
    assert_eq!(peer.hears(), "");
}

/// Sections 5.3.1, 5.4.2: STARTTLS alone is offered, and everything is new afterwards.
#[test]
fn starttls() {
    let mut peer = Peer::new(Transport::tcp());
    let answer =
        peer.opens(&header("from='user@example.org' to='example.org' version='1.0' xmlns='jabber:client'"));
    let features = features(&answer);
    assert_eq!(features.children().count(), 1);
    assert!(child(&features, ns::TLS, "starttls").child(ns::TLS, "required").is_some());
    let Some(Event::StartTls(question)) = peer.says(&format!("<starttls xmlns='{}'/>", ns::TLS)) else {
        panic!()
    };
    assert!(peer.heard_element().is(ns::TLS, "proceed"));
    assert!(peer.stream.is_asking());
    assert_eq!(peer.says_at_once("<message/>").0, 0);
    peer.stream.tls_established(question, tls());
    let answer = peer.opens(HEADER);
    assert!(!answer.contains("to='user"), "what was said before TLS is forgotten: {answer}");
    assert!(super::features(&answer).child(ns::TLS, "starttls").is_none());
}

/// Sections 5.3.3 and 5.4.3.3, CVE-2011-0411: plain text behind `<starttls/>` was put there by somebody else.
#[test]
fn injection_before_tls() {
    for injected in ["<auth", " <auth", HEADER] {
        let mut peer = Peer::new(Transport::tcp());
        peer.opens(HEADER);
        let (_, event) = peer.says_at_once(&format!("<starttls xmlns='{}'/>{injected}", ns::TLS));
        assert!(
            matches!(event, Some(Event::Failed(error)) if error.condition == StreamCondition::PolicyViolation)
        );
        assert!(!peer.hears().contains("proceed"));
    }
}

/// go-xmpp sends a line feed behind `<starttls/>`, which section 5.3.3 forbids: it is dropped, not read later.
#[test]
fn white_space_before_tls() {
    let mut peer = Peer::new(Transport::tcp());
    peer.opens(HEADER);
    let text = format!("<starttls xmlns='{}'/>\r\n", ns::TLS);
    let (used, Some(Event::StartTls(question))) = peer.says_at_once(&text) else { panic!() };
    assert_eq!(used, text.len());
    assert!(peer.heard_element().is(ns::TLS, "proceed"));
    peer.stream.tls_established(question, tls());
    assert!(peer.opens(HEADER).contains("mechanisms"));
}

/// Section 5.4.2.2: TLS twice, or where it was not offered.
#[test]
fn starttls_fails() {
    let starttls = format!("<starttls xmlns='{}'/>", ns::TLS);
    let mut unoffered = policy();
    unoffered.starttls = false;
    let mut plain = Peer::with(unoffered, Transport::tcp());
    plain.opens(HEADER);
    for mut peer in [Peer::encrypted(), Peer::authenticated(), plain] {
        assert!(matches!(peer.says(&starttls), Some(Event::Closed)));
        assert_eq!(
            peer.hears(),
            "<failure xmlns=\"urn:ietf:params:xml:ns:xmpp-tls\"/></stream:stream>".replace('"', "'")
        );
    }
}

/// Whatever arrives, nothing panics, nothing is read after the end, and nobody is let in by damage.
#[test]
fn damaged_input() {
    let script = [
        HEADER,
        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AHVzZXIAZXJhc2Vy</auth>",
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>AHVzZXIAZXJhc2Vy</initial-response>",
        "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/><bind xmlns='urn:xmpp:bind:0'><tag>x</tag></bind>",
        "</authenticate><iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
        "<enable xmlns='urn:xmpp:sm:3'/><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>",
    ]
    .concat();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % bound as u64) as usize
    };
    for _ in 0..3_000 {
        let mut bytes = script.clone().into_bytes();
        for _ in 0..=next(3) {
            let at = next(bytes.len());
            match next(3) {
                0 => bytes[at] = next(256) as u8,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"<>/='\"& x"[next(9)]),
            }
        }
        let mut stream = Stream::new(config(policy()), Transport::direct_tls(tls()));
        let mut at = 0;
        while at < bytes.len() {
            let (used, event) = stream.feed(&bytes[at..]);
            at += used;
            match event {
                Some(Event::Credentials(credentials)) => {
                    let step = credentials.question.refuse(Failure::NotAuthorized);
                    let event = stream.advance(step);
                    assert!(matches!(event, None | Some(Event::Failed(_))), "{event:?}");
                }
                Some(Event::Failed(_) | Event::Closed | Event::PeerFailed(_)) => assert!(stream.is_ended()),
                Some(Event::Registration(_)) | None => {}
                event => panic!("{event:?}"),
            }
            std::str::from_utf8(stream.take_output().bytes()).unwrap();
        }
        assert_eq!(stream.account(), None);
    }
}
