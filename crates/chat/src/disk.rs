//! The disk under a store in memory, for tests: it can take its time, refuse, and lose its power.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::archive::Append;
use crate::memory_store::MemoryStore;
use crate::store::{OnCommit, StoreError};

/// Says how long the next call takes.
pub type Pace = Box<dyn FnMut() -> Duration + Send>;

/// What a disk has been told to do, and the messages that it has taken and not written. The default writes at once.
#[derive(Default)]
pub(crate) struct Disk(Mutex<State>);

#[derive(Default)]
struct State {
    holding: bool,
    held: VecDeque<(Append, OnCommit)>,
    pace: Option<Pace>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("held", &self.lock().held.len()).finish_non_exhaustive()
    }
}

impl Disk {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message if the disk is slow; gives it back if it is to be written at once.
    pub(crate) fn take(&self, message: Append, done: OnCommit) -> Option<(Append, OnCommit)> {
        let mut state = self.lock();
        if !state.holding {
            return Some((message, done));
        }
        state.held.push_back((message, done));
        None
    }

    /// Waits for as long as a call takes.
    pub(crate) async fn turn(&self) {
        let pause = self.lock().pace.as_mut().map_or(Duration::ZERO, |pace| pace());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    fn oldest(&self, count: usize) -> Vec<(Append, OnCommit)> {
        let mut state = self.lock();
        let count = count.min(state.held.len());
        state.held.drain(..count).collect()
    }
}

impl MemoryStore {
    /// From now on messages wait until [`MemoryStore::commit`] or its like is called.
    pub fn hold(&self) {
        self.disk.lock().holding = true;
    }

    /// From now on the calls that sessions wait for take their time.
    pub fn set_pace(&self, pace: Pace) {
        self.disk.lock().pace = Some(pace);
    }

    /// How many messages wait.
    pub fn held(&self) -> usize {
        self.disk.lock().held.len()
    }

    /// Writes the oldest messages that wait, in their order.
    pub fn commit(&self, count: usize) {
        for (message, done) in self.disk.oldest(count) {
            self.write(message, done);
        }
    }

    /// Refuses the oldest messages that wait, for want of space, and returns them.
    pub fn refuse(&self, count: usize) -> Vec<Append> {
        let refused = self.disk.oldest(count).into_iter().map(|(message, done)| {
            done(Err(StoreError::Full));
            message
        });
        refused.collect()
    }

    /// The power goes: of the messages that wait, so many were written although nobody was told, and the rest is gone.
    pub fn cut(&self, written: usize) {
        for (message, _) in self.disk.oldest(written) {
            self.write(message, Box::new(drop));
        }
        drop(self.disk.oldest(usize::MAX));
    }

    /// Forgets the newest messages although they were reported safe: what a disk does that lies about syncing. For
    /// proving that a test sees it.
    pub fn forget(&self, count: usize) {
        if let Ok(mut tables) = self.tables() {
            (0..count).for_each(|_| tables.forget_newest());
        }
    }

    /// Writes a message and tells its sender. The lock is held for both, so that commits and callbacks come in one order.
    pub(crate) fn write(&self, message: Append, done: OnCommit) {
        if let Some(side) = &self.side {
            return self.write_as_node(side, message, done);
        }
        match self.tables() {
            Ok(mut tables) => {
                let committed = tables.commit(message);
                done(Ok(committed));
            }
            Err(error) => done(Err(error)),
        }
    }
}
/// Now, in microseconds since the Unix epoch.
pub(crate) fn now_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
}
