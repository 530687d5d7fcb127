//! Canonical XML: one way to write an element, which every conforming parser reads as the same tree.

use super::reader::{Attribute, ElementRef, Node};
use crate::ns;

/// Writes an element. `scope_ns` is the default namespace in force at this place.
///
/// A namespace is declared as the default one where it differs from the scope. Two namespaces have their own prefix
/// instead: `xml`, which may not be declared as a default, and `stream`, which clients look for by its prefix
/// (RFC 6120 section 4.8.5) and which is declared each time so that what is written never depends on a stream header.
pub(super) fn write_element(element: ElementRef<'_>, out: &mut Vec<u8>, scope_ns: &str) {
    write_with_attributes(element, out, scope_ns, |out| write_attributes(element.attrs(), out));
}

/// Writes an element with other attributes than its own.
pub(crate) fn write_with_attributes(
    element: ElementRef<'_>,
    out: &mut Vec<u8>,
    scope_ns: &str,
    attributes: impl FnOnce(&mut Vec<u8>),
) {
    let element_ns = element.ns();
    let prefix = match element_ns {
        ns::XML => "xml:",
        ns::STREAMS => "stream:",
        _ => "",
    };
    out.push(b'<');
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(element.name().as_bytes());
    let mut inner_ns = scope_ns;
    if prefix.is_empty() && element_ns != scope_ns {
        write_attribute("", "xmlns", element_ns, out);
        inner_ns = element_ns;
    } else if element_ns == ns::STREAMS {
        write_attribute("xmlns:", "stream", element_ns, out);
    }
    attributes(out);
    let mut nodes = element.nodes().peekable();
    if nodes.peek().is_none() {
        out.extend_from_slice(b"/>");
        return;
    }
    out.push(b'>');
    for node in nodes {
        match node {
            Node::Element(child) => write_element(child, out, inner_ns),
            Node::Text(text) => escape_text(text, out),
        }
    }
    out.extend_from_slice(b"</");
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(element.name().as_bytes());
    out.push(b'>');
}

/// Writes attributes, declaring a prefix on this element for each foreign namespace: `a0`, `a1`, and so on. Inner
/// declarations may repeat a prefix; each holds for the attributes beside it.
pub(crate) fn write_attributes<'a>(attributes: impl Iterator<Item = Attribute<'a>>, out: &mut Vec<u8>) {
    let mut declared: Vec<&str> = Vec::new();
    for attribute in attributes {
        match attribute.ns {
            "" => write_attribute("", attribute.name, attribute.value, out),
            ns::XML => write_attribute("xml:", attribute.name, attribute.value, out),
            foreign => {
                let known = declared.iter().position(|seen| *seen == foreign);
                let number = known.unwrap_or(declared.len());
                if known.is_none() {
                    write_attribute("xmlns:", &format!("a{number}"), foreign, out);
                    declared.push(foreign);
                }
                write_attribute(&format!("a{number}:"), attribute.name, attribute.value, out);
            }
        }
    }
}

/// Writes one attribute with the white space before it; `prefix` ends in a colon or is empty.
pub(crate) fn write_attribute(prefix: &str, name: &str, value: &str, out: &mut Vec<u8>) {
    out.push(b' ');
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape_attr(value, out);
    out.push(b'\'');
}

/// Escapes text for element content. A carriage return becomes a reference, because a parser would turn a literal one
/// into a line feed (XML 1.0 section 2.11).
pub fn escape_text(text: &str, out: &mut Vec<u8>) {
    escape(text, out, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'\r' => Some("&#13;"),
        _ => None,
    });
}

/// Escapes an attribute value for either kind of quote. White space other than the space becomes references, because a
/// parser would turn it into spaces (XML 1.0 section 3.3.3).
pub fn escape_attr(text: &str, out: &mut Vec<u8>) {
    escape(text, out, |byte| match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\'' => Some("&apos;"),
        b'\t' => Some("&#9;"),
        b'\n' => Some("&#10;"),
        b'\r' => Some("&#13;"),
        _ => None,
    });
}

/// Copies runs that need no escaping and puts references between them.
fn escape(text: &str, out: &mut Vec<u8>, reference: impl Fn(u8) -> Option<&'static str>) {
    let bytes = text.as_bytes();
    let mut run = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if let Some(reference) = reference(*byte) {
            out.extend_from_slice(&bytes[run..at]);
            out.extend_from_slice(reference.as_bytes());
            run = at + 1;
        }
    }
    out.extend_from_slice(&bytes[run..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::Element;

    fn write(element: &Element, scope_ns: &str) -> String {
        let mut out = Vec::new();
        element.write(&mut out, scope_ns);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_namespace_is_declared_where_it_differs_from_the_scope() {
        let element =
            Element::parse("<a xmlns='jabber:client'><b/><c xmlns='urn:x'><d/></c><e xmlns=''/></a>")
                .unwrap();
        let inner = "<b/><c xmlns='urn:x'><d/></c><e xmlns=''/></a>";
        assert_eq!(write(&element, ns::CLIENT), format!("<a>{inner}"));
        assert_eq!(write(&element, ""), format!("<a xmlns='jabber:client'>{inner}"));
        assert_eq!(write(&element, "urn:x"), format!("<a xmlns='jabber:client'>{inner}"));
    }

    /// Namespaces in XML 1.0 section 3: the namespace of `xml` may not be a default one.
    #[test]
    fn elements_with_a_prefix_leave_the_default_namespace_alone() {
        let element = Element::parse("<xml:a><b xmlns='urn:x'/></xml:a>").unwrap();
        assert_eq!(write(&element, "urn:x"), "<xml:a><b/></xml:a>");
        let features = Element::new(ns::STREAMS, "features").with_child(Element::new(ns::BIND, "bind"));
        assert_eq!(
            write(&features, ns::CLIENT),
            "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>\
             <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>"
        );
    }

    #[test]
    fn attributes_of_foreign_namespaces_get_prefixes() {
        let element = Element::new("", "a")
            .with_attr_ns("urn:x", "b", "1")
            .with_attr_ns("urn:y", "b", "2")
            .with_attr_ns("urn:x", "c", "3")
            .with_attr_ns(ns::XML, "lang", "en")
            .with_child(Element::new("", "d").with_attr_ns("urn:y", "e", "4"));
        assert_eq!(
            write(&element, ""),
            "<a xmlns:a0='urn:x' a0:b='1' xmlns:a1='urn:y' a1:b='2' a0:c='3' xml:lang='en'>\
             <d xmlns:a0='urn:y' a0:e='4'/></a>"
        );
        assert_eq!(Element::parse(&write(&element, "")), Ok(element));
    }

    /// XML 1.0 sections 2.4, 2.11 and 3.3.3.
    #[test]
    fn escaping() {
        let all = "&<>\"'\t\n\r]]>é";
        let mut text = Vec::new();
        escape_text(all, &mut text);
        assert_eq!(String::from_utf8(text).unwrap(), "&amp;&lt;&gt;\"'\t\n&#13;]]&gt;é");
        let mut value = Vec::new();
        escape_attr(all, &mut value);
        assert_eq!(String::from_utf8(value).unwrap(), "&amp;&lt;&gt;&quot;&apos;&#9;&#10;&#13;]]&gt;é");
        let element = Element::new(all, "a").with_attr("b", all).with_text(all);
        assert_eq!(Element::parse(&element.to_xml()), Ok(element));
    }
}
