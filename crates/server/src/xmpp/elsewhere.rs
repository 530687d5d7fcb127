//! Streams that are resumed at another node than their own: there the session goes on with its queue and its counts, and here bytes
//! are carried between it and the client.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};
use waxwing_chat::account::Account;
use waxwing_chat::cluster::{Passed, Streams, Tunnel};
use waxwing_chat::session::ClientInfo;
use waxwing_xmpp::c2s::{Carried, Resumption, Stream};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::sm::Resume;
use waxwing_xmpp::xml::Framing;

use super::connection::Connection;
use super::face::Face;
use super::link::{Link, Remote};
use super::suspended;
use crate::lifecycle::Drain;

/// What the node of a stream is asked when its client has come to another one and signed in there.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    previd: String,
    /// How many stanzas the client has handled.
    h: u32,
    websocket: bool,
    lang: Option<String>,
    declared: Vec<(String, String)>,
    /// When the client's certificate ceases to hold, in milliseconds since the Unix epoch, if it signed in with one.
    certified_until_ms: Option<u64>,
    address: Option<SocketAddr>,
    tls: Option<String>,
    mechanism: String,
    software: Option<String>,
    agent: Option<String>,
    connection: String,
    since_ms: u64,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
struct Answered {
    jid: String,
    /// How many stanzas of the client have been handled.
    h: u32,
}

impl Asked {
    fn carried(&self) -> Carried {
        Carried {
            framing: if self.websocket { Framing::WebSocket } else { Framing::Stream },
            lang: self.lang.clone(),
            declared: self.declared.clone(),
        }
    }

    fn info(self) -> ClientInfo {
        ClientInfo {
            face: if self.websocket { "websocket" } else { "xmpp" },
            address: self.address,
            tls: self.tls,
            mechanism: self.mechanism,
            software: self.software,
            agent: self.agent,
            connection: self.connection,
            since_ms: self.since_ms,
        }
    }
}

/// The streams of this node, for another one to which their clients have come.
pub(crate) struct Here(pub(crate) Weak<Face>);

#[async_trait]
impl Streams for Here {
    async fn resume(&self, account: &Jid, asked: &[u8], tunnel: Tunnel) -> Option<Vec<u8>> {
        let face = self.0.upgrade()?;
        let asked: Asked = serde_json::from_slice(asked).ok()?;
        let profile = face.chat.profile(account).await.ok()??;
        let live = face.resumable.claim(&asked.previd, profile.account).await?;
        let (carried, certified_until_ms, h) = (asked.carried(), asked.certified_until_ms, asked.h);
        let (live, h) = suspended::go_on(&face, live, asked.info(), h).await?;
        let answered = Answered { jid: live.session.jid.as_str().to_owned(), h };
        tracing::debug!(session = %live.session.jid, node = %tunnel.node(), "resumed through another node");
        let current = face.current();
        let framing = carried.framing;
        let stream = Stream::carried_on(Arc::clone(&current.streams), carried, live.session.jid.clone());
        let link = Link::Tunnel(Box::new(Remote::new(tunnel, framing)));
        let mut connection = Connection::with(Arc::clone(&face), current, link, stream);
        connection.certified_until = certified_until_ms.map(|until_ms| face.moment(until_ms));
        connection.send_again(&live);
        face.lifecycle.spawn(connection.go_on(live));
        serde_json::to_vec(&answered).ok()
    }
}

/// Why no more is carried.
enum Parted {
    /// The stream has ended, or its node gives it up.
    Closed { goes_away: bool },
    /// This node leaves, and its client is told.
    Leaving,
}

