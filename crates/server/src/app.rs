//! How the server is put together: what is made in which order, what steers it, and how it ends.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use waxwing_chat::Chat;
use waxwing_chat::event::Close;
use waxwing_chat::nodes::NodeId;
use waxwing_chat::port::{SystemClock, SystemRandom};
use waxwing_cluster::nats::Nats;

use crate::accounts;
use crate::admin::backup::DATABASE;
use crate::admin::context::{Listening, Running, Steer};
use crate::admin::socket::Socket;
use crate::admin::{Admin, Code, Failure};
use crate::bytestreams;
use crate::cli;
use crate::cluster;
use crate::config::{Config, Live};
use crate::data_folder::DataFolder;
use crate::domains;
use crate::files;
use crate::first_start;
use crate::http::{self, Health, Http, Transfers};
use crate::integrations;
use crate::json;
use crate::leaving;
use crate::lifecycle::Lifecycle;
use crate::net::{Admission, Listener, Listeners, accept_loop};
use crate::observe::{Log, Metrics, names};
use crate::rest::Rest;
use crate::service;
use crate::signals::{Order, Signals};
use crate::standby;
use crate::store::{self, Opened};
use crate::tls::{Purpose, Tls, acme};
use crate::upkeep;
use crate::welcome::Welcome;
use crate::xmpp;
use crate::xmpp::federation::Federation;

/// The file that tells other programs where the server listens, in the data folder.
const ADDRESSES: &str = "addresses.json";

/// Runs the server until it is told to stop; returns the exit status. As a node, it refuses to run alone.
pub fn serve(file: Option<&Path>, as_node: bool) -> u8 {
    let (config, file) = match Config::load(file) {
        Ok(loaded) => loaded,
        Err(error) => {
            cli::terminal::error(&error.to_string());
            return cli::CONFIGURATION;
        }
    };
    if as_node && !(config.cluster.is_set() && config.store.is_shared()) {
        cli::terminal::error(
            "--cluster needs a bus and a database: `urls` or `url_file` in the section [cluster], `url` or `url_file` in [store]",
        );
        return cli::CONFIGURATION;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            cli::terminal::error(&error.to_string());
            return cli::FAILURE;
        }
    };
    match runtime.block_on(run(config, file)) {
        Ok(Ending::Stop | Ending::Leave) => cli::OK,
        Ok(Ending::Restart) => {
            // The threads of this process end before another program takes its place.
            drop(runtime);
            let error = restart();
            cli::terminal::error(&format!("the server could not start anew: {error}"));
            cli::FAILURE
        }
        Err(error) => {
            cli::terminal::error(&format!("{error:#}"));
            cli::FAILURE
        }
    }
}

/// How the server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// For good, once balancers have noticed and clients have been sent away a few at a time.
    Leave,
    /// For good.
    Stop,
    /// To start anew in the same process.
    Restart,
}

/// Puts the program that now stands where this one stood in the place of this process; returns only if that fails.
fn restart() -> std::io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    // Linux says so of a program that was replaced while it ran; the new one has the old name.
    let text = program.to_string_lossy();
    let program = text.strip_suffix(" (deleted)").map_or_else(|| program.clone(), PathBuf::from);
    std::process::Command::new(program).args(std::env::args_os().skip(1)).exec()
}

