//! Behind balancers: whose connection it is, and how a node leaves without its clients noticing more than a pause.

use std::net::IpAddr;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use waxwing_tests::client::SharedCaptures;
use waxwing_tests::json::Json;
use waxwing_tests::server::PATIENCE;
use waxwing_tests::transport::{Tls, Transport, connect_from};
use waxwing_tests::world::password;
use waxwing_tests::{Client, Setup, World};

use crate::world::{json_on, world_with};

/// An address of this machine that only the balancer of these tests connects from.
const BALANCER: &str = "127.0.77.2";

fn balancer() -> IpAddr {
    BALANCER.parse().expect("an address")
}

/// A server that hears from the balancer for whom it connects, on every listener.
async fn behind_a_balancer() -> World {
    let lists = ["xmpp", "xmpp_tls", "http", "https"].map(|name| format!("{name} = [\"{BALANCER}\"]\n"));
    world_with(Setup::default().section(&format!("[listen.proxy_from]\n{}", lists.concat()))).await
}

/// A header of version 1 for a client at this address.
fn line(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 198.51.100.1 4711 5222\r\n").into_bytes()
}

/// A header of version 2, with a TLV behind the addresses.
fn binary(command: u8, client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, 0x11, 0, 12 + 4]);
    header.extend([&client[..], &[198, 51, 100, 1], &4711u16.to_be_bytes(), &5222u16.to_be_bytes()].concat());
    header.extend([0x04, 0, 1, 7]);
    header
}

/// The address that the server shows for the session with this resource.
fn shown(world: &World, resource: &str) -> String {
    let listed = world.server.admin(&["sessions", "--json"], "").expect("sessions");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let sessions = listed["sessions"].as_array().expect("a list");
    let session = sessions.iter().find(|session| session["resource"] == resource);
    session.unwrap_or_else(|| panic!("{listed}"))["ip"].as_str().expect("an address").to_owned()
}

async fn sign_in(world: &World, transport: Transport, resource: &str) -> Client {
    world.user("romeo");
    let mut client = Client::new(transport, "localhost", SharedCaptures::default());
    client.open().await.expect("a stream");
    if matches!(client.transport(), Transport::Plain(_)) {
        client.starttls(&Tls::default()).await.expect("TLS");
    }
    client.sign_in("romeo", &password("romeo"), resource).await.expect("signed in");
    client
}

/// covers: operation PROXY protocol; operation PROXY protocol over TLS
#[tokio::test]
async fn who_stands_behind_a_balancer_is_seen() {
    let world = behind_a_balancer().await;
    let addresses = world.server.addresses().clone();
    let tls = Tls { alpn: vec![b"xmpp-client".to_vec()], ..Tls::default() };
    let plain = async |address: &str, header: &[u8]| {
        Transport::plain_from(balancer(), address, header).await.expect("connected")
    };
    let on = async |address: &str, header: &[u8], tls: Option<&Tls>| {
        let stream = connect_from(balancer(), address, header).await.expect("connected");
        Transport::websocket_on(stream, address, tls, "/xmpp-websocket", None).await.expect("a WebSocket")
    };
    let mut clients = vec![
        sign_in(&world, plain(&addresses.xmpp, &line("192.0.2.1")).await, "1").await,
        sign_in(&world, plain(&addresses.xmpp, &binary(0x21, [192, 0, 2, 2])).await, "2").await,
    ];
    let direct = plain(&addresses.xmpps, &binary(0x21, [192, 0, 2, 3])).await.upgrade(&tls).await;
    clients.push(sign_in(&world, direct.expect("TLS"), "3").await);
    let wss = on(&addresses.https, &binary(0x21, [192, 0, 2, 4]), Some(&Tls::default())).await;
    clients.push(sign_in(&world, wss, "4").await);
    for n in 1..=4 {
        assert_eq!(shown(&world, &n.to_string()), format!("192.0.2.{n}:4711"));
    }
    // The balancer on its own behalf, and somebody who is no balancer.
    clients.push(sign_in(&world, plain(&addresses.xmpp, &binary(0x20, [192, 0, 2, 5])).await, "5").await);
    assert!(shown(&world, "5").starts_with(BALANCER));
    clients.push(sign_in(&world, plain(&addresses.xmpp, b"PROXY UNKNOWN\r\n").await, "6").await);
    assert!(shown(&world, "6").starts_with(BALANCER));
    clients.push(world.connected("romeo/7").await);
    assert!(shown(&world, "7").starts_with("127.0.0.1:"));
    for client in &mut clients {
        client.round_trip().await;
    }
    // Over plain HTTP, where the log and the limits are what counts.
    let mut probe = connect_from(balancer(), &addresses.http, &line("127.0.0.9")).await.expect("connected");
    assert!(answer(&mut probe, "/health/ready", "").await.starts_with("HTTP/1.1 200"));
    let mut probe = connect_from(balancer(), &addresses.http, &line("192.0.2.1")).await.expect("connected");
    assert!(answer(&mut probe, "/health/ready", "").await.starts_with("HTTP/1.1 404"));
}

