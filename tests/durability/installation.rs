//! Three nodes over one database behind a balancer, each program started by the test, and killed and started again.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use waxwing_tests::server::{Addresses, PATIENCE};
use waxwing_tests::world::password;
use waxwing_tests::{Server, Setup};

use crate::device::RECIPIENT;
use crate::faults::Disk;
use crate::network::Network;
use crate::postgres;
use crate::stage::SENDERS;

/// So many nodes serve the domain.
pub(crate) const NODES: usize = 3;

/// What a node is cut off from.
pub(crate) const NATS: &str = "NATS";
pub(crate) const POSTGRES: &str = "PostgreSQL";

/// Where PostgreSQL listens at an address of its own.
pub(crate) const POSTGRES_PORT: &str = "5432";

/// From this number on nodes are stopped instead of killed, and go on when their lives are over and others have taken their place.
pub(crate) const STOPPED: u64 = 6;

/// A program that is killed and started again.
pub(crate) struct Program {
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

    pub(crate) fn resume(&mut self, listens_at: &str) -> Result<()> {
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

    pub(crate) fn kill(&mut self) -> Result<()> {
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

/// What only root can have: a network, and disks that are the database's alone.
pub(crate) struct Ground {
    pub(crate) network: Network,
    pub(crate) disk: Disk,
    /// Where the tables are.
    pub(crate) tables: Disk,
}

impl Ground {
    pub(crate) fn make() -> Result<Self, String> {
        Ok(Self { network: Network::make(NODES)?, disk: Disk::ext4(512)?, tables: Disk::tmpfs(512)? })
    }
}

/// All processes of an installation.
pub(crate) struct Installation {
    pub(crate) postgres: postgres::Server,
    /// What follows the database, and takes its place.
    follower: Option<postgres::Server>,
    pub(crate) nats: Vec<Program>,
    nodes: Vec<Server>,
    balancer: Program,
    pub(crate) nats_at: Vec<String>,
    /// Where clients come.
    pub(crate) address: Addresses,
    pub(crate) ground: Option<Ground>,
    _folder: crate::scratch::Scratch,
}

/// An address of this machine with a port that was free a moment ago.
fn free_address(ip: &str) -> Result<String> {
    Ok(TcpListener::bind((ip, 0))?.local_addr()?.to_string())
}

/// The programs that Debian brings; without them the test is skipped, which is said.
pub(crate) fn needed() -> bool {
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
    /// All on this machine's loopback; or with a ground, each node in a namespace of its own, and a cluster of three for NATS.
    pub(crate) fn start(ground: Option<Ground>) -> Result<Self> {
        Self::start_with(ground, false)
    }

    /// On loopback, with a database that another one follows: nothing is acknowledged that both do not have.
    pub(crate) fn start_followed() -> Result<Self> {
        Self::start_with(None, true)
    }

    fn start_with(ground: Option<Ground>, followed: bool) -> Result<Self> {
        let folder = crate::scratch::Scratch::new();
        let network = ground.as_ref().map(|ground| &ground.network);
        let ip = network.map_or("127.0.0.1", Network::outside).to_owned();
        let (postgres, mut database) = database(ground.as_ref())?;
        let follower = if followed { Some(follow(&postgres, None)?) } else { None };
        if let Some(follower) = &follower {
            database = both(&postgres, follower);
        }
        let members = if ground.is_some() { 3 } else { 1 };
        let nats_at = (0..members).map(|_| free_address(&ip)).collect::<Result<Vec<_>>>()?;
        let nats = bus(&nats_at, &ip, folder.path())?;
        let mut nodes = Vec::new();
        for number in 0..NODES {
            let place = match network {
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
        let xmpp = if ground.is_some() { String::new() } else { xmpp };
        let address = Addresses { xmpp, xmpps, ..Addresses::default() };
        postgres.is_ready().then_some(()).context("the database answers")?;
        Ok(Self { postgres, follower, nats, nodes, balancer, nats_at, address, ground, _folder: folder })
    }

    /// Kills the database and has the other take its place; then makes one anew that follows it.
    pub(crate) fn fail_over(&mut self) -> Result<()> {
        let follower = self.follower.take().context("one that follows")?;
        self.postgres.kill();
        follower.promote();
        let place = self.postgres.folder().to_owned();
        self.postgres = follower;
        self.follower = Some(follow(&self.postgres, Some(place))?);
        Ok(())
    }

    /// Kills the process of this number; says which it was.
    pub(crate) fn kill(&mut self, which: u64) -> Result<&'static str> {
        match which {
            node @ 0..=2 => {
                self.nodes[node as usize].kill()?;
                Ok("a node")
            }
            3 => {
                self.postgres.kill();
                Ok("PostgreSQL")
            }
            4 => self.nats[0].kill().map(|()| "NATS"),
            5 => self.balancer.kill().map(|()| "the balancer"),
            stopped => {
                self.nodes[(stopped - STOPPED) as usize].signal("STOP").map(|()| "a node that goes on")
            }
        }
    }

    /// Starts it again, and returns once it serves.
    pub(crate) fn resume(&mut self, which: u64) -> Result<()> {
        match which {
            node @ 0..=2 => self.nodes[node as usize].launch(),
            3 => self.postgres.resume().map_err(anyhow::Error::msg),
            4 => self.nats[0].resume(&self.nats_at[0]),
            5 => self.balancer.resume(&self.address.xmpps),
            stopped => self.nodes[(stopped - STOPPED) as usize].signal("CONT"),
        }
    }
}

/// A database, and where nodes find it.
fn database(ground: Option<&Ground>) -> Result<(postgres::Server, String)> {
    let Some(Ground { network, disk, tables }) = ground else {
        let postgres = postgres::Server::start(&[]).map_err(anyhow::Error::msg)?;
        postgres.run("CREATE DATABASE waxwing");
        let url = postgres.url("waxwing");
        return Ok((postgres, url));
    };
    let ip = network.outside();
    let settings = [
        ("listen_addresses", ip),
        ("port", POSTGRES_PORT),
        ("max_wal_size", "64MB"),
        ("min_wal_size", "32MB"),
    ];
    let postgres = postgres::Server::start_in(disk.path().join("postgres"), &settings);
    let postgres = postgres.map_err(anyhow::Error::msg)?;
    postgres.trust(&format!("{ip}/24")).map_err(anyhow::Error::msg)?;
    let space = tables.path().join("space");
    fs::create_dir(&space)?;
    postgres.give(&space);
    postgres.run(&format!("CREATE TABLESPACE roomy LOCATION '{}'", space.display()));
    postgres.run("CREATE DATABASE waxwing TABLESPACE roomy");
    // The database cluster itself was made without syncing it.
    postgres.run("CHECKPOINT");
    let synced = Command::new("sync").arg("-f").arg(disk.path()).status()?;
    ensure!(synced.success(), "the disk cannot be synced");
    Ok((postgres, format!("postgres://waxwing@{ip}:{POSTGRES_PORT}/waxwing")))
}

/// Another database that follows this one, in a folder that is not there.
fn follow(postgres: &postgres::Server, place: Option<PathBuf>) -> Result<postgres::Server> {
    let follower = match place {
        Some(place) => postgres.replica_in(place),
        None => postgres.replica(),
    };
    let follower = follower.map_err(anyhow::Error::msg)?;
    postgres.wait_for_followers();
    Ok(follower)
}

/// Where nodes find the two; they take the one that can be written to.
fn both(one: &postgres::Server, other: &postgres::Server) -> String {
    let host = |server: &postgres::Server| server.folder().display().to_string().replace('/', "%2F");
    format!("postgres://waxwing@{},{}/waxwing", host(one), host(other))
}

/// The members of a cluster for NATS, or a single server.
fn bus(at: &[String], ip: &str, folder: &Path) -> Result<Vec<Program>> {
    let routes = at.iter().map(|_| free_address(ip)).collect::<Result<Vec<_>>>()?;
    let all: Vec<String> = routes.iter().map(|route| format!("nats://{route}")).collect();
    let members = at.iter().zip(&all).enumerate().map(|(number, (at, route))| {
        let (ip, port) = at.rsplit_once(':').context("a port")?;
        let mut command = Command::new("nats-server");
        command.args(["-a", ip, "-p", port]);
        if all.len() > 1 {
            command.args(["--cluster_name", "test", "--cluster", route, "--routes", &all.join(",")]);
        }
        Program::start(command, folder.join(format!("nats{number}.log")), at)
    });
    members.collect()
}

/// Where a node runs.
#[derive(Clone, Copy)]
enum Place<'n> {
    Loopback(usize),
    Namespace(&'n Network, usize),
}

/// A node at addresses that it keeps when it is started again.
fn node(place: Place<'_>, database: &str, nats: &[String], folder: &Path) -> Result<Server> {
    let nats: Vec<String> = nats.iter().map(|at| format!("nats://{at}")).collect();
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
        .section(&format!("[cluster]\nurls = {nats:?}"));
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
