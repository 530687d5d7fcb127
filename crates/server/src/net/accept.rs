//! The loop that accepts: who is admitted, for whom a balancer connects, and the task that each connection gets.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tracing::{Instrument, debug, info_span, warn};

use super::{Admission, Conn, Limits, Listener, Permit, Refusal, proxy};
use crate::lifecycle::Lifecycle;
use crate::observe::names;

/// Accepts connections until the process wants nobody new, and gives each its own task.
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
    A: Fn() -> Vec<u8> + Send + Sync + 'static,
    F: Fn(Conn) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut drain = lifecycle.drain_signal();
    let door = Arc::new(Door { listener, admission, lifecycle, apology, handle });
    loop {
        let (tcp, peer) = tokio::select! {
            biased;
            () = drain.closed() => return,
            accepted = door.listener.accept() => accepted,
        };
        match door.admission.admit_unknown() {
            Err(refusal) => door.turn_away(&tcp, peer, refusal),
            Ok(permit) if door.listener.is_proxy(peer) => {
                // Whoever is slow to say for whom he connects must not keep others waiting.
                let introduced = Arc::clone(&door).introduce(tcp, peer, permit);
                door.lifecycle.spawn(introduced);
            }
            Ok(permit) => door.enter(tcp, peer, permit),
        }
    }
}

/// What everybody passes who connects to one listener.
struct Door<A, F> {
    listener: Listener,
    admission: Admission,
    lifecycle: Lifecycle,
    apology: A,
    handle: F,
}

impl<A, F, Fut> Door<A, F>
where
    A: Fn() -> Vec<u8>,
    F: Fn(Conn) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    /// Hears from a balancer for whom it connects, then treats the connection as that client's.
    async fn introduce(self: Arc<Self>, mut tcp: TcpStream, peer: SocketAddr, permit: Permit) {
        let patience = Duration::from_millis(self.admission.limits().proxy_header_timeout_ms);
        let client = match tokio::time::timeout(patience, proxy::receive(&mut tcp)).await {
            Ok(Ok(header)) => header.client.unwrap_or(peer),
            Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                metrics::counter!(names::PROXY_HEADERS_REFUSED).increment(1);
                // Only what is listed comes here: this is a balancer that was not told to send it, or one too many listed.
                return warn!(%peer, %error, "connection refused");
            }
            Ok(Err(error)) => {
                return debug!(%peer, %error, "connection ended before it was said for whom it is");
            }
            Err(_) => {
                metrics::counter!(names::PROXY_HEADERS_REFUSED).increment(1);
                return warn!(%peer, "limits.proxy_header_timeout_ms is over");
            }
        };
        self.enter(tcp, client, permit);
    }

    /// Counts a connection to the address of its client, and gives it its task.
    fn enter(&self, tcp: TcpStream, peer: SocketAddr, mut permit: Permit) {
        if !self.listener.is_shared_by(peer)
            && let Err(refusal) = permit.belongs_to(peer.ip())
        {
            return self.turn_away(&tcp, peer, refusal);
        }
        let limits = self.admission.limits();
        let set_up = configure(&tcp, &limits).and_then(|()| Conn::new(tcp, peer, &limits, Some(permit)));
        match set_up {
            Ok(conn) => {
                metrics::counter!(names::CONNECTIONS_ACCEPTED).increment(1);
                let span = info_span!("connection", conn = %conn.id(), %peer);
                self.lifecycle.spawn((self.handle)(conn).instrument(span));
            }
            Err(error) => debug!(%peer, %error, "connection was gone before it was set up"),
        }
    }

    /// Says a last word to a connection that is not served, as far as that costs no waiting.
    fn turn_away(&self, tcp: &TcpStream, peer: SocketAddr, refusal: Refusal) {
        metrics::counter!(names::CONNECTIONS_REFUSED).increment(1);
        debug!(%peer, %refusal, "connection refused");
        let apology = (self.apology)();
        if apology.is_empty() || tcp.try_write(&apology).is_err() {
            return;
        }
        let _ = SockRef::from(tcp).shutdown(std::net::Shutdown::Write);
        // What lies unread when a socket is closed makes the system cut the connection, last word included.
        let _ = tcp.try_read(&mut [0; 1024]);
    }
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
    use crate::net::listen;

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

    /// A listener that knows this machine as a balancer.
    fn start_behind_a_balancer(limits: &Limits) -> (SocketAddr, Admission, Lifecycle) {
        let networks = ["127.0.0.0/8".parse().expect("a network")];
        let listener = listen(any(), 16).expect("a free port").behind(&networks);
        let address = listener.address();
        let (admission, lifecycle) = (Admission::new(limits), Lifecycle::new());
        let name = |conn: Conn| async move {
            let said = conn.peer_addr().to_string();
            let mut conn = conn;
            conn.write_all(said.as_bytes()).await.expect("written");
            echo(conn).await;
        };
        let apology = || b"sorry".to_vec();
        tokio::spawn(accept_loop(listener, admission.clone(), lifecycle.clone(), apology, name));
        (address, admission, lifecycle)
    }

    /// What a balancer hears that begins in this way.
    async fn heard(address: SocketAddr, header: &str) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(header.as_bytes()).await.expect("written");
        let mut heard = [0; 64];
        let bytes = stream.read(&mut heard).await.unwrap_or(0);
        (stream, String::from_utf8_lossy(&heard[..bytes]).into_owned())
    }

    #[tokio::test]
    async fn who_stands_behind_a_balancer_counts_for_himself() {
        let limits = Limits { unauthenticated_per_address: 2, ..Limits::default() };
        let (address, admission, _lifecycle) = start_behind_a_balancer(&limits);
        let mut held = Vec::new();
        for (client, says) in [
            ("192.0.2.1", "192.0.2.1:7"),
            ("192.0.2.1", "192.0.2.1:7"),
            ("192.0.2.1", "sorry"),
            ("192.0.2.2", "192.0.2.2:7"),
        ] {
            let (stream, heard) =
                heard(address, &format!("PROXY TCP4 {client} 198.51.100.1 7 5222\r\n")).await;
            assert_eq!(heard, says);
            held.push(stream);
        }
        let (_stream, own) = heard(address, "PROXY UNKNOWN\r\n").await;
        assert!(own.starts_with("127.0.0.1:"), "{own}");
        drop(held);
        while admission.counts().0 > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_balancer_that_does_not_say_for_whom_it_connects_is_not_served() {
        let limits = Limits { proxy_header_timeout_ms: 100, ..Limits::default() };
        let (address, admission, _lifecycle) = start_behind_a_balancer(&limits);
        for header in
            ["<stream:stream>", "PROXY TCP4 192.0.2.1 198.51.100.1 7 5222\n", "PROXY TCP4 192.0.2.1 ", ""]
        {
            assert_eq!(heard(address, header).await.1, "", "{header:?}");
        }
        while admission.counts().0 > 0 {
            tokio::task::yield_now().await;
        }
    }
}
