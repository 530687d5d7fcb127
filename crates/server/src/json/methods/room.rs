//! Rooms: making, finding, changing and leaving them, and who belongs to them.

use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::opening::NewRoom;
use waxwing_chat::rooms::ownership::Farewell;
use waxwing_xmpp::jid::Jid;

use super::address_in;
use crate::json::error::Fault;
use crate::json::method::{Call, Method, method};
use crate::json::rooms;
use crate::json::types::{
    Nothing, RoleGiven, RoomBrowse, RoomChange, RoomCreate, RoomGot, RoomInvite, RoomInvited, RoomMembers,
    RoomMembersGot, RoomNamed, RoomRemove, RoomSetRole, RoomsFound,
};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!("room.create", "Makes a room and owns it.", RoomCreate => RoomGot, create),
    method!("room.get", "Tells of a room.", RoomNamed => RoomGot, get),
    method!("room.change", "Changes a room. Its owners may.", RoomChange => RoomGot, change),
    method!(
        "room.members",
        "Lists who belongs to a room; for admins those, too, who are banned.",
        RoomMembers => RoomMembersGot,
        members
    ),
    method!(
        "room.set_role",
        "Makes somebody something else in a room.",
        RoomSetRole => Nothing,
        set_role
    ),
    method!(
        "room.invite",
        "Brings people into a room: they belong to it at once, and are told by whom.",
        RoomInvite => RoomInvited,
        invite
    ),
    method!("room.join", "Belongs to an open room from now on.", RoomNamed => RoomGot, join),
    method!(
        "room.decline",
        "Does not want to belong to a room that one was brought into.",
        RoomNamed => Nothing,
        leave
    ),
    method!("room.leave", "Belongs to a room no longer.", RoomNamed => Nothing, leave),
    method!("room.remove", "Takes somebody out of a room.", RoomRemove => Nothing, remove),
    method!(
        "room.delete",
        "Ends a room; nothing of it can be read any more. Its owners may.",
        RoomNamed => Nothing,
        delete
    ),
    method!("room.browse", "Finds public rooms.", RoomBrowse => RoomsFound, browse),
];

fn addresses(field: &'static str, texts: &[String]) -> Result<Vec<Jid>, Fault> {
    texts.iter().map(|text| address_in(field, text)).collect()
}

async fn shown(call: &Call, room: &Jid) -> Result<RoomGot, Fault> {
    let view = call.chat().room_view(room, &call.session().jid).await?;
    Ok(RoomGot { room: rooms::room(view) })
}

async fn create(call: Call, params: RoomCreate) -> Result<RoomGot, Fault> {
    let people = addresses("members", &params.members)?;
    let new = NewRoom {
        name: params.name,
        local: params.address,
        description: String::new(),
        public: params.public,
        members_only: params.members_only,
    };
    let room = call.chat().open_room(call.session(), new).await?;
    if let Some(topic) = params.topic.filter(|topic| !topic.is_empty()) {
        call.chat().set_room_topic(call.session(), &room, &topic).await?;
    }
    if !people.is_empty() {
        call.chat().invite_to_room(&room, &call.session().jid, people, None).await?;
    }
    shown(&call, &room).await
}

async fn get(call: Call, params: RoomNamed) -> Result<RoomGot, Fault> {
    shown(&call, &address_in("room", &params.room)?).await
}

async fn change(call: Call, params: RoomChange) -> Result<RoomGot, Fault> {
    let room = address_in("room", &params.room)?;
    let flag = |on: bool| if on { "1" } else { "0" }.to_owned();
    let fields = [
        ("muc#roomconfig_roomname", params.name),
        ("muc#roomconfig_roomdesc", params.description),
        ("muc#roomconfig_publicroom", params.public.map(flag)),
        ("muc#roomconfig_membersonly", params.members_only.map(flag)),
        ("{urn:waxwing:rooms}announcements", params.announcements_only.map(flag)),
        ("{urn:waxwing:rooms}archived", params.archived.map(flag)),
    ];
    let fields: Vec<(String, Vec<String>)> =
        fields.into_iter().filter_map(|(var, value)| Some((var.to_owned(), vec![value?]))).collect();
    // Whoever may not know of the room is told so before anything else.
    call.chat().room_view(&room, &call.session().jid).await?;
    if let Some(topic) = params.topic {
        call.chat().set_room_topic(call.session(), &room, &topic).await?;
    }
    if !fields.is_empty() {
        call.chat().configure_room(&room, Some(&call.session().jid), fields).await?;
    }
    shown(&call, &room).await
}

