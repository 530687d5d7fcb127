//! What the server tells a client unasked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Address, Contact, Conversation, Draft, Member, Message, MessageId, Position, Preferences, Presence, Room,
    Scheduled, Thread,
};

/// Something that happened. What lasts carries the version that the client has once it has applied it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Event {
    /// Everything up to here has been told; absent for what passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Position>,
    /// What happened.
    #[serde(flatten)]
    pub(crate) what: What,
}

impl From<What> for Event {
    fn from(what: What) -> Self {
        Self { version: None, what }
    }
}

impl Event {
    /// Something that lasts.
    pub(crate) fn lasting(version: Position, what: What) -> Self {
        Self { version: Some(version), what }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum What {
    /// A message is new, or is not what it was: edited, reacted to, recalled, pinned or answered in its thread.
    Message {
        /// The message as it now is.
        message: Box<Message>,
    },
    /// A conversation is new, or is kept or read otherwise than before.
    Conversation {
        /// The conversation as it now is.
        conversation: Box<Conversation>,
    },
    /// Somebody else has read.
    Read {
        /// Where.
        conversation: Address,
        /// Who.
        address: Address,
        /// Up to where.
        position: Position,
    },
    /// What one has begun to write has changed.
    Draft {
        /// Where.
        conversation: Address,
        /// What; absent if nothing any more.
        #[serde(skip_serializing_if = "Option::is_none")]
        draft: Option<Draft>,
    },
    /// A message was saved, or is not any more.
    Saved {
        /// Where it stands.
        conversation: Address,
        /// The message.
        id: MessageId,
        /// Whether it is saved.
        saved: bool,
    },
    /// A thread is followed or read otherwise than before.
    Thread {
        /// The thread as it now is.
        thread: Box<Thread>,
    },
    /// A message that is to be sent later is new, or has changed.
    Scheduled {
        /// The message as it now is.
        scheduled: Box<Scheduled>,
    },
    /// A message is not to be sent later any more; most likely it was sent.
    ScheduledRemoved {
        /// Its id.
        id: String,
    },
    /// What one prefers has changed.
    Preferences {
        /// All of it.
        preferences: Box<Preferences>,
    },
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Typing {
    /// Writing.
    Composing,
    /// Not writing any more.
    Paused,
}
