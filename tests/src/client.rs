//! A client that sends what it is told and compares what arrives.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use tokio::time::timeout;

use crate::pattern::{self, Captures};
use crate::server::PATIENCE;
use crate::transport::{Tls, Transport};
use crate::xml::{Element, Item, Reader, STREAMS};

const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
const SM: &str = "urn:xmpp:sm:3";
const HINTS: &str = "urn:xmpp:hints";

/// Captured names, shared by all clients of a world.
pub type SharedCaptures = Arc<Mutex<Captures>>;

/// One connection.
pub struct Client {
    pub(crate) transport: Option<Transport>,
    reader: Reader,
    inbox: VecDeque<Item>,
    captures: SharedCaptures,
    /// The domain that streams are opened to.
    pub domain: String,
    /// The language of the streams that are opened.
    pub language: String,
    /// The full address, once a resource is bound.
    pub jid: Option<String>,
    /// The header of the server's latest stream.
    pub header: Element,
    /// The features it announced last.
    pub features: Element,
    transcript: Vec<String>,
    sequence: u32,
}

impl Client {
    /// Wraps a connection.
    pub fn new(transport: Transport, domain: &str, captures: SharedCaptures) -> Self {
        Self {
            transport: Some(transport),
            reader: Reader::stream(),
            inbox: VecDeque::new(),
            captures,
            domain: domain.to_owned(),
            language: "en".to_owned(),
            jid: None,
            header: Element::default(),
            features: Element::default(),
            transcript: Vec::new(),
            sequence: 0,
        }
    }

    /// The full address that was bound.
    pub fn full(&self) -> &str {
        self.jid.as_deref().expect("no resource is bound")
    }

    /// The account's address.
    pub fn bare(&self) -> &str {
        self.full().split('/').next().unwrap_or_default()
    }

    /// What was captured under a name.
    pub fn captured(&self, name: &str) -> String {
        let captures = self.captures.lock().unwrap_or_else(PoisonError::into_inner);
        captures.get(name).unwrap_or_else(|| panic!("nothing was captured as {{{name}}}")).clone()
    }

