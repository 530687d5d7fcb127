//! The configuration: one TOML file, gathered from the sections that the faces and features own.

mod document;
mod error;
mod live;
mod network;
mod setting;
mod validate;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use document::{example_file, reference};
pub use error::ConfigError;
pub use live::Live;
pub use network::Network;
pub use setting::{Field, Setting, Shape};
pub(crate) use setting::{choice, config, quoted};

use crate::{
    accounts, bytestreams, cluster, dns, files, http, integrations, json, lifecycle, net, observe, store,
    tls, xmpp,
};

config! {
    /// Everything that can be configured. Each key has a default: with no file at all the server runs.
    pub struct Config {
        /// Where the database, the keys and the certificates that the server makes are kept. Created with
        /// mode 0700 when it does not exist. A relative path counts from the directory the server starts in.
        data_dir: PathBuf = PathBuf::from("./waxwing-data"),
        /// The domains served, one `[[domain]]` for each. The first is the default: it answers clients that name
        /// no domain in TLS. Without any, the domain is `localhost`.
        domain: Vec<Domain> = vec![Domain { name: "localhost".to_owned(), ..Domain::default() }],
        /// The addresses listened on. An empty list turns a listener off.
        listen: Listen = Listen::default(),
        /// Accounts: how passwords are kept, who may register, and what is kept for each account.
        accounts: accounts::Config = accounts::Config::default(),
        /// Where everything is kept that lasts.
        store: store::Config = store::Config::default(),
        /// TLS on every listener.
        tls: tls::Config = tls::Config::default(),
        /// Certificates from an ACME directory (RFC 8555), for the domains that say `acme = true`.
        acme: tls::acme::Config = tls::acme::Config::default(),
        /// The resolver that DNS questions go to.
        dns: dns::Config = dns::Config::default(),
        /// What one connection, one address and all of them together may use.
        limits: net::Limits = net::Limits::default(),
        /// XMPP for clients.
        xmpp: xmpp::Config = xmpp::Config::default(),
        /// Rooms, which every domain has at `rooms.` before its name.
        rooms: xmpp::features::rooms::Config = xmpp::features::rooms::Config::default(),
        /// Publish-subscribe, which every domain has at `pubsub.` before its name, and every account for its own.
        pubsub: xmpp::features::pubsub::Config = xmpp::features::pubsub::Config::default(),
        /// XMPP between servers.
        federation: xmpp::federation::Config = xmpp::federation::Config::default(),
        /// The HTTP listener.
        http: http::Config = http::Config::default(),
        /// JSON over WebSocket, for the web client and other programs.
        json: json::Config = json::Config::default(),
        /// Files that people share by a link (XEP-0363).
        files: files::Config = files::Config::default(),
        /// Bots, webhooks and pushes.
        integrations: integrations::Config = integrations::Config::default(),
        /// Bytes between two clients that cannot reach each other (XEP-0065).
        bytestreams: bytestreams::Config = bytestreams::Config::default(),
        /// Several nodes of one installation.
        cluster: cluster::Config = cluster::Config::default(),
        /// The log, written to standard error.
        log: observe::LogConfig = observe::LogConfig::default(),
        /// Stopping.
        shutdown: lifecycle::Config = lifecycle::Config::default(),
    }
}

config! {
    /// One domain that the server answers for.
    pub struct Domain {
        /// The domain's name as it stands in addresses: `romeo@example.org` has the domain `example.org`.
        name: String = String::new(),
        /// A PEM file with the domain's certificate first, then the certificates that lead to its authority.
        /// Without it (and without `acme`) a self-signed certificate is made and kept under `data_dir`/tls.
        /// Example: "/etc/waxwing/example.org.crt"
        certificate: Option<PathBuf> = None,
        /// The PEM file with the certificate's private key. It should be readable by the server's user only.
        /// Example: "/etc/waxwing/example.org.key"
        key: Option<PathBuf> = None,
        /// Get and renew the certificate from the ACME directory of the section `acme`.
        acme: bool = false,
    }
}

config! {
    /// The addresses listened on.
    pub struct Listen {
        /// XMPP for clients, with STARTTLS (RFC 6120 section 5). Registered port: 5222.
        xmpp: Vec<Address> = vec![Address::loopback(5222)],
        /// XMPP for clients, TLS from the first byte (XEP-0368). Customary port: 5223.
        xmpp_tls: Vec<Address> = vec![Address::loopback(5223)],
        /// XMPP for other servers, with STARTTLS (RFC 6120). Registered port: 5269. Other servers only reach it where the
        /// address is not loopback.
        federation: Vec<Address> = vec![Address::loopback(5269)],
        /// XMPP for other servers, TLS from the first byte (XEP-0368). Customary port: 5270.
        federation_tls: Vec<Address> = vec![Address::loopback(5270)],
        /// HTTP: the web client, metrics, health, host-meta, WebSocket, files, ACME challenges. Keep it on loopback, behind a
        /// proxy, or reachable on port 80 for ACME's http-01.
        http: Vec<Address> = vec![Address::loopback(5280)],
        /// The same over TLS.
        https: Vec<Address> = vec![Address::loopback(5281)],
        /// The relay for bytes between two clients that cannot reach each other (XEP-0065). None by default: it is of use
        /// only where clients can reach it. Customary port: 7777.
        /// Example: ["[::]:7777"]
        bytestreams: Vec<Address> = Vec::new(),
        /// The Unix socket that `waxwing` commands talk to. Mode 0600: whoever can open it administers the server.
        /// Unset: `admin.sock` in `data_dir`.
        /// Example: "/run/waxwing/admin.sock"
        admin: Option<PathBuf> = None,
        /// The balancers in front, for each listener: their networks. They begin every connection with a header of the PROXY
        /// protocol, version 1 or 2, to say for whom they connect, and the client's address then counts for limits, delays,
        /// the log and the list of devices. Who is listed must send the header; from everybody else the same bytes are
        /// garbage, as far as the listener is concerned. List nothing but balancers: who is listed can claim any address.
        proxy_from: ProxyFrom = ProxyFrom::default(),
    }
}

