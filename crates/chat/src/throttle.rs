//! Slows guessing down: delays for each (account, address prefix), for each prefix, and a budget of failures for all.
//!
//! Nobody is ever locked out by a stranger elsewhere: an account as such has no counter. What an attempt costs depends on
//! where it comes from, and on the budget of the whole server, which delays by a bounded time and spares the places an
//! account has signed in from before.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Attempts of one account from one prefix, since its last success there, that cost no delay.
pub const FREE_ATTEMPTS_PER_PAIR: u32 = 5;

/// Failed attempts from one prefix, for whatever accounts, that cost no delay.
pub const FREE_ATTEMPTS_PER_PREFIX: u32 = 30;

/// The first delay; each further attempt doubles it.
pub const FIRST_DELAY_MS: u64 = 500;

/// The longest distance between two attempts.
pub const LONGEST_DELAY_MS: u64 = 60_000;

/// Who would have to wait longer than this is refused at once with the request to come back later.
pub const LONGEST_WAIT_MS: u64 = 15_000;

/// Without an attempt for this long, what was counted is forgotten.
pub const MEMORY_MS: u64 = 30 * 60 * 1000;

/// Failed attempts that the whole server bears at once before it delays those from unfamiliar places.
pub const BUDGET: u64 = 500;

/// Failed attempts a second that the budget regains.
pub const BUDGET_PER_SECOND: u64 = 20;

/// The delay of an attempt from an unfamiliar place while the budget is spent.
pub const BUDGET_DELAY_MS: u64 = 2000;

/// How many entries each of the two generations of each table holds.
pub const ENTRIES_LIMIT: usize = 32_768;

/// An address cut to what one subscriber usually has: /24 of IPv4, /64 of IPv6; none for a local socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Prefix(u64);

impl Prefix {
    fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self(0),
            Some(IpAddr::V4(v4)) => {
                let [a, b, c, _] = v4.octets();
                // The first 64 bits of an IPv6 unicast address are never this small.
                Self(1 << 32 | u64::from(u32::from_be_bytes([0, a, b, c])))
            }
            Some(IpAddr::V6(v6)) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    attempts: u32,
    /// When the last attempt was answered, or will be.
    answered_ms: u64,
    last_ms: u64,
    /// The account has signed in from here.
    familiar: bool,
}

impl Count {
    /// Counts an attempt and gives the moment at which it may be answered. Attempts at the same time queue up behind
    /// each other, so that many connections are no faster than one.
    fn charge(&mut self, free: u32, now_ms: u64) -> u64 {
        if now_ms.saturating_sub(self.last_ms) > MEMORY_MS {
            *self = Self { familiar: self.familiar, ..Self::default() };
        }
        self.last_ms = now_ms;
        let at = match (self.attempts + 1).checked_sub(free + 1) {
            None => now_ms,
            Some(over) => {
                let gap = FIRST_DELAY_MS.saturating_mul(1 << over.min(16)).min(LONGEST_DELAY_MS);
                now_ms.max(self.answered_ms + gap)
            }
        };
        // What is refused leaves no mark, so that trying on does not put the moment off.
        if at - now_ms <= LONGEST_WAIT_MS {
            self.attempts = self.attempts.saturating_add(1).min(u32::MAX - 1);
            self.answered_ms = at;
        }
        at
    }
}

/// A table in two generations: what was not touched while one filled up is forgotten.
#[derive(Debug)]
struct Table<K> {
    young: HashMap<K, Count>,
    old: HashMap<K, Count>,
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<K: Copy + Eq + Hash> Table<K> {
    fn entry(&mut self, key: K) -> &mut Count {
        if !self.young.contains_key(&key) && self.young.len() >= ENTRIES_LIMIT {
            self.old = std::mem::take(&mut self.young);
        }
        let old = self.old.remove(&key);
        self.young.entry(key).or_insert_with(|| old.unwrap_or_default())
    }
}

#[derive(Debug, Default)]
struct Tables {
    /// By a hash of the account's address, so that long names cost nothing.
    pairs: Table<(u64, Prefix)>,
    prefixes: Table<Prefix>,
    spent: u64,
    refilled_ms: u64,
}

impl Tables {
    /// Gives back what the budget has regained; answers whether any of it is left.
    fn refill(&mut self, now_ms: u64) -> bool {
        let regained = now_ms.saturating_sub(self.refilled_ms).saturating_mul(BUDGET_PER_SECOND) / 1000;
        if regained > 0 {
            self.spent = self.spent.saturating_sub(regained);
            self.refilled_ms = now_ms;
        }
        self.spent < BUDGET
    }
}

/// Counts attempts to sign in.
#[derive(Debug, Default)]
pub struct Throttle {
    hasher: RandomState,
    tables: Mutex<Tables>,
}

/// Whether an attempt may be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// After this many milliseconds, often none.
    After(u64),
    /// Not now.
    Refused,
}

