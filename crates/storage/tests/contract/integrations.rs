//! Access tokens, subscriptions to pushes, webhooks and their dead letters.

use std::sync::Arc;

use waxwing_chat::access::AccessToken;
use waxwing_chat::account::Account;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::push::subscriptions::{Channel, Subscription};
use waxwing_chat::rosters::Owner;
use waxwing_chat::store::{Store, StoreError};
use waxwing_chat::webhooks::{DeadLetter, Way, Webhook};

use super::{account, jid};

fn token(owner: &Account, id: &str) -> AccessToken {
    AccessToken {
        id: id.to_owned(),
        owner: Owner::from(owner),
        name: "a bot".to_owned(),
        scopes: "people files".parse().expect("scopes"),
        hash: vec![1, 2, 3],
        created_ms: 1,
        expires_ms: Some(2),
        used_ms: None,
    }
}

fn outgoing(owner: &Account, id: &str) -> Webhook {
    let (url, secret) = ("https://example.org/".to_owned(), "secret".to_owned());
    let way = Way::Outgoing { url, secret, of: None, position: ArchiveId(5) };
    Webhook { id: id.to_owned(), owner: Owner::from(owner), name: "out".to_owned(), created_ms: 1, way }
}

fn dead(message: u64) -> DeadLetter {
    DeadLetter { message: ArchiveId(message), attempts: 3, reason: "gone".to_owned(), at_ms: 9 }
}

pub(crate) async fn keeps_access_tokens(store: Arc<dyn Store>) {
    let (romeo, juliet) =
        (account(&store, "romeo@montague.lit").await, account(&store, "juliet@capulet.lit").await);
    for (owner, id) in [(&romeo, "b"), (&juliet, "a"), (&romeo, "c")] {
        store.put_access_token(token(owner, id)).await.expect("kept");
    }
    assert_eq!(store.access_token("b").await.expect("read"), Some(token(&romeo, "b")));
    let ids = async |owner: Option<&Account>, after, limit| {
        let found = store.access_tokens(owner.map(|owner| owner.id), after, limit).await.expect("listed");
        found.into_iter().map(|token| token.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None, 10).await, ["a", "b", "c"]);
    assert_eq!(ids(Some(&romeo), Some("b"), 10).await, ["c"]);
    assert_eq!(ids(None, None, 1).await, ["a"]);
    store.note_access("b", 7).await.expect("noted");
    store.note_access("nobody's", 7).await.expect("nothing happens");
    assert_eq!(store.access_token("b").await.expect("read").and_then(|token| token.used_ms), Some(7));
    store.delete_access_token("b").await.expect("deleted");
    assert!(matches!(store.delete_access_token("b").await, Err(StoreError::NotFound)));
}

pub(crate) async fn keeps_push_subscriptions(store: Arc<dyn Store>) {
    let romeo = account(&store, "romeo@montague.lit").await;
    let web =
        Channel::Web { endpoint: "https://push.lit/1".to_owned(), p256dh: vec![4; 65], auth: vec![1; 16] };
    let service =
        Channel::Xmpp { service: jid("push.lit"), node: "n".to_owned(), options: Some("<x/>".to_owned()) };
    let of = |channel: Channel, device: &str| Subscription {
        owner: Owner::from(&romeo),
        device: device.to_owned(),
        created_ms: 1,
        channel,
    };
    for subscription in [of(web.clone(), "old"), of(web.clone(), "new"), of(service.clone(), "phone")] {
        store.put_push_subscription(subscription).await.expect("kept");
    }
    let found = store.push_subscriptions(Some(romeo.id)).await.expect("listed");
    assert_eq!(found, [of(web, "new"), of(service.clone(), "phone")], "one key, one subscription");
    assert_eq!(store.push_subscriptions(None).await.expect("listed"), found);
    store.delete_push_subscription(romeo.id, &found[0].key()).await.expect("deleted");
    store.delete_push_subscription(romeo.id, &found[0].key()).await.expect("nothing happens");
    assert_eq!(store.push_subscriptions(None).await.expect("listed"), [of(service, "phone")]);
}

pub(crate) async fn keeps_webhooks(store: Arc<dyn Store>) {
    let romeo = account(&store, "romeo@montague.lit").await;
    let way = Way::Incoming { hash: vec![7], to: jid("balcony@rooms.capulet.lit") };
    let incoming = Webhook { id: "a".to_owned(), way, ..outgoing(&romeo, "a") };
    for hook in [outgoing(&romeo, "b"), incoming.clone()] {
        store.put_webhook(hook).await.expect("kept");
    }
    assert_eq!(store.webhooks().await.expect("listed"), [incoming, outgoing(&romeo, "b")]);
    let position = async || match store.webhook("b").await.expect("read").expect("there").way {
        Way::Outgoing { position, .. } => position.0,
        Way::Incoming { .. } => 0,
    };
    store.pass_webhook("b", ArchiveId(8), None, 2).await.expect("passed");
    store.pass_webhook("b", ArchiveId(6), None, 2).await.expect("passed");
    assert_eq!(position().await, 8, "never backwards");
    for message in [9, 10, 11] {
        store.pass_webhook("b", ArchiveId(message), Some(dead(message)), 2).await.expect("passed");
    }
    store.pass_webhook("nobody's", ArchiveId(9), Some(dead(9)), 2).await.expect("nothing happens");
    assert!(store.dead_letters("nobody's").await.expect("listed").is_empty());
    assert_eq!(position().await, 11);
    assert_eq!(store.dead_letters("b").await.expect("listed"), [dead(10), dead(11)], "the newest");
    store.delete_dead_letter("b", ArchiveId(10)).await.expect("deleted");
    assert_eq!(store.dead_letters("b").await.expect("listed"), [dead(11)]);
    store.delete_webhook("b").await.expect("deleted");
    assert!(matches!(store.delete_webhook("b").await, Err(StoreError::NotFound)));
    assert!(store.dead_letters("b").await.expect("listed").is_empty());
}

pub(crate) async fn integrations_go_with_their_account(store: Arc<dyn Store>) {
    let romeo = account(&store, "romeo@montague.lit").await;
    let channel =
        Channel::Web { endpoint: "https://push.lit/1".to_owned(), p256dh: vec![4; 65], auth: vec![1; 16] };
    let subscription =
        Subscription { owner: Owner::from(&romeo), device: "d".to_owned(), created_ms: 1, channel };
    let keep = async || {
        let token = store.put_access_token(token(&romeo, "a")).await;
        let subscription = store.put_push_subscription(subscription.clone()).await;
        (token, subscription, store.put_webhook(outgoing(&romeo, "a")).await)
    };
    assert!(matches!(keep().await, (Ok(()), Ok(()), Ok(()))));
    store.pass_webhook("a", ArchiveId(9), Some(dead(9)), 2).await.expect("passed");
    store.delete_account(romeo.id).await.expect("deleted");
    assert_eq!(store.access_token("a").await.expect("read"), None);
    assert!(store.push_subscriptions(None).await.expect("listed").is_empty());
    assert!(store.webhooks().await.expect("listed").is_empty());
    assert!(store.dead_letters("a").await.expect("listed").is_empty());
    let refused = keep().await;
    assert!(matches!(
        refused,
        (Err(StoreError::NotFound), Err(StoreError::NotFound), Err(StoreError::NotFound))
    ));
}
