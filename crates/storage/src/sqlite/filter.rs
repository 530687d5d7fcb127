//! A filter in memory: what it says is not in a set is not, and what it says may be in it mostly is (a Bloom filter).
//!
//! Each member sets a few bits of one cache line, so that a question costs one access to memory.

/// Words of 64 bits in one cache line.
const LINE_WORDS: usize = 8;

/// Bits that a member sets.
const PROBES: u32 = 5;

/// About one in thirty that are not in the set passes, if a member has eight bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    lines: Vec<[u64; LINE_WORDS]>,
}

impl Filter {
    /// An empty filter for as many members, with about `bits` for each.
    pub(super) fn new(members: usize, bits: usize) -> Self {
        let lines = members.saturating_mul(bits).div_ceil(LINE_WORDS * 64).max(1);
        Self { lines: vec![[0; LINE_WORDS]; lines] }
    }

    /// A filter as it was written; `None` if it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let (lines, odd) = words.as_chunks::<LINE_WORDS>();
        let whole = rest.is_empty() && odd.is_empty() && !lines.is_empty();
        whole.then(|| Self { lines: lines.iter().map(|line| line.map(u64::from_le_bytes)).collect() })
    }

    /// Its bytes.
    pub(super) fn write(&self) -> Vec<u8> {
        self.lines.as_flattened().iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// What it takes in memory.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.lines.len() * size_of::<[u64; LINE_WORDS]>()
    }

    /// Adds a member by a hash of it.
    pub(super) fn add(&mut self, hash: u64) {
        let (line, bits) = self.place(hash);
        for (word, bit) in bits {
            self.lines[line][word] |= bit;
        }
    }

    /// Whether a member may be in it.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let (line, mut bits) = self.place(hash);
        bits.all(|(word, bit)| self.lines[line][word] & bit != 0)
    }

    /// The line of a member, and its bits there.
    fn place(&self, hash: u64) -> (usize, impl Iterator<Item = (usize, u64)> + use<>) {
        // Mixed once more, since members of one filter may share the first bits of their hashes.
        let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let line = ((u128::from(mixed) * self.lines.len() as u128) >> 64) as usize;
        let bits = mixed.wrapping_mul(0xd6e8_feb8_6659_fd93);
        let bit = move |n: u32| {
            let at = (bits >> (64 - 9 * (n + 1))) & 511;
            ((at / 64) as usize, 1 << (at % 64))
        };
        (line, (0..PROBES).map(bit))
    }
}

/// A filter of a set that grows, up to a bound.
///
/// It begins small, and another filter twice as large joins whenever the last is full. Beyond the bound the last takes more
/// members than it has room for: more pass, and still none is missed.
#[derive(Debug)]
pub(super) struct Growing {
    /// With how many members there is still room for.
    filters: Vec<(Filter, usize)>,
}

/// Members the first filter has room for, and the largest.
const SMALLEST: usize = 1 << 13;
const LARGEST: usize = 1 << 22;

/// Bits for each member: two in a thousand others pass.
const GROWING_BITS: usize = 16;

impl Default for Growing {
    fn default() -> Self {
        Self { filters: vec![(Filter::new(SMALLEST, GROWING_BITS), SMALLEST)] }
    }
}

impl Growing {
    /// Adds a member by a hash of it.
    pub(super) fn add(&mut self, hash: u64) {
        let next = SMALLEST << self.filters.len();
        if next <= LARGEST && self.filters.last().is_none_or(|(_, room)| *room == 0) {
            self.filters.push((Filter::new(next, GROWING_BITS), next));
        }
        if let Some((filter, room)) = self.filters.last_mut() {
            filter.add(hash);
            *room = room.saturating_sub(1);
        }
    }

    /// Whether a member may be in it.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        self.filters.iter().any(|(filter, _)| filter.may_have(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        let n = (n ^ 0x5851_f42d_4c95_7f2d).wrapping_mul(0x2545_f491_4f6c_dd1d);
        (n ^ (n >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    /// Every member passes, few others do, and the same holds for what was written and read.
    #[test]
    fn lets_members_pass_and_few_others() {
        // As they are in an index: numbers of 48 bits that begin alike.
        for narrow in [0, 16, 24] {
            let mut filter = Filter::new(50_000, 8);
            (0..50_000).for_each(|n| filter.add(hash(n) >> narrow));
            let read = Filter::read(&filter.write()).unwrap();
            assert_eq!(read, filter);
            assert_eq!(filter.bytes(), filter.write().len());
            assert!((0..50_000).all(|n| read.may_have(hash(n) >> narrow)));
            let others = (50_000..150_000).filter(|n| read.may_have(hash(*n) >> narrow)).count();
            assert!(others < 6_000, "{others} of 100000 pass");
        }
    }

    #[test]
    fn grows_with_its_members() {
        let mut filter = Growing::default();
        assert_eq!(filter.filters[0].0.bytes(), 16 << 10);
        for n in 0..200_000 {
            filter.add(hash(n));
        }
        assert_eq!(filter.filters.len(), 5);
        assert!((0..200_000).all(|n| filter.may_have(hash(n))));
        let others = (200_000..300_000).filter(|n| filter.may_have(hash(*n))).count();
        assert!(others < 2_000, "{others} of 100000 pass");
    }

    #[test]
    fn what_is_no_filter_is_not_read() {
        assert_eq!(Filter::read(&[]), None);
        assert_eq!(Filter::read(&[0; 63]), None);
        assert_eq!(Filter::read(&[0; 72]), None);
        assert!(Filter::new(0, 8).bytes() == 64);
    }
}
