//! The files of the SQLite store: locking, modes, migration, backup and restore, and what survives closing.

// Its helpers alone are used here.
#[allow(dead_code, unused_macros, unused_imports)]
mod contract;
mod scratch;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use contract::{account, append, appending, found, jid, message, query};
use rusqlite::Connection;
use scratch::Scratch;
use waxwing_chat::archive::{Append, ArchiveId, ArchiveQuery, Committed};
use waxwing_chat::audit::AuditEntry;
use waxwing_chat::store::{Store, StoreError};
use waxwing_storage::sqlite::{OpenError, Options, RestoreError, Sqlite, restore};

fn open(path: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(path, Options::default()).expect("the store opens"))
}

async fn close(store: Arc<dyn Store>) {
    store.close().await;
}

#[tokio::test]
async fn finds_everything_again() {
    let scratch = Scratch::new();
    let store = open(&scratch.database());
    let juliet = account(&store, "juliet@capulet.example").await;
    let romeo = account(&store, "romeo@montague.example").await;
    let sent = Append { dedupe: Some((juliet.id, "m1".into())), ..message(&juliet, &romeo, "good night") };
    let id = append(&store, sent.clone()).await;
    close(store).await;

    let store = open(&scratch.database());
    assert_eq!(store.account(&juliet.jid).await.unwrap().as_ref(), Some(&juliet));
    assert_eq!(found(&store, query(romeo.id)).await, [id]);
    let asked = ArchiveQuery { text: Some("night".into()), ..query(romeo.id) };
    assert_eq!(found(&store, asked).await, [id]);
    let retry = appending(&store, sent).await.unwrap().unwrap();
    assert_eq!(retry, Committed::Duplicate(id), "also what was still in the tail");
    assert!(append(&store, message(&juliet, &romeo, "parting")).await > id);
}

#[tokio::test]
async fn refuses_work_after_closing() {
    let scratch = Scratch::new();
    let store = open(&scratch.database());
    let juliet = account(&store, "juliet@capulet.example").await;
    store.close().await;
    let late = appending(&store, message(&juliet, &juliet, "too late")).await.unwrap();
    assert!(matches!(late, Err(StoreError::Unavailable)));
    assert!(matches!(store.ping().await, Err(StoreError::Unavailable)));
}

#[tokio::test]
async fn refuses_a_second_opener() {
    let scratch = Scratch::new();
    let store = open(&scratch.database());
    let Err(second) = Sqlite::open(&scratch.database(), Options::default()) else { panic!("two at a time") };
    assert!(matches!(second, OpenError::InUse(_)));
    assert!(second.to_string().contains("in use by another process"));
    close(store).await;
    open(&scratch.database());
}

#[tokio::test]
async fn keeps_files_to_itself() {
    let scratch = Scratch::new();
    let store = open(&scratch.database());
    account(&store, "juliet@capulet.example").await;
    store.backup(&scratch.path().join("copy")).await.unwrap();
    let mut names = Vec::new();
    for file in std::fs::read_dir(scratch.path()).unwrap().flatten() {
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", file.path().display());
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["copy", "waxwing.db", "waxwing.db-wal", "waxwing.db.lock"]);
}

#[tokio::test]
async fn refuses_a_newer_schema() {
    let scratch = Scratch::new();
    close(open(&scratch.database())).await;
    Connection::open(scratch.database()).unwrap().pragma_update(None, "user_version", 1000).unwrap();
    let Err(error) = Sqlite::open(&scratch.database(), Options::default()) else { panic!("it opened") };
    let text = error.to_string();
    assert!(text.contains("schema 1000") && text.contains("newer version"), "{text}");
}

/// Each earlier schema, with something of everything in it, is brought to the present one and means the same there.
#[tokio::test]
async fn opens_every_earlier_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut versions = 0;
    loop {
        let version = versions + 1;
        let schema = folder.join(format!("src/sqlite/schema/{version:03}.sql"));
        let Ok(schema) = std::fs::read_to_string(schema) else { break };
        versions = version;
        let scratch = Scratch::new();
        let db = Connection::open(scratch.database()).unwrap();
        for earlier in 1..version {
            let sql = folder.join(format!("src/sqlite/schema/{earlier:03}.sql"));
            db.execute_batch(&std::fs::read_to_string(sql).unwrap()).unwrap();
        }
        db.execute_batch(&schema).unwrap();
        let content = folder.join(format!("tests/schemas/{version:03}.sql"));
        let content = std::fs::read_to_string(content).expect("each schema has its content to test with");
        db.execute_batch(&content).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        drop(db);
        let store = open(&scratch.database());
        means_the_same(&store).await;
        // A node of schema 9 keeps its items for a minute.
        let due = store.expire_due_items(70_000, 9).await.unwrap();
        assert_eq!(due, usize::from(version >= 9), "{version}");
        close(store).await;
    }
    let scratch = Scratch::new();
    let schema = open(&scratch.database()).status().await.unwrap().schema;
    assert_eq!(schema, versions, "every schema was tried");
}

