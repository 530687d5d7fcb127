//! Streams that are resumed at another node than their own: several nodes in one process, and clients that come to any of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::timeout;
use waxwing_chat::Chat;
use waxwing_chat::account::{NewAccount, Role};
use waxwing_chat::cluster::{Cluster, TUNNEL_WINDOW};
use waxwing_chat::event::Close;
use waxwing_chat::memory_bus::Hub;
use waxwing_chat::memory_nodes::SharedLog;
use waxwing_chat::memory_store::MemoryStore;
use waxwing_chat::nodes::{NodeId, Turns};
use waxwing_chat::port::SystemClock;
use waxwing_chat::store::Store;
use waxwing_xmpp::c2s::Transport;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::super::connection::Connection;
use super::super::face::Face;
use super::super::link::Link;
use super::line::{Line, header};
use super::network::Socket;
use super::random::{Random, Seeded};
use super::world::DOMAIN;
use crate::config::{Config, Domain};
use crate::lifecycle::Lifecycle;

/// Longer than anything takes that is going to happen.
const LONG: Duration = Duration::from_secs(4);

const MESSAGE: &str = "xmlns='jabber:client' type='chat'";

struct Node {
    chat: Arc<Chat>,
    face: Arc<Face>,
    lifecycle: Lifecycle,
    tasks: Vec<AbortHandle>,
}

struct Nodes {
    hub: Arc<Hub>,
    nodes: Vec<Node>,
    random: Random,
}

fn id(at: usize) -> NodeId {
    NodeId(at as u64 + 1)
}

fn jid(name: &str) -> Jid {
    Jid::new(&format!("{name}@{DOMAIN}")).unwrap()
}

impl Nodes {
    /// Three nodes over one store, and two people.
    async fn three() -> Self {
        let base = MemoryStore::default();
        for name in ["romeo", "juliet"] {
            let verifiers = Vec::new();
            let (jid, role) = (jid(name), Role::Member);
            base.create_account(NewAccount { jid, name: None, role, verifiers, created_ms: 0 })
                .await
                .unwrap();
        }
        let mut all =
            Self { hub: Arc::default(), nodes: Vec::new(), random: Random::new(u64::from(line!())) };
        let log = Arc::<SharedLog>::default();
        let domain = vec![Domain { name: DOMAIN.to_owned(), ..Domain::default() }];
        let settings = Config { domain, ..Config::default() };
        for at in 0..3 {
            let cluster = Cluster::new(all.hub.node(id(at)));
            let turns: Arc<dyn Turns> = Arc::<Cluster>::clone(&cluster);
            let chat = Chat::new(
                Arc::new(base.for_node(id(at), &log, turns)),
                Arc::new(SystemClock),
                Seeded::new(all.random.fork()),
                crate::accounts::settings(&settings),
            );
            let lifecycle = Lifecycle::new();
            let face =
                Face::new(Arc::clone(&chat), &super::TLS, lifecycle.clone(), &settings, BTreeSet::new());
            chat.join(&cluster, Arc::<SharedLog>::clone(&log), Arc::<SharedLog>::clone(&log)).await.unwrap();
            all.nodes.push(Node { chat, face, lifecycle, tasks: Vec::new() });
        }
        quiet().await;
        all
    }

    fn tunnels(&self) -> [usize; 3] {
        [0, 1, 2].map(|at| self.nodes[at].chat.cluster().unwrap().tunnels())
    }

    /// Nothing of a node is left, and the others hear of it.
    async fn kill(&mut self, at: usize) {
        self.hub.kill(id(at));
        for task in &self.nodes[at].tasks {
            task.abort();
        }
        quiet().await;
    }

    /// A client that has signed in, and neither bound nor resumed.
    async fn sign_in(&mut self, at: usize, name: &str) -> Client {
        let node = &mut self.nodes[at];
        let (near, far, cable) = Socket::pair(&mut self.random, Duration::from_secs(3_600));
        let tls = waxwing_xmpp::c2s::Tls { certified: vec![jid(name)], ..Default::default() };
        let face = Arc::clone(&node.face);
        let transport = Transport::direct_tls(tls);
        let task = Connection::new(face.clone(), face.current(), Link::Memory(far), transport).serve();
        node.tasks.push(node.lifecycle.spawn(task).abort_handle());
        let mut line = Line::new((near, cable));
        line.send(&header()).await.unwrap();
        line.answer().await.unwrap();
        line.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>")
            .await
            .unwrap();
        assert_eq!(line.answer().await.unwrap().name(), "success");
        line.restart();
        line.send(&header()).await.unwrap();
        line.answer().await.unwrap();
        Client { line, id: String::new(), handled: 0, got: Vec::new() }
    }

