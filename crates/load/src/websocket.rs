//! A WebSocket's frames from the client's side (RFC 6455 section 5), and its opening handshake.

use std::ops::Range;

use anyhow::{Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::random;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The request that opens it (RFC 6455 section 4.1, RFC 7395 section 3.1).
pub(crate) fn request(host: &str, path: &str, subprotocol: &str) -> String {
    let key = BASE64_STANDARD.encode(random::bytes::<16>());
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    )
}

/// The length of the answer's head when it is there, if the answer agrees.
pub(crate) fn accepted(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.contains(" 101 "), "no WebSocket there: {status}");
    Ok(Some(end + 4))
}

/// Appends a text frame. The mask (section 5.3) keeps scripts in browsers from choosing what goes over the wire;
/// nothing here is chosen by a script, so a new mask for each connection is enough.
pub(crate) fn write_text(payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    write_frame(TEXT, payload, mask, out);
}

fn write_frame(opcode: u8, payload: &[u8], mask: [u8; 4], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | u8::try_from(len).unwrap_or(0)),
        len => match u16::try_from(len) {
            Ok(len) => {
                out.push(0x80 | 126);
                out.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                out.push(0x80 | 127);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        },
    }
    out.extend_from_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// What a frame that has arrived asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole message lies there.
    Text(Range<usize>),
    /// A part of a message, to be kept until the rest is there; whether it is the last one.
    Part(Range<usize>, bool),
    /// To be answered with these bytes.
    Answer(Vec<u8>, usize),
    /// Nothing to do; it ends there.
    Nothing(usize),
    /// The server ends it.
    Close,
}

/// The first frame of these bytes, when it is there to its end. The mask is for what has to be answered.
pub(crate) fn read(bytes: &[u8], mask: [u8; 4]) -> Result<Option<Frame>> {
    let [head, length, ..] = *bytes else {
        return Ok(None);
    };
    ensure!(length & 0x80 == 0, "the server masked a frame (RFC 6455 section 5.1)");
    let (start, length) = match length {
        126 => match bytes.get(2..4) {
            Some(length) => (4, u64::from(u16::from_be_bytes([length[0], length[1]]))),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|length| length.try_into().ok()) {
            Some(length) => (10, u64::from_be_bytes(length)),
            None => return Ok(None),
        },
        length => (2, u64::from(length)),
    };
    let end = start + usize::try_from(length)?;
    if bytes.len() < end {
        return Ok(None);
    }
    let last = head & 0x80 != 0;
    Ok(Some(match head & 0x0f {
        TEXT if last => Frame::Text(start..end),
        TEXT | CONTINUATION => Frame::Part(start..end, last),
        PING => {
            let mut answer = Vec::new();
            write_frame(PONG, &bytes[start..end], mask, &mut answer);
            Frame::Answer(answer, end)
        }
        CLOSE => Frame::Close,
        _ => Frame::Nothing(end),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 section 5.7.
    #[test]
    fn the_examples_of_frames() {
        let mut out = Vec::new();
        write_text(b"Hello", [0x37, 0xfa, 0x21, 0x3d], &mut out);
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        let read = |bytes: &[u8]| read(bytes, [0; 4]).unwrap();
        assert_eq!(read(&[0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]), Some(Frame::Text(2..7)));
        assert_eq!(read(&[0x81, 0x05, 0x48]), None);
        assert_eq!(read(&[0x01, 0x03, 0x48, 0x65, 0x6c]), Some(Frame::Part(2..5, false)));
        assert_eq!(read(&[0x80, 0x02, 0x6c, 0x6f]), Some(Frame::Part(2..4, true)));
        let ping = read(&[0x89, 0x01, 0x48]);
        assert_eq!(ping, Some(Frame::Answer(vec![0x8a, 0x81, 0, 0, 0, 0, 0x48], 3)));
        let mut long = vec![0x81, 0x7e, 0x01, 0x00];
        long.extend([b'x'; 256]);
        assert_eq!(read(&long), Some(Frame::Text(4..260)));
        assert_eq!(read(&[0x88, 0x00]), Some(Frame::Close));
    }

    #[test]
    fn the_answer_to_the_opening() {
        assert_eq!(accepted(b"HTTP/1.1 101 Switching").unwrap(), None);
        assert_eq!(accepted(b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n\x81").unwrap(), Some(42));
        assert!(accepted(b"HTTP/1.1 404 Not Found\r\n\r\n").is_err());
    }
}
