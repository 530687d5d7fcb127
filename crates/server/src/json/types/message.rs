//! Messages and what belongs to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Address, MessageId, Person, Position, is_false};

/// Who sent something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Sender {
    /// The account; in a room that does not tell who its members are, the address of the occupant.
    pub(crate) address: Address,
    /// The name to show.
    pub(crate) name: String,
    /// The nickname in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nick: Option<String>,
}

/// What kind of message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageKind {
    /// Somebody wrote it.
    Message,
    /// The room says it itself.
    System,
}

/// Who is mentioned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MentionKind {
    /// The person of `address`.
    Person,
    /// Everybody in the room.
    Room,
    /// Everybody in the room who is online.
    Online,
}

/// A place in the text that stands for somebody (XEP-0372).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mention {
    /// Who is mentioned.
    pub(crate) kind: MentionKind,
    /// The person's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<Address>,
    /// Where it begins, in code points.
    pub(crate) begin: u32,
    /// Where it ends, in code points.
    pub(crate) end: u32,
}

/// A file that goes with a message.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attachment {
    /// Where it is: a path on this origin for files of this server.
    pub(crate) url: String,
    /// Its name.
    pub(crate) name: String,
    /// Its media type.
    #[serde(rename = "type")]
    pub(crate) media_type: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// The width of a picture or video, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) width: Option<u32>,
    /// The height of a picture or video, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) height: Option<u32>,
    /// How long it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) duration_ms: Option<u64>,
    /// It is a voice message.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) voice: bool,
    /// Where a small picture of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thumbnail: Option<String>,
    /// The file is gone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) missing: bool,
}

/// The message that is answered (XEP-0461).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ReplyTo {
    /// Its id.
    pub(crate) id: MessageId,
    /// Who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Sender>,
    /// How it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    /// It is not there any more.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) missing: bool,
}

/// How many have answered in the thread of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Replies {
    /// How many messages the thread has, its root not counted.
    pub(crate) count: u32,
    /// The newest of them.
    pub(crate) last: Position,
    /// Who wrote them, the newest first.
    pub(crate) people: Vec<Address>,
}

/// An emoji and who reacted with it (XEP-0444).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Reaction {
    /// The emoji.
    pub(crate) emoji: String,
    /// Who.
    pub(crate) by: Vec<Address>,
}

/// That a message was edited (XEP-0308).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Edited {
    /// When last.
    pub(crate) at_ms: u64,
    /// How often.
    pub(crate) count: u32,
}

/// That a message was taken back (XEP-0424, XEP-0425).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Recalled {
    /// When.
    pub(crate) at_ms: u64,
    /// By whom, if not by its sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<Address>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// That a message is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Pinned {
    /// By whom.
    pub(crate) by: Address,
    /// When.
    pub(crate) at_ms: u64,
}

/// A question with answers to choose from. A vote is a reaction with the keycap of the option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Poll {
    /// What is asked.
    pub(crate) question: String,
    /// The answers, at most ten.
    pub(crate) options: Vec<String>,
    /// Several may be chosen.
    #[serde(default)]
    pub(crate) multiple: bool,
    /// Nobody can vote any more (`message.close_poll`).
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) closed: bool,
}

/// Data for programs (XEP-0335, XEP-0432).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Payload {
    /// What it is: a name of XEP-0432, or `json` for data without one.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The data.
    pub(crate) value: Value,
}

/// A message as it now is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Message {
    /// Its id in the conversation.
    pub(crate) id: MessageId,
    /// The conversation it stands in.
    pub(crate) conversation: Address,
    /// Its place there.
    pub(crate) position: Position,
    /// The id that its sender's client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    /// Who sent it.
    pub(crate) from: Sender,
    /// What kind of message it is.
    pub(crate) kind: MessageKind,
    /// The text, with styling as of XEP-0393.
    pub(crate) text: String,
    /// Who is mentioned in the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) mentions: Vec<Mention>,
    /// Files that go with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attachments: Vec<Attachment>,
    /// The message that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<ReplyTo>,
    /// The root of the thread it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<MessageId>,
    /// What was answered in its thread, on a root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replies: Option<Replies>,
    /// Reactions, the oldest emoji first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reactions: Vec<Reaction>,
    /// That it was edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) edited: Option<Edited>,
    /// That it was taken back; its text and all else is gone then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) recalled: Option<Recalled>,
    /// That it is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pinned: Option<Pinned>,
    /// A question that it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) poll: Option<Poll>,
    /// Data for programs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) payloads: Vec<Payload>,
    /// It is encrypted from end to end, and this face cannot read it (XEP-0380).
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) encrypted: bool,
    /// The one who reads has saved it. It stands in answers; events leave it as it was.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) saved: bool,
}

