//! Walking over the messages that a key has, in either direction, through all runs that may hold some.

use rusqlite::{CachedStatement, Connection, params};

use super::block::Decoder;
use super::filter::Known;
use super::{Posting, Run};
use crate::sqlite::numbers;

/// The block of a run that an entry lies in, if it is there: the last that begins at it or before.
pub(crate) const HOLDING: &str = "SELECT key, message, block, id FROM run_block \
     WHERE run = ?1 AND (key, message) <= (?2, ?3) ORDER BY key DESC, message DESC LIMIT 1";
/// The first block of a run that begins behind an entry.
pub(crate) const BEHIND: &str = "SELECT key, message, block, id FROM run_block \
     WHERE run = ?1 AND (key, message) > (?2, ?3) ORDER BY key, message LIMIT 1";

/// Reads blocks.
pub(crate) struct Blocks<'c> {
    holding: CachedStatement<'c>,
    behind: CachedStatement<'c>,
}

impl<'c> Blocks<'c> {
    pub(crate) fn new(db: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self { holding: db.prepare_cached(HOLDING)?, behind: db.prepare_cached(BEHIND)? })
    }

    /// Reads the block that `at` lies in; tells the block's first entry and its row.
    pub(crate) fn holding(
        &mut self,
        run: i64,
        at: Posting,
        read: impl FnMut(Posting) -> bool,
    ) -> rusqlite::Result<Option<(Posting, i64)>> {
        Self::read(&mut self.holding, run, at, read)
    }

    /// Reads the first block behind `at`.
    pub(crate) fn behind(
        &mut self,
        run: i64,
        at: Posting,
        read: impl FnMut(Posting) -> bool,
    ) -> rusqlite::Result<Option<(Posting, i64)>> {
        Self::read(&mut self.behind, run, at, read)
    }

    /// Hands out the block's entries as long as `read` wants more.
    fn read(
        statement: &mut CachedStatement<'_>,
        run: i64,
        at: Posting,
        mut read: impl FnMut(Posting) -> bool,
    ) -> rusqlite::Result<Option<(Posting, i64)>> {
        let mut rows = statement.query(params![run, at.key().cast_signed(), numbers::int(at.id())])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let first = Posting::new(row.get::<_, i64>(0)?.cast_unsigned(), numbers::uint(row.get(1)?));
        let mut decoder = Decoder::new(first.key(), row.get_ref(2)?.as_blob()?)?;
        while let Some(posting) = decoder.next()? {
            if !read(posting) {
                break;
            }
        }
        Ok(Some((first, row.get(3)?)))
    }
}

/// What a walk looks for.
#[derive(Debug, Clone, Copy)]
struct Sought {
    key: u64,
    /// Ids, both ends inclusive. The end at which the walk is moves with it.
    low: u64,
    high: u64,
    descending: bool,
}

/// Where a run is to be read next.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// Where the sought ids begin.
    Seek,
    /// Beside the block that begins with this entry.
    Beside(Posting),
    Nothing,
}

/// The part of a walk that lies in one run.
#[derive(Debug)]
struct Cursor {
    run: i64,
    /// The next one last.
    ids: Vec<u64>,
    next: Next,
}

impl Cursor {
    /// Reads on until there is an id, or none are left.
    fn fill(&mut self, blocks: &mut Blocks<'_>, sought: &Sought) -> rusqlite::Result<()> {
        while self.ids.is_empty() {
            let ids = &mut self.ids;
            let (key, low, high) = (sought.key, sought.low, sought.high);
            let mut ended = false;
            let read = |posting: Posting| {
                ended = posting.key() > key || (posting.key() == key && posting.id() > high);
                if !ended && posting.key() == key && posting.id() >= low {
                    ids.push(posting.id());
                }
                !ended
            };
            let from = Posting::new(key, if sought.descending { high } else { low });
            let block = match self.next {
                Next::Nothing => return Ok(()),
                Next::Seek if sought.descending => blocks.holding(self.run, from, read)?,
                Next::Seek => match blocks.holding(self.run, from, read)? {
                    Some(block) => Some(block),
                    // All blocks begin behind it.
                    None => {
                        self.next = Next::Beside(from);
                        continue;
                    }
                },
                Next::Beside(first) if sought.descending => {
                    // Ids are numbers of SQLite's, and one at 0 has none before it.
                    let before = Posting::new(key, first.id().saturating_sub(1).min(high));
                    blocks.holding(self.run, before, read)?
                }
                Next::Beside(first) => blocks.behind(self.run, first, read)?,
            };
            let Some((first, _)) = block else {
                self.next = Next::Nothing;
                return Ok(());
            };
            let more = if sought.descending { first.key() == key && first.id() > low } else { !ended };
            self.next = if more { Next::Beside(first) } else { Next::Nothing };
            if !sought.descending {
                self.ids.reverse();
            }
        }
        Ok(())
    }

