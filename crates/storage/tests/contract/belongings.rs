//! Contract: blocklists, documents, tokens, invitations, suspended streams, settings, audit.

use super::*;
use waxwing_chat::audit::AuditEntry;
use waxwing_chat::invitation::Invitation;
use waxwing_chat::store::{DocumentKind, SavedStream, StoreError};
use waxwing_chat::token::Token;

pub(crate) async fn blocks_and_unblocks(store: Arc<dyn Store>) {
    let owner = account(&store, "juliet@capulet.example").await.id;
    let (paris, spam, full) = (jid("paris@x.example"), jid("spam.example"), jid("a@x.example/phone"));
    store.block(owner, &[paris.clone(), spam.clone()]).await.unwrap();
    store.block(owner, &[paris.clone(), full.clone()]).await.unwrap();
    let list = async || {
        let mut list = store.blocked(owner).await.unwrap();
        list.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        list
    };
    assert_eq!(list().await, [full.clone(), paris.clone(), spam.clone()]);
    store.unblock(owner, Some(&[paris.clone(), jid("unknown@x.example")])).await.unwrap();
    assert_eq!(list().await, [full, spam]);
    store.unblock(owner, None).await.unwrap();
    assert_eq!(list().await, []);
}

pub(crate) async fn keeps_documents(store: Arc<dyn Store>) {
    let owner = account(&store, "juliet@capulet.example").await.id;
    let kind = DocumentKind::PrivateXml;
    store.put_document(owner, kind, "{b}x", Some("<x xmlns='b'/>")).await.unwrap();
    store.put_document(owner, kind, "{a}x", Some("old")).await.unwrap();
    store.put_document(owner, kind, "{a}x", Some("new")).await.unwrap();
    store.put_document(owner, DocumentKind::ArchivePreferences, "", Some("always")).await.unwrap();
    assert_eq!(store.document(owner, kind, "{a}x").await.unwrap().as_deref(), Some("new"));
    assert_eq!(store.document(owner, DocumentKind::ArchivePreferences, "{a}x").await.unwrap(), None);
    let all = store.documents(owner, kind).await.unwrap();
    assert_eq!(all, [("{a}x".into(), "new".into()), ("{b}x".into(), "<x xmlns='b'/>".to_owned())]);
    store.put_document(owner, kind, "{a}x", None).await.unwrap();
    assert_eq!(store.document(owner, kind, "{a}x").await.unwrap(), None);
}

pub(crate) async fn keeps_tokens(store: Arc<dyn Store>) {
    let owner = account(&store, "juliet@capulet.example").await.id;
    let token = |agent: &str, secret: &str, created_ms, count| Token {
        owner,
        agent: agent.into(),
        mechanism: "HT-SHA-256-EXPR".into(),
        secret: secret.into(),
        created_ms,
        expires_ms: 99,
        count,
    };
    let (old, new, other) =
        (token("phone", "s1", 1, None), token("phone", "s2", 2, Some(3)), token("tablet", "s3", 1, None));
    for token in [&old, &new, &other] {
        store.put_token(token.clone()).await.unwrap();
    }
    let counted = Token { count: Some(u32::MAX), ..new };
    store.put_token(counted.clone()).await.unwrap();
    let mut found = store.tokens(owner, "phone").await.unwrap();
    found.sort_by_key(|t| t.created_ms);
    assert_eq!(found, [old, counted.clone()]);
    store.delete_tokens(owner, Some("phone"), Some("s1")).await.unwrap();
    assert_eq!(store.tokens(owner, "phone").await.unwrap(), [counted]);
    store.delete_tokens(owner, Some("phone"), None).await.unwrap();
    assert_eq!(store.tokens(owner, "phone").await.unwrap(), []);
    assert_eq!(store.tokens(owner, "tablet").await.unwrap(), std::slice::from_ref(&other));
    store.delete_tokens(owner, None, None).await.unwrap();
    assert_eq!(store.tokens(owner, "tablet").await.unwrap(), []);
    store.put_token(other.clone()).await.unwrap();
    store.delete_tokens(owner, None, Some("s3")).await.unwrap();
    assert_eq!(store.tokens(owner, "tablet").await.unwrap(), []);
}

