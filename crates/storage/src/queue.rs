//! The bounded queue between callers and whoever owns the connection to the database.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How many jobs are passed over at a time to find some of other owners.
const PASSED_OVER_LIMIT: usize = 2_048;

/// A queue with a bound on how many jobs it holds and on how many bytes they say they weigh.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    wake: Condvar,
    news: Notify,
    abandoned: AtomicBool,
    max_jobs: usize,
    max_bytes: usize,
}

struct State<T> {
    jobs: VecDeque<(usize, T)>,
    bytes: usize,
    sleeping: usize,
    /// A task waits for `news`.
    listening: bool,
    closed: bool,
}

/// How much is taken from a queue at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    /// At most this many jobs.
    pub(crate) jobs: usize,
    /// At most this many of one owner while those of others wait.
    pub(crate) of_one_owner: usize,
    /// No more jobs once they weigh this much.
    pub(crate) bytes: usize,
}

/// What waiting for work came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// At least one job was taken.
    Jobs,
    /// The time was over first.
    TimedOut,
    /// The queue is closed and empty.
    Closed,
}

impl<T> Queue<T> {
    pub(crate) fn new(max_jobs: usize, max_bytes: usize) -> Self {
        Self {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                bytes: 0,
                sleeping: 0,
                listening: false,
                closed: false,
            }),
            wake: Condvar::new(),
            news: Notify::new(),
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
    pub(crate) fn push(&self, bytes: usize, job: T) -> Result<(), T> {
        let mut state = self.lock();
        let full = state.jobs.len() >= self.max_jobs
            || (state.bytes.saturating_add(bytes) > self.max_bytes && !state.jobs.is_empty());
        if state.closed || full {
            return Err(job);
        }
        state.bytes += bytes;
        state.jobs.push_back((bytes, job));
        let (sleeping, listening) = (state.sleeping > 0, std::mem::take(&mut state.listening));
        drop(state);
        if sleeping {
            self.wake.notify_one();
        }
        if listening {
            self.news.notify_one();
        }
        Ok(())
    }

    /// Moves up to `limit` jobs into `out`, waiting for the first one; `None` waits without end.
    pub(crate) fn take(&self, limit: usize, out: &mut Vec<T>, patience: Option<Duration>) -> Waited {
        let (waited, mut state) = self.wait(patience);
        if waited == Waited::Jobs {
            for _ in 0..limit {
                let Some((bytes, job)) = state.jobs.pop_front() else {
                    break;
                };
                state.bytes -= bytes;
                out.push(job);
            }
        }
        waited
    }

    /// The same, in shares: who has many jobs in the queue holds the others up for no longer than one share. Jobs of one owner
    /// stay in order, and none passes a job that has no owner.
    pub(crate) fn take_shares(
        &self,
        share: Share,
        owner: impl Fn(&T) -> Option<i64>,
        out: &mut Vec<T>,
        patience: Option<Duration>,
    ) -> Waited {
        let (waited, mut state) = self.wait(patience);
        if waited == Waited::Jobs {
            state.take_shares(share, owner, out);
        }
        waited
    }

    /// Waits until there is a job, in a task; one alone waits so. Says `false` once the queue is closed and empty.
    pub(crate) async fn has_jobs(&self) -> bool {
        loop {
            {
                let mut state = self.lock();
                if !state.jobs.is_empty() || state.closed {
                    return !state.jobs.is_empty();
                }
                state.listening = true;
            }
            self.news.notified().await;
        }
    }

    /// Takes a share of what is there, without waiting.
    pub(crate) fn take_shares_now(&self, share: Share, owner: impl Fn(&T) -> Option<i64>, out: &mut Vec<T>) {
        self.lock().take_shares(share, owner, out);
    }

