//! `version`: which release this program is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::admin::context::Program;
use crate::admin::failure::Failure;
use crate::admin::protocol;
use crate::admin::registry::{Command, Permission, Run, call, render};

/// `version`.
pub(super) const VERSION: Command = Command {
    name: "version",
    summary: "Show the version of this program",
    help: "A running server may be of another version; \"status\" shows that.",
    permission: Permission::View,
    parameters: &[],
    run: Run::Program(|program, arguments| call(program, arguments, version)),
    render: render::<Version>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Version {
    /// The release.
    version: String,
    /// The version of the administration protocol.
    protocol: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waxwing {}", self.version)
    }
}

async fn version(_: Program, _: Nothing) -> Result<Version, Failure> {
    Ok(Version { version: env!("CARGO_PKG_VERSION").to_owned(), protocol: protocol::VERSION })
}
