//! The challenges that an authority may ask about now, and their answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::Challenge;
use crate::tls::TlsError;

/// The ALPN protocol of tls-alpn-01 (RFC 8737 section 3).
pub(crate) const ALPN: &[u8] = b"acme-tls/1";

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

/// Closes a challenge when it is dropped, however the order ended.
pub(super) struct OpenChallenge {
    challenges: Challenges,
    kind: Challenge,
    key: String,
}

impl Challenges {
    /// What to answer at `/.well-known/acme-challenge/{token}` (RFC 8555 section 8.3).
    pub fn key_authorization(&self, token: &str) -> Option<String> {
        self.lock().http.get(token).cloned()
    }

    /// The certificate to show for a domain (RFC 8737 section 3).
    pub(in crate::tls) fn certificate(&self, domain: &str) -> Option<Arc<CertifiedKey>> {
        self.lock().tls.get(&domain.to_ascii_lowercase()).cloned()
    }

    /// Opens http-01.
    pub(super) fn open_http(&self, token: &str, key_authorization: &str) -> OpenChallenge {
        self.lock().http.insert(token.to_owned(), key_authorization.to_owned());
        OpenChallenge { challenges: self.clone(), kind: Challenge::Http, key: token.to_owned() }
    }

    /// Opens tls-alpn-01: a self-signed certificate for the domain that carries the digest of the key authorization
    /// (RFC 8737 section 3).
    pub(super) fn open_tls(&self, domain: &str, digest: &[u8]) -> Result<OpenChallenge, TlsError> {
        let library = |e: rcgen::Error| TlsError::Library(e.to_string());
        let mut params = CertificateParams::new(vec![domain.to_owned()]).map_err(library)?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate().map_err(library)?;
        let certificate = params.self_signed(&key).map_err(library)?;
        let private =
            PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| TlsError::Library(e.to_owned()))?;
        let signing = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(private)
            .map_err(|e| TlsError::Library(e.to_string()))?;
        let shown = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signing));
        self.lock().tls.insert(domain.to_owned(), shown);
        Ok(OpenChallenge { challenges: self.clone(), kind: Challenge::TlsAlpn, key: domain.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenChallenge {
    fn drop(&mut self) {
        let mut open = self.challenges.lock();
        match self.kind {
            Challenge::Http => drop(open.http.remove(&self.key)),
            Challenge::TlsAlpn => drop(open.tls.remove(&self.key)),
        }
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    #[test]
    fn rfc_8555_8_3_a_token_is_answered_while_its_challenge_is_open() {
        let challenges = Challenges::default();
        let open = challenges.open_http("token", "token.thumbprint");
        assert_eq!(challenges.key_authorization("token").as_deref(), Some("token.thumbprint"));
        assert_eq!(challenges.key_authorization("other"), None);
        drop(open);
        assert_eq!(challenges.key_authorization("token"), None);
    }

    #[test]
    fn rfc_8737_3_the_certificate_carries_the_digest_critically_and_one_name() {
        let challenges = Challenges::default();
        let digest = [7u8; 32];
        let open = challenges.open_tls("example.org", &digest).expect("opened");
        let shown = challenges.certificate("EXAMPLE.org").expect("open");
        let (_, parsed) = X509Certificate::from_der(&shown.cert[0]).expect("a certificate");
        let identifier = parsed
            .extensions()
            .iter()
            .find(|e| e.oid.to_id_string() == "1.3.6.1.5.5.7.1.31")
            .expect("id-pe-acmeIdentifier");
        assert!(identifier.critical);
        assert_eq!(identifier.value, [&[0x04, 32], &digest[..]].concat(), "an OCTET STRING of the digest");
        assert_eq!(crate::tls::certificates::dns_names(&shown.cert[0]), ["example.org"]);
        drop(open);
        assert!(challenges.certificate("example.org").is_none());
    }
}
