//! Schema versions: forward only, one SQL file each, numbered in the table `schema_version`.

use super::errors::Failure;
use super::session::Session;
use super::{OpenError, numbers};

/// The schemas in order; the first leads from an empty database to version 1. A published one is never changed.
const STEPS: [&str; 3] =
    [include_str!("schema/001.sql"), include_str!("schema/002.sql"), include_str!("schema/003.sql")];

/// The version this build writes.
pub(super) const CURRENT: u32 = STEPS.len() as u32;

/// Whoever migrates holds this lock, so that of several nodes that start at once one does it and the others wait.
const LOCK: i64 = 0x0077_6178_7769_6e67;

/// Brings the database to the current version in one transaction.
pub(super) async fn migrate(db: &Session) -> Result<(), OpenError> {
    // A large table may take its time, and so may the node that came first.
    db.batch("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    let migrated = migrate_locked(db).await;
    db.batch(if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    migrated
}

async fn migrate_locked(db: &Session) -> Result<(), OpenError> {
    db.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    db.batch("CREATE TABLE IF NOT EXISTS schema_version (version int8 NOT NULL)").await?;
    let found = version(db).await?;
    if found > CURRENT {
        return Err(OpenError::Schema(format!(
            "the database has schema {found}, this version of Waxwing knows schemas up to {CURRENT}: \
             start the newer version again, or restore a backup made before the upgrade"
        )));
    }
    for (step, sql) in (1..=CURRENT).zip(STEPS).skip(found as usize) {
        db.batch(sql).await?;
        db.batch(&format!("DELETE FROM schema_version; INSERT INTO schema_version VALUES ({step})")).await?;
        tracing::info!(schema = step, "the database was migrated");
    }
    Ok(())
}

/// The version of the database, 0 where nothing is.
pub(super) async fn version(db: &Session) -> Result<u32, Failure> {
    let row = db.only_row("SELECT coalesce(max(version), 0) FROM schema_version", &[]).await?;
    Ok(u32::try_from(numbers::uint(row.try_get(0)?)).unwrap_or(u32::MAX))
}
