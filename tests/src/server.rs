//! One server process of the binary under test, on a folder of its own.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// How long anything may take before a test gives up. Only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How a server is to be configured.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The domains served; the first is the default.
    pub domains: Vec<String>,
    /// The certificate and key of the domains; without them the server makes its own.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whole sections of configuration, appended as they are.
    pub sections: Vec<String>,
    /// Environment variables for the process.
    pub env: Vec<(String, String)>,
    /// The addresses listened on, in the order of [`LISTENERS`].
    pub listen: [String; 6],
    /// Whether the relay for bytes between two clients (XEP-0065) is listened for.
    pub bytestreams: bool,
    /// The data folder, where it shall not lie beside the configuration file. It is the test's own to remove.
    pub data: Option<PathBuf>,
    /// The network namespace to run in, if it is not the test's.
    pub namespace: Option<String>,
}

/// The listeners by the names of their keys.
const LISTENERS: [&str; 6] = ["xmpp", "xmpp_tls", "http", "https", "federation", "federation_tls"];

impl Default for Setup {
    fn default() -> Self {
        let listen = std::array::from_fn(|_| "127.0.0.1:0".to_owned());
        Self {
            domains: vec!["localhost".to_owned()],
            certificate: None,
            sections: Vec::new(),
            env: Vec::new(),
            listen,
            bytestreams: false,
            data: None,
            namespace: None,
        }
    }
}

impl Setup {
    /// Adds text to the configuration file: a section with its keys.
    pub fn section(mut self, text: &str) -> Self {
        self.sections.push(text.to_owned());
        self
    }

    /// Listens on the customary ports of this address.
    pub fn address(mut self, ip: &str) -> Self {
        self.listen = [5222, 5223, 5280, 5281, 5269, 5270].map(|port| format!("{ip}:{port}"));
        self
    }

    /// Serves these domains.
    pub fn domains(mut self, domains: &[&str]) -> Self {
        self.domains = domains.iter().map(|&domain| domain.to_owned()).collect();
        self
    }

    /// Shows this certificate, whose key is in another file.
    pub fn certificate(mut self, certificate: &Path, key: &Path) -> Self {
        self.certificate = Some((certificate.to_owned(), key.to_owned()));
        self
    }

    /// Keeps the data in this folder, such as one on a disk that can be cut off.
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Runs in this network namespace, which only root can.
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = Some(name.to_owned());
        self
    }

    fn data_in(&self, folder: &Path) -> PathBuf {
        self.data.clone().unwrap_or_else(|| folder.join("data"))
    }

    fn text(&self, folder: &Path) -> String {
        let mut text = format!("data_dir = {:?}\n", self.data_in(folder));
        for domain in &self.domains {
            text.push_str(&format!("[[domain]]\nname = {domain:?}\n"));
            if let Some((certificate, key)) = &self.certificate {
                text.push_str(&format!("certificate = {certificate:?}\nkey = {key:?}\n"));
            }
        }
        text.push_str("[listen]\n");
        for (listener, address) in LISTENERS.iter().zip(&self.listen) {
            text.push_str(&format!("{listener} = [{address:?}]\n"));
        }
        if self.bytestreams {
            text.push_str("bytestreams = [\"127.0.0.1:0\"]\n");
        }
        // The cheapest verifiers that are allowed: clients derive their keys in code that is not optimised.
        text.push_str("[accounts]\nscram_iterations = 4096\n");
        for section in &self.sections {
            text.push_str(section);
            text.push('\n');
        }
        // Names in tests are nobody's; only a test of federation looks for their servers.
        if !self.sections.iter().any(|section| section.contains("[federation]")) {
            text.push_str("[federation]\nenabled = false\n");
        }
        text
    }
}

/// Where a running server listens.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// XMPP with STARTTLS.
    pub xmpp: String,
    /// XMPP over direct TLS.
    pub xmpps: String,
    /// HTTP.
    pub http: String,
    /// HTTP over TLS.
    pub https: String,
    /// The relay for bytes between two clients, if there is one.
    pub bytestreams: String,
    /// XMPP for servers, with STARTTLS; empty without federation.
    pub federation: String,
    /// XMPP for servers over direct TLS.
    pub federation_tls: String,
}

/// A server process. Dropping it kills the process, prints its log when the test is failing, and removes the folder.
pub struct Server {
    binary: PathBuf,
    folder: PathBuf,
    data: PathBuf,
    child: Option<Child>,
    env: Vec<(String, String)>,
    namespace: Option<String>,
    addresses: Addresses,
}

