//! What both directions share: a scanner for what comes, a buffer for what goes, headers, and how a stream ends.

use super::Config;
use crate::error::{StreamCondition, StreamError};
use crate::header::{self, SERVER_LANG};
use crate::ns;
use crate::xml::{Element, Framing, Limits, Scanner, Token, escape_attr};

/// The bytes of a stream.
#[derive(Debug)]
pub(super) struct Channel {
    scanner: Scanner,
    pub(super) output: Vec<u8>,
    state: State,
    /// Our closing tag is written, and what the peer said before it heard that still counts.
    lingers: bool,
    /// Our header of this stream is written.
    introduced: bool,
    /// The peer's header of this stream has not come.
    pub(super) awaits_header: bool,
    /// Nothing has come since the stream was restarted: white space still belongs to the one before.
    between_streams: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Our closing tag is written.
    Closing,
    Ended,
}

/// What came, as far as the stream itself does not deal with it.
pub(super) enum Incident {
    Token(Token, bool),
    Closed,
    PeerFailed(StreamError),
    Failed(StreamError),
}

impl Channel {
    pub(super) fn new(limits: Limits) -> Channel {
        Channel {
            scanner: Scanner::new(Framing::Stream, limits),
            output: Vec::new(),
            state: State::Open,
            lingers: false,
            introduced: false,
            awaits_header: true,
            between_streams: false,
        }
    }

    /// Awaits a new header, with a scanner that remembers nothing (RFC 6120 sections 4.3.3 and 5.4.3.3).
    pub(super) fn restart(&mut self, limits: Limits) {
        self.scanner = Scanner::new(Framing::Stream, limits);
        self.introduced = false;
        self.awaits_header = true;
        self.between_streams = true;
    }

    pub(super) fn set_limits(&mut self, limits: Limits) {
        self.scanner.set_limits(limits);
    }

    /// Reads up to and including what causes something to be done.
    pub(super) fn feed(&mut self, config: &Config, input: &[u8]) -> (usize, Option<Incident>) {
        let mut used = 0;
        while used < input.len() {
            if self.state == State::Ended {
                return (input.len(), None);
            }
            if self.between_streams {
                let space = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
                used += input[used..].iter().take_while(|octet| space(octet)).count();
                self.between_streams = used == input.len();
                continue;
            }
            let token = match self.scanner.feed(&input[used..]) {
                Ok((count, token)) => {
                    used += count;
                    token
                }
                Err(_) if self.state == State::Closing => {
                    self.state = State::Ended;
                    return (input.len(), None);
                }
                Err(error) => {
                    let incident = self.failed(config, StreamError::new(error.condition()));
                    return (input.len(), Some(incident));
                }
            };
            let Some(token) = token else { continue };
            if let Some(incident) = self.token(config, token, used < input.len()) {
                return (used, Some(incident));
            }
        }
        (used, None)
    }

    fn token(&mut self, config: &Config, token: Token, more: bool) -> Option<Incident> {
        match token {
            Token::Close => {
                self.close();
                self.state = State::Ended;
                Some(Incident::Closed)
            }
            _ if self.state == State::Closing && !self.lingers => None,
            Token::Element(element) if element.is(ns::STREAMS, "error") => {
                self.close();
                self.state = State::Ended;
                Some(Incident::PeerFailed(StreamError::from_element(element.root())))
            }
            Token::Element(_) if self.awaits_header => {
                Some(self.failed(config, StreamCondition::BadFormat.into()))
            }
            Token::Open(_) => {
                self.awaits_header = false;
                Some(Incident::Token(token, more))
            }
            Token::Element(_) => Some(Incident::Token(token, more)),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Writes a header. The initial one has no id; a response has (RFC 6120 section 4.7.3).
    pub(super) fn write_header(&mut self, from: &str, to: Option<&str>, id: Option<&str>) {
        self.introduced = true;
        self.output.extend_from_slice(b"<?xml version='1.0'?><stream:stream");
        let mut attribute = |name: &str, value: &str| {
            self.output.extend_from_slice(format!(" {name}='").as_bytes());
            escape_attr(value, &mut self.output);
            self.output.push(b'\'');
        };
        attribute("xmlns", ns::SERVER);
        attribute("xmlns:db", ns::DIALBACK);
        attribute("xmlns:stream", ns::STREAMS);
        attribute("from", from);
        if let Some(to) = to {
            attribute("to", to);
        }
        if let Some(id) = id {
            attribute("id", id);
        }
        attribute("version", "1.0");
        attribute("xml:lang", SERVER_LANG);
        self.output.push(b'>');
    }

    pub(super) fn write_features(&mut self, features: &[Element]) {
        self.write_stream_element("features", features.iter());
    }

    fn write_stream_element<'a>(&mut self, name: &str, children: impl Iterator<Item = &'a Element>) {
        self.output.extend_from_slice(format!("<stream:{name}>").as_bytes());
        for child in children {
            child.write(&mut self.output, ns::SERVER);
        }
        self.output.extend_from_slice(format!("</stream:{name}>").as_bytes());
    }

    pub(super) fn write_element(&mut self, element: &Element) {
        if self.is_open() {
            element.write(&mut self.output, ns::SERVER);
        }
    }

    /// Closes the stream in order (RFC 6120 section 4.4).
    pub(super) fn close(&mut self) {
        if self.state != State::Open {
            return;
        }
        if self.introduced {
            self.output.extend_from_slice(b"</stream:stream>");
            self.state = State::Closing;
        } else {
            self.state = State::Ended;
        }
    }

    /// Closes the stream in order, with an error if there is one, and still reads what the peer sends up to its own
    /// closing tag: it may have sent it before it heard of ours (RFC 6120 section 4.4).
    pub(super) fn close_and_linger(&mut self, error: Option<&StreamError>) {
        if self.state != State::Open {
            return;
        }
        if let Some(error) = error {
            let children: Vec<_> = error.to_element().children().map(|child| child.to_element()).collect();
            self.write_stream_element("error", children.iter());
        }
        self.close();
        self.lingers = true;
    }

    /// Whether our header of this stream is written.
    pub(super) fn is_introduced(&self) -> bool {
        self.introduced
    }

    /// Ends the stream with an error. Even a refused peer gets a header first (RFC 6120 section 4.9.1.2).
    pub(super) fn fail(&mut self, config: &Config, error: &StreamError) {
        if self.state == State::Open {
            if !self.introduced {
                let id = header::stream_id(&config.random);
                let default_host = config.default_host.clone();
                self.write_header(&default_host, None, Some(&id));
            }
            let children: Vec<_> = error.to_element().children().map(|child| child.to_element()).collect();
            self.write_stream_element("error", children.iter());
            self.close();
        }
        self.state = State::Ended;
    }

    pub(super) fn failed(&mut self, config: &Config, error: StreamError) -> Incident {
        self.fail(config, &error);
        Incident::Failed(error)
    }
}
