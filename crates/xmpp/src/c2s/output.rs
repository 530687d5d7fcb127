//! What a stream has to send: octets of one document, or frames of a WebSocket.

use crate::ns;
use crate::xml::{Element, Framing};

/// What most of what is sent at one time fits in.
const USUAL_BYTES: usize = 512;

/// The output of a stream, taken with [`Stream::take_output`](super::Stream::take_output).
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    /// Where each frame ends; empty on a stream without frames.
    ends: Vec<usize>,
}

impl Output {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Everything in one piece, for TCP.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// One piece for each WebSocket message (RFC 7395 section 3.3).
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    pub(super) fn push(&mut self, framing: Framing, write: impl FnOnce(&mut Vec<u8>)) {
        if self.bytes.is_empty() {
            self.bytes.reserve(USUAL_BYTES);
        }
        write(&mut self.bytes);
        if framing == Framing::WebSocket {
            self.ends.push(self.bytes.len());
        }
    }

    pub(super) fn push_element(&mut self, framing: Framing, element: &Element) {
        self.push(framing, |bytes| element.write(bytes, scope(framing)));
    }

    /// Writes an element of the stream namespace with its usual prefix: there are clients that look for it.
    pub(super) fn push_stream_element(&mut self, framing: Framing, name: &str, children: &[Element]) {
        self.push(framing, |bytes| {
            bytes.extend_from_slice(b"<stream:");
            bytes.extend_from_slice(name.as_bytes());
            if framing == Framing::WebSocket {
                bytes.extend_from_slice(b" xmlns:stream='");
                bytes.extend_from_slice(ns::STREAMS.as_bytes());
                bytes.push(b'\'');
            }
            bytes.push(b'>');
            for child in children {
                child.write(bytes, scope(framing));
            }
            bytes.extend_from_slice(b"</stream:");
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(b'>');
        });
    }
}

/// The default namespace in force around what is written.
pub(super) fn scope(framing: Framing) -> &'static str {
    match framing {
        Framing::Stream => ns::CLIENT,
        Framing::WebSocket => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7395 section 3.3.3: each message is a document of its own and declares what it needs.
    #[test]
    fn frames_stand_alone() {
        let mut output = Output::default();
        output.push_element(Framing::WebSocket, &Element::new(ns::CLIENT, "presence"));
        output.push_stream_element(Framing::WebSocket, "features", &[Element::new(ns::SM3, "sm")]);
        let frames: Vec<_> =
            output.frames().map(|frame| String::from_utf8(frame.to_vec()).unwrap()).collect();
        assert_eq!(frames.len(), 2);
        for frame in frames {
            Element::parse(&frame).unwrap();
        }
    }

    #[test]
    fn a_stream_has_no_frames() {
        let mut output = Output::default();
        output.push_stream_element(Framing::Stream, "features", &[]);
        assert_eq!(output.bytes(), b"<stream:features></stream:features>");
        assert_eq!(output.frames().count(), 0);
    }
}
