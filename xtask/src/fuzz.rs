//! `cargo xtask fuzz`: builds the fuzz targets and runs each on its corpus and on so many inputs that grow out of it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::{foreign, shell};

/// Each target, how many inputs a bounded run gives it, about ten seconds' worth on one core, and the longest input: long
/// enough that work out of proportion to it shows, but not much longer than what is refused for its length alone.
const TARGETS: &[(&str, u64, u64)] = &[
    ("address", 200_000, 4_096),
    ("negotiation", 30_000, 16_384),
    ("sasl", 200_000, 4_096),
    ("scanner", 100_000, 16_384),
    ("stanza", 300_000, 16_384),
    ("websocket", 80_000, 16_384),
];

/// Debian's packages with a file that each brings: other parsers to compare with, and libFuzzer's compiler.
const PACKAGES: &[(&str, &str)] = &[
    ("g++", "/usr/bin/c++"),
    ("libexpat1-dev", "/usr/include/expat.h"),
    ("libxml2-dev", "/usr/include/libxml2/libxml/parser.h"),
];

/// Runs all targets, or with a name those that contain it, on so many times the inputs of a bounded run.
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let (factor, only) = match args {
        [] => (1, None),
        [times] => (times.parse().context("how many times as long?")?, None),
        [times, only] => (times.parse().context("how many times as long?")?, Some(*only)),
        _ => bail!("fuzz takes a number of times and a target"),
    };
    let missing = PACKAGES.iter().filter(|(_, file)| !Path::new(file).exists()).map(|(package, _)| *package);
    foreign::install(&missing.collect::<Vec<_>>())?;
    if !shell::exists("cargo-fuzz") {
        shell::run("cargo", &["install", "--locked", "--debug", "cargo-fuzz"])?;
    }
    // Coverage counters are an unstable option of the compiler; the sanitisers need more than that, and what they look
    // for cannot happen in code without `unsafe`.
    let mut build = shell::command("cargo", &["fuzz", "build", "--release", "--sanitizer", "none"]);
    build.env("RUSTC_BOOTSTRAP", "1");
    shell::check(build)?;
    let mut total = 0;
    let chosen = TARGETS.iter().filter(|(target, ..)| only.is_none_or(|only| target.contains(only)));
    for (target, runs, longest) in chosen {
        total += hunt(target, runs * factor, *longest)?;
    }
    println!("{total} inputs, and none broke a rule");
    Ok(())
}

/// Runs one target. What it finds out grows a corpus of its own; the one in the repository stays as it is.
fn hunt(target: &str, runs: u64, longest: u64) -> Result<u64> {
    let grown = format!("target/fuzz/{target}");
    fs::create_dir_all(shell::root().join(&grown))?;
    let programs = shell::output("rustc", &["-vV"])?;
    let host = programs.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let program = shell::root().join("fuzz/target").join(host).join("release").join(target);
    let options = [
        format!("-runs={runs}"),
        "-seed=1".to_owned(),
        format!("-max_len={longest}"),
        "-timeout=10".to_owned(),
        "-dict=fuzz/xmpp.dict".to_owned(),
        format!("-artifact_prefix=target/fuzz/{target}-"),
        "-verbosity=0".to_owned(),
        "-print_final_stats=1".to_owned(),
    ];
    let mut command =
        shell::command(&program.display().to_string(), &[&grown, &format!("fuzz/corpus/{target}")]);
    command.args(options);
    println!("--> {target}");
    let outcome = shell::check(command);
    ensure!(
        outcome.is_ok(),
        "{target} failed; the input lies in target/fuzz: add it to fuzz/corpus/{target} with the mend and a unit test"
    );
    Ok(runs)
}