    /// One that is there, and whose stream can be resumed.
    async fn online(&mut self, at: usize, name: &str) -> Client {
        let mut client = self.sign_in(at, name).await;
        client
            .line
            .send(
                "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>\
                 <resource>r</resource></bind></iq>",
            )
            .await
            .unwrap();
        assert_eq!(client.line.answer().await.unwrap().attr("type"), Some("result"));
        client.line.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await.unwrap();
        client.id = client.line.answer().await.unwrap().attr("id").unwrap().to_owned();
        client.line.send("<presence/>").await.unwrap();
        client.hear().await;
        client.got.clear();
        client
    }

    /// Comes back at a node, and says what was answered.
    async fn try_resume(&mut self, at: usize, name: &str, former: &Client) -> (Client, Element) {
        let mut client = self.sign_in(at, name).await;
        let (previd, h) = (&former.id, former.handled);
        (client.id, client.handled) = (previd.clone(), h);
        client
            .line
            .send(&format!("<resume xmlns='urn:xmpp:sm:3' previd='{previd}' h='{h}'/>"))
            .await
            .unwrap();
        let answer = client.line.next().await.unwrap();
        (client, answer)
    }

    /// The same when it can: the server has handled so many of its stanzas.
    async fn resume(&mut self, at: usize, name: &str, former: &Client, handled: &str) -> Client {
        let (client, answer) = self.try_resume(at, name, former).await;
        assert_eq!((answer.name(), answer.attr("h")), ("resumed", Some(handled)), "{answer:?}");
        client
    }
}

async fn quiet() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

struct Client {
    line: Line,
    id: String,
    handled: u32,
    /// The bodies of messages, the types of presence and the ids of requests.
    got: Vec<String>,
}

impl Client {
    /// Reads what there is, and counts it. Says how the connection ended, if it did.
    async fn hear(&mut self) -> Option<String> {
        loop {
            match timeout(LONG, self.line.next()).await {
                Err(_) => return None,
                Ok(Err(_)) => return Some(String::new()),
                Ok(Ok(element)) => match (element.ns(), element.name()) {
                    (ns::SM3, "r") => {
                        let h = self.handled;
                        let _ = self.line.send(&format!("<a xmlns='urn:xmpp:sm:3' h='{h}'/>")).await;
                    }
                    (ns::SM3, "a") => self.got.push(format!("h={}", element.attr("h").unwrap())),
                    (ns::STREAMS, "error") => {
                        return element.children().next().map(|child| child.name().to_owned());
                    }
                    _ => {
                        self.handled += 1;
                        let body = element.child(ns::CLIENT, "body").map(|body| body.text().into_owned());
                        let name = element.name().to_owned();
                        self.got.push(body.unwrap_or(name));
                    }
                },
            }
        }
    }

    /// What it has been told by now, which it then forgets.
    async fn told(&mut self) -> Vec<String> {
        assert_eq!(self.hear().await, None, "it is connected");
        std::mem::take(&mut self.got)
    }

    async fn say(&mut self, to: &str, text: &str) {
        let message = format!("<message {MESSAGE} to='{to}@{DOMAIN}'><body>{text}</body></message>");
        self.line.send(&message).await.unwrap();
    }

    /// Says something that no archive keeps.
    async fn pass(&mut self, to: &str, text: &str) {
        let message = format!(
            "<message {MESSAGE} to='{to}@{DOMAIN}/r'><body>{text}</body><no-store xmlns='urn:xmpp:hints'/></message>"
        );
        self.line.send(&message).await.unwrap();
    }

    async fn request(&mut self) {
        self.line.send("<r xmlns='urn:xmpp:sm:3'/>").await.unwrap();
    }

