//! Publishing items, taking them back, and emptying nodes (XEP-0060 sections 7 and 8.5).

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;

use super::configuration::NodeFull;
use super::notifying::News;
use super::refusal::Refusal;
use super::store::{Item, NodeView, WhenFull};
use super::{ITEM_ID_BYTES_LIMIT, Place, check_node_name};
use crate::chat::Chat;
use crate::error::{Error, Result};

/// The fields of a form, each with its values.
pub type Fields = [(String, Vec<String>)];

/// An item as somebody publishes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewItem {
    /// Its id; the server makes one if there is none.
    pub id: Option<String>,
    /// Its payload, an element in canonical form.
    pub payload: Option<Arc<str>>,
}

impl Chat {
    /// Publishes an item (section 7.1) and answers its id; `None` as an item publishes the mere event. A node that is not
    /// there is created for who may create it, by default but for the options, which for a node that is there are
    /// conditions (section 7.1.5).
    ///
    /// # Errors
    /// Those of section 7.1.3.
    pub async fn publish(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        item: Option<NewItem>,
        options: &Fields,
    ) -> Result<Option<String>> {
        self.prepare_personally(place, from, node).await?;
        let published = self.publish_alone(place, from, node, item, options).await?;
        if let (Some(_), Some(owner)) = (&published, &place.owner) {
            self.changed_personally(owner, node).await;
        }
        Ok(published.map(|item| item.id))
    }

    /// The same, and nothing follows from it.
    pub(crate) async fn publish_alone(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        item: Option<NewItem>,
        options: &Fields,
    ) -> Result<Option<Item>> {
        check_node_name(node)?;
        let held = self.pubsub.lock(&place.jid, node).await;
        let view = match self.find_node(place, node, from).await? {
            Some(view) => {
                self.check_may_publish(place, &view, from).await?;
                if !view.node.configuration.meets(options)? {
                    return Err(Error::PubSub(Refusal::PreconditionNotMet));
                }
                view
            }
            None => self.create_for_publishing(place, from, node, options).await?,
        };
        let item = self.new_item(&view, from, item)?;
        let purged = view.node.configuration.purge_offline && view.node.configuration.persist_items;
        self.note_fleeting(from, purged).await?;
        held.changing();
        self.put(place, &view, item).await
    }

    /// Checks an item against its node (sections 7.1.3.4 to 7.1.3.6).
    fn new_item(&self, view: &NodeView, from: &Jid, item: Option<NewItem>) -> Result<Option<Item>> {
        let configuration = &view.node.configuration;
        let refuse = |refusal| Err(Error::PubSub(refusal));
        let Some(NewItem { id, payload }) = item else {
            let needed = configuration.persist_items || configuration.deliver_payloads;
            return if needed { refuse(Refusal::ItemRequired) } else { Ok(None) };
        };
        if !configuration.persist_items && !configuration.deliver_payloads {
            return refuse(Refusal::ItemForbidden);
        }
        match &payload {
            None if configuration.deliver_payloads => return refuse(Refusal::PayloadRequired),
            Some(payload) if payload.len() > configuration.takes_bytes(&self.settings().pubsub) => {
                return refuse(Refusal::PayloadTooBig);
            }
            _ => {}
        }
        let id = id.filter(|id| !id.is_empty()).unwrap_or_else(|| self.token());
        if id.len() > ITEM_ID_BYTES_LIMIT {
            return Err(Error::NotAcceptable("the id of the item is too long"));
        }
        Ok(Some(Item { id, publisher: from.clone(), published_ms: self.now_ms(), payload }))
    }

    /// Keeps a checked item and tells it. The caller holds the node's lock.
    async fn put(&self, place: &Place, view: &NodeView, item: Option<Item>) -> Result<Option<Item>> {
        let node = &view.node;
        let configuration = &node.configuration;
        let mut gone = Vec::new();
        let keep = configuration.keeps(&self.settings().pubsub);
        if let Some(item) = &item
            && configuration.persist_items
        {
            let full = match configuration.node_full {
                NodeFull::Reject => WhenFull::Refuse,
                NodeFull::RetractOldest | NodeFull::DiscardOldest => WhenFull::Evict,
            };
            let kept = self.store.publish_item(node.id, item.clone(), keep, full).await?;
            gone = kept.ok_or(Error::PubSub(Refusal::NodeFull))?;
        }
        self.tell_subscribers(place, node, News::Published(item.as_ref())).await?;
        // Where one item is kept, the new one says that the old one is gone.
        let tells = configuration.node_full == NodeFull::RetractOldest && configuration.notify_retract;
        if tells && keep > 1 && !gone.is_empty() {
            self.tell_subscribers(place, node, News::Retracted(&gone)).await?;
        }
        Ok(item)
    }

    /// Takes items back (section 7.2). Subscribers are told if the request or the node says so.
    ///
    /// # Errors
    /// Those of section 7.2.3; `NotFound` when any of the items is not there, and none is taken back then (section 13.11).
    pub async fn retract(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        items: &[String],
        notify: bool,
    ) -> Result<()> {
        self.retract_alone(place, from, node, items, notify).await?;
        if let Some(owner) = &place.owner {
            self.changed_personally(owner, node).await;
        }
        Ok(())
    }

    /// The same, and nothing follows from it.
    pub(crate) async fn retract_alone(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        items: &[String],
        notify: bool,
    ) -> Result<()> {
        check_node_name(node)?;
        if items.is_empty() || items.iter().any(String::is_empty) {
            return Err(Error::PubSub(Refusal::ItemRequired));
        }
        let held = self.pubsub.lock(&place.jid, node).await;
        let view = self.node_view(place, node, from).await?;
        self.check_may_publish(place, &view, from).await?;
        if !view.node.configuration.persist_items {
            return Err(Error::PubSub(Refusal::Unsupported("persistent-items")));
        }
        let found = self.store.items_by_id(view.node.id, items).await?;
        // Section 7.2.3.1: a publisher takes back what is his own.
        if view.affiliation != super::access::Affiliation::Owner
            && found.iter().any(|item| !item.publisher.same_bare(from))
        {
            return Err(Error::Forbidden);
        }
        if found.len() < items.len() {
            return Err(Error::NotFound);
        }
        held.changing();
        let gone = self.store.retract_items(view.node.id, items).await?;
        if gone.is_empty() {
            return Err(Error::NotFound);
        }
        if notify || view.node.configuration.notify_retract {
            self.tell_subscribers(place, &view.node, News::Retracted(&gone)).await?;
        }
        Ok(())
    }

    /// Removes all items of a node (section 8.5).
    ///
    /// # Errors
    /// Those of section 8.5.3.
    pub async fn purge(&self, place: &Place, from: &Jid, node: &str) -> Result<()> {
        check_node_name(node)?;
        let held = self.pubsub.lock(&place.jid, node).await;
        let view = self.owned_node(place, node, from).await?;
        if !view.node.configuration.persist_items {
            return Err(Error::PubSub(Refusal::Unsupported("persistent-items")));
        }
        held.changing();
        self.store.purge_items(view.node.id).await?;
        if view.node.configuration.notify_retract {
            self.tell_subscribers(place, &view.node, News::Purged).await?;
        }
        drop(held);
        if let Some(owner) = &place.owner {
            self.changed_personally(owner, node).await;
        }
        Ok(())
    }
}
