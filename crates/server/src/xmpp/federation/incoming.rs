//! A connection of another server: a task that reads, lets the stream machine speak, has dialback keys asked about, and
//! passes stanzas on to the lanes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use waxwing_xmpp::error::{StreamCondition, StreamError};
use waxwing_xmpp::s2s::{Event, Incoming, Key, PENDING_PAIRS_LIMIT, Pair, Peer, StartTls, Verdict};

use super::connections::Entry;
use super::lanes::Lanes;
use super::{Current, Federation, connect};
use crate::net::Conn;
use crate::observe::names;
use crate::tls::Acceptor;
use crate::tls::peer::Peers;

/// How long a peer may take to close its side of a stream that is closed here.
const LINGER: Duration = Duration::from_secs(2);

/// A connection and the stream on it.
struct Connection {
    federation: Arc<Federation>,
    current: Arc<Current>,
    /// None once a handshake has failed half-way.
    conn: Option<Conn>,
    stream: Incoming,
    lanes: Lanes,
    entries: Vec<Entry>,
    /// Where the tasks that ask about keys report.
    asking: mpsc::Sender<(Pair, Verdict)>,
}

/// Serves a connection until it ends.
pub(super) async fn serve(federation: Arc<Federation>, conn: Conn, direct: bool) {
    let current = federation.current();
    let (conn, peer) = if direct {
        match conn.start_tls(&federation.direct_acceptor).await {
            Ok(conn) => {
                let peer = peer(&current.peers, &conn);
                (conn, Some(peer))
            }
            Err(error) => return tracing::debug!(%error, "the TLS handshake failed"),
        }
    } else {
        (conn, None)
    };
    let (asking, verdicts) = mpsc::channel(PENDING_PAIRS_LIMIT);
    let mut connection = Connection {
        stream: Incoming::new(Arc::clone(&current.streams), peer),
        lanes: Lanes::new(&federation.chat, &current.face, &federation.lifecycle),
        entries: Vec::new(),
        conn: Some(conn),
        asking,
        current,
        federation,
    };
    if let Err(error) = connection.run(verdicts).await {
        tracing::debug!(%error, "the connection of another server broke");
    }
}

/// For which domains the certificate holds that a peer has shown.
fn peer(peers: &Arc<Peers>, conn: &Conn) -> Peer {
    let (peers, chain) = (Arc::clone(peers), conn.peer_chain());
    Peer(Box::new(move |domain| match peers.holds(&chain, domain) {
        Ok(()) => true,
        Err(reason) => {
            tracing::debug!(domain, reason, "a certificate does not prove the domain");
            false
        }
    }))
}

impl Connection {
    async fn run(&mut self, mut verdicts: mpsc::Receiver<(Pair, Verdict)>) -> io::Result<()> {
        let mut drain = self.federation.lifecycle.drain_signal();
        let patience = Duration::from_millis(self.current.config.negotiation_timeout_ms);
        let idle = Duration::from_millis(self.current.config.idle_timeout_ms);
        let mut until = Instant::now() + patience;
        let mut input = Vec::new();
        // Our side is closed, and the peer's is not.
        let mut lingering = false;
        while !self.stream.is_ended() {
            self.flush().await?;
            let Some(conn) = &mut self.conn else { return Ok(()) };
            tokio::select! {
                biased;
                () = drain.draining(), if !lingering => {
                    self.stream.close_and_linger(Some(&StreamError::new(StreamCondition::SystemShutdown)));
                    (lingering, until) = (true, Instant::now() + LINGER);
                }
                Some((pair, verdict)) = verdicts.recv() => {
                    tracing::debug!(%pair, ?verdict, "a dialback key was asked about");
                    if let Some(event) = self.stream.verified(&pair, verdict) {
                        self.handle(event).await?;
                    }
                }
                received = conn.receive(&mut input) => {
                    if !received? {
                        return Ok(());
                    }
                    // An idle connection holds no buffer.
                    self.take(&std::mem::take(&mut input)).await?;
                    if self.stream.is_authenticated() && !lingering {
                        until = Instant::now() + idle;
                    }
                }
                () = sleep_until(until) => match self.stream.is_authenticated() {
                    _ if lingering => return Ok(()),
                    // A peer that has nothing to say may come back. It may have said something this very moment.
                    true => {
                        self.stream.close_and_linger(None);
                        (lingering, until) = (true, Instant::now() + LINGER);
                    }
                    false => self.fail(StreamCondition::ConnectionTimeout),
                },
            }
        }
        self.flush().await?;
        if let Some(conn) = &mut self.conn {
            conn.shutdown().await?;
        }
        Ok(())
    }

