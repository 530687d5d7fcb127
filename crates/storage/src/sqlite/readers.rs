//! The threads that read: each owns a connection, all take from one queue.

use std::panic::AssertUnwindSafe;

use rusqlite::Connection;
use tokio::sync::oneshot;
use waxwing_chat::store::{StoreError, StoreResult};

use super::errors::Failure;
use crate::queue::{Queue, Waited};

/// A question, with the way to answer it inside.
pub(super) type Question = Box<dyn FnOnce(&Connection) + Send>;

/// Wraps work on a connection into a question and the future of its answer.
pub(super) fn ask<T, F>(work: F) -> (Question, oneshot::Receiver<StoreResult<T>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
{
    ask_after(|| (), |db, ()| work(db))
}

/// The same for work that needs something taken just before its snapshot.
pub(super) fn ask_after<T, P, F>(
    prepare: impl FnOnce() -> P + Send + 'static,
    work: F,
) -> (Question, oneshot::Receiver<StoreResult<T>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection, &P) -> Result<T, Failure> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let question = Box::new(move |db: &Connection| {
        let prepared = prepare();
        let result = in_snapshot(db, |db| work(db, &prepared)).map_err(StoreError::from);
        // Nobody waits any more: the caller went away.
        let _ = reply.send(result);
    });
    (question, answer)
}

/// Runs work inside one read transaction, so that all its statements see the same state.
fn in_snapshot<T>(
    db: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    db.prepare_cached("BEGIN")?.execute([])?;
    let result = work(db);
    db.prepare_cached("COMMIT")?.execute([])?;
    result
}

/// Answers questions until the queue is closed and empty.
pub(super) fn run(db: &Connection, queue: &Queue<Question>) {
    let mut questions = Vec::with_capacity(1);
    while queue.take(1, &mut questions, None) != Waited::Closed {
        for question in questions.drain(..) {
            if std::panic::catch_unwind(AssertUnwindSafe(|| question(db))).is_err() {
                tracing::error!("a query panicked");
                if !db.is_autocommit() && db.execute_batch("ROLLBACK").is_err() {
                    return;
                }
            }
        }
    }
}
