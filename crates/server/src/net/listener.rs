//! Listening sockets: bound here or handed over by systemd.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::config::{Listen, Network};

/// A listening socket.
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
    proxies: Vec<Network>,
    shared: Vec<Network>,
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
        Ok(Self { tcp: TcpListener::from_std(listener)?, address, proxies: Vec::new(), shared: Vec::new() })
    }

    /// Has connections from these networks begin with a header of the PROXY protocol.
    #[must_use]
    pub fn behind(mut self, proxies: &[Network]) -> Self {
        self.proxies = proxies.to_vec();
        self
    }

    /// Has connections from these networks count to no address: each carries requests of many clients.
    #[must_use]
    pub fn shared_by(mut self, forwarders: &[Network]) -> Self {
        self.shared = forwarders.to_vec();
        self
    }

    /// Whether connections from there count to no address.
    pub(super) fn is_shared_by(&self, peer: SocketAddr) -> bool {
        self.shared.iter().any(|network| network.contains(peer.ip()))
    }

    /// Whether a connection from there has to say for whom it is.
    pub(super) fn is_proxy(&self, peer: SocketAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(peer.ip()))
    }

    /// The socket, for a server that accepts by itself.
    pub fn into_tcp(self) -> TcpListener {
        self.tcp
    }

    /// Accepts one connection; errors of a single connection or of a moment are waited out.
    pub(super) async fn accept(&self) -> (TcpStream, SocketAddr) {
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
        let from = &listen.proxy_from;
        let configured = [
            ("xmpp", &listen.xmpp, &from.xmpp),
            ("xmpp_tls", &listen.xmpp_tls, &from.xmpp_tls),
            ("federation", &listen.federation, &from.federation),
            ("federation_tls", &listen.federation_tls, &from.federation_tls),
            ("http", &listen.http, &from.http),
            ("https", &listen.https, &from.https),
            ("bytestreams", &listen.bytestreams, &from.bytestreams),
        ];
        for (name, addresses, proxies) in configured {
            let Some(list) = listeners.by_name(name) else {
                continue;
            };
            if list.is_empty() {
                *list = addresses.iter().map(|a| bind(a.0, name, backlog)).collect::<io::Result<_>>()?;
            }
            *list = std::mem::take(list).into_iter().map(|listener| listener.behind(proxies)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn any() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
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
            proxy_from: crate::config::ProxyFrom::default(),
        }
    }

    #[test]
    fn errors_of_the_process_are_told_from_those_of_a_connection() {
        assert!(is_out_of_files(&io::Error::from_raw_os_error(24)), "EMFILE");
        assert!(is_out_of_files(&io::Error::from_raw_os_error(23)), "ENFILE");
        assert!(!is_out_of_files(&io::Error::from(io::ErrorKind::ConnectionAborted)));
    }
}
