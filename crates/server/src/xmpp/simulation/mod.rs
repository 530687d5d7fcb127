//! Seeded simulations of whole conversations: the real connections, sessions and streams, on a clock that is made up, over a
//! network that fails, on a disk that is slow, before a server that dies.
//!
//! `cargo test -p waxwing-server --lib simulation` lives through the seeds that once found something (`seeds.txt`) and some
//! more. `WAXWING_SIMULATION_SEEDS=10000` takes that many, from `WAXWING_SIMULATION_FIRST` on. With
//! `WAXWING_SIMULATION_TRACE=1` everything that happens is told.

mod client;
mod line;
pub(super) mod network;
mod nodes;
mod random;
mod record;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::tls::Tls;
use crate::tls::testing::{self, Scratch};
use record::Record;
use world::{DOMAIN, Fault};

/// How many seeds are tried when nobody says how many.
const SEEDS: u64 = 200;

static TLS: LazyLock<Arc<Tls>> = LazyLock::new(|| {
    let scratch = Scratch::new();
    Tls::load(&testing::settings(&scratch, &[DOMAIN])).expect("TLS")
});

/// On one thread, with a clock that goes on when everybody waits.
fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime")
}

fn simulate(seed: u64, fault: Option<Fault>) -> Record {
    runtime().block_on(world::live(seed, &TLS, fault))
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn run(seeds: impl Iterator<Item = u64>) {
    let mut counts = BTreeMap::new();
    let mut failed = Vec::new();
    for seed in seeds {
        let record = simulate(seed, None);
        for (what, count) in record.counts {
            *counts.entry(what).or_insert(0) += count;
        }
        if !record.violations.is_empty() {
            let shown = record.violations.iter().take(5).cloned().collect::<Vec<_>>().join("\n  ");
            eprintln!("seed {seed}:\n  {shown}");
            failed.push(seed);
        }
    }
    eprintln!("{counts:?}");
    assert!(failed.is_empty(), "rules were broken with the seeds {failed:?}");
}

#[test]
fn fresh_seeds_break_no_rule() {
    let first = number("WAXWING_SIMULATION_FIRST", 1);
    run(first..first + number("WAXWING_SIMULATION_SEEDS", SEEDS));
}

#[test]
fn seeds_that_once_found_something_break_no_rule() {
    run(include_str!("seeds.txt").lines().filter_map(|line| line.split(' ').next()?.parse().ok()));
}

#[test]
fn the_same_seed_gives_the_same_life() {
    for seed in 1..10 {
        assert_eq!(simulate(seed, None).fingerprint, simulate(seed, None).fingerprint, "seed {seed}");
    }
}

/// What is wrong on purpose is seen: in most of the seeds, since some never come to the point.
#[test]
fn what_is_wrong_on_purpose_is_noticed() {
    for fault in [Fault::LyingDisk, Fault::CarelessClient, Fault::DoctoredRecord] {
        let noticed = (1..=20).filter(|seed| !simulate(*seed, Some(fault)).violations.is_empty()).count();
        assert!(noticed >= 5, "{fault:?} was noticed with {noticed} seeds of 20");
    }
}
