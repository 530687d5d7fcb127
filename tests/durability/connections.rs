//! Connections that are lost around the commit, and resumption ids and counts that are not the client's own
//! (invariants I2 and I4).

use std::future::pending;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::time;
use waxwing_tests::server::Addresses;

use crate::faults::trials;
use crate::scratch::Scratch;
use crate::seed::Seed;
use crate::stage::{Cast, Stage};

async fn begin(scratch: &Scratch) -> Result<(Stage, Cast)> {
    let mut stage = Stage::new(scratch.path())?;
    stage.server.launch()?;
    let mut cast = Cast::new();
    cast.gather(&stage.address(), None).await?;
    Ok((stage, cast))
}

/// Says something, loses the connection at a moment around the commit, perhaps several times, and says it again.
async fn retry(cast: &mut Cast, address: &Addresses, seed: &mut Seed) -> Result<u64> {
    let mut retries = 0;
    let which = seed.below(cast.senders.len() as u64) as usize;
    let sender = &mut cast.senders[which];
    sender.say(1 + seed.below(3)).await?;
    for _ in 0..1 + seed.below(3) {
        // The moment is what is tested: the seed chooses it.
        let _ = time::timeout(Duration::from_micros(seed.below(2_500)), pending::<()>()).await;
        match seed.below(2) {
            0 => sender.disconnect(),
            // Without its stream a client knows nothing of what became of its messages, and sends them all again.
            _ => sender.forget_stream(),
        }
        sender.connect(address).await?;
        retries += 1;
    }
    sender.hear_acknowledgements().await?;
    Ok(retries)
}

/// Invariant I2. `WAXWING_RETRIES` sets how often.
#[tokio::test]
async fn retries_make_no_copies() {
    let scratch = Scratch::new();
    let (mut stage, mut cast) = begin(&scratch).await.expect("a stage");
    let (wanted, start) = (trials("WAXWING_RETRIES", 300), Instant::now());
    let mut seed = Seed::new(Seed::from_environment());
    let mut retries = 0;
    while retries < wanted {
        retries += retry(&mut cast, &stage.address(), &mut seed).await.expect("it is acknowledged");
        if seed.below(16) == 0 {
            for listener in &mut cast.listeners {
                listener.settle().await.expect("it goes on");
            }
        }
    }
    for listener in &mut cast.listeners {
        listener.settle().await.expect("it goes on");
    }
    let verdict = cast.verdict().await.expect("the archives can be read");
    eprintln!(
        "{retries} retries in {:.0} s: {} messages acknowledged, extra copies {}, lost {}",
        start.elapsed().as_secs_f32(),
        verdict.acknowledged,
        verdict.copies.len() + verdict.duplicates.len(),
        verdict.lost.len()
    );
    assert!(verdict.is_clean() && verdict.repeats.is_empty(), "{verdict:#?}");
    stage.server.kill().expect("it ends");
}

/// What a client claims when it comes back.
async fn claim(stage: &mut Stage, cast: &mut Cast, seed: &mut Seed) -> Result<&'static str> {
    let address = stage.address();
    let which = seed.below(cast.listeners.len() as u64) as usize;
    let other = (which + 1) % cast.listeners.len();
    let own = cast.listeners[which].stream_id();
    cast.senders[0].say(1 + seed.below(5)).await?;
    let kind = seed.below(5);
    let listener = &mut cast.listeners[which];
    let what = match kind {
        0 => {
            listener.forget_stream();
            ensure!(!listener.connect(&address).await?);
            listener.claim(Some(own), 0);
            ensure!(!listener.connect(&address).await?, "an ended stream was resumed");
            "stale"
        }
        1 => {
            listener.claim(None, 1000);
            ensure!(!listener.connect(&address).await?, "stanzas that were never sent were believed");
            "too high a count"
        }
        2 => {
            stage.server.kill()?;
            stage.server.launch()?;
            let address = stage.address();
            for device in cast.senders.iter_mut().chain(&mut cast.listeners) {
                device.disconnect();
                ensure!(!device.connect(&address).await?, "a stream of a killed server was resumed");
            }
            "of a killed server"
        }
        3 => {
            listener.claim(Some(format!("{:032x}", seed.below(u64::MAX))), 0);
            ensure!(!listener.connect(&address).await?, "a stream that never was, was resumed");
            "invented"
        }
        _ => {
            let foreign = cast.senders[1].stream_id();
            cast.senders[1].disconnect();
            cast.listeners[which].claim(Some(foreign), 0);
            ensure!(!cast.listeners[which].connect(&address).await?, "another account's stream was resumed");
            ensure!(cast.senders[1].connect(&address).await?, "its owner could not resume it");
            "foreign"
        }
    };
    cast.senders[0].hear_acknowledgements().await?;
    cast.listeners[other].settle().await?;
    Ok(what)
}

/// Invariant I4. `WAXWING_CLAIMS` sets how often. That an `<a/>` with too high a count ends the stream is shown by a
/// scenario.
#[tokio::test]
async fn false_claims_of_streams_are_refused_and_leave_no_gap() {
    let scratch = Scratch::new();
    let (mut stage, mut cast) = begin(&scratch).await.expect("a stage");
    let mut seed = Seed::new(Seed::from_environment());
    let claims = trials("WAXWING_CLAIMS", 40);
    let mut kinds = std::collections::BTreeMap::<_, u64>::new();
    for n in 0..claims {
        let kind = claim(&mut stage, &mut cast, &mut seed).await.with_context(|| format!("claim {n}"));
        *kinds.entry(kind.expect("it is refused, and all goes on")).or_default() += 1;
    }
    cast.gather(&stage.address(), None).await.expect("everybody is there");
    let verdict = cast.verdict().await.expect("the archives can be read");
    eprintln!("{claims} false claims, all refused: {kinds:?}; archive gaps {}", verdict.lost.len());
    assert!(verdict.is_clean() && verdict.repeats.is_empty(), "{verdict:#?}");
    stage.server.kill().expect("it ends");
}
