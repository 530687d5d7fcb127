//! Files that are drawn from the code and its tests, so that they cannot say what is not so.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::{coverage, shell};

/// Where the server's own generator writes first, from the root.
const DRAWN: &str = "target/generated";

/// The server's own generator, one of its examples.
const GENERATOR: &str = "generate";

/// A generated file: its path from the root and what must be in it.
pub(crate) struct Generated {
    path: String,
    text: String,
}

fn all() -> Result<Vec<Generated>> {
    let mut all = vec![Generated { path: "docs/coverage.md".to_owned(), text: coverage::page()? }];
    let drawn = shell::root().join(DRAWN);
    if drawn.exists() {
        fs::remove_dir_all(&drawn)?;
    }
    // Of the whole workspace, so that what the tests are built with serves here too.
    shell::run("cargo", &["build", "--quiet", "--workspace", "--locked", "--example", GENERATOR])?;
    let built = shell::target().join("debug/examples").join(GENERATOR);
    shell::run(&built.display().to_string(), &[DRAWN])?;
    collect(&drawn, &drawn, &mut all)?;
    Ok(all)
}

/// Takes every file under a folder, its path counted from `root`.
fn collect(root: &Path, folder: &Path, all: &mut Vec<Generated>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, all)?;
        } else {
            let name = path.strip_prefix(root)?.to_string_lossy().into_owned();
            all.push(Generated { path: name, text: fs::read_to_string(&path)? });
        }
    }
    all.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(())
}

/// Writes all of them.
pub(crate) fn run() -> Result<()> {
    for Generated { path, text } in all()? {
        let target = shell::root().join(&path);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(target, text)?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Those that are not what they would be if they were written now.
pub(crate) fn drift() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for Generated { path, text } in all()? {
        if fs::read_to_string(shell::root().join(&path)).unwrap_or_default() != text {
            findings.push(format!("{path}: out of date; run `cargo xtask generate`"));
        }
    }
    Ok(findings)
}
