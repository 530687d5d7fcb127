//! Streams: RFC 6120 section 4, its errors in section 4.9.3, and STARTTLS in section 5.

use waxwing_tests::login::TLS;
use waxwing_tests::transport::Tls;
use waxwing_tests::xml::{CLIENT, STREAMS};
use waxwing_tests::{Client, Setup, World};

use crate::world::{world, world_with};

/// A header as a client sends it, with one thing changed.
fn header(change: &str) -> String {
    let (name, value) = change.split_once('=').unwrap_or((change, ""));
    let mut parts = vec![
        ("to", "'localhost'"),
        ("version", "'1.0'"),
        ("xmlns", "'jabber:client'"),
        ("xmlns:stream", "'http://etherx.jabber.org/streams'"),
    ];
    for part in &mut parts {
        if part.0 == name {
            part.1 = value;
        }
    }
    parts.retain(|(_, value)| !value.is_empty());
    let attributes: Vec<String> = parts.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("<?xml version='1.0'?><stream:stream {}>", attributes.join(" "))
}

/// Sends these bytes on a fresh connection; the server answers with a header and this stream error.
async fn refused(world: &World, bytes: impl AsRef<[u8]>, condition: &str) {
    let mut client = world.plain().await;
    client.send_raw(bytes).await.unwrap();
    client.read_header().await.unwrap();
    client.expect_stream_error(condition).await;
}

/// Sends XML on a bound stream; the server answers with this stream error.
async fn refused_when_bound(world: &World, text: &str, condition: &str) {
    let mut client = world.connected("romeo/orchard").await;
    client.send_raw(text).await.unwrap();
    client.expect_stream_error(condition).await;
}

/// covers: RFC 6120 4.7.1; RFC 6120 4.7.3; RFC 6120 4.7.4; RFC 6120 4.7.5; RFC 6120 4.8.1; RFC 6120 4.8.2
#[tokio::test]
async fn the_server_answers_with_a_header() {
    let world = world().await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut client = world.plain().await;
        client.open().await.unwrap();
        assert!(client.header.is(STREAMS, "stream"));
        assert_eq!(client.header.attr("from"), Some("localhost"));
        assert_eq!(client.header.attr("version"), Some("1.0"));
        assert_eq!(client.header.lang(), Some("en"));
        ids.push(client.header.attr("id").expect("an id").to_owned());
        client.close().await;
    }
    assert!(ids[0] != ids[1] && ids[0].len() >= 16, "ids must be unpredictable and unique: {ids:?}");
}

/// covers: RFC 6120 4.7.2
#[tokio::test]
async fn the_answer_goes_to_the_address_that_the_client_gave() {
    let world = world().await;
    let mut client = world.plain().await;
    client.send_raw(header("to='localhost' from='romeo@localhost'")).await.unwrap();
    client.read_header().await.unwrap();
    assert_eq!(client.header.attr("to"), Some("romeo@localhost"));
}

/// covers: RFC 6120 4.7.5 higher
#[tokio::test]
async fn a_higher_version_is_answered_with_ours() {
    let world = world().await;
    let mut client = world.plain().await;
    client.send_raw(header("version='2.1'")).await.unwrap();
    client.read_header().await.unwrap();
    client.read_features().await.unwrap();
    assert_eq!(client.header.attr("version"), Some("1.0"));
}

/// covers: RFC 6120 4.3.2; RFC 6120 5.3.1; RFC 6120 5.4.1
#[tokio::test]
async fn before_tls_only_starttls_is_offered() {
    let world = world().await;
    let mut client = world.plain().await;
    client.open().await.unwrap();
    let starttls = client.features.child(TLS, "starttls").expect("STARTTLS is offered");
    assert!(starttls.child(TLS, "required").is_some(), "{}", client.features);
    assert_eq!(client.mechanisms(), Vec::<String>::new());
    assert!(client.features.child("urn:xmpp:sasl:2", "authentication").is_none());
}

/// covers: RFC 6120 5.4.3.3; RFC 6120 4.3.3
#[tokio::test]
async fn after_tls_the_stream_begins_anew() {
    let world = world().await;
    let mut client = world.plain().await;
    client.open().await.unwrap();
    let first = client.header.attr("id").map(str::to_owned);
    client.starttls(&Tls::default()).await.unwrap();
    assert_ne!(client.header.attr("id").map(str::to_owned), first);
    assert!(client.features.child(TLS, "starttls").is_none(), "{}", client.features);
    assert!(!client.mechanisms().is_empty());
}

