//! The one thread that writes: it drains the queue, commits many jobs in one transaction, and reports in commit order.
//!
//! ```text
//!            jobs                 all ran            synced
//!   idle ──────────▶ transaction ────────▶ commit ───────────▶ report each, in order ──▶ idle
//!                        │                   │
//!                        │ one append failed │ full            fatal
//!                        ▼                   ▼                 ▼
//!                    roll back,          roll back,        report nothing, tell `on_fatal`, end
//!                    each job alone      all get `Full`
//! ```

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;
use waxwing_chat::archive::{Append, Committed, Direction};
use waxwing_chat::state::{OnState, StateChange};
use waxwing_chat::store::{OnCommit, StoreError, StoreResult};

use super::Options;
use super::append::Appender;
use super::errors::{Class, Failure, classify};
use super::index::Index;
use super::runs::RunNumbers;
use super::tail::Tail;
use crate::queue::{Queue, Share, Waited};

/// Something for the writer to do.
pub(super) enum Job {
    /// Archive a message.
    Append(Append, OnCommit),
    /// Change what accounts keep in step.
    State(Vec<StateChange>, OnState),
    /// Anything else.
    Call(Box<dyn Call>),
    /// Anything that changes what the index holds, and relies on runs that hold everything.
    Indexed(Box<dyn Call>),
}

impl Job {
    /// Whose message it is; what else there is to do belongs to nobody. A message that its sender keeps no copy of neither,
    /// since it must not overtake those that he does.
    fn sender(&self) -> Option<i64> {
        let Job::Append(message, _) = self else { return None };
        let own = message.copies.iter().find(|copy| copy.direction == Direction::Outgoing);
        own.map(|copy| copy.owner.0)
    }
}

/// A piece of work that runs inside the transaction and reports after it.
pub(super) trait Call: Send {
    /// Does the work; may be called again when the transaction had to be given up.
    fn run(&mut self, db: &Connection) -> Result<(), Class>;
    /// Reports: what `run` found, unless the commit failed.
    fn finish(self: Box<Self>, commit: Result<(), StoreError>);
}

/// A call that answers one future.
pub(super) struct Ask<F, T> {
    work: F,
    result: Option<StoreResult<T>>,
    reply: oneshot::Sender<StoreResult<T>>,
    /// Counts calls that have been committed, before anybody learns of them.
    counted: Option<Arc<AtomicU64>>,
}

impl<F, T> Ask<F, T> {
    pub(super) fn new(work: F) -> (Self, oneshot::Receiver<StoreResult<T>>) {
        let (reply, answer) = oneshot::channel();
        (Self { work, result: None, reply, counted: None }, answer)
    }

    /// Counts it once it is committed.
    pub(super) fn counted(mut self, counter: &Arc<AtomicU64>) -> Self {
        self.counted = Some(Arc::clone(counter));
        self
    }
}

impl<F, T> Call for Ask<F, T>
where
    F: Fn(&Connection) -> Result<T, Failure> + Send,
    T: Send,
{
    fn run(&mut self, db: &Connection) -> Result<(), Class> {
        let result = (self.work)(db);
        let class = result.as_ref().err().map(Failure::class);
        self.result = Some(result.map_err(StoreError::from));
        class.map_or(Ok(()), Err)
    }

    fn finish(self: Box<Self>, commit: Result<(), StoreError>) {
        let result = match commit {
            Ok(()) => self.result.unwrap_or(Err(StoreError::Unavailable)),
            Err(error) => Err(error),
        };
        if let Some(counter) = &self.counted {
            counter.fetch_add(1, Ordering::AcqRel);
        }
        // Nobody waits any more: the caller went away.
        let _ = self.reply.send(result);
    }
}

/// How a transaction ended.
enum End {
    Committed,
    /// Nothing of it was kept; every job gets this answer.
    Refused(fn() -> StoreError),
    /// Nothing of it was kept because of one job; the others deserve another attempt.
    Spoiled,
    /// Nothing of it was kept because of indexing, which is suspended now; all deserve another attempt.
    Again,
    /// The store is finished.
    Fatal(String),
}

/// The writer's state, owned by its thread.
struct Writer<'c> {
    db: &'c Connection,
    queue: &'c Queue<Job>,
    appender: Appender<'c>,
    outcomes: Vec<Option<StoreResult<Committed>>>,
}

/// What the writer shares with readers.
pub(super) struct Shared {
    pub(super) tail: Arc<Tail>,
    pub(super) numbers: Arc<RunNumbers>,
    /// The newest position that was committed.
    pub(super) position: Arc<AtomicU64>,
}

