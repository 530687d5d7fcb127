//! The audit log in the database.

use rusqlite::{Connection, OptionalExtension, Row, params};
use waxwing_chat::audit::{AuditEntry, AuditRecord};

use super::errors::Failure;
use super::numbers;
use crate::audit_chain::{self, Checker};

pub(super) fn append(db: &Connection, entry: &AuditEntry) -> Result<(), Failure> {
    let last: Option<(i64, String)> = db
        .prepare_cached("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (number, previous) = last.unwrap_or((0, audit_chain::START.to_owned()));
    let number = number + 1;
    let hash = audit_chain::hash(&previous, numbers::uint(number), entry);
    db.prepare_cached(
        "INSERT INTO audit (number, at_ms, actor, action, target, detail, hash) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        number,
        numbers::int(entry.at_ms),
        entry.actor,
        entry.action,
        entry.target,
        entry.detail,
        hash
    ])?;
    // The head is kept apart, so that cutting off the newest records shows too.
    super::belongings::put_setting(db, HEAD, &format!("{number} {hash}"))
}

pub(super) fn newest(
    db: &Connection,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<AuditRecord>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT number, at_ms, actor, action, target, detail, hash FROM audit \
         WHERE number < ?1 ORDER BY number DESC LIMIT ?2",
    )?;
    let before = before.map_or(i64::MAX, numbers::int);
    let rows = statement.query_map(params![before, numbers::int(limit as u64)], record)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Follows the whole chain; the number of the first record that is changed, missing or cut off, if any.
pub(super) fn verify(db: &Connection) -> Result<Option<u64>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT number, at_ms, actor, action, target, detail, hash FROM audit ORDER BY number",
    )?;
    let mut checker = Checker::new();
    let (mut count, mut head) = (0, String::new());
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let record = record(row)?;
        count += 1;
        if !checker.check(&record) {
            return Ok(Some(count));
        }
        head = format!("{count} {}", record.hash);
    }
    let expected = super::belongings::setting(db, HEAD)?.unwrap_or_default();
    Ok((head != expected).then_some(count + 1))
}

const HEAD: &str = "audit.head";

fn record(row: &Row<'_>) -> rusqlite::Result<AuditRecord> {
    Ok(AuditRecord {
        number: numbers::uint(row.get(0)?),
        entry: AuditEntry {
            at_ms: numbers::uint(row.get(1)?),
            actor: row.get(2)?,
            action: row.get(3)?,
            target: row.get(4)?,
            detail: row.get(5)?,
        },
        hash: row.get(6)?,
    })
}
