//! Connecting to another server: one address after the other, up to a stream that stanzas may be sent on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use waxwing_xmpp::error::{Condition, StreamCondition};
use waxwing_xmpp::s2s::{Event, Key, Outgoing, Pair, Peer, Proof, Purpose, Refusal, StartTls, Verdict};

use super::targets::{self, Target};
use super::{Current, Federation};
use crate::tls::peer::client_config;

/// How much is read at one time.
const READ_BYTES: usize = 8 * 1024;

/// Why there is no stream.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// What the senders of what waits are told.
    pub(super) condition: Condition,
    /// For the log.
    pub(super) reason: String,
    /// Another address of the domain will say the same.
    is_final: bool,
}

impl Failure {
    fn new(condition: Condition, reason: impl ToString) -> Self {
        Self { condition, reason: reason.to_string(), is_final: false }
    }

    pub(super) fn last(condition: Condition, reason: impl ToString) -> Self {
        Self { is_final: true, ..Self::new(condition, reason) }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::new(Condition::RemoteServerTimeout, error)
    }
}

enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// A handshake has failed half-way.
    Broken,
}

/// A connection and the stream on it.
pub(super) struct Connection {
    wire: Wire,
    pub(super) stream: Outgoing,
    input: Vec<u8>,
    consumed: usize,
    pub(super) address: SocketAddr,
    write_timeout: Duration,
}

/// Opens a stream for sending.
pub(super) async fn open(
    federation: &Federation,
    current: &Current,
    pair: &Pair,
) -> Result<(Connection, Proof), Failure> {
    let certificate = federation.tls.certificates().key(&pair.from).is_some();
    let (connection, event) = attempt(federation, current, pair, Purpose::Stanzas { certificate }).await?;
    match event {
        Event::Ready(_, proof) => Ok((connection, proof)),
        _ => Err(Failure::new(Condition::RemoteServerTimeout, "the stream was closed")),
    }
}

/// Asks the server that a key is said to come from (XEP-0220 section 2.1.2).
pub(super) async fn verify(federation: &Federation, current: &Current, key: Key) -> Verdict {
    let pair = Pair { from: key.pair.to.clone(), to: key.pair.from.clone() };
    match attempt(federation, current, &pair, Purpose::Verify(key)).await {
        Ok((mut connection, Event::Verdict(verdict))) => {
            // The answer is known, whatever becomes of the goodbye.
            let _ = connection.flush().await;
            match verdict {
                // Section 2.4.2: an error in the third step is this one in the fourth.
                Verdict::Error(_) => Verdict::Error(Condition::RemoteServerNotFound),
                verdict => verdict,
            }
        }
        Ok(_) => Verdict::Error(Condition::RemoteServerTimeout),
        Err(failure) => {
            tracing::info!(%pair, reason = failure.reason, "a dialback key could not be asked about");
            Verdict::Error(failure.condition)
        }
    }
}

/// Tries one address after the other until a stream gives what it was opened for.
async fn attempt(
    federation: &Federation,
    current: &Current,
    pair: &Pair,
    purpose: Purpose,
) -> Result<(Connection, Event), Failure> {
    let random = || {
        let mut octets = [0; 4];
        federation.chat.fill_random(&mut octets);
        u32::from_be_bytes(octets)
    };
    let targets = targets::of(&federation.resolver, &current.config, &pair.to, random).await?;
    let mut failure = Failure::new(Condition::RemoteServerNotFound, "the domain has no address");
    for target in targets {
        let patience = Duration::from_millis(current.config.negotiation_timeout_ms);
        let negotiated =
            timeout(patience, negotiate(federation, current, pair, purpose.clone(), target)).await;
        failure = match negotiated {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(failure)) => failure,
            Err(_) => {
                Failure::new(Condition::RemoteServerTimeout, "federation.negotiation_timeout_ms is over")
            }
        };
        tracing::debug!(%pair, address = %target.address, reason = failure.reason, "no stream");
        if failure.is_final {
            break;
        }
    }
    Err(failure)
}

async fn negotiate(
    federation: &Federation,
    current: &Current,
    pair: &Pair,
    purpose: Purpose,
    target: Target,
) -> Result<(Connection, Event), Failure> {
    let patience = Duration::from_millis(current.config.connect_timeout_ms);
    let tcp = timeout(patience, TcpStream::connect(target.address)).await.map_err(|_| {
        Failure::new(Condition::RemoteServerTimeout, "federation.connect_timeout_ms is over")
    })??;
    tcp.set_nodelay(true)?;
    let streams = Arc::clone(&current.streams);
    let (wire, peer) = if target.direct_tls {
        let (tls, peer) = shake_hands(federation, current, pair, tcp, true).await?;
        (Wire::Tls(Box::new(tls)), Some(peer))
    } else {
        (Wire::Plain(tcp), None)
    };
    let mut connection = Connection {
        wire,
        stream: Outgoing::new(streams, pair.clone(), purpose, peer),
        input: Vec::new(),
        consumed: 0,
        address: target.address,
        write_timeout: Duration::from_millis(current.limits.write_timeout_ms),
    };
    loop {
        match connection.next().await? {
            Event::StartTls(question) => connection.start_tls(federation, current, pair, question).await?,
            event @ (Event::Ready(..) | Event::Verdict(_)) => return Ok((connection, event)),
            other => {
                let _ = connection.flush().await;
                return Err(refused(other));
            }
        }
    }
}

