//! The bus on NATS: one subject for each node and one for all, on one server or a cluster of them.
//!
//! What NATS cannot promise, `links` brings: packets carry their own order and are sealed under the installation's key, so
//! who may speak to NATS can at most be in the way. Nothing is kept in NATS.
//!
//! ```text
//!   PREFIX.node.ID       what is for one node
//!   PREFIX.all           what is for every node
//!   PREFIX.none.ID.PEER  NATS's own answer to ID that nobody listens in PEER's place
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, Message, ServerAddr, StatusCode, Subject, Subscriber,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::watch;
use tokio::task::{AbortHandle, unconstrained, yield_now};
use tokio::time::{Duration, Instant, sleep_until, timeout};
use waxwing_chat::nodes::{Bus, BusError, BusEvent, NodeId};

use crate::counters::Counters;
use crate::packet::{Key, PACKET_BYTES_LIMIT, Packet, Refusal};
use crate::peer::Neighbour;
use crate::port::Port;
use crate::settings::Settings;

/// Bytes written to NATS before it is waited for: so much is lost at most when the connection breaks, and so much lies in the
/// client at most.
const BATCH_BYTES: usize = 256 << 10;
/// Messages that wait to be opened on each subject; what is behind them is lost, and told by `Missed`.
const SUBSCRIPTION_LIMIT: usize = 8192;
/// Messages opened before the links are told, so that the lock is taken once for many.
const OPEN_AT_ONCE: usize = 64;
/// How long a connection may take, with TLS and sign-in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long NATS may be silent before it is asked whether it is there; after two questions without an answer it is not.
const PING_EVERY: Duration = Duration::from_secs(1);
/// The longest pause between two attempts to connect. Nodes come back one after the other when NATS does, and must be there
/// before those that came first take them for gone.
const RECONNECT_MAX: Duration = Duration::from_millis(500);
/// How long closing may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How a node signs in to NATS. Give the installation an account of its own there.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Not at all, or as the first URL that holds `user:password@` or `token@` says.
    #[default]
    None,
    /// By name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// By a token.
    Token(String),
    /// By an nkey: its seed, which begins with `SU`.
    Nkey(String),
    /// By the contents of a credentials file, which holds a JWT and a seed.
    File(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credentials::None => "None",
            Credentials::Password { .. } => "Password(..)",
            Credentials::Token(_) => "Token(..)",
            Credentials::Nkey(_) => "Nkey(..)",
            Credentials::File(_) => "File(..)",
        })
    }
}

/// Where NATS is, and who this node is there.
#[derive(Debug, Clone)]
pub struct Options {
    /// URLs of its servers: `nats://HOST:PORT`, or `tls://HOST:PORT` to insist on TLS. More that a cluster tells of are learned.
    pub servers: Vec<String>,
    /// How to sign in.
    pub credentials: Credentials,
    /// Certificates that its servers' are signed with, in PEM; those of the system if none is given.
    pub ca_file: Option<PathBuf>,
    /// Files with this node's own certificate and its key, in PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// What all subjects begin with.
    pub prefix: String,
    /// The key of the installation.
    pub key: Key,
    /// Times and bounds.
    pub settings: Settings,
}

