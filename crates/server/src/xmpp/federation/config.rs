//! The configuration of federation.

use std::path::PathBuf;

use crate::config::{Address, choice, config};

config! {
    /// XMPP between servers.
    pub struct Config {
        /// Talk to other servers. Off: nobody from elsewhere is let in, and messages for elsewhere are refused.
        enabled: bool = true,
        /// How another server has to prove that it is what it says.
        certificates: Certificates = Certificates::Require,
        /// Further authorities that sign the certificates of other servers, PEM files.
        authorities: Vec<PathBuf> = Vec::new(),
        /// Trust the authorities of the system.
        system_authorities: bool = true,
        /// The only domains spoken to; empty for all. A domain stands for those below it too.
        allow: Vec<String> = Vec::new(),
        /// Domains never spoken to. A domain stands for those below it too.
        deny: Vec<String> = Vec::new(),
        /// Where domains are found that DNS does not tell, one `[[federation.route]]` for each.
        route: Vec<Route> = Vec::new(),
        /// How many stanzas may wait for one pair of domains; more are refused with `resource-constraint`.
        queue_limit: usize = 1_000,
        /// How many pairs of domains may have a queue or be given up for a while at one time.
        queues_limit: usize = 10_000,
        /// How long one attempt to connect may take.
        connect_timeout_ms: u64 = 10_000,
        /// How long a stream may take from its first byte until stanzas may be sent on it.
        negotiation_timeout_ms: u64 = 30_000,
        /// How long a server that could not be reached is left alone; twice as long after each further failure, and up to
        /// a quarter less by chance.
        retry_after_ms: u64 = 5_000,
        /// The longest that it is left alone.
        retry_limit_ms: u64 = 300_000,
        /// After how long without a stanza a stream is closed.
        idle_timeout_ms: u64 = 600_000,
        /// The largest stanza taken from another server.
        stanza_bytes: usize = 524_288,
    }
}

choice! {
    /// How another server has to prove that it is what it says.
    pub enum Certificates {
        /// By a certificate that an authority vouches for and that names its domain.
        Require = "require",
        /// By such a certificate, or else by Server Dialback (XEP-0220), which is as trustworthy as DNS.
        Dialback = "dialback",
    }
}

config! {
    /// Where one domain is found.
    pub struct Route {
        /// The domain.
        domain: String = String::new(),
        /// The address and port of its server.
        address: Address = Address::loopback(5269),
        /// The connection begins with TLS (XEP-0368).
        direct_tls: bool = false,
    }
}

impl Config {
    /// Whether another domain may be spoken to.
    pub(crate) fn admits(&self, domain: &str) -> bool {
        let covers = |name: &String| {
            let above = domain.strip_suffix(name.as_str());
            above.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        (self.allow.is_empty() || self.allow.iter().any(covers)) && !self.deny.iter().any(covers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stand_for_a_domain_and_those_below() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let config =
            Config { allow: list(&["example.org"]), deny: list(&["bad.example.org"]), ..Config::default() };
        for (domain, expected) in [
            ("example.org", true),
            ("rooms.example.org", true),
            ("notexample.org", false),
            ("bad.example.org", false),
            ("very.bad.example.org", false),
            ("example.com", false),
        ] {
            assert_eq!(config.admits(domain), expected, "{domain}");
        }
        assert!(Config::default().admits("example.com"));
    }
}
