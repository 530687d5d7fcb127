//! Clients' own ids of messages, by which a message that is sent again is recognised.
//!
//! They move into their tables with the pass that indexes their messages, sorted and in shares. Two tables take turns, each
//! for one window of time, so that forgetting the older ids costs one statement.

use std::collections::HashMap;

use rusqlite::{Connection, Statement, params};
use waxwing_chat::account::AccountId;

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
        for statement in &mut self.find {
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
                if generation - self.generation.1 > 1 {
                    self.db.execute_batch(tables[(generation & 1 ^ 1) as usize])?;
                }
                self.generation.1 = generation;
                numbers::set_counter(self.db, "generation", numbers::uint(generation))?;
            }
            self.put[(generation & 1) as usize].execute(params![sent.owner, sent.key, sent.id])?;
        }
        self.done.1 = end;
        Ok(())
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
        self.gathered.append(&mut self.fresh);
        self.done.0 = self.done.1;
        self.generation.0 = self.generation.1;
    }

    pub(super) fn rolled_back(&mut self) {
        for sent in self.fresh.drain(..) {
            self.recent.remove(&(sent.owner, sent.key));
        }
        self.done.1 = self.done.0;
        self.generation.1 = self.generation.0;
    }
}
