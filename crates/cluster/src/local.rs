//! The bus within one process: several nodes on one network, with faults that a seed decides.
//!
//! For tests and simulations. On tokio's paused clock and one thread, the same seed makes the same run. What is between nodes
//! here is what NATS would be: it carries packets in order from each to each, and nothing that was not asked of it is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Duration, Instant, sleep_until};
use waxwing_chat::nodes::{Bus, BusError, BusEvent, NodeId};

use crate::counters::Counters;
use crate::packet::Packet;
use crate::peer::Neighbour;
use crate::port::Port;
use crate::settings::Settings;

/// Bytes taken from a node's queue at once.
const BATCH_BYTES: usize = 256 << 10;
/// Packets that wait for a node that is frozen; as with servers of NATS, what is behind them is lost.
const STATION_LIMIT: usize = 65_536;

/// What goes wrong between any two nodes.
#[derive(Debug, Clone)]
pub struct Faults {
    /// How long a packet is on its way, in microseconds.
    pub delay_us: RangeInclusive<u64>,
    /// How many of a million packets are lost.
    pub lost: u32,
    /// How many of a million packets come twice.
    pub repeated: u32,
    /// How many of a million packets may be overtaken.
    pub overtaken: u32,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults { delay_us: 0..=0, lost: 0, repeated: 0, overtaken: 0 }
    }
}

/// A network of nodes within the process.
#[derive(Clone)]
pub struct Network(Arc<Inner>);

struct Inner {
    settings: Settings,
    state: Mutex<State>,
}

struct State {
    random: Random,
    faults: Faults,
    stations: BTreeMap<NodeId, Station>,
    /// Ways that carry nothing.
    cut: BTreeSet<(NodeId, NodeId)>,
    /// When the last packet of each way arrives.
    last: BTreeMap<(NodeId, NodeId), Instant>,
    /// Packets carried so far: breaks ties between arrivals.
    carried: u64,
}

struct Station {
    port: Arc<Port>,
    coming: BTreeMap<(Instant, u64), Packet>,
    wake: Arc<Notify>,
    driver: Option<AbortHandle>,
    frozen: bool,
    silent: bool,
    off: bool,
}

/// What a node finds when it looks.
enum Due {
    Frozen,
    Arrived { packets: Vec<Packet>, reached: bool },
}

impl Network {
    /// A network without faults. The seed decides the nodes' ids, what they draw, and which packets suffer.
    pub fn new(seed: u64) -> Network {
        Network::with_settings(seed, Settings::default())
    }

    /// The same with times and bounds of one's own.
    pub fn with_settings(seed: u64, settings: Settings) -> Network {
        let state = State {
            random: Random(seed),
            faults: Faults::default(),
            stations: BTreeMap::new(),
            cut: BTreeSet::new(),
            last: BTreeMap::new(),
            carried: 0,
        };
        Network(Arc::new(Inner { settings, state: Mutex::new(state) }))
    }

    /// Starts another node. It meets those that are there once its task has run.
    pub fn join(&self) -> Arc<Local> {
        let mut state = self.0.state();
        let node = NodeId(state.random.next() | 1);
        let mut own = Random(state.random.next());
        let port = Arc::new(Port::new(node, self.0.settings.clone(), Box::new(move || own.next() | 1)));
        let wake = Arc::<Notify>::default();
        let station = Station {
            port: port.clone(),
            coming: BTreeMap::new(),
            wake: wake.clone(),
            driver: None,
            frozen: false,
            silent: false,
            off: false,
        };
        state.stations.insert(node, station);
        drop(state);
        let driver = tokio::spawn(drive(self.0.clone(), port.clone(), wake));
        if let Some(station) = self.0.state().stations.get_mut(&node) {
            station.driver = Some(driver.abort_handle());
        }
        Arc::new(Local { network: self.clone(), port })
    }

    /// From now on this goes wrong.
    pub fn set_faults(&self, faults: Faults) {
        self.0.state().faults = faults;
    }

    /// Lets nothing through from one node to another; the way back is another way.
    pub fn cut(&self, from: NodeId, to: NodeId) {
        self.0.state().cut.insert((from, to));
    }

    /// Undoes `cut`.
    pub fn mend(&self, from: NodeId, to: NodeId) {
        self.0.state().cut.remove(&(from, to));
    }

    /// Loses what a node sends to any other, or does not any more.
    pub fn silence(&self, node: NodeId, silent: bool) {
        if let Some(station) = self.0.state().stations.get_mut(&node) {
            station.silent = silent;
        }
    }

    /// A node cannot reach the bus any more.
    pub fn isolate(&self, node: NodeId) {
        self.switch(node, true);
    }

    /// Undoes `isolate`.
    pub fn restore(&self, node: NodeId) {
        self.switch(node, false);
    }

    fn switch(&self, node: NodeId, off: bool) {
        let mut state = self.0.state();
        let Some(station) = state.stations.get_mut(&node) else { return };
        station.off = off;
        if off {
            station.coming.clear();
        }
        let (port, wake) = (station.port.clone(), station.wake.clone());
        drop(state);
        port.with(|links| if off { links.cut() } else { links.healed(Instant::now()) });
        wake.notify_one();
    }

    /// Stops a node's side of the bus as SIGSTOP stops a process: what is sent to it waits.
    pub fn freeze(&self, node: NodeId) {
        if let Some(station) = self.0.state().stations.get_mut(&node) {
            station.frozen = true;
        }
    }

    /// Undoes `freeze`.
    pub fn thaw(&self, node: NodeId) {
        if let Some(station) = self.0.state().stations.get_mut(&node) {
            station.frozen = false;
            station.wake.notify_one();
        }
    }