/// The server from its first step to its last.
async fn run(config: Config, file: Option<PathBuf>) -> anyhow::Result<Ending> {
    // Signals are caught before anything is there that a sudden end could leave half done.
    let mut signals = Signals::new()?;
    let log = Log::start(&config.log);
    // What lasts: the data folder is ours alone from here on, then the store, then the domain on top of it.
    let folder = DataFolder::take(&config.data_dir)?;
    let node = new_node()?;
    let opened = store::open(&config.store, &folder.path().join(DATABASE), node).await?;
    if config.cluster.is_set() {
        standby::refuse_beside_one(&opened).await?;
    } else {
        // Without a bus nodes do not hear of each other.
        tokio::select! {
            turn = standby::await_turn(&opened, node) => turn?,
            ending = told_to_end(&mut signals) => return Ok(ending),
        }
    }
    let chat = open_chat(&config, &folder, &opened)?;
    // What faces the network, and what works beside it.
    let live = Live::new(config, file.clone());
    chat.hide_archive_ids().await.context("the store cannot be used")?;
    chat.load_barred().await.context("the store cannot be read")?;
    let former = domains::former(&chat).await.context("the store cannot be read")?;
    let bus = cluster::open(&live.current().cluster, node, chat.store().as_ref()).await?;
    cluster::join(&chat, &opened, bus.as_ref()).await?;
    let server = Server::start(live, Arc::clone(&chat), bus, log, former)?;
    integrations::start(&chat, &server.live.current()).await?;
    let path = server.live.current().admin_socket();
    let socket =
        Socket::bind(&path).with_context(|| format!("the administration socket {}", path.display()))?;
    // Only now, so that no start that fails has made a password which nobody got to see.
    let administrator =
        first_start::prepare(&chat).await.context("the first administrator could not be made")?;
    // Commands come last: whoever gets an answer there may rely on everything else being up.
    let (steering, mut asked) = mpsc::channel(8);
    let administration = server.administer(&folder, socket, steering)?;
    service::ready();
    let welcome = Welcome {
        domains: server.live.current().domain_names().map(str::to_owned).collect(),
        data: folder.path(),
        listening: &server.listening,
        certificates: &server.tls.certificates().served(),
        administrator: administrator.as_ref(),
        config: file.as_deref(),
        web_client: http::WEB_CLIENT_IS_BUILT_IN,
        // The journal keeps what a service writes (systemd.exec(5)).
        logged: std::env::var_os("JOURNAL_STREAM").is_some(),
    };
    cli::terminal::line(&welcome.to_string());
    drop(administrator);

    let ending = match server.steer(&mut signals, &mut asked).await {
        Ending::Leave => tokio::select! {
            () = server.leave() => Ending::Stop,
            hurried = server.steer(&mut signals, &mut asked) => hurried,
        },
        ending => ending,
    };
    let _ = std::fs::remove_file(folder.path().join(ADDRESSES));
    server.drain(ending).await;
    administration.abort();
    chat.write_marks().await;
    chat.leave_cluster().await;
    cluster::leave(server.bus.as_ref()).await;
    standby::give_up(&opened, node).await;
    chat.store().close().await;
    Ok(ending)
}

/// Waits for a signal that ends a server which does not serve yet.
async fn told_to_end(signals: &mut Signals) -> Ending {
    loop {
        match signals.next().await {
            Order::Reload => {}
            Order::Leave | Order::Stop => return Ending::Stop,
        }
    }
}

/// The id of this process among the nodes of an installation, which no other has or had.
fn new_node() -> anyhow::Result<NodeId> {
    Ok(NodeId(getrandom::u64().context("the system has no randomness")?.max(1)))
}

/// The store and the domain on it.
fn open_chat(config: &Config, folder: &DataFolder, opened: &Opened) -> anyhow::Result<Arc<Chat>> {
    let chat =
        Chat::new(opened.store(), Arc::new(SystemClock), Arc::new(SystemRandom), accounts::settings(config));
    chat.keep_files_in(files::open(&config.files, folder.path())?);
    Ok(chat)
}

/// What is listened on, for people and programs.
fn describe(listeners: &Listeners) -> Vec<Listening> {
    let lists = [
        ("xmpp", &listeners.xmpp),
        ("xmpps", &listeners.xmpp_tls),
        ("xmpp-server", &listeners.federation),
        ("xmpps-server", &listeners.federation_tls),
        ("http", &listeners.http),
        ("https", &listeners.https),
        ("bytestreams", &listeners.bytestreams),
    ];
    let each =
        lists.into_iter().flat_map(|(protocol, list)| list.iter().map(move |listener| (protocol, listener)));
    each.map(|(protocol, listener)| Listening {
        protocol: protocol.to_owned(),
        address: listener.address().to_string(),
    })
    .collect()
}

/// Writes where the server listens, the first address of each kind, in one step: whoever sees the file sees all of it.
fn write_addresses(path: &Path, listening: &[Listening], socket: &Path) -> anyhow::Result<()> {
    let mut addresses = serde_json::Map::new();
    for listening in listening {
        addresses.entry(listening.protocol.clone()).or_insert_with(|| listening.address.clone().into());
    }
    addresses.insert("admin".to_owned(), socket.display().to_string().into());
    let fresh = path.with_extension("json.new");
    std::fs::write(&fresh, serde_json::to_vec(&addresses)?)?;
    std::fs::rename(&fresh, path)?;
    Ok(())
}