    fn lose(&mut self) {
        self.line.cable.cut();
    }
}

fn run(test: impl Future<Output = ()>) {
    super::runtime().block_on(test);
}

/// What is kept and what is not, to and from the client, through one node after the other.
#[test]
fn a_stream_goes_on_at_any_node() {
    run(async {
        let mut nodes = Nodes::three().await;
        let mut romeo = nodes.online(0, "romeo").await;
        let mut juliet = nodes.online(1, "juliet").await;
        let mut sent = 1;
        for (turn, at) in [1, 2, 1, 0, 2].into_iter().enumerate() {
            romeo.say("juliet", "before").await;
            juliet.told().await;
            romeo.hear().await;
            romeo.lose();
            for number in 0..3 {
                juliet.say("romeo", &format!("kept {number}")).await;
                // What is not kept does not wait for what is on its way into the store.
                juliet.told().await;
                juliet.pass("romeo", &format!("passing {number}")).await;
            }
            let ask =
                format!("<iq type='get' id='q' to='romeo@{DOMAIN}/r'><ping xmlns='urn:xmpp:ping'/></iq>");
            juliet.line.send(&ask).await.unwrap();
            juliet.told().await;
            sent += 1;
            romeo = nodes.resume(at, "romeo", &romeo, &sent.to_string()).await;
            let both = |number| [format!("kept {number}"), format!("passing {number}")];
            let mut all: Vec<String> = (0..3).flat_map(both).collect();
            all.push("iq".to_owned());
            assert_eq!(romeo.told().await, all, "turn {turn}");
            romeo.line.send(&format!("<iq type='result' id='q' to='juliet@{DOMAIN}/r'/>")).await.unwrap();
            romeo.say("juliet", "after").await;
            romeo.told().await;
            romeo.pass("juliet", "as well").await;
            romeo.request().await;
            sent += 3;
            assert_eq!(romeo.told().await, [format!("h={sent}")]);
            assert_eq!(juliet.told().await, ["iq", "after", "as well"]);
            let open = if at == 0 { [0, 0, 0] } else { [1, usize::from(at == 1), usize::from(at == 2)] };
            assert_eq!(nodes.tunnels(), open);
        }
        // The session ends with its stream.
        romeo.line.send("</stream:stream>").await.unwrap();
        romeo.hear().await;
        assert_eq!(nodes.tunnels(), [0, 0, 0]);
        assert_eq!(nodes.nodes[0].chat.sessions().count(), 0);
        assert_eq!(nodes.nodes[0].face.resumable.len(), 0);
    });
}

/// What the client did not confirm is in the answer, and what the server did not handle is sent again by the client.
#[test]
fn what_was_on_its_way_is_sent_again_and_nothing_twice() {
    run(async {
        let mut nodes = Nodes::three().await;
        let mut romeo = nodes.online(0, "romeo").await;
        let mut juliet = nodes.online(1, "juliet").await;
        for at in [1, 2, 1] {
            for number in 0..20 {
                juliet.say("romeo", &number.to_string()).await;
            }
            juliet.told().await;
            // The server has written them all, and the client has read but some.
            for _ in 0..7 {
                while romeo.line.next().await.unwrap().ns() != ns::CLIENT {}
                romeo.handled += 1;
            }
            romeo.lose();
            romeo = nodes.resume(at, "romeo", &romeo, "1").await;
            let rest: Vec<String> = (7..20).map(|number| number.to_string()).collect();
            assert_eq!(romeo.told().await, rest);
        }
    });
}

/// XEP-0198 section 5: only its owner's. What belongs to somebody else, here or elsewhere, answers like what does not exist.
#[test]
fn a_strangers_stream_answers_like_none() {
    run(async {
        let mut nodes = Nodes::three().await;
        let romeo = nodes.online(0, "romeo").await;
        let juliet = nodes.online(0, "juliet").await;
        let mut nobody = nodes.sign_in(1, "juliet").await;
        nobody.id = "AAAAAAAAAAAAAAAAAAAAAA".to_owned();
        let mut answers = Vec::new();
        for at in [0, 1] {
            for former in [&romeo, &nobody] {
                answers.push(nodes.try_resume(at, "juliet", former).await.1);
            }
        }
        assert!(answers.iter().all(|answer| answer.name() == "failed"), "{answers:?}");
        assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
        nodes.resume(2, "juliet", &juliet, "1").await;
        nodes.resume(2, "romeo", &romeo, "1").await;
    });
}

