//! A stream whose connection is at one node and whose session at another.

use std::sync::Arc;

use super::{Config, Host, Output, Session, State, Stream};
use crate::jid::Jid;
use crate::xml::{Framing, Scanner};

/// What has to be known of a stream to read on behind the element that was read last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// How its bytes carry XML.
    pub framing: Framing,
    /// The language that the client's header named.
    pub lang: Option<String>,
    /// The prefixes that the header declared, empty for the default, and their namespaces.
    pub declared: Vec<(String, String)>,
}

impl Stream {
    /// What another node needs to take what this client says from now on.
    pub fn carried(&self) -> Carried {
        let own = |(prefix, uri): (&str, &str)| (prefix.to_owned(), uri.to_owned());
        Carried {
            framing: self.framing,
            lang: self.lang.as_deref().map(str::to_owned),
            declared: self.scanner.declared().map(own).collect(),
        }
    }

    /// The stream of a client that has resumed its session at another node, which answered it and passes on its bytes.
    pub fn carried_on(config: Arc<Config>, carried: Carried, jid: Jid) -> Stream {
        let declared = carried.declared.iter().map(|(prefix, uri)| (&**prefix, &**uri));
        Stream {
            scanner: Scanner::within(carried.framing, config.limits, declared),
            framing: carried.framing,
            output: Output::default(),
            host: match (config.hosts)(jid.domain()) {
                Host::Served(host) => Some(host),
                Host::Gone | Host::Unknown => None,
            },
            config,
            lang: carried.lang.map(Into::into),
            state: State::Bound(Session { jid, managed: true, asked: false }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, policy};
    use super::super::{Event, Transport};
    use super::*;

    fn stream(transport: Transport, header: &str) -> Stream {
        let mut stream = Stream::new(config(policy()), transport);
        assert_eq!(stream.feed(header.as_bytes()).0, header.len());
        stream
    }

    fn stanza(stream: &mut Stream, text: &str) -> crate::stanza::Stanza {
        match stream.feed(text.as_bytes()) {
            (used, Some(Event::Stanza(stanza))) if used == text.len() => stanza,
            other => panic!("{other:?}"),
        }
    }

    /// What the header declared goes on to hold, and the end of the stream is the end.
    #[test]
    fn a_stream_goes_on_elsewhere_as_it_began() {
        let header = "<stream:stream to='example.org' version='1.0' xml:lang='it' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:example:x'>";
        let first = stream(Transport::tcp(), header);
        let jid = Jid::new("romeo@example.org/orchard").unwrap();
        let mut on = Stream::carried_on(config(policy()), first.carried(), jid.clone());
        let message = stanza(&mut on, "\n<message to='juliet@example.org'><x:y/></message>");
        assert_eq!((message.from, message.lang.as_deref()), (Some(jid), Some("it")));
        assert!(message.element.child("urn:example:x", "y").is_some());
        assert!(matches!(on.feed(b"<r xmlns='urn:xmpp:sm:3'/>").1, Some(Event::AcknowledgementRequested)));
        assert!(matches!(on.feed(b"</stream:stream>").1, Some(Event::Closed)));
        assert_eq!(on.take_output().bytes(), b"</stream:stream>");
    }

    #[test]
    fn a_web_socket_goes_on_elsewhere() {
        let open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>";
        let first = stream(Transport::web_socket(None), open);
        let jid = Jid::new("romeo@example.org/orchard").unwrap();
        let mut on = Stream::carried_on(config(policy()), first.carried(), jid);
        stanza(&mut on, "<presence xmlns='jabber:client'/>");
        let close = b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";
        assert!(matches!(on.feed(close).1, Some(Event::Closed)));
        assert_eq!(on.take_output().frames().count(), 1);
    }
}
