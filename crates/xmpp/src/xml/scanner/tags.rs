//! Tags: names, attributes, namespaces, and what opens and closes.

use super::{Cursor, OpenElement, Scanner, State, Step, StreamHeader, Tag, USUAL_ARENA_BYTES, USUAL_ITEMS};
use crate::ns;
use crate::xml::element::Element;
use crate::xml::tape::{Item, Span};
use crate::xml::{XmlError, chars};

impl Scanner {
    /// After `<`.
    pub(super) fn markup(&mut self, cursor: &mut Cursor<'_>, byte: u8) -> Result<(), XmlError> {
        match byte {
            b'/' => {
                if self.open.is_empty() && self.root.is_empty() {
                    return Err(XmlError::NotWellFormed("an end tag without a start tag"));
                }
                self.end_text()?;
                self.state = State::CloseName { matched: 0 };
            }
            b'!' => self.state = State::CdataStart { matched: 0 },
            b'?' => return Err(XmlError::Restricted("a processing instruction")),
            _ => return self.begin_element(),
        }
        cursor.at += 1;
        Ok(())
    }

    /// Before the first byte of a start tag's name.
    fn begin_element(&mut self) -> Result<(), XmlError> {
        if self.open.len() >= self.limits.depth {
            return Err(XmlError::Limit("elements are nested too deeply"));
        }
        if self.open.is_empty() {
            self.text.reserve(USUAL_ARENA_BYTES);
            self.tape.reserve(USUAL_ITEMS);
        }
        self.end_text()?;
        self.mark = self.text.len();
        self.state = State::OpenName;
        Ok(())
    }

    /// Puts the text read since the last tag on the tape.
    fn end_text(&mut self) -> Result<(), XmlError> {
        if self.open.is_empty() || self.text.len() == self.mark {
            return Ok(());
        }
        self.push_item(Item::Text(Span::new(self.mark, self.text.len())))
    }

    fn push_item(&mut self, item: Item) -> Result<(), XmlError> {
        if self.tape.len() >= self.limits.items {
            return Err(XmlError::Limit("a stanza has too many elements, attributes and texts"));
        }
        self.tape.push(item);
        Ok(())
    }

    pub(super) fn open_name(&mut self, cursor: &mut Cursor<'_>) -> Result<(), XmlError> {
        let Some(qname) = self.name(cursor)? else {
            return Ok(());
        };
        let (prefix, name) = self.split(qname)?;
        self.tag = Tag {
            item: self.tape.len(),
            qname,
            outer: self.namespaces.depth(),
            attributes: 0,
            attribute: Default::default(),
        };
        // Until the end of the tag, which may declare the prefix, the item holds the prefix for the namespace.
        self.push_item(Item::Element { ns: prefix, name, attributes: 0, items: 1 })?;
        self.state = State::InTag { spaced: false };
        Ok(())
    }

