//! What a subscriber decides about his subscription (XEP-0060 section 16.4.2).

use super::refusal::Refusal;
use crate::error::{Error, Result};
use crate::time::{parse_timestamp, timestamp};

/// The states of presence that a subscriber may name, in the order of forms.
pub const SHOWS: &[&str] = &["away", "chat", "dnd", "online", "xa"];

/// The terms of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// He is told of what happens.
    pub deliver: bool,
    /// When the subscription ends, milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
    /// The states of presence in which a client of his is told; empty for all, and for not looking at it.
    pub shows: Vec<&'static str>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { deliver: true, expires_ms: None, shows: Vec::new() }
    }
}

impl Terms {
    /// Sets what a form says.
    ///
    /// # Errors
    /// `InvalidOptions` for a value that makes no sense, and an option that is not offered here (section 6.3.5.2).
    pub fn set_all(&mut self, fields: &[(String, Vec<String>)], now_ms: u64) -> Result<()> {
        let invalid = || Error::PubSub(Refusal::InvalidOptions);
        for (var, values) in fields {
            let single = match &values[..] {
                [] => "",
                [one] => one.trim(),
                _ => "several",
            };
            match (var.as_str(), single) {
                ("pubsub#deliver", "1" | "true") => self.deliver = true,
                ("pubsub#deliver", "0" | "false") => self.deliver = false,
                ("pubsub#expire", "" | "never") => self.expires_ms = None,
                ("pubsub#expire", stamp) => {
                    let at_ms = parse_timestamp(stamp).filter(|at_ms| *at_ms > now_ms);
                    self.expires_ms = Some(at_ms.ok_or_else(invalid)?);
                }
                ("pubsub#show-values", _) => {
                    let known = |value: &String| SHOWS.iter().find(|show| **show == value.trim()).copied();
                    self.shows = values.iter().map(known).collect::<Option<_>>().ok_or_else(invalid)?;
                    self.shows.sort_unstable();
                    self.shows.dedup();
                }
                ("pubsub#digest" | "pubsub#include_body", "0" | "false")
                | ("pubsub#digest_frequency", "" | "0")
                | ("pubsub#subscription_type", "items")
                | ("pubsub#subscription_depth", "1") => {}
                _ => return Err(invalid()),
            }
        }
        Ok(())
    }

    /// The fields of the form, each with its type and values.
    pub fn fields(&self) -> Vec<(&'static str, &'static str, Vec<String>)> {
        vec![
            ("pubsub#deliver", "boolean", vec![u8::from(self.deliver).to_string()]),
            ("pubsub#expire", "text-single", self.expires_ms.map(timestamp).into_iter().collect()),
            ("pubsub#show-values", "list-multi", self.shows.iter().map(|show| (*show).to_owned()).collect()),
        ]
    }

    /// The form in which they are kept.
    pub fn to_stored(&self) -> String {
        let expires = self.expires_ms.map(|at_ms| format!("expires {at_ms}\n")).unwrap_or_default();
        let shows: String = self.shows.iter().map(|show| format!("show {show}\n")).collect();
        format!("deliver {}\n{expires}{shows}", u8::from(self.deliver))
    }

    /// Reads the form that is kept; what it does not say is as by default.
    pub fn from_stored(stored: &str) -> Self {
        let mut terms = Self::default();
        for (var, value) in stored.lines().filter_map(|line| line.split_once(' ')) {
            match var {
                "deliver" => terms.deliver = value == "1",
                "expires" => terms.expires_ms = value.parse().ok(),
                "show" => terms.shows.extend(SHOWS.iter().find(|show| **show == value)),
                _ => {}
            }
        }
        terms
    }

    /// Whether the subscription's time is not over.
    pub fn lasts_at(&self, now_ms: u64) -> bool {
        self.expires_ms.is_none_or(|at_ms| now_ms < at_ms)
    }

    /// Whether its subscriber is told of what happens now.
    pub fn deliver_at(&self, now_ms: u64) -> bool {
        self.deliver && self.lasts_at(now_ms)
    }

    /// Whether a client that shows this is told; `None` for one that shows nothing but that it is there.
    pub fn take(&self, show: Option<&str>) -> bool {
        self.shows.is_empty() || self.shows.contains(&show.unwrap_or("online"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(var: &str, values: &[&str]) -> Vec<(String, Vec<String>)> {
        vec![(var.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())]
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let mut terms = Terms::default();
        assert_eq!(Terms::from_stored(&terms.to_stored()), terms);
        terms.set_all(&field("pubsub#deliver", &["0"]), 0).unwrap();
        terms.set_all(&field("pubsub#expire", &["2006-02-28T23:59:59Z"]), 0).unwrap();
        terms.set_all(&field("pubsub#show-values", &["online", "chat"]), 0).unwrap();
        assert_eq!(Terms::from_stored(&terms.to_stored()), terms);
        assert!(terms.take(Some("chat")) && terms.take(None) && !terms.take(Some("dnd")));
    }

    /// Sections 6.3.5.2 and 12.18.
    #[test]
    fn values_that_mean_nothing_are_refused() {
        for (var, values) in [
            ("pubsub#deliver", &["maybe"][..]),
            ("pubsub#digest", &["1"]),
            ("pubsub#expire", &["yesterday"]),
            ("pubsub#expire", &["1999-01-01T00:00:00Z"]),
            ("pubsub#show-values", &["invisible"]),
            ("pubsub#unheard_of", &["1"]),
        ] {
            let refused = Terms::default().set_all(&field(var, values), 1_000_000_000_000);
            assert!(matches!(refused, Err(Error::PubSub(Refusal::InvalidOptions))), "{var}");
        }
    }
}
