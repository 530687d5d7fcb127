//! Several nodes that work as one: what a `Chat` that has joined a bus tells the others, and what it does when they tell it
//! something.
//!
//! Invariants:
//! 1. The store judges. Whatever the bus loses is read from the store, or asked for once more; nobody believes the bus.
//! 2. What was committed is dealt with in one order on all nodes (`order`). A frame says how far its sender was, and the receiver
//!    acts on it when it is as far: so what one client does keeps its order, on whatever way it comes.
//! 3. Each node speaks for its own sessions, and for nobody else's: presence comes from the node that has the session.
//! 4. The directory is a hint. A session is told of before its presence is sent, and its presence goes to all nodes before it
//!    asks for that of others: so no two who come at the same time miss each other.

mod asking;
mod directory;
mod frame;
mod homes;
mod life;
mod lines;
mod order;
mod receiving;
#[cfg(test)]
mod room_tests;
pub(crate) mod rooms;
#[cfg(test)]
mod simulation;
mod telling;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Stanza;

pub use asking::{ANSWER_TIMEOUT, ListedSession};
pub(crate) use asking::{Answer, Question};
pub use directory::NODES_LIMIT;
pub(crate) use directory::{Directory, Gone};
pub(crate) use frame::{Cached, Content, Frame, Handing, Presence};
pub(crate) use homes::Arrivals;
pub use homes::HOME_TIMEOUT;
pub use life::MEMBER;
pub use lines::LINE_LIMIT;
pub use order::{ARRIVED_LIMIT, GAP_PATIENCE};
pub use rooms::Away;
pub use telling::PAIR_TIMEOUT;

use crate::account::AccountId;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::nodes::{Bus, BusEvent, FRAME_BYTES_LIMIT, Leases, Log, NodeId};
use crate::session::Session;
use order::Order;

/// For how long a node says that it is alive, in milliseconds.
pub const LIFE_MS: u64 = 10_000;

/// How often it says so, and tells the others how far the log is.
pub const TICK: Duration = Duration::from_secs(1);

/// How many frames of one node may wait until this one is as far in the log as their sender was.
pub const LANE_LIMIT: usize = 65_536;

/// How many nodes that are gone are remembered.
const PARTED_LIMIT: usize = 1024;

/// Bytes of sessions in one frame of a snapshot.
const SNAPSHOT_BYTES: usize = FRAME_BYTES_LIMIT / 2;

/// What waits in its order to be acted on.
#[derive(Debug)]
enum Item {
    Frame(Box<Frame>),
    /// Sessions of the node are gone, and nobody else says so.
    Gone(Vec<Gone>),
    /// Its sessions are known anew since: what else was lost is made up for.
    Missed,
}

/// By which name this node holds leases, and until when they are certain.
#[derive(Debug, Clone, Copy)]
struct Life {
    name: NodeId,
    until: Instant,
}

/// The face whose streams can be resumed at another node.
#[async_trait]
pub trait Streams: Send + Sync + 'static {
    /// Ends the stream with this resumption id, if this account has it here, and gives it in the form in which it is kept
    /// over a restart.
    async fn give(&self, id: &str, account: &Jid) -> Option<Vec<u8>>;
}

struct Parts {
    chat: Weak<Chat>,
    leases: Arc<dyn Leases>,
    log: Arc<dyn Log>,
}

