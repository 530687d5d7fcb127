//! The contact list: who is on it, who sees whose presence, and who is blocked.

use waxwing_chat::roster::RosterItem;
use waxwing_chat::rosters::{Owner, RosterEdit};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::{PresenceType, Stanza};

use crate::json::error::{Condition, Fault};
use crate::json::method::{Call, Method, method};
use crate::json::types::{
    ContactAdd, ContactChange, ContactGot, ContactListed, ContactNamed, ContactsBlocked, Nothing,
};
use crate::json::{people, render};

/// The methods.
pub(super) const METHODS: &[Method] = &[
    method!(
        "contact.list",
        "Lists the contacts, and those who ask to become one.",
        Nothing => ContactListed,
        list
    ),
    method!(
        "contact.add",
        "Puts somebody on the list, and asks to see his presence; he may see ours in turn.",
        ContactAdd => ContactGot,
        add
    ),
    method!(
        "contact.change",
        "Gives a contact another name or other groups.",
        ContactChange => ContactGot,
        change
    ),
    method!(
        "contact.remove",
        "Takes somebody off the list; neither sees the other's presence any more.",
        ContactNamed => Nothing,
        remove
    ),
    method!(
        "contact.accept",
        "Lets somebody who asked see our presence, and asks to see his.",
        ContactNamed => Nothing,
        accept
    ),
    method!(
        "contact.refuse",
        "Does not let somebody see our presence, who asked or could see it.",
        ContactNamed => Nothing,
        refuse
    ),
    method!(
        "contact.block",
        "Lets nothing of somebody through any more; for him we are not there.",
        ContactNamed => ContactsBlocked,
        block
    ),
    method!(
        "contact.unblock",
        "Lets somebody through again.",
        ContactNamed => ContactsBlocked,
        unblock
    ),
];

/// The bare address of a person, or of another server.
fn address(text: &str) -> Result<Jid, Fault> {
    let jid = Jid::new(text).ok().filter(Jid::is_bare);
    jid.ok_or_else(|| Fault::field("address", "That must be an address like romeo@example.org."))
}

fn owner(call: &Call) -> Owner {
    Owner::from(&**call.session())
}

/// An address that somebody else has.
fn other(call: &Call, text: &str) -> Result<Jid, Fault> {
    let address = address(text)?;
    if address == call.session().bare {
        return Err(Fault::new(Condition::NotAllowed)
            .saying("That is this account itself.")
            .about("address"));
    }
    Ok(address)
}

/// What waits on the list or stands there.
async fn item(call: &Call, address: &Jid) -> Result<Option<RosterItem>, Fault> {
    let items = call.chat().roster_and_requests(call.session()).await?;
    Ok(items.into_iter().find(|item| item.jid == *address))
}

async fn got(call: &Call, address: &Jid) -> Result<ContactGot, Fault> {
    let item = item(call, address).await?.filter(|item| item.listed);
    let item = item.ok_or_else(|| not_there("address"))?;
    Ok(ContactGot { contact: render::contact(&item) })
}

fn not_there(field: &'static str) -> Fault {
    Fault::new(Condition::NotFound).saying("There is no such contact.").about(field)
}

async fn list(call: Call, Nothing {}: Nothing) -> Result<ContactListed, Fault> {
    let items = call.chat().roster_and_requests(call.session()).await?;
    Ok(ContactListed { contacts: items.iter().map(render::contact).collect() })
}

/// What a name and groups have to be so that every client can show them.
fn check(name: Option<&str>, groups: &[String]) -> Result<(), Fault> {
    name.map_or(Ok(()), |name| people::writable("name", name))?;
    groups.iter().try_for_each(|group| people::writable("groups", group))
}

async fn add(call: Call, params: ContactAdd) -> Result<ContactGot, Fault> {
    let address = other(&call, &params.address)?;
    check(params.name.as_deref(), &params.groups)?;
    let chat = call.chat();
    if chat.service(address.domain()).is_some() {
        let fault = Fault::new(Condition::NotAllowed).saying("That is not a person.");
        return Err(fault.about("address"));
    }
    // Whoever may look for people may know that there is nobody.
    let searched =
        chat.is_local(address.domain()) && chat.may_search(&call.session().bare, address.domain()).is_ok();
    if searched && chat.profile(&address).await?.is_none() {
        let fault = Fault::new(Condition::NotFound).saying("There is nobody with this address.");
        return Err(fault.about("address"));
    }
    let edit = RosterEdit { jid: address.clone(), name: params.name, groups: params.groups };
    chat.set_contact(&owner(&call), edit).await?;
    subscribe(&call, &address).await?;
    got(&call, &address).await
}

/// Grants what was asked, or will be, and asks for the same.
async fn subscribe(call: &Call, address: &Jid) -> Result<(), Fault> {
    for type_ in [PresenceType::Subscribed, PresenceType::Subscribe] {
        ask(call, address, type_).await?;
    }
    Ok(())
}

async fn ask(call: &Call, address: &Jid, type_: PresenceType) -> Result<(), Fault> {
    let stanza = Stanza::presence(type_).with_to(address.clone());
    let asked = call.chat().presence(call.session(), stanza).await;
    asked.map_err(|error| Fault::from(error).about("address"))
}

async fn change(call: Call, params: ContactChange) -> Result<ContactGot, Fault> {
    let address = other(&call, &params.address)?;
    let item = call.chat().contact(&owner(&call), &address).await?;
    let RosterItem { mut name, mut groups, .. } = item.ok_or_else(|| not_there("address"))?;
    params.name.apply(&mut name);
    params.groups.apply_or_default(&mut groups);
    check(name.as_deref(), &groups)?;
    call.chat().set_contact(&owner(&call), RosterEdit { jid: address.clone(), name, groups }).await?;
    got(&call, &address).await
}

async fn remove(call: Call, params: ContactNamed) -> Result<Nothing, Fault> {
    let address = other(&call, &params.address)?;
    let removed = call.chat().remove_contact(&owner(&call), &address).await;
    removed.map_err(|error| Fault::from(error).about("address"))?;
    Ok(Nothing {})
}

async fn accept(call: Call, params: ContactNamed) -> Result<Nothing, Fault> {
    let address = other(&call, &params.address)?;
    let asked = item(&call, &address).await?.is_some_and(|item| item.request.is_some());
    if !asked {
        return Err(Fault::new(Condition::NotFound)
            .saying("Nobody with this address asks.")
            .about("address"));
    }
    subscribe(&call, &address).await?;
    Ok(Nothing {})
}

async fn refuse(call: Call, params: ContactNamed) -> Result<Nothing, Fault> {
    let address = other(&call, &params.address)?;
    if item(&call, &address).await?.is_none() {
        return Err(not_there("address"));
    }
    ask(&call, &address, PresenceType::Unsubscribed).await?;
    Ok(Nothing {})
}

async fn block(call: Call, params: ContactNamed) -> Result<ContactsBlocked, Fault> {
    let address = other(&call, &params.address)?;
    call.chat().block(&owner(&call), vec![address]).await?;
    blocked(&call).await
}

async fn unblock(call: Call, params: ContactNamed) -> Result<ContactsBlocked, Fault> {
    let address = address(&params.address)?;
    call.chat().unblock(&owner(&call), Some(vec![address])).await?;
    blocked(&call).await
}

async fn blocked(call: &Call) -> Result<ContactsBlocked, Fault> {
    let all = call.chat().blocklist(call.session()).await?;
    Ok(ContactsBlocked { blocked: all.iter().map(ToString::to_string).collect() })
}
