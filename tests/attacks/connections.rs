//! Connections as a weapon: thousands that say nothing, and hundreds of thousands that come and go.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use waxwing_tests::server::PATIENCE;
use waxwing_tests::transport::{Tls, Transport};
use waxwing_tests::xml::STREAMS;
use waxwing_tests::{Client, Setup, World};

use crate::provoke::end;
use crate::world::{figure, kib, process, size, world_with};

/// A connection from a source address of its own for every few thousand, so that ports do not run out.
async fn connect(world: &World, n: usize, tls: bool) -> std::io::Result<TcpStream> {
    let addresses = world.server.addresses();
    let address = if tls { &addresses.xmpps } else { &addresses.xmpp };
    let to: SocketAddr = address.parse().expect("an address");
    let source = Ipv4Addr::new(127, 0, (n / 5_000 % 250) as u8, 1 + (n / 1_250_000) as u8);
    let socket = TcpSocket::new_v4()?;
    // The port is chosen when the destination is known, so the same may serve for several destinations.
    socket.set_reuseaddr(true)?;
    socket.bind((source, 0).into())?;
    socket.connect(to).await
}

/// How many connections the server has, as it counts them itself, without the one that asks.
async fn connections(world: &World) -> usize {
    let (_, metrics) = world.get("/metrics").await.expect("metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix("waxwing_connections "));
    let connections: f64 = line.expect("the gauge of connections").parse().expect("a number");
    (connections as usize).saturating_sub(1)
}

/// Waits until the server has no more than this number of connections.
pub(crate) async fn wait_for_connections(world: &World, most: usize) {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let connections = connections(world).await;
        if connections <= most {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "{connections} connections are still open");
        tokio::task::yield_now().await;
    }
}

fn open_files_as_many_as_allowed() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many idle connections the limit on open files allows, at most so many.
fn affordable(wanted: usize) -> usize {
    let files = usize::try_from(open_files_as_many_as_allowed()).unwrap_or(usize::MAX);
    if files < wanted + 200 {
        println!("only {files} files may be open: fewer connections are tried");
    }
    wanted.min(files.saturating_sub(200))
}

const GENEROUS: &str = "[limits]\nunauthenticated = 50000\nunauthenticated_per_address = 50000\nconnections_per_address = 50000\n";

/// Opens idle connections of a kind, measures them, and waits until the server has closed every one.
async fn idle(name: &str, count: usize, deadline_ms: u64, how: Kind) -> u64 {
    let setup = Setup::default().section(&format!(
        "{GENEROUS}authentication_timeout_ms = {deadline_ms}\nhandshake_timeout_ms = {deadline_ms}"
    ));
    let world = world_with(setup).await;
    let server = process(&world);
    // What the first connections make the server allocate once belongs to no connection.
    for n in 0..50 {
        drop(how.connect(&world, n).await);
    }
    wait_for_connections(&world, 0).await;
    let before = server.memory().unwrap();
    let mut clients = Vec::with_capacity(count);
    for n in 0..count {
        clients.push(how.connect(&world, n).await);
    }
    // A machine that is busy may have let the first ones reach their deadline before the last one came.
    let open = connections(&world).await;
    assert!(
        open > count / 2,
        "{open} of {count} connections are open: the machine is too slow for {deadline_ms} ms"
    );
    let each = server.memory().unwrap().saturating_sub(before) / open as u64;
    let mut told = 0;
    for mut client in clients {
        match how {
            Kind::Silent | Kind::HalfHandshake => {
                while let Ok(Some(_)) = client.transport_mut().read().await {}
            }
            Kind::Opened | Kind::Secured => {
                let condition = end(&mut client).await.condition;
                assert_eq!(condition.as_deref(), Some("connection-timeout"), "{name}");
                told += 1;
            }
        }
    }
    wait_for_connections(&world, 0).await;
    let after = server.memory().unwrap().saturating_sub(before);
    figure(&format!(
        "{count} idle connections, {name}: {} each, all closed at the deadline, {told} of them with \
         connection-timeout, {} left behind in all",
        kib(each),
        kib(after)
    ));
    each
}

/// How far an idle connection has come.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// TCP and nothing else.
    Silent,
    /// The first octets of a TLS hello, to the port that begins with TLS.
    HalfHandshake,
    /// The stream is open in plain text.
    Opened,
    /// The stream is open under TLS.
    Secured,
}

impl Kind {
    async fn connect(self, world: &World, n: usize) -> Client {
        let tls = matches!(self, Self::HalfHandshake | Self::Secured);
        let transport = Transport::Plain(connect(world, n, tls).await.expect("a connection"));
        let transport = match self {
            Self::Secured => transport.upgrade(&Tls::default()).await.expect("a handshake"),
            _ => transport,
        };
        let mut client = Client::new(transport, "localhost", Default::default());
        match self {
            Self::Silent => {}
            // A record of type handshake that announces 512 octets.
            Self::HalfHandshake => client.transport_mut().write(&[22, 3, 1, 2, 0, 1]).await.expect("written"),
            Self::Opened | Self::Secured => client.open().await.expect("a stream"),
        }
        client
    }
}

