//! Files in the database: places, owners, states; their content lies elsewhere.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::files::store::{FileLimits, FileStore, FileUsage, Opening, Overdue, Reservation};
use waxwing_chat::files::{FileId, StoredFile, Thumbnail};
use waxwing_chat::store::StoreResult;

use super::errors::Failure;
use super::{Sqlite, accounts, numbers};
use crate::kinds::{self, GONE, OPEN, STORED, WRITING};

const COLUMNS: &str = "id, owner, owner_jid, name, media_type, size, purpose, token, created_ms, open_until_ms, \
     stored_ms, expires_ms, state, thumbnail";

#[async_trait]
impl FileStore for Sqlite {
    async fn reserve_file(&self, file: StoredFile, limits: FileLimits) -> StoreResult<Reservation> {
        self.write(move |db| reserve(db, &file, limits)).await
    }

    async fn file(&self, id: &FileId) -> StoreResult<Option<StoredFile>> {
        let id = id.clone();
        self.read(move |db| find(db, &id)).await
    }

    async fn open_file(&self, id: &FileId, now_ms: u64, until_ms: u64) -> StoreResult<Opening> {
        let id = id.clone();
        self.write(move |db| open(db, &id, now_ms, until_ms)).await
    }

    async fn release_file(&self, id: &FileId, until_ms: u64) -> StoreResult<()> {
        let id = id.clone();
        self.write(move |db| {
            db.prepare_cached("UPDATE file SET state = ?3, open_until_ms = ?2 WHERE id = ?1 AND state = ?4")?
                .execute(params![id.as_str(), numbers::int(until_ms), OPEN, WRITING])?;
            Ok(())
        })
        .await
    }

    async fn complete_file(&self, id: &FileId, stored_ms: u64) -> StoreResult<()> {
        let id = id.clone();
        self.write(move |db| {
            accounts::exists(
                db.prepare_cached("UPDATE file SET state = ?3, stored_ms = ?2 WHERE id = ?1 AND state = ?4")?
                    .execute(params![id.as_str(), numbers::int(stored_ms), STORED, WRITING])?,
            )
        })
        .await
    }

    async fn set_thumbnail(&self, id: &FileId, thumbnail: Thumbnail) -> StoreResult<()> {
        let id = id.clone();
        self.write(move |db| {
            accounts::exists(
                db.prepare_cached("UPDATE file SET thumbnail = ?2 WHERE id = ?1 AND state <> ?3")?
                    .execute(params![id.as_str(), kinds::of_thumbnail(thumbnail), GONE])?,
            )
        })
        .await
    }

    async fn files(
        &self,
        owner: Option<AccountId>,
        after: Option<&FileId>,
        limit: usize,
    ) -> StoreResult<Vec<StoredFile>> {
        let after = after.cloned();
        self.read(move |db| list(db, owner, after.as_ref(), limit)).await
    }

    async fn file_usage(&self, owner: AccountId) -> StoreResult<FileUsage> {
        self.read(move |db| {
            let usage = db
                .prepare_cached(
                    "SELECT count(*), coalesce(sum(size), 0) FROM file WHERE owner = ?1 AND state = ?2",
                )?
                .query_row([owner.0, STORED], |row| {
                    Ok(FileUsage { files: numbers::uint(row.get(0)?), bytes: numbers::uint(row.get(1)?) })
                })?;
            Ok(usage)
        })
        .await
    }

    async fn discard_file(&self, id: &FileId) -> StoreResult<()> {
        let id = id.clone();
        self.write(move |db| {
            accounts::exists(
                db.prepare_cached("UPDATE file SET state = ?2 WHERE id = ?1 AND state <> ?2")?
                    .execute(params![id.as_str(), GONE])?,
            )
        })
        .await
    }

