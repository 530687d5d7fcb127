//! Three nodes over one database behind a balancer, while two people write to a third who has three devices, and talk in a
//! room. Any single process is killed at any moment: a node, PostgreSQL, NATS, the balancer; or a node is stopped, and goes on when it
//! is taken for dead; or a node is cut off from PostgreSQL or NATS, in both directions or in one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::future::pending;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use waxwing_chat::cluster::LIFE_MS;
use waxwing_tests::server::{Addresses, PATIENCE};
use waxwing_tests::world::password;
use waxwing_tests::{Server, Setup};

use crate::checker::Verdict;
use crate::device::{Device, Progress, RECIPIENT};
use crate::faults::{need, trials};
use crate::network::{Direction, Network};
use crate::postgres;
use crate::rooms::{self, Findings, Speaker};
use crate::seed::Seed;
use crate::stage::{Cast, SENDERS, moment};

/// So many nodes serve the domain.
const NODES: usize = 3;

/// More messages than a sender has on their way at once: so many acknowledged behind a kill, and some were written behind it.
const PORTION: u64 = 6;

/// What is stopped instead of killed, and goes on when its life is over and others have taken its place: the second node.
const STOPPED: u64 = 6;

/// Longer than a node's life without a word of it.
const STOPPED_FOR: Duration = Duration::from_millis(LIFE_MS + 2_000);

/// A program that is killed and started again.
struct Program {
    command: Command,
    log: PathBuf,
    child: Option<Child>,
}

impl Program {
    fn start(mut command: Command, log: PathBuf, listens_at: &str) -> Result<Self> {
        command.stdin(Stdio::null());
        let mut program = Self { command, log, child: None };
        program.resume(listens_at)?;
        Ok(program)
    }

