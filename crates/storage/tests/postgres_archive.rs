//! What is the archive's own on PostgreSQL: plans, partitions, the log of batches, turns, and the replica.

// The contracts themselves stay unused here.
#[allow(dead_code, unused_macros, unused_imports)]
mod contract;
#[allow(dead_code)]
mod faults;
mod scratch;
mod server;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use contract::{account, append, appending, jid, message, query};
use faults::need;
use server::Server;
use waxwing_chat::account::Account;
use waxwing_chat::archive::{
    Append, ArchiveId, ArchiveQuery, Committed, Direction, Fence, ImportedMessage, PageFrom,
};
use waxwing_chat::nodes::{Batch, Leases, Log, NodeId, Turns};
use waxwing_chat::rooms::affiliation::Affiliation;
use waxwing_chat::rooms::store::{Affiliate, RoomChange};
use waxwing_chat::state::{StateChange, StateKind};
use waxwing_chat::store::{Store, StoreError, StoreResult};
use waxwing_storage::postgres::{Options, Postgres};

async fn open(options: Options) -> (Arc<Postgres>, Arc<dyn Store>) {
    let store = Arc::new(Postgres::open(options).await.expect("the store opens"));
    (store.clone(), store)
}

async fn couple(store: &Arc<dyn Store>) -> (Account, Account) {
    (account(store, "juliet@capulet.example").await, account(store, "romeo@montague.example").await)
}

fn imported(id: u64, text: &str) -> ImportedMessage {
    ImportedMessage {
        id: ArchiveId(id),
        peer: jid("paris@verona.example/x"),
        direction: Direction::Incoming,
        waits: false,
        xml: format!("<message><body>{text}</body></message>").into_bytes(),
        text: Some(text.to_owned()),
        labels: vec!["has link".to_owned()],
    }
}

/// The 30 days of a partition, in microseconds.
const MONTH_US: u64 = 30 * 24 * 60 * 60 * 1_000_000;

fn now_us() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_micros() as u64
}

/// Everything that is asked of the archive, and every way to change it.
async fn ask_everything(store: &Arc<dyn Store>, juliet: &Account, romeo: &Account, ids: &[ArchiveId]) {
    let middle = ids[ids.len() / 2];
    for page in [PageFrom::Start, PageFrom::After(middle), PageFrom::End, PageFrom::Before(middle)] {
        let all = ArchiveQuery { page, limit: 20, ..query(juliet.id) };
        let label = vec!["about a".to_owned()];
        let questions = [
            ArchiveQuery { with: Some(romeo.jid.clone()), ..all.clone() },
            ArchiveQuery { text: Some("line 1".to_owned()), ..all.clone() },
            ArchiveQuery { labels: label.clone(), ..all.clone() },
            ArchiveQuery { ids: ids[..3].to_vec(), ..all.clone() },
            ArchiveQuery { start: Some(ids[1]), end: Some(middle), ..all.clone() },
            all,
        ];
        for question in questions {
            store.archive_page(question).await.expect("a page");
        }
        store.labelled(juliet.id, label, 5).await.expect("an answer");
    }
    store.archived(juliet.id, &ids[..5]).await.expect("they are there");
    store.archive_bounds(juliet.id).await.expect("an answer");
    store.waiting(romeo.id, middle, 20).await.expect("an answer");
    store.set_delivered(romeo.id, middle).await.expect("it is moved");
    store.replace_archived(juliet.id, middle, b"<message/>".to_vec()).await.expect("it is replaced");
    store.conversations(juliet.id, ArchiveId(u64::MAX), 10).await.expect("an answer");
    store.state(juliet.id, StateKind::Draft).await.expect("an answer");
    store.state_item(juliet.id, StateKind::Draft, "romeo").await.expect("an answer");
    store.state_since(juliet.id, ArchiveId(0), 10).await.expect("an answer");
    store.state_of_all(StateKind::Draft).await.expect("an answer");
    store.sweep_state(middle, 10).await.expect("swept");
    store.expire_archive(ids[0], 10).await.expect("expired");
}

