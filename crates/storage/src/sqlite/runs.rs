//! The archive's index: sorted runs of entries inside the database, written once and merged, never changed in place.
//!
//! The archive itself is a log: the table `message`, appended at its end. Every question to its index has the form "which
//! messages has this key, in order": a key stands for what an owner has archived, what waits for him, his messages
//! with one contact, or those that hold one word. An entry is a key with a message's id.
//!
//! ```text
//!   message committed
//!        │ its entries
//!        ▼
//!   gathered in memory ── enough ──▶ pass: sorted, written block by block ──▶ run of class 0 or 1
//!   (readers see the tail)           by the following transactions              │ eight of a class
//!                                                                               ▼
//!                         class n ◀── merge: block by block, beside appending ──┘
//!                            │
//!                            └─ eight of these ──▶ class n + 1, each eight times as large ──▶ …
//!
//!   a run:   on its way ───────────▶ published ─────────────────────▶ left over ──▶ gone
//!            blocks, no row in `run`   row in `run`: readers see it     blocks only   swept in steps
//! ```
//!
//! A run is published, and those that it replaces are withdrawn, in one transaction. So whatever a crash leaves is
//! consistent: blocks of a run without its row are left over, and swept. Readers see the runs of their snapshot.
//!
//! An entry promises nothing: its message may be gone, and two keys may share a hash. Whoever reads compares with the
//! message itself. Nor need runs be disjoint; they are, as far as messages are not imported under old ids, and then a
//! question reads few of them.
//!
//! Each run has a filter in memory, which tells of most keys that the run does not have them (`filter.rs`). So a question
//! opens the runs that answer it and hardly another, however many there are.
//!
//! What was removed by age lies before the oldest message there is: questions begin behind it, and merges leave it
//! out. What belonged to an erased owner is taken out of all runs entry by entry (`purge.rs`).

pub(super) mod block;
pub(super) mod build;
pub(super) mod filter;
pub(super) mod merge;
pub(super) mod pass;
pub(super) mod purge;
pub(super) mod walk;

use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::{Connection, params};

use super::numbers;

/// A key with a message's id; they sort by key, then by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Posting(u128);

impl Posting {
    pub(super) fn new(key: u64, id: u64) -> Self {
        Self(u128::from(key) << 64 | u128::from(id))
    }

    pub(super) fn key(self) -> u64 {
        (self.0 >> 64) as u64
    }

    pub(super) fn id(self) -> u64 {
        self.0 as u64
    }
}

/// A run that readers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) id: i64,
    /// The oldest and the newest message it has entries of.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) entries: u64,
}

/// All runs that readers see.
pub(super) fn published(db: &Connection) -> rusqlite::Result<Vec<Run>> {
    let mut statement = db.prepare_cached("SELECT id, first_id, last_id, entries FROM run")?;
    let mut rows = statement.query([])?;
    let mut runs = Vec::with_capacity(32);
    while let Some(row) = rows.next()? {
        runs.push(Run {
            id: row.get(0)?,
            first: numbers::uint(row.get(1)?),
            last: numbers::uint(row.get(2)?),
            entries: numbers::uint(row.get(3)?),
        });
    }
    Ok(runs)
}

/// Lets readers see a run whose blocks are all written.
fn publish(db: &Connection, run: &Run) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO run (id, first_id, last_id, entries) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![run.id, numbers::int(run.first), numbers::int(run.last), numbers::int(run.entries)])
        .map(drop)
}

/// Withdraws a run; its blocks are left over.
pub(super) fn withdraw(db: &Connection, run: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM run WHERE id = ?1")?.execute([run]).map(drop)
}

/// The runs that have blocks or a filter, whether readers see them or not.
pub(super) fn written(db: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut next = db.prepare_cached(
        "SELECT min(run) FROM (SELECT min(run) AS run FROM run_block WHERE run > ?1 \
         UNION ALL SELECT min(run) FROM run_filter WHERE run > ?1)",
    )?;
    let mut runs = Vec::new();
    while let Some(run) = next.query_row([runs.last().copied().unwrap_or(0)], |row| row.get(0))? {
        runs.push(run);
    }
    Ok(runs)
}

/// Removes a part of the filter, or up to `limit` blocks, of a run that nobody sees; says how many there were.
pub(super) fn sweep(db: &Connection, run: i64, limit: usize) -> rusqlite::Result<usize> {
    let parts = filter::sweep(db, run, 1)?;
    if parts > 0 {
        return Ok(parts);
    }
    db.prepare_cached("DELETE FROM run_block WHERE id IN (SELECT id FROM run_block WHERE run = ?1 LIMIT ?2)")?
        .execute(params![run, numbers::int(limit as u64)])
}

/// Entries of messages older than this may be left out: it is the oldest message there is.
pub(super) fn horizon(db: &Connection) -> rusqlite::Result<u64> {
    let oldest: Option<i64> =
        db.prepare_cached("SELECT min(id) FROM message")?.query_row([], |row| row.get(0))?;
    Ok(oldest.map_or(u64::MAX, numbers::uint))
}

/// Gives new runs their numbers. Never one twice, not even after a transaction was rolled back: the run it belonged to may
/// still be on its way.
#[derive(Debug, Default)]
pub(super) struct RunNumbers(AtomicI64);

impl RunNumbers {
    /// Begins behind all that are in the database.
    pub(super) fn begin(&self, db: &Connection) -> rusqlite::Result<()> {
        let last: Option<i64> = db.query_row(
            "SELECT max((SELECT ifnull(max(id), 0) FROM run), (SELECT ifnull(max(run), 0) FROM run_block), \
             (SELECT ifnull(max(run), 0) FROM run_filter))",
            [],
            |row| row.get(0),
        )?;
        self.0.store(last.unwrap_or(0) + 1, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn take(&self) -> i64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// Numbers below a bound that look like chance, the same for each seed.
#[cfg(test)]
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move |bound| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}
