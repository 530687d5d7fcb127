//! A man in the middle who ends TLS with a certificate of his own, reads and rewrites both ways, and must not get in.
//!
//! The client here has accepted his certificate: what is left to stop him is channel binding (RFC 5802 section 6,
//! RFC 9266, RFC 5929) and the protection of the offer (XEP-0474). A client that has neither of them, or sends the
//! password itself, is protected by the check of the certificate alone; the last test shows that the proxy can do that.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::pki_types::PrivateKeyDer;
use sha2::Digest as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use waxwing_tests::login::nonce;
use waxwing_tests::scram::{Hash, Scram};
use waxwing_tests::transport::{Tls, Transport};
use waxwing_tests::world::password;
use waxwing_tests::xml::Element;
use waxwing_tests::{Client, World};

use crate::sign_in::{self, PROFILES, Profile, verdict};
use crate::world::{figure, world};

/// What the man in the middle changes on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trick {
    /// Nothing: he relays and hopes.
    Relay,
    /// Takes the -PLUS mechanisms out of the offer.
    StripPlus,
    /// Takes out the list of channel bindings too (XEP-0440).
    StripBindings,
    /// The same, and makes the server's hash of the offer fit what is left (XEP-0474).
    FitHash,
    /// The same, and takes the hash out.
    DropHash,
    /// The same as `FitHash`, and tells the server that the client cannot bind.
    FlagN,
    /// Leaves only the weakest mechanism, and makes the hash fit.
    Weaken,
}

const TRICKS: [Trick; 7] = [
    Trick::Relay,
    Trick::StripPlus,
    Trick::StripBindings,
    Trick::FitHash,
    Trick::DropHash,
    Trick::FlagN,
    Trick::Weaken,
];

impl Trick {
    fn strips_mechanism(self, name: &str) -> bool {
        match self {
            Self::Relay => false,
            Self::Weaken => name != "SCRAM-SHA-1",
            _ => name.ends_with("-PLUS"),
        }
    }

    fn strips_bindings(self) -> bool {
        !matches!(self, Self::Relay | Self::StripPlus)
    }

    /// What the client gets instead of what the server wrote.
    fn rewrite_of_server(self, text: &str) -> String {
        let mut text = text.to_owned();
        let mut from = 0;
        while let Some(start) = text[from..].find("<mechanism>").map(|at| at + from) {
            let Some(end) = text[start..].find("</mechanism>").map(|at| at + start) else { break };
            let name = text[start + 11..end].to_owned();
            match self.strips_mechanism(&name) {
                true => text.replace_range(start..end + 12, ""),
                false => from = end,
            }
        }
        if self.strips_bindings()
            && let (Some(start), Some(end)) =
                (text.find("<sasl-channel-binding"), text.find("</sasl-channel-binding>"))
        {
            text.replace_range(start..end + 23, "");
        }
        if matches!(self, Self::FitHash | Self::DropHash | Self::FlagN | Self::Weaken) {
            text = rewrite(&text, "challenge", |message| self.rehash(message));
        }
        text
    }

    /// Replaces the hash of the offer in the server's first message.
    fn rehash(self, message: &str) -> String {
        let kept = message.split(',').filter(|field| !field.starts_with("h="));
        let mut message = kept.collect::<Vec<_>>().join(",");
        if self != Self::DropHash {
            let all = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];
            let left: Vec<String> =
                all.into_iter().filter(|name| !self.strips_mechanism(name)).map(str::to_owned).collect();
            // Every hash is tried; a client takes the one of its mechanism.
            message.push_str(&format!(",h={}", offer_hash(Hash::Sha256, &left, &[])));
        }
        message
    }

    /// What the server gets instead of what the client wrote.
    fn rewrite_of_client(self, text: &str) -> String {
        match self {
            Self::FlagN => {
                let flag = |message: &str| message.replacen("y,,", "n,,", 1);
                rewrite(&rewrite(text, "auth", flag), "initial-response", flag)
            }
            _ => text.to_owned(),
        }
    }
}

/// Changes the base64 text of an element.
fn rewrite(text: &str, name: &str, change: impl Fn(&str) -> String) -> String {
    let changed = || {
        let open = text.find(&format!("<{name}"))?;
        let start = open + text[open..].find('>')? + 1;
        let end = start + text[start..].find("</")?;
        let message = String::from_utf8(BASE64.decode(&text[start..end]).ok()?).ok()?;
        Some(format!("{}{}{}", &text[..start], BASE64.encode(change(&message)), &text[end..]))
    };
    changed().unwrap_or_else(|| text.to_owned())
}

