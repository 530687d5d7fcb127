//! The writer's side of the index: entries gather in memory, and a pass makes a run of them (see `runs.rs`).
//!
//! A commit appends the message only. What it adds to the index stays in memory until enough has gathered; then each further
//! transaction writes a share of the next run. `counter.indexed` tells up to which message the runs are complete.
//! Readers never miss what is on its way: `Tail` holds it, and is built anew from the messages at the start.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::Append;

use super::postings::{self, Postings, bare};
use super::runs::pass::{Heaps, Pass};
use super::runs::{Posting, RunNumbers, build, filter};
use super::sent::{self, ClientIds};
use super::tail::{Entry, Tail};
use super::talks::{self, Talks};
use super::upkeep::Upkeep;
use super::{Options, numbers, passing};
use crate::{copies, labels};

/// Entries a copy is expected to have; a pass begins early when there are many more.
const ENTRIES_A_COPY: usize = 32;

/// Entries moved or merged in one step while nothing else is to be done.
const SPARE_STEP: usize = 16_384;

/// A pass moves as many entries for each that is added, and each merge as many, so that both keep up.
const PASS_PACE: usize = 4;
const MERGE_PACE: usize = 2;

/// The writer's side of the index.
pub(super) struct Index<'c> {
    db: &'c Connection,
    tail: Arc<Tail>,
    numbers: Arc<RunNumbers>,
    tail_copies: usize,
    block_bytes: usize,
    postings: Postings,
    pub(super) sent: ClientIds<'c>,
    talks: Talks,
    /// Committed, and neither in a run nor in a pass: entries, copies, and the newest message.
    gathered: Heaps,
    /// Empty ones, to be used next.
    spare: Heaps,
    gathered_copies: usize,
    newest: i64,
    /// Of the transaction under way.
    fresh: Vec<Posting>,
    fresh_copies: Vec<Entry>,
    fresh_labelled: Vec<(u64, Entry)>,
    fresh_newest: i64,
    /// A run on its way, with the newest message it makes the index complete to.
    pass: Option<(Pass, i64)>,
    upkeep: Upkeep,
    /// Following appends has failed; only catching up for a removal tries again.
    suspended: bool,
}

impl<'c> Index<'c> {
    /// Begins where the last process ended, however it ended.
    pub(super) fn new(
        db: &'c Connection,
        tail: Arc<Tail>,
        numbers: Arc<RunNumbers>,
        options: &Options,
    ) -> rusqlite::Result<Self> {
        let window_us = i64::try_from(options.dedupe_window.as_micros()).unwrap_or(i64::MAX).max(1);
        let tail_copies = options.tail_copies.max(1);
        let block_bytes = build::block_bytes(db)?;
        numbers.begin(db)?;
        filter::make_missing(db)?;
        talks::make_missing(db)?;
        let upkeep = Upkeep::new(numbers.clone(), block_bytes, tail_copies as u64 * 2);
        let mut index = Self {
            db,
            tail,
            numbers,
            tail_copies,
            block_bytes,
            postings: Postings::new(postings::keys(db)?),
            sent: ClientIds::new(db, window_us)?,
            talks: Talks::default(),
            gathered: Heaps::default(),
            spare: Heaps::default(),
            gathered_copies: 0,
            newest: 0,
            fresh: Vec::new(),
            fresh_copies: Vec::new(),
            fresh_labelled: Vec::new(),
            fresh_newest: 0,
            pass: None,
            upkeep,
            suspended: false,
        };
        index.gather()?;
        Ok(index)
    }

    /// Reads what no run holds yet from the messages themselves. If that is more than the last process can have left in
    /// memory, the index is being made anew after a migration, and becomes runs at once.
    fn gather(&mut self) -> rusqlite::Result<()> {
        let began = Instant::now();
        let mut told = began;
        let mut from = numbers::int(numbers::counter(self.db, "indexed")?);
        let mut count = 0_u64;
        let mut rebuilding = false;
        while let Some(last) = self.gather_some(from, &mut count)? {
            from = last;
            rebuilding |= self.gathered_copies >= self.tail_copies.saturating_mul(4);
            if rebuilding {
                self.make_runs()?;
            }
            if told.elapsed().as_secs() >= 5 {
                told = Instant::now();
                tracing::info!(messages = count, "making the index of the archive");
            }
        }
        if rebuilding {
            while self.upkeep.is_due() {
                let share = self.enough();
                self.alone(|index| index.upkeep.step(index.db, share, None))?;
                self.checkpoint()?;
            }
            let seconds = began.elapsed().as_secs();
            tracing::info!(messages = count, seconds, "the index of the archive is complete");
        }
        Ok(())
    }

