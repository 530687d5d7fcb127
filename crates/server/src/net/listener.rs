//! Listening sockets: bound here or handed over by systemd, and the loop that accepts from them.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument, debug, info_span, warn};

use super::{Admission, Conn, Limits};
use crate::config::Listen;
use crate::lifecycle::Lifecycle;

/// A listening socket.
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// The address it listens on, with the port that the system chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes over a socket that already listens.
    pub fn from_std(listener: StdListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { tcp: TcpListener::from_std(listener)?, address })
    }

    /// The socket, for a server that accepts by itself.
    pub fn into_tcp(self) -> TcpListener {
        self.tcp
    }

    /// Accepts one connection; errors of a single connection or of a moment are waited out.
    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.tcp.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    // EMFILE and ENFILE last until something is closed; the connection stays in the backlog. The
                    // rest (ECONNABORTED and the network errors accept(2) lists) belongs to that one connection.
                    if is_out_of_files(&error) {
                        warn!(%error, listener = %self.address, "no file descriptor left to accept with");
                        tokio::time::sleep(OUT_OF_FILES_PAUSE).await;
                    } else {
                        debug!(%error, listener = %self.address, "a connection was gone before it was accepted");
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }
}

/// How long accepting pauses when the process has no file descriptor left.
const OUT_OF_FILES_PAUSE: Duration = Duration::from_millis(100);

fn is_out_of_files(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    const ENOMEM: i32 = 12;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE | ENOBUFS | ENOMEM))
}

/// Binds a socket and listens on it.
pub fn listen(address: SocketAddr, backlog: u32) -> io::Result<Listener> {
    let socket = bound(address)?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Listener::from_std(socket.into())
}

/// Whether an address could be listened on now.
pub fn can_listen(address: SocketAddr) -> io::Result<()> {
    bound(address)?.listen(1)
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restarted server must not wait for the connections of the one before it to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // "[::]" alone takes IPv4 too, so that one line listens everywhere.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// The sockets that systemd handed over (sd_listen_fds), each with the name of its `FileDescriptorName=`.
pub fn from_service_files() -> io::Result<Vec<(String, Listener)>> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names: Vec<&str> = names.split(':').collect();
    let mut files = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..files.len() {
        if let Some(listener) = files.take_tcp_listener(index)? {
            let name = names.get(index).copied().unwrap_or("unknown").to_owned();
            listeners.push((name, Listener::from_std(listener)?));
        }
    }
    Ok(listeners)
}

/// All listening sockets, by what is spoken on them.
#[derive(Default)]
pub struct Listeners {
    /// XMPP for clients, with STARTTLS.
    pub xmpp: Vec<Listener>,
    /// XMPP for clients, TLS from the first byte.
    pub xmpp_tls: Vec<Listener>,
    /// XMPP for other servers, with STARTTLS.
    pub federation: Vec<Listener>,
    /// XMPP for other servers, TLS from the first byte.
    pub federation_tls: Vec<Listener>,
    /// HTTP.
    pub http: Vec<Listener>,
    /// HTTP over TLS.
    pub https: Vec<Listener>,
    /// The relay for bytes between two clients.
    pub bytestreams: Vec<Listener>,
}

impl Listeners {
    /// Binds the configured addresses. What systemd handed over under the name of a list (`xmpp`, `xmpp_tls`,
    /// `federation`, `federation_tls`, `http`, `https`, `bytestreams`) takes the place of that list.
    pub fn open(listen: &Listen, backlog: u32) -> io::Result<Self> {
        let mut listeners = Self::default();
        for (name, listener) in from_service_files()? {
            match listeners.by_name(&name) {
                Some(list) => list.push(listener),
                None => {
                    warn!(%name, "systemd passed a socket of unknown name; see FileDescriptorName= in the manual")
                }
            }
        }
        let configured = [
            ("xmpp", &listen.xmpp),
            ("xmpp_tls", &listen.xmpp_tls),
            ("federation", &listen.federation),
            ("federation_tls", &listen.federation_tls),
            ("http", &listen.http),
            ("https", &listen.https),
            ("bytestreams", &listen.bytestreams),
        ];
        for (name, addresses) in configured {
            let Some(list) = listeners.by_name(name) else {
                continue;
            };
            if list.is_empty() {
                *list = addresses.iter().map(|a| bind(a.0, name, backlog)).collect::<io::Result<_>>()?;
            }
        }
        Ok(listeners)
    }

    fn by_name(&mut self, name: &str) -> Option<&mut Vec<Listener>> {
        match name {
            "xmpp" => Some(&mut self.xmpp),
            "xmpp_tls" => Some(&mut self.xmpp_tls),
            "federation" => Some(&mut self.federation),
            "federation_tls" => Some(&mut self.federation_tls),
            "http" => Some(&mut self.http),
            "https" => Some(&mut self.https),
            "bytestreams" => Some(&mut self.bytestreams),
            _ => None,
        }
    }
}

fn bind(address: SocketAddr, name: &str, backlog: u32) -> io::Result<Listener> {
    listen(address, backlog)
        .map_err(|e| io::Error::new(e.kind(), format!("cannot listen on {address} (listen.{name}): {e}")))
}