    fn resume(&mut self, listens_at: &str) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = self.command.stdout(log.try_clone()?).stderr(log).spawn()?;
        self.child = Some(child);
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(listens_at).is_err() {
            let ended = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
            if ended.is_some() || Instant::now() > until {
                bail!("{:?} does not listen: {}", self.command, fs::read_to_string(&self.log)?);
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it runs")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// All processes of an installation.
struct Installation {
    postgres: postgres::Server,
    nats: Program,
    nodes: Vec<Server>,
    balancer: Program,
    nats_at: String,
    /// Where clients come.
    address: Addresses,
    network: Option<Network>,
    _folder: crate::scratch::Scratch,
}

/// An address of this machine with a port that was free a moment ago.
fn free_address(ip: &str) -> Result<String> {
    Ok(TcpListener::bind((ip, 0))?.local_addr()?.to_string())
}

/// The programs that Debian brings; without them the test is skipped, which is said.
fn needed() -> bool {
    let lacking = ["nats-server", "haproxy"].into_iter().find(|program| {
        let found = Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.is_err()
    });
    let Some(program) = lacking else { return true };
    assert!(std::env::var_os("WAXWING_TEST_ALL").is_none(), "{program} is needed");
    eprintln!("SKIPPED: {program} is needed");
    false
}

impl Installation {
    /// All on this machine's loopback; or with a network, each node in a namespace of its own.
    fn start(network: Option<Network>) -> Result<Self> {
        let folder = crate::scratch::Scratch::new();
        let ip = network.as_ref().map_or("127.0.0.1", Network::outside).to_owned();
        let settings = [("listen_addresses", ip.as_str()), ("port", "5432")];
        let postgres = postgres::Server::start(if network.is_some() { &settings } else { &[] });
        let postgres = postgres.map_err(anyhow::Error::msg)?;
        postgres.run("CREATE DATABASE waxwing");
        let mut database = postgres.url("waxwing");
        if network.is_some() {
            postgres.trust(&format!("{ip}/24")).map_err(anyhow::Error::msg)?;
            database = format!("postgres://waxwing@{ip}:5432/waxwing");
        }
        let nats_at = free_address(&ip)?;
        let (_, port) = nats_at.rsplit_once(':').context("a port")?;
        let mut command = Command::new("nats-server");
        command.args(["-a", &ip, "-p", port]);
        let nats = Program::start(command, folder.path().join("nats.log"), &nats_at)?;
        let mut nodes = Vec::new();
        for number in 0..NODES {
            let place = match &network {
                None => Place::Loopback(number),
                Some(network) => Place::Namespace(network, number),
            };
            nodes.push(node(place, &database, &nats_at, folder.path())?);
        }
        for user in SENDERS.iter().chain([&RECIPIENT]) {
            let jid = format!("{user}@localhost");
            nodes[0].admin(&["user", "add", &jid, "--password-stdin"], &format!("{}\n", password(user)))?;
        }
        let (xmpp, xmpps) = (free_address("127.0.0.1")?, free_address("127.0.0.1")?);
        let config = folder.path().join("haproxy.cfg");
        fs::write(&config, balancing(&nodes, &xmpp, &xmpps)?)?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&config);
        let balancer = Program::start(command, folder.path().join("haproxy.log"), &xmpp)?;
        // Nodes elsewhere let nobody in who is in the clear.
        let xmpp = if network.is_some() { String::new() } else { xmpp };
        let address = Addresses { xmpp, xmpps, ..Addresses::default() };
        postgres.is_ready().then_some(()).context("the database answers")?;
        Ok(Self { postgres, nats, nodes, balancer, nats_at, address, network, _folder: folder })
    }

    /// Kills the process of this number; says which it was.
    fn kill(&mut self, which: u64) -> Result<&'static str> {
        match which {
            node @ 0..=2 => {
                self.nodes[node as usize].kill()?;
                Ok("a node")
            }
            3 => {
                self.postgres.kill();
                Ok("PostgreSQL")
            }
            4 => self.nats.kill().map(|()| "NATS"),
            STOPPED => self.nodes[1].signal("STOP").map(|()| "a node that goes on"),
            _ => self.balancer.kill().map(|()| "the balancer"),
        }
    }

    /// Starts it again, and returns once it serves.
    fn resume(&mut self, which: u64) -> Result<()> {
        match which {
            node @ 0..=2 => self.nodes[node as usize].launch(),
            3 => self.postgres.resume().map_err(anyhow::Error::msg),
            4 => self.nats.resume(&self.nats_at),
            STOPPED => self.nodes[1].signal("CONT"),
            _ => self.balancer.resume(&self.address.xmpps),
        }
    }
}

/// Where a node runs.
#[derive(Clone, Copy)]
enum Place<'n> {
    Loopback(usize),
    Namespace(&'n Network, usize),
}

/// A node at addresses that it keeps when it is started again.
fn node(place: Place<'_>, database: &str, nats: &str, folder: &Path) -> Result<Server> {
    let balancer = match place {
        Place::Loopback(_) => "127.0.0.1",
        Place::Namespace(network, _) => network.outside(),
    };
    let setup = Setup::default()
        .section("[xmpp]\nplaintext_on_loopback = true\n[log]\nlevel = \"warn\"")
        .section(&format!("[listen.proxy_from]\nxmpp = [{balancer:?}]\nxmpp_tls = [{balancer:?}]"))
        .section(&format!("[http]\nmonitoring_networks = [\"{balancer}/32\"]"))
        .section(&format!("[files]\nfolder = {:?}", folder.join("files")))
        .section(&format!("[store]\nurl = {database:?}"))
        .section(&format!("[cluster]\nurls = [\"nats://{nats}\"]"));
    let setup = match place {
        Place::Loopback(number) => {
            let mut setup = setup;
            for address in &mut setup.listen {
                *address = free_address(&format!("127.0.81.{}", number + 1))?;
            }
            setup
        }
        Place::Namespace(network, number) => {
            setup.address(&network.inside(number)).namespace(&network.namespace(number))
        }
    };
    Server::start(env!("CARGO_BIN_EXE_waxwing"), &setup)
}

/// What the example in `packaging` says, for nodes at any ports.
fn balancing(nodes: &[Server], xmpp: &str, xmpps: &str) -> Result<String> {
    let mut text = "global\n  maxconn 500\ndefaults\n  mode tcp\n  balance leastconn\n  timeout connect 5s\n  timeout check 3s\n  \
         timeout client 15m\n  timeout server 15m\n  option redispatch 1\n  retries 3\n  option httpchk\n  \
         http-check send meth GET uri /health/ready\n  http-check expect status 200\n"
        .to_owned();
    for (name, at) in [("xmpp", xmpp), ("xmpps", xmpps)] {
        text += &format!("listen {name}\n  bind {at}\n");
        for (number, node) in nodes.iter().enumerate() {
            let addresses = node.addresses();
            let to = if name == "xmpp" { &addresses.xmpp } else { &addresses.xmpps };
            let (_, port) = addresses.http.rsplit_once(':').context("a port")?;
            text += &format!(
                "  server node{number} {to} check port {port} inter 1s fall 2 rise 2 send-proxy-v2\n"
            );
        }
    }
    Ok(text)
}

/// Lets a moment pass that the seed chooses.
async fn pause(seed: &mut Seed, below_ms: u64) {
    let _ = timeout(Duration::from_millis(seed.below(below_ms)), pending::<()>()).await;
}

/// Connects, again and again until it works.
async fn come_back(device: &mut Device, address: &Addresses, seed: &mut Seed) {
    while !device.is_connected() {
        match timeout(PATIENCE, device.connect(address)).await {
            Ok(Ok(_)) => return,
            _ => device.disconnect(),
        }
        pause(seed, 200).await;
    }
}

/// Writes in portions until all is over, and comes back whenever the connection is lost.
async fn talk(device: &mut Device, address: &Addresses, mut seed: Seed, over: watch::Receiver<bool>) {
    while !*over.borrow() {
        come_back(device, address, &mut seed).await;
        if device.say(1 + seed.below(PORTION)).await.is_err() || device.hear_acknowledgements().await.is_err()
        {
            device.disconnect();
        }
        pause(&mut seed, 60).await;
    }
}

/// Listens until all is over, and comes back whenever the connection is lost.
async fn hear(device: &mut Device, address: &Addresses, mut seed: Seed, mut over: watch::Receiver<bool>) {
    while !*over.borrow() {
        come_back(device, address, &mut seed).await;
        tokio::select! {
            _ = over.changed() => {}
            () = async { while device.read().await.is_ok() {} } => device.disconnect(),
        }
    }
    // What was half done when it was over is done anew.
    device.disconnect();
}

/// Speaks in the room until all is over, and comes back whenever the connection is lost.
async fn discuss(
    speaker: &mut Speaker,
    address: &Addresses,
    mut seed: Seed,
    mut over: watch::Receiver<bool>,
) {
    while !*over.borrow() {
        match timeout(PATIENCE, speaker.connect(address)).await {
            Ok(Ok(())) => tokio::select! {
                _ = over.changed() => {}
                _ = speaker.speak(seed.fork()) => {}
            },
            _ => pause(&mut seed, 200).await,
        }
        speaker.disconnect();
    }
}

/// All speakers are in the room again, and whatever they said is acknowledged.
async fn gather_in_room(speakers: &mut [Speaker], address: &Addresses, seed: &mut Seed) -> Result<()> {
    let until = Instant::now() + 2 * PATIENCE;
    for speaker in speakers {
        while let Err(error) = timeout(PATIENCE, async {
            speaker.connect(address).await?;
            speaker.settle().await
        })
        .await
        .context("what he said is not acknowledged")
        .flatten()
        {
            ensure!(Instant::now() < until, "he does not come back: {error:#}");
            pause(seed, 200).await;
        }
    }
    Ok(())
}

/// How long it took until each sender was told that something is safe which he wrote behind this moment.
async fn converged(progress: Vec<Arc<Progress>>, since: Instant) -> Duration {
    let each = progress.iter().map(async |one| {
        let enough = one.count() + PORTION + 1;
        timeout(4 * PATIENCE, one.reach(enough)).await.expect("it goes on within two minutes");
    });
    join_all(each).await;
    since.elapsed()
}

/// What was done to the installation, and how long it took until everybody was acknowledged something written behind it.
#[derive(Default)]
struct Faults {
    pauses: Vec<(String, Duration)>,
}

impl Faults {
    fn report(&self, verdict: &Verdict, room: &str, seconds: f32) {
        eprintln!(
            "{} faults in {seconds:.0} s: {} messages acknowledged, lost {}, copies in an archive {}, twice at a device {}, out of \
             order {}, not in the archive {}; delivered again under the same id {}\n  {room}",
            self.pauses.len(),
            verdict.acknowledged,
            verdict.lost.len(),
            verdict.copies.len(),
            verdict.duplicates.len(),
            verdict.inversions.len(),
            verdict.invented.len(),
            verdict.repeats.len(),
        );
        let mut kinds: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
        for (what, pause) in &self.pauses {
            kinds.entry(what).or_default().push(*pause);
        }
        for (what, mut pauses) in kinds {
            pauses.sort();
            eprintln!(
                "  {what}: {} times; until everybody was acknowledged again: median {:.2} s, longest {:.2} s",
                pauses.len(),
                pauses[pauses.len() / 2].as_secs_f32(),
                pauses[pauses.len() - 1].as_secs_f32()
            );
        }
    }
}

/// Lets this much time pass, which is part of the fault.
fn last(runtime: &Handle, time: Duration) {
    let _ = runtime.block_on(async { timeout(time, pending::<()>()).await });
}

/// Kills one process after another, each once all are there.
fn kill_all(
    installation: &mut Installation,
    wanted: u64,
    progress: &[Arc<Progress>],
    runtime: &Handle,
) -> Result<Faults> {
    let mut seed = Seed::new(Seed::from_environment());
    let mut faults = Faults::default();
    for number in 0..wanted {
        let (enough, then) = (seed.below(20), Duration::from_micros(seed.below(200_000)));
        // Each in its turn, so that few trials reach all; when, the seed says.
        let which = [0, 3, 1, 4, 2, 5, STOPPED][(number % 7) as usize];
        runtime.block_on(moment(&progress[0], progress[0].count() + enough, then));
        let killed = installation.kill(which)?;
        let back = runtime.spawn(converged(progress.to_vec(), Instant::now()));
        if which == STOPPED {
            last(runtime, STOPPED_FOR);
        }
        installation.resume(which)?;
        faults.pauses.push((format!("{killed} killed"), runtime.block_on(back).context("it goes on")?));
    }
    Ok(faults)
}

/// Cuts one node off after another, each once all is whole.
fn cut_all(
    installation: &mut Installation,
    wanted: u64,
    progress: &[Arc<Progress>],
    runtime: &Handle,
) -> Result<Faults> {
    let mut seed = Seed::new(Seed::from_environment());
    let mut faults = Faults::default();
    let long = Duration::from_secs(trials("WAXWING_PARTITION_SECONDS", LIFE_MS / 1000 + 2));
    let (_, nats) = installation.nats_at.rsplit_once(':').context("a port")?;
    let network = installation.network.as_ref().context("a network")?;
    for number in 0..wanted {
        let (enough, then) = (seed.below(20), Duration::from_micros(seed.below(200_000)));
        let node = seed.below(NODES as u64) as usize;
        let (what, port) = if number % 2 == 0 { ("NATS", nats) } else { ("PostgreSQL", "5432") };
        let direction = [Direction::Both, Direction::In, Direction::Out][(number / 2 % 3) as usize];
        // Each kind for each time in eighteen trials, each time in three.
        let time =
            [Duration::from_millis(6), Duration::from_secs(1), long][((number + number / 6) % 3) as usize];
        runtime.block_on(moment(&progress[0], progress[0].count() + enough, then));
        let cut = network.cut(node, port, direction)?;
        let back = runtime.spawn(converged(progress.to_vec(), Instant::now()));
        last(runtime, time);
        cut.heal()?;
        let pause = runtime.block_on(back).context("it goes on")?;
        faults.pauses.push((format!("{what} out of reach for {time:?}, {direction:?}"), pause));
    }
    Ok(faults)
}

/// Does these faults to an installation while people talk, and compares what was promised with what is there.
async fn endure(
    installation: Result<Installation>,
    faults: impl FnOnce(&mut Installation, &[Arc<Progress>], &Handle) -> Result<Faults> + Send + 'static,
) {
    let start = Instant::now();
    let mut installation = installation.expect("three nodes, a database, a bus and a balancer");
    let address = installation.address.clone();
    let mut cast = Cast::new();
    let progress: Vec<Arc<Progress>> = (0..2 * SENDERS.len()).map(|_| Arc::default()).collect();
    cast.senders = SENDERS
        .iter()
        .zip(&progress)
        .map(|(user, progress)| Device::new(user, "sending", crate::wire::Way::AtOnce, false, progress))
        .collect();
    cast.gather(&address, None).await.expect("everybody is there");
    let in_room = SENDERS.iter().zip(&progress[SENDERS.len()..]);
    let mut speakers: Vec<Speaker> = in_room.map(|(user, progress)| Speaker::new(user, progress)).collect();
    speakers[0].connect(&address).await.expect("the room is made");
    speakers[0].found().await.expect("the room stays");
    let mut seed = Seed::new(Seed::from_environment() ^ 0xca57);
    let (end, over) = watch::channel(false);
    let runtime = Handle::current();
    let faulty = tokio::task::spawn_blocking(move || {
        let faults = faults(&mut installation, &progress, &runtime);
        let _ = end.send(true);
        (installation, faults)
    });
    let talking: Vec<_> = cast.senders.iter_mut().map(|sender| (sender, seed.fork())).collect();
    let talking = talking.into_iter().map(|(one, seed)| talk(one, &address, seed, over.clone()));
    let hearing: Vec<_> = cast.listeners.iter_mut().map(|listener| (listener, seed.fork())).collect();
    let hearing = hearing.into_iter().map(|(one, seed)| hear(one, &address, seed, over.clone()));
    let discussing: Vec<_> = speakers.iter_mut().map(|speaker| (speaker, seed.fork())).collect();
    let discussing = discussing.into_iter().map(|(one, seed)| discuss(one, &address, seed, over.clone()));
    tokio::join!(join_all(talking), join_all(hearing), join_all(discussing));
    let (installation, faults) = faulty.await.expect("no panic");
    let faults = faults.expect("everything starts again");
    // A node that the balancer still counts on may let nobody in yet.
    for device in cast.senders.iter_mut().chain(&mut cast.listeners) {
        come_back(device, &address, &mut seed).await;
    }
    cast.gather(&address, None).await.expect("everybody is there");
    gather_in_room(&mut speakers, &address, &mut seed).await.expect("everybody is in the room");
    let mut logs = cast.logs().await.expect("the archives can be read");
    let verdict = logs.check();
    let mut findings = Findings::of(speakers).await.expect("the room's archive can be read");
    let of_room = findings.check();
    faults.report(&verdict, &findings.report(&of_room), start.elapsed().as_secs_f32());
    assert!(verdict.is_clean(), "{verdict:#?}");
    assert_eq!(of_room, rooms::Verdict::default());
    // The checkers would have seen a message that one device was not given.
    let (at, missing) = control(&logs.devices[0].arrivals).expect("something came");
    logs.devices[0].arrivals.retain(|arrival| arrival.archived != missing);
    assert!(!logs.check().lost.is_empty(), "without arrival {at} it is clean");
    assert!(findings.fails_where_it_must());
    drop(installation);
}

/// `WAXWING_NODE_KILLS` sets how often something is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_nobody_notices_more_than_a_pause() {
    if !needed() {
        return;
    }
    let wanted = trials("WAXWING_NODE_KILLS", 7);
    let installation = tokio::task::spawn_blocking(|| Installation::start(None)).await.expect("no panic");
    endure(installation, move |installation, progress, runtime| {
        kill_all(installation, wanted, progress, runtime)
    })
    .await;
}

/// `WAXWING_PARTITIONS` sets how often a node is cut off, `WAXWING_PARTITION_SECONDS` for how long at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_cut_off_nobody_notices_more_than_a_pause() {
    if !needed() {
        return;
    }
    let Some(network) = need("partitions of nodes", Network::make(NODES)) else { return };
    let wanted = trials("WAXWING_PARTITIONS", 6);
    let start = || Installation::start(Some(network));
    let installation = tokio::task::spawn_blocking(start).await.expect("no panic");
    endure(installation, move |installation, progress, runtime| {
        cut_all(installation, wanted, progress, runtime)
    })
    .await;
}

/// An arrival in the middle.
fn control(arrivals: &[crate::checker::Arrival]) -> Result<(usize, String)> {
    ensure!(!arrivals.is_empty(), "nothing came");
    let at = arrivals.len() / 2;
    Ok((at, arrivals[at].archived.clone()))
}
