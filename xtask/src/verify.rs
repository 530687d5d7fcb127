//! `cargo xtask test`: everything that has to hold before a change lands, in order, with nothing skipped.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::{shell, tidy};

/// One step: its name and what it does.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "tidy",
        run: tidy::run,
    },
    Step {
        name: "format",
        run: || shell::run("cargo", &["fmt", "--all", "--check"]),
    },
    Step {
        name: "clippy",
        run: clippy,
    },
    Step {
        name: "licences, bans, sources",
        run: deny,
    },
    Step {
        name: "cargo test",
        run: cargo_test,
    },
];

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
            Ok(()) => lines.push(format!("ok      {:>5} s  {}", seconds, step.name)),
            Err(error) => {
                failed += 1;
                eprintln!("{error:#}");
                lines.push(format!("FAILED  {:>5} s  {}: {error:#}", seconds, step.name));
            }
        }
    }
    println!("\n{}", lines.join("\n"));
    println!("{} passed, {failed} failed", lines.len() - failed);
    ensure!(failed == 0 && !lines.is_empty(), "not everything holds");
    Ok(())
}

fn clippy() -> Result<()> {
    shell::run(
        "cargo",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
    )
}

fn deny() -> Result<()> {
    if !shell::exists("cargo-deny") {
        shell::run("cargo", &["install", "--locked", "cargo-deny"])?;
    }
    shell::run(
        "cargo",
        &[
            "deny",
            "--log-level",
            "error",
            "check",
            "bans",
            "licenses",
            "sources",
        ],
    )
}

fn cargo_test() -> Result<()> {
    shell::run("cargo", &["test", "--workspace", "--locked"])
}
