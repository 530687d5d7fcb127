//! The bounded queue between callers and the threads that own database connections.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A queue with a bound on how many jobs it holds and on how many bytes they say they weigh.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
    abandoned: AtomicBool,
    max_jobs: usize,
    max_bytes: usize,
}

struct State<T> {
    jobs: VecDeque<(usize, T)>,
    bytes: usize,
    sleeping: usize,
    closed: bool,
}

/// What waiting for work came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// At least one job was taken.
    Jobs,
    /// The time was over first.
    TimedOut,
    /// The queue is closed and empty.
    Closed,
}

impl<T> Queue<T> {
    pub(super) fn new(max_jobs: usize, max_bytes: usize) -> Self {
        Self {
            state: Mutex::new(State { jobs: VecDeque::new(), bytes: 0, sleeping: 0, closed: false }),
            wake: Condvar::new(),
            abandoned: AtomicBool::new(false),
            max_jobs,
            max_bytes,
        }
    }

    /// The state stays sound if a holder of the lock panics: each change is a single push, pop or assignment.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, or hands it back when the queue is full or closed.
    pub(super) fn push(&self, bytes: usize, job: T) -> Result<(), T> {
        let mut state = self.lock();
        let full = state.jobs.len() >= self.max_jobs
            || (state.bytes.saturating_add(bytes) > self.max_bytes && !state.jobs.is_empty());
        if state.closed || full {
            return Err(job);
        }
        state.bytes += bytes;
        state.jobs.push_back((bytes, job));
        let sleeping = state.sleeping > 0;
        drop(state);
        if sleeping {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Moves up to `limit` jobs into `out`, waiting for the first one; `None` waits without end.
    pub(super) fn take(&self, limit: usize, out: &mut Vec<T>, patience: Option<Duration>) -> Waited {
        let deadline = patience.map(|p| Instant::now() + p);
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if state.closed {
                return Waited::Closed;
            }
            state.sleeping += 1;
            state = match deadline {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.sleeping -= 1;
            if state.jobs.is_empty() && deadline.is_some_and(|d| Instant::now() >= d) {
                return if state.closed { Waited::Closed } else { Waited::TimedOut };
            }
        }
        for _ in 0..limit {
            let Some((bytes, job)) = state.jobs.pop_front() else {
                break;
            };
            state.bytes -= bytes;
            out.push(job);
        }
        Waited::Jobs
    }

    /// Refuses further jobs; those taken already are still handed out.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// Whether the queue was given up with whatever was in it.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Refuses further jobs and drops those not yet handed out.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        let mut state = self.lock();
        state.closed = true;
        state.bytes = 0;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        self.wake.notify_all();
        drop(jobs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_count_and_weight() {
        let queue = Queue::new(2, 100);
        assert!(queue.push(1000, 'a').is_ok(), "one heavy job passes, or it could never be done");
        assert_eq!(queue.push(1, 'b'), Err('b'), "too heavy together");
        let mut out = Vec::new();
        assert_eq!(queue.take(8, &mut out, None), Waited::Jobs);
        assert!(queue.push(1, 'c').is_ok() && queue.push(1, 'd').is_ok());
        assert_eq!(queue.push(1, 'e'), Err('e'), "too many");
    }

    #[test]
    fn hands_out_what_it_took_after_closing() {
        let queue = Queue::new(9, 100);
        assert!(queue.push(1, 1).is_ok());
        queue.close();
        assert_eq!(queue.push(1, 2), Err(2));
        let mut out = Vec::new();
        assert_eq!(queue.take(8, &mut out, None), Waited::Jobs);
        assert_eq!(queue.take(8, &mut out, Some(Duration::from_secs(9))), Waited::Closed);
        assert_eq!(out, [1]);
    }

    #[test]
    fn gives_up_in_time() {
        let queue = Queue::<u8>::new(9, 100);
        assert_eq!(queue.take(8, &mut Vec::new(), Some(Duration::from_millis(1))), Waited::TimedOut);
    }
}
