//! Rooms: finding, making and changing them, and who belongs to them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use waxwing_chat::Error;
use waxwing_chat::access::Scope;
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::configuration::Configuration;
use waxwing_chat::rooms::moderation::{Change, Named};
use waxwing_chat::rooms::ownership::Farewell;
use waxwing_chat::service::Service;
use waxwing_chat::webhooks::incoming::carried;
use waxwing_xmpp::jid::Jid;

use crate::rest::endpoint::{Call, Endpoint, address, endpoint};
use crate::rest::problem::Problem;

pub(super) const LIST: Endpoint = endpoint!(
    "GET" "/api/v1/rooms", "listRooms", "Rooms that can be found", Some(Scope::RoomsRead), 200, List => Listed, list
);
pub(super) const CREATE: Endpoint = endpoint!(
    "POST" "/api/v1/rooms", "createRoom", "Make a room that the account owns", Some(Scope::RoomsWrite), 201,
    Create => One, create
);
pub(super) const GET: Endpoint = endpoint!(
    "GET" "/api/v1/rooms/{room}", "getRoom", "One room", Some(Scope::RoomsRead), 200, Which => One, get
);
pub(super) const CHANGE: Endpoint = endpoint!(
    "PATCH" "/api/v1/rooms/{room}", "changeRoom", "Change a room that the account owns", Some(Scope::RoomsWrite), 200,
    Options => One, change
);
pub(super) const DESTROY: Endpoint = endpoint!(
    "DELETE" "/api/v1/rooms/{room}", "deleteRoom", "End a room that the account owns, with all that was said in it",
    Some(Scope::RoomsWrite), 200, Which => Nothing, destroy
);
pub(super) const MEMBERS: Endpoint = endpoint!(
    "GET" "/api/v1/rooms/{room}/members", "listMembers", "Who belongs to a room, as far as the account may know",
    Some(Scope::RoomsRead), 200, Which => Members, members
);
pub(super) const SET_MEMBER: Endpoint = endpoint!(
    "PUT" "/api/v1/rooms/{room}/members/{member}", "setMember", "Say what somebody is to a room", Some(Scope::RoomsWrite),
    200, SetMember => Nothing, set_member
);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Begin behind this room.
    after: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    /// At most 100, in the order of their addresses.
    rooms: Vec<Room>,
}

#[derive(Serialize, JsonSchema)]
struct Room {
    /// Its address.
    address: String,
    /// What it is called.
    name: String,
    /// What it is about.
    description: String,
    /// Can be found.
    public: bool,
    /// Only members may enter.
    members_only: bool,
    /// Only those who were given voice may speak.
    announcements_only: bool,
}

