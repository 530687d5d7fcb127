//! `status`: how the running server is doing.

use std::fmt;

use serde::{Deserialize, Serialize};
use waxwing_chat::time::timestamp;

use crate::admin::context::{Context, Listening};
use crate::admin::failure::Failure;
use crate::admin::registry::{Command, Permission, Run, call, render};
use crate::admin::{domain_failure, table};
use crate::tls::Served;

/// `status`.
pub(super) const STATUS: Command = Command {
    name: "status",
    summary: "Show how the running server is doing",
    help: "",
    permission: Permission::View,
    parameters: &[],
    run: Run::Server(|context, arguments| call(context, arguments, status)),
    render: render::<Status>,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
struct Status {
    /// The server's release.
    version: String,
    /// Its process.
    pid: u32,
    /// Milliseconds since it began.
    uptime_ms: u64,
    /// The domains it answers for.
    domains: Vec<String>,
    /// What it listens on.
    listeners: Vec<Listening>,
    /// Where its data is.
    data: String,
    /// How many sessions there are.
    sessions: usize,
    /// How many accounts there are.
    accounts: u64,
    /// How many messages the archive holds, each counted once.
    messages: u64,
    /// The store's engine, with its version.
    store: String,
    /// The version of the store's schema.
    schema: u32,
    /// Bytes the store takes on disk.
    store_bytes: u64,
    /// The certificates in force.
    certificates: Vec<Served>,
    /// Bytes of memory it holds, where the system says so.
    memory_bytes: Option<u64>,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs = vec![
            (
                "Waxwing",
                format!("{}, process {}, up {}", self.version, self.pid, table::length(self.uptime_ms)),
            ),
            ("Domains", self.domains.join(", ")),
            ("Accounts", format!("{}, {} sessions", self.accounts, self.sessions)),
            ("Archive", format!("{} messages", self.messages)),
            ("Data", format!("{} ({}, {})", self.data, self.store, table::bytes(self.store_bytes))),
        ];
        if let Some(bytes) = self.memory_bytes {
            pairs.push(("Memory", table::bytes(bytes)));
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            let name = if index == 0 { "Listens on" } else { "" };
            pairs.push((name, format!("{} ({})", listener.address, listener.protocol)));
        }
        for (index, served) in self.certificates.iter().enumerate() {
            let name = if index == 0 { "Certificates" } else { "" };
            let until = timestamp(u64::try_from(served.not_after).unwrap_or(0) * 1000);
            let kind = if served.self_signed { ", self-signed" } else { "" };
            pairs
                .push((name, format!("{} until {}{kind}", served.domain, until.get(..10).unwrap_or(&until))));
        }
        table::write_pairs(f, &pairs)
    }
}

async fn status(context: Context, _: Nothing) -> Result<Status, Failure> {
    let running = context.admin.running()?;
    let chat = &context.admin.chat;
    let store = chat.store().status().await.map_err(|error| domain_failure(error.into(), "", ""))?;
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_ms: u64::try_from(running.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        domains: chat.settings().domains.clone(),
        listeners: running.listeners.clone(),
        sessions: chat.sessions().count(),
        accounts: store.accounts,
        messages: store.messages,
        store: store.engine,
        schema: store.schema,
        store_bytes: store.bytes,
        certificates: running.tls.certificates().served(),
        data: context.admin.data_dir.display().to_string(),
        memory_bytes: memory_bytes(),
    })
}

/// Resident memory, as Linux tells it.
fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}
