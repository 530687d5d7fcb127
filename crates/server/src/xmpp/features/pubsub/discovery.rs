//! What service discovery says about nodes and their items (XEP-0060 section 5).

use waxwing_chat::pubsub::LISTED_LIMIT;
use waxwing_chat::pubsub::reading::{NodeInfo, ReadFor};
use waxwing_chat::pubsub::store::ItemQuery;
use waxwing_chat::time::timestamp;
use waxwing_xmpp::error::StanzaError;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::Element;

use super::super::Request;
use super::super::data_forms::Form;
use super::super::disco::{feature, identity};
use super::place;
use crate::xmpp::error::stanza_error;

/// What a node is (sections 5.3 and 5.4).
pub(in super::super) async fn info(request: &Request<'_>, node: &str) -> Result<Element, StanzaError> {
    let place = place(request).await?;
    let info = request.chat.node_info(&place, request.from, node).await;
    Ok(render(&info.map_err(|error| stanza_error(&error))?))
}

fn render(info: &NodeInfo) -> Element {
    let configuration = &info.node.configuration;
    let identity = identity("pubsub", "leaf");
    let identity = match configuration.title.as_str() {
        "" => identity,
        title => identity.with_attr("name", title),
    };
    let addresses = |list: &[Jid]| list.iter().map(|jid| jid.as_str().to_owned()).collect::<Vec<_>>();
    let one = |text: &str| vec![text.to_owned()];
    let mut form = Form::result(ns::PUBSUB_METADATA);
    let fields = [
        ("pubsub#type", "text-single", one(&configuration.payload_type)),
        ("pubsub#title", "text-single", one(&configuration.title)),
        ("pubsub#description", "text-single", one(&configuration.description)),
        ("pubsub#language", "list-single", one(&configuration.language)),
        ("pubsub#creator", "jid-single", one(info.node.creator.as_str())),
        ("pubsub#creation_date", "text-single", one(&timestamp(info.node.created_ms))),
        ("pubsub#contact", "jid-multi", addresses(&configuration.contact)),
        ("pubsub#owner", "jid-multi", addresses(&info.owners)),
        ("pubsub#publisher", "jid-multi", addresses(&info.publishers)),
        ("pubsub#num_subscribers", "text-single", one(&info.subscribers.to_string())),
        ("pubsub#access_model", "list-single", one(configuration.access_model.as_str())),
        ("pubsub#publish_model", "list-single", one(configuration.publish_model.as_str())),
        (
            "pubsub#max_items",
            "text-single",
            one(&configuration.max_items.map_or_else(|| "max".to_owned(), |n| n.to_string())),
        ),
    ];
    for (var, kind, values) in fields {
        let values: Vec<&str> = values.iter().map(String::as_str).filter(|value| !value.is_empty()).collect();
        if !values.is_empty() {
            form = form.typed(var, kind, &values);
        }
    }
    Element::new(ns::DISCO_INFO, "query")
        .with_child(identity)
        .with_child(feature(ns::PUBSUB))
        .with_child(feature(ns::DISCO_INFO))
        .with_child(feature(ns::DISCO_ITEMS))
        .with_child(form.into_element())
}

/// The nodes of an account or a service (section 5.2).
pub(in super::super) async fn nodes(request: &Request<'_>, query: Element) -> Result<Element, StanzaError> {
    let place = place(request).await?;
    let known = request.chat.known_nodes(&place, request.from, None, LISTED_LIMIT).await;
    Ok(known.map_err(|error| stanza_error(&error))?.iter().fold(query, |query, node| {
        let item = item(&node.place).with_attr("node", &node.name);
        let title = &node.configuration.title;
        query.with_child(if title.is_empty() { item } else { item.with_attr("name", title) })
    }))
}

/// The items of a node (section 5.5).
pub(in super::super) async fn node_items(
    request: &Request<'_>,
    query: Element,
    node: &str,
) -> Result<Element, StanzaError> {
    let place = place(request).await?;
    let newest = ItemQuery::Last(LISTED_LIMIT);
    let page = request.chat.node_items(&place, request.from, node, ReadFor::Himself, newest).await;
    let page = page.map_err(|error| stanza_error(&error))?;
    Ok(page
        .items
        .iter()
        .fold(query, |query, published| query.with_child(item(&place.jid).with_attr("name", &published.id))))
}

fn item(jid: &Jid) -> Element {
    Element::new(ns::DISCO_ITEMS, "item").with_attr("jid", jid.as_str())
}
