//! How the server is put together: what is made in which order, what steers it, and how it ends.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::admin::context::{Running, Steer};
use crate::admin::socket::Socket;
use crate::admin::{Admin, Code, Failure};
use crate::cli;
use crate::config::Config;
use crate::data_folder::DataFolder;
use crate::lifecycle::Lifecycle;
use crate::tls::Tls;

/// Runs the server until it is told to stop; returns the exit status.
pub fn serve(file: Option<&Path>) -> u8 {
    let (config, file) = match Config::load(file) {
        Ok(loaded) => loaded,
        Err(error) => {
            cli::terminal::error(&error.to_string());
            return cli::CONFIGURATION;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            cli::terminal::error(&error.to_string());
            return cli::FAILURE;
        }
    };
    match runtime.block_on(run(config, file)) {
        Ok(()) => cli::OK,
        Err(error) => {
            cli::terminal::error(&format!("{error:#}"));
            cli::FAILURE
        }
    }
}

/// The server from its first step to its last.
async fn run(config: Config, file: Option<PathBuf>) -> anyhow::Result<()> {
    // Signals are caught before anything is there that a sudden end could leave half done.
    let mut signals = Signals::new()?;
    let folder = DataFolder::take(&config.data_dir)?;
    let tls = Tls::load(&config)?;
    let lifecycle = Lifecycle::new();

    let (steering, mut asked) = mpsc::channel(8);
    let running = Running {
        started: Instant::now(),
        domains: config.domain_names().map(str::to_owned).collect(),
        listeners: Mutex::default(),
        steering,
    };
    let admin = Arc::new(Admin {
        data_dir: folder.path().to_owned(),
        running: Some(running),
    });
    let socket = Socket::bind(&config.admin_socket())?;
    let administration = tokio::spawn(socket.serve(Arc::clone(&admin), lifecycle.clone()));

    let mut server = Server { config, file, tls };
    loop {
        tokio::select! {
            ask = asked.recv() => match ask {
                Some(Steer::Reload(answer)) => { let _ = answer.send(server.reload()); }
                Some(Steer::Stop(answer)) => { let _ = answer.send(()); break; }
                None => break,
            },
            order = signals.next() => match order {
                Order::Reload => match server.reload() {
                    Ok(changes) => tracing::info!(?changes, "the configuration was read again"),
                    Err(error) => tracing::error!(%error, "the new configuration was refused, the old one stays"),
                },
                Order::Stop => break,
            },
        }
    }
    lifecycle.drain();
    lifecycle
        .ended(Duration::from_millis(server.config.shutdown.drain_grace_ms))
        .await;
    administration.abort();
    Ok(())
}

/// What a reload changes.
struct Server {
    config: Config,
    file: Option<PathBuf>,
    tls: Arc<Tls>,
}

impl Server {
    /// Reads the configuration again and puts in force what can change while the server runs.
    fn reload(&mut self) -> Result<Vec<String>, String> {
        let (config, _) = Config::load(self.file.as_deref()).map_err(|error| error.to_string())?;
        self.tls.reload(&config).map_err(|error| error.to_string())?;
        self.config = config;
        Ok(Vec::new())
    }
}

/// What a signal orders.
enum Order {
    Reload,
    Stop,
}

/// The signals the server listens to.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.hangup.recv() => Order::Reload,
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
        }
    }
}

/// The installation without a server, for commands on the data of a stopped one.
pub async fn without_server(config: &Config) -> Result<Arc<Admin>, Failure> {
    let folder =
        DataFolder::take(&config.data_dir).map_err(|error| Failure::new(Code::Refused, error.to_string()))?;
    Ok(Arc::new(Admin {
        data_dir: folder.path().to_owned(),
        running: None,
    }))
}

/// Ends what `without_server` began.
pub async fn finish(_admin: Arc<Admin>) {}
