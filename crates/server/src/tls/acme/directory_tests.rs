//! Orders from a real ACME directory: Pebble, the authority that Let's Encrypt tests its clients with.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::config::{Config, Live};
use crate::http::{self, Health, Http};
use crate::lifecycle::Lifecycle;
use crate::net::{Admission, Listener, listen};
use crate::observe::Metrics;
use crate::tls::acme::{self, Challenge};
use crate::tls::testing::{self, Scratch};
use crate::tls::{Purpose, Tls};

struct Pebble(Child);

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("bound").port()
}

fn write(scratch: &Scratch, name: &str, text: &str) -> String {
    let path = scratch.path().join(name);
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

/// Starts Pebble, which will ask `http_port` and `tls_port` for proofs. `None`, said aloud, where it is not installed.
fn pebble(scratch: &Scratch, http_port: u16, tls_port: u16) -> Option<(Pebble, String)> {
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().expect("a key");
    let ca_certificate = ca.self_signed(&ca_key).expect("a certificate");
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let own = own.signed_by(&key, &issuer).expect("a certificate");
    write(scratch, "authority.pem", &ca_certificate.pem());
    let port = free_port();
    let config = serde_json::json!({ "pebble": {
        "listenAddress": format!("127.0.0.1:{port}"),
        "managementListenAddress": "",
        "certificate": write(scratch, "pebble.crt", &own.pem()),
        "privateKey": write(scratch, "pebble.key", &key.serialize_pem()),
        "httpPort": http_port,
        "tlsPort": tls_port,
    }});
    let config = write(scratch, "pebble.json", &config.to_string());
    let child = Command::new("pebble")
        .args(["-config", &config])
        .env("PEBBLE_VA_NOSLEEP", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(child) => Some((Pebble(child), format!("https://localhost:{port}/dir"))),
        Err(error) => {
            assert!(std::env::var_os("WAXWING_TEST_ALL").is_none(), "pebble is needed: {error}");
            eprintln!("SKIPPED: pebble is not installed ({error}); `apt install pebble`");
            None
        }
    }
}

async fn until_it_listens(directory: &str) {
    let authority = directory.trim_start_matches("https://").trim_end_matches("/dir");
    while tokio::net::TcpStream::connect(authority).await.is_err() {
        tokio::task::yield_now().await;
    }
}

/// Lets a server get its certificate from Pebble, and reads it from a connection to that server.
async fn prove(challenge: Challenge) {
    let scratch = Scratch::new();
    let any = "127.0.0.1:0".parse().expect("an address");
    let (plain, over_tls): (Listener, Listener) =
        (listen(any, 16).expect("port"), listen(any, 16).expect("port"));
    let https = over_tls.address();
    let Some((_pebble, directory)) = pebble(&scratch, plain.address().port(), https.port()) else {
        return;
    };

    let mut config: Config = testing::settings(&scratch, &["localhost"]);
    config.domain[0].acme = true;
    config.acme = acme::Config {
        directory: directory.clone(),
        authority: Some(scratch.path().join("authority.pem")),
        challenge,
        ..acme::Config::default()
    };
    let tls = Tls::load(&config).expect("TLS");
    let live = Live::new(config, None);
    let lifecycle = Lifecycle::new();
    let http = Arc::new(Http {
        live: live.clone(),
        tls: tls.clone(),
        metrics: Metrics::start(),
        health: Health::default(),
        websocket: None,
        json: None,
        chat: None,
        rest: Arc::default(),
        transfers: http::Transfers::new(&live.current().files),
        admission: Admission::new(&live.current().limits),
        https_port: None,
        lifecycle: lifecycle.clone(),
    });
    tokio::spawn(http::serve(plain, None, http.clone()));
    tokio::spawn(http::serve(over_tls, Some(tls.acceptor(Purpose::Https)), http));

    let first = served(https, &scratch).await;
    until_it_listens(&directory).await;
    lifecycle.spawn(acme::run(live, tls, lifecycle.clone()));
    let kept = scratch.path().join("acme/localhost.pem");
    let changed = async {
        loop {
            let now = served(https, &scratch).await;
            if now != first {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let now =
        tokio::time::timeout(Duration::from_secs(60), changed).await.expect("the new certificate is served");
    let pair = crate::tls::load_pair(&kept, &kept).expect("kept with its key");
    assert_eq!(pair.cert[0].as_ref(), now, "what is served is what was kept");
    assert!(crate::tls::certificates::dns_names(&now).contains(&"localhost".to_owned()));
    assert!(scratch.path().join("acme/account.json").exists());
    lifecycle.drain();
    assert_eq!(lifecycle.ended(Duration::from_secs(30)).await, 0);
}

/// The certificate that a server shows now, trusted or not.
async fn served(address: std::net::SocketAddr, scratch: &Scratch) -> Vec<u8> {
    let config = testing::trusting_anyone(scratch);
    let stream = testing::connect(address, config, "localhost").await.expect("handshake");
    stream.get_ref().1.peer_certificates().expect("certificates")[0].to_vec()
}

#[tokio::test]
async fn rfc_8555_a_certificate_is_ordered_proven_by_http_01_and_served_without_a_restart() {
    prove(Challenge::Http).await;
}

#[tokio::test]
async fn rfc_8737_a_certificate_is_proven_by_tls_alpn_01() {
    prove(Challenge::TlsAlpn).await;
}
