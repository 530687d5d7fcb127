//! Seeded choices, so that a failing run can be run again.

/// A generator of choices (SplitMix64).
pub(crate) struct Seed(u64);

impl Seed {
    /// The seed of a test: `WAXWING_SEED`, or 1.
    pub(crate) fn from_environment() -> u64 {
        std::env::var("WAXWING_SEED").map_or(1, |seed| seed.parse().expect("a number"))
    }

    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Another generator, for somebody whose choices are his own.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}