/// covers: RFC 6120 5.4.2.1; RFC 6120 5.3.4
#[tokio::test]
async fn plaintext_behind_starttls_is_not_taken_into_the_protected_stream() {
    let world = world().await;
    let mut client = world.plain().await;
    client.open().await.unwrap();
    client.send_raw(format!("<starttls xmlns='{TLS}'/><presence/>")).await.unwrap();
    loop {
        match client.next_item().await {
            Ok(Some(waxwing_tests::xml::Item::Element(element))) => {
                assert!(element.name != "proceed", "the server went on: {}", client.said());
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }
}

/// covers: RFC 6120 4.9.3.6
#[tokio::test]
async fn host_unknown() {
    refused(&world().await, header("to='unknown.example'"), "host-unknown").await;
}

/// covers: RFC 6120 4.9.3.10
#[tokio::test]
async fn invalid_namespace() {
    let world = world().await;
    refused(&world, header("xmlns:stream='http://wrong.example'"), "invalid-namespace").await;
    refused(&world, header("xmlns='jabber:wrong'"), "invalid-namespace").await;
}

/// covers: RFC 6120 4.9.3.25
#[tokio::test]
async fn unsupported_version() {
    let world = world().await;
    refused(&world, header("version='0.9'"), "unsupported-version").await;
    refused(&world, header("version"), "unsupported-version").await;
}

/// covers: RFC 6120 4.9.3.22
#[tokio::test]
async fn unsupported_encoding() {
    let world = world().await;
    let declared = header("").replace("<?xml version='1.0'?>", "<?xml version='1.0' encoding='ISO-8859-1'?>");
    refused(&world, declared, "unsupported-encoding").await;
    let wide: Vec<u8> = header("").encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut client = world.plain().await;
    client.send_raw([&[0xfe, 0xff][..], &wide].concat()).await.unwrap();
    client.read_header().await.unwrap();
    let error = client.next().await.unwrap();
    let errors = "urn:ietf:params:xml:ns:xmpp-streams";
    let found =
        ["unsupported-encoding", "not-well-formed"].iter().any(|name| error.child(errors, name).is_some());
    assert!(found, "{error}");
}

/// covers: RFC 6120 4.9.3.13
#[tokio::test]
async fn not_well_formed() {
    let world = world().await;
    refused_when_bound(&world, "<message><body>No closing tag!</message>", "not-well-formed").await;
    refused_when_bound(&world, "<message a='1' a='2'/>", "not-well-formed").await;
    refused_when_bound(&world, "<message><body>&#0;</body></message>", "not-well-formed").await;
    refused_when_bound(&world, "<message><body>]]></body></message>", "not-well-formed").await;
}

/// covers: RFC 6120 11.6
#[tokio::test]
async fn what_is_not_utf_8_ends_the_stream() {
    let world = world().await;
    let mut client = world.connected("romeo/orchard").await;
    client.send_raw(b"<message><body>\xff\xfe</body></message>").await.unwrap();
    let error = client.next().await.unwrap();
    assert!(error.is(STREAMS, "error"), "{error}");
    client.expect_end().await;
}

/// covers: RFC 6120 4.9.3.18; RFC 6120 11.1
#[tokio::test]
async fn restricted_xml() {
    let world = world().await;
    refused_when_bound(&world, "<!-- a comment -->", "restricted-xml").await;
    refused_when_bound(&world, "<message><body><!-- a comment --></body></message>", "restricted-xml").await;
    refused_when_bound(&world, "<message><?php phpinfo() ?></message>", "restricted-xml").await;
    refused_when_bound(&world, "<message><body>&lol;</body></message>", "restricted-xml").await;
    refused_when_bound(&world, "<!DOCTYPE x [<!ENTITY lol 'lol'>]>", "restricted-xml").await;
    let doctype = "<?xml version='1.0'?><!DOCTYPE stream:stream [<!ENTITY lol 'lol'>]>";
    let whole = header("").replace("<?xml version='1.0'?>", doctype);
    refused(&world, whole, "restricted-xml").await;
}

/// covers: RFC 6120 4.9.3.2
#[tokio::test]
async fn bad_namespace_prefix() {
    let world = world().await;
    refused_when_bound(&world, "<message><unbound:x/></message>", "bad-namespace-prefix").await;
    refused_when_bound(&world, "<unbound:message/>", "bad-namespace-prefix").await;
}

/// covers: RFC 6120 4.9.3.1
#[tokio::test]
async fn bad_format() {
    refused_when_bound(&world().await, "text between stanzas", "bad-format").await;
}

/// covers: RFC 6120 4.9.3.9; RFC 6120 8.1.2.1 mismatch
#[tokio::test]
async fn invalid_from() {
    let world = world().await;
    world.user("juliet");
    for from in ["juliet@localhost", "juliet@localhost/balcony", "localhost", "romeo@localhost/other"] {
        let message = format!("<message from='{from}' to='juliet@localhost'><body>forged</body></message>");
        refused_when_bound(&world, &message, "invalid-from").await;
    }
    let mut juliet = world.online("juliet/balcony").await;
    juliet.expect_nothing().await;
}

/// covers: RFC 6120 4.9.3.12
#[tokio::test]
async fn not_authorized() {
    let world = world().await;
    let stanzas = ["<message to='romeo@localhost'><body>hi</body></message>", "<presence/>"];
    for stanza in stanzas {
        let mut client = world.secured().await;
        client.send_raw(stanza).await.unwrap();
        client.expect_stream_error("not-authorized").await;
        let mut client = world.authenticated("romeo").await;
        client.send_raw(stanza).await.unwrap();
        client.expect_stream_error("not-authorized").await;
    }
}

/// covers: RFC 6120 4.9.3.24
#[tokio::test]
async fn unsupported_stanza_type() {
    let world = world().await;
    refused_when_bound(&world, "<pubsub xmlns='jabber:client'/>", "unsupported-stanza-type").await;
    refused_when_bound(&world, "<message xmlns='urn:example:other'/>", "unsupported-stanza-type").await;
}

/// covers: RFC 6120 4.9.3.14
#[tokio::test]
async fn policy_violation() {
    let world = world().await;
    let long = format!("<message><body>{}</body></message>", "x".repeat(300_000));
    refused_when_bound(&world, &long, "policy-violation").await;
    let deep = format!("<message>{}", "<x>".repeat(100));
    refused_when_bound(&world, &deep, "policy-violation").await;
    let attributes: String = (0..100).map(|n| format!(" a{n}=''")).collect();
    refused_when_bound(&world, &format!("<message{attributes}/>"), "policy-violation").await;
    let declarations: String = (0..100).map(|n| format!(" xmlns:a{n}='urn:{n}'")).collect();
    refused_when_bound(&world, &format!("<message{declarations}/>"), "policy-violation").await;
}

/// covers: RFC 6120 4.9.3.3; RFC 6120 7.7.2.2
#[tokio::test]
async fn conflict() {
    let world = world().await;
    let mut first = world.online("romeo/orchard").await;
    let mut second = world.connected("romeo/orchard").await;
    assert_eq!(second.full(), "romeo@localhost/orchard");
    first.expect_stream_error("conflict").await;
    second.round_trip().await;
}

/// covers: RFC 6120 4.9.3.20
#[tokio::test]
async fn system_shutdown() {
    let mut world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    let mut unknown = world.secured().await;
    world.server.signal("TERM").unwrap();
    romeo.expect_stream_error("system-shutdown").await;
    unknown.expect_stream_error("system-shutdown").await;
    assert!(world.server.wait().unwrap().success(), "the server must end with status 0");
}

/// covers: RFC 6120 4.9.3.4
#[tokio::test]
async fn connection_timeout() {
    let world = world_with(Setup::default().section("[limits]\nauthentication_timeout_ms = 1000")).await;
    let mut client = world.secured().await;
    client.expect_stream_error("connection-timeout").await;
}

/// covers: RFC 6120 4.9.1.2
#[tokio::test]
async fn an_error_during_the_header_comes_after_the_servers_header() {
    let world = world().await;
    let mut client = world.plain().await;
    client.send_raw("<wrong/>").await.unwrap();
    client.read_header().await.unwrap();
    let error = client.next().await.unwrap();
    assert!(error.is(STREAMS, "error"), "{error}");
}

/// covers: RFC 6120 4.4
#[tokio::test]
async fn a_stream_is_closed_by_both() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    romeo.send_raw("</stream:stream>").await.unwrap();
    romeo.expect_end().await;
}

/// covers: RFC 6120 4.6.1
#[tokio::test]
async fn whitespace_between_stanzas_keeps_a_stream_alive() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    romeo.send_raw(" ").await.unwrap();
    romeo.send_raw("\n \t\r\n").await.unwrap();
    romeo.expect_nothing().await;
}

