//! What publish-subscribe needs kept, and the promises a store makes about it.

use std::sync::Arc;

use async_trait::async_trait;
use waxwing_xmpp::jid::Jid;

use super::access::Affiliation;
use super::configuration::NodeConfiguration;
use crate::account::AccountId;
use crate::store::StoreResult;

/// Identifies a node in the store, for its whole life; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub i64);

/// A node as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its identity in the store.
    pub id: NodeId,
    /// The address of the account or service that it is at.
    pub place: Jid,
    /// Its name there.
    pub name: String,
    /// The bare address of whoever created it.
    pub creator: Jid,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// What its owners decided.
    pub configuration: NodeConfiguration,
}

/// A node that is to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// The address of the account or service that it is at.
    pub place: Jid,
    /// The account that it is at, with which it goes; `None` at a service.
    pub account: Option<AccountId>,
    /// Its name.
    pub name: String,
    /// The bare address of whoever creates it, who owns it at a service.
    pub creator: Jid,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// What it is like.
    pub configuration: NodeConfiguration,
}

/// A node with what somebody is to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeView {
    /// The node.
    pub node: NodeRecord,
    /// His affiliation, as it is kept.
    pub affiliation: Affiliation,
    /// His subscriptions, of whatever resource.
    pub subscriptions: Vec<Subscription>,
}

/// How far a subscription has come (XEP-0060 section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubscriptionState {
    /// There is none.
    None,
    /// It waits for an owner's approval.
    Pending,
    /// Its options are missing.
    Unconfigured,
    /// It is in force.
    Subscribed,
}

impl SubscriptionState {
    const WORDS: [(Self, &'static str, i64); 4] = [
        (Self::None, "none", 0),
        (Self::Pending, "pending", 1),
        (Self::Unconfigured, "unconfigured", 2),
        (Self::Subscribed, "subscribed", 3),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(known, ..)| *known == self).map_or("none", |(_, word, _)| word)
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, word, _)| *word == name).map(|(known, ..)| *known)
    }

    /// The number that it is kept as.
    pub fn number(self) -> i64 {
        Self::WORDS.iter().find(|(known, ..)| *known == self).map_or(0, |(.., number)| *number)
    }

    /// The state of a kept number.
    pub fn from_number(number: i64) -> Self {
        Self::WORDS.iter().find(|(.., known)| *known == number).map_or(Self::None, |(known, ..)| *known)
    }
}

/// A subscription to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Who is told, a bare or full address.
    pub jid: Jid,
    /// Its id, unique at its node.
    pub subid: String,
    /// How far it has come.
    pub state: SubscriptionState,
    /// What its subscriber decided, in the form of `SubscriptionOptions`.
    pub options: String,
}

/// An item of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its id, unique at its node.
    pub id: String,
    /// Who published it, by full address.
    pub publisher: Jid,
    /// When, milliseconds since the Unix epoch.
    pub published_ms: u64,
    /// Its payload, an element in canonical form; `None` if it has none.
    pub payload: Option<Arc<str>>,
}

/// What somebody has at a node that goes with his presence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleeting {
    /// The node.
    pub node: NodeRecord,
    /// His subscriptions that end, of whatever resource.
    pub subscriptions: Vec<Subscription>,
    /// The ids of the items of his that are removed, in the order of publishing.
    pub items: Vec<String>,
}

/// What to do with a node that has as many items as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest go.
    Evict,
    /// The new one is refused.
    Refuse,
}

/// Which items of a node are asked for. All answers are in the order of publishing, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemQuery {
    /// Those that were published last.
    Last(usize),
    /// The first ones.
    First(usize),
    /// Those behind this item.
    After(String, usize),
    /// Those directly before this item.
    Before(String, usize),
}

/// Some items of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemPage {
    /// The items, the oldest first.
    pub items: Vec<Item>,
    /// The number of the first of them, counted from 0.
    pub first_index: usize,
    /// How many items the node has.
    pub count: usize,
}

/// Whose last items of which nodes are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWanted {
    /// The accounts.
    pub places: Vec<Jid>,
    /// The bare address of who wants them.
    pub who: Jid,
    /// The names of the nodes.
    pub nodes: Arc<[Box<str>]>,
    /// How many items at most; what comes first in `places` goes first.
    pub items: usize,
    /// How many bytes of payloads at most, but for the last one.
    pub bytes: usize,
}