/// Why the bus could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No server, or a URL that is none.
    #[error("`{0}` is no address of a NATS server")]
    Address(String),
    /// A prefix that cannot begin a subject.
    #[error("`{0}` cannot begin a subject of NATS: letters, digits, `-`, `_`, and dots between them")]
    Prefix(String),
    /// The credentials cannot be read.
    #[error("the credentials for NATS cannot be read: {0}")]
    Credentials(#[source] std::io::Error),
    /// NATS does not let this node in.
    #[error("NATS refuses this node: {0}")]
    Refused(#[source] async_nats::ConnectError),
    /// The server takes smaller messages only.
    #[error("NATS takes messages of {0} bytes only; `max_payload` has to be {PACKET_BYTES_LIMIT} or more")]
    Payload(usize),
    /// The client has stopped.
    #[error("the client of NATS has stopped: {0}")]
    Stopped(#[from] async_nats::SubscribeError),
}

/// One node's bus on NATS. Dropped without `close`, it is gone without a word.
pub struct Nats {
    port: Arc<Port>,
    writer: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
    tasks: Vec<AbortHandle>,
}

impl Nats {
    /// Opens the bus for a node. Fails when NATS refuses it or a setting is wrong; where NATS cannot be reached, begins cut, and
    /// goes on trying.
    pub async fn open(node: NodeId, options: Options) -> Result<Nats, OpenError> {
        let prefix = &options.prefix;
        let valid = |part: &str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        };
        if !prefix.split('.').all(valid) {
            return Err(OpenError::Prefix(prefix.clone()));
        }
        let draw = Box::new(|| getrandom::u64().expect("the system has randomness") | 1);
        let port = Arc::new(Port::new(node, options.settings.clone(), draw));
        let (events, changes) = watch::channel(false);
        let client = connect(&options, node, events, port.counters.clone()).await?;
        if !*changes.borrow() {
            port.with(|links| links.cut());
        }
        let subjects = Subjects { prefix: prefix.clone(), me: node };
        let subscriptions = Subscriptions {
            direct: client.subscribe(subjects.node(node)).await?,
            all: client.subscribe(subjects.all()).await?,
            none: client.subscribe(format!("{}*", subjects.nobody_prefix())).await?,
            turn: 0,
        };
        let reader = Reader { port: port.clone(), key: options.key.clone(), subjects: subjects.clone() };
        let reader = tokio::spawn(reader.run(subscriptions, changes.clone()));
        let writer = Writer { port: port.clone(), client, key: options.key, subjects };
        let writer = tokio::spawn(writer.run(changes));
        let tasks = vec![reader.abort_handle(), writer.abort_handle()];
        Ok(Nats { port, writer: tokio::sync::Mutex::new(Some(writer)), tasks })
    }

    /// What it has counted.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.port.counters
    }

    /// The others that are there.
    pub fn neighbours(&self) -> Vec<Neighbour> {
        self.port.neighbours()
    }

    /// Whether NATS can be reached.
    pub fn is_reachable(&self) -> bool {
        !self.port.is_cut() && !self.port.is_closed()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[async_trait]
impl Bus for Nats {
    fn node(&self) -> NodeId {
        self.port.node()
    }

    fn others(&self) -> Arc<[NodeId]> {
        self.port.others()
    }

    fn send(&self, to: NodeId, frame: Bytes) -> Result<(), BusError> {
        self.port.send(to, frame)
    }

    fn broadcast(&self, frame: Bytes) -> Result<(), BusError> {
        self.port.broadcast(frame)
    }

    async fn next(&self) -> Option<BusEvent> {
        self.port.next().await
    }

    async fn close(&self) {
        self.port.with(|links| links.close());
        self.port.outgoing.notify_one();
        if let Some(writer) = self.writer.lock().await.take() {
            // Where NATS cannot be reached, nobody is told.
            let _ = timeout(CLOSE_TIMEOUT, writer).await;
        }
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn connect(
    options: &Options,
    node: NodeId,
    reached: watch::Sender<bool>,
    counters: Arc<Counters>,
) -> Result<Client, OpenError> {
    let mut servers = Vec::new();
    for url in &options.servers {
        // What stands before the @ is nobody's business.
        let shown = || OpenError::Address(url.rsplit('@').next().unwrap_or_default().to_owned());
        let address: ServerAddr = url.parse().map_err(|_| shown())?;
        servers.push(address);
    }
    if servers.is_empty() {
        return Err(OpenError::Address(String::new()));
    }
    let reached = Arc::new(reached);
    let noted = Arc::clone(&reached);
    let connected = ConnectOptions::new()
        .name(format!("waxwing {node}"))
        .no_echo()
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_EVERY)
        .subscription_capacity(SUBSCRIPTION_LIMIT)
        .skip_subject_validation(true)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            let (reached, counters) = (noted.clone(), counters.clone());
            async move { note(event, &reached, &counters) }
        });
    let connected = signed_in(connected, options, &servers)?;
    match connected.clone().connect(&servers[..]).await {
        Ok(client) if client.max_payload() < PACKET_BYTES_LIMIT => {
            Err(OpenError::Payload(client.max_payload()))
        }
        Ok(client) => {
            // Before the first thing is told, or a node would begin with a cut.
            reached.send_replace(true);
            Ok(client)
        }
        Err(error) => match error.kind() {
            ConnectErrorKind::AuthorizationViolation
            | ConnectErrorKind::Authentication
            | ConnectErrorKind::Tls
            | ConnectErrorKind::ServerParse => Err(OpenError::Refused(error)),
            _ => {
                tracing::warn!(%error, "NATS cannot be reached; trying on");
                connected.retry_on_initial_connect().connect(&servers[..]).await.map_err(OpenError::Refused)
            }
        },
    }
}

fn signed_in(
    connect: ConnectOptions,
    options: &Options,
    servers: &[ServerAddr],
) -> Result<ConnectOptions, OpenError> {
    let mut connect = match options.credentials.clone() {
        Credentials::None => {
            match servers.iter().find_map(|server| Some((server.username()?, server.password()))) {
                None => connect,
                Some((token, None)) => connect.token(decoded(token)),
                Some((user, Some(password))) => connect.user_and_password(decoded(user), decoded(password)),
            }
        }
        Credentials::Password { user, password } => connect.user_and_password(user, password),
        Credentials::Token(token) => connect.token(token),
        Credentials::Nkey(seed) => connect.nkey(seed),
        Credentials::File(contents) => connect.credentials(&contents).map_err(OpenError::Credentials)?,
    };
    if let Some(file) = &options.ca_file {
        connect = connect.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &options.client_certificate {
        connect = connect.add_client_certificate(certificate.clone(), key.clone());
    }
    Ok(connect)
}

/// What stands percent-encoded in a URL (RFC 3986 section 2.1).
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let octet =
            tail.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match octet.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(octet) => {
                out.push(octet);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// At once, then after 50 ms, then twice as long each time, up to `RECONNECT_MAX`, less up to a quarter so that nodes do not
/// come together.
fn reconnect_delay(attempt: usize) -> Duration {
    let Some(doublings) = attempt.checked_sub(2) else { return Duration::ZERO };
    let full = (Duration::from_millis(50) * (1 << doublings.min(8))).min(RECONNECT_MAX);
    full - full * (getrandom::u32().unwrap_or(0) % 256) / 1024
}

fn note(event: Event, reached: &watch::Sender<bool>, counters: &Counters) {
    match event {
        Event::Connected => {
            reached.send_replace(true);
        }
        Event::Disconnected | Event::Closed => {
            counters.reconnects.add(u64::from(reached.send_replace(false)));
        }
        // What was lost is noticed by its number.
        Event::SlowConsumer(_) => {}
        other => tracing::debug!(event = %other, "NATS"),
    }
}

/// Names of subjects.
#[derive(Clone)]
struct Subjects {
    prefix: String,
    me: NodeId,
}

impl Subjects {
    fn all(&self) -> String {
        format!("{}.all", self.prefix)
    }

    fn node(&self, node: NodeId) -> String {
        format!("{}.node.{node}", self.prefix)
    }

    fn nobody_prefix(&self) -> String {
        format!("{}.none.{}.", self.prefix, self.me)
    }

    /// Which node NATS says that nobody listens in the place of.
    fn nobody(&self, subject: &str) -> Option<NodeId> {
        let id = subject.strip_prefix(&self.nobody_prefix())?;
        u64::from_str_radix(id, 16).ok().map(NodeId)
    }
}

struct Subscriptions {
    direct: Subscriber,
    all: Subscriber,
    none: Subscriber,
    /// Which is asked first the next time.
    turn: usize,
}

/// Opens what comes, and tells the links the time and whether NATS is there.
struct Reader {
    port: Arc<Port>,
    key: Key,
    subjects: Subjects,
}

impl Reader {
    async fn run(self, mut subscriptions: Subscriptions, mut changes: watch::Receiver<bool>) {
        self.reached(*changes.borrow_and_update());
        let mut more = false;
        loop {
            self.port.with(|links| links.tick(Instant::now()));
            if self.port.is_closed() {
                return;
            }
            let ready = if more { subscriptions.ready() } else { None };
            let first = match ready {
                Some(message) => message,
                None => {
                    self.port.with(|links| links.read(false, Instant::now()));
                    let deadline = self.port.deadline();
                    let first = tokio::select! {
                        changed = changes.changed() => {
                            if changed.is_err() {
                                return;
                            }
                            self.reached(*changes.borrow_and_update());
                            continue;
                        }
                        message = subscriptions.direct.next() => message,
                        message = subscriptions.all.next() => message,
                        message = subscriptions.none.next() => message,
                        () = sleep_until(deadline) => continue,
                    };
                    let Some(first) = first else { return };
                    first
                }
            };
            more = self.take(first, &mut subscriptions);
            if more {
                yield_now().await;
            }
        }
    }

    fn reached(&self, reached: bool) {
        self.port.with(|links| if reached { links.healed(Instant::now()) } else { links.cut() });
    }

    /// Opens a message and those that are there already, up to so many, and says if there may be more. What came in an order
    /// over several subjects is here in any.
    fn take(&self, first: Message, subscriptions: &mut Subscriptions) -> bool {
        let mut packets = Vec::new();
        let mut deserted = Vec::new();
        let mut next = Some(first);
        let mut opened = 0;
        while let Some(message) = next {
            if message.status == Some(StatusCode::NO_RESPONDERS) {
                deserted.extend(self.subjects.nobody(&message.subject));
            } else {
                packets.extend(self.open(message.payload));
            }
            opened += 1;
            next = if opened < OPEN_AT_ONCE { subscriptions.ready() } else { None };
        }
        let (more, now) = (opened == OPEN_AT_ONCE, Instant::now());
        self.port.with(|links| {
            for packet in packets {
                links.receive(packet, now);
            }
            for node in deserted {
                links.deserted(node, now);
            }
            links.read(more, now);
        });
        more
    }

    fn open(&self, sealed: Bytes) -> Option<Packet> {
        match self.key.open(sealed, self.subjects.me) {
            Ok(packet) => Some(packet),
            Err(refusal) => {
                self.port.counters.refused.add(1);
                if refusal == Refusal::Forged && self.port.counters.refused.get() == 1 {
                    tracing::warn!(
                        "a packet on the bus was {refusal}: who else may write to these subjects?"
                    );
                }
                None
            }
        }
    }
}

impl Subscriptions {
    /// A message that is there already, of each subject in turn: where one always came first, what waits for the other would
    /// count as lost. Asked outside the runtime's budget, in which what is there can look as if it were not.
    fn ready(&mut self) -> Option<Message> {
        let subjects = [&mut self.direct, &mut self.all, &mut self.none];
        for n in 0..subjects.len() {
            let turn = (self.turn + n) % subjects.len();
            if let Some(Some(message)) = unconstrained(subjects[turn].next()).now_or_never() {
                self.turn = turn + 1;
                return Some(message);
            }
        }
        None
    }
}

/// Seals what is to be sent, and writes it while NATS is there.
struct Writer {
    port: Arc<Port>,
    client: Client,
    key: Key,
    subjects: Subjects,
}

impl Writer {
    async fn run(self, mut reached: watch::Receiver<bool>) {
        let all = Subject::from(self.subjects.all());
        let mut batch = Vec::new();
        loop {
            if reached.wait_for(|reached| *reached).await.is_err() {
                return;
            }
            self.port.take_outgoing(BATCH_BYTES, &mut batch);
            if batch.is_empty() {
                if self.port.is_closed() {
                    return;
                }
                self.port.outgoing.notified().await;
                continue;
            }
            let mut asked = BTreeSet::new();
            for packet in batch.drain(..) {
                let sealed = self.key.seal(&packet);
                let sent = match packet.to {
                    None => self.client.publish(all.clone(), sealed).await,
                    // Once in each batch NATS is asked to say if nobody listens there.
                    Some(node) if asked.insert(node) => {
                        let reply = format!("{}{node}", self.subjects.nobody_prefix());
                        self.client.publish_with_reply(self.subjects.node(node), reply, sealed).await
                    }
                    Some(node) => self.client.publish(self.subjects.node(node), sealed).await,
                };
                if let Err(error) = sent {
                    tracing::warn!(%error, "NATS does not take a packet");
                }
            }
            if self.client.flush().await.is_err() {
                return;
            }
        }
    }
}
