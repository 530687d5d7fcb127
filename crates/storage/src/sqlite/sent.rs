//! Clients' own ids of messages, by which a message that is sent again is recognised.
//!
//! They move into their tables with the pass that indexes their messages, sorted and in shares. Two tables take turns, each
//! for one window of time, so that forgetting the older ids costs one statement. In front of each stands a filter in memory,
//! made from the table after the start: nearly every message is new, and then no table needs to be asked.

use std::collections::HashMap;

use rusqlite::{Connection, Statement, params};
use waxwing_chat::account::AccountId;

use super::filter::Growing;
use super::numbers;

/// A client's own id of a message, hashed.
pub(super) type ClientId = [u8; 16];

/// Where a client's own id led.
#[derive(Debug, Clone, Copy)]
struct Sent {
    owner: i64,
    key: ClientId,
    id: i64,
}

/// What a filter knows an id by. It is a hash already.
fn mark(owner: i64, key: &ClientId) -> u64 {
    let mut half = [0; 8];
    half.copy_from_slice(&key[..8]);
    u64::from_le_bytes(half) ^ owner.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// As many ids of each table are read into its filter before the store is open; the others follow in shares.
const READ_AT_START: usize = 65_536;

/// As many in each transaction, and as many in one that has nothing else to do.
pub(super) const READ_SHARE: usize = 256;
pub(super) const READ_SPARE: usize = 16_384;

/// Up to where the ids of a table have been read.
#[derive(Debug, Clone, Copy)]
enum Read {
    /// Up to this one, and those that came since the start.
    To(i64, ClientId),
    All,
}

/// The ids that a table holds, and perhaps some that it holds no longer.
struct Held<'c> {
    ids: Growing,
    /// Since the transaction under way has emptied the table.
    since_emptied: Option<Growing>,
    /// When the transaction began, and now.
    read: (Read, Read),
    next: Statement<'c>,
}

impl<'c> Held<'c> {
    fn new(db: &'c Connection, table: &str) -> rusqlite::Result<Self> {
        let start = Read::To(i64::MIN, ClientId::default());
        let mut held = Self {
            ids: Growing::default(),
            since_emptied: None,
            read: (start, start),
            next: db.prepare(&format!(
                "SELECT owner, client_id FROM {table} WHERE (owner, client_id) > (?1, ?2) \
                 ORDER BY owner, client_id LIMIT ?3"
            ))?,
        };
        held.read_some(READ_AT_START)?;
        held.committed();
        Ok(held)
    }

    /// Reads some more of the table.
    fn read_some(&mut self, limit: usize) -> rusqlite::Result<()> {
        let Read::To(owner, key) = self.read.1 else { return Ok(()) };
        if self.since_emptied.is_some() {
            return Ok(());
        }
        let mut rows = self.next.query(params![owner, key, numbers::int(limit as u64)])?;
        let mut found = 0;
        while let Some(row) = rows.next()? {
            let (owner, key) = (row.get(0)?, row.get(1)?);
            self.ids.add(mark(owner, &key));
            self.read.1 = Read::To(owner, key);
            found += 1;
        }
        if found < limit {
            self.read.1 = Read::All;
        }
        Ok(())
    }

    fn is_read(&self) -> bool {
        matches!(self.read, (Read::All, Read::All))
    }

    /// Whether the table may have an id.
    fn may_have(&self, mark: u64) -> bool {
        !self.is_read() || self.ids.may_have(mark)
    }

    fn add(&mut self, mark: u64) {
        self.ids.add(mark);
        if let Some(ids) = &mut self.since_emptied {
            ids.add(mark);
        }
    }

    fn emptied(&mut self) {
        self.since_emptied = Some(Growing::default());
    }

    fn committed(&mut self) {
        if let Some(ids) = self.since_emptied.take() {
            (self.ids, self.read.1) = (ids, Read::All);
        }
        self.read.0 = self.read.1;
    }

    /// What it has more than the table does no harm.
    fn rolled_back(&mut self) {
        self.since_emptied = None;
        // In the transaction, rows may have been missing that are there again.
        self.read.1 = self.read.0;
    }
}

