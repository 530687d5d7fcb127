//! Starting and stopping: the drain signal that every task hears, and waiting for the tasks up to the grace period.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::config;

config! {
    /// Stopping.
    pub struct Config {
        /// How long SIGTERM waits for connections to end before the process exits all the same.
        drain_grace_ms: u64 = 10_000,
    }
}

/// Owns the phase of the process and counts the tasks that must end before it may exit.
///
/// ```text
/// running --drain()--> draining --all guards dropped, or grace over--> the process exits
/// ```
#[derive(Clone, Default)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    draining: watch::Sender<bool>,
    tasks: watch::Sender<usize>,
}

/// Hears when the process begins to drain. Cheap to clone; one for each task.
#[derive(Clone)]
pub struct Drain {
    draining: watch::Receiver<bool>,
}

/// Keeps the process from exiting, up to the grace period, until it is dropped.
pub struct TaskGuard {
    shared: Arc<Shared>,
}

impl Lifecycle {
    /// A process that runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// A handle that hears the drain.
    pub fn drain_signal(&self) -> Drain {
        Drain { draining: self.shared.draining.subscribe() }
    }

    /// Counts a task that the drain has to wait for.
    pub fn guard(&self) -> TaskGuard {
        self.shared.tasks.send_modify(|n| *n += 1);
        TaskGuard { shared: self.shared.clone() }
    }

    /// Spawns a task that the drain waits for.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        let guard = self.guard();
        tokio::spawn(async move {
            let output = task.await;
            drop(guard);
            output
        })
    }

    /// Tells every task to end. Heard once; later calls change nothing.
    pub fn drain(&self) {
        self.shared.draining.send_replace(true);
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        *self.shared.draining.borrow()
    }

    /// How many counted tasks there are.
    pub fn tasks(&self) -> usize {
        *self.shared.tasks.borrow()
    }

    /// Waits until every counted task has ended or `grace` is over; says how many were left.
    pub async fn ended(&self, grace: Duration) -> usize {
        let mut tasks = self.shared.tasks.subscribe();
        // The sender lives in `self`, so waiting cannot fail for its absence.
        let _ = tokio::time::timeout(grace, tasks.wait_for(|n| *n == 0)).await;
        self.tasks()
    }
}

impl Drain {
    /// Resolves when the process begins to drain; at once if it already has. Safe to drop and call again.
    pub async fn draining(&mut self) {
        // An error means that the lifecycle is gone, and with it the process.
        let _ = self.draining.wait_for(|draining| *draining).await;
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        self.shared.tasks.send_modify(|n| *n -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_is_heard_by_every_task_and_waited_for() {
        let lifecycle = Lifecycle::new();
        let mut early = lifecycle.drain_signal();
        let task = lifecycle.spawn(async move { early.draining().await });
        assert_eq!(lifecycle.tasks(), 1);
        lifecycle.drain();
        assert_eq!(lifecycle.ended(Duration::from_secs(30)).await, 0);
        task.await.expect("the task ended by itself");
        let mut late = lifecycle.drain_signal();
        late.draining().await;
        assert!(late.is_draining());
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_period_bounds_the_wait() {
        let lifecycle = Lifecycle::new();
        let _task = lifecycle.spawn(std::future::pending::<()>());
        lifecycle.drain();
        assert_eq!(lifecycle.ended(Duration::from_secs(5)).await, 1);
    }

    #[tokio::test]
    async fn a_task_that_panics_is_not_waited_for() {
        let lifecycle = Lifecycle::new();
        let task = lifecycle.spawn(async { panic!("as intended by this test") });
        assert!(task.await.is_err());
        assert_eq!(lifecycle.ended(Duration::from_secs(30)).await, 0);
    }
}
