//! Rooms and who belongs to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Position};

/// What the one who reads is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoomRole {
    /// May do everything.
    Owner,
    /// May change the room and its members.
    Admin,
    /// Belongs to it.
    Member,
    /// Does not belong to it.
    None,
}

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Room {
    /// Its address.
    pub(crate) address: Address,
    /// Its name.
    pub(crate) name: String,
    /// What is being talked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    /// Found by everybody.
    pub(crate) public: bool,
    /// Only members come in.
    pub(crate) members_only: bool,
    /// Only its owners and admins write.
    pub(crate) announcements_only: bool,
    /// Kept for reading, and closed.
    pub(crate) archived: bool,
    /// Stays when nobody is in it.
    pub(crate) persistent: bool,
    /// What the one who reads is in it.
    pub(crate) role: RoomRole,
    /// The one who reads may write.
    pub(crate) may_write: bool,
    /// The one who reads may invite others.
    pub(crate) may_invite: bool,
    /// How many belong to it.
    pub(crate) member_count: u32,
    /// The hash of its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avatar: Option<String>,
}

/// What somebody is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MemberRole {
    /// May do everything.
    Owner,
    /// May change the room and its members.
    Admin,
    /// Belongs to it.
    Member,
    /// May not come in.
    Banned,
}

/// Somebody in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Member {
    /// The person's address.
    pub(crate) address: Address,
    /// The name to show.
    pub(crate) name: String,
    /// What the person is in the room.
    pub(crate) role: MemberRole,
    /// The nickname there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nick: Option<String>,
    /// Whether the person is there.
    pub(crate) online: bool,
    /// How far the person has read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seen: Option<Position>,
}
