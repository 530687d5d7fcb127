//! What the server tells a client unasked.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Account, Address, Contact, Conversation, Draft, Member, Message, MessageId, Position, Preferences,
    Presence, Room, Scheduled, Thread, Typing,
};

/// Something that happened. What lasts carries the version that the client has once it has applied it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Event {
    /// The client's version after this; absent for what passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Position>,
    /// What happened.
    #[serde(flatten)]
    pub(crate) what: What,
}

impl Event {
    /// Something that passes, such as that somebody writes.
    pub(crate) fn passing(what: What) -> Self {
        Self { version: None, what }
    }

    /// Something that lasts.
    pub(crate) fn lasting(version: Position, what: What) -> Self {
        Self { version: Some(version), what }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum What {
    /// There is a new message.
    Message {
        /// The message.
        message: Box<Message>,
    },
    /// A message is not what it was: edited, reacted to, recalled, pinned or answered in its thread.
    MessageChanged {
        /// The message as it now is.
        message: Box<Message>,
    },
    /// A conversation is new, or has changed.
    Conversation {
        /// The conversation as it now is.
        conversation: Box<Conversation>,
    },
    /// A conversation is not there any more.
    ConversationRemoved {
        /// Its address.
        address: Address,
    },
    /// One has read, on whatever device.
    Read {
        /// Where.
        conversation: Address,
        /// Up to where.
        seen: Position,
        /// How much is unread.
        unread: u32,
        /// How much of that mentions one.
        mentions: u32,
    },
    /// Somebody else has read.
    PeerRead {
        /// Where.
        conversation: Address,
        /// Who.
        address: Address,
        /// Up to where.
        seen: Position,
    },
    /// A thread is new, or has changed.
    Thread {
        /// The thread as it now is.
        thread: Box<Thread>,
    },
    /// A thread is not there any more.
    ThreadRemoved {
        /// Where it was.
        conversation: Address,
        /// The message that it began with.
        root: MessageId,
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
    /// A person's card or picture has changed.
    Account {
        /// The account as it now is.
        account: Box<Account>,
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
