//! The partitions of the archive: 30 days each by the time in the messages' ids, made ahead of time, dropped when all is expired.

use waxwing_chat::archive::ArchiveId;

use super::errors::Failure;
use super::numbers;
use super::pool::Pool;
use super::session::Session;

/// The microseconds that a partition holds: 30 days.
pub(super) const PARTITION_US: u64 = 30 * 24 * 60 * 60 * 1_000_000;

/// The tables that are parted alike.
const PARTED: [&str; 3] = ["message", "copy", "label"];

/// Whoever makes partitions holds this lock, and drops it with the transaction.
const LOCK: i64 = 0x0077_6178_7061_7274;

/// How long dropping a partition waits for those who read from its table: they wait behind it for as long.
const DROP_PATIENCE: &str = "SET LOCAL lock_timeout = 2000";

/// The partition that an id belongs to.
pub(super) fn of(id: ArchiveId) -> u64 {
    id.0.min(i64::MAX.unsigned_abs() - PARTITION_US) / PARTITION_US
}

/// Makes those for the time that it is at the server, and for the 30 days behind it.
pub(super) async fn make_ahead(pool: &Pool) -> Result<(), Failure> {
    let db = pool.session().await?;
    let row = db.only_row("SELECT (extract(epoch FROM now()) * 1000000)::int8", &[]).await?;
    let now = of(ArchiveId(numbers::uint(row.try_get(0)?)));
    drop(db);
    make(pool, &[now, now + 1]).await
}

/// Makes those of some that are missing.
pub(super) async fn make(pool: &Pool, wanted: &[u64]) -> Result<(), Failure> {
    let mut db = pool.session().await?;
    let there = existing(&db).await?;
    if wanted.iter().all(|number| there.contains(number)) {
        return Ok(());
    }
    db.begin("BEGIN");
    db.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let there = existing(&db).await?;
    for number in wanted.iter().filter(|number| !there.contains(number)) {
        let (from, to) = (number * PARTITION_US, (number + 1) * PARTITION_US);
        for table in PARTED {
            // Attaching a table that is there already disturbs nobody; creating it as a partition would lock out readers.
            db.batch(&format!(
                "CREATE TABLE {table}_{number} (LIKE {table} INCLUDING ALL); \
                 ALTER TABLE {table} ATTACH PARTITION {table}_{number} FOR VALUES FROM ({from}) TO ({to})"
            ))
            .await?;
        }
    }
    db.commit().await
}

/// The partitions that there are, in order.
pub(super) async fn existing(db: &Session) -> Result<Vec<u64>, Failure> {
    let rows = db
        .rows(
            "SELECT substr(c.relname::text, 9)::int8 AS number FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid \
             WHERE i.inhparent = 'message'::regclass ORDER BY number",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok(numbers::uint(row.try_get(0)?))).collect()
}

/// Drops those in which everything lies below the archive's horizon. One whose table is in use for too long stays until the next
/// time.
pub(super) async fn drop_expired(pool: &Pool) -> Result<(), Failure> {
    let db = pool.session().await?;
    let row = db.only_row("SELECT horizon FROM clock", &[]).await?;
    let horizon = numbers::uint(row.try_get(0)?);
    let expired = existing(&db).await?.into_iter().filter(|number| (number + 1) * PARTITION_US <= horizon);
    drop(db);
    for number in expired {
        let mut db = pool.session().await?;
        db.begin("BEGIN");
        db.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        db.batch(DROP_PATIENCE).await?;
        for table in PARTED {
            db.batch(&format!("DROP TABLE IF EXISTS {table}_{number}")).await?;
        }
        db.commit().await?;
        tracing::info!(number, "a partition of expired messages was dropped");
    }
    Ok(())
}
