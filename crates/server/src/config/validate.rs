//! Rules that no single value can break alone: bounds, and keys that need or exclude each other.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use super::Config;

/// One step of the way to a value in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(&'static str),
    Index(usize),
}

/// A value that cannot stand as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) path: Vec<Step>,
    pub(crate) message: String,
}

impl Problem {
    /// The way to the value as one dotted key.
    pub(crate) fn key(&self) -> String {
        let steps: Vec<String> = self
            .path
            .iter()
            .map(|step| match step {
                Step::Key(key) => (*key).to_owned(),
                Step::Index(index) => index.to_string(),
            })
            .collect();
        steps.join(".")
    }
}

fn problem(path: &[Step], message: impl Into<String>) -> Problem {
    Problem { path: path.to_vec(), message: message.into() }
}

/// The table of bounds: table, key, value, what is allowed.
macro_rules! bounds {
    ($config:expr; $($table:ident.$key:ident: $allowed:expr;)*) => {
        vec![$((stringify!($table), stringify!($key), $config.$table.$key.amount(), RangeInclusive::<u64>::from($allowed))),*]
    };
}

impl Config {
    pub(super) fn first_problem(&self) -> Option<Problem> {
        self.domain_problem().or_else(|| self.log_problem()).or_else(|| self.bounds_problem())
    }

    fn domain_problem(&self) -> Option<Problem> {
        use Step::{Index, Key};
        if self.domain.is_empty() {
            return Some(problem(&[Key("domain")], "at least one domain is needed"));
        }
        let mut seen = HashSet::new();
        for (index, domain) in self.domain.iter().enumerate() {
            let at = |key| [Key("domain"), Index(index), Key(key)];
            if let Some(wrong) = name_problem(&domain.name) {
                return Some(problem(&at("name"), wrong));
            }
            if !seen.insert(domain.name.to_ascii_lowercase()) {
                return Some(problem(&at("name"), format!("the domain `{}` stands twice", domain.name)));
            }
            match (&domain.certificate, &domain.key) {
                (Some(_), None) => return Some(problem(&at("key"), "`certificate` needs its `key`")),
                (None, Some(_)) => return Some(problem(&at("certificate"), "`key` needs its `certificate`")),
                (Some(_), Some(_)) if domain.acme => {
                    return Some(problem(
                        &at("acme"),
                        "either `acme = true` or `certificate` and `key`, not both",
                    ));
                }
                _ => {}
            }
        }
        None
    }

    fn log_problem(&self) -> Option<Problem> {
        use Step::Key;
        if let Err(wrong) = crate::observe::filter(&self.log.level) {
            return Some(problem(&[Key("log"), Key("level")], wrong));
        }
        let endpoint = self.log.traces_endpoint.as_deref()?;
        let wrong = match cfg!(feature = "otel") {
            false => "this program was built without the feature `otel`; leave the key out",
            true if !endpoint.starts_with("http://") => "allowed: an address that begins with http://",
            true => return None,
        };
        Some(problem(&[Key("log"), Key("traces_endpoint")], wrong))
    }

    fn bounds_problem(&self) -> Option<Problem> {
        let bounds = self.bounds_of_clients().into_iter().chain(self.bounds_of_services());
        let mut wrong = bounds.filter(|(_, _, value, allowed)| !allowed.contains(value));
        wrong.next().map(|(table, key, value, allowed)| {
            let message =
                format!("{value} is out of bounds; allowed: {} to {}", allowed.start(), allowed.end());
            problem(&[Step::Key(table), Step::Key(key)], message)
        })
    }

    /// The numbers that concern accounts and the connections of clients.
    fn bounds_of_clients(&self) -> Vec<Bounds> {
        bounds! {
            self;
            accounts.scram_iterations: 4_096..=10_000_000;
            accounts.removal_interval_ms: 100..=2_592_000_000;
            // Half of it stays free for a whole page of what waits.
            xmpp.unacknowledged_limit: 2 * waxwing_chat::deliver::REPLAY_PAGE as u64..=1_000_000;
            limits.connections: 1..=10_000_000;
            limits.connections_per_address: 1..=10_000_000;
            limits.unauthenticated: 1..=10_000_000;
            limits.unauthenticated_per_address: 1..=10_000_000;
            limits.sign_ins_waiting: 1..=10_000_000;
            limits.sign_in_wait_ms: 100..=600_000;
            limits.backlog: 1..=65_535;
            limits.handshake_timeout_ms: 100..=600_000;
            limits.proxy_header_timeout_ms: 100..=600_000;
            limits.authentication_timeout_ms: 100..=600_000;
            limits.write_timeout_ms: 100..=3_600_000;
            limits.keepalive_idle_ms: 0..=86_400_000;
            limits.keepalive_interval_ms: 1_000..=86_400_000;
            http.ready_free_bytes: 0..=1_000_000_000_000_000;
            http.body_bytes: 1_024..=1_073_741_824;
            http.header_timeout_ms: 100..=600_000;
            http.request_timeout_ms: 100..=600_000;
            http.websocket_message_bytes: 10_000..=67_108_864;
            json.frame_bytes: 16_384..=67_108_864;
            json.unauthenticated_frame_bytes: 1_024..=1_048_576;
            json.idle_timeout_ms: 1_000..=3_600_000;
            json.response_timeout_ms: 100..=600_000;
            json.absence_grace_ms: 0..=600_000;
            json.page: 1..=1_000;
        }
    }

