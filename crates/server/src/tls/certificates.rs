//! The certificates of all domains, and which of them a client is shown.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConnection};
use sha2::Digest;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{TlsError, TlsInfo, acme, binding, client, self_signed};
use crate::config::Config as ServerSettings;

/// The certificates in force.
pub struct Certificates {
    entries: Vec<Entry>,
    client_authorities: Option<client::Authorities>,
    require_extended_master_secret: bool,
}

struct Entry {
    /// The domain as TLS names it: lower-case A-labels.
    domain: String,
    /// The other names that the certificate holds for (dNSName), lower-case, perhaps with a wildcard.
    names: Vec<String>,
    key: Arc<CertifiedKey>,
    server_end_point: Option<Vec<u8>>,
}

impl Certificates {
    pub(super) fn load(settings: &ServerSettings) -> Result<Self, TlsError> {
        let directory = settings.data_dir.join("tls");
        let mut entries = Vec::with_capacity(settings.domain.len());
        for domain in &settings.domain {
            let kept = acme::file(&settings.data_dir, &domain.name);
            let (certificate, key) = match (&domain.certificate, &domain.key) {
                (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
                _ if domain.acme && kept.exists() => (kept.clone(), kept),
                _ => self_signed::ensure(&directory, &domain.name)?,
            };
            entries.push(Entry::new(&domain.name, load_pair(&certificate, &key)?)?);
        }
        let client_authorities =
            settings.tls.client_authorities.as_deref().map(load_authorities).transpose()?;
        Ok(Self {
            entries,
            client_authorities,
            require_extended_master_secret: settings.tls.require_extended_master_secret,
        })
    }

    /// Whether clients are asked for a certificate.
    pub(super) fn asks_clients(&self) -> bool {
        self.client_authorities.is_some()
    }

    /// The certificate for the name a client asked for: that of the domain itself, else one that holds for the
    /// name, else that of the first domain.
    fn choose(&self, sni: Option<&str>) -> Option<&Entry> {
        let named = sni.map(str::to_ascii_lowercase).and_then(|name| {
            let own = self.entries.iter().find(|entry| entry.domain == name);
            own.or_else(|| {
                self.entries.iter().find(|entry| entry.names.iter().any(|n| matches_name(n, &name)))
            })
        });
        named.or_else(|| self.entries.first())
    }

    /// The certificate and key that a domain of ours shows other servers.
    pub(crate) fn key(&self, domain: &str) -> Option<Arc<CertifiedKey>> {
        let ascii = idna::domain_to_ascii(domain).ok()?;
        self.choose(Some(&ascii)).map(|entry| Arc::clone(&entry.key))
    }

    /// What the handshake of a session settled. The session must have been made with these certificates.
    pub(crate) fn describe(&self, session: &ServerConnection) -> TlsInfo {
        let client_certificate = session.peer_certificates().and_then(|chain| {
            let authorities = self.client_authorities.as_ref()?;
            Some(authorities.examine(chain))
        });
        TlsInfo {
            version: match session.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLSv1.2",
            },
            cipher_suite: session
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or("unknown")
                .to_owned(),
            sni: session.server_name().map(str::to_owned),
            exporter: binding::exporter(session, self.require_extended_master_secret),
            server_end_point: self.choose(session.server_name()).and_then(|e| e.server_end_point.clone()),
            client_certificate,
            alpn: session.alpn_protocol().map(|p| String::from_utf8_lossy(p).into_owned()),
        }
    }
}

/// What an administrator wants to know of a certificate in force.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Served {
    /// The domain it is served for.
    pub domain: String,
    /// Nobody but the server itself vouches for it.
    pub self_signed: bool,
    /// Seconds since the Unix epoch from which it no longer holds.
    pub not_after: i64,
    /// Its SHA-1 fingerprint, which some clients still show, as they write it.
    pub sha1: String,
    /// Its SHA-256 fingerprint.
    pub sha256: String,
}

