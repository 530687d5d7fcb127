//! Bytes between two clients that cannot reach each other: who may have a stream activated (XEP-0065).

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;

use crate::chat::Chat;
use crate::error::{Error, Result};

/// Why a stream is not activated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayRefusal {
    /// Nobody is connected under this name.
    #[error("nobody is connected")]
    Unknown,
    /// Only one of the two is.
    #[error("only one party is connected")]
    OneOnly,
    /// Too many streams are active, of this account or of all.
    #[error("too many streams are active")]
    TooMany,
}

/// The port to what joins two connections: it knows sockets, and nothing of accounts.
pub trait Relay: Send + Sync + 'static {
    /// Where clients connect: the host, in place of which the domain is told when there is none, and the port.
    fn address(&self) -> (Option<String>, u16);
    /// Joins the two connections that were made under the name of a stream, for an account that is answerable for it.
    fn activate(&self, stream: &str, account: &Jid) -> std::result::Result<(), RelayRefusal>;
}

impl Chat {
    /// Names what joins connections. Until then there is no such service.
    pub fn relay_by(&self, relay: Arc<dyn Relay>) {
        let _ = self.relay.set(relay);
    }

    /// What joins connections, for a client of this server. Others have no business with it (CVE-2021-32917).
    pub fn relay_for(&self, requester: &Jid) -> Result<&Arc<dyn Relay>> {
        if requester.local().is_none() || !self.is_local(requester.domain()) {
            return Err(Error::Forbidden);
        }
        self.relay.get().ok_or(Error::ServiceUnavailable)
    }
}
