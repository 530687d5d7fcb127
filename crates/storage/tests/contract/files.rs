//! Contract: files, their places, quotas and ends.

use super::*;
use waxwing_chat::files::store::{FileLimits, FileUsage, Opening, Overdue, Reservation};
use waxwing_chat::files::{FileId, FileState, Purpose, StoredFile, Thumbnail};
use waxwing_chat::store::StoreError;

const LIMITS: FileLimits =
    FileLimits { now_ms: 1000, quota_bytes: 100, purpose_quota_bytes: None, count: 10, window_start_ms: 0 };

/// An id that ends in these letters.
fn id(end: &str) -> FileId {
    FileId::parse(&format!("{end:a>32}")).expect("an id")
}

fn file(owner: &Account, end: &str, size: u64) -> StoredFile {
    StoredFile {
        id: id(end),
        owner: owner.id,
        owner_jid: owner.jid.clone(),
        name: "très cool.jpg".to_owned(),
        media_type: Some("image/jpeg".to_owned()),
        size,
        purpose: Purpose::Message,
        token: "secret".to_owned(),
        created_ms: 1000,
        open_until_ms: 2000,
        stored_ms: 0,
        expires_ms: Some(9000),
        state: FileState::Open,
        thumbnail: Thumbnail::Unknown,
    }
}

async fn store_file(store: &Arc<dyn Store>, file: StoredFile) {
    let id = file.id.clone();
    assert_eq!(store.reserve_file(file, LIMITS).await.unwrap(), Reservation::Granted);
    assert_eq!(store.open_file(&id, 1000, 5000).await.unwrap(), Opening::Granted);
    store.complete_file(&id, 1500).await.unwrap();
}

pub(crate) async fn keeps_files(store: Arc<dyn Store>) {
    let (juliet, romeo) =
        (account(&store, "juliet@capulet.example").await, account(&store, "romeo@montague.example").await);
    let given = file(&juliet, "b", 10);
    assert_eq!(store.file(&given.id).await.unwrap(), None);
    assert_eq!(store.reserve_file(given.clone(), LIMITS).await.unwrap(), Reservation::Granted);
    assert_eq!(store.file(&given.id).await.unwrap(), Some(given.clone()));
    assert!(store.files(None, None, 10).await.unwrap().is_empty(), "nothing is there to be read yet");
    assert_eq!(store.open_file(&given.id, 1000, 5000).await.unwrap(), Opening::Granted);
    store.complete_file(&given.id, 1500).await.unwrap();
    store.set_thumbnail(&given.id, Thumbnail::Jpeg).await.unwrap();
    let stored = StoredFile {
        state: FileState::Stored,
        stored_ms: 1500,
        open_until_ms: 5000,
        thumbnail: Thumbnail::Jpeg,
        ..given
    };
    assert_eq!(store.file(&stored.id).await.unwrap(), Some(stored.clone()));
    store_file(&store, file(&romeo, "c", 20)).await;
    store_file(&store, file(&juliet, "d", 30)).await;
    let ids = async |owner, after: Option<&FileId>, limit| {
        let files = store.files(owner, after, limit).await.unwrap();
        files.into_iter().map(|file| file.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None, 2).await, [id("b"), id("c")]);
    let third = id("c");
    assert_eq!(ids(None, Some(&third), 2).await, [id("d")]);
    assert_eq!(ids(Some(juliet.id), None, 9).await, [id("b"), id("d")]);
    assert_eq!(store.file_usage(juliet.id).await.unwrap(), FileUsage { files: 2, bytes: 40 });
    store.discard_file(&id("b")).await.unwrap();
    assert_eq!(store.file(&id("b")).await.unwrap(), None);
    assert_eq!(ids(Some(juliet.id), None, 9).await, [id("d")]);
    assert!(matches!(store.discard_file(&id("b")).await, Err(StoreError::NotFound)));
    assert!(matches!(store.discard_file(&id("x")).await, Err(StoreError::NotFound)));
}

pub(crate) async fn fills_a_place_once(store: Arc<dyn Store>) {
    let juliet = account(&store, "juliet@capulet.example").await;
    store.reserve_file(file(&juliet, "b", 10), LIMITS).await.unwrap();
    assert!(matches!(store.complete_file(&id("b"), 1500).await, Err(StoreError::NotFound)), "not opened");
    // Of many who try at the same time one succeeds.
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.open_file(&id("b"), 1000, 5000).await.unwrap() })
        })
        .collect();
    let mut granted = 0;
    for opening in tries {
        match opening.await.unwrap() {
            Opening::Granted => granted += 1,
            other => assert_eq!(other, Opening::Taken),
        }
    }
    assert_eq!(granted, 1);
    store.release_file(&id("b"), 2000).await.unwrap();
    assert_eq!(store.open_file(&id("b"), 2000, 5000).await.unwrap(), Opening::Closed, "its time is over");
    assert_eq!(store.open_file(&id("b"), 1999, 5000).await.unwrap(), Opening::Granted);
    store.complete_file(&id("b"), 1999).await.unwrap();
    store.release_file(&id("b"), 9000).await.unwrap();
    assert_eq!(
        store.open_file(&id("b"), 1999, 5000).await.unwrap(),
        Opening::Taken,
        "it is never overwritten"
    );
    assert_eq!(store.open_file(&id("x"), 1, 2).await.unwrap(), Opening::Closed);
}