/// The server is ready as long as its store can read.
fn require_store(health: &Health, chat: &Arc<Chat>) {
    let chat = Arc::clone(chat);
    health.require("store", move || {
        let chat = Arc::clone(&chat);
        async move { chat.store().ping().await.map_err(|error| error.to_string()) }
    });
}

/// The running server: what its parts share.
struct Server {
    live: Live,
    tls: Arc<Tls>,
    chat: Arc<Chat>,
    face: Arc<xmpp::Face>,
    json: Arc<json::Face>,
    federation: Option<Arc<Federation>>,
    bus: Option<Arc<Nats>>,
    rest: Arc<Rest>,
    admission: Admission,
    lifecycle: Lifecycle,
    listening: Vec<Listening>,
    https_port: Option<u16>,
    log: Log,
}

impl Server {
    /// Starts everything that faces the network, and what works beside it.
    fn start(
        live: Live,
        chat: Arc<Chat>,
        bus: Option<Arc<Nats>>,
        log: Log,
        former: BTreeSet<String>,
    ) -> anyhow::Result<Self> {
        let config = live.current();
        let metrics = Metrics::start();
        let lifecycle = Lifecycle::new();
        let tls = Tls::load(&config)?;
        // Every address is bound before anybody is served, so that one in use stops the start.
        let mut listen = config.listen.clone();
        if !config.federation.enabled {
            listen.federation.clear();
            listen.federation_tls.clear();
        }
        let listeners = Listeners::open(&listen, config.limits.backlog)?;
        let federation = match config.federation.enabled {
            true => Some(Federation::start(&chat, &tls, &lifecycle, &config, &former)?),
            false => None,
        };
        let server = Self {
            face: xmpp::Face::new(Arc::clone(&chat), &tls, lifecycle.clone(), &config, former),
            json: json::Face::new(Arc::clone(&chat), lifecycle.clone(), &config),
            federation,
            bus,
            rest: Arc::default(),
            admission: Admission::new(&config.limits),
            listening: describe(&listeners),
            https_port: listeners.https.first().map(|listener| listener.address().port()),
            live,
            tls,
            chat,
            lifecycle,
            log,
        };
        server.chat.reload(accounts::settings(&server.settled(&config)));
        server.serve(listeners, metrics.clone());
        tokio::spawn(metrics.upkeep());
        tokio::spawn(service::watchdog());
        tokio::spawn(acme::run(server.live.clone(), Arc::clone(&server.tls), server.lifecycle.clone()));
        tokio::spawn(upkeep::upkeep(Arc::clone(&server.chat)));
        tokio::spawn(Arc::clone(&server.chat).send_scheduled());
        tokio::spawn(upkeep::remove_expired(Arc::clone(&server.chat), server.live.clone()));
        tokio::spawn(files::check(Arc::clone(&server.chat)));
        tokio::spawn(files::remove_overdue(Arc::clone(&server.chat), server.live.clone()));
        tokio::spawn(domains::remember(Arc::clone(&server.chat)));
        Ok(server)
    }

    /// The configuration with the port of HTTPS that the system chose, where it was asked to.
    fn settled(&self, config: &Config) -> Config {
        let mut settled = config.clone();
        if let (Some(asked), Some(port)) = (settled.listen.https.first_mut(), self.https_port)
            && asked.0.port() == 0
        {
            asked.0.set_port(port);
        }
        settled
    }

