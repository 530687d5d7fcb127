//! Items: reading them, publishing them, and taking them back (XEP-0060 sections 6.5 and 7).

use waxwing_chat::Error;
use waxwing_chat::pubsub::PAGE_LIMIT;
use waxwing_chat::pubsub::Place;
use waxwing_chat::pubsub::notifying::item_element;
use waxwing_chat::pubsub::publishing::NewItem;
use waxwing_chat::pubsub::reading::ReadFor;
use waxwing_chat::pubsub::refusal::Refusal;
use waxwing_chat::pubsub::store::{ItemPage, ItemQuery};
use waxwing_xmpp::error::StanzaError;
use waxwing_xmpp::ns;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::super::paging;
use super::super::{DONE, Reply, Request};
use super::{bad, forms, node, pubsub, refusal};
use crate::xmpp::error::stanza_error;

pub(super) async fn read(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let name = node(asked);
    let read_for = ReadFor::Subscription(asked.attr("subid"));
    let wanted = asked.children().filter(|child| child.is(ns::PUBSUB, "item"));
    let ids: Vec<String> =
        wanted.map(|item| item.attr("id").unwrap_or_default().to_owned()).take(PAGE_LIMIT + 1).collect();
    let mut answer = Element::new(ns::PUBSUB, "items").with_attr("node", name);
    if !ids.is_empty() {
        let items = request.chat.node_items_by_id(place, request.from, name, read_for, &ids).await;
        for item in items.map_err(|error| stanza_error(&error))? {
            answer.append(item_element(ns::PUBSUB, &item, true));
        }
        return Ok(pubsub(answer).into());
    }
    let (query, paged) = query(request.payload, asked)?;
    let most = match &query {
        ItemQuery::Last(n) | ItemQuery::First(n) | ItemQuery::After(_, n) | ItemQuery::Before(_, n) => *n,
    };
    let page = request.chat.node_items(place, request.from, name, read_for, query).await;
    let page = page.map_err(|error| stanza_error(&error))?;
    for item in &page.items {
        answer.append(item_element(ns::PUBSUB, item, true));
    }
    // Section 6.5.4: what was left out is said so.
    let cut = page.items.len() < most.min(page.count);
    let answer = pubsub(answer);
    Ok(if paged || cut { answer.with_child(set(&page)).into() } else { answer.into() })
}

/// Which items are asked for, and whether by page.
fn query(payload: ElementRef<'_>, asked: ElementRef<'_>) -> Result<(ItemQuery, bool), StanzaError> {
    if let Some(set) = payload.child(ns::RSM, "set") {
        let page = paging::read(set)?;
        let max = page.max.unwrap_or(PAGE_LIMIT);
        let query = match page.place {
            paging::Place::First => ItemQuery::First(max),
            paging::Place::After(id) => ItemQuery::After(id, max),
            paging::Place::Last => ItemQuery::Last(max),
            paging::Place::Before(id) => ItemQuery::Before(id, max),
        };
        return Ok((query, true));
    }
    let max = match asked.attr("max_items") {
        None => usize::MAX,
        Some(digits) => match digits.parse() {
            Ok(0) | Err(_) => return Err(bad("max_items is no number")),
            Ok(max) => max,
        },
    };
    Ok((ItemQuery::Last(max), false))
}

/// The `<set/>` of a page (XEP-0059 section 2.2).
fn set(page: &ItemPage) -> Element {
    let set = Element::new(ns::RSM, "set");
    let count = Element::new(ns::RSM, "count").with_text(&page.count.to_string());
    match (page.items.first(), page.items.last()) {
        (Some(first), Some(last)) => set
            .with_child(
                Element::new(ns::RSM, "first")
                    .with_attr("index", &page.first_index.to_string())
                    .with_text(&first.id),
            )
            .with_child(Element::new(ns::RSM, "last").with_text(&last.id))
            .with_child(count),
        _ => set.with_child(count),
    }
}

pub(super) async fn publish(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let name = node(asked);
    let mut given = asked.children().filter(|child| child.is(ns::PUBSUB, "item"));
    let item = given.next().map(new_item).transpose()?;
    if given.next().is_some() {
        return Err(bad("one item is published at a time"));
    }
    let options = request.payload.child(ns::PUBSUB, "publish-options");
    let options = forms::fields(options, ns::PUBSUB_PUBLISH_OPTIONS)?;
    let published = request.chat.publish(place, request.from, name, item, &options).await;
    let mut publish = Element::new(ns::PUBSUB, "publish").with_attr("node", name);
    if let Some(id) = published.map_err(|error| stanza_error(&error))? {
        publish.append(Element::new(ns::PUBSUB, "item").with_attr("id", &id));
    }
    Ok(pubsub(publish).into())
}

fn new_item(item: ElementRef<'_>) -> Result<NewItem, StanzaError> {
    let mut payloads = item.children();
    let payload = payloads.next();
    if payloads.next().is_some() {
        return Err(refusal(Refusal::InvalidPayload));
    }
    Ok(NewItem {
        id: item.attr("id").map(str::to_owned),
        payload: payload.map(|payload| payload.to_element().to_xml().into()),
    })
}

pub(super) async fn retract(request: &Request<'_>, place: &Place, asked: ElementRef<'_>) -> Reply {
    let items = asked.children().filter(|child| child.is(ns::PUBSUB, "item"));
    let ids: Vec<String> = items.map(|item| item.attr("id").unwrap_or_default().to_owned()).collect();
    if ids.len() > PAGE_LIMIT {
        return Err(stanza_error(&Error::ResourceConstraint("too many items at once")));
    }
    let notify = matches!(asked.attr("notify"), Some("1" | "true"));
    let done = request.chat.retract(place, request.from, node(asked), &ids, notify).await;
    done.map(|()| DONE).map_err(|error| stanza_error(&error))
}