/// What `tests/schemas/*.sql` put there.
async fn means_the_same(store: &Arc<dyn Store>) {
    let juliet = store.account(&jid("juliet@capulet.example")).await.unwrap().expect("Juliet");
    assert_eq!(juliet.verifiers, ["SCRAM-SHA-256$4096:c2FsdA==$a:b"]);
    let roster = store.roster(juliet.id).await.unwrap();
    assert_eq!((roster.version, roster.items.len()), (2, 1));
    assert_eq!(roster.items[0].groups, ["Friends"]);
    // One message is in the tables, one was still in the tail.
    assert_eq!(found(store, query(juliet.id)).await, [ArchiveId(1000), ArchiveId(2000)]);
    let asked = ArchiveQuery { text: Some("night".into()), ..query(juliet.id) };
    assert_eq!(found(store, asked).await, [ArchiveId(1000), ArchiveId(2000)]);
    let asked = ArchiveQuery { with: Some(jid("romeo@montague.example")), ..query(juliet.id) };
    assert_eq!(found(store, asked).await, [ArchiveId(1000), ArchiveId(2000)]);
    for (client_id, id) in [("m1", 1000), ("m2", 2000)] {
        let again =
            Append { dedupe: Some((juliet.id, client_id.into())), ..message(&juliet, &juliet, "again") };
        let committed = appending(store, again).await.unwrap().unwrap();
        assert_eq!(committed, Committed::Duplicate(ArchiveId(id)));
    }
    let romeo = (jid("romeo@montague.example"), ArchiveId(2000));
    assert_eq!(store.conversations(juliet.id, ArchiveId(u64::MAX), 9).await.unwrap(), [romeo]);
    assert_eq!(store.blocked(juliet.id).await.unwrap(), [jid("paris@verona.example")]);
    assert_eq!(store.setting("secret").await.unwrap().as_deref(), Some("s"));
    assert_eq!(store.status().await.unwrap().messages, 2);
    assert_eq!(store.verify_audit().await.unwrap(), None);
}

/// Opening an archive of schema 1 that is larger than what stays in memory makes its index anew.
#[tokio::test]
async fn makes_the_index_anew() {
    let scratch = Scratch::new();
    let db = Connection::open(scratch.database()).unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sqlite/schema/001.sql");
    db.execute_batch(&std::fs::read_to_string(schema).unwrap()).unwrap();
    db.execute_batch(
        "INSERT INTO account (id, jid, domain, role, verifiers, created_ms) \
             VALUES (1, 'juliet@capulet.example', 'capulet.example', 0, '', 5); \
         WITH RECURSIVE n (id) AS (SELECT 1000 UNION ALL SELECT id + 1 FROM n WHERE id < 5999) \
         INSERT INTO message (id, copies, text, xml) SELECT id, \
             unhex(CASE WHEN id % 5 = 0 THEN '010616' ELSE '010216' END || hex('romeo@montague.example')), \
             'line ' || (id % 7), x'3c6d2f3e' FROM n; \
         INSERT INTO counter (name, value) VALUES ('indexed', 4000), ('searchable', 3000), ('appended', 5000), \
             ('last_archive_id', 5999); \
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(db);
    let options = || Options { tail_copies: 100, ..Options::default() };
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&scratch.database(), options()).unwrap());
    for _ in 0..2 {
        let juliet = store.account(&jid("juliet@capulet.example")).await.unwrap().unwrap();
        let all = ArchiveQuery { limit: 10_000, ..query(juliet.id) };
        let archived: Vec<_> = (1000..6000).filter(|id| id % 5 != 0).map(ArchiveId).collect();
        assert_eq!(found(&store, all.clone()).await, archived);
        let with = ArchiveQuery { with: Some(jid("romeo@montague.example")), ..all.clone() };
        assert_eq!(found(&store, with).await, archived);
        let asked = ArchiveQuery { text: Some("line 3".into()), ..all };
        let threes: Vec<_> = archived.iter().copied().filter(|id| id.0 % 7 == 3).collect();
        assert_eq!(found(&store, asked).await, threes);
        let waiting = store.waiting(juliet.id, ArchiveId(0), 10_000).await.unwrap();
        assert_eq!(waiting.len(), 5000, "also what only waits");
    }
    let juliet = store.account(&jid("juliet@capulet.example")).await.unwrap().unwrap();
    store.set_delivered(juliet.id, ArchiveId(1100)).await.unwrap();
    assert_eq!(store.status().await.unwrap().messages, 5000 - 21);
    close(store).await;
}

