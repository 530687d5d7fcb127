//! What carries a stream: a TCP connection, plain or TLS, or a WebSocket, here or at another node, behind one way to read and
//! write.

use std::io;
use std::net::SocketAddr;

use waxwing_chat::cluster::{Passed, Tunnel};
use waxwing_xmpp::c2s::{self, Output};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sasl::ChannelBindings;
use waxwing_xmpp::xml::Framing;

use crate::http::WebSocketConn;
use crate::net::{Conn, Pacer};
use crate::tls::{Acceptor, Verification};

/// A connection that carries a stream.
pub(crate) enum Link {
    Tcp(Conn),
    WebSocket(Box<WebSocketConn>),
    /// The connection is at another node.
    Tunnel(Box<Remote>),
    #[cfg(test)]
    Memory(super::simulation::network::Socket),
    /// A handshake failed half-way; nothing can be read or written any more.
    Broken,
}

/// A connection that another node has, with what it carries.
pub(crate) struct Remote {
    tunnel: Tunnel,
    framing: Framing,
    /// What has come of a message of a WebSocket.
    message: Vec<u8>,
}

impl Remote {
    pub(crate) fn new(tunnel: Tunnel, framing: Framing) -> Self {
        Self { tunnel, framing, message: Vec::new() }
    }

    async fn receive(&mut self, input: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            match self.tunnel.receive().await? {
                Passed::Closed { .. } => return Ok(false),
                Passed::Piece { octets, whole: false } if self.framing == Framing::WebSocket => {
                    self.message.extend_from_slice(&octets);
                }
                Passed::Piece { octets, .. } => {
                    input.append(&mut std::mem::take(&mut self.message));
                    input.extend_from_slice(&octets);
                    return Ok(true);
                }
            }
        }
    }

    async fn send(&self, output: Output) -> io::Result<()> {
        match self.framing {
            Framing::Stream => self.tunnel.send(output.bytes()).await?,
            Framing::WebSocket => {
                for frame in output.frames() {
                    self.tunnel.send(frame).await?;
                }
            }
        }
        Ok(())
    }
}

impl Link {
    /// Whether the input comes in messages, each of which holds one element.
    pub(crate) fn has_messages(&self) -> bool {
        match self {
            Self::WebSocket(_) => true,
            Self::Tunnel(remote) => remote.framing == Framing::WebSocket,
            _ => false,
        }
    }

    /// Waits for input and adds it to `input`; `false` when the peer has closed. Safe to drop and call again. While it
    /// waits it holds no buffer. From a WebSocket it takes exactly one message.
    pub(crate) async fn receive(&mut self, input: &mut Vec<u8>) -> io::Result<bool> {
        match self {
            Self::Broken => Err(io::ErrorKind::NotConnected.into()),
            #[cfg(test)]
            Self::Memory(socket) => socket.receive(input).await,
            // In a box, so that connections of other kinds keep no room for it.
            Self::WebSocket(socket) => Ok(match Box::pin(socket.receive()).await? {
                Some(message) => {
                    input.extend_from_slice(message.as_bytes());
                    true
                }
                None => false,
            }),
            // Likewise.
            Self::Tunnel(remote) => Box::pin(remote.receive(input)).await,
            Self::Tcp(conn) => conn.receive(input).await,
        }
    }

