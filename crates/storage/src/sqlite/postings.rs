//! What the archive's index holds of a message: an entry for each way in which one of its owners may ask for it.

use super::runs::Posting;
use crate::copies::Kind;
use crate::keys::Keys;
use crate::words;
use rusqlite::Connection;
use waxwing_chat::account::AccountId;

/// The keys of a database.
pub(super) fn keys(db: &Connection) -> rusqlite::Result<Keys> {
    db.query_row("SELECT secret FROM index_secret", [], |row| row.get(0)).map(Keys::new)
}

/// Makes the entries of one message after the other.
pub(super) struct Postings {
    keys: Keys,
    /// What stands for each word of the message at hand.
    words: Vec<u64>,
    /// What stands for each of its labels.
    labels: Vec<u64>,
    scratch: String,
}

impl Postings {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, words: Vec::new(), labels: Vec::new(), scratch: String::new() }
    }

    /// Turns to the next message.
    pub(super) fn read<'l>(&mut self, text: Option<&str>, labels: impl Iterator<Item = &'l str>) {
        let (keys, words) = (&self.keys, &mut self.words);
        words.clear();
        words::each_word(text.unwrap_or(""), &mut self.scratch, |word| words.push(keys.word(word)));
        self.labels.clear();
        self.labels.extend(labels.map(|label| keys.label(label)));
    }

    /// The keys of its labels for one of its owners.
    pub(super) fn labels_of(&self, owner: AccountId) -> impl Iterator<Item = u64> {
        let keys = self.keys.of(owner);
        self.labels.iter().map(move |label| keys.word(*label))
    }

    /// The entries of one copy of it; returns the key of its conversation. What only waits has none.
    pub(super) fn of_copy(
        &self,
        id: u64,
        owner: AccountId,
        bare: &str,
        kind: Kind,
        out: &mut Vec<Posting>,
    ) -> Option<u64> {
        if kind == Kind::Waits {
            return None;
        }
        let keys = self.keys.of(owner);
        let contact = keys.contact(bare);
        out.push(Posting::new(keys.archived(), id));
        out.push(Posting::new(contact, id));
        if kind == Kind::ArchivedAndWaits {
            out.push(Posting::new(keys.waiting(), id));
        }
        let more = self.words.iter().chain(&self.labels);
        out.extend(more.map(|word| Posting::new(keys.word(*word), id)));
        Some(contact)
    }
}

/// The bare form of an address as it stands in a message.
pub(super) fn bare(address: &str) -> &str {
    address.split('/').next().unwrap_or(address)
}
