//! Characters in content, CDATA sections and attribute values: decoding, normalisation, references.

use memchr::{memchr, memchr2, memchr3};

use super::{Cursor, Scanner, State};
use crate::xml::reference::Reference;
use crate::xml::{XmlError, chars};

/// The bytes of a UTF-8 sequence of which the rest has not arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PartialCharacter {
    bytes: [u8; 4],
    length: usize,
}

impl PartialCharacter {
    pub(super) fn is_empty(self) -> bool {
        self.length == 0
    }
}

/// What the characters of a run belong to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Cdata,
    Value,
}

impl Scanner {
    /// Content of an element up to and with the next delimiter; between stanzas, the `<` of the next one.
    pub(super) fn content(&mut self, cursor: &mut Cursor<'_>, byte: u8) -> Result<(), XmlError> {
        if self.open.is_empty() && byte != b'<' {
            return Err(XmlError::Format("there is text outside of a stanza"));
        }
        let rest = cursor.rest();
        let run = memchr2(b'<', b'&', rest).unwrap_or(rest.len());
        self.run(cursor, run, Place::Text)?;
        match cursor.peek() {
            Some(b'<') if self.partial.is_empty() => {
                self.delimiter(cursor);
                self.state = State::Markup;
            }
            Some(b'&') if self.partial.is_empty() => self.begin_reference(cursor, None),
            _ => {}
        }
        Ok(())
    }

    /// An attribute value after its opening quote.
    pub(super) fn value(&mut self, cursor: &mut Cursor<'_>, quote: u8) -> Result<(), XmlError> {
        let rest = cursor.rest();
        let run = memchr3(quote, b'&', b'<', rest).unwrap_or(rest.len());
        self.run(cursor, run, Place::Value)?;
        match cursor.peek() {
            Some(byte) if byte == quote && self.partial.is_empty() => {
                self.delimiter(cursor);
                self.end_attribute()
            }
            Some(b'&') if self.partial.is_empty() => {
                self.begin_reference(cursor, Some(quote));
                Ok(())
            }
            Some(b'<') if self.partial.is_empty() => Err(XmlError::NotWellFormed("< in an attribute value")),
            _ => Ok(()),
        }
    }

    /// Takes a delimiter, across which neither a line end nor `]]>` reaches.
    fn delimiter(&mut self, cursor: &mut Cursor<'_>) {
        cursor.at += 1;
        self.after_return = false;
        self.brackets = 0;
    }

    fn begin_reference(&mut self, cursor: &mut Cursor<'_>, quote: Option<u8>) {
        self.delimiter(cursor);
        self.state = State::Reference { reference: Reference::new(), quote };
    }

    /// A reference; what it stands for is text as it is, without any normalisation (XML 1.0 section 3.3.3).
    pub(super) fn reference(
        &mut self,
        cursor: &mut Cursor<'_>,
        byte: u8,
        mut reference: Reference,
        quote: Option<u8>,
    ) -> Result<(), XmlError> {
        cursor.at += 1;
        self.state = match (reference.take(byte)?, quote) {
            (None, quote) => State::Reference { reference, quote },
            (Some(character), quote) => {
                self.push(character);
                quote.map_or(State::Content, |quote| State::Value { quote })
            }
        };
        Ok(())
    }

    /// After `<!`: only a CDATA section may follow (RFC 6120 section 11.1).
    pub(super) fn cdata_start(
        &mut self,
        cursor: &mut Cursor<'_>,
        byte: u8,
        matched: usize,
    ) -> Result<(), XmlError> {
        const START: &[u8] = b"[CDATA[";
        if byte != START[matched] {
            return Err(match (matched, byte) {
                (0, b'-') => XmlError::Restricted("a comment"),
                (0, b'D') => XmlError::Restricted("a document type declaration"),
                _ => XmlError::NotWellFormed("<! starts nothing that is allowed here"),
            });
        }
        if self.open.is_empty() {
            return Err(XmlError::Format("a CDATA section outside of a stanza"));
        }
        cursor.at += 1;
        self.state = match matched + 1 {
            all if all == START.len() => State::Cdata,
            matched => State::CdataStart { matched },
        };
        Ok(())
    }

    /// A CDATA section, whose characters are text like any other.
    pub(super) fn cdata(&mut self, cursor: &mut Cursor<'_>, byte: u8) -> Result<(), XmlError> {
        if self.partial.is_empty() {
            if byte == b'>' && self.brackets == 2 {
                self.delimiter(cursor);
                self.state = State::Content;
                return Ok(());
            }
            if byte == b']' {
                cursor.at += 1;
                self.after_return = false;
                // Of three brackets in a row the first is text, the others may still end the section.
                if self.brackets == 2 {
                    self.text.push(b']');
                } else {
                    self.brackets += 1;
                }
                return Ok(());
            }
            for _ in 0..std::mem::take(&mut self.brackets) {
                self.text.push(b']');
            }
        }
        let rest = cursor.rest();
        let run = memchr(b']', rest).unwrap_or(rest.len());
        self.run(cursor, run, Place::Cdata)
    }

    /// Takes a run of bytes without delimiters: in one piece when nothing in it needs care, otherwise one character
    /// after the other. Every byte is looked at a fixed number of times.
    fn run(&mut self, cursor: &mut Cursor<'_>, length: usize, place: Place) -> Result<(), XmlError> {
        self.count(length);
        if !self.partial.is_empty() {
            // The next byte belongs to the character that was cut off, whatever it looks like.
            let character = self.character(cursor)?;
            return character.map_or(Ok(()), |character| self.take(character, place));
        }
        let end = cursor.at + length;
        if !self.after_return && self.brackets == 0 {
            let run = &cursor.input[cursor.at..end];
            let plain = &run[..chars::plain_prefix(run)];
            self.text.extend_from_slice(plain);
            cursor.at += plain.len();
        }
        while cursor.at < end {
            if let Some(character) = self.character(cursor)? {
                self.take(character, place)?;
            }
        }
        Ok(())
    }

    /// Decodes the next character; none when the input ends within it.
    pub(super) fn character(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<char>, XmlError> {
        const ERROR: XmlError = XmlError::Encoding("a byte sequence is not UTF-8");
        let PartialCharacter { bytes, length } = &mut self.partial;
        while let Some(byte) = cursor.peek() {
            cursor.at += 1;
            bytes[*length] = byte;
            *length += 1;
            match std::str::from_utf8(&bytes[..*length]) {
                Ok(text) => {
                    let character = text.chars().next();
                    *length = 0;
                    return Ok(character);
                }
                Err(error) if error.error_len().is_some() || *length == bytes.len() => return Err(ERROR),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Checks a literal character and normalises line ends (XML 1.0 section 2.11), and white space in values
    /// (section 3.3.3).
    fn take(&mut self, character: char, place: Place) -> Result<(), XmlError> {
        if !chars::is_char(character) {
            return Err(XmlError::NotWellFormed("a character that XML does not allow"));
        }
        let after_return = std::mem::replace(&mut self.after_return, character == '\r');
        if after_return && character == '\n' {
            return Ok(());
        }
        match character {
            '\r' | '\n' | '\t' if place == Place::Value => self.text.push(b' '),
            '\r' => self.text.push(b'\n'),
            '>' if place == Place::Text && self.brackets == 2 => {
                return Err(XmlError::NotWellFormed("]]> in text"));
            }
            other => self.push(other),
        }
        if place == Place::Text {
            self.brackets = if character == ']' { (self.brackets + 1).min(2) } else { 0 };
        }
        Ok(())
    }

    pub(super) fn push(&mut self, character: char) {
        self.text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}
