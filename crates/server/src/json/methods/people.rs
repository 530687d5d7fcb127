//! Finding people, and how they are.

use waxwing_chat::people::search::{PeoplePlace, Wanted};
use waxwing_chat::rosters::Owner;
use waxwing_xmpp::jid::Jid;

use crate::json::error::{Condition, Fault};
use crate::json::method::{Call, Method, method};
use crate::json::types::{PeopleFound, PeopleGet, PeopleGot, PeopleSearch, Presence, Show};
use crate::json::{people, presence};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!(
        "people.search",
        "Finds people of this server by their names, as far as it lets one look for them.",
        PeopleSearch => PeopleFound,
        search
    ),
    method!(
        "people.get",
        "Tells of people, and how those are whose presence one may see.",
        PeopleGet => PeopleGot,
        get
    ),
];

/// Bytes of what is looked for.
const TEXT_BYTES_LIMIT: usize = 256;

async fn search(call: Call, params: PeopleSearch) -> Result<PeopleFound, Fault> {
    let text = params.text.trim().to_lowercase();
    if text.len() > TEXT_BYTES_LIMIT {
        return Err(Fault::field("text", format!("At most {TEXT_BYTES_LIMIT} bytes are looked for.")));
    }
    let most = call.config.page;
    let limit = params.limit.map_or(most, |limit| usize::try_from(limit).unwrap_or(most)).clamp(1, most);
    let (chat, viewer) = (call.chat(), &call.session().bare);
    let (mut found, mut more) = (Vec::new(), false);
    let mut domains = chat.settings().domains.clone();
    // One's own people first.
    domains.sort_by_key(|domain| domain != viewer.domain());
    for domain in domains {
        // Those that one may not look for in are as if they were not there.
        if domain != viewer.domain() && chat.may_search(viewer, &domain).is_err() {
            continue;
        }
        if found.len() == limit {
            more = true;
            break;
        }
        let wanted = Wanted { any_name: text.clone(), ..Wanted::default() };
        let (start, left) = (PeoplePlace::After(None), Some(limit - found.len()));
        let page = chat.list_people(viewer, &domain, wanted, start, left).await?;
        more |= !page.complete;
        for listed in page.people {
            found.extend(people::person(chat, viewer, &listed.jid).await?);
        }
    }
    Ok(PeopleFound { people: found, more })
}

async fn get(call: Call, params: PeopleGet) -> Result<PeopleGot, Fault> {
    if params.addresses.len() > call.config.page {
        return Err(Fault::new(Condition::LimitExceeded)
            .saying(format!("At most {} people are told of at a time.", call.config.page))
            .about("addresses"));
    }
    let (chat, viewer) = (call.chat(), &call.session().bare);
    let mut got = PeopleGot { people: Vec::new(), presences: Vec::new() };
    for text in &params.addresses {
        let address = super::address_in("addresses", text)?;
        let Some(person) = people::person(chat, viewer, &address).await? else { continue };
        got.people.push(person);
        got.presences.extend(seen(&call, &address).await?);
    }
    Ok(got)
}

/// How somebody is, for one who may see it.
pub(super) async fn seen(call: &Call, address: &Jid) -> Result<Option<Presence>, Fault> {
    let (chat, viewer) = (call.chat(), &call.session().bare);
    let Some(profile) = chat.profile(address).await?.filter(|profile| !profile.blocks(viewer)) else {
        return Ok(None);
    };
    let owner = Owner::from(&*profile);
    if !chat.tells_presence_to(&owner, viewer).await? {
        return Ok(None);
    }
    let mut presence = presence::of_account(chat, address);
    // Since when somebody is away is for those whom he has let see it.
    if presence.show == Show::Offline && chat.shows_presence_to(&owner, viewer).await? {
        presence.last_seen_ms = chat.account(address).await?.last_seen_ms;
    }
    Ok(Some(presence))
}