/// Every statement that touches a table which grows finds its way by an index, those inside the function of a batch and those of the
/// upkeep included. The server tells the plans itself; it walks a table only where it has no other way.
#[tokio::test]
async fn every_question_walks_an_index() {
    let settings = [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_nested_statements", "on"),
        ("auto_explain.log_level", "warning"),
        ("enable_seqscan", "off"),
    ];
    let Some(server) = need("plans", Server::start(&settings)) else { return };
    let options = server.new_database();
    let (postgres, store) = open(options.clone()).await;
    let (juliet, romeo) = couple(&store).await;
    let mut ids = Vec::new();
    for n in 0..200_u32 {
        let labels = if n % 5 == 0 { vec!["about a".to_owned()] } else { Vec::new() };
        let sent = Append {
            dedupe: Some((juliet.id, n.to_string())),
            labels,
            ..message(&juliet, &romeo, &format!("line {n}"))
        };
        ids.push(append(&store, sent).await);
    }
    store
        .import_archive(juliet.id, vec![imported(now_us() - 3 * MONTH_US, "long ago")])
        .await
        .expect("imported");
    let (done, told) = tokio::sync::oneshot::channel();
    let change = StateChange {
        owner: juliet.id,
        kind: StateKind::Draft,
        key: "romeo".to_owned(),
        content: Some("so".to_owned()),
    };
    store.put_state(vec![change], Box::new(move |position| drop(done.send(position))));
    told.await.expect("it is told").expect("it is kept");
    ask_everything(&store, &juliet, &romeo, &ids).await;
    postgres.batches(0, 10).await.expect("the log");
    store.delete_account(romeo.id).await.expect("it is deleted");
    followed(&server, &options, *ids.last().expect("some")).await;
    let growing = ["message", "copy", "label", "sent_", "state", "conversation", "batch"];
    let scans = |log: &str| -> Vec<String> {
        let walked = |line: &&str| {
            line.split_once("Seq Scan on ")
                .is_some_and(|(_, table)| growing.iter().any(|g| table.starts_with(g)))
        };
        log.lines().filter(walked).map(str::to_owned).collect()
    };
    let log = server.said();
    assert!(log.contains("message_by_word") || log.contains("_words_idx"), "words have an index");
    assert!(log.contains("append_batch") && log.contains("INSERT INTO conversation"), "plans are told");
    assert_eq!(scans(&log), [""; 0]);
    // The control: what no index answers is seen.
    server.run_in(&name(&options), "SELECT count(*) FROM message WHERE xml = 'x'");
    assert!(!scans(&server.said()).is_empty());
    store.close().await;
}

fn name(options: &Options) -> String {
    options.url.rsplit('/').next().expect("a database").to_owned()
}

/// Waits until the upkeep has dealt with a message.
async fn followed(server: &Server, options: &Options, id: ArchiveId) {
    let sql = format!("SELECT count(*) FROM upkeep WHERE talks >= {id}");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while server.run_in(&name(options), &sql) != "1" {
        assert!(tokio::time::Instant::now() < deadline, "the upkeep follows");
        tokio::task::yield_now().await;
    }
}

fn partitions(server: &Server, options: &Options) -> BTreeSet<u64> {
    let sql = "SELECT substr(relname, 9) FROM pg_class WHERE relname ~ '^message_[0-9]+$'";
    server.run_in(&name(options), sql).lines().map(|number| number.parse().expect("a number")).collect()
}

