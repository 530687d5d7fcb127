//! Pretending to be a balancer or a proxy, and balancers that misbehave.

use std::net::IpAddr;

use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::transport::connect_from;
use waxwing_tests::{Setup, World};

use crate::connections::wait_for_connections;
use crate::world::{figure, kib, process, size, world_with};

const BALANCER: &str = "127.0.78.2";
const STRANGER: &str = "127.0.78.3";

/// What the memory of the server may rise by for each connection that has not said for whom it is.
const HELD: u64 = 32 << 10;

fn binary(family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("short").to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n\x21", &[family][..], &length, block].concat()
}

/// Headers that claim an address which may read what monitoring shows.
fn claims() -> Vec<Vec<u8>> {
    let block = [192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x67, 0x14, 0xa0];
    vec![b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 5280\r\n".to_vec(), binary(0x11, &block)]
}

async fn behind_a_balancer(more: &str) -> World {
    let lists = ["xmpp", "xmpp_tls", "http", "https"].map(|name| format!("{name} = [\"{BALANCER}\"]\n"));
    let section = format!("[listen.proxy_from]\n{}{more}", lists.concat());
    world_with(Setup::default().section(&section)).await
}

/// What comes back until the server hangs up, if that is done in time.
async fn heard(source: &str, address: &str, bytes: &[u8]) -> Vec<u8> {
    let source: IpAddr = source.parse().expect("an address");
    let mut stream = connect_from(source, address, bytes).await.expect("connected");
    let mut heard = Vec::new();
    // A connection may be cut with an error, which ends it all the same.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("the server hangs up");
    heard
}

const REQUEST: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A header from an address that is not listed is what its bytes are to whoever listens: garbage.
#[tokio::test]
async fn strangers_cannot_claim_an_address() {
    let world = behind_a_balancer("[http]\nmonitoring_networks = [\"192.0.2.0/24\"]").await;
    let addresses = world.server.addresses().clone();
    let mut refused = 0;
    for claim in claims() {
        let with = |rest: &[u8]| [&claim[..], rest].concat();
        let stream = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";
        let xmpp = heard(STRANGER, &addresses.xmpp, &with(stream)).await;
        assert!(!String::from_utf8_lossy(&xmpp).contains("<stream:features"), "{xmpp:?}");
        let http = heard(STRANGER, &addresses.http, &with(REQUEST)).await;
        assert!(http.is_empty() || http.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&http));
        for address in [&addresses.xmpps, &addresses.https] {
            // A TLS alert at most: no handshake begins.
            let tls = heard(STRANGER, address, &with(&[0x16, 3, 1])).await;
            assert!(tls.is_empty() || tls[0] == 0x15, "{tls:?}");
        }
        refused += 4;
        // The control: the same from the balancer is believed.
        let http = heard(BALANCER, &addresses.http, &with(REQUEST)).await;
        assert!(http.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&http));
    }
    assert!(heard(STRANGER, &addresses.http, REQUEST).await.starts_with(b"HTTP/1.1 404"));
    figure(&format!("headers from strangers: {refused} tries, 0 believed"));
}