/// XEP-0474 section 6.1.
fn offer_hash(hash: Hash, mechanisms: &[String], bindings: &[String]) -> String {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort();
        names.join("\x1e")
    };
    let mut text = sorted(mechanisms);
    if !bindings.is_empty() {
        text.push('\x1f');
        text.push_str(&sorted(bindings));
    }
    match hash {
        Hash::Sha1 => BASE64.encode(sha1::Sha1::digest(text.as_bytes())),
        Hash::Sha256 => BASE64.encode(sha2::Sha256::digest(text.as_bytes())),
        Hash::Sha512 => BASE64.encode(sha2::Sha512::digest(text.as_bytes())),
    }
}

/// Starts the man in the middle and returns where he listens.
async fn middle(world: &World, trick: Trick) -> SocketAddr {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(
                vec![key.cert.der().clone()],
                PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("a key"),
            )
            .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let server: SocketAddr = world.server.addresses().xmpps.parse().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { relay(acceptor.accept(stream).await?, server, trick).await });
        }
    });
    address
}

async fn relay(
    mut client: tokio_rustls::server::TlsStream<tokio::net::TcpStream>,
    server: SocketAddr,
    trick: Trick,
) -> Result<()> {
    // From another network each time, so that the server's delays for guessing are not what stops him.
    static TRIES: AtomicU32 = AtomicU32::new(1);
    let [_, _, a, b] = TRIES.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 30 + a, b, 1), 0).into())?;
    let mut server = Transport::Plain(socket.connect(server).await?).upgrade(&Tls::default()).await?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        tokio::select! {
            read = client.read(&mut buffer) => match read? {
                0 => return Ok(()),
                n => server.write(trick.rewrite_of_client(std::str::from_utf8(&buffer[..n])?).as_bytes()).await?,
            },
            read = server.read() => match read? {
                None => return Ok(client.shutdown().await?),
                Some(bytes) => {
                    client.write_all(trick.rewrite_of_server(std::str::from_utf8(&bytes)?).as_bytes()).await?;
                    client.flush().await?;
                }
            },
        }
    }
}

/// What a client can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ability {
    /// Binds to the channel by this type, and says so where it is not offered.
    Binds(&'static str),
    /// Cannot bind, but checks the hash of the offer.
    ChecksOffer,
}

/// What a client saw of the offer.
fn offered(client: &Client, profile: Profile) -> (Vec<String>, Vec<String>) {
    let text = |element: &Element, name: &str| {
        let children = element.children().filter(|child| child.name == name);
        children.map(Element::text).collect::<Vec<_>>()
    };
    let mechanisms = match profile {
        Profile::Sasl1 => client.mechanisms(),
        Profile::Sasl2 => client
            .features
            .child(sign_in::SASL2, "authentication")
            .map_or_else(Vec::new, |list| text(list, "mechanism")),
    };
    let bindings =
        client.features.child("urn:xmpp:sasl-cb:0", "sasl-channel-binding").map_or_else(Vec::new, |list| {
            list.children().filter_map(|binding| binding.attr("type").map(str::to_owned)).collect()
        });
    (mechanisms, bindings)
}

