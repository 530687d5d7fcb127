//! Octets that are no XMPP: garbage, other protocols, broken UTF-8, halves of stanzas, one octet at a time.

use waxwing_tests::Client;
use waxwing_tests::transport::{Tls, Transport};

use crate::provoke::{End, Stage, end, provoke};
use crate::world::{figure, kib, process, size, world};

/// A small generator, so that a failing input can be made again.
struct Garbage(u64);

impl Garbage {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// The stream errors that a stream which is no XML may end with.
const NOT_XML: [&str; 6] = [
    "not-well-formed",
    "unsupported-encoding",
    "restricted-xml",
    "bad-format",
    "policy-violation",
    "bad-namespace-prefix",
];

fn is_refused(end: &End, what: &str) {
    let condition = end.condition.as_deref().unwrap_or("no stream error");
    assert!(NOT_XML.contains(&condition), "{what}: {condition}");
    assert_eq!(end.before, [], "{what}");
}

#[tokio::test]
async fn garbage_ends_the_stream() {
    let world = world().await;
    let before = process(&world).memory().unwrap();
    let rounds = size(2_000, 60);
    for seed in 1..=rounds as u64 {
        let mut garbage = Garbage(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let length = 64 + (garbage.next() % 4096) as usize;
        let stage = if seed.is_multiple_of(2) { Stage::Connected } else { Stage::Opened };
        let mut client = stage.reach(&world).await;
        let end = provoke(&mut client, &garbage.bytes(length)).await;
        is_refused(&end, &format!("seed {seed} at {stage:?}"));
    }
    // The TLS listeners get garbage too: they answer with an alert at most and hang up.
    for seed in 1..=rounds as u64 {
        let mut garbage = Garbage(seed.wrapping_mul(0xd134_2543_de82_ef95));
        for address in [&world.server.addresses().xmpps, &world.server.addresses().https] {
            let mut transport = Transport::plain(address).await.unwrap();
            let length = 16 + (garbage.next() % 512) as usize;
            // A record that says it is long is waited for; this one is not of TLS at all.
            let mut bytes = garbage.bytes(length);
            bytes[0] |= 0x80;
            let _ = transport.write(&bytes).await;
            while let Ok(Some(_)) = transport.read().await {}
        }
    }
    let rise = process(&world).memory().unwrap().saturating_sub(before);
    figure(&format!("{} streams of garbage: every one closed, memory rose by {}", 3 * rounds, kib(rise)));
    assert!(rise < 8 << 20, "memory rose by {}", kib(rise));
    world.connected("romeo/orchard").await;
}

/// Another protocol that is made to talk to this port (ALPACA, cross-protocol requests of browsers) gets no answer that
/// it could use, and the line that ends its greeting is read no further.
#[tokio::test]
async fn other_protocols_are_refused() {
    let world = world().await;
    for greeting in [
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n<message/>",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 400\r\n\r\n<stream:stream to='localhost'>",
        "EHLO attacker.example\r\nMAIL FROM:<a@example>\r\n",
        "OPTIONS sip:romeo@localhost SIP/2.0\r\nVia: SIP/2.0/TCP attacker\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "\u{0}\u{0}\u{0}\u{1}",
    ] {
        let mut client = Stage::Connected.reach(&world).await;
        let end = provoke(&mut client, greeting.as_bytes()).await;
        is_refused(&end, greeting);
    }
    // A TLS hello at the port that begins in plain text.
    let plain = Transport::plain(&world.server.addresses().xmpp).await.unwrap();
    assert!(plain.upgrade(&Tls::default()).await.is_err());
}

/// RFC 6120 section 11.6, RFC 3629 section 3: overlong forms, surrogates, cut and impossible sequences, wherever text is.
#[tokio::test]
async fn what_is_not_utf_8_ends_the_stream() {
    let broken: [&[u8]; 10] = [
        b"\xff",
        b"\xfe",
        b"\xc0\x80",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf0\x80\x80\xaf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xc3\x28",
    ];
    let world = world().await;
    let mut tries = 0;
    for bytes in broken {
        let places: [(&[u8], &[u8]); 4] = [
            (b"<message><body>", b"</body></message>"),
            (b"<message to='", b"'/>"),
            (b"<message ", b"='x'/>"),
            (b"<message><", b"/></message>"),
        ];
        for (head, tail) in places {
            let mut client = Stage::Opened.reach(&world).await;
            let end = provoke(&mut client, &[head, bytes, tail].concat()).await;
            is_refused(&end, &format!("{bytes:x?} behind {}", String::from_utf8_lossy(head)));
            tries += 1;
        }
    }
    // NUL, control characters and characters that XML does not allow, written out or as references.
    for text in [
        "\u{0}",
        "\u{1}",
        "\u{b}",
        "\u{fffe}",
        "&#0;",
        "&#x1;",
        "&#xD800;",
        "&#xFFFF;",
        "&#x110000;",
        "&#-1;",
    ] {
        let mut client = Stage::Bound.reach(&world).await;
        let end = provoke(&mut client, format!("<message><body>{text}</body></message>").as_bytes()).await;
        is_refused(&end, &format!("{text:?}"));
        tries += 1;
    }
    figure(&format!("broken text: {tries} tries, every stream ended"));
}

/// A peer that goes in the middle of something leaves nothing behind.
#[tokio::test]
async fn half_a_stanza_leaves_nothing_behind() {
    let world = world().await;
    world.user("mallory");
    let halves =
        ["<", "<message", "<message to='", "<message><body>", "<message><body>x</body", "<![CDATA[", "&#x4"];
    let rounds = size(1_000, 100);
    let mut measured = Vec::new();
    for round in 0..2 * rounds {
        let mut client = Stage::Opened.reach(&world).await;
        let half = halves[round % halves.len()];
        client.send_raw(format!("{half}{}", "x".repeat(8_000))).await.unwrap_or_default();
        client.cut();
        if round % rounds == rounds - 1 {
            wait_for_files(&world, 0).await;
            measured.push(process(&world).memory().unwrap());
        }
    }
    let rise = measured[1].saturating_sub(measured[0]);
    figure(&format!("{rounds} connections cut inside a stanza: memory rose by {}", kib(rise)));
    assert!(rise < 1 << 20, "memory rose by {}", kib(rise));
    // Cut inside a stanza when bound: the session ends, and a new one is as good as the first.
    for half in halves {
        let mut client = Stage::Bound.reach(&world).await;
        client.send_raw(half).await.unwrap();
        client.cut();
    }
    wait_for_files(&world, 0).await;
    Stage::Bound.reach(&world).await.round_trip().await;
}

/// Waits until no more connections than these are open on the server.
async fn wait_for_files(world: &waxwing_tests::World, connections: usize) {
    crate::connections::wait_for_connections(world, connections).await;
}

/// One octet in a packet costs the server more than a stanza in a packet, but not without bound, and is read alike.
#[tokio::test]
async fn one_octet_at_a_time_is_read_like_the_whole() {
    let world = world().await;
    let mut client: Client = Stage::Bound.reach(&world).await;
    let to = client.full().to_owned();
    let body = "x".repeat(400);
    let stanza =
        format!("<message to='{to}' type='chat' id='slow'><body>{body}\u{1f600}&lt;</body></message>");
    let server = process(&world);
    let start = server.cpu().unwrap();
    for octet in stanza.as_bytes() {
        client.send_raw([*octet]).await.unwrap();
    }
    let message = client.expect("<message id='slow' _='...'>{...}</message>").await;
    let spent = server.cpu().unwrap().saturating_sub(start);
    assert!(message.to_string().contains("\u{1f600}&lt;"), "{message}");
    let each = spent / stanza.len() as u32;
    figure(&format!("one octet at a time: CPU {} an octet", crate::provoke::microseconds(each)));
    assert!(each < std::time::Duration::from_millis(2), "{each:?} an octet");
    client.send_raw("</stream:stream>").await.unwrap();
    assert_eq!(end(&mut client).await.condition, None);
}
