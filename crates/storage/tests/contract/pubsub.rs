//! Contract: nodes of publish-subscribe, their items, and who is what to them.

use super::*;
use waxwing_chat::pubsub::access::Affiliation;
use waxwing_chat::pubsub::configuration::{NodeConfiguration, SendLast};
use waxwing_chat::pubsub::store::{
    Fleeting, Item, ItemQuery, LastWanted, NewNode, NodeId, Subscription, SubscriptionState, WhenFull,
};
use waxwing_chat::store::StoreError;

const SERVICE: &str = "pubsub.capulet.example";

fn new_node(place: &str, account: Option<AccountId>, name: &str) -> NewNode {
    NewNode {
        place: jid(place),
        account,
        name: name.to_owned(),
        creator: jid("juliet@capulet.example"),
        created_ms: 5,
        configuration: NodeConfiguration::personal(),
    }
}

async fn make(store: &Arc<dyn Store>, name: &str) -> NodeId {
    store.create_node(new_node(SERVICE, None, name)).await.unwrap()
}

fn item(id: &str) -> Item {
    Item {
        id: id.to_owned(),
        publisher: jid("juliet@capulet.example/balcony"),
        published_ms: 7,
        payload: Some(format!("<x xmlns='urn:x'>{id}</x>").into()),
    }
}

fn subscription(subid: &str, who: &str) -> Subscription {
    Subscription {
        jid: jid(who),
        subid: subid.to_owned(),
        state: SubscriptionState::Subscribed,
        options: "deliver 1\n".to_owned(),
    }
}

async fn publish(store: &Arc<dyn Store>, id: NodeId, items: &[&str], keep: usize) -> Vec<String> {
    let mut gone = Vec::new();
    for name in items {
        gone.extend(store.publish_item(id, item(name), keep, WhenFull::Evict).await.unwrap().unwrap());
    }
    gone
}

async fn kept(store: &Arc<dyn Store>, id: NodeId, query: ItemQuery) -> (String, usize, usize) {
    let page = store.items(id, query).await.unwrap();
    let names: Vec<&str> = page.items.iter().map(|item| item.id.as_str()).collect();
    (names.join(" "), page.first_index, page.count)
}

