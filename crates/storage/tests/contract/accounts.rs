//! Contract: accounts.

use super::*;
use waxwing_chat::account::AccountChange;
use waxwing_chat::roster::RosterItem;
use waxwing_chat::store::{DocumentKind, SavedStream, StoreError};

pub(crate) async fn keeps_what_is_created(store: Arc<dyn Store>) {
    let created = account(&store, "juliet@capulet.example").await;
    assert_eq!(created.jid, jid("juliet@capulet.example"));
    assert_eq!(created.verifiers.len(), 1);
    assert!(!created.disabled && created.expires_ms.is_none() && created.delivered == ArchiveId(0));
    assert_eq!(store.account(&created.jid).await.unwrap(), Some(created));
    assert_eq!(store.account(&jid("romeo@montague.example")).await.unwrap(), None);
}

pub(crate) async fn refuses_a_taken_address(store: Arc<dyn Store>) {
    let first = account(&store, "juliet@capulet.example").await;
    let new = NewAccount {
        jid: first.jid.clone(),
        name: Some("another".into()),
        role: Role::Administrator,
        verifiers: Vec::new(),
        created_ms: 1,
    };
    assert!(matches!(store.create_account(new).await, Err(StoreError::Conflict)));
    assert_eq!(store.account(&first.jid.clone()).await.unwrap(), Some(first));
}

/// A store that counts changes has counted one before its caller learns that it is made, and counts nothing else.
pub(crate) async fn counts_changes(store: Arc<dyn Store>) {
    let juliet = account(&store, "juliet@capulet.example").await;
    let Some(mut before) = store.account_changes() else { return };
    let mut counted = |what: &str, expected: bool| {
        let now = store.account_changes().expect("it counts");
        assert_eq!(now != before, expected, "{what}");
        before = now;
    };
    let nurse = account(&store, "nurse@capulet.example").await;
    counted("an account is made", true);
    store.change_account(juliet.id, AccountChange::Disabled(true)).await.unwrap();
    counted("an account is changed", true);
    let id = append(&store, message(&nurse, &juliet, "My lady")).await;
    counted("a message is archived", false);
    store.set_delivered(juliet.id, id).await.unwrap();
    counted("a message is delivered", true);
    store.account(&juliet.jid).await.unwrap();
    counted("an account is read", false);
    store.delete_account(juliet.id).await.unwrap();
    counted("an account is deleted", true);
}

pub(crate) async fn lists_in_order(store: Arc<dyn Store>) {
    for address in ["c@b.example", "a@b.example", "b@a.example", "b@b.example"] {
        account(&store, address).await;
    }
    let list = async |domain, after: Option<&str>, limit| {
        let after = after.map(jid);
        let found = store.accounts(domain, after.as_ref(), limit).await.unwrap();
        found.iter().map(|a| a.jid.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 10).await, ["a@b.example", "b@a.example", "b@b.example", "c@b.example"]);
    assert_eq!(list(Some("b.example"), None, 2).await, ["a@b.example", "b@b.example"]);
    assert_eq!(list(Some("b.example"), Some("b@b.example"), 2).await, ["c@b.example"]);
    assert_eq!(list(Some("c.example"), None, 10).await, [""; 0]);
}

pub(crate) async fn changes_each_aspect(store: Arc<dyn Store>) {
    let mut expected = account(&store, "juliet@capulet.example").await;
    let changes = [
        AccountChange::Verifiers(vec!["X$1".into(), "Y$2\nand more".into()]),
        AccountChange::Disabled(true),
        AccountChange::Expires(Some(99)),
        AccountChange::Name(Some("Juliet".into())),
        AccountChange::Role(Role::Administrator),
        AccountChange::LastSeen { at_ms: 5, status: Some("asleep".into()) },
    ];
    for change in changes {
        store.change_account(expected.id, change).await.unwrap();
    }
    expected.verifiers = vec!["X$1".into(), "Y$2\nand more".into()];
    (expected.disabled, expected.expires_ms, expected.role) = (true, Some(99), Role::Administrator);
    expected.name = Some("Juliet".into());
    (expected.last_seen_ms, expected.last_status) = (Some(5), Some("asleep".into()));
    assert_eq!(store.account(&expected.jid).await.unwrap().as_ref(), Some(&expected));

    store.set_delivered(expected.id, ArchiveId(7)).await.unwrap();
    store.set_delivered(expected.id, ArchiveId(5)).await.unwrap();
    expected.delivered = ArchiveId(7);
    assert_eq!(store.account(&expected.jid).await.unwrap(), Some(expected), "the mark never moves back");

    let nobody = AccountId(999);
    let change = AccountChange::Disabled(true);
    assert!(matches!(store.change_account(nobody, change).await, Err(StoreError::NotFound)));
    assert!(matches!(store.set_delivered(nobody, ArchiveId(1)).await, Err(StoreError::NotFound)));
}

pub(crate) async fn adds_verifiers_by_hash(store: Arc<dyn Store>) {
    let created = account(&store, "juliet@capulet.example").await;
    for verifier in ["SCRAM-SHA-512$1:x$y:z", "SCRAM-SHA-256$2:new$y:z"] {
        store.change_account(created.id, AccountChange::AddVerifier(verifier.into())).await.unwrap();
    }
    let found = store.account(&created.jid).await.unwrap().unwrap().verifiers;
    assert_eq!(found, ["SCRAM-SHA-512$1:x$y:z", "SCRAM-SHA-256$2:new$y:z"]);
}

pub(crate) async fn deletes_everything_of_an_account(store: Arc<dyn Store>) {
    let juliet = account(&store, "juliet@capulet.example").await;
    let romeo = account(&store, "romeo@montague.example").await;
    let item = RosterItem { jid: romeo.jid.clone(), ..rosters::item("x@example.org") };
    store.put_roster_item(juliet.id, item).await.unwrap();
    store.block(juliet.id, &[jid("paris@example.org")]).await.unwrap();
    store.put_document(juliet.id, DocumentKind::PrivateXml, "{a}b", Some("<b/>")).await.unwrap();
    let stream = SavedStream { id: "s".into(), owner: juliet.id, expires_ms: 9, state: vec![1] };
    store.save_streams(vec![stream]).await.unwrap();
    append(&store, message(&juliet, &romeo, "farewell")).await;

    store.delete_account(juliet.id).await.unwrap();
    assert_eq!(store.account(&juliet.jid).await.unwrap(), None);
    assert!(matches!(store.delete_account(juliet.id).await, Err(StoreError::NotFound)));
    let late = store.put_document(juliet.id, DocumentKind::PrivateXml, "{a}b", Some("<b/>")).await;
    assert!(matches!(late, Err(StoreError::NotFound)), "nothing is kept for who is gone");
    assert_eq!(store.take_stream("s").await.unwrap(), None);

    let again = account(&store, "juliet@capulet.example").await;
    assert_ne!(again.id, juliet.id, "an identity is never used again");
    assert_eq!(store.roster(again.id).await.unwrap().items, []);
    assert_eq!(store.blocked(again.id).await.unwrap(), []);
    assert_eq!(found(&store, query(again.id)).await, []);
    assert_eq!(found(&store, query(juliet.id)).await, []);
    assert_eq!(found(&store, query(romeo.id)).await.len(), 1);
}