    /// Writes what the stream has to say that another node has: whole messages, if there are any.
    pub(crate) async fn pass(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(conn) => conn.write_all(octets).await,
            Self::WebSocket(socket) => {
                socket.send(std::str::from_utf8(octets).map_err(io::Error::other)?).await
            }
            #[cfg(test)]
            Self::Memory(socket) => socket.send(octets).await,
            Self::Tunnel(_) | Self::Broken => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Writes what a stream has to say.
    pub(crate) async fn send(&mut self, output: Output) -> io::Result<()> {
        match self {
            Self::Broken => Err(io::ErrorKind::NotConnected.into()),
            Self::Tcp(conn) => conn.write_all(output.bytes()).await,
            Self::Tunnel(remote) => Box::pin(remote.send(output)).await,
            #[cfg(test)]
            Self::Memory(socket) => socket.send(output.bytes()).await,
            Self::WebSocket(socket) => {
                for frame in output.frames() {
                    let text = std::str::from_utf8(frame).map_err(io::Error::other)?;
                    socket.send(text).await?;
                }
                Ok(())
            }
        }
    }

    /// Turns a plain TCP connection into TLS, and tells what the handshake settled.
    pub(crate) async fn start_tls(&mut self, acceptor: &Acceptor) -> io::Result<c2s::Tls> {
        match std::mem::replace(self, Self::Broken) {
            Self::Tcp(conn) => {
                // In a box of its own, so that signing in does not keep room for a handshake that is over.
                let conn = Box::pin(conn.start_tls(acceptor)).await?;
                let tls = established(&conn);
                *self = Self::Tcp(conn);
                Ok(tls)
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Hangs up in order; a WebSocket is told when the reason is that the server goes away.
    pub(crate) async fn close(&mut self, goes_away: bool) {
        match self {
            // The peer may be gone already, which is as good.
            Self::Tcp(conn) => drop(conn.shutdown().await),
            Self::WebSocket(socket) if goes_away => socket.close_going_away().await,
            Self::WebSocket(socket) => socket.close().await,
            Self::Tunnel(remote) => remote.tunnel.close(goes_away),
            #[cfg(test)]
            Self::Memory(socket) => socket.finish(),
            Self::Broken => {}
        }
    }

    /// Where the peer stands in line to sign in.
    pub(crate) fn pacer(&self) -> Option<Pacer> {
        match self {
            Self::Tcp(conn) => conn.pacer(),
            Self::WebSocket(socket) => socket.pacer(),
            #[cfg(test)]
            Self::Memory(_) => None,
            Self::Tunnel(_) | Self::Broken => None,
        }
    }

    /// The peer has signed in: it no longer counts against the limits on strangers.
    pub(crate) fn authenticated(&mut self) {
        match self {
            Self::Tcp(conn) => conn.authenticated(),
            Self::WebSocket(socket) => socket.authenticated(),
            #[cfg(test)]
            Self::Memory(_) => {}
            Self::Tunnel(_) | Self::Broken => {}
        }
    }

    /// When the certificate that the client showed ceases to hold, in milliseconds since the Unix epoch.
    pub(crate) fn certified_until_ms(&self) -> Option<u64> {
        let Self::Tcp(conn) = self else { return None };
        let certificate = conn.tls_info()?.client_certificate.as_ref()?;
        // A certificate holds through the whole of its last second (RFC 5280 section 4.1.2.5).
        u64::try_from(certificate.not_after.saturating_add(1)).ok()?.checked_mul(1000)
    }

    /// The client's address.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(conn) => Some(conn.peer_addr()),
            Self::WebSocket(socket) => Some(socket.peer_addr()),
            #[cfg(test)]
            Self::Memory(_) => None,
            Self::Tunnel(_) | Self::Broken => None,
        }
    }

    /// What the connection is called in the log.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Tcp(conn) => conn.id().to_string(),
            Self::WebSocket(socket) => socket.id().to_string(),
            #[cfg(test)]
            Self::Memory(_) => String::new(),
            Self::Tunnel(_) | Self::Broken => String::new(),
        }
    }

    /// The face and the encryption, as an administrator reads them.
    pub(crate) fn describe(&self) -> (&'static str, Option<String>) {
        match self {
            Self::Tcp(conn) => ("xmpp", conn.tls_info().map(|tls| tls.version.to_owned())),
            Self::WebSocket(socket) => ("websocket", socket.is_tls().then(|| "https".to_owned())),
            #[cfg(test)]
            Self::Memory(_) => ("xmpp", None),
            Self::Tunnel(_) | Self::Broken => ("xmpp", None),
        }
    }
}

/// What the stream machine needs to know of a finished handshake.
pub(crate) fn established(conn: &Conn) -> c2s::Tls {
    let Some(info) = conn.tls_info() else {
        return c2s::Tls::default();
    };
    let bindings = ChannelBindings {
        exporter: info.exporter,
        server_end_point: info.server_end_point.clone().map(Into::into),
    };
    let verified = info.client_certificate.as_ref().filter(|c| c.verification == Verification::Valid);
    let addresses = verified.map(|certificate| certificate.xmpp_addresses.as_slice()).unwrap_or_default();
    let certified = addresses.iter().filter_map(|address| Jid::new(address).ok()).collect();
    c2s::Tls { bindings, certified }
}