/// A message that is to be sent at a later time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Scheduled {
    /// Its id, as long as it waits.
    pub(crate) id: String,
    /// Where it goes.
    pub(crate) conversation: Address,
    /// When.
    pub(crate) at_ms: u64,
    /// Its text.
    pub(crate) text: String,
    /// Files that go with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attachments: Vec<Attachment>,
    /// Why it could not be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<String>,
}

/// What a message said before it was edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct MessageVersion {
    /// The text.
    pub(crate) text: String,
    /// Since when it said so.
    pub(crate) at_ms: u64,
}

/// A message that is to be sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageSend {
    /// Where to.
    pub(crate) conversation: Address,
    /// An id that the client chose. Sent again with the same, it is the same message.
    pub(crate) client_id: String,
    /// What it says.
    #[serde(default)]
    pub(crate) text: String,
    /// Who is mentioned in the text.
    #[serde(default)]
    pub(crate) mentions: Vec<Mention>,
    /// Files that go with it.
    #[serde(default)]
    pub(crate) attachments: Vec<Attachment>,
    /// The message that it answers.
    #[serde(default)]
    pub(crate) reply_to: Option<MessageId>,
    /// The first message of the thread it is for.
    #[serde(default)]
    pub(crate) thread: Option<MessageId>,
    /// A question that it asks.
    #[serde(default)]
    pub(crate) poll: Option<Poll>,
    /// Data for programs.
    #[serde(default)]
    pub(crate) payloads: Vec<Payload>,
}

/// A message, told.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MessageGot {
    /// The message as it now is.
    pub(crate) message: Message,
}

/// A message, named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageNamed {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The message.
    pub(crate) id: MessageId,
}

/// A message that is to say something else.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageEdit {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The message, which must be one's own.
    pub(crate) id: MessageId,
    /// What it says from now on.
    pub(crate) text: String,
    /// Who is mentioned in the text.
    #[serde(default)]
    pub(crate) mentions: Vec<Mention>,
}

/// A message that is to be taken back.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageRecall {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The message: one's own, or in a room that one moderates anybody's.
    pub(crate) id: MessageId,
    /// Why; told where a moderator takes back what another has said.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// What one thinks of a message.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageReact {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The message.
    pub(crate) id: MessageId,
    /// All emoji that one reacts with from now on; none takes all back.
    pub(crate) emojis: Vec<String>,
}

/// A message that is to be pinned, or not any more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessagePin {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The message.
    pub(crate) id: MessageId,
    /// Whether it is pinned.
    pub(crate) pinned: bool,
}

/// A message that is to be saved, or not any more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageSave {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The message.
    pub(crate) id: MessageId,
    /// Whether it is saved.
    pub(crate) saved: bool,
}

/// What a message has said.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MessageVersions {
    /// The oldest first; the last is what it says now.
    pub(crate) versions: Vec<MessageVersion>,
}

/// Who has read a message.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MessageReaders {
    /// Those who have.
    pub(crate) read: Vec<Person>,
    /// Those who have not.
    pub(crate) unread: Vec<Person>,
}

/// Messages, told.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MessagesGot {
    /// The messages.
    pub(crate) messages: Vec<Message>,
}

/// A page of messages from everywhere, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MessagesPage {
    /// The messages.
    pub(crate) messages: Vec<Message>,
    /// There are more.
    pub(crate) more: bool,
    /// Where to go on, as `before`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Position>,
}

/// Messages are searched for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchMessages {
    /// Words, with operators among them.
    pub(crate) text: String,
    /// Only in this conversation.
    #[serde(default)]
    pub(crate) conversation: Option<Address>,
    /// Only what is before this place.
    #[serde(default)]
    pub(crate) before: Option<Position>,
    /// How many at most.
    #[serde(default)]
    pub(crate) limit: Option<u32>,
}

/// A message is to be sent later.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduledCreate {
    /// Where it goes.
    pub(crate) conversation: Address,
    /// When, in milliseconds since the Unix epoch.
    pub(crate) at_ms: u64,
    /// What it says.
    #[serde(default)]
    pub(crate) text: String,
    /// Files that go with it.
    #[serde(default)]
    pub(crate) attachments: Vec<Attachment>,
}

/// A message that waits is to be otherwise. What is absent stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduledChange {
    /// Its id.
    pub(crate) id: String,
    /// When it is sent.
    #[serde(default)]
    pub(crate) at_ms: Option<u64>,
    /// What it says.
    #[serde(default)]
    pub(crate) text: Option<String>,
}

/// A message that waits, named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduledNamed {
    /// Its id.
    pub(crate) id: String,
}

/// A message that waits, told.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ScheduledGot {
    /// The message as it now is.
    pub(crate) scheduled: Scheduled,
}

/// The messages that wait.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ScheduledListed {
    /// Those that are due first before the others.
    pub(crate) scheduled: Vec<Scheduled>,
}
