//! Disks that fail, fill and hang under the whole server (invariants I5 and I6).

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::checker::Verdict;
use crate::faults::{self, Disk, need, trials};
use crate::scratch::Scratch;
use crate::stage::{Cast, Stage};

/// The status with which the process ends when nothing can be promised any more.
const STORE_FAILED: i32 = 74;

/// Both senders talk until the server is gone or a portion has failed so often; listeners listen.
async fn talk(cast: &mut Cast, portions: usize) {
    let senders = cast.senders.iter_mut().map(async |sender| {
        for _ in 0..portions {
            if sender.say(3).await.is_err() || sender.hear_acknowledgements().await.is_err() {
                sender.disconnect();
                return;
            }
        }
    });
    join_all(senders).await;
}

/// One server whose sync number `n` fails; after it the disk keeps nothing, and then its power is cut. Says whether the
/// server had come up.
async fn fail_sync(
    stage: &mut Stage,
    disk: &Disk,
    library: &Path,
    n: u64,
    silently: bool,
) -> Result<(bool, Verdict)> {
    stage.renew()?;
    let which = n.to_string();
    let preload = [("LD_PRELOAD", faults::text(library)), ("WAXWING_FAIL_SYNC", &which)];
    let more = [
        ("WAXWING_SYNCS_AFTERWARDS", "none"),
        ("WAXWING_FAIL_SYNC_SILENTLY", if silently { "1" } else { "0" }),
    ];
    stage.server.set_env(&[preload, more].concat());
    let failed_before = stage.server.log().matches("sync failed in").count();
    let mut cast = Cast::new();
    let came_up = stage.server.launch().is_ok();
    if came_up {
        // It may end at any moment from here on.
        if cast.gather(&stage.address(), None).await.is_ok() {
            talk(&mut cast, if silently { 20 } else { usize::MAX }).await;
        }
        if silently {
            stage.stop()?;
        } else {
            let status = stage.server.wait()?;
            ensure!(status.code() == Some(STORE_FAILED), "the process ended with {status}");
        }
    }
    let failed = stage.server.log().matches("sync failed in").count() - failed_before;
    ensure!(failed == 1, "{failed} syncs were made to fail");
    disk.cut();
    if came_up && silently {
        stage.server.kill()?;
    }
    disk.power_up();
    stage.server.set_env(&[]);
    stage.server.launch().context("the server starts again")?;
    for device in cast.senders.iter_mut().chain(&mut cast.listeners) {
        device.disconnect();
    }
    let acknowledged: Vec<usize> = cast.senders.iter().map(|sender| sender.acknowledged.len()).collect();
    cast.gather(&stage.address(), None).await?;
    // What was sent again after the failure is no part of the question.
    for (sender, count) in cast.senders.iter_mut().zip(acknowledged) {
        sender.acknowledged.truncate(count);
    }
    let verdict = cast.verdict().await?;
    stage.server.kill()?;
    Ok((came_up, verdict))
}

/// Invariant I5. `WAXWING_SERVER_SYNC_FAILURES` sets up to which sync.
#[tokio::test]
async fn a_failed_sync_ends_the_server_without_a_false_acknowledgement() {
    let tools = Scratch::new();
    let Some(library) = need("failing syncs", faults::failing_sync(&tools)) else { return };
    let Some(disk) = need("failing syncs", Disk::ext4(64)) else { return };
    let mut stage = Stage::new(disk.path()).expect("a stage");
    let (trials, start) = (trials("WAXWING_SERVER_SYNC_FAILURES", 12), Instant::now());
    let (mut starts, mut acknowledged) = (0, 0);
    for n in 1..=trials {
        let (came_up, verdict) = fail_sync(&mut stage, &disk, &library, n, false)
            .await
            .unwrap_or_else(|error| panic!("sync {n}: {error:#}\n{}", stage.server.log()));
        assert!(verdict.is_clean(), "sync {n}: {verdict:#?}");
        starts += u64::from(came_up);
        acknowledged += verdict.acknowledged;
    }
    eprintln!(
        "{trials} failed syncs in {:.0} s: {starts} servers were up and ended with status {STORE_FAILED}, the others did \
         not start; {acknowledged} messages acknowledged before, 0 falsely",
        start.elapsed().as_secs_f32()
    );
    assert!(starts > 0, "some syncs fail after the start");
}

/// The negative control: a disk that reports success falsely makes the server acknowledge falsely, and that is seen.
#[tokio::test]
async fn syncs_that_lie_are_seen_to_lose_messages() {
    let tools = Scratch::new();
    let Some(library) = need("lying syncs", faults::failing_sync(&tools)) else { return };
    let Some(disk) = need("lying syncs", Disk::ext4(64)) else { return };
    let mut stage = Stage::new(disk.path()).expect("a stage");
    let (_, verdict) = fail_sync(&mut stage, &disk, &library, 12, true).await.expect("it comes back");
    eprintln!("{} of {} acknowledged messages missing", verdict.lost.len(), verdict.acknowledged);
    assert!(!verdict.lost.is_empty(), "what is not synced survives");
}