    /// Drops what the sought range no longer has.
    fn skip(&mut self, sought: &Sought) {
        let gone = |id: u64| if sought.descending { id > sought.high } else { id < sought.low };
        let skipped = self.ids.last().is_some_and(|id| gone(*id));
        while self.ids.last().is_some_and(|id| gone(*id)) {
            self.ids.pop();
        }
        if skipped && self.ids.is_empty() && matches!(self.next, Next::Beside(_)) {
            self.next = Next::Seek;
        }
    }
}

/// The messages of a key in order, each once.
#[derive(Debug)]
pub(crate) struct Walk {
    sought: Sought,
    /// Runs that were not needed yet, the next one last.
    unopened: Vec<Run>,
    open: Vec<Cursor>,
}

impl Walk {
    /// Between two ids, both inclusive, in those of the runs that may have any.
    pub(crate) fn new(
        runs: &[Run],
        filters: &Known,
        key: u64,
        (low, high): (u64, u64),
        descending: bool,
    ) -> Self {
        let may_have = |run: &&Run| run.first <= high && run.last >= low && filters.may_have(run.id, key);
        let mut unopened: Vec<_> = runs.iter().filter(may_have).copied().collect();
        if descending {
            unopened.sort_unstable_by_key(|run| run.last);
        } else {
            unopened.sort_unstable_by_key(|run| std::cmp::Reverse(run.first));
        }
        Self { sought: Sought { key, low, high, descending }, unopened, open: Vec::new() }
    }

    /// The next id, which stays the next.
    pub(crate) fn peek(&mut self, blocks: &mut Blocks<'_>) -> rusqlite::Result<Option<u64>> {
        loop {
            let mut best = None;
            for cursor in &mut self.open {
                cursor.fill(blocks, &self.sought)?;
                best = self.sought.first_of(best, cursor.ids.last().copied());
            }
            self.open.retain(|cursor| !cursor.ids.is_empty());
            // A run is read once the walk comes to where it begins.
            let reached = |run: &Run| {
                let begins = if self.sought.descending { run.last } else { run.first };
                self.sought.first_of(best, Some(begins)) == Some(begins)
            };
            match self.unopened.pop_if(|run| reached(run)) {
                Some(run) if run.first <= self.sought.high && run.last >= self.sought.low => {
                    self.open.push(Cursor { run: run.id, ids: Vec::new(), next: Next::Seek });
                }
                // The walk has moved past it.
                Some(_) => {}
                None => return Ok(best),
            }
        }
    }

    /// Goes on behind an id.
    pub(crate) fn pass(&mut self, id: u64) {
        let past = if self.sought.descending {
            let past = id == 0;
            self.sought.high = self.sought.high.min(id.saturating_sub(1));
            past
        } else {
            self.sought.low = self.sought.low.max(id.saturating_add(1));
            false
        };
        if past {
            (self.sought.low, self.sought.high) = (1, 0);
            self.open.clear();
            self.unopened.clear();
        }
        self.skip();
    }

    /// Goes on at an id.
    fn seek(&mut self, id: u64) {
        if self.sought.descending {
            self.sought.high = self.sought.high.min(id);
        } else {
            self.sought.low = self.sought.low.max(id);
        }
        self.skip();
    }

    fn skip(&mut self) {
        for cursor in &mut self.open {
            cursor.skip(&self.sought);
        }
    }
}

