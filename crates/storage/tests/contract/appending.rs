//! Contract: appending to the archive, what waits, and removal.

use super::*;
use std::sync::Mutex;

async fn couple(store: &Arc<dyn Store>) -> (Account, Account) {
    (account(store, "juliet@capulet.example").await, account(store, "romeo@montague.example").await)
}

pub(crate) async fn shares_one_id(store: Arc<dyn Store>) {
    let (juliet, romeo) = couple(&store).await;
    let sent = message(&juliet, &romeo, "good night");
    let id = append(&store, sent.clone()).await;
    let hers = store.archived(juliet.id, &[id]).await.unwrap().remove(0);
    let his = store.archived(romeo.id, &[id]).await.unwrap().remove(0);
    assert_eq!((hers.id, his.id), (id, id));
    assert_eq!((hers.direction, his.direction), (Direction::Outgoing, Direction::Incoming));
    assert_eq!(hers.peer, romeo.jid);
    assert_eq!(his.peer, jid("juliet@capulet.example/balcony"));
    assert_eq!((&hers.xml, &his.xml), (&sent.xml, &sent.xml));
    assert_eq!(store.status().await.unwrap().messages, 1);
}

pub(crate) async fn reports_in_commit_order(store: Arc<dyn Store>) {
    let (juliet, romeo) = couple(&store).await;
    let reported = Arc::new(Mutex::new(Vec::new()));
    for n in 0..1000 {
        let reported = reported.clone();
        let done = Box::new(move |result: StoreResult<Committed>| {
            reported.lock().unwrap().push((n, result.unwrap()));
        });
        store.append(message(&juliet, &romeo, &format!("message {n}")), done);
    }
    append(&store, message(&juliet, &romeo, "last")).await;
    let reported = std::mem::take(&mut *reported.lock().unwrap());
    assert_eq!(reported.len(), 1000, "the last is reported last");
    let ids: Vec<_> = reported
        .iter()
        .zip(0..)
        .map(|((n, committed), at)| match committed {
            Committed::New(id) if *n == at => *id,
            other => panic!("message {n} at {at}: {other:?}"),
        })
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    let page = store.archive_page(ArchiveQuery { limit: 2000, ..query(romeo.id) }).await.unwrap();
    assert!(page.complete);
    assert_eq!(page.items.iter().map(|i| i.id).take(1000).collect::<Vec<_>>(), ids);
}

pub(crate) async fn ids_rise(store: Arc<dyn Store>) {
    let (juliet, romeo) = couple(&store).await;
    let before = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let first = append(&store, message(&juliet, &romeo, "one")).await;
    let second = append(&store, message(&romeo, &juliet, "two")).await;
    assert!(first < second);
    let after = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    assert!((before..=after).contains(&first.stamp_ms()), "an id is a time");
}

pub(crate) async fn finds_duplicates(store: Arc<dyn Store>) {
    let (juliet, romeo) = couple(&store).await;
    let with_id = |from: &Account, to: &Account, id: &str| Append {
        dedupe: Some((from.id, id.to_owned())),
        ..message(from, to, "once only")
    };
    // Both in one batch, or one after the other: the second is found either way.
    let first = appending(&store, with_id(&juliet, &romeo, "m1"));
    let retry = appending(&store, with_id(&juliet, &romeo, "m1"));
    let Committed::New(id) = first.await.unwrap().unwrap() else { panic!("the first is new") };
    assert_eq!(retry.await.unwrap().unwrap(), Committed::Duplicate(id));
    let later = appending(&store, with_id(&juliet, &romeo, "m1")).await.unwrap().unwrap();
    assert_eq!(later, Committed::Duplicate(id));
    assert_eq!(found(&store, query(romeo.id)).await, [id]);
    // Another id, or another sender, is another message.
    append(&store, with_id(&juliet, &romeo, "m2")).await;
    append(&store, with_id(&romeo, &juliet, "m1")).await;
    assert_eq!(found(&store, query(romeo.id)).await.len(), 3);
}

