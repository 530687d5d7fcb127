//! Files that are drawn from the code and its tests, so that they cannot say what is not so.

use anyhow::Result;

use crate::{coverage, shell};

/// A generated file: its path from the root and what must be in it.
pub(crate) struct Generated {
    path: String,
    text: String,
}

fn all() -> Result<Vec<Generated>> {
    Ok(vec![Generated {
        path: "docs/coverage.md".to_owned(),
        text: coverage::page()?,
    }])
}

/// Writes all of them.
pub(crate) fn run() -> Result<()> {
    for Generated { path, text } in all()? {
        let target = shell::root().join(&path);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(target, text)?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Those that are not what they would be if they were written now.
pub(crate) fn drift() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for Generated { path, text } in all()? {
        if std::fs::read_to_string(shell::root().join(&path)).unwrap_or_default() != text {
            findings.push(format!("{path}: out of date; run `cargo xtask generate`"));
        }
    }
    Ok(findings)
}
