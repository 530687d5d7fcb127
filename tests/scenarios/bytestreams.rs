//! The relay for bytes between two clients (XEP-0065): found, told about, activated by a client of this server alone.

use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::{Client, Setup, World};

const BYTESTREAMS: &str = "http://jabber.org/protocol/bytestreams";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";

async fn world(section: &str) -> World {
    let setup = Setup { bytestreams: true, ..Setup::default() }.section(section);
    World::start(env!("CARGO_BIN_EXE_waxwing"), &setup).await
}

fn name(sid: &str, requester: &str, target: &str) -> String {
    let hash = Sha1::digest(format!("{sid}{requester}{target}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What SOCKS answers to a request, after the method was agreed on.
async fn socks(world: &World, request: &[u8]) -> (TcpStream, Vec<u8>) {
    let mut stream = TcpStream::connect(&world.server.addresses().bytestreams).await.unwrap();
    stream.write_all(&[5, 1, 0]).await.unwrap();
    let mut method = [0; 2];
    stream.read_exact(&mut method).await.unwrap();
    assert_eq!(method, [5, 0]);
    stream.write_all(request).await.unwrap();
    let mut answer = vec![0; 4];
    if timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer or the end").is_err() {
        return (stream, Vec::new());
    }
    let rest = if answer[3] == 3 { 1 + 40 + 2 } else { 6 };
    let mut more = vec![0; rest];
    let _ = stream.read_exact(&mut more).await;
    answer.extend_from_slice(&more);
    (stream, answer)
}

/// A connection that waits for its stream.
async fn connect(world: &World, name: &str) -> TcpStream {
    let request = [&[5, 1, 0, 3, 40][..], name.as_bytes(), &[0, 0]].concat();
    let (stream, answer) = socks(world, &request).await;
    assert_eq!(
        answer,
        [&[5, 0, 0, 3, 40][..], name.as_bytes(), &[0, 0]].concat(),
        "it repeats what was asked for"
    );
    stream
}

async fn activate(client: &mut Client, sid: &str, target: &str) -> Result<(), String> {
    let query = format!("<query xmlns='{BYTESTREAMS}' sid='{sid}'><activate>{target}</activate></query>");
    let answer = client.ask("set", Some("proxy.localhost"), &query).await;
    match answer.attr("type") {
        Some("result") => Ok(()),
        _ => Err(answer.to_string()),
    }
}

/// covers: XEP-0065 4 discovery; XEP-0065 4 address
/// covers: XEP-0065 example 3; XEP-0065 example 4; XEP-0065 example 5; XEP-0065 example 6; XEP-0065 example 7; XEP-0065 example 8
#[tokio::test]
async fn the_relay_is_found() {
    let world = world("[bytestreams]\nhost = \"proxy.example.org\"").await;
    let mut romeo = world.online("romeo/garden").await;
    let items = romeo.ask("get", Some("localhost"), &format!("<query xmlns='{DISCO_ITEMS}'/>")).await;
    assert!(items.to_string().contains("proxy.localhost"), "{items}");
    let info = romeo.ask("get", Some("proxy.localhost"), &format!("<query xmlns='{DISCO_INFO}'/>")).await;
    let query = info.child(DISCO_INFO, "query").expect("information");
    let identity = query.child(DISCO_INFO, "identity").expect("an identity");
    assert_eq!((identity.attr("category"), identity.attr("type")), (Some("proxy"), Some("bytestreams")));
    assert!(query.children().any(|feature| feature.attr("var") == Some(BYTESTREAMS)));
    let answer = romeo.ask("get", Some("proxy.localhost"), &format!("<query xmlns='{BYTESTREAMS}'/>")).await;
    let host = answer.find(BYTESTREAMS, "streamhost").expect("an address");
    let port = world.server.addresses().bytestreams.rsplit(':').next().map(str::to_owned);
    assert_eq!(host.attr("jid"), Some("proxy.localhost"));
    assert_eq!(host.attr("host"), Some("proxy.example.org"));
    assert_eq!(host.attr("port").map(str::to_owned), port);
}

/// covers: XEP-0065 6 activation; XEP-0065 6 only one; XEP-0065 example 21; XEP-0065 example 22; XEP-0065 example 23; XEP-0065 example 24
#[tokio::test]
async fn bytes_go_both_ways_once_it_is_activated() {
    let world = world("").await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/garden", "juliet/balcony"]).await;
    let target = juliet.full().to_owned();
    let stream = name("sid1", romeo.full(), &target);
    assert!(activate(&mut romeo, "sid1", &target).await.unwrap_err().contains("item-not-found"));
    let mut theirs = connect(&world, &stream).await;
    assert!(activate(&mut romeo, "sid1", &target).await.unwrap_err().contains("not-allowed"));
    theirs.write_all(b"too early").await.unwrap();
    let mut own = connect(&world, &stream).await;
    // The target cannot, nor can the requester's other words: the name is made of the address that asks.
    assert!(activate(&mut juliet, "sid1", &target).await.unwrap_err().contains("item-not-found"));
    activate(&mut romeo, "sid1", &target).await.unwrap();
    let content = vec![7; 300_000];
    let sending = async {
        own.write_all(&content).await.unwrap();
        own.shutdown().await.unwrap();
        let mut back = String::new();
        own.read_to_string(&mut back).await.unwrap();
        back
    };
    let receiving = async {
        let mut got = Vec::new();
        theirs.read_to_end(&mut got).await.unwrap();
        theirs.write_all(b"thanks").await.unwrap();
        theirs.shutdown().await.unwrap();
        got
    };
    let (back, got) = timeout(PATIENCE, async { tokio::join!(sending, receiving) }).await.expect("in time");
    assert_eq!(back, "thanks", "what came too early is ignored");
    assert!(got == content);
}

/// covers: XEP-0065 4 forbidden
#[tokio::test]
async fn what_is_no_stream_is_refused() {
    let world = world("[bytestreams]\nwaiting_limit = 2\nwaiting_timeout_ms = 1_000").await;
    let stream = name("sid", "a@localhost/a", "b@localhost/b");
    let long = [&[5, 1, 0, 3, 11][..], b"example.org", &[0, 80]].concat();
    let cases: [(&[u8], u8); 5] = [
        // Another host, by address and by name: this is no way out.
        (&[5, 1, 0, 1, 127, 0, 0, 1, 0, 80], 8),
        (&[5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80], 8),
        (&long, 2),
        (&[5, 2, 0, 3, 1, b'a', 0, 0], 7),
        (&[5, 3, 0, 3, 1, b'a', 0, 0], 7),
    ];
    for (request, word) in cases {
        let (_, answer) = socks(&world, request).await;
        assert_eq!(answer.get(1), Some(&word), "{request:?}");
    }
    let (one, two) = (connect(&world, &stream).await, connect(&world, &stream).await);
    // A third of the same stream, and one too many.
    let request = |name: &str| [&[5, 1, 0, 3, 40][..], name.as_bytes(), &[0, 0]].concat();
    for third in [stream.clone(), name("other", "a", "b")] {
        let (_, answer) = socks(&world, &request(&third)).await;
        assert!(answer.is_empty(), "{third}");
    }
    // Those that wait too long end, and make room.
    for mut waiting in [one, two] {
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, waiting.read_to_end(&mut rest)).await.expect("it ends");
        assert!(rest.is_empty());
    }
    connect(&world, &stream).await;
}

/// covers: XEP-0065 limits
#[tokio::test]
async fn streams_are_bounded() {
    let section = "[bytestreams]\nstreams_per_account_limit = 1\nidle_timeout_ms = 500\nbytes_per_second_limit = 100_000";
    let world = world(section).await;
    let [mut romeo, juliet] = world.all_online(["romeo/garden", "juliet/balcony"]).await;
    let target = juliet.full().to_owned();
    let mut ends = Vec::new();
    for sid in ["one", "two"] {
        let stream = name(sid, romeo.full(), &target);
        ends.push((connect(&world, &stream).await, connect(&world, &stream).await));
    }
    activate(&mut romeo, "one", &target).await.unwrap();
    let second = activate(&mut romeo, "two", &target).await.unwrap_err();
    assert!(second.contains("resource-constraint"), "{second}");
    let (own, theirs) = &mut ends[0];
    let started = std::time::Instant::now();
    let content = vec![1; 60_000];
    own.write_all(&content).await.unwrap();
    let mut got = vec![0; content.len()];
    timeout(PATIENCE, theirs.read_exact(&mut got)).await.expect("in time").unwrap();
    assert!(started.elapsed().as_millis() >= 400, "the pace holds: {:?}", started.elapsed());
    // Silence ends it, and makes room for the next.
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, theirs.read_to_end(&mut rest)).await.expect("it ends");
    let next = async {
        while activate(&mut romeo, "two", &target).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, next).await.expect("there is room again");
}

