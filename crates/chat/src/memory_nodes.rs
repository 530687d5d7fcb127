//! Several nodes over one `Store` in memory, for tests: the log of what they commit, leases, and callbacks that wait for their
//! turn.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::archive::{Append, Committed, Fence};
use crate::disk::Disk;
use crate::memory_store::MemoryStore;
use crate::nodes::{Batch, CommittedCopy, CommittedMessage, Held, Leases, Log, NodeId, Turns};
use crate::store::{OnCommit, StoreError, StoreResult};

/// How many batches are kept.
const LOG_LIMIT: usize = 100_000;

/// What the nodes over one store share.
#[derive(Debug, Default)]
pub struct SharedLog(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    batches: BTreeMap<u64, Batch>,
    newest: u64,
    /// Until when each node is alive.
    alive: HashMap<NodeId, Instant>,
    leases: HashMap<String, Held>,
    epoch: u64,
}

/// A node's own side of a store that it shares.
#[derive(Debug)]
pub(crate) struct OwnSide {
    node: NodeId,
    log: Arc<SharedLog>,
    waiting: mpsc::UnboundedSender<(Batch, Box<dyn FnOnce() + Send>)>,
}

impl SharedLog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody still holds something as a write says; whether he is alive does not matter before another takes it.
    pub(crate) fn is_held(&self, fence: &Fence) -> bool {
        self.lock().leases.get(&fence.what) == Some(&fence.held)
    }

    /// Ends a node's life before its time: others may take what it holds, and it learns that when it renews itself.
    pub fn end_life(&self, node: NodeId) {
        self.lock().alive.insert(node, Instant::now());
    }

    /// Forgets all batches up to a number, as a log does that is not kept for ever.
    pub fn forget(&self, up_to: u64) {
        let mut state = self.lock();
        state.batches = state.batches.split_off(&(up_to + 1));
    }
}

impl OwnSide {
    /// Writes a batch down and has its callback wait for the turn. Called with the store's tables locked, so that numbers
    /// have the order of commits.
    pub(crate) fn commit(&self, messages: Vec<CommittedMessage>, callback: Box<dyn FnOnce() + Send>) {
        let mut state = self.log.lock();
        state.newest += 1;
        let batch = Batch { number: state.newest, node: self.node, messages };
        state.batches.insert(batch.number, batch.clone());
        if state.batches.len() > LOG_LIMIT {
            state.batches.pop_first();
        }
        // Nobody runs the callbacks of a node that is gone.
        drop(self.waiting.send((batch, callback)));
    }
}

/// The message as the log tells it.
pub(crate) fn committed(message: &Append, outcome: Committed) -> Vec<CommittedMessage> {
    let Committed::New(id) = outcome else { return Vec::new() };
    let copies = message.copies.iter().filter(|copy| copy.kept || copy.waits).map(|copy| CommittedCopy {
        owner: copy.owner,
        peer: copy.peer.clone(),
        direction: copy.direction,
        waits: copy.waits,
    });
    let copies: Vec<_> = copies.collect();
    if copies.is_empty() {
        return Vec::new();
    }
    vec![CommittedMessage { id, copies, xml: Bytes::from(message.xml.clone()) }]
}

impl MemoryStore {
    /// The same tables under another side.
    fn shared(&self, side: OwnSide) -> Self {
        let (tables, disk) = (Arc::clone(&self.tables), Disk::default());
        Self { tables, disk, side: Some(side), dead: AtomicBool::new(false) }
    }

    /// The node that has this side of the store is gone: nothing it asks for is done any more.
    pub fn die(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// The same store as another node sees it, within the runtime. Its callbacks run once `turns` lets them.
    pub fn for_node(&self, node: NodeId, log: &Arc<SharedLog>, turns: Arc<dyn Turns>) -> Self {
        let (waiting, mut committed) = mpsc::unbounded_channel::<(Batch, Box<dyn FnOnce() + Send>)>();
        tokio::spawn(async move {
            while let Some((batch, callback)) = committed.recv().await {
                turns.turn(&batch).await;
                callback();
                turns.over(batch.number);
            }
        });
        self.shared(OwnSide { node, log: Arc::clone(log), waiting })
    }

    /// Refuses what is written under a lease that is another's by now. Called with the store's tables locked.
    pub(crate) fn must_hold(&self, fence: Option<&Fence>) -> StoreResult<()> {
        match (&self.side, fence) {
            (Some(side), Some(fence)) if !side.log.is_held(fence) => Err(StoreError::Fenced),
            _ => Ok(()),
        }
    }

    /// Writes a message of a node of several.
    pub(crate) fn write_as_node(&self, side: &OwnSide, message: Append, done: OnCommit) {
        match self.tables() {
            Ok(mut tables) => {
                if let Err(fenced) = self.must_hold(message.fence.as_ref()) {
                    drop(tables);
                    return done(Err(fenced));
                }
                let copy = message.clone();
                let outcome = tables.commit(message);
                side.commit(committed(&copy, outcome), Box::new(move || done(Ok(outcome))));
            }
            Err(error) => done(Err(error)),
        }
    }
}

#[async_trait]
impl Log for SharedLog {
    async fn newest_batch(&self) -> StoreResult<u64> {
        Ok(self.lock().newest)
    }

    async fn batches(&self, behind: u64, limit: usize) -> StoreResult<Vec<Batch>> {
        let state = self.lock();
        if behind < state.newest && !state.batches.contains_key(&(behind + 1)) {
            return Err(StoreError::NotFound);
        }
        Ok(state.batches.range(behind + 1..).take(limit).map(|(_, batch)| batch.clone()).collect())
    }
}

impl State {
    fn is_alive(&self, node: NodeId) -> bool {
        self.alive.get(&node).is_some_and(|until| *until > Instant::now())
    }
}

#[async_trait]
impl Leases for SharedLog {
    async fn renew(&self, node: NodeId, for_ms: u64) -> StoreResult<()> {
        let mut state = self.lock();
        if state.alive.contains_key(&node) && !state.is_alive(node) {
            return Err(StoreError::NotFound);
        }
        state.alive.insert(node, Instant::now() + std::time::Duration::from_millis(for_ms));
        Ok(())
    }

    async fn hold(&self, what: &str, node: NodeId) -> StoreResult<Held> {
        let mut state = self.lock();
        if let Some(held) = state.leases.get(what)
            && state.is_alive(held.node)
        {
            return Ok(*held);
        }
        if !state.is_alive(node) {
            return Err(StoreError::NotFound);
        }
        state.epoch += 1;
        let held = Held { node, epoch: state.epoch };
        state.leases.insert(what.to_owned(), held);
        Ok(held)
    }

    async fn holder(&self, what: &str) -> StoreResult<Option<Held>> {
        let state = self.lock();
        Ok(state.leases.get(what).copied().filter(|held| state.is_alive(held.node)))
    }

    async fn release(&self, what: &str, held: Held) -> StoreResult<()> {
        let mut state = self.lock();
        if state.leases.get(what) == Some(&held) {
            state.leases.remove(what);
        }
        Ok(())
    }

    async fn forget(&self, node: NodeId) -> StoreResult<()> {
        let mut state = self.lock();
        state.leases.retain(|_, held| held.node != node);
        state.alive.remove(&node);
        Ok(())
    }
}
