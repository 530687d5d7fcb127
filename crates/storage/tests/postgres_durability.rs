//! What was acknowledged is there, once, after the server was stopped at once, its backends were killed, its power was cut or its
//! disk was full: the store on PostgreSQL.

// Not every way to break a disk is used here.
#[allow(dead_code)]
mod faults;
mod scratch;
mod server;
mod talk;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use faults::{Disk, need, trials};
use server::Server;
use talk::{appending, archive, couple};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use waxwing_chat::account::Account;
use waxwing_chat::archive::{Append, ArchiveId, Committed};
use waxwing_chat::nodes::Log;
use waxwing_chat::store::{Store, StoreError, StoreResult};
use waxwing_storage::postgres::{OpenError, Options, Postgres};

/// How many messages are on their way at a time.
const WINDOW: usize = 400;

/// Every other one has no id of its client, by which the store would know it again: such a message is there twice if a batch was
/// committed twice.
fn message(couple: &[Account; 2], n: u64) -> Append {
    let message = talk::message(couple, n);
    Append { dedupe: message.dedupe.filter(|_| n.is_multiple_of(2)), ..message }
}

/// What a node was told about its messages.
#[derive(Default)]
struct Said {
    /// In the order in which it was told.
    acknowledged: Vec<(u64, ArchiveId)>,
    refused: Vec<u64>,
}

/// A node under load, until it is told to stop.
struct Load {
    store: Arc<Postgres>,
    said: Arc<Mutex<Said>>,
    stop: Arc<AtomicBool>,
    /// How many messages have been acknowledged.
    count: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Appends messages numbered from `first` on.
    async fn start(options: Options, first: u64) -> Self {
        let store = Arc::new(Postgres::open(options).await.expect("the store opens"));
        Self::on(store, first).await
    }

    async fn on(store: Arc<Postgres>, first: u64) -> Self {
        let (said, stop) = (Arc::new(Mutex::new(Said::default())), Arc::new(AtomicBool::new(false)));
        let couple = couple(&*store).await;
        let (counted, count) = watch::channel(0);
        let work = send_all((store.clone(), said.clone(), stop.clone(), counted), couple, first);
        Self { store, said, stop, count, task: tokio::spawn(work) }
    }

    /// Waits until it has been acknowledged so many messages.
    async fn has(&self, count: usize) {
        let mut acknowledged = self.count.clone();
        acknowledged.wait_for(|acknowledged| *acknowledged >= count).await.expect("it still sends");
    }

    /// Stops sending and waits until everything has been told.
    async fn end(self) -> (Said, Arc<Postgres>) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("no panic");
        let said = std::mem::take(&mut *self.said.lock().expect("no panic"));
        (said, self.store)
    }
}

type Shared = (Arc<Postgres>, Arc<Mutex<Said>>, Arc<AtomicBool>, watch::Sender<usize>);

async fn send_all((store, said, stop, count): Shared, couple: [Account; 2], first: u64) {
    let free = Arc::new(Semaphore::new(WINDOW));
    for n in first.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let permit = free.clone().acquire_owned().await.expect("never closed");
        let (said, count) = (said.clone(), count.clone());
        let note = move |result: StoreResult<Committed>| {
            let mut said = said.lock().expect("no panic");
            match result {
                Ok(Committed::New(id)) => {
                    said.acknowledged.push((n, id));
                    count.send_replace(said.acknowledged.len());
                }
                Ok(Committed::Duplicate(id)) => panic!("message {n} is no duplicate of {id}"),
                Err(_) => said.refused.push(n),
            }
            drop(permit);
        };
        store.append(message(&couple, n), Box::new(note));
    }
    drop(free.acquire_many(WINDOW as u32).await.expect("never closed"));
}

/// Compares what nodes were told with what is there; how many acknowledged messages are missing.
async fn missing(store: &Postgres, all: &[&Said]) -> usize {
    let couple = couple(store).await;
    let archives = [archive(store, &couple[0]).await, archive(store, &couple[1]).await];
    assert_eq!(archives[0], archives[1], "both have it or neither");
    let by_number: HashMap<_, _> = archives[0].iter().copied().collect();
    assert_eq!(by_number.len(), archives[0].len(), "no message is there twice");
    let mut missing = 0;
    for said in all {
        assert!(said.acknowledged.is_sorted_by(|a, b| a.1 < b.1), "acknowledged in the order of the archive");
        missing += said.acknowledged.iter().filter(|(n, id)| by_number.get(n) != Some(id)).count();
        assert!(said.refused.iter().all(|n| !by_number.contains_key(n)), "what was refused is not there");
    }
    missing
}