pub(crate) async fn keeps_quotas_under_a_race(store: Arc<dyn Store>) {
    let (juliet, romeo) =
        (account(&store, "juliet@capulet.example").await, account(&store, "romeo@montague.example").await);
    let tries: Vec<_> = ["b", "c", "d", "e", "f", "g", "h", "i"]
        .into_iter()
        .map(|end| {
            let (store, file) = (store.clone(), file(&juliet, end, 30));
            tokio::spawn(async move { store.reserve_file(file, LIMITS).await.unwrap() })
        })
        .collect();
    let mut granted = 0;
    for reservation in tries {
        match reservation.await.unwrap() {
            Reservation::Granted => granted += 1,
            other => assert_eq!(other, Reservation::OverQuota),
        }
    }
    assert_eq!(granted, 3, "three of 30 fit into 100");
    store.reserve_file(file(&romeo, "j", 100), LIMITS).await.unwrap();
    let later = FileLimits { now_ms: 2000, ..LIMITS };
    let again = store.reserve_file(file(&juliet, "k", 100), later).await.unwrap();
    assert_eq!(again, Reservation::Granted, "places whose time is over take no room");
    let few = FileLimits { count: 4, quota_bytes: 10_000, ..LIMITS };
    let fifth = store.reserve_file(file(&juliet, "l", 1), few).await.unwrap();
    assert_eq!(fifth, Reservation::TooMany { oldest_ms: 1000 });
    let window = FileLimits { window_start_ms: 1000, ..few };
    assert_eq!(store.reserve_file(file(&juliet, "l", 1), window).await.unwrap(), Reservation::Granted);
    let purpose = FileLimits { purpose_quota_bytes: Some(5), ..FileLimits { quota_bytes: 10_000, ..LIMITS } };
    let profile = StoredFile { purpose: Purpose::Profile, ..file(&juliet, "m", 5) };
    assert_eq!(store.reserve_file(profile, purpose).await.unwrap(), Reservation::Granted);
    let profile = StoredFile { purpose: Purpose::Profile, ..file(&juliet, "n", 1) };
    assert_eq!(store.reserve_file(profile, purpose).await.unwrap(), Reservation::OverQuota);
}

pub(crate) async fn discards_what_is_overdue(store: Arc<dyn Store>) {
    let juliet = account(&store, "juliet@capulet.example").await;
    let of = |end, purpose, expires_ms| StoredFile { purpose, expires_ms, ..file(&juliet, end, 1) };
    for (end, purpose, expires_ms) in [
        ("b", Purpose::Message, None),
        ("c", Purpose::Ephemeral, Some(3000)),
        ("d", Purpose::Profile, None),
        ("e", Purpose::Permanent, None),
    ] {
        store_file(&store, of(end, purpose, expires_ms)).await;
    }
    store.reserve_file(of("f", Purpose::Message, None), LIMITS).await.unwrap();
    let gone = async |now_ms, stored_before_ms| {
        let overdue = Overdue { now_ms, stored_before_ms };
        store.gone_files(overdue, None, 9).await.unwrap()
    };
    assert_eq!(gone(1999, None).await, []);
    assert_eq!(gone(2000, None).await, [id("f")]);
    assert_eq!(gone(3000, Some(1500)).await, [id("c"), id("f")]);
    assert_eq!(gone(3000, Some(1501)).await, [id("b"), id("c"), id("f")]);
    let overdue = Overdue { now_ms: 3000, stored_before_ms: None };
    assert_eq!(store.gone_files(overdue, Some(&id("b")), 1).await.unwrap(), [id("c")]);
    store.forget_file(&id("c"), 999).await.unwrap();
    store.forget_file(&id("d"), 5000).await.unwrap();
    store.forget_file(&id("f"), 1000).await.unwrap();
    assert_eq!(gone(3000, None).await, [id("b"), id("c")], "what still counts stays");
    assert!(store.file(&id("d")).await.unwrap().is_some(), "what is not gone stays");
}

pub(crate) async fn discards_files_of_deleted_accounts(store: Arc<dyn Store>) {
    let (juliet, romeo) =
        (account(&store, "juliet@capulet.example").await, account(&store, "romeo@montague.example").await);
    store_file(&store, file(&juliet, "b", 1)).await;
    store_file(&store, file(&romeo, "c", 1)).await;
    store.delete_account(juliet.id).await.unwrap();
    assert_eq!(store.file(&id("b")).await.unwrap(), None);
    assert!(store.file(&id("c")).await.unwrap().is_some());
    let overdue = Overdue { now_ms: 0, stored_before_ms: None };
    assert_eq!(
        store.gone_files(overdue, None, 9).await.unwrap(),
        [id("b")],
        "its content is still to be removed"
    );
}