/// covers: RFC 6120 11.7 pieces
#[tokio::test]
async fn a_stanza_may_arrive_octet_by_octet() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    let iq = "<iq type='get' id='p'><ping xmlns='urn:xmpp:ping'><x>\u{6f22}&lt;</x></ping></iq>";
    for byte in iq.as_bytes() {
        romeo.send_raw([*byte]).await.unwrap();
    }
    romeo.expect("<iq id='p' type='result' _='...'/>").await;
}

/// The server's own language is taken for granted between its users; any other is written on the stanza.
/// covers: RFC 6120 4.7.4 stanza; RFC 6120 8.1.5
#[tokio::test]
async fn a_stanza_without_language_has_that_of_the_stream() {
    let world = world().await;
    world.user("romeo");
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = world.plain().await;
    romeo.language = "cs".to_owned();
    romeo.open().await.unwrap();
    romeo.starttls(&Tls::default()).await.unwrap();
    romeo.sign_in("romeo", &waxwing_tests::world::password("romeo"), "orchard").await.unwrap();
    for (lang, seen) in [("", "cs"), (" xml:lang='it'", "it")] {
        romeo.send(&format!("<message to='juliet@localhost/balcony'{lang}><body>x</body></message>")).await;
        juliet
            .expect(&format!(
                "<message from='romeo@localhost/orchard' xml:lang='{seen}'><body>x</body></message>"
            ))
            .await;
    }
}

