//! A small XML tree and its reader, on a parser that is not the server's own, so that both cannot be wrong alike.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result, bail};
use rxml::error::EndOrError;
use rxml::parser::Options;
use rxml::{Event, Parse, Parser, WithOptions};

/// The namespace of `<stream:stream/>` and its children.
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// The default namespace of client streams.
pub const CLIENT: &str = "jabber:client";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// An element with its expanded names.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// The namespace; empty for none.
    pub ns: String,
    /// The local name.
    pub name: String,
    /// The attributes, by namespace and local name.
    pub attrs: BTreeMap<(String, String), String>,
    /// Elements and text in document order.
    pub nodes: Vec<Node>,
}

/// What an element contains.
#[derive(Clone, PartialEq, Eq)]
pub enum Node {
    /// A child element.
    Element(Element),
    /// Character data.
    Text(String),
}

impl Element {
    /// Parses one standalone element. Without a declaration the default namespace is `jabber:client`, and the
    /// prefix `stream` is bound as on a stream, so that tests read like the RFC's examples.
    pub fn parse(text: &str) -> Result<Self> {
        let wrapped = format!("<wrap xmlns='{CLIENT}' xmlns:stream='{STREAMS}'>{text}</wrap>");
        let mut reader = Reader::stream();
        let mut items = reader.feed(wrapped.as_bytes()).with_context(|| format!("parsing {text}"))?;
        match (items.len(), items.pop(), items.pop(), items.pop()) {
            (3, Some(Item::Close), Some(Item::Element(element)), Some(Item::Open(_))) => Ok(element),
            _ => bail!("not one element: {text}"),
        }
    }

    /// The value of the attribute without namespace.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.attrs.get(&(String::new(), name.to_owned())).map(String::as_str)
    }

    /// The value of `xml:lang`.
    pub fn lang(&self) -> Option<&str> {
        self.attrs.get(&(XML.to_owned(), "lang".to_owned())).map(String::as_str)
    }

    /// Whether the element has this namespace and name.
    pub fn is(&self, ns: &str, name: &str) -> bool {
        self.ns == ns && self.name == name
    }

    /// The child elements.
    pub fn children(&self) -> impl Iterator<Item = &Element> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first child with this namespace and name.
    pub fn child(&self, ns: &str, name: &str) -> Option<&Element> {
        self.children().find(|child| child.is(ns, name))
    }

    /// The first descendant, in document order, with this namespace and name.
    pub fn find(&self, ns: &str, name: &str) -> Option<&Element> {
        self.children().find_map(|child| if child.is(ns, name) { Some(child) } else { child.find(ns, name) })
    }

    /// The element's own text.
    pub fn text(&self) -> String {
        let text = |node: &Node| match node {
            Node::Text(text) => Some(text.clone()),
            Node::Element(_) => None,
        };
        self.nodes.iter().filter_map(text).collect()
    }

    /// The element as XML that declares its own namespace.
    pub fn standalone(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, "");
        out
    }

    fn write(&self, out: &mut String, scope: &str) {
        out.push('<');
        out.push_str(&self.name);
        if self.ns != scope {
            attribute(out, "xmlns", &self.ns);
        }
        for ((ns, name), value) in &self.attrs {
            match ns.as_str() {
                "" => attribute(out, name, value),
                XML => attribute(out, &format!("xml:{name}"), value),
                other => {
                    attribute(out, "xmlns:a", other);
                    attribute(out, &format!("a:{name}"), value);
                }
            }
        }
        if self.nodes.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for node in &self.nodes {
            match node {
                Node::Element(element) => element.write(out, &self.ns),
                Node::Text(text) => out.push_str(&escape(text)),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.write(&mut out, CLIENT);
        f.write_str(&out)
    }
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Element(element) => fmt::Display::fmt(element, f),
            Self::Text(text) => fmt::Debug::fmt(text, f),
        }
    }
}

fn attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("='");
    out.push_str(&escape(value));
    out.push('\'');
}

/// Escapes text for element content and for attribute values in either quotes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

