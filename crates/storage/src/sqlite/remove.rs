//! Taking messages out of the archive: by age, with their owner, and what only waited once it is delivered.

use std::sync::Weak;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::store::{StoreError, StoreResult};

use super::errors::{Class, Failure};
use super::postings::{self, Postings, bare};
use super::runs::filter::Known;
use super::runs::walk::{Blocks, Walk};
use super::runs::{self, Posting, purge};
use super::writer::{Call, Job};
use super::{numbers, passing};
use crate::copies::Kind;
use crate::queue::Queue;
use crate::{copies, labels};

/// Removes messages older than `before`, oldest first, at most `limit`; returns how many. What the index holds of them
/// lies before the oldest message from then on, where nobody looks.
pub(super) fn expire(db: &Connection, before: ArchiveId, limit: usize) -> Result<usize, Failure> {
    let mut oldest =
        db.prepare_cached("SELECT id, copies FROM message WHERE id < ?1 ORDER BY id LIMIT ?2")?;
    let mut rows = oldest.query(params![numbers::int(before.0), numbers::int(limit as u64)])?;
    let (mut last, mut count) = (None, 0);
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        for entry in copies::entries(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?).flatten() {
            if entry.kind() == Kind::Waits {
                passing::remove(db, entry.owner, id)?;
            }
        }
        (last, count) = (Some(id), count + 1);
    }
    drop(rows);
    if let Some(last) = last {
        db.prepare_cached("DELETE FROM message WHERE id <= ?1")?.execute([last])?;
    }
    count_removed(db, count)?;
    Ok(count)
}

/// Copies of a deleted account that are removed in one transaction.
const ERASE_STEP: usize = 256;

/// Removes a deleted account's copies in steps, each a job of its own that queues the next, so that other people's
/// messages are not held up by a large archive. It relies on runs that hold everything.
pub(super) struct Erasing {
    pub(super) owner: AccountId,
    pub(super) writes: Weak<Queue<Job>>,
    /// Dropped when all is removed, which ends the wait of whoever holds the other end.
    pub(super) done: oneshot::Sender<StoreResult<()>>,
    pub(super) step: Result<Step, StoreError>,
    /// The newest message that has been dealt with.
    pub(super) behind: u64,
}

/// How far erasing has come.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Everything up to this message is removed.
    UpTo(u64),
    /// Everything is.
    All,
}

impl Call for Erasing {
    fn run(&mut self, db: &Connection) -> Result<(), Class> {
        let step = erase_some(db, self.owner, self.behind, ERASE_STEP);
        let class = step.as_ref().err().map(Failure::class);
        self.step = step.map_err(StoreError::from);
        class.map_or(Ok(()), Err)
    }

    fn finish(mut self: Box<Self>, commit: StoreResult<()>) {
        match commit.and(std::mem::replace(&mut self.step, Ok(Step::All))) {
            Ok(Step::All) => drop(self.done.send(Ok(()))),
            Ok(Step::UpTo(id)) => {
                self.behind = id;
                if let Some(writes) = self.writes.upgrade() {
                    // If the queue is full or closed, the next start goes on.
                    let _ = writes.push(0, Job::Indexed(self));
                }
            }
            Err(error) => drop(self.done.send(Err(error))),
        }
    }
}

/// Removes up to `limit` of a deleted owner's copies, and notes what the index holds of them.
fn erase_some(db: &Connection, owner: AccountId, behind: u64, limit: usize) -> Result<Step, Failure> {
    let keys = postings::keys(db)?;
    let published = runs::published(db)?;
    let from = runs::horizon(db)?.max(behind.saturating_add(1));
    let mut walk =
        Walk::new(&published, &Known::default(), keys.of(owner).archived(), (from, u64::MAX), false);
    let mut postings = Postings::new(keys);
    let (mut ids, mut noted, mut removed) = (Vec::new(), Vec::new(), 0);
    {
        let mut blocks = Blocks::new(db)?;
        while ids.len() < limit
            && let Some(id) = walk.peek(&mut blocks)?
        {
            ids.push(id);
            walk.pass(id);
        }
    }
    for id in &ids {
        removed += usize::from(erase(db, owner, numbers::int(*id), Some((&mut postings, &mut noted)))?);
    }
    let passing = passing::between(db, owner, (0, i64::MAX), limit)?;
    for id in &passing {
        removed += usize::from(erase(db, owner, *id, None)?);
    }
    purge::note(db, &noted)?;
    count_removed(db, removed)?;
    if ids.len() == limit || passing.len() == limit {
        return Ok(Step::UpTo(ids.last().copied().unwrap_or(behind)));
    }
    db.execute("DELETE FROM sent_0 WHERE owner = ?1", [owner.0])?;
    db.execute("DELETE FROM sent_1 WHERE owner = ?1", [owner.0])?;
    // What was noted before the account was deleted may have been written since.
    db.execute("DELETE FROM conversation WHERE owner = ?1", [owner.0])?;
    db.execute("DELETE FROM erasing WHERE owner = ?1", [owner.0])?;
    Ok(Step::All)
}

/// Removes copies of the owner that only waited, now that everything up to `mark` has been delivered.
pub(super) fn delivered(db: &Connection, owner: AccountId, mark: ArchiveId) -> Result<(), Failure> {
    let mut removed = 0;
    for id in passing::between(db, owner, (0, numbers::int(mark.0)), ERASE_STEP)? {
        removed += usize::from(erase(db, owner, id, None)?);
    }
    count_removed(db, removed)
}

/// Owners whose copies are still to be removed.
pub(super) fn erasing(db: &Connection) -> Result<Vec<AccountId>, Failure> {
    let mut owners = db.prepare_cached("SELECT owner FROM erasing")?;
    let owners = owners.query_map([], |row| row.get(0).map(AccountId))?.collect::<Result<_, _>>()?;
    Ok(owners)
}

/// Removes one owner's copy; the message goes with its last copy. Returns whether it went. What the index holds of the
/// copy is added to `noted`.
fn erase(
    db: &Connection,
    owner: AccountId,
    id: i64,
    noted: Option<(&mut Postings, &mut Vec<Posting>)>,
) -> Result<bool, Failure> {
    let found: Option<(Vec<u8>, Option<String>, Option<String>)> = db
        .prepare_cached("SELECT copies, text, labels FROM message WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    passing::remove(db, owner, id)?;
    let Some((column, text, labels)) = found else {
        return Ok(false);
    };
    if let Some((postings, noted)) = noted {
        postings.read(text.as_deref(), labels::each(labels.as_deref()));
        for entry in copies::entries(&column).flatten().filter(|entry| entry.owner == owner) {
            postings.of_copy(numbers::uint(id), owner, bare(entry.peer), entry.kind(), noted);
        }
    }
    match copies::without(&column, owner) {
        Some(rest) => db
            .prepare_cached("UPDATE message SET copies = ?2 WHERE id = ?1")?
            .execute(params![id, rest])
            .map(|_| false),
        None => db.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([id]).map(|_| true),
    }
    .map_err(Failure::from)
}

fn count_removed(db: &Connection, removed: usize) -> Result<(), Failure> {
    if removed > 0 {
        let before = numbers::counter(db, "removed")?;
        numbers::set_counter(db, "removed", before + removed as u64)?;
    }
    Ok(())
}
