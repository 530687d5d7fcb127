//! Threads, as those see them who follow them.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Address, Message, Position};

/// A thread.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Thread {
    /// The message that it began with.
    pub(crate) root: Message,
    /// The conversation it is in.
    pub(crate) conversation: Address,
    /// Everything up to here was seen.
    pub(crate) seen: Position,
    /// How many messages of others came since, at most 1000.
    pub(crate) unread: u32,
    /// How many of them mention the one who reads, at most 1000.
    pub(crate) mentions: u32,
    /// Whether the one who reads is told of it.
    pub(crate) following: bool,
    /// The newest message in it.
    pub(crate) last: Position,
}
