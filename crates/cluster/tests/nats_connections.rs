//! How a node gets to NATS and back to it: TLS, credentials, a restart, a member of a cluster that is lost.

#[allow(dead_code)]
mod nats_server;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use waxwing_chat::nodes::{Bus as _, BusEvent, NodeId};
use waxwing_cluster::nats::{Credentials, Nats, OpenError, Options};
use waxwing_cluster::{Key, Settings};

use crate::nats_server::{Server, tempfile::Folder};

fn options(servers: Vec<String>) -> Options {
    Options {
        servers,
        credentials: Credentials::None,
        ca_file: None,
        client_certificate: None,
        prefix: "waxwing".into(),
        key: Key::new(&[1; 32], "waxwing"),
        settings: Settings::default(),
    }
}

async fn next(bus: &Nats) -> BusEvent {
    let event = timeout(Duration::from_secs(60), bus.next()).await;
    event.expect("something happens").expect("the bus is open")
}

/// Two nodes find each other and talk.
async fn talk(options: Options) {
    let first = Nats::open(NodeId(1), options.clone()).await.expect("the server takes the node");
    let second = Nats::open(NodeId(2), options).await.expect("the server takes the node");
    assert_eq!(next(&first).await, BusEvent::Joined(NodeId(2)));
    assert_eq!(next(&second).await, BusEvent::Joined(NodeId(1)));
    first.send(NodeId(2), Bytes::from_static(b"hello")).unwrap();
    assert_eq!(next(&second).await, BusEvent::Frame(NodeId(1), Bytes::from_static(b"hello")));
    assert!(first.is_reachable() && second.is_reachable());
}

async fn refused(options: Options) -> OpenError {
    Nats::open(NodeId(1), options).await.err().expect("the node is refused")
}

/// Files of a small authority: its certificate, and a server's and a node's that it signed.
struct Authority {
    folder: Folder,
    ca: PathBuf,
}

impl Authority {
    fn new() -> Authority {
        let folder = Folder::new();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        let ca = folder.write("ca.pem", &certificate.pem());
        let issuer = rcgen::Issuer::new(parameters, key);
        for name in ["server", "node"] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut parameters =
                rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
            parameters.extended_key_usages =
                vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
            let certificate = parameters.signed_by(&key, &issuer).unwrap();
            folder.write(&format!("{name}.pem"), &certificate.pem());
            folder.write(&format!("{name}.key"), &key.serialize_pem());
        }
        Authority { folder, ca }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.ca.with_file_name(name)
    }

    fn server(&self, verify: bool) -> String {
        let text = |name: &str| self.file(name).display().to_string();
        format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: {verify} }}",
            text("server.pem"),
            text("server.key"),
            text("ca.pem"),
        )
    }
}

#[tokio::test]
async fn speaks_tls() {
    let (ours, another) = (Authority::new(), Authority::new());
    let Some(server) = Server::start(&ours.server(false)).await else { return };
    let url = format!("tls://127.0.0.1:{}", server.port);
    talk(Options { ca_file: Some(ours.ca.clone()), ..options(vec![url.clone()]) }).await;
    // The server asks for TLS, so the URL need not.
    talk(Options { ca_file: Some(ours.ca.clone()), ..options(vec![server.url()]) }).await;
    let unknown = Options { ca_file: Some(another.ca.clone()), ..options(vec![url]) };
    let bus = Nats::open(NodeId(1), unknown).await;
    // Nothing is sent to a server that another authority vouches for: the node is refused, or begins cut.
    assert!(bus.is_err() || !bus.unwrap().is_reachable());
    drop(another.folder);
}

/// A URL that asks for TLS is never served without.
#[tokio::test]
async fn insists_on_tls() {
    let authority = Authority::new();
    let Some(server) = Server::start("").await else { return };
    let url = format!("tls://127.0.0.1:{}", server.port);
    let bus =
        Nats::open(NodeId(1), Options { ca_file: Some(authority.ca.clone()), ..options(vec![url]) }).await;
    assert!(bus.is_err() || !bus.unwrap().is_reachable());
}

#[tokio::test]
async fn shows_a_certificate() {
    let authority = Authority::new();
    let Some(server) = Server::start(&authority.server(true)).await else { return };
    let with = Options { ca_file: Some(authority.ca.clone()), ..options(vec![server.url()]) };
    let certificate = (authority.file("node.pem"), authority.file("node.key"));
    talk(Options { client_certificate: Some(certificate), ..with.clone() }).await;
    let bus = Nats::open(NodeId(1), with).await;
    assert!(bus.is_err() || !bus.unwrap().is_reachable());
    drop(authority.folder);
}

