//! Taking messages out of the archive: by age, with their owner, what only waited once it is delivered, and what is taken back.

use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::store::{StoreError, StoreResult};

use super::attempts::writing;
use super::errors::Failure;
use super::pool::Pool;
use super::session::Session;
use super::{Postgres, archive, numbers, partitions};
use crate::copies;
use crate::keys::Keys;
use crate::labels;

/// Copies of a deleted owner that are removed in one transaction.
const ERASE_STEP: i64 = 256;

/// How the copies of an owner are found that are to be removed next.
pub(super) const ERASED: &str = "SELECT id FROM copy WHERE owner = $1 ORDER BY kind, id LIMIT $2";
pub(super) const DELIVERED: &str = "SELECT id FROM copy WHERE owner = $1 AND kind = 2 AND id <= $2";

impl Postgres {
    /// Removes messages older than `before` from all archives, at most `limit`; returns how many. They are gone at once for
    /// everybody who asks, and from the disk with their partition, at most 30 days later.
    pub(super) async fn expire_archive(&self, before: ArchiveId, limit: usize) -> StoreResult<usize> {
        let expired = writing!(self, |db| expire(db, before, limit).await)?;
        if let Err(failure) = partitions::drop_expired(&self.primary).await {
            tracing::warn!(?failure, "a partition of expired messages could not be dropped yet");
        }
        Ok(expired)
    }

    /// Moves the owner's delivery mark, and removes what only waited up to it.
    pub(super) async fn set_delivered(&self, owner: AccountId, mark: ArchiveId) -> StoreResult<()> {
        writing!(self, |db| {
            let moved = db
                .execute(
                    "UPDATE account SET delivered = greatest(delivered, $2) WHERE id = $1",
                    &[&owner.0, &numbers::int(mark.0)],
                )
                .await?;
            if moved == 0 {
                return Err(StoreError::NotFound.into());
            }
            let rows = db.rows(DELIVERED, &[&owner.0, &numbers::int(mark.0)]).await?;
            let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
            remove_copies(db, owner, &ids, &self.keys).await
        })
    }

    /// Puts another stanza in the place of one, which is found by no word any more.
    pub(super) async fn replace_archived(
        &self,
        owner: AccountId,
        id: ArchiveId,
        xml: Vec<u8>,
    ) -> StoreResult<()> {
        writing!(self, |db| {
            archive::must_hold(db, owner, &[id]).await?;
            let sql = "UPDATE message SET xml = $2, text = NULL, words = NULL WHERE id = $1";
            db.execute(sql, &[&numbers::int(id.0), &xml]).await.map(drop)
        })
    }

    /// Removes a deleted owner's copies in steps, so that nobody is held up by a large archive.
    pub(super) async fn erase(&self, owner: AccountId) -> StoreResult<()> {
        while writing!(self, |db| erase_some(db, owner, &self.keys).await)? {}
        Ok(())
    }
}

/// Removes some of a deleted owner's copies in a transaction of its own; says whether there may be more.
pub(super) async fn erase_step(pool: &Pool, owner: AccountId, keys: Keys) -> Result<bool, Failure> {
    let mut db = pool.session().await?;
    db.begin("BEGIN");
    let more = erase_some(&db, owner, &keys).await?;
    db.commit().await?;
    Ok(more)
}

