//! Signing in: stream, TLS, SASL, resource, roster, presence, and the end of the stream.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;

use crate::contacts;
use crate::exchange::{Exchange, Span};
use crate::report::Report;
use crate::sessions::{self, Setup, Task};
use crate::target::Target;

/// Options of `login`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Accounts that sign in, in turn
    #[arg(long, default_value_t = 100)]
    pub(crate) users: usize,
    #[command(flatten)]
    pub(crate) span: Span,
    /// Fill the rosters with so many contacts first
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) roster: usize,
    /// Do not fetch the roster, nor send presence
    #[arg(long)]
    pub(crate) bare: bool,
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(options.users > 0, "--users is at least 1");
    let setup = Setup { roster: !options.bare, presence: !options.bare, ..Setup::default() };
    // The first sign-in of each account computes what SCRAM makes of its password, and is not measured.
    let clients = if options.roster > 0 {
        let clients = sessions::sessions(target, options.users, Setup::default()).await?;
        contacts::befriend(target, clients, options.roster + 1).await?
    } else {
        sessions::sessions(target, options.users, Setup::default()).await?
    };
    sessions::close(target, clients).await;
    target.progress("measuring");
    let exchange = Exchange::new();
    let workers = target.options.concurrency;
    let tasks: Vec<Task> = (0..workers)
        .map(|worker| {
            exchange.spawn(work(Rc::clone(target), Rc::clone(&exchange), setup, worker, options.users))
        })
        .collect();
    let measure = exchange.measure(target, options.span, "logins").await?;
    exchange.settle(target, || true).await;
    drop(tasks);
    let mut report = Report::new(target, "login", workers);
    report.measures.push(measure);
    exchange.conclude(&mut report);
    Ok(report)
}

/// Signs one account in after the other; no account is used by two at a time.
async fn work(
    target: Rc<Target>,
    exchange: Rc<Exchange>,
    setup: Setup,
    worker: usize,
    users: usize,
) -> Result<()> {
    let mut number = worker;
    while !exchange.is_stopping() && worker < users {
        let began = exchange.now();
        let client = sessions::session(&target, number, setup).await?;
        exchange.done(began);
        // Every server ends the stream in its own time; the login was over before.
        let _ = tokio::time::timeout(Duration::from_secs(5), client.close()).await;
        number += target.options.concurrency;
        if number >= users {
            number = worker;
        }
    }
    Ok(())
}
