//! A `Bus` in memory, for tests: nodes of one process, and what can happen between them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::nodes::{Bus, BusError, BusEvent, FRAME_BYTES_LIMIT, NodeId};

/// Says how long the next frame is on its way.
pub type Pace = Box<dyn FnMut() -> Duration + Send>;

type Line = mpsc::UnboundedSender<(Instant, BusEvent)>;

/// What connects the nodes.
#[derive(Default)]
pub struct Hub(Mutex<State>);

#[derive(Default)]
struct State {
    nodes: BTreeMap<NodeId, mpsc::UnboundedSender<BusEvent>>,
    lines: HashMap<(NodeId, NodeId), Line>,
    /// Nothing gets through from the first to the second.
    cut: BTreeSet<(NodeId, NodeId)>,
    /// Something was lost from the first to the second.
    lost: BTreeSet<(NodeId, NodeId)>,
    pace: Option<Pace>,
    frames: u64,
    bytes: u64,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hub")
    }
}

/// One node's bus.
#[derive(Debug)]
pub struct MemoryBus {
    node: NodeId,
    hub: Arc<Hub>,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<BusEvent>>,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on frames take their time, and keep their order on each way.
    pub fn set_pace(&self, pace: Pace) {
        self.lock().pace = Some(pace);
    }

    /// Adds a node, within the runtime. It and the others are told of each other.
    pub fn node(self: &Arc<Self>, node: NodeId) -> Arc<MemoryBus> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.lock();
        for (other, events) in &state.nodes {
            drop(events.send(BusEvent::Joined(node)));
            drop(sender.send(BusEvent::Joined(*other)));
        }
        state.nodes.insert(node, sender);
        drop(state);
        Arc::new(MemoryBus { node, hub: Arc::clone(self), events: tokio::sync::Mutex::new(receiver) })
    }

    /// A node is gone from one moment to the next: the others are told.
    pub fn kill(&self, node: NodeId) {
        let mut state = self.lock();
        state.nodes.remove(&node);
        let others: Vec<NodeId> = state.nodes.keys().copied().collect();
        for other in others {
            // Behind what is on its way from it.
            state.pass(node, other, BusEvent::Gone(node));
        }
        state.lines.retain(|(from, to), _| *from != node && *to != node);
    }

    /// Nothing gets through from one node to another, and neither learns of that.
    pub fn cut(&self, from: NodeId, to: NodeId) {
        self.lock().cut.insert((from, to));
    }

    /// What is sent from now on gets through; that something was lost is told.
    pub fn heal(&self, from: NodeId, to: NodeId) {
        let mut state = self.lock();
        state.cut.remove(&(from, to));
        if state.lost.remove(&(from, to)) {
            state.pass(from, to, BusEvent::Missed(from));
        }
    }

    /// How many frames have been sent, and how many bytes.
    pub fn traffic(&self) -> (u64, u64) {
        let state = self.lock();
        (state.frames, state.bytes)
    }
}

impl State {
    fn carry(&mut self, from: NodeId, to: NodeId, frame: Bytes) -> Result<(), BusError> {
        if frame.len() > FRAME_BYTES_LIMIT {
            return Err(BusError::TooLarge);
        }
        if !self.nodes.contains_key(&to) || !self.nodes.contains_key(&from) {
            return Err(BusError::Gone);
        }
        self.frames += 1;
        self.bytes += frame.len() as u64;
        if self.cut.contains(&(from, to)) {
            self.lost.insert((from, to));
            return Ok(());
        }
        self.pass(from, to, BusEvent::Frame(from, frame));
        Ok(())
    }

    fn pass(&mut self, from: NodeId, to: NodeId, event: BusEvent) {
        let Some(events) = self.nodes.get(&to) else { return };
        let Some(pace) = &mut self.pace else {
            drop(events.send(event));
            return;
        };
        let due = Instant::now() + pace();
        let events = events.clone();
        let line = self.lines.entry((from, to)).or_insert_with(|| {
            let (line, mut waiting) = mpsc::unbounded_channel::<(Instant, BusEvent)>();
            tokio::spawn(async move {
                while let Some((due, event)) = waiting.recv().await {
                    tokio::time::sleep_until(due).await;
                    drop(events.send(event));
                }
            });
            line
        });
        drop(line.send((due, event)));
    }
}

#[async_trait]
impl Bus for MemoryBus {
    fn node(&self) -> NodeId {
        self.node
    }

    fn others(&self) -> Arc<[NodeId]> {
        self.hub.lock().nodes.keys().copied().filter(|node| *node != self.node).collect()
    }

    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), BusError> {
        self.hub.lock().carry(self.node, to, frame)
    }

    fn broadcast(&self, frame: Bytes) -> Result<(), BusError> {
        let mut state = self.hub.lock();
        let others: Vec<NodeId> = state.nodes.keys().copied().filter(|node| *node != self.node).collect();
        others.into_iter().try_for_each(|other| state.carry(self.node, other, frame.clone()))
    }

    async fn next(&self) -> Option<BusEvent> {
        self.events.lock().await.recv().await
    }

    async fn close(&self) {
        self.hub.kill(self.node);
    }
}
