//! The roster as values: contacts, subscription states and versions (RFC 6121 section 2).

use waxwing_xmpp::jid::Jid;

/// The subscription attribute of a roster item (RFC 6121 section 2.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Subscription {
    /// Neither sees the other's presence.
    #[default]
    None,
    /// The owner sees the contact's presence.
    To,
    /// The contact sees the owner's presence.
    From,
    /// Both see each other's presence.
    Both,
}

/// What is kept about one contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterItem {
    /// The contact's bare address.
    pub jid: Jid,
    /// The handle the owner gave it.
    pub name: Option<String>,
    /// The owner's groups, without duplicates.
    pub groups: Vec<String>,
    /// Who sees whom.
    pub subscription: Subscription,
    /// The owner asked for the contact's presence and has no answer yet ("Pending Out").
    pub ask: bool,
    /// The owner approved the contact in advance (RFC 6121 section 3.4).
    pub approved: bool,
    /// The contact's unanswered request, as the canonical stanza it came in ("Pending In").
    pub request: Option<Vec<u8>>,
    /// Part of the roster that clients see. An item kept only for a pending inbound request is not (RFC 6121 section 3.1.3).
    pub listed: bool,
}

/// A whole roster at one version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RosterSnapshot {
    /// Rises with every change.
    pub version: u64,
    /// All items, unlisted ones included.
    pub items: Vec<RosterItem>,
}

/// The difference between two versions of a roster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RosterChanges {
    /// The version that applying the changes leads to.
    pub version: u64,
    /// Items added or changed, each with the version of its last change, in the order of those versions.
    pub changed: Vec<(u64, RosterItem)>,
    /// Contacts removed, each with the version of the removal.
    pub removed: Vec<(u64, Jid)>,
}
