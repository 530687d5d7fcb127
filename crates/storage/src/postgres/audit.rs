//! The audit log in the database: one chain, whichever node writes.

use tokio_postgres::Row;
use waxwing_chat::audit::{AuditEntry, AuditRecord};

use super::errors::Failure;
use super::session::Session;
use super::{belongings, numbers};
use crate::audit_chain::{self, Checker};

/// Whoever adds a record holds this lock, since its hash covers the one before.
const LOCK: i64 = 0x7761_7861_7564_6974;

/// Where the newest record is noted.
const HEAD: &str = "audit.head";

/// Records that are checked at once.
const CHECKED: usize = 1000;

const COLUMNS: &str = "number, at_ms, actor, action, target, detail, hash";

pub(super) async fn append(db: &Session, entry: &AuditEntry) -> Result<(), Failure> {
    db.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let last = db.row("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1", &[]).await?;
    let (number, previous) = match last {
        Some(row) => (row.try_get::<_, i64>(0)?, row.try_get(1)?),
        None => (0, audit_chain::START.to_owned()),
    };
    let number = number + 1;
    let hash = audit_chain::hash(&previous, numbers::uint(number), entry);
    let sql = format!("INSERT INTO audit ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)");
    let values: super::session::Values<'_> = &[
        &number,
        &numbers::int(entry.at_ms),
        &entry.actor,
        &entry.action,
        &entry.target,
        &entry.detail,
        &hash,
    ];
    db.execute(&sql, values).await?;
    // The head is kept apart, so that cutting off the newest records shows too.
    belongings::put_setting(db, HEAD, &format!("{number} {hash}")).await
}

pub(super) async fn newest(
    db: &Session,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<AuditRecord>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE number < $1 ORDER BY number DESC LIMIT $2");
    let before = before.map_or(i64::MAX, numbers::int);
    db.rows(&sql, &[&before, &numbers::limit(limit)]).await?.iter().map(record).collect()
}

/// Follows the whole chain; the number of the first record that is changed, missing or cut off, if any. All that it asks has to
/// be of one state.
pub(super) async fn verify(db: &Session) -> Result<Option<u64>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM audit WHERE number > $1 ORDER BY number LIMIT $2");
    let mut checker = Checker::new();
    let (mut count, mut last, mut head) = (0, i64::MIN, String::new());
    loop {
        let rows = db.rows(&sql, &[&last, &numbers::limit(CHECKED)]).await?;
        for row in &rows {
            let record = record(row)?;
            count += 1;
            if !checker.check(&record) {
                return Ok(Some(count));
            }
            last = row.try_get(0)?;
            head = format!("{count} {}", record.hash);
        }
        if rows.len() < CHECKED {
            break;
        }
    }
    let expected = belongings::setting(db, HEAD).await?.unwrap_or_default();
    Ok((head != expected).then_some(count + 1))
}

fn record(row: &Row) -> Result<AuditRecord, Failure> {
    Ok(AuditRecord {
        number: numbers::uint(row.try_get(0)?),
        entry: AuditEntry {
            at_ms: numbers::uint(row.try_get(1)?),
            actor: row.try_get(2)?,
            action: row.try_get(3)?,
            target: row.try_get(4)?,
            detail: row.try_get(5)?,
        },
        hash: row.try_get(6)?,
    })
}
