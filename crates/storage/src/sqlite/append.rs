//! Writing to the archive: ids, duplicates, the message itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, ErrorCode, Statement, params};
use waxwing_chat::archive::{Append, ArchiveId, Committed};
use waxwing_chat::state::StateChange;

use super::index::Index;
use super::writer::Shared;
use super::{Options, numbers, passing, state};
use crate::copies::Kind;
use crate::{copies, hashes, labels};

/// Appends messages inside a transaction that someone else opens and commits.
pub(super) struct Appender<'c> {
    db: &'c Connection,
    pub(super) index: Index<'c>,
    now_us: fn() -> u64,
    /// The newest id given out, and the same when the last transaction was committed.
    last: (u64, u64),
    /// How many messages were ever appended, likewise.
    appended: (u64, u64),
    message: Statement<'c>,
    column: Vec<u8>,
    /// What readers are told of the newest one.
    position: Arc<AtomicU64>,
}

impl<'c> Appender<'c> {
    pub(super) fn new(db: &'c Connection, shared: Shared, options: &Options) -> rusqlite::Result<Self> {
        let last = numbers::counter(db, "last_archive_id")?;
        shared.position.store(last, Ordering::Release);
        let appended = numbers::counter(db, "appended")?;
        Ok(Self {
            db,
            index: Index::new(db, shared.tail, shared.numbers, options)?,
            now_us: options.now_us,
            last: (last, last),
            appended: (appended, appended),
            message: db.prepare(
                "INSERT INTO message (id, sender, client_id, copies, text, xml, labels) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
            column: Vec::new(),
            position: shared.position,
        })
    }

    /// Archives one message, or finds that it has been archived before.
    pub(super) fn append(&mut self, message: &Append) -> rusqlite::Result<Committed> {
        let sent = message.dedupe.as_ref().map(|(owner, id)| (*owner, hashes::client_id(id)));
        if let Some((owner, key)) = &sent
            && let Some(id) = self.index.sent.find(*owner, key)?
        {
            return Ok(Committed::Duplicate(ArchiveId(numbers::uint(id))));
        }
        self.column.clear();
        copies::encode(&message.copies, &mut self.column);
        let (sender, key) = sent.map(|(owner, key)| (owner.0, key)).unzip();
        let labels = labels::column(&message.labels);
        let (id, row) = loop {
            let id = (self.now_us)().max(self.last.1 + 1);
            self.last.1 = id;
            let row = numbers::int(id);
            let values = params![row, sender, key, self.column, message.text, message.xml, labels];
            match self.message.execute(values) {
                Ok(_) => break (id, row),
                // An imported message has this id.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {}
                Err(error) => return Err(error),
            }
        };
        for copy in message.copies.iter().filter(|copy| copies::kind(copy) == Some(Kind::Waits)) {
            passing::add(self.db, copy.owner, row)?;
        }
        self.index.add(row, message);
        if let Some((owner, key)) = sent {
            self.index.sent.add(owner, key, row);
        }
        self.appended.1 += 1;
        Ok(Committed::New(ArchiveId(id)))
    }

    /// Changes what accounts keep in step, under a position of the archive's clock.
    pub(super) fn change_state(&mut self, changes: &[StateChange]) -> rusqlite::Result<ArchiveId> {
        self.last.1 = (self.now_us)().max(self.last.1 + 1);
        state::put(self.db, changes, self.last.1)?;
        Ok(ArchiveId(self.last.1))
    }

    /// Writes what the archive keeps about itself and does some indexing; the last thing in a transaction.
    pub(super) fn finish(&mut self) -> rusqlite::Result<()> {
        if self.appended.0 != self.appended.1 {
            self.index.follow()?;
            numbers::set_counter(self.db, "appended", self.appended.1)?;
        }
        if self.last.0 != self.last.1 {
            numbers::set_counter(self.db, "last_archive_id", self.last.1)?;
        }
        Ok(())
    }

    pub(super) fn committed(&mut self) {
        self.last.0 = self.last.1;
        self.appended.0 = self.appended.1;
        self.index.committed();
        // Whoever sees the position finds all that is below it.
        self.position.store(self.last.1, Ordering::Release);
    }

    pub(super) fn rolled_back(&mut self) {
        // Ids given out in vain are not given again: a gap costs nothing.
        self.appended.1 = self.appended.0;
        self.index.rolled_back();
    }
}
