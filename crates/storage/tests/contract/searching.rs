//! Contract: full-text search (XEP-0431).

use super::*;

async fn pair(store: &Arc<dyn Store>) -> (Account, Account) {
    (account(store, "juliet@capulet.example").await, account(store, "romeo@montague.example").await)
}

async fn said(store: &Arc<dyn Store>, from: &Account, to: &Account, lines: &[&str]) -> Vec<ArchiveId> {
    let mut ids = Vec::new();
    for line in lines {
        ids.push(append(store, message(from, to, line)).await);
    }
    ids
}

fn holding(owner: &Account, text: &str) -> ArchiveQuery {
    ArchiveQuery { text: Some(text.to_owned()), ..query(owner.id) }
}

pub(crate) async fn finds_words(store: Arc<dyn Store>) {
    let (juliet, romeo) = pair(&store).await;
    let lines = ["Wherefore art thou Romeo?", "Deny thy father, ROMÉO", "a rose", "Straße 7"];
    let ids = said(&store, &juliet, &romeo, &lines).await;
    assert_eq!(found(&store, holding(&romeo, "romeo")).await, ids[..2]);
    assert_eq!(found(&store, holding(&juliet, "Thou ROMEO")).await, ids[..1], "all words, in any case");
    assert_eq!(found(&store, holding(&romeo, "strasse")).await, ids[3..]);
    assert_eq!(found(&store, holding(&romeo, "rom")).await, [], "words, not beginnings of words");
    assert_eq!(found(&store, holding(&romeo, "\" OR *")).await, [], "nothing in it is a command");
    assert_eq!(found(&store, holding(&romeo, " ?! ")).await, [], "no word, no message");
}

pub(crate) async fn finds_unspaced_scripts(store: Arc<dyn Store>) {
    let (juliet, romeo) = pair(&store).await;
    let lines =
        ["今晚在阳台见面", "阳光很好", "ロミオはどこ", "面包和中国，国人很多", "我是中国人", "사랑해요"];
    let ids = said(&store, &juliet, &romeo, &lines).await;
    assert_eq!(found(&store, holding(&romeo, "阳台")).await, ids[..1]);
    assert_eq!(found(&store, holding(&romeo, "阳")).await, ids[..2], "a single character");
    assert_eq!(found(&store, holding(&romeo, "面")).await, [ids[0], ids[3]], "also the last of a run");
    assert_eq!(found(&store, holding(&romeo, "ﾛﾐｵ")).await, [ids[2]], "half width is the same");
    assert_eq!(found(&store, holding(&romeo, "中国人")).await, [ids[4]], "not its pairs in two places");
    assert_eq!(found(&store, holding(&romeo, "사랑")).await, [ids[5]]);
}

pub(crate) async fn finds_only_ones_own(store: Arc<dyn Store>) {
    let (juliet, romeo) = pair(&store).await;
    let nurse = account(&store, "nurse@capulet.example").await;
    let secret = said(&store, &juliet, &nurse, &["the friar knows"]).await;
    let other = said(&store, &juliet, &romeo, &["the friar waits"]).await;
    assert_eq!(found(&store, holding(&romeo, "friar")).await, other);
    assert_eq!(found(&store, holding(&nurse, "friar")).await, secret);
    assert_eq!(found(&store, holding(&juliet, "friar")).await, [secret[0], other[0]]);
}

pub(crate) async fn combines_conditions(store: Arc<dyn Store>) {
    let (juliet, romeo) = pair(&store).await;
    let nurse = account(&store, "nurse@capulet.example").await;
    let mut ids = Vec::new();
    for n in 0..10 {
        let to = if n % 2 == 0 { &romeo } else { &nurse };
        ids.push(append(&store, message(&juliet, to, &format!("letter {n}"))).await);
    }
    let with_romeo: Vec<_> = ids.iter().copied().step_by(2).collect();
    let asked = ArchiveQuery { with: Some(romeo.jid.clone()), ..holding(&juliet, "letter") };
    assert_eq!(found(&store, asked.clone()).await, with_romeo);
    let page = ArchiveQuery { page: PageFrom::Before(ids[6]), limit: 2, ..asked.clone() };
    let got = store.archive_page(page).await.unwrap();
    assert_eq!(got.items.iter().map(|i| i.id).collect::<Vec<_>>(), with_romeo[1..3]);
    assert!(!got.complete);
    let page = ArchiveQuery { page: PageFrom::After(ids[6]), start: Some(ids[1]), limit: 1, ..asked };
    let got = store.archive_page(page).await.unwrap();
    assert_eq!((got.items.len(), got.complete), (1, true));
    let named = ArchiveQuery { ids: ids[..4].to_vec(), ..holding(&juliet, "letter 3") };
    assert_eq!(found(&store, named).await, [ids[3]]);
}

pub(crate) async fn forgets_removed_messages(store: Arc<dyn Store>) {
    let (juliet, romeo) = pair(&store).await;
    let ids = said(&store, &juliet, &romeo, &["poison one", "poison two"]).await;
    store.expire_archive(ids[1], 10).await.unwrap();
    assert_eq!(found(&store, holding(&romeo, "poison")).await, ids[1..]);
    store.delete_account(juliet.id).await.unwrap();
    assert_eq!(found(&store, holding(&romeo, "poison")).await, ids[1..]);
    assert_eq!(found(&store, holding(&juliet, "poison")).await, []);
}
