//! Prosody as the other server: by certificates and by dialback, both ways.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use waxwing_tests::transport::{Tls, Transport};
use waxwing_tests::world::password;
use waxwing_tests::{Client, Setup, World};

use crate::{fetched, interop};

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the two servers and the resolver are; each test has its own.
struct Place {
    folder: PathBuf,
    waxwing: String,
    prosody: String,
    dns: String,
}

impl Place {
    fn new(number: u8) -> Self {
        let folder = std::env::temp_dir().join(format!("waxwing-prosody-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("writable");
        let address = |last: u8| format!("127.0.92.{}", number + last);
        Self { folder, waxwing: address(1), prosody: address(2), dns: address(3) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "---- log of Prosody ----\n{}",
                fs::read_to_string(self.file("prosody.log")).unwrap_or_default()
            );
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// An authority, and a certificate by it for each domain.
fn certificates(folder: &Path) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("writable");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, "An authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("authority.pem", params.self_signed(&key).expect("an authority").pem());
    let issuer = Issuer::new(params, key);
    for domain in ["verona.example", "mantua.example"] {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![domain.to_owned()]).expect("parameters");
        write(&format!("{domain}.crt"), params.signed_by(&key, &issuer).expect("a certificate").pem());
        write(&format!("{domain}.key"), key.serialize_pem());
    }
}

/// The configuration of Prosody; `strict` when certificates have to hold.
fn configure(place: &Place, strict: bool) -> PathBuf {
    let folder = place.folder.display();
    let text = format!(
        "pidfile = '{folder}/prosody.pid'\ndata_path = '{folder}/prosody-data'\nrun_as_root = true\n\
         modules_enabled = {{ 'roster', 'saslauth', 'tls', 'dialback', 'disco', 'ping' }}\n\
         modules_disabled = {{ 'http' }}\n\
         interfaces = {{ '{}' }}\nlocal_interfaces = {{ '{}' }}\nauthentication = 'internal_hashed'\npassword_hash = 'SHA-256'\ncertificates = '{folder}'\n\
         s2s_require_encryption = true\ns2s_secure_auth = {strict}\n\
         unbound = {{ resolvconf = false, hoststxt = false, forward = '{}@5355', \
         options = {{ ['module-config:'] = 'iterator', ['do-not-query-localhost:'] = 'no' }} }}\n\
         ssl = {{ cafile = '{folder}/authority.pem' }}\n\
         log = {{ debug = '{folder}/prosody.log' }}\n\
         VirtualHost 'mantua.example'\n\
         ssl = {{ cafile = '{folder}/authority.pem', certificate = '{folder}/mantua.example.crt', \
         key = '{folder}/mantua.example.key' }}\n",
        place.prosody, place.prosody, place.dns
    );
    let path = place.file("prosody.cfg.lua");
    fs::write(&path, text).expect("writable");
    path
}

fn start(place: &Place, strict: bool) -> Running {
    let config = configure(place, strict);
    let run = |args: &[&str]| {
        let status =
            Command::new("prosodyctl").arg("--config").arg(&config).args(args).stdin(Stdio::null()).status();
        assert!(status.expect("prosodyctl").success(), "prosodyctl {args:?}");
    };
    run(&["register", "friar", "mantua.example", &password("friar")]);
    let mut command = Command::new("prosody");
    command
        .arg("-F")
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Running(command.spawn().expect("prosody"))
}

/// A client of Prosody that is available.
async fn friar(place: &Place) -> Client {
    let address = format!("{}:5222", place.prosody);
    let deadline = Instant::now() + Duration::from_secs(30);
    let transport = loop {
        match Transport::plain(&address).await {
            Ok(transport) => break transport,
            Err(error) if Instant::now() > deadline => panic!("Prosody does not listen: {error:#}"),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let mut client = Client::new(transport, "mantua.example", Default::default());
    let tls = Tls { name: Some("mantua.example".to_owned()), ..Tls::default() };
    client.open().await.expect("a stream");
    client.starttls(&tls).await.expect("TLS");
    client.sign_in("friar", &password("friar"), "cell").await.expect("signed in");
    client.ask("get", None, "<query xmlns='jabber:iq:roster'/>").await;
    client.send("<presence/>").await;
    client.expect("<presence from='friar@mantua.example/cell' _='...'/>").await;
    client
}

async fn say(from: &mut Client, to: &mut Client, text: &str) {
    let (sender, receiver) = (from.full().to_owned(), to.bare().to_owned());
    from.send(&format!("<message to='{receiver}' type='chat' id='{text}'><body>{text}</body></message>"))
        .await;
    to.expect(&format!(
        "<message from='{sender}' to='{receiver}' type='chat' id='{text}'><body>{text}</body></message>"
    ))
    .await;
}

/// Chat, subscriptions, presence and service discovery both ways.
async fn converse(number: u8, strict: bool) {
    if fetched("prosody").is_none() {
        return;
    }
    let place = Place::new(number);
    certificates(&place.folder);
    let mut resolver = Command::new("python3");
    resolver
        .arg(interop().join("prosody/dns.py"))
        .args([&place.dns, "5355"])
        .args([format!("verona.example={}", place.waxwing), format!("mantua.example={}", place.prosody)]);
    let _resolver = Running(resolver.stdin(Stdio::null()).spawn().expect("python3"));
    let _prosody = start(&place, strict);
    let policy = if strict { "require" } else { "dialback" };
    let trusted = if strict { vec![place.file("authority.pem")] } else { Vec::new() };
    let section = format!(
        "[dns]\naddress = {:?}\nport = 5355\n[federation]\ncertificates = {policy:?}\nauthorities = {trusted:?}\n\
         system_authorities = false\nretry_after_ms = 10\n",
        place.dns
    );
    let mut setup = Setup::default().domains(&["verona.example"]).address(&place.waxwing).section(&section);
    if strict {
        setup = setup.certificate(&place.file("verona.example.crt"), &place.file("verona.example.key"));
    }
    let world = World::start(env!("CARGO_BIN_EXE_waxwing"), &setup).await;
    let mut romeo = world.online("romeo/orchard").await;
    let mut friar = friar(&place).await;
    say(&mut romeo, &mut friar, "there").await;
    say(&mut friar, &mut romeo, "back").await;
    let log = world.server.log();
    let proof = if strict { "proof=\"certificate\"" } else { "proof=\"dialback\"" };
    assert!(log.matches(proof).count() >= 2, "{log}");
    for (asker, asked) in [(&mut romeo, "mantua.example"), (&mut friar, "verona.example")] {
        asker
            .send(&format!(
                "<iq type='get' to='{asked}' id='disco'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
            ))
            .await;
        let answer = asker.next().await.expect("an answer");
        assert_eq!((answer.attr("type"), answer.attr("from")), (Some("result"), Some(asked)), "{answer}");
    }
    romeo.send("<presence to='friar@mantua.example' type='subscribe'/>").await;
    friar.expect("<presence from='romeo@verona.example' to='friar@mantua.example' type='subscribe'/>").await;
    romeo.settle().await;
    romeo.clear().await;
    friar.send("<presence to='romeo@verona.example' type='subscribed'/>").await;
    romeo
        .expect_all(&[
            "<presence from='friar@mantua.example' to='romeo@verona.example' type='subscribed'/>",
            "<iq type='set' id='{any}'><query xmlns='jabber:iq:roster' ver='{any}'>\
             <item jid='friar@mantua.example' subscription='to'/></query></iq>",
            "<presence from='friar@mantua.example/cell' to='romeo@verona.example'>{...}</presence>",
        ])
        .await;
}

/// covers: interop Prosody
#[tokio::test]
async fn prosody_by_certificates() {
    converse(10, true).await;
}

/// covers: interop Prosody
#[tokio::test]
async fn prosody_by_dialback() {
    converse(20, false).await;
}
