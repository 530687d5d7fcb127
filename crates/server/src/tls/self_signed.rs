//! Self-signed certificates for domains that have no other: made once, kept, and only readable by their owner.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair, OtherNameValue, SanType};
use time::{Duration, OffsetDateTime};

use super::TlsError;

/// id-on-xmppAddr (RFC 6120 section 13.7.1.4)
const XMPP_ADDR: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 8, 5];

/// Nobody renews these, and clients that pin them would have to pin again.
const LIFE: Duration = Duration::days(3650);

/// The certificate and key files of a domain under `directory`, made if they are not there yet.
pub(super) fn ensure(directory: &Path, domain: &str) -> Result<(PathBuf, PathBuf), TlsError> {
    let certificate = directory.join(format!("{domain}.crt"));
    let key = directory.join(format!("{domain}.key"));
    if !certificate.exists() || !key.exists() {
        let (certificate_pem, key_pem) = make(domain)?;
        write_private(&key, key_pem.as_bytes()).map_err(|e| TlsError::file(&key, e))?;
        write_private(&certificate, certificate_pem.as_bytes())
            .map_err(|e| TlsError::file(&certificate, e))?;
    }
    Ok((certificate, key))
}

fn make(domain: &str) -> Result<(String, String), TlsError> {
    let library = |e: rcgen::Error| TlsError::Library(e.to_string());
    let ascii = idna::domain_to_ascii(domain).map_err(|e| TlsError::Library(format!("{domain}: {e}")))?;
    let mut params = CertificateParams::new(vec![ascii]).map_err(library)?;
    // RFC 6120 section 13.7.1.2: the domain both as dNSName and as xmppAddr.
    params
        .subject_alt_names
        .push(SanType::OtherName((XMPP_ADDR.to_vec(), OtherNameValue::Utf8String(domain.to_owned()))));
    if domain == "localhost" {
        for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            params.subject_alt_names.push(SanType::IpAddress(address));
        }
    }
    params.distinguished_name.push(DnType::CommonName, domain);
    let now = OffsetDateTime::now_utc();
    // A client whose clock is a little behind must not find it not yet valid.
    params.not_before = now - Duration::days(1);
    params.not_after = now + LIFE;
    let key = KeyPair::generate().map_err(library)?;
    let certificate = params.self_signed(&key).map_err(library)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes a file that only its owner can read, whole or not at all; makes its directory if needed.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    // A leftover of an interrupted write may have any mode; a new file has the one asked for.
    match fs::remove_file(&fresh) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent().filter(|d| !d.as_os_str().is_empty()) {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::tls::testing::Scratch;

    #[test]
    fn a_certificate_is_made_once_and_kept() {
        let scratch = Scratch::new();
        let (certificate, key) = ensure(&scratch.path().join("tls"), "localhost").expect("made");
        let first = fs::read(&certificate).expect("readable");
        assert_eq!(fs::metadata(&key).expect("there").permissions().mode() & 0o777, 0o600);
        let directory = scratch.path().join("tls");
        assert_eq!(fs::metadata(&directory).expect("there").permissions().mode() & 0o777, 0o700);
        ensure(&directory, "localhost").expect("found");
        assert_eq!(fs::read(&certificate).expect("readable"), first);
    }
}
