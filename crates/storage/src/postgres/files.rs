//! Files in the database: places, owners, states; their content lies elsewhere.

use async_trait::async_trait;
use tokio_postgres::Row;
use waxwing_chat::account::AccountId;
use waxwing_chat::files::store::{FileLimits, FileStore, FileUsage, Opening, Overdue, Reservation};
use waxwing_chat::files::{FileId, StoredFile, Thumbnail};
use waxwing_chat::store::{StoreError, StoreResult};

use super::accounts::exists;
use super::attempts::{reading, writing};
use super::errors::Failure;
use super::session::{Session, Values};
use super::{Postgres, numbers};
use crate::kinds::{self, GONE, OPEN, STORED, WRITING};

const COLUMNS: &str = "id, owner, owner_jid, name, media_type, size, purpose, token, created_ms, open_until_ms, \
     stored_ms, expires_ms, state, thumbnail";

#[async_trait]
impl FileStore for Postgres {
    async fn reserve_file(&self, file: StoredFile, limits: FileLimits) -> StoreResult<Reservation> {
        writing!(self, |db| reserve(db, &file, limits).await)
    }

    async fn file(&self, id: &FileId) -> StoreResult<Option<StoredFile>> {
        reading!(self, |db| {
            let sql = format!("SELECT {COLUMNS} FROM file WHERE id = $1 AND state <> $2");
            db.row(&sql, &[&id.as_str(), &GONE]).await?.as_ref().map(read).transpose()
        })
    }

    async fn open_file(&self, id: &FileId, now_ms: u64, until_ms: u64) -> StoreResult<Opening> {
        writing!(self, |db| open(db, id, now_ms, until_ms).await)
    }

    async fn release_file(&self, id: &FileId, until_ms: u64) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "UPDATE file SET state = $3, open_until_ms = $2 WHERE id = $1 AND state = $4";
            db.execute(sql, &[&id.as_str(), &numbers::int(until_ms), &OPEN, &WRITING]).await.map(drop)
        })
    }

    async fn complete_file(&self, id: &FileId, stored_ms: u64) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "UPDATE file SET state = $3, stored_ms = $2 WHERE id = $1 AND state = $4";
            exists(db.execute(sql, &[&id.as_str(), &numbers::int(stored_ms), &STORED, &WRITING]).await?)
        })
    }

    async fn set_thumbnail(&self, id: &FileId, thumbnail: Thumbnail) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "UPDATE file SET thumbnail = $2 WHERE id = $1 AND state <> $3";
            exists(db.execute(sql, &[&id.as_str(), &kinds::of_thumbnail(thumbnail), &GONE]).await?)
        })
    }

    async fn files(
        &self,
        owner: Option<AccountId>,
        after: Option<&FileId>,
        limit: usize,
    ) -> StoreResult<Vec<StoredFile>> {
        reading!(self, |db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM file WHERE id > $1 AND state = $2 AND ($3::int8 IS NULL OR owner = $3) \
                 ORDER BY id LIMIT $4"
            );
            let (after, owner) = (after.map_or("", FileId::as_str), owner.map(|owner| owner.0));
            db.rows(&sql, &[&after, &STORED, &owner, &numbers::limit(limit)])
                .await?
                .iter()
                .map(read)
                .collect()
        })
    }

    async fn file_usage(&self, owner: AccountId) -> StoreResult<FileUsage> {
        reading!(self, |db| {
            let sql =
                "SELECT count(*), coalesce(sum(size), 0)::int8 FROM file WHERE owner = $1 AND state = $2";
            let row = db.only_row(sql, &[&owner.0, &STORED]).await?;
            Ok(FileUsage { files: numbers::uint(row.try_get(0)?), bytes: numbers::uint(row.try_get(1)?) })
        })
    }

    async fn discard_file(&self, id: &FileId) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "UPDATE file SET state = $2 WHERE id = $1 AND state <> $2";
            exists(db.execute(sql, &[&id.as_str(), &GONE]).await?)
        })
    }

    async fn gone_files(
        &self,
        overdue: Overdue,
        after: Option<&FileId>,
        limit: usize,
    ) -> StoreResult<Vec<FileId>> {
        writing!(self, |db| {
            discard_overdue(db, overdue).await?;
            let after = after.map_or("", FileId::as_str);
            let sql = "SELECT id FROM file WHERE state = 3 AND id > $1 ORDER BY id LIMIT $2";
            db.rows(sql, &[&after, &numbers::limit(limit)]).await?.iter().map(id_of).collect()
        })
    }

    async fn forget_file(&self, id: &FileId, before_ms: u64) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "DELETE FROM file WHERE id = $1 AND state = $2 AND created_ms <= $3";
            db.execute(sql, &[&id.as_str(), &GONE, &numbers::int(before_ms)]).await.map(drop)
        })
    }
}

/// From now on none of an owner's files can be read.
pub(super) async fn discard_of(db: &Session, owner: AccountId) -> Result<(), Failure> {
    db.execute("UPDATE file SET state = $2 WHERE owner = $1 AND state <> $2", &[&owner.0, &GONE])
        .await
        .map(drop)
}

