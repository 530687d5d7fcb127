//! The publish-subscribe of the `Store` in memory, for tests.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use crate::memory_store::MemoryStore;
use crate::pubsub::access::Affiliation;
use crate::pubsub::configuration::{NodeConfiguration, SendLast};
use crate::pubsub::store::{
    Fleeting, Item, ItemPage, ItemQuery, LastWanted, NewNode, NodeId, NodeRecord, NodeView, PubSubStore,
    Subscription, WhenFull,
};
use crate::pubsub::terms::Terms;
use crate::store::{StoreError, StoreResult};

#[derive(Debug)]
struct Node {
    record: NodeRecord,
    account: Option<AccountId>,
    items: Vec<Item>,
    affiliations: BTreeMap<Jid, Affiliation>,
    subscriptions: Vec<Subscription>,
}

impl Node {
    fn view(&self, who: &Jid) -> NodeView {
        let own = self.subscriptions.iter().filter(|subscription| subscription.jid.same_bare(who));
        NodeView {
            node: self.record.clone(),
            affiliation: self.affiliations.get(who).copied().unwrap_or(Affiliation::None),
            subscriptions: own.cloned().collect(),
        }
    }

    fn evict(&mut self, keep: usize) -> Vec<String> {
        let gone = self.items.len().saturating_sub(keep);
        self.items.drain(..gone).map(|item| item.id).collect()
    }

    fn temporary(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.iter().filter(|known| Terms::from_stored(&known.options).is_temporary())
    }

    fn fleeting(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|_| self.record.configuration.purge_offline)
    }

    fn bound(&self) -> impl Iterator<Item = Jid> {
        let subscribers = self.temporary().map(|known| known.jid.to_bare());
        subscribers.chain(self.fleeting().map(|item| item.publisher.to_bare()))
    }

    fn place_of(&self, id: &str) -> StoreResult<usize> {
        self.items.iter().position(|item| item.id == id).ok_or(StoreError::NotFound)
    }
}

#[derive(Debug, Default)]
pub(crate) struct PubSubTables {
    last: i64,
    nodes: BTreeMap<(Jid, String), Node>,
}

impl PubSubTables {
    fn by_id(&mut self, id: NodeId) -> StoreResult<&mut Node> {
        self.nodes.values_mut().find(|node| node.record.id == id).ok_or(StoreError::NotFound)
    }

    pub(crate) fn forget_account(&mut self, id: AccountId, jid: &Jid) {
        self.nodes.retain(|_, node| node.account != Some(id));
        for node in self.nodes.values_mut() {
            node.affiliations.remove(jid);
            node.subscriptions.retain(|subscription| !subscription.jid.same_bare(jid));
        }
    }
}

#[async_trait]
impl PubSubStore for MemoryStore {
    async fn create_node(&self, node: NewNode) -> StoreResult<NodeId> {
        let mut tables = self.tables()?;
        let there = |id: AccountId| tables.accounts.values().any(|account| account.id == id);
        if node.account.is_some_and(|account| !there(account)) {
            return Err(StoreError::NotFound);
        }
        let tables = &mut tables.pubsub;
        let key = (node.place.clone(), node.name.clone());
        if tables.nodes.contains_key(&key) {
            return Err(StoreError::Conflict);
        }
        tables.last += 1;
        let id = NodeId(tables.last);
        let owner = node.account.is_none().then(|| (node.creator.clone(), Affiliation::Owner));
        let record = NodeRecord {
            id,
            place: node.place,
            name: node.name,
            creator: node.creator,
            created_ms: node.created_ms,
            configuration: node.configuration,
        };
        let node = Node {
            record,
            account: node.account,
            items: Vec::new(),
            affiliations: owner.into_iter().collect(),
            subscriptions: Vec::new(),
        };
        tables.nodes.insert(key, node);
        Ok(id)
    }

    async fn nodes_created_by(&self, place: &Jid, creator: &Jid) -> StoreResult<usize> {
        let tables = self.tables()?;
        let all = tables.pubsub.nodes.values().map(|node| &node.record);
        Ok(all.filter(|record| record.place == *place && record.creator == *creator).count())
    }

    async fn node(&self, place: &Jid, name: &str, who: &Jid) -> StoreResult<Option<NodeView>> {
        let tables = self.tables()?;
        Ok(tables.pubsub.nodes.get(&(place.clone(), name.to_owned())).map(|node| node.view(who)))
    }