/// Invariant I6: senders are told, reading goes on, and with room made everything resumes unaided.
#[tokio::test]
async fn a_full_disk_is_told_to_senders_and_survived() {
    let Some(disk) = need("a full disk", Disk::tmpfs(24)) else { return };
    let mut stage = Stage::new(disk.path()).expect("a stage");
    stage.renew().expect("fresh data");
    stage.server.launch().expect("the server starts");
    let mut cast = Cast::new();
    cast.gather(&stage.address(), None).await.expect("everybody comes");
    talk(&mut cast, 5).await;
    let ballast = disk.path().join("ballast");
    // A write that does not fit leaves the disk full to the last page.
    std::fs::write(&ballast, vec![1; 24 << 20]).expect_err("the disk is full");
    for _ in 0..1000 {
        talk(&mut cast, 1).await;
        if cast.senders.iter().all(|sender| sender.refused.len() >= 10) {
            break;
        }
    }
    for sender in &cast.senders {
        assert!(sender.is_connected(), "{} was cut off", sender.user);
        assert!(sender.refused.len() >= 10, "{} was refused {:?}", sender.user, sender.refused);
        let other = sender.refused.iter().find(|(_, condition)| condition != "resource-constraint");
        assert_eq!(other, None, "the condition");
    }
    for listener in &mut cast.listeners {
        listener.settle().await.expect("deliveries go on");
    }
    // Reading: the archive, the roster.
    let logs = cast.logs().await.expect("the archives can be read");
    assert!(logs.check().is_clean(), "{:#?}", logs.check());
    let roster = cast.listeners[0].ask("get", "<query xmlns='jabber:iq:roster'/>").await.expect("an answer");
    assert_eq!(roster.attr("type"), Some("result"), "{roster}");
    std::fs::remove_file(&ballast).expect("room is made");
    let (before, refused) = (cast.progress.count(), told(&cast));
    talk(&mut cast, 10).await;
    assert_eq!(cast.progress.count() - before, 60, "everything is acknowledged again");
    assert_eq!(told(&cast), refused, "nobody is refused any more");
    settle_and_check(&mut stage, &mut cast).await;
    eprintln!("a full disk: {} acknowledged, {refused} refused", cast.progress.count());
}

fn told(cast: &Cast) -> usize {
    cast.senders.iter().map(|sender| sender.refused.len()).sum()
}

/// Kills the server, starts it again, and has everything compared; what was refused must be nowhere.
async fn settle_and_check(stage: &mut Stage, cast: &mut Cast) {
    stage.server.kill().expect("it ends");
    for device in cast.senders.iter_mut().chain(&mut cast.listeners) {
        device.disconnect();
    }
    stage.server.launch().expect("the server starts again");
    cast.gather(&stage.address(), None).await.expect("everybody comes back");
    let logs = cast.logs().await.expect("the archives can be read");
    let verdict = logs.check();
    assert!(verdict.is_clean(), "{verdict:#?}");
    for sender in &cast.senders {
        let held = |number| {
            logs.archives.iter().flat_map(|a| &a.held).any(|(_, m)| *m == (sender.user.clone(), number))
        };
        let kept = sender.refused.iter().find(|(number, _)| held(*number));
        assert_eq!(kept, None, "refused and kept all the same");
    }
}

/// Invariant I6: nothing is acknowledged while the disk hangs, and everything afterwards. `WAXWING_FREEZE_SECONDS` says
/// for how long, less than the tests' patience of 30 s.
#[tokio::test]
async fn a_hung_disk_holds_acknowledgements_back() {
    let Some(disk) = need("a hung disk", Disk::ext4(64)) else { return };
    let mut stage = Stage::new(disk.path()).expect("a stage");
    stage.renew().expect("fresh data");
    stage.server.launch().expect("the server starts");
    let mut cast = Cast::new();
    cast.gather(&stage.address(), None).await.expect("everybody comes");
    talk(&mut cast, 5).await;
    let before = cast.progress.count();
    let hung = Duration::from_secs(trials("WAXWING_FREEZE_SECONDS", 3));
    let frozen = disk.freeze();
    let silent = timeout(hung, talk(&mut cast, 1));
    assert!(silent.await.is_err(), "the senders wait");
    assert_eq!(cast.progress.count(), before, "nothing is acknowledged while the disk hangs");
    let page = timeout(hung, cast.listeners[0].audit()).await;
    let read = page.is_ok_and(|archive| archive.is_ok_and(|archive| archive.held.len() as u64 == before));
    assert!(read, "the archive can be read while the disk hangs");
    drop(frozen);
    for sender in &mut cast.senders {
        timeout(Duration::from_secs(30), sender.hear_acknowledgements())
            .await
            .expect("in time")
            .expect("all");
    }
    assert_eq!(cast.progress.count(), before + 6, "all is acknowledged afterwards");
    settle_and_check(&mut stage, &mut cast).await;
}
