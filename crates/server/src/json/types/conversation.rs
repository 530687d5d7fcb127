//! Conversations, as their owner sees them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Message, MessageId, Patch, Position, Room, Typing, is_false};

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
    /// How many messages of others came since, at most 100.
    pub(crate) unread: u32,
    /// How many of them mention the owner, at most 100.
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

/// Conversations are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationList {
    /// Only those that were last talked in before this place.
    #[serde(default)]
    pub(crate) before: Option<Position>,
    /// How many at most.
    #[serde(default)]
    pub(crate) limit: Option<u32>,
}

/// A page of conversations.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConversationsGot {
    /// Those that were last talked in first.
    pub(crate) conversations: Vec<Conversation>,
    /// Conversations for which there was no room: ask for each with `conversation.get`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) missing: Vec<Address>,
    /// There are more.
    pub(crate) more: bool,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Position>,
}

/// A conversation, named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationNamed {
    /// The person's or the room's address.
    pub(crate) conversation: Address,
}

/// A conversation, told.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConversationGot {
    /// The conversation as it now is.
    pub(crate) conversation: Conversation,
}

/// A part of a conversation is asked for. At most one of the three places may be there; without any it is the end.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationHistory {
    /// The conversation.
    pub(crate) conversation: Address,
    /// Directly before this place.
    #[serde(default)]
    pub(crate) before: Option<Position>,
    /// Directly behind this place.
    #[serde(default)]
    pub(crate) after: Option<Position>,
    /// On both sides of this place.
    #[serde(default)]
    pub(crate) around: Option<Position>,
    /// How many messages at most.
    #[serde(default)]
    pub(crate) limit: Option<u32>,
}

/// A part of a conversation.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HistoryGot {
    /// The messages, oldest first.
    pub(crate) messages: Vec<Message>,
    /// There are earlier ones.
    pub(crate) more_before: bool,
    /// There are later ones.
    pub(crate) more_after: bool,
}

/// A place in a conversation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationPlace {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The place.
    pub(crate) position: Position,
}

/// A change of how one keeps a conversation. What is absent stays as it is, `null` clears.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationConfigure {
    /// The conversation.
    pub(crate) conversation: Address,
    /// What is changed.
    pub(crate) settings: SettingsChange,
}

/// What is changed of how one keeps a conversation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsChange {
    /// Among the favourites.
    #[serde(default)]
    pub(crate) favourite: Patch<bool>,
    /// The id of the section of the sidebar it stands in.
    #[serde(default)]
    pub(crate) section: Patch<String>,
    /// Its place there.
    #[serde(default)]
    pub(crate) order: Patch<f64>,
    /// Not shown until something new comes.
    #[serde(default)]
    pub(crate) hidden: Patch<bool>,
    /// Until when it makes no noise, in milliseconds since the Unix epoch; 0 for ever.
    #[serde(default)]
    pub(crate) muted_until_ms: Patch<u64>,
    /// What to be told of here, if not as everywhere.
    #[serde(default)]
    pub(crate) notify: Patch<Notify>,
    /// Words that count as a mention here.
    #[serde(default)]
    pub(crate) keywords: Patch<Vec<String>>,
    /// Marked as unread by hand.
    #[serde(default)]
    pub(crate) marked_unread: Patch<bool>,
}

/// What one has begun to write.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationDraft {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The draft; `null` if there is none any more.
    pub(crate) draft: Option<DraftWritten>,
}

/// A draft as its writer has it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftWritten {
    /// The text.
    pub(crate) text: String,
    /// The message that it answers.
    #[serde(default)]
    pub(crate) reply_to: Option<MessageId>,
    /// The thread it is for.
    #[serde(default)]
    pub(crate) thread: Option<MessageId>,
}

/// That one writes, or has stopped.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConversationTyping {
    /// The conversation.
    pub(crate) conversation: Address,
    /// Which of the two.
    pub(crate) state: Typing,
}