/// One thing read from a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The stream header, an element without children.
    Open(Element),
    /// A complete child of the stream.
    Element(Element),
    /// The end of the stream.
    Close,
}

/// Reads a stream, or single elements, from bytes as they come.
pub struct Reader {
    parser: Parser,
    stack: Vec<Element>,
    framed: bool,
}

impl Reader {
    /// Reads a stream: a long document whose root's children are handed out one by one.
    pub fn stream() -> Self {
        let options = Options { max_token_length: 4 << 20, ..Options::default() };
        Self { parser: Parser::with_options(options), stack: Vec::new(), framed: false }
    }

    /// Reads one WebSocket frame: a document of its own (RFC 7395 section 3.3).
    pub fn frame(bytes: &[u8]) -> Result<Element> {
        let mut reader = Self { framed: true, ..Self::stream() };
        let mut items = reader.feed(bytes)?;
        match (items.len(), items.pop()) {
            (1, Some(Item::Element(element))) => Ok(element),
            _ => bail!("a WebSocket frame must hold one element: {}", String::from_utf8_lossy(bytes)),
        }
    }

    /// Takes bytes and returns what they complete.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        loop {
            match self.parser.parse(&mut bytes, false) {
                Ok(Some(event)) => items.extend(self.take(event)),
                Ok(None) => return Ok(items),
                Err(EndOrError::NeedMoreData) => return Ok(items),
                Err(EndOrError::Error(error)) => bail!("the server sent bad XML: {error}"),
            }
            let done = matches!(items.last(), Some(Item::Close));
            if done || (self.framed && !items.is_empty()) {
                return Ok(items);
            }
        }
    }

    fn take(&mut self, event: Event) -> Option<Item> {
        match event {
            Event::XmlDeclaration(..) => None,
            Event::StartElement(_, (ns, name), attrs) => {
                let attrs = attrs
                    .into_iter()
                    .map(|((ns, name), value)| ((ns.as_str().to_owned(), name.to_string()), value))
                    .collect();
                let element =
                    Element { ns: ns.as_str().to_owned(), name: name.to_string(), attrs, nodes: Vec::new() };
                self.stack.push(element);
                (self.stack.len() == 1 && !self.framed).then(|| Item::Open(self.stack[0].clone()))
            }
            Event::Text(_, text) => {
                let outside = usize::from(!self.framed);
                if self.stack.len() > outside {
                    push_text(&mut self.stack, text);
                }
                None
            }
            Event::EndElement(_) => {
                let element = self.stack.pop()?;
                match (self.stack.len(), self.framed) {
                    (0, false) => Some(Item::Close),
                    (0, true) | (1, false) => Some(Item::Element(element)),
                    _ => {
                        self.stack.last_mut()?.nodes.push(Node::Element(element));
                        None
                    }
                }
            }
        }
    }
}

fn push_text(stack: &mut [Element], text: String) {
    let Some(parent) = stack.last_mut() else { return };
    match parent.nodes.last_mut() {
        Some(Node::Text(existing)) => existing.push_str(&text),
        _ => parent.nodes.push(Node::Text(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_in_any_pieces() {
        let text = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' \
                    xmlns:stream='http://etherx.jabber.org/streams' id='x'> <message to='a@b'><body>1 &lt; 2</body>\
                    </message> <presence/></stream:stream>";
        let whole = Reader::stream().feed(text.as_bytes()).unwrap();
        let mut reader = Reader::stream();
        let pieces: Vec<Item> = text.bytes().flat_map(|byte| reader.feed(&[byte]).unwrap()).collect();
        assert_eq!(whole, pieces);
        let names: Vec<String> = whole.iter().map(|item| format!("{item:?}")).collect();
        assert_eq!(whole.len(), 4, "{names:?}");
        assert_eq!(names[1], "Element(<message to='a@b'><body>1 &lt; 2</body></message>)");
    }

    #[test]
    fn a_frame_is_one_element() {
        let open = Reader::frame(b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' id='1'/>").unwrap();
        assert!(open.is("urn:ietf:params:xml:ns:xmpp-framing", "open"));
        assert!(Reader::frame(b"<message xmlns='jabber:client'>").is_err());
    }
}