    /// Feeds what was read to the stream, and deals with what it says.
    async fn take(&mut self, mut input: &[u8]) -> io::Result<()> {
        while !input.is_empty() {
            let (used, event) = self.stream.feed(input);
            input = &input[used..];
            if let Some(event) = event {
                self.handle(event).await?;
            }
        }
        Ok(())
    }

    async fn handle(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::StartTls(question) => self.start_tls(question).await?,
            Event::Key(key) => self.ask(key),
            Event::Ready(pair, proof) => {
                tracing::info!(%pair, proof = proof.name(), "another server may send");
                let address = self.conn.as_mut().map(|conn| {
                    conn.authenticated();
                    conn.peer_addr().to_string()
                });
                let federation = &self.federation;
                let now = federation.chat.now_ms();
                let address = address.unwrap_or_default();
                self.entries.push(federation.connections.add("in", &pair, proof, address, now));
            }
            Event::Stanza(stanza) => {
                metrics::counter!(names::FEDERATED_STANZAS, "direction" => "in").increment(1);
                self.lanes.push(stanza).await;
            }
            Event::Unreadable(reply) => {
                if let Err(error) = self.federation.chat.to_remote(reply) {
                    tracing::debug!(%error, "an answer to another server was dropped");
                }
            }
            Event::Failed(error) => {
                tracing::info!(condition = %error.condition, "another server broke a rule")
            }
            Event::PeerFailed(error) => {
                tracing::info!(condition = %error.condition, "another server gave up")
            }
            Event::Closed | Event::Verdict(_) | Event::Refused(_) => {}
        }
        Ok(())
    }

    async fn start_tls(&mut self, question: StartTls) -> io::Result<()> {
        let acceptor: &Acceptor = &self.federation.acceptor;
        let Some(mut conn) = self.conn.take() else { return Ok(()) };
        // RFC 6120 section 5.4.3.3: what lies in the socket already was sent in plain text.
        if conn.has_input()? {
            self.conn = Some(conn);
            self.fail(StreamCondition::PolicyViolation);
            return Ok(());
        }
        conn.write_all(&self.stream.take_output()).await?;
        let conn = conn.start_tls(acceptor).await?;
        let peer = peer(&self.current.peers, &conn);
        self.conn = Some(conn);
        self.stream.tls_established(question, peer);
        Ok(())
    }

    /// Asks the server of the sending domain whether a key is its own. The stream goes on meanwhile.
    fn ask(&self, key: Key) {
        let (federation, current) = (Arc::clone(&self.federation), Arc::clone(&self.current));
        let asking = self.asking.clone();
        tokio::spawn(async move {
            let pair = key.pair.clone();
            let verdict = connect::verify(&federation, &current, key).await;
            // The stream may be over by now; then nobody wants to know.
            let _ = asking.send((pair, verdict)).await;
        });
    }

    fn fail(&mut self, condition: StreamCondition) {
        self.stream.fail(&StreamError::new(condition));
    }

    async fn flush(&mut self) -> io::Result<()> {
        let output = self.stream.take_output();
        match &mut self.conn {
            Some(conn) if !output.is_empty() => conn.write_all(&output).await,
            _ => Ok(()),
        }
    }
}
