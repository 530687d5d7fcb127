//! Attacks by somebody who may use the installation's account at NATS and does not know its key.

#[allow(dead_code)]
mod nats_server;

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::timeout;
use waxwing_chat::nodes::{Bus as _, BusEvent, NodeId};
use waxwing_cluster::nats::{Credentials, Nats, Options};
use waxwing_cluster::{Key, Settings};

use crate::nats_server::Server;

const FIRST: NodeId = NodeId(0x1111);
const SECOND: NodeId = NodeId(0x2222);

/// Two nodes, and an attacker who hears everything and may say anything.
struct Scene {
    server: Server,
    first: Arc<Nats>,
    second: Arc<Nats>,
    attacker: Client,
    overheard: Subscriber,
}

fn settings() -> Settings {
    Settings { beat: Duration::from_millis(600), node_timeout: Duration::from_secs(3), ..Settings::default() }
}

async fn open(server: &Server, node: NodeId, key: Key) -> Arc<Nats> {
    let options = Options {
        servers: vec![server.url()],
        credentials: Credentials::None,
        ca_file: None,
        client_certificate: None,
        prefix: "waxwing".into(),
        key,
        settings: settings(),
    };
    Arc::new(Nats::open(node, options).await.expect("the server takes the node"))
}

async fn scene() -> Option<Scene> {
    let server = Server::start("").await?;
    let attacker = async_nats::connect(server.url()).await.expect("the attacker is let in");
    let overheard = attacker.subscribe("waxwing.>").await.expect("he may listen");
    attacker.flush().await.expect("he is connected");
    let key = Key::new(&[1; 32], "waxwing");
    let first = open(&server, FIRST, key.clone()).await;
    let second = open(&server, SECOND, key).await;
    assert_eq!(next(&first).await, BusEvent::Joined(SECOND));
    assert_eq!(next(&second).await, BusEvent::Joined(FIRST));
    Some(Scene { server, first, second, attacker, overheard })
}

async fn next(bus: &Nats) -> BusEvent {
    let event = timeout(Duration::from_secs(30), bus.next()).await;
    event.expect("something happens").expect("the bus is open")
}

impl Scene {
    /// What the two nodes said up to a frame with this in it.
    async fn overhear(&mut self, until: &[u8]) -> Vec<Message> {
        let mut heard = Vec::new();
        loop {
            let message = timeout(Duration::from_secs(30), self.overheard.next()).await;
            let message = message.expect("it is heard").expect("the attacker is connected");
            let last = message.payload.windows(until.len()).any(|window| window == until);
            heard.push(message);
            if last {
                return heard;
            }
        }
    }

    async fn say(&self, subject: &str, payload: impl Into<Bytes>) {
        self.attacker.publish(subject.to_owned(), payload.into()).await.expect("he may speak");
    }

    async fn flush(&self) {
        self.attacker.flush().await.expect("he is connected");
    }

    /// Neither node was told anything, and they still hear each other.
    async fn nothing_came_of_it(&self) {
        self.flush().await;
        for (from, to) in [(&self.first, &self.second), (&self.second, &self.first)] {
            from.send(to.node(), Bytes::from_static(b"as ever")).unwrap();
            let expected = BusEvent::Frame(from.node(), Bytes::from_static(b"as ever"));
            assert_eq!(next(to).await, expected);
        }
    }
}

fn node_subject(node: NodeId) -> String {
    format!("waxwing.node.{node}")
}

/// Waits until a count has risen so far.
async fn until(bus: &Nats, count: impl Fn(&Nats) -> u64, wanted: u64) {
    let counted = async {
        while count(bus) < wanted {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), counted).await.expect("it is counted");
}

