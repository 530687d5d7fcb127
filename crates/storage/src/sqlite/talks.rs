//! With whom somebody talks: the newest message that says something, of each conversation.
//!
//! No row is written for a message. What is new stands in the tail, and moves into the table with the pass that indexes its
//! messages, once for each conversation and in shares; `counter.indexed` tells up to where the table is complete.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::numbers;
use super::postings::bare;
use super::tail::Entry;
use crate::copies;
use crate::copies::Kind;

/// Whose conversation, and with whom.
type Talk = (i64, Box<str>);

/// The writer's side.
#[derive(Default)]
pub(super) struct Talks {
    /// Of the transaction under way.
    fresh: Vec<(Talk, i64)>,
    /// Committed, and in no pass.
    gathered: HashMap<Talk, i64>,
    /// On their way into the table: how many were in when the transaction began, and how many are.
    passing: Vec<(Talk, i64)>,
    written: (usize, usize),
}

impl Talks {
    /// Notes a message that says something. Rooms are nobody's conversations.
    pub(super) fn add(&mut self, owner: AccountId, peer: &str, id: i64) {
        if owner.0 > 0 {
            self.fresh.push(((owner.0, peer.into()), id));
        }
    }

    /// A pass begins.
    pub(super) fn begin(&mut self) {
        self.passing = self.gathered.drain().collect();
        self.written = (0, 0);
    }

    /// Writes some of what is on its way.
    pub(super) fn step(&mut self, db: &Connection, share: usize) -> rusqlite::Result<()> {
        let until = self.written.1.saturating_add(share).min(self.passing.len());
        for ((owner, peer), id) in &self.passing[self.written.1..until] {
            note(db, *owner, peer, *id)?;
        }
        self.written.1 = until;
        Ok(())
    }

    pub(super) fn is_done(&self) -> bool {
        self.written.1 == self.passing.len()
    }

    pub(super) fn committed(&mut self) {
        self.written.0 = self.written.1;
        for (talk, id) in self.fresh.drain(..) {
            let last = self.gathered.entry(talk).or_default();
            *last = id.max(*last);
        }
    }

    pub(super) fn rolled_back(&mut self) {
        self.fresh.clear();
        self.written.1 = self.written.0;
    }
}

/// Notes that somebody has talked, in the table.
pub(super) fn note(db: &Connection, owner: i64, peer: &str, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO conversation (owner, peer, last_id) VALUES (?1, ?2, ?3) \
         ON CONFLICT DO UPDATE SET last_id = max(last_id, ?3)",
    )?
    .execute(params![owner, peer, id])
    .map(drop)
}

/// Fills the table from the messages of a database that was written before there was one.
pub(super) fn make_missing(db: &Connection) -> rusqlite::Result<()> {
    if numbers::counter(db, "talks")? > 0 {
        return Ok(());
    }
    let indexed = numbers::int(numbers::counter(db, "indexed")?);
    let mut last: HashMap<Talk, i64> = HashMap::new();
    let mut messages =
        db.prepare("SELECT id, copies FROM message WHERE id <= ?1 AND text IS NOT NULL ORDER BY id")?;
    let mut rows = messages.query([indexed])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let copies = copies::entries(row.get_ref(1)?.as_blob()?).flatten();
        for entry in copies.filter(|entry| entry.kind() != Kind::Waits && entry.owner.0 > 0) {
            last.insert((entry.owner.0, bare(entry.peer).into()), id);
        }
    }
    drop(rows);
    db.execute_batch("BEGIN IMMEDIATE")?;
    last.iter().try_for_each(|((owner, peer), id)| note(db, *owner, peer, *id))?;
    numbers::set_counter(db, "talks", 1)?;
    db.execute_batch("COMMIT")
}

/// With whom an account has talked, the newest first. `tail` are its entries in the tail, taken before the snapshot.
pub(super) fn conversations(
    db: &Connection,
    owner: AccountId,
    before: ArchiveId,
    limit: usize,
    tail: &[Entry],
) -> Result<Vec<(Jid, ArchiveId)>, Failure> {
    let before = numbers::int(before.0);
    let mut found = Vec::new();
    let mut told = HashSet::new();
    for (peer, id) in newest(db, owner, tail)? {
        if id < before {
            found.push((id, peer.clone()));
        }
        told.insert(peer);
    }
    let mut select = db.prepare_cached(
        "SELECT peer, last_id FROM conversation WHERE owner = ?1 AND last_id < ?2 ORDER BY last_id DESC",
    )?;
    let mut rows = select.query([owner.0, before])?;
    let mut more = 0;
    while more < limit
        && let Some(row) = rows.next()?
    {
        let peer: String = row.get(0)?;
        if !told.contains(&peer) {
            found.push((row.get(1)?, peer));
            more += 1;
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.truncate(limit);
    found.into_iter().map(|(id, peer)| Ok((super::jid(&peer)?, ArchiveId(numbers::uint(id))))).collect()
}

/// The newest message of the tail that says something, of each conversation.
fn newest(db: &Connection, owner: AccountId, tail: &[Entry]) -> Result<Vec<(String, i64)>, Failure> {
    let mut load = db.prepare_cached("SELECT copies FROM message WHERE id = ?1 AND text IS NOT NULL")?;
    let mut contacts = HashSet::new();
    let mut found = Vec::new();
    for entry in tail.iter().rev().filter(|entry| entry.kind != Kind::Waits) {
        if contacts.contains(&entry.contact) {
            continue;
        }
        let peer = load
            .query_row([entry.id], |row| {
                let copies = row.get_ref(0)?.as_blob()?;
                let own = copies::entries(copies).flatten().find(|copy| copy.owner == owner);
                Ok(own.map(|copy| bare(copy.peer).to_owned()))
            })
            .optional()?
            .flatten();
        if let Some(peer) = peer {
            contacts.insert(entry.contact);
            found.push((peer, entry.id));
        }
    }
    Ok(found)
}