/// Runs until the queue is closed and empty, or until nothing can be promised any more. Calls `ready` when the tail is
/// complete, before which nobody may read.
pub(super) fn run(
    db: &Connection,
    queue: &Queue<Job>,
    shared: Shared,
    options: &Options,
    ready: impl FnOnce(rusqlite::Result<()>),
    committed: &dyn Fn(),
) {
    let appender = match Appender::new(db, shared, options) {
        Ok(appender) => {
            ready(Ok(()));
            appender
        }
        Err(error) => return ready(Err(error)),
    };
    let mut jobs = Vec::with_capacity(options.batch_jobs);
    let mut writer = Writer { db, queue, appender, outcomes: Vec::new() };
    if let Err(cause) = writer.work(options.batch_jobs, committed, &mut jobs)
        && !queue.is_abandoned()
    {
        // First the process learns of it; only then do the callers' futures end, without an answer.
        (options.on_fatal)(&cause);
        queue.abandon();
    }
}

/// How many messages of one sender a transaction takes while those of others wait: each other message waits for at most
/// these. It is what keeps a member who floods from holding up everybody else.
const SHARE: usize = 16;

/// Without a job for this long, the writer does what can wait.
const IDLE: Duration = Duration::from_millis(20);

/// After that has failed, it is left alone for this long.
const REST: Duration = Duration::from_secs(10);

impl<'c> Writer<'c> {
    /// An error ends the store: the jobs it struck have heard nothing.
    fn work(&mut self, batch_jobs: usize, committed: &dyn Fn(), jobs: &mut Vec<Job>) -> Result<(), String> {
        let mut rest_until = None;
        loop {
            let rested = rest_until.is_none_or(|until| Instant::now() >= until);
            let share = Share { jobs: batch_jobs, of_one_owner: SHARE, bytes: usize::MAX };
            let patience = (rested && self.appender.index.has_spare_work()).then_some(IDLE);
            match self.queue.take_shares(share, Job::sender, jobs, patience) {
                Waited::Closed => return Ok(()),
                Waited::TimedOut => {
                    if !self.index_alone(Index::spare_work)? {
                        rest_until = Some(Instant::now() + REST);
                    }
                }
                Waited::Jobs => {
                    let indexed = jobs.iter().any(|job| matches!(job, Job::Indexed(_)));
                    if indexed {
                        self.catch_up_for(jobs)?;
                    }
                    self.batch(jobs)?;
                    if indexed {
                        self.appender.index.changed();
                    }
                }
            }
            committed();
        }
    }

    /// Commits the jobs and reports to each of them. An error ends the store: nothing was reported to those jobs.
    fn batch(&mut self, jobs: &mut Vec<Job>) -> Result<(), String> {
        let mut end = self.transaction(jobs);
        if matches!(end, End::Again) {
            end = self.transaction(jobs);
        }
        match end {
            End::Spoiled if jobs.len() > 1 => {
                for job in jobs.drain(..) {
                    let mut alone = vec![job];
                    let mut end = self.transaction(&mut alone);
                    if matches!(end, End::Again) {
                        end = self.transaction(&mut alone);
                    }
                    self.settle(end, &mut alone)?;
                }
                Ok(())
            }
            end => self.settle(end, jobs),
        }
    }

    /// Completes the index for the jobs that rely on it; refuses those jobs if that cannot be.
    fn catch_up_for(&mut self, jobs: &mut Vec<Job>) -> Result<(), String> {
        while self.appender.index.is_behind() {
            if self.index_alone(Index::catch_up)? {
                continue;
            }
            for job in jobs.extract_if(.., |job| matches!(job, Job::Indexed(_))) {
                report(job, None, Some(|| StoreError::Unavailable));
            }
            break;
        }
        Ok(())
    }

