//! The contract of every bus, kept by NATS: on one server, and on a cluster of three whose members the nodes share.

mod contract;
#[allow(dead_code)]
mod nats_server;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use waxwing_chat::nodes::{Bus, NodeId};
use waxwing_cluster::Key;
use waxwing_cluster::nats::{Credentials, Nats, Options};

use crate::contract::{Ground, settings};
use crate::nats_server::{Mode, Server, Way};

/// Servers, and each node's own way to one of them.
struct Servers {
    servers: Vec<Server>,
    ways: Mutex<BTreeMap<NodeId, Way>>,
}

impl Servers {
    fn new(servers: impl Into<Vec<Server>>) -> Servers {
        Servers { servers: servers.into(), ways: Mutex::default() }
    }

    fn set(&self, node: NodeId, mode: Mode) {
        self.ways.lock().unwrap()[&node].set(mode);
    }
}

#[async_trait]
impl Ground for Servers {
    async fn join(&self) -> Arc<dyn Bus> {
        let count = self.ways.lock().unwrap().len();
        let way = Way::to(self.servers[count % self.servers.len()].port).await;
        // Ids in no order, so that each of two greets in some tests.
        let node = NodeId((count as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let options = Options {
            servers: vec![format!("nats://127.0.0.1:{}", way.port)],
            credentials: Credentials::None,
            ca_file: None,
            client_certificate: None,
            prefix: "test.bus".into(),
            key: Key::new(&[7; 32], "test.bus"),
            settings: settings(),
        };
        self.ways.lock().unwrap().insert(node, way);
        Arc::new(Nats::open(node, options).await.expect("the server takes the node"))
    }

    async fn isolate(&self, node: NodeId) {
        self.set(node, Mode::Refuse);
    }

    async fn swallow(&self, node: NodeId) {
        self.set(node, Mode::Swallow);
    }

    async fn freeze(&self, node: NodeId) {
        self.set(node, Mode::Stall);
    }

    async fn restore(&self, node: NodeId) {
        self.set(node, Mode::Carry);
    }

    async fn kill(&self, node: NodeId) {
        self.set(node, Mode::Refuse);
    }
}

mod one {
    use super::*;

    async fn open() -> Option<Servers> {
        Some(Servers::new([Server::start("").await?]))
    }

    crate::contract::contract! { [flavor = "multi_thread", worker_threads = 2] crate::one::open().await }
}

mod three {
    use super::*;

    async fn open() -> Option<Servers> {
        Some(Servers::new(Server::start_three().await?))
    }

    crate::contract::contract! { [flavor = "multi_thread", worker_threads = 2] crate::three::open().await }
}
