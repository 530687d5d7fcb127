//! A connection as a client has it: text out, elements in.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use waxwing_xmpp::xml::{Element, Framing, Limits, Scanner, Token};

use super::network::{Cable, Socket};
use super::world::DOMAIN;

/// How long a client waits for an answer while it signs in.
pub(crate) const SIGN_IN_PATIENCE: Duration = Duration::from_secs(60);

/// A connection as a client has it.
pub(crate) struct Line {
    pub(crate) socket: Socket,
    pub(crate) cable: Cable,
    scanner: Scanner,
    input: Vec<u8>,
}

impl Line {
    pub(crate) fn new((socket, cable): (Socket, Cable)) -> Self {
        let scanner = Scanner::new(Framing::Stream, Limits::default());
        Self { socket, cable, scanner, input: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: &str) -> io::Result<()> {
        self.socket.send(text.as_bytes()).await
    }

    /// The next element; an error when the stream or the connection ends.
    pub(crate) async fn next(&mut self) -> io::Result<Element> {
        loop {
            while !self.input.is_empty() {
                let fed = self.scanner.feed(&self.input);
                let (used, token) = fed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                self.input.drain(..used);
                match token {
                    Some(Token::Element(element)) => return Ok(element),
                    Some(Token::Close) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Some(Token::Open(_)) | None => {}
                }
            }
            if !self.socket.receive(&mut self.input).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    pub(crate) fn restart(&mut self) {
        self.scanner = Scanner::new(Framing::Stream, Limits::default());
    }

    pub(crate) async fn answer(&mut self) -> io::Result<Element> {
        let by = Instant::now() + SIGN_IN_PATIENCE;
        timeout_at(by, self.next()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

/// The header of a stream.
pub(crate) fn header() -> String {
    format!(
        "<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>"
    )
}