pub(crate) async fn keeps_what_waits(store: Arc<dyn Store>) {
    let (juliet, romeo) = couple(&store).await;
    let mut ids = Vec::new();
    for n in 0..6 {
        let mut sent = message(&juliet, &romeo, &format!("message {n}"));
        sent.copies[1].waits = n != 2;
        ids.push(append(&store, sent).await);
    }
    append(&store, message(&romeo, &juliet, "mine")).await;
    let waiting = async |after, limit| -> Vec<_> {
        store.waiting(romeo.id, after, limit).await.unwrap().iter().map(|m| m.id).collect()
    };
    assert_eq!(waiting(ArchiveId(0), 9).await, [ids[0], ids[1], ids[3], ids[4], ids[5]]);
    assert_eq!(waiting(ids[1], 2).await, [ids[3], ids[4]]);
    assert_eq!(waiting(ids[5], 9).await, []);
    let first = store.waiting(romeo.id, ArchiveId(0), 1).await.unwrap().remove(0);
    assert_eq!(first.xml, b"<message><body>message 0</body></message>");
    assert_eq!(found(&store, query(romeo.id)).await.len(), 7, "what does not wait is archived all the same");
}

pub(crate) async fn deletes_only_ones_own_copies(store: Arc<dyn Store>) {
    let (juliet, romeo) = couple(&store).await;
    for n in 0..600 {
        appending(&store, message(&juliet, &romeo, &format!("message {n}")));
    }
    let mut alone = message(&juliet, &romeo, "a note to myself");
    alone.copies.pop();
    append(&store, alone).await;
    assert_eq!(store.status().await.unwrap().messages, 601);
    store.delete_account(juliet.id).await.unwrap();
    assert_eq!(found(&store, query(juliet.id)).await, []);
    let page = store.archive_page(ArchiveQuery { limit: 1000, ..query(romeo.id) }).await.unwrap();
    assert_eq!(page.items.len(), 600);
    assert_eq!(store.status().await.unwrap().messages, 600, "a message goes with its last copy");
}

pub(crate) async fn expires_by_age(store: Arc<dyn Store>) {
    let (juliet, romeo) = couple(&store).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(append(&store, message(&juliet, &romeo, &format!("message {n}"))).await);
    }
    assert_eq!(store.expire_archive(ids[3], 2).await.unwrap(), 2);
    assert_eq!(found(&store, query(romeo.id)).await, ids[2..]);
    assert_eq!(store.expire_archive(ids[3], 2).await.unwrap(), 1);
    assert_eq!(store.expire_archive(ids[3], 2).await.unwrap(), 0);
    for owner in [juliet.id, romeo.id] {
        assert_eq!(found(&store, query(owner)).await, ids[3..]);
        assert_eq!(store.archive_bounds(owner).await.unwrap().unwrap().first, ids[3]);
    }
    assert_eq!(store.status().await.unwrap().messages, 2);
    assert!(append(&store, message(&juliet, &romeo, "next")).await > ids[4]);
}

pub(crate) async fn archives_to_nobody(store: Arc<dyn Store>) {
    let (juliet, romeo) = couple(&store).await;
    let nobody = Append { copies: Vec::new(), ..message(&juliet, &romeo, "unheard") };
    let id = append(&store, nobody).await;
    assert!(
        append(&store, message(&juliet, &romeo, "heard")).await > id,
        "it still takes its place in the order"
    );
}

