//! How often one token or webhook may ask: so many times in each minute of the clock.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::problem::Problem;

const MINUTE_MS: u64 = 60_000;

/// How many are counted at one time; when there are more, those of past minutes go.
const COUNTED_LIMIT: usize = 10_000;

/// The counts of this minute.
#[derive(Default)]
pub(super) struct Rates {
    counts: Mutex<HashMap<String, (u64, u32)>>,
}

impl Rates {
    /// Counts one request.
    pub(super) fn spend(&self, who: &str, limit: u32, now_ms: u64) -> Result<(), Problem> {
        let minute = now_ms / MINUTE_MS;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= COUNTED_LIMIT {
            counts.retain(|_, (counted, _)| *counted == minute);
        }
        let (counted, spent) = counts.entry(who.to_owned()).or_insert((minute, 0));
        if *counted != minute {
            (*counted, *spent) = (minute, 0);
        }
        if *spent >= limit {
            return Err(Problem::wait(MINUTE_MS - now_ms % MINUTE_MS));
        }
        *spent += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_many_a_minute() {
        let rates = Rates::default();
        assert!(rates.spend("a", 2, 0).is_ok() && rates.spend("a", 2, 59_000).is_ok());
        assert_eq!(rates.spend("a", 2, 59_500).expect_err("too many").retry_after_ms, Some(500));
        assert!(rates.spend("b", 2, 59_500).is_ok() && rates.spend("a", 2, 60_000).is_ok());
    }
}
