//! A bound stream from the domain's side: the session, what is on its way to and from the client, and what is counted.
//! It moves from connection to connection when the stream is resumed.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use waxwing_chat::Chat;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::event::{Close, Event};
use waxwing_chat::queue::Events;
use waxwing_chat::receipt::Receipt;
use waxwing_chat::session::Session;
use waxwing_xmpp::sm;
use waxwing_xmpp::stanza::{Header, Outgoing, Stanza};

use super::features::csi::Held;
use super::receive;
use super::suspended::{Claim, Registration};

/// How many bytes of stanzas may wait for a client's acknowledgement before its stream is given up. Their number is bounded
/// by `unacknowledged_limit`, but a thousand large ones are more than one client may hold.
const UNACKNOWLEDGED_BYTES_LIMIT: usize = 32 << 20;

/// A stanza on its way to the client.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) stanza: Arc<Outgoing>,
    /// Its place in the account's archive, if it has one.
    pub(crate) archived: Option<ArchiveId>,
}

impl From<Stanza> for Sent {
    fn from(stanza: Stanza) -> Self {
        Self { stanza: Arc::new(Outgoing::new(stanza)), archived: None }
    }
}

/// A message of the client that is on its way into the store.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// The message without its content, to answer with an error.
    pub(crate) header: Header,
    pub(crate) receipt: Receipt,
    /// The task is woken if the message cannot be kept.
    pub(crate) watched: bool,
}

/// A stanza that tells the client that one of its own was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// The number it was sent with.
    pub(crate) number: u32,
    /// How many stanzas of the client had been handled before the one that was refused.
    pub(crate) handled: u32,
}

/// Stream management of a session (XEP-0198).
#[derive(Debug)]
pub(crate) struct Management {
    pub(crate) counts: sm::Session<Sent>,
    /// Bytes of what waits for the client's acknowledgement.
    pub(crate) bytes: usize,
    /// The refusals among that.
    pub(crate) refusals: Vec<Refusal>,
    /// Present while the stream may be resumed.
    pub(crate) registration: Option<Registration>,
    /// How long it may be resumed after its connection was lost.
    pub(crate) patience: Duration,
}

/// A session with all that belongs to its stream but not to its connection.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) session: Arc<Session>,
    pub(crate) events: Events,
    pub(crate) management: Option<Management>,
    pub(crate) in_flight: VecDeque<InFlight>,
    /// What client state indication holds back (XEP-0352).
    pub(crate) held: Held,
    /// Messages that waited are being replayed; the queue is left alone meanwhile.
    pub(crate) replaying: bool,
    /// The client asked for an acknowledgement and gets it when nothing is in flight any more.
    pub(crate) acknowledgement_owed: bool,
    /// The newest archived message that was counted as sent.
    pub(crate) newest: Option<ArchiveId>,
    /// The newest archived message that was confirmed while a replay was still due.
    confirmed_early: Option<ArchiveId>,
    /// Something could not be counted as sent: the stream is over, and cannot be resumed.
    pub(crate) has_overflowed: bool,
    /// The newest archived message among what was written but not yet flushed, without stream management.
    written: Option<ArchiveId>,
}

impl Live {
    pub(crate) fn new(session: Arc<Session>, events: Events) -> Self {
        Self {
            session,
            events,
            management: None,
            in_flight: VecDeque::new(),
            held: Held::default(),
            replaying: false,
            acknowledgement_owed: false,
            newest: None,
            confirmed_early: None,
            written: None,
            has_overflowed: false,
        }
    }

    /// Counts a stanza as sent: it waits for the client's acknowledgement, or for the next flush. A client that leaves
    /// too much unacknowledged loses its session; what is archived waits for its next one.
    pub(crate) fn count(&mut self, sent: Sent) {
        let archived = sent.archived;
        match &mut self.management {
            Some(management) => {
                management.bytes += sent.stanza.memory();
                let full = management.bytes > UNACKNOWLEDGED_BYTES_LIMIT;
                self.has_overflowed |= management.counts.push(sent).is_err();
                if self.has_overflowed || full {
                    self.session.close(Close::TooSlow);
                }
            }
            None => self.written = self.written.max(archived),
        }
        if !self.has_overflowed {
            self.newest = self.newest.max(archived);
        }
    }

    /// The bytes written so far are with the system; without stream management that is all that can be known.
    pub(crate) fn flushed(&mut self, chat: &Chat) {
        if let Some(id) = self.written.take() {
            chat.delivered(&self.session, id);
        }
    }

    /// The client has confirmed these stanzas.
    pub(crate) fn confirmed(&mut self, chat: &Chat, stanzas: &[Sent]) {
        if let Some(management) = &mut self.management {
            let bytes: usize = stanzas.iter().map(|sent| sent.stanza.memory()).sum();
            management.bytes = management.bytes.saturating_sub(bytes);
            let acked = management.counts.acked();
            management.refusals.retain(|refusal| is_after(refusal.number, acked));
        }
        if let Some(id) = stanzas.iter().rev().find_map(|sent| sent.archived) {
            chat.delivered(&self.session, id);
            if self.replaying {
                self.confirmed_early = self.confirmed_early.max(Some(id));
            }
        }
    }

