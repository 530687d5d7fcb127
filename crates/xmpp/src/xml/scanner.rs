//! A strict, resumable XML scanner: one pass over the bytes, every limit enforced on the way.

mod tags;
#[cfg(test)]
mod tests;
mod text;

use super::element::Element;
use super::namespaces::Namespaces;
use super::reference::Reference;
use super::tape::{Item, Span};
use super::{XmlError, chars, declaration};

/// More than any stanza has; keeps every offset within 32 bits.
const ARENA_BYTES: usize = 1 << 30;

/// Room for a usual stanza, so that its arena and tape are allocated once.
const USUAL_ARENA_BYTES: usize = 512;
const USUAL_ITEMS: usize = 16;

/// How the bytes of a connection carry XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One long document, whose root is the stream (RFC 6120 section 4).
    Stream,
    /// One complete element in each WebSocket message (RFC 7395 section 3.3).
    WebSocket,
}

/// What a peer may make the scanner read and remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one stanza or stream header, markup included; and of the namespace names that have to be declared anew
    /// where it is written, which prefixes may have kept short.
    pub stanza_bytes: usize,
    /// Elements open at once, the stanza itself included.
    pub depth: usize,
    /// Attributes of one element, namespace declarations not counted.
    pub attributes: usize,
    /// Namespace declarations in force at once, those of the stream header included.
    pub namespaces: usize,
    /// Bytes of a name with its prefix, and of a namespace name.
    pub name_bytes: usize,
    /// Elements, attributes and runs of text in one stanza.
    pub items: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            stanza_bytes: 262_144,
            depth: 64,
            attributes: 64,
            namespaces: 32,
            name_bytes: 1024,
            items: 16_384,
        }
    }
}

/// What the scanner finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// The stream header; only in [`Framing::Stream`].
    Open(StreamHeader),
    /// A complete element: a stanza, or something for the stream itself.
    Element(Element),
    /// The end tag of the stream; only in [`Framing::Stream`].
    Close,
}

/// The start tag of a stream (RFC 6120 section 4.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamHeader {
    /// The prefix of the root element. Prefixes other than `stream` are well-formed, but a server may answer them with
    /// bad-namespace-prefix (section 4.8.5).
    pub prefix: String,
    /// The `to` attribute.
    pub to: Option<String>,
    /// The `from` attribute.
    pub from: Option<String>,
    /// The `id` attribute.
    pub id: Option<String>,
    /// The `version` attribute.
    pub version: Option<String>,
    /// The `xml:lang` attribute.
    pub lang: Option<String>,
    /// The default namespace it declares, empty for none: the content namespace (section 4.8.2).
    pub default_ns: String,
    /// The namespace of the root element: always that of streams, because the scanner refuses any other.
    pub stream_ns: String,
}

/// Reads one connection's XML. Between stanzas it holds nothing but the declarations of the stream header.
#[derive(Debug)]
pub struct Scanner {
    framing: Framing,
    limits: Limits,
    state: State,
    /// Whether the stream header has been read.
    rooted: bool,
    /// The name of the root with its prefix, which the end tag must repeat.
    root: Box<[u8]>,
    namespaces: Namespaces,
    /// Bytes read of the current stanza.
    size: usize,
    /// Bytes of the namespace names that will be declared anew where the current stanza is written.
    declared_anew: usize,
    /// The arena and the tape of the current stanza.
    text: Vec<u8>,
    tape: Vec<Item>,
    open: Vec<OpenElement>,
    /// The element whose start tag is being read.
    tag: Tag,
    /// Where in the arena the name, value or run of text that is being read begins.
    mark: usize,
    /// Where the colon of the name is that is being read, if that is behind `mark`.
    colon: usize,
    /// The bytes of a character that the input so far has cut off.
    partial: text::PartialCharacter,
    /// Whether the last character was a carriage return, of which a line feed belongs to the same line end.
    after_return: bool,
    /// How many `]` have just been read, at most two.
    brackets: u8,
    /// What reading has cost so far: steps, bytes searched, names compared.
    #[cfg(test)]
    work: usize,
}

/// Where in the grammar the next byte stands.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing has been read; only here may an XML declaration begin.
    Start,
    /// After the first `<` of a stream.
    StartMarkup,
    /// Inside the XML declaration.
    Declaration,
    /// After it, before the root element.
    Prolog,
    /// In the content of an element, or between stanzas when none is open.
    Content,
    /// After `<`.
    Markup,
    /// In the name of a start tag.
    OpenName,
    /// In a start tag where an attribute may begin, if white space came before.
    InTag {
        spaced: bool,
    },
    AttributeName,
    /// Before the `=` of an attribute.
    Equals,
    /// After it.
    Quote,
    Value {
        quote: u8,
    },
    /// After the `/` that ends an empty element's tag.
    EmptyTag,
    /// Before the `>` of a stream header that ends the stream as well; the header has been given out.
    EmptyRoot,
    /// In the name of an end tag, of which so many bytes have matched.
    CloseName {
        matched: usize,
    },
    /// After the name of an end tag.
    CloseTag,
    /// After `<!`, with so many bytes of `[CDATA[`.
    CdataStart {
        matched: usize,
    },
    Cdata,
    /// After `&` in text, or in a value that `quote` will end.
    Reference {
        reference: Reference,
        quote: Option<u8>,
    },
    /// After the end of the stream.
    Closed,
    Failed(XmlError),
}

