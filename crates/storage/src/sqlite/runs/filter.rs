//! Which keys a run surely does not have, kept in memory, so that a question opens only runs that may answer it.
//!
//! A run's filter consists of parts, each for a range of its keys. A part is written, beside the blocks, as soon as its keys
//! are known, and so with the run, step by step. Filters are read when a question first meets their run. An entry
//! that is taken out of a run leaves its filter as it is: a filter may say yes in vain, and never no.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::{Connection, params};

use super::Run;
use super::walk::Blocks;
use crate::sqlite::filter::Filter;
use crate::sqlite::{numbers, runs};

/// Keys in a part.
const PART_KEYS: usize = 65_536;

/// Bits for each key.
const KEY_BITS: usize = 8;

/// A part: the first of its keys, and all of them.
type Part = (u64, Filter);

/// Collects the keys of a run on its way.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// Those that are in no part yet, in order.
    open: Vec<u64>,
    last: Option<u64>,
    /// Parts that no committed transaction holds.
    parts: Vec<Part>,
    /// Of `parts` those that this transaction has written.
    written: usize,
}

impl Keys {
    /// Notes the key of an entry. Keys come in order, some of them anew when the run was begun anew behind a block.
    pub(crate) fn note(&mut self, key: u64) {
        if self.last.is_some_and(|last| key <= last) {
            return;
        }
        if self.open.len() >= PART_KEYS {
            self.close();
        }
        self.open.push(key);
        self.last = Some(key);
    }

    fn close(&mut self) {
        let Some(first) = self.open.first() else { return };
        let mut filter = Filter::new(self.open.len(), KEY_BITS);
        self.open.iter().for_each(|key| filter.add(*key));
        self.parts.push((*first, filter));
        self.open.clear();
    }

    /// Writes the parts that are complete.
    pub(crate) fn write(&mut self, db: &Connection, run: i64) -> rusqlite::Result<()> {
        for (first, filter) in &self.parts[self.written..] {
            db.prepare_cached("INSERT INTO run_filter (run, key, bits) VALUES (?1, ?2, ?3)")?
                .execute(params![run, first.cast_signed(), filter.write()])?;
        }
        self.written = self.parts.len();
        Ok(())
    }

    /// Writes all parts: there are no more keys.
    pub(crate) fn finish(&mut self, db: &Connection, run: i64) -> rusqlite::Result<()> {
        self.close();
        self.write(db, run)
    }

    pub(crate) fn committed(&mut self) {
        self.parts.drain(..std::mem::take(&mut self.written));
    }

    /// The parts written are to be written again. Keys behind them come again, and are known.
    pub(crate) fn rolled_back(&mut self) {
        self.written = 0;
    }
}

/// Makes the filters of runs that have none, which an earlier version has written.
pub(crate) fn make_missing(db: &Connection) -> rusqlite::Result<()> {
    for run in runs::published(db)? {
        let has: bool = db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM run_filter WHERE run = ?1)")?
            .query_row([run.id], |row| row.get(0))?;
        if has {
            continue;
        }
        db.execute_batch("BEGIN IMMEDIATE")?;
        make(db, run.id)?;
        db.execute_batch("COMMIT")?;
        tracing::info!(entries = run.entries, "a run of the archive's index has a filter now");
    }
    Ok(())
}

fn make(db: &Connection, run: i64) -> rusqlite::Result<()> {
    let (mut blocks, mut keys) = (Blocks::new(db)?, Keys::default());
    let mut at = super::Posting::default();
    while let Some((first, _)) = blocks.behind(run, at, |posting| {
        keys.note(posting.key());
        true
    })? {
        at = first;
        keys.write(db, run)?;
    }
    keys.finish(db, run)
}

/// Removes some parts of a run that nobody sees; says how many there were.
pub(crate) fn sweep(db: &Connection, run: i64, limit: usize) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "DELETE FROM run_filter WHERE id IN (SELECT id FROM run_filter WHERE run = ?1 LIMIT ?2)",
    )?
    .execute(params![run, numbers::int(limit as u64)])
}

/// The filter of one run.
#[derive(Debug)]
struct OfRun {
    parts: Vec<Part>,
}

impl OfRun {
    fn may_have(&self, key: u64) -> bool {
        let behind = self.parts.partition_point(|(first, _)| *first <= key);
        behind > 0 && self.parts[behind - 1].1.may_have(key)
    }
}

/// The filters of some runs; of a run without one everything is to be expected.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<i64, Option<Arc<OfRun>>>);

impl Known {
    /// Whether a run may have a key.
    pub(crate) fn may_have(&self, run: i64, key: u64) -> bool {
        self.0.get(&run).and_then(Option::as_ref).is_none_or(|filter| filter.may_have(key))
    }
}

/// The filters in memory.
#[derive(Debug)]
pub(crate) struct Filters {
    limit_bytes: usize,
    known: RwLock<Arc<Known>>,
}

