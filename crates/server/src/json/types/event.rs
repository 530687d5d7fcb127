//! What the server tells a client unasked.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Address, Contact, Member, Presence, Room};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Event {
    /// What happened.
    #[serde(flatten)]
    pub(crate) what: What,
}

impl From<What> for Event {
    fn from(what: What) -> Self {
        Self { what }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum What {
    /// A conversation is not there any more.
    ConversationRemoved {
        /// Its address.
        address: Address,
    },
    /// A contact is new, or has changed.
    Contact {
        /// The contact as it now is.
        contact: Contact,
    },
    /// A contact is not in the list any more.
    ContactRemoved {
        /// Its address.
        address: Address,
    },
    /// Somebody was blocked, or is not any more.
    Blocked {
        /// All who are blocked.
        addresses: Vec<Address>,
    },
    /// A room has changed.
    Room {
        /// The room as it now is.
        room: Box<Room>,
    },
    /// Somebody came to a room, or is something else there now.
    Member {
        /// The room.
        room: Address,
        /// Who, and what in it.
        member: Member,
    },
    /// Somebody does not belong to a room any more.
    MemberRemoved {
        /// The room.
        room: Address,
        /// Who.
        address: Address,
    },
    /// Somebody is writing, or has stopped.
    Typing {
        /// Where.
        conversation: Address,
        /// Who.
        address: Address,
        /// Which of the two.
        state: Typing,
    },
    /// Somebody came, left, or is something else now.
    Presence {
        /// Who, and what.
        presence: Presence,
    },
    /// Somebody wants one to come to a room.
    Invitation {
        /// The room.
        room: Address,
        /// Who.
        from: Address,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The server ends the session; nothing follows.
    Ended {
        /// Why.
        reason: EndReason,
    },
}

/// Why the server ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EndReason {
    /// It was signed out, here or from another device.
    SignedOut,
    /// The password was changed, or the account disabled or deleted. The token is good for nothing any more.
    Revoked,
    /// The same client has signed in once more.
    Replaced,
    /// It did not take what it was sent. It may sign in anew and read what it missed.
    TooSlow,
    /// An administrator ended it.
    Ended,
    /// The server stops, and will soon be back.
    Shutdown,
}

/// What somebody is doing who may be about to send something (XEP-0085).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Typing {
    /// Writing.
    Composing,
    /// Not writing any more.
    Paused,
}
