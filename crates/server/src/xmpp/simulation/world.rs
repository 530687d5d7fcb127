//! A small world: a server that is stopped, killed and started again, its disk, its network, and a few clients.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use waxwing_chat::Chat;
use waxwing_chat::account::{NewAccount, Role};
use waxwing_chat::archive::{ArchiveQuery, Archived, PageFrom};
use waxwing_chat::memory_store::MemoryStore;
use waxwing_chat::port::Clock;
use waxwing_chat::store::Store;
use waxwing_xmpp::c2s;
use waxwing_xmpp::jid::Jid;

use super::super::connection::Connection;
use super::super::face::Face;
use super::super::link::Link;
use super::client::Device;
use super::network::{Cable, Socket};
use super::random::{Random, Seeded};
use super::record::{Record, id_of};
use crate::config::{Config, Domain};
use crate::lifecycle::Lifecycle;
use crate::tls::Tls;

/// The domain of every world.
pub(crate) const DOMAIN: &str = "sim.example";

/// How much simulated time a world may take to come to rest.
const REST: Duration = Duration::from_secs(3_600);

/// What is proven to be noticed: each is wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The disk reports messages safe that it forgets when the power goes.
    LyingDisk,
    /// A client counts a message that it never looked at.
    CarelessClient,
    /// A message is shown twice in the record of one device.
    DoctoredRecord,
}

/// Where a world stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Anything may happen.
    Chaos,
    /// Nothing happens any more; what is unfinished is finished.
    Calm,
    /// Everybody makes sure to have read everything.
    Sweep,
    /// It is over.
    End,
}

/// What all parts of a world share.
pub(crate) struct World {
    /// How many accounts there are.
    pub(crate) accounts: usize,
    /// Clients let the server choose their resource, so that their former sessions live on beside them.
    pub(crate) fresh_resources: bool,
    /// The longest time between two acts of a client.
    pub(crate) pace_ms: u64,
    /// One act in so many is trouble.
    pub(crate) trouble_one_in: u64,
    pub(crate) longest_trouble_ms: u64,
    store: Arc<MemoryStore>,
    settings: Config,
    tls: Arc<Tls>,
    state: Mutex<State>,
    record: Mutex<Record>,
    changed: Notify,
}

struct State {
    phase: Phase,
    random: Random,
    server: Option<Server>,
    settled: Vec<bool>,
    swept: Vec<bool>,
}

/// One life of the server.
struct Server {
    face: Arc<Face>,
    chat: Arc<Chat>,
    lifecycle: Lifecycle,
    tasks: Vec<AbortHandle>,
    cables: Vec<Cable>,
}

/// The time of a world begins at a fixed moment and goes with tokio's.
struct WorldClock(Instant);

