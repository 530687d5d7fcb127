//! The order in which a node deals with what any node has committed: batch by batch, by their numbers, without a gap.
//!
//! ```text
//!   own batch committed ── turn ──▶ waits ──▶ its callbacks run ── over ──┐
//!                                     ▲                                   ▼
//!   batch of another node arrives ──▶ its place in the order ──▶ delivered, and the next
//!                                     ▲
//!   missing for a moment ── read from the log ─┘
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::Cluster;
use super::frame::{BatchMessage, Content};
use crate::nodes::{Batch, FRAME_BYTES_LIMIT, Turns};
use crate::store::StoreError;

/// How long a batch is waited for that should have come by the bus, before it is read from the log.
pub const GAP_PATIENCE: Duration = Duration::from_millis(20);

/// The longest time between two reads of the log while a batch is missing.
const GAP_PATIENCE_LIMIT: Duration = Duration::from_secs(1);

/// How many batches are read from the log at once.
const GAP_PAGE: usize = 64;

/// How many batches of other nodes may wait for those before them; more are read from the log when it is their turn.
pub const ARRIVED_LIMIT: usize = 4096;

/// A batch of another node that waits for its place.
pub(super) enum Arrived {
    /// As the bus brought it.
    Sent(Vec<BatchMessage>),
    /// As the log has it.
    Read(Batch),
}

#[derive(Default)]
struct State {
    /// Everything up to here has been dealt with.
    dealt: u64,
    /// The newest that is known to be there.
    newest: u64,
    arrived: BTreeMap<u64, Arrived>,
    own: BTreeMap<u64, oneshot::Sender<()>>,
    /// The callbacks of an own batch run now, or another's is being delivered.
    busy: bool,
    /// The node takes part.
    begun: bool,
    ended: bool,
}

/// How far this node is.
#[derive(Default)]
pub(crate) struct Order {
    state: Mutex<State>,
    /// Something came for whoever deals with batches.
    work: Notify,
    /// Something was dealt with.
    progress: Notify,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Order").field("dealt", &self.dealt()).finish_non_exhaustive()
    }
}

enum Step {
    Grant(oneshot::Sender<()>),
    Deliver(u64, Arrived),
    Missing(u64),
    Idle,
    End,
}

impl Order {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything up to here has been dealt with.
    pub(crate) fn dealt(&self) -> u64 {
        self.lock().dealt
    }

    /// What a frame that leaves now has to stay behind: a batch that is being dealt with may have led to it.
    pub(super) fn behind(&self) -> u64 {
        let state = self.lock();
        state.dealt + u64::from(state.busy)
    }

    /// The cluster has been left.
    pub(super) fn is_over(&self) -> bool {
        self.lock().ended
    }

    /// The newest batch that is known to be there.
    pub(crate) fn newest(&self) -> u64 {
        self.lock().newest
    }

    /// Begins behind what had been committed before this node took part.
    pub(super) fn begin(&self, dealt: u64) {
        let mut state = self.lock();
        (state.dealt, state.newest, state.begun) = (dealt, dealt, true);
    }

    /// There is a batch of this number.
    pub(super) fn note(&self, number: u64) {
        let mut state = self.lock();
        if number > state.newest {
            state.newest = number;
            drop(state);
            self.work.notify_one();
        }
    }

    pub(super) fn arrived(&self, number: u64, batch: Arrived) {
        let mut state = self.lock();
        if number <= state.dealt {
            return;
        }
        state.newest = state.newest.max(number);
        let full = state.arrived.len() >= ARRIVED_LIMIT && number > state.dealt + 1;
        let read = matches!(state.arrived.get(&number), Some(Arrived::Read(_)));
        if !full && !read {
            state.arrived.insert(number, batch);
        }
        drop(state);
        self.work.notify_one();
    }

    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        // Whoever waits for a turn gets none any more, and goes on.
        state.own.clear();
        drop(state);
        self.work.notify_one();
        self.progress.notify_waiters();
    }

    /// Returns once everything up to a batch has been dealt with.
    pub(crate) async fn reached(&self, number: u64) {
        loop {
            let progress = self.progress.notified();
            tokio::pin!(progress);
            progress.as_mut().enable();
            {
                let state = self.lock();
                if state.dealt >= number || state.ended {
                    return;
                }
            }
            self.note(number);
            progress.await;
        }
    }

    fn step(&self) -> Step {
        let mut state = self.lock();
        if state.ended {
            return Step::End;
        }
        if state.busy {
            return Step::Idle;
        }
        let next = state.dealt + 1;
        if let Some(turn) = state.own.remove(&next) {
            state.busy = true;
            return Step::Grant(turn);
        }
        if let Some(batch) = state.arrived.remove(&next) {
            state.busy = true;
            return Step::Deliver(next, batch);
        }
        if state.newest >= next { Step::Missing(next) } else { Step::Idle }
    }

    fn done(&self, number: u64) {
        let mut state = self.lock();
        if number != state.dealt + 1 {
            // It had no turn of its own: the node takes part in nothing yet, or has skipped it.
            return;
        }
        state.busy = false;
        state.dealt = number;
        state.newest = state.newest.max(number);
        let waiting = state.newest > number || !state.own.is_empty();
        drop(state);
        self.progress.notify_waiters();
        if waiting {
            self.work.notify_one();
        }
    }

    /// Takes the turn of an own batch at once if everything before it has been dealt with.
    fn take(&self, number: u64) -> Option<oneshot::Receiver<()>> {
        let mut state = self.lock();
        if state.ended || !state.begun || number <= state.dealt {
            return None;
        }
        state.newest = state.newest.max(number);
        if !state.busy && state.dealt + 1 == number {
            state.busy = true;
            return None;
        }
        let (turn, granted) = oneshot::channel();
        state.own.insert(number, turn);
        drop(state);
        self.work.notify_one();
        Some(granted)
    }
}