async fn reserve(db: &Session, file: &StoredFile, limits: FileLimits) -> Result<Reservation, Failure> {
    // Of several that an account asks for at once, each counts those before it.
    let lock = db.row("SELECT 1 FROM account WHERE id = $1 FOR NO KEY UPDATE", &[&file.owner.0]).await?;
    lock.ok_or(StoreError::NotFound)?;
    let recent = "SELECT count(*), min(created_ms) FROM file WHERE owner = $1 AND created_ms > $2";
    let recent = db.only_row(recent, &[&file.owner.0, &numbers::int(limits.window_start_ms)]).await?;
    if numbers::uint(recent.try_get(0)?) >= u64::from(limits.count) {
        let oldest: Option<i64> = recent.try_get(1)?;
        return Ok(Reservation::TooMany { oldest_ms: oldest.map_or(limits.now_ms, numbers::uint) });
    }
    let purpose = kinds::of_purpose(file.purpose);
    let taken = "SELECT coalesce(sum(size), 0)::int8, coalesce(sum(size) FILTER (WHERE purpose = $2), 0)::int8 \
         FROM file WHERE owner = $1 AND (state = 2 OR state < 2 AND open_until_ms > $3)";
    let taken = db.only_row(taken, &[&file.owner.0, &purpose, &numbers::int(limits.now_ms)]).await?;
    let exceeds = |bytes: i64, quota: u64| numbers::uint(bytes).saturating_add(file.size) > quota;
    let for_purpose = taken.try_get(1)?;
    if exceeds(taken.try_get(0)?, limits.quota_bytes)
        || limits.purpose_quota_bytes.is_some_and(|quota| exceeds(for_purpose, quota))
    {
        return Ok(Reservation::OverQuota);
    }
    insert(db, file).await?;
    Ok(Reservation::Granted)
}

async fn insert(db: &Session, file: &StoredFile) -> Result<(), Failure> {
    let sql = format!(
        "INSERT INTO file ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
    );
    let values: Values<'_> = &[
        &file.id.as_str(),
        &file.owner.0,
        &file.owner_jid.as_str(),
        &file.name,
        &file.media_type,
        &numbers::int(file.size),
        &kinds::of_purpose(file.purpose),
        &file.token,
        &numbers::int(file.created_ms),
        &numbers::int(file.open_until_ms),
        &numbers::int(file.stored_ms),
        &file.expires_ms.map(numbers::int),
        &kinds::of_file_state(file.state),
        &kinds::of_thumbnail(file.thumbnail),
    ];
    db.execute(&sql, values).await.map(drop)
}

async fn open(db: &Session, id: &FileId, now_ms: u64, until_ms: u64) -> Result<Opening, Failure> {
    let row =
        db.row("SELECT state, open_until_ms FROM file WHERE id = $1 FOR UPDATE", &[&id.as_str()]).await?;
    let Some(row) = row else { return Ok(Opening::Closed) };
    match (row.try_get::<_, i64>(0)?, numbers::uint(row.try_get(1)?)) {
        (OPEN, end) if end > now_ms => {
            let sql = "UPDATE file SET state = $3, open_until_ms = $2 WHERE id = $1";
            db.execute(sql, &[&id.as_str(), &numbers::int(until_ms), &WRITING]).await?;
            Ok(Opening::Granted)
        }
        (WRITING | STORED, _) => Ok(Opening::Taken),
        _ => Ok(Opening::Closed),
    }
}

async fn discard_overdue(db: &Session, overdue: Overdue) -> Result<(), Failure> {
    let now = numbers::int(overdue.now_ms);
    db.execute("UPDATE file SET state = $1 WHERE state < 2 AND open_until_ms <= $2", &[&GONE, &now]).await?;
    let expired =
        "UPDATE file SET state = $1 WHERE expires_ms IS NOT NULL AND expires_ms <= $2 AND state = 2";
    db.execute(expired, &[&GONE, &now]).await?;
    if let Some(before) = overdue.stored_before_ms {
        // Purposes 0 and 2 go by age, profiles and what is permanent do not.
        let old = "UPDATE file SET state = $1 WHERE state = 2 AND stored_ms < $2 AND purpose IN (0, 2)";
        db.execute(old, &[&GONE, &numbers::int(before)]).await?;
    }
    Ok(())
}

fn id_of(row: &Row) -> Result<FileId, Failure> {
    FileId::parse(row.try_get(0)?)
        .ok_or_else(|| Failure::other("a stored file has no id that this server makes"))
}

fn read(row: &Row) -> Result<StoredFile, Failure> {
    Ok(StoredFile {
        id: id_of(row)?,
        owner: AccountId(row.try_get(1)?),
        owner_jid: super::jid(row.try_get(2)?)?,
        name: row.try_get(3)?,
        media_type: row.try_get(4)?,
        size: numbers::uint(row.try_get(5)?),
        purpose: kinds::purpose(row.try_get(6)?),
        token: row.try_get(7)?,
        created_ms: numbers::uint(row.try_get(8)?),
        open_until_ms: numbers::uint(row.try_get(9)?),
        stored_ms: numbers::uint(row.try_get(10)?),
        expires_ms: row.try_get::<_, Option<i64>>(11)?.map(numbers::uint),
        state: kinds::file_state(row.try_get(12)?),
        thumbnail: kinds::thumbnail(row.try_get(13)?),
    })
}
