//! Attacks by way of HTTP: WebSocket frames that lie, handshakes that should not be taken, paths, forwarded headers.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::{Setup, World};

use crate::world::{figure, kib, process, world, world_with};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Sends a request and reads the head of the answer.
async fn ask(world: &World, request: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(&world.server.addresses().http).await.unwrap();
    let _ = stream.write_all(request.as_bytes()).await;
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match timeout(PATIENCE, stream.read(&mut octet)).await.expect("an answer or the end") {
            Ok(1) => head.push(octet[0]),
            _ => break,
        }
    }
    (stream, String::from_utf8_lossy(&head).into_owned())
}

fn upgrade(more: &str) -> String {
    format!(
        "GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{more}\r\n"
    )
}

const XMPP: &str = "Sec-WebSocket-Protocol: xmpp\r\n";

fn status(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

/// A WebSocket on which raw octets are written.
async fn socket(world: &World) -> TcpStream {
    let (stream, head) = ask(world, &upgrade(XMPP)).await;
    assert_eq!(status(&head), "101", "{head}");
    stream
}

/// A frame with a mask of zeros. `length` is what it claims, which need not be true.
fn frame(first: u8, length: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

const TEXT: u8 = 0x1;
const FINAL: u8 = 0x80;

/// Writes until the server hangs up, or all is written, and waits for the end of the connection. That it ends is tested.
async fn write_to_the_end(stream: &mut TcpStream, pieces: impl Iterator<Item = Vec<u8>>) {
    let writing = async {
        for piece in pieces {
            if stream.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    assert!(timeout(PATIENCE, writing).await.is_ok(), "the server neither reads nor hangs up");
    let mut buffer = [0; 4096];
    let ending = async { while let Ok(1..) = stream.read(&mut buffer).await {} };
    assert!(timeout(PATIENCE, ending).await.is_ok(), "the connection stays open");
}

/// CVE-2026-27571, CVE-2026-33219, CVE-2023-43669: lengths are checked before memory is taken for them.
#[tokio::test]
async fn frames_that_lie_end_the_connection() {
    let world = world().await;
    let server = process(&world);
    drop(socket(&world).await);
    let before = server.memory().unwrap();
    let open = b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>";
    let mut unmasked = vec![FINAL | TEXT, open.len() as u8];
    unmasked.extend_from_slice(open);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("claims 2^63 - 1 octets", frame(FINAL | TEXT, u64::MAX >> 1, b"<open")),
        ("claims 2^64 - 1 octets", frame(FINAL | TEXT, u64::MAX, b"<open")),
        ("claims 4 GiB", frame(FINAL | TEXT, 1 << 32, b"<open")),
        ("claims one octet too many", frame(FINAL | TEXT, 262_145, b"<open")),
        ("is a compressed frame (RSV1)", frame(FINAL | 0x40 | TEXT, open.len() as u64, open)),
        ("has RSV2 set", frame(FINAL | 0x20 | TEXT, open.len() as u64, open)),
        ("has an unknown opcode", frame(FINAL | 0x3, 0, b"")),
        ("has an unknown control opcode", frame(FINAL | 0xb, 0, b"")),
        ("is not masked", unmasked),
        ("continues nothing", frame(FINAL, 1, b"x")),
        ("is binary", frame(FINAL | 0x2, 1, b"x")),
        ("is a fragmented ping", frame(0x9, 1, b"x")),
        ("is a ping of 126 octets", frame(FINAL | 0x9, 126, &[0; 126])),
        ("is not UTF-8", frame(FINAL | TEXT, 2, b"\xc3\x28")),
        ("is no XML", frame(FINAL | TEXT, 5, b"hello")),
    ];
    let count = cases.len();
    for (name, bytes) in cases {
        let mut stream = socket(&world).await;
        write_to_the_end(&mut stream, std::iter::once(bytes)).await;
        let rise = server.memory().unwrap().saturating_sub(before);
        assert!(rise < 4 << 20, "a frame that {name}: memory rose by {}", kib(rise));
    }
    let rise = server.memory().unwrap().saturating_sub(before);
    figure(&format!(
        "{count} kinds of WebSocket frames that lie: every connection ended, memory rose by {}",
        kib(rise)
    ));
}

/// Many fragments make one message, whose size has the same bound; and an endless number of empty ones has a deadline.
#[tokio::test]
async fn fragments_do_not_pile_up() {
    let world = world_with(Setup::default().section("[limits]\nauthentication_timeout_ms = 5000")).await;
    let server = process(&world);
    drop(socket(&world).await);
    let before = server.memory().unwrap();
    let mut stream = socket(&world).await;
    let fragments = (0..100_000).map(|n| frame(if n == 0 { TEXT } else { 0 }, 1024, &[b'x'; 1024]));
    write_to_the_end(&mut stream, fragments).await;
    let large = server.memory().unwrap().saturating_sub(before);
    let mut stream = socket(&world).await;
    let batch: Vec<u8> = frame(0, 0, b"").repeat(1_000);
    let fragments = std::iter::once(frame(TEXT, 0, b"")).chain((0..1_000).map(|_| batch.clone()));
    write_to_the_end(&mut stream, fragments).await;
    let many = server.memory().unwrap().saturating_sub(before);
    // Pings that are answered although nobody reads the answers.
    let mut stream = socket(&world).await;
    let pings = frame(FINAL | 0x9, 125, &[b'p'; 125]).repeat(500);
    write_to_the_end(&mut stream, (0..2_000).map(|_| pings.clone())).await;
    let pinged = server.memory().unwrap().saturating_sub(before);
    figure(&format!(
        "WebSocket: 100 MB in fragments, 1,000,000 empty fragments, 1,000,000 pings: memory rose by {}, {}, {}",
        kib(large),
        kib(many),
        kib(pinged)
    ));
    for rise in [large, many, pinged] {
        assert!(rise < 16 << 20, "memory rose by {}", kib(rise));
    }
}

/// RFC 7395 section 3.1, RFC 6455 section 10.2, RFC 7692: who may open a WebSocket, and with what.
#[tokio::test]
async fn handshakes_that_must_not_be_taken() {
    let world = world().await;
    let cases = [
        ("", "400"),
        ("Sec-WebSocket-Protocol: mqtt\r\n", "400"),
        ("Sec-WebSocket-Protocol: xmpp\r\nOrigin: https://attacker.example\r\n", "403"),
        ("Sec-WebSocket-Protocol: xmpp\r\nOrigin: null\r\n", "403"),
        ("Sec-WebSocket-Protocol: xmpp\r\nOrigin: https://localhost.attacker.example\r\n", "403"),
        ("Sec-WebSocket-Protocol: xmpp\r\nOrigin: https://localhost@attacker.example\r\n", "403"),
        (
            "Sec-WebSocket-Protocol: xmpp\r\nOrigin: https://localhost\r\nOrigin: https://attacker.example\r\n",
            "403",
        ),
        ("Sec-WebSocket-Protocol: xmpp\r\nOrigin: https://localhost\r\n", "101"),
    ];
    for (headers, expected) in cases {
        let (_, head) = ask(&world, &upgrade(headers)).await;
        assert_eq!(status(&head), expected, "{headers}: {head}");
    }
    let deflate = format!("{XMPP}Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n");
    let (_, head) = ask(&world, &upgrade(&deflate)).await;
    assert_eq!(status(&head), "101", "{head}");
    assert!(!head.to_ascii_lowercase().contains("sec-websocket-extensions"), "compression was taken: {head}");
    // A head beyond 8 KiB, in one header or in many, on its way to the WebSocket.
    for headers in [format!("X: {}\r\n", "x".repeat(9_000)), "X: y\r\n".repeat(2_000)] {
        let (_, head) = ask(&world, &upgrade(&format!("{XMPP}{headers}"))).await;
        assert!(status(&head) == "431" || head.is_empty(), "{head}");
    }
}

/// CVE-2023-32315 and its like: what is not a path of ours is not found, however it is written.
#[tokio::test]
async fn odd_paths_are_not_found() {
    let section = "[http]\nmonitoring_networks = [\"192.0.2.0/24\"]";
    let world = world_with(Setup::default().section(section)).await;
    let paths = [
        "/metrics",
        "/health/live",
        "/health/ready",
        "/./metrics",
        "//metrics",
        "/metrics/",
        "/metrics/.",
        "/METRICS",
        "/%6detrics",
        "/x/../metrics",
        "/x/%2e%2e/metrics",
        "/x/..%2fmetrics",
        "/%252e%252e/metrics",
        "/metrics%00",
        "/metrics;x",
        "/metrics?x=/.well-known/host-meta",
        "/.well-known/host-meta/../../metrics",
        "/../etc/passwd",
        "/..%c0%af..%c0%afetc/passwd",
        "/%u002e%u002e/metrics",
        "/\\..\\metrics",
        "/.well-known/acme-challenge/..%2f..%2fkey",
        "/.well-known/acme-challenge/%00",
        "/setup/setup-s/%u002e%u002e/%u002e%u002e/log.jsp",
        "http://localhost/metrics",
    ];
    // CVE-2026-76835: a header does not make a stranger a neighbour.
    let forwarded = [
        "",
        "X-Forwarded-For: 192.0.2.1\r\n",
        "Forwarded: for=192.0.2.1\r\n",
        "X-Real-IP: 192.0.2.1\r\n",
        "X-Original-URL: /metrics\r\n",
        "X-Forwarded-Host: localhost\r\nVia: 1.1 192.0.2.1\r\n",
    ];
    for path in paths {
        for headers in forwarded {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
            let (mut stream, head) = ask(&world, &request).await;
            assert!(["404", "400"].contains(&status(&head)), "{path} with {headers:?}: {head}");
            let mut body = String::new();
            let _ = stream.read_to_string(&mut body).await;
            assert!(!body.contains("waxwing_") && !body.contains("root:"), "{path}: {body}");
        }
    }
    figure(&format!(
        "{} paths with {} kinds of forwarded headers: 0 reach what is hidden",
        paths.len(),
        forwarded.len()
    ));
}

/// CVE-2021-32920, HTTP smuggling: requests that two parsers could read differently end the connection or are refused.
#[tokio::test]
async fn ambiguous_requests_are_refused() {
    let world = world().await;
    let requests = [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n X: folded\r\n\r\n",
        "GET /\u{0} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/3.7\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "<stream:stream to='localhost'>\r\n\r\n",
    ];
    for request in requests {
        let (mut stream, head) = ask(&world, request).await;
        let refused = head.is_empty() || ["400", "404", "405", "413", "505"].contains(&status(&head));
        assert!(refused, "{request:?}: {head}");
        let mut rest = String::new();
        let _ = timeout(PATIENCE, stream.read_to_string(&mut rest)).await.expect("the connection ends");
        assert!(!rest.contains("waxwing_connections"), "{request:?} was read as two: {rest}");
    }
}
