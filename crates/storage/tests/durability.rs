//! What was acknowledged is there after power cuts, kills and failed syncs; a full or hung disk is survived.
//!
//! The writing process is this test binary itself, run with `writing_process` as its only test.

mod faults;
mod scratch;
mod talk;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use faults::{Disk, need, trials};
use scratch::Scratch;
use talk::{appending, archive, couple, message};
use tokio::sync::{Semaphore, oneshot};
use waxwing_chat::account::Account;
use waxwing_chat::archive::{ArchiveId, Committed};
use waxwing_chat::store::{Store, StoreError, StoreResult};
use waxwing_storage::sqlite::{Options, Sqlite};

/// Small limits, so that checkpoints and indexing happen within a trial.
fn options() -> Options {
    Options { wal_start_bytes: 256 << 10, wal_max_bytes: 1 << 20, tail_copies: 1000, ..Options::default() }
}

fn open(path: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(path, options()).expect("the store opens"))
}

const DATABASE: &str = "WAXWING_WRITER_DATABASE";
const FIRST: &str = "WAXWING_WRITER_FIRST";
const SYNCS: &str = "WAXWING_WRITER_SYNCS";

/// Not a test, and over at once when run as one: the process that is cut off, killed or denied a sync. It appends until it ends, and acknowledges on
/// standard output, from inside the callbacks, as the server does.
#[test]
fn writing_process() {
    let Some(path) = std::env::var_os(DATABASE) else {
        return;
    };
    let first: u64 = std::env::var(FIRST).expect("a number").parse().expect("a number");
    let path = PathBuf::from(path);
    let opened = if std::env::var(SYNCS).is_ok_and(|syncs| syncs == "no") {
        Sqlite::open_losing_messages_at_power_cuts(&path, options())
    } else {
        Sqlite::open(&path, options())
    };
    let store: Arc<dyn Store> = match opened {
        Ok(store) => Arc::new(store),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(75)
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let couple = couple(&*store).await;
        let free = Arc::new(Semaphore::new(64));
        for n in first..first + 1_000_000 {
            let permit = free.clone().acquire_owned().await.expect("never closed");
            let acknowledge = move |result: StoreResult<Committed>| {
                if let Ok(Committed::New(id)) = result {
                    let line = format!("ack {n} {id}\n");
                    std::io::stdout().lock().write_all(line.as_bytes()).expect("somebody listens");
                }
                drop(permit);
            };
            store.append(message(&couple, n), Box::new(acknowledge));
        }
    });
}

/// A running writer and what it has said.
struct Writer {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Writer {
    fn start(database: &Path, first: u64, env: &[(&str, &str)]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this binary"));
        command.args(["--exact", "writing_process", "--nocapture", "--test-threads=1"]);
        command.env(DATABASE, database).env(FIRST, first.to_string()).envs(env.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { child, lines, said: Vec::new() }
    }

    /// Listens until `enough` acknowledgements have come, and then for a while. False if it ended before.
    fn listen(&mut self, enough: usize, and_then: Duration) -> bool {
        let mut deadline = None;
        loop {
            let left = deadline
                .map_or(Duration::from_secs(60), |at: Instant| at.saturating_duration_since(Instant::now()));
            match self.lines.recv_timeout(left) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Timeout) => return deadline.is_some(),
                Err(RecvTimeoutError::Disconnected) => return false,
            }
            if deadline.is_none() && self.said.len() >= enough {
                deadline = Some(Instant::now() + and_then);
            }
            if deadline.is_some_and(|at| Instant::now() >= at) {
                return true;
            }
        }
    }

    /// Stops it dead. What a thread of it is doing in the kernel may still end, but none gets to say anything.
    fn stop(&self) {
        let process = self.child.id().to_string();
        let stopped = Command::new("kill").args(["-STOP", &process]).status();
        assert!(stopped.is_ok_and(|status| status.success()), "the writer is stopped");
        let still = |task: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
            matches!(state, Some('T' | 'D'))
        };
        let tasks = || std::fs::read_dir(format!("/proc/{process}/task")).expect("it exists").flatten();
        while !tasks().all(still) {
            std::thread::yield_now();
        }
    }

    /// Kills it, if it still runs, and hears it out.
    fn end(mut self) -> Vec<(u64, ArchiveId)> {
        let _ = self.child.kill();
        self.hear_out();
        acknowledged(&self.said)
    }

    fn hear_out(&mut self) -> ExitStatus {
        let status = self.child.wait().expect("it was started");
        self.said.extend(self.lines.iter());
        status
    }
}

