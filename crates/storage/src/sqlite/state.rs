//! What accounts keep in step on their devices.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::state::{OnState, StateChange, StateItem, StateKind, StateStore};
use waxwing_chat::store::{StoreError, StoreResult};
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::writer::Job;
use super::{Sqlite, numbers, talks};

const COLUMNS: &str = "kind, key, position, content";

#[async_trait]
impl StateStore for Sqlite {
    fn put_state(&self, changes: Vec<StateChange>, done: OnState) {
        let bytes = changes.iter().map(|change| change.content.as_ref().map_or(0, String::len)).sum();
        if let Err(Job::State(_, done)) = self.writes.push(bytes, Job::State(changes, done)) {
            done(Err(StoreError::Unavailable));
        }
    }

    async fn state(&self, owner: AccountId, kind: StateKind) -> StoreResult<Vec<StateItem>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM state WHERE owner = ?1 AND kind = ?2 AND content IS NOT NULL ORDER BY key"
        );
        self.read(move |db| items(db, &sql, params![owner.0, kind.number()])).await
    }

    async fn state_size(&self, owner: AccountId, kind: StateKind) -> StoreResult<(usize, u64)> {
        let sql = "SELECT COUNT(*), COALESCE(SUM(LENGTH(CAST(key AS BLOB)) + LENGTH(CAST(content AS BLOB))), 0) \
             FROM state WHERE owner = ?1 AND kind = ?2 AND content IS NOT NULL";
        self.read(move |db| {
            let size = db.prepare_cached(sql)?.query_row(params![owner.0, kind.number()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })?;
            Ok((usize::try_from(size.0).unwrap_or(usize::MAX), numbers::uint(size.1)))
        })
        .await
    }

    async fn state_item(
        &self,
        owner: AccountId,
        kind: StateKind,
        key: &str,
    ) -> StoreResult<Option<StateItem>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM state WHERE owner = ?1 AND kind = ?2 AND key = ?3 AND content IS NOT NULL"
        );
        let key = key.to_owned();
        self.read(move |db| Ok(items(db, &sql, params![owner.0, kind.number(), key])?.pop())).await
    }

    async fn state_since(
        &self,
        owner: AccountId,
        since: ArchiveId,
        limit: usize,
    ) -> StoreResult<Vec<StateItem>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM state WHERE owner = ?1 AND position > ?2 ORDER BY position LIMIT ?3"
        );
        let (since, limit) = (numbers::int(since.0), numbers::int(limit as u64));
        self.read(move |db| items(db, &sql, params![owner.0, since, limit])).await
    }

    async fn state_of_all(&self, kind: StateKind) -> StoreResult<Vec<(AccountId, StateItem)>> {
        let sql = format!("SELECT {COLUMNS}, owner FROM state WHERE kind = ?1 AND content IS NOT NULL");
        let work = move |db: &Connection| {
            let mut select = db.prepare_cached(&sql)?;
            let mut rows = select.query([kind.number()])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let owner = AccountId(row.get(4)?);
                found.extend(item(row)?.map(|item| (owner, item)));
            }
            Ok(found)
        };
        self.read(work).await
    }

    async fn sweep_state(&self, before: ArchiveId, limit: usize) -> StoreResult<usize> {
        let (before, limit) = (numbers::int(before.0), numbers::int(limit as u64));
        self.write(move |db| {
            let mut sweep = db.prepare_cached(
                "DELETE FROM state WHERE (owner, kind, key) IN (SELECT owner, kind, key FROM state \
                 WHERE content IS NULL AND position < ?1 LIMIT ?2)",
            )?;
            Ok(sweep.execute([before, limit])?)
        })
        .await
    }

    async fn conversations(
        &self,
        owner: AccountId,
        before: ArchiveId,
        limit: usize,
    ) -> StoreResult<Vec<(Jid, ArchiveId)>> {
        self.read_with_tail(owner, move |db, tail| talks::conversations(db, owner, before, limit, tail)).await
    }

    fn position(&self) -> ArchiveId {
        ArchiveId(self.position.load(std::sync::atomic::Ordering::Acquire))
    }
}

/// Writes changes under their position.
pub(super) fn put(db: &Connection, changes: &[StateChange], position: u64) -> rusqlite::Result<()> {
    let mut put = db.prepare_cached(
        "INSERT INTO state (owner, kind, key, position, content) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT DO UPDATE SET position = ?4, content = ?5",
    )?;
    for StateChange { owner, kind, key, content } in changes {
        put.execute(params![owner.0, kind.number(), key, numbers::int(position), content])?;
    }
    Ok(())
}

/// Removes all of an account that is deleted.
pub(super) fn forget(db: &Connection, owner: AccountId) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM state WHERE owner = ?1")?.execute([owner.0])?;
    db.prepare_cached("DELETE FROM conversation WHERE owner = ?1")?.execute([owner.0]).map(drop)
}

fn items(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<Vec<StateItem>, Failure> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.extend(item(row)?);
    }
    Ok(found)
}

/// An item; `None` if it is of a kind that this version does not know.
fn item(row: &Row<'_>) -> rusqlite::Result<Option<StateItem>> {
    let Some(kind) = StateKind::from_number(row.get(0)?) else { return Ok(None) };
    let position = ArchiveId(numbers::uint(row.get(2)?));
    Ok(Some(StateItem { kind, key: row.get(1)?, position, content: row.get(3)? }))
}
