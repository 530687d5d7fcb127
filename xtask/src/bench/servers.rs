//! The servers that are measured: each with a data folder of its own, on loopback, on one processor.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::lines::{Archive, Way};
use crate::shell;

/// The processor of the servers, and that of the generator.
pub(super) const SERVER_CORE: &str = "0";
pub(super) const GENERATOR_CORE: &str = "1";

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Waxwing,
    Ejabberd,
    Prosody,
    /// The relay that only copies bytes.
    Floor,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Waxwing, Kind::Floor, Kind::Ejabberd, Kind::Prosody];

    /// As it stands in the results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Waxwing => "waxwing",
            Kind::Ejabberd => "ejabberd",
            Kind::Prosody => "prosody",
            Kind::Floor => "floor",
        }
    }

    /// The first of the ports it listens on.
    fn base(self, archive: Archive) -> u16 {
        let kind = match self {
            Kind::Waxwing => 0,
            Kind::Ejabberd => 20,
            Kind::Prosody => 40,
            Kind::Floor => 60,
        };
        15_200 + kind + if archive == Archive::On { 10 } else { 0 }
    }
}

/// A server that runs, or stands still while another is measured.
pub(super) struct Server {
    pub(super) kind: Kind,
    pub(super) archive: Archive,
    children: Vec<Child>,
    /// Where it listens: TCP, TLS, WebSocket.
    ports: [u16; 3],
    /// Its configuration as text.
    pub(super) configuration: String,
}

impl Server {
    /// Starts it in an empty folder of its own and waits until it listens; then it stands still.
    pub(super) fn start(kind: Kind, archive: Archive, folder: &Path) -> Result<Self> {
        let name = format!("{}-{}", kind.name(), if archive == Archive::On { "archive" } else { "bare" });
        let folder = folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let base = kind.base(archive);
        let ports = [base, base + 1, base + 2];
        let place = Place { folder, ports, archive };
        let (configuration, commands) = match kind {
            Kind::Waxwing => place.waxwing()?,
            Kind::Ejabberd => place.ejabberd()?,
            Kind::Prosody => place.prosody()?,
            Kind::Floor => place.floor(),
        };
        let mut server = Self { kind, archive, children: Vec::new(), ports, configuration };
        for command in commands {
            server.children.push(place.spawn(command)?);
        }
        let listening = if kind == Kind::Floor { &ports[..2] } else { &ports[..] };
        for port in listening {
            server
                .wait_for(*port)
                .with_context(|| format!("see {}", place.folder.join("output").display()))?;
        }
        server.signal("STOP")?;
        Ok(server)
    }

    fn wait_for(&mut self, port: u16) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            for child in &mut self.children {
                if let Some(status) = child.try_wait()? {
                    bail!("{} ended with {status}", self.kind.name());
                }
            }
            ensure!(Instant::now() < deadline, "{} does not listen on port {port}", self.kind.name());
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// The process that serves connections of this kind.
    pub(super) fn pid(&self, way: Way) -> u32 {
        let child = if self.kind == Kind::Floor && way == Way::Tls {
            self.children.last()
        } else {
            self.children.first()
        };
        child.map_or(0, Child::id)
    }

