//! Power cuts and kills while files are uploaded: what was answered with 201 is there afterwards, as it was sent, and of the
//! rest nothing can be read or all.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use waxwing_tests::server::PATIENCE;
use waxwing_tests::web::{Slot, get};
use waxwing_tests::{Setup, World};

use crate::faults::{Disk, need, trials};
use crate::seed::Seed;
use crate::stage::stop;

/// How many files are on their way at one time, and in one trial.
const AT_ONCE: usize = 4;
const FILES: usize = 48;

/// What became of the files of all trials.
#[derive(Debug, Default)]
struct Tally {
    /// Answered with 201.
    acknowledged: usize,
    /// Of those, not there, or not as they were sent.
    lost: usize,
    /// Not acknowledged, and there in part or changed.
    torn: usize,
}

/// Bytes that tell this file from every other.
fn content(number: usize, size: usize) -> Vec<u8> {
    (0..size).map(|at| (at ^ (at >> 8) ^ (number * 37)) as u8).collect()
}

/// Uploads until the server is gone; says which files were acknowledged.
async fn upload(world: &World, files: &[(Slot, Vec<u8>)], count: &AtomicU64, reached: &Notify) -> Vec<bool> {
    let lanes = (0..AT_ONCE).map(|lane| async move {
        let mut done = Vec::new();
        for (number, (slot, content)) in files.iter().enumerate().skip(lane).step_by(AT_ONCE) {
            let length = format!("Content-Length: {}", content.len());
            let headers = [&*length, &*slot.authorization];
            let line = format!("PUT {}", slot.path);
            let answer = waxwing_tests::web::request(world, &line, &headers, content).await;
            if !answer.is_ok_and(|answer| answer.status == 201) {
                break;
            }
            done.push(number);
            count.fetch_add(1, Ordering::SeqCst);
            reached.notify_waiters();
        }
        done
    });
    let mut acknowledged = vec![false; files.len()];
    join_all(lanes).await.into_iter().flatten().for_each(|number| acknowledged[number] = true);
    acknowledged
}

/// One outage while files come.
async fn suffer(
    disk: &Disk,
    cut: bool,
    seed: &mut Seed,
    env: &[(&str, &str)],
    tally: &mut Tally,
) -> Result<()> {
    let data = disk.path().join("data");
    let mut setup = Setup::default().section("[files]\nfiles_per_hour_limit = 10_000").data(&data);
    setup.env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut world = World::start(env!("CARGO_BIN_EXE_waxwing"), &setup).await;
    let mut romeo = world.online("romeo/garden").await;
    let mut files = Vec::with_capacity(FILES);
    for number in 0..FILES {
        let size = 1 + usize::try_from(seed.below(60_000))?;
        let slot = Slot::request(&mut romeo, &format!("{number}.bin"), size as u64, "application/zip").await;
        files.push((slot, content(number, size)));
    }
    drop(romeo);
    let (count, reached) = (AtomicU64::new(0), Notify::new());
    let (enough, then) = (1 + seed.below(FILES as u64 / 2), Duration::from_micros(seed.below(5_000)));
    let outage = async {
        let enough = async {
            while count.load(Ordering::SeqCst) < enough {
                let _ = timeout(Duration::from_millis(50), reached.notified()).await;
            }
        };
        timeout(PATIENCE, enough).await.context("no file is acknowledged")?;
        // The moment is what is tested: the seed chooses it.
        sleep(then).await;
        if cut {
            stop(&world.server)?;
            disk.cut();
        }
        world.server.signal("KILL")
    };
    let (acknowledged, happened) = tokio::join!(upload(&world, &files, &count, &reached), outage);
    happened?;
    world.server.kill()?;
    if cut {
        disk.power_up();
    }
    world.server.launch()?;
    for ((slot, content), acknowledged) in files.iter().zip(acknowledged) {
        let answer = get(&world, &slot.path, &[]).await;
        let whole = answer.status == 200 && answer.body == *content;
        tally.acknowledged += usize::from(acknowledged);
        tally.lost += usize::from(acknowledged && !whole);
        tally.torn += usize::from(!acknowledged && !whole && answer.status != 404);
    }
    world.server.kill()?;
    std::fs::remove_dir_all(&data)?;
    Ok(())
}

async fn run(cut: bool, outages: u64, env: &[(&str, &str)]) -> Option<Tally> {
    let disk = need("uploads", Disk::ext4(128))?;
    let (base, start) = (Seed::from_environment(), Instant::now());
    let mut tally = Tally::default();
    for number in 0..outages {
        let mut seed = Seed::new(base.wrapping_mul(1_000_003).wrapping_add(number));
        let suffered = suffer(&disk, cut, &mut seed, env, &mut tally).await;
        suffered.with_context(|| format!("outage {number} of seed {base}")).expect("the server comes back");
    }
    eprintln!(
        "{outages} {} in {:.0} s: {} files acknowledged, lost {}, torn {}",
        if cut { "power cuts while files are uploaded" } else { "kills while files are uploaded" },
        start.elapsed().as_secs_f32(),
        tally.acknowledged,
        tally.lost,
        tally.torn
    );
    Some(tally)
}

/// Invariant I1 for files. `WAXWING_UPLOAD_CUTS` sets the number of cuts.
#[tokio::test]
async fn power_cuts_lose_no_file() {
    let Some(tally) = run(true, trials("WAXWING_UPLOAD_CUTS", 4), &[]).await else { return };
    assert!(tally.acknowledged > 0 && tally.lost == 0 && tally.torn == 0, "{tally:?}");
}

/// Invariant I1 for files. `WAXWING_UPLOAD_KILLS` sets the number of kills.
#[tokio::test]
async fn kills_lose_no_file() {
    let Some(tally) = run(false, trials("WAXWING_UPLOAD_KILLS", 4), &[]).await else { return };
    assert!(tally.acknowledged > 0 && tally.lost == 0 && tally.torn == 0, "{tally:?}");
}

/// The negative control: without syncs the same cuts lose files, and that is seen.
#[tokio::test]
async fn power_cuts_without_syncs_lose_files() {
    let env = [("WAXWING_LOSE_MESSAGES_AT_POWER_CUTS", "1")];
    let Some(tally) = run(true, 2, &env).await else { return };
    assert!(tally.lost > 0, "the power cut is no power cut: {tally:?}");
}
