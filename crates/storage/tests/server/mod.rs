//! A PostgreSQL server of the test's own, with a database for each test.

// Each test that includes this uses its own part of it.
#![allow(dead_code)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use waxwing_chat::nodes::NodeId;
use waxwing_storage::postgres::Options;

/// How long the server may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a socket in a folder of its own; stopped and removed when dropped.
pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    process: Option<Child>,
}

impl Server {
    /// Makes a database cluster with these settings on top of the defaults, and starts a server for it.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("waxwing-postgres-{}-{}", std::process::id(), next()));
        Self::start_in(folder, settings)
    }

    /// The same in a folder that is not there yet, such as one on a file system of its own.
    pub(crate) fn start_in(folder: PathBuf, settings: &[(&str, &str)]) -> Result<Self, String> {
        let mut server = Self { programs: programs()?, process: None, folder };
        let failed = |error: std::io::Error| format!("{}: {error}", server.folder.display());
        fs::create_dir_all(&server.folder).map_err(failed)?;
        if let Some((user, group)) = unprivileged() {
            std::os::unix::fs::chown(&server.folder, Some(user), Some(group)).map_err(failed)?;
        }
        fs::set_permissions(&server.folder, fs::Permissions::from_mode(0o755)).map_err(failed)?;
        let mut initdb = server.program("initdb");
        initdb.args([
            "--auth=trust",
            "--username=waxwing",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
            "-D",
        ]);
        let made = initdb.arg(server.data()).output().map_err(|error| format!("initdb: {error}"))?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr).trim()));
        }
        let mut configuration = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nmax_connections = 400\n\
             shared_buffers = 64MB\nlog_min_messages = warning\n",
            server.folder.display()
        );
        for (name, value) in settings {
            configuration.push_str(&format!("{name} = '{value}'\n"));
        }
        let file = server.data().join("postgresql.auto.conf");
        fs::write(&file, configuration).map_err(|error| format!("{}: {error}", file.display()))?;
        server.resume()?;
        Ok(server)
    }

    /// Starts the server after it was stopped.
    pub(crate) fn resume(&mut self) -> Result<(), String> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .map_err(|error| error.to_string())?;
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().map_err(|error| format!("postgres: {error}"))?);
        let until = Instant::now() + PATIENCE;
        while !self.is_ready() {
            let process = self.process.as_mut().expect("it was started");
            if process.try_wait().is_ok_and(|ended| ended.is_some()) || Instant::now() > until {
                return Err(format!("postgres: {}", fs::read_to_string(self.log()).unwrap_or_default()));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Ends the server at once, without a checkpoint: what `pg_ctl stop -m immediate` does.
    pub(crate) fn stop_at_once(&mut self) {
        self.end("QUIT");
    }

    /// Lets the server finish what is open and end.
    pub(crate) fn stop(&mut self) {
        self.end("INT");
    }

    /// Stops all of the server's processes where they are, as a cut of the power does: none gets to say anything more.
    pub(crate) fn freeze(&self) {
        let all = self.processes();
        signal("STOP", &all);
        let is_still = |process: &u32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            // One that waits for the disk says nothing either, and is stopped before it could.
            stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with(['T', 'D', 'Z']))
        };
        while !all.iter().all(is_still) {
            std::thread::yield_now();
        }
    }

    /// Ends all of the server's processes without a word.
    pub(crate) fn kill(&mut self) {
        let all = self.processes();
        signal("KILL", &all);
        if let Some(mut process) = self.process.take() {
            process.wait().expect("the server ends");
        }
        while all.iter().any(|process| Path::new(&format!("/proc/{process}")).exists()) {
            std::thread::yield_now();
        }
    }

    /// Lets the server's user have a folder.
    pub(crate) fn give(&self, folder: &Path) {
        if let Some((user, group)) = unprivileged() {
            std::os::unix::fs::chown(folder, Some(user), Some(group)).expect("the folder changes hands");
        }
    }

    /// The server's first process, and those that it has started.
    fn processes(&self) -> Vec<u32> {
        let first = self.process_id().expect("it was started");
        let parent = |process: &u32| -> Option<u32> {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()
        };
        let all = fs::read_dir("/proc").expect("Linux").flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        all.filter(|process| *process == first || parent(process) == Some(first)).collect()
    }

    /// The process of the server.
    pub(crate) fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// The folder of the database cluster.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Where the database of this name is.
    pub(crate) fn url(&self, database: &str) -> String {
        let socket = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://waxwing@{socket}/{database}")
    }

    /// Lets everybody in who comes from these addresses.
    pub(crate) fn trust(&self, addresses: &str) -> Result<(), String> {
        let file = self.data().join("pg_hba.conf");
        let mut rules = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        rules.push_str(&format!("host all all {addresses} trust\n"));
        fs::write(&file, rules).map_err(|error| error.to_string())?;
        self.run("SELECT pg_reload_conf()");
        Ok(())
    }

    /// Options for a node of a new, empty database.
    pub(crate) fn new_database(&self) -> Options {
        let name = format!("test{}", next());
        self.run(&format!("CREATE DATABASE {name}"));
        self.node_of(&name, 1)
    }

    /// Options for a node of a database.
    pub(crate) fn node_of(&self, database: &str, node: u64) -> Options {
        // Many tests share the server, which has only so many connections.
        Options { connections: 8, ..Options::new(self.url(database), NodeId(node)) }
    }

    /// A server that follows this one, and answers reads.
    pub(crate) fn replica(&self) -> Result<Self, String> {
        self.replica_in(std::env::temp_dir().join(format!(
            "waxwing-postgres-{}-{}",
            std::process::id(),
            next()
        )))
    }

    /// The same in a folder that is not there yet.
    pub(crate) fn replica_in(&self, folder: PathBuf) -> Result<Self, String> {
        let mut replica = Self { programs: programs()?, process: None, folder };
        let failed = |error: std::io::Error| format!("{}: {error}", replica.folder.display());
        fs::create_dir_all(&replica.folder).map_err(failed)?;
        self.give(&replica.folder);
        let mut copy = replica.program("pg_basebackup");
        copy.arg("-h").arg(&self.folder).args([
            "-U",
            "waxwing",
            "--checkpoint=fast",
            "--no-sync",
            "-R",
            "-D",
        ]);
        let made = copy.arg(replica.data()).output().map_err(|error| format!("pg_basebackup: {error}"))?;
        if !made.status.success() {
            return Err(format!("pg_basebackup: {}", String::from_utf8_lossy(&made.stderr).trim()));
        }
        let file = replica.data().join("postgresql.auto.conf");
        let mut configuration = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        configuration.push_str(&format!("\nunix_socket_directories = '{}'\n", replica.folder.display()));
        fs::write(&file, configuration).map_err(|error| error.to_string())?;
        replica.resume()?;
        Ok(replica)
    }

    /// Commits wait from now on until what follows this server has them on disk too. Returns once that is so.
    pub(crate) fn wait_for_followers(&self) {
        self.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.run("SELECT pg_reload_conf()");
        while self.run("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "0" {
            std::thread::yield_now();
        }
    }

    /// What followed another server is one of its own now, and waits for nobody.
    pub(crate) fn promote(&self) {
        self.run("ALTER SYSTEM RESET synchronous_standby_names");
        self.run("SELECT pg_promote()");
    }

    /// The folder of all that is the server's.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the server has written into its log.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.log()).expect("the log can be read")
    }

    /// Runs statements as the administrator, and returns what they print.
    pub(crate) fn run(&self, sql: &str) -> String {
        self.run_in("postgres", sql)
    }

    /// The same in another database.
    pub(crate) fn run_in(&self, database: &str, sql: &str) -> String {
        let output = self.ask(database, sql).expect("psql runs");
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn ask(&self, database: &str, sql: &str) -> std::io::Result<std::process::Output> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.arg("-h").arg(&self.folder).args([
            "-U",
            "waxwing",
            "-d",
            database,
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
        ]);
        psql.args(["-c", sql]).output()
    }

    /// Whether it answers: not while it starts, or recovers from a crash.
    pub(crate) fn is_ready(&self) -> bool {
        self.ask("postgres", "SELECT 1").is_ok_and(|output| output.status.success())
    }

    fn end(&mut self, signal: &str) {
        let Some(mut process) = self.process.take() else { return };
        if process.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        let sent = Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "the server can be told to stop");
        process.wait().expect("the server ends");
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// One of PostgreSQL's programs, as a user that the server accepts to run as: it refuses root.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        match unprivileged() {
            None => Command::new(path),
            Some((user, group)) => {
                use std::os::unix::process::CommandExt;
                let mut command = Command::new(path);
                command.uid(user).gid(group).current_dir(&self.folder);
                command
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.end("QUIT");
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The server that the tests of one binary share, which ends with it; or why there is none.
pub(crate) fn shared() -> Result<&'static Server, String> {
    static SHARED: OnceLock<Result<Server, String>> = OnceLock::new();
    SHARED
        .get_or_init(|| {
            let server = Server::start(&[])?;
            guard(&server)?;
            Ok(server)
        })
        .as_ref()
        .map_err(Clone::clone)
}

