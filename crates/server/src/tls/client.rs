//! Certificates that clients show: taken from anyone, judged against the configured authorities, for SASL EXTERNAL.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use x509_parser::der_parser::asn1_rs::{Any, FromDer as _, Tag};
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::{GeneralName, X509Certificate};

/// id-on-xmppAddr (RFC 6120 section 13.7.1.4)
const XMPP_ADDR: &str = "1.3.6.1.5.5.7.8.5";

/// Whether a certificate holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// It leads to a configured authority, is in force, and may be used by clients.
    Valid,
    /// It does not, for this reason (for the log, not for the peer).
    Invalid(String),
}

/// The certificate that a client showed, together with proof that it holds the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Whether it holds.
    pub verification: Verification,
    /// The addresses in its subjectAltName of type id-on-xmppAddr.
    pub xmpp_addresses: Vec<String>,
    /// Its dNSNames.
    pub dns_names: Vec<String>,
    /// Seconds since the Unix epoch from which it, or one that it depends on, no longer holds.
    pub not_after: i64,
    /// The certificate itself in DER.
    pub der: Vec<u8>,
}

/// The authorities whose word counts for clients' certificates.
pub(super) struct Authorities {
    verifier: Arc<dyn ClientCertVerifier>,
}

impl Authorities {
    pub(super) fn new(roots: RootCertStore) -> Result<Self, rustls::server::VerifierBuilderError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
        Ok(Self { verifier })
    }

    /// Judges a chain, the client's own certificate first.
    pub(super) fn examine(&self, chain: &[CertificateDer<'_>]) -> ClientCertificate {
        let Some((own, intermediates)) = chain.split_first() else {
            return ClientCertificate {
                verification: Verification::Invalid("no certificate".to_owned()),
                xmpp_addresses: Vec::new(),
                dns_names: Vec::new(),
                not_after: 0,
                der: Vec::new(),
            };
        };
        let verification = match self.verifier.verify_client_cert(own, intermediates, UnixTime::now()) {
            Ok(_) => Verification::Valid,
            Err(error) => Verification::Invalid(error.to_string()),
        };
        let (xmpp_addresses, dns_names) = subject_names(own);
        let not_after =
            chain.iter().filter_map(|certificate| not_after(certificate)).min().unwrap_or_default();
        ClientCertificate { verification, xmpp_addresses, dns_names, not_after, der: own.to_vec() }
    }
}

fn not_after(certificate: &[u8]) -> Option<i64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(parsed.validity().not_after.timestamp())
}

/// The xmppAddrs and dNSNames of a certificate. Only subjectAltName counts; a CommonName never does.
pub(crate) fn subject_names(certificate: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut xmpp, mut dns) = (Vec::new(), Vec::new());
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return (xmpp, dns);
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return (xmpp, dns);
    };
    for name in &names.value.general_names {
        match name {
            GeneralName::DNSName(name) => dns.push((*name).to_owned()),
            GeneralName::OtherName(oid, value) => xmpp.extend(xmpp_address(oid, value)),
            _ => {}
        }
    }
    (xmpp, dns)
}

/// RFC 6120 section 13.7.1.4: `XmppAddr ::= UTF8String`, inside the explicit tag `[0]` of an otherName.
fn xmpp_address(oid: &Oid<'_>, value: &[u8]) -> Option<String> {
    if oid.to_id_string() != XMPP_ADDR {
        return None;
    }
    other_name(value, Tag::Utf8String)
}

/// The text in an otherName, inside its explicit tag `[0]`.
pub(super) fn other_name(value: &[u8], tag: Tag) -> Option<String> {
    let (rest, tagged) = Any::from_der(value).ok()?;
    if !rest.is_empty() || tagged.class() != x509_parser::der_parser::asn1_rs::Class::ContextSpecific {
        return None;
    }
    let (rest, text) = Any::from_der(tagged.data).ok()?;
    if !rest.is_empty() || text.tag() != tag {
        return None;
    }
    let text = std::str::from_utf8(text.data).ok()?;
    // A NUL would be read as an end by others that saw the certificate before us.
    (!text.contains('\0')).then(|| text.to_owned())
}

/// Asks for a certificate and takes any: whether it counts is decided when the client signs in with it. That the
/// client holds its key is proven here all the same.
#[derive(Debug)]
pub(super) struct AcceptAny {
    algorithms: WebPkiSupportedAlgorithms,
}

impl Default for AcceptAny {
    fn default() -> Self {
        Self { algorithms: aws_lc_rs::default_provider().signature_verification_algorithms }
    }
}

impl ClientCertVerifier for AcceptAny {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
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
