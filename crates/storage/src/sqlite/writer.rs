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

use rusqlite::Connection;
use tokio::sync::oneshot;
use waxwing_chat::archive::{Append, Committed};
use waxwing_chat::store::{OnCommit, StoreError, StoreResult};

use super::Options;
use super::append::Appender;
use super::errors::{Class, Failure, classify};
use super::queue::{Queue, Waited};

/// Something for the writer to do.
pub(super) enum Job {
    /// Archive a message.
    Append(Append, OnCommit),
    /// Anything else.
    Call(Box<dyn Call>),
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
}

impl<F, T> Ask<F, T> {
    pub(super) fn new(work: F) -> (Self, oneshot::Receiver<StoreResult<T>>) {
        let (reply, answer) = oneshot::channel();
        (
            Self {
                work,
                result: None,
                reply,
            },
            answer,
        )
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
    /// The store is finished.
    Fatal(String),
}

/// The writer's state, owned by its thread.
struct Writer<'c> {
    db: &'c Connection,
    appender: Appender<'c>,
    outcomes: Vec<Option<StoreResult<Committed>>>,
}

/// Runs until the queue is closed and empty, or until nothing can be promised any more.
pub(super) fn run(db: &Connection, queue: &Queue<Job>, options: &Options, committed: &dyn Fn()) {
    let mut jobs = Vec::with_capacity(options.batch_jobs);
    if let Err(cause) = work(db, queue, options, committed, &mut jobs) {
        // First the process learns of it; only then do the callers' futures end, without an answer.
        (options.on_fatal)(&cause);
        queue.abandon();
    }
}

/// An error ends the store: the jobs it struck have heard nothing.
fn work(
    db: &Connection,
    queue: &Queue<Job>,
    options: &Options,
    committed: &dyn Fn(),
    jobs: &mut Vec<Job>,
) -> Result<(), String> {
    let appender = Appender::new(db, options).map_err(|error| error.to_string())?;
    let mut writer = Writer {
        db,
        appender,
        outcomes: Vec::new(),
    };
    while queue.take(options.batch_jobs, jobs, None) != Waited::Closed {
        writer.batch(jobs)?;
        committed();
    }
    Ok(())
}

impl Writer<'_> {
    /// Commits the jobs and reports to each of them. An error ends the store: nothing was reported to those jobs.
    fn batch(&mut self, jobs: &mut Vec<Job>) -> Result<(), String> {
        match self.transaction(jobs) {
            End::Spoiled if jobs.len() > 1 => {
                for job in jobs.drain(..) {
                    let mut alone = vec![job];
                    let end = self.transaction(&mut alone);
                    self.settle(end, &mut alone)?;
                }
                Ok(())
            }
            end => self.settle(end, jobs),
        }
    }

    fn settle(&mut self, end: End, jobs: &mut Vec<Job>) -> Result<(), String> {
        let refusal = match end {
            End::Committed => None,
            End::Refused(answer) => Some(answer),
            End::Spoiled => {
                Some((|| StoreError::Failed("the message could not be stored".into())) as fn() -> _)
            }
            End::Fatal(cause) => return Err(cause),
        };
        for (job, outcome) in jobs.drain(..).zip(self.outcomes.drain(..)) {
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
        self.appender.begin();
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
                Job::Call(call) => match self.call(call.as_mut()) {
                    Ok(()) => continue,
                    Err(class) => (class, "a write failed".to_owned()),
                },
            };
            return self.give_up(class.0, &class.1);
        }
        if let Err(error) = self.appender.finish().and_then(|()| self.execute("COMMIT")) {
            let class = classify(&error);
            return self.give_up(class, &error);
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
            Err(Class::Call) if !self.db.is_autocommit() => self
                .execute("ROLLBACK TO call")
                .and_then(|()| self.execute("RELEASE call"))
                .map_err(class),
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
        Job::Call(call) => call.finish(refusal.map_or(Ok(()), |refusal| Err(refusal()))),
    }));
    if told.is_err() {
        tracing::error!("a commit callback panicked");
    }
}
