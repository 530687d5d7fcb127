//! Tunnels between two nodes: one has a client's connection, the other the stream on it. What they carry keeps its order and is
//! bounded by a window each way; where anything of it may be lost, the tunnel breaks.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::frame::Content;
use super::wire::{Malformed, Read, Reader, Writer};
use super::{Cluster, lock};
use crate::nodes::NodeId;

/// Bytes that one end sends before the other has taken them, each way and for each tunnel: what a client that reads nothing, or
/// a node that is slow, makes others keep.
pub const TUNNEL_WINDOW: usize = 256 << 10;

/// Bytes of the largest piece, which is one frame.
pub const TUNNEL_PIECE: usize = 32 << 10;

/// What a piece counts for beside its bytes, so that small ones do not take more memory than the window says.
const PIECE_COST: usize = 128;

/// How much has been taken when the other end is told so.
const TOLD_AT: usize = TUNNEL_WINDOW / 2;

/// The end of a tunnel was lost, or something that went through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection to the other node broke")]
pub struct Broken;

impl From<Broken> for std::io::Error {
    fn from(broken: Broken) -> Self {
        Self::new(std::io::ErrorKind::ConnectionReset, broken)
    }
}

/// What came out of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passed {
    /// Some bytes.
    Piece {
        /// At least one, unless a whole message is empty.
        octets: Bytes,
        /// Nothing of what they are part of comes behind them: an element, or a message of a WebSocket.
        whole: bool,
    },
    /// The other end has closed in order; nothing follows.
    Closed {
        /// Because its node stops.
        goes_away: bool,
    },
}

/// One frame's share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Piece {
        octets: Bytes,
        whole: bool,
    },
    /// So much has been taken.
    Taken(u64),
    Closed {
        goes_away: bool,
    },
    Broken,
}

/// Which of its ends something goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// Where the client's connection is.
    Client,
    /// Where its stream is.
    Stream,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Stream,
            Self::Stream => Self::Client,
        }
    }
}