impl Room {
    fn new(jid: &Jid, configuration: &Configuration) -> Self {
        Self {
            address: jid.to_string(),
            name: configuration.name.clone(),
            description: configuration.description.clone(),
            public: configuration.public,
            members_only: configuration.members_only,
            announcements_only: configuration.moderated,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The room's address.
    room: String,
}

#[derive(Serialize, JsonSchema)]
struct One {
    /// The room.
    room: Room,
}

#[derive(Serialize, JsonSchema)]
struct Nothing {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Create {
    /// The part of its address before the `@`.
    #[schemars(length(min = 1, max = 200))]
    local: String,
    /// What it is called.
    #[schemars(length(max = 200))]
    name: Option<String>,
    /// What it is about.
    #[schemars(length(max = 1_000))]
    description: Option<String>,
    /// Can be found.
    public: Option<bool>,
    /// Only members may enter.
    members_only: Option<bool>,
    /// Only those who were given voice may speak.
    announcements_only: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    /// The room's address.
    room: String,
    /// What it is called.
    #[schemars(length(max = 200))]
    name: Option<String>,
    /// What it is about.
    #[schemars(length(max = 1_000))]
    description: Option<String>,
    /// Can be found.
    public: Option<bool>,
    /// Only members may enter.
    members_only: Option<bool>,
    /// Only those who were given voice may speak.
    announcements_only: Option<bool>,
}

impl Options {
    /// The same as fields of the room's own form (XEP-0045 section 10.2); what is not said stays.
    fn fields(&self) -> Vec<(String, Vec<String>)> {
        let words = [("muc#roomconfig_roomname", &self.name), ("muc#roomconfig_roomdesc", &self.description)];
        let flags = [
            ("muc#roomconfig_publicroom", self.public),
            ("muc#roomconfig_membersonly", self.members_only),
            ("muc#roomconfig_moderatedroom", self.announcements_only),
        ];
        let words = words.into_iter().filter_map(|(var, value)| Some((var, carried(value.as_ref()?))));
        let flags = flags.into_iter().filter_map(|(var, value)| Some((var, u8::from(value?).to_string())));
        words.chain(flags).map(|(var, value)| (var.to_owned(), vec![value])).collect()
    }
}

#[derive(Serialize, JsonSchema)]
struct Members {
    /// Those that the account may know of.
    members: Vec<Member>,
}

#[derive(Serialize, JsonSchema)]
struct Member {
    /// The address.
    address: String,
    /// `owner`, `admin` or `member`.
    role: String,
    /// The nickname that is kept for him.
    nick: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SetMember {
    /// The room's address.
    room: String,
    /// The person's address.
    member: String,
    /// What he is from now on. `banned` may not enter.
    role: Wanted,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Wanted {
    Owner,
    Admin,
    Member,
    None,
    Banned,
}

/// The address of a room here.
fn room(call: &Call, text: &str) -> Result<Jid, Problem> {
    let jid = address("room", text)?;
    if call.is_room(&jid) { Ok(jid) } else { Err(Problem::not_found("room", "There is no such room.")) }
}

/// The service with the rooms of the account's domain.
fn service(call: &Call) -> String {
    format!("{}.{}", Service::Rooms.label(), call.jid().domain())
}

async fn list(call: Call, arguments: List) -> Result<Listed, Problem> {
    let after = arguments.after.as_deref().map(|text| address("after", text)).transpose()?;
    let found = call.chat.public_rooms(&service(&call), after.as_ref()).await?;
    Ok(Listed { rooms: found.iter().map(|room| Room::new(&room.jid, &room.configuration)).collect() })
}

async fn shown(call: &Call, jid: &Jid) -> Result<One, Problem> {
    let about = call.chat.about_room(jid, call.jid()).await?;
    let hidden = !about.configuration.public
        && call.chat.affiliation_in_room(jid, call.jid()).await? < Affiliation::Member;
    if hidden {
        return Err(Problem::not_found("room", "There is no such room."));
    }
    Ok(One { room: Room::new(jid, &about.configuration) })
}

async fn get(call: Call, arguments: Which) -> Result<One, Problem> {
    let jid = room(&call, &arguments.room)?;
    shown(&call, &jid).await
}

async fn create(call: Call, arguments: Create) -> Result<One, Problem> {
    let jid = Jid::from_parts(Some(&arguments.local), &service(&call), None);
    let jid = jid.map_err(|_| Problem::not_found("local", "No room can have this address."))?;
    call.chat.may_create_room(call.jid()).await?;
    call.chat.create_room(&jid, call.jid()).await?;
    call.chat.record(call.jid().as_str(), "room.create", jid.as_str(), "by a token").await?;
    let Create { name, description, public, members_only, announcements_only, .. } = arguments;
    let options =
        Options { room: jid.to_string(), name, description, public, members_only, announcements_only };
    call.chat.configure_room(&jid, Some(call.jid()), options.fields()).await?;
    shown(&call, &jid).await
}

async fn change(call: Call, arguments: Options) -> Result<One, Problem> {
    let jid = room(&call, &arguments.room)?;
    call.chat.configure_room(&jid, Some(call.jid()), arguments.fields()).await?;
    shown(&call, &jid).await
}

async fn destroy(call: Call, arguments: Which) -> Result<Nothing, Problem> {
    let jid = room(&call, &arguments.room)?;
    call.chat.destroy_room(&jid, Some(call.jid()), Farewell::default()).await?;
    Ok(Nothing {})
}

async fn members(call: Call, arguments: Which) -> Result<Members, Problem> {
    let jid = room(&call, &arguments.room)?;
    // Whoever may know nothing of a room does not learn that it has no members either.
    shown(&call, &jid).await?;
    let mut found = BTreeMap::new();
    let mut refused = None;
    for affiliation in [Affiliation::Owner, Affiliation::Admin, Affiliation::Member] {
        match call.chat.room_affiliated(&jid, call.jid(), affiliation).await {
            Ok(list) => {
                found.extend(list.into_iter().filter_map(|one| Some((one.jid?, (affiliation, one.nick)))))
            }
            Err(error @ (Error::Forbidden | Error::NotAllowed)) => refused = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match refused {
        Some(error) if found.is_empty() => return Err(error.into()),
        _ => {}
    }
    let members = found.into_iter().map(|(jid, (affiliation, nick))| Member {
        address: jid.to_string(),
        role: affiliation.as_str().to_owned(),
        nick,
    });
    Ok(Members { members: members.collect() })
}

async fn set_member(call: Call, arguments: SetMember) -> Result<Nothing, Problem> {
    let jid = room(&call, &arguments.room)?;
    let member = address("member", &arguments.member)?;
    let affiliation = match arguments.role {
        Wanted::Owner => Affiliation::Owner,
        Wanted::Admin => Affiliation::Admin,
        Wanted::Member => Affiliation::Member,
        Wanted::None => Affiliation::None,
        Wanted::Banned => Affiliation::Outcast,
    };
    let change = Change {
        who: Named::Jid(member),
        role: None,
        affiliation: Some(affiliation),
        nick: None,
        reason: None,
    };
    call.chat.change_in_room(&jid, call.jid(), vec![change]).await?;
    Ok(Nothing {})
}
