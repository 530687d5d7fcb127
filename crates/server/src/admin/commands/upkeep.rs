//! `upkeep`: doing at once what the server does every day.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::admin::context::Context;
use crate::admin::domain_failure;
use crate::admin::failure::Failure;
use crate::admin::registry::{Command, Permission, Run, call, render};

/// `upkeep`.
pub(super) const UPKEEP: Command = Command {
    name: "upkeep",
    summary: "Remove what has expired now",
    help: "Login tokens and invitations that have expired are good for nothing from that moment on, nor is anybody shown \
           published items whose time is over. The server removes them ten minutes after its start and then every \
           `accounts.removal_interval_ms`. This does so at once.",
    permission: Permission::Installation,
    parameters: &[],
    run: Run::Data(|context, arguments| call(context, arguments, upkeep)),
    render: render::<Removed>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Removed {
    /// How many login tokens, invitations and published items were removed.
    removed: usize,
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.removed {
            0 => f.write_str("Nothing had expired."),
            1 => f.write_str("One thing that had expired was removed."),
            removed => write!(f, "{removed} things that had expired were removed."),
        }
    }
}

async fn upkeep(context: Context, _: Nothing) -> Result<Removed, Failure> {
    let removed = context.admin.chat.remove_expired().await;
    Ok(Removed { removed: removed.map_err(|error| domain_failure(error, "", ""))? })
}
