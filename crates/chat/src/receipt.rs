//! The promise to a sender that a message is safe, or why it could not be kept.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::archive::ArchiveId;
use crate::error::{Error, Result};
use crate::store::{StoreError, StoreResult};

/// Resolves when the message may be acknowledged to its sender: it is safe, or nothing about it had to be kept.
/// Otherwise it resolves to why it could not be kept, and it was delivered to nobody.
///
/// Most senders need not hear of it at once, and waking each of them for each message would cost more than the news is
/// worth: see [`Receipt::watch`].
#[derive(Debug)]
pub struct Receipt(Option<Arc<Mutex<State>>>);

/// The other side of a [`Receipt`], for whoever keeps the promise. Dropped unkept, it says that the store is gone.
#[derive(Debug)]
pub(crate) struct Promise(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Where it is kept, if it had to be.
    outcome: Option<StoreResult<Option<ArchiveId>>>,
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    waker: Waker,
    /// That the message is safe is no reason to wake.
    for_failure_only: bool,
}

impl Receipt {
    /// A message of which nothing had to be kept.
    pub(crate) const DONE: Self = Self(None);

    /// A promise, and the receipt for it.
    pub(crate) fn new() -> (Promise, Self) {
        let state = Arc::<Mutex<State>>::default();
        (Promise(Arc::clone(&state)), Self(Some(state)))
    }

    /// Of a message that another node has kept.
    pub(crate) fn kept(place: Option<ArchiveId>) -> Self {
        let (promise, receipt) = Self::new();
        promise.keep(Ok(place));
        receipt
    }

    /// Whether nothing of the message had to be kept.
    pub fn is_done(&self) -> bool {
        self.0.is_none()
    }

    /// What has become of the message, if that is known by now.
    pub fn outcome(&mut self) -> Option<Result<()>> {
        self.found().map(|found| found.map(drop))
    }

    fn found(&mut self) -> Option<Result<Option<ArchiveId>>> {
        let Some(state) = &self.0 else {
            return Some(Ok(None));
        };
        let outcome = lock(state).outcome.take()?;
        self.0 = None;
        Some(outcome.map_err(Error::from))
    }

    /// Waits like the receipt itself, and tells where the message is kept: where it was before, if it had been sent before.
    pub async fn place(mut self) -> Result<Option<ArchiveId>> {
        poll_fn(|context| self.poll_found(context)).await
    }

    fn poll_found(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<ArchiveId>>> {
        if let Some(state) = &self.0 {
            let mut state = lock(state);
            if state.outcome.is_none() {
                state.waiting = Some(Waiting { waker: context.waker().clone(), for_failure_only: false });
                return Poll::Pending;
            }
        }
        self.found().map_or(Poll::Pending, Poll::Ready)
    }

    /// Has the task woken if the message cannot be kept, and left alone if it is safe.
    pub fn watch(&self, waker: &Waker) {
        if let Some(state) = &self.0 {
            let mut state = lock(state);
            if matches!(state.outcome, Some(Err(_))) {
                waker.wake_by_ref();
            }
            state.waiting = Some(Waiting { waker: waker.clone(), for_failure_only: true });
        }
    }
}

impl Future for Receipt {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_found(context).map(|found| found.map(drop))
    }
}

impl Promise {
    /// Tells what has become of the message. Whoever sent it may be gone by now.
    pub(crate) fn keep(self, outcome: StoreResult<Option<ArchiveId>>) {
        settle(&self.0, outcome);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        settle(&self.0, Err(StoreError::Unavailable));
    }
}

/// Writes the outcome down, unless there is one or nobody is left to read it.
fn settle(state: &Arc<Mutex<State>>, outcome: StoreResult<Option<ArchiveId>>) {
    if Arc::strong_count(state) == 1 {
        return;
    }
    let mut state = lock(state);
    if state.outcome.is_some() {
        return;
    }
    let failed = outcome.is_err();
    state.outcome = Some(outcome);
    let waiting = state.waiting.take().filter(|waiting| failed || !waiting.for_failure_only);
    drop(state);
    if let Some(waiting) = waiting {
        waiting.waker.wake();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // Whoever panicked did so between whole changes.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counted() -> (Arc<Count>, Waker) {
        let count = Arc::<Count>::default();
        (Arc::clone(&count), Waker::from(count))
    }

    #[test]
    fn who_watches_is_woken_by_a_failure_only() {
        let (count, waker) = counted();
        let (promise, mut safe) = Receipt::new();
        safe.watch(&waker);
        assert!(safe.outcome().is_none());
        promise.keep(Ok(None));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        assert!(matches!(safe.outcome(), Some(Ok(()))));
        let (promise, mut failed) = Receipt::new();
        failed.watch(&waker);
        promise.keep(Err(StoreError::Full));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(matches!(failed.outcome(), Some(Err(_))));
        let (promise, late) = Receipt::new();
        promise.keep(Err(StoreError::Full));
        late.watch(&waker);
        assert_eq!(count.0.load(Ordering::Relaxed), 2, "it has failed before");
    }

    #[test]
    fn who_waits_hears_either() {
        let (count, waker) = counted();
        let (promise, mut receipt) = Receipt::new();
        receipt.watch(&waker);
        assert!(Pin::new(&mut receipt).poll(&mut Context::from_waker(&waker)).is_pending());
        promise.keep(Ok(None));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert!(Pin::new(&mut receipt).poll(&mut Context::from_waker(&waker)).is_ready());
    }

    #[test]
    fn a_promise_that_is_dropped_has_failed() {
        let (promise, mut receipt) = Receipt::new();
        drop(promise);
        assert!(matches!(receipt.outcome(), Some(Err(_))));
    }
}
