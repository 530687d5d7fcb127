//! Power cuts and kills at seeded moments, while two senders write to an account with three devices.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::checker::Verdict;
use crate::faults::{Disk, need, trials};
use crate::seed::Seed;
use crate::stage::{Cast, Stage, moment};

/// After so many outages the data are made fresh, so that young and grown databases are hit.
const OUTAGES_PER_DATABASE: u64 = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outage {
    /// The disk is cut off without what was not synced, and the process ends.
    PowerCut,
    /// The process ends.
    Kill,
}

/// What a run of outages came to.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: usize,
    arrivals: usize,
    verdicts: Vec<Verdict>,
}

impl Tally {
    fn count(&self, cases: impl Fn(&Verdict) -> &Vec<String>) -> usize {
        self.verdicts.iter().map(|verdict| cases(verdict).len()).sum()
    }

    fn report(&self, what: &str, outages: u64, start: Instant) {
        eprintln!(
            "{outages} {what} in {:.0} s: {} messages acknowledged, {} arrivals; lost {}, copies in an archive {}, \
             duplicates at a device {}, repeated deliveries {}, inversions {}, not in the archive {} \
             (no failure in N outages: below 3/N = {:.4} an outage at 95%)",
            start.elapsed().as_secs_f32(),
            self.acknowledged,
            self.arrivals,
            self.count(|v| &v.lost),
            self.count(|v| &v.copies),
            self.count(|v| &v.duplicates),
            self.count(|v| &v.repeats),
            self.count(|v| &v.inversions),
            self.count(|v| &v.invented),
            3.0 / outages as f64,
        );
    }
}

/// Lets so many outages happen to a server with this environment.
async fn run(disk: &Disk, outage: Outage, outages: u64, env: &[(&str, &str)]) -> Result<Tally> {
    let mut stage = Stage::new(disk.path())?;
    let base = Seed::from_environment();
    let mut tally = Tally::default();
    let mut done = 0;
    while done < outages {
        stage.renew()?;
        stage.server.set_env(env);
        stage.server.launch()?;
        let mut cast = Cast::new();
        cast.gather(&stage.address(), None).await?;
        let until = outages.min(done + OUTAGES_PER_DATABASE);
        while done < until {
            let seed = Seed::new(base.wrapping_mul(1_000_003).wrapping_add(done));
            suffer(disk, &mut stage, &mut cast, outage, seed)
                .await
                .with_context(|| format!("outage {done} of seed {base}"))?;
            done += 1;
        }
        cast.gather(&stage.address(), None).await?;
        let verdict = cast.verdict().await?;
        if !verdict.is_clean() || !verdict.repeats.is_empty() {
            eprintln!("seed {base}, before outage {done}: {verdict:#?}");
        }
        tally.acknowledged += verdict.acknowledged;
        tally.arrivals += cast.listeners.iter().map(|listener| listener.arrivals.len()).sum::<usize>();
        tally.verdicts.push(verdict);
        stage.server.kill()?;
    }
    Ok(tally)
}

/// One outage, and everybody's return.
async fn suffer(
    disk: &Disk,
    stage: &mut Stage,
    cast: &mut Cast,
    outage: Outage,
    mut seed: Seed,
) -> Result<()> {
    let address = stage.address();
    let progress = cast.progress.clone();
    let enough = progress.count() + 1 + seed.below(40);
    let then = Duration::from_micros(seed.below(20_000));
    let absent = (seed.below(4) == 0).then_some(2);
    let happens = async {
        moment(&progress, enough, then).await;
        if outage == Outage::PowerCut {
            // A sync that is interrupted by the cut may seem to succeed; without power nobody would hear of it.
            stage.stop()?;
            disk.cut();
        }
        stage.server.kill()
    };
    let (_, happened) = tokio::join!(cast.play(&address, &mut seed), happens);
    happened?;
    if outage == Outage::PowerCut {
        disk.power_up();
    }
    stage.server.launch()?;
    cast.gather(&stage.address(), absent).await
}

fn disk(test: &str) -> Option<Disk> {
    need(test, Disk::ext4(64))
}

/// Invariants I1 and I3. `WAXWING_CUTS` sets the number of cuts.
#[tokio::test]
async fn power_cuts_lose_nothing_acknowledged() {
    let Some(disk) = disk("power cuts") else { return };
    let (cuts, start) = (trials("WAXWING_CUTS", 6), Instant::now());
    let tally = run(&disk, Outage::PowerCut, cuts, &[]).await.expect("everybody comes back");
    tally.report("power cuts", cuts, start);
    assert!(tally.verdicts.iter().all(|verdict| verdict.is_clean() && verdict.repeats.is_empty()));
}

/// Invariants I1 and I3. `WAXWING_KILLS` sets the number of kills.
#[tokio::test]
async fn kills_lose_nothing_acknowledged() {
    let Some(disk) = disk("kills") else { return };
    let (kills, start) = (trials("WAXWING_KILLS", 6), Instant::now());
    let tally = run(&disk, Outage::Kill, kills, &[]).await.expect("everybody comes back");
    tally.report("kills", kills, start);
    assert!(tally.verdicts.iter().all(|verdict| verdict.is_clean() && verdict.repeats.is_empty()));
}

/// The negative control: the same cuts do lose messages when commits are not synced, and the checker sees it.
#[tokio::test]
async fn power_cuts_without_syncs_lose_messages() {
    let Some(disk) = disk("the negative control of power cuts") else { return };
    let (cuts, start) = (3, Instant::now());
    let env = [("WAXWING_LOSE_MESSAGES_AT_POWER_CUTS", "1")];
    let tally = run(&disk, Outage::PowerCut, cuts, &env).await.expect("everybody comes back");
    tally.report("power cuts without syncs", cuts, start);
    assert!(tally.count(|verdict| &verdict.lost) > 0, "the power cut is no power cut");
}
