//! What nodes send each other, and how it is written and sealed.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use waxwing_chat::nodes::{FRAME_BYTES_LIMIT, NodeId};

/// The version of the format, its first byte. Nodes one release apart understand each other.
const VERSION: u8 = 1;
/// Version, kind, sender, receiver.
const HEAD_BYTES: usize = 2 + 8 + 8;
/// Bytes of the seal: half of HMAC-SHA-256, which is as short as RFC 2104 section 5 allows.
const SEAL_BYTES: usize = 16;
/// Nodes that one installation may have.
pub(crate) const NODES_LIMIT: usize = 256;
/// Bytes of the largest packet.
pub(crate) const PACKET_BYTES_LIMIT: usize =
    HEAD_BYTES + 16 + 2 + 16 * NODES_LIMIT + FRAME_BYTES_LIMIT + SEAL_BYTES;

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) from: NodeId,
    /// Everybody where nobody is named.
    pub(crate) to: Option<NodeId>,
    pub(crate) what: What,
}

/// What a packet says. How these make a link stands at the head of `links`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// I am there. To one node: I am there, and have no link with you.
    Announce,
    /// Prove that you are alive now, by naming this number. `link` is the link that I believe in, or 0.
    Greet { nonce: u64, link: u64 },
    /// I am alive; prove that you are, by naming the link. What I send you is numbered behind `start`.
    Accept { echo: u64, link: u64, start: u64 },
    /// I am still there. What I send you on this link is numbered behind `start`, and was `last` the last time.
    Beat { link: u64, start: u64, last: u64, count: u64 },
    /// A frame for one node, and the number of the one before it for the same node.
    Frame { number: u64, previous: u64, bytes: Bytes },
    /// A frame for every node. The one before it was `previous`, but for those named.
    Broadcast { number: u64, previous: u64, exceptions: Vec<(NodeId, u64)>, bytes: Bytes },
    /// I go. The last frame for you was `last`.
    Bye { link: u64, last: u64 },
}

impl What {
    fn kind(&self) -> u8 {
        match self {
            What::Announce => 1,
            What::Greet { .. } => 2,
            What::Accept { .. } => 3,
            What::Beat { .. } => 4,
            What::Frame { .. } => 5,
            What::Broadcast { .. } => 6,
            What::Bye { .. } => 7,
        }
    }

    /// Bytes of the frame in it.
    pub(crate) fn frame_bytes(&self) -> usize {
        match self {
            What::Frame { bytes, .. } | What::Broadcast { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }
}

/// Why a packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("malformed")]
    Malformed,
    #[error("for another node, or from this one")]
    Misdirected,
    #[error("not sealed with this installation's key")]
    Forged,
}

/// The key under which the nodes of one installation seal what they send.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// From a secret of the installation and the name that its subjects begin with: two installations that share a secret
    /// by mistake still do not understand each other.
    pub fn new(secret: &[u8; 32], prefix: &str) -> Key {
        let mut derive = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
        derive.update(b"waxwing bus 1 ");
        derive.update(prefix.as_bytes());
        let derived = derive.finalize().into_bytes();
        Key(Hmac::new_from_slice(&derived).expect("HMAC takes keys of any length"))
    }

    /// Writes a packet and its seal, which covers everything in it.
    pub(crate) fn seal(&self, packet: &Packet) -> Bytes {
        let exceptions = match &packet.what {
            What::Broadcast { exceptions, .. } => exceptions.len(),
            _ => 0,
        };
        let room = HEAD_BYTES + 34 + 16 * exceptions + packet.what.frame_bytes() + SEAL_BYTES;
        let mut out = BytesMut::with_capacity(room);
        out.put_u8(VERSION);
        out.put_u8(packet.what.kind());
        out.put_u64(packet.from.0);
        out.put_u64(packet.to.map_or(0, |node| node.0));
        match &packet.what {
            What::Announce => {}
            What::Greet { nonce, link } => put(&mut out, &[*nonce, *link]),
            What::Accept { echo, link, start } => put(&mut out, &[*echo, *link, *start]),
            What::Beat { link, start, last, count } => put(&mut out, &[*link, *start, *last, *count]),
            What::Frame { number, previous, bytes } => {
                put(&mut out, &[*number, *previous]);
                out.put_slice(bytes);
            }
            What::Broadcast { number, previous, exceptions, bytes } => {
                put(&mut out, &[*number, *previous]);
                out.put_u16(exceptions.len() as u16);
                for (node, previous) in exceptions {
                    put(&mut out, &[node.0, *previous]);
                }
                out.put_slice(bytes);
            }
            What::Bye { link, last } => put(&mut out, &[*link, *last]),
        }
        let mut seal = self.0.clone();
        seal.update(&out);
        out.put_slice(&seal.finalize().into_bytes()[..SEAL_BYTES]);
        out.freeze()
    }

