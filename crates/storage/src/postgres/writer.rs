//! The one task that appends: it drains the queue, commits many jobs in one call, and has them reported in commit order.
//!
//! ```text
//!            jobs                 answered: committed
//!   idle ──────────▶ call ─────────────────────────────▶ teller: turn, report each, over ──▶ …
//!                     │ │                      ▲
//!                     │ │ connection lost      │ found, or done now
//!                     │ └──────────▶ in doubt ─┘ called again under the same number, for as long as it takes
//!                     │ refused                │ refused
//!                     ▼                        ▼
//!                  several jobs: each alone    an empty batch under that number, so that the first call comes to nothing
//!                  one: it hears why
//! ```
//!
//! A call whose answer was lost may have been committed, may still be, or may never be. It is repeated under its number (the node,
//! and the node's own count): the clock's lock waits until the first call has ended either way, and the table of batches tells
//! which. Nobody hears of a job before that.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use waxwing_chat::archive::{Append, ArchiveId, Committed, Direction};
use waxwing_chat::nodes::{Batch, NodeId, Turns};
use waxwing_chat::state::{OnState, StateChange};
use waxwing_chat::store::{OnCommit, StoreError, StoreResult};

use super::append::{Arguments, CALL, Outcome, OwnNumber};
use super::errors::{Class, Failure};
use super::pool::Pool;
use super::session::Session;
use super::{Options, Postgres, partitions};
use crate::keys::Keys;
use crate::queue::{Queue, Share};

/// How many messages of one sender a batch takes while those of others wait: what keeps a member who floods from holding up
/// everybody else.
const SHARE: usize = 16;

/// A batch takes no more messages once they weigh this much, so that one call is over soon.
const BATCH_BYTES: usize = 4 << 20;

/// Batches that are committed and wait for their turn to be told.
const UNTOLD_BATCHES: usize = 8;

/// The pause before the second attempt to reach the server; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Attempts at a batch that the server sacrifices to others.
const SACRIFICES: usize = 5;

/// What this connection needs beside the settings of all: plans that walk indexes whatever the statistics say, since they are made
/// once; and no timeout on the server, because one that strikes while a commit waits for a replica would pass for success.
const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
     SET enable_mergejoin = off; SET jit = off; SET statement_timeout = 0; SET lock_timeout = 0;";

/// Something for the writer to do.
pub(super) struct Job {
    what: What,
    done: Done,
}

/// What is to be committed.
pub(super) enum What {
    /// A message.
    Append(Append),
    /// Changes to what accounts keep in step.
    State(Vec<StateChange>),
}

/// Who hears of it. It may be sent to another thread, but not looked at from two: so it is kept apart while a batch is written.
enum Done {
    Append(OnCommit),
    State(OnState),
}

impl Job {
    pub(super) fn append(message: Append, done: OnCommit) -> Self {
        Self { what: What::Append(message), done: Done::Append(done) }
    }

    pub(super) fn state(changes: Vec<StateChange>, done: OnState) -> Self {
        Self { what: What::State(changes), done: Done::State(done) }
    }

    /// Whose message it is; what else there is to do belongs to nobody. A message that its sender keeps no copy of neither,
    /// since it must not overtake those that he does.
    fn sender(&self) -> Option<i64> {
        let What::Append(message) = &self.what else { return None };
        let own = message.copies.iter().find(|copy| copy.direction == Direction::Outgoing);
        own.map(|copy| copy.owner.0)
    }

    fn bytes(&self) -> usize {
        match &self.what {
            What::Append(message) => message.xml.len() + message.text.as_ref().map_or(0, String::len),
            What::State(changes) => {
                changes.iter().map(|change| change.content.as_ref().map_or(0, String::len)).sum()
            }
        }
    }
}