    /// Gives each listener to the face that speaks on it.
    fn serve(&self, listeners: Listeners, metrics: Metrics) {
        let health = Health::default();
        require_store(&health, &self.chat);
        cluster::require_bus(&health, self.bus.as_ref());
        health.require_room(self.live.clone());
        let http = Arc::new(Http {
            live: self.live.clone(),
            tls: Arc::clone(&self.tls),
            metrics,
            health,
            websocket: Some(Arc::new(xmpp::OverWebSocket(Arc::clone(&self.face)))),
            json: Some(Arc::new(json::OverWebSocket(Arc::clone(&self.json)))),
            chat: Some(Arc::clone(&self.chat)),
            transfers: Transfers::new(&self.live.current().files),
            rest: Arc::clone(&self.rest),
            admission: self.admission.clone(),
            https_port: self.https_port,
            lifecycle: self.lifecycle.clone(),
        });
        self.relay(listeners.bytestreams);
        for listener in listeners.xmpp {
            let (face, teller) = (Arc::clone(&self.face), Arc::clone(&self.face));
            let apology = move || teller.apology();
            let serve = move |conn| Arc::clone(&face).serve_plain(conn);
            let (admission, lifecycle) = (self.admission.clone(), self.lifecycle.clone());
            tokio::spawn(accept_loop(listener, admission, lifecycle, apology, serve));
        }
        for listener in listeners.xmpp_tls {
            let face = Arc::clone(&self.face);
            let serve = move |conn| Arc::clone(&face).serve_tls(conn);
            let (admission, lifecycle) = (self.admission.clone(), self.lifecycle.clone());
            tokio::spawn(accept_loop(listener, admission, lifecycle, Vec::new, serve));
        }
        self.serve_federation(listeners.federation, false);
        self.serve_federation(listeners.federation_tls, true);
        for listener in listeners.http {
            tokio::spawn(http::serve(listener, None, Arc::clone(&http)));
        }
        for listener in listeners.https {
            tokio::spawn(http::serve(listener, Some(self.tls.acceptor(Purpose::Https)), Arc::clone(&http)));
        }
    }

    /// Joins clients that cannot reach each other, where that is listened for.
    fn relay(&self, listeners: Vec<Listener>) {
        let Some(first) = listeners.first() else { return };
        let config = self.live.current().bytestreams.clone();
        let relay = bytestreams::Relay::new(config, first.address().port(), self.lifecycle.clone());
        self.chat.relay_by(Arc::new(bytestreams::Port(Arc::clone(&relay))));
        for listener in listeners {
            let relay = Arc::clone(&relay);
            let serve = move |conn| Arc::clone(&relay).serve(conn);
            let (admission, lifecycle) = (self.admission.clone(), self.lifecycle.clone());
            tokio::spawn(accept_loop(listener, admission, lifecycle, Vec::new, serve));
        }
    }

    /// Lets other servers in.
    fn serve_federation(&self, listeners: Vec<Listener>, direct: bool) {
        let Some(federation) = &self.federation else { return };
        for listener in listeners {
            let federation = Arc::clone(federation);
            let serve = move |conn| Arc::clone(&federation).serve(conn, direct);
            let (admission, lifecycle) = (self.admission.clone(), self.lifecycle.clone());
            tokio::spawn(accept_loop(listener, admission, lifecycle, Vec::new, serve));
        }
    }

    /// Serves administrators, and writes down where everything is to be found.
    fn administer(
        &self,
        folder: &DataFolder,
        socket: Socket,
        steering: mpsc::Sender<Steer>,
    ) -> anyhow::Result<JoinHandle<()>> {
        let running = Running {
            started: Instant::now(),
            listeners: self.listening.clone(),
            tls: Arc::clone(&self.tls),
            federation: self.federation.clone(),
            bus: self.bus.clone(),
            steering,
        };
        let admin = Admin {
            chat: Arc::clone(&self.chat),
            data_dir: folder.path().to_owned(),
            running: Some(running),
        };
        let path = std::path::absolute(socket.path())?;
        write_addresses(&folder.path().join(ADDRESSES), &self.listening, &path)?;
        let admin = Arc::new(admin);
        self.face.administer(Arc::clone(&admin));
        self.rest.administer(Arc::clone(&admin));
        Ok(tokio::spawn(socket.serve(admin, self.lifecycle.clone())))
    }

    /// Has balancers notice, then sends clients away over time.
    async fn leave(&self) {
        let shutdown = self.live.current().shutdown.clone();
        service::stopping();
        leaving::leave(&self.chat, &self.lifecycle, &shutdown).await;
    }

    /// Nobody new is served, those who are there are told, and what is under way is finished.
    async fn drain(&self, ending: Ending) {
        tracing::info!(?ending, "stopping");
        if ending != Ending::Restart {
            service::stopping();
        }
        // While streams to other servers are still there.
        self.chat.close_rooms().await;
        let grace = Duration::from_millis(self.live.current().shutdown.drain_grace_ms);
        let end = Instant::now() + grace;
        self.lifecycle.drain();
        // First, while its senders can still hear what could not be sent.
        if let Some(federation) = &self.federation {
            federation.emptied(grace / 2).await;
        }
        self.chat.sessions().close_all(Close::Shutdown);
        let left = self.lifecycle.ended(end.saturating_duration_since(Instant::now())).await;
        if left > 0 {
            tracing::warn!(left, "the time to drain is over; connections are cut");
        }
    }