    /// Indexes in a transaction of its own; says whether it was kept. Only what ends the store is an error.
    fn index_alone(&mut self, step: fn(&mut Index<'c>) -> rusqlite::Result<()>) -> Result<bool, String> {
        let done = self.execute("BEGIN IMMEDIATE").and_then(|()| step(&mut self.appender.index));
        match done.and_then(|()| self.execute("COMMIT")) {
            Ok(()) => {
                self.appender.committed();
                Ok(true)
            }
            Err(error) => {
                if let End::Fatal(cause) = self.give_up(classify(&error), &error) {
                    return Err(cause);
                }
                tracing::warn!(%error, "indexing was put off");
                Ok(false)
            }
        }
    }

    fn settle(&mut self, end: End, jobs: &mut Vec<Job>) -> Result<(), String> {
        let refusal = match end {
            End::Committed => None,
            End::Refused(answer) => Some(answer),
            End::Spoiled | End::Again => {
                Some((|| StoreError::Failed("the message could not be stored".into())) as fn() -> _)
            }
            End::Fatal(cause) => return Err(cause),
        };
        for (job, outcome) in jobs.drain(..).zip(self.outcomes.drain(..)) {
            if self.queue.is_abandoned() {
                // A checkpoint has failed meanwhile, and the process is about to end.
                return Err("the store has failed".to_owned());
            }
            report(job, outcome, refusal);
        }
        Ok(())
    }

    fn transaction(&mut self, jobs: &mut [Job]) -> End {
        self.outcomes.clear();
        self.outcomes.resize_with(jobs.len(), || None);
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            return self.give_up(classify(&error), &error);
        }
        for (job, outcome) in jobs.iter_mut().zip(0..) {
            let class = match job {
                Job::Append(message, _) => match self.appender.append(message) {
                    Ok(committed) => {
                        self.outcomes[outcome] = Some(Ok(committed));
                        continue;
                    }
                    Err(error) => {
                        let class = classify(&error);
                        if class == Class::Call {
                            tracing::error!(%error, "a message could not be stored");
                        }
                        (class, error.to_string())
                    }
                },
                Job::State(changes, _) => match self.appender.change_state(changes) {
                    Ok(position) => {
                        self.outcomes[outcome] = Some(Ok(Committed::New(position)));
                        continue;
                    }
                    Err(error) => (classify(&error), error.to_string()),
                },
                Job::Call(call) | Job::Indexed(call) => match self.call(call.as_mut()) {
                    Ok(()) => continue,
                    Err(class) => (class, "a write failed".to_owned()),
                },
            };
            return self.give_up(class.0, &class.1);
        }
        if let Err(error) = self.appender.finish() {
            let class = classify(&error);
            let end = self.give_up(class, &error);
            if class == Class::Call && self.appender.index.suspend() {
                tracing::error!(%error, "indexing failed and is suspended; searches will be slow");
                return End::Again;
            }
            return end;
        }
        if let Err(error) = self.execute("COMMIT") {
            return self.give_up(classify(&error), &error);
        }
        self.appender.committed();
        End::Committed
    }

    /// Runs a call so that what it did goes away if it fails, and nothing else does.
    fn call(&self, call: &mut dyn Call) -> Result<(), Class> {
        let class = |error: rusqlite::Error| classify(&error);
        self.execute("SAVEPOINT call").map_err(class)?;
        match call.run(self.db) {
            Ok(()) => self.execute("RELEASE call").map_err(class),
            Err(Class::Call) if !self.db.is_autocommit() => {
                self.execute("ROLLBACK TO call").and_then(|()| self.execute("RELEASE call")).map_err(class)
            }
            Err(class) => Err(class),
        }
    }

    fn give_up(&mut self, class: Class, cause: &dyn std::fmt::Display) -> End {
        self.appender.rolled_back();
        // SQLite rolls back by itself after some errors.
        if class != Class::Fatal
            && !self.db.is_autocommit()
            && let Err(error) = self.execute("ROLLBACK")
        {
            return End::Fatal(format!("a transaction could not be rolled back: {error}"));
        }
        match class {
            Class::Fatal => End::Fatal(cause.to_string()),
            Class::Full => End::Refused(|| StoreError::Full),
            Class::Call => End::Spoiled,
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// Tells one job how it ended. A panic in a callback is its own affair: the next job must still hear.
fn report(job: Job, outcome: Option<StoreResult<Committed>>, refusal: Option<fn() -> StoreError>) {
    let told = std::panic::catch_unwind(AssertUnwindSafe(|| match job {
        Job::Append(_, done) => done(match refusal {
            Some(refusal) => Err(refusal()),
            None => outcome.unwrap_or(Err(StoreError::Unavailable)),
        }),
        Job::State(_, done) => done(match refusal {
            Some(refusal) => Err(refusal()),
            None => match outcome {
                Some(Ok(Committed::New(position) | Committed::Duplicate(position))) => Ok(position),
                Some(Err(error)) => Err(error),
                None => Err(StoreError::Unavailable),
            },
        }),
        Job::Call(call) | Job::Indexed(call) => call.finish(refusal.map_or(Ok(()), |refusal| Err(refusal()))),
    }));
    if told.is_err() {
        tracing::error!("a commit callback panicked");
    }
}