pub(crate) async fn imports_under_old_ids(store: Arc<dyn Store>) {
    let (juliet, romeo) = couple(&store).await;
    let old = |id: u64, xml: &str, direction| ImportedMessage {
        id: ArchiveId(id),
        peer: jid("someone@elsewhere.example"),
        direction,
        waits: direction == Direction::Incoming,
        xml: xml.as_bytes().to_vec(),
        text: Some("wherefore".to_owned()),
        labels: Vec::new(),
    };
    let (same, other) = ("<message id='1'/>", "<message id='2'/>");
    store.import_archive(juliet.id, vec![old(1000, same, Direction::Outgoing)]).await.unwrap();
    let his = vec![old(1000, same, Direction::Incoming), old(1000, other, Direction::Incoming)];
    store.import_archive(romeo.id, his.clone()).await.unwrap();
    store.import_archive(romeo.id, his).await.unwrap();
    let future = old(u64::MAX, "<message id='3'/>", Direction::Outgoing);
    store.import_archive(juliet.id, vec![future]).await.unwrap();

    let ids =
        |page: waxwing_chat::archive::ArchivePage| page.items.iter().map(|m| m.id.0).collect::<Vec<_>>();
    let hers = ids(store.archive_page(query(juliet.id)).await.unwrap());
    assert_eq!((hers.len(), hers[0]), (2, 1000));
    assert_eq!(ids(store.archive_page(query(romeo.id)).await.unwrap()), [1000, 1001]);
    assert_eq!(store.waiting(romeo.id, ArchiveId(0), 9).await.unwrap().len(), 2);
    assert_eq!(store.waiting(juliet.id, ArchiveId(0), 9).await.unwrap().len(), 0);
    assert_eq!(store.status().await.unwrap().messages, 3);
    let asked = ArchiveQuery { text: Some("wherefore".to_owned()), ..query(romeo.id) };
    assert_eq!(ids(store.archive_page(asked).await.unwrap()), [1000, 1001]);
    let next = append(&store, message(&juliet, &romeo, "later")).await;
    assert!(next.0 > hers[1], "new messages come behind all imported ones");
}

pub(crate) async fn forgets_what_only_waited(store: Arc<dyn Store>) {
    let (juliet, romeo) = couple(&store).await;
    let brief = |text: &str| {
        let mut sent = message(&juliet, &romeo, text);
        for copy in &mut sent.copies {
            copy.kept = false;
        }
        sent
    };
    let first = append(&store, brief("burn this")).await;
    let kept = append(&store, message(&juliet, &romeo, "keep this")).await;
    let second = append(&store, brief("burn this too")).await;
    let mut partly = brief("burn my copy");
    partly.copies[0].kept = true;
    let partly_id = append(&store, partly).await;
    let waiting = async |after| -> Vec<_> {
        store.waiting(romeo.id, after, 9).await.unwrap().iter().map(|m| m.id).collect()
    };
    assert_eq!(waiting(ArchiveId(0)).await, [first, kept, second, partly_id]);
    // No archive query shows them.
    assert_eq!(found(&store, query(romeo.id)).await, [kept]);
    assert_eq!(found(&store, query(juliet.id)).await, [kept, partly_id]);
    let asked = ArchiveQuery { with: Some(juliet.jid.clone()), ..query(romeo.id) };
    assert_eq!(found(&store, asked).await, [kept]);
    let asked = ArchiveQuery { text: Some("burn".into()), ..query(romeo.id) };
    assert_eq!(found(&store, asked).await, []);
    assert!(store.archived(romeo.id, &[first]).await.is_err());
    assert_eq!(store.archive_bounds(romeo.id).await.unwrap().unwrap().first, kept);
    // The mark takes along what it passes.
    store.set_delivered(romeo.id, first).await.unwrap();
    assert_eq!(waiting(ArchiveId(0)).await, [kept, second, partly_id]);
    assert_eq!(store.status().await.unwrap().messages, 3);
    store.set_delivered(romeo.id, partly_id).await.unwrap();
    assert_eq!(waiting(ArchiveId(0)).await, [kept]);
    assert_eq!(store.status().await.unwrap().messages, 2, "what no archive holds is gone");
    assert_eq!(found(&store, query(juliet.id)).await, [kept, partly_id]);
}
