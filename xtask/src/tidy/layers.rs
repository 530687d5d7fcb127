//! The dependency table of the design: which crate may not depend on what.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Text;
use crate::shell;

/// A crate's layer.
struct Layer {
    package: &'static str,
    folder: &'static str,
    /// The siblings it may depend on.
    siblings: &'static [&'static str],
    /// Foreign crates it must not depend on.
    banned: &'static [&'static str],
    /// Paths that its code (tests and examples aside) must not name.
    banned_paths: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    Layer {
        package: "waxwing-xmpp",
        folder: "crates/xmpp/",
        siblings: &[],
        banned: &["tokio", "serde_json", "rustls", "rusqlite", "axum", "hyper"],
        banned_paths: &[
            "std::net::Tcp",
            "std::net::Udp",
            "std::fs",
            "std::thread",
            "std::time::SystemTime",
            "std::time::Instant",
        ],
    },
    Layer {
        package: "waxwing-chat",
        folder: "crates/chat/",
        siblings: &["waxwing-xmpp"],
        banned: &[
            "rusqlite",
            "serde_json",
            "axum",
            "hyper",
            "rustls",
            "tokio-rustls",
            "socket2",
            "async-nats",
        ],
        banned_paths: &["std::net::Tcp", "std::net::Udp", "tokio::net", "tokio::fs", "std::fs"],
    },
    Layer {
        package: "waxwing-storage",
        folder: "crates/storage/",
        siblings: &["waxwing-xmpp", "waxwing-chat", "waxwing-tests"],
        // rustls is there for the connection to PostgreSQL alone.
        banned: &["axum", "hyper", "tokio-rustls"],
        banned_paths: &["std::net", "tokio::net"],
    },
    Layer {
        package: "waxwing-cluster",
        folder: "crates/cluster/",
        siblings: &["waxwing-chat"],
        banned: &["ring", "openssl", "native-tls", "rusqlite", "axum", "hyper"],
        banned_paths: &["std::net", "tokio::net"],
    },
    Layer {
        package: "waxwing-server",
        folder: "crates/server/",
        siblings: &["waxwing-xmpp", "waxwing-chat", "waxwing-storage", "waxwing-cluster", "waxwing-tests"],
        banned: &["ring", "openssl", "native-tls"],
        banned_paths: &[],
    },
    Layer {
        package: "waxwing-load",
        folder: "crates/load/",
        siblings: &["waxwing-xmpp", "waxwing-tests"],
        banned: &["ring", "openssl", "native-tls"],
        banned_paths: &[],
    },
    Layer {
        package: "waxwing-tests",
        folder: "tests/",
        siblings: &[],
        banned: &["ring", "openssl", "native-tls"],
        banned_paths: &["waxwing_server::"],
    },
    Layer {
        package: "xtask",
        folder: "xtask/",
        siblings: &["waxwing-server"],
        banned: &[],
        banned_paths: &[],
    },
];

pub(super) fn check(texts: &[Text], findings: &mut Vec<String>) -> Result<()> {
    let metadata: Value =
        serde_json::from_str(&shell::output("cargo", &["metadata", "--format-version=1", "--no-deps"])?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let mut dependencies: BTreeMap<&str, Vec<(&str, bool)>> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().context("a package without a name")?;
        let list = package["dependencies"].as_array().context("a package without dependencies")?;
        let list =
            list.iter().filter_map(|one| Some((one["name"].as_str()?, one["kind"].is_null()))).collect();
        dependencies.insert(name, list);
    }
    for package in dependencies.keys() {
        if !LAYERS.iter().any(|layer| layer.package == *package) {
            findings.push(format!("xtask/src/tidy/layers.rs: the crate {package} has no layer"));
        }
    }
    for layer in LAYERS {
        let Some(list) = dependencies.get(layer.package) else {
            continue;
        };
        for (name, normal) in list {
            let sibling = dependencies.contains_key(name);
            // The binary's scenario tests use the harness; nothing that is shipped does.
            let test_only = *name == "waxwing-tests" && *normal;
            if (sibling && !layer.siblings.contains(name)) || layer.banned.contains(name) || test_only {
                findings
                    .push(format!("{}Cargo.toml: {} must not depend on {name}", layer.folder, layer.package));
            }
        }
        check_paths(layer, texts, findings);
    }
    Ok(())
}

fn check_paths(layer: &Layer, texts: &[Text], findings: &mut Vec<String>) {
    let own = |text: &&Text| text.path.starts_with(layer.folder) && text.path.ends_with(".rs");
    for text in texts.iter().filter(own) {
        for (number, line) in text.text.lines().enumerate() {
            if line.trim_start().starts_with("#[cfg(test)]")
                || ["/tests/", "/examples/"].iter().any(|aside| text.path.contains(aside))
            {
                break;
            }
            let code = line.split("//").next().unwrap_or_default();
            for path in layer.banned_paths.iter().filter(|path| code.contains(**path)) {
                findings.push(format!("{}:{}: {} must not use {path}", text.path, number + 1, layer.package));
            }
        }
    }
}
