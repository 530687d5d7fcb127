//! Numbers in the database: SQLite's integers are signed, ours are not, and the archive's counters.

use rusqlite::{Connection, OptionalExtension, params};

/// A number for a column; what is beyond SQLite's range becomes its end.
pub(super) fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A number from a column; never negative in what we write.
pub(super) fn uint(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// A counter, 0 before it is first set.
pub(super) fn counter(db: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value = db
        .prepare_cached("SELECT value FROM counter WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(uint(value.unwrap_or(0)))
}

/// Sets a counter.
pub(super) fn set_counter(db: &Connection, name: &str, value: u64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO counter (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2",
    )?
    .execute(params![name, int(value)])
    .map(drop)
}