/// covers: RFC 7590 3.1; XEP-0368 2
#[tokio::test]
async fn direct_tls_with_alpn() {
    let world = world().await;
    world.user("romeo");
    let tls = Tls { alpn: vec![b"xmpp-client".to_vec()], ..Tls::default() };
    let mut client = world.direct_tls(&tls).await;
    assert_eq!(client.transport().tls_state().and_then(|tls| tls.alpn_protocol()), Some(&b"xmpp-client"[..]));
    client.open().await.unwrap();
    assert!(client.features.child(TLS, "starttls").is_none(), "{}", client.features);
    client.sign_in("romeo", &waxwing_tests::world::password("romeo"), "orchard").await.unwrap();
    let mut without: Client = world.direct_tls(&Tls::default()).await;
    without.open().await.unwrap();
}

/// covers: RFC 7590 3.1 versions
#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let world = world().await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut client = world.direct_tls(&Tls { versions: vec![version], ..Tls::default() }).await;
        client.open().await.unwrap();
        let spoken = client.transport().tls_state().and_then(|tls| tls.protocol_version());
        assert_eq!(spoken, Some(version.version));
    }
}

/// covers: RFC 6120 13.7.2.1
#[tokio::test]
async fn each_domain_has_its_certificate() {
    let world = world_with(Setup::default().domains(&["localhost", "montague.example"])).await;
    world.user("romeo@montague.example");
    let one = world.secured().await.transport().certificate().expect("a certificate").to_vec();
    let other = world.connected("romeo@montague.example/orchard").await;
    assert_eq!(other.full(), "romeo@montague.example/orchard");
    assert_ne!(one, other.transport().certificate().expect("a certificate").to_vec());
}

/// covers: RFC 6120 8.3.3.1; RFC 6120 8.2.3
#[tokio::test]
async fn a_bad_iq_is_answered_with_bad_request() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    for iq in [
        "<iq type='get' id='1'/>",
        "<iq type='get' id='1'><a xmlns='urn:a'/><b xmlns='urn:b'/></iq>",
        "<iq type='wrong' id='1'><a xmlns='urn:a'/></iq>",
        "<iq id='1'><a xmlns='urn:a'/></iq>",
    ] {
        romeo.send(iq).await;
        romeo
            .expect(
                "<iq type='error' id='1' _='...'><error type='modify' _='...'>\
                 <bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>{...}</error>{...}</iq>",
            )
            .await;
    }
}

/// covers: RFC 6120 8.3.3.8
#[tokio::test]
async fn a_bad_address_is_answered_with_jid_malformed() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    for to in ["a b@localhost", "@localhost", "romeo@", "romeo@localhost/", "&quot;@localhost"] {
        romeo.send(&format!("<message to='{to}' id='1'><body>x</body></message>")).await;
        let answer = romeo.next().await.unwrap();
        assert_eq!((answer.name.as_str(), answer.attr("type")), ("message", Some("error")), "{to}: {answer}");
        let stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";
        assert!(answer.find(stanzas, "jid-malformed").is_some(), "{to}: {answer}");
        assert!(answer.is(CLIENT, "message"));
    }
}
