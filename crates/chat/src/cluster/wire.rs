//! How values stand in frames between nodes: numbers as varints, texts and lists with their length before them.

use bytes::Bytes;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

/// Why a frame was not understood: it ends too early, or holds what cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of another node cannot be read")]
pub(crate) struct Malformed;

/// The result of reading.
pub(crate) type Read<T> = std::result::Result<T, Malformed>;

/// Writes values one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn finish(self) -> Bytes {
        self.0.into()
    }

    pub(crate) fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.byte(u8::from(value));
    }

    /// Seven bits a byte, the lowest first.
    pub(crate) fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    /// Small numbers are short on both sides of zero.
    pub(crate) fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    pub(crate) fn octets(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.octets(value.as_bytes());
    }

    pub(crate) fn jid(&mut self, value: &Jid) {
        self.text(value.as_str());
    }

    pub(crate) fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(values.len() as u64);
        for value in values {
            write(self, value);
        }
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// In canonical form.
    pub(crate) fn stanza(&mut self, value: &Stanza) {
        let mut xml = Vec::with_capacity(512);
        value.write(&mut xml, "");
        self.octets(&xml);
    }
}

/// Reads values one behind the other.
#[derive(Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn flag(&mut self) -> Read<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn number(&mut self) -> Read<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(Malformed);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    pub(crate) fn signed(&mut self) -> Read<i64> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn length(&mut self) -> Read<usize> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        // Everything that is counted takes a byte at least, so that no count makes anybody reserve more than came.
        if length > self.0.len() { Err(Malformed) } else { Ok(length) }
    }

    pub(crate) fn octets(&mut self) -> Read<&'a [u8]> {
        let length = self.length()?;
        let (octets, rest) = self.0.split_at(length);
        self.0 = rest;
        Ok(octets)
    }

    pub(crate) fn text(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.octets()?).map_err(|_| Malformed)
    }

    pub(crate) fn string(&mut self) -> Read<String> {
        self.text().map(str::to_owned)
    }

    pub(crate) fn jid(&mut self) -> Read<Jid> {
        Jid::new(self.text()?).map_err(|_| Malformed)
    }

    pub(crate) fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let length = self.length()?;
        (0..length).map(|_| read(self)).collect()
    }

    pub(crate) fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    pub(crate) fn stanza(&mut self) -> Read<Stanza> {
        let element = Element::parse(self.text()?).map_err(|_| Malformed)?;
        Stanza::from_element(element).map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let all = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        let mut writer = Writer::default();
        for number in all {
            writer.number(number);
            writer.signed(number as i64);
        }
        let octets = writer.finish();
        let mut reader = Reader::new(&octets);
        for number in all {
            assert_eq!((reader.number(), reader.signed()), (Ok(number), Ok(number as i64)));
        }
        assert!(reader.is_empty());
    }

    #[test]
    fn what_is_cut_or_too_large_is_refused() {
        assert_eq!(Reader::new(&[0x80]).number(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff; 10]).number(), Err(Malformed));
        assert_eq!(
            Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).number(),
            Err(Malformed)
        );
        assert_eq!(Reader::new(&[5, b'a']).octets(), Err(Malformed));
        assert_eq!(Reader::new(&[1, 0xff]).text(), Err(Malformed));
        assert_eq!(Reader::new(&[2]).flag(), Err(Malformed));
        assert_eq!(Reader::new(&[0xff, 0xff, 0x7f]).list(Reader::byte), Err(Malformed));
    }
}