/// Partitions are there before they are needed, for what is imported too; whoever is expired is gone at once, and its partition with
/// the last of them.
#[tokio::test]
async fn expiry_drops_partitions() {
    let Some(server) = need("partitions", server::shared()) else { return };
    let options = server.new_database();
    let (_, store) = open(options.clone()).await;
    let (juliet, romeo) = couple(&store).await;
    let now = now_us() / MONTH_US;
    assert_eq!(partitions(server, &options), BTreeSet::from([now, now + 1]));
    let old: Vec<_> =
        (0..6).map(|n| imported((now - 4 + n / 2) * MONTH_US + n, &format!("old {n}"))).collect();
    store.import_archive(juliet.id, old).await.expect("imported");
    let kept = append(&store, message(&juliet, &romeo, "new")).await;
    assert!(partitions(server, &options).is_superset(&BTreeSet::from([
        now - 4,
        now - 3,
        now - 2,
        now,
        now + 1
    ])));
    assert_eq!(store.status().await.expect("figures").messages, 7);
    let before = ArchiveId((now - 2) * MONTH_US + 5);
    assert_eq!(store.expire_archive(before, 3).await.expect("expired"), 3);
    assert_eq!(contract::found(&store, query(juliet.id)).await.len(), 4);
    assert!(!partitions(server, &options).contains(&(now - 4)));
    assert_eq!(store.expire_archive(before, 3).await.expect("expired"), 2);
    assert_eq!(store.expire_archive(before, 3).await.expect("expired"), 0);
    assert!(!partitions(server, &options).contains(&(now - 3)));
    assert!(partitions(server, &options).contains(&(now - 2)), "one of its messages is not expired");
    let there = contract::found(&store, query(juliet.id)).await;
    assert_eq!(there, [ArchiveId((now - 2) * MONTH_US + 5), kept]);
    let asked = ArchiveQuery { text: Some("old".to_owned()), ..query(juliet.id) };
    assert_eq!(contract::found(&store, asked).await, there[..1]);
    assert_eq!(store.status().await.expect("figures").messages, 2);
    assert_eq!(store.expire_archive(ArchiveId(u64::MAX), 9).await.expect("expired"), 2);
    assert!(append(&store, message(&juliet, &romeo, "newer")).await > kept);
    assert_eq!(contract::found(&store, query(juliet.id)).await.len(), 1, "what is new is never expired");
    store.close().await;
}

/// Conversations are the same before and after the table has followed.
#[tokio::test]
async fn conversations_follow() {
    let Some(server) = need("conversations", server::shared()) else { return };
    let options = server.new_database();
    let (_, store) = open(options.clone()).await;
    let (juliet, romeo) = couple(&store).await;
    let nurse = account(&store, "nurse@capulet.example").await;
    append(&store, message(&juliet, &romeo, "one")).await;
    let last = append(&store, message(&nurse, &juliet, "two")).await;
    let first = store.conversations(juliet.id, ArchiveId(u64::MAX), 9).await.expect("an answer");
    followed(server, &options, last).await;
    assert_eq!(store.conversations(juliet.id, ArchiveId(u64::MAX), 9).await.expect("an answer"), first);
    let newest = append(&store, message(&romeo, &juliet, "three")).await;
    let all = store.conversations(juliet.id, ArchiveId(u64::MAX), 9).await.expect("an answer");
    let all: Vec<_> = all.iter().map(|(peer, id)| (peer.as_str(), *id)).collect();
    assert_eq!(all, [("romeo@montague.example", newest), ("nurse@capulet.example", last)]);
    store.close().await;
}

