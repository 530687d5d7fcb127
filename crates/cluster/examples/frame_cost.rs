//! Measures what a frame costs in processor time, on the bus within a process and on NATS: `frame_cost [frames] [bytes]`.
//!
//! Three nodes; one sends to another, then to all. On NATS, each node is of this process, so its cost is divided by hand: what is
//! printed for the nodes is everything that the senders and all receivers of a frame spend together.

#![allow(clippy::print_stdout)]

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use waxwing_chat::nodes::{Bus, BusError, BusEvent, NodeId};
use waxwing_cluster::local::Network;
use waxwing_cluster::nats::{Credentials, Nats, Options};
use waxwing_cluster::{Key, Settings};

/// Frames on the way at one time: enough to be written in batches, few enough never to fill a queue.
const WINDOW: u64 = 256;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut args = std::env::args().skip(1);
    let mut number = |default: u64| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (frames, bytes) = (number(200_000), number(400) as usize);
    println!(
        "{frames} frames of {bytes} bytes, {WINDOW} at a time, then 1 at a time; µs of processor time for each"
    );
    let network = Network::new(1);
    let nodes: Vec<Arc<dyn Bus>> = (0..3).map(|_| network.join() as Arc<dyn Bus>).collect();
    measure("in the process", &nodes, None, frames, bytes).await;

    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    let mut server = Command::new("nats-server")
        .args(["-a", "127.0.0.1", "-p", &port.to_string()])
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server is needed");
    let mut nodes: Vec<Arc<dyn Bus>> = Vec::new();
    for id in 1..=3 {
        let options = Options {
            servers: vec![format!("nats://127.0.0.1:{port}")],
            credentials: Credentials::None,
            ca_file: None,
            client_certificate: None,
            prefix: "bench".into(),
            key: Key::new(&[1; 32], "bench"),
            settings: Settings::default(),
        };
        nodes.push(Arc::new(Nats::open(NodeId(id), options).await.expect("NATS takes the node")));
    }
    measure("NATS", &nodes, Some(server.id()), frames, bytes).await;
    for node in &nodes {
        node.close().await;
    }
    server.kill().expect("it runs");
    let _ = server.wait();
}

async fn measure(what: &str, nodes: &[Arc<dyn Bus>], server: Option<u32>, frames: u64, bytes: usize) {
    for node in nodes {
        while node.others().len() < nodes.len() - 1 {
            let _ = timeout(Duration::from_millis(10), std::future::pending::<()>()).await;
        }
    }
    for (window, broadcast) in [(WINDOW, false), (WINDOW, true), (1, false), (1, true)] {
        let frames = if window == 1 { frames / 10 } else { frames };
        let (own, others) = (cpu(std::process::id()), server.map_or(0, cpu));
        let heard = run(nodes, frames, bytes, window, broadcast).await;
        let (own, others) = (cpu(std::process::id()) - own, server.map_or(0, cpu) - others);
        let each = |ns: u64| ns as f64 / 1000.0 / frames as f64;
        println!(
            "{what}, {}, {window} at a time: nodes {:.2}, server {:.2} ({heard} heard)",
            if broadcast { "to all of two others" } else { "to one" },
            each(own),
            each(others),
        );
    }
}

/// Sends frames, so many unanswered at a time; returns how many were heard.
async fn run(nodes: &[Arc<dyn Bus>], frames: u64, bytes: usize, window: u64, broadcast: bool) -> u64 {
    let frame = Bytes::from(vec![b'x'; bytes]);
    let receivers = if broadcast { &nodes[1..] } else { &nodes[1..2] };
    let mut heard = 0;
    let mut sent = 0;
    while sent < frames {
        for _ in 0..window.min(frames - sent) {
            let result = match broadcast {
                true => nodes[0].broadcast(frame.clone()),
                false => nodes[0].send(nodes[1].node(), frame.clone()),
            };
            match result {
                Ok(()) => sent += 1,
                Err(BusError::Full) => break,
                Err(error) => panic!("{error}"),
            }
        }
        for receiver in receivers {
            let mut count = heard / receivers.len() as u64;
            while count < sent {
                match receiver.next().await.expect("the bus is open") {
                    BusEvent::Frame(..) => count += 1,
                    BusEvent::Joined(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        heard = sent * receivers.len() as u64;
    }
    heard
}

/// Nanoseconds of processor time that a process's threads have used.
fn cpu(pid: u32) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let times = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
    times.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
}