/// This node's place among the others.
pub struct Cluster {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) directory: Directory,
    pub(crate) order: Order,
    asked: asking::Asked,
    parts: OnceLock<Parts>,
    lanes: Mutex<HashMap<NodeId, mpsc::Sender<Item>>>,
    /// Held while the others are told of a session, so that the last that they hear of it is how it is.
    announcing: Mutex<()>,
    /// The accounts that have sessions here, and how many.
    locals: Mutex<HashMap<AccountId, (Jid, usize)>>,
    /// The numbers of sessions in a snapshot that has not ended yet.
    snapshots: Mutex<HashMap<NodeId, HashSet<u64>>>,
    /// The newest version of each roster that its owner's sessions here were told.
    rosters: Mutex<HashMap<Jid, u64>>,
    life: Mutex<Option<Life>>,
    /// The names by which other nodes hold leases.
    lives: Mutex<HashMap<NodeId, NodeId>>,
    /// Nodes for which something could not be sent.
    owed: Mutex<BTreeSet<NodeId>>,
    /// Nodes that were told gone: whichever of them joins once more was cut off, and has missed things as this one has.
    parted: Mutex<BTreeSet<NodeId>>,
    /// Nodes of which something was lost, and when their sessions were asked for: it is made up for once they are known anew.
    stale: Mutex<HashMap<NodeId, Instant>>,
    /// A session has been taken out.
    went: Notify,
    homes: Mutex<homes::Homes>,
    lines: Mutex<lines::Lines>,
    refused: AtomicU64,
    left: Notify,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("node", &self.bus.node()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is kept under these is whole between two calls.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cluster {
    /// A node that is going to take part. The store is given it as its `Turns`; `Chat::join` begins.
    pub fn new(bus: Arc<dyn Bus>) -> Arc<Self> {
        Arc::new(Self {
            bus,
            directory: Directory::default(),
            order: Order::default(),
            asked: asking::Asked::default(),
            parts: OnceLock::new(),
            lanes: Mutex::default(),
            announcing: Mutex::default(),
            locals: Mutex::default(),
            snapshots: Mutex::default(),
            rosters: Mutex::default(),
            life: Mutex::default(),
            lives: Mutex::default(),
            owed: Mutex::default(),
            parted: Mutex::default(),
            stale: Mutex::default(),
            went: Notify::new(),
            homes: Mutex::default(),
            lines: Mutex::default(),
            refused: AtomicU64::new(0),
            left: Notify::new(),
        })
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.bus.node()
    }

    /// The others that are there.
    pub fn others(&self) -> Arc<[NodeId]> {
        self.bus.others()
    }

    /// How many sessions other nodes have told of.
    pub fn sessions_elsewhere(&self) -> usize {
        self.directory.count()
    }

    /// The batch up to which this node has dealt with what all have committed, and the newest that it knows of.
    pub fn progress(&self) -> (u64, u64) {
        (self.order.dealt(), self.order.newest())
    }

    /// How many frames could not be read.
    pub fn frames_refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether this node may act on the leases that it holds.
    pub fn is_alive(&self) -> bool {
        lock(&self.life).is_some_and(|life| life.until > Instant::now())
    }

    fn chat(&self) -> Option<Arc<Chat>> {
        self.parts.get()?.chat.upgrade()
    }

    fn log(&self) -> Option<&Arc<dyn Log>> {
        self.parts.get().map(|parts| &parts.log)
    }

    /// The leases, and the name by which this node holds some; `None` when its life is over.
    pub(crate) fn leases(&self) -> Option<(&Arc<dyn Leases>, NodeId)> {
        let life = (*lock(&self.life)).filter(|life| life.until > Instant::now())?;
        self.parts.get().map(|parts| (&parts.leases, life.name))
    }

    /// The node that holds leases by this name.
    pub(crate) fn holder(&self, name: NodeId) -> Option<NodeId> {
        if (*lock(&self.life)).is_some_and(|life| life.name == name) {
            return Some(self.bus.node());
        }
        lock(&self.lives).get(&name).copied()
    }

    /// Sends something to another node. Says whether it is on its way.
    pub(crate) fn send(&self, node: NodeId, content: &Content) -> bool {
        match self.bus.send(node, content.encode(self.order.behind())) {
            Ok(()) => true,
            Err(crate::nodes::BusError::Gone) => false,
            Err(error) => {
                tracing::warn!(%error, %node, "something could not be sent to another node");
                lock(&self.owed).insert(node);
                false
            }
        }
    }

    /// Sends something to all other nodes.
    pub(crate) fn broadcast(&self, content: &Content) {
        if let Err(error) = self.bus.broadcast(content.encode(self.order.behind())) {
            tracing::warn!(%error, "something could not be sent to the other nodes");
            lock(&self.owed).extend(self.bus.others().iter());
        }
    }

    /// The account's address, if it has a session here.
    fn local(&self, account: AccountId) -> Option<Jid> {
        lock(&self.locals).get(&account).map(|(jid, _)| jid.clone())
    }

    /// A session of this node, as the others are told of it.
    fn presence_of(session: &Session) -> Presence {
        Presence {
            session: session.id.0,
            account: session.account,
            jid: session.jid.clone(),
            priority: session.priority(),
            presence: session.presence().map(|presence| {
                let shown = presence.stanza().clone();
                Stanza { from: None, to: None, id: None, ..shown }
            }),
            since_ms: session.info().since_ms,
        }
    }

    /// A session has been bound here.
    pub(crate) fn came(&self, session: &Session) {
        {
            let mut locals = lock(&self.locals);
            locals.entry(session.account).or_insert_with(|| (session.bare.clone(), 0)).1 += 1;
        }
        self.changed(session);
    }

    /// A session of this node is otherwise than before.
    pub(crate) fn changed(&self, session: &Session) {
        let _held = lock(&self.announcing);
        self.broadcast(&Content::Present(Self::presence_of(session)));
    }

    /// A session of this node has been taken out, and whoever saw it has been told.
    pub(crate) fn went(&self, session: &Session) {
        {
            let mut locals = lock(&self.locals);
            if let Some((jid, count)) = locals.get_mut(&session.account) {
                *count -= 1;
                if *count == 0 {
                    lock(&self.rosters).remove(jid);
                    locals.remove(&session.account);
                }
            }
        }
        let held = lock(&self.announcing);
        self.broadcast(&Content::Absent { session: session.id.0, jid: session.jid.clone() });
        drop(held);
        session.note_left();
        self.went.notify_waiters();
    }

    /// Tells another node by which name this one holds leases, and all of its sessions.
    fn send_snapshot(&self, to: NodeId) {
        let Some(chat) = self.chat() else { return };
        if let Some(life) = *lock(&self.life) {
            self.send(to, &Content::Hello(life.name));
        }
        let _held = lock(&self.announcing);
        let mut sessions = Vec::new();
        let (mut first, mut bytes) = (true, 0);
        for session in chat.sessions.all() {
            let one = Self::presence_of(&session);
            bytes += one.size();
            sessions.push(one);
            if bytes > SNAPSHOT_BYTES {
                let sessions = std::mem::take(&mut sessions);
                self.send(to, &Content::Snapshot { first, last: false, sessions });
                (first, bytes) = (false, 0);
            }
        }
        self.send(to, &Content::Snapshot { first, last: true, sessions });
    }

    /// Listens to the bus until it is closed.
    async fn listen(self: Arc<Self>) {
        while let Some(event) = self.bus.next().await {
            match event {
                BusEvent::Joined(node) => self.joined(node),
                BusEvent::Gone(node) => self.node_gone(node),
                BusEvent::Frame(node, octets) => match Frame::decode(&octets) {
                    Ok(Some(frame)) => self.take(node, frame),
                    Ok(None) => {}
                    Err(error) => {
                        self.refused.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(%error, %node, "a frame is refused");
                    }
                },
                BusEvent::Missed(node) => self.missed(node),
                BusEvent::Cut => tracing::warn!("the other nodes cannot be reached"),
                BusEvent::Healed => {
                    tracing::info!("the other nodes can be reached again");
                    self.look_for_newest().await;
                }
            }
        }
        self.order.end();
        self.left.notify_waiters();
        lock(&self.lanes).clear();
    }

    fn joined(self: &Arc<Self>, node: NodeId) {
        if !self.directory.join(node) {
            tracing::error!(%node, limit = NODES_LIMIT, "there are too many nodes");
        }
        let (lane, waiting) = mpsc::channel(LANE_LIMIT);
        lock(&self.lanes).insert(node, lane);
        tokio::spawn(Arc::clone(self).run_lane(node, waiting));
        if lock(&self.parted).remove(&node) {
            lock(&self.stale).insert(node, Instant::now());
        }
        self.send_snapshot(node);
    }

    fn node_gone(self: &Arc<Self>, node: NodeId) {
        let gone = self.directory.sweep(node, |_| false, true);
        lock(&self.snapshots).remove(&node);
        lock(&self.lives).retain(|_, holder| *holder != node);
        lock(&self.owed).remove(&node);
        lock(&self.stale).remove(&node);
        let mut parted = lock(&self.parted);
        parted.insert(node);
        if parted.len() > PARTED_LIMIT {
            parted.pop_first();
        }
        drop(parted);
        self.asked.gone(node);
        // What it sent before it went is acted on first.
        self.put(node, Item::Gone(gone));
        lock(&self.lanes).remove(&node);
        self.room_homes_gone(node);
        // What it committed last may have come to nobody.
        let cluster = Arc::clone(self);
        tokio::spawn(async move { cluster.look_for_newest().await });
    }

    fn missed(&self, node: NodeId) {
        tracing::warn!(%node, "frames of another node were lost");
        self.asked.gone(node);
        lock(&self.stale).insert(node, Instant::now());
        self.send(node, &Content::SnapshotWanted);
    }

    /// Asks the log how far it is.
    async fn look_for_newest(&self) {
        if let Some(log) = self.log()
            && let Ok(newest) = log.newest_batch().await
        {
            self.order.note(newest);
        }
    }

    fn put(&self, node: NodeId, item: Item) {
        let lane = lock(&self.lanes).get(&node).cloned();
        if let Some(lane) = lane
            && lane.try_send(item).is_err()
        {
            tracing::error!(%node, "too much of another node waits; its frames are dropped");
            lock(&self.owed).insert(node);
        }
    }

    /// Takes what needs no order at once, and has the rest wait for its turn.
    fn take(&self, node: NodeId, frame: Frame) {
        match frame.content {
            Content::Batch { number, messages } => {
                self.order.arrived(number, order::Arrived::Sent(messages));
            }
            Content::Newest(number) => self.order.note(number),
            Content::Answer { id, answer } => self.asked.answered(node, id, answer),
            Content::Hello(name) => {
                let mut lives = lock(&self.lives);
                lives.retain(|_, holder| *holder != node);
                lives.insert(name, node);
            }
            Content::SnapshotWanted => self.send_snapshot(node),
            Content::Lost => self.missed(node),
            Content::Snapshot { first, last, sessions } => self.snapshot(node, first, last, &sessions),
            Content::Present(presence) => self.present(node, &presence),
            Content::Absent { session, jid } => {
                self.directory.remove(node, session, &jid);
            }
            _ => self.put(node, Item::Frame(Box::new(frame))),
        }
    }

    fn snapshot(&self, node: NodeId, first: bool, last: bool, sessions: &[Presence]) {
        let mut snapshots = lock(&self.snapshots);
        if first {
            snapshots.insert(node, HashSet::new());
        }
        let Some(there) = snapshots.get_mut(&node) else { return };
        there.extend(sessions.iter().map(|one| one.session));
        let there = if last { snapshots.remove(&node) } else { None };
        drop(snapshots);
        for one in sessions {
            self.present(node, one);
        }
        if let Some(there) = there {
            let gone = self.directory.sweep(node, |session| there.contains(&session), false);
            if !gone.is_empty() {
                self.put(node, Item::Gone(gone));
            }
            if lock(&self.stale).remove(&node).is_some() {
                self.put(node, Item::Missed);
            }
        }
    }

    /// Another node has a session. Of two that hold one address the older gives way.
    fn present(&self, node: NodeId, presence: &Presence) {
        if let Some(there) = lock(&self.snapshots).get_mut(&node) {
            there.insert(presence.session);
        }
        self.directory.put(node, presence);
        let Some(chat) = self.chat() else { return };
        if let Some(session) = chat.sessions.find(&presence.jid) {
            let own = (session.info().since_ms, self.bus.node());
            if own < (presence.since_ms, node) {
                session.close(crate::event::Close::Replaced);
            }
        }
    }

    /// Acts on what one node sent, in its order, each when this node is as far in the log as the sender was.
    async fn run_lane(self: Arc<Self>, node: NodeId, mut waiting: mpsc::Receiver<Item>) {
        while let Some(item) = waiting.recv().await {
            let Some(chat) = self.chat() else { return };
            match item {
                Item::Frame(frame) => {
                    self.order.reached(frame.behind).await;
                    self.act(&chat, node, frame.content).await;
                }
                Item::Gone(gone) => self.show_gone(&chat, &gone).await,
                Item::Missed => self.catch_up(&chat, node).await,
            }
        }
    }

    /// Renews the node's life, tells how far the log is, and makes up for what could not be sent.
    async fn tick(self: Arc<Self>) {
        let mut told = 0;
        loop {
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                () = self.left.notified() => return,
            }
            if self.order.is_over() {
                return;
            }
            self.renew().await;
            let dealt = self.order.dealt();
            if dealt != told {
                self.broadcast(&Content::Newest(dealt));
                told = dealt;
            }
            self.ask_again();
            let owed: Vec<NodeId> = std::mem::take(&mut *lock(&self.owed)).into_iter().collect();
            for node in owed {
                // It asks for what it needs, and so does this node.
                self.send(node, &Content::Lost);
                self.missed(node);
            }
        }
    }

    /// Asks those nodes once more for their sessions who have not told them: the question may have been lost, or the answer.
    fn ask_again(&self) {
        let now = Instant::now();
        let mut again = Vec::new();
        for (node, asked_at) in lock(&self.stale).iter_mut() {
            if now >= *asked_at + ANSWER_TIMEOUT {
                *asked_at = now;
                again.push(*node);
            }
        }
        for node in again {
            self.send(node, &Content::SnapshotWanted);
        }
    }
}

