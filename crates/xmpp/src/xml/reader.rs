//! Reading a tape: elements, attributes and text, borrowed from the arena.

use std::borrow::Cow;

use super::element::Element;
use super::tape::{Item, Span};
use crate::ns;

/// An element inside an [`Element`], as cheap to pass on as a pair of slices.
#[derive(Clone, Copy)]
pub struct ElementRef<'a> {
    text: &'a str,
    /// This element's subtree: its own item first, nothing after its end.
    tape: &'a [Item],
}

/// A piece of an element's content.
#[derive(Clone, Copy, Debug)]
pub enum Node<'a> {
    /// A child element.
    Element(ElementRef<'a>),
    /// A run of text.
    Text(&'a str),
}

/// An attribute; namespace declarations are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The namespace, empty for an attribute without a prefix.
    pub ns: &'a str,
    /// The local name.
    pub name: &'a str,
    /// The normalised value.
    pub value: &'a str,
}

impl<'a> ElementRef<'a> {
    /// The tape must start with an element item that spans all of it.
    pub(super) fn new(text: &'a str, tape: &'a [Item]) -> ElementRef<'a> {
        ElementRef { text, tape }
    }

    /// The local name.
    pub fn name(self) -> &'a str {
        self.str(self.head().1)
    }

    /// The namespace name; empty when the element is in none.
    pub fn ns(self) -> &'a str {
        self.str(self.head().0)
    }

    /// Whether this element has that expanded name.
    pub fn is(self, ns: &str, name: &str) -> bool {
        self.name() == name && self.ns() == ns
    }

    /// The value of an attribute that has no namespace.
    pub fn attr(self, name: &str) -> Option<&'a str> {
        self.attr_ns("", name)
    }

    /// The value of an attribute with that expanded name.
    pub fn attr_ns(self, ns: &str, name: &str) -> Option<&'a str> {
        self.attrs().find(|attribute| attribute.name == name && attribute.ns == ns).map(|found| found.value)
    }

    /// All attributes, in the order they were written.
    pub fn attrs(self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let attributes = &self.tape[1..self.content_start()];
        attributes.iter().filter_map(move |item| match *item {
            Item::Attribute { ns, name, value } => {
                Some(Attribute { ns: self.str(ns), name: self.str(name), value: self.str(value) })
            }
            Item::Element { .. } | Item::Text(_) => None,
        })
    }

    /// The language of this element's own `xml:lang`; not what it inherits.
    pub fn lang(self) -> Option<&'a str> {
        self.attr_ns(ns::XML, "lang")
    }

    /// The content in document order.
    pub fn nodes(self) -> Nodes<'a> {
        Nodes { text: self.text, rest: &self.tape[self.content_start()..] }
    }

    /// The child elements in document order.
    pub fn children(self) -> impl Iterator<Item = ElementRef<'a>> + use<'a> {
        self.nodes().filter_map(|node| match node {
            Node::Element(child) => Some(child),
            Node::Text(_) => None,
        })
    }

    /// The first child element with that expanded name.
    pub fn child(self, ns: &str, name: &str) -> Option<ElementRef<'a>> {
        self.children().find(|child| child.is(ns, name))
    }

    /// The text directly inside this element, without that of its children.
    pub fn text(self) -> Cow<'a, str> {
        let mut texts = self.nodes().filter_map(|node| match node {
            Node::Text(text) => Some(text),
            Node::Element(_) => None,
        });
        let mut whole = Cow::Borrowed(texts.next().unwrap_or(""));
        for text in texts {
            whole.to_mut().push_str(text);
        }
        whole
    }

    /// A copy that stands on its own.
    pub fn to_element(self) -> Element {
        Element::copy_of(self)
    }

    pub(super) fn tape(self) -> &'a [Item] {
        self.tape
    }

    pub(super) fn arena(self) -> &'a str {
        self.text
    }

    fn str(self, span: Span) -> &'a str {
        &self.text[span.range()]
    }

    /// Namespace, name and number of attributes.
    fn head(self) -> (Span, Span, usize) {
        match self.tape[0] {
            Item::Element { ns, name, attributes, .. } => (ns, name, attributes as usize),
            Item::Attribute { .. } | Item::Text(_) => (Span::default(), Span::default(), 0),
        }
    }

    fn content_start(self) -> usize {
        1 + self.head().2
    }
}

/// The content of an element; see [`ElementRef::nodes`].
#[derive(Clone)]
pub struct Nodes<'a> {
    text: &'a str,
    rest: &'a [Item],
}

impl<'a> Iterator for Nodes<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        match *self.rest.first()? {
            Item::Element { items, .. } => {
                let (subtree, rest) = self.rest.split_at(items as usize);
                self.rest = rest;
                Some(Node::Element(ElementRef::new(self.text, subtree)))
            }
            Item::Text(span) => {
                self.rest = &self.rest[1..];
                Some(Node::Text(&self.text[span.range()]))
            }
            // Attributes never lie among the content.
            Item::Attribute { .. } => None,
        }
    }
}

impl PartialEq for ElementRef<'_> {
    /// The same expanded name, the same attributes in any order, the same content; how text was split into runs does
    /// not matter.
    fn eq(&self, other: &ElementRef<'_>) -> bool {
        self.name() == other.name()
            && self.ns() == other.ns()
            && self.attrs().count() == other.attrs().count()
            && self
                .attrs()
                .all(|attribute| other.attr_ns(attribute.ns, attribute.name) == Some(attribute.value))
            && same_content(self.nodes(), other.nodes())
    }
}

impl Eq for ElementRef<'_> {}

fn same_content(mut left: Nodes<'_>, mut right: Nodes<'_>) -> bool {
    loop {
        let (left_text, left_child) = text_then_child(&mut left);
        let (right_text, right_child) = text_then_child(&mut right);
        if left_text != right_text || left_child != right_child {
            return false;
        }
        if left_child.is_none() {
            return true;
        }
    }
}

/// The text up to the next child element, and that child.
fn text_then_child<'a>(nodes: &mut Nodes<'a>) -> (Cow<'a, str>, Option<ElementRef<'a>>) {
    let mut text = Cow::Borrowed("");
    for node in nodes {
        match node {
            Node::Element(child) => return (text, Some(child)),
            Node::Text(run) if text.is_empty() => text = Cow::Borrowed(run),
            Node::Text(run) => text.to_mut().push_str(run),
        }
    }
    (text, None)
}

impl std::fmt::Debug for ElementRef<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut xml = Vec::new();
        super::writer::write_element(*self, &mut xml, "");
        formatter.write_str(&String::from_utf8_lossy(&xml))
    }
}