    async fn gone_files(
        &self,
        overdue: Overdue,
        after: Option<&FileId>,
        limit: usize,
    ) -> StoreResult<Vec<FileId>> {
        let after = after.cloned();
        self.write(move |db| {
            discard_overdue(db, overdue)?;
            let after = after.as_ref().map_or("", FileId::as_str);
            let mut statement =
                db.prepare_cached("SELECT id FROM file WHERE state = ?1 AND id > ?2 ORDER BY id LIMIT ?3")?;
            let mut rows = statement.query(params![GONE, after, numbers::int(limit as u64)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(id_in(row, 0)?);
            }
            Ok(found)
        })
        .await
    }

    async fn forget_file(&self, id: &FileId, before_ms: u64) -> StoreResult<()> {
        let id = id.clone();
        self.write(move |db| {
            db.prepare_cached("DELETE FROM file WHERE id = ?1 AND state = ?2 AND created_ms <= ?3")?
                .execute(params![id.as_str(), GONE, numbers::int(before_ms)])?;
            Ok(())
        })
        .await
    }
}

/// From now on none of an owner's files can be read.
pub(super) fn discard_of(db: &Connection, owner: AccountId) -> Result<(), Failure> {
    db.execute("UPDATE file SET state = ?2 WHERE owner = ?1", [owner.0, GONE])?;
    Ok(())
}

fn reserve(db: &Connection, file: &StoredFile, limits: FileLimits) -> Result<Reservation, Failure> {
    let (recent, oldest): (u32, Option<i64>) = db
        .prepare_cached("SELECT count(*), min(created_ms) FROM file WHERE owner = ?1 AND created_ms > ?2")?
        .query_row(params![file.owner.0, numbers::int(limits.window_start_ms)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if recent >= limits.count {
        let oldest_ms = oldest.map_or(limits.now_ms, numbers::uint);
        return Ok(Reservation::TooMany { oldest_ms });
    }
    let mut taken = db.prepare_cached(
        "SELECT coalesce(sum(size), 0) FROM file WHERE owner = ?1 AND (?2 IS NULL OR purpose = ?2) \
         AND (state = 2 OR state < 2 AND open_until_ms > ?3)",
    )?;
    let mut exceeds = |purpose: Option<i64>, quota: u64| {
        let now = numbers::int(limits.now_ms);
        let bytes = taken.query_row(params![file.owner.0, purpose, now], |row| row.get(0))?;
        Ok::<_, Failure>(numbers::uint(bytes).saturating_add(file.size) > quota)
    };
    let purpose = kinds::of_purpose(file.purpose);
    let over = exceeds(None, limits.quota_bytes)?
        || limits.purpose_quota_bytes.map_or(Ok(false), |quota| exceeds(Some(purpose), quota))?;
    if over {
        return Ok(Reservation::OverQuota);
    }
    super::belongings::must_exist(db, file.owner)?;
    insert(db, file)?;
    Ok(Reservation::Granted)
}

fn insert(db: &Connection, file: &StoredFile) -> Result<(), Failure> {
    db.prepare_cached(&format!(
        "INSERT INTO file ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)"
    ))?
    .execute(params![
        file.id.as_str(),
        file.owner.0,
        file.owner_jid.as_str(),
        file.name,
        file.media_type,
        numbers::int(file.size),
        kinds::of_purpose(file.purpose),
        file.token,
        numbers::int(file.created_ms),
        numbers::int(file.open_until_ms),
        numbers::int(file.stored_ms),
        file.expires_ms.map(numbers::int),
        kinds::of_file_state(file.state),
        kinds::of_thumbnail(file.thumbnail),
    ])?;
    Ok(())
}

fn find(db: &Connection, id: &FileId) -> Result<Option<StoredFile>, Failure> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM file WHERE id = ?1 AND state <> {GONE}"))?
        .query_row([id.as_str()], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

fn open(db: &Connection, id: &FileId, now_ms: u64, until_ms: u64) -> Result<Opening, Failure> {
    let found: Option<(i64, i64)> = db
        .prepare_cached("SELECT state, open_until_ms FROM file WHERE id = ?1")?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match found {
        Some((OPEN, end)) if numbers::uint(end) > now_ms => {
            db.prepare_cached("UPDATE file SET state = ?3, open_until_ms = ?2 WHERE id = ?1")?
                .execute(params![id.as_str(), numbers::int(until_ms), WRITING])?;
            Opening::Granted
        }
        Some((WRITING | STORED, _)) => Opening::Taken,
        _ => Opening::Closed,
    })
}

pub(super) fn list(
    db: &Connection,
    owner: Option<AccountId>,
    after: Option<&FileId>,
    limit: usize,
) -> Result<Vec<StoredFile>, Failure> {
    let after = after.map_or("", FileId::as_str);
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM file WHERE id > ?1 AND state = {STORED} AND (?2 IS NULL OR owner = ?2) ORDER BY id LIMIT ?3"
    ))?;
    let mut rows = statement.query(params![after, owner.map(|owner| owner.0), numbers::int(limit as u64)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn discard_overdue(db: &Connection, overdue: Overdue) -> Result<(), Failure> {
    let now = numbers::int(overdue.now_ms);
    db.prepare_cached("UPDATE file SET state = ?1 WHERE state < 2 AND open_until_ms <= ?2")?
        .execute([GONE, now])?;
    db.prepare_cached(
        "UPDATE file SET state = ?1 WHERE expires_ms IS NOT NULL AND expires_ms <= ?2 AND state = 2",
    )?
    .execute([GONE, now])?;
    if let Some(before) = overdue.stored_before_ms {
        // Purposes 0 and 2 go by age, profiles and what is permanent do not.
        db.prepare_cached(
            "UPDATE file SET state = ?1 WHERE state = 2 AND stored_ms < ?2 AND purpose IN (0, 2)",
        )?
        .execute([GONE, numbers::int(before)])?;
    }
    Ok(())
}

fn id_in(row: &Row<'_>, column: usize) -> Result<FileId, Failure> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    FileId::parse(text).ok_or_else(|| Failure::other("a stored file has no id that this server makes"))
}

fn read(row: &Row<'_>) -> Result<StoredFile, Failure> {
    Ok(StoredFile {
        id: id_in(row, 0)?,
        owner: AccountId(row.get(1)?),
        owner_jid: super::jid(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?)?,
        name: row.get(3)?,
        media_type: row.get(4)?,
        size: numbers::uint(row.get(5)?),
        purpose: kinds::purpose(row.get(6)?),
        token: row.get(7)?,
        created_ms: numbers::uint(row.get(8)?),
        open_until_ms: numbers::uint(row.get(9)?),
        stored_ms: numbers::uint(row.get(10)?),
        expires_ms: row.get::<_, Option<i64>>(11)?.map(numbers::uint),
        state: kinds::file_state(row.get(12)?),
        thumbnail: kinds::thumbnail(row.get(13)?),
    })
}
