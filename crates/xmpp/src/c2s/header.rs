//! Stream headers: what the client's may say, and the server's answer (RFC 6120 section 4.7, RFC 7395 section 3.4).

use std::sync::Arc;

use super::{Event, Host, HostPolicy, Phase, State, Stream};
use crate::error::{StreamCondition, StreamError};
use crate::header::{self, SERVER_LANG};
use crate::jid::Jid;
use crate::ns;
use crate::xml::{Element, Framing, StreamHeader, escape_attr};

/// The attributes of a header, whatever its framing.
pub(super) struct Header {
    to: Option<String>,
    from: Option<String>,
    version: Option<String>,
    lang: Option<String>,
    prefix: String,
    content_ns: String,
}

impl From<StreamHeader> for Header {
    fn from(header: StreamHeader) -> Header {
        Header {
            to: header.to,
            from: header.from,
            version: header.version,
            lang: header.lang,
            prefix: header.prefix,
            content_ns: header.default_ns,
        }
    }
}

impl Header {
    /// Reads `<open/>`. Its content is always that of `jabber:client`, which each frame declares by itself.
    pub(super) fn from_open(element: &Element) -> Header {
        let attr = |name| element.attr(name).map(str::to_owned);
        Header {
            to: attr("to"),
            from: attr("from"),
            version: attr("version"),
            lang: element.lang().map(str::to_owned),
            prefix: "stream".to_owned(),
            content_ns: ns::CLIENT.to_owned(),
        }
    }
}

/// What a good header tells.
struct Addressed {
    host: Arc<HostPolicy>,
    from: Option<Jid>,
}

impl Stream {
    /// Answers a header, either with features or with an error. Even a refused client gets a header first (RFC 6120
    /// section 4.9.1.2).
    pub(super) fn opened(&mut self, header: Header) -> Option<Event> {
        let addressed = match self.check(&header) {
            Ok(addressed) => addressed,
            Err(condition) => return Some(self.failed(StreamError::new(condition))),
        };
        self.lang = header.lang.filter(|lang| is_language(lang)).map(Into::into);
        self.host = Some(addressed.host.clone());
        self.write_header(&addressed.host.name, addressed.from.as_ref());
        if let State::Negotiating(negotiation) = &mut self.state {
            negotiation.from = addressed.from;
            negotiation.phase =
                if negotiation.account.is_some() { Phase::Authenticated } else { Phase::Unauthenticated };
        }
        self.write_features();
        None
    }

    fn check(&self, header: &Header) -> Result<Addressed, StreamCondition> {
        let content_ns = (&*header.content_ns, ns::CLIENT);
        header::check(&header.prefix, content_ns, header.version.as_deref())?;
        // Section 4.7.2: `to` names the server.
        let to: Jid = header
            .to
            .as_deref()
            .and_then(|to| to.parse().ok())
            .filter(|to: &Jid| to.local().is_none() && to.resource().is_none())
            .ok_or(StreamCondition::ImproperAddressing)?;
        let host = match (self.config.hosts)(to.domain()) {
            Host::Served(host) => host,
            Host::Gone => return Err(StreamCondition::HostGone),
            Host::Unknown => return Err(StreamCondition::HostUnknown),
        };
        // Section 4.7.1: `from` is the client's own address; section 4.9.3.9: and must fit who it proved to be.
        let from = match header.from.as_deref() {
            None => None,
            Some(from) => {
                Some(from.parse::<Jid>().map_err(|_| StreamCondition::ImproperAddressing)?.to_bare())
            }
        };
        if from.as_ref().is_some_and(|from| from.domain() != &*host.name) {
            return Err(StreamCondition::InvalidFrom);
        }
        if let State::Negotiating(negotiation) = &self.state
            && let Some(account) = &negotiation.account
        {
            if account.domain() != &*host.name {
                return Err(StreamCondition::NotAuthorized);
            }
            if from.as_ref().is_some_and(|from| from != account) {
                return Err(StreamCondition::InvalidFrom);
            }
        }
        Ok(Addressed { host, from })
    }

    /// Writes the header, with a fresh id that nobody can guess (RFC 6120 section 4.7.3).
    pub(super) fn write_header(&mut self, from: &str, to: Option<&Jid>) {
        let id = header::stream_id(&self.config.random);
        let framing = self.framing;
        self.output.push(framing, |bytes| {
            bytes.extend_from_slice(match framing {
                Framing::Stream => b"<?xml version='1.0'?><stream:stream",
                Framing::WebSocket => b"<open",
            });
            let mut attribute = |name: &str, value: &str| {
                bytes.push(b' ');
                bytes.extend_from_slice(name.as_bytes());
                bytes.extend_from_slice(b"='");
                escape_attr(value, bytes);
                bytes.push(b'\'');
            };
            match framing {
                Framing::Stream => {
                    attribute("xmlns", ns::CLIENT);
                    attribute("xmlns:stream", ns::STREAMS);
                }
                Framing::WebSocket => attribute("xmlns", ns::FRAMING),
            }
            attribute("from", from);
            if let Some(to) = to {
                attribute("to", to.as_str());
            }
            attribute("id", &id);
            attribute("version", "1.0");
            attribute("xml:lang", SERVER_LANG);
            bytes.extend_from_slice(match framing {
                Framing::Stream => b">",
                Framing::WebSocket => b"/>",
            });
        });
    }
}

/// Whether a text has the shape of a language tag (RFC 5646), which is then copied onto stanzas.
fn is_language(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 35
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}