/// The writer's side of them.
pub(super) struct ClientIds<'c> {
    db: &'c Connection,
    window_us: i64,
    /// Those that are not in the tables.
    recent: HashMap<(i64, ClientId), i64>,
    /// Of the transaction under way.
    fresh: Vec<Sent>,
    /// Committed, and in no pass.
    gathered: Vec<Sent>,
    /// On their way into the tables: how many are in, and how many were when the transaction began.
    moving: Vec<Sent>,
    done: (usize, usize),
    /// Which table is being written: the number of whole windows since the Unix epoch.
    generation: (i64, i64),
    held: [Held<'c>; 2],
    find: [Statement<'c>; 2],
    put: [Statement<'c>; 2],
}

impl<'c> ClientIds<'c> {
    pub(super) fn new(db: &'c Connection, window_us: i64) -> rusqlite::Result<Self> {
        let generation = numbers::int(numbers::counter(db, "generation")?);
        Ok(Self {
            db,
            window_us,
            recent: HashMap::new(),
            fresh: Vec::new(),
            gathered: Vec::new(),
            moving: Vec::new(),
            done: (0, 0),
            generation: (generation, generation),
            held: [Held::new(db, "sent_0")?, Held::new(db, "sent_1")?],
            find: [
                db.prepare("SELECT id FROM sent_0 WHERE owner = ?1 AND client_id = ?2")?,
                db.prepare("SELECT id FROM sent_1 WHERE owner = ?1 AND client_id = ?2")?,
            ],
            put: [
                db.prepare("INSERT OR IGNORE INTO sent_0 (owner, client_id, id) VALUES (?1, ?2, ?3)")?,
                db.prepare("INSERT OR IGNORE INTO sent_1 (owner, client_id, id) VALUES (?1, ?2, ?3)")?,
            ],
        })
    }

    /// The message that a client's own id led to.
    pub(super) fn find(&mut self, owner: AccountId, key: &ClientId) -> rusqlite::Result<Option<i64>> {
        if let Some(id) = self.recent.get(&(owner.0, *key)) {
            return Ok(Some(*id));
        }
        let mark = mark(owner.0, key);
        for (statement, held) in self.find.iter_mut().zip(&self.held) {
            if !held.may_have(mark) {
                continue;
            }
            let mut rows = statement.query(params![owner.0, key])?;
            if let Some(row) = rows.next()? {
                return Ok(Some(row.get(0)?));
            }
        }
        Ok(None)
    }

    /// Notes the id of a message of the transaction under way.
    pub(super) fn add(&mut self, owner: AccountId, key: ClientId, id: i64) {
        self.recent.insert((owner.0, key), id);
        self.fresh.push(Sent { owner: owner.0, key, id });
    }

    /// Sends what has gathered on its way.
    pub(super) fn begin(&mut self) {
        let window = self.window_us;
        self.moving = std::mem::take(&mut self.gathered);
        self.moving.sort_unstable_by_key(|sent| (sent.id / window, sent.owner, sent.key));
        self.done = (0, 0);
    }

    /// Moves some.
    pub(super) fn step(&mut self, share: usize) -> rusqlite::Result<()> {
        let end = self.done.1.saturating_add(share).min(self.moving.len());
        for sent in &self.moving[self.done.1..end] {
            let generation = sent.id / self.window_us;
            if generation + 1 < self.generation.1 {
                // Read again after a migration, and forgotten long since.
                continue;
            }
            if generation > self.generation.1 {
                // The table whose turn it is holds what is older than a whole window.
                let tables = ["DELETE FROM sent_0", "DELETE FROM sent_1"];
                self.db.execute_batch(tables[(generation & 1) as usize])?;
                self.held[(generation & 1) as usize].emptied();
                if generation - self.generation.1 > 1 {
                    self.db.execute_batch(tables[(generation & 1 ^ 1) as usize])?;
                    self.held[(generation & 1 ^ 1) as usize].emptied();
                }
                self.generation.1 = generation;
                numbers::set_counter(self.db, "generation", numbers::uint(generation))?;
            }
            self.held[(generation & 1) as usize].add(mark(sent.owner, &sent.key));
            self.put[(generation & 1) as usize].execute(params![sent.owner, sent.key, sent.id])?;
        }
        self.done.1 = end;
        Ok(())
    }

    /// Reads some ids that a last process has left in the tables into their filters.
    pub(super) fn read_some(&mut self, limit: usize) -> rusqlite::Result<()> {
        self.held.iter_mut().try_for_each(|held| held.read_some(limit))
    }

    /// Whether all of them are read.
    pub(super) fn is_read(&self) -> bool {
        self.held.iter().all(Held::is_read)
    }

    /// Whether all that were sent on their way are in the tables.
    pub(super) fn is_done(&self) -> bool {
        self.done.1 == self.moving.len()
    }

    /// Those up to `up_to` are in the tables for good.
    pub(super) fn forget(&mut self, up_to: i64) {
        self.recent.retain(|_, id| *id > up_to);
        self.moving = Vec::new();
        self.done = (0, 0);
    }

    pub(super) fn committed(&mut self) {
        self.held.iter_mut().for_each(Held::committed);
        self.gathered.append(&mut self.fresh);
        self.done.0 = self.done.1;
        self.generation.0 = self.generation.1;
    }

    pub(super) fn rolled_back(&mut self) {
        for sent in self.fresh.drain(..) {
            self.recent.remove(&(sent.owner, sent.key));
        }
        self.held.iter_mut().for_each(Held::rolled_back);
        self.done.1 = self.done.0;
        self.generation.1 = self.generation.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::migrations::migrate;

    const WINDOW_US: i64 = 1000;

    fn key(n: u64) -> ClientId {
        let mut key = ClientId::default();
        key[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
        key
    }

    fn add(ids: &mut ClientIds<'_>, numbers: std::ops::Range<u64>, at: i64) {
        for n in numbers {
            ids.add(AccountId(7), key(n), at + n.cast_signed());
        }
    }

    /// Moves what has gathered into the tables, in a transaction that is first rolled back.
    fn turn(db: &Connection, ids: &mut ClientIds<'_>, up_to: i64) {
        ids.committed();
        ids.begin();
        for end in ["ROLLBACK", "COMMIT"] {
            db.execute_batch("BEGIN").unwrap();
            ids.step(usize::MAX).unwrap();
            ids.read_some(3).unwrap();
            db.execute_batch(end).unwrap();
            if end == "COMMIT" { ids.committed() } else { ids.rolled_back() }
        }
        assert!(ids.is_done());
        ids.forget(up_to);
    }

    fn found(ids: &mut ClientIds<'_>, numbers: std::ops::Range<u64>) -> usize {
        numbers.filter(|n| ids.find(AccountId(7), &key(*n)).unwrap().is_some()).count()
    }

    /// Whatever was rolled back on the way, every id of the last two windows is found, also by a process that has just
    /// begun and has not read all of them, and those before are forgotten.
    #[test]
    fn every_id_of_its_window_is_found() {
        let db = Connection::open_in_memory().unwrap();
        migrate(&db).unwrap();
        let mut ids = ClientIds::new(&db, WINDOW_US).unwrap();
        assert!(ids.is_read());
        for window in 1..=4 {
            let from = u64::try_from(window).unwrap() * 100;
            add(&mut ids, from..from + 100, window * WINDOW_US);
            turn(&db, &mut ids, i64::MAX);
            assert!(ids.recent.is_empty());
            assert_eq!(found(&mut ids, from..from + 100), 100);
            assert_eq!(found(&mut ids, from + 100..from + 5000), 0);
        }
        assert_eq!((found(&mut ids, 300..500), found(&mut ids, 100..300)), (200, 0));
        // As after a start with tables larger than what is read at once.
        let mut ids = ClientIds::new(&db, WINDOW_US).unwrap();
        for held in &mut ids.held {
            let start = Read::To(i64::MIN, ClientId::default());
            (held.ids, held.read) = (Growing::default(), (start, start));
        }
        while !ids.is_read() {
            assert_eq!(found(&mut ids, 300..500), 200);
            db.execute_batch("BEGIN; DELETE FROM sent_0").unwrap();
            ids.read_some(7).unwrap();
            db.execute_batch("ROLLBACK").unwrap();
            ids.rolled_back();
            ids.read_some(7).unwrap();
            ids.committed();
        }
        assert_eq!((found(&mut ids, 300..500), found(&mut ids, 500..5000)), (200, 0));
    }
}
