//! Seeded lives of a few nodes on a bad network: whatever happens, each hears each in order and once, and knows what he missed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};
use waxwing_chat::nodes::{Bus as _, BusError, BusEvent, NodeId};
use waxwing_cluster::local::{Faults, Local, Network};

/// Seeds that every run lives through; `WAXWING_SIMULATION_SEEDS` takes another number of them.
const SEEDS: u64 = 60;
/// What happens in one life.
const STEPS: u64 = 400;

/// For whom each frame of a node was, by its number less one.
type Log = BTreeMap<NodeId, Vec<Vec<NodeId>>>;

/// What one node has been told of another.
#[derive(Default)]
struct Told {
    joined: bool,
    /// The last number that ever came.
    last: u64,
    /// Nothing came since it joined, or something is told missing since.
    missed: bool,
}

/// What one node has been told.
struct Life {
    bus: Arc<Local>,
    told: BTreeMap<NodeId, Told>,
    heard: u64,
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

impl Life {
    fn take(&mut self, event: BusEvent, log: &Log, trace: &str) {
        let me = self.bus.node();
        match event {
            BusEvent::Joined(node) => {
                let told = self.told.entry(node).or_default();
                assert!(!told.joined, "{trace}: {me} was told twice that {node} joined");
                (told.joined, told.missed) = (true, true);
            }
            BusEvent::Gone(node) => {
                let told = self.told.entry(node).or_default();
                assert!(told.joined, "{trace}: {me} was told that {node} is gone, who was not there");
                told.joined = false;
            }
            BusEvent::Missed(node) => {
                let told = self.told.get_mut(&node).filter(|told| told.joined);
                told.unwrap_or_else(|| panic!("{trace}: {me} missed {node}, who is not there")).missed = true;
            }
            BusEvent::Frame(node, bytes) => {
                self.heard += 1;
                let told = self.told.get_mut(&node).filter(|told| told.joined);
                let told = told.unwrap_or_else(|| panic!("{trace}: {me} heard {node}, who is not there"));
                let number = u64::from_be_bytes(bytes[..].try_into().unwrap());
                assert!(number > told.last, "{trace}: {me} heard {number} of {node} after {}", told.last);
                let between = &log[&node][told.last as usize..number as usize - 1];
                let lacking = between.iter().any(|receivers| receivers.contains(&me));
                assert!(told.missed || !lacking, "{trace}: {me} was not told what it missed of {node}");
                (told.last, told.missed) = (number, false);
            }
            BusEvent::Cut | BusEvent::Healed => {}
        }
    }

    async fn drain(&mut self, log: &Log, trace: &str) {
        while let Ok(Some(event)) = timeout(Duration::ZERO, self.bus.next()).await {
            self.take(event, log, trace);
        }
    }

    async fn drain_for(&mut self, time: Duration, log: &Log, trace: &str) {
        let end = Instant::now() + time;
        while let Ok(Some(event)) = timeout_at(end, self.bus.next()).await {
            self.take(event, log, trace);
        }
    }

