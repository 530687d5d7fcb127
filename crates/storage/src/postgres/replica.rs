//! Archive reads that a replica answers: those for which it has replayed enough, and which lose nothing by its lag.
//!
//! All ids up to the newest one that the replica's clock names are there, since commits come in the order of ids. So it may say
//! anything about what lies at or below that id; what was taken back or replaced since may still be shown for as long as the lag is
//! allowed to be. Whatever it cannot say, or says too late, is asked of the primary.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveId, ArchivePage, ArchiveQuery, Archived, PageFrom};

use super::errors::Failure;
use super::pool::Pool;
use super::session::Session;
use super::{Postgres, archive, numbers};

/// A replica that is further behind than this many microseconds is not asked.
const LAG_LIMIT_US: u64 = 10_000_000;

/// A replica that fails, or is too far behind, is left alone for this long.
const REST: Duration = Duration::from_secs(5);

/// A replica, and whether it is asked at the moment.
pub(super) struct Replica {
    pool: Pool,
    start: Instant,
    /// Milliseconds behind `start` until which it rests.
    rests_until: AtomicU64,
}

impl Replica {
    pub(super) fn new(pool: Pool) -> Self {
        Self { pool, start: Instant::now(), rests_until: AtomicU64::new(0) }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn rest(&self) {
        let until = self.now_ms().saturating_add(REST.as_millis() as u64);
        self.rests_until.store(until, Ordering::Relaxed);
    }

    async fn begin(&self) -> Result<(Session, u64), Failure> {
        let db = self.pool.session_now().await?;
        let row = db.only_row("SELECT last_id FROM clock", &[]).await?;
        let replayed = numbers::uint(row.try_get(0)?);
        Ok((db, replayed))
    }

    /// What it says; `None` where that is nothing to go by.
    fn answer<T>(&self, result: Result<T, Failure>) -> Option<T> {
        match result {
            Ok(answer) => Some(answer),
            // It may not have what the primary has.
            Err(Failure::Answer(_)) => None,
            Err(failure) => {
                tracing::debug!(?failure, "the replica is left alone for a while");
                self.rest();
                None
            }
        }
    }

    /// Refuses whoever asks from now on.
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

impl Postgres {
    /// A page that the replica has whole.
    pub(super) async fn page_of_replica(&self, query: &ArchiveQuery) -> Option<ArchivePage> {
        let before = match query.page {
            PageFrom::Before(id) => Some(id),
            PageFrom::Start | PageFrom::After(_) | PageFrom::End => None,
        };
        let bounds = [before, query.before_id, query.end, query.ids.iter().max().copied()];
        let bound = bounds.into_iter().flatten().min();
        let forward = matches!(query.page, PageFrom::Start | PageFrom::After(_));
        if bound.is_none() && !forward {
            // The newest messages are the primary's to tell.
            return None;
        }
        let (replica, db, replayed) = self.replica_at_work().await?;
        let page = replica.answer(archive::page(&db, &self.keys, query, replayed).await)?;
        let is_whole = bound.is_some_and(|bound| bound.0 <= replayed) || (forward && !page.complete);
        is_whole.then_some(page)
    }

    /// Single messages that the replica has.
    pub(super) async fn messages_of_replica(
        &self,
        owner: AccountId,
        ids: &[ArchiveId],
    ) -> Option<Vec<Archived>> {
        let (replica, db, replayed) = self.replica_at_work().await?;
        let all = ids.iter().all(|id| id.0 <= replayed);
        if all { replica.answer(archive::messages(&db, owner, ids).await) } else { None }
    }

    /// A connection to the replica if it is to be asked, with the newest id that it has replayed.
    async fn replica_at_work(&self) -> Option<(&Replica, Session, u64)> {
        let replica = self.replica.as_ref()?;
        if replica.now_ms() < replica.rests_until.load(Ordering::Relaxed) {
            return None;
        }
        let (db, replayed) = replica.answer(replica.begin().await)?;
        if self.writer.position().0.saturating_sub(replayed) > LAG_LIMIT_US {
            replica.rest();
            return None;
        }
        Some((replica, db, replayed))
    }
}
