//! Certificates of other servers: which domains one holds for, whichever side opened the connection (RFC 6120 section
//! 13.7.1.2, RFC 9525).

#[cfg(test)]
mod corpus;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::der_parser::asn1_rs::Tag;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::certificates::pem_certificates;
use super::client::{other_name, subject_names};
use super::{TlsError, certificates::matches_name};

/// id-on-dnsSRV (RFC 4985).
const SRV_NAME: &str = "1.3.6.1.5.5.7.8.7";

/// The authorities whose word counts for the certificates of other servers.
pub struct Peers {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Peers {
    /// Trusts the authorities in these files, and those of the system if asked to.
    pub fn load(files: &[PathBuf], system: bool) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        if system {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "an authority of the system cannot be read");
            }
            roots.add_parsable_certificates(found.certs);
        }
        for path in files {
            for certificate in pem_certificates(path)? {
                roots.add(certificate).map_err(|e| TlsError::content(path, e))?;
            }
        }
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        Ok(Self { roots, algorithms })
    }

    /// Whether a chain, the peer's own certificate first, leads to an authority, is in force, and names the domain. The
    /// reason why not is for the log.
    ///
    /// It has to be a certificate for servers even where the peer shows it as the client: authorities give out no other,
    /// and what it has to prove is the domain (RFC 6120 section 13.7.1.2.1).
    pub fn holds(&self, chain: &[CertificateDer<'_>], domain: &str) -> Result<(), String> {
        let Some((own, intermediates)) = chain.split_first() else {
            return Err("no certificate".to_owned());
        };
        let parsed = ParsedCertificate::try_from(own).map_err(|error| error.to_string())?;
        let (roots, algorithms) = (&self.roots, self.algorithms.all);
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, UnixTime::now(), algorithms)
            .map_err(|error| error.to_string())?;
        let ascii = idna::domain_to_ascii(domain).map_err(|error| error.to_string())?;
        let name = ServerName::try_from(ascii.clone()).map_err(|error| error.to_string())?;
        match verify_server_name(&parsed, &name) {
            Ok(()) => Ok(()),
            Err(_) if self.names_as_server(chain, own, domain, &ascii) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Whether the certificate names the domain by an SRVName or an xmppAddr. The verifier of chains knows neither, and so
    /// cannot hold them against constraints on names: where there are such constraints they do not count.
    fn names_as_server(
        &self,
        chain: &[CertificateDer<'_>],
        own: &CertificateDer<'_>,
        domain: &str,
        ascii: &str,
    ) -> bool {
        if self.is_constrained(chain) {
            return false;
        }
        let (addresses, _) = subject_names(own);
        let addressed = addresses.iter().any(|address| address.eq_ignore_ascii_case(domain));
        addressed || srv_names(own).iter().any(|name| matches_name(name, ascii))
    }

    /// Whether some authority on the way may not vouch for all names.
    fn is_constrained(&self, chain: &[CertificateDer<'_>]) -> bool {
        chain.iter().any(|certificate| {
            let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
                return true;
            };
            let own = !matches!(parsed.name_constraints(), Ok(None));
            let issuer = parsed.issuer().as_raw();
            own || self.roots.roots.iter().any(|root| {
                // What webpki keeps of a subject is the content of its sequence.
                root.name_constraints.is_some() && issuer.ends_with(root.subject.as_ref())
            })
        })
    }
}

/// The domains of the SRVNames for XMPP between servers: `SRVName ::= IA5String`, `_Service.Name`.
fn srv_names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let services = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::OtherName(oid, value) if oid.to_id_string() == SRV_NAME => {
            let name = other_name(value, Tag::Ia5String)?.to_ascii_lowercase();
            let domain = name.strip_prefix("_xmpp-server.").or(name.strip_prefix("_xmpps-server."))?;
            Some(domain.to_owned())
        }
        _ => None,
    });
    services.collect()
}

/// TLS towards another server. Any certificate is taken, and its possession proven: what it is good for is decided when
/// the handshake is over.
pub fn client_config(own: Option<Arc<CertifiedKey>>, direct: bool) -> Result<ClientConfig, TlsError> {
    let provider = aws_lc_rs::default_provider();
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|e| TlsError::Library(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakeAny { algorithms }));
    let mut config = match own {
        Some(own) => builder.with_client_cert_resolver(Arc::new(Always(own))),
        None => builder.with_no_client_auth(),
    };
    if direct {
        config.alpn_protocols = vec![b"xmpp-server".to_vec()];
    }
    // A resumed session would not show the certificate again.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesClientCert for Always {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct TakeAny {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for TakeAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