impl Server {
    /// Starts the binary on a fresh folder and waits until it says that it is ready. The environment variable
    /// `WAXWING_BINARY` names another binary to test.
    pub fn start(binary: impl AsRef<Path>, setup: &Setup) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("waxwing-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("waxwing.toml"), setup.text(&folder))?;
        let binary =
            std::env::var_os("WAXWING_BINARY").map_or_else(|| binary.as_ref().to_owned(), PathBuf::from);
        let (data, env) = (setup.data_in(&folder), setup.env.clone());
        let namespace = setup.namespace.clone();
        let addresses = Addresses::default();
        let mut server = Self { binary, folder, data, child: None, env, namespace, addresses };
        server.launch()?;
        Ok(server)
    }

    /// Starts the process on the existing folder, after [`Server::kill`] or [`Server::terminate`].
    pub fn launch(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the server runs already");
        let (socket, notify) = self.notifications()?;
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let child = self
            .command()
            .env("NOTIFY_SOCKET", &socket)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        self.child = Some(child);
        self.wait_until_ready(&notify)?;
        self.addresses = self.read_addresses()?;
        Ok(())
    }

    /// Has the running process start anew, by the command `restart`.
    pub fn restart(&mut self) -> Result<()> {
        let (_, notify) = self.notifications()?;
        self.admin(&["restart"], "")?;
        self.wait_until_ready(&notify)?;
        self.addresses = self.read_addresses()?;
        Ok(())
    }

    /// Where the process says that it is ready.
    fn notifications(&self) -> Result<(PathBuf, UnixDatagram)> {
        let socket = self.folder.join("notify.sock");
        let _ = fs::remove_file(&socket);
        let notify = UnixDatagram::bind(&socket)?;
        notify.set_read_timeout(Some(Duration::from_millis(100)))?;
        Ok((socket, notify))
    }

    fn wait_until_ready(&mut self, notify: &UnixDatagram) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 4096];
        loop {
            match notify.recv(&mut buffer) {
                Ok(n) if buffer[..n].split(|&b| b == b'\n').any(|line| line == b"READY=1") => return Ok(()),
                Ok(_) => {}
                // A signal interrupts a wait that has an end (socket(7)).
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(e) => return Err(e.into()),
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                self.child = None;
                bail!("the server ended before it was ready: {status}\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("the server did not say that it is ready\n{}", self.log());
            }
        }
    }

    fn read_addresses(&self) -> Result<Addresses> {
        let path = self.data().join("addresses.json");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let json: Value = serde_json::from_str(&text)?;
        let get = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        Ok(Addresses {
            xmpp: get("xmpp"),
            xmpps: get("xmpps"),
            http: get("http"),
            https: get("https"),
            bytestreams: get("bytestreams"),
            federation: get("xmpp-server"),
            federation_tls: get("xmpps-server"),
        })
    }

    /// Where the server listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The folder with the configuration file, the log and the data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// Replaces the environment variables that the process is given when it is launched the next time.
    pub fn set_env(&mut self, env: &[(&str, &str)]) {
        self.env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    }

    /// The process id of the running server.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// All that the server has logged.
    pub fn log(&self) -> String {
        fs::read(self.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The binary with its configuration, for any subcommand.
    pub fn command(&self) -> Command {
        let mut command = match &self.namespace {
            None => Command::new(&self.binary),
            Some(namespace) => {
                // It becomes the program, which so is this process's child. `ip netns exec` would give it mounts of its own.
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{namespace}")).arg(&self.binary);
                command
            }
        };
        command.arg("--config").arg(self.folder.join("waxwing.toml")).current_dir(&self.folder);
        command
    }

    /// Runs a subcommand against the server, with this text on its standard input.
    pub fn run(&self, args: &[&str], input: &str) -> Result<Output> {
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that does not read its input may be gone before all is written.
            let _ = stdin.write_all(input.as_bytes());
        }
        Ok(child.wait_with_output()?)
    }

    /// Runs a subcommand that must succeed, and returns what it printed.
    pub fn admin(&self, args: &[&str], input: &str) -> Result<String> {
        let output = self.run(args, input)?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "waxwing {} failed: {}\n{out}{err}", args.join(" "), output.status);
        Ok(out.into_owned())
    }

    /// Sends a signal by name, such as `HUP`.
    pub fn signal(&self, name: &str) -> Result<()> {
        ensure!(self.child.is_some(), "the server does not run");
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status()?;
        ensure!(status.success(), "kill -s {name} failed");
        Ok(())
    }

    /// Asks the server to stop and waits for its end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        self.wait()
    }

    /// Waits for the process to end, without asking it to.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let mut child = self.child.take().context("the server does not run")?;
        let (sender, receiver) = std::sync::mpsc::channel();
        let id = child.id();
        std::thread::spawn(move || sender.send(child.wait()));
        match receiver.recv_timeout(PATIENCE) {
            Ok(status) => Ok(status?),
            Err(_) => {
                let _ = Command::new("kill").args(["-s", "KILL", &id.to_string()]).status();
                bail!("the server did not end\n{}", self.log())
            }
        }
    }

    /// Ends the process without warning, as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the server does not run")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("---- log of the server ----\n{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