impl Chat {
    /// Takes part in a cluster from here on, within the runtime and before anybody is served. The store has the cluster as its
    /// `Turns` already.
    pub async fn join(
        self: &Arc<Self>,
        cluster: &Arc<Cluster>,
        leases: Arc<dyn Leases>,
        log: Arc<dyn Log>,
    ) -> Result<()> {
        let newest = log.newest_batch().await?;
        let parts = Parts { chat: Arc::downgrade(self), leases, log };
        cluster.parts.set(parts).map_err(|_| Error::Conflict)?;
        self.cluster.set(Arc::clone(cluster)).map_err(|_| Error::Conflict)?;
        cluster.order.begin(newest);
        cluster.renew().await;
        tokio::spawn(Arc::clone(cluster).listen());
        tokio::spawn(Arc::clone(cluster).deal());
        tokio::spawn(Arc::clone(cluster).tick());
        Ok(())
    }

    /// The cluster that this node takes part in, if it does.
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.get()
    }

    /// Leaves the cluster: what this node held is free, and the others are told that it goes.
    pub async fn leave_cluster(&self) {
        let Some(cluster) = self.cluster() else { return };
        cluster.give_up_homes().await;
        let life = lock(&cluster.life).take();
        if let (Some(parts), Some(life)) = (cluster.parts.get(), life)
            && let Err(error) = parts.leases.forget(life.name).await
        {
            tracing::warn!(%error, "what this node held is free only when its life is over");
        }
        cluster.bus.close().await;
    }

    /// Whether a full address is that of a session of another node.
    pub(crate) fn is_elsewhere(&self, jid: &Jid) -> bool {
        self.cluster().is_some_and(|cluster| cluster.directory.find(jid).is_some())
    }
}
