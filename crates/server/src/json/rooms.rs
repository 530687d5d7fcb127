//! Rooms in the words of this face, and what clients are told of those they belong to.

use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::membership::{Member, RoomView};
use waxwing_chat::rooms::news::{Membership, RoomEvent, Said};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;

use super::method::Call;
use super::types::{self, MemberRole, RoomRole, Typing, What};

/// A room as it is shown.
pub(crate) fn room(view: RoomView) -> types::Room {
    let configuration = view.configuration;
    let said = |text: String| Some(text).filter(|text| !text.is_empty());
    let local = view.room.local().unwrap_or_default().to_owned();
    types::Room {
        address: view.room.to_string(),
        name: said(configuration.name).unwrap_or(local),
        topic: said(view.subject),
        description: said(configuration.description),
        public: configuration.public,
        members_only: configuration.members_only,
        announcements_only: configuration.announcements,
        archived: configuration.archived,
        persistent: configuration.persistent,
        role: match view.affiliation {
            Affiliation::Owner => RoomRole::Owner,
            Affiliation::Admin => RoomRole::Admin,
            Affiliation::Member => RoomRole::Member,
            Affiliation::None | Affiliation::Outcast => RoomRole::None,
        },
        may_write: view.may_write,
        may_invite: view.may_invite,
        member_count: u32::try_from(view.members).unwrap_or(u32::MAX),
        avatar: view.avatar,
    }
}

/// Somebody of a room as he is shown; `None` for one who is nothing to it.
pub(crate) fn member(member: Member) -> Option<types::Member> {
    Some(types::Member {
        role: role(member.affiliation)?,
        address: member.address.to_string(),
        name: member.name,
        nick: member.nick,
        online: member.online,
        seen: Some(member.seen.0).filter(|seen| *seen > 0),
    })
}

fn role(affiliation: Affiliation) -> Option<MemberRole> {
    match affiliation {
        Affiliation::Owner => Some(MemberRole::Owner),
        Affiliation::Admin => Some(MemberRole::Admin),
        Affiliation::Member => Some(MemberRole::Member),
        Affiliation::Outcast => Some(MemberRole::Banned),
        Affiliation::None => None,
    }
}

/// What a client is told of something that happened in a room of its person.
pub(crate) async fn told(call: &Call, event: &RoomEvent) -> Vec<What> {
    match event {
        RoomEvent::Said(said) => typing(said).into_iter().collect(),
        RoomEvent::Changed(jid) => view(call, jid).await.into_iter().collect(),
        RoomEvent::Members { room, changes } => {
            let mut told = Vec::with_capacity(changes.len());
            for change in changes {
                told.extend(changed(call, room, change).await);
            }
            told
        }
        RoomEvent::Belongs { room, by, reason } => {
            let invitation = by.as_ref().map(|by| What::Invitation {
                room: room.to_string(),
                from: by.to_string(),
                reason: reason.clone(),
            });
            view(call, room).await.into_iter().chain(invitation).collect()
        }
        // Told with its version.
        RoomEvent::Pinned { .. } => Vec::new(),
        RoomEvent::Left(room) => vec![What::ConversationRemoved { address: room.to_string() }],
    }
}

/// The room as it is by now; nothing of one that the client may not see any more.
async fn view(call: &Call, jid: &Jid) -> Option<What> {
    match call.chat().room_view(jid, &call.session().jid).await {
        Ok(view) => Some(What::Room { room: Box::new(room(view)) }),
        Err(error) => {
            tracing::debug!(%error, room = %jid, "a room that has changed is not told");
            None
        }
    }
}

async fn changed(call: &Call, room: &Jid, change: &Membership) -> Option<What> {
    let removed = || What::MemberRemoved { room: room.to_string(), address: change.person.to_string() };
    if change.affiliation == Affiliation::None {
        return Some(removed());
    }
    match call.chat().room_member(room, change).await {
        Ok(found) => Some(What::Member { room: room.to_string(), member: member(found)? }),
        Err(error) => {
            tracing::debug!(%error, %room, "a change of members is not told");
            None
        }
    }
}

/// That somebody writes in a room, or has stopped (XEP-0085).
fn typing(said: &Said) -> Option<What> {
    let stanza = said.stanza.stanza();
    let state = stanza.children().find(|child| child.ns() == ns::CHAT_STATES)?;
    let state = match state.name() {
        "composing" => Typing::Composing,
        "paused" | "active" | "inactive" | "gone" => Typing::Paused,
        _ => return None,
    };
    let by = said.by.as_ref().map(Jid::to_bare).or_else(|| stanza.from.clone())?;
    Some(What::Typing { conversation: said.room.to_string(), address: by.to_string(), state })
}