/// Without an address to listen on there is no such service.
#[tokio::test]
async fn it_is_off_by_default() {
    let world = crate::world::world().await;
    let mut romeo = world.online("romeo/garden").await;
    let items = romeo.ask("get", Some("localhost"), &format!("<query xmlns='{DISCO_ITEMS}'/>")).await;
    assert!(!items.to_string().contains("proxy."), "{items}");
    assert_eq!(world.server.addresses().bytestreams, "");
    let answer = romeo.ask("get", Some("proxy.localhost"), &format!("<query xmlns='{BYTESTREAMS}'/>")).await;
    assert!(
        answer.find(STANZAS, "remote-server-not-found").is_some() || answer.attr("type") == Some("error")
    );
}

/// What two clients say to each other about a stream goes through as it is, whatever they agree on.
/// covers: XEP-0065 example 11; XEP-0065 example 12; XEP-0065 example 15; XEP-0065 example 16
/// covers: XEP-0065 example 17; XEP-0065 example 18; XEP-0065 example 19; XEP-0065 example 20
#[tokio::test]
async fn clients_agree_on_a_stream_through_the_relay() {
    let world = world("").await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/garden", "juliet/balcony"]).await;
    romeo.clear().await;
    juliet.clear().await;
    let (requester, target) = (romeo.full().to_owned(), juliet.full().to_owned());
    let port = world.server.addresses().bytestreams.rsplit(':').next().unwrap().to_owned();
    let own = format!("<streamhost jid='{requester}' host='192.0.2.1' port='5086'/>");
    let relay = format!("<streamhost jid='proxy.localhost' host='localhost' port='{port}'/>");
    let error = |kind: &str, condition: &str| {
        format!("<error type='{kind}'><{condition} xmlns='{STANZAS}'/></error>")
    };
    let used =
        |jid: &str| format!("<query xmlns='{BYTESTREAMS}' sid='s'><streamhost-used jid='{jid}'/></query>");
    for (hosts, answer) in [
        (own.clone(), error("modify", "not-acceptable")),
        (own.clone(), error("cancel", "item-not-found")),
        (own.clone(), used(&requester)),
        (format!("{own}{relay}"), used("proxy.localhost")),
    ] {
        let kind = if answer.starts_with("<error") { "error" } else { "result" };
        let query = format!("<query xmlns='{BYTESTREAMS}' sid='s'>{hosts}</query>");
        romeo.send(&format!("<iq type='set' id='i' to='{target}'>{query}</iq>")).await;
        juliet.expect(&format!("<iq type='set' id='i' from='{requester}' to='{target}'>{query}</iq>")).await;
        let mut theirs = None;
        if answer.contains("proxy.localhost") {
            theirs = Some(connect(&world, &name("s", &requester, &target)).await);
        }
        juliet.send(&format!("<iq type='{kind}' id='i' to='{requester}'>{answer}</iq>")).await;
        romeo
            .expect(&format!("<iq type='{kind}' id='i' from='{target}' to='{requester}'>{answer}</iq>"))
            .await;
        let Some(mut theirs) = theirs else { continue };
        let mut ours = connect(&world, &name("s", &requester, &target)).await;
        activate(&mut romeo, "s", &target).await.unwrap();
        ours.write_all(b"hi").await.unwrap();
        let mut got = [0; 2];
        timeout(PATIENCE, theirs.read_exact(&mut got)).await.expect("in time").unwrap();
        assert_eq!(&got, b"hi");
    }
}