async fn expire(db: &Session, before: ArchiveId, limit: usize) -> Result<usize, Failure> {
    let row = db.only_row("SELECT horizon FROM clock", &[]).await?;
    let horizon: i64 = row.try_get(0)?;
    let row = db
        .only_row(
            "SELECT count(*), max(id) FROM (SELECT id FROM message WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3) m",
            &[&horizon, &numbers::int(before.0), &numbers::limit(limit)],
        )
        .await?;
    let (count, last): (i64, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let whole = numbers::count(count) < limit;
    // Where nothing older is left, what is imported later below this bound is gone as well.
    let next = if whole { numbers::int(before.0) } else { last.map_or(horizon, |last| last + 1) };
    if next <= horizon {
        return Ok(0);
    }
    // Another node may have moved it meanwhile, and counted the same messages. No new message is ever below it.
    let sql =
        "UPDATE clock SET horizon = least($2, last_id + 1), messages = messages - $3 WHERE horizon = $1";
    let moved = db.execute(sql, &[&horizon, &next, &count]).await?;
    Ok(if moved == 1 { numbers::count(count) } else { 0 })
}

/// Removes what an account that is deleted has kept in step.
pub(super) async fn forget(db: &Session, owner: AccountId) -> Result<(), Failure> {
    db.execute("DELETE FROM state WHERE owner = $1", &[&owner.0]).await?;
    db.execute("DELETE FROM conversation WHERE owner = $1", &[&owner.0]).await.map(drop)
}

/// Removes some of a deleted owner's copies; says whether there may be more.
async fn erase_some(db: &Session, owner: AccountId, keys: &Keys) -> Result<bool, Failure> {
    let rows = db.rows(ERASED, &[&owner.0, &ERASE_STEP]).await?;
    let ids = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<i64>, _>>()?;
    if !ids.is_empty() {
        remove_copies(db, owner, &ids, keys).await?;
        return Ok(true);
    }
    for sql in [
        "DELETE FROM sent_0 WHERE owner = $1",
        "DELETE FROM sent_1 WHERE owner = $1",
        // What was noted before the account was deleted may have been written since.
        "DELETE FROM conversation WHERE owner = $1",
        "DELETE FROM state WHERE owner = $1",
        "DELETE FROM erasing WHERE owner = $1",
    ] {
        db.execute(sql, &[&owner.0]).await?;
    }
    Ok(false)
}

/// Removes one owner's copies of messages; a message goes with its last copy.
async fn remove_copies(db: &Session, owner: AccountId, ids: &[i64], keys: &Keys) -> Result<(), Failure> {
    if ids.is_empty() {
        return Ok(());
    }
    // In the order of ids, so that no two owners' removals wait for each other.
    let sql = "SELECT id, copies, labels FROM message WHERE id = ANY ($1) ORDER BY id FOR UPDATE";
    let rows = db.rows(sql, &[&ids]).await?;
    let (mut kept, mut columns, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    let (mut label_keys, mut label_ids) = (Vec::new(), Vec::new());
    let of_owner = keys.of(owner);
    for row in &rows {
        let (id, column, carried): (i64, &[u8], Option<&str>) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        for label in labels::each(carried) {
            label_keys.push(numbers::int(of_owner.label(label)));
            label_ids.push(id);
        }
        match copies::without(column, owner) {
            Some(rest) => {
                kept.push(id);
                columns.push(rest);
            }
            None => gone.push(id),
        }
    }
    db.execute(
        "DELETE FROM copy WHERE owner = $1 AND kind IN (0, 1, 2) AND id = ANY ($2)",
        &[&owner.0, &ids],
    )
    .await?;
    if !label_keys.is_empty() {
        let sql = "DELETE FROM label USING unnest($1::int8[], $2::int8[]) u(key, id) \
             WHERE label.key = u.key AND label.id = u.id";
        db.execute(sql, &[&label_keys, &label_ids]).await?;
    }
    if !kept.is_empty() {
        let sql = "UPDATE message SET copies = u.copies FROM unnest($1::int8[], $2::bytea[]) u(id, copies) \
             WHERE message.id = u.id";
        db.execute(sql, &[&kept, &columns]).await?;
    }
    if gone.is_empty() {
        return Ok(());
    }
    db.execute("DELETE FROM message WHERE id = ANY ($1)", &[&gone]).await?;
    // Last, because appending waits for this row.
    let sql = "UPDATE clock SET messages = messages - (SELECT count(*) FROM unnest($1::int8[]) g(id) WHERE g.id >= horizon)";
    db.execute(sql, &[&gone]).await.map(drop)
}
