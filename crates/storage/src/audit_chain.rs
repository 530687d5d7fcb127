//! The hash chain of the audit log: changing, removing or inserting a record breaks every hash behind it.

use sha2::{Digest, Sha256};
use waxwing_chat::audit::{AuditEntry, AuditRecord};

/// The hash before the first record.
pub(crate) const START: &str = "";

/// The hash of a record: SHA-256 over the hash before it and its fields, each behind its length, so that no two different
/// records give the same input.
pub(crate) fn hash(previous: &str, number: u64, entry: &AuditEntry) -> String {
    let mut sha = Sha256::new();
    let mut field = |bytes: &[u8]| {
        sha.update((bytes.len() as u64).to_be_bytes());
        sha.update(bytes);
    };
    field(previous.as_bytes());
    field(&number.to_be_bytes());
    field(&entry.at_ms.to_be_bytes());
    for text in [&entry.actor, &entry.action, &entry.target, &entry.detail] {
        field(text.as_bytes());
    }
    sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks records one after the other, oldest first.
#[derive(Debug)]
pub(crate) struct Checker {
    previous: String,
    number: u64,
}

impl Checker {
    pub(crate) fn new() -> Self {
        Self { previous: START.to_owned(), number: 0 }
    }

    /// Whether the record follows the ones before it unchanged.
    pub(crate) fn check(&mut self, record: &AuditRecord) -> bool {
        self.number += 1;
        let sound =
            record.number == self.number && record.hash == hash(&self.previous, record.number, &record.entry);
        self.previous.clone_from(&record.hash);
        sound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Vec<AuditRecord> {
        let mut previous = START.to_owned();
        (1..=3)
            .map(|number| {
                let entry = AuditEntry {
                    at_ms: number,
                    actor: "local".into(),
                    action: "user.add".into(),
                    target: format!("u{number}@localhost"),
                    detail: String::new(),
                };
                let hash = hash(&previous, number, &entry);
                previous.clone_from(&hash);
                AuditRecord { number, entry, hash }
            })
            .collect()
    }

    fn broken(records: &[AuditRecord]) -> Option<usize> {
        let mut checker = Checker::new();
        records.iter().position(|record| !checker.check(record))
    }

    #[test]
    fn tampering_shows() {
        assert_eq!(broken(&chain()), None);
        let mut changed = chain();
        changed[1].entry.target = "other@localhost".into();
        assert_eq!(broken(&changed), Some(1));
        let mut removed = chain();
        removed.remove(1);
        assert_eq!(broken(&removed), Some(1));
        let mut rehashed = chain();
        rehashed[0].entry.actor = "mallory".into();
        rehashed[0].hash = hash(START, 1, &rehashed[0].entry);
        assert_eq!(broken(&rehashed), Some(1), "the next one still knows the old hash");
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let mut one = chain().remove(0).entry;
        let mut other = one.clone();
        (one.actor, one.action) = ("ab".into(), "c".into());
        (other.actor, other.action) = ("a".into(), "bc".into());
        assert_ne!(hash(START, 1, &one), hash(START, 1, &other));
    }
}
