//! Character and entity references, read one byte at a time (XML 1.0 section 4.1).

use super::{XmlError, chars};

/// No character needs more digits than this, not even when it is written with 32 bits.
const DIGITS: u8 = 8;

/// Entities other than the predefined ones are restricted XML (RFC 6120 section 11.1).
const UNKNOWN_ENTITY: XmlError = XmlError::Restricted("an entity that is not predefined");

/// What has been read of a reference after its `&`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reference {
    /// The name of an entity; the longest predefined one has four letters.
    Name { letters: [u8; 4], length: u8 },
    /// Just `#`.
    Number,
    /// `#` and decimal digits, or `#x` and hexadecimal ones.
    Digits { radix: u32, value: u32, count: u8 },
}

impl Reference {
    /// A reference of which only the `&` has been read.
    pub(super) fn new() -> Reference {
        Reference::Name { letters: [0; 4], length: 0 }
    }

    /// Takes the next byte; gives the character when it was the closing `;`.
    pub(super) fn take(&mut self, byte: u8) -> Result<Option<char>, XmlError> {
        match self {
            Reference::Name { letters, length } if byte == b';' => {
                return entity(&letters[..usize::from(*length)]).map(Some);
            }
            Reference::Name { length: 0, .. } if byte == b'#' => *self = Reference::Number,
            Reference::Name { letters, length } => take_letter(letters, length, byte)?,
            Reference::Number if byte == b'x' => *self = Reference::Digits { radix: 16, value: 0, count: 0 },
            Reference::Number => {
                *self = Reference::Digits { radix: 10, value: 0, count: 0 };
                return self.take(byte);
            }
            Reference::Digits { value, count: 1.., .. } if byte == b';' => {
                return character(*value).map(Some);
            }
            Reference::Digits { radix, value, count } => {
                let malformed = XmlError::NotWellFormed("a character reference is malformed");
                let digit = char::from(byte).to_digit(*radix).ok_or(malformed)?;
                if *count == DIGITS {
                    return Err(XmlError::Limit("a character reference is too long"));
                }
                *count += 1;
                *value = value.saturating_mul(*radix).saturating_add(digit);
            }
        }
        Ok(None)
    }
}

fn take_letter(letters: &mut [u8; 4], length: &mut u8, byte: u8) -> Result<(), XmlError> {
    let fits = if *length == 0 { chars::is_name_start_byte(byte) } else { chars::is_name_byte(byte) };
    if byte.is_ascii() && !fits {
        return Err(XmlError::NotWellFormed("& starts no reference"));
    }
    *letters.get_mut(usize::from(*length)).ok_or(UNKNOWN_ENTITY)? = byte;
    *length += 1;
    Ok(())
}

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
        .ok_or(XmlError::NotWellFormed("a reference to a character that XML does not allow"))
}