#[tokio::test]
async fn signs_in_with_a_password() {
    let users = "authorization { users: [ { user: waxwing, password: secret, permissions: \
                 { publish: \"waxwing.>\", subscribe: \"waxwing.>\" } } ] }";
    let Some(server) = Server::start(users).await else { return };
    let with = |password: &str| Options {
        credentials: Credentials::Password { user: "waxwing".into(), password: password.into() },
        ..options(vec![server.url()])
    };
    talk(with("secret")).await;
    talk(options(vec![format!("nats://waxwing:s%65cret@127.0.0.1:{}", server.port)])).await;
    assert!(matches!(refused(with("wrong")).await, OpenError::Refused(_)));
    assert!(matches!(refused(options(vec![server.url()])).await, OpenError::Refused(_)));
}

/// An account of its own keeps other users of the server out of the installation's subjects.
#[tokio::test]
async fn has_an_account_of_its_own() {
    let accounts = "accounts { WAXWING: { users: [ { user: waxwing, password: secret } ] }, \
                    OTHERS: { users: [ { user: other, password: secret } ] } }";
    let Some(server) = Server::start(accounts).await else { return };
    let with = |user: &str| Options {
        credentials: Credentials::Password { user: user.into(), password: "secret".into() },
        ..options(vec![server.url()])
    };
    let apart = Nats::open(NodeId(9), with("other")).await.expect("the server takes it");
    talk(with("waxwing")).await;
    assert_eq!(apart.others().len(), 0);
    assert_eq!(apart.counters().refused.get() + apart.counters().strays.get(), 0, "it hears nothing");
}

#[tokio::test]
async fn signs_in_with_a_token() {
    let Some(server) = Server::start("authorization { token: a-long-token }").await else { return };
    let with = |token: &str| Options {
        credentials: Credentials::Token(token.into()),
        ..options(vec![server.url()])
    };
    talk(with("a-long-token")).await;
    talk(options(vec![format!("nats://a-long-token@127.0.0.1:{}", server.port)])).await;
    assert!(matches!(refused(with("another")).await, OpenError::Refused(_)));
}

#[tokio::test]
async fn signs_in_with_an_nkey() {
    let (own, another) = (nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user());
    let users = format!("authorization {{ users: [ {{ nkey: {} }} ] }}", own.public_key());
    let Some(server) = Server::start(&users).await else { return };
    let with = |key: &nkeys::KeyPair| Options {
        credentials: Credentials::Nkey(key.seed().unwrap()),
        ..options(vec![server.url()])
    };
    talk(with(&own)).await;
    assert!(matches!(refused(with(&another)).await, OpenError::Refused(_)));
}

