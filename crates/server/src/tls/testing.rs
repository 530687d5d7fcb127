//! What tests of connections need: a scratch directory, a server's TLS, and clients that trust it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;

use crate::config::Domain;

/// A directory that is removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("waxwing-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a scratch directory");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// TLS for `localhost` and further domains, with self-signed certificates in a scratch directory.
pub(crate) fn settings(scratch: &Scratch, domains: &[&str]) -> crate::config::Config {
    let domain =
        domains.iter().map(|name| Domain { name: (*name).to_owned(), ..Domain::default() }).collect();
    crate::config::Config { data_dir: scratch.path().to_owned(), domain, ..Default::default() }
}

/// A client's configuration that trusts the certificates kept in a scratch directory.
pub(crate) fn client_config(
    scratch: &Scratch,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ClientConfig {
    client_builder(scratch, versions).with_no_client_auth()
}

pub(crate) fn client_builder(
    scratch: &Scratch,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = rustls::RootCertStore::empty();
    for file in std::fs::read_dir(scratch.path().join("tls")).expect("certificates were made") {
        let path = file.expect("an entry").path();
        if path.extension().is_some_and(|e| e == "crt") {
            roots.add(CertificateDer::from_pem_file(path).expect("a certificate")).expect("an authority");
        }
    }
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
}

/// Connects over TCP, then makes the TLS handshake.
pub(crate) async fn connect(
    address: SocketAddr,
    config: rustls::ClientConfig,
    name: &str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).expect("a server name");
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await
}

/// A client's configuration for looking at whatever certificate is shown.
pub(crate) fn trusting_anyone(scratch: &Scratch) -> rustls::ClientConfig {
    let mut config = client_config(scratch, rustls::ALL_VERSIONS);
    config.dangerous().set_certificate_verifier(Arc::new(Anyone));
    config
}

#[derive(Debug)]
struct Anyone;

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
