//! Moving an installation from the embedded database to PostgreSQL.

// Of the contract only the helpers are used here.
#[allow(dead_code, unused_macros, unused_imports)]
mod contract;
// Of the faults only what skips a test loudly is used here.
#[allow(dead_code)]
mod faults;
mod scratch;
mod server;

use std::sync::Arc;

use contract::{account, append, jid, message, query};
use scratch::Scratch;
use waxwing_chat::account::{Account, AccountChange};
use waxwing_chat::archive::{Append, ArchiveId, ArchiveQuery, Committed, Direction, ImportedMessage};
use waxwing_chat::audit::AuditEntry;
use waxwing_chat::invitation::Invitation;
use waxwing_chat::people::card::{Card, Person};
use waxwing_chat::pubsub::configuration::NodeConfiguration;
use waxwing_chat::pubsub::store::{Item, NewNode, WhenFull};
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::configuration::Configuration;
use waxwing_chat::rooms::store::{Affiliate, RoomId, RoomRecord};
use waxwing_chat::roster::{RosterItem, Subscription};
use waxwing_chat::state::{StateChange, StateKind};
use waxwing_chat::store::{DocumentKind, Store};
use waxwing_storage::postgres::moving::{MoveError, sqlite_to_postgres};
use waxwing_storage::postgres::{Options, Postgres};
use waxwing_storage::sqlite::{self, Sqlite};

/// More than are handed on at once.
const MESSAGES: usize = 2500;

/// Makes an installation with something of everything, and some of it hard to write down.
async fn furnish(store: &Arc<dyn Store>) -> (Account, Account) {
    let gone = account(store, "gone@capulet.example").await;
    let (juliet, romeo) =
        (account(store, "juliet@capulet.example").await, account(store, "romeo@montague.example").await);
    for n in 0..MESSAGES {
        let labels = if n % 10 == 0 { vec!["about a".to_owned(), "has file".to_owned()] } else { Vec::new() };
        let text = format!("line {n}\twith \\N and\nmore, 今晚");
        let sent =
            Append { labels, dedupe: Some((juliet.id, format!("m{n}"))), ..message(&juliet, &romeo, &text) };
        contract::appending(store, sent);
    }
    append(store, message(&romeo, &juliet, "the last")).await;
    let mut passing = message(&romeo, &juliet, "only waits");
    passing.copies[1].kept = false;
    append(store, passing).await;
    let old = ImportedMessage {
        id: ArchiveId(5),
        peer: jid("paris@verona.example/x"),
        direction: Direction::Incoming,
        waits: false,
        xml: b"<m/>".to_vec(),
        text: None,
        labels: Vec::new(),
    };
    store.import_archive(romeo.id, vec![old]).await.unwrap();
    store.set_delivered(romeo.id, ArchiveId(7)).await.unwrap();
    let verifiers = vec!["X$1\\n".to_owned(), "Y\n$2".to_owned()];
    store.change_account(juliet.id, AccountChange::Verifiers(verifiers)).await.unwrap();
    let item = RosterItem {
        jid: romeo.jid.clone(),
        name: Some("Roméo \\ \"R\"".to_owned()),
        groups: vec!["a,b".to_owned(), "{}".to_owned(), String::new()],
        subscription: Subscription::Both,
        ask: true,
        approved: false,
        request: Some(vec![0, 255, b'\\']),
        listed: true,
    };
    store.put_roster_item(juliet.id, item.clone()).await.unwrap();
    store.put_roster_item(juliet.id, RosterItem { jid: jid("x@y.example"), ..item }).await.unwrap();
    store.remove_roster_item(juliet.id, &jid("x@y.example")).await.unwrap();
    store.block(juliet.id, &[jid("paris@verona.example")]).await.unwrap();
    store.put_document(juliet.id, DocumentKind::PrivateXml, "{a}b", Some("\\N")).await.unwrap();
    store.put_setting("key", "").await.unwrap();
    let entry = |n: u64| AuditEntry {
        at_ms: n,
        actor: "local".to_owned(),
        action: "user.add".to_owned(),
        target: "t".to_owned(),
        detail: String::new(),
    };
    for n in 0..3 {
        store.append_audit(entry(n)).await.unwrap();
    }
    let invitation = Invitation {
        token: "t".to_owned(),
        register_at: None,
        username: None,
        inviter: Some(juliet.jid.clone()),
        created_ms: 1,
        expires_ms: u64::MAX >> 1,
        uses_left: 3,
    };
    store.put_invitation(invitation).await.unwrap();
    let card = Card { xml: "<vCard/>".to_owned(), person: Person::default(), photo_hash: None };
    store.put_card(juliet.id, Some(card)).await.unwrap();
    furnish_places(store, &juliet).await;
    let change = StateChange {
        owner: juliet.id,
        kind: StateKind::Draft,
        key: "romeo".to_owned(),
        content: Some("so".to_owned()),
    };
    let (done, told) = tokio::sync::oneshot::channel();
    store.put_state(vec![change], Box::new(move |position| drop(done.send(position))));
    told.await.unwrap().unwrap();
    store.delete_account(gone.id).await.unwrap();
    (juliet, romeo)
}

