//! What is put under load: where the server is, how it is spoken to, and with which accounts.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use rustls::ClientConfig;
use waxwing_xmpp::sasl::Hash;

use crate::processes::Processes;
use crate::tls;

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// TCP without encryption.
    Tcp,
    /// TCP with STARTTLS (RFC 6120 section 5).
    Starttls,
    /// TLS from the first byte (XEP-0368).
    Tls,
    /// WebSocket without encryption (RFC 7395).
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// JSON over WebSocket without encryption, as Waxwing's own clients speak; for `chat` and `idle`.
    Json,
}

/// How accounts sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mechanism {
    /// The strongest SCRAM that the server offers, else PLAIN.
    Auto,
    Plain,
    #[value(name = "scram-sha-1")]
    ScramSha1,
    #[value(name = "scram-sha-256")]
    ScramSha256,
    #[value(name = "scram-sha-512")]
    ScramSha512,
}

impl Mechanism {
    /// The mechanisms to try, the first that is offered being taken.
    pub(crate) fn candidates(self) -> Vec<Option<Hash>> {
        match self {
            Self::Auto => vec![Some(Hash::Sha512), Some(Hash::Sha256), Some(Hash::Sha1), None],
            Self::Plain => vec![None],
            Self::ScramSha1 => vec![Some(Hash::Sha1)],
            Self::ScramSha256 => vec![Some(Hash::Sha256)],
            Self::ScramSha512 => vec![Some(Hash::Sha512)],
        }
    }
}

/// Options of every scenario.
#[derive(Args, Clone, Debug)]
pub(crate) struct TargetOptions {
    /// The server's host and port; of several, one after the other is the next account's, so that of a pair each is at another
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "127.0.0.1:5222",
        value_name = "HOST:PORT",
        global = true
    )]
    pub(crate) server: Vec<String>,
    /// The domain of the accounts
    #[arg(long, default_value = "localhost", global = true)]
    pub(crate) domain: String,
    /// How the server is spoken to
    #[arg(long, value_enum, default_value = "starttls", global = true)]
    pub(crate) transport: Transport,
    /// The path of the WebSocket
    #[arg(long, default_value = "/xmpp-websocket", global = true)]
    pub(crate) path: String,
    /// Take any certificate: for servers with one of their own making, never over a network that others share
    #[arg(long, global = true)]
    pub(crate) insecure: bool,
    /// A PEM file with the authorities to trust in place of the system's
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) authorities: Option<PathBuf>,
    /// Speak TLS 1.3 only
    #[arg(long, global = true)]
    pub(crate) tls13: bool,
    /// How accounts sign in
    #[arg(long, value_enum, default_value = "auto", global = true)]
    pub(crate) mechanism: Mechanism,
    /// Accounts are called NAME0, NAME1, ...
    #[arg(long, default_value = "load", value_name = "NAME", global = true)]
    pub(crate) accounts: String,
    /// The number of the first account used
    #[arg(long, default_value_t = 0, value_name = "N", global = true)]
    pub(crate) first: usize,
    /// The password of every account
    #[arg(long, default_value = "load-password", global = true)]
    pub(crate) password: String,
    /// Register the accounts that are not there (XEP-0077)
    #[arg(long, global = true)]
    pub(crate) register: bool,
    /// How many sign in, or register, at the same time
    #[arg(long, default_value_t = 8, value_name = "N", global = true)]
    pub(crate) concurrency: usize,
    /// Addresses to connect from, in turn; one address has about 28,000 ports
    #[arg(long, value_delimiter = ',', value_name = "ADDRESS", global = true)]
    pub(crate) bind: Vec<IpAddr>,
    /// Speak no XMPP: send the same bytes through `waxwing-load relay`
    #[arg(long, global = true)]
    pub(crate) floor: bool,
    /// The server's processes, whose CPU time and memory are reported; those they have started are counted in
    #[arg(long, value_delimiter = ',', value_name = "PID", global = true)]
    pub(crate) server_pid: Vec<u32>,
    /// How long anything may take before it counts as failed
    #[arg(long, default_value_t = 30, value_name = "SECONDS", global = true)]
    pub(crate) patience: u64,
    /// Print the report as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but the report
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
}

/// Salted passwords that were computed once (RFC 5802 section 5.1 lets a client keep them).
type Salted = HashMap<(Hash, Vec<u8>, u32), Box<[u8]>>;

/// The server under load, with what its connections share.
pub(crate) struct Target {
    pub(crate) options: TargetOptions,
    /// One for each server that was named.
    addresses: Vec<SocketAddr>,
    pub(crate) processes: Processes,
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) salted: RefCell<Salted>,
    next_source: Cell<usize>,
}

impl Target {
    pub(crate) async fn new(options: TargetOptions) -> Result<Rc<Self>> {
        let mut addresses = Vec::new();
        for server in &options.server {
            let found = tokio::net::lookup_host(server).await;
            let mut found = found.with_context(|| format!("{server} cannot be looked up"))?;
            addresses.push(found.next().with_context(|| format!("{server} has no address"))?);
        }
        let alpn = match options.transport {
            Transport::Tls => Some("xmpp-client"),
            Transport::Wss => Some("http/1.1"),
            Transport::Tcp | Transport::Starttls | Transport::Ws | Transport::Json => None,
        };
        let system = Path::new(tls::SYSTEM_AUTHORITIES);
        let authorities = options.authorities.as_deref().unwrap_or(system);
        let authorities = Some(authorities).filter(|_| !options.insecure);
        let encrypted = !matches!(options.transport, Transport::Tcp | Transport::Ws | Transport::Json);
        let tls = encrypted.then(|| tls::client(authorities, options.tls13, alpn)).transpose()?;
        if options.transport == Transport::Json && options.register {
            bail!("accounts are registered over XMPP: register them with another --transport before");
        }
        if options.concurrency == 0 {
            bail!("--concurrency is at least 1");
        }
        let processes = Processes::new(options.server_pid.clone());
        let shared = Self {
            options,
            addresses,
            processes,
            tls,
            salted: RefCell::default(),
            next_source: Cell::new(0),
        };
        Ok(Rc::new(shared))
    }

    /// The server of the account with that number: what it is called, and where it is.
    pub(crate) fn server(&self, number: usize) -> (&str, SocketAddr) {
        let at = number % self.addresses.len();
        (&self.options.server[at], self.addresses[at])
    }

    /// The name of the account with that number, counted from the first one used.
    pub(crate) fn account(&self, number: usize) -> String {
        format!("{}{}", self.options.accounts, self.options.first + number)
    }

    /// Its bare address.
    pub(crate) fn address_of(&self, number: usize) -> String {
        format!("{}@{}", self.account(number), self.options.domain)
    }

    /// The next address to connect from, if any were given.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        let next = self.next_source.replace(self.next_source.get() + 1);
        let sources = &self.options.bind;
        sources.get(next.checked_rem(sources.len())?).copied()
    }

    /// Whether stanzas travel over a WebSocket.
    pub(crate) fn websocket(&self) -> bool {
        matches!(self.options.transport, Transport::Ws | Transport::Wss | Transport::Json)
    }

    /// Whether the server is spoken to in JSON.
    pub(crate) fn speaks_json(&self) -> bool {
        self.options.transport == Transport::Json
    }

    /// Says how far it has come, unless nobody wants to know.
    pub(crate) fn progress(&self, text: &str) {
        if !self.options.quiet && !self.options.json {
            eprintln!("{text}");
        }
    }
}
