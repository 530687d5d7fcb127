//! Signing in by every mechanism and in both profiles, with whatever identity, flag and binding an attack asks for.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use waxwing_tests::login::SASL;
use waxwing_tests::scram::Scram;
use waxwing_tests::xml::Element;
use waxwing_tests::{Client, World};

/// The namespace of XEP-0388.
pub(crate) const SASL2: &str = "urn:xmpp:sasl:2";

/// The mechanisms that prove a password without sending it.
pub(crate) const SCRAM: [&str; 6] = [
    "SCRAM-SHA-512-PLUS",
    "SCRAM-SHA-256-PLUS",
    "SCRAM-SHA-1-PLUS",
    "SCRAM-SHA-512",
    "SCRAM-SHA-256",
    "SCRAM-SHA-1",
];

/// How SASL is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// RFC 6120 section 6.
    Sasl1,
    /// XEP-0388.
    Sasl2,
}

pub(crate) const PROFILES: [Profile; 2] = [Profile::Sasl1, Profile::Sasl2];

/// Begins an exchange with this message and returns the answer.
pub(crate) async fn begin(
    client: &mut Client,
    profile: Profile,
    mechanism: &str,
    message: &[u8],
) -> Result<Element> {
    let first = BASE64.encode(message);
    let text = match profile {
        Profile::Sasl1 => format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>"),
        Profile::Sasl2 => format!(
            "<authenticate xmlns='{SASL2}' mechanism='{mechanism}'>\
             <initial-response>{first}</initial-response></authenticate>"
        ),
    };
    client.send_raw(text).await?;
    client.next().await
}

/// Goes on with an exchange.
pub(crate) async fn respond(client: &mut Client, profile: Profile, message: &str) -> Result<Element> {
    let ns = match profile {
        Profile::Sasl1 => SASL,
        Profile::Sasl2 => SASL2,
    };
    client.send_raw(format!("<response xmlns='{ns}'>{}</response>", BASE64.encode(message))).await?;
    client.next().await
}

/// What a challenge or a success says to the mechanism.
pub(crate) fn data(answer: &Element) -> Result<String> {
    let text = match answer.child(SASL2, "additional-data") {
        Some(data) => data.text(),
        None => answer.text(),
    };
    Ok(String::from_utf8(BASE64.decode(text.trim())?)?)
}

/// Runs a prepared SCRAM exchange to the server's last word. The server's own proof is checked.
pub(crate) async fn scram(
    client: &mut Client,
    profile: Profile,
    mechanism: &str,
    mut scram: Scram,
) -> Result<Element> {
    let challenge = begin(client, profile, mechanism, scram.first().as_bytes()).await?;
    if challenge.name != "challenge" {
        return Ok(challenge);
    }
    let last = scram.answer(&data(&challenge)?)?;
    let outcome = respond(client, profile, &last).await?;
    if outcome.name == "success" {
        scram.check(&data(&outcome)?)?;
    }
    Ok(outcome)
}

/// Signs in with a password in clear.
pub(crate) async fn plain(
    client: &mut Client,
    profile: Profile,
    authzid: &str,
    user: &str,
    secret: &str,
) -> Result<Element> {
    begin(client, profile, "PLAIN", format!("{authzid}\0{user}\0{secret}").as_bytes()).await
}

/// `success`, the condition of a failure, or the name of whatever else came.
pub(crate) fn verdict(outcome: &Element) -> &str {
    match outcome.name.as_str() {
        "failure" | "error" => outcome.children().next().map_or("nothing", |child| child.name.as_str()),
        other => other,
    }
}

/// A stream under TLS, from an address of the loopback network.
pub(crate) async fn secured_from(world: &World, source: [u8; 4]) -> Result<Client> {
    use waxwing_tests::transport::{Tls, Transport};
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind((std::net::Ipv4Addr::from(source), 0).into())?;
    let stream = socket.connect(world.server.addresses().xmpps.parse().context("an address")?).await?;
    stream.set_nodelay(true)?;
    let transport = Transport::Plain(stream).upgrade(&Tls::default()).await?;
    let mut client = Client::new(transport, "localhost", Default::default());
    client.open().await?;
    Ok(client)
}
