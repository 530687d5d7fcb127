//! What accounts publish of their own, in a file of XEP-0227 (section 4.10).

use std::io::{self, Write};

use waxwing_chat::Chat;
use waxwing_chat::account::{Account, AccountId};
use waxwing_chat::pubsub::access::Affiliation;
use waxwing_chat::pubsub::configuration::NodeConfiguration;
use waxwing_chat::pubsub::store::{
    Item, ItemQuery, NewNode, NodeId, Subscription, SubscriptionState, WhenFull,
};
use waxwing_chat::pubsub::terms::Terms;
use waxwing_chat::pubsub::{ITEM_ID_BYTES_LIMIT, NODE_NAME_BYTES_LIMIT};
use waxwing_chat::store::{StoreError, StoreResult};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::export::{ExportError, attribute, put};
use crate::xmpp::features::pubsub::{configuration_form, item_element};

/// Nodes, and items, read from the store at a time. Few enough items that they fit into one piece of a file.
const PAGE: usize = 32;

/// Writes the nodes of an account: first what they are, then what is in them.
pub(super) async fn export(
    chat: &Chat,
    account: &Account,
    out: &mut (dyn Write + Send),
) -> Result<(), ExportError> {
    let store = chat.store();
    let mut nodes: Vec<(NodeId, String)> = Vec::new();
    loop {
        let after = nodes.last().map(|(_, name)| name.as_str());
        let page = store.nodes(&account.jid, &account.jid, after, PAGE).await?;
        if page.is_empty() {
            break;
        }
        if nodes.is_empty() {
            writeln!(out, "<pubsub xmlns='{}'>", ns::PUBSUB_OWNER)?;
        }
        for view in page {
            let name = &view.node.name;
            let part = |kind: &str| Element::new(ns::PUBSUB_OWNER, kind).with_attr("node", name);
            put(out, &part("configure").with_child(configuration_form(&view.node.configuration)))?;
            let affiliations = store.node_affiliations(view.node.id).await?;
            if !affiliations.is_empty() {
                let list = affiliations.iter().fold(part("affiliations"), |list, (jid, is)| {
                    let one = Element::new(ns::PUBSUB_OWNER, "affiliation").with_attr("jid", jid.as_str());
                    list.with_child(one.with_attr("affiliation", is.as_str()))
                });
                put(out, &list)?;
            }
            let subscriptions = store.subscriptions(view.node.id).await?;
            if !subscriptions.is_empty() {
                let list = subscriptions.iter().fold(part("subscriptions"), |list, known| {
                    let one = Element::new(ns::PUBSUB_OWNER, "subscription")
                        .with_attr("jid", known.jid.as_str())
                        .with_attr("subscription", known.state.as_str())
                        .with_attr("subid", &known.subid);
                    list.with_child(one)
                });
                put(out, &list)?;
            }
            nodes.push((view.node.id, view.node.name));
        }
    }
    if nodes.is_empty() {
        return Ok(());
    }
    writeln!(out, "</pubsub>\n<pubsub xmlns='{}'>", ns::PUBSUB)?;
    for (id, name) in &nodes {
        items(chat, *id, name, out).await?;
    }
    writeln!(out, "</pubsub>")?;
    Ok(())
}

