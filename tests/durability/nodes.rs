//! Three nodes over one database behind a balancer, while two people write to a third who has three devices, and any single
//! process is killed at any moment: a node, PostgreSQL, NATS, the balancer; or a node is stopped, and goes on when it is taken for dead.

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
use crate::faults::trials;
use crate::postgres;
use crate::seed::Seed;
use crate::stage::{Cast, SENDERS, moment};

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
    fn start() -> Result<Self> {
        let folder = crate::scratch::Scratch::new();
        let postgres = postgres::Server::start(&[]).map_err(anyhow::Error::msg)?;
        postgres.run("CREATE DATABASE waxwing");
        let nats_at = free_address("127.0.0.1")?;
        let (ip, port) = nats_at.rsplit_once(':').context("a port")?;
        let mut command = Command::new("nats-server");
        command.args(["-a", ip, "-p", port]);
        let nats = Program::start(command, folder.path().join("nats.log"), &nats_at)?;
        let mut nodes = Vec::new();
        for number in 1..=3 {
            nodes.push(node(number, &postgres.url("waxwing"), &nats_at, folder.path())?);
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
        let address = Addresses { xmpp, xmpps, ..Addresses::default() };
        postgres.is_ready().then_some(()).context("the database answers")?;
        Ok(Self { postgres, nats, nodes, balancer, nats_at, address, _folder: folder })
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
            _ => self.balancer.resume(&self.address.xmpp),
        }
    }
}

