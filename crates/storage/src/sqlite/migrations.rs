//! Schema versions: forward only, one SQL file each, numbered by `PRAGMA user_version`.

use rusqlite::Connection;

/// The schemas in order; the first leads from an empty database to version 1. A published one is never changed.
const STEPS: [&str; 10] = [
    include_str!("schema/001.sql"),
    include_str!("schema/002.sql"),
    include_str!("schema/003.sql"),
    include_str!("schema/004.sql"),
    include_str!("schema/005.sql"),
    include_str!("schema/006.sql"),
    include_str!("schema/007.sql"),
    include_str!("schema/008.sql"),
    include_str!("schema/009.sql"),
    include_str!("schema/010.sql"),
];

/// The version this build writes.
pub(super) const CURRENT: u32 = STEPS.len() as u32;

/// Why the schema of a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum MigrationError {
    /// A later build has written it.
    #[error(
        "the database has schema {found}, this version of Waxwing knows schemas up to {CURRENT}: \
         start the newer version again, or restore a backup made before the upgrade"
    )]
    Newer {
        /// The version found.
        found: u32,
    },
    /// The database failed.
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}

/// Brings a database to the current version, each step in a transaction of its own.
pub(super) fn migrate(db: &Connection) -> Result<(), MigrationError> {
    migrate_to(db, CURRENT)
}

/// The version of a database.
pub(super) fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn migrate_to(db: &Connection, target: u32) -> Result<(), MigrationError> {
    let found = version(db)?;
    if found > CURRENT {
        return Err(MigrationError::Newer { found });
    }
    for (step, sql) in (1..=target).zip(STEPS).skip(found as usize) {
        db.execute_batch(&format!("BEGIN IMMEDIATE; {sql} PRAGMA user_version = {step}; COMMIT"))?;
        tracing::info!(schema = step, "the database was migrated");
    }
    Ok(())
}