/// CVE-2021-32918, CVE-2026-43506: what nobody has signed in on is cheap to hold and is not held for long.
async fn cheap_and_ended(name: &str, usual: usize, how: Kind) {
    // The tasks of a program that is not optimised are some three times as large.
    const MEMORY: u64 = if cfg!(debug_assertions) { 64 << 10 } else { 16 << 10 };
    let each = idle(name, affordable(size(10_000, usual)), size(120_000, 20_000) as u64, how).await;
    assert!(each <= MEMORY, "{name}: {} each", kib(each));
}

#[tokio::test]
async fn silent_connections_are_cheap_and_end() {
    cheap_and_ended("which say nothing", 2_000, Kind::Silent).await;
}

#[tokio::test]
async fn half_made_handshakes_are_cheap_and_end() {
    cheap_and_ended("which stop inside a TLS hello", 2_000, Kind::HalfHandshake).await;
}

#[tokio::test]
async fn idle_streams_are_cheap_and_end() {
    cheap_and_ended("with an open stream", 2_000, Kind::Opened).await;
}

#[tokio::test]
async fn idle_streams_under_tls_are_cheap_and_end() {
    cheap_and_ended("with an open stream under TLS", 500, Kind::Secured).await;
}

/// Connects and goes again, in one of several ways.
async fn come_and_go(world: &World, n: usize, header: &str) {
    let Ok(mut stream) = connect(world, n, n % 16 == 5).await else { return };
    match n % 4 {
        // Gone before a word.
        0 => {}
        // Reset in the middle of a stanza.
        1 => {
            let _ = stream.write_all(b"<stream:stream to='local").await;
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        // A stream, opened and read, then reset.
        2 => {
            let _ = stream.write_all(header.as_bytes()).await;
            let _ = stream.read(&mut [0; 512]).await;
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        // Half closed, which the server answers by closing.
        _ => {
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut [0; 512]).await;
        }
    }
}

/// A million connections leave nothing behind: neither memory nor files.
#[tokio::test]
async fn connections_that_come_and_go_leave_nothing_behind() {
    open_files_as_many_as_allowed();
    let count = size(1_000_000, 20_000);
    let world = world_with(Setup::default().section(GENEROUS)).await;
    let server = process(&world);
    let header = format!(
        "<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='{STREAMS}'>"
    );
    const AT_ONCE: usize = 50;
    const PARTS: usize = 8;
    let mut marks = Vec::new();
    for part in 0..PARTS {
        for start in (part * count / PARTS..(part + 1) * count / PARTS).step_by(AT_ONCE) {
            let visits = (start..start + AT_ONCE).map(|n| come_and_go(&world, n, &header));
            futures_util::future::join_all(visits).await;
        }
        wait_for_connections(&world, 0).await;
        marks.push((server.memory().unwrap(), server.files().unwrap()));
    }
    // What leaks does so in every part; an allocator that takes a piece more from the system does it in one.
    let mut rises: Vec<u64> =
        marks.windows(2).skip(1).map(|pair| pair[1].0.saturating_sub(pair[0].0)).collect();
    rises.sort_unstable();
    let rise = rises[(rises.len() - 1) / 2];
    let slope = rise as f64 / (count / PARTS) as f64;
    figure(&format!(
        "{count} connections come and gone: memory after each part of {PARTS} {:?}, usually {slope:.2} bytes a \
         connection, files {:?}",
        marks.iter().map(|(memory, _)| kib(*memory)).collect::<Vec<_>>(),
        marks.iter().map(|(_, files)| *files).collect::<Vec<_>>()
    ));
    // A leak of as little as a timer's entry a connection would be seen above it.
    assert!(rise < 128 << 10, "memory usually rose by {} over {} connections", kib(rise), count / PARTS);
    assert!(marks[PARTS - 1].1 <= marks[0].1 + 2, "files are left open: {marks:?}");
}

/// `limits.unauthenticated_per_address` turns away what one address holds open, while others still get in.
#[tokio::test]
async fn one_address_does_not_use_up_the_places_of_all() {
    let setup = Setup::default().section("[limits]\nunauthenticated_per_address = 20");
    let world = world_with(setup).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut client = world.plain().await;
        client.open().await.unwrap();
        held.push(client);
    }
    assert!(world.plain().await.open().await.is_err(), "a twenty-first was served");
    let mut other = crate::sign_in::secured_from(&world, [127, 7, 7, 7]).await.unwrap();
    world.user("romeo");
    let secret = waxwing_tests::world::password("romeo");
    other.sign_in("romeo", &secret, "orchard").await.unwrap();
    other.round_trip().await;
}