/// Why a stream that is over never was of use.
fn refused(event: Event) -> Failure {
    match event {
        Event::Refused(refusal) => {
            let condition = refusal.condition();
            let reason = format!("refused: {refusal:?}");
            match refusal {
                Refusal::Dialback(_) | Refusal::Certificate => Failure::last(condition, reason),
                Refusal::NoTls | Refusal::NoMechanism => Failure::new(condition, reason),
            }
        }
        Event::PeerFailed(error) => {
            let condition = match error.condition {
                StreamCondition::HostUnknown | StreamCondition::HostGone => Condition::RemoteServerNotFound,
                _ => Condition::RemoteServerTimeout,
            };
            Failure::new(condition, format!("the other server gave up: {error:?}"))
        }
        Event::Failed(error) => {
            Failure::new(Condition::RemoteServerTimeout, format!("the other server broke a rule: {error:?}"))
        }
        _ => Failure::new(Condition::RemoteServerTimeout, "the stream was closed"),
    }
}

async fn shake_hands(
    federation: &Federation,
    current: &Current,
    pair: &Pair,
    tcp: TcpStream,
    direct: bool,
) -> Result<(TlsStream<TcpStream>, Peer), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(Condition::RemoteServerTimeout, format!("the TLS handshake failed: {error}"))
    };
    let own = federation.tls.certificates().key(&pair.from);
    let config = client_config(own, direct).map_err(|error| failed(&error))?;
    let ascii = idna::domain_to_ascii(&pair.to).map_err(|error| failed(&error))?;
    let name = ServerName::try_from(ascii).map_err(|error| failed(&error))?;
    let tls =
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(|error| failed(&error))?;
    let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
    let chain: Vec<_> = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let peers = Arc::clone(&current.peers);
    let peer = Peer(Box::new(move |domain| match peers.holds(&chain, domain) {
        Ok(()) => true,
        Err(reason) => {
            tracing::debug!(domain, reason, "a certificate does not prove the domain");
            false
        }
    }));
    Ok((tls, peer))
}

impl Connection {
    /// The next event of the stream. Safe to drop and call again, except while output waits.
    pub(super) async fn next(&mut self) -> io::Result<Event> {
        loop {
            if let Some(event) = self.parsed() {
                return Ok(event);
            }
            self.flush().await?;
            self.receive().await?;
        }
    }

    /// The next event in the input that is there.
    pub(super) fn parsed(&mut self) -> Option<Event> {
        while self.consumed < self.input.len() {
            let (used, event) = self.stream.feed(&self.input[self.consumed..]);
            self.consumed += used;
            if event.is_some() {
                return event;
            }
        }
        self.input.clear();
        self.consumed = 0;
        None
    }

    /// Waits for input. Safe to drop and call again.
    pub(super) async fn receive(&mut self) -> io::Result<()> {
        let start = self.input.len();
        self.input.reserve(READ_BYTES);
        let mut buffer = [0; READ_BYTES];
        let read = match &mut self.wire {
            Wire::Plain(tcp) => tcp.read(&mut buffer).await?,
            Wire::Tls(tls) => tls.read(&mut buffer).await?,
            Wire::Broken => 0,
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.input.extend_from_slice(&buffer[..read]);
        debug_assert!(self.input.len() > start);
        Ok(())
    }

    /// Writes what the stream has to say.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        let output = self.stream.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let written = async {
            match &mut self.wire {
                Wire::Plain(tcp) => tcp.write_all(&output).await,
                Wire::Tls(tls) => {
                    tls.write_all(&output).await?;
                    tls.flush().await
                }
                Wire::Broken => Err(io::ErrorKind::NotConnected.into()),
            }
        };
        timeout(self.write_timeout, written).await.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "limits.write_timeout_ms is over"))
        })
    }

    async fn start_tls(
        &mut self,
        federation: &Federation,
        current: &Current,
        pair: &Pair,
        question: StartTls,
    ) -> Result<(), Failure> {
        // What follows <proceed/> in plain text would otherwise be read as if it had come through TLS.
        if self.consumed < self.input.len() {
            return Err(Failure::new(Condition::RemoteServerTimeout, "plain text follows <proceed/>"));
        }
        let Wire::Plain(tcp) = std::mem::replace(&mut self.wire, Wire::Broken) else {
            return Err(Failure::new(Condition::RemoteServerTimeout, "TLS within TLS"));
        };
        let (tls, peer) = shake_hands(federation, current, pair, tcp, false).await?;
        self.wire = Wire::Tls(Box::new(tls));
        self.stream.tls_established(question, peer);
        Ok(())
    }

    /// Says goodbye and hangs up.
    pub(super) async fn hang_up(mut self) {
        self.stream.close();
        // The peer may be gone already, which is as good.
        let _ = self.flush().await;
        match &mut self.wire {
            Wire::Plain(tcp) => drop(tcp.shutdown().await),
            Wire::Tls(tls) => drop(timeout(self.write_timeout, tls.shutdown()).await),
            Wire::Broken => {}
        }
    }
}