/// Once the spare work is done, no run holds anything of an owner who was erased, and all of the others.
#[tokio::test]
async fn takes_what_was_erased_out_of_the_index() {
    let scratch = Scratch::new();
    let options = Options { tail_copies: 50, ..Options::default() };
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&scratch.database(), options).unwrap());
    let juliet = account(&store, "juliet@capulet.example").await;
    let romeo = account(&store, "romeo@montague.example").await;
    let nurse = account(&store, "nurse@capulet.example").await;
    for n in 0..600 {
        let to = if n % 2 == 0 { &romeo } else { &nurse };
        append(&store, message(&juliet, to, &format!("letter {n}"))).await;
    }
    store.delete_account(juliet.id).await.unwrap();
    let db = Connection::open(scratch.database()).unwrap();
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while count("SELECT count(*) FROM erased_entry") > 0 {
        assert!(std::time::Instant::now() < deadline, "it is never done");
        store.ping().await.unwrap();
        tokio::task::yield_now().await;
    }
    // Of each of their messages: that it is archived, from whom, that it waits, and two words.
    assert_eq!(count("SELECT sum(entries) FROM run"), 600 * 5);
    for owner in [&romeo, &nurse] {
        let asked = ArchiveQuery { text: Some("letter".into()), limit: 1000, ..query(owner.id) };
        assert_eq!(found(&store, asked).await.len(), 300);
    }
    drop(db);
    close(store).await;
}

/// Invariant I14: a backup made while messages are written is what was there at one moment, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn backs_up_while_writing_and_restores() {
    let scratch = Scratch::new();
    let store = open(&scratch.database());
    let juliet = account(&store, "juliet@capulet.example").await;
    let romeo = account(&store, "romeo@montague.example").await;
    for n in 0..2000 {
        appending(&store, message(&juliet, &romeo, &format!("before {n}")));
    }
    append(&store, message(&juliet, &romeo, "the last before")).await;
    let (going, written) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let writing = tokio::spawn({
        let (store, going, written) = (store.clone(), going.clone(), written.clone());
        let (juliet, romeo) = (juliet.clone(), romeo.clone());
        async move {
            let mut ids = Vec::new();
            while going.load(Ordering::Relaxed) {
                ids.push(append(&store, message(&juliet, &romeo, "meanwhile")).await);
                written.fetch_add(1, Ordering::Relaxed);
            }
            ids
        }
    });
    while written.load(Ordering::Relaxed) < 10 {
        tokio::task::yield_now().await;
    }
    let copy = scratch.path().join("copy");
    store.backup(&copy).await.unwrap();
    assert!(matches!(store.backup(&copy).await, Err(StoreError::Conflict)), "a backup is never overwritten");
    going.store(false, Ordering::Relaxed);
    let meanwhile = writing.await.unwrap();
    append(&store, message(&juliet, &romeo, "after")).await;
    let everything = ArchiveQuery { limit: 100_000, ..query(romeo.id) };
    let all = found(&store, everything.clone()).await;

    let busy = restore(&copy, &scratch.database());
    assert!(matches!(busy, Err(RestoreError::InUse(_))), "not while the store is open");
    close(store).await;
    restore(&copy, &scratch.database()).unwrap();
    let store = open(&scratch.database());
    let restored = found(&store, everything).await;
    assert_eq!(restored, all[..restored.len()], "a prefix: one moment");
    assert!(restored.len() >= 2001 + 10 && restored.len() <= 2001 + meanwhile.len());
    assert_eq!(store.account(&juliet.jid).await.unwrap(), Some(juliet));
}

