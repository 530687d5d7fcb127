//! `check`: what is wrong before a start.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::admin::context::Program;
use crate::admin::failure::Failure;
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::check::{self, Finding, Severity};

/// `check`.
pub(super) const CHECK: Command = Command {
    name: "check",
    summary: "Say what is wrong with the configuration, certificates, ports and DNS, before a start",
    help: "Nothing is changed. The exit status is 1 when something would keep the server from starting or a domain from \
           being used.",
    permission: Permission::View,
    parameters: &[],
    run: Run::Program(|program, arguments| call(program, arguments, run)),
    render: render::<Checked>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Checked {
    /// Nothing was found that is an error.
    sound: bool,
    /// Everything looked at.
    findings: Vec<Finding>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        write!(f, "{} errors, {} warnings", count(Severity::Error), count(Severity::Warning))
    }
}

async fn run(program: Program, _: Nothing) -> Result<Checked, Failure> {
    let findings = check::run(program.config.as_deref()).await;
    let sound = findings.iter().all(|finding| finding.severity < Severity::Error);
    Ok(Checked { sound, findings })
}