fn acknowledged<L: AsRef<str>>(lines: &[L]) -> Vec<(u64, ArchiveId)> {
    let parse = |line: &L| {
        let mut words = line.as_ref().strip_prefix("ack ")?.split(' ');
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    lines.iter().filter_map(parse).collect()
}

/// Checks an archive against acknowledgements; returns how many of them are missing.
async fn check(database: &Path, acknowledged: &[(u64, ArchiveId)]) -> usize {
    assert!(acknowledged.is_sorted_by(|a, b| a.1 < b.1), "acknowledged in the order of the archive");
    let store = open(database);
    let couple = couple(&*store).await;
    let mut missing = 0;
    let mut archives = Vec::new();
    for owner in &couple {
        let found = archive(&*store, owner).await;
        let by_number: HashMap<_, _> = found.iter().copied().collect();
        assert_eq!(by_number.len(), found.len(), "no message is there twice");
        missing = acknowledged.iter().filter(|(n, id)| by_number.get(n) != Some(id)).count();
        archives.push(found);
    }
    assert_eq!(archives[0], archives[1], "both have it or neither");
    if missing == 0 {
        resend(&store, &couple, acknowledged).await;
    }
    store.close().await;
    let db = rusqlite::Connection::open(database).expect("the database opens");
    let verdict: String =
        db.pragma_query_value(None, "integrity_check", |row| row.get(0)).expect("it can be checked");
    assert_eq!(verdict, "ok");
    missing
}

/// A client that has missed acknowledgements sends again: what is there is found, what is not is stored once.
async fn resend(store: &Arc<dyn Store>, couple: &[Account; 2], acknowledged: &[(u64, ArchiveId)]) {
    let Some((last, _)) = acknowledged.last() else {
        return;
    };
    let from = acknowledged.len().saturating_sub(100);
    for (n, id) in &acknowledged[from..] {
        let retry = appending(&**store, message(couple, *n)).await.expect("it answers");
        assert_eq!(retry.expect("it succeeds"), Committed::Duplicate(*id));
    }
    let before: HashMap<_, _> = archive(&**store, &couple[0]).await.into_iter().collect();
    for n in last + 1..last + 80 {
        let retry = appending(&**store, message(couple, n)).await.expect("it answers").expect("it succeeds");
        match (retry, before.get(&n)) {
            (Committed::Duplicate(id), Some(there)) if id == *there => {}
            (Committed::New(_), None) => {}
            other => panic!("message {n}: {other:?}"),
        }
    }
}

/// Cuts the power `count` times; returns how many acknowledged messages were lost, and how many there were.
async fn cut_power(disk: &Disk, count: u64, syncs: &str) -> (usize, usize) {
    let (mut lost, mut all) = (0, 0);
    for trial in 0..count {
        let folder = disk.path().join(format!("{syncs}-{trial}"));
        std::fs::create_dir(&folder).expect("a folder");
        let database = folder.join("waxwing.db");
        let mut said = Vec::new();
        // Several cuts of the same database, at different moments of its growth.
        for round in 0..2 {
            let mut writer = Writer::start(&database, round << 32, &[(SYNCS, syncs)]);
            let moment = Duration::from_micros((trial * 7919 + round * 104_729) % 150_000);
            assert!(writer.listen(100, moment), "the writer writes until the cut");
            // A sync that is interrupted by the cut may seem to succeed; without power nobody would hear of it.
            writer.stop();
            disk.cut();
            said.extend(writer.end());
            disk.power_up();
            if round == 0 {
                // The second process opens what the first has left, and finds the end of it by itself.
                continue;
            }
        }
        all += said.len();
        lost += check(&database, &said).await;
        std::fs::remove_dir_all(&folder).expect("the folder goes");
    }
    (lost, all)
}

/// Invariant I1, I2. `WAXWING_POWER_CUTS` sets the number of trials.
#[tokio::test]
async fn power_cut_loses_nothing_acknowledged() {
    let Some(disk) = need("power cuts", Disk::ext4(256)) else {
        return;
    };
    let count = trials("WAXWING_POWER_CUTS", 5);
    let (lost, all) = cut_power(&disk, count, "yes").await;
    eprintln!("{count} trials of two power cuts: {lost} of {all} acknowledged messages lost");
    assert_eq!(lost, 0);
}

/// The negative control: the same cuts do lose messages when commits are not synced.
#[tokio::test]
async fn power_cut_without_syncs_loses_messages() {
    let Some(disk) = need("the negative control of power cuts", Disk::ext4(256)) else {
        return;
    };
    let (mut lost, mut all) = (0, 0);
    // Somebody else on the machine may sync everything at the moment.
    for _ in 0..5 {
        let cut = cut_power(&disk, 2, "no").await;
        (lost, all) = (lost + cut.0, all + cut.1);
        if lost > 0 {
            break;
        }
    }
    eprintln!("without syncs: {lost} of {all} acknowledged messages lost");
    assert!(lost > 0, "the power cut is no power cut");
}

/// `WAXWING_KILLS` sets the number of trials.
#[tokio::test]
async fn kill_loses_nothing_acknowledged() {
    let scratch = Scratch::new();
    let mut said = Vec::new();
    for trial in 0..trials("WAXWING_KILLS", 5) {
        let mut writer = Writer::start(&scratch.database(), trial << 32, &[]);
        assert!(writer.listen(50, Duration::from_micros(trial * 7919 % 100_000)));
        said.extend(writer.end());
    }
    assert_eq!(check(&scratch.database(), &said).await, 0);
}

/// Invariant I5. `WAXWING_SYNC_FAILURES` sets up to which sync.
#[tokio::test]
async fn failed_sync_ends_the_process_without_acknowledgement() {
    let tools = Scratch::new();
    let Some(library) = need("failing syncs", faults::failing_sync(&tools)) else {
        return;
    };
    let mut fatal = 0;
    for n in 1..=trials("WAXWING_SYNC_FAILURES", 25) {
        let scratch = Scratch::new();
        let which = n.to_string();
        let env = [("LD_PRELOAD", faults::text(&library)), ("WAXWING_FAIL_SYNC", which.as_str())];
        let mut writer = Writer::start(&scratch.database(), 0, &env);
        assert!(!writer.listen(usize::MAX, Duration::ZERO), "it ends by itself");
        let status = writer.hear_out();
        let said = &writer.said;
        let failed =
            said.iter().position(|line| line.starts_with("sync failed")).expect("a sync was made to fail");
        // A checkpoint fails beside the writer, whose own syncs are good: what it acknowledges before the process is gone
        // is true, but not more than what was under way.
        let under_way = if said[failed].ends_with("checkpoin") { 2 * 64 } else { 0 };
        let after = acknowledged(&said[failed..]).len();
        assert!(after <= under_way, "{after} acknowledged after sync {n}: {}", said[failed]);
        // Either the store did not open, or it told the process to end.
        assert!([Some(74), Some(75)].contains(&status.code()), "sync {n}: {status}");
        fatal += u32::from(status.code() == Some(74));
        assert_eq!(check(&scratch.database(), &acknowledged(said)).await, 0, "sync {n}");
    }
    assert!(fatal > 0, "some syncs fail after opening");
}

/// Invariant I6.
#[tokio::test]
async fn full_disk_refuses_writes_and_recovers() {
    let Some(disk) = need("a full disk", Disk::tmpfs(12)) else {
        return;
    };
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 6 << 20]).expect("there is room");
    let database = disk.path().join("waxwing.db");
    let store = open(&database);
    let couple = couple(&*store).await;
    let mut said = Vec::new();
    let (mut n, mut refused) = (0, 0);
    while refused < 500 {
        n += 1;
        match appending(&*store, message(&couple, n)).await.expect("it answers") {
            Ok(Committed::New(id)) => said.push((n, id)),
            Err(StoreError::Full) => {
                refused += 1;
                if refused % 100 == 1 {
                    assert_eq!(archive(&*store, &couple[0]).await, said, "reads go on");
                }
            }
            other => panic!("message {n}: {other:?}"),
        }
        assert!(n < 100_000, "the disk never fills");
    }
    let other = store.put_setting("key", &"x".repeat(100_000)).await;
    assert!(matches!(other, Err(StoreError::Full)), "{other:?}");
    std::fs::remove_file(&ballast).expect("room is made");
    for n in n + 1..n + 500 {
        let committed = appending(&*store, message(&couple, n)).await.expect("it answers");
        let Ok(Committed::New(id)) = committed else { panic!("message {n}: {committed:?}") };
        said.push((n, id));
    }
    eprintln!("{} messages archived, {refused} refused", said.len());
    store.close().await;
    drop(store);
    assert_eq!(check(&database, &said).await, 0);
}

