//! The bus to the other nodes of the installation: its configuration, its key, its health and its metrics.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use waxwing_chat::Chat;
use waxwing_chat::cluster::Cluster;
use waxwing_chat::nodes::{Bus as _, NodeId};
use waxwing_chat::store::Store;
use waxwing_cluster::nats::{Credentials, Nats, Options};
use waxwing_cluster::{Count, Key, Settings};
use waxwing_storage::postgres::Postgres;

use crate::config::config;
use crate::http::Health;
use crate::observe::names;
use crate::store::Opened;

/// Where the store keeps the secret under which the nodes seal what they send each other.
const SECRET: &str = "cluster.secret";

/// How often the metrics are told what the bus has counted.
const MEASURE: Duration = Duration::from_secs(1);

config! {
    /// Several nodes of one installation, which talk through NATS (2.9 and later). In force once `urls` or `url_file` is set.
    /// What they send each other is sealed under a key that they find in their common database; give them an account of
    /// their own at NATS all the same. `waxwing serve --cluster` refuses to start without.
    pub struct Config {
        /// The addresses of NATS's servers, with `tls://` to insist on TLS. Those that a cluster tells of itself are learned.
        /// Example: ["nats://nats-1.example.org:4222", "nats://nats-2.example.org:4222"]
        urls: Vec<String> = Vec::new(),
        /// A file that holds the addresses, one in each line, in place of `urls`: they may hold `user:password@` or `token@`.
        /// Example: "/run/credentials/waxwing.service/nats"
        url_file: Option<PathBuf> = None,
        /// A credentials file of NATS (JWT and seed) to sign in with.
        /// Example: "/run/credentials/waxwing.service/waxwing.creds"
        credentials: Option<PathBuf> = None,
        /// A file with the seed of an nkey to sign in with.
        nkey_file: Option<PathBuf> = None,
        /// The name to sign in with.
        user: Option<String> = None,
        /// A file with the password of `user`.
        password_file: Option<PathBuf> = None,
        /// A file with a token to sign in with.
        token_file: Option<PathBuf> = None,
        /// A PEM file with the authorities that vouch for NATS's certificates. Unset: those of the system.
        ca_file: Option<PathBuf> = None,
        /// A PEM file with this node's certificate, where NATS asks for one.
        certificate: Option<PathBuf> = None,
        /// The PEM file with the certificate's private key.
        key: Option<PathBuf> = None,
        /// What the subjects of this installation begin with.
        prefix: String = "waxwing".to_owned(),
        /// How often a node says that it is there.
        beat_ms: u64 = 1_000,
        /// How long a node may be silent before the others take it for gone; three times `beat_ms` or more.
        node_timeout_ms: u64 = 5_000,
        /// Bytes that may wait to be sent to other nodes.
        queue_bytes_limit: usize = 33_554_432,
        /// Bytes that have come from other nodes and may wait to be dealt with. What is behind them is given up, and read from
        /// the database.
        inbox_bytes_limit: usize = 67_108_864,
    }
}

impl Config {
    /// Whether there are other nodes to be talked to.
    pub fn is_set(&self) -> bool {
        !self.urls.is_empty() || self.url_file.is_some()
    }
}

/// Opens the bus, if one is configured, for this node.
pub async fn open(config: &Config, node: NodeId, store: &dyn Store) -> anyhow::Result<Option<Arc<Nats>>> {
    if !config.is_set() {
        return Ok(None);
    }
    let servers = match &config.url_file {
        None => config.urls.clone(),
        Some(file) => read(file)?.split_whitespace().map(str::to_owned).collect(),
    };
    let client_certificate = match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        (None, None) => None,
        _ => bail!("`cluster.certificate` and `cluster.key` go together"),
    };
    let options = Options {
        servers,
        credentials: credentials(config)?,
        ca_file: config.ca_file.clone(),
        client_certificate,
        prefix: config.prefix.clone(),
        key: Key::new(&secret(store).await?, &config.prefix),
        settings: Settings {
            beat: Duration::from_millis(config.beat_ms),
            node_timeout: Duration::from_millis(config.node_timeout_ms),
            queue_bytes: config.queue_bytes_limit,
            inbox_bytes: config.inbox_bytes_limit,
        },
    };
    let bus = Arc::new(Nats::open(node, options).await.context("the bus to other nodes")?);
    tracing::info!(%node, "this node has joined the bus");
    tokio::spawn(measure(Arc::clone(&bus)));
    Ok(Some(bus))
}

