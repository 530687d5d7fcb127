//! Keeping the runs few and clean, in small steps: merging them, taking out what belonged to erased owners, sweeping
//! the blocks of runs that are gone.

use std::sync::Arc;

use rusqlite::Connection;

use super::runs::merge::{Merge, choose};
use super::runs::{self, RunNumbers, purge};

/// Blocks swept for each entry that is merged, turned round: a block holds more entries than this.
const SWEEP_SHARE: usize = 64;

/// Entries of erased owners taken out in one step.
const PURGE_STEP: usize = 128;

/// The writer's view of what is to be done.
pub(super) struct Upkeep {
    numbers: Arc<RunNumbers>,
    block_bytes: usize,
    /// Runs of fewer entries are of the lowest class.
    base: u64,
    /// At most one of each class.
    merges: Vec<Merge>,
    /// Runs whose blocks are left over.
    left_over: Vec<i64>,
    purge_due: bool,
    /// What is known of the runs may have changed.
    stale: bool,
}

impl Upkeep {
    pub(super) fn new(numbers: Arc<RunNumbers>, block_bytes: usize, base: u64) -> Self {
        let (merges, left_over) = (Vec::new(), Vec::new());
        Self { numbers, block_bytes, base, merges, left_over, purge_due: false, stale: true }
    }

    /// Runs were published, or entries noted for removal.
    pub(super) fn changed(&mut self) {
        self.stale = true;
    }

    /// Whether there is something to do.
    pub(super) fn is_due(&self) -> bool {
        self.stale || self.purge_due || !self.merges.is_empty() || !self.left_over.is_empty()
    }

    /// Does about as much as `share` entries in each merge are worth. `passing` is a run that a pass is writing.
    pub(super) fn step(
        &mut self,
        db: &Connection,
        share: usize,
        passing: Option<i64>,
    ) -> rusqlite::Result<()> {
        if self.stale {
            self.look(db, passing)?;
        }
        if self.purge_due {
            self.purge(db)?;
        }
        if let Some(run) = self.left_over.last()
            && runs::sweep(db, *run, share.div_ceil(SWEEP_SHARE))? == 0
        {
            self.left_over.pop();
        }
        if self.merges.is_empty() {
            return Ok(());
        }
        let horizon = runs::horizon(db)?;
        for merge in &mut self.merges {
            merge.step(db, share, horizon)?;
            self.stale |= merge.is_finished();
        }
        Ok(())
    }

    /// Finds out what is to be done.
    fn look(&mut self, db: &Connection, passing: Option<i64>) -> rusqlite::Result<()> {
        self.stale = false;
        let mut published = runs::published(db)?;
        let on_its_way = |run: &i64| passing == Some(*run) || self.merges.iter().any(|m| m.run() == *run);
        self.left_over = runs::written(db)?;
        self.left_over.retain(|run| !on_its_way(run) && !published.iter().any(|p| p.id == *run));
        self.purge_due = purge::is_due(db)?;
        let horizon = runs::horizon(db)?;
        published.retain(|run| !self.merges.iter().any(|merge| merge.merges(run.id)));
        // All messages of such a run are gone by age.
        for run in published.extract_if(.., |run| run.last < horizon) {
            runs::withdraw(db, run.id)?;
            self.stale = true;
        }
        let busy: Vec<_> = self.merges.iter().map(Merge::class).collect();
        self.begin_merges(&published, horizon, busy);
        Ok(())
    }

    fn begin_merges(&mut self, published: &[runs::Run], horizon: u64, mut busy: Vec<usize>) {
        while let Some(choice) = choose(published, self.base, horizon, &busy) {
            busy.push(choice.class);
            self.merges.push(Merge::new(&choice, self.numbers.take(), self.block_bytes));
        }
    }

    /// Takes entries of erased owners out of all runs, those that merges are writing among them.
    fn purge(&mut self, db: &Connection) -> rusqlite::Result<()> {
        let mut all: Vec<_> = runs::published(db)?.iter().map(|run| run.id).collect();
        all.extend(self.merges.iter().map(Merge::run));
        purge::step(db, &all, PURGE_STEP)?;
        self.purge_due = purge::is_due(db)?;
        self.merges.iter_mut().for_each(Merge::restart);
        // A run may have become empty.
        self.stale |= !self.purge_due;
        Ok(())
    }

    pub(super) fn committed(&mut self) {
        self.merges.retain(|merge| !merge.is_finished());
        self.merges.iter_mut().for_each(Merge::committed);
    }

    pub(super) fn rolled_back(&mut self) {
        // What such a merge was to merge may have been published in this transaction.
        self.merges.retain(Merge::is_begun);
        self.merges.iter_mut().for_each(Merge::rolled_back);
        self.stale = true;
    }
}
