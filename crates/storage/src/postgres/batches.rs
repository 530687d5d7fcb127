//! The log of what all nodes have committed (`Log`).

use std::collections::VecDeque;

use async_trait::async_trait;
use bytes::Bytes;
use tokio_postgres::Row;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::nodes::{Batch, CommittedCopy, CommittedMessage, Log, NodeId};
use waxwing_chat::store::{StoreError, StoreResult};

use super::attempts::{reading, reading_at_once};
use super::errors::Failure;
use super::session::Session;
use super::{Postgres, numbers};
use crate::copies;

/// Batches older than this are forgotten: ten minutes.
pub(super) const KEPT_US: u64 = 10 * 60 * 1_000_000;

/// The newest batch of each node is kept for longer, since the node may be in doubt about it: a day.
pub(super) const NEWEST_KEPT_US: u64 = 24 * 60 * 60 * 1_000_000;

/// Statement by which batches are read, and their messages.
pub(super) const BATCHES: &str =
    "SELECT number, node, first_id, last_id FROM batch WHERE number > $1 ORDER BY number LIMIT $2";
pub(super) const MESSAGES: &str =
    "SELECT id, copies, xml FROM message WHERE id BETWEEN $1 AND $2 ORDER BY id";

#[async_trait]
impl Log for Postgres {
    async fn newest_batch(&self) -> StoreResult<u64> {
        reading!(self, |db| newest(db).await)
    }

    async fn batches(&self, behind: u64, limit: usize) -> StoreResult<Vec<Batch>> {
        // Of one state, so that no batch is missing in front of a later one.
        reading_at_once!(self, |db| read(db, behind, limit).await)
    }

    fn dealt_with(&self, up_to: ArchiveId) {
        self.writer.dealt_with(up_to);
    }
}

async fn newest(db: &Session) -> Result<u64, Failure> {
    let row = db.only_row("SELECT batch FROM clock", &[]).await?;
    Ok(numbers::uint(row.try_get(0)?))
}

async fn read(db: &Session, behind: u64, limit: usize) -> Result<Vec<Batch>, Failure> {
    let rows = db.rows(BATCHES, &[&numbers::int(behind), &numbers::limit(limit)]).await?;
    if rows.is_empty() && newest(db).await? <= behind {
        return Ok(Vec::new());
    }
    let (mut low, mut high) = (i64::MAX, 0_i64);
    for (row, number) in rows.iter().zip(behind + 1..) {
        if numbers::uint(row.try_get(0)?) != number {
            // Of older ones, the newest of a node may be left.
            return Err(StoreError::NotFound.into());
        }
        (low, high) = (low.min(row.try_get(2)?), high.max(row.try_get(3)?));
    }
    if rows.is_empty() {
        return Err(StoreError::NotFound.into());
    }
    let messages = db.rows(MESSAGES, &[&low, &high]).await?;
    let mut messages = messages.iter().map(message).collect::<Result<VecDeque<_>, _>>()?;
    let mut batches = Vec::with_capacity(rows.len());
    for row in &rows {
        let (first, last) = (numbers::uint(row.try_get(2)?), numbers::uint(row.try_get(3)?));
        let mut own = Vec::new();
        while let Some(message) = messages.pop_front_if(|message| message.id.0 <= last) {
            // What lies between two batches was imported.
            own.extend((message.id.0 >= first).then_some(message));
        }
        let node = NodeId(row.try_get::<_, i64>(1)?.cast_unsigned());
        batches.push(Batch { number: numbers::uint(row.try_get(0)?), node, messages: own });
    }
    Ok(batches)
}

fn message(row: &Row) -> Result<CommittedMessage, Failure> {
    let (id, column): (i64, &[u8]) = (row.try_get(0)?, row.try_get(1)?);
    let mut own = Vec::with_capacity(2);
    for entry in copies::entries(column) {
        let entry = entry.ok_or_else(|| Failure::other(format!("message {id} has damaged copies")))?;
        own.push(CommittedCopy {
            owner: entry.owner,
            peer: super::jid(entry.peer)?,
            direction: entry.direction(),
            waits: entry.waits(),
        });
    }
    Ok(CommittedMessage {
        id: ArchiveId(numbers::uint(id)),
        copies: own,
        xml: Bytes::copy_from_slice(row.try_get(2)?),
    })
}
