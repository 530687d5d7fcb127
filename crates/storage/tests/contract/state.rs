//! Contract: labels of messages, with whom somebody talks, and what an account keeps in step.

use tokio::sync::oneshot;
use waxwing_chat::state::{StateChange, StateItem, StateKind};

use super::*;

async fn pair(store: &Arc<dyn Store>) -> (Account, Account) {
    (account(store, "juliet@capulet.example").await, account(store, "romeo@montague.example").await)
}

fn labelled(message: Append, labels: &[&str]) -> Append {
    Append { labels: labels.iter().map(|&label| label.to_owned()).collect(), ..message }
}

async fn with_any(store: &Arc<dyn Store>, owner: &Account, labels: &[&str], limit: usize) -> Vec<ArchiveId> {
    let labels = labels.iter().map(|&label| label.to_owned()).collect();
    let found = store.labelled(owner.id, labels, limit).await.expect("an answer");
    found.into_iter().map(|message| message.id).collect()
}

async fn put(store: &Arc<dyn Store>, changes: &[(&Account, StateKind, &str, Option<&str>)]) -> ArchiveId {
    let changes = changes.iter().map(|&(owner, kind, key, content)| StateChange {
        owner: owner.id,
        kind,
        key: key.to_owned(),
        content: content.map(str::to_owned),
    });
    let (done, told) = oneshot::channel();
    store.put_state(changes.collect(), Box::new(move |position| drop(done.send(position))));
    told.await.expect("it is told").expect("it is kept")
}

fn seen(items: &[StateItem]) -> Vec<(StateKind, &str, Option<&str>)> {
    items.iter().map(|item| (item.kind, item.key.as_str(), item.content.as_deref())).collect()
}

pub(crate) async fn finds_what_is_labelled(store: Arc<dyn Store>) {
    let (juliet, romeo) = pair(&store).await;
    let nurse = account(&store, "nurse@capulet.example").await;
    let mut ids = Vec::new();
    for n in 0..60 {
        // Enough of the others that some of it is no longer new to the store.
        let labels: &[&str] = match n % 6 {
            0 => &["about a", "has file"],
            3 => &["about b"],
            _ => &[],
        };
        ids.push(append(&store, labelled(message(&juliet, &romeo, &format!("line {n}")), labels)).await);
    }
    append(&store, labelled(message(&juliet, &nurse, "elsewhere"), &["about a"])).await;
    let about_a: Vec<_> = ids.iter().copied().step_by(6).collect();
    assert_eq!(with_any(&store, &romeo, &["about a"], 100).await, about_a);
    assert_eq!(with_any(&store, &romeo, &["about a"], 2).await, about_a[8..], "the newest of them");
    let both = with_any(&store, &romeo, &["about b", "about a", "about c"], 100).await;
    assert_eq!(both, ids.iter().copied().step_by(3).collect::<Vec<_>>(), "each once and in order");
    assert_eq!(with_any(&store, &romeo, &["about", "a"], 100).await, [], "whole labels only");
    let large = "x".repeat(200 * 1024);
    let mut heavy = Vec::new();
    for n in 0..4 {
        let said = message(&juliet, &romeo, &format!("{n} {large}"));
        heavy.push(append(&store, labelled(said, &["about d"])).await);
    }
    let newest = with_any(&store, &romeo, &["about d"], 100).await;
    assert_eq!(newest, heavy[2..], "no more than the newest that fit into the limit of bytes");
    assert_eq!(
        with_any(&store, &romeo, &["about d", "about b"], 100).await.len(),
        12,
        "each label for itself"
    );
    let asked = |labels: &[&str]| ArchiveQuery {
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        ..query(romeo.id)
    };
    assert_eq!(found(&store, asked(&["has file", "about a"])).await, about_a);
    assert_eq!(found(&store, asked(&["has file", "about b"])).await, []);
    let narrowed = ArchiveQuery { text: Some("line".into()), start: Some(about_a[9]), ..asked(&["about a"]) };
    assert_eq!(found(&store, narrowed).await, about_a[9..]);
}