    /// Reads some messages behind `from`; returns the last of them.
    fn gather_some(&mut self, from: i64, count: &mut u64) -> rusqlite::Result<Option<i64>> {
        let mut next = self.db.prepare_cached(
            "SELECT id, sender, client_id, copies, text, labels FROM message WHERE id > ?1 ORDER BY id LIMIT 4096",
        )?;
        let mut rows = next.query([from])?;
        let (mut last, mut waiting) = (None, Vec::new());
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let labels = row.get_ref(5)?.as_str_or_null()?;
            let text = row.get_ref(4)?.as_str_or_null()?;
            self.postings.read(text, labels::each(labels));
            for entry in copies::entries(row.get_ref(3)?.as_blob()?).flatten() {
                self.add_entry(id, entry.owner, bare(entry.peer), entry.kind());
                self.add_talk(id, entry.owner, bare(entry.peer), entry.kind(), text);
                if entry.kind() == copies::Kind::Waits {
                    waiting.push((entry.owner, id));
                }
            }
            if let (Some(owner), Some(key)) = (row.get(1)?, row.get(2)?) {
                self.sent.add(AccountId(owner), key, id);
            }
            self.fresh_newest = id;
            last = Some(id);
            *count += 1;
        }
        self.committed();
        if !waiting.is_empty() {
            // Schema 1 did not note all of them.
            self.alone(|index| {
                waiting.iter().try_for_each(|(owner, id)| passing::add(index.db, *owner, *id))
            })?;
        }
        Ok(last)
    }

    /// Makes runs of all that has gathered, and merges.
    fn make_runs(&mut self) -> rusqlite::Result<()> {
        self.alone(|index| {
            let share = index.gathered.len().saturating_mul(MERGE_PACE);
            index.begin_pass();
            index.continue_pass(usize::MAX)?;
            index.upkeep.step(index.db, share, None)
        })?;
        self.checkpoint()
    }

    /// Nobody else does so before the store is open.
    fn checkpoint(&self) -> rusqlite::Result<()> {
        self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }

    /// Entries that are enough for a run, however few messages they are of.
    fn enough(&self) -> usize {
        self.tail_copies.saturating_mul(ENTRIES_A_COPY)
    }

    /// Does something in a transaction of its own, before there are others.
    fn alone(&mut self, work: impl Fn(&mut Self) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(self).and_then(|()| self.db.execute_batch("COMMIT"));
        if done.is_ok() {
            self.committed();
        }
        done
    }

    fn add_entry(&mut self, id: i64, owner: AccountId, bare: &str, kind: copies::Kind) {
        let contact = self.postings.of_copy(numbers::uint(id), owner, bare, kind, &mut self.fresh);
        let Some(contact) = contact else { return };
        let entry = Entry { owner: owner.0, id, contact, kind };
        self.fresh_copies.push(entry);
        self.fresh_labelled.extend(self.postings.labels_of(owner).map(|key| (key, entry)));
    }

    fn add_talk(&mut self, id: i64, owner: AccountId, bare: &str, kind: copies::Kind, text: Option<&str>) {
        if text.is_some() && kind != copies::Kind::Waits {
            self.talks.add(owner, bare, id);
        }
    }

    /// Notes a message of the transaction under way.
    pub(super) fn add(&mut self, id: i64, message: &Append) {
        self.postings.read(message.text.as_deref(), message.labels.iter().map(String::as_str));
        for copy in &message.copies {
            if let Some(kind) = copies::kind(copy) {
                self.add_entry(id, copy.owner, copy.peer.bare_str(), kind);
                self.add_talk(id, copy.owner, copy.peer.bare_str(), kind, message.text.as_deref());
            }
        }
        self.fresh_newest = id;
    }

    /// The share of the indexing that falls to this transaction, in proportion to what it adds.
    pub(super) fn follow(&mut self) -> rusqlite::Result<()> {
        if self.suspended {
            return Ok(());
        }
        let enough = self.gathered_copies >= self.tail_copies || self.gathered.len() >= self.enough();
        if self.pass.is_none() && enough {
            self.begin_pass();
        }
        self.sent.read_some(sent::READ_SHARE)?;
        let added = self.fresh.len() + 64;
        self.continue_pass(added * PASS_PACE)?;
        self.continue_upkeep(added * MERGE_PACE)
    }

    /// Stops following appends, so that they do not fail with it; says whether it was followed until now.
    pub(super) fn suspend(&mut self) -> bool {
        !std::mem::replace(&mut self.suspended, true)
    }

    /// Runs were published by others, or entries noted for removal.
    pub(super) fn changed(&mut self) {
        self.upkeep.changed();
    }

    /// Whether there is something worth doing while nothing else is.
    pub(super) fn has_spare_work(&self) -> bool {
        !self.suspended && (self.pass.is_some() || self.upkeep.is_due() || !self.sent.is_read())
    }

    /// Does some of it, in a transaction that holds nothing else.
    pub(super) fn spare_work(&mut self) -> rusqlite::Result<()> {
        self.sent.read_some(sent::READ_SPARE)?;
        self.continue_pass(SPARE_STEP)?;
        self.continue_upkeep(SPARE_STEP)
    }

    /// Makes runs of everything up to the last committed message, which removing an owner's messages relies on.
    pub(super) fn catch_up(&mut self) -> rusqlite::Result<()> {
        if self.pass.is_none() {
            self.begin_pass();
        }
        self.continue_pass(usize::MAX)
    }

    /// Whether `catch_up` has to be called, and committed, once more.
    pub(super) fn is_behind(&self) -> bool {
        self.pass.is_some() || self.gathered_copies > 0 || self.newest > 0
    }

    fn begin_pass(&mut self) {
        if self.newest > 0 {
            let heaps = std::mem::replace(&mut self.gathered, std::mem::take(&mut self.spare));
            let pass = Pass::new(heaps, self.numbers.take(), self.block_bytes);
            self.pass = Some((pass, self.newest));
            self.sent.begin();
            self.talks.begin();
            (self.gathered_copies, self.newest) = (0, 0);
        }
    }

    fn continue_pass(&mut self, share: usize) -> rusqlite::Result<()> {
        let Some((pass, up_to)) = &mut self.pass else { return Ok(()) };
        pass.step(self.db, share)?;
        // A message has far more entries than ids.
        self.sent.step((share / 8).max(16))?;
        self.talks.step(self.db, (share / 8).max(16))?;
        if pass.is_finished() && self.sent.is_done() && self.talks.is_done() {
            numbers::set_counter(self.db, "indexed", numbers::uint(*up_to))?;
            self.upkeep.changed();
        }
        Ok(())
    }

    fn continue_upkeep(&mut self, share: usize) -> rusqlite::Result<()> {
        let passing = self.pass.as_ref().map(|(pass, _)| pass.run());
        self.upkeep.step(self.db, share, passing)
    }

    /// The transaction is durable: readers may see its messages.
    pub(super) fn committed(&mut self) {
        self.tail.add(&self.fresh_copies, &self.fresh_labelled);
        self.fresh_labelled.clear();
        self.gathered_copies += self.fresh_copies.len();
        self.fresh_copies.clear();
        self.gathered.add(&self.fresh);
        self.fresh.clear();
        self.newest = self.newest.max(std::mem::take(&mut self.fresh_newest));
        self.sent.committed();
        self.talks.committed();
        self.upkeep.committed();
        if let Some((pass, _)) = &mut self.pass {
            pass.committed();
        }
        let beside_done = self.sent.is_done() && self.talks.is_done();
        if let Some((pass, up_to)) = self.pass.take_if(|(pass, _)| pass.is_finished() && beside_done) {
            self.tail.forget(up_to);
            self.sent.forget(up_to);
            self.spare = pass.emptied();
        }
    }

    /// Nothing of the transaction was kept.
    pub(super) fn rolled_back(&mut self) {
        self.fresh.clear();
        self.fresh_copies.clear();
        self.fresh_labelled.clear();
        self.fresh_newest = 0;
        self.sent.rolled_back();
        self.talks.rolled_back();
        self.upkeep.rolled_back();
        if let Some((pass, _)) = &mut self.pass {
            pass.rolled_back();
        }
    }
}