    /// Lets it run for as long as `work` takes.
    pub(super) fn awake<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.signal("CONT")?;
        let outcome = work();
        self.wait_until_quiet()?;
        self.signal("STOP")?;
        outcome
    }

    /// What one load leaves to do shall not be counted with the next.
    fn wait_until_quiet(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut before = self.ticks()?;
        while Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(500));
            let now = self.ticks()?;
            if now <= before + 1 {
                return Ok(());
            }
            before = now;
        }
        Ok(())
    }

    /// CPU time of its processes in ticks (proc(5)).
    fn ticks(&self) -> Result<u64> {
        let mut ticks = 0;
        for child in &self.children {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id()))?;
            let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
            ticks += fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
        }
        Ok(ticks)
    }

    fn signal(&self, name: &str) -> Result<()> {
        for child in &self.children {
            shell::run("kill", &["-s", name, &child.id().to_string()])?;
        }
        Ok(())
    }

    /// The arguments that lead the generator to it.
    pub(super) fn target(&self, way: Way) -> Vec<String> {
        let (transport, port) = match way {
            Way::Tcp => ("tcp", self.ports[0]),
            Way::Tls => ("tls", self.ports[1]),
            Way::WebSocket => ("ws", self.ports[2]),
            Way::Json => ("json", self.ports[2]),
        };
        let path = if self.kind == Kind::Ejabberd { "/ws" } else { "/xmpp-websocket" };
        let mut arguments: Vec<String> =
            ["--server", &format!("127.0.0.1:{port}"), "--transport", transport, "--path", path]
                .map(str::to_owned)
                .into();
        if way == Way::Tls {
            arguments.extend(["--insecure", "--tls13"].map(str::to_owned));
        }
        if self.kind == Kind::Floor {
            arguments.push("--floor".to_owned());
        }
        arguments
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.children {
            // It ends, whatever state it is in.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Where one server lives.
struct Place {
    folder: PathBuf,
    ports: [u16; 3],
    archive: Archive,
}

/// What a server is given to read, and how it is started.
type Prepared = (String, Vec<Command>);

impl Place {
    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Starts a program on the servers' processor, with room for many connections where that is allowed.
    fn spawn(&self, mut command: Command) -> Result<Child> {
        let output = fs::File::options().create(true).append(true).open(self.folder.join("output"))?;
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let said = format!("{command:?}");
        command.spawn().with_context(|| format!("{said} cannot be started"))
    }

    /// A certificate for localhost; the same kind for all, so that TLS costs all the same.
    fn certificate(&self) -> Result<(String, String)> {
        let (certificate, key) = (self.path("localhost.crt"), self.path("localhost.key"));
        let arguments = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ];
        let made = shell::command("openssl", &arguments).stderr(Stdio::null()).status()?;
        ensure!(made.success(), "openssl made no certificate");
        Ok((certificate, key))
    }

    /// `docs/measuring.toml`, with other addresses and a certificate.
    fn waxwing(&self) -> Result<Prepared> {
        let text = fs::read_to_string(shell::root().join("docs/measuring.toml"))?;
        let mut table: toml::Table = text.parse()?;
        let (certificate, key) = self.certificate()?;
        let mut domain = toml::Table::new();
        for (name, value) in [("name", "localhost"), ("certificate", &certificate), ("key", &key)] {
            domain.insert(name.to_owned(), value.into());
        }
        table.insert("domain".to_owned(), toml::Value::Array(vec![domain.into()]));
        table.insert("data_dir".to_owned(), self.path("data").into());
        let mut listen = toml::Table::new();
        for (name, port) in ["xmpp", "xmpp_tls", "http"].into_iter().zip(self.ports) {
            listen.insert(name.to_owned(), vec![format!("127.0.0.1:{port}")].into());
        }
        for name in ["https", "federation", "federation_tls"] {
            listen.insert(name.to_owned(), toml::Value::Array(Vec::new()));
        }
        table.insert("listen".to_owned(), listen.into());
        let mut files = toml::Table::new();
        let url = format!("http://localhost:{}/files/", self.ports[2]);
        files.insert("url".to_owned(), url.into());
        for (name, most) in [("quota_bytes", 1_i64 << 40), ("files_per_hour_limit", 1_000_000_000)] {
            files.insert(name.to_owned(), most.into());
        }
        table.insert("files".to_owned(), files.into());
        let accounts = table.get_mut("accounts").and_then(toml::Value::as_table_mut);
        accounts
            .context("docs/measuring.toml has no accounts")?
            .insert("archive".to_owned(), (self.archive == Archive::On).into());
        let text = toml::to_string(&table)?;
        let path = self.path("waxwing.toml");
        fs::write(&path, &text)?;
        let binary = shell::root().join("target/release/waxwing").display().to_string();
        Ok((text, vec![pinned(&[&binary, "--config", &path, "serve"])]))
    }

    fn ejabberd(&self) -> Result<Prepared> {
        let (certificate, key) = self.certificate()?;
        let both = self.path("localhost.pem");
        fs::write(&both, fs::read_to_string(certificate)? + &fs::read_to_string(key)?)?;
        let database = self.path("archive.sqlite");
        let archive = if self.archive == Archive::On {
            write_ahead(&database)?;
            let schema =
                fs::File::open("/usr/share/ejabberd/sql/lite.sql").context("ejabberd's SQLite schema")?;
            let made = shell::command("sqlite3", &[&database]).stdin(schema).status()?;
            ensure!(made.success(), "sqlite3 made no database");
            "  mod_mam:\n    default: always\n    db_type: sql\n"
        } else {
            ""
        };
        let text = include_str!("ejabberd.yml")
            .replace("{certificate}", &both)
            .replace("{tcp}", &self.ports[0].to_string())
            .replace("{tls}", &self.ports[1].to_string())
            .replace("{http}", &self.ports[2].to_string())
            .replace("{database}", &database)
            .replace("{uploads}", &self.path("uploads"))
            .replace("  {archive}\n", archive);
        let path = self.path("ejabberd.yml");
        fs::write(&path, &text)?;
        let mnesia = format!("{:?}", self.path("mnesia"));
        // +sbwt none: schedulers that wait do not spin, so that waiting is not counted as work.
        let mut erl = pinned(&[
            "erl",
            "-noinput",
            "+K",
            "true",
            "+P",
            "1000000",
            "+Q",
            "200000",
            "+sbwt",
            "none",
            "+sbwtdcpu",
            "none",
            "+sbwtdio",
            "none",
            "-mnesia",
            "dir",
            &mnesia,
            "-s",
            "ejabberd",
        ]);
        erl.env("ERL_LIBS", libraries()?)
            .env("EJABBERD_CONFIG_PATH", &path)
            .env("EJABBERD_LOG_PATH", self.path("log"));
        erl.env("ERL_MAX_PORTS", "200000").env("ERL_CRASH_DUMP_BYTES", "0").env("HOME", &self.folder);
        Ok((text, vec![erl]))
    }

    fn prosody(&self) -> Result<Prepared> {
        let (certificate, key) = self.certificate()?;
        let archive = if self.archive == Archive::On { "\"mam\";" } else { "" };
        let text = include_str!("prosody.lua")
            .replace("{certificate}", &certificate)
            .replace("{key}", &key)
            .replace("{folder}", &self.folder.display().to_string())
            .replace("{tcp}", &self.ports[0].to_string())
            .replace("{tls}", &self.ports[1].to_string())
            .replace("{http}", &self.ports[2].to_string())
            .replace("{archive}", archive)
            .replace("{room_archive}", if archive.is_empty() { "" } else { "\"muc_mam\"" });
        let path = self.path("prosody.cfg.lua");
        fs::write(&path, &text)?;
        fs::create_dir_all(self.folder.join("data"))?;
        write_ahead(&self.path("data/archive.sqlite"))?;
        Ok((text, vec![pinned(&["prosody", "-F", "--config", &path])]))
    }

    fn floor(&self) -> Prepared {
        let binary = shell::root().join("target/release/waxwing-load").display().to_string();
        let [plain, tls, _] = self.ports.map(|port| format!("127.0.0.1:{port}"));
        let commands = vec![
            pinned(&[&binary, "relay", "--listen", &plain]),
            pinned(&[&binary, "relay", "--tls", "--listen", &tls]),
        ];
        ("waxwing-load relay; waxwing-load relay --tls".to_owned(), commands)
    }
}

/// Makes a database whose transactions cost one sync each in place of several; the file remembers it.
fn write_ahead(database: &str) -> Result<()> {
    let mode = shell::output("sqlite3", &[database, "PRAGMA journal_mode=WAL; PRAGMA user_version=0;"])?;
    ensure!(mode.trim() == "wal", "sqlite3 made no database in WAL mode: {mode}");
    Ok(())
}

/// A program on the servers' processor. It ends with this one, even when that is killed.
fn pinned(arguments: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "-c", SERVER_CORE]).args(arguments);
    command
}

/// Where Debian keeps Erlang's libraries for this architecture.
fn libraries() -> Result<PathBuf> {
    let folders = fs::read_dir("/usr/lib")?.flatten().map(|entry| entry.path());
    let mut found = folders.filter(|folder| {
        fs::read_dir(folder).is_ok_and(|mut entries| {
            entries.any(|entry| {
                entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with("ejabberd-"))
            })
        })
    });
    found.next().context("ejabberd's libraries are not below /usr/lib")
}
