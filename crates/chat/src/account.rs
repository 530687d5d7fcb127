//! Accounts as values: who may sign in, by which verifiers, and in what state.

use waxwing_xmpp::jid::Jid;

/// Identifies an account in the store, for its whole life; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub i64);

/// What an account may do beyond using its own data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// An ordinary person.
    #[default]
    Member,
    /// May use every command of the registry.
    Administrator,
}

/// An account as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its identity in the store.
    pub id: AccountId,
    /// Its bare address.
    pub jid: Jid,
    /// The name shown to others.
    pub name: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Password verifiers in their text form, one for each hash (`xmpp::sasl::Verifier`).
    pub verifiers: Vec<String>,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Refused at sign-in, with nothing deleted.
    pub disabled: bool,
    /// Milliseconds since the Unix epoch from which sign-in is refused.
    pub expires_ms: Option<u64>,
    /// When the last session ended, milliseconds since the Unix epoch.
    pub last_seen_ms: Option<u64>,
    /// The status text of the last unavailable presence (XEP-0012).
    pub last_status: Option<String>,
    /// Everything in the archive up to here has reached one of the account's clients.
    pub delivered: crate::archive::ArchiveId,
}

/// What is needed to create an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// Its bare address.
    pub jid: Jid,
    /// The name shown to others.
    pub name: Option<String>,
    /// What it may do.
    pub role: Role,
    /// Password verifiers in their text form.
    pub verifiers: Vec<String>,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
}

/// One change to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountChange {
    /// Replaces all password verifiers.
    Verifiers(Vec<String>),
    /// Adds a verifier for a hash that has none, or replaces that hash's verifier (XEP-0480).
    AddVerifier(String),
    /// Allows or refuses sign-in.
    Disabled(bool),
    /// Sets or clears the end of validity.
    Expires(Option<u64>),
    /// Sets or clears the name shown to others.
    Name(Option<String>),
    /// Sets what the account may do.
    Role(Role),
    /// Notes the end of a session (XEP-0012).
    LastSeen {
        /// Milliseconds since the Unix epoch.
        at_ms: u64,
        /// The status text of the last unavailable presence.
        status: Option<String>,
    },
}
