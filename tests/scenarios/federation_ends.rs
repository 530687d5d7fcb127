//! How streams between servers begin and end: where the other server is found, what becomes of queues when one stops or
//! does not answer, and when a stream is closed for want of something to say.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use waxwing_tests::dns::Records;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::{Client, Setup, World};

use crate::world::world_with;

const DIALBACK: &str =
    "[federation]\ncertificates = \"dialback\"\nretry_after_ms = 10\nretry_limit_ms = 10\n";

/// An address of this machine that no other test uses.
fn address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    Ipv4Addr::new(127, 0, 79, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A server of a domain at an address, with these sections.
async fn server(domain: &'static str, at: Ipv4Addr, sections: &str) -> World {
    world_with(Setup::default().domains(&[domain]).address(&at.to_string()).section(sections)).await
}

/// Somebody at a server that these records lead to, and what he is answered.
async fn talks_to(records: Records, verona: Ipv4Addr, mantua: Ipv4Addr) -> Result<(), String> {
    let dns = records.a("verona.example", verona).serve().await;
    let sections = format!("{}{DIALBACK}", dns.section());
    let there = server("mantua.example", mantua, &sections).await;
    let here = server("verona.example", verona, &sections).await;
    let mut friar = there.online("friar/cell").await;
    let mut romeo = here.online("romeo/orchard").await;
    write(&mut romeo, "friar@mantua.example", "hi").await;
    tokio::select! {
        got = friar.next() => {
            assert_eq!(got.expect("a message").attr("id"), Some("hi"));
            Ok(())
        }
        error = romeo.next() => Err(error.expect("an error").to_string()),
    }
}

async fn write(from: &mut Client, to: &str, id: &str) {
    from.send(&format!("<message to='{to}' type='chat' id='{id}'><body>{id}</body></message>")).await;
}

/// RFC 6120 sections 3.2.1 and 3.2.2, RFC 2782, XEP-0368 section 3.
/// covers: RFC 6120 3.2.1; RFC 6120 3.2.2; XEP-0368 3 server records
#[tokio::test]
async fn the_other_server_is_found_by_dns() {
    let (plain, direct) = ("_xmpp-server._tcp.mantua.example", "_xmpps-server._tcp.mantua.example");
    type Build = fn(Records, &str, &str) -> Records;
    let cases: [(&str, Build, bool); 6] = [
        ("its own name", |records, _, _| records, true),
        ("a record", |records, plain, _| records.srv(plain, 0, 5269, "mantua.example"), true),
        ("direct TLS", |records, _, direct| records.srv(direct, 0, 5270, "mantua.example"), true),
        (
            "behind one that refuses and one without address",
            |records, plain, direct| {
                let records = records.srv(plain, 1, 1, "mantua.example").srv(direct, 2, 5270, "gone.example");
                records.srv(plain, 3, 5269, "mantua.example")
            },
            true,
        ),
        ("said not to be", |records, plain, _| records.srv(plain, 0, 0, "."), false),
        ("only where nobody answers", |records, plain, _| records.srv(plain, 0, 1, "mantua.example"), false),
    ];
    for (what, build, found) in cases {
        let (verona, mantua) = (address(), address());
        let records = build(Records::default().a("mantua.example", mantua), plain, direct);
        match (talks_to(records, verona, mantua).await, found) {
            (Ok(()), true) => {}
            (Err(error), false) => assert!(error.contains("<remote-server-"), "{what}: {error}"),
            (other, _) => panic!("{what}: {other:?}"),
        }
    }
}

/// Somebody who accepts connections, counts them, and says nothing; with `hold` he does not even hang up.
struct Silent {
    address: String,
    count: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Silent {
    async fn new(hold: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let count = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&count);
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                counting.fetch_add(1, Ordering::SeqCst);
                if hold {
                    held.push(connection);
                }
            }
        });
        Self { address, count, task }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    fn route(&self) -> String {
        format!("[[federation.route]]\ndomain = \"silent.example\"\naddress = {:?}\n", self.address)
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn expect_timeout(client: &mut Client, id: &str) {
    client
        .expect(&format!(
            "<message from='friar@silent.example' type='error' id='{id}'><error type='wait'>\
             <remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        ))
        .await;
}

/// RFC 6120 section 3.3: who could not be reached is left alone for a while, and everybody is told at once meanwhile.
/// covers: RFC 6120 3.3 between servers
#[tokio::test]
async fn who_cannot_be_reached_is_left_alone() {
    for (pause, comes_back) in [(3_600_000, false), (50, true)] {
        let silent = Silent::new(false).await;
        let section =
            format!("[federation]\nretry_after_ms = {pause}\nretry_limit_ms = {pause}\n{}", silent.route());
        let world = world_with(Setup::default().section(&section)).await;
        let mut romeo = world.online("romeo/orchard").await;
        write(&mut romeo, "friar@silent.example", "first").await;
        expect_timeout(&mut romeo, "first").await;
        assert_eq!(silent.count(), 1);
        for number in 0..20 {
            let id = format!("again-{number}");
            write(&mut romeo, "friar@silent.example", &id).await;
            expect_timeout(&mut romeo, &id).await;
        }
        if !comes_back {
            assert_eq!(silent.count(), 1, "nobody is bothered before the pause is over");
            continue;
        }
        let again = async {
            while silent.count() < 3 {
                write(&mut romeo, "friar@silent.example", "later").await;
                expect_timeout(&mut romeo, "later").await;
            }
        };
        timeout(PATIENCE, again).await.expect("it is tried again");
    }
}

/// The ids of as many messages that come back with this condition.
async fn errors(client: &mut Client, count: usize, condition: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for _ in 0..count {
        let error = client.next().await.expect("an error");
        assert!(error.attr("type") == Some("error") && error.to_string().contains(condition), "{error}");
        ids.extend(error.attr("id").map(str::to_owned));
    }
    ids
}

/// SIGTERM while a queue waits for a server that does not answer: everybody is told, before he is sent away.
/// covers: federation drain
#[tokio::test]
async fn what_waits_when_the_server_stops_comes_back() {
    let silent = Silent::new(true).await;
    let section =
        format!("[federation]\nnegotiation_timeout_ms = 600_000\nqueue_limit = 40\n{}", silent.route());
    let mut world = world_with(Setup::default().section(&section)).await;
    let mut romeo = world.online("romeo/orchard").await;
    for number in 0..50 {
        write(&mut romeo, "friar@silent.example", &format!("m{number}")).await;
    }
    // More than the queue holds is refused at once.
    let mut refused = errors(&mut romeo, 10, "resource-constraint").await;
    world.server.signal("TERM").expect("it runs");
    refused.extend(errors(&mut romeo, 40, "remote-server-timeout").await);
    assert_eq!(refused.len(), 50, "each once");
    romeo.expect_stream_error("system-shutdown").await;
    assert!(world.server.wait().expect("it ends").success());
    let log = world.server.log();
    assert!(log.contains("were not sent before the end"), "{log}");
}

/// SIGTERM while another server takes nothing any more: each message arrives there, or comes back.
/// covers: federation drain of a stream
#[tokio::test]
async fn no_message_vanishes_when_the_server_stops() {
    let (verona, mantua) = (address(), address());
    let records = Records::default().a("mantua.example", mantua).a("verona.example", verona);
    let dns = records.serve().await;
    let there = server("mantua.example", mantua, &format!("{}{DIALBACK}", dns.section())).await;
    let sections = format!("{}{DIALBACK}[shutdown]\ndrain_grace_ms = 2_000\n", dns.section());
    let mut here = server("verona.example", verona, &sections).await;
    let mut friar = there.online("friar/cell").await;
    let mut romeo = here.online("romeo/orchard").await;
    write(&mut romeo, "friar@mantua.example", "first").await;
    assert_eq!(friar.next().await.expect("a message").attr("id"), Some("first"));
    there.server.signal("STOP").expect("it runs");
    let ids: BTreeSet<String> = (0..100).map(|number| format!("m{number}")).collect();
    let body = "x".repeat(200_000);
    for id in &ids {
        romeo
            .send(&format!(
                "<message to='friar@mantua.example' type='chat' id='{id}'><body>{body}</body></message>"
            ))
            .await;
    }
    romeo.settle().await;
    here.server.signal("TERM").expect("it runs");
    let mut told = BTreeSet::new();
    while let Ok(element) = romeo.next().await {
        if element.name != "message" {
            break;
        }
        assert_eq!(element.attr("type"), Some("error"));
        told.extend(element.attr("id").map(str::to_owned));
    }
    assert!(!told.is_empty(), "more was sent than fits between two servers");
    assert!(here.server.wait().expect("it ends").success());
    there.server.signal("CONT").expect("it runs");
    let arrives = async {
        let mut arrived = told.clone();
        while arrived != ids {
            let element = friar.next().await.expect("a message");
            arrived.extend(element.attr("id").map(str::to_owned));
        }
    };
    let all = timeout(PATIENCE, arrives).await.is_ok();
    assert!(
        all,
        "whatever was not told has arrived; {} told: {told:?}; {}",
        told.len(),
        friar.said().chars().filter(|c| *c != 'x').collect::<String>()
    );
}

/// covers: RFC 6120 4.6.1 between servers
#[tokio::test]
async fn a_stream_with_nothing_to_say_is_closed_and_made_anew() {
    let (verona, mantua) = (address(), address());
    let dns = Records::default().a("mantua.example", mantua).a("verona.example", verona).serve().await;
    let sections = format!("{}{DIALBACK}idle_timeout_ms = 1_000\n", dns.section());
    let there = server("mantua.example", mantua, &sections).await;
    let here = server("verona.example", verona, &sections).await;
    let mut friar = there.online("friar/cell").await;
    let mut romeo = here.online("romeo/orchard").await;
    for id in ["one", "two"] {
        write(&mut romeo, "friar@mantua.example", id).await;
        assert_eq!(friar.next().await.expect("a message").attr("id"), Some(id));
        let connected = |world: &World| {
            let listed = world.server.admin(&["federation", "--json"], "").expect("a list");
            listed.contains("mantua.example") && listed.contains("verona.example")
        };
        let closed = async {
            while connected(&here) || connected(&there) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, closed).await.expect("it is closed");
    }
    romeo.expect_nothing().await;
}

/// CVE-2021-32917: the relay is for clients of its own server.
/// covers: XEP-0065 example 9
#[tokio::test]
async fn people_of_other_servers_may_not_use_the_relay() {
    let (verona, mantua) = (address(), address());
    let records = Records::default().a("mantua.example", mantua).a("verona.example", verona);
    let dns = records.a("proxy.verona.example", verona).serve().await;
    let sections = format!("{}{DIALBACK}", dns.section());
    let there = server("mantua.example", mantua, &sections).await;
    let setup = Setup { bytestreams: true, ..Setup::default() };
    let setup = setup.domains(&["verona.example"]).address(&verona.to_string()).section(&sections);
    let here = world_with(setup).await;
    let mut friar = there.online("friar/cell").await;
    let mut romeo = here.online("romeo/orchard").await;
    let ask = "<query xmlns='http://jabber.org/protocol/bytestreams'/>";
    let own = romeo.ask("get", Some("proxy.verona.example"), ask).await;
    assert_eq!(own.attr("type"), Some("result"), "{own}");
    let strange = friar.ask("get", Some("proxy.verona.example"), ask).await;
    assert!(
        strange.attr("type") == Some("error") && strange.to_string().contains("<forbidden "),
        "{strange}"
    );
}