    /// Forgets a captured name, so that it can be captured anew.
    pub fn forget(&self, name: &str) {
        self.captures.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The connection, to look at its TLS state.
    pub fn transport(&self) -> &Transport {
        self.transport.as_ref().expect("the connection is gone")
    }

    /// The connection, to write to it what is no stanza.
    pub fn transport_mut(&mut self) -> &mut Transport {
        self.transport.as_mut().expect("the connection is gone")
    }

    /// Writes bytes as they are.
    pub async fn send_raw(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.transcript.push(format!("C: {}", String::from_utf8_lossy(bytes.as_ref())));
        self.transport.as_mut().context("the connection is gone")?.write(bytes.as_ref()).await
    }

    /// Sends one element, with captured names replaced. On a WebSocket it gets its namespace declaration.
    pub async fn send(&mut self, text: &str) {
        let text = {
            let captures = self.captures.lock().unwrap_or_else(PoisonError::into_inner);
            pattern::substitute(text, &captures)
        };
        let text = match self.transport.as_ref().is_some_and(Transport::is_websocket) {
            true => Element::parse(&text).expect("what is sent must be XML").standalone(),
            false => text,
        };
        if let Err(error) = self.send_raw(text).await {
            panic!("sending failed: {error}\n{}", self.said());
        }
    }

    /// What comes next: a stream's opening, an element, its closing; `None` at the end of the connection.
    pub async fn next_item(&mut self) -> Result<Option<Item>> {
        loop {
            if let Some(item) = self.inbox.pop_front() {
                return Ok(Some(item));
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Reads once from the connection into the inbox; false at its end.
    async fn fill(&mut self) -> Result<bool> {
        let Some(transport) = self.transport.as_mut() else {
            return Ok(false);
        };
        let Ok(read) = timeout(PATIENCE, transport.read()).await else {
            bail!("nothing arrived for {} s", PATIENCE.as_secs());
        };
        let Some(bytes) = read? else { return Ok(false) };
        if bytes.is_empty() {
            return Ok(true);
        }
        self.transcript.push(format!("S: {}", String::from_utf8_lossy(&bytes)));
        if !transport.is_websocket() {
            self.inbox.extend(self.reader.feed(&bytes)?);
            return Ok(true);
        }
        let element = Reader::frame(&bytes)?;
        self.inbox.push_back(match element.is(FRAMING, "close") {
            true => Item::Close,
            false => Item::Element(element),
        });
        Ok(true)
    }

    /// The next element, whatever it is.
    pub async fn next(&mut self) -> Result<Element> {
        match self.next_item().await? {
            Some(Item::Element(element)) => Ok(element),
            Some(other) => bail!("expected an element, got {other:?}"),
            None => bail!("expected an element, the connection ended"),
        }
    }

    /// The next element must match the pattern (see [`crate::pattern`]). A request for an acknowledgement (XEP-0198)
    /// that nobody waits for is passed over.
    #[track_caller]
    pub fn expect<'a>(&'a mut self, wanted: &'a str) -> impl Future<Output = Element> + 'a {
        let at = Location::caller();
        async move {
            let pattern = Element::parse(wanted).expect("a pattern must be XML");
            let element = self.next_for(&pattern, at).await;
            if let Err(reason) = self.matches(&pattern, &element) {
                panic!("{at}: {reason}\nexpected: {wanted}\ngot:      {element}\n{}", self.said());
            }
            element
        }
    }

    /// The next elements must match these patterns, in any order.
    #[track_caller]
    pub fn expect_all<'a>(&'a mut self, wanted: &'a [&'a str]) -> impl Future<Output = ()> + 'a {
        let at = Location::caller();
        async move {
            let mut patterns: Vec<Element> =
                wanted.iter().map(|text| Element::parse(text).expect("a pattern must be XML")).collect();
            while !patterns.is_empty() {
                let element = self.next_for(&patterns[0], at).await;
                match patterns.iter().position(|pattern| self.matches(pattern, &element).is_ok()) {
                    Some(index) => drop(patterns.remove(index)),
                    None => panic!("{at}: none of {patterns:#?} is\n{element}\n{}", self.said()),
                }
            }
        }
    }

    async fn next_for(&mut self, pattern: &Element, at: &Location<'_>) -> Element {
        loop {
            match self.next().await {
                Ok(element) if element.is(SM, "r") && !pattern.is(SM, "r") => {}
                Ok(element) => return element,
                Err(error) => panic!("{at}: {error}\nexpected: {pattern}\n{}", self.said()),
            }
        }
    }

    fn matches(&self, pattern: &Element, element: &Element) -> Result<(), String> {
        let mut captures = self.captures.lock().unwrap_or_else(PoisonError::into_inner);
        pattern::compare(pattern, element, self.jid.as_deref(), &mut captures)
    }

    /// Sends an IQ with an id of its own and returns the answer; what else arrives meanwhile stays in the inbox.
    #[track_caller]
    pub fn ask<'a>(
        &'a mut self,
        kind: &'a str,
        to: Option<&'a str>,
        payload: &'a str,
    ) -> impl Future<Output = Element> + 'a {
        let at = Location::caller();
        async move {
            self.sequence += 1;
            let id = format!("ask-{}", self.sequence);
            let to = to.map(|to| format!(" to='{}'", crate::xml::escape(to))).unwrap_or_default();
            self.send(&format!("<iq type='{kind}' id='{id}'{to}>{payload}</iq>")).await;
            let answers = |element: &Element| {
                element.name == "iq"
                    && element.attr("id") == Some(id.as_str())
                    && matches!(element.attr("type"), Some("result" | "error"))
            };
            self.take_when(answers, at).await
        }
    }

    /// Waits for the first element that fulfils the condition, and leaves all others in the inbox.
    async fn take_when(&mut self, condition: impl Fn(&Element) -> bool, at: &Location<'_>) -> Element {
        let mut looked_at = 0;
        loop {
            while looked_at < self.inbox.len() {
                if matches!(&self.inbox[looked_at], Item::Element(element) if condition(element))
                    && let Some(Item::Element(element)) = self.inbox.remove(looked_at)
                {
                    return element;
                }
                looked_at += 1;
            }
            match self.fill().await {
                Ok(true) => {}
                Ok(false) => panic!("{at}: the connection ended\n{}", self.said()),
                Err(error) => panic!("{at}: {error}\n{}", self.said()),
            }
        }
    }

    /// One round trip to the server: everything that was on its way to this client is in the inbox afterwards. The
    /// request goes to the client's own full address, so that it comes back the way that stanzas of others come; the
    /// server's own answers may take a shorter way.
    #[track_caller]
    pub fn round_trip(&mut self) -> impl Future<Output = ()> + '_ {
        let at = Location::caller();
        async move {
            self.sequence += 1;
            let id = format!("round-trip-{}", self.sequence);
            let to = self.full().to_owned();
            self.send(&format!("<iq type='get' to='{to}' id='{id}'><ping xmlns='urn:xmpp:ping'/></iq>"))
                .await;
            let own = |element: &Element| element.name == "iq" && element.attr("id") == Some(id.as_str());
            self.take_when(own, at).await;
        }
    }

    /// Waits until the server has handled all that this client has sent, messages to be stored included: they are
    /// committed in the order they were sent, so a message to oneself returns after all that went before.
    #[track_caller]
    pub fn settle(&mut self) -> impl Future<Output = ()> + '_ {
        let at = Location::caller();
        async move {
            self.sequence += 1;
            let id = format!("settle-{}", self.sequence);
            let to = self.full().to_owned();
            self.send(&format!(
                "<message to='{to}' type='chat' id='{id}'><body>settle</body><private xmlns='urn:xmpp:carbons:2'/>\
                 <no-copy xmlns='{HINTS}'/></message>"
            ))
            .await;
            let own =
                |element: &Element| element.name == "message" && element.attr("id") == Some(id.as_str());
            self.take_when(own, at).await;
            self.round_trip().await;
        }
    }

    /// Nothing is in the inbox, nor on its way from the server.
    #[track_caller]
    pub fn expect_nothing(&mut self) -> impl Future<Output = ()> + '_ {
        self.nothing(Location::caller())
    }

    /// Nothing of what the other has sent so far reaches this client.
    #[track_caller]
    pub fn expect_nothing_from<'a>(&'a mut self, other: &'a mut Self) -> impl Future<Output = ()> + 'a {
        let at = Location::caller();
        async move {
            other.settle().await;
            self.nothing(at).await;
        }
    }

    async fn nothing(&mut self, at: &Location<'_>) {
        self.round_trip().await;
        self.discard(|element| element.is(SM, "r"));
        if let Some(item) = self.inbox.front() {
            panic!("{at}: expected nothing, got {item:?}\n{}", self.said());
        }
    }

    /// Throws away all that has arrived or is on its way.
    pub async fn clear(&mut self) {
        self.round_trip().await;
        self.inbox.clear();
    }

    /// Throws away from the inbox what fulfils the condition.
    pub fn discard(&mut self, condition: impl Fn(&Element) -> bool) {
        self.inbox.retain(|item| !matches!(item, Item::Element(element) if condition(element)));
    }

    /// All elements that have arrived or are on their way, taken out of the inbox.
    pub async fn drain(&mut self) -> Vec<Element> {
        self.round_trip().await;
        let element = |item| match item {
            Item::Element(element) => Some(element),
            Item::Open(_) | Item::Close => None,
        };
        self.inbox.drain(..).filter_map(element).collect()
    }

    /// The server ends the stream with this error: the error, the closing tag, the end of the connection
    /// (RFC 6120 section 4.9.1.1).
    #[track_caller]
    pub fn expect_stream_error<'a>(&'a mut self, condition: &'a str) -> impl Future<Output = Element> + 'a {
        let at = Location::caller();
        async move {
            let pattern = Element::parse(&format!(
                "<stream:error><{condition} xmlns='{STREAM_ERRORS}'/></stream:error>"
            ))
            .expect("a condition is a name");
            let error = self.next_for(&pattern, at).await;
            let matches = error.is(STREAMS, "error") && error.child(STREAM_ERRORS, condition).is_some();
            assert!(matches, "{at}: expected the stream error {condition}, got {error}\n{}", self.said());
            self.expect_end_at(at).await;
            error
        }
    }

    /// The server closes the stream and then the connection.
    #[track_caller]
    pub fn expect_end(&mut self) -> impl Future<Output = ()> + '_ {
        self.expect_end_at(Location::caller())
    }

    async fn expect_end_at(&mut self, at: &Location<'_>) {
        match self.next_item().await {
            Ok(Some(Item::Close)) => {}
            other => panic!("{at}: expected the end of the stream, got {other:?}\n{}", self.said()),
        }
        match self.next_item().await {
            Ok(None) => self.transport = None,
            other => panic!("{at}: expected the end of the connection, got {other:?}\n{}", self.said()),
        }
    }

    /// Closes the stream in order (RFC 6120 section 4.4).
    pub async fn close(mut self) {
        let closing = match self.transport().is_websocket() {
            true => format!("<close xmlns='{FRAMING}'/>"),
            false => "</stream:stream>".to_owned(),
        };
        self.send_raw(closing).await.expect("the connection is gone");
        loop {
            match self.next_item().await {
                Ok(Some(Item::Close)) => break,
                Ok(Some(_)) => {}
                other => panic!("expected the end of the stream, got {other:?}\n{}", self.said()),
            }
        }
    }

    /// Cuts the connection without a word.
    pub fn cut(&mut self) {
        self.transport = None;
    }

    /// Starts TLS on the connection, and a new stream's reader.
    pub async fn upgrade(&mut self, tls: &Tls) -> Result<()> {
        let transport = self.transport.take().context("the connection is gone")?;
        self.transport = Some(transport.upgrade(tls).await?);
        self.restart();
        Ok(())
    }

    /// Reads from now on as at the beginning of a stream.
    pub fn restart(&mut self) {
        self.reader = Reader::stream();
        self.inbox.clear();
    }

    /// The conversation so far, for messages of failure.
    pub fn said(&self) -> String {
        let start = self.transcript.len().saturating_sub(30);
        let who = self.jid.as_deref().unwrap_or("a client without a resource");
        format!("---- conversation of {who} ----\n{}", self.transcript[start..].join("\n"))
    }
}