/// An element whose end tag has not been read.
#[derive(Clone, Copy, Debug)]
struct OpenElement {
    /// Its item on the tape.
    item: usize,
    /// Its name with its prefix, which the end tag must repeat.
    qname: Span,
    /// The number of namespace declarations outside it.
    outer: usize,
}

/// A start tag while it is read.
#[derive(Clone, Copy, Debug, Default)]
struct Tag {
    item: usize,
    qname: Span,
    outer: usize,
    attributes: u32,
    /// Prefix and local name of the attribute being read.
    attribute: (Span, Span),
}

/// What a step of the scanner has completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Header,
    Element,
    Close,
}

/// The part of the input that may be read, and how far it has been.
struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.input[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    fn skip_spaces(&mut self) -> usize {
        let rest = self.rest();
        let spaces = rest.iter().position(|byte| !chars::is_space(*byte)).unwrap_or(rest.len());
        self.at += spaces;
        spaces
    }
}

impl Scanner {
    /// A scanner at the start of a stream. RFC 6120 section 4.3.3 restarts streams after TLS and SASL: that takes a new
    /// scanner.
    pub fn new(framing: Framing, limits: Limits) -> Scanner {
        let (state, rooted) = match framing {
            Framing::Stream => (State::Start, false),
            Framing::WebSocket => (State::Content, true),
        };
        Scanner {
            framing,
            limits,
            state,
            rooted,
            root: Box::default(),
            namespaces: Namespaces::new(),
            size: 0,
            declared_anew: 0,
            text: Vec::new(),
            tape: Vec::new(),
            open: Vec::new(),
            tag: Tag::default(),
            mark: 0,
            colon: 0,
            partial: text::PartialCharacter::default(),
            after_return: false,
            brackets: 0,
            #[cfg(test)]
            work: 0,
        }
    }

    /// A scanner in the midst of a stream whose header, with the usual prefix, was read elsewhere and made these
    /// declarations: what comes next is between two stanzas.
    pub fn within<'a>(
        framing: Framing,
        limits: Limits,
        declared: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Scanner {
        let mut scanner = Scanner::new(framing, limits);
        scanner.namespaces.inherit(declared);
        if framing == Framing::Stream {
            scanner.state = State::Content;
            scanner.rooted = true;
            scanner.root = Box::from(&b"stream:stream"[..]);
        }
        scanner
    }

    /// What the stream header declared: prefixes, empty for the default, and their namespaces.
    pub fn declared(&self) -> impl Iterator<Item = (&str, &str)> {
        self.namespaces.inherited()
    }

    /// Changes the limits from here on, as when a peer has proved who it is.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether a stanza or the stream header has been read in part: the peer owes the rest.
    pub fn is_inside(&self) -> bool {
        self.size > 0
    }