config! {
    /// The networks of balancers that speak the PROXY protocol, for each listener.
    pub struct ProxyFrom {
        /// For `listen.xmpp`.
        /// Example: ["10.0.0.5"]
        xmpp: Vec<Network> = Vec::new(),
        /// For `listen.xmpp_tls`.
        xmpp_tls: Vec<Network> = Vec::new(),
        /// For `listen.federation`.
        federation: Vec<Network> = Vec::new(),
        /// For `listen.federation_tls`.
        federation_tls: Vec<Network> = Vec::new(),
        /// For `listen.http`. A proxy that understands HTTP belongs into `http.forwarded_from` instead.
        http: Vec<Network> = Vec::new(),
        /// For `listen.https`.
        https: Vec<Network> = Vec::new(),
        /// For `listen.bytestreams`.
        bytestreams: Vec<Network> = Vec::new(),
    }
}

/// An address and a port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(pub SocketAddr);

impl Address {
    /// The IPv4 loopback address with this port.
    pub fn loopback(port: u16) -> Self {
        Self(SocketAddr::from(([127, 0, 0, 1], port)))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Address {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!(
                "`{text}` is not an address with a port; write for example \"127.0.0.1:5222\", \"[::1]:5222\" or \
                 \"[::]:5222\" (all addresses); port 0 lets the system choose"
            )
        })
    }
}

impl<'de> serde::Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl Setting for Address {
    fn shape(&self) -> Shape {
        Shape::Value { kind: "address:port".to_owned(), allowed: Vec::new() }
    }
    fn toml(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
    fn sample() -> Self {
        Self::loopback(0)
    }
}

/// The file read when `--config` names none and it exists.
pub const DEFAULT_FILE: &str = "./waxwing.toml";

impl Config {
    /// Reads the configuration.
    ///
    /// `file` is what `--config` named, and must exist. Without it `./waxwing.toml` is read if it exists;
    /// otherwise every key has its default. Returns the file that was read beside the configuration.
    pub fn load(file: Option<&Path>) -> Result<(Self, Option<PathBuf>), ConfigError> {
        let path = match file {
            Some(path) => path.to_owned(),
            None if Path::new(DEFAULT_FILE).exists() => PathBuf::from(DEFAULT_FILE),
            None => return Ok((Self::default(), None)),
        };
        let text = std::fs::read_to_string(&path).map_err(|e| ConfigError::unreadable(&path, &e))?;
        let config = Self::parse(&text, &path)?;
        Ok((config, Some(path)))
    }

    /// Reads the configuration from text; `path` is only named in errors.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let config: Self = toml::from_str(text).map_err(|e| ConfigError::from_toml(path, text, &e))?;
        match config.first_problem() {
            None => Ok(config),
            Some(problem) => Err(ConfigError::from_problem(path, text, &problem)),
        }
    }

    /// The socket of the admin commands.
    pub fn admin_socket(&self) -> PathBuf {
        self.listen.admin.clone().unwrap_or_else(|| self.data_dir.join("admin.sock"))
    }

    /// The names of the domains served, the default one first.
    pub fn domain_names(&self) -> impl Iterator<Item = &str> {
        self.domain.iter().map(|d| d.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_the_server_is_localhost_on_loopback() {
        let config = Config::default();
        assert_eq!(config.domain_names().collect::<Vec<_>>(), ["localhost"]);
        let listen = &config.listen;
        for address in listen.xmpp.iter().chain(&listen.xmpp_tls).chain(&listen.http).chain(&listen.https) {
            assert!(address.0.ip().is_loopback(), "{address}");
        }
        assert_eq!(config.admin_socket(), Path::new("./waxwing-data/admin.sock"));
        assert_eq!(Config::parse("", Path::new("x")).expect("an empty file is valid"), config);
    }

    #[test]
    fn a_file_that_was_named_must_exist() {
        let error = Config::load(Some(Path::new("/nonexistent/waxwing.toml"))).expect_err("no such file");
        assert!(error.to_string().contains("/nonexistent/waxwing.toml"), "{error}");
    }
}
