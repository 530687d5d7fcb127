//! How a parsed element lies in memory: one arena of text, and one flat tape of items that point into it.

/// A piece of the arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    /// From byte offsets. A scanner never lets an arena grow beyond what 32 bits can address.
    pub(super) fn new(start: usize, end: usize) -> Span {
        Span { start: start as u32, len: (end - start) as u32 }
    }

    pub(super) fn is_empty(self) -> bool {
        self.len == 0
    }

    pub(super) fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.start as usize + self.len as usize
    }

    /// The same piece of an arena that was appended to another of `offset` bytes.
    pub(super) fn shifted(self, offset: usize) -> Span {
        Span { start: self.start + offset as u32, len: self.len }
    }
}

/// One item of a tape. An element is followed by its attributes, then by its content in document order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Element {
        ns: Span,
        name: Span,
        /// How many attribute items follow.
        attributes: u32,
        /// Items of the whole subtree, this one included: what a reader skips to reach the next sibling.
        items: u32,
    },
    Attribute {
        ns: Span,
        name: Span,
        value: Span,
    },
    Text(Span),
}

impl Item {
    /// The same item with its spans shifted.
    pub(super) fn shifted(self, offset: usize) -> Item {
        match self {
            Item::Element { ns, name, attributes, items } => {
                Item::Element { ns: ns.shifted(offset), name: name.shifted(offset), attributes, items }
            }
            Item::Attribute { ns, name, value } => Item::Attribute {
                ns: ns.shifted(offset),
                name: name.shifted(offset),
                value: value.shifted(offset),
            },
            Item::Text(span) => Item::Text(span.shifted(offset)),
        }
    }
}