    /// Sends a frame that holds its number to one or to all, and writes down for whom it is.
    fn send(&self, to: Option<NodeId>, log: &mut Log) {
        let log = log.entry(self.bus.node()).or_default();
        let frame = Bytes::copy_from_slice(&(log.len() as u64 + 1).to_be_bytes());
        let receivers = to.map_or_else(|| self.bus.others().to_vec(), |to| vec![to]);
        match to.map_or_else(|| self.bus.broadcast(frame.clone()), |to| self.bus.send(to, frame.clone())) {
            Ok(()) => log.push(receivers),
            Err(error) => assert_eq!(error, BusError::Gone),
        }
    }
}

async fn live(seed: u64) -> (u64, u64) {
    let network = Network::new(seed);
    let mut dice = Dice(seed ^ 0x5eed);
    let faults = Faults {
        delay_us: 10..=dice.roll(80_000) + 10,
        lost: [0, 1000, 50_000][dice.roll(3) as usize],
        repeated: [0, 50_000][dice.roll(2) as usize],
        overtaken: [0, 100_000][dice.roll(2) as usize],
    };
    network.set_faults(faults);
    let begin = |network: &Network| Life { bus: network.join(), told: BTreeMap::new(), heard: 0 };
    let mut log = Log::new();
    let mut lives: Vec<Life> = (0..2 + dice.roll(3)).map(|_| begin(&network)).collect();
    let mut frozen: Vec<NodeId> = Vec::new();
    let mut missed = 0;
    for step in 0..STEPS {
        let trace = format!("seed {seed}, step {step}");
        let (one, other) = (dice.roll(lives.len() as u64) as usize, dice.roll(lives.len() as u64) as usize);
        let (a, b) = (lives[one].bus.node(), lives[other].bus.node());
        match dice.roll(40) {
            0 => network.cut(a, b),
            1 => network.isolate(a),
            2 => {
                network.freeze(a);
                frozen.push(a);
            }
            3 if lives.len() > 2 => {
                network.kill(a);
                lives.remove(one);
                continue;
            }
            4 if lives.len() < 5 => lives.push(begin(&network)),
            5..=9 => heal(&network, &lives, &mut frozen),
            10 => {
                // Seconds pass.
                lives[one].drain_for(Duration::from_millis(dice.roll(12_000)), &log, &trace).await;
            }
            11..=24 => lives[one].send(Some(b), &mut log),
            _ => lives[one].send(None, &mut log),
        }
        if dice.roll(4) == 0 {
            let pause = Duration::from_micros(dice.roll(50_000));
            let _ = timeout(pause, std::future::pending::<()>()).await;
        }
        for life in &mut lives {
            life.drain(&log, &trace).await;
        }
    }
    settle(&network, &mut lives, &mut frozen, &mut log, seed).await;
    for life in &lives {
        missed += life.bus.counters().missed.get();
    }
    (lives.iter().map(|life| life.heard).sum(), missed)
}

fn heal(network: &Network, lives: &[Life], frozen: &mut Vec<NodeId>) {
    for node in frozen.drain(..) {
        network.thaw(node);
    }
    for one in lives {
        network.restore(one.bus.node());
        for other in lives {
            network.mend(one.bus.node(), other.bus.node());
        }
    }
}

/// Once nothing goes wrong any more, everybody knows everybody, and what is said is heard.
async fn settle(network: &Network, lives: &mut [Life], frozen: &mut Vec<NodeId>, log: &mut Log, seed: u64) {
    heal(network, lives, frozen);
    network.set_faults(Faults::default());
    let trace = format!("seed {seed}, at rest");
    for life in lives.iter_mut() {
        life.drain_for(Duration::from_secs(20), log, &trace).await;
    }
    for life in lives.iter_mut() {
        life.drain(log, &trace).await;
    }
    let mut all: Vec<NodeId> = lives.iter().map(|life| life.bus.node()).collect();
    all.sort();
    for life in lives.iter() {
        let told = life.told.iter().filter(|(_, told)| told.joined).map(|(node, _)| *node);
        let mut there: Vec<NodeId> = told.chain([life.bus.node()]).collect();
        there.sort();
        assert_eq!(there, all, "{trace}: who is there for {}", life.bus.node());
        life.send(None, log);
    }
    for life in lives.iter_mut() {
        let before = life.heard;
        life.drain_for(Duration::from_secs(1), log, &trace).await;
        assert_eq!(life.heard, before + all.len() as u64 - 1, "{trace}: at {}", life.bus.node());
    }
}

fn run(seed: u64) -> (u64, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(live(seed))
}

#[test]
fn lives_through_every_seed() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let first = number("WAXWING_SIMULATION_FIRST").unwrap_or(1);
    let seeds = number("WAXWING_SIMULATION_SEEDS").unwrap_or(SEEDS);
    let (mut heard, mut missed) = (0, 0);
    for seed in first..first + seeds {
        let (h, m) = run(seed);
        heard += h;
        missed += m;
    }
    eprintln!(
        "{seeds} seeds: {heard} frames heard, missed {missed} times, 0 out of order, 0 twice, 0 untold"
    );
    assert!(heard > seeds * 100 && missed > 0, "something happens: {heard} heard, {missed} times missed");
}

#[test]
fn a_seed_is_one_life() {
    assert_eq!(run(42), run(42));
}