impl Filters {
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, known: RwLock::default() }
    }

    /// The filters of the runs of a snapshot. Those of runs that are new are read.
    pub(crate) fn of(&self, db: &Connection, runs: &[Run]) -> rusqlite::Result<Arc<Known>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        if runs.iter().all(|run| known.0.contains_key(&run.id)) {
            return Ok(known);
        }
        let known = Arc::new(self.read(db, runs, &known)?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known.clone();
        Ok(known)
    }

    /// The small runs first: a filter of theirs saves as much as a large one.
    fn read(&self, db: &Connection, runs: &[Run], known: &Known) -> rusqlite::Result<Known> {
        let mut runs = runs.to_vec();
        runs.sort_unstable_by_key(|run| run.entries);
        let mut left = self.limit_bytes;
        let mut next = HashMap::with_capacity(runs.len());
        for run in runs {
            let bytes: i64 = db
                .prepare_cached("SELECT ifnull(sum(length(bits)), 0) FROM run_filter WHERE run = ?1")?
                .query_row([run.id], |row| row.get(0))?;
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let filter = if bytes == 0 || bytes > left {
                None
            } else if let Some(Some(filter)) = known.0.get(&run.id) {
                Some(filter.clone())
            } else {
                read_parts(db, run.id)?.map(Arc::new)
            };
            if filter.is_some() {
                left -= bytes;
            }
            next.insert(run.id, filter);
        }
        Ok(Known(next))
    }
}

fn read_parts(db: &Connection, run: i64) -> rusqlite::Result<Option<OfRun>> {
    let mut statement = db.prepare_cached("SELECT key, bits FROM run_filter WHERE run = ?1 ORDER BY key")?;
    let mut rows = statement.query([run])?;
    let mut parts = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(filter) = Filter::read(row.get_ref(1)?.as_blob()?) else {
            // It is only a filter: the run is asked itself.
            return Ok(None);
        };
        parts.push((row.get::<_, i64>(0)?.cast_unsigned(), filter));
    }
    Ok(Some(OfRun { parts }))
}

#[cfg(test)]
mod tests {
    use super::super::Posting;
    use super::super::build::{Building, block_bytes};
    use super::*;
    use crate::sqlite::migrations::migrate;

    fn key(n: u64) -> u64 {
        (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
    }

    fn sorted(count: u64) -> Vec<u64> {
        let mut keys: Vec<_> = (0..count).map(key).collect();
        keys.sort_unstable();
        keys
    }

    /// Whatever is rolled back while the run is written, none of its keys is missing from its filter.
    #[test]
    fn a_filter_knows_all_keys() {
        const KEYS: u64 = 3 * PART_KEYS as u64 + 77;
        let db = Connection::open_in_memory().unwrap();
        migrate(&db).unwrap();
        let all = sorted(KEYS);
        let mut building = Building::new(1, block_bytes(&db).unwrap(), 1);
        let mut at = 0;
        for turn in 1.. {
            db.execute_batch("BEGIN").unwrap();
            let end = (at + 11_003).min(all.len());
            for key in &all[at..end] {
                building.put(&db, Posting::new(*key, 5)).unwrap();
            }
            let last = end == all.len();
            if last {
                building.finish(&db).unwrap();
            }
            // Each transaction is rolled back once.
            if turn % 2 == 1 {
                db.execute_batch("ROLLBACK").unwrap();
                let after = building.rolled_back();
                at = after.map_or(0, |after| all.partition_point(|key| *key <= after.key()));
                continue;
            }
            db.execute_batch("COMMIT").unwrap();
            building.committed();
            at = end;
            if last {
                break;
            }
        }
        let runs = runs::published(&db).unwrap();
        let known = Filters::new(1 << 20).of(&db, &runs).unwrap();
        assert!(all.iter().all(|key| known.may_have(1, *key)));
        let others = (KEYS..2 * KEYS).filter(|n| known.may_have(1, key(*n))).count();
        assert!((others as u64) < KEYS / 15, "{others} others pass");
        let parts: i64 = db.query_row("SELECT count(*) FROM run_filter", [], |row| row.get(0)).unwrap();
        assert_eq!(parts, 4);
    }

    /// A run that is too large for the limit is asked itself, and so is one that has no filter.
    #[test]
    fn memory_is_bounded() {
        let db = Connection::open_in_memory().unwrap();
        migrate(&db).unwrap();
        for (run, count) in [(1, 30_000), (2, 100), (3, 200)] {
            let postings = sorted(count).into_iter().map(|key| Posting::new(key, 5)).collect();
            super::super::build::write_run(&db, run, postings).unwrap();
        }
        db.execute_batch("DELETE FROM run_filter WHERE run = 3").unwrap();
        let runs = runs::published(&db).unwrap();
        let filters = Filters::new(10_000);
        let absent = (1_000_000..1_001_000).map(key);
        let passing = |known: &Known, run| absent.clone().filter(|key| known.may_have(run, *key)).count();
        let known = filters.of(&db, &runs).unwrap();
        assert_eq!((passing(&known, 1), passing(&known, 3)), (1000, 1000));
        assert!(passing(&known, 2) < 100);
        make_missing(&db).unwrap();
        let known = Filters::new(1 << 20).of(&db, &runs).unwrap();
        assert!((1..=3).all(|run| passing(&known, run) < 100));
        assert!(sorted(200).iter().all(|key| known.may_have(3, *key)));
        while sweep(&db, 1, 1).unwrap() > 0 {}
        assert_eq!(runs::written(&db).unwrap(), [1, 2, 3]);
    }
}
