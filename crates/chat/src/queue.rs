//! The queue of one session: bounded, filled by everyone, emptied by the session's own task, and without memory of its own
//! while it is empty. The order to end comes by the same way, ahead of all that waits, so that a session has one thing to
//! wait for.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use crate::event::{Close, Event};

/// How many events may wait for one session; one more closes it as too slow.
pub const QUEUE_LIMIT: usize = 2048;

/// How many bytes may wait for one session; an event that is larger than all that is left closes it as too slow, unless
/// nothing else waits. Without it the number alone would let a recipient who does not read hold half a gigabyte.
pub const QUEUE_BYTES_LIMIT: usize = 16 << 20;

/// An emptied queue keeps room for so many events; a burst's memory is given back.
const KEPT_EVENTS: usize = 4;

/// Why an event was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// [`QUEUE_LIMIT`] events were waiting, or [`QUEUE_BYTES_LIMIT`] bytes, now or when one before it came; or the session ends
    /// because it has missed something.
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
    bytes: usize,
    waiting: Option<Waker>,
    ending: Option<Close>,
    /// Nobody takes events any more.
    closed: bool,
    /// Something is missing behind what waits: whatever comes later would pass it.
    gap: bool,
}

/// What a session waits for.
#[derive(Debug)]
pub enum Next {
    /// The session is to end.
    End(Close),
    /// It is told something.
    Event(Event),
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
        if state.gap {
            return Err(Refused::Full);
        }
        let bytes = state.bytes + event.memory();
        if state.events.len() >= QUEUE_LIMIT || (bytes > QUEUE_BYTES_LIMIT && !state.events.is_empty()) {
            state.gap = true;
            return Err(Refused::Full);
        }
        state.bytes = bytes;
        state.events.push_back(event);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
        Ok(())
    }

    /// Shows everything that waits. What is called must not lock.
    pub(crate) fn each(&self, show: impl FnMut(&Event)) {
        self.lock().events.iter().for_each(show);
    }

    /// Orders the session to end; the first reason counts.
    pub(crate) fn end(&self, reason: Close) {
        let mut state = self.lock();
        state.ending.get_or_insert(reason);
        state.gap |= matches!(reason, Close::TooSlow | Close::Reset);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Why the session is to end, if it is.
    pub(crate) fn ending(&self) -> Option<Close> {
        self.lock().ending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked did so between whole changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    /// Waits for the order to end, or for the next event if one is wanted. Safe to drop and call again.
    pub async fn next(&mut self, wanted: bool) -> Next {
        poll_fn(|context| {
            let mut state = self.0.lock();
            if let Some(reason) = state.ending {
                return Poll::Ready(Next::End(reason));
            }
            if wanted && let Some(event) = state.take() {
                return Poll::Ready(Next::Event(event));
            }
            match &mut state.waiting {
                Some(waker) => waker.clone_from(context.waker()),
                waiting => *waiting = Some(context.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for the order to end. Safe to drop and call again.
    pub async fn ended(&mut self) -> Close {
        loop {
            if let Next::End(reason) = self.next(false).await {
                return reason;
            }
        }
    }

    /// Whether [`Events::next`] has something at once.
    pub fn is_due(&self, wanted: bool) -> bool {
        let state = self.0.lock();
        state.ending.is_some() || wanted && !state.events.is_empty()
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
        if let Some(event) = &event {
            self.bytes -= event.memory();
        }
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

    use waxwing_xmpp::ns;
    use waxwing_xmpp::stanza::{MessageType, Outgoing, Stanza};
    use waxwing_xmpp::xml::Element;

    use super::*;
    use crate::event::Delivery;

    fn is_pending(next: impl Future<Output = Next>) -> bool {
        pin!(next).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    fn event() -> Event {
        Event::Unblocked(Arc::default())
    }

    #[tokio::test]
    async fn whoever_waits_is_woken() {
        let (queue, mut events) = Queue::new();
        assert!(is_pending(events.next(true)));
        let taken = tokio::spawn(async move {
            assert!(matches!(events.next(true).await, Next::Event(_)));
            assert!(matches!(events.next(true).await, Next::Event(_)));
        });
        queue.push(event()).expect("there is room");
        tokio::task::yield_now().await;
        queue.push(event()).expect("there is room");
        taken.await.expect("both were taken");
        assert_eq!(queue.push(event()), Err(Refused::Closed));
    }

    #[tokio::test]
    async fn the_order_to_end_overtakes_what_waits() {
        let (queue, mut events) = Queue::new();
        queue.push(event()).expect("there is room");
        assert!(is_pending(events.next(false)), "no event is wanted");
        queue.end(Close::Replaced);
        queue.end(Close::TooSlow);
        assert_eq!(events.ended().await, Close::Replaced, "the first reason counts");
        assert!(matches!(events.next(true).await, Next::End(Close::Replaced)));
        assert_eq!(events.len(), 1, "what waits can still be looked at");
    }

    /// Large stanzas fill a queue long before their number does; one that is larger than all of it still passes.
    #[test]
    fn bytes_are_bounded_too() {
        let large = |bytes: usize| {
            let body = Element::new(ns::CLIENT, "body").with_text(&"x".repeat(bytes));
            let message = Stanza::message(MessageType::Chat).with_child(body);
            Event::Stanza(Delivery { stanza: Arc::new(Outgoing::new(message)), archived: None })
        };
        let (queue, mut events) = Queue::new();
        let mut taken = 0;
        while queue.push(large(256 << 10)).is_ok() {
            taken += 1;
        }
        assert!((16..=32).contains(&taken), "{taken} of 256 KiB in memory twice");
        while events.try_recv().is_some() {}
        assert_eq!(queue.lock().bytes, 0);
        let (queue, _events) = Queue::new();
        queue.push(large(QUEUE_BYTES_LIMIT)).expect("nothing else waits");
        assert_eq!(queue.push(large(1)), Err(Refused::Full));
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
    }

    /// What was refused is in the archive; were something newer handed out, the account's mark would pass it.
    #[test]
    fn nothing_passes_what_was_refused() {
        let (queue, mut events) = Queue::new();
        while queue.push(event()).is_ok() {}
        events.try_recv().expect("what was taken before is handed out");
        assert_eq!(queue.push(event()), Err(Refused::Full));
        for reason in [Close::TooSlow, Close::Reset] {
            let (queue, _events) = Queue::new();
            queue.end(reason);
            assert_eq!(queue.push(event()), Err(Refused::Full));
        }
    }
}
