//! What a stream is told about the server and about the connection that carries it.

use std::fmt;
use std::sync::Arc;

use crate::jid::Jid;
use crate::sasl::{ChannelBindings, Hash, TokenBinding};
use crate::xml::{Element, Framing, Limits};

/// Finds a host by its domain.
pub type FindHost = Box<dyn Fn(&str) -> Host + Send + Sync>;

/// Fills a buffer with random octets.
pub type FillRandom = Box<dyn Fn(&mut [u8]) + Send + Sync>;

/// What all streams of a server share.
pub struct Config {
    /// Finds the host that a client addresses, by its normalised domain.
    pub hosts: FindHost,
    /// The domain that speaks when a client addresses none that is served.
    pub default_host: Arc<str>,
    /// Fills a buffer from the system's cryptographic generator: stream ids and nonces come from it.
    pub random: FillRandom,
    /// The bounds of a stream that is not yet bound: strangers get little.
    pub limits_before: Limits,
    /// The bounds of a bound stream.
    pub limits: Limits,
    /// How often a client may fail to authenticate on one stream (RFC 6120 section 6.4.5: at least 2, at most 5).
    pub attempts: u8,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("default_host", &self.default_host).finish_non_exhaustive()
    }
}

/// Whether a domain is served here.
#[derive(Clone, Debug)]
pub enum Host {
    /// Yes, and so.
    Served(Arc<HostPolicy>),
    /// No longer (RFC 6120 section 4.9.3.5).
    Gone,
    /// Never was (RFC 6120 section 4.9.3.6).
    Unknown,
}

/// What one host offers to its clients.
#[derive(Clone, Debug)]
pub struct HostPolicy {
    /// The domain, normalised.
    pub name: Arc<str>,
    /// Whether STARTTLS can be offered: there is a certificate.
    pub starttls: bool,
    /// The hashes for which SCRAM is offered, the preferred one first; the `-PLUS` variants follow from the connection.
    pub scram: Vec<Hash>,
    /// Whether PLAIN is offered, where a client may sign in at all.
    pub plain: bool,
    /// Whether EXTERNAL is offered to connections whose certificate names an account here.
    pub external: bool,
    /// Whether XEP-0388 is offered on encrypted connections, next to the profile of RFC 6120.
    pub sasl2: bool,
    /// The FAST mechanisms (XEP-0484); empty to offer none.
    pub tokens: Vec<TokenBinding>,
    /// The hashes to which a client may upgrade (XEP-0480).
    pub upgrades: Vec<Hash>,
    /// The namespaces of the IQs that are let through before authentication (registration, XEP-0077).
    pub iq_before: Vec<String>,
    /// Further features before authentication.
    pub features_before: Vec<Element>,
    /// Further features once authenticated (roster versioning, pre-approval, entity capabilities).
    pub features_after: Vec<Element>,
    /// Whether stream management is offered (XEP-0198).
    pub stream_management: bool,
    /// Whether client state indication is offered (XEP-0352).
    pub client_state: bool,
    /// Whether carbons can be enabled while binding (XEP-0280 within XEP-0386).
    pub carbons: bool,
}

impl HostPolicy {
    /// A host with the defaults: SCRAM-SHA-512 and -256, PLAIN under TLS, SASL2 with Bind 2 and FAST.
    pub fn new(name: &str) -> HostPolicy {
        HostPolicy {
            name: name.into(),
            starttls: true,
            scram: vec![Hash::Sha512, Hash::Sha256],
            plain: true,
            external: true,
            sasl2: true,
            tokens: TokenBinding::ALL.to_vec(),
            upgrades: Vec::new(),
            iq_before: Vec::new(),
            features_before: Vec::new(),
            features_after: Vec::new(),
            stream_management: true,
            client_state: true,
            carbons: true,
        }
    }
}

/// What carries a stream.
#[derive(Debug)]
pub struct Transport {
    pub(super) framing: Framing,
    pub(super) tls: Option<Tls>,
    pub(super) plaintext_sign_in: bool,
}

impl Transport {
    /// A TCP connection in plain text, to be upgraded by STARTTLS.
    pub fn tcp() -> Transport {
        Transport { framing: Framing::Stream, tls: None, plaintext_sign_in: false }
    }

    /// A TCP connection on which the administrator lets clients sign in without TLS; the caller has made sure that it
    /// is a loopback connection.
    pub fn trusted_loopback() -> Transport {
        Transport { framing: Framing::Stream, tls: None, plaintext_sign_in: true }
    }

    /// A connection that began with TLS (XEP-0368).
    pub fn direct_tls(tls: Tls) -> Transport {
        Transport { framing: Framing::Stream, tls: Some(tls), plaintext_sign_in: false }
    }

    /// A WebSocket (RFC 7395); `None` when nothing encrypts it. Behind a proxy that ends TLS there is a `Tls` without
    /// bindings.
    pub fn web_socket(tls: Option<Tls>) -> Transport {
        Transport { framing: Framing::WebSocket, tls, plaintext_sign_in: false }
    }

    /// The same, where the administrator lets clients sign in without TLS on loopback.
    pub fn trusted_loopback_web_socket() -> Transport {
        Transport { framing: Framing::WebSocket, tls: None, plaintext_sign_in: true }
    }
}

/// What is known of a finished TLS handshake.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The channel bindings of the connection.
    pub bindings: ChannelBindings,
    /// The accounts that the client's verified certificate names (`id-on-xmppAddr`).
    pub certified: Vec<Jid>,
}
