//! Finding where stanzas begin and end in a stream of bytes, without reading what is in them.
//!
//! A load generator trusts the server it measures to send well-formed XML, so tags are counted and nothing is checked.

use std::ops::Range;

use anyhow::{Result, bail};
use memchr::{memchr, memchr3};

/// A piece of a stream (RFC 6120 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The opening tag of the stream.
    Header(Range<usize>),
    /// A stanza or another element right inside the stream.
    Element(Range<usize>),
    /// The closing tag of the stream.
    Close,
}

/// Counts the depth of a stream; keeps its place over calls.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    depth: usize,
    /// Where the piece that is being read begins.
    start: usize,
    /// Everything before this was looked at.
    at: usize,
}

impl Splitter {
    /// A splitter of a stream that is open already.
    pub(crate) fn inside() -> Self {
        Self { depth: 1, ..Self::default() }
    }

    /// The next whole piece of `bytes`, if it is there. Each call gets the same bytes, perhaps with more at the end,
    /// until [`Splitter::consumed`] says that some were taken off the front.
    pub(crate) fn next(&mut self, bytes: &[u8]) -> Result<Option<Piece>> {
        while let Some(open) = memchr(b'<', &bytes[self.at..]).map(|offset| self.at + offset) {
            let Some(end) = end_of_tag(bytes, open)? else {
                self.at = open;
                return Ok(None);
            };
            self.at = end;
            let tag = &bytes[open..end];
            match tag[1] {
                b'?' | b'!' => {}
                b'/' if self.depth <= 1 => return Ok(Some(Piece::Close)),
                b'/' => {
                    self.depth -= 1;
                    if self.depth == 1 {
                        return Ok(Some(Piece::Element(self.start..end)));
                    }
                }
                _ => {
                    if self.depth <= 1 {
                        self.start = open;
                    }
                    let empty = tag[tag.len() - 2] == b'/';
                    match (self.depth, empty) {
                        (0, _) => {
                            self.depth = 1;
                            return Ok(Some(Piece::Header(open..end)));
                        }
                        (1, true) => return Ok(Some(Piece::Element(open..end))),
                        (_, true) => {}
                        (_, false) => self.depth += 1,
                    }
                }
            }
        }
        self.at = bytes.len();
        Ok(None)
    }

    /// Tells that so many bytes were taken off the front.
    pub(crate) fn consumed(&mut self, bytes: usize) {
        self.start = self.start.saturating_sub(bytes);
        self.at = self.at.saturating_sub(bytes);
    }
}

/// Where the tag that opens at `open` ends, if it is there to its end.
fn end_of_tag(bytes: &[u8], open: usize) -> Result<Option<usize>> {
    let rest = &bytes[open..];
    if rest.starts_with(b"<![CDATA[") {
        return Ok(memchr::memmem::find(rest, b"]]>").map(|offset| open + offset + 3));
    }
    if b"<![CDATA[".starts_with(rest) {
        return Ok(None);
    }
    let mut at = open + 1;
    loop {
        let Some(offset) = memchr3(b'>', b'\'', b'"', &bytes[at..]) else {
            return Ok(None);
        };
        let found = at + offset;
        if bytes[found] == b'>' {
            if found == open + 1 {
                bail!("the server sent a tag without a name");
            }
            return Ok(Some(found + 1));
        }
        let Some(quote) = memchr(bytes[found], &bytes[found + 1..]) else {
            return Ok(None);
        };
        at = found + quote + 2;
    }
}

/// The value of an attribute of the first tag, as it stands there; references are not resolved.
pub(crate) fn attribute<'a>(element: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut at = memchr3(b' ', b'>', b'/', element)?;
    loop {
        while element.get(at)?.is_ascii_whitespace() {
            at += 1;
        }
        if matches!(element[at], b'>' | b'/') {
            return None;
        }
        let equals = at + memchr(b'=', &element[at..])?;
        let found = element[at..equals].trim_ascii_end();
        let open = equals + 1 + element[equals + 1..].iter().position(|byte| matches!(byte, b'\'' | b'"'))?;
        let close = open + 1 + memchr(element[open], &element[open + 1..])?;
        if found == name.as_bytes() {
            return Some(&element[open + 1..close]);
        }
        at = close + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(stream: &str, chunk: usize) -> Vec<String> {
        let mut splitter = Splitter::default();
        let (mut bytes, mut found) = (Vec::new(), Vec::new());
        for part in stream.as_bytes().chunks(chunk) {
            bytes.extend_from_slice(part);
            while let Some(piece) = splitter.next(&bytes).unwrap() {
                let end = match piece {
                    Piece::Header(range) | Piece::Element(range) => {
                        found.push(String::from_utf8(bytes[range.clone()].to_vec()).unwrap());
                        range.end
                    }
                    Piece::Close => {
                        found.push("close".to_owned());
                        bytes.len()
                    }
                };
                bytes.drain(..end);
                splitter.consumed(end);
            }
        }
        found
    }

    #[test]
    fn a_stream_is_split_wherever_the_bytes_are_cut() {
        let stream = "<?xml version='1.0'?><stream:stream id='a>b'>\n<a/><b><c d=\"/>\"/><b></b>text</b> \
                      <e x='</e>'><![CDATA[</e><f>]]></e></stream:stream>";
        let wanted = [
            "<stream:stream id='a>b'>",
            "<a/>",
            "<b><c d=\"/>\"/><b></b>text</b>",
            "<e x='</e>'><![CDATA[</e><f>]]></e>",
            "close",
        ];
        for chunk in 1..stream.len() {
            assert_eq!(pieces(stream, chunk), wanted, "in chunks of {chunk}");
        }
    }

    #[test]
    fn attributes_of_the_first_tag() {
        let element = b"<message to='a b' from=\"c='d'\" id = 'e'><body id='f' x='y'/></message>";
        assert_eq!(attribute(element, "to"), Some(&b"a b"[..]));
        assert_eq!(attribute(element, "from"), Some(&b"c='d'"[..]));
        assert_eq!(attribute(element, "id"), Some(&b"e"[..]));
        assert_eq!(attribute(element, "x"), None);
        assert_eq!(attribute(b"<a/>", "x"), None);
        assert_eq!(attribute(b"<a x='1'/>", "x"), Some(&b"1"[..]));
    }
}
