//! Threads, as those see them who follow them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Message, MessageId, Position};

/// A thread.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Thread {
    /// The message that it began with.
    pub(crate) root: Message,
    /// The conversation it is in.
    pub(crate) conversation: Address,
    /// Everything up to here was seen.
    pub(crate) seen: Position,
    /// How many messages of others came since, at most 100.
    pub(crate) unread: u32,
    /// How many of them mention the one who reads, at most 100.
    pub(crate) mentions: u32,
    /// Whether the one who reads is told of it.
    pub(crate) following: bool,
    /// The newest message in it.
    pub(crate) last: Position,
}

/// A page of a thread is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThreadGet {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The message that it began with.
    pub(crate) root: MessageId,
    /// Only messages before this place.
    #[serde(default)]
    pub(crate) before: Option<Position>,
    /// How many at most.
    #[serde(default)]
    pub(crate) limit: Option<u32>,
}

/// A page of a thread.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ThreadGot {
    /// The thread.
    pub(crate) thread: Thread,
    /// Its messages without the first, oldest first.
    pub(crate) messages: Vec<Message>,
    /// There are earlier ones.
    pub(crate) more: bool,
}

/// Whether one wants to be told of a thread.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThreadFollow {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The message that it began with.
    pub(crate) root: MessageId,
    /// Whether to be told.
    pub(crate) following: bool,
}

/// How far one has read a thread.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThreadRead {
    /// The conversation.
    pub(crate) conversation: Address,
    /// The message that it began with.
    pub(crate) root: MessageId,
    /// Up to where.
    pub(crate) position: Position,
}

/// A thread, told.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ThreadTold {
    /// The thread as it now is.
    pub(crate) thread: Thread,
}

/// A page of what one follows is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paged {
    /// Only what is before this place.
    #[serde(default)]
    pub(crate) before: Option<Position>,
    /// How many at most.
    #[serde(default)]
    pub(crate) limit: Option<u32>,
}

/// A page of threads.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ThreadsGot {
    /// Those that were last answered in first.
    pub(crate) threads: Vec<Thread>,
    /// There are more.
    pub(crate) more: bool,
}
