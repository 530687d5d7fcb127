//! Contract: pages of the archive (XEP-0313, XEP-0059).

use super::*;
use waxwing_chat::archive::ArchiveBounds;
use waxwing_chat::store::StoreError;

/// Two accounts and ten messages: even ones from Juliet to Romeo, odd ones back.
async fn dialogue(store: &Arc<dyn Store>) -> (Account, Account, Vec<ArchiveId>) {
    let juliet = account(store, "juliet@capulet.example").await;
    let romeo = account(store, "romeo@montague.example").await;
    let mut ids = Vec::new();
    for n in 0..10 {
        let (from, to) = if n % 2 == 0 { (&juliet, &romeo) } else { (&romeo, &juliet) };
        ids.push(append(store, message(from, to, &format!("line {n}"))).await);
    }
    (juliet, romeo, ids)
}

pub(crate) async fn pages_both_ways(store: Arc<dyn Store>) {
    let (juliet, _, ids) = dialogue(&store).await;
    let mut page = PageFrom::Start;
    let mut forward = Vec::new();
    loop {
        let got = store.archive_page(ArchiveQuery { page, limit: 3, ..query(juliet.id) }).await.unwrap();
        forward.extend(got.items.iter().map(|i| i.id));
        if got.complete {
            break;
        }
        assert_eq!(got.items.len(), 3);
        page = PageFrom::After(*forward.last().unwrap());
    }
    assert_eq!(forward, ids);

    let mut page = PageFrom::End;
    let mut backward: Vec<ArchiveId> = Vec::new();
    loop {
        let got = store.archive_page(ArchiveQuery { page, limit: 3, ..query(juliet.id) }).await.unwrap();
        let items: Vec<_> = got.items.iter().map(|i| i.id).collect();
        backward.splice(0..0, items);
        if got.complete {
            break;
        }
        page = PageFrom::Before(backward[0]);
    }
    assert_eq!(backward, ids);
}

pub(crate) async fn names_the_end(store: Arc<dyn Store>) {
    let (juliet, _, ids) = dialogue(&store).await;
    let complete = async |page, limit| {
        let got = store.archive_page(ArchiveQuery { page, limit, ..query(juliet.id) }).await.unwrap();
        (got.items.len(), got.complete)
    };
    assert_eq!(complete(PageFrom::Start, 9).await, (9, false));
    assert_eq!(complete(PageFrom::Start, 10).await, (10, true), "exactly all");
    assert_eq!(complete(PageFrom::End, 9).await, (9, false));
    assert_eq!(complete(PageFrom::After(ids[9]), 9).await, (0, true));
    assert_eq!(complete(PageFrom::Before(ids[0]), 9).await, (0, true));
    assert_eq!(complete(PageFrom::Start, 0).await, (0, false), "a page of none says whether there are any");
    assert_eq!(complete(PageFrom::After(ids[9]), 0).await, (0, true));
}

pub(crate) async fn filters_by_time_and_id(store: Arc<dyn Store>) {
    let (juliet, _, ids) = dialogue(&store).await;
    let base = query(juliet.id);
    let q = ArchiveQuery { start: Some(ids[2]), end: Some(ids[5]), ..base.clone() };
    assert_eq!(found(&store, q.clone()).await, ids[2..=5], "both ends are inside");
    assert_eq!(found(&store, ArchiveQuery { page: PageFrom::End, limit: 2, ..q.clone() }).await, ids[4..=5]);
    assert_eq!(found(&store, ArchiveQuery { page: PageFrom::After(ids[3]), ..q.clone() }).await, ids[4..=5]);
    assert_eq!(found(&store, ArchiveQuery { page: PageFrom::Before(ids[9]), ..q }).await, ids[2..=5]);
    let q = ArchiveQuery { after_id: Some(ids[2]), before_id: Some(ids[5]), ..base.clone() };
    assert_eq!(found(&store, q).await, ids[3..=4], "both ends are outside");
    let q = ArchiveQuery { start: Some(ids[5]), end: Some(ids[2]), ..base.clone() };
    assert_eq!(found(&store, q).await, []);
    let q = ArchiveQuery { start: Some(ArchiveId(ids[9].0 + 1)), ..base.clone() };
    assert_eq!(found(&store, q).await, []);
    let q = ArchiveQuery { end: Some(ArchiveId(u64::MAX)), start: Some(ArchiveId(0)), ..base };
    assert_eq!(found(&store, q).await, ids);
}