/// The log has every batch, one number after the other, and the ids rise with the numbers.
async fn check_log(store: &Postgres) {
    let (mut behind, mut last) = (0, ArchiveId(0));
    loop {
        let batches = store.batches(behind, 500).await.expect("the log can be read");
        if batches.is_empty() {
            break;
        }
        for batch in batches {
            assert_eq!(batch.number, behind + 1);
            behind = batch.number;
            for message in batch.messages {
                assert!(message.id > last, "ids rise with the numbers of batches");
                last = message.id;
            }
        }
    }
    assert_eq!(behind, store.newest_batch().await.expect("an answer"));
}

/// Instants that look like chance, the same for each seed, in microseconds below a bound.
fn instant(seed: u64, bound: u64) -> Duration {
    let mixed = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Duration::from_micros((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) % bound)
}

fn patient(options: Options) -> Options {
    Options { patience: Duration::from_secs(60), ..options }
}

async fn report(what: &str, count: u64, loads: [Load; 2], told: &AtomicU64) {
    let [one, two] = loads;
    let ((said_one, store), (said_two, other)) = (one.end().await, two.end().await);
    let all = said_one.acknowledged.len() + said_two.acknowledged.len();
    let refused = said_one.refused.len() + said_two.refused.len();
    let lost = missing(&store, &[&said_one, &said_two]).await;
    check_log(&store).await;
    let faults = told.load(Ordering::Relaxed);
    eprintln!(
        "{what}: {count} trials, {faults} faults, {all} acknowledged, {refused} refused, {lost} lost, 0 twice"
    );
    assert_eq!(lost, 0);
    store.close().await;
    other.close().await;
}

/// `WAXWING_POSTGRES_STOPS` sets the number of trials.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_at_once_loses_nothing() {
    let Some(mut server) = need("a server that stops at once", Server::start(&[])) else { return };
    let count = trials("WAXWING_POSTGRES_STOPS", 5);
    server.run("CREATE DATABASE stops");
    let loads = [
        Load::start(patient(server.node_of("stops", 1)), 0).await,
        Load::start(patient(server.node_of("stops", 2)), 1 << 32).await,
    ];
    for trial in 0..count {
        for load in &loads {
            load.has((trial as usize + 1) * 50).await;
        }
        sleep(instant(trial, 60_000)).await;
        server.stop_at_once();
        server.resume().expect("the server starts again");
    }
    report("stopped at once", count, loads, &AtomicU64::new(count)).await;
}

/// `WAXWING_POSTGRES_TERMINATIONS` sets the number of trials.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_is_terminated_loses_nothing() {
    let Some(server) = need("terminated backends", Server::start(&[])) else { return };
    let count = trials("WAXWING_POSTGRES_TERMINATIONS", 40);
    server.run("CREATE DATABASE terminations");
    let loads = [
        Load::start(patient(server.node_of("terminations", 1)), 0).await,
        Load::start(patient(server.node_of("terminations", 2)), 1 << 32).await,
    ];
    let told = AtomicU64::new(0);
    for trial in 0..count {
        for load in &loads {
            load.has((trial as usize + 1) * 20).await;
        }
        sleep(instant(trial, 20_000)).await;
        let ended = server.run(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE query LIKE '%pg_temp.append_batch%' AND pid <> pg_backend_pid()",
        );
        told.fetch_add(ended.parse().expect("a number"), Ordering::Relaxed);
    }
    report("backends terminated", count, loads, &told).await;
}