    /// Follows signals and administrators until one of them says stop.
    async fn steer(&self, signals: &mut Signals, asked: &mut mpsc::Receiver<Steer>) -> Ending {
        loop {
            tokio::select! {
                ask = asked.recv() => match ask {
                    Some(Steer::Reload(answer)) => { let _ = answer.send(self.reload()); }
                    Some(Steer::Reset(domain, answer)) => { let _ = answer.send(self.reset(domain.as_deref())); }
                    Some(Steer::Leave(answer)) => {
                        let _ = answer.send(());
                        return Ending::Leave;
                    }
                    Some(Steer::Stop(answer)) => {
                        let _ = answer.send(());
                        return Ending::Stop;
                    }
                    Some(Steer::Restart(answer)) => {
                        let _ = answer.send(());
                        return Ending::Restart;
                    }
                    None => return Ending::Stop,
                },
                order = signals.next() => match order {
                    Order::Reload => { let _ = self.reload(); }
                    Order::Leave => return Ending::Leave,
                    Order::Stop => return Ending::Stop,
                },
            }
        }
    }

    /// Reads the configuration again and puts in force what can change while the server runs. All or nothing: what can
    /// fail comes first.
    fn reload(&self) -> Result<Vec<String>, String> {
        service::reloading();
        let result = self.try_reload();
        service::ready();
        let word = if result.is_ok() { "ok" } else { "refused" };
        metrics::counter!(names::RELOADS, "result" => word).increment(1);
        match &result {
            Ok(changes) => tracing::info!(?changes, "the configuration was read again"),
            Err(error) => tracing::error!(%error, "the new configuration is refused and the old one stays"),
        }
        result
    }

    /// RFC 6120 section 4.9.3.16: what was negotiated is negotiated anew, TLS included.
    fn reset(&self, domain: Option<&str>) -> Result<usize, String> {
        self.tls.forget_sessions(&self.live.current()).map_err(|error| error.to_string())?;
        Ok(self.chat.reset_sessions(domain))
    }

    fn try_reload(&self) -> Result<Vec<String>, String> {
        let config = self.live.read_again().map_err(|error| error.to_string())?;
        self.tls.reload(&config).map_err(|error| error.to_string())?;
        // What can fail comes before anything is in force.
        if let Some(federation) = &self.federation {
            federation.reload(&config).map_err(|error| error.to_string())?;
        }
        let mut changes = Vec::new();
        if config == *self.live.current() {
            changes.push("The configuration is the same; the certificates were read again.".to_owned());
        } else {
            changes.push("The new configuration is in force.".to_owned());
        }
        let waiting = self.live.needs_restart(&config);
        if !waiting.is_empty() {
            changes.push(format!("Only a restart changes {}.", waiting.join(", ")));
        }
        let settings = accounts::settings(&self.settled(&config));
        self.face.reload(&config);
        self.json.reload(&config);
        self.admission.set_limits(&config.limits);
        self.log.set_level(&config.log.level);
        self.live.replace(config);
        // Last, since it ends sessions whose clients come back at once.
        self.chat.reload(settings);
        tokio::spawn(domains::remember(Arc::clone(&self.chat)));
        Ok(changes)
    }
}

/// The installation without a server, for commands on the data of a stopped one. Holds the data folder meanwhile.
pub struct Stopped {
    /// What commands work with.
    pub admin: Arc<Admin>,
    _folder: DataFolder,
}

impl Stopped {
    /// Takes the data folder and opens the store in it.
    pub async fn open(config: &Config) -> Result<Self, Failure> {
        let folder = DataFolder::take(&config.data_dir)
            .map_err(|error| Failure::new(Code::Refused, format!("{error}.")))?;
        let failed = |error: anyhow::Error| Failure::new(Code::Failed, format!("{error:#}."));
        let node = new_node().map_err(failed)?;
        let database = folder.path().join(DATABASE);
        let opened = store::open(&config.store, &database, node).await.map_err(failed)?;
        let chat = open_chat(config, &folder, &opened).map_err(failed)?;
        let admin = Admin { chat, data_dir: folder.path().to_owned(), running: None };
        Ok(Self { admin: Arc::new(admin), _folder: folder })
    }

    /// Closes the store, so that everything is written when the command ends.
    pub async fn close(self) {
        self.admin.chat.store().close().await;
    }
}
