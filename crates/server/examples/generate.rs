//! Writes everything that is drawn from the server's code under a directory: references, completions, manual pages, the
//! table of protocols. `cargo xtask generate` runs it on the project's root.

use std::path::Path;

use anyhow::{Context, Result};
use waxwing_server::{cli, config, json, observe, rest, xmpp};

fn main() -> Result<()> {
    let root = std::env::args_os().nth(1).context("the directory to write to is missing")?;
    let root = Path::new(&root);
    std::fs::create_dir_all(root.join("docs"))?;
    cli::generate(root)?;
    xmpp::features::documents::generate(root)?;
    std::fs::write(root.join("docs/waxwing.example.toml"), config::example_file())?;
    std::fs::write(root.join("docs/configuration.md"), config::reference())?;
    std::fs::write(root.join("docs/openapi.json"), rest::openapi::document())?;
    std::fs::write(root.join("docs/openrpc.json"), json::reference::document())?;
    std::fs::write(root.join("docs/asyncapi.json"), json::asyncapi::document())?;
    std::fs::write(root.join("docs/api.d.ts"), json::typescript::document())?;
    std::fs::write(root.join("docs/metrics.md"), observe::reference())?;
    Ok(())
}