/// `WAXWING_POSTGRES_KILLS` sets the number of trials: the server ends all other backends and recovers, whenever one is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_that_is_killed_loses_nothing() {
    let Some(server) = need("killed backends", Server::start(&[])) else { return };
    let count = trials("WAXWING_POSTGRES_KILLS", 3);
    server.run("CREATE DATABASE kills");
    let loads = [
        Load::start(patient(server.node_of("kills", 1)), 0).await,
        Load::start(patient(server.node_of("kills", 2)), 1 << 32).await,
    ];
    let told = AtomicU64::new(0);
    for trial in 0..count {
        for load in &loads {
            load.has((trial as usize + 1) * 20).await;
        }
        sleep(instant(trial, 20_000)).await;
        while !server.is_ready() {
            tokio::task::yield_now().await;
        }
        let pids = server.run(
            "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_temp.append_batch%' \
             AND pid <> pg_backend_pid() LIMIT 1",
        );
        if !pids.is_empty() {
            let killed = std::process::Command::new("kill").args(["-KILL", pids.trim()]).status();
            told.fetch_add(u64::from(killed.is_ok_and(|status| status.success())), Ordering::Relaxed);
        }
    }
    report("backends killed", count, loads, &told).await;
}

/// Cuts the power of a server's file system under load; how many acknowledged messages were lost, and how many there were.
async fn cut_power(disk: &Disk, trial: u64, syncs: bool) -> (usize, usize) {
    let folder = disk.path().join(format!("cut-{syncs}-{trial}"));
    let mut server = Server::start_in(folder, &[("max_wal_size", "64MB"), ("min_wal_size", "32MB")])
        .expect("the server starts");
    server.run("CREATE DATABASE cut");
    // What the database says about syncing does not count.
    server.run("ALTER DATABASE cut SET synchronous_commit = off");
    // The database cluster itself was made without syncing it.
    server.run("CHECKPOINT");
    let synced = std::process::Command::new("sync").arg("-f").arg(disk.path()).status();
    assert!(synced.is_ok_and(|status| status.success()), "the file system is synced");
    let options = Options { patience: Duration::from_millis(200), ..server.node_of("cut", 1) };
    let opened = match syncs {
        true => Postgres::open(options.clone()).await,
        false => Postgres::open_losing_messages_at_power_cuts(options.clone()).await,
    };
    let load = Load::on(Arc::new(opened.expect("the store opens")), 0).await;
    load.has(300).await;
    sleep(instant(trial, 150_000)).await;
    // A sync that is interrupted by the cut may seem to succeed; without power nobody would hear of it.
    server.freeze();
    disk.cut();
    server.kill();
    load.store.close().await;
    let (said, store) = load.end().await;
    drop(store);
    disk.power_up();
    server.resume().expect("the server starts again");
    let store =
        Postgres::open(Options { patience: Duration::from_secs(60), ..options }).await.expect("it opens");
    let couple = couple(&store).await;
    let there: HashMap<_, _> = archive(&store, &couple[0]).await.into_iter().collect();
    let lost = said.acknowledged.iter().filter(|(n, id)| there.get(n) != Some(id)).count();
    store.close().await;
    server.stop();
    (lost, said.acknowledged.len())
}

/// `WAXWING_POSTGRES_POWER_CUTS` sets the number of trials.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cut_loses_nothing_acknowledged() {
    let Some(disk) = need("power cuts of the server", can_cut()) else { return };
    let count = trials("WAXWING_POSTGRES_POWER_CUTS", 2);
    let (mut lost, mut all) = (0, 0);
    for trial in 0..count {
        let cut = cut_power(&disk, trial, true).await;
        (lost, all) = (lost + cut.0, all + cut.1);
    }
    eprintln!("{count} power cuts: {lost} of {all} acknowledged messages lost");
    assert_eq!(lost, 0);
}

/// The negative control: the same cuts do lose messages when commits are not synced.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn power_cut_without_syncs_loses_messages() {
    let Some(disk) = need("the negative control of power cuts of the server", can_cut()) else { return };
    let (mut lost, mut all) = (0, 0);
    // The server syncs now and then by itself.
    for trial in 0..10 {
        let cut = cut_power(&disk, trial, false).await;
        (lost, all) = (lost + cut.0, all + cut.1);
        if lost > 0 {
            break;
        }
    }
    eprintln!("without syncs: {lost} of {all} acknowledged messages lost");
    assert!(lost > 0, "the power cut is no power cut");
}

fn can_cut() -> Result<Disk, String> {
    server::shared()?;
    Disk::ext4(512)
}

