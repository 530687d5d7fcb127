//! What every bus must do, written against the port alone.

pub(crate) mod faults;
pub(crate) mod frames;
pub(crate) mod membership;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::timeout;
use waxwing_chat::nodes::{Bus, BusEvent, NodeId};
use waxwing_cluster::Settings;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A bus to which nodes can be added, and to which things can be done.
#[async_trait]
pub(crate) trait Ground: Send + Sync {
    /// Starts a node.
    async fn join(&self) -> Arc<dyn Bus>;
    /// A node cannot reach the bus any more, and notices.
    async fn isolate(&self, node: NodeId);
    /// Loses what a node sends.
    async fn swallow(&self, node: NodeId);
    /// Neither takes from a node nor brings it anything, and it does not notice.
    async fn freeze(&self, node: NodeId);
    /// Ends what was done to a node.
    async fn restore(&self, node: NodeId);
    /// Ends a node without a word.
    async fn kill(&self, node: NodeId);
}

/// Times and bounds for tests: quicker and narrower than those of a server.
pub(crate) fn settings() -> Settings {
    Settings {
        beat: Duration::from_millis(600),
        node_timeout: Duration::from_secs(3),
        queue_bytes: 4 << 20,
        inbox_bytes: 4 << 20,
    }
}

/// Makes a test of each contract for one bus.
macro_rules! contract {
    ([$($attribute:tt)*] $open:expr) => { $crate::contract::contract! { @each [$($attribute)*] $open;
        membership: meets_whoever_joins says_goodbye notices_the_dead notices_the_silent knows_no_strangers
            takes_a_snapshot_on_joining;
        frames: keeps_order_of_sends_and_broadcasts carries_the_largest_and_no_larger takes_only_so_much
            brings_each_once is_heard_by_everybody;
        faults: tells_what_it_lost tells_what_it_lost_last keeps_nodes_through_a_cut
            joins_again_after_a_long_cut gives_up_what_nobody_asks_for wakes_up_again;
    } };
    (@each $attributes:tt $open:expr; $($module:ident: $($test:ident)*;)*) => {
        $(mod $module {
            $($crate::contract::contract! { @one $attributes $open; $module $test })*
        })*
    };
    (@one [$($attribute:tt)*] $open:expr; $module:ident $test:ident) => {
        #[tokio::test($($attribute)*)]
        async fn $test() {
            let Some(ground) = $open else { return };
            $crate::contract::$module::$test(&ground).await;
        }
    };
}

pub(crate) use contract;

/// The next thing that a bus tells.
pub(crate) async fn next(bus: &Arc<dyn Bus>) -> BusEvent {
    let event = timeout(PATIENCE, bus.next()).await.expect("something happens");
    event.expect("the bus is open")
}

/// What a bus tells up to something, and that too.
pub(crate) async fn until(bus: &Arc<dyn Bus>, wanted: &BusEvent) -> Vec<BusEvent> {
    let mut told = Vec::new();
    while told.last() != Some(wanted) {
        let event = timeout(PATIENCE, bus.next()).await;
        let event = event.unwrap_or_else(|_| panic!("{}: {wanted:?} did not come; {told:?}", bus.node()));
        told.push(event.expect("the bus is open"));
    }
    told
}

/// Starts several nodes that know each other.
pub(crate) async fn joined<const N: usize>(ground: &dyn Ground) -> [Arc<dyn Bus>; N] {
    let mut nodes = Vec::new();
    for _ in 0..N {
        nodes.push(ground.join().await);
    }
    for node in &nodes {
        let mut missing: Vec<NodeId> =
            nodes.iter().map(|other| other.node()).filter(|other| *other != node.node()).collect();
        while !missing.is_empty() {
            match next(node).await {
                BusEvent::Joined(other) => {
                    assert!(missing.contains(&other), "{other} joined twice, or is nobody");
                    missing.retain(|one| *one != other);
                }
                other => panic!("nobody did anything, and there was {other:?}"),
            }
        }
        assert_eq!(node.others().len(), N - 1);
        assert!(node.others().is_sorted());
    }
    nodes.try_into().unwrap_or_else(|_| panic!("as many as were started"))
}

pub(crate) fn frame(text: impl ToString) -> Bytes {
    Bytes::from(text.to_string())
}

/// The numbers in a row of events, all of them frames of one node.
pub(crate) fn numbers(events: &[BusEvent], from: NodeId) -> Vec<u64> {
    let number = |event: &BusEvent| match event {
        BusEvent::Frame(node, bytes) if *node == from => number_of(bytes),
        other => panic!("{other:?} is no frame of {from}"),
    };
    events.iter().map(number).collect()
}

pub(crate) fn number_of(bytes: &Bytes) -> u64 {
    let text = std::str::from_utf8(bytes).expect("text");
    text.trim_end_matches('.').parse().expect("a number")
}
