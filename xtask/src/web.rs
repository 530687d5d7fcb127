//! The web client: what checks it, its own tests, and how much of it a browser loads before anything is seen.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{foreign, shell};

/// Bytes of the scripts that a browser loads first, compressed with gzip.
const SCRIPTS_BYTES_LIMIT: usize = 150_000;

/// The same of the styles.
const STYLES_BYTES_LIMIT: usize = 30_000;

/// The page that a browser loads, as the manifest of a build names it.
const ENTRY: &str = "index.html";

/// Installs what the client is built with, if it is not there.
pub(crate) fn install() -> Result<()> {
    foreign::packages()?;
    let changed = |path: &str| {
        fs::metadata(shell::root().join("web").join(path)).and_then(|metadata| metadata.modified())
    };
    let installed = changed("node_modules/.package-lock.json").unwrap_or(SystemTime::UNIX_EPOCH);
    match changed("package-lock.json")? > installed {
        true => npm(&["ci", "--no-audit", "--no-fund", "--loglevel=error"]),
        false => Ok(()),
    }
}

/// Types, style, and what people need who do not see or cannot use a mouse.
pub(crate) fn check() -> Result<()> {
    install()?;
    npm(&["run", "check"])
}

/// Its own tests.
pub(crate) fn test() -> Result<()> {
    install()?;
    npm(&["test"])
}

/// Builds it and measures what a browser loads before anything is seen.
pub(crate) fn budgets() -> Result<()> {
    install()?;
    let out = shell::root().join("target/web");
    let folder = out.display().to_string();
    npm(&["run", "build", "--", "--manifest", "--emptyOutDir", "--logLevel", "warn", "--outDir", &folder])?;
    let manifest: Value = serde_json::from_slice(&fs::read(out.join(".vite/manifest.json"))?)?;
    let (scripts, styles) = (loaded(&manifest)?, styles(&manifest)?);
    for (kind, files, limit) in
        [("scripts", scripts, SCRIPTS_BYTES_LIMIT), ("styles", styles, STYLES_BYTES_LIMIT)]
    {
        let mut bytes = 0;
        for file in &files {
            bytes += compressed(&out.join(file))?;
        }
        println!("{kind} that are loaded first: {} files, {bytes} bytes of {limit}", files.len());
        ensure!(!files.is_empty(), "the build has no {kind}");
        ensure!(bytes <= limit, "the {kind} that a browser loads first grew to {bytes} bytes");
    }
    Ok(())
}

fn npm(arguments: &[&str]) -> Result<()> {
    let mut command = shell::command("npm", arguments);
    command.current_dir(shell::root().join("web"));
    shell::check(command)
}

fn compressed(path: &Path) -> Result<usize> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(&fs::read(path).with_context(|| path.display().to_string())?)?;
    Ok(writer.finish()?.len())
}

/// The parts of a build that its page loads at once: what it imports, and what that imports in turn.
fn parts(manifest: &Value) -> Result<BTreeSet<&str>> {
    ensure!(manifest[ENTRY].is_object(), "the build has no {ENTRY}");
    let (mut known, mut waiting) = (BTreeSet::new(), vec![ENTRY]);
    while let Some(name) = waiting.pop() {
        if known.insert(name) {
            let imports = manifest[name]["imports"].as_array().into_iter().flatten();
            waiting.extend(imports.filter_map(Value::as_str));
        }
    }
    Ok(known)
}

fn loaded(manifest: &Value) -> Result<BTreeSet<String>> {
    let files = parts(manifest)?.into_iter().filter_map(|name| manifest[name]["file"].as_str());
    Ok(files.map(str::to_owned).collect())
}

fn styles(manifest: &Value) -> Result<BTreeSet<String>> {
    let styles = parts(manifest)?.into_iter().filter_map(|name| manifest[name]["css"].as_array());
    Ok(styles.flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_loaded_later_does_not_count() {
        let manifest = json!({
            "index.html": {"file": "a.js", "imports": ["_b.js"], "dynamicImports": ["d.ts"], "css": ["a.css"]},
            "_b.js": {"file": "b.js", "imports": ["_c.js", "_b.js"]},
            "_c.js": {"file": "c.js", "css": ["c.css", "a.css"]},
            "d.ts": {"file": "d.js", "css": ["d.css"]},
        });
        assert_eq!(loaded(&manifest).unwrap(), ["a.js", "b.js", "c.js"].map(str::to_owned).into());
        assert_eq!(styles(&manifest).unwrap(), ["a.css", "c.css"].map(str::to_owned).into());
        assert!(loaded(&json!({})).is_err());
    }
}
