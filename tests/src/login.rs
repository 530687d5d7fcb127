//! How a client comes onto a stream: headers, STARTTLS, SASL, resource binding (RFC 6120 sections 4 to 7).

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::client::Client;
use crate::scram::{Hash, Scram};
use crate::transport::Tls;
use crate::xml::{Element, Item, STREAMS};

/// The namespace of STARTTLS.
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// The namespace of SASL.
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// The namespace of resource binding.
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";

/// A nonce for SCRAM that differs from call to call.
pub fn nonce() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}

impl Client {
    /// Sends the opening of a stream, without waiting for an answer.
    pub async fn send_header(&mut self) -> Result<()> {
        let (to, lang) = (&self.domain, &self.language);
        let header = match self.transport().is_websocket() {
            true => format!("<open xmlns='{FRAMING}' to='{to}' version='1.0' xml:lang='{lang}'/>"),
            false => format!(
                "<?xml version='1.0'?><stream:stream to='{to}' version='1.0' xml:lang='{lang}' xmlns='jabber:client' \
                 xmlns:stream='{STREAMS}'>"
            ),
        };
        self.send_raw(header).await
    }

    /// Reads the header of the server's stream.
    pub async fn read_header(&mut self) -> Result<()> {
        self.header = match self.next_item().await? {
            Some(Item::Open(header)) => header,
            Some(Item::Element(open)) if open.is(FRAMING, "open") => open,
            other => bail!("expected the header of a stream, got {other:?}\n{}", self.said()),
        };
        Ok(())
    }

    /// Opens a stream: header, answer, features.
    pub async fn open(&mut self) -> Result<()> {
        self.send_header().await?;
        self.read_header().await?;
        self.read_features().await
    }

    /// Reads the stream's features.
    pub async fn read_features(&mut self) -> Result<()> {
        let features = self.next().await?;
        ensure!(features.is(STREAMS, "features"), "expected features, got {features}");
        self.features = features;
        Ok(())
    }

    /// Opens a stream anew after TLS or SASL.
    pub async fn reopen(&mut self) -> Result<()> {
        self.restart();
        self.open().await
    }

    /// STARTTLS, and the stream that follows (RFC 6120 section 5.4).
    pub async fn starttls(&mut self, tls: &Tls) -> Result<()> {
        self.send(&format!("<starttls xmlns='{TLS}'/>")).await;
        let answer = self.next().await?;
        ensure!(answer.is(TLS, "proceed"), "expected <proceed/>, got {answer}");
        self.upgrade(tls).await?;
        self.open().await
    }

    /// The SASL mechanisms that were announced.
    pub fn mechanisms(&self) -> Vec<String> {
        let mechanisms = self.features.child(SASL, "mechanisms");
        mechanisms.into_iter().flat_map(Element::children).map(Element::text).collect()
    }

    /// Channel binding as a mechanism's name asks for it: the GS2 header and the data.
    pub fn binding_for(&self, mechanism: &str) -> Result<(String, Vec<u8>)> {
        match mechanism.ends_with("-PLUS") {
            true => Ok(("p=tls-exporter,,".to_owned(), self.transport().exporter()?)),
            false => Ok(("n,,".to_owned(), Vec::new())),
        }
    }

    /// Authenticates and returns the server's last word, `<success/>` or `<failure/>`; the server's signature is
    /// checked.
    pub async fn authenticate(&mut self, mechanism: &str, user: &str, password: &str) -> Result<Element> {
        if mechanism == "PLAIN" {
            let text = BASE64.encode(format!("\0{user}\0{password}"));
            self.send(&format!("<auth xmlns='{SASL}' mechanism='PLAIN'>{text}</auth>")).await;
            return self.next().await;
        }
        let hash = Hash::of(mechanism).with_context(|| format!("unknown mechanism {mechanism}"))?;
        let (gs2, binding) = self.binding_for(mechanism)?;
        let scram = Scram::new(hash, user, password, &gs2, &binding, &nonce());
        self.scram(mechanism, scram).await
    }

    /// Runs a prepared SCRAM exchange.
    pub async fn scram(&mut self, mechanism: &str, mut scram: Scram) -> Result<Element> {
        let first = BASE64.encode(scram.first());
        self.send(&format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{first}</auth>")).await;
        let challenge = self.next().await?;
        if !challenge.is(SASL, "challenge") {
            return Ok(challenge);
        }
        let server_first = String::from_utf8(BASE64.decode(challenge.text())?)?;
        let answer = BASE64.encode(scram.answer(&server_first)?);
        self.send(&format!("<response xmlns='{SASL}'>{answer}</response>")).await;
        let outcome = self.next().await?;
        if outcome.is(SASL, "success") {
            scram.check(&String::from_utf8(BASE64.decode(outcome.text())?)?)?;
        }
        Ok(outcome)
    }

    /// Authenticates with SCRAM-SHA-256, opens the stream anew, and binds a resource; an empty one is left to the
    /// server.
    pub async fn sign_in(&mut self, user: &str, password: &str, resource: &str) -> Result<()> {
        let outcome = self.authenticate("SCRAM-SHA-256", user, password).await?;
        ensure!(outcome.is(SASL, "success"), "signing in as {user} failed: {outcome}\n{}", self.said());
        self.reopen().await?;
        self.bind(resource).await
    }

    /// Binds a resource (RFC 6120 section 7).
    pub async fn bind(&mut self, resource: &str) -> Result<()> {
        let wish = match resource {
            "" => String::new(),
            name => format!("<resource>{}</resource>", crate::xml::escape(name)),
        };
        let answer = self.ask("set", None, &format!("<bind xmlns='{BIND}'>{wish}</bind>")).await;
        let jid = answer.child(BIND, "bind").and_then(|bind| bind.children().next()).map(Element::text);
        self.jid = Some(jid.with_context(|| format!("binding failed: {answer}"))?);
        Ok(())
    }
}