pub(crate) async fn filters_by_contact(store: Arc<dyn Store>) {
    let (juliet, romeo, mut ids) = dialogue(&store).await;
    let nurse = account(&store, "nurse@capulet.example").await;
    append(&store, message(&nurse, &juliet, "madam!")).await;
    ids.push(append(&store, message(&romeo, &juliet, "once more")).await);
    let with = |text: &str| ArchiveQuery { with: Some(jid(text)), ..query(juliet.id) };
    assert_eq!(
        found(&store, with("romeo@montague.example")).await,
        ids,
        "a bare address means all its resources"
    );
    let from_resource: Vec<_> = ids[..10].iter().copied().skip(1).step_by(2).chain([ids[10]]).collect();
    assert_eq!(found(&store, with("romeo@montague.example/balcony")).await, from_resource);
    assert_eq!(found(&store, with("romeo@montague.example/other")).await, []);
    assert_eq!(found(&store, with("montague.example")).await, []);
    assert_eq!(found(&store, with("nurse@capulet.example")).await.len(), 1);
    let q = ArchiveQuery { page: PageFrom::Before(ids[4]), limit: 2, ..with("romeo@montague.example") };
    assert_eq!(found(&store, q).await, ids[2..4]);
    let q = ArchiveQuery { limit: 5, page: PageFrom::End, ..with("romeo@montague.example/balcony") };
    assert_eq!(found(&store, q).await, from_resource[1..]);
}

pub(crate) async fn returns_named_messages(store: Arc<dyn Store>) {
    let (juliet, _, ids) = dialogue(&store).await;
    let q = ArchiveQuery { ids: vec![ids[7], ids[1], ids[4], ids[1]], ..query(juliet.id) };
    assert_eq!(found(&store, q.clone()).await, [ids[1], ids[4], ids[7]], "oldest first, each once");
    let page = store.archive_page(ArchiveQuery { limit: 2, page: PageFrom::End, ..q }).await.unwrap();
    assert_eq!(page.items.iter().map(|i| i.id).collect::<Vec<_>>(), [ids[4], ids[7]]);
    assert!(!page.complete);
    let asked = [ids[7], ids[1]];
    let got = store.archived(juliet.id, &asked).await.unwrap();
    assert_eq!(got.iter().map(|i| i.id).collect::<Vec<_>>(), asked, "in the order asked");
}

pub(crate) async fn refuses_unknown_ids(store: Arc<dyn Store>) {
    let (juliet, romeo, ids) = dialogue(&store).await;
    let nurse = account(&store, "nurse@capulet.example").await;
    let elsewhere = append(&store, message(&nurse, &romeo, "sir")).await;
    for unknown in [elsewhere, ArchiveId(ids[0].0 - 1), ArchiveId(u64::MAX)] {
        let base = query(juliet.id);
        let queries = [
            ArchiveQuery { page: PageFrom::After(unknown), ..base.clone() },
            ArchiveQuery { page: PageFrom::Before(unknown), ..base.clone() },
            ArchiveQuery { after_id: Some(unknown), ..base.clone() },
            ArchiveQuery { before_id: Some(unknown), ..base.clone() },
            ArchiveQuery { ids: vec![ids[0], unknown], ..base },
        ];
        for query in queries {
            assert!(matches!(store.archive_page(query).await, Err(StoreError::NotFound)));
        }
        let single = store.archived(juliet.id, &[ids[0], unknown]).await;
        assert!(matches!(single, Err(StoreError::NotFound)));
    }
}

pub(crate) async fn keeps_archives_apart(store: Arc<dyn Store>) {
    let (juliet, romeo, ids) = dialogue(&store).await;
    let nurse = account(&store, "nurse@capulet.example").await;
    let aside = append(&store, message(&nurse, &juliet, "madam!")).await;
    assert_eq!(found(&store, query(nurse.id)).await, [aside]);
    assert_eq!(found(&store, query(romeo.id)).await, ids);
    assert_eq!(found(&store, query(juliet.id)).await.len(), 11);
    assert!(matches!(store.archived(romeo.id, &[aside]).await, Err(StoreError::NotFound)));
}

pub(crate) async fn ends_of_an_archive(store: Arc<dyn Store>) {
    let (juliet, _, ids) = dialogue(&store).await;
    let bounds = store.archive_bounds(juliet.id).await.unwrap();
    assert_eq!(bounds, Some(ArchiveBounds { first: ids[0], last: ids[9] }));
    let nurse = account(&store, "nurse@capulet.example").await;
    assert_eq!(store.archive_bounds(nurse.id).await.unwrap(), None);
}