/// A node at addresses that it keeps when it is started again.
fn node(number: u32, database: &str, nats: &str, folder: &Path) -> Result<Server> {
    let ip = format!("127.0.81.{number}");
    let mut setup = Setup::default()
        .section("[xmpp]\nplaintext_on_loopback = true\n[log]\nlevel = \"warn\"")
        .section("[listen.proxy_from]\nxmpp = [\"127.0.0.1\"]\nxmpp_tls = [\"127.0.0.1\"]")
        .section(&format!("[files]\nfolder = {:?}", folder.join("files")))
        .section(&format!("[store]\nurl = {database:?}"))
        .section(&format!("[cluster]\nurls = [\"nats://{nats}\"]"));
    for address in &mut setup.listen {
        *address = free_address(&ip)?;
    }
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

/// How long it took until each sender was told that something is safe which he wrote behind this moment.
async fn converged(progress: Vec<Arc<Progress>>, since: Instant) -> Duration {
    let each = progress.iter().map(async |one| {
        let enough = one.count() + PORTION + 1;
        timeout(4 * PATIENCE, one.reach(enough)).await.expect("it goes on within two minutes");
    });
    join_all(each).await;
    since.elapsed()
}

#[derive(Default)]
struct Kills {
    pauses: Vec<(&'static str, Duration)>,
}

impl Kills {
    fn report(&self, verdict: &Verdict, seconds: f32) {
        eprintln!(
            "{} kills in {seconds:.0} s: {} messages acknowledged, lost {}, copies in an archive {}, twice at a device {}, out of \
             order {}, not in the archive {}; delivered again under the same id {}",
            self.pauses.len(),
            verdict.acknowledged,
            verdict.lost.len(),
            verdict.copies.len(),
            verdict.duplicates.len(),
            verdict.inversions.len(),
            verdict.invented.len(),
            verdict.repeats.len(),
        );
        for what in ["a node", "PostgreSQL", "NATS", "the balancer", "a node that goes on"] {
            let mut pauses: Vec<Duration> =
                self.pauses.iter().filter(|(killed, _)| *killed == what).map(|(_, pause)| *pause).collect();
            pauses.sort();
            if let (Some(longest), Some(middle)) = (pauses.last(), pauses.get(pauses.len() / 2)) {
                eprintln!(
                    "  {what}: killed {} times; until everybody was acknowledged again: median {:.2} s, longest {:.2} s",
                    pauses.len(),
                    middle.as_secs_f32(),
                    longest.as_secs_f32()
                );
            }
        }
    }
}

/// Kills one process after another, each once all are there.
fn kill_all(
    installation: &mut Installation,
    wanted: u64,
    progress: &[Arc<Progress>],
    runtime: &Handle,
) -> Result<Kills> {
    let mut seed = Seed::new(Seed::from_environment());
    let mut kills = Kills::default();
    for number in 0..wanted {
        let (enough, then) = (seed.below(20), Duration::from_micros(seed.below(200_000)));
        // Each in its turn, so that few trials reach all; when, the seed says.
        let which = [0, 3, 1, 4, 2, 5, STOPPED][(number % 7) as usize];
        runtime.block_on(moment(&progress[0], progress[0].count() + enough, then));
        let killed = installation.kill(which)?;
        let back = runtime.spawn(converged(progress.to_vec(), Instant::now()));
        if which == STOPPED {
            let _ = runtime.block_on(async { timeout(STOPPED_FOR, pending::<()>()).await });
        }
        installation.resume(which)?;
        kills.pauses.push((killed, runtime.block_on(back).context("it goes on")?));
    }
    Ok(kills)
}

/// `WAXWING_NODE_KILLS` sets how often something is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_killed_nobody_notices_more_than_a_pause() {
    if !needed() {
        return;
    }
    let start = Instant::now();
    let mut installation = tokio::task::spawn_blocking(Installation::start)
        .await
        .expect("no panic")
        .expect("three nodes, a database, a bus and a balancer");
    let address = installation.address.clone();
    let mut cast = Cast::new();
    let progress: Vec<Arc<Progress>> = SENDERS.iter().map(|_| Arc::default()).collect();
    cast.senders = SENDERS
        .iter()
        .zip(&progress)
        .map(|(user, progress)| Device::new(user, "sending", crate::wire::Way::AtOnce, false, progress))
        .collect();
    cast.gather(&address, None).await.expect("everybody is there");
    let mut seed = Seed::new(Seed::from_environment() ^ 0xca57);
    let (end, over) = watch::channel(false);
    let wanted = trials("WAXWING_NODE_KILLS", 7);
    let runtime = Handle::current();
    let killer = tokio::task::spawn_blocking(move || {
        let kills = kill_all(&mut installation, wanted, &progress, &runtime);
        let _ = end.send(true);
        (installation, kills)
    });
    let talking: Vec<_> = cast.senders.iter_mut().map(|sender| (sender, seed.fork())).collect();
    let talking = talking.into_iter().map(|(one, seed)| talk(one, &address, seed, over.clone()));
    let hearing: Vec<_> = cast.listeners.iter_mut().map(|listener| (listener, seed.fork())).collect();
    let hearing = hearing.into_iter().map(|(one, seed)| hear(one, &address, seed, over.clone()));
    tokio::join!(join_all(talking), join_all(hearing));
    let (installation, kills) = killer.await.expect("no panic");
    let kills = kills.expect("everything starts again");
    cast.gather(&address, None).await.expect("everybody is there");
    let mut logs = cast.logs().await.expect("the archives can be read");
    let verdict = logs.check();
    kills.report(&verdict, start.elapsed().as_secs_f32());
    assert!(verdict.is_clean(), "{verdict:#?}");
    // The checker would have seen a message that one device was not given.
    let (at, missing) = control(&logs.devices[0].arrivals).expect("something came");
    logs.devices[0].arrivals.retain(|arrival| arrival.archived != missing);
    assert!(!logs.check().lost.is_empty(), "without arrival {at} it is clean");
    drop(installation);
}

/// An arrival in the middle.
fn control(arrivals: &[crate::checker::Arrival]) -> Result<(usize, String)> {
    ensure!(!arrivals.is_empty(), "nothing came");
    let at = arrivals.len() / 2;
    Ok((at, arrivals[at].archived.clone()))
}
