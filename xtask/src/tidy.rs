//! What the compiler does not see: layers, heads of files, sizes, names, mentions, generated files.

mod layers;
mod mentions;
mod security;
mod source;

use anyhow::{Result, ensure};

use crate::{bench, generate, shell};

/// A file's text and its path from the root.
pub(crate) struct Text {
    /// The path from the root.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

/// Checks everything, prints every finding, and fails if there was one.
pub(crate) fn run() -> Result<()> {
    let mut findings = Vec::new();
    let texts = texts()?;
    layers::check(&texts, &mut findings)?;
    source::check(&texts, &mut findings)?;
    mentions::check(&texts, &mut findings);
    security::check(&texts, &mut findings);
    findings.extend(generate::drift()?);
    findings.extend(bench::drift()?);
    for finding in &findings {
        eprintln!("{finding}");
    }
    ensure!(findings.is_empty(), "tidy: {} findings", findings.len());
    println!("tidy: {} files are in order", texts.len());
    Ok(())
}

/// All text files of the project.
fn texts() -> Result<Vec<Text>> {
    let mut texts = Vec::new();
    for path in shell::files()? {
        if let Ok(text) = String::from_utf8(std::fs::read(shell::root().join(&path))?) {
            texts.push(Text { path, text });
        }
    }
    Ok(texts)
}