    async fn nodes(
        &self,
        place: &Jid,
        who: &Jid,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<NodeView>> {
        let tables = self.tables()?;
        let all = tables.pubsub.nodes.values().filter(|node| node.record.place == *place);
        let all = all.filter(|node| after.is_none_or(|after| node.record.name.as_str() > after));
        Ok(all.take(limit).map(|node| node.view(who)).collect())
    }

    async fn configure_node(
        &self,
        id: NodeId,
        configuration: NodeConfiguration,
        keep: usize,
    ) -> StoreResult<Vec<String>> {
        let mut tables = self.tables()?;
        let node = tables.pubsub.by_id(id)?;
        node.record.configuration = configuration;
        Ok(node.evict(keep))
    }

    async fn delete_node(&self, id: NodeId) -> StoreResult<()> {
        let mut tables = self.tables()?;
        tables.pubsub.by_id(id)?;
        tables.pubsub.nodes.retain(|_, node| node.record.id != id);
        Ok(())
    }

    async fn publish_item(
        &self,
        id: NodeId,
        item: Item,
        keep: usize,
        full: WhenFull,
    ) -> StoreResult<Option<Vec<String>>> {
        let mut tables = self.tables()?;
        let node = tables.pubsub.by_id(id)?;
        let others = node.items.iter().filter(|other| other.id != item.id).count();
        if full == WhenFull::Refuse && others >= keep {
            return Ok(None);
        }
        node.items.retain(|other| other.id != item.id);
        node.items.push(item);
        Ok(Some(node.evict(keep)))
    }

    async fn retract_items(&self, id: NodeId, items: &[String]) -> StoreResult<Vec<String>> {
        let mut tables = self.tables()?;
        let node = tables.pubsub.by_id(id)?;
        let there = |id: &String| node.items.iter().any(|item| item.id == *id);
        let gone: Vec<String> = items.iter().filter(|id| there(id)).cloned().collect();
        node.items.retain(|item| !gone.contains(&item.id));
        Ok(gone)
    }

    async fn purge_items(&self, id: NodeId) -> StoreResult<()> {
        self.tables()?.pubsub.by_id(id)?.items.clear();
        Ok(())
    }

    async fn expire_items(&self, id: NodeId, before_ms: u64) -> StoreResult<usize> {
        let mut tables = self.tables()?;
        let node = tables.pubsub.by_id(id)?;
        let before = node.items.len();
        node.items.retain(|item| item.published_ms >= before_ms);
        Ok(before - node.items.len())
    }

    async fn expire_due_items(&self, now_ms: u64, limit: usize) -> StoreResult<usize> {
        let mut tables = self.tables()?;
        let mut removed = 0;
        for node in tables.pubsub.nodes.values_mut() {
            let Some(seconds) = node.record.configuration.item_expire_s else { continue };
            let before_ms = now_ms.saturating_sub(u64::from(seconds) * 1000);
            node.items.retain(|item| {
                let goes = item.published_ms < before_ms && removed < limit;
                removed += usize::from(goes);
                !goes
            });
        }
        Ok(removed)
    }

    async fn bound_to_presence(&self) -> StoreResult<Vec<Jid>> {
        let tables = self.tables()?;
        let all = tables.pubsub.nodes.values();
        Ok(all.flat_map(Node::bound).collect::<BTreeSet<_>>().into_iter().collect())
    }

    async fn goes_with_presence(&self, who: &Jid) -> StoreResult<Vec<Fleeting>> {
        let tables = self.tables()?;
        let all = tables.pubsub.nodes.values().filter(|node| node.bound().any(|jid| jid == *who));
        Ok(all
            .map(|node| Fleeting {
                node: node.record.clone(),
                subscriptions: node.temporary().filter(|known| known.jid.same_bare(who)).cloned().collect(),
                items: node
                    .fleeting()
                    .filter(|item| item.publisher.same_bare(who))
                    .map(|item| item.id.clone())
                    .collect(),
            })
            .collect())
    }

    async fn items(&self, id: NodeId, query: ItemQuery) -> StoreResult<ItemPage> {
        let mut tables = self.tables()?;
        let node = tables.pubsub.by_id(id)?;
        let count = node.items.len();
        let (from, to) = match query {
            ItemQuery::Last(n) => (count.saturating_sub(n), count),
            ItemQuery::First(n) => (0, n.min(count)),
            ItemQuery::After(id, n) => {
                let from = node.place_of(&id)? + 1;
                (from, from.saturating_add(n).min(count))
            }
            ItemQuery::Before(id, n) => {
                let to = node.place_of(&id)?;
                (to.saturating_sub(n), to)
            }
        };
        Ok(ItemPage { items: node.items[from..to].to_vec(), first_index: from, count })
    }

    async fn items_by_id(&self, id: NodeId, items: &[String]) -> StoreResult<Vec<Item>> {
        let mut tables = self.tables()?;
        let node = tables.pubsub.by_id(id)?;
        let one = |id: &String| node.items.iter().find(|item| item.id == *id).cloned();
        Ok(items.iter().filter_map(one).collect())
    }

    async fn places_with_last_items(&self) -> StoreResult<Vec<Jid>> {
        let tables = self.tables()?;
        let all = tables.pubsub.nodes.values().map(|node| &node.record);
        let telling = all.filter(|record| record.configuration.send_last == SendLast::OnSubAndPresence);
        let mut places: Vec<Jid> = telling.map(|record| record.place.clone()).collect();
        places.dedup();
        Ok(places)
    }

    async fn last_items(&self, wanted: LastWanted) -> StoreResult<Vec<(NodeView, Item)>> {
        let tables = self.tables()?;
        let (mut found, mut bytes) = (Vec::new(), 0);
        for place in &wanted.places {
            let here = tables.pubsub.nodes.values().filter(|node| node.record.place == *place);
            for node in here {
                let told = node.record.configuration.send_last == SendLast::OnSubAndPresence;
                if told
                    && wanted.nodes.iter().any(|name| **name == *node.record.name)
                    && found.len() < wanted.items
                    && bytes <= wanted.bytes
                    && let Some(item) = node.items.last()
                {
                    bytes += item.payload.as_ref().map_or(0, |payload| payload.len());
                    found.push((node.view(&wanted.who), item.clone()));
                }
            }
        }
        Ok(found)
    }

    async fn node_affiliations(&self, id: NodeId) -> StoreResult<Vec<(Jid, Affiliation)>> {
        let mut tables = self.tables()?;
        let node = tables.pubsub.by_id(id)?;
        Ok(node.affiliations.iter().map(|(jid, affiliation)| (jid.clone(), *affiliation)).collect())
    }

    async fn put_node_affiliations(&self, id: NodeId, who: Vec<(Jid, Affiliation)>) -> StoreResult<()> {
        let mut tables = self.tables()?;
        let node = tables.pubsub.by_id(id)?;
        for (jid, affiliation) in who {
            if affiliation == Affiliation::None {
                node.affiliations.remove(&jid);
            } else {
                node.affiliations.insert(jid, affiliation);
            }
        }
        Ok(())
    }

    async fn nodes_of(&self, place: &Jid, who: &Jid) -> StoreResult<Vec<NodeView>> {
        let tables = self.tables()?;
        let here = tables.pubsub.nodes.values().filter(|node| node.record.place == *place);
        let views = here.map(|node| node.view(who));
        let something =
            |view: &NodeView| view.affiliation != Affiliation::None || !view.subscriptions.is_empty();
        Ok(views.filter(something).collect())
    }

    async fn audience(&self, id: NodeId) -> StoreResult<(Vec<(Jid, Affiliation)>, Vec<Subscription>)> {
        Ok((self.node_affiliations(id).await?, self.subscriptions(id).await?))
    }

    async fn subscriptions(&self, id: NodeId) -> StoreResult<Vec<Subscription>> {
        let mut all = self.tables()?.pubsub.by_id(id)?.subscriptions.clone();
        all.sort_unstable_by(|one, other| one.subid.cmp(&other.subid));
        Ok(all)
    }

    async fn put_subscription(&self, id: NodeId, subscription: Subscription) -> StoreResult<()> {
        let mut tables = self.tables()?;
        let node = tables.pubsub.by_id(id)?;
        node.subscriptions.retain(|known| known.subid != subscription.subid);
        node.subscriptions.push(subscription);
        Ok(())
    }

    async fn delete_subscription(&self, id: NodeId, subid: &str) -> StoreResult<()> {
        self.tables()?.pubsub.by_id(id)?.subscriptions.retain(|known| known.subid != subid);
        Ok(())
    }
}