    /// Whether it takes no more jobs.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Waits until there is a job.
    fn wait(&self, patience: Option<Duration>) -> (Waited, MutexGuard<'_, State<T>>) {
        let deadline = patience.map(|p| Instant::now() + p);
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if state.closed {
                return (Waited::Closed, state);
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
                let waited = if state.closed { Waited::Closed } else { Waited::TimedOut };
                return (waited, state);
            }
        }
        (Waited::Jobs, state)
    }

    /// Refuses further jobs; those taken already are still handed out.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
        self.news.notify_one();
    }

    /// Whether the queue was given up with whatever was in it.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Refuses further jobs and drops those not yet handed out.
    pub(crate) fn abandon(&self) {
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

impl<T> State<T> {
    fn take_shares(&mut self, share: Share, owner: impl Fn(&T) -> Option<i64>, out: &mut Vec<T>) {
        let mut passed_over = Vec::new();
        let mut taken: HashMap<i64, usize> = HashMap::new();
        let mut weight = 0_usize;
        while out.len() < share.jobs
            && weight < share.bytes
            && passed_over.len() < PASSED_OVER_LIMIT
            && let Some((bytes, job)) = self.jobs.pop_front()
        {
            let owner = owner(&job);
            if owner.is_none() && !passed_over.is_empty() {
                self.jobs.push_front((bytes, job));
                break;
            }
            let of_owner = owner.map(|owner| taken.entry(owner).or_default());
            match of_owner {
                Some(count) if *count >= share.of_one_owner => {
                    passed_over.push((bytes, job));
                    continue;
                }
                Some(count) => *count += 1,
                None => {}
            }
            self.bytes -= bytes;
            weight = weight.saturating_add(bytes);
            out.push(job);
        }
        // One alone has nobody to share with.
        let alone = taken.len() == 1 && out.len() == share.of_one_owner;
        for (bytes, job) in
            passed_over.drain(..if alone { passed_over.len().min(share.jobs - out.len()) } else { 0 })
        {
            self.bytes -= bytes;
            out.push(job);
        }
        for passed in passed_over.into_iter().rev() {
            self.jobs.push_front(passed);
        }
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

    /// What is taken at a time from a queue of owners and numbers, with shares of two.
    fn rounds(jobs: &[(i64, u8)]) -> Vec<Vec<(i64, u8)>> {
        let queue = Queue::new(99, 99);
        for job in jobs {
            assert!(queue.push(1, *job).is_ok());
        }
        queue.close();
        let owner = |job: &(i64, u8)| Some(job.0).filter(|owner| *owner != 0);
        let mut rounds = Vec::new();
        loop {
            let mut out = Vec::new();
            if queue.take_shares(Share { jobs: 6, of_one_owner: 2, bytes: usize::MAX }, owner, &mut out, None)
                == Waited::Closed
            {
                assert_eq!(queue.lock().bytes, 0);
                return rounds;
            }
            rounds.push(out);
        }
    }

    #[test]
    fn who_has_much_to_do_holds_nobody_up() {
        let of = |owner: i64, numbers: std::ops::Range<u8>| numbers.map(move |number| (owner, number));
        let flood: Vec<(i64, u8)> = of(1, 0..7).chain(of(2, 0..1)).chain(of(3, 0..1)).collect();
        assert_eq!(
            rounds(&flood),
            [vec![(1, 0), (1, 1), (2, 0), (3, 0)], vec![(1, 2), (1, 3), (1, 4), (1, 5), (1, 6)]]
        );
        let alone: Vec<(i64, u8)> = of(1, 0..8).collect();
        assert_eq!(rounds(&alone), [of(1, 0..6).collect::<Vec<_>>(), of(1, 6..8).collect()]);
        // What has no owner is not passed.
        let barrier: Vec<(i64, u8)> = of(1, 0..3).chain([(0, 0), (2, 0)]).collect();
        assert_eq!(rounds(&barrier), [vec![(1, 0), (1, 1), (1, 2)], vec![(0, 0), (2, 0)]]);
    }
}