async fn members(call: Call, params: RoomMembers) -> Result<RoomMembersGot, Fault> {
    let room = address_in("room", &params.room)?;
    let after = params.after.as_deref().map(Jid::new).transpose();
    let after = after.map_err(|_| Fault::field("after", "That must be an address of the page before."))?;
    let text = params.text.unwrap_or_default();
    let limit = call.page(params.limit);
    let asker = &call.session().jid;
    let page = call.chat().room_members(&room, asker, after.as_ref(), limit, &text).await?;
    let members = page.members.into_iter().filter_map(rooms::member).collect();
    Ok(RoomMembersGot { members, more: page.more })
}

async fn set_role(call: Call, params: RoomSetRole) -> Result<Nothing, Fault> {
    let (room, person) = (address_in("room", &params.room)?, address_in("address", &params.address)?);
    let to = match params.role {
        RoleGiven::Owner => Affiliation::Owner,
        RoleGiven::Admin => Affiliation::Admin,
        RoleGiven::Member => Affiliation::Member,
        RoleGiven::None => Affiliation::None,
        RoleGiven::Banned => Affiliation::Outcast,
    };
    call.chat().set_room_affiliation(&room, &call.session().jid, &person, to).await?;
    Ok(Nothing {})
}

async fn invite(call: Call, params: RoomInvite) -> Result<RoomInvited, Fault> {
    let (room, people) = (address_in("room", &params.room)?, addresses("addresses", &params.addresses)?);
    let asker = &call.session().jid;
    let refused = call.chat().invite_to_room(&room, asker, people, params.reason).await?;
    Ok(RoomInvited { refused: refused.iter().map(ToString::to_string).collect() })
}

async fn join(call: Call, params: RoomNamed) -> Result<RoomGot, Fault> {
    let room = address_in("room", &params.room)?;
    call.chat().join_room(call.session(), &room).await?;
    shown(&call, &room).await
}

async fn leave(call: Call, params: RoomNamed) -> Result<Nothing, Fault> {
    call.chat().leave_room(call.session(), &address_in("room", &params.room)?).await?;
    Ok(Nothing {})
}

async fn remove(call: Call, params: RoomRemove) -> Result<Nothing, Fault> {
    let (room, person) = (address_in("room", &params.room)?, address_in("address", &params.address)?);
    call.chat().set_room_affiliation(&room, &call.session().jid, &person, Affiliation::None).await?;
    Ok(Nothing {})
}

async fn delete(call: Call, params: RoomNamed) -> Result<Nothing, Fault> {
    let room = address_in("room", &params.room)?;
    call.chat().room_view(&room, &call.session().jid).await?;
    call.chat().destroy_room(&room, Some(&call.session().jid), Farewell::default()).await?;
    Ok(Nothing {})
}

async fn browse(call: Call, params: RoomBrowse) -> Result<RoomsFound, Fault> {
    let after = params.after.as_deref().map(|after| address_in("after", after)).transpose()?;
    let text = params.text.unwrap_or_default();
    let limit = call.page(params.limit);
    let asker = &call.session().jid;
    let page = call.chat().browse_rooms(asker, &text, after.as_ref(), limit).await?;
    Ok(RoomsFound {
        rooms: page.rooms.into_iter().map(rooms::room).collect(),
        more: page.more,
        next: page.last.filter(|_| page.more).map(|last| last.to_string()),
    })
}
