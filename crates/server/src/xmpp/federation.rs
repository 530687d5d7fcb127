//! XMPP between servers: the way out to other domains, and the way in from them.
//!
//! Outgoing: one bounded queue and one task for each pair (our domain, theirs). The task connects when something waits,
//! sends in order, and gives back what it cannot deliver. Incoming: one task for each connection; the stanzas of its
//! conversations go through a few bounded lanes, so that one commit does not hold up all others.
//!
//! ```text
//!  Chat::to_remote ─▶ Federation::send ─▶ outgoing::Queue ─▶ connect (DNS, TCP, TLS) ─▶ xmpp::s2s::Outgoing ─▶ network
//!  network ─▶ incoming::serve ─▶ xmpp::s2s::Incoming ─▶ lanes ─▶ receive::receive_remote ─▶ Chat
//! ```

pub mod config;
mod connect;
mod connections;
mod incoming;
mod lanes;
mod outgoing;
mod targets;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use waxwing_chat::Chat;
use waxwing_chat::error::{Error, Result};
use waxwing_xmpp::s2s::{self, Host, Pair, Secret};
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Limits;

use crate::dns::Resolver;
use crate::lifecycle::Lifecycle;
use crate::net::Conn;
use crate::tls::peer::Peers;
use crate::tls::{Acceptor, Purpose, Tls};

pub use config::Config;
pub use connections::Connected;
use connections::Connections;
use outgoing::Queues;

/// What all streams between servers share.
pub struct Federation {
    chat: Arc<Chat>,
    tls: Arc<Tls>,
    lifecycle: Lifecycle,
    resolver: Resolver,
    acceptor: Acceptor,
    direct_acceptor: Acceptor,
    secret: Secret,
    /// The domains that this installation has served at any time.
    former: BTreeSet<String>,
    queues: Queues,
    connections: Arc<Connections>,
    current: RwLock<Arc<Current>>,
}

/// What a reload replaces.
pub(crate) struct Current {
    config: Config,
    face: Arc<super::Config>,
    peers: Arc<Peers>,
    streams: Arc<s2s::Config>,
    limits: crate::net::Limits,
}

impl Federation {
    /// Puts everything together and opens the way out.
    pub fn start(
        chat: &Arc<Chat>,
        tls: &Arc<Tls>,
        lifecycle: &Lifecycle,
        settings: &crate::config::Config,
        former: &BTreeSet<String>,
    ) -> anyhow::Result<Arc<Self>> {
        let mut octets = [0; 32];
        chat.fill_random(&mut octets);
        let secret = Secret::new(octets);
        let federation = Arc::new(Self {
            current: RwLock::new(Arc::new(Current::new(chat, settings, &secret, former)?)),
            chat: Arc::clone(chat),
            acceptor: tls.acceptor(Purpose::Federation),
            direct_acceptor: tls.acceptor(Purpose::DirectFederation),
            tls: Arc::clone(tls),
            lifecycle: lifecycle.clone(),
            resolver: Resolver::new(&settings.dns)?,
            secret,
            former: former.clone(),
            queues: Queues::default(),
            connections: Arc::default(),
        });
        chat.federate(Arc::new(Way(Arc::clone(&federation))));
        Ok(federation)
    }

    /// Puts another configuration in force for streams that begin from now on.
    pub fn reload(&self, settings: &crate::config::Config) -> anyhow::Result<()> {
        let current = Current::new(&self.chat, settings, &self.secret, &self.former)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
        Ok(())
    }

    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves a connection of another server; `direct` when it begins with TLS (XEP-0368).
    pub async fn serve(self: Arc<Self>, conn: Conn, direct: bool) {
        incoming::serve(self, conn, direct).await;
    }

    /// Once the process drains: waits until what is queued for other servers is sent, up to `limit`. The senders of what
    /// is left are told, and still there to hear it.
    pub async fn emptied(&self, limit: std::time::Duration) {
        self.queues.emptied(limit).await;
    }

    /// The connections to and from other servers, as an administrator reads them.
    pub fn connected(&self) -> Vec<Connected> {
        self.connections.list()
    }
}

impl Current {
    fn new(
        chat: &Arc<Chat>,
        settings: &crate::config::Config,
        secret: &Secret,
        former: &BTreeSet<String>,
    ) -> anyhow::Result<Self> {
        let config = settings.federation.clone();
        let peers = Arc::new(Peers::load(&config.authorities, config.system_authorities)?);
        let (ours, former) = (Arc::clone(chat), former.clone());
        let random = Arc::clone(chat);
        let admitting = config.clone();
        let streams = s2s::Config {
            hosts: Box::new(move |domain| match ours.is_ours(domain) {
                true => Host::Served,
                false if former.contains(domain) => Host::Gone,
                false => Host::Unknown,
            }),
            admits: Box::new(move |domain| admitting.admits(domain)),
            default_host: settings.domain_names().next().unwrap_or("localhost").into(),
            random: Box::new(move |octets| random.fill_random(octets)),
            secret: secret.clone(),
            dialback: config.certificates == config::Certificates::Dialback,
            limits_before: Limits {
                stanza_bytes: settings.xmpp.unauthenticated_stanza_bytes,
                ..Limits::default()
            },
            limits: Limits { stanza_bytes: config.stanza_bytes, ..Limits::default() },
        };
        Ok(Self {
            face: Arc::new(settings.xmpp.clone()),
            peers,
            streams: Arc::new(streams),
            limits: settings.limits.clone(),
            config,
        })
    }
}

/// The port of the domain, which needs a handle it can give to tasks.
struct Way(Arc<Federation>);

impl waxwing_chat::federation::Federation for Way {
    fn send(&self, stanza: Stanza) -> Result<()> {
        let (Some(from), Some(to)) = (&stanza.from, &stanza.to) else {
            return Err(Error::BadRequest("an address is missing"));
        };
        if !self.0.current().config.admits(to.domain()) {
            return Err(Error::RemoteServerNotFound);
        }
        let pair = Pair::new(from.domain(), to.domain());
        outgoing::send(&self.0, pair, stanza)
    }
}