/// A server that would not keep what it acknowledges is refused.
#[tokio::test]
async fn a_server_without_fsync_is_refused() {
    let Some(server) = need("a server without fsync", Server::start(&[("fsync", "off")])) else { return };
    let opened = Postgres::open(server.new_database()).await;
    assert!(matches!(opened, Err(OpenError::Server(_))));
}

/// While the disk is full, messages are refused as such and reads go on; then writes go on too. The log is elsewhere: without room for that
/// the server stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_disk_refuses_writes_and_recovers() {
    let Some(disk) = need("a full disk of the server", Disk::tmpfs(96)) else { return };
    let Some(server) = need("a full disk of the server", Server::start(&[])) else { return };
    let space = disk.path().join("space");
    std::fs::create_dir(&space).expect("a folder");
    server.give(&space);
    server.run(&format!("CREATE TABLESPACE small LOCATION '{}'", space.display()));
    server.run("CREATE DATABASE full_disk TABLESPACE small");
    let store = Postgres::open(server.node_of("full_disk", 1)).await.expect("the store opens");
    let couple = couple(&store).await;
    let ballast = disk.path().join("ballast");
    let mut filling = std::fs::File::create(&ballast).expect("a file");
    let mut said = Said::default();
    let mut n = 0;
    while said.refused.len() < 300 {
        n += 1;
        match appending(&store, message(&couple, n)).await.expect("it answers") {
            Ok(committed) => said.acknowledged.push((n, committed.id())),
            Err(StoreError::Full) => {
                said.refused.push(n);
                if said.refused.len() % 100 == 1 {
                    assert_eq!(archive(&store, &couple[0]).await, said.acknowledged, "reads go on");
                }
            }
            other => panic!("message {n}: {other:?}"),
        }
        if n == 200 {
            // All that is left.
            let _ = std::io::copy(&mut std::io::repeat(0), &mut filling);
        }
        assert!(n < 100_000, "the disk never fills");
    }
    drop(filling);
    std::fs::remove_file(&ballast).expect("room is made");
    for n in n + 1..n + 300 {
        let committed = appending(&store, message(&couple, n)).await.expect("it answers");
        let Ok(Committed::New(id)) = committed else { panic!("message {n}: {committed:?}") };
        said.acknowledged.push((n, id));
    }
    eprintln!("{} messages archived, {} refused", said.acknowledged.len(), said.refused.len());
    assert_eq!(missing(&store, &[&said]).await, 0);
    store.close().await;
    drop(server);
}

/// Whoever waits longer than the store has patience is refused, and what is refused is not there; the store goes on once the server is
/// back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_not_waited_for_without_end() {
    let Some(mut server) = need("a server that is away", Server::start(&[])) else { return };
    server.run("CREATE DATABASE away");
    let options =
        Options { patience: Duration::from_millis(300), write_queue_jobs: 100, ..server.node_of("away", 1) };
    let store = Postgres::open(options).await.expect("the store opens");
    let couple = couple(&store).await;
    let mut said = Said::default();
    let id = appending(&store, message(&couple, 0)).await.expect("it answers").expect("it is archived").id();
    said.acknowledged.push((0, id));
    server.stop_at_once();
    // The first may be in doubt, until the server is back.
    let doubtful = appending(&store, message(&couple, 1));
    let waiting: Vec<_> = (2..400).map(|n| (n, appending(&store, message(&couple, n)))).collect();
    let (mut late, deadline) = (Vec::new(), tokio::time::Instant::now() + Duration::from_secs(5));
    for (n, answer) in waiting {
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(answer) => {
                assert!(matches!(answer.expect("it answers"), Err(StoreError::Unavailable)), "message {n}");
                said.refused.push(n);
            }
            Err(_) => late.push(n),
        }
    }
    assert!(said.refused.len() > 100, "the queue has a bound, and patience an end");
    server.resume().expect("the server starts again");
    match doubtful.await.expect("it answers") {
        Ok(committed) => said.acknowledged.push((1, committed.id())),
        Err(_) => said.refused.push(1),
    }
    let id = loop {
        if let Ok(committed) = appending(&store, message(&couple, 1000)).await.expect("it answers") {
            break committed.id();
        }
    };
    said.acknowledged.push((1000, id));
    assert!(late.len() < 260, "{} were with the first in a batch", late.len());
    assert_eq!(missing(&store, &[&said]).await, 0);
    store.close().await;
}
