//! Checkpoints: pages move from the WAL into the database file on a thread and connection of their own.
//!
//! Usually beside the writer, which goes on. SQLite only starts the WAL over when everything in it has been moved and
//! nobody reads from it, which may never happen under steady load; so when it has grown to its bound the writer waits
//! for one checkpoint that blocks. A long reader (a backup) makes that fail: then the WAL grows past its bound until the
//! reader is done, since the alternative is to refuse messages.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::errors::{Class, classify};

/// How long the writer lets a blocking checkpoint wait for readers.
const READER_PATIENCE: Duration = Duration::from_millis(500);

/// What the writer and the checkpointing thread share.
pub(super) struct Checkpoints {
    state: Mutex<State>,
    wake: Condvar,
    /// Pages in the WAL from which moving them is worth it.
    start_pages: u64,
    /// Pages in the WAL from which the writer waits.
    max_pages: u64,
}

#[derive(Default)]
struct State {
    wanted: bool,
    blocking: bool,
    stop: bool,
    /// Pages in the WAL below which a failed blocking checkpoint is not tried again.
    not_before: u64,
}

impl Checkpoints {
    pub(super) fn new(start_pages: u64, max_pages: u64) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), start_pages, max_pages }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how large the WAL is; called by the writer between transactions.
    pub(super) fn note(&self, pages: u64) {
        if pages < self.start_pages {
            return;
        }
        let mut state = self.lock();
        if pages < self.max_pages {
            state.not_before = 0;
        }
        let must_wait = pages >= self.max_pages.max(state.not_before);
        if !state.wanted || must_wait {
            state.wanted = true;
            state.blocking |= must_wait;
            self.wake.notify_all();
        }
        if must_wait {
            while state.blocking && !state.stop {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.not_before = pages + self.max_pages / 4;
        }
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.wake.notify_all();
    }

    /// Checkpoints whenever that is wanted, until stopped. An error that is fatal is returned.
    pub(super) fn run(&self, db: &Connection) -> Result<(), String> {
        loop {
            let mut state = self.lock();
            while !state.wanted && !state.stop {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.stop {
                return Ok(());
            }
            state.wanted = false;
            let blocking = state.blocking;
            drop(state);
            let done = checkpoint(db, blocking);
            if blocking {
                self.lock().blocking = false;
                self.wake.notify_all();
            }
            if let Err(error) = done {
                match classify(&error) {
                    Class::Fatal => return Err(format!("a checkpoint failed: {error}")),
                    Class::Full => tracing::warn!("no space is left for a checkpoint"),
                    Class::Call => tracing::warn!(%error, "a checkpoint was put off"),
                }
            }
        }
    }
}

fn checkpoint(db: &Connection, blocking: bool) -> rusqlite::Result<()> {
    let sql = if blocking {
        db.busy_timeout(READER_PATIENCE)?;
        "PRAGMA wal_checkpoint(RESTART)"
    } else {
        "PRAGMA wal_checkpoint(PASSIVE)"
    };
    db.query_row(sql, [], |_| Ok(()))
}
