//! `cargo xtask instructions`: counts the instructions of a few hot paths under callgrind and holds them to a baseline.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::{foreign, shell};

/// The counts that a commit declares.
const BASELINE: &str = "xtask/instructions.toml";

/// How much a count may rise without being declared, in tenths of a percent.
const TOLERANCE: u64 = 30;

/// The same when the baseline comes from another compiler or machine: only what is plain to see fails.
const TOLERANCE_ELSEWHERE: u64 = 150;

/// One thing that is counted. Its program is run with two numbers of times, and the difference is what the extra times
/// cost: whatever it takes to get ready cancels out.
struct Case {
    package: &'static str,
    name: &'static str,
    times: [u64; 2],
}

const CASES: &[Case] = &[
    Case { package: "waxwing-xmpp", name: "scanner", times: [100, 1_100] },
    Case { package: "waxwing-xmpp", name: "stanza", times: [100, 1_100] },
    Case { package: "waxwing-xmpp", name: "address", times: [100, 1_100] },
    Case { package: "waxwing-xmpp", name: "scram", times: [10, 210] },
    Case { package: "waxwing-chat", name: "route", times: [200, 1_200] },
    Case { package: "waxwing-storage", name: "append", times: [50, 250] },
    Case { package: "waxwing-storage", name: "page", times: [10, 1_010] },
];

/// Counts all cases and compares them; with `accept` what was counted becomes the baseline.
pub(crate) fn run(accept: bool) -> Result<()> {
    foreign::packages()?;
    let programs = build()?;
    let mut counts = BTreeMap::new();
    for case in CASES {
        let program = programs.get(case.package).with_context(|| format!("{} has no bench", case.package))?;
        let [few, many] = case.times.map(|times| count(program, case.name, times));
        let (few, many) = (few?, many?);
        let each = many.saturating_sub(few) / (case.times[1] - case.times[0]);
        ensure!(each > 0, "{} counted nothing", case.name);
        counts.insert(format!("{}/{}", case.package.trim_start_matches("waxwing-"), case.name), each);
    }
    if accept {
        fs::write(shell::root().join(BASELINE), written(&counts)?)?;
        println!("{BASELINE} is written anew");
        return Ok(());
    }
    compare(&counts)
}

/// Builds the programs; each package's by its name.
fn build() -> Result<BTreeMap<String, PathBuf>> {
    let mut args = vec!["bench", "--no-run", "--locked", "--bench", "instructions", "--message-format=json"];
    for package in ["waxwing-xmpp", "waxwing-chat", "waxwing-storage"] {
        args.extend(["-p", package]);
    }
    args.extend(["--features", "waxwing-chat/testing"]);
    let mut programs = BTreeMap::new();
    for line in shell::output("cargo", &args)?.lines() {
        let message: Value = serde_json::from_str(line)?;
        let Some(program) = message["executable"].as_str() else { continue };
        let manifest = message["manifest_path"].as_str().unwrap_or_default();
        let folder = manifest.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap_or_default();
        programs.insert(format!("waxwing-{folder}"), PathBuf::from(program));
    }
    Ok(programs)
}

/// How many instructions one run takes, in all its threads.
fn count(program: &PathBuf, case: &str, times: u64) -> Result<u64> {
    let mut command = shell::command("valgrind", &["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let output = command.arg(program).args([case, &times.to_string()]).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{case} failed under valgrind: {said}");
    let collected =
        said.lines().find_map(|line| line.split_once("Collected :")).map(|(_, count)| count.trim());
    collected.context("callgrind counted nothing")?.parse().context("callgrind's count is no number")
}

/// The compiler and the machine that counts belong to.
fn origin() -> Result<(String, String)> {
    let said = shell::output("rustc", &["-vV"])?;
    let field = |name: &str| {
        said.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    match (field("release:"), field("host:")) {
        (Some(rustc), Some(target)) => Ok((rustc, target)),
        _ => bail!("rustc does not say what it is"),
    }
}

fn written(counts: &BTreeMap<String, u64>) -> Result<String> {
    let (rustc, target) = origin()?;
    let mut text = format!(
        "# Instructions of one run of each case, written by `cargo xtask instructions --accept`. A commit that makes one dearer\n\
         # by more than 3% declares it by changing the number here.\n\
         rustc = \"{rustc}\"\ntarget = \"{target}\"\n\n[cases]\n"
    );
    for (case, count) in counts {
        text.push_str(&format!("\"{case}\" = {count}\n"));
    }
    Ok(text)
}

fn compare(counts: &BTreeMap<String, u64>) -> Result<()> {
    let file = shell::root().join(BASELINE);
    let text = fs::read_to_string(file).with_context(|| BASELINE.to_owned())?;
    let baseline: toml::Table = text.parse()?;
    let (rustc, target) = origin()?;
    let same = |key: &str, here: &str| baseline.get(key).and_then(toml::Value::as_str) == Some(here);
    let here = same("rustc", &rustc) && same("target", &target);
    let tolerance = if here { TOLERANCE } else { TOLERANCE_ELSEWHERE };
    if !here {
        println!("The baseline is not of rustc {rustc} for {target}; a rise by {}% fails.", tolerance / 10);
    }
    let cases = baseline.get("cases").and_then(toml::Value::as_table).context("the baseline has no cases")?;
    let mut dearer = Vec::new();
    for (case, count) in counts {
        let before = cases.get(case).and_then(toml::Value::as_integer);
        let before = before.and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0);
        let Some(before) = before else {
            dearer.push(case.as_str());
            println!("{case:<20} {count:>10}  is not in the baseline");
            continue;
        };
        let change = (*count as f64 / before as f64 - 1.0) * 100.0;
        println!("{case:<20} {count:>10}  {change:+.2}% of {before}");
        if is_dearer(before, *count, tolerance) {
            dearer.push(case);
        }
    }
    ensure!(
        dearer.is_empty(),
        "dearer than {BASELINE} says: {}; if that is meant, `cargo xtask instructions --accept`",
        dearer.join(", ")
    );
    Ok(())
}

/// Whether a count has risen by more than the tolerance, in tenths of a percent.
fn is_dearer(before: u64, now: u64, tolerance: u64) -> bool {
    now.saturating_mul(1_000) > before.saturating_mul(1_000 + tolerance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_beyond_the_tolerance_is_seen() {
        assert!(!is_dearer(1_000, 1_030, TOLERANCE));
        assert!(is_dearer(1_000, 1_031, TOLERANCE));
        assert!(!is_dearer(1_000, 900, TOLERANCE));
    }
}
