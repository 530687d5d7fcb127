//! Where a stanza goes: the one place that reads an address and says what stands behind it.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;

use crate::chat::Chat;
use crate::nodes::NodeId;
use crate::service::Service;
use crate::session::Session;

/// What stands behind an address.
#[derive(Debug, Clone)]
pub enum Destination {
    /// An account of this server, which may or may not exist: a bare address, or a full one nobody is connected with.
    Account(Jid),
    /// A connected session.
    Session(Arc<Session>),
    /// One that is connected to this other node.
    Elsewhere(NodeId),
    /// One of this server's domains itself.
    Server,
    /// A service beside a domain, or something in it.
    Service(Service),
    /// Another server.
    Remote,
}

impl Chat {
    /// Finds what stands behind an address.
    pub fn locate(&self, to: &Jid) -> Destination {
        if !self.is_local(to.domain()) {
            return self.service(to.domain()).map_or(Destination::Remote, Destination::Service);
        }
        if to.local().is_none() {
            return Destination::Server;
        }
        if to.is_full() {
            if let Some(session) = self.sessions.find(to) {
                return Destination::Session(session);
            }
            if let Some(found) = self.cluster().and_then(|cluster| cluster.directory.find(to)) {
                return Destination::Elsewhere(found.node);
            }
        }
        Destination::Account(to.to_bare())
    }
}