/// What is answered to a request on this connection; `headers` are whole lines.
async fn answer(stream: &mut TcpStream, path: &str, headers: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut heard = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("an answer in time").expect("an answer");
    String::from_utf8_lossy(&heard).into_owned()
}

/// covers: operation X-Forwarded-For; operation Forwarded
#[tokio::test]
async fn for_whom_a_proxy_asks_is_seen() {
    for (setting, told) in [
        ("", [("X-Forwarded-For", "127.0.0.1, 192.0.2.7"), ("X-Forwarded-Proto", "https")]),
        (
            "forwarded_header = \"forwarded\"",
            [("Forwarded", "for=127.0.0.1, for=192.0.2.7;proto=https"), ("X-Forwarded-For", "192.0.2.8")],
        ),
    ] {
        let section = format!("[http]\nforwarded_from = [\"127.0.0.1\"]\n{setting}");
        let world = world_with(Setup::default().section(&section)).await;
        world.user("romeo");
        let headers = [&[("Sec-WebSocket-Protocol", "waxwing.v1")], &told[..]].concat();
        let mut romeo = Json::connect_with(&world.server, &headers).await.expect("connected");
        let params = waxwing_tests::json::by_password("romeo", &password("romeo"), "phone");
        romeo.ask("session.sign_in", params).await;
        let listed: Value =
            serde_json::from_str(&world.server.admin(&["sessions", "--json"], "").expect("sessions"))
                .expect("JSON");
        let session = &listed["sessions"][0];
        assert_eq!(session["ip"], "192.0.2.7:0", "{listed}");
        assert_eq!(session["tls"], "https", "{listed}");
    }
}

/// covers: operation drain; operation readiness while leaving
#[tokio::test]
async fn a_node_that_leaves_says_so_and_serves_on() {
    let section = "[shutdown]\nannounce_ms = 600_000";
    let mut world = world_with(Setup::default().section(section)).await;
    let mut romeo = world.online("romeo/orchard").await;
    let mut page = json_on(&world, "juliet", "phone").await;
    assert!(world.get("/health/ready").await.expect("an answer").0.starts_with("HTTP/1.1 200"));
    world.server.signal("TERM").expect("told");
    let noticed = async {
        while !world.get("/health/ready").await.expect("an answer").0.starts_with("HTTP/1.1 503") {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, noticed).await.expect("readiness says no");
    assert!(world.get("/health/live").await.expect("an answer").0.starts_with("HTTP/1.1 200"));
    romeo.round_trip().await;
    let late = world.connected("romeo/late").await;
    page.ask("session.ping", json!({})).await;
    // Once more, and it does not wait.
    world.server.signal("TERM").expect("told");
    romeo.expect_stream_error("system-shutdown").await;
    drop(late);
    while page.receive().await.expect("a frame").is_some() {}
    assert_eq!(page.closed_with(), Some(1001), "going away");
    assert!(world.server.wait().expect("it ends").success());
}

/// covers: operation drain over time; operation resumption after a drain
#[tokio::test]
async fn clients_are_sent_away_one_after_the_other_and_resume() {
    let section = "[shutdown]\nspread_ms = 600_000";
    let mut world = world_with(Setup::default().section(section)).await;
    let mut romeo = world.online("romeo/orchard").await;
    romeo.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>").await;
    let enabled = romeo.expect("<enabled xmlns='urn:xmpp:sm:3' _='...'/>").await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut drain = world.server.command();
    let mut drained = drain.arg("drain").stdout(Stdio::null()).spawn().expect("the command starts");
    romeo.expect_stream_error("system-shutdown").await;
    juliet.round_trip().await;
    let address = world.server.addresses().xmpp.clone();
    let refused = async { while TcpStream::connect(&address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("nobody new is accepted");
    juliet.round_trip().await;
    world.server.signal("TERM").expect("told");
    juliet.expect_stream_error("system-shutdown").await;
    assert!(world.server.wait().expect("it ends").success());
    assert!(drained.wait().expect("the command ends").success());
    // The next process of the same installation has what the first has left.
    world.server.launch().expect("it starts again");
    let mut again = world.authenticated("romeo").await;
    let previd = enabled.attr("id").expect("an id");
    again.send(&format!("<resume xmlns='urn:xmpp:sm:3' h='0' previd='{previd}'/>")).await;
    again.expect("<resumed xmlns='urn:xmpp:sm:3' _='...'/>").await;
}
