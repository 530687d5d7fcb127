//! What a subscriber decides about his subscription (XEP-0060 section 16.4.2).

use super::refusal::Refusal;
use crate::error::{Error, Result};
use crate::time::{parse_timestamp, timestamp};

/// The states of presence that a subscriber may name, in the order of forms.
pub const SHOWS: &[&str] = &["away", "chat", "dnd", "online", "xa"];

/// How long a subscription lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until it is ended.
    Ended,
    /// Until then, milliseconds since the Unix epoch.
    At(u64),
    /// Until its subscriber is not online any more (section 13.5).
    Offline,
}

/// The word for [`Until::Offline`].
const WITH_PRESENCE: &str = "presence";

/// The terms of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// He is told of what happens.
    pub deliver: bool,
    /// How long it lasts.
    pub until: Until,
    /// The states of presence in which a client of his is told; empty for all, and for not looking at it.
    pub shows: Vec<&'static str>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { deliver: true, until: Until::Ended, shows: Vec::new() }
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
                ("pubsub#expire", "" | "never") => self.until = Until::Ended,
                ("pubsub#expire", WITH_PRESENCE) => self.until = Until::Offline,
                ("pubsub#expire", stamp) => {
                    let at_ms = parse_timestamp(stamp).filter(|at_ms| *at_ms > now_ms);
                    self.until = Until::At(at_ms.ok_or_else(invalid)?);
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
        let until = match self.until {
            Until::Ended => None,
            Until::At(at_ms) => Some(timestamp(at_ms)),
            Until::Offline => Some(WITH_PRESENCE.to_owned()),
        };
        vec![
            ("pubsub#deliver", "boolean", vec![u8::from(self.deliver).to_string()]),
            ("pubsub#expire", "text-single", until.into_iter().collect()),
            ("pubsub#show-values", "list-multi", self.shows.iter().map(|show| (*show).to_owned()).collect()),
        ]
    }

    /// The form in which they are kept.
    pub fn to_stored(&self) -> String {
        let expires = match self.until {
            Until::Ended => String::new(),
            Until::At(at_ms) => format!("expires {at_ms}\n"),
            Until::Offline => format!("expires {WITH_PRESENCE}\n"),
        };
        let shows: String = self.shows.iter().map(|show| format!("show {show}\n")).collect();
        format!("deliver {}\n{expires}{shows}", u8::from(self.deliver))
    }

    /// Reads the form that is kept; what it does not say is as by default.
    pub fn from_stored(stored: &str) -> Self {
        let mut terms = Self::default();
        for (var, value) in stored.lines().filter_map(|line| line.split_once(' ')) {
            match var {
                "deliver" => terms.deliver = value == "1",
                "expires" if value == WITH_PRESENCE => terms.until = Until::Offline,
                "expires" => terms.until = value.parse().map_or(Until::Ended, Until::At),
                "show" => terms.shows.extend(SHOWS.iter().find(|show| **show == value)),
                _ => {}
            }
        }
        terms
    }

    /// Whether the subscription's time is not over.
    pub fn lasts_at(&self, now_ms: u64) -> bool {
        !matches!(self.until, Until::At(at_ms) if now_ms >= at_ms)
    }

    /// Whether the subscription ends when its subscriber goes offline.
    pub fn is_temporary(&self) -> bool {
        self.until == Until::Offline
    }

    /// Whether a subscription on these terms tells its subscriber the same as one on others.
    pub fn delivers_like(&self, other: &Self) -> bool {
        self.deliver == other.deliver && self.shows == other.shows
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
        terms.set_all(&field("pubsub#expire", &["presence"]), 0).unwrap();
        assert!(terms.is_temporary() && terms.lasts_at(u64::MAX));
        assert_eq!(Terms::from_stored(&terms.to_stored()), terms);
        assert!(terms.take(Some("chat")) && terms.take(None) && !terms.take(Some("dnd")));
    }

    /// Sections 6.3.6.2 and 13.19.
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
