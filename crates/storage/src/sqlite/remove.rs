//! Taking messages out of the archive: by age, and with their owner. All of it relies on complete index tables: an entry
//! that only came into a table afterwards would stay there for nothing.

use std::sync::Weak;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::store::{StoreError, StoreResult};
use waxwing_xmpp::jid::Jid;

use super::errors::{Class, Failure};
use super::queue::Queue;
use super::writer::{Call, Job};
use super::{copies, hashes, numbers};
use crate::words;

/// Removes messages older than `before`, oldest first, at most `limit`; returns how many.
pub(super) fn expire(db: &Connection, before: ArchiveId, limit: usize) -> Result<usize, Failure> {
    let mut oldest =
        db.prepare_cached("SELECT id, copies FROM message WHERE id < ?1 ORDER BY id LIMIT ?2")?;
    let old: Vec<(i64, Vec<u8>)> = oldest
        .query_map(params![numbers::int(before.0), numbers::int(limit as u64)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<_, _>>()?;
    for (id, column) in &old {
        for entry in copies::entries(column).flatten() {
            remove_copy(db, *id, &entry)?;
        }
        remove_message(db, *id)?;
    }
    count_removed(db, old.len())?;
    Ok(old.len())
}

/// Copies of a deleted account that are removed in one transaction.
const ERASE_STEP: usize = 256;

/// Removes a deleted account's copies in steps, each a job of its own that queues the next, so that other people's
/// messages are not held up by a large archive.
pub(super) struct Erasing {
    pub(super) owner: AccountId,
    pub(super) writes: Weak<Queue<Job>>,
    /// Dropped when all is removed, which ends the wait of whoever holds the other end.
    pub(super) done: oneshot::Sender<StoreResult<()>>,
    pub(super) all: Result<bool, StoreError>,
}

impl Call for Erasing {
    fn run(&mut self, db: &Connection) -> Result<(), Class> {
        let step = erase_some(db, self.owner, ERASE_STEP);
        let class = step.as_ref().err().map(Failure::class);
        self.all = step.map_err(StoreError::from);
        class.map_or(Ok(()), Err)
    }

    fn finish(mut self: Box<Self>, commit: StoreResult<()>) {
        match commit.and(std::mem::replace(&mut self.all, Ok(false))) {
            Ok(true) => drop(self.done.send(Ok(()))),
            Ok(false) => {
                if let Some(writes) = self.writes.upgrade() {
                    // If the queue is full or closed, the next start goes on.
                    let _ = writes.push(0, Job::Indexed(self));
                }
            }
            Err(error) => drop(self.done.send(Err(error))),
        }
    }
}

/// Removes up to `limit` of a deleted owner's copies; returns whether that was all.
fn erase_some(db: &Connection, owner: AccountId, limit: usize) -> Result<bool, Failure> {
    let mut copies_of = db.prepare_cached("SELECT id FROM copy WHERE owner = ?1 LIMIT ?2")?;
    let ids: Vec<i64> = copies_of
        .query_map(params![owner.0, numbers::int(limit as u64)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut removed = 0;
    for id in &ids {
        removed += usize::from(erase(db, owner, *id)?);
    }
    count_removed(db, removed)?;
    let all = ids.len() < limit;
    if all {
        db.execute("DELETE FROM sent_0 WHERE owner = ?1", [owner.0])?;
        db.execute("DELETE FROM sent_1 WHERE owner = ?1", [owner.0])?;
        db.execute("DELETE FROM erasing WHERE owner = ?1", [owner.0])?;
    }
    Ok(all)
}

/// Removes copies of the owner that only waited, now that everything up to `mark` has been delivered. `recent` are
/// such copies in the tail.
pub(super) fn delivered(
    db: &Connection,
    owner: AccountId,
    mark: ArchiveId,
    recent: &[i64],
) -> Result<(), Failure> {
    let mut waited = db.prepare_cached(
        "SELECT id FROM copy WHERE owner = ?1 AND kind = 2 AND id <= ?2 ORDER BY id LIMIT ?3",
    )?;
    let limit = numbers::int(ERASE_STEP as u64);
    let ids: Vec<i64> = waited
        .query_map(params![owner.0, numbers::int(mark.0), limit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut removed = 0;
    for id in ids.iter().chain(recent) {
        removed += usize::from(erase(db, owner, *id)?);
    }
    count_removed(db, removed)
}

/// Owners whose copies are still to be removed.
pub(super) fn erasing(db: &Connection) -> Result<Vec<AccountId>, Failure> {
    let mut owners = db.prepare_cached("SELECT owner FROM erasing")?;
    let owners = owners.query_map([], |row| row.get(0).map(AccountId))?.collect::<Result<_, _>>()?;
    Ok(owners)
}

/// Removes one owner's copy; the message goes with its last copy. Returns whether it went.
fn erase(db: &Connection, owner: AccountId, id: i64) -> Result<bool, Failure> {
    let found: Option<(Vec<u8>, Option<String>)> = db
        .prepare_cached("SELECT copies, text FROM message WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((column, text)) = found else {
        return Ok(false);
    };
    for entry in copies::entries(&column).flatten().filter(|e| e.owner == owner) {
        remove_copy(db, id, &entry)?;
    }
    let Some(rest) = copies::without(&column, owner) else {
        remove_message(db, id)?;
        return Ok(true);
    };
    db.prepare_cached("UPDATE message SET copies = ?2 WHERE id = ?1")?.execute(params![id, rest])?;
    // What search does not know yet it will read when it gets there.
    let searchable = numbers::int(numbers::counter(db, "searchable")?);
    if let Some(text) = text.filter(|_| id <= searchable) {
        let mut terms = String::new();
        words::document(copies::readers(&rest), &text, &mut terms);
        db.prepare_cached("INSERT OR REPLACE INTO word (rowid, terms) VALUES (?1, ?2)")?
            .execute(params![id, terms])?;
    }
    Ok(false)
}

fn remove_copy(db: &Connection, id: i64, entry: &copies::Entry<'_>) -> Result<(), Failure> {
    let owner = entry.owner.0;
    db.prepare_cached("DELETE FROM copy WHERE owner = ?1 AND kind = ?2 AND id = ?3")?.execute(params![
        owner,
        entry.kind().number(),
        id
    ])?;
    let peer = Jid::new(entry.peer).map_err(|e| Failure::other(format!("message {id}: {e}")))?;
    db.prepare_cached("DELETE FROM conversation WHERE owner = ?1 AND peer = ?2 AND id = ?3")?
        .execute(params![owner, hashes::peer(peer.bare_str()), id])?;
    Ok(())
}

fn remove_message(db: &Connection, id: i64) -> Result<(), Failure> {
    db.prepare_cached("DELETE FROM word WHERE rowid = ?1")?.execute([id])?;
    db.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([id])?;
    Ok(())
}

fn count_removed(db: &Connection, removed: usize) -> Result<(), Failure> {
    if removed > 0 {
        let before = numbers::counter(db, "removed")?;
        numbers::set_counter(db, "removed", before + removed as u64)?;
    }
    Ok(())
}
