//! The queue of one session: bounded, filled by everyone, emptied by the session's own task, and without memory of its own
//! while it is empty.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::event::Event;

/// How many events may wait for one session; one more closes it as too slow.
pub const QUEUE_LIMIT: usize = 2048;

/// An emptied queue keeps room for so many events; a burst's memory is given back.
const KEPT_EVENTS: usize = 4;

/// Why an event was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// [`QUEUE_LIMIT`] events are waiting.
    Full,
    /// Nobody will ever take it.
    Closed,
}

/// The side that is shared by all who have something for the session.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event>,
    waiting: Option<Waker>,
    closed: bool,
}

/// The session's own side. When it is dropped the queue takes nothing any more.
#[derive(Debug)]
pub struct Events(Queue);

impl Queue {
    /// An empty queue and the one side that empties it.
    pub(crate) fn new() -> (Self, Events) {
        let queue = Self::default();
        (queue.clone(), Events(queue))
    }

    /// Adds an event behind all others. Never waits.
    pub(crate) fn push(&self, event: Event) -> Result<(), Refused> {
        let mut state = self.lock();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.events.len() >= QUEUE_LIMIT {
            return Err(Refused::Full);
        }
        state.events.push_back(event);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked did so between whole changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    /// Waits for the next event. Safe to drop and call again.
    pub async fn recv(&mut self) -> Event {
        poll_fn(|context| {
            let mut state = self.0.lock();
            match state.take() {
                Some(event) => Poll::Ready(event),
                None => {
                    match &mut state.waiting {
                        Some(waker) => waker.clone_from(context.waker()),
                        waiting => *waiting = Some(context.waker().clone()),
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The next event, if one is waiting.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.0.lock().take()
    }

    /// How many events are waiting.
    pub fn len(&self) -> usize {
        self.0.lock().events.len()
    }

    /// Whether no event is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl State {
    fn take(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() && self.events.capacity() > KEPT_EVENTS {
            self.events = VecDeque::new();
        }
        event
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.closed = true;
        // Dropped after the lock is given back: an event may hold the last reference to much else.
        let (events, waiting) = (std::mem::take(&mut state.events), state.waiting.take());
        drop(state);
        drop((events, waiting));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    fn event() -> Event {
        Event::Unblocked(Arc::default())
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let (queue, mut events) = Queue::new();
        {
            let receive = pin!(events.recv());
            assert!(receive.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let taken = tokio::spawn(async move {
            events.recv().await;
            events.recv().await;
        });
        queue.push(event()).expect("there is room");
        tokio::task::yield_now().await;
        queue.push(event()).expect("there is room");
        taken.await.expect("both were taken");
        assert_eq!(queue.push(event()), Err(Refused::Closed));
    }

    #[test]
    fn a_full_queue_takes_nothing_and_an_empty_one_keeps_no_memory() {
        let (queue, mut events) = Queue::new();
        for _ in 0..QUEUE_LIMIT {
            queue.push(event()).expect("there is room");
        }
        assert_eq!(queue.push(event()), Err(Refused::Full));
        assert_eq!(events.len(), QUEUE_LIMIT);
        while events.try_recv().is_some() {}
        assert_eq!(queue.lock().events.capacity(), 0);
        queue.push(event()).expect("there is room again");
        assert!(!events.is_empty());
    }
}
