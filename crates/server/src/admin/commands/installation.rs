//! `reload` and `stop`: steering the running server.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::admin::context::{Context, Steer};
use crate::admin::failure::{Code, Failure};
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

/// `stop`.
pub(super) const STOP: Command = Command {
    name: "stop",
    summary: "Stop the server",
    help: "It stops to accept connections, tells its clients, finishes what is under way, and exits. The signal SIGTERM \
           does the same. The command line waits until the server has exited.",
    permission: Permission::Installation,
    parameters: &[],
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

#[derive(Serialize, Deserialize)]
struct Stopping {
    /// The process that stops.
    pid: u32,
}

impl fmt::Display for Stopping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The server (process {}) stops.", self.pid)
    }
}

async fn stop(context: Context, _: Nothing) -> Result<Stopping, Failure> {
    context.admin.running()?.steer(Steer::Stop).await?;
    Ok(Stopping { pid: std::process::id() })
}