impl Connection {
    /// Asks the other nodes for a stream of an account that has proven to this node who it is.
    pub(super) async fn resume_elsewhere(
        &mut self,
        account: &Account,
        info: &ClientInfo,
        resume: &Resume,
    ) -> Option<(Resumption, Tunnel)> {
        let Carried { framing, lang, declared } = self.stream.carried();
        let asked = Asked {
            previd: resume.previd.clone(),
            h: resume.h,
            websocket: framing == Framing::WebSocket,
            lang,
            declared,
            certified_until_ms: self.certified_until.and_then(|_| self.link.certified_until_ms()),
            address: info.address,
            tls: info.tls.clone(),
            mechanism: info.mechanism.clone(),
            software: info.software.clone(),
            agent: info.agent.clone(),
            connection: info.connection.clone(),
            since_ms: info.since_ms,
        };
        let asked = serde_json::to_vec(&asked).ok()?;
        let (answered, tunnel) = self.face.chat.resume_elsewhere(&account.jid, &asked).await?;
        let answered: Answered = serde_json::from_slice(&answered).ok()?;
        let jid = Jid::new(&answered.jid).ok()?;
        Some((Resumption { jid, previd: resume.previd.clone(), h: answered.h }, tunnel))
    }

    /// Carries bytes between the client and its stream at another node until either is gone.
    pub(super) async fn carry(mut self: Box<Self>, tunnel: Tunnel) {
        let parted = self.relay(&tunnel).await;
        // The stream can be resumed anew before the client hears that it should.
        drop(tunnel);
        match parted {
            Ok(Parted::Closed { goes_away }) => self.link.close(goes_away).await,
            Ok(Parted::Leaving) => {
                self.say_goodbye();
                self.hang_up().await;
            }
            Err(error) => tracing::debug!(%error, "the connection to a stream of another node broke"),
        }
    }

    async fn relay(&mut self, tunnel: &Tunnel) -> io::Result<Parted> {
        self.flush().await?;
        let mut drain = self.face.lifecycle.drain_signal();
        let sent_away = self.face.sends_away();
        tokio::pin!(sent_away);
        // Something passes at least as often: the other node asks a client that is silent whether it is there.
        let patience = self.config.idle_timeout_ms.saturating_add(self.config.response_timeout_ms);
        let patience = Duration::from_millis(patience);
        let mut passed = Instant::now();
        let check = sleep_until(passed + patience);
        tokio::pin!(check);
        let is_web_socket = matches!(self.link, Link::WebSocket(_));
        let mut message = Vec::new();
        let mut is_between = true;
        loop {
            let has_input = self.has_input();
            tokio::select! {
                // A stream error may stand only where an element could.
                () = &mut sent_away, if is_between => return Ok(Parted::Leaving),
                received = tunnel.receive() => match received? {
                    Passed::Piece { octets, whole } => {
                        is_between = whole;
                        if is_web_socket && !(whole && message.is_empty()) {
                            message.extend_from_slice(&octets);
                            if whole {
                                self.pass(tunnel, &mut drain, &std::mem::take(&mut message)).await?;
                            }
                        } else {
                            self.pass(tunnel, &mut drain, &octets).await?;
                        }
                        passed = Instant::now();
                    }
                    Passed::Closed { goes_away } => return Ok(Parted::Closed { goes_away }),
                },
                ready = tunnel.ready(), if has_input => {
                    ready?;
                    let length = tunnel.put(self.rest())?;
                    self.consume(length);
                }
                received = self.receive_more(), if !has_input => {
                    passed = Instant::now();
                    if !received? {
                        tunnel.close(false);
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                () = &mut check => {
                    if passed + patience <= Instant::now() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                    check.as_mut().reset(passed + patience);
                }
            }
        }
    }

    /// Writes to the client, for as long as its stream wants that.
    async fn pass(&mut self, tunnel: &Tunnel, drain: &mut Drain, octets: &[u8]) -> io::Result<()> {
        let cut = tokio::select! {
            biased;
            passed = self.link.pass(octets) => return passed,
            () = tunnel.broken() => io::ErrorKind::ConnectionReset,
            () = drain.draining() => io::ErrorKind::ConnectionAborted,
        };
        // What was written ends in the middle of something; nothing may follow it.
        self.link = Link::Broken;
        Err(cut.into())
    }
}
