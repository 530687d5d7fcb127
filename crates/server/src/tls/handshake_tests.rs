//! TLS over real sockets: names, versions, resumption, reload, and the certificates of clients.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rcgen::{OtherNameValue, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, HandshakeKind};
use time::{Duration, OffsetDateTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::testing::{self, Scratch};
use super::{Purpose, Tls, TlsInfo, Verification, Version};
use crate::config::Config;
use crate::net::{Conn, Limits, listen};

const ONLY_12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
const ONLY_13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

struct Pair {
    client: std::io::Result<TlsStream<TcpStream>>,
    server: std::io::Result<Conn>,
}

impl Pair {
    fn client(self) -> (TlsStream<TcpStream>, Conn) {
        (self.client.expect("the client's handshake"), self.server.expect("the server's handshake"))
    }

    fn info(&self) -> TlsInfo {
        let conn = self.server.as_ref().expect("the server's handshake");
        (**conn.tls_info().expect("TLS")).clone()
    }

    fn shown(&self) -> CertificateDer<'static> {
        let (_, session) = self.client.as_ref().expect("the client's handshake").get_ref();
        session.peer_certificates().expect("certificates")[0].clone().into_owned()
    }
}

/// One handshake; the client also reads a byte, so that it has taken in the tickets that came before.
async fn shake(tls: &Arc<Tls>, purpose: Purpose, config: ClientConfig, name: &str) -> Pair {
    let listener = listen("127.0.0.1:0".parse().expect("an address"), 16).expect("a free port");
    let client = testing::connect(listener.address(), config, name);
    let acceptor = tls.acceptor(purpose);
    let server = async {
        let (tcp, peer) = listener.into_tcp().accept().await?;
        let mut conn = Conn::new(tcp, peer, &Limits::default(), None)?.start_tls(&acceptor).await?;
        conn.write_all(b"x").await?;
        Ok(conn)
    };
    let (mut client, server) = tokio::join!(client, server);
    if let Ok(stream) = &mut client {
        let mut byte = [0];
        if let Err(error) = stream.read_exact(&mut byte).await {
            client = Err(error);
        }
    }
    Pair { client, server }
}

fn domains(scratch: &Scratch) -> Config {
    testing::settings(scratch, &["localhost", "example.org", "example.net"])
}

#[tokio::test]
async fn rfc_6066_3_the_name_asked_for_chooses_the_certificate_and_the_first_domain_is_the_default() {
    let scratch = Scratch::new();
    let tls = Tls::load(&domains(&scratch)).expect("TLS");
    let expected = [
        ("example.net", "example.net"),
        ("EXAMPLE.org", "example.org"),
        ("unknown.example", "localhost"),
        // A client that connects by address sends no name (RFC 6066 section 3).
        ("192.0.2.1", "localhost"),
    ];
    for (asked, served) in expected {
        let pair = shake(&tls, Purpose::DirectTls, testing::trusting_anyone(&scratch), asked).await;
        let names = super::certificates::dns_names(&pair.shown());
        assert_eq!(names, [served], "asked for {asked}");
        let binding = super::server_end_point(&pair.shown());
        assert_eq!(
            pair.info().server_end_point,
            binding,
            "the binding is of the certificate served for {asked}"
        );
    }
}

#[tokio::test]
async fn a_reload_serves_the_new_certificate_and_leaves_connections_alone() {
    let scratch = Scratch::new();
    let config = domains(&scratch);
    let tls = Tls::load(&config).expect("TLS");
    let before = shake(&tls, Purpose::StartTls, testing::trusting_anyone(&scratch), "localhost").await;
    let old = before.shown();
    for file in ["localhost.crt", "localhost.key"] {
        std::fs::remove_file(scratch.path().join("tls").join(file)).expect("removed");
    }
    tls.reload(&config).expect("reloaded");
    let after = shake(&tls, Purpose::StartTls, testing::trusting_anyone(&scratch), "localhost").await;
    assert_ne!(after.shown(), old);
    let (mut client, mut conn) = before.client();
    client.write_all(b"still here").await.expect("written");
    let mut input = Vec::new();
    assert!(conn.receive(&mut input).await.expect("read"));
    assert_eq!(input, b"still here");
}