/// Signs in through whoever listens at an address, as a careful client does. An error is the client's own refusal.
async fn sign_in_through(
    address: SocketAddr,
    profile: Profile,
    hash_name: &str,
    ability: Ability,
) -> Result<String> {
    let transport = Transport::tls(&address.to_string(), &Tls::default()).await?;
    let mut client = Client::new(transport, "localhost", Default::default());
    client.open().await?;
    let (mechanisms, bindings) = offered(&client, profile);
    let plus = format!("{hash_name}-PLUS");
    let has = |name: &str| mechanisms.iter().any(|offered| offered == name);
    let (mechanism, gs2, data) = match ability {
        Ability::Binds(kind) if has(&plus) => {
            let data = match kind {
                "tls-exporter" => client.transport().exporter()?,
                _ => {
                    sha2::Sha256::digest(client.transport().certificate().context("a certificate")?).to_vec()
                }
            };
            (plus.as_str(), format!("p={kind},,"), data)
        }
        Ability::Binds(_) => (hash_name, "y,,".to_owned(), Vec::new()),
        Ability::ChecksOffer => (hash_name, "n,,".to_owned(), Vec::new()),
    };
    if !has(mechanism) {
        bail!("{mechanism} is not offered, and this client takes nothing weaker");
    }
    let hash = Hash::of(mechanism).context("a hash")?;
    let mut scram = Scram::new(hash, "romeo", &password("romeo"), &gs2, &data, &nonce());
    let challenge = sign_in::begin(&mut client, profile, mechanism, scram.first().as_bytes()).await?;
    if challenge.name != "challenge" {
        return Ok(verdict(&challenge).to_owned());
    }
    let server_first = sign_in::data(&challenge)?;
    let promised = server_first.split(',').find_map(|field| field.strip_prefix("h="));
    if promised.is_some_and(|promised| promised != offer_hash(hash, &mechanisms, &bindings)) {
        bail!("the offer was tampered with (XEP-0474 section 6.2)");
    }
    let last = scram.answer(&server_first)?;
    let outcome = sign_in::respond(&mut client, profile, &last).await?;
    if outcome.name == "success" {
        scram.check(&sign_in::data(&outcome)?)?;
    }
    Ok(verdict(&outcome).to_owned())
}

/// Every trick against every mechanism, by clients that bind to the channel: no login.
#[tokio::test]
async fn a_client_that_binds_is_never_signed_in_for_the_man_in_the_middle() {
    let world = world().await;
    world.user("romeo");
    let (mut tries, mut refused, mut noticed) = (0, 0, 0);
    for trick in TRICKS {
        let address = middle(&world, trick).await;
        for profile in PROFILES {
            for mechanism in ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"] {
                for kind in ["tls-exporter", "tls-server-end-point"] {
                    tries += 1;
                    match sign_in_through(address, profile, mechanism, Ability::Binds(kind)).await {
                        Ok(answer) => {
                            assert_eq!(answer, "not-authorized", "{trick:?} {mechanism} {profile:?} {kind}");
                            refused += 1;
                        }
                        Err(_) => noticed += 1,
                    }
                }
            }
        }
        // Without him the same client gets in.
        let direct = world.server.addresses().xmpps.parse().unwrap();
        for kind in ["tls-exporter", "tls-server-end-point"] {
            let outcome =
                sign_in_through(direct, Profile::Sasl2, "SCRAM-SHA-256", Ability::Binds(kind)).await;
            assert_eq!(outcome.unwrap(), "success", "{kind}");
        }
    }
    assert!(refused > 0 && noticed > 0, "{refused} {noticed}");
    figure(&format!(
        "man in the middle, client binds to the channel: {tries} tries, 0 logins ({refused} refused by the server, \
         {noticed} given up by the client)"
    ));
}

/// XEP-0474: whoever strips the offer is noticed, whether or not he also bends the hash that would show it.
#[tokio::test]
async fn a_stripped_offer_signs_nobody_in() {
    let world = world().await;
    world.user("romeo");
    let (mut tries, mut refused, mut noticed) = (0, 0, 0);
    for trick in TRICKS.into_iter().filter(|trick| *trick != Trick::Relay) {
        let address = middle(&world, trick).await;
        for profile in PROFILES {
            for mechanism in ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"] {
                tries += 1;
                match sign_in_through(address, profile, mechanism, Ability::ChecksOffer).await {
                    Ok(answer) => {
                        assert_eq!(answer, "not-authorized", "{trick:?} {mechanism} {profile:?}");
                        refused += 1;
                    }
                    Err(_) => noticed += 1,
                }
            }
        }
    }
    assert!(refused > 0 && noticed > 0, "{refused} {noticed}");
    figure(&format!(
        "stripped offer, client checks it (XEP-0474): {tries} tries, 0 logins ({refused} refused by the server, \
         {noticed} given up by the client)"
    ));
}

/// The proxy does relay: a client that cannot bind, and has accepted its certificate, is signed in through it. This is
/// what the other tests would show if nothing stopped it.
#[tokio::test]
async fn the_man_in_the_middle_can_relay() {
    let world = world().await;
    world.user("romeo");
    let address = middle(&world, Trick::Relay).await;
    for profile in PROFILES {
        let outcome = sign_in_through(address, profile, "SCRAM-SHA-256", Ability::ChecksOffer).await;
        assert_eq!(outcome.unwrap(), "success", "{profile:?}");
    }
}
