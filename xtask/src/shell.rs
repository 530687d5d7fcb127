//! Running other programs from the workspace's root.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

/// The folder of what cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A program, to be run in the workspace's root.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Runs a program that must succeed; its output goes where ours goes.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<()> {
    check(command(program, args))
}

/// Runs a prepared command that must succeed.
pub(crate) fn check(mut command: Command) -> Result<()> {
    let said = format!("{:?}", command.get_program());
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("{said} cannot be started"))?;
    ensure!(status.success(), "{said} failed: {status}");
    Ok(())
}

/// Runs a program that must succeed and returns what it printed.
pub(crate) fn output(program: &str, args: &[&str]) -> Result<String> {
    let output = command(program, args)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{program} cannot be started"))?;
    ensure!(output.status.success(), "{program} {} failed: {}", args.join(" "), output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether a program can be found.
pub(crate) fn exists(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|folder| folder.join(program).is_file())
}

/// The files that git knows or would add, relative to the root.
pub(crate) fn files() -> Result<Vec<String>> {
    let listed = output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    Ok(listed.lines().filter(|path| root().join(path).is_file()).map(str::to_owned).collect())
}