/// What publish-subscribe needs kept. All of it is durable when the future resolves.
#[async_trait]
pub trait PubSubStore: Send + Sync {
    /// Creates a node; at a service, its creator becomes its owner. `Conflict` when the name is taken, `NotFound` when the
    /// account is gone.
    async fn create_node(&self, node: NewNode) -> StoreResult<NodeId>;
    /// How many nodes somebody has created at a place that are still there.
    async fn nodes_created_by(&self, place: &Jid, creator: &Jid) -> StoreResult<usize>;
    /// A node, with what this bare address is to it.
    async fn node(&self, place: &Jid, name: &str, who: &Jid) -> StoreResult<Option<NodeView>>;
    /// The nodes of a place in the order of their names, at most `limit`, beginning behind `after`, each with what this
    /// bare address is to it.
    async fn nodes(
        &self,
        place: &Jid,
        who: &Jid,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<NodeView>>;
    /// Writes another configuration. `NotFound` when the node is gone. Items beyond what it keeps now go; returns their ids.
    async fn configure_node(
        &self,
        id: NodeId,
        configuration: NodeConfiguration,
        keep: usize,
    ) -> StoreResult<Vec<String>>;
    /// Removes a node and all that is kept for it. `NotFound` when it is gone.
    async fn delete_node(&self, id: NodeId) -> StoreResult<()>;

    /// Keeps an item as the newest, in place of one with the same id. Returns the ids of those that had to go so that at
    /// most `keep` are left; `None` when none may go, and nothing is changed. `NotFound` when the node is gone.
    async fn publish_item(
        &self,
        id: NodeId,
        item: Item,
        keep: usize,
        full: WhenFull,
    ) -> StoreResult<Option<Vec<String>>>;
    /// Removes items; returns the ids of those that were there.
    async fn retract_items(&self, id: NodeId, items: &[String]) -> StoreResult<Vec<String>>;
    /// Removes all items.
    async fn purge_items(&self, id: NodeId) -> StoreResult<()>;
    /// Removes items that were published before `before_ms` at this node; returns how many.
    async fn expire_items(&self, id: NodeId, before_ms: u64) -> StoreResult<usize>;
    /// Removes items, of whatever node, that have stayed for as long as the configuration of their node lets them, at most
    /// `limit`; returns how many.
    async fn expire_due_items(&self, now_ms: u64, limit: usize) -> StoreResult<usize>;
    /// The bare addresses that have anything that goes with their presence, in order.
    async fn bound_to_presence(&self) -> StoreResult<Vec<Jid>>;
    /// What somebody has that goes with his presence, node by node: temporary subscriptions, and items at nodes that purge
    /// them.
    async fn goes_with_presence(&self, who: &Jid) -> StoreResult<Vec<Fleeting>>;
    /// Some items of a node. `NotFound` when the item that the page lies beside is not there.
    async fn items(&self, id: NodeId, query: ItemQuery) -> StoreResult<ItemPage>;
    /// Single items, in the order asked; those that are not there are left out.
    async fn items_by_id(&self, id: NodeId, items: &[String]) -> StoreResult<Vec<Item>>;
    /// The places with a node that tells its last item to whoever comes online.
    async fn places_with_last_items(&self) -> StoreResult<Vec<Jid>>;
    /// The last item of every node that is wanted and tells it to whoever comes online, in one read, with what this bare
    /// address is to the node.
    async fn last_items(&self, wanted: LastWanted) -> StoreResult<Vec<(NodeView, Item)>>;

    /// Everybody who is something to a node.
    async fn node_affiliations(&self, id: NodeId) -> StoreResult<Vec<(Jid, Affiliation)>>;
    /// Writes affiliations, all or none; those that are `None` are removed. `NotFound` when the node is gone.
    async fn put_node_affiliations(&self, id: NodeId, who: Vec<(Jid, Affiliation)>) -> StoreResult<()>;
    /// The nodes of a place to which a bare address is something, or to which it is subscribed.
    async fn nodes_of(&self, place: &Jid, who: &Jid) -> StoreResult<Vec<NodeView>>;

    /// Everybody who is something to a node, and all its subscriptions, in one read.
    async fn audience(&self, id: NodeId) -> StoreResult<(Vec<(Jid, Affiliation)>, Vec<Subscription>)>;
    /// All subscriptions of a node.
    async fn subscriptions(&self, id: NodeId) -> StoreResult<Vec<Subscription>>;
    /// Writes a subscription in place of one with the same id. `NotFound` when the node is gone.
    async fn put_subscription(&self, id: NodeId, subscription: Subscription) -> StoreResult<()>;
    /// Removes a subscription, if it is there.
    async fn delete_subscription(&self, id: NodeId, subid: &str) -> StoreResult<()>;
}
