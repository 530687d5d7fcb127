//! The conversations of an account: rooms that it belongs to, and people it knows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use waxwing_chat::Error;
use waxwing_chat::access::Scope;
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::store::RoomFilter;
use waxwing_xmpp::jid::Jid;

use crate::rest::endpoint::{Call, Endpoint, endpoint};
use crate::rest::problem::Problem;

/// How many rooms of an account are looked at.
const ROOMS_LIMIT: usize = 2_000;

/// How many conversations a page has unless the request says otherwise.
const PAGE: usize = 100;

pub(super) const LIST: Endpoint = endpoint!(
    "GET" "/api/v1/conversations", "listConversations", "Rooms that the account belongs to, and its contacts",
    Some(Scope::MessagesRead), 200, List => Listed, list
);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct List {
    /// Begin behind this address.
    after: Option<String>,
    /// How many at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    /// In the order of their addresses.
    conversations: Vec<Conversation>,
    /// There are more behind the last.
    more: bool,
}

#[derive(Serialize, JsonSchema)]
struct Conversation {
    /// The room's or person's address.
    address: String,
    /// `room` or `direct`.
    kind: String,
    /// What it is called.
    name: String,
}

async fn list(call: Call, arguments: List) -> Result<Listed, Problem> {
    let owner = call.owner();
    let store = call.chat.store();
    let mut all: BTreeMap<Jid, (&str, String)> = BTreeMap::new();
    let rooms =
        store.rooms(RoomFilter::Of(owner.jid.clone()), None, ROOMS_LIMIT).await.map_err(Error::from)?;
    for room in rooms {
        if affiliation(&call, &room.jid).await? >= Affiliation::Member {
            all.insert(room.jid, ("room", room.configuration.name));
        }
    }
    let roster = store.roster(owner.account).await.map_err(Error::from)?;
    for item in roster.items.into_iter().filter(|item| item.listed) {
        all.insert(item.jid, ("direct", item.name.unwrap_or_default()));
    }
    let after = arguments.after.unwrap_or_default();
    let limit = arguments.limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(PAGE));
    let mut rest = all.into_iter().filter(|(jid, _)| *jid.as_str() > *after);
    let page = rest.by_ref().take(limit).map(|(jid, (kind, name))| Conversation {
        name: if name.is_empty() { jid.local().unwrap_or_default().to_owned() } else { name },
        address: jid.to_string(),
        kind: kind.to_owned(),
    });
    let conversations = page.collect();
    Ok(Listed { conversations, more: rest.next().is_some() })
}

/// What the account is to a room that keeps it in its list.
async fn affiliation(call: &Call, room: &Jid) -> Result<Affiliation, Problem> {
    match call.chat.affiliation_in_room(room, call.jid()).await {
        Err(Error::NotFound) => Ok(Affiliation::None),
        found => Ok(found?),
    }
}