#[tokio::test]
async fn a_reload_that_fails_leaves_what_is_in_force() {
    let scratch = Scratch::new();
    let mut config = domains(&scratch);
    let tls = Tls::load(&config).expect("TLS");
    config.domain[0].certificate = Some(scratch.path().join("tls/localhost.crt"));
    config.domain[0].key = Some(scratch.path().join("tls/example.org.key"));
    let error = tls.reload(&config).expect_err("the key of another certificate").to_string();
    assert!(error.contains("example.org.key: this is not the key of"), "{error}");
    let pair = shake(&tls, Purpose::StartTls, testing::client_config(&scratch, ONLY_13), "localhost").await;
    assert_eq!(pair.info().version, "TLSv1.3");
}

#[tokio::test]
async fn rfc_8446_2_2_sessions_are_resumed_also_after_a_reload() {
    for versions in [ONLY_13, ONLY_12] {
        let scratch = Scratch::new();
        let settings = domains(&scratch);
        let tls = Tls::load(&settings).expect("TLS");
        let config = testing::client_config(&scratch, versions);
        let kind = |pair: &Pair| pair.client.as_ref().expect("handshake").get_ref().1.handshake_kind();
        let first = shake(&tls, Purpose::DirectTls, config.clone(), "localhost").await;
        assert_eq!(kind(&first), Some(HandshakeKind::Full));
        let second = shake(&tls, Purpose::DirectTls, config.clone(), "localhost").await;
        assert_eq!(kind(&second), Some(HandshakeKind::Resumed));
        assert_ne!(first.info().exporter, second.info().exporter, "RFC 9266: unique to each connection");
        tls.reload(&settings).expect("reloaded");
        let third = shake(&tls, Purpose::DirectTls, config.clone(), "localhost").await;
        assert_eq!(kind(&third), Some(HandshakeKind::Resumed));
        let other = shake(&tls, Purpose::StartTls, config, "localhost").await;
        assert_eq!(kind(&other), Some(HandshakeKind::Full), "a session of one protocol is none of another");
    }
}

#[tokio::test]
async fn xep_0368_direct_tls_speaks_the_protocol_xmpp_client() {
    let scratch = Scratch::new();
    let tls = Tls::load(&domains(&scratch)).expect("TLS");
    let offering = |protocols: &[&str]| {
        let mut config = testing::client_config(&scratch, ONLY_13);
        config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
        config
    };
    let pair = shake(&tls, Purpose::DirectTls, offering(&["h2", "xmpp-client"]), "localhost").await;
    assert_eq!(pair.info().alpn.as_deref(), Some("xmpp-client"));
    let pair = shake(&tls, Purpose::DirectTls, offering(&[]), "localhost").await;
    assert_eq!(pair.info().alpn, None);
    // RFC 7301 section 3.2: no_application_protocol.
    let pair = shake(&tls, Purpose::DirectTls, offering(&["http/1.1"]), "localhost").await;
    assert!(pair.server.is_err() && pair.client.is_err());
    let pair = shake(&tls, Purpose::StartTls, offering(&["xmpp-client"]), "localhost").await;
    assert_eq!(pair.info().alpn, None, "after STARTTLS there is no ALPN");
}

#[tokio::test]
async fn rfc_7590_only_aead_suites_are_offered_and_old_versions_can_be_refused() {
    for suite in &rustls::crypto::aws_lc_rs::default_provider().cipher_suites {
        let name = suite.suite().as_str().expect("a named suite");
        assert!(name.contains("GCM") || name.contains("POLY1305"), "{name}");
    }
    let scratch = Scratch::new();
    let mut config = domains(&scratch);
    let tls = Tls::load(&config).expect("TLS");
    let pair = shake(&tls, Purpose::StartTls, testing::client_config(&scratch, ONLY_12), "localhost").await;
    assert_eq!(pair.info().version, "TLSv1.2");
    config.tls.minimum_version = Version::Tls13;
    tls.reload(&config).expect("reloaded");
    let pair = shake(&tls, Purpose::StartTls, testing::client_config(&scratch, ONLY_12), "localhost").await;
    assert!(pair.server.is_err());
}

#[tokio::test]
async fn rfc_9266_4_2_without_a_required_extended_master_secret_tls_1_2_has_no_exporter() {
    let scratch = Scratch::new();
    let mut config = domains(&scratch);
    config.tls.require_extended_master_secret = false;
    let tls = Tls::load(&config).expect("TLS");
    let pair = shake(&tls, Purpose::StartTls, testing::client_config(&scratch, ONLY_12), "localhost").await;
    assert_eq!(pair.info().exporter, None);
    let pair = shake(&tls, Purpose::StartTls, testing::client_config(&scratch, ONLY_13), "localhost").await;
    assert!(pair.info().exporter.is_some());
}

