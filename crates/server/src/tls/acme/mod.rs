//! Certificates from an ACME directory (RFC 8555): ordered, proven, kept, and renewed while the server runs.

mod challenges;
#[cfg(test)]
mod directory_tests;
mod order;
mod renewal;

use std::path::{Path, PathBuf};

pub(crate) use challenges::ALPN;
pub use challenges::Challenges;
pub use renewal::run;

use crate::config::{choice, config};

config! {
    /// Certificates from an ACME directory (RFC 8555), for the domains that say `acme = true`.
    pub struct Config {
        /// The directory. By default that of Let's Encrypt. To use it is to agree to its terms of service.
        directory: String = "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        /// Mail addresses that the authority may write to about certificates.
        /// Example: ["admin@example.org"]
        contact: Vec<String> = Vec::new(),
        /// How the authority is shown that the domain is ours. "http-01": it asks port 80 of the domain, which must
        /// lead to a listener of `listen.http`. "tls-alpn-01": it asks port 443, which must lead to a listener of
        /// `listen.https`.
        challenge: Challenge = Challenge::Http,
        /// A PEM file with the authority to trust when talking to the directory, for a private one. Unset: the
        /// system's.
        /// Example: "/etc/waxwing/acme-authority.pem"
        authority: Option<PathBuf> = None,
    }
}

choice! {
    /// How an authority is shown that a domain is ours.
    pub enum Challenge {
        /// RFC 8555 section 8.3
        Http = "http-01",
        /// RFC 8737
        TlsAlpn = "tls-alpn-01",
    }
}

/// Where the certificate of a domain is kept, in one file with its key: two files could be torn apart by a crash.
pub(crate) fn file(data_dir: &Path, domain: &str) -> PathBuf {
    data_dir.join("acme").join(format!("{domain}.pem"))
}