    /// Everything that waited has been handed over: what came out of turn before counts now.
    pub(crate) fn replayed(&mut self, chat: &Chat) {
        self.replaying = false;
        if let Some(id) = self.confirmed_early.take() {
            chat.delivered(&self.session, id);
        }
    }

    /// One more stanza of the client has been dealt with.
    pub(crate) fn handled(&mut self) {
        if let Some(management) = &mut self.management {
            management.counts.count_handled();
        }
    }

    /// What is counted as sent next tells the client that the stanza it is about to have counted was refused.
    pub(crate) fn refusing(&mut self) {
        if let Some(Management { counts, refusals, .. }) = &mut self.management {
            refusals.push(Refusal { number: counts.sent().wrapping_add(1), handled: counts.handled() });
        }
    }

    /// A client that resumes has not seen these refusals. Were its count to include what was refused, it would take that
    /// for safe, and rightly so, if the stream broke once more before the refusal came. So the count goes back to before the
    /// first of them: the client sends that again and what it sent after it, of which the store makes no second copy.
    pub(crate) fn take_back_refused(&mut self) {
        let Some(Management { counts, bytes, refusals, .. }) = &mut self.management else { return };
        let Some(first) = refusals.first() else { return };
        counts.take_back(first.handled, |number| refusals.iter().any(|refusal| refusal.number == number));
        *bytes = counts.unacknowledged().map(|sent| sent.stanza.memory()).sum();
        refusals.clear();
    }

    /// A message in flight is safe, or refused, while no connection is there to say so. Either way it counts as dealt with:
    /// left out, it would shift the count, and a later message that is safe would stand for it.
    pub(crate) fn conclude(&mut self, header: &Header, outcome: waxwing_chat::Result<()>) {
        if let Err(error) = outcome {
            tracing::warn!(%error, "a message could not be stored");
            for refusal in receive::refusal(header, &error) {
                self.refusing();
                self.count(refusal.into());
            }
        }
        self.handled();
    }

    /// Whether the stream survives its connection.
    pub(crate) fn is_resumable(&self) -> bool {
        self.management.as_ref().is_some_and(|m| m.registration.is_some())
    }

    /// Whether the client has acknowledged so little that what waits had better go on waiting.
    pub(crate) fn is_behind(&self, unacknowledged_limit: usize) -> bool {
        self.management.as_ref().is_some_and(|management| {
            management.counts.unacknowledged().len() >= unacknowledged_limit / 2
                || management.bytes >= UNACKNOWLEDGED_BYTES_LIMIT / 2
        })
    }

    /// The oldest archived message that the client did not confirm; the session must be over.
    pub(crate) fn oldest_unconfirmed(&mut self) -> Option<ArchiveId> {
        let counted =
            self.management.as_ref().and_then(|m| m.counts.unacknowledged().find_map(|sent| sent.archived));
        let mut queued = None;
        while let Some(event) = self.events.try_recv() {
            if let Event::Stanza(delivery) = event {
                queued = queued.or(delivery.archived);
            }
        }
        let held = self.held.oldest_archived();
        [counted, held, queued, self.written].into_iter().flatten().min()
    }
}

/// Whether a number was given out later than another; numbers go round (XEP-0198 section 4).
fn is_after(number: u32, other: u32) -> bool {
    number != other && number.wrapping_sub(other) < u32::MAX / 2
}

/// Waits until the oldest message in flight is safe or refused. Safe to drop and call again; never resolves when nothing
/// is in flight. Without `hurry`, what is safe is seen when the task has something else to do, and only what is refused
/// wakes it.
pub(crate) async fn settled(
    in_flight: &mut VecDeque<InFlight>,
    hurry: bool,
) -> (Header, waxwing_chat::Result<()>) {
    let outcome = poll_fn(|context| {
        if !hurry {
            for message in in_flight.iter_mut().filter(|message| !message.watched) {
                message.receipt.watch(context.waker());
                message.watched = true;
            }
        }
        match in_flight.front_mut() {
            Some(oldest) if hurry => Pin::new(&mut oldest.receipt).poll(context),
            Some(oldest) => oldest.receipt.outcome().map_or(Poll::Pending, Poll::Ready),
            None => Poll::Pending,
        }
    })
    .await;
    match in_flight.pop_front() {
        Some(oldest) => (oldest.header, outcome),
        None => std::future::pending().await,
    }
}

/// Waits for a connection that resumes this stream; never resolves if it cannot be resumed.
pub(crate) async fn claimed(management: &Option<Management>) -> Claim {
    match management.as_ref().and_then(|m| m.registration.as_ref()) {
        Some(registration) => registration.claimed().await,
        None => std::future::pending().await,
    }
}
