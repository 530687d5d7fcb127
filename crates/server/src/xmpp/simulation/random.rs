//! Seeded randomness, forked for each part of a world so that no part disturbs another.

use std::sync::{Arc, Mutex, PoisonError};

/// A generator (SplitMix64); equal seeds give equal sequences.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed ^ 0x5851_f42d_4c95_7f2d);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A generator of its own.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next())
    }

    /// A number below `limit`, 0 when that is 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }

    /// An index up to and including `last`.
    pub(crate) fn up_to(&mut self, last: usize) -> usize {
        usize::try_from(self.below(last as u64 + 1)).unwrap_or(last)
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// The port of the domain, from a seed.
pub(crate) struct Seeded(Mutex<Random>);

impl Seeded {
    pub(crate) fn new(random: Random) -> Arc<Self> {
        Arc::new(Self(Mutex::new(random)))
    }
}

impl waxwing_chat::port::Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        let mut random = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.fill_with(|| random.next().to_le_bytes()[0]);
    }
}
