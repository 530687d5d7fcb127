//! Conversations, as their owner sees them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Message, MessageId, Position, Room, is_false};

/// With whom one talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ConversationKind {
    /// With one person.
    Direct,
    /// In a room.
    Room,
    /// With oneself.
    #[serde(rename = "self")]
    Own,
}

/// What one wants to be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Notify {
    /// Every message.
    #[default]
    All,
    /// Messages that mention one.
    Mentions,
    /// Nothing.
    Nothing,
}

/// How its owner keeps a conversation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationSettings {
    /// Among the favourites.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) favourite: bool,
    /// The id of the section of the sidebar it stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) section: Option<String>,
    /// Its place there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<f64>,
    /// Not shown until something new comes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) hidden: bool,
    /// Until when it makes no noise, in milliseconds since the Unix epoch; 0 for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) muted_until_ms: Option<u64>,
    /// What to be told of here, if not as everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) notify: Option<Notify>,
    /// Words that count as a mention here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keywords: Vec<String>,
    /// Marked as unread by hand.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) marked_unread: bool,
}

/// What somebody has begun to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Draft {
    /// The text.
    pub(crate) text: String,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<MessageId>,
    /// The thread it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<MessageId>,
    /// When it was last changed, in milliseconds since the Unix epoch.
    pub(crate) changed_ms: u64,
}

/// A conversation, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Conversation {
    /// The person's or the room's address.
    pub(crate) address: Address,
    /// With whom one talks.
    pub(crate) kind: ConversationKind,
    /// The name to show.
    pub(crate) name: String,
    /// The hash of its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avatar: Option<String>,
    /// The newest message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<Message>,
    /// Everything up to here was seen.
    pub(crate) seen: Position,
    /// How many messages of others came since, at most 1000.
    pub(crate) unread: u32,
    /// How many of them mention the owner, at most 1000.
    pub(crate) mentions: u32,
    /// How far the other has read, in a conversation with one person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer_seen: Option<Position>,
    /// How its owner keeps it.
    pub(crate) settings: ConversationSettings,
    /// What the owner has begun to write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) draft: Option<Draft>,
    /// The room, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room: Option<Room>,
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