/// Writes the items of a node, the oldest first. A node with many has several elements, none of them too large to be read.
async fn items(chat: &Chat, id: NodeId, name: &str, out: &mut (dyn Write + Send)) -> Result<(), ExportError> {
    let mut query = ItemQuery::First(PAGE);
    loop {
        let page = match chat.store().items(id, query).await {
            Ok(page) => page,
            // It went meanwhile, or the item did.
            Err(StoreError::NotFound) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Some(last) = page.items.last() else { return Ok(()) };
        query = ItemQuery::After(last.id.clone(), PAGE);
        write_items(name, &page.items, out)?;
    }
}

fn write_items(name: &str, items: &[Item], out: &mut (dyn Write + Send)) -> io::Result<()> {
    writeln!(out, "<items node='{}'>", attribute(name))?;
    for item in items {
        let element = item_element(ns::PUBSUB, item, true).with_attr("publisher", item.publisher.as_str());
        let mut bytes = Vec::new();
        element.write(&mut bytes, ns::PUBSUB);
        bytes.push(b'\n');
        out.write_all(&bytes)?;
    }
    writeln!(out, "</items>")
}

/// Takes one piece of an account's nodes. Says whether it meant anything.
pub(super) async fn import(
    chat: &Chat,
    (jid, account): (&Jid, AccountId),
    element: &Element,
) -> StoreResult<bool> {
    let Some(name) = element.attr("node").filter(|name| (1..=NODE_NAME_BYTES_LIMIT).contains(&name.len()))
    else {
        return Ok(false);
    };
    let store = chat.store();
    let known = store.node(jid, name, jid).await?.map(|view| view.node);
    let mut configuration =
        known.as_ref().map_or_else(NodeConfiguration::personal, |n| n.configuration.clone());
    if element.is(ns::PUBSUB_OWNER, "configure") {
        configure(&mut configuration, element);
    }
    if chat.note_telling(jid, &configuration).await.is_err() {
        return Err(StoreError::Unavailable);
    }
    let keep = configuration.keeps(&chat.settings().pubsub);
    let id = match known {
        Some(known) => {
            if known.configuration != configuration {
                store.configure_node(known.id, configuration, keep).await?;
            }
            known.id
        }
        None => {
            let node = NewNode {
                place: jid.clone(),
                account: Some(account),
                name: name.to_owned(),
                creator: jid.clone(),
                created_ms: chat.now_ms(),
                configuration,
            };
            store.create_node(node).await?
        }
    };
    match element.name() {
        "configure" => {}
        "affiliations" => {
            let all = element.children().filter_map(affiliation).filter(|(who, _)| who != jid);
            store.put_node_affiliations(id, all.collect()).await?;
        }
        "subscriptions" => {
            for one in element.children() {
                if let Some(one) = subscription(one, chat.token()) {
                    store.put_subscription(id, one).await?;
                }
            }
        }
        "items" => {
            for one in element.children() {
                if let Some(one) = item(one, jid, chat.now_ms()) {
                    store.publish_item(id, one, keep, WhenFull::Evict).await?;
                }
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What another server knows and this one does not is passed over (section 4.10.1).
fn configure(configuration: &mut NodeConfiguration, element: &Element) {
    let form = element.child(ns::DATA_FORMS, "x");
    for field in form.iter().flat_map(|form| form.children()) {
        let values = field.children().filter(|child| child.is(ns::DATA_FORMS, "value"));
        let values: Vec<String> = values.map(|value| value.text().into_owned()).collect();
        if let Some(var) = field.attr("var") {
            drop(configuration.set(var, &values));
        }
    }
}

fn affiliation(one: ElementRef<'_>) -> Option<(Jid, Affiliation)> {
    let jid = Jid::new(one.attr("jid")?).ok()?.to_bare();
    Some((jid, one.attr("affiliation").and_then(Affiliation::from_name)?))
}

fn subscription(one: ElementRef<'_>, new_subid: String) -> Option<Subscription> {
    let state = one.attr("subscription").and_then(SubscriptionState::from_name)?;
    (state != SubscriptionState::None).then_some(Subscription {
        jid: Jid::new(one.attr("jid")?).ok()?,
        subid: one.attr("subid").map_or(new_subid, str::to_owned),
        state,
        options: Terms::default().to_stored(),
    })
}

fn item(one: ElementRef<'_>, owner: &Jid, now_ms: u64) -> Option<Item> {
    let id = one.attr("id").filter(|id| (1..=ITEM_ID_BYTES_LIMIT).contains(&id.len()))?;
    let publisher = one.attr("publisher").and_then(|publisher| Jid::new(publisher).ok());
    Some(Item {
        id: id.to_owned(),
        publisher: publisher.unwrap_or_else(|| owner.clone()),
        published_ms: now_ms,
        payload: one.children().next().map(|payload| payload.to_element().to_xml().into()),
    })
}