pub(crate) async fn redeems_invitations(store: Arc<dyn Store>) {
    let now_ms = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let invitation = |token: &str, expires_ms, uses_left| Invitation {
        token: token.into(),
        register_at: Some("capulet.example".into()),
        username: None,
        inviter: Some(jid("juliet@capulet.example")),
        created_ms: now_ms,
        expires_ms,
        uses_left,
    };
    let twice = invitation("twice", now_ms + 1_000_000, 2);
    store.put_invitation(twice.clone()).await.unwrap();
    store.put_invitation(invitation("late", now_ms - 1, 1)).await.unwrap();
    assert_eq!(store.invitation("twice").await.unwrap(), Some(twice.clone()));
    assert_eq!(store.invitations().await.unwrap(), std::slice::from_ref(&twice), "not the expired one");
    assert_eq!(store.redeem_invitation("late", now_ms).await.unwrap(), None);
    assert_eq!(store.redeem_invitation("unknown", now_ms).await.unwrap(), None);
    // Many at once share two uses.
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.redeem_invitation("twice", now_ms).await.unwrap() })
        })
        .collect();
    let mut uses = Vec::new();
    for redeemed in tries {
        uses.extend(redeemed.await.unwrap().map(|i| i.uses_left));
    }
    uses.sort_unstable();
    assert_eq!(uses, [0, 1]);
    assert_eq!(store.invitations().await.unwrap(), []);
    store.put_invitation(twice).await.unwrap();
    store.delete_invitation("twice").await.unwrap();
    assert!(matches!(store.delete_invitation("twice").await, Err(StoreError::NotFound)));
}

pub(crate) async fn takes_streams_once(store: Arc<dyn Store>) {
    let owner = account(&store, "juliet@capulet.example").await.id;
    let stream =
        |id: &str, expires_ms| SavedStream { id: id.into(), owner, expires_ms, state: vec![1, 2, 3] };
    store.save_streams(vec![stream("a", 10), stream("b", 20), stream("c", 30)]).await.unwrap();
    assert_eq!(store.take_stream("a").await.unwrap(), Some(stream("a", 10)));
    assert_eq!(store.take_stream("a").await.unwrap(), None);
    assert_eq!(store.take_expired_streams(20).await.unwrap(), [stream("b", 20)]);
    assert_eq!(store.take_expired_streams(20).await.unwrap(), []);
    assert_eq!(store.take_stream("c").await.unwrap(), Some(stream("c", 30)));
}

pub(crate) async fn removes_what_has_expired(store: Arc<dyn Store>) {
    let owner = account(&store, "juliet@capulet.example").await.id;
    for number in 0..5 {
        let token = Token {
            owner,
            agent: "phone".into(),
            mechanism: "HT-SHA-256-EXPR".into(),
            secret: format!("s{number}"),
            created_ms: 1,
            expires_ms: if number < 3 { 10 } else { 30 },
            count: None,
        };
        store.put_token(token).await.unwrap();
        let invitation = Invitation {
            token: format!("i{number}"),
            register_at: Some("capulet.example".into()),
            username: None,
            inviter: None,
            created_ms: 1,
            expires_ms: if number < 3 { 10 } else { 30 },
            uses_left: 1,
        };
        store.put_invitation(invitation).await.unwrap();
    }
    assert_eq!(store.remove_expired(9, 100).await.unwrap(), 0);
    assert_eq!(store.remove_expired(10, 2).await.unwrap(), 4, "so many of each");
    assert_eq!(store.remove_expired(10, 2).await.unwrap(), 2);
    assert_eq!(store.remove_expired(29, 2).await.unwrap(), 0);
    let left = store.tokens(owner, "phone").await.unwrap();
    assert!(left.len() == 2 && left.iter().all(|token| token.expires_ms == 30), "{left:?}");
    assert!(
        store.invitation("i0").await.unwrap().is_none() && store.invitation("i4").await.unwrap().is_some()
    );
}

pub(crate) async fn keeps_settings(store: Arc<dyn Store>) {
    assert_eq!(store.setting("secret").await.unwrap(), None);
    store.put_setting("secret", "one").await.unwrap();
    store.put_setting("secret", "two").await.unwrap();
    assert_eq!(store.setting("secret").await.unwrap().as_deref(), Some("two"));
    store.ping().await.unwrap();
    assert!(store.status().await.unwrap().bytes > 0);
}

pub(crate) async fn chains_the_audit_log(store: Arc<dyn Store>) {
    let entry = |n: u64| AuditEntry {
        at_ms: n,
        actor: "local".into(),
        action: "user.add".into(),
        target: format!("u{n}@localhost"),
        detail: String::new(),
    };
    assert_eq!(store.verify_audit().await.unwrap(), None);
    for n in 1..=5 {
        store.append_audit(entry(n)).await.unwrap();
    }
    let newest = store.audit(None, 2).await.unwrap();
    assert_eq!(newest.iter().map(|r| r.number).collect::<Vec<_>>(), [5, 4]);
    assert_eq!(newest[0].entry, entry(5));
    let older = store.audit(Some(4), 10).await.unwrap();
    assert_eq!(older.iter().map(|r| r.number).collect::<Vec<_>>(), [3, 2, 1]);
    let hashes: std::collections::HashSet<_> = newest.iter().chain(&older).map(|r| &r.hash).collect();
    assert_eq!(hashes.len(), 5);
    assert_eq!(store.verify_audit().await.unwrap(), None);
}
