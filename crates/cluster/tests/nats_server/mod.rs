//! Servers of NATS for tests, and what stands between them and a node so that a test can break it.

use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A server, stopped when it is dropped.
pub(crate) struct Server {
    pub(crate) port: u16,
    configuration: tempfile::Folder,
    child: Child,
}

pub(crate) mod tempfile {
    //! A folder that is removed with its handle.

    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    pub(crate) struct Folder(PathBuf);

    impl Folder {
        pub(crate) fn new() -> Folder {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let name =
                format!("waxwing-nats-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).expect("a temporary folder");
            Folder(path)
        }

        /// Writes a file and returns its path.
        pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).expect("the temporary folder takes files");
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Server {
    /// Starts a server with lines of its configuration; none where there is no `nats-server`, which is said.
    pub(crate) async fn start(configuration: &str) -> Option<Server> {
        let port = free_port();
        let folder = tempfile::Folder::new();
        folder.write("nats.conf", &format!("listen: 127.0.0.1:{port}\nmax_pending: 64MB\n{configuration}\n"));
        let child = run(&folder).await?;
        Some(Server { port, configuration: folder, child })
    }

    /// Three servers that carry each other's messages.
    pub(crate) async fn start_three() -> Option<[Server; 3]> {
        let routes = [free_port(), free_port(), free_port()];
        let urls = routes.map(|port| format!("nats://127.0.0.1:{port}")).join(", ");
        let configuration = |port: u16| {
            format!(
                "cluster {{ name: three, listen: \"127.0.0.1:{port}\", routes: [{urls}], no_advertise: true }}"
            )
        };
        Some([
            Server::start(&configuration(routes[0])).await?,
            Server::start(&configuration(routes[1])).await?,
            Server::start(&configuration(routes[2])).await?,
        ])
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("the server was running");
    }

    pub(crate) async fn start_again(&mut self) {
        self.child = run(&self.configuration).await.expect("it started before");
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the server is running")
    }
}

async fn run(folder: &tempfile::Folder) -> Option<Child> {
    let configuration = folder.write("started", "").with_file_name("nats.conf");
    let mut command = Command::new("nats-server");
    command.arg("-c").arg(configuration).stderr(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            assert!(std::env::var_os("WAXWING_TEST_ALL").is_none(), "nats-server is needed: {error}");
            eprintln!("SKIPPED: nats-server is needed: {error}");
            return None;
        }
    };
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let mut log = String::new();
    loop {
        let line = lines.next_line().await.expect("the server's log is text");
        let line = line.unwrap_or_else(|| panic!("nats-server did not start:\n{log}"));
        if line.contains("Server is ready") {
            break;
        }
        log.push_str(&line);
        log.push('\n');
    }
    // It would stop if nobody read what it says.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Some(child)
}

/// What a way to a server does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Carry,
    /// Loses what comes from the node.
    Swallow,
    /// Carries nothing, and says nothing.
    Stall,
    /// Takes no connection.
    Refuse,
}

/// A way from a node to a server.
pub(crate) struct Way {
    pub(crate) port: u16,
    /// What it does, and how often it has broken all its connections.
    state: Arc<watch::Sender<(Mode, u32)>>,
    task: AbortHandle,
}

impl Way {
    pub(crate) async fn to(server: u16) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(watch::channel((Mode::Carry, 0)).0);
        let task = tokio::spawn(accept(listener, server, state.clone())).abort_handle();
        Way { port, state, task }
    }

    /// Does something else from now on. A connection that refuses, or from which something was lost, breaks.
    pub(crate) fn set(&self, mode: Mode) {
        self.state.send_modify(|(current, broken)| {
            *broken += u32::from(mode == Mode::Refuse || *current == Mode::Swallow);
            *current = mode;
        });
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.task.abort();
        self.set(Mode::Refuse);
    }
}

async fn accept(listener: TcpListener, server: u16, state: Arc<watch::Sender<(Mode, u32)>>) {
    while let Ok((node, _)) = listener.accept().await {
        let state = state.subscribe();
        let (mode, broken) = *state.borrow();
        if mode != Mode::Refuse {
            tokio::spawn(relay(node, server, state, broken));
        }
    }
}

async fn relay(node: TcpStream, server: u16, state: watch::Receiver<(Mode, u32)>, broken: u32) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { return };
    let _ = (node.set_nodelay(true), server.set_nodelay(true));
    let ((from_node, to_node), (from_server, to_server)) = (node.into_split(), server.into_split());
    let mut broke = state.clone();
    tokio::select! {
        _ = broke.wait_for(|(_, now)| *now != broken) => {}
        () = pipe(from_node, to_server, state.clone(), true) => {}
        () = pipe(from_server, to_node, state, false) => {}
    }
}

async fn pipe(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<(Mode, u32)>,
    upward: bool,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        let Ok(mode) = state.wait_for(|(mode, _)| *mode != Mode::Stall).await.map(|state| state.0) else {
            return;
        };
        if upward && mode == Mode::Swallow {
            continue;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
