//! Contract: rosters and their versions (RFC 6121 section 2.6).

use super::*;
use waxwing_chat::roster::{RosterItem, Subscription};
use waxwing_chat::store::StoreError;

pub(crate) fn item(contact: &str) -> RosterItem {
    RosterItem {
        jid: jid(contact),
        name: None,
        groups: Vec::new(),
        subscription: Subscription::None,
        ask: false,
        approved: false,
        request: None,
        listed: true,
    }
}

pub(crate) async fn keeps_items(store: Arc<dyn Store>) {
    let owner = account(&store, "juliet@capulet.example").await.id;
    assert_eq!(store.roster_size(owner).await.unwrap(), 0);
    let full = RosterItem {
        name: Some("Roméo".into()),
        groups: vec!["Friends".into(), "line\nfeed".into(), String::new()],
        subscription: Subscription::Both,
        ask: true,
        approved: true,
        request: Some(b"<presence type='subscribe'/>".to_vec()),
        listed: false,
        ..item("romeo@montague.example")
    };
    store.put_roster_item(owner, full.clone()).await.unwrap();
    for (contact, subscription) in [
        ("a@x.example", Subscription::None),
        ("b@x.example", Subscription::To),
        ("x.example", Subscription::From),
    ] {
        store.put_roster_item(owner, RosterItem { subscription, ..item(contact) }).await.unwrap();
    }
    assert_eq!(store.roster_item(owner, &full.jid).await.unwrap(), Some(full.clone()));
    assert_eq!(store.roster_item(owner, &jid("nobody@x.example")).await.unwrap(), None);
    assert_eq!(store.roster_size(owner).await.unwrap(), 4);
    let mut items = store.roster(owner).await.unwrap().items;
    items.sort_by(|a, b| a.jid.as_str().cmp(b.jid.as_str()));
    let subscriptions: Vec<_> = items.iter().map(|item| item.subscription).collect();
    use Subscription::{Both, From, To};
    assert_eq!(subscriptions, [Subscription::None, To, Both, From]);
    assert_eq!(items[2], full);

    let renamed = RosterItem { name: None, groups: Vec::new(), ..full };
    store.put_roster_item(owner, renamed.clone()).await.unwrap();
    assert_eq!(store.roster_item(owner, &renamed.jid.clone()).await.unwrap(), Some(renamed));
    assert_eq!(store.roster_size(owner).await.unwrap(), 4);
}

pub(crate) async fn counts_versions(store: Arc<dyn Store>) {
    let owner = account(&store, "juliet@capulet.example").await.id;
    let before = store.roster(owner).await.unwrap().version;
    let first = store.put_roster_item(owner, item("a@x.example")).await.unwrap();
    let second = store.put_roster_item(owner, item("b@x.example")).await.unwrap();
    let third = store.remove_roster_item(owner, &jid("a@x.example")).await.unwrap();
    assert!(before < first && first < second && second < third);
    assert_eq!(store.roster(owner).await.unwrap().version, third);
    let missing = store.remove_roster_item(owner, &jid("a@x.example")).await;
    assert!(matches!(missing, Err(StoreError::NotFound)));
    assert_eq!(store.roster(owner).await.unwrap().version, third, "what failed changed nothing");
}

pub(crate) async fn tells_changes(store: Arc<dyn Store>) {
    let owner = account(&store, "juliet@capulet.example").await.id;
    let start = store.roster(owner).await.unwrap().version;
    for contact in ["a@x.example", "b@x.example", "c@x.example"] {
        store.put_roster_item(owner, item(contact)).await.unwrap();
    }
    let middle = store.roster(owner).await.unwrap().version;
    store.remove_roster_item(owner, &jid("b@x.example")).await.unwrap();
    store.put_roster_item(owner, item("a@x.example")).await.unwrap();
    let names = async |since| {
        let changes = store.roster_changes(owner, since).await.unwrap().expect("the changes are known");
        let changed: Vec<_> = changes.changed.iter().map(|(_, i)| i.jid.as_str().to_owned()).collect();
        let removed: Vec<_> = changes.removed.iter().map(|(_, j)| j.as_str().to_owned()).collect();
        assert!(changes.changed.iter().all(|(version, _)| since < *version && *version <= changes.version));
        (changed, removed)
    };
    assert_eq!(names(middle).await, (vec!["a@x.example".into()], vec!["b@x.example".into()]));
    assert_eq!(
        names(start).await,
        (vec!["c@x.example".into(), "a@x.example".into()], vec!["b@x.example".into()]),
        "in the order of the last changes"
    );
    store.put_roster_item(owner, item("b@x.example")).await.unwrap();
    assert_eq!(names(middle).await, (vec!["a@x.example".into(), "b@x.example".into()], vec![]));
    let now = store.roster(owner).await.unwrap().version;
    assert_eq!(names(now).await, (vec![], vec![]));
    assert_eq!(store.roster_changes(owner, now + 1).await.unwrap(), None, "a version never given out");
}

pub(crate) async fn forgets_old_removals(store: Arc<dyn Store>) {
    let owner = account(&store, "juliet@capulet.example").await.id;
    store.put_roster_item(owner, item("first@x.example")).await.unwrap();
    let early = store.remove_roster_item(owner, &jid("first@x.example")).await.unwrap();
    let mut late = early;
    // However many removals a store remembers, it says so when it has forgotten one that is asked for.
    for n in 0..1100 {
        let contact = format!("c{n}@x.example");
        store.put_roster_item(owner, item(&contact)).await.unwrap();
        late = store.remove_roster_item(owner, &jid(&contact)).await.unwrap();
    }
    if let Some(changes) = store.roster_changes(owner, early).await.unwrap() {
        assert_eq!(changes.removed.len(), 1100);
    }
    assert_eq!(store.roster_changes(owner, late).await.unwrap().unwrap().removed, []);
    assert_eq!(store.roster_changes(owner, late - 1).await.unwrap().unwrap().removed.len(), 1);
}

pub(crate) async fn refuses_strangers(store: Arc<dyn Store>) {
    let nobody = AccountId(404);
    assert!(matches!(store.roster(nobody).await, Err(StoreError::NotFound)));
    assert!(matches!(store.put_roster_item(nobody, item("a@x.example")).await, Err(StoreError::NotFound)));
}
