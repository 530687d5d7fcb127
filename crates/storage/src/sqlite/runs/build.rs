//! Writing a run block by block, over as many transactions as it takes.

use rusqlite::{Connection, params};

use super::block::Encoder;
use super::filter::Keys;
use super::{Posting, Run, publish};
use crate::sqlite::numbers;

/// What a row of `run_block` takes besides its block: the page's own needs, and the columns before it.
const ROW_BYTES: usize = 96;

/// The bytes of a block such that its row fills one page.
pub(crate) fn block_bytes(db: &Connection) -> rusqlite::Result<usize> {
    let page: i64 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(usize::try_from(page).unwrap_or(4096).max(512) - ROW_BYTES)
}

/// What is in a run's written blocks.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    last: Option<Posting>,
    first_id: u64,
    last_id: u64,
    entries: u64,
}

/// A run on its way.
#[derive(Debug)]
pub(crate) struct Building {
    run: i64,
    encoder: Encoder,
    keys: Keys,
    /// In blocks that are written, and in those that are committed.
    written: Extent,
    committed: Extent,
}

impl Building {
    /// Ids should not lie below `base`.
    pub(crate) fn new(run: i64, block_bytes: usize, base: u64) -> Self {
        let (written, committed) = (Extent::default(), Extent::default());
        let (encoder, keys) = (Encoder::new(block_bytes, base), Keys::default());
        Self { run, encoder, keys, written, committed }
    }

    pub(crate) fn run(&self) -> i64 {
        self.run
    }

    /// Adds an entry behind all before.
    pub(crate) fn put(&mut self, db: &Connection, posting: Posting) -> rusqlite::Result<()> {
        if !self.encoder.push(posting) {
            self.write(db)?;
            self.encoder.push(posting);
        }
        self.keys.note(posting.key());
        Ok(())
    }

    fn write(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let Some(block) = self.encoder.block() else { return Ok(()) };
        db.prepare_cached("INSERT INTO run_block (run, key, message, block) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                self.run,
                block.first.key().cast_signed(),
                numbers::int(block.first.id()),
                block.bytes
            ])?;
        let first_id =
            if self.written.entries == 0 { block.low } else { self.written.first_id.min(block.low) };
        self.written = Extent {
            last: Some(block.last),
            first_id,
            last_id: self.written.last_id.max(block.high),
            entries: self.written.entries + block.entries,
        };
        self.encoder.clear();
        self.keys.write(db, self.run)
    }

    /// Writes the last block and lets readers see the run. An empty run is none.
    pub(crate) fn finish(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.write(db)?;
        let Extent { first_id: first, last_id: last, entries, .. } = self.written;
        if entries == 0 {
            return Ok(());
        }
        self.keys.finish(db, self.run)?;
        publish(db, &Run { id: self.run, first, last, entries })
    }

    /// The transaction is durable.
    pub(crate) fn committed(&mut self) {
        self.committed = self.written;
        self.keys.committed();
    }

    /// Whether anything of it would outlive the transaction's end.
    pub(crate) fn is_begun(&self) -> bool {
        self.committed.entries > 0
    }

    /// Begins anew behind the last written block; returns the entry behind which to go on. Called in place of
    /// `rolled_back` when other blocks have changed.
    pub(crate) fn restart(&mut self) -> Option<Posting> {
        self.encoder.clear();
        self.written.last
    }

    /// Nothing of the transaction was kept; returns the entry behind which to go on.
    pub(crate) fn rolled_back(&mut self) -> Option<Posting> {
        self.written = self.committed;
        self.keys.rolled_back();
        self.restart()
    }
}

/// Writes a whole run of entries in any order, in one transaction.
pub(crate) fn write_run(db: &Connection, run: i64, mut postings: Vec<Posting>) -> rusqlite::Result<()> {
    postings.sort_unstable();
    postings.dedup();
    let base = postings.iter().map(|posting| posting.id()).min().unwrap_or(0);
    let mut building = Building::new(run, block_bytes(db)?, base);
    for posting in postings {
        building.put(db, posting)?;
    }
    building.finish(db)
}