/// A client that counts what was never sent gets nothing, and its session ends: as at the stream's own node.
#[test]
fn a_count_that_cannot_be_ends_the_stream() {
    run(async {
        let mut nodes = Nodes::three().await;
        let mut romeo = nodes.online(0, "romeo").await;
        romeo.handled += 100;
        assert_eq!(nodes.try_resume(1, "romeo", &romeo).await.1.name(), "failed");
        quiet().await;
        assert_eq!(nodes.nodes[0].chat.sessions().count(), 0);
        assert_eq!(nodes.tunnels(), [0, 0, 0]);
    });
}

#[test]
fn a_later_connection_takes_the_stream_from_an_earlier_one_anywhere() {
    run(async {
        let mut nodes = Nodes::three().await;
        let mut first = nodes.online(0, "romeo").await;
        for at in [1, 2, 2, 0, 1] {
            let second = nodes.resume(at, "romeo", &first, "1").await;
            assert_eq!(first.hear().await.as_deref(), Some("conflict"));
            first = second;
        }
        assert_eq!(nodes.tunnels(), [1, 1, 0]);
    });
}

#[test]
fn the_streams_node_is_lost() {
    run(async {
        let mut nodes = Nodes::three().await;
        let mut romeo = nodes.online(0, "romeo").await;
        romeo = nodes.resume(1, "romeo", &romeo, "1").await;
        nodes.kill(0).await;
        assert_eq!(romeo.hear().await.as_deref(), Some(""), "the connection ends");
        assert_eq!(nodes.tunnels()[1], 0);
        let (mut romeo, answer) = nodes.try_resume(1, "romeo", &romeo).await;
        assert_eq!(answer.name(), "failed");
        // It may sign in anew on the same connection.
        let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
        romeo.line.send(bind).await.unwrap();
        assert_eq!(romeo.line.answer().await.unwrap().attr("type"), Some("result"));
    });
}

#[test]
fn the_clients_node_is_lost() {
    run(async {
        let mut nodes = Nodes::three().await;
        let mut romeo = nodes.online(0, "romeo").await;
        let mut juliet = nodes.online(2, "juliet").await;
        romeo = nodes.resume(1, "romeo", &romeo, "1").await;
        nodes.kill(1).await;
        let session = nodes.nodes[0].chat.sessions().find(&jid("romeo").with_resource("r").unwrap()).unwrap();
        assert!(session.suspended_since_ms().is_some());
        juliet.pass("romeo", "passing").await;
        juliet.told().await;
        let mut romeo = nodes.resume(2, "romeo", &romeo, "1").await;
        assert_eq!(romeo.told().await, ["passing"]);
        assert!(session.suspended_since_ms().is_none());
    });
}

/// Something that went through the tunnel is lost, in either direction: the client's connection ends, and it comes back.
#[test]
fn frames_between_the_two_nodes_are_lost() {
    run(async {
        for (from, to) in [(0, 1), (1, 0)] {
            let mut nodes = Nodes::three().await;
            let mut romeo = nodes.online(0, "romeo").await;
            let mut juliet = nodes.online(2, "juliet").await;
            romeo = nodes.resume(1, "romeo", &romeo, "1").await;
            nodes.hub.cut(id(from), id(to));
            juliet.pass("romeo", "to him").await;
            romeo.say("juliet", "from him").await;
            quiet().await;
            nodes.hub.heal(id(from), id(to));
            assert_eq!(romeo.hear().await.as_deref(), Some(""), "the connection ends");
            let handled = if from == 0 { "2" } else { "1" };
            let mut again = nodes.resume(1, "romeo", &romeo, handled).await;
            let to_him = if from == 0 { vec!["to him"] } else { Vec::new() };
            assert_eq!(again.told().await, to_him);
            if from == 1 {
                assert_eq!(romeo.got, ["to him"]);
                again.say("juliet", "from him").await;
            }
            assert_eq!(juliet.told().await, ["from him"]);
        }
    });
}

