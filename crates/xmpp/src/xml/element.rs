//! An element that owns its arena and tape, and how the server builds its own.

use std::borrow::Cow;
use std::fmt;

use super::chars;
use super::reader::{Attribute, ElementRef, Nodes};
use super::scanner::{Framing, Limits, Scanner, Token};
use super::tape::{Item, Span};
use super::{XmlError, writer};

/// How deep an element may be that [`Element::parse`] reads: a stanza of the deepest kind, wrapped for the archive.
const PARSE_DEPTH: usize = 128;

/// An element with everything in it.
///
/// It is two allocations whatever its size: an arena of text, and a tape of items that point into it.
#[derive(Clone)]
pub struct Element {
    text: String,
    tape: Vec<Item>,
}

impl Element {
    /// Bytes that the element holds in memory, beside itself.
    pub fn memory(&self) -> usize {
        self.text.capacity() + self.tape.capacity() * size_of::<Item>()
    }

    /// An empty element. `ns` is the namespace name, empty for none; `name` is the local name, an NCName that the
    /// program knows (never one that a peer chose).
    pub fn new(ns: &str, name: &str) -> Element {
        debug_assert!(chars::is_ncname(name), "{name:?} is not a name");
        let mut element =
            Element { text: String::with_capacity(ns.len() + name.len() + 32), tape: Vec::new() };
        let ns = element.intern(ns);
        let name = element.intern(name);
        element.tape.push(Item::Element { ns, name, attributes: 0, items: 1 });
        element
    }

    /// What a scanner found; the tape holds exactly one element.
    pub(super) fn from_tape(text: String, tape: Vec<Item>) -> Element {
        Element { text, tape }
    }

    /// Reads one element that stands alone, as the server wrote it or as a test spells it. White space around it is
    /// allowed.
    pub fn parse(xml: &str) -> Result<Element, XmlError> {
        let limits =
            Limits { stanza_bytes: usize::MAX, items: usize::MAX, depth: PARSE_DEPTH, ..Limits::default() };
        let xml = xml.trim_matches(|character| matches!(character, ' ' | '\t' | '\r' | '\n'));
        match Scanner::new(Framing::WebSocket, limits).feed(xml.as_bytes())? {
            (_, Some(Token::Element(element))) => Ok(element),
            _ => Err(XmlError::NotWellFormed("an element is missing")),
        }
    }

    /// A copy of a part of another element, without the rest of its arena.
    pub(super) fn copy_of(source: ElementRef<'_>) -> Element {
        let mut copy = Element { text: String::new(), tape: Vec::with_capacity(source.tape().len()) };
        copy.push_copy(source);
        copy
    }

    /// Copies a subtree to the end of the tape.
    fn push_copy(&mut self, source: ElementRef<'_>) {
        // Siblings and children mostly share one namespace span, which then needs to be copied once only.
        let mut last_ns = (Span::default(), Span::default());
        let arena = source.arena();
        for item in source.tape() {
            let item = match *item {
                Item::Element { ns, name, attributes, items } => {
                    if ns != last_ns.0 {
                        last_ns = (ns, self.intern(&arena[ns.range()]));
                    }
                    let name = self.intern(&arena[name.range()]);
                    Item::Element { ns: last_ns.1, name, attributes, items }
                }
                Item::Attribute { ns, name, value } => Item::Attribute {
                    ns: self.intern(&arena[ns.range()]),
                    name: self.intern(&arena[name.range()]),
                    value: self.intern(&arena[value.range()]),
                },
                Item::Text(span) => Item::Text(self.intern(&arena[span.range()])),
            };
            self.tape.push(item);
        }
    }

    /// Puts text into the arena. Characters that XML cannot carry become U+FFFD, so that nothing the server puts into
    /// an element, from whatever source, makes a document that a peer must refuse.
    fn intern(&mut self, text: &str) -> Span {
        let start = self.text.len();
        if text.chars().all(chars::is_char) {
            self.text.push_str(text);
        } else {
            let legal = |character| {
                if chars::is_char(character) { character } else { char::REPLACEMENT_CHARACTER }
            };
            self.text.extend(text.chars().map(legal));
        }
        Span::new(start, self.text.len())
    }