    /// Reads up to the end of the next token and says how many bytes that took; without a token, all of them. In
    /// [`Framing::WebSocket`] the input is one whole message. After an error every further call gives the same error.
    pub fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Token>), XmlError> {
        let outcome = match self.framing {
            Framing::Stream => self.feed_stream(input),
            Framing::WebSocket => self.feed_message(input),
        };
        if let Err(error) = outcome {
            self.release();
            self.state = State::Failed(error);
        }
        outcome
    }

    fn feed_stream(&mut self, input: &[u8]) -> Result<(usize, Option<Token>), XmlError> {
        let mut spaces = 0;
        if self.open.is_empty() && matches!(self.state, State::Content | State::Prolog) {
            // White space between stanzas keeps a connection alive (RFC 6120 section 4.6.1) and belongs to none.
            let mut cursor = Cursor { input, at: 0 };
            spaces = cursor.skip_spaces();
        }
        let (read, token) = self.scan(&input[spaces..])?;
        Ok((spaces + read, token))
    }

    /// RFC 7395 section 3.3: each message is exactly one element and stands alone.
    fn feed_message(&mut self, message: &[u8]) -> Result<(usize, Option<Token>), XmlError> {
        match self.scan(message)? {
            (_, None) => Err(XmlError::NotWellFormed("a message ends inside an element")),
            (read, token) if message[read..].iter().all(|byte| chars::is_space(*byte)) => {
                Ok((message.len(), token))
            }
            _ => Err(XmlError::Format("a message holds more than one element")),
        }
    }

    /// Scans to the end of a token, but no further than the size limit allows.
    fn scan(&mut self, input: &[u8]) -> Result<(usize, Option<Token>), XmlError> {
        let room = self.limits.stanza_bytes.min(ARENA_BYTES).saturating_sub(self.size);
        let mut cursor = Cursor { input: &input[..input.len().min(room)], at: 0 };
        while let Some(byte) = cursor.peek() {
            let step = self.step(&mut cursor, byte)?;
            if step != Step::Nothing {
                let token = self.complete(step)?;
                return Ok((cursor.at, Some(token)));
            }
        }
        self.size += cursor.at;
        if cursor.at < input.len() {
            return Err(XmlError::Limit("a stanza is too large"));
        }
        Ok((cursor.at, None))
    }

    /// Reads at least one byte, or changes the state. `byte` is the next one.
    fn step(&mut self, cursor: &mut Cursor<'_>, byte: u8) -> Result<Step, XmlError> {
        self.count(1);
        match self.state {
            State::Content => self.content(cursor, byte)?,
            State::Value { quote } => self.value(cursor, quote)?,
            State::Markup => self.markup(cursor, byte)?,
            State::OpenName => self.open_name(cursor)?,
            State::InTag { spaced } => return self.in_tag(cursor, byte, spaced),
            State::AttributeName => self.attribute_name(cursor)?,
            State::Equals | State::Quote => self.before_value(cursor, byte)?,
            State::EmptyTag => return self.empty_tag(cursor, byte),
            State::CloseName { matched } => self.close_name(cursor, matched)?,
            State::CloseTag => return self.close_tag(cursor, byte),
            State::Reference { reference, quote } => self.reference(cursor, byte, reference, quote)?,
            State::CdataStart { matched } => self.cdata_start(cursor, byte, matched)?,
            State::Cdata => self.cdata(cursor, byte)?,
            State::Start | State::StartMarkup | State::Prolog => self.prolog(cursor, byte)?,
            State::Declaration => self.declaration(cursor, byte)?,
            State::EmptyRoot => {
                cursor.at += 1;
                return Ok(Step::Close);
            }
            State::Closed => return Err(XmlError::NotWellFormed("the stream has ended")),
            State::Failed(error) => return Err(error),
        }
        Ok(Step::Nothing)
    }

    /// Before the root element (XML 1.0 section 2.8, RFC 6120 sections 11.4 and 11.6).
    fn prolog(&mut self, cursor: &mut Cursor<'_>, byte: u8) -> Result<(), XmlError> {
        self.state = match (self.state, byte) {
            (State::StartMarkup, b'?') => State::Declaration,
            (State::StartMarkup, _) => {
                self.state = State::Markup;
                return Ok(());
            }
            (State::Start, b'<') => State::StartMarkup,
            (_, b'<') => State::Markup,
            (_, byte) if chars::is_space(byte) => State::Prolog,
            (State::Start, 0 | 0xfe | 0xff) => return Err(XmlError::Encoding("the stream is not in UTF-8")),
            _ => return Err(XmlError::NotWellFormed("there is text before the stream header")),
        };
        cursor.at += 1;
        Ok(())
    }

    /// Gathers the XML declaration, which is short, and checks it at its end.
    fn declaration(&mut self, cursor: &mut Cursor<'_>, byte: u8) -> Result<(), XmlError> {
        cursor.at += 1;
        if byte != b'>' || self.text.last() != Some(&b'?') {
            if self.text.len() == declaration::DECLARATION_BYTES {
                return Err(XmlError::NotWellFormed("the XML declaration is too long"));
            }
            self.text.push(byte);
            return Ok(());
        }
        let gathered = std::str::from_utf8(&self.text[..self.text.len() - 1]).unwrap_or("");
        let is_declaration = |body: &&str| body.bytes().next().is_none_or(chars::is_space);
        let body = gathered.strip_prefix("xml").filter(is_declaration);
        declaration::check(body.ok_or(XmlError::Restricted("a processing instruction"))?)?;
        self.release();
        self.state = State::Prolog;
        Ok(())
    }

    /// Turns what has been read into a token, and lets go of all memory.
    fn complete(&mut self, step: Step) -> Result<Token, XmlError> {
        let text = String::from_utf8(std::mem::take(&mut self.text))
            .map_err(|_| XmlError::Encoding("an element is not in UTF-8"))?;
        let token = match step {
            Step::Header => Token::Open(self.header(text)?),
            Step::Nothing | Step::Element => {
                Token::Element(Element::from_tape(text, std::mem::take(&mut self.tape)))
            }
            Step::Close => {
                self.state = State::Closed;
                Token::Close
            }
        };
        self.release();
        Ok(token)
    }

    /// Counts work, so that tests can show that it grows no faster than the input.
    fn count(&mut self, _work: usize) {
        #[cfg(test)]
        {
            self.work += _work;
        }
    }

    /// Lets go of everything that belongs to one stanza.
    fn release(&mut self) {
        self.text = Vec::new();
        self.tape = Vec::new();
        self.open = Vec::new();
        self.namespaces.forget();
        self.size = 0;
        self.declared_anew = 0;
        self.mark = 0;
        self.colon = 0;
    }
}
