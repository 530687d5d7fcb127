//! The character classes of XML 1.0 and of Namespaces in XML 1.0.

use memchr::memchr_iter;

use super::names;

const NAME_START: u8 = 1;
const NAME: u8 = 2;
const SPACE: u8 = 4;

/// What each ASCII byte may be; bytes above ASCII belong to no class here.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let character = byte as u8;
        if character.is_ascii_alphabetic() || character == b'_' || character == b':' {
            classes[byte] = NAME_START | NAME;
        } else if character.is_ascii_digit() || character == b'-' || character == b'.' {
            classes[byte] = NAME;
        } else if matches!(character, b' ' | b'\t' | b'\n' | b'\r') {
            classes[byte] = SPACE;
        }
        byte += 1;
    }
    classes
};

/// White space (XML 1.0 production 3).
pub(super) fn is_space(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & SPACE != 0
}

/// A byte that may start a name, when it is ASCII (XML 1.0 production 4).
pub(super) fn is_name_start_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & NAME_START != 0
}

/// A byte that may be part of a name, when it is ASCII (XML 1.0 production 4a); the colon is among them.
pub(super) fn is_name_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & NAME != 0
}

/// A character that may start a name.
pub(super) fn is_name_start(character: char) -> bool {
    match u8::try_from(character) {
        Ok(byte @ ..=0x7f) => is_name_start_byte(byte),
        _ => names::is_letter(character),
    }
}

/// A character that may be part of a name.
pub(super) fn is_name(character: char) -> bool {
    match u8::try_from(character) {
        Ok(byte @ ..=0x7f) => is_name_byte(byte),
        _ => names::is_letter(character) || names::is_continuation(character),
    }
}

/// NCName: a name without a colon (Namespaces in XML 1.0 production 4).
pub(super) fn is_ncname(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|first| first != ':' && is_name_start(first))
        && characters.all(|character| character != ':' && is_name(character))
}

/// Char (XML 1.0 production 2).
pub(super) fn is_char(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        _ => character >= ' ',
    }
}

/// How many bytes at the start of `run` are characters that stand for themselves in text and in attribute values: no
/// control characters, no line ends, no `]`. Either the whole run is taken or, when something in it needs care,
/// nothing; only a character cut off at the end is left out otherwise.
pub(super) fn plain_prefix(run: &[u8]) -> usize {
    let mut special = false;
    let mut high = 0;
    for &byte in run {
        special |= byte < b' ' || byte == b']';
        high |= byte;
    }
    if special {
        return 0;
    }
    if high < 0x80 {
        return run.len();
    }
    match std::str::from_utf8(run) {
        Ok(_) if has_noncharacter(run) => 0,
        Ok(_) => run.len(),
        Err(error) if error.error_len().is_none() && !has_noncharacter(run) => error.valid_up_to(),
        Err(_) => 0,
    }
}

/// Whether U+FFFE or U+FFFF is in UTF-8 text.
fn has_noncharacter(run: &[u8]) -> bool {
    memchr_iter(0xef, run).any(|at| matches!(run.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])))
}
