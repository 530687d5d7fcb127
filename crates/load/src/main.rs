//! `waxwing-load`: puts load on an XMPP server and reports what it costs.

mod client;
mod contacts;
mod exchange;
mod histogram;
mod http;
mod json;
mod ledger;
mod processes;
mod random;
mod relay;
mod report;
mod scenarios;
mod sessions;
mod sign_in;
mod split;
mod target;
mod tls;
mod websocket;
mod wire;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use tokio::task::LocalSet;

use crate::report::Report;
use crate::scenarios::{
    archive, capacity, chat, files, hash, idle, login, offline, ping, presence, register, rooms, storm,
};
use crate::target::{Target, TargetOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Puts load on an XMPP server and reports what it costs.
///
/// It speaks RFC 6120 and 6121, so that any server can be measured. Give it accounts (--accounts, --password), or let it
/// register them (--register) where the server allows that. Exit status 1 means that something was lost or failed.
#[derive(Parser, Debug)]
#[command(name = "waxwing-load", version)]
struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Subcommand, Debug)]
enum Scenario {
    /// Accounts are registered (XEP-0077), where the server lets anybody do that
    Register(register::Options),
    /// Accounts sign in and out
    Login(login::Options),
    /// Everybody signs in at once, as after an outage: what each costs then
    Storm(storm::Options),
    /// Connections are held: what memory each costs
    Idle(idle::Options),
    /// Pairs of accounts write to each other
    Chat(chat::Options),
    /// Requests that the server answers itself
    Ping(ping::Options),
    /// Presence goes to all contacts
    Presence(presence::Options),
    /// People in rooms talk to everybody there
    Rooms(rooms::Options),
    /// Messages are stored for somebody who is away, and fetched
    Offline(offline::Options),
    /// Pages of archives are read
    Archive(archive::Options),
    /// Files are uploaded and downloaded by links
    Files(files::Options),
    /// More and more users chat, until a bound is passed: how many the server can bear
    Capacity(capacity::Options),
    /// What one password hash costs on this machine
    Hash(hash::Options),
    /// The floor: copies bytes between sockets, for `--floor` of the other commands
    Relay(relay::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the scenario and prints its report; `false` when something was lost or failed.
fn run(arguments: Arguments) -> Result<bool> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        if let Scenario::Relay(options) = &arguments.scenario {
            relay::run(options).await?;
            return Ok(true);
        }
        if let Scenario::Hash(options) = &arguments.scenario {
            hash::run(options, arguments.target.json)?;
            return Ok(true);
        }
        let target = Target::new(arguments.target).await?;
        ensure!(
            !(target.options.floor && target.websocket()),
            "the floor knows no WebSocket: compare with its plain TCP"
        );
        let report = measure(&target, &arguments.scenario).await?;
        report.print(target.options.json)?;
        Ok(report.is_clean())
    })
}

async fn measure(target: &std::rc::Rc<Target>, scenario: &Scenario) -> Result<Report> {
    match scenario {
        Scenario::Register(options) => register::run(target, options).await,
        Scenario::Login(options) => login::run(target, options).await,
        Scenario::Storm(options) => storm::run(target, options).await,
        Scenario::Idle(options) => idle::run(target, options).await,
        Scenario::Presence(options) => presence::run(target, options).await,
        Scenario::Rooms(options) => rooms::run(target, options).await,
        Scenario::Offline(options) => offline::run(target, options).await,
        Scenario::Archive(options) => archive::run(target, options).await,
        Scenario::Files(options) => files::run(target, options).await,
        Scenario::Capacity(options) => capacity::run(target, options).await,
        Scenario::Chat(options) => chat::run(target, options).await,
        Scenario::Ping(options) => ping::run(target, options).await,
        Scenario::Hash(_) | Scenario::Relay(_) => unreachable!("these put no load on a server"),
    }
}

/// Each connection is a file; as many as the system allows are needed.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // With what there is, smaller loads still work.
    let _ = setrlimit(Resource::Nofile, wanted);
}
