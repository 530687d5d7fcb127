//! What one password hash costs: the part of a login with PLAIN that a server pays on purpose.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use waxwing_xmpp::sasl::Hash;

use crate::processes::Processes;

/// Options of `hash`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Rounds of PBKDF2
    #[arg(long, default_value_t = waxwing_xmpp::sasl::DEFAULT_ITERATIONS)]
    pub(crate) iterations: u32,
}

/// How long each is repeated.
const SPAN: Duration = Duration::from_millis(500);

/// Measures and prints the microseconds of CPU time that each hash takes.
#[allow(clippy::print_stdout, reason = "the report is what the program is for")]
pub(crate) fn run(options: &Options, json: bool) -> Result<()> {
    ensure!(options.iterations > 0, "--iterations is at least 1");
    let mut costs = serde_json::Map::new();
    for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha512] {
        let cost = cost(hash, options.iterations)?;
        if !json {
            println!("{:<15}{cost:.0} µs for {} rounds", hash.mechanism_name(), options.iterations);
        }
        costs.insert(hash.mechanism_name().to_owned(), cost.into());
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&costs)?);
    }
    Ok(())
}

/// Microseconds of CPU time for one hash.
fn cost(hash: Hash, iterations: u32) -> Result<f64> {
    let own = Processes::new(vec![std::process::id()]);
    let (before, start, mut count) = (own.cpu()?, Instant::now(), 0_u32);
    while start.elapsed() < SPAN {
        black_box(hash.salted_password(black_box("load-password"), b"0123456789abcdef", iterations));
        count += 1;
    }
    Ok(before.until(&own.cpu()?).seconds * 1e6 / f64::from(count))
}
