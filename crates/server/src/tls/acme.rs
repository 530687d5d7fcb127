//! Certificates from an ACME directory (RFC 8555): the challenges it may ask for and where certificates are kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::sign::CertifiedKey;

use crate::config::config;

config! {
    /// Certificates from an ACME directory (RFC 8555), for the domains that say `acme = true`.
    pub struct Config {
        /// The directory. By default that of Let's Encrypt.
        directory: String = "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        /// Mail addresses that the authority may write to about certificates.
        contact: Vec<String> = Vec::new(),
        /// A PEM file with authorities to trust when talking to the directory, for a private one. Unset: the
        /// system's.
        /// Example: "/etc/waxwing/acme-authority.pem"
        authority: Option<PathBuf> = None,
    }
}

/// The ALPN protocol of tls-alpn-01 (RFC 8737 section 3).
pub(crate) const ALPN: &[u8] = b"acme-tls/1";

/// Where the certificate and the key of a domain are kept.
pub(super) fn files(data_dir: &Path, domain: &str) -> (PathBuf, PathBuf) {
    let directory = data_dir.join("acme");
    (
        directory.join(format!("{domain}.crt")),
        directory.join(format!("{domain}.key")),
    )
}

/// The challenges that are open now: http-01 by token, tls-alpn-01 by domain. Cheap to clone.
#[derive(Clone, Default)]
pub struct Challenges {
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    http: HashMap<String, String>,
    tls: HashMap<String, Arc<CertifiedKey>>,
}

impl Challenges {
    /// What to answer at `/.well-known/acme-challenge/{token}` (RFC 8555 section 8.3).
    pub fn key_authorization(&self, token: &str) -> Option<String> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .http
            .get(token)
            .cloned()
    }

    /// The certificate to show for a domain (RFC 8737 section 3).
    pub(super) fn certificate(&self, domain: &str) -> Option<Arc<CertifiedKey>> {
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tls
            .get(domain)
            .cloned()
    }
}
