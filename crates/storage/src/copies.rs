//! The column `message.copies`: whose a message is, and what each owner sees as the other party.
//!
//! One entry a copy: the owner as a variable-length number, a byte of flags, the length of the peer's address as a
//! variable-length number, the address.

use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveCopy, Direction};

const OUTGOING: u8 = 1;
const WAITS: u8 = 2;
const UNKEPT: u8 = 4;

/// How a copy is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Shown by archive queries.
    Archived,
    /// Shown by them, and waits for the owner if he is offline.
    ArchivedAndWaits,
    /// Waits, and goes once it is delivered.
    Waits,
}

impl Kind {
    /// `None` for a copy that nobody would ever see.
    fn new(kept: bool, waits: bool) -> Option<Self> {
        match (kept, waits) {
            (true, false) => Some(Self::Archived),
            (true, true) => Some(Self::ArchivedAndWaits),
            (false, true) => Some(Self::Waits),
            (false, false) => None,
        }
    }

    /// Shown by archive queries.
    pub(crate) fn is_kept(self) -> bool {
        self != Self::Waits
    }
}

/// One entry, borrowed from the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) owner: AccountId,
    flags: u8,
    pub(crate) peer: &'a str,
    bytes: &'a [u8],
}

impl Entry<'_> {
    pub(crate) fn direction(&self) -> Direction {
        if self.flags & OUTGOING == 0 { Direction::Incoming } else { Direction::Outgoing }
    }

    /// Whether it was to wait, whichever way it went.
    pub(crate) fn waits(&self) -> bool {
        self.flags & WAITS != 0
    }

    /// What one sent oneself never waits.
    pub(crate) fn kind(&self) -> Kind {
        let waits = self.flags & (OUTGOING | WAITS) == WAITS;
        Kind::new(self.flags & UNKEPT == 0, waits).unwrap_or(Kind::Waits)
    }
}

/// How a copy is to be kept; `None` for one that nobody would ever see.
pub(crate) fn kind(copy: &ArchiveCopy) -> Option<Kind> {
    Kind::new(copy.kept, copy.waits && copy.direction == Direction::Incoming)
}

/// Writes the column, without copies that nobody would ever see.
pub(crate) fn encode(copies: &[ArchiveCopy], out: &mut Vec<u8>) {
    for copy in copies.iter().filter(|copy| kind(copy).is_some()) {
        put_number(copy.owner.0.cast_unsigned(), out);
        let outgoing = if copy.direction == Direction::Outgoing { OUTGOING } else { 0 };
        out.push(outgoing | if copy.waits { WAITS } else { 0 } | if copy.kept { 0 } else { UNKEPT });
        let peer = copy.peer.as_str().as_bytes();
        put_number(peer.len() as u64, out);
        out.extend_from_slice(peer);
    }
}

/// Reads the column; `None` in place of an entry that cannot be read, after which nothing comes.
pub(crate) fn entries(mut column: &[u8]) -> impl Iterator<Item = Option<Entry<'_>>> {
    std::iter::from_fn(move || {
        if column.is_empty() {
            return None;
        }
        let entry = take_entry(&mut column);
        if entry.is_none() {
            column = &[];
        }
        Some(entry)
    })
}

/// The owners to whose archives the message belongs.
pub(crate) fn readers(column: &[u8]) -> impl Iterator<Item = AccountId> {
    entries(column).flatten().filter(|entry| entry.kind().is_kept()).map(|entry| entry.owner)
}

/// Writes the column anew without one owner's entry; `None` when that was the last.
pub(crate) fn without(column: &[u8], owner: AccountId) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(column.len());
    for entry in entries(column).flatten().filter(|e| e.owner != owner) {
        out.extend_from_slice(entry.bytes);
    }
    (!out.is_empty()).then_some(out)
}

fn take_entry<'a>(rest: &mut &'a [u8]) -> Option<Entry<'a>> {
    let whole = *rest;
    let owner = AccountId(take_number(rest)?.cast_signed());
    let (&flags, after) = rest.split_first()?;
    *rest = after;
    let length = usize::try_from(take_number(rest)?).ok()?;
    let (peer, after) = rest.split_at_checked(length)?;
    *rest = after;
    let bytes = &whole[..whole.len() - after.len()];
    Some(Entry { owner, flags, peer: std::str::from_utf8(peer).ok()?, bytes })
}

fn put_number(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use waxwing_xmpp::jid::Jid;

    fn copy(owner: i64, peer: &str, direction: Direction, waits: bool) -> ArchiveCopy {
        ArchiveCopy { owner: AccountId(owner), peer: Jid::new(peer).unwrap(), direction, kept: true, waits }
    }

    #[test]
    fn entries_survive_and_one_can_be_taken_out() {
        let copies = [
            copy(7, "juliet@capulet.example/balcony", Direction::Outgoing, true),
            copy(i64::MAX, "romeo@montague.example", Direction::Incoming, true),
        ];
        let mut column = Vec::new();
        encode(&copies, &mut column);
        let read: Vec<_> = entries(&column).map(Option::unwrap).collect();
        assert_eq!(read[0].owner, AccountId(7));
        assert_eq!(read[0].peer, "juliet@capulet.example/balcony");
        assert_eq!(read[0].direction(), Direction::Outgoing);
        assert_eq!(read[0].kind(), Kind::Archived, "what one sent never waits");
        assert_eq!(read[1].owner, AccountId(i64::MAX));
        assert_eq!(read[1].kind(), Kind::ArchivedAndWaits);

        let rest = without(&column, AccountId(7)).unwrap();
        assert_eq!(entries(&rest).map(Option::unwrap).map(|e| e.owner.0).collect::<Vec<_>>(), [i64::MAX]);
        assert_eq!(without(&rest, AccountId(i64::MAX)), None);
    }

    #[test]
    fn damage_is_seen_not_followed() {
        let mut column = Vec::new();
        encode(&[copy(7, "juliet@capulet.example", Direction::Outgoing, true)], &mut column);
        for cut in 1..column.len() {
            assert_eq!(entries(&column[..cut]).collect::<Vec<_>>(), [None], "cut at {cut}");
        }
    }
}
