//! Writing to the archive: ids, duplicates, the message and its index entries.

use rusqlite::{Connection, Statement, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{Append, ArchiveId, Committed};

use super::{Options, copies, hashes, numbers};
use crate::words;

/// What the archive's writer keeps between transactions.
#[derive(Debug, Clone, Copy)]
struct State {
    /// The newest id given out.
    last: u64,
    /// How many messages were ever appended.
    appended: u64,
    /// Which generation of client ids is being written: the number of whole windows since the Unix epoch.
    generation: u64,
}

/// Appends messages inside a transaction that someone else opens and commits.
pub(super) struct Appender<'c> {
    db: &'c Connection,
    now_us: fn() -> u64,
    window_us: u64,
    state: State,
    /// The state to return to when the transaction fails.
    saved: State,
    message: Statement<'c>,
    copy: Statement<'c>,
    conversation: Statement<'c>,
    word: Statement<'c>,
    find_sent: [Statement<'c>; 2],
    put_sent: [Statement<'c>; 2],
    column: Vec<u8>,
    terms: String,
}

impl<'c> Appender<'c> {
    pub(super) fn new(db: &'c Connection, options: &Options) -> rusqlite::Result<Self> {
        let state = State {
            last: numbers::counter(db, "last_archive_id")?,
            appended: numbers::counter(db, "appended")?,
            generation: numbers::counter(db, "generation")?,
        };
        Ok(Self {
            db,
            now_us: options.now_us,
            window_us: u64::try_from(options.dedupe_window.as_micros())
                .unwrap_or(u64::MAX)
                .max(1),
            state,
            saved: state,
            message: db.prepare("INSERT INTO message (id, copies, text, xml) VALUES (?1, ?2, ?3, ?4)")?,
            copy: db.prepare("INSERT INTO copy (owner, waits, id) VALUES (?1, ?2, ?3)")?,
            conversation: db.prepare("INSERT INTO conversation (owner, peer, id) VALUES (?1, ?2, ?3)")?,
            word: db.prepare("INSERT INTO word (rowid, terms) VALUES (?1, ?2)")?,
            find_sent: [
                db.prepare("SELECT id FROM sent_0 WHERE owner = ?1 AND client_id = ?2")?,
                db.prepare("SELECT id FROM sent_1 WHERE owner = ?1 AND client_id = ?2")?,
            ],
            put_sent: [
                db.prepare("INSERT INTO sent_0 (owner, client_id, id) VALUES (?1, ?2, ?3)")?,
                db.prepare("INSERT INTO sent_1 (owner, client_id, id) VALUES (?1, ?2, ?3)")?,
            ],
            column: Vec::new(),
            terms: String::new(),
        })
    }

    pub(super) fn begin(&mut self) {
        self.saved = self.state;
    }

    pub(super) fn rolled_back(&mut self) {
        // Ids given out in vain are not given again: a gap costs nothing, and a reader may have seen the clock.
        self.state = State {
            last: self.state.last,
            ..self.saved
        };
    }

    pub(super) fn committed(&mut self) {
        self.saved = self.state;
    }

    /// Archives one message, or finds that it has been archived before.
    pub(super) fn append(&mut self, message: &Append) -> rusqlite::Result<Committed> {
        let now = (self.now_us)();
        let key = match &message.dedupe {
            None => None,
            Some((owner, client_id)) => {
                let key = hashes::client_id(client_id);
                if let Some(id) = self.find(*owner, &key)? {
                    return Ok(Committed::Duplicate(id));
                }
                Some((*owner, key))
            }
        };
        let id = now.max(self.state.last + 1);
        self.state.last = id;
        let row = numbers::int(id);
        self.column.clear();
        copies::encode(&message.copies, &mut self.column);
        self.message
            .execute(params![row, self.column, message.text, message.xml])?;
        for copy in &message.copies {
            self.copy
                .execute(params![copy.owner.0, copies::waits(copy), row])?;
            let peer = hashes::peer(copy.peer.bare_str());
            self.conversation.execute(params![copy.owner.0, peer, row])?;
        }
        if let Some(text) = &message.text {
            words::document(message.copies.iter().map(|c| c.owner), text, &mut self.terms);
            if !self.terms.is_empty() {
                self.word.execute(params![row, self.terms])?;
            }
        }
        if let Some((owner, key)) = key {
            self.remember(owner, &key, now, row)?;
        }
        self.state.appended += 1;
        Ok(Committed::New(ArchiveId(id)))
    }

    fn find(&mut self, owner: AccountId, key: &[u8; 16]) -> rusqlite::Result<Option<ArchiveId>> {
        for statement in &mut self.find_sent {
            let mut rows = statement.query(params![owner.0, key])?;
            if let Some(row) = rows.next()? {
                return Ok(Some(ArchiveId(numbers::uint(row.get(0)?))));
            }
        }
        Ok(None)
    }

    fn remember(&mut self, owner: AccountId, key: &[u8; 16], now: u64, row: i64) -> rusqlite::Result<()> {
        let generation = now / self.window_us;
        if generation > self.state.generation {
            // The table whose turn it is holds what is older than a whole window.
            self.db.execute_batch(if generation.is_multiple_of(2) {
                "DELETE FROM sent_0"
            } else {
                "DELETE FROM sent_1"
            })?;
            if generation - self.state.generation > 1 {
                self.db.execute_batch("DELETE FROM sent_0; DELETE FROM sent_1")?;
            }
            self.state.generation = generation;
        }
        let turn = (self.state.generation % 2) as usize;
        self.put_sent[turn].execute(params![owner.0, key, row]).map(drop)
    }

    /// Writes what the archive keeps about itself; the last thing in a transaction.
    pub(super) fn finish(&mut self) -> rusqlite::Result<()> {
        let (old, new) = (self.saved, self.state);
        if old.last != new.last {
            numbers::set_counter(self.db, "last_archive_id", new.last)?;
        }
        if old.appended != new.appended {
            numbers::set_counter(self.db, "appended", new.appended)?;
        }
        if old.generation != new.generation {
            numbers::set_counter(self.db, "generation", new.generation)?;
        }
        Ok(())
    }
}
