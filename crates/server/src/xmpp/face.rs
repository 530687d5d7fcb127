//! The XMPP face as a whole: what its connections share.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use waxwing_chat::Chat;
use waxwing_xmpp::c2s;
use waxwing_xmpp::error::{StreamCondition, StreamError};

use super::config::Config;
use super::connection::Connection;
use super::elsewhere::Here;
use super::link::{self, Link};
use super::streams;
use super::suspended::Resumable;
use crate::admin::Admin;
use crate::http::{WebSocketConn, WebSocketFace};
use crate::lifecycle::Lifecycle;
use crate::net::Conn;
use crate::tls::{Acceptor, Purpose, Tls};

/// What all connections of the XMPP face share.
pub struct Face {
    pub(crate) chat: Arc<Chat>,
    pub(crate) acceptor: Acceptor,
    pub(crate) direct_acceptor: Acceptor,
    pub(crate) resumable: Arc<Resumable>,
    pub(crate) lifecycle: Lifecycle,
    /// The commands of administrators, once the server is up.
    pub(crate) admin: OnceLock<Arc<Admin>>,
    current: RwLock<Current>,
}

/// What a reload replaces.
#[derive(Clone)]
pub(crate) struct Current {
    pub(crate) config: Arc<Config>,
    pub(crate) streams: Arc<c2s::Config>,
    pub(crate) authentication_timeout_ms: u64,
    spread_ms: u64,
    /// The domains served now, and those served before.
    known: BTreeSet<String>,
}

impl Current {
    /// Draws up what streams that begin from now on are told.
    pub(crate) fn new(
        chat: &Arc<Chat>,
        settings: &crate::config::Config,
        mut known: BTreeSet<String>,
    ) -> Self {
        known.extend(settings.domain_names().map(str::to_owned));
        let config = Arc::new(settings.xmpp.clone());
        Self {
            streams: Arc::new(streams::config(chat, settings, &config, known.clone())),
            config,
            authentication_timeout_ms: settings.limits.authentication_timeout_ms,
            spread_ms: settings.shutdown.spread_ms,
            known,
        }
    }
}

impl Face {
    /// Puts the face together.
    ///
    /// `former` are the domains that this installation has served at any time.
    pub fn new(
        chat: Arc<Chat>,
        tls: &Arc<Tls>,
        lifecycle: Lifecycle,
        settings: &crate::config::Config,
        former: BTreeSet<String>,
    ) -> Arc<Self> {
        let face = Arc::new(Self {
            current: RwLock::new(Current::new(&chat, settings, former)),
            chat,
            acceptor: tls.acceptor(Purpose::StartTls),
            direct_acceptor: tls.acceptor(Purpose::DirectTls),
            resumable: Arc::default(),
            lifecycle,
            admin: OnceLock::new(),
        });
        face.chat.resume_elsewhere_by(Arc::new(Here(Arc::downgrade(&face))));
        face
    }

    /// Lets administrators use their commands (XEP-0133).
    pub fn administer(&self, admin: Arc<Admin>) {
        if self.admin.set(admin).is_err() {
            tracing::error!("administrators have their commands already");
        }
    }

    /// Puts another configuration in force for connections that come from now on.
    pub fn reload(&self, settings: &crate::config::Config) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Current::new(&self.chat, settings, current.known.clone());
    }

    /// The moment at which the clock will show this, in milliseconds since the Unix epoch; now if it has shown it already.
    pub(crate) fn moment(&self, ms: u64) -> Instant {
        Instant::now() + Duration::from_millis(ms.saturating_sub(self.chat.now_ms()))
    }

    /// Resolves when a client is to be sent away that has no session here to tell it so: at a moment of its own while this node
    /// leaves, and when it drains at the latest.
    pub(crate) fn sends_away(&self) -> impl Future<Output = ()> + Send + use<> {
        let (mut closed, mut drain) = (self.lifecycle.drain_signal(), self.lifecycle.drain_signal());
        let mut lot = [0; 8];
        self.chat.fill_random(&mut lot);
        let own = Duration::from_millis(u64::from_le_bytes(lot) % self.current().spread_ms.max(1));
        async move {
            let turn = async {
                closed.closed().await;
                sleep(own).await;
            };
            tokio::select! {
                () = turn => {}
                () = drain.draining() => {}
            }
        }
    }

    pub(crate) fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What a connection is told for which there is no room (RFC 6120 section 4.9.3.17).
    pub fn apology(&self) -> Vec<u8> {
        let mut stream = c2s::Stream::new(self.current().streams, c2s::Transport::tcp());
        stream.fail(&StreamError::new(StreamCondition::ResourceConstraint));
        stream.take_output().bytes().to_vec()
    }

    /// Serves a connection that begins in plain text.
    pub fn serve_plain(self: Arc<Self>, conn: Conn) -> impl Future<Output = ()> + Send + use<> {
        let current = self.current();
        let trusted = current.config.plaintext_on_loopback
            && conn.peer_addr().ip().is_loopback()
            && conn.local_addr().ip().is_loopback();
        let transport = if trusted { c2s::Transport::trusted_loopback() } else { c2s::Transport::tcp() };
        Connection::new(self, current, Link::Tcp(conn), transport).serve()
    }

    /// Serves a connection that begins with TLS (XEP-0368).
    pub fn serve_tls(self: Arc<Self>, conn: Conn) -> impl Future<Output = ()> + Send + use<> {
        // In a box of its own, so that the connection does not keep room for a handshake as long as it lasts.
        let handshake = Box::pin(self.shake_hands(conn));
        async move {
            if let Some(connection) = handshake.await {
                connection.serve().await;
            }
        }
    }

    async fn shake_hands(self: Arc<Self>, conn: Conn) -> Option<Box<Connection>> {
        match conn.start_tls(&self.direct_acceptor).await {
            Ok(conn) => {
                let transport = c2s::Transport::direct_tls(link::established(&conn));
                let current = self.current();
                Some(Connection::new(self, current, Link::Tcp(conn), transport))
            }
            Err(error) => {
                tracing::debug!(%error, "the TLS handshake failed");
                None
            }
        }
    }
}

/// The face as the HTTP listener sees it (RFC 7395).
pub struct OverWebSocket(pub Arc<Face>);

impl WebSocketFace for OverWebSocket {
    fn serve(&self, conn: WebSocketConn) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let face = Arc::clone(&self.0);
        let current = face.current();
        let loopback = conn.peer_addr().ip().is_loopback();
        let transport = if conn.is_tls() {
            c2s::Transport::web_socket(Some(c2s::Tls::default()))
        } else if loopback && current.config.plaintext_on_loopback {
            c2s::Transport::trusted_loopback_web_socket()
        } else {
            c2s::Transport::web_socket(None)
        };
        Box::pin(Connection::new(face, current, Link::WebSocket(Box::new(conn)), transport).serve())
    }
}
