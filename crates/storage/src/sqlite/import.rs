//! Putting messages into the archive under ids they had before: what an import needs, and nothing else.

use rusqlite::{Connection, OptionalExtension, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveCopy, ImportedMessage};

use super::errors::Failure;
use super::postings::{self, Postings};
use super::runs::build::write_run;
use super::runs::{Posting, RunNumbers};
use super::{numbers, talks};
use crate::{copies, labels};

/// Adds the owner's copies, and a run of their own to the index. No id may lie in the future, where the archive's own next ids will be: `now_us` bounds them.
pub(super) fn import(
    db: &Connection,
    owner: AccountId,
    messages: &[ImportedMessage],
    now_us: u64,
    runs: &RunNumbers,
) -> Result<(), Failure> {
    let mut added = 0;
    let mut index =
        Index { postings: Postings::new(postings::keys(db)?), noted: Vec::new(), talks: Vec::new() };
    for message in messages {
        added += u64::from(place(db, owner, message, now_us, &mut index)?);
    }
    index.talks.iter().try_for_each(|(peer, id)| talks::note(db, owner.0, peer, *id))?;
    if added > 0 {
        let before = numbers::counter(db, "imported")?;
        numbers::set_counter(db, "imported", before + added)?;
    }
    write_run(db, runs.take(), index.noted)?;
    Ok(())
}

/// Finds the message's place and puts it there; says whether it is a new message, not only a new copy.
fn place(
    db: &Connection,
    owner: AccountId,
    message: &ImportedMessage,
    now_us: u64,
    index: &mut Index,
) -> Result<bool, Failure> {
    let copy = ArchiveCopy {
        owner,
        peer: message.peer.clone(),
        direction: message.direction,
        kept: true,
        waits: message.waits,
    };
    let mut find = db.prepare_cached("SELECT copies, xml FROM message WHERE id = ?1")?;
    let mut id = numbers::int(message.id.0.min(now_us));
    loop {
        let found: Option<(Vec<u8>, Vec<u8>)> =
            find.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match found {
            None => {
                insert(db, id, &copy, message, index)?;
                return Ok(true);
            }
            Some((column, xml)) if xml == message.xml => {
                // A copy that is there already was imported before, and stays as it is.
                if !copies::entries(&column).flatten().any(|entry| entry.owner == owner) {
                    share(db, id, &copy, column, index)?;
                }
                return Ok(false);
            }
            Some(_) => {}
        }
        // Another message has this id: the next free one keeps the order within the microsecond.
        id += 1;
    }
}

fn insert(
    db: &Connection,
    id: i64,
    copy: &ArchiveCopy,
    message: &ImportedMessage,
    index: &mut Index,
) -> Result<(), Failure> {
    let mut column = Vec::new();
    copies::encode(std::slice::from_ref(copy), &mut column);
    db.prepare_cached("INSERT INTO message (id, copies, text, xml, labels) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id, column, message.text, message.xml, labels::column(&message.labels)])?;
    index.add(id, copy, message.text.as_deref(), message.labels.iter().map(String::as_str));
    Ok(())
}

fn share(
    db: &Connection,
    id: i64,
    copy: &ArchiveCopy,
    mut column: Vec<u8>,
    index: &mut Index,
) -> Result<(), Failure> {
    copies::encode(std::slice::from_ref(copy), &mut column);
    db.prepare_cached("UPDATE message SET copies = ?2 WHERE id = ?1")?.execute(params![id, column])?;
    let (text, labels): (Option<String>, Option<String>) = db
        .prepare_cached("SELECT text, labels FROM message WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    index.add(id, copy, text.as_deref(), labels::each(labels.as_deref()));
    Ok(())
}

/// What the index will hold of the messages.
struct Index {
    postings: Postings,
    noted: Vec<Posting>,
    /// What says something, and to whom.
    talks: Vec<(String, i64)>,
}

impl Index {
    fn add<'l>(
        &mut self,
        id: i64,
        copy: &ArchiveCopy,
        text: Option<&str>,
        labels: impl Iterator<Item = &'l str>,
    ) {
        if let Some(kind) = copies::kind(copy) {
            self.postings.read(text, labels);
            self.postings.of_copy(numbers::uint(id), copy.owner, copy.peer.bare_str(), kind, &mut self.noted);
            if text.is_some() && copy.owner.0 > 0 {
                self.talks.push((copy.peer.bare_str().to_owned(), id));
            }
        }
    }
}
