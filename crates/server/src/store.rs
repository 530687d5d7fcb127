//! Where everything is kept that lasts: the embedded database in the data folder, or PostgreSQL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use waxwing_chat::nodes::NodeId;
use waxwing_chat::store::Store;
use waxwing_storage::postgres::{self, Postgres};
use waxwing_storage::sqlite::{self, Sqlite};

use crate::config::config;

/// What a connection's defaults are told by; no node has this number.
const NO_NODE: NodeId = NodeId(0);

config! {
    /// Where everything is kept that lasts. Without an address it is an embedded database in `data_dir`. With one it is
    /// PostgreSQL, version 15 or later, which several nodes may share: one of them serves, and the others stand by.
    pub struct Config {
        /// The address of a database on PostgreSQL. Several hosts with commas between them are tried in turn, and the one that takes
        /// writes is used. `?sslmode=require` demands TLS, whose certificate is always checked; `?sslmode=disable` forbids it.
        /// Example: "postgres://waxwing:secret@db1.example.org,db2.example.org/waxwing?sslmode=require"
        url: Option<String> = None,
        /// A file that holds the address and nothing else, in place of `url`.
        /// Example: "/run/credentials/waxwing.service/database"
        url_file: Option<PathBuf> = None,
        /// The address of a replica that the archive is read from, as long as it is not behind. What it cannot answer, the primary does.
        /// Example: "postgres://waxwing:secret@db2.example.org/waxwing?sslmode=require"
        replica_url: Option<String> = None,
        /// A file that holds the address of the replica and nothing else, in place of `replica_url`.
        replica_url_file: Option<PathBuf> = None,
        /// A PEM file with the authorities that PostgreSQL's certificates are checked by. Unset: the system's.
        /// Example: "/etc/waxwing/database-ca.crt"
        ca_file: Option<PathBuf> = None,
        /// Connections that this node keeps for reads and small writes. All nodes together have to stay below PostgreSQL's
        /// `max_connections`; one more for each node writes messages.
        connections: usize = defaults().connections,
        /// Connections that this node keeps to the replica.
        replica_connections: usize = defaults().replica_connections,
        /// How many calls may wait for a connection. More are refused, and their senders told to try again.
        waiting_calls: usize = defaults().waiting_calls,
        /// How long making a connection may take.
        connect_timeout_ms: u64 = millis(defaults().connect_timeout),
        /// How long one statement may take before its connection is given up.
        answer_timeout_ms: u64 = millis(defaults().answer_timeout),
        /// How long a call waits while PostgreSQL is away, before it is refused.
        patience_ms: u64 = millis(defaults().patience),
    }
}

fn defaults() -> postgres::Options {
    postgres::Options::new(String::new(), NO_NODE)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Config {
    /// Whether it is a database that other nodes may use too.
    pub fn is_shared(&self) -> bool {
        self.url.is_some() || self.url_file.is_some()
    }
}

/// A store that is open, as what it is.
#[derive(Clone)]
pub(crate) enum Opened {
    /// The embedded database, which this process alone uses.
    Embedded(Arc<Sqlite>),
    /// PostgreSQL, which other nodes may use too.
    Shared(Arc<Postgres>),
}

impl Opened {
    /// The port of the domain.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Embedded(store) => store.clone(),
            Self::Shared(store) => store.clone(),
        }
    }
}

/// Opens the store that the configuration names: the embedded one at `path`, or PostgreSQL for this node.
pub(crate) async fn open(config: &Config, path: &Path, node: NodeId) -> anyhow::Result<Opened> {
    match options(config, node)? {
        Some(options) => Ok(Opened::Shared(Arc::new(Postgres::open(options).await?))),
        None => Ok(Opened::Embedded(Arc::new(open_embedded(path)?))),
    }
}

/// How PostgreSQL is reached; `None` where the store is embedded.
pub(crate) fn options(config: &Config, node: NodeId) -> anyhow::Result<Option<postgres::Options>> {
    let Some(url) = address(config.url.as_ref(), config.url_file.as_deref(), "store.url")? else {
        return Ok(None);
    };
    let replica =
        address(config.replica_url.as_ref(), config.replica_url_file.as_deref(), "store.replica_url")?;
    Ok(Some(postgres::Options {
        replica_url: replica,
        tls_authorities: config.ca_file.clone(),
        connections: config.connections,
        replica_connections: config.replica_connections,
        waiting_calls: config.waiting_calls,
        connect_timeout: Duration::from_millis(config.connect_timeout_ms),
        answer_timeout: Duration::from_millis(config.answer_timeout_ms),
        patience: Duration::from_millis(config.patience_ms),
        ..postgres::Options::new(url, node)
    }))
}

/// An address from the configuration or from the file that it names.
fn address(text: Option<&String>, file: Option<&Path>, key: &str) -> anyhow::Result<Option<String>> {
    ensure!(text.is_none() || file.is_none(), "{key} and {key}_file are both set: set one of them");
    let Some(file) = file else { return Ok(text.cloned()) };
    let read = std::fs::read_to_string(file).with_context(|| format!("{key}_file {}", file.display()))?;
    Ok(Some(read.trim().to_owned()))
}

#[cfg(not(debug_assertions))]
fn open_embedded(path: &Path) -> Result<Sqlite, sqlite::OpenError> {
    Sqlite::open(path, sqlite::Options::default())
}

/// A debug build can be told not to sync, as the negative control of the power-cut suite: it must be seen to lose
/// messages.
#[cfg(debug_assertions)]
fn open_embedded(path: &Path) -> Result<Sqlite, sqlite::OpenError> {
    if std::env::var_os("WAXWING_LOSE_MESSAGES_AT_POWER_CUTS").is_some_and(|value| value == "1") {
        return Sqlite::open_losing_messages_at_power_cuts(path, sqlite::Options::default());
    }
    Sqlite::open(path, sqlite::Options::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_stand_in_a_file() {
        let file = std::env::temp_dir().join(format!("waxwing-store-{}", std::process::id()));
        std::fs::write(&file, "postgres://waxwing@db/waxwing\n").expect("written");
        let from_file = Config { url_file: Some(file.clone()), ..Config::default() };
        let read = options(&from_file, NodeId(7)).expect("read").expect("PostgreSQL");
        assert_eq!((read.url.as_str(), read.node), ("postgres://waxwing@db/waxwing", NodeId(7)));
        assert_eq!(read.connections, Config::default().connections);
        let both = Config { url: Some(read.url), ..from_file };
        let refused = options(&both, NodeId(7)).err().expect("refused").to_string();
        assert!(refused.contains("store.url_file"), "{refused}");
        std::fs::remove_file(file).expect("removed");
        assert!(options(&Config::default(), NodeId(7)).expect("read").is_none(), "embedded by default");
    }
}