/// An authority, and the certificates it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn sign(
        &self,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["client.example".to_owned()]).expect("parameters");
        let oid = vec![1, 3, 6, 1, 5, 5, 7, 8, 5];
        let address = OtherNameValue::Utf8String("juliet@example.org".to_owned());
        params.subject_alt_names.push(SanType::OtherName((oid, address)));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
    }
}

async fn show(
    tls: &Arc<Tls>,
    scratch: &Scratch,
    versions: &[&'static rustls::SupportedProtocolVersion],
    shown: (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
) -> TlsInfo {
    let config = testing::client_builder(scratch, versions)
        .with_client_auth_cert(shown.0, shown.1)
        .expect("a client certificate");
    shake(tls, Purpose::StartTls, config, "localhost").await.info()
}

fn asking(scratch: &Scratch, authority: &Authority) -> Config {
    let file = scratch.path().join("clients.pem");
    std::fs::write(&file, &authority.pem).expect("written");
    let mut config = domains(scratch);
    config.tls.client_authorities = Some(file);
    config
}

#[tokio::test]
async fn rfc_6120_13_7_1_4_a_client_certificate_is_read_and_judged() {
    let scratch = Scratch::new();
    let authority = Authority::new();
    let tls = Tls::load(&asking(&scratch, &authority)).expect("TLS");
    for versions in [ONLY_13, ONLY_12] {
        let info = show(&tls, &scratch, versions, authority.sign(|_| {})).await;
        let shown = info.client_certificate.expect("shown");
        assert_eq!(shown.verification, Verification::Valid);
        assert_eq!(shown.xmpp_addresses, ["juliet@example.org"]);
        assert_eq!(shown.dns_names, ["client.example"]);
    }
}

#[tokio::test]
async fn certificates_that_do_not_hold_are_taken_and_marked() {
    let scratch = Scratch::new();
    let authority = Authority::new();
    let tls = Tls::load(&asking(&scratch, &authority)).expect("TLS");
    let now = OffsetDateTime::now_utc();
    let wrong = [
        ("of a stranger", Authority::new().sign(|_| {})),
        ("expired", authority.sign(|p| p.not_after = now - Duration::days(1))),
        ("not yet valid", authority.sign(|p| p.not_before = now + Duration::days(1))),
        (
            "for servers only",
            authority.sign(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        ),
    ];
    for (what, certificate) in wrong {
        let info = show(&tls, &scratch, ONLY_13, certificate).await;
        let shown = info.client_certificate.expect("shown");
        assert!(matches!(shown.verification, Verification::Invalid(_)), "{what}: {shown:?}");
    }
}

#[tokio::test]
async fn without_authorities_and_over_https_clients_are_not_asked() {
    let scratch = Scratch::new();
    let authority = Authority::new();
    let tls = Tls::load(&domains(&scratch)).expect("TLS");
    let info = show(&tls, &scratch, ONLY_13, authority.sign(|_| {})).await;
    assert_eq!(info.client_certificate, None);
    let tls = Tls::load(&asking(&scratch, &authority)).expect("TLS");
    let (chain, key) = authority.sign(|_| {});
    let config =
        testing::client_builder(&scratch, ONLY_13).with_client_auth_cert(chain, key).expect("a client");
    let pair = shake(&tls, Purpose::Https, config, "localhost").await;
    assert_eq!(pair.info().client_certificate, None);
    let pair = shake(&tls, Purpose::StartTls, testing::client_config(&scratch, ONLY_13), "localhost").await;
    assert_eq!(pair.info().client_certificate, None, "a client without a certificate may connect");
}

#[tokio::test]
async fn the_certificate_of_a_client_is_judged_again_when_its_session_is_resumed() {
    let scratch = Scratch::new();
    let authority = Authority::new();
    let mut settings = asking(&scratch, &authority);
    let tls = Tls::load(&settings).expect("TLS");
    let (chain, key) = authority.sign(|_| {});
    let config =
        testing::client_builder(&scratch, ONLY_13).with_client_auth_cert(chain, key).expect("a client");
    let first = shake(&tls, Purpose::StartTls, config.clone(), "localhost").await.info();
    assert_eq!(first.client_certificate.expect("shown").verification, Verification::Valid);
    let other = scratch.path().join("others.pem");
    std::fs::write(&other, Authority::new().pem).expect("written");
    settings.tls.client_authorities = Some(other);
    tls.reload(&settings).expect("reloaded");
    let second = shake(&tls, Purpose::StartTls, config, "localhost").await.info();
    let judged = second.client_certificate.expect("shown").verification;
    assert!(matches!(judged, Verification::Invalid(_)), "{judged:?}");
}
