//! Merging runs: the entries of several become one larger run, step by step over as many transactions as it takes.

use rusqlite::Connection;

use super::build::Building;
use super::walk::Blocks;
use super::{Posting, Run, withdraw};

/// As many runs of one class become one of the next.
pub(crate) const FAN_IN: usize = 8;

/// The class of a run: 0 below `base` entries, and one more for each time it is eight times as large.
pub(crate) fn class(entries: u64, base: u64) -> usize {
    let (mut class, mut bound) = (0, base.max(1));
    while entries >= bound {
        class += 1;
        bound = bound.saturating_mul(FAN_IN as u64);
    }
    class
}

/// What should be merged next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) runs: Vec<Run>,
    pub(crate) class: usize,
}

/// Chooses among published runs that are in no merge. A class that has a merge under way waits for its end.
pub(crate) fn choose(runs: &[Run], base: u64, horizon: u64, busy: &[usize]) -> Option<Choice> {
    let mut runs = runs.to_vec();
    runs.sort_unstable_by_key(|run| (run.first, run.id));
    let classes = runs.iter().map(|run| class(run.entries, base)).max().map_or(0, |max| max + 1);
    (0..classes).filter(|class| !busy.contains(class)).find_map(|at| {
        let of_class: Vec<_> = runs.iter().filter(|run| class(run.entries, base) == at).copied().collect();
        if of_class.len() >= FAN_IN {
            return Some(Choice { runs: of_class[..FAN_IN].to_vec(), class: at });
        }
        // One of whose messages more than a quarter are gone by age is written anew without them.
        let aged = of_class.into_iter().find(|run| {
            horizon > run.first && horizon <= run.last && (horizon - run.first) > (run.last - run.first) / 4
        })?;
        Some(Choice { runs: vec![aged], class: at })
    })
}

/// One of the runs that are merged.
#[derive(Debug)]
struct Source {
    run: i64,
    entries: Vec<Posting>,
    at: usize,
    /// The first entry of the block last read.
    block: Option<Posting>,
    ended: bool,
}

impl Source {
    /// The next entry behind `after`, which is only of concern where the source has to be read anew.
    fn peek(&mut self, blocks: &mut Blocks<'_>, after: Option<Posting>) -> rusqlite::Result<Option<Posting>> {
        while self.at == self.entries.len() && !self.ended {
            self.entries.clear();
            self.at = 0;
            let entries = &mut self.entries;
            let read = |posting| {
                if after.is_none_or(|after| posting > after) {
                    entries.push(posting);
                }
                true
            };
            let found = match (self.block, after) {
                (Some(block), _) => blocks.behind(self.run, block, read)?,
                (None, Some(after)) => match blocks.holding(self.run, after, read)? {
                    None => blocks.behind(self.run, after, |posting| {
                        self.entries.push(posting);
                        true
                    })?,
                    found => found,
                },
                // No entry of ours has the id 0.
                (None, None) => blocks.behind(self.run, Posting::default(), read)?,
            };
            match found {
                Some((first, _)) => self.block = Some(first),
                None => self.ended = true,
            }
        }
        Ok(self.entries.get(self.at).copied())
    }
}

/// A merge on its way.
#[derive(Debug)]
pub(crate) struct Merge {
    sources: Vec<Source>,
    class: usize,
    building: Building,
    /// Where it was begun or begun anew.
    after: Option<Posting>,
    last: Option<Posting>,
    finished: bool,
}

impl Merge {
    pub(crate) fn new(choice: &Choice, run: i64, block_bytes: usize) -> Self {
        let base = choice.runs.iter().map(|run| run.first).min().unwrap_or(0);
        let sources = choice.runs.iter().map(|run| Source {
            run: run.id,
            entries: Vec::new(),
            at: 0,
            block: None,
            ended: false,
        });
        Self {
            sources: sources.collect(),
            class: choice.class,
            building: Building::new(run, block_bytes, base),
            after: None,
            last: None,
            finished: false,
        }
    }

    pub(crate) fn run(&self) -> i64 {
        self.building.run()
    }

    pub(crate) fn class(&self) -> usize {
        self.class
    }

