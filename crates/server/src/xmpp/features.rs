//! The features of the XMPP face: one static list, from which service discovery, the IQ table and the documents are made.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use waxwing_chat::Chat;
use waxwing_chat::session::Session;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{IqType, Kind, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::config::Config;

pub mod disco;
pub mod ping;

/// Every feature, in the order of the documents made from it.
pub static FEATURES: &[&Feature] = &[&disco::FEATURE, &ping::FEATURE];

/// What one file under `features/` contributes.
#[derive(Debug)]
pub struct Feature {
    /// The concept, as the documents name it.
    pub name: &'static str,
    /// One sentence for the documents.
    pub summary: &'static str,
    /// The specifications it follows.
    pub specs: &'static [Spec],
    /// What service discovery says about it.
    pub advertises: &'static [Advertised],
    /// The requests it answers.
    pub handles: &'static [Handler],
    /// What it keeps in the store, for the administrator's documents.
    pub stores: &'static [&'static str],
}

/// A specification and the version of it that was read.
#[derive(Debug)]
pub struct Spec {
    /// Its name, such as `XEP-0280` or `RFC 6121`.
    pub name: &'static str,
    /// The version of its text, empty for an RFC.
    pub version: &'static str,
    /// What of it does not apply or is left out, empty if nothing.
    pub note: &'static str,
}

/// A feature in the answers of service discovery (XEP-0030).
#[derive(Debug)]
pub struct Advertised {
    /// Who has it.
    pub at: At,
    /// Its name.
    pub var: &'static str,
}

/// Whose service discovery answers it stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum At {
    /// One of this server's domains.
    Server,
    /// An account, asked by its own clients.
    Account,
}

/// Whom a request is addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// One of this server's domains.
    Server,
    /// The requester's own account: its bare address, or no address (RFC 6120 section 10.3.3).
    OwnAccount,
    /// The bare address of another account of this server.
    OtherAccount,
}

/// A request that a feature answers.
pub struct Handler {
    /// `get` or `set`.
    pub kind: IqType,
    /// The namespace of the payload.
    pub namespace: &'static str,
    /// The name of the payload.
    pub name: &'static str,
    /// Whom it may be addressed to.
    pub targets: &'static [Target],
    /// Answers it.
    pub answer: Answer,
}

impl std::fmt::Debug for Handler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {{{}}}{} for {:?}", self.kind, self.namespace, self.name, self.targets)
    }
}

/// Answers one request.
pub type Answer = for<'a> fn(Request<'a>) -> Pin<Box<dyn Future<Output = Reply> + Send + 'a>>;

/// A request with all that answering it needs.
pub struct Request<'a> {
    /// The whole stanza, its `from` stamped by the server.
    pub iq: &'a Stanza,
    /// Its single payload.
    pub payload: ElementRef<'a>,
    /// Whom it is addressed to.
    pub target: Target,
    /// The session it came from.
    pub session: &'a Arc<Session>,
    /// The domain.
    pub chat: &'a Arc<Chat>,
    /// The face's configuration now in force.
    pub config: &'a Arc<Config>,
}

impl Request<'_> {
    /// The address asked, with the requester's own account for none.
    pub fn to(&self) -> Jid {
        self.iq.to.clone().unwrap_or_else(|| self.session.jid.to_bare())
    }

    /// The bare address of the requester.
    pub fn account(&self) -> Jid {
        self.session.jid.to_bare()
    }
}

/// The answer to a request: an error, or a result with what has to be sent before it.
pub type Reply = Result<Success, StanzaError>;

/// A successful answer.
#[derive(Debug, Default)]
pub struct Success {
    /// Stanzas for the requester that go out before the result (XEP-0313 section 4.2).
    pub before: Vec<Stanza>,
    /// The payload of the result.
    pub payload: Option<Element>,
}

impl From<Element> for Success {
    fn from(payload: Element) -> Self {
        Self { before: Vec::new(), payload: Some(payload) }
    }
}

/// The empty result.
pub const DONE: Success = Success { before: Vec::new(), payload: None };

type Table = HashMap<(&'static str, &'static str), Vec<&'static Handler>>;

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let mut table = Table::new();
        for handler in FEATURES.iter().flat_map(|feature| feature.handles) {
            table.entry((handler.namespace, handler.name)).or_default().push(handler);
        }
        table
    })
}

/// Finds who answers a request. `service-unavailable` for what nobody understands or at an address that does not offer
/// it; `bad-request` or `not-allowed` never stand for "unknown" (RFC 6120 section 8.4).
pub fn find(iq: &Stanza, payload: ElementRef<'_>, target: Target) -> Result<Answer, StanzaError> {
    let unavailable = || StanzaError::new(Condition::ServiceUnavailable);
    let known = table().get(&(payload.ns(), payload.name())).ok_or_else(unavailable)?;
    known
        .iter()
        .find(|h| Kind::Iq(h.kind) == iq.kind && h.targets.contains(&target))
        .map(|handler| handler.answer)
        .ok_or_else(unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_request_has_one_answer() {
        let mut seen = HashSet::new();
        for handler in FEATURES.iter().flat_map(|feature| feature.handles) {
            for target in handler.targets {
                let request = (handler.kind, handler.namespace, handler.name, *target);
                assert!(seen.insert(request), "two features answer {request:?}");
            }
        }
    }

    #[test]
    fn nothing_is_advertised_twice() {
        let mut seen = HashSet::new();
        for advertised in FEATURES.iter().flat_map(|feature| feature.advertises) {
            assert!(seen.insert((advertised.at, advertised.var)), "{advertised:?}");
        }
    }
}
