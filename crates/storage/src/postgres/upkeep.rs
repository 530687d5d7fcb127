//! What follows appending, aside from it: the table of conversations, the index of words, partitions, and what is forgotten.
//!
//! Every node does it, one at a time: whoever has the row of `upkeep` is at work, and the others leave it alone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;

use super::batches::{KEPT_US, NEWEST_KEPT_US};
use super::errors::Failure;
use super::pool::Pool;
use super::talks::{self, Talks};
use super::{numbers, partitions, remove};
use crate::keys::Keys;

/// How often it looks for what has been appended.
const INTERVAL: Duration = Duration::from_secs(1);

/// Every so many times it also looks after what changes slowly.
const SLOW: u32 = 60;

/// Messages that are followed in one step.
const STEP: usize = 4096;

/// Steps at a time.
const STEPS: usize = 16;

/// Forgets batches: those older than $1, and the newest of a node if older than $2. Numbers rise with ids, so this walks from the oldest
/// to the first that is to be kept.
const FORGET: &str = "DELETE FROM batch b WHERE b.number < coalesce(\
     (SELECT k.number FROM batch k WHERE k.last_id >= $1 ORDER BY k.number LIMIT 1), (SELECT batch FROM clock)) \
     AND (b.last_id < $2 OR EXISTS (SELECT 1 FROM batch n WHERE n.node = b.node AND n.own > b.own))";

/// Moves new entries into the indexes of words of a partition.
const MOVE_WORDS: &str = "SELECT sum(gin_clean_pending_list(x.indexrelid)) FROM pg_index x \
     JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_am a ON a.oid = c.relam \
     WHERE a.amname = 'gin' AND x.indrelid = to_regclass($1)";

/// The task.
pub(super) struct Upkeep {
    stop: Arc<Notify>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Upkeep {
    /// Starts it; it ends when it is stopped or dropped.
    pub(super) fn start(pool: Arc<Pool>, keys: Keys) -> Self {
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn(run(pool, keys, Arc::clone(&stop)));
        Self { stop, task: Mutex::new(Some(task)) }
    }

    /// Lets it finish what it is doing.
    pub(super) async fn stop(&self) {
        self.stop.notify_one();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && task.await.is_err()
        {
            tracing::error!("the store's upkeep panicked");
        }
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

async fn run(pool: Arc<Pool>, keys: Keys, stop: Arc<Notify>) {
    let mut pause = tokio::time::interval(INTERVAL);
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for count in 0_u32.. {
        tokio::select! {
            () = stop.notified() => return,
            _ = pause.tick() => {}
        }
        if let Err(failure) = follow(&pool).await {
            tracing::warn!(?failure, "what follows appending has to wait");
        }
        if count.is_multiple_of(SLOW)
            && let Err(failure) = look_after(&pool, keys).await
        {
            tracing::warn!(?failure, "the archive's upkeep has to wait");
        }
    }
}

/// Follows what has been appended, unless another node is at it.
async fn follow(pool: &Pool) -> Result<(), Failure> {
    let mut newest = None;
    for _ in 0..STEPS {
        let mut db = pool.session().await?;
        db.begin("BEGIN");
        let Some(row) = db.row("SELECT talks FROM upkeep FOR UPDATE SKIP LOCKED", &[]).await? else {
            return Ok(());
        };
        let behind: i64 = row.try_get(0)?;
        let rows = db.rows(talks::NEXT, &[&behind, &numbers::limit(STEP)]).await?;
        let Some(last) = rows.last() else { break };
        let last: i64 = last.try_get(0)?;
        let mut talks = Talks::default();
        for row in &rows {
            if row.try_get(2)? {
                talks.add(row.try_get(0)?, row.try_get(1)?);
            }
        }
        talks.write(&db).await?;
        db.execute("UPDATE upkeep SET talks = $1", &[&last]).await?;
        db.commit().await?;
        newest = Some(last);
        if rows.len() < STEP {
            break;
        }
    }
    let Some(newest) = newest else { return Ok(()) };
    let partition = partitions::of(ArchiveId(numbers::uint(newest)));
    let db = pool.session().await?;
    db.row(MOVE_WORDS, &[&format!("message_{partition}")]).await.map(drop)
}

/// Makes partitions ahead of time, forgets batches, and goes on with owners that were not erased to the end.
async fn look_after(pool: &Pool, keys: Keys) -> Result<(), Failure> {
    partitions::make_ahead(pool).await?;
    let db = pool.session().await?;
    let row = db.only_row("SELECT last_id FROM clock", &[]).await?;
    let now = numbers::uint(row.try_get(0)?);
    let (old, oldest) = (now.saturating_sub(KEPT_US), now.saturating_sub(NEWEST_KEPT_US));
    db.execute(FORGET, &[&numbers::int(old), &numbers::int(oldest)]).await?;
    let rows = db.rows("SELECT owner FROM erasing ORDER BY owner", &[]).await?;
    drop(db);
    for row in rows {
        let owner = AccountId(row.try_get(0)?);
        while remove::erase_step(pool, owner, keys).await? {}
    }
    Ok(())
}