impl Certificates {
    /// The certificates, one for each domain.
    pub fn served(&self) -> Vec<Served> {
        let served = self.entries.iter().filter_map(|entry| {
            let der = entry.key.cert.first()?;
            let (_, parsed) = X509Certificate::from_der(der).ok()?;
            Some(Served {
                domain: entry.domain.clone(),
                self_signed: parsed.issuer() == parsed.subject(),
                not_after: parsed.validity().not_after.timestamp(),
                sha1: fingerprint(&sha1::Sha1::digest(der)).replace(':', "").to_lowercase(),
                sha256: fingerprint(&sha2::Sha256::digest(der)),
            })
        });
        served.collect()
    }
}

fn fingerprint(digest: &[u8]) -> String {
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

impl Entry {
    fn new(domain: &str, key: CertifiedKey) -> Result<Self, TlsError> {
        let leaf = key.cert.first().map(|c| c.as_ref()).unwrap_or_default();
        Ok(Self {
            domain: idna::domain_to_ascii(domain).map_err(|e| TlsError::Library(format!("{domain}: {e}")))?,
            names: dns_names(leaf),
            server_end_point: binding::server_end_point(leaf),
            key: Arc::new(key),
        })
    }
}

/// Reads a certificate chain and its key from PEM files, and checks that they belong together.
pub fn load_pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = pem_certificates(certificate)?;
    let text = std::fs::read(key).map_err(|e| TlsError::file(key, e))?;
    let private = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|e| TlsError::content(key, format!("no private key in PEM found ({e})")))?;
    let signing = aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(private)
        .map_err(|e| TlsError::content(key, e))?;
    let pair = CertifiedKey::new(chain, signing);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(pair),
        Err(_) => Err(TlsError::content(
            key,
            format!("this is not the key of the first certificate in {}", certificate.display()),
        )),
    }
}

pub(crate) fn pem_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = std::fs::read(path).map_err(|e| TlsError::file(path, e))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|e| TlsError::content(path, e))?;
    if chain.is_empty() {
        return Err(TlsError::content(path, "no certificate in PEM found"));
    }
    Ok(chain)
}

fn load_authorities(path: &Path) -> Result<client::Authorities, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in pem_certificates(path)? {
        roots.add(certificate).map_err(|e| TlsError::content(path, e))?;
    }
    client::Authorities::new(roots).map_err(|e| TlsError::content(path, e))
}

/// The dNSNames of a certificate in DER, lower-case.
pub(crate) fn dns_names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let dns = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    dns.collect()
}

/// Whether a dNSName holds for a host name; a wildcard stands for the whole leftmost label only (RFC 9525
/// section 6.3).
pub(crate) fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        None => pattern == name,
        Some(parent) => name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
    }
}

/// Chooses the certificate inside rustls; answers ACME's tls-alpn-01 too.
#[derive(Clone)]
pub(super) struct Resolver {
    certificates: Arc<Certificates>,
    challenges: acme::Challenges,
}

impl Resolver {
    pub(super) fn new(certificates: Arc<Certificates>, challenges: acme::Challenges) -> Self {
        Self { certificates, challenges }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut protocols| protocols.any(|p| p == acme::ALPN)) {
            // RFC 8737 section 3: such a connection exists for the challenge alone.
            return self.challenges.certificate(hello.server_name()?);
        }
        self.certificates.choose(hello.server_name()).map(|entry| entry.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_9525_6_3_a_wildcard_stands_for_one_leftmost_label() {
        assert!(matches_name("chat.example.org", "chat.example.org"));
        assert!(matches_name("*.example.org", "chat.example.org"));
        assert!(!matches_name("*.example.org", "a.chat.example.org"));
        assert!(!matches_name("*.example.org", "example.org"));
        assert!(!matches_name("*.example.org", ".example.org"));
        assert!(!matches_name("c*.example.org", "chat.example.org"));
    }
}
