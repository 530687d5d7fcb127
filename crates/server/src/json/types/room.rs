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

/// What is known of a room when it is made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomCreate {
    /// Its name.
    pub(crate) name: String,
    /// The first part of its address; made of the name when it is absent.
    #[serde(default)]
    pub(crate) address: Option<String>,
    /// Found by everybody.
    pub(crate) public: bool,
    /// Only members come in.
    pub(crate) members_only: bool,
    /// What is being talked about.
    #[serde(default)]
    pub(crate) topic: Option<String>,
    /// Who else belongs to it from the beginning. Those who cannot be brought in are left out.
    #[serde(default)]
    pub(crate) members: Vec<Address>,
}

/// A room, named.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomNamed {
    /// Its address.
    pub(crate) room: Address,
}

/// A room, told.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RoomGot {
    /// The room.
    pub(crate) room: Room,
}

/// A change of a room. What is absent stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomChange {
    /// Its address.
    pub(crate) room: Address,
    /// Its name.
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// What is being talked about.
    #[serde(default)]
    pub(crate) topic: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// Found by everybody.
    #[serde(default)]
    pub(crate) public: Option<bool>,
    /// Only members come in.
    #[serde(default)]
    pub(crate) members_only: Option<bool>,
    /// Only its owners and admins write.
    #[serde(default)]
    pub(crate) announcements_only: Option<bool>,
    /// Kept for reading, and closed.
    #[serde(default)]
    pub(crate) archived: Option<bool>,
}

/// Which members of a room are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomMembers {
    /// Its address.
    pub(crate) room: Address,
    /// The address behind which the page begins.
    #[serde(default)]
    pub(crate) after: Option<Address>,
    /// How many at most.
    #[serde(default)]
    pub(crate) limit: Option<u32>,
    /// What their names or addresses hold.
    #[serde(default)]
    pub(crate) text: Option<String>,
}

/// A page of members.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RoomMembersGot {
    /// In the order of their addresses.
    pub(crate) members: Vec<Member>,
    /// There are more behind them.
    pub(crate) more: bool,
}

/// What somebody can be made.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoleGiven {
    /// May do everything.
    Owner,
    /// May change the room and its members.
    Admin,
    /// Belongs to it.
    Member,
    /// Does not belong to it.
    None,
    /// May not come in.
    Banned,
}

/// Another role for somebody in a room.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomSetRole {
    /// The room.
    pub(crate) room: Address,
    /// Who.
    pub(crate) address: Address,
    /// What to be.
    pub(crate) role: RoleGiven,
}

/// People to be brought into a room.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomInvite {
    /// The room.
    pub(crate) room: Address,
    /// Who.
    pub(crate) addresses: Vec<Address>,
    /// Why.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

/// What became of an invitation.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RoomInvited {
    /// Those who could not be brought in.
    pub(crate) refused: Vec<Address>,
}

/// Somebody in a room.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomRemove {
    /// The room.
    pub(crate) room: Address,
    /// Who.
    pub(crate) address: Address,
}

/// Which rooms are looked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RoomBrowse {
    /// What their names, addresses or descriptions hold.
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// Where to go on: what `next` said.
    #[serde(default)]
    pub(crate) after: Option<Address>,
    /// How many at most.
    #[serde(default)]
    pub(crate) limit: Option<u32>,
}

/// A page of rooms.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RoomsFound {
    /// In the order of their addresses.
    pub(crate) rooms: Vec<Room>,
    /// There may be more.
    pub(crate) more: bool,
    /// Where to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<Address>,
}
