//! Rosters for a load: groups of accounts in which everyone is everyone's contact (RFC 6121 section 3).

use std::collections::BTreeSet;
use std::rc::Rc;

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;
use waxwing_xmpp::xml::Element;

use crate::client::Client;
use crate::sessions;
use crate::target::Target;

const ROSTER: &str = "jabber:iq:roster";

/// How much more patience this needs than one answer: a server may write a roster anew for each change of each contact.
const SERVERS_WRITE: u32 = 10;

/// Makes everyone in each group of `size` accounts a contact of all others there, and gives the clients back. Their
/// presence has been sent. What is so already is left as it is.
pub(crate) async fn befriend(target: &Rc<Target>, clients: Vec<Client>, size: usize) -> Result<Vec<Client>> {
    let count = clients.len();
    let mut groups: Vec<Vec<Client>> = Vec::new();
    for (number, client) in clients.into_iter().enumerate() {
        if number % size == 0 {
            groups.push(Vec::with_capacity(size));
        }
        groups.last_mut().context("no group")?.push(client);
    }
    let mut done = Vec::with_capacity(count);
    for (number, group) in groups.into_iter().enumerate() {
        target.progress(&format!("contacts of group {number}"));
        let first = number * size;
        let everyone: Vec<String> =
            (first..first + group.len()).map(|number| target.address_of(number)).collect();
        let everyone = Rc::new(everyone);
        let mut members = JoinSet::new();
        for (place, client) in group.into_iter().enumerate() {
            let (target, everyone) = (Rc::clone(target), Rc::clone(&everyone));
            members.spawn_local(async move {
                let what = format!("contacts of {}", client.username);
                sessions::more_patiently(&target, SERVERS_WRITE, &what, member(client, place, &everyone))
                    .await
                    .map(|client| (place, client))
            });
        }
        let mut group = Vec::new();
        while let Some(member) = members.join_next().await {
            group.push(member??);
        }
        group.sort_by_key(|(place, _)| *place);
        done.extend(group.into_iter().map(|(_, client)| client));
    }
    Ok(done)
}

/// Subscribes to everyone, grants everyone, and waits until both are done with everyone.
async fn member(mut client: Client, place: usize, everyone: &[String]) -> Result<Client> {
    let roster = client.request("get", "", &format!("<query xmlns='{ROSTER}'/>")).await?;
    let others = everyone.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, address)| address);
    let mut wanting: BTreeSet<String> = others.cloned().collect();
    for item in items(&roster).filter(|(_, subscription)| subscription == "both") {
        wanting.remove(&item.0);
    }
    let scope = client.scope();
    client.queue(&format!("<presence{scope}/>"));
    for address in &wanting {
        client.queue(&format!("<presence{scope} to='{address}' type='subscribe'/>"));
    }
    client.flush().await?;
    while !wanting.is_empty() {
        let stanza = client.element().await?;
        match (stanza.name(), stanza.attr("type")) {
            ("presence", Some("subscribe")) => {
                let from = stanza.attr("from").context("a request from nobody")?;
                let from = from.split('/').next().unwrap_or(from);
                client.queue(&format!("<presence{scope} to='{from}' type='subscribed'/>"));
                client.flush().await?;
            }
            ("iq", Some("set")) => {
                for (address, subscription) in items(&stanza) {
                    if subscription == "both" {
                        wanting.remove(&address);
                    }
                }
                let id = stanza.attr("id").unwrap_or_default();
                client.queue(&format!("<iq{scope} type='result' id='{id}'/>"));
                client.flush().await?;
            }
            _ => {}
        }
    }
    Ok(client)
}

/// The contacts of a roster or a roster push, with their subscriptions.
fn items(stanza: &Element) -> impl Iterator<Item = (String, String)> + '_ {
    let query = stanza.root().child(ROSTER, "query");
    let items = query.into_iter().flat_map(|query| query.children()).filter(|item| item.is(ROSTER, "item"));
    items.map(|item| {
        let get = |name| item.attr(name).unwrap_or_default().to_owned();
        (get("jid"), get("subscription"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_a_roster() {
        let result = "<iq xmlns='jabber:client' type='result'><query xmlns='jabber:iq:roster'>\
                      <item jid='a@b' subscription='both'/><item jid='c@d'/></query></iq>";
        let result = Element::parse(result).unwrap();
        let pair = |jid: &str, subscription: &str| (jid.to_owned(), subscription.to_owned());
        assert_eq!(items(&result).collect::<Vec<_>>(), [pair("a@b", "both"), pair("c@d", "")]);
    }
}
