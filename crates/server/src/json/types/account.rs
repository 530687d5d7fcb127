//! People: accounts, contacts, presence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, is_false};

/// What an account may do with the installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccountRole {
    /// A person like any other.
    User,
    /// Administers the installation.
    Administrator,
}

/// An account, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Account {
    /// Who it is.
    #[serde(flatten)]
    pub(crate) person: Person,
    /// What it may do with the installation.
    pub(crate) role: AccountRole,
}

/// Somebody, as everybody may see him.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Person {
    /// The address.
    pub(crate) address: Address,
    /// The name to show.
    pub(crate) name: String,
    /// The hash of the picture, which is found at `/api/avatar/ADDRESS/HASH`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avatar: Option<String>,
    /// What the person does here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) title: Option<String>,
    /// Where the person works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) department: Option<String>,
    /// A telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    /// A mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mail: Option<String>,
}

/// Who of two contacts sees the other's presence (RFC 6121 section 2.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subscription {
    /// Neither.
    None,
    /// We see theirs.
    To,
    /// They see ours.
    From,
    /// Each the other's.
    Both,
}

/// An entry of the contact list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Contact {
    /// The contact's address.
    pub(crate) address: Address,
    /// The name that the owner of the list gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The groups it is in.
    pub(crate) groups: Vec<String>,
    /// Who sees the other's presence.
    pub(crate) subscription: Subscription,
    /// We have asked to see theirs, and wait for an answer.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) asking: bool,
    /// They have asked to see ours, and wait for an answer.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) requested: bool,
}

/// Whether somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Show {
    /// There, and ready to talk.
    Online,
    /// There, but not looking.
    Away,
    /// There, and not to be disturbed.
    Busy,
    /// Not there.
    #[default]
    Offline,
}

/// Presence of an account, of all its clients together.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub(crate) struct Presence {
    /// Whose.
    pub(crate) address: Address,
    /// Whether there.
    pub(crate) show: Show,
    /// What the person says about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// A picture for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) emoji: Option<String>,
    /// Until when what is said holds, in milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until_ms: Option<u64>,
    /// Since when the person has done nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idle_since_ms: Option<u64>,
    /// When the person was last there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_seen_ms: Option<u64>,
}
