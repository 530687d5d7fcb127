//! Certificates: whether they can be loaded, are in force, hold for their domain, and come with their chain.

use std::path::Path;

use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Findings;
use crate::config::{Config, Domain};
use crate::tls::{load_pair, subject_names};

/// Renewals that fail show up this long before clients notice.
const SOON_DAYS: i64 = 21;

pub(super) fn examine(config: &Config, domain: &Domain, findings: &mut Findings) {
    let subject = format!("domain {}", domain.name);
    match (&domain.certificate, &domain.key) {
        (Some(certificate), Some(key)) => loaded(domain, &subject, certificate, key, findings),
        _ if domain.acme => acme(config, domain, &subject, findings),
        _ if domain.name == "localhost" => findings.ok(subject, "a self-signed certificate is made and kept"),
        _ => findings.warning(
            subject,
            "has no certificate; a self-signed one is made, which clients will warn of or refuse",
            "Set `certificate` and `key`, or `acme = true`.",
        ),
    }
}

fn acme(config: &Config, domain: &Domain, subject: &str, findings: &mut Findings) {
    let kept = crate::tls::acme::file(&config.data_dir, &domain.name);
    if kept.exists() {
        return loaded(domain, subject, &kept, &kept, findings);
    }
    let (list, port, empty) = match config.acme.challenge {
        crate::tls::acme::Challenge::Http => ("http", 80, config.listen.http.is_empty()),
        crate::tls::acme::Challenge::TlsAlpn => ("https", 443, config.listen.https.is_empty()),
    };
    match empty {
        true => findings.error(
            subject,
            format!("`acme = true` needs a listener in listen.{list} to prove the domain by"),
            format!("Add an address to listen.{list} that port {port} of {} leads to.", domain.name),
        ),
        false => findings.note(
            subject,
            "has no certificate yet; one is ordered when the server runs",
            format!("Port {port} of {} must lead to listen.{list}.", domain.name),
        ),
    }
}

fn loaded(domain: &Domain, subject: &str, certificate: &Path, key: &Path, findings: &mut Findings) {
    let pair = match load_pair(certificate, key) {
        Ok(pair) => pair,
        Err(error) => return findings.error(subject, error, "The server does not start without it."),
    };
    let Some(Ok((_, own))) = pair.cert.first().map(|der| X509Certificate::from_der(der)) else {
        return findings.error(subject, format!("{}: not X.509", certificate.display()), "Get another one.");
    };
    in_force(&own, subject, findings);
    names(&domain.name, pair.cert.first().map(|der| der.as_ref()).unwrap_or_default(), subject, findings);
    let rest: Vec<&[u8]> = pair.cert.iter().skip(1).map(|der| der.as_ref()).collect();
    chain(&own, &rest, subject, findings);
}

fn in_force(own: &X509Certificate<'_>, subject: &str, findings: &mut Findings) {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let (from, until) = (own.validity().not_before.timestamp(), own.validity().not_after.timestamp());
    let days = (until - now).div_euclid(86_400);
    let end = own.validity().not_after;
    if now >= until {
        findings.error(subject, format!("the certificate has expired ({end})"), "Renew it.");
    } else if now < from {
        let begin = own.validity().not_before;
        findings.error(
            subject,
            format!("the certificate is not valid before {begin}"),
            "Is the clock right?",
        );
    } else if days < SOON_DAYS {
        findings.warning(subject, format!("the certificate expires in {days} days ({end})"), "Renew it.");
    } else {
        findings.ok(subject, format!("the certificate is valid for {days} more days"));
    }
}

/// RFC 6120 section 13.7.1.2: the domain as dNSName (perhaps by wildcard) or as xmppAddr.
fn names(domain: &str, own: &[u8], subject: &str, findings: &mut Findings) {
    let (xmpp, dns) = subject_names(own);
    let ascii = idna::domain_to_ascii(domain).unwrap_or_default();
    let by_dns = dns.iter().any(|name| crate::tls::matches_name(&name.to_ascii_lowercase(), &ascii));
    if by_dns || xmpp.iter().any(|address| address.eq_ignore_ascii_case(domain)) {
        return findings.ok(subject, "the certificate holds for the domain");
    }
    let held = if dns.is_empty() { "no name".to_owned() } else { dns.join(", ") };
    findings.error(
        subject,
        format!("the certificate does not hold for {domain}; it holds for {held}"),
        format!("Get one with {domain} in its subjectAltName. The host name of the server is not enough (RFC 6120)."),
    );
}