impl Clock for WorldClock {
    fn now_ms(&self) -> u64 {
        1_800_000_000_000 + u64::try_from(self.0.elapsed().as_millis()).unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The address of an account.
fn address(account: usize) -> Jid {
    Jid::new(&format!("a{account}@{DOMAIN}")).expect("an address")
}

impl World {
    /// A world of two accounts in which nothing happens but what a test does.
    pub(crate) async fn quiet() -> Arc<Self> {
        let mut world = Self::new(&mut Random::new(0), &super::TLS, 2);
        if let Some(world) = Arc::get_mut(&mut world) {
            world.settings.xmpp = crate::xmpp::Config::default();
            world.fresh_resources = false;
        }
        world.create_accounts().await;
        world.store.hold();
        world.start();
        world
    }

    /// The store under the server.
    pub(crate) fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// Ends all that is left of the server.
    pub(crate) async fn shut_down(&self) {
        let server = lock(&self.state).server.take();
        if let Some(server) = server {
            server.end().await;
        }
    }

    async fn create_accounts(&self) {
        for account in 0..self.accounts {
            let new = NewAccount {
                jid: address(account),
                name: None,
                role: Role::Member,
                verifiers: Vec::new(),
                created_ms: 0,
            };
            self.store.create_account(new).await.expect("an account");
        }
    }

    fn new(random: &mut Random, tls: &Arc<Tls>, devices: usize) -> Arc<Self> {
        let mut settings = Config {
            domain: vec![Domain { name: DOMAIN.to_owned(), ..Domain::default() }],
            ..Config::default()
        };
        settings.xmpp.resume_timeout_ms = [10_000, 120_000, 600_000][random.up_to(2)];
        settings.xmpp.idle_timeout_ms = [20_000, 300_000][random.up_to(1)];
        settings.xmpp.response_timeout_ms = 10_000;
        settings.xmpp.in_flight_limit = [1, 3, 64][random.up_to(2)];
        // A replay comes in pages of a hundred, which have to fit.
        settings.xmpp.unacknowledged_limit = if random.one_in(4) { 250 } else { 5_000 };
        let accounts = 2 + random.up_to(devices.min(3) - 2);
        let state = State {
            phase: Phase::Chaos,
            random: random.fork(),
            server: None,
            settled: vec![false; devices],
            swept: vec![false; devices],
        };
        Arc::new(Self {
            accounts,
            fresh_resources: random.one_in(3),
            pace_ms: [40, 400, 4_000][random.up_to(2)],
            trouble_one_in: [4, 12, 60][random.up_to(2)],
            longest_trouble_ms: [2_000, 40_000, 200_000][random.up_to(2)],
            store: Arc::new(MemoryStore::default()),
            settings,
            tls: Arc::clone(tls),
            state: Mutex::new(state),
            record: Mutex::default(),
            changed: Notify::new(),
        })
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    pub(crate) fn phase(&self) -> Phase {
        lock(&self.state).phase
    }

    /// Waits for the next phase.
    pub(crate) async fn phase_changed(&self) {
        self.changed.notified().await;
    }

    fn enter(&self, phase: Phase) {
        lock(&self.state).phase = phase;
        self.record().note("phase", 0, &format!("{phase:?}"));
        self.changed.notify_waiters();
    }

    /// A device has sent all, and the server has counted it.
    pub(crate) fn settled(&self, device: usize) {
        lock(&self.state).settled[device] = true;
    }

    /// A device has read all that the server had for it.
    pub(crate) fn swept(&self, device: usize) {
        lock(&self.state).swept[device] = true;
    }

    /// Connects a client of an account, whose certificate proves who it is; `None` while the server is down.
    pub(crate) fn connect(&self, account: usize) -> Option<(Socket, Cable)> {
        let mut state = lock(&self.state);
        let State { random, server, phase, .. } = &mut *state;
        let server = server.as_mut()?;
        let timeout = Duration::from_millis(self.settings.limits.write_timeout_ms);
        let (client, socket, cable) = Socket::pair(random, timeout);
        if *phase == Phase::Chaos {
            server.cables.push(cable.clone());
        }
        let tls = c2s::Tls { certified: vec![address(account)], ..c2s::Tls::default() };
        let face = Arc::clone(&server.face);
        let transport = c2s::Transport::direct_tls(tls);
        let task = Connection::new(face.clone(), face.current(), Link::Memory(socket), transport).serve();
        server.tasks.push(server.lifecycle.spawn(task).abort_handle());
        Some((client, cable))
    }

    /// Starts the server on what its store holds.
    fn start(&self) {
        let mut state = lock(&self.state);
        let chat = Chat::new(
            self.store.clone(),
            Arc::new(WorldClock(Instant::now())),
            Seeded::new(state.random.fork()),
            crate::accounts::settings(&self.settings),
        );
        let lifecycle = Lifecycle::new();
        let face = Face::new(
            Arc::clone(&chat),
            &self.tls,
            lifecycle.clone(),
            &self.settings,
            std::collections::BTreeSet::new(),
        );
        let upkeep = tokio::spawn(crate::upkeep::upkeep(Arc::clone(&chat))).abort_handle();
        state.server = Some(Server { face, chat, lifecycle, tasks: vec![upkeep], cables: Vec::new() });
        self.record().note("server starts", 0, "");
    }

    /// Stops the server in order (SIGTERM).
    async fn stop(&self) {
        let Some(server) = lock(&self.state).server.take() else { return };
        self.record().note("server stops", 0, "");
        server.lifecycle.drain();
        let grace = Duration::from_millis(self.settings.shutdown.drain_grace_ms);
        if server.lifecycle.ended(grace).await > 0 {
            self.record().note("server was cut off", 0, "");
        }
        server.chat.write_marks().await;
        server.end().await;
        // What the store had taken by then it writes before it closes.
        self.store.commit(usize::MAX);
    }

    /// Kills the server, and with it everything that the disk had not written.
    async fn kill(&self, fault: Option<Fault>) {
        let Some(server) = lock(&self.state).server.take() else { return };
        self.record().note("server dies", 0, "");
        {
            let mut record = self.record();
            record.confirmed.clear();
            record.deaths += 1;
        }
        server.end().await;
        let written = lock(&self.state).random.up_to(self.store.held());
        self.store.cut(written);
        if fault == Some(Fault::LyingDisk) {
            self.store.forget(4);
        }
    }

    /// Writes what the store is given, in its own time; now and then it refuses.
    async fn disk(self: Arc<Self>, mut random: Random) {
        let refuses = random.one_in(3);
        let slowest = [1, 30, 400][random.up_to(2)];
        loop {
            let hangs = random.one_in(200);
            let pause = random.below(if hangs { 20_000 } else { slowest + 1 }) + 1;
            sleep(Duration::from_millis(pause)).await;
            let count = random.up_to(self.store.held());
            if refuses && self.phase() == Phase::Chaos && random.one_in(6) {
                for refused in self.store.refuse(count) {
                    let id = id_of(&refused.xml);
                    let mut record = self.record();
                    record.note("disk refuses", 0, &id);
                    if let Some(message) = record.messages.get_mut(&id) {
                        message.disk_refused = true;
                    }
                }
            } else {
                self.store.commit(count + 1);
            }
        }
    }

    /// Lets the server live and die for a while.
    async fn chaos(&self, random: &mut Random, fault: Option<Fault>) {
        let longest = [5_000, 60_000, 400_000][random.up_to(2)];
        for _ in 0..random.below(6) {
            sleep(Duration::from_millis(random.below(longest))).await;
            match random.below(5) {
                0 | 1 => self.stop().await,
                2 | 3 => self.kill(fault).await,
                _ => {
                    let cables = lock(&self.state).server.as_ref().map(|s| s.cables.clone());
                    cables.unwrap_or_default().iter().for_each(Cable::cut);
                    continue;
                }
            }
            sleep(Duration::from_millis(random.below(20_000))).await;
            self.start();
        }
        sleep(Duration::from_millis(random.below(longest))).await;
    }

    /// Waits until every device has said that it is ready for the next phase.
    async fn all(&self, of: fn(&State) -> &Vec<bool>) -> bool {
        let wait = async {
            while !of(&lock(&self.state)).iter().all(|done| *done) {
                sleep(Duration::from_millis(200)).await;
            }
        };
        timeout(REST, wait).await.is_ok()
    }

    /// What stands in the archives of all accounts.
    pub(crate) async fn archives(&self) -> Vec<Vec<Archived>> {
        let mut archives = Vec::new();
        for account in 0..self.accounts {
            let owner =
                self.store.account(&address(account)).await.expect("the store").expect("an account").id;
            let query = ArchiveQuery::page(owner, PageFrom::Start, usize::MAX);
            archives.push(self.store.archive_page(query).await.expect("a page").items);
        }
        archives
    }

    /// When every client is gone for longer than its stream can be resumed, nothing of it is left.
    async fn check_leaks(&self) {
        let xmpp = &self.settings.xmpp;
        let longest = xmpp.resume_timeout_ms + xmpp.idle_timeout_ms + xmpp.response_timeout_ms;
        sleep(Duration::from_millis(longest + 120_000)).await;
        let state = lock(&self.state);
        let Some(server) = &state.server else { return };
        let left = (server.chat.sessions().count(), server.lifecycle.tasks(), server.face.resumable.len());
        if left != (0, 0, 0) {
            self.record().violate(format!("sessions, connections, resumable streams left: {left:?}"));
        }
    }
}

impl Server {
    /// Ends all that is left of it.
    async fn end(self) {
        for task in &self.tasks {
            task.abort();
        }
        // An aborted task is dropped when its turn comes.
        while !self.tasks.iter().all(AbortHandle::is_finished) {
            tokio::task::yield_now().await;
        }
    }
}

/// Lives through the world of a seed.
pub(crate) async fn live(seed: u64, tls: &Arc<Tls>, fault: Option<Fault>) -> Record {
    let mut random = Random::new(seed);
    let devices = 2 + random.up_to(3);
    let world = World::new(&mut random, tls, devices);
    world.create_accounts().await;
    world.record().owners = (0..devices).map(|device| device % world.accounts).collect();
    if random.one_in(2) {
        let mut pace = random.fork();
        let slowest = [2, 50][pace.up_to(1)];
        world.store.set_pace(Box::new(move || Duration::from_millis(pace.below(slowest))));
    }
    world.store.hold();
    world.start();
    let mut others = JoinSet::new();
    others.spawn(Arc::clone(&world).disk(random.fork()));
    let mut clients = JoinSet::new();
    for index in 0..devices {
        let to_write = 5 + random.below(40);
        let account = index % world.accounts;
        let mut device = Device::new(index, account, Arc::clone(&world), random.fork(), to_write);
        device.careless = fault == Some(Fault::CarelessClient) && index == 0;
        clients.spawn(device.run());
    }
    world.chaos(&mut random, fault).await;
    world.enter(Phase::Calm);
    if !world.all(|state| &state.settled).await {
        world.record().violate("not everything was acknowledged in the calm".to_owned());
    }
    world.enter(Phase::Sweep);
    if !world.all(|state| &state.swept).await {
        world.record().violate("not everything was read in the calm".to_owned());
    }
    let archives = world.archives().await;
    {
        let mut record = world.record();
        if fault == Some(Fault::DoctoredRecord)
            && let Some(receipt) = record.receipts.last().cloned()
        {
            record.receipts.push(receipt);
        }
        record.check(&archives);
    }
    world.enter(Phase::End);
    while clients.join_next().await.is_some() {}
    world.check_leaks().await;
    world.shut_down().await;
    others.shutdown().await;
    std::mem::take(&mut *world.record())
}
