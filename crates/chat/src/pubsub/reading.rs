//! Reading nodes: their items, what they are, and which there are (XEP-0060 sections 5 and 6.5).

use waxwing_xmpp::jid::Jid;

use super::access::Affiliation;
use super::refusal::Refusal;
use super::store::{Item, ItemPage, ItemQuery, NodeRecord, NodeView, Subscription};
use super::{PAGE_BYTES_LIMIT, PAGE_LIMIT, Place};
use crate::chat::Chat;
use crate::error::{Error, Result};

/// What service discovery says about a node (section 5.4).
#[derive(Debug, Clone)]
pub struct NodeInfo {
    /// The node.
    pub node: NodeRecord,
    /// Its owners.
    pub owners: Vec<Jid>,
    /// Those who publish to it besides.
    pub publishers: Vec<Jid>,
    /// How many subscriptions are in force.
    pub subscribers: usize,
}

/// For which of his subscriptions somebody reads.
#[derive(Debug, Clone, Copy)]
pub enum ReadFor<'a> {
    /// For himself.
    Himself,
    /// For the one with this id, or for the only one.
    Subscription(Option<&'a str>),
}

impl Chat {
    /// Items of a node (section 6.5), the oldest first, never more than [`PAGE_LIMIT`] or [`PAGE_BYTES_LIMIT`].
    ///
    /// # Errors
    /// Those of section 6.5.9.
    pub async fn node_items(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        read_for: ReadFor<'_>,
        query: ItemQuery,
    ) -> Result<ItemPage> {
        let view = self.readable_node(place, from, node, read_for).await?;
        let (query, last) = match query {
            ItemQuery::Last(n) => (ItemQuery::Last(n.min(PAGE_LIMIT)), true),
            ItemQuery::First(n) => (ItemQuery::First(n.min(PAGE_LIMIT)), false),
            ItemQuery::After(id, n) => (ItemQuery::After(id, n.min(PAGE_LIMIT)), false),
            ItemQuery::Before(id, n) => (ItemQuery::Before(id, n.min(PAGE_LIMIT)), true),
        };
        let mut page = self.store.items(view.node.id, query).await?;
        cut(&mut page, last);
        Ok(page)
    }

    /// Single items of a node by their ids (section 6.5.8); those that are not there are left out.
    ///
    /// # Errors
    /// Those of section 6.5.9.
    pub async fn node_items_by_id(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        read_for: ReadFor<'_>,
        ids: &[String],
    ) -> Result<Vec<Item>> {
        if ids.len() > PAGE_LIMIT {
            return Err(Error::ResourceConstraint("too many items at once"));
        }
        let view = self.readable_node(place, from, node, read_for).await?;
        let items = self.store.items_by_id(view.node.id, ids).await?;
        let mut page = ItemPage { count: items.len(), items, first_index: 0 };
        cut(&mut page, false);
        Ok(page.items)
    }

    async fn readable_node(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        read_for: ReadFor<'_>,
    ) -> Result<NodeView> {
        self.prepare_personally(place, from, node).await?;
        let view = self.node_view(place, node, from).await?;
        self.check_may_read(place, &view, from).await?;
        if let ReadFor::Subscription(subid) = read_for {
            check_named(&view, from, subid)?;
        }
        self.expire_items_of(&view.node).await?;
        Ok(view)
    }

    /// Removes what has stayed for as long as the owner decided.
    pub(crate) async fn expire_items_of(&self, node: &NodeRecord) -> Result<()> {
        if let Some(seconds) = node.configuration.item_expire_s {
            let before_ms = self.now_ms().saturating_sub(u64::from(seconds) * 1000);
            self.store.expire_items(node.id, before_ms).await?;
        }
        Ok(())
    }

