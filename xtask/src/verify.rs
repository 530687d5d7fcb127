//! `cargo xtask test`: everything that has to hold before a change lands, in order, with nothing skipped.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::{foreign, fuzz, instructions, packaging, sbom, shell, tidy, web};

/// One step: its name and what it does.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "tidy", run: tidy::run },
    Step { name: "format", run: || shell::run("cargo", &["fmt", "--all", "--check"]) },
    Step { name: "clippy", run: clippy },
    Step { name: "optional features", run: features },
    Step { name: "bans, licences, sources", run: deny },
    Step { name: "advisories", run: advisories },
    Step { name: "bill of materials", run: sbom::check },
    Step { name: "unit hardening", run: hardening },
    Step { name: "packaging", run: packaging::check },
    Step { name: "web client: types, style", run: web::check },
    Step { name: "web client: tests", run: web::test },
    Step { name: "web client: build, budgets", run: web::budgets },
    Step { name: "fuzz", run: || fuzz::run(&[]) },
    Step { name: "instructions", run: || instructions::run(false) },
    Step { name: "tests, scenarios, foreign clients, faults of the disk", run: tests },
];

/// The worst score that `systemd-analyze security` may give the unit, times ten: "OK" begins at 4.9.
const WORST_EXPOSURE: u32 = 15;

/// Runs the steps whose name contains `only`, or all, and fails when one of them failed.
pub(crate) fn run(only: Option<&str>) -> Result<()> {
    let mut lines = Vec::new();
    let mut failed = 0;
    let chosen = |step: &&Step| only.is_none_or(|only| step.name.contains(only));
    for step in STEPS.iter().filter(chosen) {
        println!("==> {}", step.name);
        let start = Instant::now();
        let outcome = (step.run)();
        let seconds = start.elapsed().as_secs();
        match outcome {
            Ok(()) => lines.push(format!("ok      {seconds:>5} s  {}", step.name)),
            Err(error) => {
                failed += 1;
                eprintln!("{error:#}");
                lines.push(format!("FAILED  {seconds:>5} s  {}: {error:#}", step.name));
            }
        }
    }
    println!("\n{}", lines.join("\n"));
    println!("{} passed, {failed} failed", lines.len() - failed);
    ensure!(failed == 0 && !lines.is_empty(), "not everything holds");
    Ok(())
}

fn clippy() -> Result<()> {
    shell::run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
}

/// What is built only when asked for has to build too. Of the whole workspace, so that what clippy has looked at serves here too.
fn features() -> Result<()> {
    shell::run(
        "cargo",
        &["check", "--workspace", "--all-targets", "--features", "waxwing-server/otel", "--locked"],
    )
}

fn cargo_deny() -> Result<()> {
    if !shell::exists("cargo-deny") {
        shell::run("cargo", &["install", "--locked", "--debug", "cargo-deny"])?;
    }
    Ok(())
}

fn deny() -> Result<()> {
    cargo_deny()?;
    shell::run("cargo", &["deny", "--log-level", "error", "check", "bans", "licenses", "sources"])
}

/// Known weaknesses of what is built in. The database lies elsewhere: where it cannot be reached, that is said, and the
/// copy fetched last serves if there is one.
fn advisories() -> Result<()> {
    cargo_deny()?;
    let fetched = shell::command("cargo", &["deny", "--log-level", "error", "fetch", "db"]).status()?;
    if !fetched.success() {
        println!("NOT CHECKED: the database of advisories cannot be reached from here");
        return Ok(());
    }
    shell::run("cargo", &["deny", "--log-level", "error", "check", "--disable-fetch", "advisories"])?;
    if !shell::exists("cargo-audit") {
        shell::run("cargo", &["install", "--locked", "--debug", "cargo-audit"])?;
    }
    // The same database read by the tool of those who keep it: it also warns of what is yanked or no longer maintained.
    shell::run("cargo", &["audit", "--quiet", "--deny", "warnings"])
}

fn hardening() -> Result<()> {
    foreign::packages()?;
    let threshold = format!("--threshold={WORST_EXPOSURE}");
    let unit = "packaging/waxwing.service";
    let report = shell::output("systemd-analyze", &["security", "--offline=yes", &threshold, unit])?;
    println!("{}", report.lines().last().context("systemd-analyze said nothing")?);
    Ok(())
}

/// All tests of the workspace. `WAXWING_TEST_ALL` turns what would be skipped into a failure.
fn tests() -> Result<()> {
    foreign::packages()?;
    let clients = foreign::clients()?;
    // The binary that is tested has the web client in it, and a test drives that with a browser.
    web::install()?;
    let mut command = shell::command("cargo", &["test", "--workspace", "--locked", "--no-fail-fast"]);
    command.env("WAXWING_TEST_ALL", "1").env("WAXWING_INTEROP", clients);
    // Most of a scenario is waiting.
    command.env("RUST_TEST_THREADS", "6");
    shell::check(command)
}