/// As if the node had no such stream; which is there for whoever finds it later.
#[test]
fn a_node_that_does_not_answer() {
    run(async {
        let mut nodes = Nodes::three().await;
        let romeo = nodes.online(0, "romeo").await;
        for (from, to) in [(1, 0), (0, 1)] {
            nodes.hub.cut(id(from), id(to));
            let (client, answer) = nodes.try_resume(1, "romeo", &romeo).await;
            assert_eq!(answer.name(), "failed");
            nodes.hub.heal(id(from), id(to));
            drop(client);
            quiet().await;
            assert_eq!(nodes.tunnels(), [0, 0, 0]);
        }
        nodes.resume(2, "romeo", &romeo, "1").await;
    });
}

/// It says goodbye itself, and the stream is there for the next.
#[test]
fn the_clients_node_stops_in_order() {
    run(async {
        let mut nodes = Nodes::three().await;
        let mut romeo = nodes.online(0, "romeo").await;
        romeo = nodes.resume(1, "romeo", &romeo, "1").await;
        nodes.nodes[1].lifecycle.drain();
        assert_eq!(romeo.hear().await.as_deref(), Some("system-shutdown"));
        assert_eq!(nodes.nodes[1].lifecycle.ended(LONG).await, 0);
        nodes.resume(2, "romeo", &romeo, "1").await;
    });
}

/// It says goodbye through the other node, and keeps the stream in the store before.
#[test]
fn the_streams_node_stops_in_order() {
    run(async {
        let mut nodes = Nodes::three().await;
        let mut romeo = nodes.online(0, "romeo").await;
        romeo = nodes.resume(1, "romeo", &romeo, "1").await;
        nodes.nodes[0].lifecycle.drain();
        nodes.nodes[0].chat.sessions().close_all(Close::Shutdown);
        assert_eq!(romeo.hear().await.as_deref(), Some("system-shutdown"));
        assert_eq!(nodes.nodes[0].lifecycle.ended(LONG).await, 0);
        romeo = nodes.resume(1, "romeo", &romeo, "1").await;
        assert_eq!(nodes.nodes[1].chat.sessions().count(), 1);
        // From there it goes on elsewhere.
        nodes.resume(2, "romeo", &romeo, "1").await;
    });
}

/// The stream's node asks a client that is silent whether it is there, and both give up on one that is not.
#[test]
fn a_silent_client_is_given_up() {
    run(async {
        let mut nodes = Nodes::three().await;
        let mut romeo = nodes.online(0, "romeo").await;
        romeo = nodes.resume(1, "romeo", &romeo, "1").await;
        let config = nodes.nodes[0].face.current().config;
        let patience = Duration::from_millis(config.idle_timeout_ms + config.response_timeout_ms);
        romeo.line.cable.go_silent();
        tokio::time::sleep(patience + LONG).await;
        assert_eq!(nodes.tunnels(), [0, 0, 0]);
        nodes.resume(2, "romeo", &romeo, "1").await;
    });
}

/// A client that reads nothing makes neither node keep more than a window, and loses nothing when it reads.
#[test]
fn a_slow_reader_is_waited_for() {
    run(async {
        let mut nodes = Nodes::three().await;
        let mut romeo = nodes.online(0, "romeo").await;
        let mut juliet = nodes.online(2, "juliet").await;
        romeo = nodes.resume(1, "romeo", &romeo, "1").await;
        let before = nodes.hub.traffic().1;
        let (count, text) = (250, "x".repeat(8_000));
        for number in 0..count {
            juliet.pass("romeo", &format!("{number}{text}")).await;
        }
        juliet.told().await;
        // All went from her node to his stream's, and only a window of it on to his connection's.
        let passed = nodes.hub.traffic().1 - before;
        let to_stream = count * text.len() as u64;
        let most = to_stream + count * 600 + TUNNEL_WINDOW as u64;
        assert!(passed > to_stream && passed < most, "{passed} of {to_stream}");
        let told = romeo.told().await;
        let all: Vec<String> = (0..count).map(|number| format!("{number}{text}")).collect();
        assert!(told == all, "{} came", told.len());
    });
}