    /// This element as a reference, for code that handles elements wherever they lie.
    pub fn root(&self) -> ElementRef<'_> {
        ElementRef::new(&self.text, &self.tape)
    }

    /// The local name.
    pub fn name(&self) -> &str {
        self.root().name()
    }

    /// The namespace name; empty when the element is in none.
    pub fn ns(&self) -> &str {
        self.root().ns()
    }

    /// Whether this element has that expanded name.
    pub fn is(&self, ns: &str, name: &str) -> bool {
        self.root().is(ns, name)
    }

    /// The value of an attribute that has no namespace.
    pub fn attr(&self, name: &str) -> Option<&str> {
        self.root().attr(name)
    }

    /// The value of an attribute with that expanded name.
    pub fn attr_ns(&self, ns: &str, name: &str) -> Option<&str> {
        self.root().attr_ns(ns, name)
    }

    /// All attributes, in the order they were written.
    pub fn attrs(&self) -> impl Iterator<Item = Attribute<'_>> {
        self.root().attrs()
    }

    /// The language of this element's own `xml:lang`.
    pub fn lang(&self) -> Option<&str> {
        self.root().lang()
    }

    /// The content in document order.
    pub fn nodes(&self) -> Nodes<'_> {
        self.root().nodes()
    }

    /// The child elements in document order.
    pub fn children(&self) -> impl Iterator<Item = ElementRef<'_>> {
        self.root().children()
    }

    /// The first child element with that expanded name.
    pub fn child(&self, ns: &str, name: &str) -> Option<ElementRef<'_>> {
        self.root().child(ns, name)
    }

    /// The text directly inside this element.
    pub fn text(&self) -> Cow<'_, str> {
        self.root().text()
    }

    /// Sets an attribute without a namespace, in place of an earlier value.
    pub fn set_attr(&mut self, name: &str, value: &str) {
        self.set_attr_ns("", name, value);
    }

    /// Sets an attribute, in place of an earlier value; `ns` is [`crate::ns::XML`] for `xml:lang`.
    pub fn set_attr_ns(&mut self, ns: &str, name: &str, value: &str) {
        debug_assert!(chars::is_ncname(name), "{name:?} is not a name");
        let value = self.intern(value);
        if let Some(at) = self.find_attr(ns, name) {
            if let Item::Attribute { value: old, .. } = &mut self.tape[at] {
                *old = value;
            }
            return;
        }
        let ns = self.intern(ns);
        let name = self.intern(name);
        let Item::Element { attributes, items, .. } = &mut self.tape[0] else {
            return;
        };
        *attributes += 1;
        *items += 1;
        let at = *attributes as usize;
        self.tape.insert(at, Item::Attribute { ns, name, value });
    }

    /// Removes an attribute that has no namespace.
    pub fn remove_attr(&mut self, name: &str) {
        if let Some(at) = self.find_attr("", name) {
            self.tape.remove(at);
            if let Item::Element { attributes, items, .. } = &mut self.tape[0] {
                *attributes -= 1;
                *items -= 1;
            }
        }
    }

    /// Where on the tape an attribute of the root lies.
    fn find_attr(&self, ns: &str, name: &str) -> Option<usize> {
        let position = self.attrs().position(|attribute| attribute.name == name && attribute.ns == ns)?;
        Some(position + 1)
    }

    /// Adds text at the end of the content.
    pub fn push_text(&mut self, text: &str) {
        if !text.is_empty() {
            let span = self.intern(text);
            self.tape.push(Item::Text(span));
            self.grow(1);
        }
    }

    /// Adds a child at the end of the content.
    pub fn append(&mut self, mut child: Element) {
        let added = child.tape.len();
        if child.text.len() > self.text.len() {
            // The arena of a wrapper moves behind that of what it wraps, which stays as it is.
            let offset = child.text.len();
            // Not twice the room, as for one that goes on growing: what is large would count double where bytes are bounded.
            child.text.reserve_exact(self.text.len());
            child.text.push_str(&self.text);
            child.tape.splice(..0, self.tape.iter().map(|item| item.shifted(offset)));
            *self = child;
        } else {
            let offset = self.text.len();
            self.text.push_str(&child.text);
            self.tape.extend(child.tape.iter().map(|item| item.shifted(offset)));
        }
        self.grow(added);
    }

    /// Adds a copy of an element that lies in another at the end of the content.
    pub fn append_copy(&mut self, child: ElementRef<'_>) {
        self.push_copy(child);
        self.grow(child.tape().len());
    }

    /// Counts items that were added to the root.
    fn grow(&mut self, added: usize) {
        if let Item::Element { items, .. } = &mut self.tape[0] {
            *items += added as u32;
        }
    }

    /// Moves the root, and what inherits its namespace by standing in it, from one namespace to another: content of a
    /// stream that declares `jabber:server` is what clients know in `jabber:client` (RFC 6120 section 4.8.3).
    pub(crate) fn move_content(&mut self, from: &str, to: &str) {
        let to = self.intern(to);
        let mut at = 0;
        while at < self.tape.len() {
            at += match &mut self.tape[at] {
                Item::Element { ns, .. } if &self.text[ns.range()] == from => {
                    *ns = to;
                    1
                }
                // Whatever stands inside a foreign element belongs to it.
                Item::Element { items, .. } => *items as usize,
                Item::Attribute { .. } | Item::Text(_) => 1,
            };
        }
    }

    /// Drops the child elements for which `keep` says no; text stays.
    pub fn retain_children(&mut self, mut keep: impl FnMut(ElementRef<'_>) -> bool) {
        let content = 1 + self.attrs().count();
        let mut kept = self.tape[..content].to_vec();
        let mut rest = &self.tape[content..];
        while let Some(item) = rest.first() {
            let (node, stays) = match *item {
                Item::Element { items, .. } => {
                    let subtree = &rest[..items as usize];
                    (subtree, keep(ElementRef::new(&self.text, subtree)))
                }
                Item::Text(_) | Item::Attribute { .. } => (&rest[..1], true),
            };
            if stays {
                kept.extend_from_slice(node);
            }
            rest = &rest[node.len()..];
        }
        let length = kept.len() as u32;
        self.tape = kept;
        if let Item::Element { items, .. } = &mut self.tape[0] {
            *items = length;
        }
    }

    /// This element with an attribute that has no namespace.
    #[must_use]
    pub fn with_attr(mut self, name: &str, value: &str) -> Element {
        self.set_attr(name, value);
        self
    }

    /// This element with an attribute.
    #[must_use]
    pub fn with_attr_ns(mut self, ns: &str, name: &str, value: &str) -> Element {
        self.set_attr_ns(ns, name, value);
        self
    }

    /// This element with more text at its end.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Element {
        self.push_text(text);
        self
    }

    /// This element with another child at its end.
    #[must_use]
    pub fn with_child(mut self, child: Element) -> Element {
        self.append(child);
        self
    }

    /// Writes canonical XML. `scope_ns` is the default namespace in force where it is put, empty for none.
    pub fn write(&self, out: &mut Vec<u8>, scope_ns: &str) {
        writer::write_element(self.root(), out, scope_ns);
    }

    /// Canonical XML that stands alone.
    pub fn to_xml(&self) -> String {
        let mut out = Vec::new();
        self.write(&mut out, "");
        // The arena and every delimiter are UTF-8, so nothing is lost here.
        String::from_utf8(out).unwrap_or_default()
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Element) -> bool {
        self.root() == other.root()
    }
}