fn read(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(text.trim().to_owned())
}

fn credentials(config: &Config) -> anyhow::Result<Credentials> {
    let given = [
        config.credentials.is_some(),
        config.nkey_file.is_some(),
        config.token_file.is_some(),
        config.user.is_some() || config.password_file.is_some(),
    ];
    ensure!(
        given.into_iter().filter(|given| *given).count() <= 1,
        "one of `cluster.credentials`, `cluster.nkey_file`, `cluster.token_file` and `cluster.user` only"
    );
    Ok(
        match (
            &config.credentials,
            &config.nkey_file,
            &config.token_file,
            &config.user,
            &config.password_file,
        ) {
            (Some(file), ..) => Credentials::File(read(file)?),
            (_, Some(file), ..) => Credentials::Nkey(read(file)?),
            (_, _, Some(file), ..) => Credentials::Token(read(file)?),
            (.., Some(user), Some(file)) => {
                Credentials::Password { user: user.clone(), password: read(file)? }
            }
            (.., None, None) => Credentials::None,
            _ => bail!("`cluster.user` and `cluster.password_file` go together"),
        },
    )
}

/// The installation's secret, made by whichever node comes first.
async fn secret(store: &dyn Store) -> anyhow::Result<[u8; 32]> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).context("the system has no randomness")?;
    let kept = store.setting_or(SECRET, &BASE64.encode(fresh)).await.context("the store cannot be used")?;
    let secret = BASE64.decode(kept).ok().and_then(|secret| secret.try_into().ok());
    secret.context("the store holds no secret for the bus where it should")
}

/// Has the domain work as one with those of the other nodes, which have the same database. Called before anybody is served.
pub(crate) async fn join(chat: &Arc<Chat>, opened: &Opened, bus: Option<&Arc<Nats>>) -> anyhow::Result<()> {
    let Some(bus) = bus else { return Ok(()) };
    let Opened::Shared(store) = opened else {
        tracing::warn!("the other nodes have another database than this one, which works alone");
        return Ok(());
    };
    let cluster = Cluster::new(Arc::<Nats>::clone(bus));
    store.set_turns(Arc::<Cluster>::clone(&cluster));
    let (leases, log) = (Arc::<Postgres>::clone(store), Arc::<Postgres>::clone(store));
    chat.join(&cluster, leases, log).await.context("the other nodes cannot be joined")
}

/// Sends what is queued, and tells the others that this node goes.
pub async fn leave(bus: Option<&Arc<Nats>>) {
    if let Some(bus) = bus {
        bus.close().await;
    }
}

/// A node is ready as long as it can reach the others.
pub fn require_bus(health: &Health, bus: Option<&Arc<Nats>>) {
    let Some(bus) = bus.map(Arc::clone) else { return };
    health.require("bus", move || {
        let reachable = bus.is_reachable();
        async move { if reachable { Ok(()) } else { Err("NATS cannot be reached".to_owned()) } }
    });
}

/// Tells the metrics what the bus has counted, for as long as the bus is used.
async fn measure(bus: Arc<Nats>) {
    let bus = Arc::downgrade(&bus);
    let mut tick = tokio::time::interval(MEASURE);
    loop {
        tick.tick().await;
        let Some(bus) = bus.upgrade() else { return };
        let counters = bus.counters();
        let set = |name, result: &'static str, count: &Count| {
            metrics::counter!(name, "result" => result).absolute(count.get());
        };
        let way = |name, direction: &'static str, count: &Count| {
            metrics::counter!(name, "direction" => direction).absolute(count.get());
        };
        way(names::BUS_FRAMES, "sent", &counters.frames_sent);
        way(names::BUS_FRAMES, "received", &counters.frames_received);
        way(names::BUS_BYTES, "sent", &counters.bytes_sent);
        way(names::BUS_BYTES, "received", &counters.bytes_received);
        set(names::BUS_DROPPED, "full", &counters.full);
        set(names::BUS_DROPPED, "refused", &counters.refused);
        set(names::BUS_DROPPED, "repeated", &counters.repeated);
        set(names::BUS_DROPPED, "stray", &counters.strays);
        set(names::BUS_DROPPED, "overflowed", &counters.overflowed);
        metrics::counter!(names::BUS_MISSED).absolute(counters.missed.get());
        metrics::counter!(names::BUS_RECONNECTS).absolute(counters.reconnects.get());
        metrics::gauge!(names::NODES).set(bus.neighbours().len() as f64 + 1.0);
    }
}
