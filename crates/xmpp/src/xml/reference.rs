//! Character and entity references, read one byte at a time (XML 1.0 section 4.1).

use super::{XmlError, chars};

/// What has been read of a reference after its `&`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reference {
    /// Letters of an entity name; the longest predefined one has four.
    Name { letters: [u8; 4], length: u8 },
    /// Just `#`.
    Number,
    /// `#` and at least one decimal digit.
    Decimal { value: u32 },
    /// `#x`, and whether hexadecimal digits have followed.
    Hexadecimal { value: u32, digits: bool },
}

impl Reference {
    /// A reference of which only the `&` has been read.
    pub(super) fn new() -> Reference {
        Reference::Name {
            letters: [0; 4],
            length: 0,
        }
    }

    /// Takes the next byte; gives the character when it was the closing `;`.
    pub(super) fn take(&mut self, byte: u8) -> Result<Option<char>, XmlError> {
        match (&mut *self, byte) {
            (Reference::Name { letters, length }, b';') => {
                return entity(&letters[..usize::from(*length)]).map(Some);
            }
            (Reference::Name { length: 0, .. }, b'#') => *self = Reference::Number,
            (Reference::Name { letters, length }, _) => {
                let fits = if *length == 0 {
                    chars::is_name_start_byte(byte)
                } else {
                    chars::is_name_byte(byte)
                };
                if byte.is_ascii() && !fits {
                    return Err(XmlError::NotWellFormed("& starts no reference"));
                }
                let Some(letter) = letters.get_mut(usize::from(*length)) else {
                    return Err(UNKNOWN_ENTITY);
                };
                *letter = byte;
                *length += 1;
            }
            (Reference::Number, b'x') => {
                *self = Reference::Hexadecimal {
                    value: 0,
                    digits: false,
                }
            }
            (Reference::Number, b'0'..=b'9') => {
                *self = Reference::Decimal {
                    value: u32::from(byte - b'0'),
                }
            }
            (Reference::Decimal { value } | Reference::Hexadecimal { value, digits: true }, b';') => {
                return character(*value).map(Some);
            }
            (Reference::Decimal { value }, b'0'..=b'9') => {
                *value = value.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
            }
            (Reference::Hexadecimal { value, digits }, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                *value = value.saturating_mul(16).saturating_add(digit);
                *digits = true;
            }
            _ => return Err(XmlError::NotWellFormed("a character reference is malformed")),
        }
        Ok(None)
    }
}

/// Entities other than the predefined ones are restricted XML (RFC 6120 section 11.1).
const UNKNOWN_ENTITY: XmlError = XmlError::Restricted("an entity that is not predefined");

/// The five predefined entities (XML 1.0 section 4.6).
fn entity(name: &[u8]) -> Result<char, XmlError> {
    match name {
        b"amp" => Ok('&'),
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"quot" => Ok('"'),
        b"apos" => Ok('\''),
        b"" => Err(XmlError::NotWellFormed("& starts no reference")),
        _ => Err(UNKNOWN_ENTITY),
    }
}

/// A reference must name a character that XML allows (XML 1.0, well-formedness constraint "Legal Character").
fn character(value: u32) -> Result<char, XmlError> {
    char::from_u32(value)
        .filter(|character| chars::is_char(*character))
        .ok_or(XmlError::NotWellFormed(
            "a reference to a character that XML does not allow",
        ))
}
