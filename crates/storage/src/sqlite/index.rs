//! Moving the newest messages into the index tables.
//!
//! An index entry for each owner in the transaction of each message would change some five pages at random places for
//! every message. So a commit appends the message only. The tables follow: when enough entries have gathered they are
//! sorted, and each further transaction inserts some of them, in the order of the tables. `counter.indexed` tells up to
//! which message the tables are complete; on the way there they may hold newer ones already, so that each insertion
//! must be harmless when repeated after a crash. Search follows further behind, for a change of its index costs most;
//! `counter.searchable` tells how far.
//!
//! Readers never miss what is on its way: `Tail` holds it in memory, and is built anew from the messages at the start.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, Statement, params};
use waxwing_chat::account::AccountId;

use super::tail::{Entry, Tail};
use super::{Options, copies, hashes, numbers};
use crate::words;

/// A client's own id of a message, hashed.
pub(super) type ClientId = [u8; 16];

/// Where a client's own id led.
#[derive(Debug, Clone, Copy)]
struct Sent {
    owner: i64,
    key: ClientId,
    id: i64,
}

/// Entries on their way into the tables.
struct Pass {
    by_owner: Vec<Entry>,
    by_contact: Vec<Entry>,
    sent: Vec<Sent>,
    /// How many of each are in; all three are walked side by side.
    done: usize,
    /// The same when the transaction began.
    saved: usize,
    /// The newest message among them.
    up_to: i64,
}

impl Pass {
    fn len(&self) -> usize {
        self.by_owner.len().max(self.sent.len())
    }
}

/// The writer's side of the index.
pub(super) struct Index<'c> {
    db: &'c Connection,
    tail: Arc<Tail>,
    tail_copies: usize,
    search_backlog: usize,
    window_us: i64,
    /// Committed, and neither in the tables nor in a pass.
    gathered: Vec<Entry>,
    gathered_sent: Vec<Sent>,
    /// Of the transaction under way.
    fresh: Vec<Entry>,
    fresh_sent: Vec<Sent>,
    /// Clients' ids that are not in the tables.
    recent: HashMap<(i64, ClientId), i64>,
    pass: Option<Pass>,
    /// Up to which message search is complete, and how many are missing.
    searchable: (i64, i64),
    backlog: (usize, usize),
    /// Which generation of client ids is being written: the number of whole windows since the Unix epoch.
    generation: (i64, i64),
    statements: Statements<'c>,
    terms: String,
    /// Following appends has failed; only catching up for a removal tries again.
    suspended: bool,
}

