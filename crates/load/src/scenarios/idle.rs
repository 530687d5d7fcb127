//! Connections that are held and do nothing: what memory each costs.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use crate::report::{MemoryReport, Report, Window};
use crate::sessions::{self, Setup};
use crate::target::Target;

/// Options of `idle`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Connections to hold
    #[arg(long, default_value_t = 1000)]
    pub(crate) connections: usize,
    /// How long they are held before memory is measured, in seconds
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub(crate) settle: f64,
    /// Hold them for so long after that, in seconds
    #[arg(long, default_value_t = 0.0, value_name = "SECONDS")]
    pub(crate) hold: f64,
    /// Sign in without sending presence
    #[arg(long)]
    pub(crate) without_presence: bool,
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(options.connections > 0, "--connections is at least 1");
    let setup = Setup { presence: !options.without_presence, ..Setup::default() };
    sessions::register(target, options.connections).await?;
    // What the server keeps for good after it has served a first few is not a connection's.
    let first = options.connections.min(100);
    let clients = sessions::signed_in(target, first, setup).await?;
    sessions::close(target, clients).await;
    tokio::time::sleep(Duration::from_secs_f64(options.settle)).await;
    let before = target.processes.memory()?;
    let window = Window::open(target)?;
    let mut clients = sessions::signed_in(target, options.connections, setup).await?;
    if target.options.floor {
        for client in &mut clients {
            client.queue_raw(b"echo\n");
            client.flush().await?;
        }
    }
    let measure = window.close("connections made", clients.len() as u64, None)?;
    tokio::time::sleep(Duration::from_secs_f64(options.settle)).await;
    let after = target.processes.memory()?;
    let mut report = Report::new(target, "idle", clients.len());
    report.measures.push(measure);
    if !target.processes.is_empty() {
        report.memory = Some(MemoryReport::new(before, after, clients.len()));
    }
    tokio::time::sleep(Duration::from_secs_f64(options.hold)).await;
    for client in &mut clients {
        // A connection that the server has closed meanwhile was not held.
        if sessions::is_gone(client).await {
            report.errors += 1;
        }
    }
    sessions::close(target, clients).await;
    Ok(report)
}