#[tokio::test]
async fn forged_packets_are_refused() {
    let Some(mut scene) = scene().await else { return };
    scene.first.send(SECOND, Bytes::from_static(b"the original")).unwrap();
    next(&scene.second).await;
    let heard = scene.overhear(b"the original").await;
    let original = heard.last().unwrap().payload.clone();
    let mut forged = 0;
    for at in 0..original.len() {
        let mut changed = original.to_vec();
        changed[at] ^= 0x10;
        scene.say(&node_subject(SECOND), changed).await;
        forged += 1;
    }
    for length in 0..original.len() {
        scene.say(&node_subject(SECOND), original.slice(..length)).await;
        scene.say("waxwing.all", original.slice(length..)).await;
        forged += if length == 0 { 1 } else { 2 };
    }
    scene.nothing_came_of_it().await;
    // The whole of it, said to all, is no forgery but a repeat.
    until(&scene.second, |bus| bus.counters().refused.get(), forged as u64).await;
    eprintln!("forged packets: {forged} sent, {} refused, 0 taken", scene.second.counters().refused.get());
}

/// Everything that two nodes said, said again: to the one, to the other, and to everybody.
#[tokio::test]
async fn what_was_said_is_not_believed_again() {
    let Some(mut scene) = scene().await else { return };
    for n in 0..50 {
        scene.first.send(SECOND, Bytes::from(format!("frame {n}"))).unwrap();
        scene.first.broadcast(Bytes::from(format!("to all {n}"))).unwrap();
        assert_eq!(next(&scene.second).await, BusEvent::Frame(FIRST, format!("frame {n}").into()));
        assert_eq!(next(&scene.second).await, BusEvent::Frame(FIRST, format!("to all {n}").into()));
    }
    let heard = scene.overhear(b"to all 49").await;
    for subject in [node_subject(FIRST), node_subject(SECOND), "waxwing.all".to_owned()] {
        for message in &heard {
            scene.say(&subject, message.payload.clone()).await;
        }
    }
    scene.nothing_came_of_it().await;
    // 50 frames and 50 broadcasts of the first were for the second, and were said to it twice again.
    until(&scene.second, |bus| bus.counters().repeated.get(), 200).await;
    until(&scene.second, |bus| bus.counters().refused.get(), 1).await;
    scene.nothing_came_of_it().await;
    let counters = scene.second.counters();
    eprintln!(
        "played back: {} packets three times, {} refused, {} known already, 0 taken",
        heard.len(),
        counters.refused.get(),
        counters.repeated.get()
    );
}

/// What a node said that is gone does not raise it from the dead, nor bring anybody its frames.
#[tokio::test]
async fn the_dead_are_not_raised() {
    let Some(mut scene) = scene().await else { return };
    scene.first.broadcast(Bytes::from_static(b"my last words")).unwrap();
    next(&scene.second).await;
    let heard = scene.overhear(b"my last words").await;
    scene.first.close().await;
    assert_eq!(next(&scene.second).await, BusEvent::Gone(FIRST));
    let third = open(&scene.server, NodeId(0x3333), Key::new(&[1; 32], "waxwing")).await;
    assert_eq!(next(&scene.second).await, BusEvent::Joined(third.node()));
    assert_eq!(next(&third).await, BusEvent::Joined(SECOND));
    for _ in 0..20 {
        for message in &heard {
            for subject in [node_subject(SECOND), node_subject(third.node()), "waxwing.all".to_owned()] {
                scene.say(&subject, message.payload.clone()).await;
            }
        }
    }
    scene.flush().await;
    for (from, to) in [(&scene.second, &third), (&third, &scene.second)] {
        from.send(to.node(), Bytes::from_static(b"alive")).unwrap();
        assert_eq!(next(to).await, BusEvent::Frame(from.node(), Bytes::from_static(b"alive")));
        assert_eq!(to.others().len(), 1);
    }
}

