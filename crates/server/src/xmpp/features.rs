//! The features of the XMPP face: one static list, from which service discovery, the IQ table and the documents are made.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use waxwing_chat::Chat;
use waxwing_chat::rosters::Owner;
use waxwing_chat::service::Service;
use waxwing_chat::session::Session;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{IqType, Kind, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::config::Config;
use super::error::stanza_error;
use crate::admin::Admin;

pub mod archive;
pub mod blocking;
pub mod bytestreams;
pub mod caps;
pub mod carbons;
pub mod cards;
pub mod commands;
pub mod csi;
pub mod data_forms;
pub mod disco;
pub mod documents;
pub mod federation;
pub mod forwarding;
pub mod hints;
pub mod invitations;
pub mod last_activity;
pub mod offline;
pub mod paging;
pub mod passed_on;
pub mod personal;
pub mod ping;
pub mod preferences;
pub mod private;
pub mod pubsub;
pub mod push;
pub mod registration;
pub mod rooms;
pub mod roster;
pub mod search;
pub mod stanza_ids;
pub mod stream;
pub mod time;
pub mod upload;
pub mod version;

#[cfg(test)]
pub mod _skeleton;
#[cfg(test)]
pub(crate) mod testing;

/// Every feature, in the order of the documents made from it.
pub static FEATURES: &[&Feature] = &[
    &stream::CORE,
    &stream::SIGN_IN,
    &stream::MANAGEMENT,
    &federation::FEATURE,
    &roster::FEATURE,
    &disco::FEATURE,
    &caps::FEATURE,
    &data_forms::FEATURE,
    &commands::FEATURE,
    &commands::ADMINISTRATION,
    &ping::FEATURE,
    &version::FEATURE,
    &time::FEATURE,
    &last_activity::FEATURE,
    &blocking::FEATURE,
    &carbons::FEATURE,
    &forwarding::FEATURE,
    &archive::FEATURE,
    &preferences::FEATURE,
    &paging::FEATURE,
    &stanza_ids::FEATURE,
    &offline::FEATURE,
    &hints::FEATURE,
    &csi::FEATURE,
    &push::FEATURE,
    &passed_on::FEATURE,
    &upload::FEATURE,
    &bytestreams::FEATURE,
    &private::FEATURE,
    &cards::FEATURE,
    &personal::FEATURE,
    &search::FEATURE,
    &registration::FEATURE,
    &invitations::FEATURE,
    &rooms::FEATURE,
    &rooms::ADMINISTRATION,
    &rooms::ARCHIVE,
    &rooms::COMMANDS,
    &rooms::HATS,
    &rooms::AVATARS,
    &rooms::SEARCH,
    &pubsub::FEATURE,
    &pubsub::PERSONAL,
];

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
    /// What the stream features say about it, whatever the configuration.
    pub announces: &'static [Announced],
    /// What it keeps in the store, for the administrator's documents.
    pub stores: &'static [&'static str],
}

impl Feature {
    /// What a feature leaves out.
    pub const EMPTY: Self = Self {
        name: "",
        summary: "",
        specs: &[],
        advertises: &[],
        handles: &[],
        announces: &[],
        stores: &[],
    };
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
    /// An account, asked by someone who sees its presence.
    AccountOfContact,
    /// A service beside a domain.
    Service(Service),
}

/// An empty element in the stream features (RFC 6120 section 4.3.2).
#[derive(Debug)]
pub struct Announced {
    /// When it stands there.
    pub when: When,
    /// Its namespace.
    pub namespace: &'static str,
    /// Its name.
    pub name: &'static str,
}

/// When a stream feature stands in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// Until the client has signed in.
    BeforeSignIn,
    /// From then on.
    SignedIn,
}

/// The elements that stand in the stream features then, whatever the configuration.
pub fn announced(when: When) -> Vec<Element> {
    let all = FEATURES.iter().flat_map(|feature| feature.announces);
    all.filter(|announced| announced.when == when)
        .map(|announced| Element::new(announced.namespace, announced.name))
        .collect()
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
    /// A service beside a domain, at its own address.
    Service(Service),
    /// What has a bare address in a service: a room.
    InService(Service),
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
    /// Who asks: the full address of a local client, or whatever address another server vouches for.
    pub from: &'a Jid,
    /// The session it came from; none if it came from another server.
    pub session: Option<&'a Arc<Session>>,
    /// The domain.
    pub chat: &'a Arc<Chat>,
    /// The face's configuration now in force.
    pub config: &'a Arc<Config>,
    /// The commands of administrators; none for whoever is not a client of this server.
    pub admin: Option<&'a Arc<Admin>>,
}

impl<'a> Request<'a> {
    /// The address asked, with the requester's own account for none.
    pub fn to(&self) -> Jid {
        self.iq.to.clone().unwrap_or_else(|| self.from.to_bare())
    }

    /// The bare address of the requester.
    pub fn account(&self) -> Jid {
        self.from.to_bare()
    }

    /// The requester's session, for what only clients of this server may ask.
    pub fn session(&self) -> Result<&'a Arc<Session>, StanzaError> {
        self.session.ok_or_else(|| StanzaError::new(Condition::Forbidden))
    }

    /// The requester's account, for what only clients of this server may ask.
    pub fn owner(&self) -> Result<Owner, StanzaError> {
        Ok(Owner::from(&**self.session()?))
    }

    /// Whether the account asked exists and shows its presence to the requester. Answers must not tell the two apart.
    pub async fn sees_presence(&self) -> Result<bool, StanzaError> {
        let asked = self.chat.profile(&self.to().to_bare()).await.map_err(|error| stanza_error(&error))?;
        match asked {
            Some(asked) if !asked.blocks(self.from) => {
                let owner = Owner::from(&*asked);
                self.chat.shows_presence_to(&owner, self.from).await.map_err(|error| stanza_error(&error))
            }
            _ => Ok(false),
        }
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
    /// A part of what was asked was not done: the answer is this error behind the payload, which says what (XEP-0060 section
    /// 8.8.2.4).
    pub refused: Option<StanzaError>,
    /// Stanzas for the requester that go out after the result (RFC 6121 section 2.6.3).
    pub after: Vec<Stanza>,
}

impl From<Element> for Success {
    fn from(payload: Element) -> Self {
        Self { payload: Some(payload), ..DONE }
    }
}

/// The empty result.
pub const DONE: Success = Success { before: Vec::new(), payload: None, refused: None, after: Vec::new() };

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