impl Throttle {
    /// Counts an attempt before it is answered. It counts as failed until `succeeded` says otherwise, so that what is
    /// tried at the same time is counted too.
    pub fn attempt(&self, account: &str, address: Option<IpAddr>, now_ms: u64) -> Verdict {
        let key = (self.hasher.hash_one(account), Prefix::of(address));
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let in_budget = tables.refill(now_ms);
        tables.spent = (tables.spent + 1).min(BUDGET);
        let pair = tables.pairs.entry(key);
        let familiar = pair.familiar;
        let mut at = pair.charge(FREE_ATTEMPTS_PER_PAIR, now_ms);
        if !familiar {
            at = at.max(tables.prefixes.entry(key.1).charge(FREE_ATTEMPTS_PER_PREFIX, now_ms));
            if !in_budget {
                at = at.max(now_ms + BUDGET_DELAY_MS);
            }
        }
        match at - now_ms {
            wait if wait > LONGEST_WAIT_MS => Verdict::Refused,
            wait => Verdict::After(wait),
        }
    }

    /// Notes that the account signed in from there: its count begins anew, and the place is familiar.
    pub fn succeeded(&self, account: &str, address: Option<IpAddr>, now_ms: u64) {
        let key = (self.hasher.hash_one(account), Prefix::of(address));
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.spent = tables.spent.saturating_sub(1);
        let pair = tables.pairs.entry(key);
        let was_familiar =
            std::mem::replace(pair, Count { last_ms: now_ms, familiar: true, ..Count::default() }).familiar;
        if !was_familiar {
            let prefix = tables.prefixes.entry(key.1);
            prefix.attempts = prefix.attempts.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn wait(verdict: Verdict) -> u64 {
        match verdict {
            Verdict::After(ms) => ms,
            Verdict::Refused => u64::MAX,
        }
    }

    #[test]
    fn delays_double_behind_the_free_attempts() {
        let throttle = Throttle::default();
        let mut now = NOW;
        let mut waits = Vec::new();
        for _ in 0..9 {
            let waited = wait(throttle.attempt("romeo@localhost", ip("192.0.2.1"), now));
            waits.push(waited);
            now += waited;
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 500, 1000, 2000, 4000]);
    }

    /// Many connections at once are no faster than one after the other.
    #[test]
    fn attempts_at_the_same_time_queue_up() {
        let throttle = Throttle::default();
        let answered: Vec<u64> =
            (0..1000).map(|_| wait(throttle.attempt("romeo@localhost", ip("192.0.2.1"), NOW))).collect();
        let within_a_minute = answered.iter().filter(|w| **w <= 60_000).count();
        assert_eq!(answered[5..9], [500, 1500, 3500, 7500]);
        assert_eq!(within_a_minute, 9);
    }

    /// No lock-out: failures elsewhere cost the owner nothing.
    #[test]
    fn a_stranger_elsewhere_delays_nobody() {
        let throttle = Throttle::default();
        for _ in 0..100 {
            throttle.attempt("romeo@localhost", ip("203.0.113.9"), NOW);
        }
        assert_eq!(throttle.attempt("romeo@localhost", ip("203.0.113.77"), NOW), Verdict::Refused);
        assert_eq!(throttle.attempt("romeo@localhost", ip("192.0.2.1"), NOW), Verdict::After(0));
    }

    /// However often someone failed, a minute later the next attempt is answered.
    #[test]
    fn nobody_waits_longer_than_the_longest_delay() {
        let throttle = Throttle::default();
        for second in 0..600 {
            throttle.attempt("romeo@localhost", ip("192.0.2.1"), NOW + second * 1000);
        }
        let later = NOW + 599_000 + LONGEST_DELAY_MS;
        assert_ne!(throttle.attempt("romeo@localhost", ip("192.0.2.1"), later), Verdict::Refused);
    }

    #[test]
    fn prefixes_are_24_and_64_bits() {
        let same = |a, b| Prefix::of(ip(a)) == Prefix::of(ip(b));
        assert!(same("192.0.2.1", "192.0.2.254"));
        assert!(!same("192.0.2.1", "192.0.3.1"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:192.0.2.9", "192.0.2.1"));
        assert!(!same("::1", "0.0.0.0"));
    }

    /// One password tried on many accounts is slowed by where it comes from.
    #[test]
    fn spraying_is_counted_by_prefix() {
        let throttle = Throttle::default();
        for i in 0..FREE_ATTEMPTS_PER_PREFIX {
            assert_eq!(throttle.attempt(&format!("u{i}"), ip("192.0.2.1"), NOW), Verdict::After(0));
        }
        assert_eq!(throttle.attempt("another", ip("192.0.2.1"), NOW), Verdict::After(FIRST_DELAY_MS));
    }

    /// A neighbour in the same network who keeps failing does not slow the one who has signed in from there before.
    #[test]
    fn a_familiar_place_is_spared() {
        let throttle = Throttle::default();
        throttle.attempt("juliet@localhost", ip("192.0.2.1"), NOW);
        throttle.succeeded("juliet@localhost", ip("192.0.2.1"), NOW);
        for i in 0..1000 {
            throttle.attempt(&format!("u{i}"), ip("192.0.2.1"), NOW);
        }
        assert_eq!(throttle.attempt("juliet@localhost", ip("192.0.2.9"), NOW), Verdict::After(0));
        assert_eq!(throttle.attempt("newcomer@localhost", ip("192.0.2.9"), NOW), Verdict::Refused);
    }

    #[test]
    fn success_and_time_clear_the_count() {
        let throttle = Throttle::default();
        for _ in 0..7 {
            throttle.attempt("romeo@localhost", ip("192.0.2.1"), NOW);
        }
        throttle.succeeded("romeo@localhost", ip("192.0.2.1"), NOW);
        assert_eq!(throttle.attempt("romeo@localhost", ip("192.0.2.1"), NOW), Verdict::After(0));
        for _ in 0..8 {
            throttle.attempt("nurse@localhost", ip("198.51.100.1"), NOW);
        }
        assert_ne!(throttle.attempt("nurse@localhost", ip("198.51.100.1"), NOW), Verdict::After(0));
        let later = NOW + MEMORY_MS + 1;
        assert_eq!(throttle.attempt("nurse@localhost", ip("198.51.100.1"), later), Verdict::After(0));
    }

    /// The budget of the whole server: attempts from everywhere are delayed by a bounded time, and only for a while.
    #[test]
    fn the_budget_delays_and_regains() {
        let throttle = Throttle::default();
        throttle.succeeded("juliet@localhost", ip("198.51.100.1"), NOW);
        for i in 0..BUDGET {
            let address = IpAddr::from([10, (i >> 8) as u8, i as u8, 1]);
            assert_eq!(throttle.attempt("romeo@localhost", Some(address), NOW), Verdict::After(0));
        }
        assert_eq!(
            throttle.attempt("romeo@localhost", ip("192.0.2.1"), NOW),
            Verdict::After(BUDGET_DELAY_MS)
        );
        assert_eq!(throttle.attempt("juliet@localhost", ip("198.51.100.1"), NOW), Verdict::After(0));
        assert_eq!(throttle.attempt("romeo@localhost", ip("192.0.2.1"), NOW + 1000), Verdict::After(0));
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::default();
        for i in 0..200_000u32 {
            let [a, b, c, _] = (i << 8).to_be_bytes();
            throttle.attempt("romeo@localhost", Some(IpAddr::from([a, b, c, 1])), NOW);
        }
        let tables = throttle.tables.lock().unwrap();
        assert!(tables.pairs.young.len() + tables.pairs.old.len() <= 2 * ENTRIES_LIMIT);
        assert!(tables.prefixes.young.len() + tables.prefixes.old.len() <= 2 * ENTRIES_LIMIT);
    }
}