/// Accepts connections until the process drains, and gives each its own task.
///
/// A connection beyond the limits is told `apology` and closed at once. Each task runs in a span that carries the
/// connection's id, and is waited for at shutdown.
pub async fn accept_loop<A, F, Fut>(
    listener: Listener,
    admission: Admission,
    lifecycle: Lifecycle,
    apology: A,
    handle: F,
) where
    A: Fn() -> Vec<u8>,
    F: Fn(Conn) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut drain = lifecycle.drain_signal();
    loop {
        let (tcp, peer) = tokio::select! {
            biased;
            () = drain.draining() => return,
            accepted = listener.accept() => accepted,
        };
        let permit = match admission.admit(peer.ip()) {
            Ok(permit) => permit,
            Err(refusal) => {
                metrics::counter!(crate::observe::names::CONNECTIONS_REFUSED).increment(1);
                debug!(%peer, %refusal, "connection refused");
                turn_away(&tcp, &apology());
                continue;
            }
        };
        let limits = admission.limits();
        if let Err(error) = configure(&tcp, &limits) {
            debug!(%peer, %error, "connection was gone before it was set up");
            continue;
        }
        match Conn::new(tcp, &limits, Some(permit)) {
            Ok(conn) => {
                metrics::counter!(crate::observe::names::CONNECTIONS_ACCEPTED).increment(1);
                let span = info_span!("connection", conn = %conn.id(), %peer);
                lifecycle.spawn(handle(conn).instrument(span));
            }
            Err(error) => debug!(%peer, %error, "connection was gone before it was set up"),
        }
    }
}

/// Says a last word to a connection that is not served, as far as that costs no waiting.
fn turn_away(tcp: &TcpStream, apology: &[u8]) {
    if apology.is_empty() || tcp.try_write(apology).is_err() {
        return;
    }
    let _ = SockRef::from(tcp).shutdown(std::net::Shutdown::Write);
    // What lies unread when a socket is closed makes the system cut the connection, last word included.
    let _ = tcp.try_read(&mut [0; 1024]);
}

fn configure(tcp: &TcpStream, limits: &Limits) -> io::Result<()> {
    // Stanzas are written whole; waiting for more to send with them only delays them.
    tcp.set_nodelay(true)?;
    if limits.keepalive_idle_ms > 0 {
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_millis(limits.keepalive_idle_ms))
            .with_interval(Duration::from_millis(limits.keepalive_interval_ms))
            .with_retries(3);
        SockRef::from(tcp).set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    /// Repeats what comes, then waits until the peer is gone.
    async fn echo(mut conn: Conn) {
        let mut input = Vec::new();
        while let Ok(true) = conn.receive(&mut input).await {
            conn.write_all(&input).await.expect("written");
            input.clear();
        }
    }

    fn start(limits: &Limits) -> (SocketAddr, Admission, Lifecycle) {
        let listener = listen(any(), 16).expect("a free port");
        let address = listener.address();
        let (admission, lifecycle) = (Admission::new(limits), Lifecycle::new());
        tokio::spawn(accept_loop(listener, admission.clone(), lifecycle.clone(), Vec::new, echo));
        (address, admission, lifecycle)
    }

    /// Connects and says whether the server serves the connection or closes it.
    async fn served(address: SocketAddr) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let _ = stream.write_all(b"x").await;
        let mut byte = [0; 1];
        matches!(stream.read(&mut byte).await, Ok(1)).then_some(stream)
    }

    #[tokio::test]
    async fn a_connection_beyond_the_limit_is_closed_at_once_and_its_place_is_given_back() {
        let limits = Limits { unauthenticated_per_address: 2, ..Limits::default() };
        let (address, admission, _lifecycle) = start(&limits);
        let first = served(address).await.expect("the first is served");
        let _second = served(address).await.expect("the second is served");
        assert!(served(address).await.is_none(), "the third is closed");
        drop(first);
        while admission.counts().0 > 1 {
            tokio::task::yield_now().await;
        }
        assert!(served(address).await.is_some(), "a place is free again");
        admission.set_limits(&Limits { unauthenticated_per_address: 1, ..limits });
        assert!(served(address).await.is_none(), "new limits hold at once");
    }

    #[tokio::test]
    async fn a_drain_stops_accepting_and_waits_for_those_who_are_there() {
        let (address, _admission, lifecycle) = start(&Limits::default());
        let client = served(address).await.expect("served");
        lifecycle.drain();
        assert_eq!(lifecycle.ended(Duration::from_millis(1)).await, 1, "one connection is still there");
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        drop(client);
        assert_eq!(lifecycle.ended(Duration::from_secs(30)).await, 0);
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_with_its_key() {
        let taken = listen(any(), 16).expect("a free port");
        let listen = Listen { http: vec![crate::config::Address(taken.address())], ..none() };
        let error = Listeners::open(&listen, 16).err().expect("in use").to_string();
        assert!(error.starts_with(&format!("cannot listen on {} (listen.http)", taken.address())), "{error}");
    }

    fn none() -> Listen {
        Listen {
            xmpp: Vec::new(),
            xmpp_tls: Vec::new(),
            federation: Vec::new(),
            federation_tls: Vec::new(),
            http: Vec::new(),
            https: Vec::new(),
            bytestreams: Vec::new(),
            admin: None,
        }
    }

    #[test]
    fn errors_of_the_process_are_told_from_those_of_a_connection() {
        assert!(is_out_of_files(&io::Error::from_raw_os_error(24)), "EMFILE");
        assert!(is_out_of_files(&io::Error::from_raw_os_error(23)), "ENFILE");
        assert!(!is_out_of_files(&io::Error::from(io::ErrorKind::ConnectionAborted)));
    }
}
