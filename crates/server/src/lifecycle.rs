//! Starting and stopping: the drain signal that every task hears, and waiting for the tasks up to the grace period.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::config;

config! {
    /// Stopping.
    pub struct Config {
        /// How long the server goes on serving everybody once SIGTERM or `waxwing drain` has told it to leave, while
        /// `/health/ready` says no: as long as the balancers in front take to notice. 0 for a server that stands alone.
        announce_ms: u64 = 0,
        /// Over what time clients are then sent away, a few at a time, so that they do not all sign in at the same moment
        /// elsewhere. 0: all at once.
        spread_ms: u64 = 0,
        /// How long SIGTERM waits for connections to end before the process exits all the same.
        drain_grace_ms: u64 = 10_000,
    }
}

/// Owns the phase of the process and counts the tasks that must end before it may exit.
///
/// ```text
/// serving --leave()--> leaving --close()--> closed --drain()--> draining --no guards, or grace over--> the process exits
/// ```
#[derive(Clone, Default)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    phase: watch::Sender<Phase>,
    tasks: watch::Sender<usize>,
}

/// How far the process has come on its way out. It never goes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Everybody is served.
    #[default]
    Serving,
    /// Everybody is served, and nobody new is wanted.
    Leaving,
    /// Nobody new is accepted.
    Closed,
    /// Every task ends.
    Draining,
}

/// Hears when the process begins to drain. Cheap to clone; one for each task.
#[derive(Clone)]
pub struct Drain {
    phase: watch::Receiver<Phase>,
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
        Drain { phase: self.shared.phase.subscribe() }
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
        // An async block would hold the task twice: as what it was given, and as what it waits for.
        tokio::spawn(task.map(move |output| {
            drop(guard);
            output
        }))
    }

    /// Says that nobody new is wanted, and serves everybody as before.
    pub fn leave(&self) {
        self.reach(Phase::Leaving);
    }

    /// Tells listeners to accept nobody any more.
    pub fn close(&self) {
        self.reach(Phase::Closed);
    }

    /// Tells every task to end. Heard once; later calls change nothing.
    pub fn drain(&self) {
        self.reach(Phase::Draining);
    }

    fn reach(&self, phase: Phase) {
        self.shared.phase.send_if_modified(|now| std::mem::replace(now, phase.max(*now)) < phase);
    }

    /// Whether anybody new had better go elsewhere.
    pub fn is_leaving(&self) -> bool {
        *self.shared.phase.borrow() >= Phase::Leaving
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        *self.shared.phase.borrow() >= Phase::Draining
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
        self.reached(Phase::Draining).await;
    }

    /// Resolves when nobody new is to be accepted; at once if that is so already. Safe to drop and call again.
    pub async fn closed(&mut self) {
        self.reached(Phase::Closed).await;
    }

    async fn reached(&mut self, phase: Phase) {
        // An error means that the lifecycle is gone, and with it the process.
        let _ = self.phase.wait_for(|now| *now >= phase).await;
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow() >= Phase::Draining
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

    #[tokio::test]
    async fn a_process_leaves_in_steps_and_never_goes_back() {
        let lifecycle = Lifecycle::new();
        assert!(!lifecycle.is_leaving());
        lifecycle.leave();
        assert!(lifecycle.is_leaving() && !lifecycle.is_draining());
        let mut heard = lifecycle.drain_signal();
        lifecycle.close();
        heard.closed().await;
        assert!(!heard.is_draining());
        lifecycle.drain();
        lifecycle.leave();
        heard.draining().await;
        heard.closed().await;
        assert!(lifecycle.is_leaving() && lifecycle.is_draining());
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
