//! The `Store` port on PostgreSQL, for an installation of several nodes.

mod accounts;
mod append;
mod archive;
mod attempts;
mod audit;
mod batches;
mod belongings;
mod errors;
mod files;
mod import;
mod integrations;
mod leases;
mod migrations;
pub mod moving;
mod numbers;
mod partitions;
mod people;
mod pool;
mod pubsub;
mod remove;
mod replica;
mod rooms;
mod rosters;
mod session;
mod state;
mod statements;
mod store;
mod talks;
mod upkeep;
mod writer;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use waxwing_chat::nodes::{NodeId, Turns};
use waxwing_chat::store::StoreError;
use waxwing_xmpp::jid::Jid;

use errors::Failure;
use pool::{Durability, Pool};
use replica::Replica;
use upkeep::Upkeep;
use writer::Writer;

use crate::keys::Keys;

/// The oldest major version of PostgreSQL that is supported.
pub const OLDEST_VERSION: u32 = 15;

/// What can be chosen about the store. Each limit bounds memory, connections or time.
#[derive(Clone)]
pub struct Options {
    /// Where the database is: `postgres://user:password@host:port/database`, several hosts with commas between them if there
    /// are replicas that may take over. `sslmode=require` in it demands TLS, `sslmode=disable` forbids it.
    pub url: String,
    /// Where a replica is that archive reads may go to, if there is one.
    pub replica_url: Option<String>,
    /// This node.
    pub node: NodeId,
    /// A PEM file with the authorities that the server's certificate is checked by; the system's if there is none.
    pub tls_authorities: Option<PathBuf>,
    /// Connections to the primary for reads and small writes. Default 16.
    pub connections: usize,
    /// Connections to the replica. Default 8.
    pub replica_connections: usize,
    /// Most calls that may wait for a connection; further ones are refused as `Unavailable`. Default 4,096.
    pub waiting_calls: usize,
    /// How long making a connection may take. Default 5 s.
    pub connect_timeout: Duration,
    /// How long one statement may take. Default 30 s.
    pub answer_timeout: Duration,
    /// How long a call waits for a server that is away or has no connection free. Default 10 s.
    pub patience: Duration,
    /// Most messages in one transaction. Default 256.
    pub batch_jobs: usize,
    /// Most writes to the archive that may wait; further ones are refused as `Unavailable`. Default 16,384.
    pub write_queue_jobs: usize,
    /// Most bytes of messages that may wait to be written. Default 64 MiB.
    pub write_queue_bytes: usize,
    /// How long a client's own message id is remembered at least; it may be twice as long. Default 7 days.
    pub dedupe_window: Duration,
    /// The clock that tells expired invitations from others: microseconds since the Unix epoch.
    pub now_us: fn() -> u64,
}

impl Options {
    /// The defaults, for a node of the database at `url`.
    pub fn new(url: impl Into<String>, node: NodeId) -> Self {
        Self {
            url: url.into(),
            replica_url: None,
            node,
            tls_authorities: None,
            connections: 16,
            replica_connections: 8,
            waiting_calls: 4096,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(10),
            batch_jobs: 256,
            write_queue_jobs: 16_384,
            write_queue_bytes: 64 << 20,
            dedupe_window: Duration::from_secs(7 * 24 * 60 * 60),
            now_us: crate::clock::now_us,
        }
    }
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An option cannot be used.
    #[error("{0}")]
    Option(String),
    /// A later version has written the database, or migrating it failed.
    #[error("{0}")]
    Schema(String),
    /// The server is of a version that is not supported, or would not keep what it acknowledges.
    #[error("{0}")]
    Server(String),
    /// The database could not be reached, or refused.
    #[error("the database could not be opened: {0}")]
    Database(#[source] StoreError),
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Database(failure.into())
    }
}

/// The store on PostgreSQL.
pub struct Postgres {
    options: Options,
    primary: Arc<Pool>,
    replica: Option<Replica>,
    keys: Keys,
    writer: Writer,
    upkeep: Upkeep,
    turns: Arc<OnceLock<Arc<dyn Turns>>>,
}

impl Postgres {
    /// Connects to the database and brings its schema to the version of this build.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        Self::open_with(options, Durability::Full).await
    }

    /// Loses acknowledged messages at a power cut. The negative control of the tests of durability, and nothing else.
    #[doc(hidden)]
    pub async fn open_losing_messages_at_power_cuts(options: Options) -> Result<Self, OpenError> {
        Self::open_with(options, Durability::None).await
    }

    async fn open_with(options: Options, durability: Durability) -> Result<Self, OpenError> {
        let primary = Arc::new(Pool::primary(&options, durability)?);
        let replica = Pool::replica(&options)?.map(Replica::new);
        {
            let db = primary.session().await?;
            pool::check_server(&db, durability).await?;
            migrations::migrate(&db).await?;
        }
        partitions::make_ahead(&primary).await?;
        let (keys, last) = append::begin(&primary.session().await?).await?;
        let turns = Arc::default();
        let own = Pool::writer(&options, durability)?;
        let writer = Writer::start((own, Arc::clone(&primary)), &options, (keys, last), Arc::clone(&turns));
        let upkeep = Upkeep::start(Arc::clone(&primary), keys);
        Ok(Self { options, primary, replica, keys, writer, upkeep, turns })
    }

    /// From now on the callbacks of a batch wait for their turn among those of all nodes. To be called once, before anything is
    /// appended; without it they run as soon as their batch is committed.
    pub fn set_turns(&self, turns: Arc<dyn Turns>) {
        if self.turns.set(turns).is_err() {
            tracing::error!("the order of nodes was set before");
        }
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.options.node
    }
}

/// Reads an address that was an address when it was written.
fn jid(text: &str) -> Result<Jid, Failure> {
    Jid::new(text).map_err(|error| Failure::other(format!("the stored address {text}: {error}")))
}
