//! Which prefix means which namespace while a stanza is scanned (Namespaces in XML 1.0).

use std::borrow::Cow;

use super::XmlError;
use super::tape::Span;
use crate::ns;

/// The namespace declarations in force: those of the stream header, which last, and those of open elements.
#[derive(Debug)]
pub(super) struct Namespaces {
    inherited: Vec<Inherited>,
    declared: Vec<Declared>,
}

/// A declaration of the stream header, or the one of `xml` that always holds.
#[derive(Debug)]
struct Inherited {
    prefix: Cow<'static, str>,
    uri: Cow<'static, str>,
    /// Where the namespace name lies in the arena of the stanza being read, once something there used it.
    copied: Option<Span>,
}

/// A declaration of an open element; both spans lie in the arena.
#[derive(Clone, Copy, Debug)]
struct Declared {
    prefix: Span,
    uri: Span,
}

impl Namespaces {
    pub(super) fn new() -> Namespaces {
        let xml = Inherited { prefix: Cow::Borrowed("xml"), uri: Cow::Borrowed(ns::XML), copied: None };
        Namespaces { inherited: vec![xml], declared: Vec::new() }
    }

    /// How many declarations are in force, those of the stream header included.
    pub(super) fn len(&self) -> usize {
        self.inherited.len() - 1 + self.declared.len()
    }

    /// How many declarations open elements have made: what [`Namespaces::leave`] goes back to.
    pub(super) fn depth(&self) -> usize {
        self.declared.len()
    }

    /// Notes a declaration of the element being read, after checking it (Namespaces in XML 1.0 sections 2.2, 3 and 5).
    /// `outer` is what [`Namespaces::depth`] gave when the element began.
    pub(super) fn declare(
        &mut self,
        arena: &[u8],
        prefix: Span,
        uri: Span,
        outer: usize,
    ) -> Result<(), XmlError> {
        let prefix_text = &arena[prefix.range()];
        let uri_text = &arena[uri.range()];
        if self.declared[outer..].iter().any(|other| &arena[other.prefix.range()] == prefix_text) {
            return Err(XmlError::NotWellFormed("a namespace is declared twice on one element"));
        }
        let is_reserved = uri_text == ns::XML.as_bytes() || uri_text == ns::XMLNS.as_bytes();
        match prefix_text {
            b"xmlns" => return Err(XmlError::NotWellFormed("the prefix xmlns is declared")),
            b"xml" if uri_text != ns::XML.as_bytes() => {
                return Err(XmlError::NotWellFormed("the prefix xml is bound to another namespace"));
            }
            b"xml" => {}
            _ if is_reserved => {
                return Err(XmlError::NotWellFormed("a reserved namespace is bound to another prefix"));
            }
            _ if uri.is_empty() && !prefix.is_empty() => {
                return Err(XmlError::NotWellFormed("a prefix is bound to no namespace"));
            }
            _ => {}
        }
        self.declared.push(Declared { prefix, uri });
        Ok(())
    }

    /// The namespace that a prefix, or the absence of one, means for an element; copied into the arena when it comes
    /// from the stream header and nothing in this stanza has used it yet.
    pub(super) fn resolve(&mut self, arena: &mut Vec<u8>, prefix: Span) -> Result<Span, XmlError> {
        let text = &arena[prefix.range()];
        if let Some(found) = self.declared.iter().rev().find(|other| &arena[other.prefix.range()] == text) {
            return Ok(found.uri);
        }
        match self.inherited.iter_mut().find(|other| other.prefix.as_bytes() == text) {
            Some(found) => Ok(*found.copied.get_or_insert_with(|| {
                let start = arena.len();
                arena.extend_from_slice(found.uri.as_bytes());
                Span::new(start, arena.len())
            })),
            None if prefix.is_empty() => Ok(Span::default()),
            None => Err(XmlError::Prefix("a prefix is used that is not declared")),
        }
    }

    /// Forgets the declarations of an element that has ended.
    pub(super) fn leave(&mut self, depth: usize) {
        self.declared.truncate(depth);
    }

    /// Makes the declarations of the stream header, which is all that has been read, last for the whole stream.
    pub(super) fn keep(&mut self, arena: &str) {
        let declared = std::mem::take(&mut self.declared);
        self.inherited.extend(declared.iter().map(|declared| Inherited {
            prefix: well_known(&arena[declared.prefix.range()]),
            uri: well_known(&arena[declared.uri.range()]),
            copied: None,
        }));
        self.inherited.shrink_to_fit();
        self.forget();
    }

    /// Declares what the header of a stream did that was read elsewhere.
    pub(super) fn inherit<'a>(&mut self, declared: impl IntoIterator<Item = (&'a str, &'a str)>) {
        self.inherited.extend(declared.into_iter().map(|(prefix, uri)| Inherited {
            prefix: well_known(prefix),
            uri: well_known(uri),
            copied: None,
        }));
        self.inherited.shrink_to_fit();
    }

    /// What the stream header declared.
    pub(super) fn inherited(&self) -> impl Iterator<Item = (&str, &str)> {
        // The first always holds.
        self.inherited.iter().skip(1).map(|inherited| (&*inherited.prefix, &*inherited.uri))
    }

    /// What the stream header declared as the default namespace; empty for none.
    pub(super) fn default(&self) -> &str {
        self.inherited.iter().find(|inherited| inherited.prefix.is_empty()).map_or("", |found| &found.uri)
    }

    /// Drops everything that belongs to the stanza that has ended, its memory too.
    pub(super) fn forget(&mut self) {
        self.declared = Vec::new();
        for inherited in &mut self.inherited {
            inherited.copied = None;
        }
    }
}

/// The prefixes and namespaces that nearly every stream header declares, so that they cost an idle stream no memory.
fn well_known(text: &str) -> Cow<'static, str> {
    for known in ["", "stream", ns::CLIENT, ns::STREAMS, ns::SERVER] {
        if text == known {
            return Cow::Borrowed(known);
        }
    }
    Cow::Owned(text.to_owned())
}