    /// Ends a node without a word, as SIGKILL does. Its bus gives out nothing more.
    pub fn kill(&self, node: NodeId) {
        let station = self.0.state().stations.remove(&node);
        if let Some(station) = station {
            station.port.with(|links| {
                links.close();
                while links.next().is_some() {}
            });
            if let Some(driver) = station.driver {
                driver.abort();
            }
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's bus.
pub struct Local {
    network: Network,
    port: Arc<Port>,
}

impl Local {
    /// What it has counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.port.counters
    }

    /// The others that are there.
    pub fn neighbours(&self) -> Vec<Neighbour> {
        self.port.neighbours()
    }

    /// Whether the bus can be reached.
    pub fn is_reachable(&self) -> bool {
        !self.port.is_cut() && !self.port.is_closed()
    }
}

#[async_trait]
impl Bus for Local {
    fn node(&self) -> NodeId {
        self.port.node()
    }

    fn others(&self) -> Arc<[NodeId]> {
        self.port.others()
    }

    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), BusError> {
        self.port.send(to, frame)
    }

    fn broadcast(&self, frame: Bytes) -> Result<(), BusError> {
        self.port.broadcast(frame)
    }

    async fn next(&self) -> Option<BusEvent> {
        self.port.next().await
    }

    async fn close(&self) {
        self.port.with(|links| links.close());
        let now = Instant::now();
        let mut packets = Vec::new();
        let mut state = self.network.0.state();
        self.port.take_outgoing(usize::MAX, &mut packets);
        for packet in packets {
            state.carry(packet, now);
        }
        let driver = state.stations.remove(&self.port.node()).and_then(|station| station.driver);
        drop(state);
        if let Some(driver) = driver {
            driver.abort();
        }
    }
}

/// Carries what one node sends, brings it what arrives, and tells it the time.
async fn drive(network: Arc<Inner>, port: Arc<Port>, wake: Arc<Notify>) {
    let me = port.node();
    let mut outgoing = Vec::new();
    loop {
        let now = Instant::now();
        let Some(due) = network.state().due(me, now) else { return };
        let Due::Arrived { packets, reached } = due else {
            wake.notified().await;
            continue;
        };
        port.with(|links| {
            for packet in packets {
                links.receive(packet, now);
            }
            links.tick(now);
        });
        loop {
            if reached {
                port.take_outgoing(BATCH_BYTES, &mut outgoing);
            }
            if outgoing.is_empty() {
                break;
            }
            for packet in outgoing.drain(..) {
                let to = packet.to;
                let met = network.state().carry(packet, now);
                if let Some(to) = to.filter(|_| !met) {
                    port.with(|links| links.deserted(to, now));
                }
            }
        }
        let arrival = network.state().next_arrival(me);
        let deadline = arrival.map_or(port.deadline(), |arrival| arrival.min(port.deadline()));
        tokio::select! {
            biased;
            () = wake.notified() => {}
            () = port.outgoing.notified(), if reached => {}
            () = sleep_until(deadline) => {}
        }
    }
}

impl State {
    /// What has arrived for a node; nothing once it is not there any more.
    fn due(&mut self, node: NodeId, now: Instant) -> Option<Due> {
        let station = self.stations.get_mut(&node)?;
        if station.frozen {
            return Some(Due::Frozen);
        }
        let later = station.coming.split_off(&(now, u64::MAX));
        let packets = std::mem::replace(&mut station.coming, later).into_values().collect();
        Some(Due::Arrived { packets, reached: !station.off })
    }

    fn next_arrival(&self, node: NodeId) -> Option<Instant> {
        Some(self.stations.get(&node)?.coming.first_key_value()?.0.0)
    }

    /// Sends a packet on its way. False if it was for one node alone, and that is not there.
    fn carry(&mut self, packet: Packet, now: Instant) -> bool {
        let from = packet.from;
        if self.stations.get(&from).is_none_or(|station| station.off || station.silent) {
            return true;
        }
        match packet.to {
            Some(to) => {
                if self.stations.get(&to).is_none_or(|station| station.off) {
                    return false;
                }
                self.carry_to(to, packet, now);
            }
            None => {
                let others = self.stations.keys().copied().filter(|node| *node != from);
                for to in others.collect::<Vec<_>>() {
                    self.carry_to(to, packet.clone(), now);
                }
            }
        }
        true
    }

    fn carry_to(&mut self, to: NodeId, packet: Packet, now: Instant) {
        let way = (packet.from, to);
        let lost = self.random.of_a_million(self.faults.lost);
        if lost || self.cut.contains(&way) || self.stations.get(&to).is_none_or(|station| station.off) {
            return;
        }
        let copies = 1 + usize::from(self.random.of_a_million(self.faults.repeated));
        for _ in 0..copies {
            let overtaken = self.random.of_a_million(self.faults.overtaken);
            let delay = Duration::from_micros(self.random.within(&self.faults.delay_us));
            let last = self.last.entry(way).or_insert(now);
            let mut at = now + delay;
            if overtaken {
                at += delay;
            } else {
                at = at.max(*last);
                *last = at;
            }
            self.carried += 1;
            let key = (at, self.carried);
            if let Some(station) = self.stations.get_mut(&to)
                && station.coming.len() < STATION_LIMIT
            {
                station.coming.insert(key, packet.clone());
                station.wake.notify_one();
            }
        }
    }
}

/// SplitMix64: numbers that a seed decides.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn of_a_million(&mut self, share: u32) -> bool {
        share > 0 && self.next() % 1_000_000 < u64::from(share)
    }

    fn within(&mut self, range: &RangeInclusive<u64>) -> u64 {
        let (first, last) = (*range.start(), *range.end());
        if last <= first { first } else { first + self.next() % (last - first + 1) }
    }
}