pub(crate) async fn keeps_nodes(store: Arc<dyn Store>) {
    let (place, juliet, paris) = (jid(SERVICE), jid("juliet@capulet.example"), jid("paris@x.example"));
    let id = make(&store, "b").await;
    make(&store, "a").await;
    let taken = store.create_node(new_node(SERVICE, None, "b")).await;
    assert!(matches!(taken, Err(StoreError::Conflict)));
    let gone = store.create_node(new_node(SERVICE, Some(AccountId(77)), "c")).await;
    assert!(matches!(gone, Err(StoreError::NotFound)));
    let view = store.node(&place, "b", &juliet).await.unwrap().expect("the node");
    assert_eq!((view.affiliation, view.node.created_ms), (Affiliation::Owner, 5));
    assert_eq!(view.node.configuration, NodeConfiguration::personal());
    assert!(store.node(&juliet, "b", &juliet).await.unwrap().is_none());
    let view = store.node(&place, "b", &paris).await.unwrap().expect("the node");
    assert_eq!((view.affiliation, view.subscriptions.len()), (Affiliation::None, 0));
    let listed = store.nodes(&place, &paris, None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|view| view.node.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(store.nodes(&place, &paris, Some("a"), 10).await.unwrap().len(), 1);
    assert_eq!(store.nodes(&place, &paris, None, 1).await.unwrap().len(), 1);
    assert_eq!(store.nodes_created_by(&place, &juliet).await.unwrap(), 2);
    assert_eq!(store.nodes_created_by(&place, &paris).await.unwrap(), 0);
    publish(&store, id, &["1", "2", "3"], 3).await;
    let other = NodeConfiguration { title: "B".to_owned(), ..NodeConfiguration::of_service() };
    assert_eq!(store.configure_node(id, other.clone(), 1).await.unwrap(), ["1", "2"]);
    let view = store.node(&place, "b", &paris).await.unwrap().expect("the node");
    assert_eq!(view.node.configuration, other);
    store.delete_node(id).await.unwrap();
    assert!(store.node(&place, "b", &paris).await.unwrap().is_none());
    assert!(matches!(store.delete_node(id).await, Err(StoreError::NotFound)));
    let late = store.publish_item(id, item("1"), 1, WhenFull::Evict).await;
    assert!(matches!(late, Err(StoreError::NotFound)));
    assert_ne!(make(&store, "b").await, id);
}

pub(crate) async fn keeps_items(store: Arc<dyn Store>) {
    let id = make(&store, "n").await;
    assert_eq!(kept(&store, id, ItemQuery::Last(5)).await, (String::new(), 0, 0));
    assert_eq!(publish(&store, id, &["1", "2", "3", "4"], 3).await, ["1"]);
    // What is published again is the newest.
    assert_eq!(publish(&store, id, &["2"], 3).await, [""; 0]);
    assert_eq!(kept(&store, id, ItemQuery::First(9)).await, ("3 4 2".to_owned(), 0, 3));
    assert_eq!(kept(&store, id, ItemQuery::Last(2)).await, ("4 2".to_owned(), 1, 3));
    assert_eq!(kept(&store, id, ItemQuery::First(1)).await, ("3".to_owned(), 0, 3));
    assert_eq!(kept(&store, id, ItemQuery::After("3".to_owned(), 1)).await, ("4".to_owned(), 1, 3));
    assert_eq!(kept(&store, id, ItemQuery::Before("2".to_owned(), 1)).await, ("4".to_owned(), 1, 3));
    let unknown = store.items(id, ItemQuery::After("1".to_owned(), 1)).await;
    assert!(matches!(unknown, Err(StoreError::NotFound)));
    let named = ["2", "1", "3"].map(str::to_owned);
    assert_eq!(store.items_by_id(id, &named).await.unwrap(), [item("2"), item("3")]);
    assert_eq!(store.publish_item(id, item("5"), 3, WhenFull::Refuse).await.unwrap(), None);
    assert_eq!(store.publish_item(id, item("4"), 3, WhenFull::Refuse).await.unwrap(), Some(Vec::new()));
    assert_eq!(store.retract_items(id, &named).await.unwrap(), ["2", "3"]);
    assert_eq!(kept(&store, id, ItemQuery::Last(5)).await, ("4".to_owned(), 0, 1));
    assert_eq!(store.expire_items(id, 7).await.unwrap(), 0);
    assert_eq!(store.expire_items(id, 8).await.unwrap(), 1);
    publish(&store, id, &["6"], 3).await;
    store.purge_items(id).await.unwrap();
    assert_eq!(kept(&store, id, ItemQuery::Last(5)).await.2, 0);
}

/// Items go once they have stayed for as long as their node lets them, a few at a time.
pub(crate) async fn expires_items_of_all_nodes(store: Arc<dyn Store>) {
    let (lasting, fleeting) = (make(&store, "lasting").await, make(&store, "fleeting").await);
    for id in [lasting, fleeting] {
        publish(&store, id, &["1", "2", "3"], 3).await;
    }
    let minute = NodeConfiguration { item_expire_s: Some(60), ..NodeConfiguration::of_service() };
    store.configure_node(fleeting, minute, 3).await.unwrap();
    assert_eq!(store.expire_due_items(60_007, 9).await.unwrap(), 0);
    assert_eq!(store.expire_due_items(60_008, 2).await.unwrap(), 2);
    assert_eq!(store.expire_due_items(60_008, 2).await.unwrap(), 1);
    assert_eq!(store.expire_due_items(60_008, 2).await.unwrap(), 0);
    assert_eq!(kept(&store, lasting, ItemQuery::Last(9)).await.2, 3);
    store.configure_node(lasting, NodeConfiguration::of_service(), 3).await.unwrap();
    assert_eq!(store.expire_due_items(u64::from(u32::MAX), 9).await.unwrap(), 0);
}

/// What goes with somebody's presence is found by his address, and is what the configuration and the options say now.
pub(crate) async fn finds_what_goes_with_presence(store: Arc<dyn Store>) {
    let (juliet, paris) = (jid("juliet@capulet.example"), jid("paris@verona.example"));
    let (a, b) = (make(&store, "a").await, make(&store, "b").await);
    assert!(store.bound_to_presence().await.unwrap().is_empty());
    publish(&store, a, &["1"], 3).await;
    let purging = NodeConfiguration { purge_offline: true, ..NodeConfiguration::of_service() };
    store.configure_node(a, purging.clone(), 3).await.unwrap();
    publish(&store, a, &["2"], 3).await;
    let his = Item { publisher: jid("paris@verona.example/x"), ..item("3") };
    store.publish_item(a, his, 3, WhenFull::Evict).await.unwrap();
    let temporary = Subscription {
        options: "expires presence\n".to_owned(),
        ..subscription("t", "paris@verona.example/y")
    };
    store.put_subscription(b, temporary.clone()).await.unwrap();
    store.put_subscription(b, subscription("s", "paris@verona.example")).await.unwrap();
    store.put_subscription(b, subscription("j", "juliet@capulet.example")).await.unwrap();
    assert_eq!(store.bound_to_presence().await.unwrap(), [juliet.clone(), paris.clone()]);
    let seen = |all: Vec<Fleeting>| {
        all.into_iter().map(|one| (one.node.id, one.subscriptions, one.items)).collect::<Vec<_>>()
    };
    let items = vec!["1".to_owned(), "2".to_owned()];
    assert_eq!(seen(store.goes_with_presence(&juliet).await.unwrap()), [(a, vec![], items)]);
    let expected = [(a, vec![], vec!["3".to_owned()]), (b, vec![temporary], vec![])];
    assert_eq!(seen(store.goes_with_presence(&paris).await.unwrap()), expected);
    store.configure_node(a, NodeConfiguration::of_service(), 3).await.unwrap();
    store.put_subscription(b, subscription("t", "paris@verona.example/y")).await.unwrap();
    assert!(store.bound_to_presence().await.unwrap().is_empty());
    assert!(store.goes_with_presence(&paris).await.unwrap().is_empty());
}

pub(crate) async fn tells_last_items(store: Arc<dyn Store>) {
    let tune = make(&store, "tune").await;
    let mood = make(&store, "mood").await;
    let quiet = make(&store, "quiet").await;
    make(&store, "empty").await;
    for node in [tune, mood, quiet] {
        publish(&store, node, &["1", "2"], 5).await;
    }
    let silent = NodeConfiguration { send_last: SendLast::OnSub, ..NodeConfiguration::personal() };
    store.configure_node(quiet, silent, 5).await.unwrap();
    let wanted = |nodes: &[&str]| LastWanted {
        places: vec![jid("nobody@capulet.example"), jid(SERVICE)],
        who: jid("juliet@capulet.example"),
        nodes: nodes.iter().map(|node| Box::from(*node)).collect(),
        items: 10,
        bytes: 1000,
    };
    let found = store.last_items(wanted(&["empty", "quiet", "tune"])).await.unwrap();
    assert_eq!(found.len(), 1);
    let (view, last) = &found[0];
    assert_eq!((view.node.id, view.affiliation, &last.id), (tune, Affiliation::Owner, &"2".to_owned()));
    assert_eq!(store.last_items(wanted(&["mood", "tune"])).await.unwrap().len(), 2);
    assert!(store.last_items(wanted(&[])).await.unwrap().is_empty());
    for (items, bytes) in [(1, 1000), (10, 0)] {
        let few = LastWanted { items, bytes, ..wanted(&["mood", "tune"]) };
        assert_eq!(store.last_items(few).await.unwrap().len(), 1);
    }
    assert_eq!(store.places_with_last_items().await.unwrap(), [jid(SERVICE)]);
}

pub(crate) async fn keeps_affiliations_and_subscriptions(store: Arc<dyn Store>) {
    let (id, place, paris) = (make(&store, "n").await, jid(SERVICE), jid("paris@x.example"));
    make(&store, "other").await;
    let changes =
        vec![(paris.clone(), Affiliation::Publisher), (jid("tybalt@x.example"), Affiliation::Outcast)];
    store.put_node_affiliations(id, changes).await.unwrap();
    let all = store.node_affiliations(id).await.unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.contains(&(jid("tybalt@x.example"), Affiliation::Outcast)));
    store.put_node_affiliations(id, vec![(paris.clone(), Affiliation::None)]).await.unwrap();
    assert_eq!(store.node_affiliations(id).await.unwrap().len(), 2);
    assert!(store.nodes_of(&place, &paris).await.unwrap().is_empty());
    for one in [subscription("1", "paris@x.example/street"), subscription("2", "romeo@x.example")] {
        store.put_subscription(id, one).await.unwrap();
    }
    let mine = store.nodes_of(&place, &paris).await.unwrap();
    assert_eq!(mine.len(), 1);
    assert_eq!(mine[0].subscriptions, [subscription("1", "paris@x.example/street")]);
    let pending =
        Subscription { state: SubscriptionState::Pending, ..subscription("1", "paris@x.example/street") };
    store.put_subscription(id, pending.clone()).await.unwrap();
    assert_eq!(store.subscriptions(id).await.unwrap(), [pending, subscription("2", "romeo@x.example")]);
    let (affiliations, subscriptions) = store.audience(id).await.unwrap();
    assert_eq!((affiliations.len(), subscriptions.len()), (2, 2));
    store.delete_subscription(id, "1").await.unwrap();
    store.delete_subscription(id, "1").await.unwrap();
    assert_eq!(store.subscriptions(id).await.unwrap().len(), 1);
    store.delete_node(id).await.unwrap();
    let late = store.put_subscription(id, subscription("3", "paris@x.example")).await;
    assert!(matches!(late, Err(StoreError::NotFound)));
    assert!(store.put_node_affiliations(id, Vec::new()).await.is_err());
}

pub(crate) async fn nodes_go_with_their_account(store: Arc<dyn Store>) {
    let juliet = account(&store, "juliet@capulet.example").await;
    let own = new_node("juliet@capulet.example", Some(juliet.id), "tune");
    let own = store.create_node(own).await.unwrap();
    publish(&store, own, &["1"], 1).await;
    let shared = make(&store, "shared").await;
    store.put_subscription(shared, subscription("1", "juliet@capulet.example/a")).await.unwrap();
    assert!(store.node_affiliations(own).await.unwrap().is_empty());
    store.delete_account(juliet.id).await.unwrap();
    assert!(store.node(&juliet.jid, "tune", &juliet.jid).await.unwrap().is_none());
    assert!(store.node(&jid(SERVICE), "shared", &juliet.jid).await.unwrap().is_some());
    assert!(store.nodes_of(&jid(SERVICE), &juliet.jid).await.unwrap().is_empty());
}