    /// The numbers of what the server does beside that, and of other servers.
    fn bounds_of_services(&self) -> Vec<Bounds> {
        bounds! {
            self;
            files.file_bytes_limit: 1..=80_000_000_000;
            files.profile_file_bytes_limit: 1..=80_000_000_000;
            files.slot_lifetime_ms: 1_000..=86_400_000;
            files.slowest_upload_bytes_per_second: 1..=1_000_000_000;
            files.stall_timeout_ms: 100..=600_000;
            files.uploads_at_once: 1..=100_000;
            files.downloads_at_once: 1..=100_000;
            files.retention_days: 0..=100_000;
            files.removal_interval_ms: 100..=86_400_000;
            files.thumbnail_pixels_limit: 1..=1_000_000_000;
            bytestreams.waiting_limit: 2..=100_000;
            bytestreams.streams_limit: 1..=100_000;
            bytestreams.streams_per_account_limit: 1..=100_000;
            bytestreams.bytes_per_second_limit: 1_024..=10_000_000_000;
            bytestreams.waiting_timeout_ms: 100..=3_600_000;
            bytestreams.idle_timeout_ms: 100..=3_600_000;
            bytestreams.stream_time_ms: 100..=86_400_000;
            cluster.beat_ms: 100..=60_000;
            // One lost beat is no dead node.
            cluster.node_timeout_ms: self.cluster.beat_ms.saturating_mul(3)..=600_000;
            // Four of the largest frames.
            cluster.queue_bytes_limit: 4_194_304..=4_294_967_296;
            cluster.inbox_bytes_limit: 4_194_304..=4_294_967_296;
            dns.timeout_ms: 10..=120_000;
            federation.queue_limit: 1..=1_000_000;
            federation.queues_limit: 1..=1_000_000;
            federation.connect_timeout_ms: 100..=600_000;
            federation.negotiation_timeout_ms: 100..=600_000;
            federation.retry_after_ms: 10..=3_600_000;
            federation.retry_limit_ms: 10..=86_400_000;
            federation.idle_timeout_ms: 1_000..=86_400_000;
            federation.stanza_bytes: 10_000..=67_108_864;
            shutdown.announce_ms: 0..=3_600_000;
            shutdown.spread_ms: 0..=3_600_000;
            shutdown.drain_grace_ms: 0..=3_600_000;
        }
    }
}

/// A table, a key in it, its value, and the values that are allowed.
type Bounds = (&'static str, &'static str, u64, RangeInclusive<u64>);

/// A number that has bounds, whatever its width.
trait Amount {
    fn amount(self) -> u64;
}

impl Amount for u32 {
    fn amount(self) -> u64 {
        u64::from(self)
    }
}

impl Amount for u64 {
    fn amount(self) -> u64 {
        self
    }
}

impl Amount for usize {
    fn amount(self) -> u64 {
        self as u64
    }
}

/// Why a name cannot be a domain served here; `None` when it can.
fn name_problem(name: &str) -> Option<String> {
    match is_host_name(name) {
        true => None,
        false if name.is_empty() => Some("a domain needs a name, such as \"example.org\"".to_owned()),
        false => {
            Some(format!("`{name}` is not a domain name; allowed: labels of letters, digits and hyphens"))
        }
    }
}

/// Domains served here are host names: they go into TLS's SNI and into certificates, unlike the IP addresses
/// that RFC 7622 section 3.2 also allows.
fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.chars().count() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c == '-' || c.is_alphanumeric())
    };
    name.len() <= 253 && name.split('.').all(label) && name.parse::<std::net::IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_domains_and_nothing_else_is() {
        for good in ["localhost", "example.org", "xn--mnchen-3ya.example", "münchen.example"] {
            assert_eq!(name_problem(good), None, "{good}");
        }
        for bad in ["", "a..b", ".a", "a.", "-a.example", "a b", "romeo@example.org", "192.0.2.1", "a/b"] {
            assert!(name_problem(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn certificate_and_acme_exclude_each_other() {
        let mut config = Config::default();
        config.domain[0].acme = true;
        config.domain[0].certificate = Some("a".into());
        config.domain[0].key = Some("b".into());
        assert_eq!(config.first_problem().expect("contradiction").key(), "domain.0.acme");
    }

    #[test]
    fn bounds_name_the_key_and_what_is_allowed() {
        let mut config = Config::default();
        config.limits.handshake_timeout_ms = 1;
        let problem = config.first_problem().expect("out of bounds");
        assert_eq!(problem.key(), "limits.handshake_timeout_ms");
        assert!(problem.message.contains("100 to 600000"));
    }
}