#[tokio::test]
async fn restores_nothing_unsound() {
    let scratch = Scratch::new();
    let store = open(&scratch.database());
    account(&store, "juliet@capulet.example").await;
    let copy = scratch.path().join("copy");
    store.backup(&copy).await.unwrap();
    close(store).await;
    let before = std::fs::read(scratch.database()).unwrap();

    let whole = std::fs::read(&copy).unwrap();
    let mut damaged = whole.clone();
    damaged[4096 + 8..4096 * 4].fill(0xa5);
    let foreign = scratch.path().join("foreign");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    for (name, bytes) in [
        ("damaged", damaged),
        ("cut off", whole[..whole.len() / 2].to_vec()),
        ("empty", Vec::new()),
        ("no database", b"hello".repeat(5000)),
        ("foreign", std::fs::read(&foreign).unwrap()),
    ] {
        let bad = scratch.path().join(name);
        std::fs::write(&bad, bytes).unwrap();
        let refused = restore(&bad, &scratch.database());
        assert!(matches!(refused, Err(RestoreError::Unsound { .. })), "{name}: {refused:?}");
        assert_eq!(std::fs::read(scratch.database()).unwrap(), before, "{name}: nothing was touched");
    }
    let missing = restore(&scratch.path().join("missing"), &scratch.database());
    assert!(matches!(missing, Err(RestoreError::Unsound { .. })));
}

/// A crash behind the point of no return is followed by the rest of the restore.
#[tokio::test]
async fn finishes_an_interrupted_restore() {
    let scratch = Scratch::new();
    let store = open(&scratch.database());
    account(&store, "juliet@capulet.example").await;
    let copy = scratch.path().join("waxwing.db.restored");
    store.backup(&copy).await.unwrap();
    account(&store, "romeo@montague.example").await;
    close(store).await;
    let store = open(&scratch.database());
    assert!(store.account(&jid("juliet@capulet.example")).await.unwrap().is_some());
    assert!(store.account(&jid("romeo@montague.example")).await.unwrap().is_none());
    assert!(!copy.exists());
}

#[tokio::test]
async fn forgets_client_ids_in_time() {
    static NOW: AtomicU64 = AtomicU64::new(1_000_000_000_000);
    let scratch = Scratch::new();
    let hour = Duration::from_secs(3600);
    let options = Options {
        now_us: || NOW.load(Ordering::Relaxed),
        dedupe_window: hour,
        tail_copies: 1,
        ..Options::default()
    };
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&scratch.database(), options).unwrap());
    let juliet = account(&store, "juliet@capulet.example").await;
    let romeo = account(&store, "romeo@montague.example").await;
    let send = async |id: &str| {
        let sent = Append { dedupe: Some((juliet.id, id.into())), ..message(&juliet, &romeo, id) };
        appending(&store, sent).await.unwrap().unwrap()
    };
    let Committed::New(first) = send("first").await else { panic!("it is new") };
    NOW.fetch_add(hour.as_micros() as u64, Ordering::Relaxed);
    send("second").await;
    send("third").await;
    assert_eq!(send("first").await, Committed::Duplicate(first), "for one window at least");
    NOW.fetch_add(2 * hour.as_micros() as u64, Ordering::Relaxed);
    send("fourth").await;
    send("fifth").await;
    assert!(matches!(send("first").await, Committed::New(_)), "for two at most");
    // The clock may be set back: ids rise all the same.
    let Committed::New(before) = send("sixth").await else { panic!("it is new") };
    NOW.fetch_sub(9 * hour.as_micros() as u64, Ordering::Relaxed);
    let Committed::New(after) = send("seventh").await else { panic!("it is new") };
    assert!(after > before);
}

#[tokio::test]
async fn shows_tampering_with_the_audit_log() {
    let tamperings = [
        ("UPDATE audit SET target = 'other' WHERE number = 2", Some(2)),
        ("DELETE FROM audit WHERE number = 2", Some(2)),
        ("DELETE FROM audit WHERE number = 4", Some(4)),
        ("UPDATE audit SET actor = 'local' WHERE number = 3", None),
    ];
    for (tampering, shown) in tamperings {
        let scratch = Scratch::new();
        let store = open(&scratch.database());
        for n in 1..=4 {
            let (actor, action) = ("local".to_owned(), "user.add".to_owned());
            let target = format!("u{n}@localhost");
            store
                .append_audit(AuditEntry { at_ms: n, actor, action, target, detail: String::new() })
                .await
                .unwrap();
        }
        close(store).await;
        Connection::open(scratch.database()).unwrap().execute_batch(tampering).unwrap();
        assert_eq!(open(&scratch.database()).verify_audit().await.unwrap(), shown, "{tampering}");
    }
}