    /// The nodes of a place that somebody may know of, in the order of their names, at most `limit`, beginning behind
    /// `after` (section 5.2). An account shows those that he may read.
    pub async fn known_nodes(
        &self,
        place: &Place,
        from: &Jid,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<NodeRecord>> {
        let mut known = Vec::new();
        if place.hidden {
            return Ok(known);
        }
        let mut after = after.map(str::to_owned);
        let own = place.owner.as_ref().is_some_and(|owner| from.same_bare(&owner.jid));
        while known.len() < limit {
            let page = self.store.nodes(&place.jid, &from.to_bare(), after.as_deref(), limit).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.node.name.clone());
            for view in page {
                if own || self.check_may_know(place, &view, from).await? {
                    known.push(view.node);
                }
            }
        }
        known.truncate(limit);
        Ok(known)
    }

    async fn check_may_know(&self, place: &Place, view: &NodeView, from: &Jid) -> Result<bool> {
        if view.affiliation == Affiliation::Outcast {
            return Ok(false);
        }
        if !place.is_personal()
            && view.node.configuration.access_model != super::configuration::AccessModel::Whitelist
        {
            return Ok(true);
        }
        Ok(self.check_may_read(place, view, from).await.is_ok())
    }

    /// What a node is, for somebody who may know of it (sections 5.3 and 5.4). `NotFound` for others.
    pub async fn node_info(&self, place: &Place, from: &Jid, node: &str) -> Result<NodeInfo> {
        let view = self.find_node(place, node, from).await?.ok_or(Error::NotFound)?;
        let own = view.affiliation == Affiliation::Owner;
        if !own && !self.check_may_know(place, &view, from).await? {
            return Err(Error::NotFound);
        }
        let affiliations = self.store.node_affiliations(view.node.id).await?;
        let named = |wanted: Affiliation| {
            affiliations.iter().filter(move |(_, is)| *is == wanted).map(|(jid, _)| jid.clone())
        };
        let owners =
            place.owner.iter().map(|owner| owner.jid.clone()).chain(named(Affiliation::Owner)).collect();
        let publishers = named(Affiliation::Publisher).chain(named(Affiliation::PublishOnly)).collect();
        let subscriptions = self.store.subscriptions(view.node.id).await?;
        let in_force =
            |s: &&super::store::Subscription| s.state == super::store::SubscriptionState::Subscribed;
        let subscribers = subscriptions.iter().filter(in_force).count();
        Ok(NodeInfo { node: view.node, owners, publishers, subscribers })
    }
}

/// Refuses to read to somebody who has several subscriptions with one address and does not say for which, or who names one
/// that he does not have (sections 6.5.9.1 and 6.5.9.2).
fn check_named(view: &NodeView, from: &Jid, subid: Option<&str>) -> Result<()> {
    let own = |known: &&Subscription| known.jid == *from || known.jid.is_bare();
    let own: Vec<&Subscription> = view.subscriptions.iter().filter(own).collect();
    let of = |jid: &Jid| own.iter().filter(|known| known.jid == *jid).count();
    match subid {
        Some(subid) if !own.is_empty() && !own.iter().any(|known| *known.subid == *subid) => {
            Err(Error::PubSub(Refusal::InvalidSubId))
        }
        None if own.iter().any(|known| of(&known.jid) > 1) => Err(Error::PubSub(Refusal::SubIdRequired)),
        _ => Ok(()),
    }
}

/// Keeps a page within [`PAGE_BYTES_LIMIT`], from its end or its beginning; at least one item stays.
fn cut(page: &mut ItemPage, from_end: bool) {
    let mut bytes = 0;
    let mut fits = |item: &Item| {
        bytes += item.payload.as_ref().map_or(0, |payload| payload.len()) + item.id.len();
        bytes <= PAGE_BYTES_LIMIT
    };
    let fitting = if from_end {
        page.items.iter().rev().take_while(|item| fits(item)).count()
    } else {
        page.items.iter().take_while(|item| fits(item)).count()
    };
    let kept = fitting.max(1).min(page.items.len());
    if from_end {
        let gone = page.items.len() - kept;
        page.items.drain(..gone);
        page.first_index += gone;
    } else {
        page.items.truncate(kept);
    }
}
