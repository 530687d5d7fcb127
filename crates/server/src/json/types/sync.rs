//! Coming in step with the server, and staying so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Contact, Conversation, Event, Position, Preferences, Presence, Scheduled};

/// Everything that a client needs to begin.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Snapshot {
    /// Everything up to here is in it.
    pub(crate) version: Position,
    /// The conversations that were last talked in, and all rooms.
    pub(crate) conversations: Vec<Conversation>,
    /// There are more with people: go on with `conversation.list` from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Position>,
    /// Conversations for which there was no room: ask for each with `conversation.get`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing: Vec<Address>,
    /// The contacts.
    pub(crate) contacts: Vec<Contact>,
    /// Who of them is there, and how.
    pub(crate) presences: Vec<Presence>,
    /// Who is blocked.
    pub(crate) blocked: Vec<Address>,
    /// What one prefers.
    pub(crate) preferences: Preferences,
    /// What is to be sent later.
    pub(crate) scheduled: Vec<Scheduled>,
}

/// A client comes back, and says what it has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SyncChanges {
    /// The version that it has.
    pub(crate) since: Position,
}

/// What changed meanwhile.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangesGot {
    /// Everything up to here has been told.
    pub(crate) version: Position,
    /// What happened, in order.
    pub(crate) events: Vec<Event>,
    /// There is more: ask again with `version`.
    pub(crate) more: bool,
    /// It cannot be told what changed: begin anew with `sync.open`.
    pub(crate) reset: bool,
    /// The contacts, on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contacts: Option<Vec<Contact>>,
    /// Who of them is there, on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presences: Option<Vec<Presence>>,
    /// Who is blocked, on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blocked: Option<Vec<Address>>,
    /// The addresses of all rooms one belongs to, on the last page: what is not among them is left, what is new is to be asked for
    /// with `conversation.get`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rooms: Option<Vec<Address>>,
}
