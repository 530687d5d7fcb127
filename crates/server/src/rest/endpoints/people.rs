//! Looking for people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use waxwing_chat::access::Scope;
use waxwing_chat::people::search::{PeoplePlace, Wanted};

use crate::rest::endpoint::{Call, Endpoint, endpoint};
use crate::rest::problem::Problem;

pub(super) const SEARCH: Endpoint = endpoint!(
    "GET" "/api/v1/people", "searchPeople", "People of the account's domain by name", Some(Scope::People), 200,
    Search => People, search
);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// A part of a name.
    #[schemars(length(min = 1, max = 60))]
    text: String,
    /// How many at most.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct People {
    /// In the order of their addresses.
    people: Vec<Person>,
    /// There are more.
    more: bool,
}

#[derive(Serialize, JsonSchema)]
struct Person {
    /// The address.
    address: String,
    /// The name.
    name: String,
}

async fn search(call: Call, arguments: Search) -> Result<People, Problem> {
    let text = arguments.text.trim();
    if text.is_empty() {
        return Ok(People { people: Vec::new(), more: false });
    }
    let wanted = Wanted { any_name: text.to_owned(), ..Wanted::default() };
    let limit = arguments.limit.and_then(|limit| usize::try_from(limit).ok());
    let domain = call.jid().domain().to_owned();
    let found = call.chat.find_people(call.jid(), &domain, wanted, PeoplePlace::After(None), limit).await?;
    let people = found.people.into_iter().map(|listed| {
        let card = listed.person.map(|person| person.full_name).filter(|name| !name.is_empty());
        let local = listed.jid.local().unwrap_or_default().to_owned();
        Person { address: listed.jid.to_string(), name: card.or(listed.name).unwrap_or(local) }
    });
    Ok(People { people: people.collect(), more: !found.complete })
}
