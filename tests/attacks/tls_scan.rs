//! TLS as a scanner of other makers sees it: sslyze, which `cargo xtask test` fetches.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use waxwing_tests::World;

use crate::world::{figure, world};

/// The interpreter that knows sslyze; nothing, said loudly, where nobody has fetched it.
fn scanner() -> Option<PathBuf> {
    if std::env::var_os("WAXWING_TEST_ALL").is_none() {
        eprintln!("SKIPPED: sslyze needs `cargo xtask test`, which fetches it");
        return None;
    }
    let folder =
        std::env::var_os("WAXWING_INTEROP").expect("`cargo xtask test` names the folder in WAXWING_INTEROP");
    Some(Path::new(&folder).join("scanners/bin/python"))
}

/// What sslyze looks at: without a choice and without a profile to compare with, it looks at nothing.
const CHECKS: [&str; 13] = [
    "--sslv2",
    "--sslv3",
    "--tlsv1",
    "--tlsv1_1",
    "--tlsv1_2",
    "--tlsv1_3",
    "--certinfo",
    "--compression",
    "--reneg",
    "--heartbleed",
    "--openssl_ccs",
    "--robot",
    "--ems",
];

/// Scans one listener and returns what was found.
fn scan(python: &Path, world: &World, name: &str, address: &str, more: &[&str]) -> Value {
    let report = world.server.folder().join(format!("{name}.json"));
    let port = address.rsplit(':').next().expect("a port");
    let output = Command::new(python)
        .args(["-m", "sslyze", "--mozilla_config=disable"])
        .args(CHECKS)
        .arg("--json_out")
        .arg(&report)
        .args(more)
        .arg(format!("localhost:{port}{{127.0.0.1}}"))
        .stdin(Stdio::null())
        .output()
        .expect("sslyze runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("{error}: {said}"));
    let json: Value = serde_json::from_str(&text).expect("sslyze writes JSON");
    let scan = json["server_scan_results"][0].clone();
    assert_eq!(scan["scan_status"], "COMPLETED", "{name}: {said}");
    scan["scan_result"].clone()
}

/// The names of the cipher suites that were accepted with one version.
fn accepted(scan: &Value, version: &str) -> Vec<String> {
    let part = &scan[format!("{version}_cipher_suites")];
    assert_eq!(part["status"], "COMPLETED", "{version}");
    let suites = part["result"]["accepted_cipher_suites"].as_array().expect("a list of suites");
    suites.iter().map(|suite| suite["cipher_suite"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}

fn found(scan: &Value, check: &str, fact: &str) -> Value {
    assert_eq!(scan[check]["status"], "COMPLETED", "{check}");
    scan[check]["result"][fact].clone()
}

/// RFC 7590 section 3, RFC 9325: TLS 1.3 and the AEAD suites of TLS 1.2 with forward secrecy, and nothing else; neither
/// compression nor renegotiation; the certificate that is configured.
#[tokio::test]
async fn sslyze_finds_nothing_to_complain_about() {
    let Some(python) = scanner() else { return };
    let world = world().await;
    let configured = world.secured().await.transport().certificate().expect("a certificate").to_vec();
    let addresses = world.server.addresses().clone();
    let starttls: &[&str] = &["--starttls=xmpp", "--xmpp_to=localhost"];
    for (name, address, more) in [
        ("starttls", &addresses.xmpp, starttls),
        ("direct", &addresses.xmpps, &[]),
        ("https", &addresses.https, &[]),
    ] {
        let scan = scan(&python, &world, name, address, more);
        for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
            assert_eq!(accepted(&scan, old), Vec::<String>::new(), "{name}: {old}");
        }
        let (twelve, thirteen) = (accepted(&scan, "tls_1_2"), accepted(&scan, "tls_1_3"));
        assert!(!twelve.is_empty() && !thirteen.is_empty(), "{name}: {twelve:?} {thirteen:?}");
        for suite in &twelve {
            let is_aead = suite.contains("_GCM_") || suite.contains("CHACHA20_POLY1305");
            assert!(is_aead && suite.starts_with("TLS_ECDHE_"), "{name}: {suite}");
        }
        assert_eq!(found(&scan, "tls_compression", "supports_compression"), false, "{name}");
        assert_eq!(found(&scan, "session_renegotiation", "is_vulnerable_to_client_renegotiation_dos"), false);
        assert_eq!(found(&scan, "session_renegotiation", "client_renegotiations_success_count"), 0, "{name}");
        assert_eq!(found(&scan, "heartbleed", "is_vulnerable_to_heartbleed"), false, "{name}");
        assert_eq!(found(&scan, "openssl_ccs_injection", "is_vulnerable_to_ccs_injection"), false, "{name}");
        assert_eq!(found(&scan, "robot", "robot_result"), "NOT_VULNERABLE_RSA_NOT_SUPPORTED", "{name}");
        assert_eq!(found(&scan, "tls_extended_master_secret", "supports_ems_extension"), true, "{name}");
        let chains = found(&scan, "certificate_info", "certificate_deployments");
        let pem =
            chains[0]["received_certificate_chain"][0]["as_pem"].as_str().expect("a certificate").to_owned();
        let text: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        assert_eq!(BASE64.decode(text).expect("base64"), configured, "{name}: another certificate");
        figure(&format!("sslyze, {name}: TLS 1.2 {twelve:?}, TLS 1.3 {thirteen:?}, nothing older"));
    }
}