/// Occupants of a room know each other by their addresses in it, and the stream is named accordingly.
/// covers: XEP-0065 example 25; XEP-0065 example 26
#[tokio::test]
async fn occupants_of_a_room_agree_on_a_stream() {
    let world = world("").await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/garden", "juliet/balcony"]).await;
    let (room, muc) = ("coven@rooms.localhost", "http://jabber.org/protocol/muc");
    romeo.send(&format!("<presence to='{room}/romeo'><x xmlns='{muc}'/></presence>")).await;
    romeo.settle().await;
    let instant = format!("<query xmlns='{muc}#owner'><x xmlns='jabber:x:data' type='submit'/></query>");
    assert_eq!(romeo.ask("set", Some(room), &instant).await.attr("type"), Some("result"));
    juliet.send(&format!("<presence to='{room}/juliet'><x xmlns='{muc}'/></presence>")).await;
    juliet.settle().await;
    juliet.clear().await;
    romeo.settle().await;
    romeo.clear().await;
    let target = format!("{room}/juliet");
    let stream = name("yia72g3v49j7", romeo.full(), &target);
    let query = format!(
        "<query xmlns='{BYTESTREAMS}' dstaddr='{stream}' sid='yia72g3v49j7'>\
         <streamhost jid='proxy.localhost' host='localhost' port='1080'/></query>"
    );
    romeo.send(&format!("<iq type='set' id='npq71g53' to='{target}'>{query}</iq>")).await;
    let asked = juliet
        .expect(&format!(
            "<iq type='set' id='{{any}}' from='{room}/romeo' to='juliet@localhost/balcony'>{query}</iq>"
        ))
        .await;
    let mut theirs = connect(&world, &stream).await;
    let used = format!("<query xmlns='{BYTESTREAMS}'><streamhost-used jid='proxy.localhost'/></query>");
    let id = asked.attr("id").expect("an id");
    juliet.send(&format!("<iq type='result' id='{id}' to='{room}/romeo'>{used}</iq>")).await;
    romeo.expect(&format!("<iq type='result' id='npq71g53' from='{target}' _='...'>{used}</iq>")).await;
    let mut ours = connect(&world, &stream).await;
    activate(&mut romeo, "yia72g3v49j7", &target).await.unwrap();
    theirs.write_all(b"hi").await.unwrap();
    let mut got = [0; 2];
    timeout(PATIENCE, ours.read_exact(&mut got)).await.expect("in time").unwrap();
    assert_eq!(&got, b"hi");
}
