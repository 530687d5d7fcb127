//! A block: some hundred entries of a run in order, as differences.
//!
//! Its row tells its first entry. The block begins with the number that its ids are counted from; then follows for each
//! entry, as variable-length numbers, the difference of its key from the one before and its id: counted from the one
//! before if the key is the same, otherwise from that number.

use super::Posting;

/// The most that an entry takes.
const MAX_ENTRY: usize = 20;

/// A block that does not read as one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a block of the archive's index is damaged")]
pub(crate) struct Damaged;

impl From<Damaged> for rusqlite::Error {
    fn from(damaged: Damaged) -> Self {
        Self::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(damaged))
    }
}

/// Fills a block.
#[derive(Debug)]
pub(crate) struct Encoder {
    limit: usize,
    base: u64,
    bytes: Vec<u8>,
    first: Posting,
    last: Posting,
    entries: u64,
    low: u64,
    high: u64,
}

impl Encoder {
    /// A block of at most `limit` bytes; ids are counted from `base`, which should be below them all.
    pub(crate) fn new(limit: usize, base: u64) -> Self {
        let (first, last) = (Posting::default(), Posting::default());
        Self { limit, base, bytes: Vec::with_capacity(limit), first, last, entries: 0, low: 0, high: 0 }
    }

    /// Adds an entry behind all before; false if the block is full.
    pub(crate) fn push(&mut self, posting: Posting) -> bool {
        let (key, id) = (posting.key(), posting.id());
        if self.entries == 0 {
            put(self.base, &mut self.bytes);
            self.bytes.push(0);
            put(id.wrapping_sub(self.base), &mut self.bytes);
            (self.first, self.low, self.high) = (posting, id, id);
        } else {
            if self.bytes.len() + MAX_ENTRY > self.limit {
                return false;
            }
            let step = key.wrapping_sub(self.last.key());
            put(step, &mut self.bytes);
            let from = if step == 0 { self.last.id() } else { self.base };
            put(id.wrapping_sub(from), &mut self.bytes);
            self.low = self.low.min(id);
            self.high = self.high.max(id);
        }
        self.last = posting;
        self.entries += 1;
        true
    }

    /// The block, unless it is empty.
    pub(crate) fn block(&self) -> Option<Block<'_>> {
        (self.entries > 0).then_some(Block {
            first: self.first,
            last: self.last,
            entries: self.entries,
            low: self.low,
            high: self.high,
            bytes: &self.bytes,
        })
    }

    /// Begins the next block.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.entries = 0;
    }
}

/// A block that is ready to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'a> {
    pub(crate) first: Posting,
    pub(crate) last: Posting,
    pub(crate) entries: u64,
    /// The oldest and the newest message in it.
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) bytes: &'a [u8],
}

/// Reads a block entry by entry.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    base: u64,
    key: u64,
    id: u64,
}

impl<'a> Decoder<'a> {
    /// `key` is that of the block's first entry.
    pub(crate) fn new(key: u64, mut bytes: &'a [u8]) -> Result<Self, Damaged> {
        let base = take(&mut bytes)?;
        Ok(Self { rest: bytes, base, key, id: base })
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> Result<Option<Posting>, Damaged> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let step = take(&mut self.rest)?;
        if step != 0 {
            self.key = self.key.wrapping_add(step);
            self.id = self.base;
        }
        self.id = self.id.wrapping_add(take(&mut self.rest)?);
        Ok(Some(Posting::new(self.key, self.id)))
    }
}

fn put(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push((n & 0x7f) as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn take(rest: &mut &[u8]) -> Result<u64, Damaged> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, after) = rest.split_first().ok_or(Damaged)?;
        *rest = after;
        n |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(n);
        }
    }
    Err(Damaged)
}

#[cfg(test)]
mod tests {
    use super::super::numbers;
    use super::*;

    fn read(block: Block<'_>) -> Vec<Posting> {
        let mut out = Vec::new();
        read_into(block.first.key(), block.bytes, &mut out).unwrap();
        out
    }

    fn read_into(key: u64, bytes: &[u8], out: &mut Vec<Posting>) -> Result<(), Damaged> {
        let mut decoder = Decoder::new(key, bytes)?;
        while let Some(posting) = decoder.next()? {
            out.push(posting);
        }
        Ok(())
    }

    /// Whatever is sorted comes back, whichever blocks it fell into, and blocks keep to their limit.
    #[test]
    fn reads_what_was_written() {
        for seed in 0..200 {
            let mut random = numbers(seed);
            let (keys, ids) = (1 << random(64), 1 << random(63));
            let base = random(ids);
            let mut all: Vec<_> = (0..random(2000) + 1)
                .map(|_| Posting::new(random(keys), base + random(ids)))
                .chain([Posting::new(0, base), Posting::new(u64::MAX, u64::MAX >> 1)])
                .collect();
            all.sort_unstable();
            all.dedup();
            let mut encoder = Encoder::new(200, base);
            let (mut back, mut entries) = (Vec::new(), 0);
            let mut next = all.iter().copied().peekable();
            while next.peek().is_some() {
                while let Some(posting) = next.peek()
                    && encoder.push(*posting)
                {
                    next.next();
                }
                let block = encoder.block().unwrap();
                assert!(block.bytes.len() <= 200, "seed {seed}");
                let part = read(block);
                assert_eq!((part[0], *part.last().unwrap()), (block.first, block.last));
                assert_eq!(part.iter().map(|p| p.id()).min(), Some(block.low));
                assert_eq!(part.iter().map(|p| p.id()).max(), Some(block.high));
                entries += block.entries;
                back.extend(part);
                encoder.clear();
            }
            assert_eq!((&back, entries), (&all, all.len() as u64), "seed {seed}");
        }
    }

    /// No bytes make the reader panic or run on, and a block that was cut off does not pass for a whole one.
    #[test]
    fn damage_is_seen_not_followed() {
        let mut encoder = Encoder::new(4000, 0);
        for n in 1..50 {
            assert!(encoder.push(Posting::new(n * 1_000_000_007, n * 77_777)));
        }
        let block = encoder.block().unwrap();
        let mut cut_between = 0;
        for cut in 0..block.bytes.len() {
            let mut out = Vec::new();
            let read = read_into(block.first.key(), &block.bytes[..cut], &mut out);
            cut_between += u64::from(read.is_ok());
            assert!(out.len() < 49);
        }
        assert_eq!(cut_between, block.entries, "only a cut between two entries can go unseen");
        let mut random = numbers(5);
        for _ in 0..10_000 {
            let bytes: Vec<_> = (0..random(60)).map(|_| random(256) as u8).collect();
            let mut out = Vec::new();
            let _ = read_into(0, &bytes, &mut out);
            assert!(out.len() <= bytes.len() / 2);
        }
    }
}
