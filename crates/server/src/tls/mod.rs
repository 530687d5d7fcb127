//! TLS: certificates chosen by name, what a handshake settled, and swapping certificates while connections stay.

pub mod acme;
mod binding;
mod certificates;
mod client;
#[cfg(test)]
mod handshake_tests;
pub mod peer;
mod self_signed;
#[cfg(test)]
pub(crate) mod testing;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::aws_lc_rs;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::{ServerConfig, ServerConnection};

pub(crate) use acme::ALPN as ACME_ALPN;
pub use binding::server_end_point;
pub use certificates::{Certificates, Served, load_pair};
pub(crate) use certificates::{matches_name, pem_certificates};
pub(crate) use client::subject_names;
pub use client::{ClientCertificate, Verification};

use crate::config::{Config as ServerSettings, choice, config};
use crate::observe::names;

config! {
    /// TLS on every listener.
    pub struct Config {
        /// The oldest version of TLS spoken. With 1.2 only its AEAD cipher suites with forward secrecy are offered.
        minimum_version: Version = Version::Tls12,
        /// Refuse TLS 1.2 without the extended master secret (RFC 7627). Clients since about 2016 have it; without
        /// it channel binding would not be sound (RFC 9266 section 4.2), so turning this off turns channel binding
        /// by tls-exporter off under TLS 1.2.
        require_extended_master_secret: bool = true,
        /// Authorities that sign the certificates clients sign in with (SASL EXTERNAL), one PEM file. Unset: clients
        /// are not asked for a certificate.
        /// Example: "/etc/waxwing/client-authorities.pem"
        client_authorities: Option<PathBuf> = None,
        /// TLS 1.2 sessions remembered for resumption by id. (TLS 1.3 uses tickets, which the clients keep.)
        session_cache: usize = 4_096,
    }
}

choice! {
    /// A version of TLS.
    pub enum Version {
        /// RFC 5246
        Tls12 = "1.2",
        /// RFC 8446
        Tls13 = "1.3",
    }
}

/// What a listener speaks inside TLS; decides ALPN and whether a client certificate is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// XMPP after STARTTLS: no ALPN.
    StartTls,
    /// XMPP with TLS from the first byte: ALPN `xmpp-client` (XEP-0368 section 3).
    DirectTls,
    /// HTTP/1.1; also answers ACME's tls-alpn-01.
    Https,
    /// XMPP between servers after STARTTLS.
    Federation,
    /// XMPP between servers with TLS from the first byte: ALPN `xmpp-server` (XEP-0368 section 3).
    DirectFederation,
}

const PURPOSES: [Purpose; 5] =
    [Purpose::StartTls, Purpose::DirectTls, Purpose::Https, Purpose::Federation, Purpose::DirectFederation];

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {reason}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// rustls or rcgen refused.
    #[error("{0}")]
    Library(String),
}

impl TlsError {
    fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    fn content(path: &Path, reason: impl ToString) -> Self {
        Self::Content { path: path.display().to_string(), reason: reason.to_string() }
    }
}

/// TLS for all listeners: one snapshot of certificates and settings, swapped whole on reload.
pub struct Tls {
    keys: RwLock<Arc<ResumptionKeys>>,
    challenges: acme::Challenges,
    current: RwLock<Arc<Snapshot>>,
}

struct Snapshot {
    certificates: Arc<Certificates>,
    configs: [Arc<ServerConfig>; PURPOSES.len()],
}

/// What lets a session be resumed. Kept across reloads, and apart for each purpose: a session of one protocol
/// must not be resumed into another.
struct ResumptionKeys {
    tickets: [Arc<dyn ProducesTickets>; PURPOSES.len()],
    sessions: [Arc<dyn StoresServerSessions>; PURPOSES.len()],
}

impl Tls {
    /// Loads the certificates of all domains; makes self-signed ones where none is configured.
    pub fn load(settings: &ServerSettings) -> Result<Arc<Self>, TlsError> {
        let keys = ResumptionKeys::fresh(settings)?;
        let challenges = acme::Challenges::default();
        let snapshot = Snapshot::load(settings, &keys, &challenges)?;
        Ok(Arc::new(Self {
            keys: RwLock::new(Arc::new(keys)),
            challenges,
            current: RwLock::new(Arc::new(snapshot)),
        }))
    }

    /// Loads everything again and swaps it in. On an error what is in force stays. Connections stay as they are.
    pub fn reload(&self, settings: &ServerSettings) -> Result<(), TlsError> {
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let snapshot = Snapshot::load(settings, &keys, &self.challenges)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(snapshot);
        Ok(())
    }