/// Another installation on the same subjects by mistake: neither hears the other.
#[tokio::test]
async fn another_installation_is_not_heard() {
    let Some(scene) = scene().await else { return };
    let key = Key::new(&[2; 32], "waxwing");
    let (third, fourth) = (NodeId(0x3333), NodeId(0x4444));
    let (third, fourth) =
        (open(&scene.server, third, key.clone()).await, open(&scene.server, fourth, key).await);
    assert_eq!(next(&third).await, BusEvent::Joined(fourth.node()));
    assert_eq!(next(&fourth).await, BusEvent::Joined(third.node()));
    third.broadcast(Bytes::from_static(b"ours")).unwrap();
    assert_eq!(next(&fourth).await, BusEvent::Frame(third.node(), Bytes::from_static(b"ours")));
    scene.nothing_came_of_it().await;
    until(&scene.first, |bus| bus.counters().refused.get(), 1).await;
    until(&third, |bus| bus.counters().refused.get(), 1).await;
    assert_eq!(*scene.first.others(), [SECOND]);
}

/// NATS's answer that nobody listens bears no seal: who invents it takes nobody away.
#[tokio::test]
async fn nobody_is_declared_gone_by_a_forged_answer() {
    let Some(scene) = scene().await else { return };
    let began = tokio::time::Instant::now();
    let subject = format!("waxwing.none.{FIRST}.{SECOND}");
    let headers: HeaderMap = HeaderMap::new();
    while began.elapsed() < settings().node_timeout {
        scene.attacker.publish_with_headers(subject.clone(), headers.clone(), Bytes::new()).await.unwrap();
        raw_no_responders(&scene.server, &subject).await;
        scene.nothing_came_of_it().await;
    }
    assert_eq!(*scene.first.others(), [SECOND]);
}

/// Says what only NATS says, as a client that writes the protocol itself.
async fn raw_no_responders(server: &Server, subject: &str) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let header = "NATS/1.0 503\r\n\r\n";
    let text = format!(
        "CONNECT {{\"headers\":true,\"verbose\":false}}\r\nHPUB {subject} {0} {0}\r\n{header}\r\nPING\r\n",
        header.len()
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|window| window == b"PONG") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn giants_are_refused() {
    let Some(scene) = scene().await else { return };
    let mut giant = vec![0; 1 << 20];
    // As much like a frame as can be without the key.
    giant[..2].copy_from_slice(&[1, 5]);
    giant[2..10].copy_from_slice(&FIRST.0.to_be_bytes());
    giant[10..18].copy_from_slice(&SECOND.0.to_be_bytes());
    for _ in 0..50 {
        scene.say(&node_subject(SECOND), giant.clone()).await;
        giant[18] = giant[18].wrapping_add(1);
    }
    scene.nothing_came_of_it().await;
    until(&scene.second, |bus| bus.counters().refused.get(), 50).await;
}

/// A flood costs its bytes, holds a bounded amount of memory, and ends with the two still knowing each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_survived() {
    const FLOOD: u64 = 200_000;
    let Some(scene) = scene().await else { return };
    let mut packet = vec![1, 5];
    packet.extend(FIRST.0.to_be_bytes());
    packet.extend(SECOND.0.to_be_bytes());
    packet.extend([0; 200]);
    let payload = Bytes::from(packet);
    let subject = node_subject(SECOND);
    for _ in 0..FLOOD {
        scene.attacker.publish(subject.clone(), payload.clone()).await.unwrap();
    }
    scene.flush().await;
    // What was lost in between is told; nobody is gone.
    let word = Bytes::from_static(b"still here");
    scene.first.send(SECOND, word.clone()).unwrap();
    loop {
        match next(&scene.second).await {
            BusEvent::Frame(FIRST, bytes) => {
                assert_eq!(bytes, word);
                break;
            }
            BusEvent::Missed(FIRST) => scene.first.send(SECOND, word.clone()).unwrap(),
            other => panic!("{other:?}"),
        }
    }
    let refused = scene.second.counters().refused.get();
    eprintln!("a flood of {FLOOD} packets: {refused} read and refused");
    assert!(refused > 0);
    assert_eq!(*scene.second.others(), [FIRST]);
}
