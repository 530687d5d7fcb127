//! The ports of an installation of several nodes: the bus that carries what moves, the leases that say who may act, and
//! the order in which all nodes deal with what any of them has committed.
//!
//! The store is where things are safe, and the only judge of order. A bus may lose, delay and be cut; whatever it fails to
//! bring is read from the store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use crate::archive::{ArchiveId, Direction};
use crate::store::StoreResult;

/// Bytes of the largest frame that a bus carries: below the limit of a message that servers of NATS have by default.
pub const FRAME_BYTES_LIMIT: usize = 960 << 10;

/// A node, for as long as its process runs: a process that is started again is another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

impl std::fmt::Display for NodeId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why a frame was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// No such node is known, or it has been found gone.
    #[error("the node is gone")]
    Gone,
    /// The queue of what is to leave is full.
    #[error("the bus takes no more at the moment")]
    Full,
    /// The frame is larger than `FRAME_BYTES_LIMIT`.
    #[error("the frame is too large")]
    TooLarge,
}

/// What a bus tells its node, in this order and one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BusEvent {
    /// Another node is there from now on: it comes before the first frame from it.
    Joined(NodeId),
    /// Another node is gone: it was missed for longer than the bus waits, or nobody listens in its place any more, or it said
    /// so. Nothing comes from it behind this, unless it joins once more.
    Gone(NodeId),
    /// A frame. Frames from one node arrive in the order in which it sent them, each at most once.
    Frame(NodeId, Bytes),
    /// Frames from this node have been lost: what stands before this has arrived, and something between that and what comes
    /// next has not.
    Missed(NodeId),
    /// The bus itself cannot be reached. Nodes are not told gone for it.
    Cut,
    /// The bus can be reached again; what was lost meanwhile is told by `Missed` and `Gone`.
    Healed,
}

/// Carries frames between nodes.
#[async_trait]
pub trait Bus: Send + Sync + 'static {
    /// This node.
    fn node(&self) -> NodeId;
    /// The others that are there, in order.
    fn others(&self) -> Arc<[NodeId]>;
    /// Queues a frame for another node. Never waits. A frame that was taken may still be lost with the bus or the node.
    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), BusError>;
    /// Queues a frame for every other node, in its place among those of `send`. Never waits.
    fn broadcast(&self, frame: Bytes) -> Result<(), BusError>;
    /// The next thing that happened; `None` once the bus is closed. One task alone asks.
    async fn next(&self) -> Option<BusEvent>;
    /// Sends what is queued, tells the others that this node goes, and closes the bus.
    async fn close(&self);
}

/// What a node is the only one to do for a while: to be the home of a room, to run a duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Held {
    /// By whom.
    pub node: NodeId,
    /// Rises whenever it changes hands. Writes that name it are refused once another holds it.
    pub epoch: u64,
}

/// Who may act, decided by the store in its own time. A node is alive for as long as it renews itself; whatever a node
/// holds is free once that node is not alive.
#[async_trait]
pub trait Leases: Send + Sync + 'static {
    /// Says that a node is alive for so many milliseconds from now on. The node counts them from before it asked, by a clock that
    /// is not set, and does nothing that it holds a lease for once they are over. `NotFound` when the node has been found
    /// dead meanwhile: it has lost all that it held, and has to begin anew as another.
    async fn renew(&self, node: NodeId, for_ms: u64) -> StoreResult<()>;
    /// Takes something that nobody alive holds, or says who does.
    async fn hold(&self, what: &str, node: NodeId) -> StoreResult<Held>;
    /// Who holds something, if somebody alive does.
    async fn holder(&self, what: &str) -> StoreResult<Option<Held>>;
    /// Gives something back before the node's life is over. Nothing happens if another holds it.
    async fn release(&self, what: &str, held: Held) -> StoreResult<()>;
    /// Gives back everything that a node holds, and forgets the node.
    async fn forget(&self, node: NodeId) -> StoreResult<()>;
}

/// One owner's copy of a message that has been committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedCopy {
    /// Whose archive.
    pub owner: AccountId,
    /// The other party's address.
    pub peer: Jid,
    /// Which way it went.
    pub direction: Direction,
    /// It waits for its owner if he is not there.
    pub waits: bool,
}

/// A message that has been committed, as the store's log tells it to those nodes that have not taken it themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedMessage {
    /// Its id, the same for every owner.
    pub id: ArchiveId,
    /// Whose it is.
    pub copies: Vec<CommittedCopy>,
    /// The stanza in canonical form.
    pub xml: Bytes,
}

/// The messages of one transaction. The batches of all nodes are numbered without a gap, in the order of their commits, and
/// the ids in one are all below those in the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub number: u64,
    /// Who committed it.
    pub node: NodeId,
    /// Its messages, in order; empty when it only removed or changed something.
    pub messages: Vec<CommittedMessage>,
}

/// The log of a store that several nodes write to.
#[async_trait]
pub trait Log: Send + Sync + 'static {
    /// The number of the newest batch.
    async fn newest_batch(&self) -> StoreResult<u64>;
    /// Batches behind a number in order, at most `limit` of them and whole. `NotFound` when they are not kept any more, which they are
    /// for ten minutes.
    async fn batches(&self, behind: u64, limit: usize) -> StoreResult<Vec<Batch>>;
    /// Tells the store that what other nodes have committed is known here up to this id, so that `StateStore::position` covers it.
    fn dealt_with(&self, _up_to: ArchiveId) {}
}

/// Where a store of several nodes waits before it runs the callbacks of a batch, so that everybody's messages are delivered
/// in one order.
#[async_trait]
pub trait Turns: Send + Sync + 'static {
    /// A batch of this node has been committed: tells the others, and returns once everything that was committed before it has been
    /// dealt with here. The store then runs the batch's callbacks, says that its turn is over, and asks for the next one.
    async fn turn(&self, batch: &Batch);
    /// The callbacks of the batch that had its turn have run: what was committed behind it may be dealt with.
    fn over(&self, number: u64);
}
