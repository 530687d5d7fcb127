//! Channel bindings of a TLS connection: tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929).

use rustls::{ProtocolVersion, ServerConnection};
use sha2::{Digest, Sha256, Sha384, Sha512};
use x509_parser::oid_registry::{
    OID_HASH_SHA1, OID_NIST_HASH_SHA256, OID_NIST_HASH_SHA384, OID_NIST_HASH_SHA512, OID_PKCS1_MD5WITHRSAENC,
    OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA1WITHRSA, OID_PKCS1_SHA256WITHRSA, OID_PKCS1_SHA384WITHRSA,
    OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ECDSA_WITH_SHA512,
    Oid,
};
use x509_parser::prelude::{AlgorithmIdentifier, FromDer, X509Certificate};
use x509_parser::signature_algorithm::RsaSsaPssParams;

/// SHA-1 with ECDSA (RFC 3279 section 2.2.3), which the registry does not list.
const ECDSA_WITH_SHA1: &str = "1.2.840.10045.4.1";

/// The channel binding `tls-exporter`: 32 bytes that only the two ends of this connection know (RFC 9266
/// section 2). Under TLS 1.2 it is sound only with the extended master secret (section 4.2).
pub(super) fn exporter(session: &ServerConnection, has_extended_master_secret: bool) -> Option<[u8; 32]> {
    let sound = match session.protocol_version()? {
        ProtocolVersion::TLSv1_3 => true,
        ProtocolVersion::TLSv1_2 => has_extended_master_secret,
        _ => false,
    };
    if !sound {
        return None;
    }
    // RFC 9266 section 2: the context is empty but present, which under TLS 1.2 differs from none at all.
    session.export_keying_material([0u8; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()
}

/// The channel binding `tls-server-end-point` of a certificate in DER (RFC 5929 section 4.1): its hash by the hash
/// function of its own signature, SHA-256 in place of MD5 and SHA-1; undefined (`None`) where the signature has
/// no hash function or several, as with Ed25519.
pub fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    match signature_hash(&parsed.signature_algorithm)? {
        Hash::Sha256 => Some(Sha256::digest(certificate).to_vec()),
        Hash::Sha384 => Some(Sha384::digest(certificate).to_vec()),
        Hash::Sha512 => Some(Sha512::digest(certificate).to_vec()),
    }
}

enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

fn signature_hash(algorithm: &AlgorithmIdentifier<'_>) -> Option<Hash> {
    let oid = &algorithm.algorithm;
    let is = |known: &[Oid<'static>]| known.contains(oid);
    if is(&[
        OID_PKCS1_SHA256WITHRSA,
        OID_SIG_ECDSA_WITH_SHA256,
        OID_PKCS1_SHA1WITHRSA,
        OID_PKCS1_MD5WITHRSAENC,
    ]) || oid.to_id_string() == ECDSA_WITH_SHA1
    {
        return Some(Hash::Sha256);
    }
    if is(&[OID_PKCS1_SHA384WITHRSA, OID_SIG_ECDSA_WITH_SHA384]) {
        return Some(Hash::Sha384);
    }
    if is(&[OID_PKCS1_SHA512WITHRSA, OID_SIG_ECDSA_WITH_SHA512]) {
        return Some(Hash::Sha512);
    }
    if *oid == OID_PKCS1_RSASSAPSS {
        let parameters = RsaSsaPssParams::try_from(algorithm.parameters.as_ref()?).ok()?;
        let hash = parameters.hash_algorithm_oid();
        return match hash {
            h if *h == OID_NIST_HASH_SHA256 || *h == OID_HASH_SHA1 => Some(Hash::Sha256),
            h if *h == OID_NIST_HASH_SHA384 => Some(Hash::Sha384),
            h if *h == OID_NIST_HASH_SHA512 => Some(Hash::Sha512),
            _ => None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).expect("a key");
        let params = rcgen::CertificateParams::new(vec!["example.org".to_owned()]).expect("parameters");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn rfc_5929_4_1_the_hash_is_the_one_of_the_signature() {
        let der = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(server_end_point(&der), Some(Sha256::digest(&der).to_vec()));
        let der = certificate(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(server_end_point(&der), Some(Sha384::digest(&der).to_vec()));
        let der = certificate(&rcgen::PKCS_RSA_SHA512);
        assert_eq!(server_end_point(&der), Some(Sha512::digest(&der).to_vec()));
    }

    #[test]
    fn rfc_5929_4_1_a_signature_without_a_hash_function_has_no_binding() {
        assert_eq!(server_end_point(&certificate(&rcgen::PKCS_ED25519)), None);
        assert_eq!(server_end_point(b"not a certificate"), None);
    }
}
