//! `reload`, `restart`, `drain` and `stop`: steering the running server.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::admin::context::{Context, Steer};
use crate::admin::domain_failure;
use crate::admin::failure::{Code, Failure};
use crate::admin::parameter::{Kind, Parameter, duration_ms};
use crate::admin::registry::{Command, Permission, Run, call, render};

/// `reload`.
pub(super) const RELOAD: Command = Command {
    name: "reload",
    summary: "Read the configuration and the certificates again",
    help: "No connection is dropped. When the new configuration has an error, it is reported and the old one stays in \
           force. The signal SIGHUP does the same.",
    permission: Permission::Installation,
    parameters: &[],
    run: Run::Server(|context, arguments| call(context, arguments, reload)),
    render: render::<Reloaded>,
};

const DELAY: Parameter =
    Parameter::optional("delay", Kind::Duration, "How long to wait until then; at most a day.").or("at once");
const ANNOUNCEMENT: Parameter =
    Parameter::optional("announcement", Kind::Text, "What those who are connected are told now.");

/// The longest delay, in milliseconds.
const DELAY_LIMIT_MS: u64 = 24 * 3600 * 1000;

/// `restart`.
pub(super) const RESTART: Command = Command {
    name: "restart",
    summary: "Stop the server and start it anew",
    help: "For what only a restart changes. Streams are kept and resumed. The process stays the same, and runs the program \
           that stands in its place then.",
    permission: Permission::Installation,
    parameters: &[DELAY, ANNOUNCEMENT],
    run: Run::Server(|context, arguments| call(context, arguments, restart)),
    render: render::<Stopping>,
};

/// `drain`.
pub(super) const DRAIN: Command = Command {
    name: "drain",
    summary: "Leave an installation of several nodes, then stop",
    help: "`/health/ready` says no at once. Everybody is served for `shutdown.announce_ms` more; then nobody new is accepted, \
           and clients are sent away over `shutdown.spread_ms`. Streams are kept and resumed elsewhere. The signal SIGTERM does \
           the same, and a second one, or `stop`, cuts it short. The command line waits until the server has exited.",
    permission: Permission::Installation,
    parameters: &[DELAY, ANNOUNCEMENT],
    run: Run::Server(|context, arguments| call(context, arguments, drain)),
    render: render::<Stopping>,
};

/// `stop`.
pub(super) const STOP: Command = Command {
    name: "stop",
    summary: "Stop the server",
    help: "It stops to accept connections, tells its clients, finishes what is under way, and exits. The signal SIGINT \
           does the same. The command line waits until the server has exited.",
    permission: Permission::Installation,
    parameters: &[DELAY, ANNOUNCEMENT],
    run: Run::Server(|context, arguments| call(context, arguments, stop)),
    render: render::<Stopping>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Reloaded {
    /// What is different now, a sentence each.
    changes: Vec<String>,
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.changes.as_slice() {
            [] => f.write_str("Read again; nothing has changed."),
            changes => f.write_str(&changes.join("\n")),
        }
    }
}

async fn reload(context: Context, _: Nothing) -> Result<Reloaded, Failure> {
    match context.admin.running()?.steer(Steer::Reload).await? {
        Ok(changes) => Ok(Reloaded { changes }),
        Err(error) => Err(Failure::new(Code::Refused, error)),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stop {
    delay: Option<String>,
    announcement: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Stopping {
    /// The process that stops.
    pid: u32,
    /// Milliseconds until then.
    in_ms: u64,
    /// It starts anew.
    restarts: bool,
}

impl fmt::Display for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.restarts { "restarts" } else { "stops" };
        match self.in_ms {
            0 => write!(f, "The server (process {}) {verb}.", self.pid),
            ms => write!(f, "The server (process {}) {verb} in {} s.", self.pid, ms / 1000),
        }
    }
}

async fn drain(context: Context, arguments: Stop) -> Result<Stopping, Failure> {
    end(context, arguments, Steer::Leave, false).await
}

async fn stop(context: Context, arguments: Stop) -> Result<Stopping, Failure> {
    end(context, arguments, Steer::Stop, false).await
}

async fn restart(context: Context, arguments: Stop) -> Result<Stopping, Failure> {
    end(context, arguments, Steer::Restart, true).await
}

type Order = fn(tokio::sync::oneshot::Sender<()>) -> Steer;

/// Tells everybody, and ends the server now or later.
async fn end(context: Context, arguments: Stop, order: Order, restarts: bool) -> Result<Stopping, Failure> {
    let in_ms = match &arguments.delay {
        Some(delay) => duration_ms(delay).map_err(|why| Failure::invalid("delay", format!("{why}.")))?,
        None => 0,
    };
    if in_ms > DELAY_LIMIT_MS {
        return Err(Failure::invalid("delay", "The delay is longer than a day."));
    }
    let action = if restarts { "server.restart" } else { "server.stop" };
    let chat = &context.admin.chat;
    let failed = |error| domain_failure(error, "", "");
    chat.record(&context.actor.name, action, "", &format!("in {in_ms} ms")).await.map_err(failed)?;
    if let Some(text) = &arguments.announcement {
        chat.announce(None, text, &context.actor.name)
            .await
            .map_err(|error| domain_failure(error, "announcement", ""))?;
    }
    context.admin.running()?;
    let ending = async move |context: Context| context.admin.running()?.steer(order).await;
    match in_ms {
        0 => ending(context).await?,
        ms => drop(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            if let Err(failure) = ending(context).await {
                tracing::warn!(%failure, "the server could not be ended as an administrator ordered");
            }
        })),
    }
    Ok(Stopping { pid: std::process::id(), in_ms, restarts })
}
