//! A client of any XMPP server, made to cost little itself (RFC 6120, RFC 7395).

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::Range;
use std::rc::Rc;

use anyhow::{Context as _, Result, bail, ensure};
use rustls_pki_types::ServerName;
use tokio::net::TcpSocket;
use waxwing_xmpp::ns::{self, FRAMING};
use waxwing_xmpp::xml::Element;

use crate::split::{Piece, Splitter};
use crate::target::{Target, Transport};
use crate::websocket::{self, Frame};
use crate::wire::Wire;
use crate::{json, random, sign_in};

/// How stanzas lie in the bytes.
enum Framing {
    Stream(Splitter),
    /// With the parts of a message whose rest has not arrived.
    WebSocket {
        mask: [u8; 4],
        parts: Vec<u8>,
    },
}

/// One connection.
pub(crate) struct Client {
    pub(crate) target: Rc<Target>,
    wire: Wire,
    framing: Framing,
    inbox: Vec<u8>,
    /// How much of the inbox has been dealt with.
    taken: usize,
    outbox: Vec<u8>,
    pub(crate) features: Element,
    /// The account's name.
    pub(crate) username: String,
    /// The full address, once bound.
    pub(crate) jid: String,
    /// Stanzas received since stream management was turned on (XEP-0198 section 4).
    handled: Option<u32>,
    /// The last count that the server has confirmed.
    pub(crate) confirmed: u32,
}

impl Client {
    /// Connects and opens the stream, with TLS if that is how the server is spoken to. With `--floor`, only connects.
    /// The server is that of the account with this number.
    pub(crate) async fn connect(target: &Rc<Target>, number: usize) -> Result<Self> {
        let (server, address) = target.server(number);
        let wire = Self::wire(target, address).await?;
        let framing = match (target.options.floor, target.websocket()) {
            (_, true) => Framing::WebSocket { mask: random::bytes(), parts: Vec::new() },
            (true, false) => Framing::Stream(Splitter::inside()),
            (false, false) => Framing::Stream(Splitter::default()),
        };
        let mut client = Self {
            target: Rc::clone(target),
            wire,
            framing,
            inbox: Vec::new(),
            taken: 0,
            outbox: Vec::new(),
            features: Element::new(ns::STREAMS, "features"),
            username: String::new(),
            jid: String::new(),
            handled: None,
            confirmed: 0,
        };
        match target.options.transport {
            Transport::Tls | Transport::Wss => client.start_tls().await?,
            Transport::Tcp | Transport::Starttls | Transport::Ws | Transport::Json => {}
        }
        if target.options.floor {
            if target.options.transport == Transport::Starttls {
                client.start_tls().await?;
            }
            return Ok(client);
        }
        if target.websocket() {
            client.upgrade(server).await?;
        }
        if target.speaks_json() {
            return Ok(client);
        }
        client.open().await?;
        if target.options.transport == Transport::Starttls {
            client.negotiate_tls().await?;
        }
        Ok(client)
    }

