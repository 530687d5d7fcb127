//! The connections to and from other servers, for administrators.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use waxwing_xmpp::s2s::{Pair, Proof};

use crate::observe::names;

/// One pair of domains on a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// `in` for a connection that the other server opened, `out` for one of ours.
    pub direction: String,
    /// The domain that sends.
    pub from: String,
    /// The domain that receives.
    pub to: String,
    /// The other server's address.
    pub address: String,
    /// How the domain that connected has proven itself: `certificate` or `dialback`.
    pub proof: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    entries: Mutex<(u64, BTreeMap<u64, Connected>)>,
}

/// One entry, there as long as this is.
#[derive(Debug)]
pub(crate) struct Entry {
    connections: Arc<Connections>,
    number: u64,
    direction: &'static str,
}

impl Connections {
    /// Adds an authenticated pair.
    pub(crate) fn add(
        self: &Arc<Self>,
        direction: &'static str,
        pair: &Pair,
        proof: Proof,
        address: String,
        since_ms: u64,
    ) -> Entry {
        let connected = Connected {
            direction: direction.to_owned(),
            from: pair.from.to_string(),
            to: pair.to.to_string(),
            address,
            proof: proof.name().to_owned(),
            since_ms,
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.0 += 1;
        let number = entries.0;
        entries.1.insert(number, connected);
        metrics::gauge!(names::FEDERATED_PAIRS, "direction" => direction).increment(1);
        Entry { connections: Arc::clone(self), number, direction }
    }

    pub(crate) fn list(&self) -> Vec<Connected> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).1.values().cloned().collect()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut entries = self.connections.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.1.remove(&self.number);
        metrics::gauge!(names::FEDERATED_PAIRS, "direction" => self.direction).decrement(1);
    }
}