impl Sought {
    /// Which of two ids comes first on the way.
    fn first_of(&self, one: Option<u64>, other: Option<u64>) -> Option<u64> {
        match (one, other) {
            (Some(one), Some(other)) if self.descending => Some(one.max(other)),
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

/// The messages that several keys have in common, in order.
#[derive(Debug)]
pub(crate) struct Intersection {
    walks: Vec<Walk>,
}

impl Intersection {
    /// Of at least one key. Those that may have few should come first.
    pub(crate) fn new(
        runs: &[Run],
        filters: &Known,
        keys: &[u64],
        range: (u64, u64),
        descending: bool,
    ) -> Self {
        Self { walks: keys.iter().map(|key| Walk::new(runs, filters, *key, range, descending)).collect() }
    }

    /// The next id, which stays the next.
    pub(crate) fn peek(&mut self, blocks: &mut Blocks<'_>) -> rusqlite::Result<Option<u64>> {
        let Some(first) = self.walks.first_mut() else { return Ok(None) };
        let Some(mut candidate) = first.peek(blocks)? else { return Ok(None) };
        let (mut agreed, mut turn) = (1, 1);
        while agreed < self.walks.len() {
            let turns = self.walks.len();
            let walk = &mut self.walks[turn % turns];
            walk.seek(candidate);
            match walk.peek(blocks)? {
                None => return Ok(None),
                Some(id) if id == candidate => agreed += 1,
                Some(id) => (candidate, agreed) = (id, 1),
            }
            turn += 1;
        }
        Ok(Some(candidate))
    }

    /// Goes on behind an id.
    pub(crate) fn pass(&mut self, id: u64) {
        for walk in &mut self.walks {
            walk.pass(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::write_run;
    use super::super::filter::Filters;
    use super::super::{numbers, published};
    use super::*;
    use crate::sqlite::migrations::migrate;

    /// Runs that overlap, hold the same entries, and lists of several blocks: walks find what a filter finds.
    #[test]
    fn walks_find_what_is_there() {
        for seed in 0..60 {
            let mut random = numbers(seed);
            let db = Connection::open_in_memory().unwrap();
            db.pragma_update(None, "page_size", 512).unwrap();
            migrate(&db).unwrap();
            let mut all = Vec::new();
            for run in 1..=random(6) + 1 {
                let (from, width) = (random(3000), random(3000) + 1);
                let postings: Vec<_> = (0..random(3000) + 1)
                    .map(|_| {
                        let bound = random(6) + 1;
                        Posting::new(random(bound), from + random(width))
                    })
                    .collect();
                all.extend(&postings);
                write_run(&db, run.cast_signed(), postings).unwrap();
            }
            all.sort_unstable();
            all.dedup();
            let runs = published(&db).unwrap();
            let filters = Filters::new(1 << 20).of(&db, &runs).unwrap();
            let mut blocks = Blocks::new(&db).unwrap();
            for _ in 0..60 {
                let keys: Vec<_> = (0..random(3) + 1).map(|_| random(7)).collect();
                let (low, high, descending) = (random(5000), random(6500), random(2) == 0);
                let has = |key, id| all.binary_search(&Posting::new(key, id)).is_ok();
                let mut wanted: Vec<_> =
                    (low..=high).filter(|id| keys.iter().all(|key| has(*key, *id))).collect();
                if descending {
                    wanted.reverse();
                }
                let mut shared = Intersection::new(&runs, &filters, &keys, (low, high), descending);
                let mut found = Vec::new();
                while let Some(id) = shared.peek(&mut blocks).unwrap() {
                    found.push(id);
                    shared.pass(id);
                }
                assert_eq!(found, wanted, "seed {seed}, {keys:?} {low}..={high} {descending}");
            }
        }
    }

    /// The newest of a long list are found without opening older runs.
    #[test]
    fn opens_no_more_than_it_needs() {
        let db = Connection::open_in_memory().unwrap();
        migrate(&db).unwrap();
        for run in 1..=9_u64 {
            let postings = (0..100).map(|n| Posting::new(5, run * 1000 + n)).collect();
            write_run(&db, run.cast_signed(), postings).unwrap();
        }
        let runs = published(&db).unwrap();
        let mut blocks = Blocks::new(&db).unwrap();
        let mut walk = Walk::new(&runs, &Known::default(), 5, (0, u64::MAX >> 1), true);
        for n in 0..100 {
            assert_eq!(walk.peek(&mut blocks).unwrap(), Some(9099 - n));
            walk.pass(9099 - n);
        }
        assert_eq!(walk.unopened.len(), 8);
        assert_eq!(walk.peek(&mut blocks).unwrap(), Some(8099));
        assert_eq!(walk.unopened.len(), 7);
    }
}