impl Eq for Element {}

impl fmt::Debug for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ns;

    fn sample() -> Element {
        Element::new(ns::CLIENT, "message")
            .with_attr("to", "a@b")
            .with_text("one")
            .with_child(Element::new("urn:x", "x").with_attr_ns(ns::XML, "lang", "en").with_text("inner"))
            .with_text("two")
            .with_child(Element::new("urn:x", "x"))
            .with_child(Element::new("", "none"))
    }

    #[test]
    fn what_is_built_can_be_read() {
        let element = sample();
        assert!(element.is(ns::CLIENT, "message"));
        assert_eq!(element.attr("to"), Some("a@b"));
        assert_eq!(element.attr("lang"), None);
        assert_eq!(element.text(), "onetwo");
        let names: Vec<_> = element.children().map(|child| (child.ns(), child.name())).collect();
        assert_eq!(names, [("urn:x", "x"), ("urn:x", "x"), ("", "none")]);
        let first = element.child("urn:x", "x").unwrap();
        assert_eq!((first.lang(), &*first.text()), (Some("en"), "inner"));
        assert!(element.child(ns::CLIENT, "x").is_none());
    }

    /// Whichever of the two is larger.
    #[test]
    fn a_child_may_be_larger_than_what_it_is_put_into() {
        let long = "x".repeat(500);
        let inner = |text: &str| Element::new("urn:x", "x").with_attr("a", "1").with_text(text);
        for (one, other) in [("1", "2"), (&*long, "2"), ("1", &*long), (&*long, &*long)] {
            let mut outer = Element::new("urn:y", "y").with_attr("b", "2").with_text("before");
            outer.append(inner(one));
            outer.append(inner(other));
            outer.set_attr("c", "3");
            assert_eq!(
                outer.to_xml(),
                format!(
                    "<y xmlns='urn:y' b='2' c='3'>before<x xmlns='urn:x' a='1'>{one}</x>\
                     <x xmlns='urn:x' a='1'>{other}</x></y>"
                )
            );
        }
    }

    #[test]
    fn what_is_built_is_what_is_parsed() {
        let parsed = Element::parse(
            "<message to='a@b' xmlns='jabber:client' xmlns:p='urn:x'>on<![CDATA[e]]><p:x xml:lang='en'>inner</p:x>two\
             <p:x/><none xmlns=''/></message>",
        );
        assert_eq!(parsed, Ok(sample()));
        assert_eq!(parsed.unwrap().to_xml(), sample().to_xml());
    }

    #[test]
    fn equality_is_that_of_trees() {
        let parse = |xml| Element::parse(xml).unwrap();
        let element = parse("<a b='1' c='2'>x<d/></a>");
        assert_eq!(element, parse("<a c='2' b='1'>x<d/></a>"));
        for other in [
            "<a b='1' c='3'>x<d/></a>",
            "<a b='1'>x<d/></a>",
            "<a b='1' c='2' d='3'>x<d/></a>",
            "<a b='1' c='2'><d/>x</a>",
            "<a b='1' c='2'>x<d/><d/></a>",
            "<a b='1' c='2'>x</a>",
            "<a b='1' c='2'>y<d/></a>",
            "<a b='1' c='2' xmlns='urn:x'>x<d/></a>",
        ] {
            assert_ne!(element, parse(other), "{other}");
        }
    }

    #[test]
    fn attributes_are_set_replaced_and_removed() {
        let mut element = sample();
        element.set_attr("to", "c@d");
        element.set_attr("id", "1");
        element.set_attr_ns("urn:y", "to", "other");
        assert_eq!(element.attr("to"), Some("c@d"));
        assert_eq!(element.attr_ns("urn:y", "to"), Some("other"));
        assert_eq!(element.attrs().count(), 3);
        element.remove_attr("to");
        element.remove_attr("missing");
        assert_eq!((element.attr("to"), element.attr("id")), (None, Some("1")));
        assert_eq!(element.text(), "onetwo");
        assert_eq!(Element::parse(&element.to_xml()), Ok(element));
    }

    #[test]
    fn children_are_dropped_with_all_they_hold() {
        let mut element = sample();
        element.retain_children(|child| child.attrs().count() == 0);
        assert_eq!(
            element.to_xml(),
            "<message xmlns='jabber:client' to='a@b'>onetwo<x xmlns='urn:x'/><none xmlns=''/></message>"
        );
        element.retain_children(|_| false);
        assert_eq!(element.children().count(), 0);
        assert_eq!(element.text(), "onetwo");
        element.append(Element::new("urn:z", "z"));
        assert_eq!(Element::parse(&element.to_xml()), Ok(element));
    }

    #[test]
    fn a_part_stands_on_its_own() {
        let element = Element::parse("<a xmlns='urn:x'>drop<b c='d'>keep<e/></b>drop</a>").unwrap();
        let part = element.child("urn:x", "b").unwrap().to_element();
        assert_eq!(part.to_xml(), "<b xmlns='urn:x' c='d'>keep<e/></b>");
        assert!(!part.text.contains("drop"));
        let mut outer = Element::new("urn:y", "outer");
        outer.append_copy(part.root());
        outer.append_copy(part.root());
        let inner = "<b xmlns='urn:x' c='d'>keep<e/></b>";
        assert_eq!(outer.to_xml(), format!("<outer xmlns='urn:y'>{inner}{inner}</outer>"));
    }

    /// XML 1.0 section 2.2: whatever text comes from, what is written stays well-formed.
    #[test]
    fn characters_that_xml_cannot_carry_are_replaced() {
        let element = Element::new("", "a").with_attr("b", "\0c").with_text("d\u{1b}\u{ffff}e");
        assert_eq!(element.to_xml(), "<a b='\u{fffd}c'>d\u{fffd}\u{fffd}e</a>");
    }

    #[test]
    fn only_one_element_is_parsed() {
        assert!(Element::parse(" <a/>\n").is_ok());
        for bad in ["", "x", "<a>", "<a/><b/>", "<a/>x"] {
            assert!(Element::parse(bad).is_err(), "{bad}");
        }
    }
}
