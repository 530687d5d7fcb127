//! What was sent in one direction and what of it arrived.

use std::collections::BTreeSet;

use serde::Serialize;

/// One direction of one conversation; messages are numbered from 0.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    sent: u64,
    /// The number that comes next when nothing goes wrong.
    next: u64,
    missing: BTreeSet<u64>,
    received: u64,
    duplicates: u64,
    out_of_order: u64,
}

/// The sum of many ledgers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    /// Messages written to the server.
    pub(crate) sent: u64,
    /// Messages that arrived, each counted once.
    pub(crate) received: u64,
    /// Messages that never arrived.
    pub(crate) lost: u64,
    /// Messages that arrived more than once.
    pub(crate) duplicates: u64,
    /// Messages that arrived after one that was sent later.
    pub(crate) out_of_order: u64,
}

impl Ledger {
    /// The number for the next message.
    pub(crate) fn send(&mut self) -> u64 {
        self.sent += 1;
        self.sent - 1
    }

    /// Notes an arrival; `false` when it had arrived before or was never sent.
    pub(crate) fn receive(&mut self, number: u64) -> bool {
        if number >= self.sent {
            self.duplicates += 1;
            return false;
        }
        if number >= self.next {
            self.missing.extend(self.next..number);
            self.next = number + 1;
        } else if self.missing.remove(&number) {
            self.out_of_order += 1;
        } else {
            self.duplicates += 1;
            return false;
        }
        self.received += 1;
        true
    }

    /// Whether all that was sent has arrived.
    pub(crate) fn is_settled(&self) -> bool {
        self.received == self.sent
    }
}

impl Tally {
    pub(crate) fn add(&mut self, ledger: &Ledger) {
        self.sent += ledger.sent;
        self.received += ledger.received;
        self.lost += ledger.sent - ledger.received;
        self.duplicates += ledger.duplicates;
        self.out_of_order += ledger.out_of_order;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_duplicates_and_order() {
        let mut ledger = Ledger::default();
        assert_eq!((0..6).map(|_| ledger.send()).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert!(ledger.receive(0));
        assert!(ledger.receive(3), "1 and 2 are missing");
        assert!(ledger.receive(2), "late");
        assert!(!ledger.receive(2), "twice");
        assert!(!ledger.receive(0), "twice");
        assert!(!ledger.receive(6), "never sent");
        assert!(ledger.receive(4));
        assert!(!ledger.is_settled());
        let mut tally = Tally::default();
        tally.add(&ledger);
        assert_eq!(tally, Tally { sent: 6, received: 4, lost: 2, duplicates: 3, out_of_order: 1 });
    }
}