    /// Reads a name from `mark` on; none when it may go on in the next input.
    fn name(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Span>, XmlError> {
        loop {
            if self.partial.is_empty() {
                let room = (self.limits.name_bytes + 1).saturating_sub(self.text.len() - self.mark);
                let rest = cursor.rest();
                let window = &rest[..rest.len().min(room)];
                let end = |byte: &u8| *byte == b':' || !chars::is_name_byte(*byte);
                let length = window.iter().position(end).unwrap_or(window.len());
                self.text.extend_from_slice(&window[..length]);
                cursor.at += length;
            }
            if self.text.len() - self.mark > self.limits.name_bytes {
                return Err(XmlError::Limit("a name is too long"));
            }
            match cursor.peek() {
                None => return Ok(None),
                Some(b':') if self.partial.is_empty() => {
                    if self.colon > self.mark {
                        return Err(MALFORMED_NAME);
                    }
                    self.colon = self.text.len();
                    self.text.push(b':');
                    cursor.at += 1;
                }
                Some(byte) if byte.is_ascii() && self.partial.is_empty() => {
                    return Ok(Some(Span::new(self.mark, self.text.len())));
                }
                Some(_) => match self.character(cursor)? {
                    None => return Ok(None),
                    Some(character) if chars::is_name(character) => self.push(character),
                    Some(_) => {
                        return Err(XmlError::NotWellFormed("a name has a character that is not allowed"));
                    }
                },
            }
        }
    }

    /// Splits a qualified name into prefix and local part (Namespaces in XML 1.0 section 4).
    fn split(&self, qname: Span) -> Result<(Span, Span), XmlError> {
        let start = qname.start as usize;
        let end = start + qname.len as usize;
        let (prefix, local) = if self.colon > start {
            (Span::new(start, self.colon), Span::new(self.colon + 1, end))
        } else {
            (Span::default(), qname)
        };
        // A colon at the very start is part of the first check.
        if starts_name(&self.text[qname.range()]) && starts_name(&self.text[local.range()]) {
            Ok((prefix, local))
        } else {
            Err(MALFORMED_NAME)
        }
    }

    /// In a start tag, after its name or after an attribute.
    pub(super) fn in_tag(
        &mut self,
        cursor: &mut Cursor<'_>,
        byte: u8,
        spaced: bool,
    ) -> Result<Step, XmlError> {
        match byte {
            b'>' if self.rooted => {
                cursor.at += 1;
                self.end_start_tag()?;
                self.open.push(OpenElement {
                    item: self.tag.item,
                    qname: self.tag.qname,
                    outer: self.tag.outer,
                });
            }
            b'>' => {
                cursor.at += 1;
                self.end_start_tag()?;
                return Ok(Step::Header);
            }
            b'/' => {
                cursor.at += 1;
                self.state = State::EmptyTag;
            }
            _ if chars::is_space(byte) => {
                cursor.skip_spaces();
                self.state = State::InTag { spaced: true };
                if cursor.peek().is_some_and(chars::is_name_start_byte) {
                    self.begin_attribute();
                }
            }
            _ if spaced => self.begin_attribute(),
            _ => return Err(XmlError::NotWellFormed("white space is missing in a tag")),
        }
        Ok(Step::Nothing)
    }

    fn begin_attribute(&mut self) {
        self.mark = self.text.len();
        self.state = State::AttributeName;
    }

    pub(super) fn attribute_name(&mut self, cursor: &mut Cursor<'_>) -> Result<(), XmlError> {
        let Some(qname) = self.name(cursor)? else {
            return Ok(());
        };
        self.tag.attribute = self.split(qname)?;
        self.state = State::Equals;
        // Attributes are nearly always written without white space around the sign.
        if let [b'=', quote @ (b'"' | b'\''), ..] = *cursor.rest() {
            cursor.at += 2;
            self.begin_value(quote);
        }
        Ok(())
    }

    /// The `=` of an attribute and the quote after it, with white space around.
    pub(super) fn before_value(&mut self, cursor: &mut Cursor<'_>, byte: u8) -> Result<(), XmlError> {
        if cursor.skip_spaces() > 0 {
            return Ok(());
        }
        match (self.state, byte) {
            (State::Equals, b'=') => self.state = State::Quote,
            (State::Quote, b'"' | b'\'') => self.begin_value(byte),
            _ => return Err(XmlError::NotWellFormed("an attribute is malformed")),
        }
        cursor.at += 1;
        Ok(())
    }

    fn begin_value(&mut self, quote: u8) {
        self.mark = self.text.len();
        self.state = State::Value { quote };
    }

    /// After the closing quote of an attribute or a namespace declaration.
    pub(super) fn end_attribute(&mut self) -> Result<(), XmlError> {
        self.state = State::InTag { spaced: false };
        let value = Span::new(self.mark, self.text.len());
        let (prefix, name) = self.tag.attribute;
        let declared = match (&self.text[prefix.range()], &self.text[name.range()]) {
            (b"xmlns", _) => Some(name),
            (b"", b"xmlns") => Some(Span::default()),
            _ => None,
        };
        if let Some(declared) = declared {
            if value.len as usize > self.limits.name_bytes {
                return Err(XmlError::Limit("a namespace name is too long"));
            }
            self.namespaces.declare(&self.text, declared, value, self.tag.outer)?;
            if self.namespaces.len() > self.limits.namespaces {
                return Err(XmlError::Limit("too many namespace declarations"));
            }
            return Ok(());
        }
        self.tag.attributes += 1;
        if self.tag.attributes as usize > self.limits.attributes {
            return Err(XmlError::Limit("an element has too many attributes"));
        }
        self.push_item(Item::Attribute { ns: prefix, name, value })
    }

    /// After `/` in a start tag.
    pub(super) fn empty_tag(&mut self, cursor: &mut Cursor<'_>, byte: u8) -> Result<Step, XmlError> {
        if byte != b'>' {
            return Err(XmlError::NotWellFormed("/ in a tag without > after it"));
        }
        self.end_start_tag()?;
        if !self.rooted {
            // The `>` is left, so that the end of the stream becomes a token of its own.
            self.state = State::EmptyRoot;
            return Ok(Step::Header);
        }
        cursor.at += 1;
        self.namespaces.leave(self.tag.outer);
        Ok(if self.open.is_empty() { Step::Element } else { Step::Nothing })
    }

    /// At the end of a start tag: prefixes become namespaces, and attributes are compared by expanded name
    /// (Namespaces in XML 1.0 sections 5 and 6.3).
    fn end_start_tag(&mut self) -> Result<(), XmlError> {
        let Tag { item, attributes, .. } = self.tag;
        if let Item::Element { ns, attributes: count, items, .. } = &mut self.tape[item] {
            *ns = self.namespaces.resolve(&mut self.text, *ns)?;
            *count = attributes;
            *items = attributes + 1;
            let namespace = *ns;
            self.note_namespace(namespace)?;
        }
        for at in item + 1..self.tape.len() {
            if let Item::Attribute { ns, .. } = &mut self.tape[at]
                && !ns.is_empty()
            {
                *ns = self.namespaces.resolve(&mut self.text, *ns)?;
                let length = ns.len as usize;
                self.declare_anew(length)?;
            }
            self.count(at - item + self.namespaces.len());
            if self.is_repeated(item + 1, at) {
                return Err(XmlError::NotWellFormed("an attribute is repeated"));
            }
        }
        self.mark = self.text.len();
        self.state = State::Content;
        Ok(())
    }

    /// An element whose namespace is not that of its parent declares it where it is written.
    fn note_namespace(&mut self, namespace: Span) -> Result<(), XmlError> {
        let Some(parent) = self.open.last() else {
            return Ok(());
        };
        match self.tape[parent.item] {
            Item::Element { ns, .. } if ns == namespace => Ok(()),
            Item::Element { ns, .. } if self.text[ns.range()] == self.text[namespace.range()] => Ok(()),
            _ => self.declare_anew(namespace.len as usize),
        }
    }

    /// A prefix of one letter may stand for a long name on each of thousands of elements. What the stanza grows to when it
    /// is written has the same bound as the stanza.
    fn declare_anew(&mut self, length: usize) -> Result<(), XmlError> {
        self.declared_anew += length;
        match self.declared_anew > self.limits.stanza_bytes {
            true => Err(XmlError::Limit("prefixes stand for too many long namespaces")),
            false => Ok(()),
        }
    }

    /// Whether the attribute at `at` has the expanded name of one before it. The limit on attributes bounds the work.
    fn is_repeated(&self, first: usize, at: usize) -> bool {
        let Item::Attribute { ns, name, .. } = self.tape[at] else {
            return false;
        };
        let same = |left: Span, right: Span| {
            left.len == right.len && self.text[left.range()] == self.text[right.range()]
        };
        self.tape[first..at].iter().any(|earlier| match *earlier {
            Item::Attribute { ns: other_ns, name: other_name, .. } => {
                same(name, other_name) && same(ns, other_ns)
            }
            Item::Element { .. } | Item::Text(_) => false,
        })
    }

    /// The name of an end tag is compared with that of the start tag while it is read.
    pub(super) fn close_name(&mut self, cursor: &mut Cursor<'_>, matched: usize) -> Result<(), XmlError> {
        let expected = match self.open.last() {
            Some(element) => &self.text[element.qname.range()],
            None => &*self.root,
        };
        let missing = &expected[matched..];
        let rest = cursor.rest();
        let length = missing.len().min(rest.len());
        if rest[..length] != missing[..length] {
            return Err(XmlError::NotWellFormed("an end tag does not match its start tag"));
        }
        cursor.at += length;
        self.state = if length == missing.len() {
            State::CloseTag
        } else {
            State::CloseName { matched: matched + length }
        };
        Ok(())
    }

    /// After the name of an end tag.
    pub(super) fn close_tag(&mut self, cursor: &mut Cursor<'_>, byte: u8) -> Result<Step, XmlError> {
        if cursor.skip_spaces() > 0 {
            return Ok(Step::Nothing);
        }
        if byte != b'>' {
            return Err(XmlError::NotWellFormed("an end tag does not match its start tag"));
        }
        cursor.at += 1;
        let Some(closed) = self.open.pop() else {
            return Ok(Step::Close);
        };
        let length = (self.tape.len() - closed.item) as u32;
        if let Item::Element { items, .. } = &mut self.tape[closed.item] {
            *items = length;
        }
        self.namespaces.leave(closed.outer);
        self.mark = self.text.len();
        self.state = State::Content;
        Ok(if self.open.is_empty() { Step::Element } else { Step::Nothing })
    }

    /// Reads the stream header from its tape, and keeps what the rest of the stream needs of it.
    pub(super) fn header(&mut self, text: String) -> Result<StreamHeader, XmlError> {
        self.namespaces.keep(&text);
        self.root = text.as_bytes()[self.tag.qname.range()].into();
        self.rooted = true;
        let element = Element::from_tape(text, std::mem::take(&mut self.tape));
        if element.ns() != ns::STREAMS {
            return Err(XmlError::Namespace("the root element is not in the stream namespace"));
        }
        if element.name() != "stream" {
            return Err(XmlError::Format("the root element is not a stream"));
        }
        let root = std::str::from_utf8(&self.root).unwrap_or("");
        let attribute = |name| element.attr(name).map(str::to_owned);
        Ok(StreamHeader {
            prefix: root.split_once(':').map_or("", |(prefix, _)| prefix).to_owned(),
            to: attribute("to"),
            from: attribute("from"),
            id: attribute("id"),
            version: attribute("version"),
            lang: element.lang().map(str::to_owned),
            default_ns: self.namespaces.default().to_owned(),
            stream_ns: element.ns().to_owned(),
        })
    }
}

const MALFORMED_NAME: XmlError = XmlError::NotWellFormed("a name is malformed");

/// Whether the first character may start a name without a colon.
fn starts_name(bytes: &[u8]) -> bool {
    match bytes.first() {
        Some(first) if first.is_ascii() => *first != b':' && chars::is_name_start_byte(*first),
        Some(_) => {
            std::str::from_utf8(bytes).is_ok_and(|name| name.chars().next().is_some_and(chars::is_name_start))
        }
        None => false,
    }
}