    /// Loads everything again and forgets every TLS session: from now on each client makes a full handshake.
    pub fn forget_sessions(&self, settings: &ServerSettings) -> Result<(), TlsError> {
        let keys = Arc::new(ResumptionKeys::fresh(settings)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        self.reload(settings)
    }

    /// What accepts connections for a purpose; follows reloads.
    pub fn acceptor(self: &Arc<Self>, purpose: Purpose) -> Acceptor {
        Acceptor { tls: self.clone(), purpose }
    }

    /// The certificates in force.
    pub fn certificates(&self) -> Arc<Certificates> {
        self.snapshot().certificates.clone()
    }

    /// The challenges that an ACME directory may ask for now.
    pub fn challenges(&self) -> &acme::Challenges {
        &self.challenges
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResumptionKeys {
    fn fresh(settings: &ServerSettings) -> Result<Self, TlsError> {
        let ticket = || aws_lc_rs::Ticketer::new().map_err(|e| TlsError::Library(e.to_string()));
        let cache =
            || -> Arc<dyn StoresServerSessions> { ServerSessionMemoryCache::new(settings.tls.session_cache) };
        Ok(Self {
            tickets: [ticket()?, ticket()?, ticket()?, ticket()?, ticket()?],
            sessions: std::array::from_fn(|_| cache()),
        })
    }
}

impl Snapshot {
    fn load(
        settings: &ServerSettings,
        keys: &ResumptionKeys,
        challenges: &acme::Challenges,
    ) -> Result<Self, TlsError> {
        let certificates = Arc::new(Certificates::load(settings)?);
        for served in certificates.served() {
            metrics::gauge!(names::CERTIFICATE_EXPIRY, "domain" => served.domain)
                .set(served.not_after as f64);
        }
        let build = |index: usize| -> Result<Arc<ServerConfig>, TlsError> {
            let resolver = certificates::Resolver::new(certificates.clone(), challenges.clone());
            let mut config =
                server_config(&settings.tls, &certificates, PURPOSES[index], Arc::new(resolver))?;
            config.ticketer = keys.tickets[index].clone();
            config.session_storage = keys.sessions[index].clone();
            Ok(Arc::new(config))
        };
        let configs = [build(0)?, build(1)?, build(2)?, build(3)?, build(4)?];
        Ok(Self { certificates, configs })
    }
}

fn server_config(
    settings: &Config,
    certificates: &Certificates,
    purpose: Purpose,
    resolver: Arc<certificates::Resolver>,
) -> Result<ServerConfig, TlsError> {
    let versions: &[&rustls::SupportedProtocolVersion] = match settings.minimum_version {
        Version::Tls12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        Version::Tls13 => &[&rustls::version::TLS13],
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|e| TlsError::Library(e.to_string()))?;
    // A browser asked for a certificate would show a dialogue to every visitor.
    let ask = match purpose {
        Purpose::Https => false,
        Purpose::StartTls | Purpose::DirectTls => certificates.asks_clients(),
        // What a server shows is judged once it has said which domain it is.
        Purpose::Federation | Purpose::DirectFederation => true,
    };
    let builder = match ask {
        true => builder.with_client_cert_verifier(Arc::new(client::AcceptAny::default())),
        false => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = match purpose {
        Purpose::StartTls | Purpose::Federation => Vec::new(),
        Purpose::DirectFederation => vec![b"xmpp-server".to_vec()],
        Purpose::DirectTls => vec![b"xmpp-client".to_vec()],
        Purpose::Https => vec![b"http/1.1".to_vec(), acme::ALPN.to_vec()],
    };
    config.require_ems = settings.require_extended_master_secret;
    Ok(config)
}

/// Accepts TLS connections for one purpose with whatever certificates are in force. Cheap to clone.
#[derive(Clone)]
pub struct Acceptor {
    tls: Arc<Tls>,
    purpose: Purpose,
}

/// A handshake about to begin, with the certificates that it will choose from.
pub(crate) struct Accepting {
    pub(crate) session: ServerConnection,
    pub(crate) certificates: Arc<Certificates>,
}

impl Acceptor {
    /// The rustls configuration in force.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.tls.snapshot().configs[self.purpose as usize].clone()
    }

    pub(crate) fn begin(&self) -> io::Result<Accepting> {
        let snapshot = self.tls.snapshot();
        let session = ServerConnection::new(snapshot.configs[self.purpose as usize].clone())
            .map_err(io::Error::other)?;
        Ok(Accepting { session, certificates: snapshot.certificates.clone() })
    }
}

/// What a TLS handshake settled.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsInfo {
    /// "TLSv1.2" or "TLSv1.3"
    pub version: &'static str,
    /// The cipher suite, as IANA names it.
    pub cipher_suite: String,
    /// The name the client asked for (RFC 6066 section 3).
    pub sni: Option<String>,
    /// The channel binding `tls-exporter` (RFC 9266), when it is sound on this connection.
    pub exporter: Option<[u8; 32]>,
    /// The channel binding `tls-server-end-point` (RFC 5929 section 4), when it is defined for the certificate
    /// that was served.
    pub server_end_point: Option<Vec<u8>>,
    /// The certificate that the client showed, and whether it holds.
    pub client_certificate: Option<ClientCertificate>,
    /// The protocol agreed on by ALPN.
    pub alpn: Option<String>,
}