/// A credentials file of a server in operator mode holds a JWT and a seed.
#[tokio::test]
async fn signs_in_with_a_credentials_file() {
    let operator = nkeys::KeyPair::new_operator();
    let (account, user) = (nkeys::KeyPair::new_account(), nkeys::KeyPair::new_user());
    let unlimited = r#""subs":-1,"data":-1,"payload":-1"#;
    let of_operator = jwt(&operator, &operator, r#"{"type":"operator","version":2}"#);
    let account_limits = format!(
        r#"{{"type":"account","version":2,"limits":{{{unlimited},"imports":-1,"exports":-1,"conn":-1,"leaf":-1}}}}"#
    );
    let of_account = jwt(&operator, &account, &account_limits);
    let of_user = jwt(&account, &user, &format!(r#"{{"type":"user","version":2,{unlimited}}}"#));
    let configuration = format!(
        "operator: \"{of_operator}\"\nresolver: MEMORY\nresolver_preload: {{ {}: \"{of_account}\" }}",
        account.public_key()
    );
    let Some(server) = Server::start(&configuration).await else { return };
    let file = |seed: String| {
        format!(
            "-----BEGIN NATS USER JWT-----\n{of_user}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        )
    };
    let with = |contents: String| Options {
        credentials: Credentials::File(contents),
        ..options(vec![server.url()])
    };
    talk(with(file(user.seed().unwrap()))).await;
    let stolen = with(file(nkeys::KeyPair::new_user().seed().unwrap()));
    assert!(matches!(refused(stolen).await, OpenError::Refused(_)));
    assert!(matches!(refused(with("nothing of the kind".into())).await, OpenError::Credentials(_)));
}

/// A JWT as operators, accounts and users of NATS have them, signed with an nkey.
fn jwt(issuer: &nkeys::KeyPair, subject: &nkeys::KeyPair, nats: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    let claims = format!(
        r#"{{"jti":"{0}","iat":1,"iss":"{1}","name":"test","sub":"{0}","nats":{nats}}}"#,
        subject.public_key(),
        issuer.public_key(),
    );
    let text =
        format!("{}.{}", BASE64.encode(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#), BASE64.encode(claims));
    let signature = BASE64.encode(issuer.sign(text.as_bytes()).unwrap());
    format!("{text}.{signature}")
}

#[tokio::test]
async fn refuses_what_cannot_be() {
    assert!(matches!(refused(options(Vec::new())).await, OpenError::Address(_)));
    assert!(matches!(refused(options(vec!["nats://a b".into()])).await, OpenError::Address(_)));
    for prefix in ["", "a..b", "a.*", "a b", ">"] {
        let with = Options { prefix: prefix.into(), ..options(vec!["nats://127.0.0.1:1".into()]) };
        assert!(matches!(refused(with).await, OpenError::Prefix(_)), "`{prefix}`");
    }
    let Some(server) = Server::start("max_payload: 65536").await else { return };
    assert!(matches!(refused(options(vec![server.url()])).await, OpenError::Payload(65536)));
}

/// A node starts without NATS, and goes on once that is there.
#[tokio::test]
async fn starts_before_nats() {
    let Some(mut server) = Server::start("").await else { return };
    server.kill().await;
    let first = Nats::open(NodeId(1), options(vec![server.url()])).await.expect("it begins cut");
    assert_eq!(next(&first).await, BusEvent::Cut);
    assert!(!first.is_reachable());
    server.start_again().await;
    assert_eq!(next(&first).await, BusEvent::Healed);
    let second = Nats::open(NodeId(2), options(vec![server.url()])).await.expect("it is there");
    assert_eq!(next(&first).await, BusEvent::Joined(NodeId(2)));
    assert_eq!(next(&second).await, BusEvent::Joined(NodeId(1)));
}

/// NATS is killed and started again under load: both nodes learn of it, neither takes the other for gone, whatever is lost is
/// told, and the rest is in order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lives_through_a_restart_of_nats() {
    let Some(mut server) = Server::start("").await else { return };
    let first = Arc::new(Nats::open(NodeId(1), options(vec![server.url()])).await.unwrap());
    let second = Nats::open(NodeId(2), options(vec![server.url()])).await.unwrap();
    assert_eq!(next(&first).await, BusEvent::Joined(NodeId(2)));
    assert_eq!(next(&second).await, BusEvent::Joined(NodeId(1)));
    let sender = tokio::spawn({
        let first = first.clone();
        async move {
            for n in 1..=20_000u64 {
                let bytes = Bytes::copy_from_slice(&n.to_be_bytes());
                first.send(NodeId(2), bytes).expect("there is room, and the other is there");
                if n % 20 == 0 {
                    let _ = timeout(Duration::from_millis(2), std::future::pending::<()>()).await;
                }
            }
        }
    });
    let (mut last, mut missed, mut events) = (0, false, Vec::new());
    let mut lost = 0;
    while last < 20_000 {
        if last >= 3000 && events.is_empty() {
            server.kill().await;
            server.start_again().await;
            events.push(BusEvent::Cut);
        }
        match next(&second).await {
            BusEvent::Frame(_, bytes) => {
                let number = u64::from_be_bytes(bytes[..].try_into().unwrap());
                assert!(number == last + 1 || (number > last && missed), "{number} after {last}");
                lost += number - last - 1;
                (last, missed) = (number, false);
            }
            BusEvent::Missed(_) => missed = true,
            event @ (BusEvent::Cut | BusEvent::Healed) => events.push(event),
            other => panic!("{other:?}"),
        }
    }
    sender.await.unwrap();
    assert_eq!(events[1..], [BusEvent::Cut, BusEvent::Healed]);
    eprintln!("a restart of NATS: 20000 sent, {lost} lost and told, 0 out of order, 0 twice");
    assert_eq!(second.counters().reconnects.get(), 1);
}

/// The member of a cluster that a node is at is killed: it goes to another, and both know each other still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lives_through_the_loss_of_a_member() {
    let Some(mut servers) = Server::start_three().await else { return };
    let to = |at: [usize; 2]| options(at.iter().map(|at| servers[*at].url()).collect());
    let (to_first, to_second) = (to([0, 1]), to([2, 1]));
    let first = Nats::open(NodeId(1), to_first).await.unwrap();
    let second = Nats::open(NodeId(2), to_second).await.unwrap();
    assert_eq!(next(&first).await, BusEvent::Joined(NodeId(2)));
    assert_eq!(next(&second).await, BusEvent::Joined(NodeId(1)));
    // Whichever each is at.
    let mut cut = BTreeSet::new();
    for server in [0, 2] {
        servers[server].kill().await;
    }
    for n in 0..2000u32 {
        let _ = first.send(NodeId(2), Bytes::copy_from_slice(&n.to_be_bytes()));
        let heard = timeout(Duration::from_millis(20), async {
            loop {
                match second.next().await.expect("the bus is open") {
                    BusEvent::Frame(_, bytes) => return u32::from_be_bytes(bytes[..].try_into().unwrap()),
                    BusEvent::Gone(node) => panic!("{node} is gone"),
                    BusEvent::Cut => drop(cut.insert(2)),
                    _ => {}
                }
            }
        });
        if let Ok(number) = heard.await
            && number > 50
        {
            return;
        }
    }
    panic!("nothing is heard any more; cut: {cut:?}");
}
