//! Everybody comes back at once, as after the loss of a node: what a sign-in costs then beside one at a sustained rate.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::histogram::Histogram;
use crate::random;
use crate::report::{Report, Window};
use crate::sessions::{self, Setup};
use crate::target::Target;

/// How long a client waits at most before its second attempt; twice as long for each that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long it waits at most before any other.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Options of `storm`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Accounts that sign in, each once
    #[arg(long, default_value_t = 1000)]
    pub(crate) users: usize,
    /// How many attempts a client makes
    #[arg(long, default_value_t = 10)]
    pub(crate) attempts: u32,
    /// How long the server is left alone after all connections were cut, in seconds
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    pub(crate) settle: f64,
    /// Do not fetch the roster, nor send presence
    #[arg(long)]
    pub(crate) bare: bool,
}

/// What the clients of a storm share.
#[derive(Default)]
struct Storm {
    latencies: RefCell<Histogram>,
    clients: RefCell<Vec<Client>>,
    retries: Cell<u64>,
    /// Why clients gave up, one entry for each.
    lost: RefCell<Vec<String>>,
}

/// Runs the scenario: everybody signs in, as many at a time as `--concurrency` says; then everybody at once.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(options.users > 0 && options.attempts > 0, "--users and --attempts are at least 1");
    let setup = Setup { roster: !options.bare, presence: !options.bare, ..Setup::default() };
    // The first sign-in of each account computes what SCRAM makes of its password, and is not measured.
    let clients = sessions::sessions(target, options.users, Setup::default()).await?;
    sessions::close(target, clients).await;
    let settle = Duration::from_secs_f64(options.settle);
    tokio::time::sleep(settle).await;
    let window = Window::open(target)?;
    let clients = sessions::signed_in(target, options.users, setup).await?;
    let steady = format!("logins, {} at a time", target.options.concurrency.min(options.users));
    let sustained = window.close(&steady, clients.len() as u64, None)?;
    drop(clients);
    tokio::time::sleep(settle).await;
    target.progress("everybody comes back");
    let storm = Rc::new(Storm::default());
    let window = Window::open(target)?;
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for number in 0..options.users {
        let (target, storm) = (Rc::clone(target), Rc::clone(&storm));
        let attempts = options.attempts;
        tasks.spawn_local(async move { come_back(&target, &storm, setup, number, attempts, began).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.context("a client's task")?;
    }
    let clients = storm.clients.take();
    let at_once =
        window.close("logins, all at once", clients.len() as u64, Some(&storm.latencies.borrow()))?;
    let mut report = Report::new(target, "storm", options.users);
    report.measures.extend([sustained, at_once]);
    let lost = storm.lost.take();
    report.errors += lost.len() as u64;
    report.notes.push(format!("{} attempts failed and were made again", storm.retries.get()));
    report.notes.extend(lost.into_iter().take(3));
    sessions::close(target, clients).await;
    Ok(report)
}

/// One client: tries until it is in, with pauses that grow and that chance spreads.
async fn come_back(
    target: &Rc<Target>,
    storm: &Storm,
    setup: Setup,
    number: usize,
    attempts: u32,
    began: Instant,
) {
    let mut longest = FIRST_PAUSE;
    for attempt in 1.. {
        match sessions::session(target, number, setup).await {
            Ok(client) => {
                storm.latencies.borrow_mut().record(began.elapsed());
                return storm.clients.borrow_mut().push(client);
            }
            Err(error) if attempt >= attempts => return storm.lost.borrow_mut().push(format!("{error:#}")),
            Err(_) => storm.retries.set(storm.retries.get() + 1),
        }
        let share = f64::from(u32::from_le_bytes(random::bytes())) / f64::from(u32::MAX);
        tokio::time::sleep(longest.mul_f64(share)).await;
        longest = (longest * 2).min(LONGEST_PAUSE);
    }
}