/// Nothing is dropped at the end of a test binary, so another process waits for that end: it reads from a pipe whose other side
/// only this process holds.
fn guard(server: &Server) -> Result<(), String> {
    let script =
        "read line; kill -QUIT \"$1\"; while kill -0 \"$1\" 2>/dev/null; do sleep 0.05; done; rm -rf \"$2\"";
    let process = server.process_id().expect("it was started").to_string();
    let mut guard = Command::new("sh")
        .args(["-c", script, "guard", &process])
        .arg(&server.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("sh: {error}"))?;
    // Kept open until the process ends, whichever way.
    std::mem::forget(guard.stdin.take());
    Ok(())
}

fn signal(name: &str, processes: &[u32]) {
    // One may have ended by itself meanwhile.
    let _ = Command::new("kill")
        .arg(format!("-{name}"))
        .args(processes.iter().map(u32::to_string))
        .stderr(Stdio::null())
        .status();
}

fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The folder with PostgreSQL's programs: where Debian puts those of the newest version, or wherever `pg_config` says.
fn programs() -> Result<PathBuf, String> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = debian.map(|entry| entry.path()).filter(|path| path.join("bin/initdb").exists());
    if let Some(newest) = newest.max_by_key(|path| number(path)) {
        return Ok(newest.join("bin"));
    }
    let said = Command::new("pg_config").arg("--bindir").output();
    let said = said.map_err(|_| "PostgreSQL is not installed".to_owned())?;
    let folder = PathBuf::from(String::from_utf8_lossy(&said.stdout).trim());
    if folder.join("initdb").exists() {
        Ok(folder)
    } else {
        Err("PostgreSQL's server is not installed".to_owned())
    }
}

/// User and group of `postgres`, or else of `nobody`, if this process is root.
fn unprivileged() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody"))
}