struct Statements<'c> {
    copy: Statement<'c>,
    conversation: Statement<'c>,
    find_sent: [Statement<'c>; 2],
    put_sent: [Statement<'c>; 2],
    texts: Statement<'c>,
    word: Statement<'c>,
}

impl<'c> Index<'c> {
    /// Begins where the last process ended, however it ended.
    pub(super) fn new(db: &'c Connection, tail: Arc<Tail>, options: &Options) -> rusqlite::Result<Self> {
        let searchable = numbers::int(numbers::counter(db, "searchable")?);
        let generation = numbers::int(numbers::counter(db, "generation")?);
        let backlog: i64 =
            db.query_row("SELECT count(*) FROM message WHERE id > ?1", [searchable], |row| row.get(0))?;
        let backlog = usize::try_from(backlog).unwrap_or(0);
        let window_us = i64::try_from(options.dedupe_window.as_micros()).unwrap_or(i64::MAX).max(1);
        let mut index = Self {
            db,
            tail,
            tail_copies: options.tail_copies.max(1),
            search_backlog: options.search_backlog.max(1),
            window_us,
            gathered: Vec::new(),
            gathered_sent: Vec::new(),
            fresh: Vec::new(),
            fresh_sent: Vec::new(),
            recent: HashMap::new(),
            pass: None,
            searchable: (searchable, searchable),
            backlog: (backlog, backlog),
            generation: (generation, generation),
            statements: Statements::new(db)?,
            terms: String::new(),
            suspended: false,
        };
        index.gather()?;
        Ok(index)
    }

    /// Reads what the tables do not hold yet from the messages themselves.
    fn gather(&mut self) -> rusqlite::Result<()> {
        let indexed = numbers::int(numbers::counter(self.db, "indexed")?);
        let mut newest =
            self.db.prepare("SELECT id, sender, client_id, copies FROM message WHERE id > ?1 ORDER BY id")?;
        let mut rows = newest.query([indexed])?;
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            for entry in copies::entries(row.get_ref(3)?.as_blob()?).flatten() {
                let bare = entry.peer.split('/').next().unwrap_or(entry.peer);
                let (owner, peer) = (entry.owner.0, hashes::peer(bare));
                self.fresh.push(Entry { owner, id, peer, kind: entry.kind() });
            }
            if let (Some(owner), Some(key)) = (row.get(1)?, row.get(2)?) {
                self.recent.insert((owner, key), id);
                self.fresh_sent.push(Sent { owner, key, id });
            }
        }
        self.committed();
        Ok(())
    }

    /// The message that a client's own id led to.
    pub(super) fn find(&mut self, owner: AccountId, key: &ClientId) -> rusqlite::Result<Option<i64>> {
        if let Some(id) = self.recent.get(&(owner.0, *key)) {
            return Ok(Some(*id));
        }
        for statement in &mut self.statements.find_sent {
            let mut rows = statement.query(params![owner.0, key])?;
            if let Some(row) = rows.next()? {
                return Ok(Some(row.get(0)?));
            }
        }
        Ok(None)
    }

    /// Notes a message of the transaction under way.
    pub(super) fn add(&mut self, entries: impl Iterator<Item = Entry>) {
        self.fresh.extend(entries);
        self.backlog.1 += 1;
    }

    /// Notes the client's own id of such a message.
    pub(super) fn add_sent(&mut self, owner: AccountId, key: ClientId, id: i64) {
        self.recent.insert((owner.0, key), id);
        self.fresh_sent.push(Sent { owner: owner.0, key, id });
    }

    /// The share of the indexing that falls to this transaction, in proportion to what it adds.
    pub(super) fn follow(&mut self) -> rusqlite::Result<()> {
        if self.suspended {
            return Ok(());
        }
        if self.pass.is_none() && self.gathered.len() >= self.tail_copies {
            self.begin_pass();
        }
        let share = self.fresh.len() * 4 + 64;
        self.continue_pass(share)?;
        if self.backlog.1 >= self.search_backlog {
            self.make_searchable(self.fresh.len() + 64)?;
        }
        self.save_numbers()
    }

    /// Stops following appends, so that they do not fail with it; says whether it was followed until now.
    pub(super) fn suspend(&mut self) -> bool {
        !std::mem::replace(&mut self.suspended, true)
    }

    /// Whether there is something worth doing while nothing else is.
    pub(super) fn has_spare_work(&self) -> bool {
        !self.suspended && self.backlog.0 >= SPARE_STEP.min(self.search_backlog)
    }

    /// Does some of it, in a transaction that holds nothing else.
    pub(super) fn spare_work(&mut self) -> rusqlite::Result<()> {
        self.make_searchable(SPARE_STEP)?;
        self.save_numbers()
    }

    /// Brings the tables up to the last committed message, which removing messages relies on.
    pub(super) fn catch_up(&mut self) -> rusqlite::Result<()> {
        self.continue_pass(usize::MAX)?;
        if self.pass.is_none() && !self.gathered.is_empty() {
            self.begin_pass();
            self.continue_pass(usize::MAX)?;
        }
        self.save_numbers()
    }

    /// Whether `catch_up` has to be called, and committed, once more.
    pub(super) fn is_behind(&self) -> bool {
        self.pass.is_some() || !self.gathered.is_empty()
    }

    fn begin_pass(&mut self) {
        let by_owner = {
            let mut entries = std::mem::take(&mut self.gathered);
            entries.sort_unstable_by_key(|e| (e.owner, e.kind, e.id));
            entries
        };
        let mut by_contact: Vec<_> = by_owner.iter().filter(|e| e.kind.is_kept()).copied().collect();
        by_contact.sort_unstable_by_key(|e| (e.owner, e.peer, e.id));
        let mut sent = std::mem::take(&mut self.gathered_sent);
        let window = self.window_us;
        sent.sort_unstable_by_key(|s| (s.id / window, s.owner, s.key));
        let newest = by_owner.iter().map(|e| e.id).chain(sent.iter().map(|s| s.id)).max();
        self.pass = newest.map(|up_to| Pass { by_owner, by_contact, sent, done: 0, saved: 0, up_to });
    }

    fn continue_pass(&mut self, share: usize) -> rusqlite::Result<()> {
        let Some(pass) = &mut self.pass else { return Ok(()) };
        let range = |len: usize| pass.done.min(len)..pass.done.saturating_add(share).min(len);
        let statements = &mut self.statements;
        for e in &pass.by_owner[range(pass.by_owner.len())] {
            // What only waits may have been delivered on the way.
            if e.kind.is_kept() || !super::accounts::has_received(self.db, e.owner, e.id)? {
                statements.copy.execute(params![e.owner, e.kind.number(), e.id])?;
            }
        }
        for e in &pass.by_contact[range(pass.by_contact.len())] {
            statements.conversation.execute(params![e.owner, e.peer, e.id])?;
        }
        for s in &pass.sent[range(pass.sent.len())] {
            let generation = s.id / self.window_us;
            if generation > self.generation.1 {
                // The table whose turn it is holds what is older than a whole window.
                let tables = ["DELETE FROM sent_0", "DELETE FROM sent_1"];
                self.db.execute_batch(tables[(generation & 1) as usize])?;
                if generation - self.generation.1 > 1 {
                    self.db.execute_batch(tables[(generation & 1 ^ 1) as usize])?;
                }
                self.generation.1 = generation;
            }
            statements.put_sent[(generation & 1) as usize].execute(params![s.owner, s.key, s.id])?;
        }
        pass.done = pass.done.saturating_add(share).min(pass.len());
        if pass.done == pass.len() {
            numbers::set_counter(self.db, "indexed", numbers::uint(pass.up_to))?;
        }
        Ok(())
    }

    /// Adds the next messages to the search index.
    fn make_searchable(&mut self, limit: usize) -> rusqlite::Result<()> {
        let mut rows = self.statements.texts.query(params![self.searchable.1, numbers::int(limit as u64)])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += 1;
            let id: i64 = row.get(0)?;
            self.searchable.1 = id;
            let Some(text) = row.get_ref(2)?.as_str_or_null()? else {
                continue;
            };
            let column = row.get_ref(1)?.as_blob()?;
            words::document(copies::readers(column), text, &mut self.terms);
            if !self.terms.is_empty() {
                self.statements.word.execute(params![id, self.terms])?;
            }
        }
        self.backlog.1 = if count < limit { 0 } else { self.backlog.1.saturating_sub(count) };
        Ok(())
    }

    fn save_numbers(&mut self) -> rusqlite::Result<()> {
        for (name, (old, new)) in [("searchable", self.searchable), ("generation", self.generation)] {
            if old != new {
                numbers::set_counter(self.db, name, numbers::uint(new))?;
            }
        }
        Ok(())
    }

    /// The transaction is durable: readers may see its messages.
    pub(super) fn committed(&mut self) {
        self.tail.add(&self.fresh);
        self.gathered.append(&mut self.fresh);
        self.gathered_sent.append(&mut self.fresh_sent);
        self.searchable.0 = self.searchable.1;
        self.backlog.0 = self.backlog.1;
        self.generation.0 = self.generation.1;
        if let Some(pass) = &mut self.pass {
            pass.saved = pass.done;
            if pass.done == pass.len() {
                let up_to = pass.up_to;
                self.tail.forget(up_to);
                self.recent.retain(|_, id| *id > up_to);
                self.pass = None;
            }
        }
    }

    /// Nothing of the transaction was kept.
    pub(super) fn rolled_back(&mut self) {
        self.fresh.clear();
        for sent in self.fresh_sent.drain(..) {
            self.recent.remove(&(sent.owner, sent.key));
        }
        self.searchable.1 = self.searchable.0;
        self.backlog.1 = self.backlog.0;
        self.generation.1 = self.generation.0;
        if let Some(pass) = &mut self.pass {
            pass.done = pass.saved;
        }
    }
}

/// Messages made searchable in one step while nothing else is to do.
const SPARE_STEP: usize = 1024;

impl<'c> Statements<'c> {
    fn new(db: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            copy: db.prepare("INSERT OR IGNORE INTO copy (owner, kind, id) VALUES (?1, ?2, ?3)")?,
            conversation: db
                .prepare("INSERT OR IGNORE INTO conversation (owner, peer, id) VALUES (?1, ?2, ?3)")?,
            find_sent: [
                db.prepare("SELECT id FROM sent_0 WHERE owner = ?1 AND client_id = ?2")?,
                db.prepare("SELECT id FROM sent_1 WHERE owner = ?1 AND client_id = ?2")?,
            ],
            put_sent: [
                db.prepare("INSERT OR IGNORE INTO sent_0 (owner, client_id, id) VALUES (?1, ?2, ?3)")?,
                db.prepare("INSERT OR IGNORE INTO sent_1 (owner, client_id, id) VALUES (?1, ?2, ?3)")?,
            ],
            texts: db.prepare("SELECT id, copies, text FROM message WHERE id > ?1 ORDER BY id LIMIT ?2")?,
            word: db.prepare("INSERT INTO word (rowid, terms) VALUES (?1, ?2)")?,
        })
    }
}
