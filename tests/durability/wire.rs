//! A client's connection, and the ways onto a stream: RFC 6120 step by step, or SASL2 with Bind 2 in one round trip.

use std::collections::VecDeque;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::time::timeout;
use waxwing_tests::server::{Addresses, PATIENCE};
use waxwing_tests::transport::{Tls, Transport};
use waxwing_tests::world::password;
use waxwing_tests::xml::{Element, Item, Reader, STREAMS};

pub(crate) const SM: &str = "urn:xmpp:sm:3";
pub(crate) const CARBONS: &str = "urn:xmpp:carbons:2";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const SASL2: &str = "urn:xmpp:sasl:2";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const BIND2: &str = "urn:xmpp:bind:0";

/// How a client comes onto a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// SASL2, Bind 2 and stream management in one round trip (XEP-0388, XEP-0386). What waits is left to the archive.
    AtOnce,
    /// One step after the other, as RFC 6120 has it.
    StepByStep,
}

/// What signing in came to.
pub(crate) enum SignedIn {
    /// The stream goes on; the server has handled so many of the client's stanzas.
    Resumed(u32),
    /// A new session; its stream can be resumed under this id.
    Anew(String),
}

/// A connection.
pub(crate) struct Wire {
    transport: Transport,
    way: Way,
    reader: Reader,
    inbox: VecDeque<Item>,
}

impl Wire {
    /// Connects with TLS from the first byte, which SASL2 asks for, or in the clear, which costs less, where that is offered.
    pub(crate) async fn connect(to: &Addresses, way: Way) -> Result<Self> {
        let transport = match way {
            Way::StepByStep if !to.xmpp.is_empty() => Transport::plain(&to.xmpp).await?,
            Way::AtOnce | Way::StepByStep => Transport::tls(&to.xmpps, &Tls::default()).await?,
        };
        Ok(Self { transport, way, reader: Reader::stream(), inbox: VecDeque::new() })
    }

    pub(crate) async fn send(&mut self, text: &str) -> Result<()> {
        self.transport.write(text.as_bytes()).await
    }

    async fn item(&mut self) -> Result<Item> {
        loop {
            if let Some(item) = self.inbox.pop_front() {
                return Ok(item);
            }
            let read = timeout(PATIENCE, self.transport.read()).await.context("nothing arrives")??;
            self.inbox.extend(self.reader.feed(&read.context("the connection ended")?)?);
        }
    }

    /// The next element. Safe to give up: what was read stays.
    pub(crate) async fn element(&mut self) -> Result<Element> {
        match self.item().await? {
            Item::Element(element) => Ok(element),
            other => bail!("expected an element, got {other:?}"),
        }
    }

    /// Opens a stream; returns its features.
    async fn open(&mut self) -> Result<Element> {
        self.reader = Reader::stream();
        self.send(&format!(
            "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xml:lang='en' xmlns='jabber:client' \
             xmlns:stream='{STREAMS}'>"
        ))
        .await?;
        let header = self.item().await?;
        ensure!(matches!(header, Item::Open(_)), "expected the header of a stream, got {header:?}");
        self.element().await
    }

    /// Signs in as a user, with the resumption of an earlier stream if there is one, and otherwise with a new session
    /// whose stream can be resumed and that gets carbons. Step by step, carbons are the caller's to enable.
    pub(crate) async fn sign_in(
        &mut self,
        user: &str,
        resource: &str,
        resume: Option<(&str, u32)>,
    ) -> Result<SignedIn> {
        let resume = resume.map(|(id, h)| format!("<resume xmlns='{SM}' h='{h}' previd='{id}'/>"));
        let credentials = BASE64.encode(format!("\0{user}\0{}", password(user)));
        self.open().await?;
        match self.way {
            Way::AtOnce => self.at_once(&credentials, resource, resume).await,
            Way::StepByStep => self.step_by_step(&credentials, resource, resume).await,
        }
    }

    async fn at_once(
        &mut self,
        credentials: &str,
        resource: &str,
        resume: Option<String>,
    ) -> Result<SignedIn> {
        self.send(&format!(
            "<authenticate xmlns='{SASL2}' mechanism='PLAIN'><initial-response>{credentials}</initial-response>\
             <user-agent id='d4565fa7-4d72-4749-b3d3-{:012x}'><software>{resource}</software></user-agent>{}\
             <bind xmlns='{BIND2}'><tag>{resource}</tag><enable xmlns='{CARBONS}'/>\
             <enable xmlns='{SM}' resume='true'/></bind></authenticate>",
            resource.bytes().fold(0, |sum: u64, byte| (sum * 31 + u64::from(byte)) % (1 << 48)),
            resume.as_deref().unwrap_or_default()
        ))
        .await?;
        let success = self.element().await?;
        ensure!(success.is(SASL2, "success"), "expected success, got {success}");
        if let Some(failed) = success.child(SM, "failed") {
            not_found(failed)?;
        }
        if let Some(resumed) = success.child(SM, "resumed") {
            // XEP-0198 section 9.2: no features follow.
            return Ok(SignedIn::Resumed(count(resumed)?));
        }
        let enabled = success.child(BIND2, "bound").and_then(|bound| bound.child(SM, "enabled"));
        let id = id(enabled.with_context(|| format!("no session: {success}"))?)?;
        let features = self.element().await?;
        ensure!(features.is(STREAMS, "features"), "expected features, got {features}");
        Ok(SignedIn::Anew(id))
    }

    async fn step_by_step(
        &mut self,
        credentials: &str,
        resource: &str,
        resume: Option<String>,
    ) -> Result<SignedIn> {
        self.send(&format!("<auth xmlns='{SASL}' mechanism='PLAIN'>{credentials}</auth>")).await?;
        let success = self.element().await?;
        ensure!(success.is(SASL, "success"), "expected success, got {success}");
        self.open().await?;
        if let Some(resume) = resume {
            self.send(&resume).await?;
            let answer = self.element().await?;
            if answer.is(SM, "resumed") {
                return Ok(SignedIn::Resumed(count(&answer)?));
            }
            not_found(&answer)?;
        }
        self.send(&format!(
            "<iq type='set' id='bind'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>\
             <enable xmlns='{SM}' resume='true'/>"
        ))
        .await?;
        let bound = self.element().await?;
        ensure!(bound.child(BIND, "bind").is_some(), "expected a resource, got {bound}");
        // Messages to the account may come as soon as the resource is there, but it is not available yet.
        let enabled = self.element().await?;
        ensure!(enabled.is(SM, "enabled"), "expected <enabled/>, got {enabled}");
        Ok(SignedIn::Anew(id(&enabled)?))
    }
}

/// The answer to an id that is not, or no longer, or not for this account to resume (XEP-0198 section 5).
fn not_found(failed: &Element) -> Result<()> {
    let is_right = failed.is(SM, "failed") && failed.child(STANZAS, "item-not-found").is_some();
    ensure!(is_right, "expected item-not-found, got {failed}");
    Ok(())
}

/// The count in `<a/>` or `<resumed/>`.
pub(crate) fn count(element: &Element) -> Result<u32> {
    Ok(element.attr("h").context("no h")?.parse()?)
}

fn id(enabled: &Element) -> Result<String> {
    enabled.attr("id").map(str::to_owned).context("the stream cannot be resumed")
}
