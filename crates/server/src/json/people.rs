//! People in the words of this face, as far as the one who reads may see them.

use waxwing_chat::account::{Account, Role};
use waxwing_chat::people::facts::Fact;
use waxwing_chat::rosters::Owner;
use waxwing_chat::{Chat, Error, Result};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::xml::Element;

use super::error::Fault;
use super::method::Call;
use super::types::{self, AccountRole, Person};

/// Somebody as `viewer` may see him: of this server, with what his card says if it may be read; of another, with his address
/// alone. `None` where there is nobody, or nobody that `viewer` may know of.
pub(crate) async fn person(chat: &Chat, viewer: &Jid, address: &Jid) -> Result<Option<Person>> {
    if !chat.is_local(address.domain()) {
        return Ok(chat.service(address.domain()).is_none().then(|| nameless(address)));
    }
    let Some(profile) = chat.profile(address).await? else {
        return Ok(None);
    };
    let card = match chat.card_of(viewer, address).await {
        Ok(card) => Some(card),
        Err(Error::ServiceUnavailable) => None,
        Err(error) => return Err(error),
    };
    let blocked = profile.blocks(viewer);
    let known =
        card.is_some() || chat.may_search(viewer, address.domain()).is_ok() || viewer.same_bare(address);
    if !known || blocked {
        return Ok(None);
    }
    let mut person = card.as_ref().map_or_else(|| nameless(address), |card| described(address, card));
    // What the organisation calls somebody stands above what he calls himself.
    if let Some(name) = &profile.name {
        person.name = name.to_string();
    }
    person.avatar = card.is_some().then(|| profile.photo_hash.clone()).flatten();
    Ok(Some(person))
}

fn nameless(address: &Jid) -> Person {
    Person {
        address: address.to_string(),
        name: address.local().unwrap_or(address.domain()).to_owned(),
        avatar: None,
        title: None,
        department: None,
        phone: None,
        mail: None,
    }
}

/// Somebody as his card describes him.
fn described(address: &Jid, card: &Element) -> Person {
    let read = |fact: Fact| fact.read(card.root());
    let nameless = nameless(address);
    Person {
        name: read(Fact::Name).unwrap_or(nameless.name),
        title: read(Fact::Title),
        department: read(Fact::Department),
        phone: read(Fact::Phone),
        mail: read(Fact::Mail),
        ..nameless
    }
}

/// The account of the one who asks, with all that it says of itself.
pub(crate) async fn own(call: &Call) -> std::result::Result<types::Account, Fault> {
    let account = call.chat().account(&call.session().bare).await?;
    Ok(own_account(call.chat(), &account).await?)
}

/// An account as its owner sees it.
pub(crate) async fn own_account(chat: &Chat, account: &Account) -> Result<types::Account> {
    let card = chat.own_card(&Owner::from(account)).await?;
    let person = described(&account.jid, &card);
    let profile = chat.profile(&account.jid).await?;
    Ok(types::Account {
        person: Person {
            name: account.name.clone().unwrap_or(person.name),
            avatar: profile.and_then(|profile| profile.photo_hash.clone()),
            ..person
        },
        role: match account.role {
            Role::Member => AccountRole::User,
            Role::Administrator => AccountRole::Administrator,
        },
    })
}

/// Whether a text can be sent to XMPP clients as it is.
pub(crate) fn writable(field: &'static str, text: &str) -> std::result::Result<(), Fault> {
    let wrong = |letter: char| letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}');
    match text.chars().any(wrong) {
        true => Err(Fault::field(field, "It must not hold control characters.")),
        false => Ok(()),
    }
}
