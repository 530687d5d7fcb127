//! Copies that are not archived and only wait: they go once they are delivered, so that no run holds them.

use rusqlite::{Connection, params};
use waxwing_chat::account::AccountId;

use super::numbers;

/// Notes a copy, in the transaction of its message.
pub(super) fn add(db: &Connection, owner: AccountId, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO passing (owner, id) VALUES (?1, ?2)")?
        .execute(params![owner.0, id])
        .map(drop)
}

/// Forgets one.
pub(super) fn remove(db: &Connection, owner: AccountId, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM passing WHERE owner = ?1 AND id = ?2")?
        .execute(params![owner.0, id])
        .map(drop)
}

/// How the copies of an owner between two ids, both inclusive, are asked for.
pub(super) const BETWEEN: &str =
    "SELECT id FROM passing WHERE owner = ?1 AND id BETWEEN ?2 AND ?3 ORDER BY id LIMIT ?4";

/// The oldest of the owner's between two ids, both inclusive.
pub(super) fn between(
    db: &Connection,
    owner: AccountId,
    (low, high): (i64, i64),
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    db.prepare_cached(BETWEEN)?
        .query_map(params![owner.0, low, high, numbers::int(limit as u64)], |row| row.get(0))?
        .collect()
}