impl Done {
    /// Tells how it ended. A panic in a callback is its own affair: the next job must still hear.
    fn report(self, result: StoreResult<Committed>) {
        let told = std::panic::catch_unwind(AssertUnwindSafe(|| match self {
            Self::Append(done) => done(result),
            Self::State(done) => done(result.map(Committed::id)),
        }));
        if told.is_err() {
            tracing::error!("a commit callback panicked");
        }
    }
}

/// A batch that has been committed, with what is to be reported.
struct Told {
    batch: Batch,
    /// `None` where another node holds what it names.
    jobs: Vec<(Done, Option<Committed>)>,
}

/// The writer as the rest of the store sees it.
pub(super) struct Writer {
    queue: Arc<Queue<Job>>,
    position: Arc<AtomicU64>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Writer {
    /// Starts it. `pool` is its own, of one connection.
    pub(super) fn start(
        (pool, primary): (Pool, Arc<Pool>),
        options: &Options,
        (keys, last): (Keys, ArchiveId),
        turns: Arc<OnceLock<Arc<dyn Turns>>>,
    ) -> Self {
        let queue = Arc::new(Queue::new(options.write_queue_jobs, options.write_queue_bytes));
        let position = Arc::new(AtomicU64::new(last.0));
        let (tell, told) = mpsc::channel(UNTOLD_BATCHES);
        let work = Work {
            pool,
            primary,
            queue: Arc::clone(&queue),
            keys,
            node: options.node,
            window_us: i64::try_from(options.dedupe_window.as_micros()).unwrap_or(i64::MAX).max(1),
            share: Share { jobs: options.batch_jobs.max(1), of_one_owner: SHARE, bytes: BATCH_BYTES },
            patience: options.patience,
            position: Arc::clone(&position),
            session: None,
            away: None,
            own: first_own(),
            tell,
        };
        let tasks = Mutex::new(vec![tokio::spawn(work.run()), tokio::spawn(tell_in_turn(told, turns))]);
        Self { queue, position, tasks }
    }

    /// Queues a job, or refuses it.
    pub(super) fn push(&self, job: Job) {
        if let Err(job) = self.queue.push(job.bytes(), job) {
            job.done.report(Err(StoreError::Unavailable));
        }
    }

    /// The newest id that this node knows to be committed.
    pub(super) fn position(&self) -> ArchiveId {
        ArchiveId(self.position.load(Ordering::Acquire))
    }

    /// Another node's batch has been committed up to this id.
    pub(super) fn dealt_with(&self, up_to: ArchiveId) {
        self.position.fetch_max(up_to.0, Ordering::AcqRel);
    }

    /// Takes no more jobs, and finishes those it has; what cannot be written while the server is away is refused.
    pub(super) async fn close(&self) {
        self.queue.close();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if task.await.is_err() {
                tracing::error!("a task of the store panicked");
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Postgres {
    /// Archives a message for each of its owners.
    pub(super) fn append(&self, message: Append, done: OnCommit) {
        self.writer.push(Job::append(message, done));
    }

    /// Finishes what has been taken.
    pub(super) async fn close_archive(&self) {
        self.writer.close().await;
        self.upkeep.stop().await;
    }
}

/// Runs the callbacks of batches, each in its turn among those of all nodes.
async fn tell_in_turn(mut told: mpsc::Receiver<Told>, turns: Arc<OnceLock<Arc<dyn Turns>>>) {
    while let Some(Told { batch, jobs }) = told.recv().await {
        let turns = turns.get();
        if let Some(turns) = turns {
            turns.turn(&batch).await;
        }
        for (done, committed) in jobs {
            done.report(committed.ok_or(StoreError::Fenced));
        }
        if let Some(turns) = turns {
            turns.over(batch.number);
        }
    }
}

/// How a batch ended.
enum End {
    Committed(Outcome),
    /// Nothing of it was kept; every job gets this answer.
    Refused(fn() -> StoreError),
    /// Nothing of it was kept because of one job; the others deserve another attempt.
    Spoiled,
}

/// The writer's own side.
struct Work {
    pool: Pool,
    primary: Arc<Pool>,
    queue: Arc<Queue<Job>>,
    keys: Keys,
    node: NodeId,
    window_us: i64,
    share: Share,
    patience: Duration,
    position: Arc<AtomicU64>,
    session: Option<Session>,
    /// Since when the server cannot be reached.
    away: Option<Instant>,
    /// The node's own count of the next batch. One that was ever in doubt is never another's.
    own: i64,
    tell: mpsc::Sender<Told>,
}

impl Work {
    async fn run(mut self) {
        let mut jobs = Vec::new();
        while self.queue.has_jobs().await {
            self.queue.take_shares_now(self.share, Job::sender, &mut jobs);
            let (what, done): (Vec<_>, Vec<_>) = jobs.drain(..).map(|job| (job.what, job.done)).unzip();
            let end = self.commit(&what).await;
            if matches!(end, End::Spoiled) && what.len() > 1 {
                for (what, done) in what.into_iter().zip(done) {
                    let what = vec![what];
                    let end = self.commit(&what).await;
                    self.settle(end, what, vec![done]).await;
                }
            } else {
                self.settle(end, what, done).await;
            }
        }
    }

    /// Reports, or has it reported in turn.
    async fn settle(&self, end: End, what: Vec<What>, done: Vec<Done>) {
        let refusal = match end {
            End::Committed(outcome) => return self.committed(&outcome, what, done).await,
            End::Refused(refusal) => refusal,
            End::Spoiled => || StoreError::Failed("the message could not be stored".into()),
        };
        done.into_iter().for_each(|done| done.report(Err(refusal())));
    }

    async fn committed(&self, outcome: &Outcome, what: Vec<What>, done: Vec<Done>) {
        self.position.fetch_max(outcome.last.0, Ordering::AcqRel);
        let batch = outcome.batch(self.node, what);
        let jobs = done.into_iter().zip(outcome.jobs.iter().copied()).collect();
        // The teller ends behind this task.
        let _ = self.tell.send(Told { batch, jobs }).await;
    }

    /// Commits some jobs; returns only once it is certain how that ended.
    async fn commit(&mut self, jobs: &[What]) -> End {
        let arguments = Arguments::new(self.number(), jobs, self.keys, self.window_us);
        let (mut doubt, mut sacrifices) = (false, 0);
        loop {
            if !self.connect(doubt).await {
                return End::Refused(|| StoreError::Unavailable);
            }
            let failure = match self.call(&arguments).await {
                Ok(outcome) => {
                    self.own += 1;
                    return End::Committed(outcome);
                }
                Err(failure) => failure,
            };
            match failure.class() {
                Class::Lost => {
                    tracing::warn!(?failure, "the connection was lost while a batch was written");
                    // Nothing was sent on one that was found closed.
                    doubt |= !matches!(failure, Failure::Away);
                    self.session = None;
                    continue;
                }
                Class::Sacrificed if sacrifices < SACRIFICES => {
                    sacrifices += 1;
                    continue;
                }
                Class::Call if lacks_partition(&failure) && sacrifices < SACRIFICES => {
                    sacrifices += 1;
                    if self.make_partitions().await {
                        continue;
                    }
                }
                _ => {}
            }
            let end = refused(&failure, jobs.len());
            return if doubt { self.fence(&arguments, end).await } else { end };
        }
    }

    /// A batch was in doubt, and was refused when it was repeated: commits an empty one in its place, so that the first call comes
    /// to nothing if it is still on its way. Finds it if it has been committed meanwhile.
    async fn fence(&mut self, arguments: &Arguments<'_>, end: End) -> End {
        let nothing = Arguments::new(self.number(), &[], self.keys, self.window_us);
        let mut pause = FIRST_PAUSE;
        loop {
            if !self.connect(true).await {
                return End::Refused(|| StoreError::Unavailable);
            }
            match self.call(&nothing).await {
                Ok(outcome) if outcome.repeated => {
                    // Which messages it had found to be known is asked for with the arguments it was made with.
                    if let Ok(outcome) = self.call(arguments).await {
                        self.own += 1;
                        return End::Committed(outcome);
                    }
                }
                Ok(outcome) => {
                    self.own += 1;
                    self.committed(&outcome, Vec::new(), Vec::new()).await;
                    return end;
                }
                Err(failure) => {
                    if failure.class() == Class::Lost {
                        self.session = None;
                    }
                    tracing::warn!(?failure, "a doubtful batch could not be fenced off");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn number(&self) -> OwnNumber {
        OwnNumber { node: self.node.0.cast_signed(), own: self.own }
    }

    async fn call(&self, arguments: &Arguments<'_>) -> Result<Outcome, Failure> {
        let open = self.session.as_ref().filter(|session| !session.client().is_closed());
        let session = open.ok_or(Failure::Away)?;
        let row = session.only_row(CALL, &arguments.values()).await?;
        arguments.outcome(&row)
    }

    /// Reaches the server. While it is away, what waits in the queue for longer than the store has patience is refused; so is a
    /// batch that has not been sent, but one in doubt is waited for until the store is closed and patience is over.
    async fn connect(&mut self, doubt: bool) -> bool {
        if self.session.is_some() {
            return true;
        }
        let mut pause = FIRST_PAUSE;
        let mut closing = None;
        loop {
            match self.reach().await {
                Ok(session) => {
                    (self.session, self.away) = (Some(session), None);
                    return true;
                }
                Err(failure) => tracing::debug!(?failure, "the database cannot be reached"),
            }
            let since = *self.away.get_or_insert_with(Instant::now);
            if since.elapsed() >= self.patience {
                self.refuse_waiting();
                if !doubt {
                    return false;
                }
            }
            if self.queue.is_closed() && closing.get_or_insert_with(Instant::now).elapsed() >= self.patience {
                tracing::error!("the store is closed with a batch in doubt");
                self.refuse_waiting();
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn reach(&self) -> Result<Session, Failure> {
        let session = self.pool.session_now().await?;
        session.batch(SETTINGS).await?;
        session.batch(include_str!("append.sql")).await?;
        Ok(session)
    }

    fn refuse_waiting(&self) {
        let mut waiting = Vec::new();
        let all = Share { jobs: usize::MAX, of_one_owner: usize::MAX, bytes: usize::MAX };
        self.queue.take_shares_now(all, |_| None, &mut waiting);
        waiting.into_iter().for_each(|job: Job| job.done.report(Err(StoreError::Unavailable)));
    }

    async fn make_partitions(&self) -> bool {
        match partitions::make_ahead(&self.primary).await {
            Ok(()) => true,
            Err(failure) => {
                tracing::error!(?failure, "the archive's next partition could not be made");
                false
            }
        }
    }
}

/// Where a node's own count begins: at a number of chance, so that nobody who comes under the same name finds another's batch.
fn first_own() -> i64 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    i64::from(u32::from_le_bytes(bytes) >> 1) << 32
}

/// What a server's refusal means for a batch of so many jobs.
fn refused(failure: &Failure, jobs: usize) -> End {
    match failure.class() {
        Class::Full => End::Refused(|| StoreError::Full),
        Class::Lost | Class::Sacrificed => End::Refused(|| StoreError::Unavailable),
        Class::Call => {
            if jobs == 1 {
                tracing::error!(?failure, "a message could not be stored");
            }
            End::Spoiled
        }
    }
}

/// Whether no partition takes the new messages: nobody has made any for the time that it is now.
fn lacks_partition(failure: &Failure) -> bool {
    matches!(failure, Failure::Sql(error) if error.code() == Some(&SqlState::CHECK_VIOLATION))
}