/// Invariant I6. `WAXWING_FREEZE_SECONDS` sets for how long.
#[tokio::test(flavor = "multi_thread")]
async fn hung_disk_acknowledges_nothing_and_resumes() {
    let Some(disk) = need("a hung disk", Disk::ext4(64)) else {
        return;
    };
    let database = disk.path().join("waxwing.db");
    let store = open(&database);
    let couple = couple(&*store).await;
    for n in 0..10 {
        appending(&*store, message(&couple, n)).await.expect("it answers").expect("it is archived");
    }
    let said = Arc::new(Mutex::new(Vec::new()));
    let frozen = disk.freeze();
    let mut waiting = Vec::new();
    for n in 10..400 {
        let said = said.clone();
        let (done, finished) = oneshot::channel();
        let note = move |result: StoreResult<Committed>| {
            said.lock().expect("no panic").push((n, result.is_ok()));
            let _ = done.send(());
        };
        store.append(message(&couple, n), Box::new(note));
        waiting.push(finished);
    }
    let hung = Duration::from_secs(trials("WAXWING_FREEZE_SECONDS", 3));
    let first = waiting.remove(0);
    let mut first = std::pin::pin!(first);
    assert!(
        tokio::time::timeout(hung, &mut first).await.is_err(),
        "nothing is reported while the disk hangs"
    );
    assert_eq!(*said.lock().expect("no panic"), []);
    drop(frozen);
    first.await.expect("it is reported");
    for finished in waiting {
        finished.await.expect("it is reported");
    }
    let reported: Vec<_> = std::mem::take(&mut *said.lock().expect("no panic"));
    assert_eq!(reported, (10..400).map(|n| (n, true)).collect::<Vec<_>>(), "all, in order");
    let numbers: Vec<_> = archive(&*store, &couple[1]).await.into_iter().map(|(n, _)| n).collect();
    assert_eq!(numbers, (0..400).collect::<Vec<_>>());
    store.close().await;
    drop(store);
}