impl Part {
    pub(super) fn write(&self, out: &mut Writer) {
        match self {
            Self::Piece { octets, whole } => {
                out.byte(0);
                out.octets(octets);
                out.flag(*whole);
            }
            Self::Taken(count) => {
                out.byte(1);
                out.number(*count);
            }
            Self::Closed { goes_away } => {
                out.byte(2);
                out.flag(*goes_away);
            }
            Self::Broken => out.byte(3),
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Read<Self> {
        Ok(match from.byte()? {
            0 => Self::Piece { octets: Bytes::copy_from_slice(from.octets()?), whole: from.flag()? },
            1 => Self::Taken(from.number()?),
            2 => Self::Closed { goes_away: from.flag()? },
            3 => Self::Broken,
            _ => return Err(Malformed),
        })
    }

    fn cost(octets: &[u8]) -> usize {
        octets.len() + PIECE_COST
    }
}

/// The other node, which end is here, and the number that the client's node gave it.
type Key = (NodeId, Side, u64);

/// The ends that are here.
#[derive(Debug, Default)]
pub(crate) struct Tunnels {
    next: AtomicU64,
    open: Mutex<HashMap<Key, Arc<End>>>,
}

#[derive(Debug, Default)]
struct End(Mutex<State>);

#[derive(Debug)]
struct State {
    arrived: VecDeque<(Bytes, bool)>,
    /// What that counts for.
    waiting: usize,
    /// What has been taken since the other end was told.
    taken: usize,
    /// What may be sent.
    room: usize,
    over: Option<Over>,
    /// The one task that has the end.
    task: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Closed { goes_away: bool },
    Broken,
}

impl Default for State {
    fn default() -> Self {
        Self { arrived: VecDeque::new(), waiting: 0, taken: 0, room: TUNNEL_WINDOW, over: None, task: None }
    }
}

impl State {
    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        match &mut self.task {
            Some(waker) => waker.clone_from(context.waker()),
            task => *task = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

impl End {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let task = state.task.take();
        drop(state);
        if let Some(waker) = task {
            waker.wake();
        }
    }

    /// What comes behind the end is not heard. Says whether it was the end.
    fn end(&self, over: Over) -> bool {
        let mut first = false;
        self.change(|state| {
            first = state.over.is_none();
            state.over.get_or_insert(over);
        });
        first
    }
}

impl Tunnels {
    fn find(&self, key: &Key) -> Option<Arc<End>> {
        lock(&self.open).get(key).cloned()
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        lock(&self.open).len()
    }
}

/// One end of a tunnel, for one task. Dropped without having been closed, it breaks.
#[derive(Debug)]
pub struct Tunnel {
    cluster: Arc<Cluster>,
    key: Key,
    end: Arc<End>,
}

impl Tunnel {
    /// The node of the other end.
    pub fn node(&self) -> NodeId {
        self.key.0
    }

    /// The number that the client's node gave it.
    pub(super) fn number(&self) -> u64 {
        self.key.2
    }

    fn tell(&self, part: Part) -> bool {
        let (node, side, number) = self.key;
        self.cluster.send(node, &Content::Tunnel { to: side.other(), number, part })
    }

    /// The next that the other end sent. Safe to drop and call again.
    pub async fn receive(&self) -> Result<Passed, Broken> {
        let passed = poll_fn(|context| {
            let mut state = self.end.lock();
            if let Some((octets, whole)) = state.arrived.pop_front() {
                let cost = Part::cost(&octets);
                state.waiting -= cost;
                state.taken += cost;
                let told = (state.taken >= TOLD_AT).then(|| std::mem::take(&mut state.taken));
                return Poll::Ready(Ok((Passed::Piece { octets, whole }, told)));
            }
            match state.over {
                Some(Over::Closed { goes_away }) => Poll::Ready(Ok((Passed::Closed { goes_away }, None))),
                Some(Over::Broken) => Poll::Ready(Err(Broken)),
                None => state.wait(context),
            }
        });
        let (passed, told) = passed.await?;
        if let Some(told) = told {
            self.tell(Part::Taken(told as u64));
        }
        Ok(passed)
    }

    /// Waits until there is room for a piece. Safe to drop and call again.
    pub async fn ready(&self) -> Result<(), Broken> {
        poll_fn(|context| {
            let mut state = self.end.lock();
            match state.over {
                Some(_) => Poll::Ready(Err(Broken)),
                None if state.room >= TUNNEL_PIECE + PIECE_COST => Poll::Ready(Ok(())),
                None => state.wait(context),
            }
        })
        .await
    }

    /// Sends the first piece of these, for which there must be room, and says how many bytes it had.
    pub fn put(&self, octets: &[u8]) -> Result<usize, Broken> {
        let length = octets.len().min(TUNNEL_PIECE);
        let piece = &octets[..length];
        {
            let mut state = self.end.lock();
            if state.over.is_some() {
                return Err(Broken);
            }
            state.room = state.room.saturating_sub(Part::cost(piece));
        }
        let whole = length == octets.len();
        if !self.tell(Part::Piece { octets: Bytes::copy_from_slice(piece), whole }) {
            self.end.end(Over::Broken);
            return Err(Broken);
        }
        Ok(length)
    }

    /// Sends all of these, which end something whole, as soon as there is room.
    pub async fn send(&self, mut octets: &[u8]) -> Result<(), Broken> {
        loop {
            self.ready().await?;
            octets = &octets[self.put(octets)?..];
            if octets.is_empty() {
                return Ok(());
            }
        }
    }

    /// Waits until it breaks. Safe to drop and call again.
    pub async fn broken(&self) {
        poll_fn(|context| {
            let mut state = self.end.lock();
            match state.over {
                Some(Over::Broken) => Poll::Ready(()),
                _ => state.wait(context),
            }
        })
        .await
    }

    /// Tells the other end that nothing follows.
    pub fn close(&self, goes_away: bool) {
        if self.end.end(Over::Closed { goes_away }) {
            self.tell(Part::Closed { goes_away });
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let mut open = lock(&self.cluster.tunnels.open);
        if open.get(&self.key).is_some_and(|end| Arc::ptr_eq(end, &self.end)) {
            open.remove(&self.key);
        }
        drop(open);
        if self.end.end(Over::Broken) {
            self.tell(Part::Broken);
        }
    }
}

impl Cluster {
    /// How many tunnels end here.
    pub fn tunnels(&self) -> usize {
        self.tunnels.count()
    }

    /// The client's end of a new tunnel to another node.
    pub(super) fn open_tunnel(self: &Arc<Self>, node: NodeId) -> Tunnel {
        let number = self.tunnels.next.fetch_add(1, Ordering::Relaxed);
        self.tunnel((node, Side::Client, number))
    }

    /// The stream's end of a tunnel that another node has opened.
    pub(super) fn answer_tunnel(self: &Arc<Self>, node: NodeId, number: u64) -> Tunnel {
        self.tunnel((node, Side::Stream, number))
    }

    fn tunnel(self: &Arc<Self>, key: Key) -> Tunnel {
        let end = Arc::<End>::default();
        if let Some(former) = lock(&self.tunnels.open).insert(key, Arc::clone(&end)) {
            former.end(Over::Broken);
        }
        Tunnel { cluster: Arc::clone(self), key, end }
    }

    /// Says that a tunnel was taken, which whoever has given it up meanwhile answers.
    pub(super) fn greet(&self, node: NodeId, number: u64) {
        self.send(node, &Content::Tunnel { to: Side::Client, number, part: Part::Taken(0) });
    }

    /// Something has come through a tunnel.
    pub(super) fn passed(&self, node: NodeId, side: Side, number: u64, part: Part) {
        let Some(end) = self.tunnels.find(&(node, side, number)) else {
            if !matches!(part, Part::Closed { .. } | Part::Broken) {
                self.send(node, &Content::Tunnel { to: side.other(), number, part: Part::Broken });
            }
            return;
        };
        match part {
            Part::Piece { octets, whole } => {
                let mut fits = true;
                end.change(|state| {
                    let waiting = state.waiting + Part::cost(&octets);
                    fits = waiting <= TUNNEL_WINDOW;
                    if fits && state.over.is_none() {
                        state.waiting = waiting;
                        state.arrived.push_back((octets, whole));
                    }
                });
                if !fits {
                    tracing::error!(%node, "another node sends more than it may");
                    self.break_tunnel(node, side, number, &end);
                }
            }
            Part::Taken(count) => end.change(|state| {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                state.room = state.room.saturating_add(count).min(TUNNEL_WINDOW);
            }),
            Part::Closed { goes_away } => {
                end.end(Over::Closed { goes_away });
            }
            Part::Broken => {
                end.end(Over::Broken);
            }
        }
    }

    fn break_tunnel(&self, node: NodeId, side: Side, number: u64, end: &End) {
        if end.end(Over::Broken) {
            self.send(node, &Content::Tunnel { to: side.other(), number, part: Part::Broken });
        }
    }

    /// A node is gone, or something that it sent: nobody knows what went through.
    pub(super) fn break_tunnels(&self, with: NodeId) {
        self.break_those(|node| node == with);
    }

    /// The bus is closed.
    pub(super) fn break_all_tunnels(&self) {
        self.break_those(|_| true);
    }

    fn break_those(&self, which: impl Fn(NodeId) -> bool) {
        let found: Vec<(Key, Arc<End>)> = {
            let open = lock(&self.tunnels.open);
            let found = open.iter().filter(|((node, ..), _)| which(*node));
            found.map(|(key, end)| (*key, Arc::clone(end))).collect()
        };
        for ((node, side, number), end) in found {
            self.break_tunnel(node, side, number, &end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Nodes, quiet};
    use super::*;

    /// Both ends of a tunnel between the first two nodes: where the client is, and where the stream is.
    fn tunnel(nodes: &Nodes) -> (Tunnel, Tunnel) {
        let client = nodes.cluster(1).open_tunnel(NodeId(1));
        let stream = nodes.cluster(0).answer_tunnel(NodeId(2), client.number());
        (client, stream)
    }

    fn piece(text: &str, whole: bool) -> Passed {
        Passed::Piece { octets: Bytes::copy_from_slice(text.as_bytes()), whole }
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_in_comes_out_in_order_and_the_end_behind_it() {
        let nodes = Nodes::of(2, &[]).await;
        let (client, stream) = tunnel(&nodes);
        client.send(b"one").await.unwrap();
        client.send(b"").await.unwrap();
        stream.send(b"back").await.unwrap();
        let long = "x".repeat(TUNNEL_PIECE + 1);
        client.send(long.as_bytes()).await.unwrap();
        client.close(true);
        assert_eq!(stream.receive().await, Ok(piece("one", true)));
        assert_eq!(stream.receive().await, Ok(piece("", true)));
        assert_eq!(stream.receive().await, Ok(piece(&long[1..], false)));
        assert_eq!(stream.receive().await, Ok(piece("x", true)));
        assert_eq!(stream.receive().await, Ok(Passed::Closed { goes_away: true }));
        assert_eq!(stream.send(b"late").await, Err(Broken));
        drop((client, stream));
        assert_eq!((nodes.cluster(0).tunnels(), nodes.cluster(1).tunnels()), (0, 0));
    }

    /// Who sends more than is taken waits; large or small, what waits at the other end is no more than the window.
    #[tokio::test(start_paused = true)]
    async fn a_window_bounds_what_waits() {
        let nodes = Nodes::of(2, &[]).await;
        for size in [TUNNEL_PIECE, 1] {
            let (client, stream) = tunnel(&nodes);
            let octets = vec![b'x'; size];
            let mut sent = 0;
            while tokio::time::timeout(std::time::Duration::from_secs(5), stream.send(&octets)).await.is_ok()
            {
                sent += 1;
            }
            let waiting = client.end.lock().waiting;
            assert!(waiting <= TUNNEL_WINDOW && waiting > TUNNEL_WINDOW / 2, "{waiting} bytes");
            assert_eq!(sent * (size + PIECE_COST), waiting);
            let reading = async {
                for _ in 0..10 * sent {
                    client.receive().await.unwrap();
                }
            };
            let writing = async {
                for _ in 0..9 * sent {
                    stream.send(&octets).await.unwrap();
                }
            };
            tokio::join!(reading, writing);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_more_than_the_window_is_cut_off() {
        let nodes = Nodes::of(2, &[]).await;
        let (client, stream) = tunnel(&nodes);
        let octets = vec![b'x'; TUNNEL_PIECE];
        for _ in 0..20 {
            stream.end.lock().room = TUNNEL_WINDOW;
            if stream.put(&octets).is_err() {
                break;
            }
            quiet().await;
        }
        stream.broken().await;
        client.broken().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_breaks_a_tunnel_at_both_ends_and_no_other() {
        let nodes = Nodes::of(3, &[]).await;
        let (client, stream) = tunnel(&nodes);
        let other = nodes.cluster(1).open_tunnel(NodeId(3));
        let far = nodes.cluster(2).answer_tunnel(NodeId(2), other.number());
        nodes.hub.cut(NodeId(2), NodeId(1));
        client.send(b"lost").await.unwrap();
        nodes.hub.heal(NodeId(2), NodeId(1));
        client.send(b"behind").await.unwrap();
        assert_eq!(stream.receive().await, Err(Broken));
        assert_eq!(client.receive().await, Err(Broken));
        other.send(b"here").await.unwrap();
        assert_eq!(far.receive().await, Ok(piece("here", true)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_is_gone_breaks_its_tunnels() {
        let nodes = Nodes::of(2, &[]).await;
        let (client, stream) = tunnel(&nodes);
        client.send(b"before").await.unwrap();
        nodes.hub.kill(NodeId(2));
        assert_eq!(stream.receive().await, Ok(piece("before", true)));
        assert_eq!(stream.receive().await, Err(Broken));
        assert_eq!(stream.send(b"x").await, Err(Broken));
    }

    /// Who has given up before the other took it is heard to have done so.
    #[tokio::test(start_paused = true)]
    async fn an_end_that_nobody_has_any_more_breaks_the_other() {
        let nodes = Nodes::of(2, &[]).await;
        let client = nodes.cluster(1).open_tunnel(NodeId(1));
        let number = client.number();
        drop(client);
        quiet().await;
        let stream = nodes.cluster(0).answer_tunnel(NodeId(2), number);
        nodes.cluster(0).greet(NodeId(2), number);
        stream.broken().await;
    }
}
