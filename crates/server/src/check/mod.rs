//! `waxwing check`: what is wrong with a configuration, its files, certificates, addresses and DNS, before a start.

mod certificate;
mod files;
mod network;

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::Config;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// The server starts, but somebody will be disappointed.
    Warning,
    /// The server does not start, or a domain cannot be used.
    Error,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What was looked at: a file, a key of the configuration, a domain, an address.
    pub subject: String,
    /// What was found.
    pub text: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub advice: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Ok => "ok",
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        write!(f, "{word}: {}: {}", self.subject, self.text)?;
        match &self.advice {
            Some(advice) => write!(f, "\n  {advice}"),
            None => Ok(()),
        }
    }
}

/// Findings as they are made.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, subject: impl ToString, text: impl ToString) {
        self.add(Severity::Ok, subject, text, None);
    }

    fn note(&mut self, subject: impl ToString, text: impl ToString, advice: impl ToString) {
        self.add(Severity::Note, subject, text, Some(advice.to_string()));
    }

    fn warning(&mut self, subject: impl ToString, text: impl ToString, advice: impl ToString) {
        self.add(Severity::Warning, subject, text, Some(advice.to_string()));
    }

    fn error(&mut self, subject: impl ToString, text: impl ToString, advice: impl ToString) {
        self.add(Severity::Error, subject, text, Some(advice.to_string()));
    }

    fn add(
        &mut self,
        severity: Severity,
        subject: impl ToString,
        text: impl ToString,
        advice: Option<String>,
    ) {
        self.0.push(Finding { severity, subject: subject.to_string(), text: text.to_string(), advice });
    }
}

/// Looks at everything. `file` is what `--config` named.
pub async fn run(file: Option<&Path>) -> Vec<Finding> {
    let mut findings = Findings::default();
    match Config::load(file) {
        Err(error) => {
            let file = error.file().display().to_string();
            findings.error(file, error, "Correct the file. docs/configuration.md lists every key.");
        }
        Ok((config, read)) => {
            match read {
                Some(file) => findings.ok(file.display(), "the configuration is valid"),
                None => findings.ok("configuration", "there is no file, so every key has its default"),
            }
            examine(&config, &mut findings).await;
        }
    }
    findings.0
}

async fn examine(config: &Config, findings: &mut Findings) {
    files::examine(config, findings);
    for domain in &config.domain {
        certificate::examine(config, domain, findings);
    }
    network::examine(config, findings).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::testing::Scratch;

    #[tokio::test]
    async fn a_file_with_an_error_is_the_only_finding() {
        let scratch = Scratch::new();
        let file = scratch.path().join("waxwing.toml");
        std::fs::write(&file, "lisen = 1\n").expect("written");
        let findings = run(Some(&file)).await;
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Error);
        assert!(findings[0].to_string().contains("waxwing.toml:1:1: unknown key `lisen`"), "{}", findings[0]);
    }

    #[tokio::test]
    async fn a_fresh_installation_with_free_ports_has_no_error() {
        let scratch = Scratch::new();
        let mut config = Config { data_dir: scratch.path().join("data"), ..Config::default() };
        let any = "127.0.0.1:0".parse().expect("an address");
        for list in [
            &mut config.listen.xmpp,
            &mut config.listen.xmpp_tls,
            &mut config.listen.federation,
            &mut config.listen.federation_tls,
            &mut config.listen.http,
            &mut config.listen.https,
        ] {
            *list = vec![any];
        }
        let mut findings = Findings::default();
        examine(&config, &mut findings).await;
        let worst = findings.0.iter().max_by_key(|finding| finding.severity).expect("findings");
        assert!(worst.severity < Severity::Error, "{worst}");
    }
}
