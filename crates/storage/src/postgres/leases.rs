//! Who may act, decided in the database's time (`Leases`).
//!
//! Whoever takes something from a node that looks dead locks that node's row first. So either the node's last renewal is seen, or
//! the node learns at its next one that its life has ended: never do two hold one thing.

use async_trait::async_trait;
use waxwing_chat::archive::Fence;
use waxwing_chat::nodes::{Held, Leases, NodeId};
use waxwing_chat::store::{StoreError, StoreResult};

use super::attempts::{reading, writing};
use super::errors::Failure;
use super::session::Session;
use super::{Postgres, numbers};

#[async_trait]
impl Leases for Postgres {
    async fn renew(&self, node: NodeId, for_ms: u64) -> StoreResult<()> {
        writing!(self, |db| renew(db, node, for_ms).await)
    }

    async fn hold(&self, what: &str, node: NodeId) -> StoreResult<Held> {
        writing!(self, |db| hold(db, what, node).await)
    }

    async fn holder(&self, what: &str) -> StoreResult<Option<Held>> {
        reading!(self, |db| {
            let sql = "SELECT lease.node, lease.epoch FROM lease JOIN node ON node.id = lease.node \
                 WHERE lease.what = $1 AND node.alive_until > clock_timestamp() AND NOT node.ended";
            let row = db.row(sql, &[&what]).await?;
            row.map(|row| Ok(Held { node: id(row.try_get(0)?), epoch: numbers::uint(row.try_get(1)?) }))
                .transpose()
        })
    }

    async fn release(&self, what: &str, held: Held) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "DELETE FROM lease WHERE what = $1 AND node = $2 AND epoch = $3";
            db.execute(sql, &[&what, &number(held.node), &numbers::int(held.epoch)]).await.map(drop)
        })
    }

    async fn forget(&self, node: NodeId) -> StoreResult<()> {
        writing!(self, |db| {
            db.execute("DELETE FROM lease WHERE node = $1", &[&number(node)]).await?;
            db.execute("DELETE FROM node WHERE id = $1", &[&number(node)]).await.map(drop)
        })
    }
}

/// Refuses what is written under a lease that is another's by now. Whoever takes it waits until this is committed.
pub(super) async fn must_hold(db: &Session, fence: Option<&Fence>) -> Result<(), Failure> {
    let Some(Fence { what, held }) = fence else { return Ok(()) };
    let sql = "SELECT 1 FROM lease WHERE what = $1 AND node = $2 AND epoch = $3 FOR SHARE";
    let row = db.row(sql, &[what, &number(held.node), &numbers::int(held.epoch)]).await?;
    row.map(drop).ok_or_else(|| StoreError::Fenced.into())
}

impl Postgres {
    /// Whether anybody alive holds something whose name begins like this.
    pub async fn is_any_held(&self, beginning: &str) -> StoreResult<bool> {
        reading!(self, |db| {
            let sql = "SELECT 1 FROM lease JOIN node ON node.id = lease.node WHERE lease.what ^@ $1 \
                 AND node.alive_until > clock_timestamp() AND NOT node.ended LIMIT 1";
            Ok(db.row(sql, &[&beginning]).await?.is_some())
        })
    }
}

async fn renew(db: &Session, node: NodeId, for_ms: u64) -> Result<(), Failure> {
    let sql = "INSERT INTO node (id, alive_until) VALUES ($1, clock_timestamp() + $2 * interval '1 ms') \
         ON CONFLICT (id) DO UPDATE SET alive_until = greatest(node.alive_until, excluded.alive_until) \
         WHERE NOT node.ended";
    let millis = f64::from(u32::try_from(for_ms).unwrap_or(u32::MAX));
    if db.execute(sql, &[&number(node), &millis]).await? == 0 {
        return Err(StoreError::NotFound.into());
    }
    Ok(())
}

async fn hold(db: &Session, what: &str, node: NodeId) -> Result<Held, Failure> {
    // Whoever comes second waits at this row until the first is done.
    let lock = "SELECT node, epoch FROM lease WHERE what = $1 FOR UPDATE";
    let create = "INSERT INTO lease (what, epoch) VALUES ($1, 0) \
         ON CONFLICT (what) DO UPDATE SET epoch = lease.epoch RETURNING node, epoch";
    let row = match db.row(lock, &[&what]).await? {
        Some(row) => row,
        None => db.only_row(create, &[&what]).await?,
    };
    let (holder, epoch) = (row.try_get::<_, Option<i64>>(0)?, numbers::uint(row.try_get(1)?));
    if let Some(holder) = holder
        && (holder == number(node) || is_alive(db, holder).await?)
    {
        return Ok(Held { node: id(holder), epoch });
    }
    if !is_alive(db, number(node)).await? {
        return Err(StoreError::NotFound.into());
    }
    if let Some(holder) = holder {
        end(db, holder).await?;
    }
    let take = "UPDATE lease SET node = $2, epoch = nextval('lease_epoch') WHERE what = $1 RETURNING epoch";
    let row = db.only_row(take, &[&what, &number(node)]).await?;
    Ok(Held { node, epoch: numbers::uint(row.try_get(0)?) })
}

/// Whether a node is alive, which stays so or not until the transaction ends: its row is locked.
async fn is_alive(db: &Session, node: i64) -> Result<bool, Failure> {
    if db.row("SELECT 1 FROM node WHERE id = $1 FOR UPDATE", &[&node]).await?.is_none() {
        return Ok(false);
    }
    // Asked once the row is locked, so that it tells what a renewal that was waited for has written.
    let row = db
        .only_row("SELECT alive_until > clock_timestamp() AND NOT ended FROM node WHERE id = $1", &[&node])
        .await?;
    Ok(row.try_get(0)?)
}

/// Ends the life of a node that was found dead, and forgets those that have been so for long, with what they held.
async fn end(db: &Session, node: i64) -> Result<(), Failure> {
    db.execute("UPDATE node SET ended = true WHERE id = $1 AND NOT ended", &[&node]).await?;
    // Rows that somebody has locked are left to the next, so that no two wait for each other.
    let old = "SELECT id FROM node WHERE alive_until < clock_timestamp() - interval '30 days' AND id <> $1";
    let end =
        format!("UPDATE node SET ended = true WHERE id IN ({old} AND NOT ended FOR UPDATE SKIP LOCKED)");
    db.execute(&end, &[&node]).await?;
    let free = format!(
        "DELETE FROM lease WHERE what IN (SELECT what FROM lease WHERE node IN ({old} AND ended) FOR UPDATE SKIP LOCKED)"
    );
    db.execute(&free, &[&node]).await?;
    let forget = "DELETE FROM node WHERE alive_until < clock_timestamp() - interval '30 days' AND ended \
         AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.node = node.id)";
    db.execute(forget, &[]).await.map(drop)
}

/// Node ids use all of their 64 bits.
fn number(node: NodeId) -> i64 {
    node.0.cast_signed()
}

fn id(node: i64) -> NodeId {
    NodeId(node.cast_unsigned())
}