/// Batches of all nodes have one order, and tell what was committed; what is not kept any more is not passed over in silence.
#[tokio::test]
async fn the_log_tells_batches_in_order() {
    let Some(server) = need("the log", server::shared()) else { return };
    let options = server.new_database();
    let (one, store) = open(options.clone()).await;
    let (other, second) = open(server.node_of(&name(&options), 2)).await;
    let (juliet, romeo) = couple(&store).await;
    let mut ids = Vec::new();
    for n in 0..10 {
        let by = if n % 2 == 0 { &store } else { &second };
        ids.push(append(by, message(&juliet, &romeo, &format!("line {n}"))).await);
    }
    let batches = one.batches(0, 100).await.expect("the log");
    assert_eq!(batches.iter().map(|batch| batch.number).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    let told: Vec<_> = batches.iter().flat_map(|batch| &batch.messages).collect();
    assert_eq!(told.iter().map(|message| message.id).collect::<Vec<_>>(), ids);
    assert_eq!(told[3].xml, &b"<message><body>line 3</body></message>"[..]);
    let owners: Vec<_> = told[3].copies.iter().map(|copy| (copy.owner, copy.direction, copy.waits)).collect();
    assert_eq!(owners, [(juliet.id, Direction::Outgoing, true), (romeo.id, Direction::Incoming, true)]);
    assert_eq!((batches[0].node, batches[1].node), (one.node(), other.node()));
    assert_eq!(other.newest_batch().await.expect("an answer"), 10);
    assert_eq!(other.batches(10, 5).await.expect("the log"), []);
    assert_eq!(other.batches(8, 1).await.expect("the log"), batches[8..9]);
    server.run_in(&name(&options), "DELETE FROM batch WHERE number IN (2, 3)");
    for behind in [0, 1, 2] {
        assert!(matches!(one.batches(behind, 5).await, Err(StoreError::NotFound)), "behind {behind}");
    }
    assert_eq!(one.batches(3, 2).await.expect("the log"), batches[3..5]);
    let before = second.position();
    other.dealt_with(ArchiveId(before.0 + 5));
    assert_eq!(second.position(), ArchiveId(before.0 + 5));
    store.close().await;
    second.close().await;
}

/// Writes down what happens.
#[derive(Default)]
struct Order(Mutex<Vec<String>>);

impl Order {
    fn note(&self, what: String) {
        self.0.lock().expect("no panic").push(what);
    }
}

#[async_trait]
impl Turns for Order {
    async fn turn(&self, batch: &Batch) {
        tokio::task::yield_now().await;
        self.note(format!("turn {} of {}", batch.number, batch.messages.len()));
    }

    fn over(&self, number: u64) {
        self.note(format!("over {number}"));
    }
}

/// Callbacks run between the turn of their batch and its end, those of changes too.
#[tokio::test]
async fn callbacks_wait_for_their_turn() {
    let Some(server) = need("turns", server::shared()) else { return };
    let (postgres, store) = open(server.new_database()).await;
    let order = Arc::new(Order::default());
    postgres.set_turns(order.clone());
    let (juliet, romeo) = couple(&store).await;
    for n in 0..2 {
        let noted = order.clone();
        let done = Box::new(move |_: StoreResult<Committed>| noted.note(format!("message {n}")));
        store.append(message(&juliet, &romeo, "x"), done);
        appending(&store, Append { copies: Vec::new(), ..message(&juliet, &romeo, "barrier") })
            .await
            .expect("it answers")
            .expect("it is archived");
    }
    let noted = order.clone();
    let (done, told) = tokio::sync::oneshot::channel();
    let change = StateChange {
        owner: juliet.id,
        kind: StateKind::Pin,
        key: "p".to_owned(),
        content: Some("1".to_owned()),
    };
    let on_state = move |_: StoreResult<ArchiveId>| {
        noted.note("state".to_owned());
        let _ = done.send(());
    };
    store.put_state(vec![change], Box::new(on_state));
    told.await.expect("it is told");
    store.close().await;
    let order = order.0.lock().expect("no panic").clone();
    let (mut number, mut open) = (0, false);
    for what in &order {
        match what.split(' ').collect::<Vec<_>>()[..] {
            ["turn", turn, "of", _] => {
                assert!(!open, "one at a time");
                number += 1;
                assert_eq!(turn, number.to_string());
                open = true;
            }
            ["over", turn] => {
                assert_eq!((turn, open), (number.to_string().as_str(), true));
                open = false;
            }
            _ => assert!(open, "{what} within a turn"),
        }
    }
    assert!(!open && order.iter().filter(|what| what.starts_with("message")).count() == 2, "{order:?}");
    assert_eq!(order[order.len() - 3], format!("turn {number} of 0"));
}

/// A replica answers what it has replayed, and nothing that it might have missed.
#[tokio::test]
async fn a_replica_answers_what_it_has() {
    let Some(mut server) = need("a replica", Server::start(&[])) else { return };
    let Some(replica) = need("a replica", server.replica()) else { return };
    let options = server.new_database();
    let options = Options {
        replica_url: Some(replica.url(&name(&options))),
        patience: Duration::from_millis(200),
        ..options
    };
    let (_, store) = open(options.clone()).await;
    let (juliet, romeo) = couple(&store).await;
    let mut ids = Vec::new();
    for n in 0..50 {
        ids.push(append(&store, message(&juliet, &romeo, &format!("line {n}"))).await);
    }
    replayed(&replica, &options, ids[49]).await;
    replica.run_in(&name(&options), "SELECT pg_wal_replay_pause()");
    for n in 50..60 {
        ids.push(append(&store, message(&juliet, &romeo, &format!("line {n}"))).await);
    }
    let page = |page, limit| store.archive_page(ArchiveQuery { page, limit, ..query(romeo.id) });
    let got = async |from, limit| {
        let page = page(from, limit).await?;
        Ok::<_, StoreError>(page.items.iter().map(|item| item.id).collect::<Vec<_>>())
    };
    // With the primary there, nothing is missing, whoever answers.
    assert_eq!(got(PageFrom::Start, 100).await.expect("a page"), ids);
    assert_eq!(got(PageFrom::End, 5).await.expect("a page"), ids[55..]);
    assert_eq!(got(PageFrom::After(ids[45]), 10).await.expect("a page"), ids[46..56]);
    assert_eq!(got(PageFrom::Before(ids[55]), 10).await.expect("a page"), ids[45..55]);
    server.stop_at_once();
    // What the replica has, it answers alone.
    assert_eq!(got(PageFrom::Before(ids[40]), 10).await.expect("a page"), ids[30..40]);
    assert_eq!(got(PageFrom::Start, 30).await.expect("a page"), ids[..30]);
    assert_eq!(store.archived(romeo.id, &ids[3..5]).await.expect("they are there").len(), 2);
    // What it may lack, it does not.
    for from in [PageFrom::End, PageFrom::After(ids[45]), PageFrom::Before(ids[55])] {
        assert!(matches!(got(from, 10).await, Err(StoreError::Unavailable)), "{from:?}");
    }
    assert!(store.archived(romeo.id, &ids[55..56]).await.is_err());
    store.close().await;
}

async fn replayed(replica: &Server, options: &Options, id: ArchiveId) {
    let sql = format!("SELECT count(*) FROM clock WHERE last_id >= {id}");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while replica.run_in(&name(options), &sql) != "1" {
        assert!(tokio::time::Instant::now() < deadline, "the replica replays");
        tokio::task::yield_now().await;
    }
}

/// What a node writes under a lease is kept while it holds that, and refused once another does: alone, and among others of one
/// batch.
#[tokio::test]
async fn what_another_holds_by_now_is_not_written() {
    let Some(server) = need("a fence", Server::start(&[])) else { return };
    let (postgres, store) = open(server.new_database()).await;
    let (juliet, romeo) = couple(&store).await;
    let (one, other) = (NodeId(1), NodeId(u64::MAX));
    for node in [one, other] {
        postgres.renew(node, 600_000).await.expect("it is alive");
    }
    let held = postgres.hold("room/a", one).await.expect("it is free");
    let under = |held, text: &str| Append {
        fence: Some(Fence { what: "room/a".to_owned(), held }),
        ..message(&juliet, &romeo, text)
    };
    append(&store, under(held, "first")).await;
    postgres.release("room/a", held).await.expect("given back");
    let taken = postgres.hold("room/a", other).await.expect("it is free");
    let outcomes = [
        appending(&store, message(&juliet, &romeo, "second")),
        appending(&store, under(held, "too late")),
        appending(&store, under(taken, "third")),
        appending(&store, under(held, "too late again")),
    ];
    let mut kept = Vec::new();
    for outcome in outcomes {
        match outcome.await.expect("the store reports") {
            Ok(_) => kept.push(true),
            Err(StoreError::Fenced) => kept.push(false),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(kept, [true, false, true, false]);
    let page = store.archive_page(query(juliet.id)).await.expect("a page");
    let texts: Vec<String> =
        page.items.iter().map(|item| String::from_utf8_lossy(&item.xml).into_owned()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    for (text, wanted) in texts.iter().zip(["first", "second", "third"]) {
        assert!(text.contains(wanted), "{texts:?}");
    }
    // The log that other nodes read has no trace of what was refused.
    let batches = postgres.batches(0, 100).await.expect("the log");
    assert_eq!(batches.iter().map(|batch| batch.messages.len()).sum::<usize>(), 3);
}

/// The same of what is kept of a room; and of a lease that is given back nothing is left, however often it changes hands.
#[tokio::test]
async fn a_room_is_changed_by_whoever_holds_it() {
    let Some(server) = need("a fence", Server::start(&[])) else { return };
    let options = server.new_database();
    let database = name(&options);
    let (postgres, store) = open(options).await;
    let (one, other) = (NodeId(1), NodeId(u64::MAX));
    for node in [one, other] {
        postgres.renew(node, 600_000).await.expect("it is alive");
    }
    let id = contract::rooms::make(&store, "orchard").await.id;
    let lost = postgres.hold("room/a", one).await.expect("it is free");
    postgres.release("room/a", lost).await.expect("given back");
    let held = postgres.hold("room/a", other).await.expect("it is free");
    assert!(held.epoch > lost.epoch);
    let fence = |held| Some(Fence { what: "room/a".to_owned(), held });
    let change = |nick: &str| {
        let nurse = contract::rooms::affiliate("nurse@x.example", Affiliation::Member);
        RoomChange::Affiliates(vec![Affiliate { nick: Some(nick.to_owned()), ..nurse }])
    };
    let refused = store.change_room(id, change("late"), fence(lost)).await;
    assert!(matches!(refused, Err(StoreError::Fenced)), "{refused:?}");
    assert!(matches!(store.delete_room(id, fence(lost)).await, Err(StoreError::Fenced)));
    store.change_room(id, change("nurse"), fence(held)).await.expect("it is kept");
    let nicks: Vec<_> =
        store.affiliates(id).await.expect("read").into_iter().filter_map(|one| one.nick).collect();
    assert_eq!(nicks, ["nurse"]);
    store.delete_room(id, fence(held)).await.expect("it is gone");
    postgres.release("room/a", held).await.expect("given back");
    for node in [one, other] {
        postgres.hold(&format!("pair/{node}"), node).await.expect("it is free");
        postgres.forget(node).await.expect("forgotten");
    }
    assert_eq!(server.run_in(&database, "SELECT count(*) FROM lease"), "0");
}

/// A dump holds a lock on every table for as long as it takes: what clients sent twice is known all the same, and nobody waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_kept_while_the_database_is_dumped() {
    let Some(server) = need("a dump", Server::start(&[])) else { return };
    let window = Duration::from_millis(100);
    let options = Options { dedupe_window: window, ..server.new_database() };
    let database = name(&options);
    let (_postgres, store) = open(options).await;
    let (juliet, romeo) = couple(&store).await;
    let sent = |id: u32| Append {
        dedupe: Some((juliet.id, id.to_string())),
        ..message(&juliet, &romeo, &format!("line {id}"))
    };
    let first = append(&store, sent(0)).await;
    let dump = "BEGIN; LOCK TABLE sent_0, sent_1 IN ACCESS SHARE MODE; SELECT pg_sleep(600); COMMIT";
    std::thread::scope(|threads| {
        let dumping = threads.spawn(|| server.run_in(&database, dump));
        let held = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                    WHERE c.relname IN ('sent_0', 'sent_1') AND l.mode = 'AccessShareLock' AND l.granted";
        while server.run_in(&database, held).trim() != "2" {
            std::thread::yield_now();
        }
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for id in 1.. {
                    let kept = append(&store, sent(id)).await;
                    let again = appending(&store, sent(id)).await.expect("the store reports");
                    assert!(matches!(again, Ok(Committed::Duplicate(known)) if known == kept), "{again:?}");
                    if kept.0 - first.0 > 5 * window.as_micros() as u64 {
                        break;
                    }
                }
            });
        });
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE sent_0%'";
        server.run_in(&database, end);
        drop(dumping.join());
    });
    // What a client sends under an id that is forgotten, and stands in a table that could not be emptied, is another message.
    append(&store, sent(0)).await;
}