pub(crate) async fn lists_conversations(store: Arc<dyn Store>) {
    let (juliet, romeo) = pair(&store).await;
    let nurse = account(&store, "nurse@capulet.example").await;
    let silent = |message: Append| Append { text: None, ..message };
    let mut last = ArchiveId(0);
    for n in 0..40 {
        append(&store, message(&juliet, &nurse, &format!("line {n}"))).await;
        last = append(&store, message(&romeo, &juliet, &format!("line {n}"))).await;
    }
    append(&store, silent(message(&nurse, &juliet, "a marker"))).await;
    let newest = ArchiveId(u64::MAX);
    let all = store.conversations(juliet.id, newest, 10).await.expect("an answer");
    let peers: Vec<&str> = all.iter().map(|(peer, _)| peer.as_str()).collect();
    assert_eq!(peers, ["romeo@montague.example", "nurse@capulet.example"]);
    assert_eq!(all[0].1, last);
    assert_eq!(store.conversations(juliet.id, last, 10).await.expect("an answer"), all[1..]);
    assert_eq!(store.conversations(juliet.id, newest, 1).await.expect("an answer"), all[..1]);
    let old = ImportedMessage {
        id: ArchiveId(5),
        peer: jid("paris@verona.example/x"),
        direction: Direction::Incoming,
        waits: false,
        xml: b"<m/>".to_vec(),
        text: Some("long ago".to_owned()),
        labels: vec!["about x".to_owned()],
    };
    store.import_archive(juliet.id, vec![old]).await.expect("imported");
    let all = store.conversations(juliet.id, newest, 10).await.expect("an answer");
    assert_eq!((all.len(), all[2].0.as_str(), all[2].1), (3, "paris@verona.example", ArchiveId(5)));
    assert_eq!(with_any(&store, &juliet, &["about x"], 9).await, [ArchiveId(5)]);
}

pub(crate) async fn keeps_state(store: Arc<dyn Store>) {
    let (juliet, romeo) = pair(&store).await;
    let before = append(&store, message(&juliet, &romeo, "one")).await;
    let first = put(&store, &[(&juliet, StateKind::Draft, "romeo", Some("so"))]).await;
    let between = append(&store, message(&juliet, &romeo, "two")).await;
    let both = [
        (&juliet, StateKind::Pin, "p", Some("1")),
        (&romeo, StateKind::Pin, "p", Some("1")),
        (&juliet, StateKind::Draft, "nurse", Some("dear")),
    ];
    let second = put(&store, &both).await;
    let removed = put(&store, &[(&juliet, StateKind::Draft, "romeo", None)]).await;
    assert!(before < first && first < between && between < second && second < removed, "one clock");
    assert!(store.position() >= removed);
    let drafts = store.state(juliet.id, StateKind::Draft).await.expect("an answer");
    let bytes = drafts.iter().map(|item| item.key.len() + item.content.as_ref().map_or(0, String::len));
    let size = (drafts.len(), bytes.sum::<usize>() as u64);
    assert_eq!(store.state_size(juliet.id, StateKind::Draft).await.expect("an answer"), size);
    assert_eq!(store.state_size(juliet.id, StateKind::Scheduled).await.expect("an answer"), (0, 0));
    assert_eq!(seen(&drafts), [(StateKind::Draft, "nurse", Some("dear"))]);
    let one = store.state_item(juliet.id, StateKind::Draft, "nurse").await.expect("an answer");
    assert_eq!(one.as_ref(), drafts.first());
    assert_eq!(store.state_item(juliet.id, StateKind::Draft, "romeo").await.expect("an answer"), None);
    let since = store.state_since(juliet.id, between, 10).await.expect("an answer");
    assert_eq!(since.last().map(|item| (item.position, item.content.clone())), Some((removed, None)));
    assert_eq!(since.len(), 3);
    assert_eq!(store.state_since(juliet.id, first, 1).await.expect("an answer")[0].position, second);
    let pins = store.state_of_all(StateKind::Pin).await.expect("an answer");
    let owners: Vec<_> = pins.iter().map(|(owner, _)| *owner).collect();
    assert_eq!(owners, [juliet.id, romeo.id]);
    assert_eq!(store.sweep_state(removed, 10).await.expect("swept"), 0, "not before it");
    assert_eq!(store.sweep_state(ArchiveId(removed.0 + 1), 10).await.expect("swept"), 1);
    store.delete_account(juliet.id).await.expect("deleted");
    assert_eq!(store.state_since(juliet.id, ArchiveId(0), 10).await.expect("an answer"), []);
    assert_eq!(store.state(romeo.id, StateKind::Pin).await.expect("an answer").len(), 1);
}