    /// Reads a packet for `me`, whose seal must be this key's. What costs least is looked at first.
    pub(crate) fn open(&self, sealed: Bytes, me: NodeId) -> Result<Packet, Refusal> {
        if sealed.len() < HEAD_BYTES + SEAL_BYTES || sealed.len() > PACKET_BYTES_LIMIT || sealed[0] != VERSION
        {
            return Err(Refusal::Malformed);
        }
        let mut body = sealed;
        let seal = body.split_off(body.len() - SEAL_BYTES);
        let whole = body.clone();
        body.advance(1);
        let kind = body.get_u8();
        let (from, to) = (NodeId(body.get_u64()), body.get_u64());
        let to = (to != 0).then_some(NodeId(to));
        if from == me || to.is_some_and(|to| to != me) {
            return Err(Refusal::Misdirected);
        }
        let what = read(kind, body)?;
        let mut expected = self.0.clone();
        expected.update(&whole);
        expected.verify_truncated_left(&seal).map_err(|_| Refusal::Forged)?;
        Ok(Packet { from, to, what })
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

fn put(out: &mut BytesMut, numbers: &[u64]) {
    for number in numbers {
        out.put_u64(*number);
    }
}

fn read(kind: u8, mut body: Bytes) -> Result<What, Refusal> {
    let mut numbers = [0; 4];
    let count = match kind {
        1 => 0,
        2 | 5 | 6 | 7 => 2,
        3 => 3,
        4 => 4,
        _ => return Err(Refusal::Malformed),
    };
    for number in &mut numbers[..count] {
        *number = body.try_get_u64().map_err(|_| Refusal::Malformed)?;
    }
    let [a, b, c, d] = numbers;
    let what = match kind {
        5 => return Ok(What::Frame { number: a, previous: b, bytes: body }),
        6 => {
            let count = usize::from(body.try_get_u16().map_err(|_| Refusal::Malformed)?);
            if count > NODES_LIMIT || body.len() < count * 16 {
                return Err(Refusal::Malformed);
            }
            let exceptions = (0..count).map(|_| (NodeId(body.get_u64()), body.get_u64())).collect();
            return Ok(What::Broadcast { number: a, previous: b, exceptions, bytes: body });
        }
        1 => What::Announce,
        2 => What::Greet { nonce: a, link: b },
        3 => What::Accept { echo: a, link: b, start: c },
        4 => What::Beat { link: a, start: b, last: c, count: d },
        _ => What::Bye { link: a, last: b },
    };
    if body.is_empty() { Ok(what) } else { Err(Refusal::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: NodeId = NodeId(7);

    fn every_kind() -> Vec<Packet> {
        let bytes = Bytes::from_static(b"frame");
        let exceptions = vec![(ME, 4), (NodeId(9), 5)];
        let whats = [
            What::Announce,
            What::Greet { nonce: 1, link: 2 },
            What::Accept { echo: 1, link: 2, start: 3 },
            What::Beat { link: 1, start: 2, last: 3, count: 4 },
            What::Frame { number: 2, previous: 1, bytes: bytes.clone() },
            What::Broadcast { number: 6, previous: 3, exceptions, bytes },
            What::Bye { link: 1, last: 2 },
        ];
        whats.into_iter().map(|what| Packet { from: NodeId(8), to: Some(ME), what }).collect()
    }

    #[test]
    fn what_was_sealed_is_read() {
        let key = Key::new(&[1; 32], "waxwing");
        for packet in every_kind() {
            assert_eq!(key.open(key.seal(&packet), ME), Ok(packet));
        }
    }

    /// The seal covers every byte: no bit can be turned, nothing cut off or added.
    #[test]
    fn what_was_changed_is_refused() {
        let key = Key::new(&[1; 32], "waxwing");
        for packet in every_kind() {
            let sealed = key.seal(&packet);
            for at in 0..sealed.len() {
                for bit in 0..8 {
                    let mut changed = sealed.to_vec();
                    changed[at] ^= 1 << bit;
                    assert!(key.open(changed.into(), ME).is_err(), "bit {bit} of byte {at} of {packet:?}");
                }
                assert!(key.open(sealed.slice(..at), ME).is_err());
            }
            assert!(key.open([&sealed[..], b"x"].concat().into(), ME).is_err());
        }
    }

    #[test]
    fn other_keys_nodes_and_prefixes_are_refused() {
        let key = Key::new(&[1; 32], "waxwing");
        let packet = every_kind().remove(4);
        let sealed = key.seal(&packet);
        let forged = Err(Refusal::Forged);
        assert_eq!(Key::new(&[2; 32], "waxwing").open(sealed.clone(), ME), forged);
        assert_eq!(Key::new(&[1; 32], "another").open(sealed.clone(), ME), forged);
        assert_eq!(key.open(sealed.clone(), NodeId(9)), Err(Refusal::Misdirected));
        assert_eq!(key.open(sealed, NodeId(8)), Err(Refusal::Misdirected), "its own come back");
    }
}