#[async_trait]
impl Turns for Cluster {
    async fn turn(&self, batch: &Batch) {
        self.tell_batch(batch);
        if let Some(granted) = self.order.take(batch.number) {
            // Nobody is left to grant it when the cluster has ended.
            drop(granted.await);
        }
    }

    fn over(&self, number: u64) {
        self.order.done(number);
    }
}

impl Cluster {
    /// Tells the others of an own batch: those who have somebody whom a message concerns get the message, the others know
    /// that it is there.
    fn tell_batch(&self, batch: &Batch) {
        let others = self.bus.others();
        for node in others.iter() {
            let bit = self.directory.bit(*node);
            let mut bytes = 0;
            let messages: Vec<BatchMessage> = batch
                .messages
                .iter()
                .map(|message| {
                    let wanted =
                        message.copies.iter().any(|copy| self.directory.slots_of(copy.owner) & bit != 0);
                    bytes += message.xml.len();
                    BatchMessage {
                        id: message.id,
                        owners: message.copies.iter().map(|copy| (copy.owner, copy.direction)).collect(),
                        // What is too large for a frame is read from the log.
                        xml: (wanted && bytes < FRAME_BYTES_LIMIT / 2).then(|| message.xml.clone()),
                    }
                })
                .collect();
            self.send(*node, &Content::Batch { number: batch.number, messages });
        }
    }

    /// Deals with the batches of other nodes, and grants own ones their turns, until the cluster is left.
    pub(super) async fn deal(self: Arc<Self>) {
        let mut patience = GAP_PATIENCE;
        let mut gap: Option<(u64, Instant)> = None;
        loop {
            match self.order.step() {
                Step::End => return,
                Step::Grant(turn) => {
                    patience = GAP_PATIENCE;
                    let _ = turn.send(());
                }
                Step::Deliver(number, batch) => {
                    patience = GAP_PATIENCE;
                    self.deliver_batch(number, batch).await;
                    self.order.done(number);
                }
                Step::Missing(next) => {
                    // From when it was missed first: what comes behind it, however often, does not put that off.
                    let until = match gap {
                        Some((missing, until)) if missing == next => until,
                        _ => Instant::now() + patience,
                    };
                    gap = Some((next, until));
                    if Instant::now() >= until || timeout_at(until, self.order.work.notified()).await.is_err()
                    {
                        self.fill(next).await;
                        patience = (patience * 2).min(GAP_PATIENCE_LIMIT);
                        gap = Some((next, Instant::now() + patience));
                    }
                }
                Step::Idle => self.order.work.notified().await,
            }
        }
    }

    /// Reads what did not come by the bus.
    async fn fill(&self, next: u64) {
        let Some(log) = self.log() else { return };
        match log.batches(next - 1, GAP_PAGE).await {
            Ok(batches) => {
                for batch in batches {
                    // An own one waits for its turn, which the store asks for.
                    if batch.node == self.bus.node() {
                        self.order.note(batch.number);
                    } else {
                        self.order.arrived(batch.number, Arrived::Read(batch));
                    }
                }
            }
            Err(StoreError::NotFound) => self.skip().await,
            Err(error) => tracing::warn!(%error, batch = next, "the log of other nodes could not be read"),
        }
    }

    /// The log does not reach back to where this node is: it goes on from now, and its clients come anew and read the archive.
    async fn skip(&self) {
        let Some(log) = self.log() else { return };
        let Ok(newest) = log.newest_batch().await else { return };
        tracing::warn!(
            batch = newest,
            "this node was away for longer than the log is kept; its sessions end"
        );
        // Before any own batch gets its turn: what is newer than what is skipped is handed to nobody.
        if let Some(chat) = self.chat() {
            chat.sessions.close_all(crate::event::Close::Reset);
        }
        {
            let mut state = self.order.lock();
            state.busy = false;
            state.dealt = state.dealt.max(newest);
            state.newest = state.newest.max(newest);
            let behind = state.arrived.split_off(&(newest + 1));
            state.arrived = behind;
            // Own ones in between are as good as dealt with by the others.
            let later = state.own.split_off(&(newest + 1));
            let own = std::mem::replace(&mut state.own, later);
            drop(state);
            for turn in own.into_values() {
                let _ = turn.send(());
            }
        }
        self.order.progress.notify_waiters();
        self.order.work.notify_one();
    }
}
