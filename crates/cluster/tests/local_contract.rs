//! The contract of every bus, kept by the one within a process, on a clock that only tests move.

mod contract;

use std::sync::Arc;

use async_trait::async_trait;
use waxwing_chat::nodes::{Bus, NodeId};
use waxwing_cluster::local::{Faults, Network};

use crate::contract::{Ground, settings};

struct Process(Network);

fn open() -> Option<Process> {
    let network = Network::with_settings(7, settings());
    network.set_faults(Faults { delay_us: 50..=2000, ..Faults::default() });
    Some(Process(network))
}

#[async_trait]
impl Ground for Process {
    async fn join(&self) -> Arc<dyn Bus> {
        self.0.join()
    }

    async fn isolate(&self, node: NodeId) {
        self.0.isolate(node);
    }

    async fn swallow(&self, node: NodeId) {
        self.0.silence(node, true);
    }

    async fn freeze(&self, node: NodeId) {
        self.0.freeze(node);
    }

    async fn restore(&self, node: NodeId) {
        self.0.silence(node, false);
        self.0.thaw(node);
        self.0.restore(node);
    }

    async fn kill(&self, node: NodeId) {
        self.0.kill(node);
    }
}

contract::contract! { [start_paused = true] crate::open() }