async fn furnish_places(store: &Arc<dyn Store>, juliet: &Account) {
    let room = RoomRecord {
        id: RoomId(0),
        jid: jid("balcony@rooms.capulet.example"),
        creator: juliet.jid.clone(),
        created_ms: 5,
        locked: false,
        configuration: Configuration::default(),
        subject: None,
        secret: vec![7; 32],
    };
    let owner = Affiliate {
        jid: juliet.jid.clone(),
        affiliation: Affiliation::Owner,
        nick: Some("J".to_owned()),
        reason: None,
        seen: ArchiveId(3),
    };
    store.create_room(room, owner).await.unwrap();
    let node = NewNode {
        place: juliet.jid.clone(),
        account: Some(juliet.id),
        name: "urn:x".to_owned(),
        creator: juliet.jid.clone(),
        created_ms: 5,
        configuration: NodeConfiguration::personal(),
    };
    let node = store.create_node(node).await.unwrap();
    for id in ["b", "a"] {
        let item = Item {
            id: id.to_owned(),
            publisher: juliet.jid.clone(),
            published_ms: 7,
            payload: Some("<x xmlns='urn:x'>\r\n</x>".into()),
        };
        store.publish_item(node, item, 9, WhenFull::Evict).await.unwrap();
    }
}

async fn page(store: &Arc<dyn Store>, owner: &Account) -> Vec<waxwing_chat::archive::Archived> {
    let all = ArchiveQuery { limit: 10_000, ..query(owner.id) };
    store.archive_page(all).await.expect("the page is found").items
}

fn new_database() -> Option<Options> {
    faults::need("moving to PostgreSQL", server::shared()).map(server::Server::new_database)
}

#[tokio::test]
async fn everything_is_moved() {
    let Some(options) = new_database() else { return };
    let scratch = Scratch::new();
    let before: Arc<dyn Store> =
        Arc::new(Sqlite::open(&scratch.database(), sqlite::Options::default()).expect("it opens"));
    let (juliet, romeo) = furnish(&before).await;
    let hers = page(&before, &juliet).await;
    let roster = before.roster(juliet.id).await.unwrap();
    let kept = before.account(&juliet.jid).await.unwrap().expect("the account");
    let talks = before.conversations(juliet.id, ArchiveId(u64::MAX), 9).await.unwrap();
    before.close().await;
    drop(before);

    let listing = sqlite_to_postgres(&scratch.database(), options.clone()).await.expect("it is moved");
    let rows = |name| listing.rows.iter().find(|(table, _)| *table == name).expect("the table").1;
    assert_eq!(rows("message"), MESSAGES as u64 + 3);
    assert_eq!((rows("account"), rows("audit"), rows("sent")), (2, 3, MESSAGES as u64));
    let again = sqlite_to_postgres(&scratch.database(), options.clone()).await;
    assert!(matches!(again, Err(MoveError::NotEmpty("account"))));

    let after: Arc<dyn Store> = Arc::new(Postgres::open(options).await.expect("the store opens"));
    assert_eq!(page(&after, &juliet).await, hers);
    assert_eq!(after.roster(juliet.id).await.unwrap(), roster);
    assert_eq!(after.account(&juliet.jid).await.unwrap(), Some(kept));
    assert_eq!(after.conversations(juliet.id, ArchiveId(u64::MAX), 9).await.unwrap(), talks);
    assert_eq!(after.verify_audit().await.unwrap(), None);
    let words = ArchiveQuery { text: Some("今晚 line 7".to_owned()), ..query(romeo.id) };
    assert_eq!(contract::found(&after, words).await.len(), 1);
    let labelled = after.labelled(romeo.id, vec!["about a".to_owned()], 1000).await.unwrap();
    assert_eq!(labelled.len(), MESSAGES / 10);
    assert_eq!(after.waiting(juliet.id, ArchiveId(0), 9).await.unwrap().len(), 2);
    let repeated = Append { dedupe: Some((juliet.id, "m7".to_owned())), ..message(&juliet, &romeo, "again") };
    let repeated = contract::appending(&after, repeated).await.unwrap().unwrap();
    assert!(matches!(repeated, Committed::Duplicate(_)), "what was sent before is known");
    let next = append(&after, message(&juliet, &romeo, "next")).await;
    assert!(hers.iter().all(|message| message.id < next), "ids go on rising");
    let nurse = account(&after, "nurse@capulet.example").await;
    assert_eq!(nurse.id.0, romeo.id.0 + 1, "numbers are not given out again");
}

/// What is interrupted leaves nothing behind, and is begun anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_interrupted_is_begun_anew() {
    let Some(mut server) = faults::need("moving to PostgreSQL", server::Server::start(&[])) else { return };
    let scratch = Scratch::new();
    let before: Arc<dyn Store> =
        Arc::new(Sqlite::open(&scratch.database(), sqlite::Options::default()).expect("it opens"));
    furnish(&before).await;
    before.close().await;
    drop(before);
    let options = server.new_database();
    let database = options.url.rsplit('/').next().expect("a database").to_owned();
    let moving = tokio::spawn({
        let (path, options) = (scratch.database(), options.clone());
        async move { sqlite_to_postgres(&path, options).await }
    });
    // The tables are there and the transaction that fills them is under way once it holds the lock of one that writes.
    let writing =
        "SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock' AND relation = to_regclass('account')";
    while !moving.is_finished() && server.run_in(&database, writing) == "0" {}
    server.stop_at_once();
    let moved = moving.await.expect("it ends");
    server.resume().expect("it starts again");
    if moved.is_err() {
        assert_eq!(server.run_in(&database, "SELECT count(*) FROM account"), "0");
        sqlite_to_postgres(&scratch.database(), options).await.expect("it is moved");
    }
    assert_eq!(server.run_in(&database, "SELECT count(*) FROM account"), "2");
}
