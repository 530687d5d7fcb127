//! Streams: RFC 6120 section 4, its errors in section 4.9.3, and STARTTLS in section 5.

use rcgen::{CertificateParams, Issuer, KeyPair, OtherNameValue, SanType};
use time::OffsetDateTime;
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

/// A header that names no server cannot be answered by one.
/// covers: RFC 6120 4.7.2 missing
#[tokio::test]
async fn a_header_names_the_server() {
    let world = world().await;
    refused(&world, header("to="), "improper-addressing").await;
    refused(&world, header("to='a b'"), "improper-addressing").await;
}

/// A domain leaves the configuration: its streams end, new ones are told, and the server remembers over a restart.
/// covers: RFC 6120 4.9.3.5
#[tokio::test]
async fn host_gone() {
    let mut world = world_with(Setup::default().domains(&["localhost", "montague.example"])).await;
    let mut romeo = world.online("romeo@montague.example/orchard").await;
    let mut juliet = world.online("juliet/balcony").await;
    let path = world.server.folder().join("waxwing.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let domain = "[[domain]]\nname = \"montague.example\"\n";
    assert!(text.contains(domain), "{text}");
    std::fs::write(&path, text.replace(domain, "")).unwrap();
    world.server.signal("HUP").unwrap();
    romeo.expect_stream_error("host-gone").await;
    juliet.round_trip().await;
    let gone = header("to='montague.example'");
    refused(&world, &gone, "host-gone").await;
    world.server.terminate().unwrap();
    world.server.launch().unwrap();
    refused(&world, &gone, "host-gone").await;
    refused(&world, header("to='unknown.example'"), "host-unknown").await;
}

/// covers: RFC 6120 4.9.3.17
#[tokio::test]
async fn resource_constraint() {
    let world = world_with(Setup::default().section("[limits]\nconnections = 2")).await;
    let mut served = Vec::new();
    for _ in 0..2 {
        let mut client = world.plain().await;
        client.open().await.unwrap();
        served.push(client);
    }
    let mut client = world.plain().await;
    client.read_header().await.unwrap();
    assert_eq!(client.header.attr("from"), Some("localhost"));
    client.expect_stream_error("resource-constraint").await;
    served.pop().expect("two").close().await;
}

/// A client that never acknowledges what it is sent loses its stream; what it was sent waits in the archive.
/// covers: RFC 6120 4.9.3.17
#[tokio::test]
async fn resource_constraint_of_one_stream() {
    let world = world_with(Setup::default().section("[xmpp]\nunacknowledged_limit = 200")).await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    romeo.send("<enable xmlns='urn:xmpp:sm:3'/>").await;
    romeo.expect("<enabled xmlns='urn:xmpp:sm:3' _='...'/>").await;
    for number in 0..230 {
        juliet
            .send(&format!(
                "<message to='romeo@localhost/orchard' type='chat'><body>{number}</body></message>"
            ))
            .await;
    }
    juliet.settle().await;
    let error = loop {
        let element = romeo.next().await.unwrap();
        if element.is(STREAMS, "error") {
            break element;
        }
    };
    assert!(error.child("urn:ietf:params:xml:ns:xmpp-streams", "resource-constraint").is_some(), "{error}");
    let mut again = world.online("romeo/orchard").await;
    let waited = again.drain().await;
    assert!(
        waited.iter().any(|message| message.child(CLIENT, "body").is_some_and(|body| body.text() == "229")),
        "{waited:?}"
    );
}

/// After a key has leaked the administrator has everyone negotiate TLS and SASL anew; no TLS session is resumed.
/// covers: RFC 6120 4.9.3.16
#[tokio::test]
async fn reset() {
    let world = world_with(Setup::default().domains(&["localhost", "montague.example"])).await;
    let mut romeo = world.online("romeo@montague.example/orchard").await;
    let mut juliet = world.online("juliet/balcony").await;
    let said = world.server.admin(&["sessions", "reset", "--domain", "montague.example"], "").unwrap();
    assert!(said.contains("1 session ended"), "{said}");
    romeo.expect_stream_error("reset").await;
    juliet.round_trip().await;
    world.server.admin(&["sessions", "reset"], "").unwrap();
    juliet.expect_stream_error("reset").await;
    world.online("juliet/balcony").await.round_trip().await;
}

/// Who signed in with a certificate is there no longer than the certificate holds.
/// covers: RFC 6120 13.7.2.3
#[tokio::test]
async fn reset_when_the_clients_certificate_expires() {
    let authority = Authority::new();
    let file = std::env::temp_dir().join(format!("waxwing-authority-{}.pem", std::process::id()));
    std::fs::write(&file, &authority.pem).unwrap();
    let section = format!("[tls]\nclient_authorities = {:?}", file.display().to_string());
    let world = world_with(Setup::default().section(&section)).await;
    world.user("romeo");
    let lasting = authority.sign("romeo@localhost", 3600);
    let brief = authority.sign("romeo@localhost", 3);
    let [mut lasting, mut brief] =
        [by_certificate(&world, lasting).await, by_certificate(&world, brief).await];
    brief.expect_stream_error("reset").await;
    lasting.round_trip().await;
    std::fs::remove_file(&file).unwrap();
}

/// Signs in with EXTERNAL.
async fn by_certificate(world: &World, identity: (Vec<u8>, Vec<u8>)) -> Client {
    let mut client = world.plain().await;
    client.open().await.unwrap();
    client.starttls(&Tls { identity: Some(identity), ..Tls::default() }).await.unwrap();
    client.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>").await;
    client.expect("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").await;
    client.reopen().await.unwrap();
    client.bind("").await.unwrap();
    client
}

/// An authority that signs the certificates of clients.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for an account, good for so many seconds, and its key.
    fn sign(&self, jid: &str, seconds: i64) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // id-on-xmppAddr (RFC 6120 section 13.7.1.4).
        let name = (vec![1, 3, 6, 1, 5, 5, 7, 8, 5], OtherNameValue::Utf8String(jid.to_owned()));
        params.subject_alt_names.push(SanType::OtherName(name));
        params.not_before = OffsetDateTime::now_utc() - time::Duration::hours(1);
        params.not_after = OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().to_vec(), key.serialize_der())
    }
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
