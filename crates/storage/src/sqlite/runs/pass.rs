//! A pass: the entries that have gathered in memory become a run.
//!
//! They gather in 256 heaps by the first byte of their key. Keys are hashes, so that the heaps are of a size, and each
//! is sorted when its turn comes: sorting all at once would hold up commits.

use rusqlite::Connection;

use super::Posting;
use super::build::Building;

/// Entries by the first byte of their key.
#[derive(Debug)]
pub(crate) struct Heaps {
    heaps: Vec<Vec<Posting>>,
    len: usize,
    first_id: u64,
}

/// As many entries keep their memory from pass to pass in each heap.
const KEPT_ENTRIES: usize = 4096;

impl Default for Heaps {
    fn default() -> Self {
        Self { heaps: vec![Vec::new(); 256], ..Self::none() }
    }
}

/// Where in a key its first byte lies.
const FIRST_BYTE: u32 = crate::keys::BITS - 8;

impl Heaps {
    fn none() -> Self {
        Self { heaps: Vec::new(), len: 0, first_id: u64::MAX }
    }

    pub(crate) fn add(&mut self, postings: &[Posting]) {
        for posting in postings {
            self.heaps[(posting.key() >> FIRST_BYTE) as usize & 0xff].push(*posting);
            self.first_id = self.first_id.min(posting.id());
        }
        self.len += postings.len();
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// A run that is being made of them.
#[derive(Debug)]
pub(crate) struct Pass {
    heaps: Vec<Vec<Posting>>,
    /// How many of the heaps are sorted.
    sorted: usize,
    /// The heap and the place in it where to go on.
    heap: usize,
    at: usize,
    building: Building,
    finished: bool,
    /// It was when the transaction began.
    published: bool,
}

impl Pass {
    pub(crate) fn new(heaps: Heaps, run: i64, block_bytes: usize) -> Self {
        let building = Building::new(run, block_bytes, heaps.first_id);
        Self { heaps: heaps.heaps, sorted: 0, heap: 0, at: 0, building, finished: false, published: false }
    }

    pub(crate) fn run(&self) -> i64 {
        self.building.run()
    }

    /// Empty heaps, whose memory is used again.
    pub(crate) fn emptied(self) -> Heaps {
        let mut heaps = self.heaps;
        for heap in &mut heaps {
            heap.clear();
            heap.shrink_to(KEPT_ENTRIES);
        }
        Heaps { heaps, ..Heaps::none() }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Writes about `share` entries; publishes the run with the last.
    pub(crate) fn step(&mut self, db: &Connection, mut share: usize) -> rusqlite::Result<()> {
        while share > 0 && self.heap < self.heaps.len() {
            let heap = &mut self.heaps[self.heap];
            if self.sorted == self.heap {
                heap.sort_unstable();
                heap.dedup();
                self.sorted += 1;
            }
            let end = heap.len().min(self.at.saturating_add(share));
            for posting in &heap[self.at..end] {
                self.building.put(db, *posting)?;
            }
            share -= (end - self.at).max(1);
            self.at = end;
            if end == heap.len() {
                (self.heap, self.at) = (self.heap + 1, 0);
            }
        }
        if self.heap == self.heaps.len() && !self.finished {
            self.building.finish(db)?;
            self.finished = true;
        }
        Ok(())
    }

    pub(crate) fn committed(&mut self) {
        self.building.committed();
        self.published = self.finished;
    }

    pub(crate) fn rolled_back(&mut self) {
        if self.published {
            return;
        }
        self.finished = false;
        (self.heap, self.at) = (0, 0);
        if let Some(after) = self.building.rolled_back() {
            self.heap = (after.key() >> FIRST_BYTE) as usize & 0xff;
            self.at = self.heaps[self.heap].partition_point(|posting| *posting <= after);
        }
    }
}