    async fn wire(target: &Target, address: SocketAddr) -> Result<Wire> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some(source) = target.source() {
            socket.bind((source, 0).into())?;
        }
        let socket = socket.connect(address).await.context("connecting")?;
        socket.set_nodelay(true)?;
        Ok(Wire::new(socket))
    }

    async fn start_tls(&mut self) -> Result<()> {
        let config = self.target.tls.clone().context("TLS is not configured")?;
        let name = ServerName::try_from(self.target.options.domain.clone())?;
        let connection = rustls::ClientConnection::new(config, name)?;
        self.wire.start_tls(connection).await.context("the TLS handshake")
    }

    async fn upgrade(&mut self, server: &str) -> Result<()> {
        let options = &self.target.options;
        let (path, subprotocol) = match self.target.speaks_json() {
            true => (json::PATH, json::SUBPROTOCOL),
            false => (options.path.as_str(), "xmpp"),
        };
        let request = websocket::request(server, path, subprotocol);
        self.wire.write(request.as_bytes()).await?;
        loop {
            self.read().await?;
            if let Some(end) = websocket::accepted(&self.inbox)? {
                self.taken = end;
                return Ok(());
            }
        }
    }

    async fn negotiate_tls(&mut self) -> Result<()> {
        ensure!(self.features.root().child(ns::TLS, "starttls").is_some(), "the server offers no STARTTLS");
        let answer = self.ask(&format!("<starttls xmlns='{}'/>", ns::TLS)).await?;
        ensure!(answer.is(ns::TLS, "proceed"), "STARTTLS was refused: {answer:?}");
        self.start_tls().await?;
        self.open().await
    }

    /// Opens the stream, or opens it anew (RFC 6120 section 4.3.3), and reads the features.
    pub(crate) async fn open(&mut self) -> Result<()> {
        let domain = &self.target.options.domain;
        let header = match &mut self.framing {
            Framing::Stream(splitter) => {
                *splitter = Splitter::default();
                self.inbox.clear();
                self.taken = 0;
                format!(
                    "<?xml version='1.0'?><stream:stream to='{domain}' version='1.0' xml:lang='en' \
                     xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
                )
            }
            Framing::WebSocket { .. } => {
                format!("<open xmlns='{FRAMING}' to='{domain}' version='1.0' xml:lang='en'/>")
            }
        };
        self.queue(&header);
        self.flush().await?;
        if self.target.websocket() {
            let open = self.element().await?;
            ensure!(open.is(FRAMING, "open"), "the server did not open the stream: {open:?}");
        }
        self.features = self.element().await?;
        ensure!(self.features.is(ns::STREAMS, "features"), "no stream features: {:?}", self.features);
        Ok(())
    }

    /// Registers an account (XEP-0077 section 3.1). One that is there already is fine.
    pub(crate) async fn register(&mut self, username: &str) -> Result<()> {
        let (scope, password) = (self.scope(), &self.target.options.password);
        let domain = &self.target.options.domain;
        let request = format!(
            "<iq{scope} type='set' id='register' to='{domain}'><query xmlns='jabber:iq:register'><username>{username}</username>\
             <password>{password}</password></query></iq>"
        );
        let answer = self.ask(&request).await?;
        let conflict =
            || answer.root().child(ns::CLIENT, "error")?.child(ns::STANZA_ERRORS, "conflict").map(|_| ());
        ensure!(
            answer.attr("type") == Some("result") || conflict().is_some(),
            "the registration of {username} was refused: {answer:?}"
        );
        Ok(())
    }

    /// Signs in and binds a resource.
    pub(crate) async fn sign_in(&mut self, username: &str, resource: &str) -> Result<()> {
        self.username = username.to_owned();
        if self.target.speaks_json() {
            return json::sign_in(self).await;
        }
        sign_in::authenticate(self).await?;
        self.open().await?;
        let bind = format!("<bind xmlns='{}'><resource>{resource}</resource></bind>", ns::BIND);
        let bound = self.request("set", "", &bind).await?;
        let jid = bound.root().child(ns::BIND, "bind").and_then(|bind| bind.child(ns::BIND, "jid"));
        self.jid = jid.context("the server bound no address")?.text().into_owned();
        Ok(())
    }

    /// Turns stream management on (XEP-0198 section 3); without resumption, which a load has no use for.
    pub(crate) async fn enable_stream_management(&mut self) -> Result<()> {
        self.queue("<enable xmlns='urn:xmpp:sm:3'/>");
        self.flush().await?;
        loop {
            let answer = self.element().await?;
            if answer.ns() == ns::SM3 {
                ensure!(answer.name() == "enabled", "stream management was refused: {answer:?}");
                self.handled = Some(0);
                return Ok(());
            }
        }
    }

    /// Turns carbons on (XEP-0280 section 4).
    pub(crate) async fn enable_carbons(&mut self) -> Result<()> {
        self.request("set", "", "<enable xmlns='urn:xmpp:carbons:2'/>").await.map(drop)
    }

    /// Sends a request and waits for its result; whatever arrives meanwhile is dropped.
    pub(crate) async fn request(&mut self, kind: &str, to: &str, payload: &str) -> Result<Element> {
        let id = random::token();
        let to = if to.is_empty() { String::new() } else { format!(" to='{to}'") };
        let scope = self.scope();
        self.queue(&format!("<iq{scope} type='{kind}' id='{id}'{to}>{payload}</iq>"));
        self.flush().await?;
        loop {
            let answer = self.element().await?;
            if answer.name() == "iq" && answer.attr("id") == Some(&id) {
                ensure!(answer.attr("type") == Some("result"), "refused: {answer:?}");
                return Ok(answer);
            }
        }
    }

    /// Sends an element and waits for whatever comes next.
    pub(crate) async fn ask(&mut self, xml: &str) -> Result<Element> {
        self.queue(xml);
        self.flush().await?;
        self.element().await
    }

    /// The namespace that a stanza has to declare here: over a WebSocket there is nothing to inherit it from.
    pub(crate) fn scope(&self) -> &'static str {
        if self.target.websocket() { " xmlns='jabber:client'" } else { "" }
    }

    /// Puts an element into the next write.
    pub(crate) fn queue(&mut self, xml: &str) {
        match &self.framing {
            Framing::Stream(_) => self.outbox.extend_from_slice(xml.as_bytes()),
            Framing::WebSocket { mask, .. } => websocket::write_text(xml.as_bytes(), *mask, &mut self.outbox),
        }
    }

    /// Asks how far the server has come (XEP-0198 section 4), if stream management is on.
    pub(crate) fn queue_request_for_count(&mut self) {
        if self.handled.is_some() {
            self.queue("<r xmlns='urn:xmpp:sm:3'/>");
        }
    }

    /// Puts bytes into the next write as they are.
    pub(crate) fn queue_raw(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
    }

    /// Writes what was queued.
    pub(crate) async fn flush(&mut self) -> Result<()> {
        let outbox = std::mem::take(&mut self.outbox);
        let written = self.wire.write(&outbox).await;
        self.outbox = outbox;
        self.outbox.clear();
        Ok(written?)
    }

    async fn read(&mut self) -> Result<()> {
        if self.taken == self.inbox.len() {
            self.inbox.clear();
        } else {
            self.inbox.drain(..self.taken);
        }
        if let Framing::Stream(splitter) = &mut self.framing {
            splitter.consumed(self.taken);
        }
        self.taken = 0;
        if !self.wire.read(&mut self.inbox).await? {
            return Err(std::io::Error::from(ErrorKind::UnexpectedEof))
                .context("the server closed the connection");
        }
        Ok(())
    }

    /// The next stanza, as bytes. What stream management asks is answered on the way. Nothing is lost when this is
    /// dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<&[u8]> {
        loop {
            let found = match &mut self.framing {
                Framing::Stream(splitter) => {
                    let piece = splitter.next(&self.inbox)?;
                    self.stream_piece(piece)?
                }
                Framing::WebSocket { .. } => self.message().await?,
            };
            match found {
                None => self.read().await?,
                Some(range) if range.is_empty() => {}
                Some(range) if !self.managed(range.clone()).await? => return Ok(&self.inbox[range]),
                Some(_) => {}
            }
        }
    }

    /// Where the stanza lies; an empty range when there was something else.
    fn stream_piece(&mut self, piece: Option<Piece>) -> Result<Option<Range<usize>>> {
        Ok(match piece {
            None => None,
            Some(Piece::Header(range)) => {
                self.taken = range.end;
                Some(0..0)
            }
            Some(Piece::Element(range)) => {
                self.taken = range.end;
                Some(range)
            }
            Some(Piece::Close) => bail!("the server closed the stream"),
        })
    }

    async fn message(&mut self) -> Result<Option<Range<usize>>> {
        let Framing::WebSocket { mask, parts } = &mut self.framing else {
            return Ok(None);
        };
        let base = self.taken;
        match websocket::read(&self.inbox[base..], *mask)? {
            None => Ok(None),
            Some(Frame::Text(range)) => {
                self.taken = base + range.end;
                Ok(Some(base + range.start..base + range.end))
            }
            Some(Frame::Part(range, last)) => {
                self.taken = base + range.end;
                parts.extend_from_slice(&self.inbox[base + range.start..base + range.end]);
                if !last {
                    return Ok(Some(0..0));
                }
                // The whole message takes the place of its frames at the front of the inbox.
                let whole = std::mem::take(parts);
                let end = whole.len();
                self.inbox.splice(..self.taken, whole);
                self.taken = end;
                Ok(Some(0..end))
            }
            Some(Frame::Answer(answer, end)) => {
                self.taken = base + end;
                self.wire.write(&answer).await?;
                Ok(Some(0..0))
            }
            Some(Frame::Nothing(end)) => {
                self.taken = base + end;
                Ok(Some(0..0))
            }
            Some(Frame::Close) => bail!("the server closed the WebSocket"),
        }
    }

    /// Deals with stream management and stream errors; `true` when this was no stanza.
    async fn managed(&mut self, range: Range<usize>) -> Result<bool> {
        let bytes = &self.inbox[range];
        if bytes.starts_with(b"<stream:error") {
            bail!("stream error: {}", String::from_utf8_lossy(bytes));
        }
        let Some(handled) = self.handled else {
            return Ok(false);
        };
        match bytes {
            [b'<', b'r', b' ' | b'/', ..] => {
                self.queue(&format!("<a xmlns='urn:xmpp:sm:3' h='{handled}'/>"));
                self.flush().await?;
                Ok(true)
            }
            [b'<', b'a', b' ', ..] => {
                let count = crate::split::attribute(bytes, "h").and_then(|h| std::str::from_utf8(h).ok());
                self.confirmed = count.and_then(|h| h.parse().ok()).context("<a/> without a count")?;
                Ok(true)
            }
            _ => {
                self.handled = Some(handled.wrapping_add(1));
                Ok(false)
            }
        }
    }

    /// The next stanza, read.
    pub(crate) async fn element(&mut self) -> Result<Element> {
        let xml = std::str::from_utf8(self.next().await?)?;
        let wrapped = format!(
            "<stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>{xml}</stream>"
        );
        let wrapped = Element::parse(&wrapped).with_context(|| format!("not XML: {xml}"))?;
        Ok(wrapped.root().children().next().context("nothing there")?.to_element())
    }

    /// Closes the stream and waits until the server has closed its own.
    pub(crate) async fn close(mut self) -> Result<()> {
        if self.target.speaks_json() {
            return json::sign_out(&mut self).await;
        }
        match &self.framing {
            Framing::Stream(_) => self.queue_raw(b"</stream:stream>"),
            Framing::WebSocket { .. } => self.queue(&format!("<close xmlns='{FRAMING}'/>")),
        }
        self.flush().await?;
        let mut rest = Vec::new();
        // However the connection ends, it has ended.
        while let Ok(true) = self.wire.read(&mut rest).await {
            if memchr::memmem::find(&rest, b"</stream:stream>").is_some()
                || memchr::memmem::find(&rest, b"<close").is_some()
            {
                break;
            }
        }
        Ok(())
    }
}
