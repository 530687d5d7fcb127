//! The newest messages, which no run holds yet: an index in memory that readers put in front of the runs.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::copies::Kind;

/// One owner's copy of a message, as an index sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) owner: i64,
    pub(super) id: i64,
    /// The key of its conversation.
    pub(super) contact: u64,
    pub(super) kind: Kind,
}

/// The entries by owner, each owner's in the order of their ids.
#[derive(Default)]
pub(super) struct Tail {
    entries: RwLock<Entries>,
}

#[derive(Default)]
struct Entries {
    owners: HashMap<i64, Vec<Entry>>,
    /// Those that carry a label, by its key, which is one owner's alone.
    labelled: HashMap<u64, Vec<Entry>>,
}

impl Tail {
    /// Adds entries of committed messages, newer than all before.
    pub(super) fn add(&self, entries: &[Entry], labelled: &[(u64, Entry)]) {
        let mut all = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            all.owners.entry(entry.owner).or_default().push(*entry);
        }
        for (key, entry) in labelled {
            all.labelled.entry(*key).or_default().push(*entry);
        }
    }

    /// Drops entries that a run holds now.
    pub(super) fn forget(&self, up_to: i64) {
        let mut all = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let forget = |entries: &mut Vec<Entry>| {
            let kept = entries.partition_point(|entry| entry.id <= up_to);
            entries.drain(..kept);
            !entries.is_empty()
        };
        all.owners.retain(|_, entries| forget(entries));
        all.labelled.retain(|_, entries| forget(entries));
    }

    /// An owner's entries. To be asked before the read transaction begins: what becomes a run in between is then
    /// seen twice, which does no harm, and never missed.
    pub(super) fn of(&self, owner: i64) -> Vec<Entry> {
        let all = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        all.owners.get(&owner).cloned().unwrap_or_default()
    }

    /// Those of an owner's entries that carry a label, by its key. Likewise to be asked before the read transaction.
    pub(super) fn labelled(&self, key: u64) -> Vec<Entry> {
        let all = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        all.labelled.get(&key).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_of_each_owner() {
        let tail = Tail::default();
        let entry = |owner, id| Entry { owner, id, contact: 0, kind: Kind::Archived };
        tail.add(&[entry(1, 10), entry(2, 10)], &[(7, entry(2, 10))]);
        tail.add(&[entry(1, 11)], &[(8, entry(1, 11))]);
        assert_eq!(tail.labelled(7), [entry(2, 10)]);
        tail.forget(10);
        assert_eq!(tail.of(1), [entry(1, 11)]);
        assert_eq!((tail.of(2), tail.labelled(7), tail.labelled(8).len()), (vec![], vec![], 1));
        let all = tail.entries.read().unwrap();
        assert_eq!((all.owners.len(), all.labelled.len()), (1, 1), "nothing is kept for nothing");
    }
}