/// What is broken, too long or not there at all ends the connection, and is never passed on to whoever listens.
#[tokio::test]
async fn what_a_balancer_sends_wrong_ends_the_connection() {
    let world = behind_a_balancer("[limits]\nproxy_header_timeout_ms = 500").await;
    let address = world.server.addresses().http.clone();
    let long = |text: &str| format!("PROXY UNKNOWN {}\r\n", text.repeat(100)).into_bytes();
    let broken: Vec<Vec<u8>> = vec![
        REQUEST.to_vec(),
        long("x"),
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 5280\n".to_vec(),
        b"PROXY TCP4 192.0.2.256 198.51.100.1 4711 5280\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.1 4711 5280 9\r\n".to_vec(),
        b"PROXY TCP6 192.0.2.1 198.51.100.1 4711 5280\r\n".to_vec(),
        b"PROXY UDP4 192.0.2.1 198.51.100.1 4711 5280\r\n".to_vec(),
        binary(0x11, &[0; 11]),
        binary(0x12, &[0; 12]),
        binary(0x21, &[0; 12]),
        binary(0x77, &[0; 12]),
        binary(0x11, &[0; 60_000]),
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c".to_vec(),
        b"\0".to_vec(),
        // Never finished.
        b"PROXY TCP4 192.0.2.1 ".to_vec(),
        binary(0x11, &[0; 12])[..20].to_vec(),
        Vec::new(),
    ];
    let count = broken.len();
    for header in broken {
        let answer = heard(BALANCER, &address, &header).await;
        assert!(answer.is_empty(), "{header:?}: {}", String::from_utf8_lossy(&answer));
    }
    wait_for_connections(&world, 0).await;
    figure(&format!("{count} headers that are none: {count} closed, 0 answered"));
}

/// A balancer that says it slowly keeps nobody waiting, and is given up at the deadline.
#[tokio::test]
async fn slow_headers_are_cheap_and_end() {
    let world = behind_a_balancer("[limits]\nproxy_header_timeout_ms = 3000").await;
    let address = world.server.addresses().xmpp.clone();
    let count = size(10_000, 500);
    let before = process(&world).memory().expect("a figure");
    let mut slow = Vec::with_capacity(count);
    for n in 0..count {
        let source: IpAddr = BALANCER.parse().expect("an address");
        slow.push(
            connect_from(source, &address, &b"PROXY TCP4 192.0.2.1"[..1 + n % 19]).await.expect("connected"),
        );
    }
    // Others are served meanwhile.
    let mut romeo = world.connected("romeo/orchard").await;
    romeo.round_trip().await;
    let each = process(&world).memory().expect("a figure").saturating_sub(before) / count as u64;
    for stream in &mut slow {
        let ended = timeout(PATIENCE, stream.read(&mut [0; 1])).await.expect("it is given up");
        assert!(!matches!(ended, Ok(1..)), "nothing is answered");
    }
    wait_for_connections(&world, 1).await;
    figure(&format!("{count} headers that never end: {} each, all closed at the deadline", kib(each)));
    assert!(each <= HELD, "{each} bytes each");
}

/// What a client writes into the header of a proxy stands before what the proxy adds, and is not believed; nor is anything
/// from somebody who is no proxy.
#[tokio::test]
async fn made_up_forwarding_is_not_believed() {
    let section =
        format!("[http]\nmonitoring_networks = [\"192.0.2.0/24\"]\nforwarded_from = [\"{BALANCER}\"]");
    let world = world_with(Setup::default().section(&section)).await;
    let address = world.server.addresses().http.clone();
    let request = |headers: &str| {
        format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").into_bytes()
    };
    let made_up = [
        (STRANGER, "X-Forwarded-For: 192.0.2.1\r\n"),
        (STRANGER, "Forwarded: for=192.0.2.1\r\n"),
        (STRANGER, "X-Real-IP: 192.0.2.1\r\n"),
        (BALANCER, "X-Forwarded-For: 192.0.2.1, 203.0.113.9\r\n"),
        (BALANCER, "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 203.0.113.9\r\n"),
        (BALANCER, "X-Forwarded-For: 192.0.2.1, \r\n"),
        (BALANCER, "X-Forwarded-For: 192.0.2.1, unknown\r\n"),
        (BALANCER, "Forwarded: for=192.0.2.1\r\n"),
        (BALANCER, "Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 203.0.113.9\r\n"),
        (BALANCER, ""),
    ];
    for (source, headers) in made_up {
        let answer = heard(source, &address, &request(headers)).await;
        assert!(answer.starts_with(b"HTTP/1.1 404"), "{source} {headers}");
    }
    // The control.
    let answer = heard(BALANCER, &address, &request("X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n")).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    figure(&format!("made-up forwarding: {} tries, 0 believed", made_up.len()));
}
