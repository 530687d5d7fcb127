//! Registering accounts (XEP-0077): to prepare a load, and to see what it costs.

use std::rc::Rc;

use anyhow::{Result, ensure};
use clap::Args;

use crate::report::{Report, Window};
use crate::sessions;
use crate::target::Target;

/// Options of `register`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Accounts to register; those that are there already are left as they are
    #[arg(long, default_value_t = 100)]
    pub(crate) users: usize,
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(target.options.register && !target.options.floor, "give --register, to say that it is meant");
    let window = Window::open(target)?;
    sessions::register(target, options.users).await?;
    let mut report = Report::new(target, "register", target.options.concurrency);
    report.measures.push(window.close("accounts registered", options.users as u64, None)?);
    Ok(report)
}