    pub(crate) fn merges(&self, run: i64) -> bool {
        self.sources.iter().any(|source| source.run == run)
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Merges about `share` entries, without those before the horizon. With the last, the run takes the place of its
    /// sources.
    pub(crate) fn step(&mut self, db: &Connection, share: usize, horizon: u64) -> rusqlite::Result<()> {
        let mut blocks = Blocks::new(db)?;
        for _ in 0..share {
            let Some(posting) = self.next(&mut blocks)? else {
                if !self.finished {
                    self.building.finish(db)?;
                    for source in &self.sources {
                        withdraw(db, source.run)?;
                    }
                    self.finished = true;
                }
                return Ok(());
            };
            // An entry that two runs have is written once.
            if posting.id() >= horizon && self.last.is_none_or(|last| posting > last) {
                self.building.put(db, posting)?;
                self.last = Some(posting);
            }
        }
        Ok(())
    }

    fn next(&mut self, blocks: &mut Blocks<'_>) -> rusqlite::Result<Option<Posting>> {
        let mut best: Option<(Posting, usize)> = None;
        for (n, source) in self.sources.iter_mut().enumerate() {
            let next = match source.entries.get(source.at) {
                Some(next) => Some(*next),
                None if source.ended => None,
                None => source.peek(blocks, self.after)?,
            };
            if let Some(next) = next
                && best.is_none_or(|(best, _)| next < best)
            {
                best = Some((next, n));
            }
        }
        Ok(best.map(|(posting, n)| {
            self.sources[n].at += 1;
            posting
        }))
    }

    /// Whether it has written something that was committed.
    pub(crate) fn is_begun(&self) -> bool {
        self.building.is_begun()
    }

    pub(crate) fn committed(&mut self) {
        self.building.committed();
    }

    pub(crate) fn rolled_back(&mut self) {
        let after = self.building.rolled_back();
        self.go_on_behind(after);
    }

    /// Reads its sources anew, whose blocks have changed.
    pub(crate) fn restart(&mut self) {
        let after = self.building.restart();
        self.go_on_behind(after);
    }

    fn go_on_behind(&mut self, after: Option<Posting>) {
        self.finished = false;
        (self.after, self.last) = (after, after);
        for source in &mut self.sources {
            source.entries.clear();
            (source.at, source.block, source.ended) = (0, None, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::build::write_run;
    use super::super::{published, written};
    use super::*;
    use crate::sqlite::migrations::migrate;

    fn entries(db: &Connection, run: i64) -> Vec<Posting> {
        let mut blocks = Blocks::new(db).unwrap();
        let mut all = Vec::new();
        let mut at = Posting::default();
        while let Some((first, _)) = blocks
            .behind(run, at, |posting| {
                all.push(posting);
                true
            })
            .unwrap()
        {
            at = first;
        }
        all
    }

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.pragma_update(None, "page_size", 512).unwrap();
        migrate(&db).unwrap();
        db
    }

    fn runs(db: &Connection) -> Vec<Posting> {
        let mut all = Vec::new();
        for run in 1..=5_u64 {
            let postings: Vec<_> =
                (0..500).map(|n| Posting::new(n * run * 7919 % 300, run * 400 + n * 31 % 700)).collect();
            all.extend(&postings);
            write_run(db, run.cast_signed(), postings).unwrap();
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Whatever is rolled back on the way, and wherever it begins anew, every entry is in the result once.
    #[test]
    fn merges_all_entries_once_over_any_steps() {
        for step in [1, 7, 40, 41, 100, 10_000] {
            let db = database();
            let mut wanted = runs(&db);
            wanted.retain(|posting| posting.id() >= 500);
            let choice = Choice { runs: published(&db).unwrap(), class: 0 };
            let mut merge = Merge::new(&choice, 6, super::super::build::block_bytes(&db).unwrap());
            let mut turn = 0;
            loop {
                db.execute_batch("BEGIN").unwrap();
                merge.step(&db, step, 500).unwrap();
                turn += 1;
                if turn % 3 == 0 && !(step == 1 && turn % 30 != 0) {
                    db.execute_batch("ROLLBACK").unwrap();
                    merge.rolled_back();
                    // One that never gets through a block would begin for ever.
                    db.execute_batch("BEGIN").unwrap();
                    merge.step(&db, step * 200, 500).unwrap();
                } else if turn % 7 == 0 {
                    merge.restart();
                    merge.step(&db, step * 200, 500).unwrap();
                }
                db.execute_batch("COMMIT").unwrap();
                merge.committed();
                if merge.is_finished() {
                    break;
                }
            }
            assert_eq!(entries(&db, 6), wanted, "steps of {step}");
            let published = published(&db).unwrap();
            assert_eq!(published.len(), 1);
            let run = published[0];
            assert_eq!((run.id, run.entries), (6, wanted.len() as u64));
            assert_eq!(Some(run.first), wanted.iter().map(|p| p.id()).min());
            assert_eq!(Some(run.last), wanted.iter().map(|p| p.id()).max());
            assert_eq!(written(&db).unwrap(), [1, 2, 3, 4, 5, 6], "what is left over is swept later");
            while super::super::sweep(&db, 3, 2).unwrap() > 0 {}
            assert_eq!(written(&db).unwrap(), [1, 2, 4, 5, 6]);
        }
    }

    #[test]
    fn chooses_eight_of_a_class_or_one_that_aged() {
        let run = |id: i64, first, entries| Run { id, first, last: first + 99, entries };
        assert_eq!(
            [class(0, 10), class(9, 10), class(10, 10), class(79, 10), class(80, 10)],
            [0, 0, 1, 1, 2]
        );
        let mut runs: Vec<_> = (0..7).map(|n| run(n, n.cast_unsigned() * 100, 20)).collect();
        runs.push(run(7, 700, 5));
        assert_eq!(choose(&runs, 10, 0, &[]), None);
        runs.push(run(8, 800, 30));
        let choice = choose(&runs, 10, 0, &[]).unwrap();
        assert_eq!(
            (choice.class, choice.runs.iter().map(|r| r.id).collect::<Vec<_>>()),
            (1, vec![0, 1, 2, 3, 4, 5, 6, 8])
        );
        assert_eq!(choose(&runs, 10, 0, &[1]), None);
        assert_eq!(choose(&runs[1..], 10, 124, &[]), None);
        let aged = choose(&runs[1..], 10, 126, &[]).unwrap();
        assert_eq!(aged.runs, [runs[1]]);
    }
}
