//! What accounts keep in step on their devices, and with whom they talk.

use async_trait::async_trait;
use tokio_postgres::Row;
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::state::{OnState, StateChange, StateItem, StateKind, StateStore};
use waxwing_chat::store::StoreResult;
use waxwing_xmpp::jid::Jid;

use super::append::Hash128;
use super::attempts::{reading, reading_at_once, writing};
use super::errors::Failure;
use super::writer::Job;
use super::{Postgres, numbers, talks};
use crate::hashes;

/// How items are read.
pub(super) const OF_KIND: &str = "SELECT kind, key, position, content FROM state \
     WHERE owner = $1 AND kind = $2 AND content IS NOT NULL ORDER BY key";
pub(super) const SIZE: &str = "SELECT count(*), coalesce(sum(octet_length(key) + octet_length(content)), 0)::bigint \
     FROM state WHERE owner = $1 AND kind = $2 AND content IS NOT NULL";
pub(super) const ONE: &str = "SELECT kind, key, position, content FROM state \
     WHERE owner = $1 AND kind = $2 AND hash = $3 AND key = $4 AND content IS NOT NULL";
pub(super) const SINCE: &str = "SELECT kind, key, position, content FROM state \
     WHERE owner = $1 AND position > $2 ORDER BY position LIMIT $3";
pub(super) const OF_ALL: &str = "SELECT kind, key, position, content, owner FROM state \
     WHERE kind = $1 AND content IS NOT NULL ORDER BY owner";

#[async_trait]
impl StateStore for Postgres {
    fn put_state(&self, changes: Vec<StateChange>, done: OnState) {
        self.writer.push(Job::state(changes, done));
    }

    async fn state(&self, owner: AccountId, kind: StateKind) -> StoreResult<Vec<StateItem>> {
        reading!(self, |db| items(db.rows(OF_KIND, &[&owner.0, &kind.number()]).await?))
    }

    async fn state_size(&self, owner: AccountId, kind: StateKind) -> StoreResult<(usize, u64)> {
        reading!(self, |db| {
            let rows = db.rows(SIZE, &[&owner.0, &kind.number()]).await?;
            let Some(row) = rows.first() else { return Ok((0, 0)) };
            let (count, bytes): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            Ok((usize::try_from(count).unwrap_or(usize::MAX), numbers::uint(bytes)))
        })
    }

    async fn state_item(
        &self,
        owner: AccountId,
        kind: StateKind,
        key: &str,
    ) -> StoreResult<Option<StateItem>> {
        let hash = Hash128(hashes::client_id(key));
        reading!(self, |db| Ok(items(db.rows(ONE, &[&owner.0, &kind.number(), &hash, &key]).await?)?.pop()))
    }

    async fn state_since(
        &self,
        owner: AccountId,
        since: ArchiveId,
        limit: usize,
    ) -> StoreResult<Vec<StateItem>> {
        let (since, limit) = (numbers::int(since.0), numbers::limit(limit));
        reading!(self, |db| items(db.rows(SINCE, &[&owner.0, &since, &limit]).await?))
    }

    async fn state_of_all(&self, kind: StateKind) -> StoreResult<Vec<(AccountId, StateItem)>> {
        reading!(self, |db| {
            let rows = db.rows(OF_ALL, &[&kind.number()]).await?;
            let mut found = Vec::with_capacity(rows.len());
            for row in &rows {
                let owner = AccountId(row.try_get(4)?);
                found.extend(item(row)?.map(|item| (owner, item)));
            }
            Ok(found)
        })
    }

    async fn sweep_state(&self, before: ArchiveId, limit: usize) -> StoreResult<usize> {
        let (before, limit) = (numbers::int(before.0), numbers::limit(limit));
        writing!(self, |db| {
            let swept = db
                .execute(
                    "DELETE FROM state WHERE (owner, kind, hash) IN (SELECT owner, kind, hash FROM state \
                     WHERE content IS NULL AND position < $1 ORDER BY position LIMIT $2 FOR UPDATE SKIP LOCKED) \
                     AND content IS NULL AND position < $1",
                    &[&before, &limit],
                )
                .await?;
            Ok(usize::try_from(swept).unwrap_or(usize::MAX))
        })
    }

    async fn conversations(
        &self,
        owner: AccountId,
        before: ArchiveId,
        limit: usize,
    ) -> StoreResult<Vec<(Jid, ArchiveId)>> {
        reading_at_once!(self, |db| talks::conversations(db, owner, before, limit).await)
    }

    fn position(&self) -> ArchiveId {
        self.writer.position()
    }
}

fn items(rows: Vec<Row>) -> Result<Vec<StateItem>, Failure> {
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.extend(item(row)?);
    }
    Ok(found)
}

/// An item; `None` if it is of a kind that this version does not know.
fn item(row: &Row) -> Result<Option<StateItem>, Failure> {
    let Some(kind) = StateKind::from_number(row.try_get(0)?) else { return Ok(None) };
    let position = ArchiveId(numbers::uint(row.try_get(2)?));
    Ok(Some(StateItem { kind, key: row.try_get(1)?, position, content: row.try_get(3)? }))
}