fn chain(own: &X509Certificate<'_>, rest: &[&[u8]], subject: &str, findings: &mut Findings) {
    if own.subject() == own.issuer() {
        return findings.warning(
            subject,
            "the certificate is self-signed; clients will warn of it or refuse it",
            "Get one from an authority, for example with `acme = true`.",
        );
    }
    let mut below = own.clone();
    for der in rest {
        let Ok((_, above)) = X509Certificate::from_der(der) else {
            continue;
        };
        if below.issuer() != above.subject() {
            return findings.error(
                subject,
                format!(
                    "the chain is out of order: {} is not signed by {}",
                    below.subject(),
                    above.subject()
                ),
                "Put the domain's certificate first, then each certificate that signed the one before it.",
            );
        }
        below = above;
    }
    if rest.is_empty() {
        findings.warning(
            subject,
            "the file holds the domain's certificate alone, without those that lead to its authority",
            "Append the intermediate certificates (often called the full chain), unless the authority is a root.",
        );
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use time::Duration;

    use super::*;
    use crate::check::{Finding, Severity};
    use crate::tls::testing::Scratch;

    /// A certificate for `name`, signed by an authority or by itself, as files of a domain.
    fn domain(
        scratch: &Scratch,
        name: &str,
        by_authority: bool,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Domain {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, "the server");
        change(&mut params);
        let pem = if by_authority {
            let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
            ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            ca.distinguished_name.push(rcgen::DnType::CommonName, "the authority");
            let ca_key = KeyPair::generate().expect("a key");
            let ca_pem = ca.self_signed(&ca_key).expect("a certificate").pem();
            let own = params.signed_by(&key, &Issuer::new(ca, ca_key)).expect("a certificate").pem();
            own + &ca_pem
        } else {
            params.self_signed(&key).expect("a certificate").pem()
        };
        let (certificate, key_file) = (scratch.path().join("c.pem"), scratch.path().join("k.pem"));
        std::fs::write(&certificate, pem).expect("written");
        std::fs::write(&key_file, key.serialize_pem()).expect("written");
        let name = "example.org".to_owned();
        Domain { name, certificate: Some(certificate), key: Some(key_file), acme: false }
    }

    fn findings(domain: &Domain) -> Vec<Finding> {
        let mut findings = Findings::default();
        examine(&Config::default(), domain, &mut findings);
        findings.0
    }

    fn complains(domain: &Domain, severity: Severity, text: &str) {
        let findings = findings(domain);
        assert!(findings.iter().any(|f| f.severity == severity && f.text.contains(text)), "{findings:#?}");
    }

    #[test]
    fn a_good_certificate_has_no_complaint() {
        let scratch = Scratch::new();
        for name in ["example.org", "*.org", "EXAMPLE.org"] {
            let good = domain(&scratch, name, true, |_| {});
            assert!(findings(&good).iter().all(|f| f.severity == Severity::Ok), "{:#?}", findings(&good));
        }
    }

    #[test]
    fn expiry_names_chains_and_keys_are_looked_at() {
        let scratch = Scratch::new();
        let now = OffsetDateTime::now_utc();
        let expired = domain(&scratch, "example.org", true, |p| p.not_after = now - Duration::days(1));
        complains(&expired, Severity::Error, "has expired");
        let soon = domain(&scratch, "example.org", true, |p| p.not_after = now + Duration::days(5));
        complains(&soon, Severity::Warning, "expires in");
        let early = domain(&scratch, "example.org", true, |p| p.not_before = now + Duration::days(1));
        complains(&early, Severity::Error, "not valid before");
        let other = domain(&scratch, "xmpp.example.org", true, |_| {});
        complains(&other, Severity::Error, "does not hold for example.org; it holds for xmpp.example.org");
        complains(&domain(&scratch, "example.org", false, |_| {}), Severity::Warning, "self-signed");
        let mut wrong_key = domain(&scratch, "example.org", true, |_| {});
        let key = scratch.path().join("other.pem");
        std::fs::write(&key, KeyPair::generate().expect("a key").serialize_pem()).expect("written");
        wrong_key.key = Some(key);
        complains(&wrong_key, Severity::Error, "is not the key of the first certificate");
        let missing = Domain { certificate: Some("/nonexistent".into()), ..wrong_key };
        complains(&missing, Severity::Error, "/nonexistent: No such file");
    }

    #[test]
    fn acme_needs_its_listener() {
        let scratch = Scratch::new();
        let mut config = Config { data_dir: scratch.path().to_owned(), ..Config::default() };
        let domain = Domain { name: "example.org".to_owned(), acme: true, ..Domain::default() };
        let mut findings = Findings::default();
        examine(&config, &domain, &mut findings);
        assert_eq!(findings.0[0].severity, Severity::Note);
        config.listen.http.clear();
        let mut findings = Findings::default();
        examine(&config, &domain, &mut findings);
        assert_eq!(findings.0[0].severity, Severity::Error);
    }
}
