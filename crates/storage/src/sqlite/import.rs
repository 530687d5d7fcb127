//! Putting messages into the archive under ids they had before: what an import needs, and nothing else.

use rusqlite::{Connection, OptionalExtension, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::{ArchiveCopy, ImportedMessage};

use super::errors::Failure;
use super::{copies, hashes, numbers};
use crate::words;

/// Adds the owner's copies. No id may lie in the future, where the archive's own next ids will be: `now_us` bounds them.
pub(super) fn import(
    db: &Connection,
    owner: AccountId,
    messages: &[ImportedMessage],
    now_us: u64,
) -> Result<(), Failure> {
    let mut added = 0;
    for message in messages {
        added += u64::from(place(db, owner, message, now_us)?);
    }
    if added > 0 {
        let before = numbers::counter(db, "imported")?;
        numbers::set_counter(db, "imported", before + added)?;
    }
    Ok(())
}

/// Finds the message's place and puts it there; says whether it is a new message, not only a new copy.
fn place(db: &Connection, owner: AccountId, message: &ImportedMessage, now_us: u64) -> Result<bool, Failure> {
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
                insert(db, id, &copy, message)?;
                return Ok(true);
            }
            Some((column, xml)) if xml == message.xml => {
                // A copy that is there already was imported before, and stays as it is.
                if !copies::entries(&column).flatten().any(|entry| entry.owner == owner) {
                    share(db, id, &copy, column, message)?;
                }
                return Ok(false);
            }
            Some(_) => {}
        }
        // Another message has this id: the next free one keeps the order within the microsecond.
        id += 1;
    }
}

fn insert(db: &Connection, id: i64, copy: &ArchiveCopy, message: &ImportedMessage) -> Result<(), Failure> {
    let mut column = Vec::new();
    copies::encode(std::slice::from_ref(copy), &mut column);
    db.prepare_cached("INSERT INTO message (id, copies, text, xml) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, column, message.text, message.xml])?;
    index(db, id, copy)?;
    words_of(db, id, &column, message.text.as_deref())
}

fn share(
    db: &Connection,
    id: i64,
    copy: &ArchiveCopy,
    mut column: Vec<u8>,
    message: &ImportedMessage,
) -> Result<(), Failure> {
    copies::encode(std::slice::from_ref(copy), &mut column);
    db.prepare_cached("UPDATE message SET copies = ?2 WHERE id = ?1")?.execute(params![id, column])?;
    index(db, id, copy)?;
    words_of(db, id, &column, message.text.as_deref())
}

fn index(db: &Connection, id: i64, copy: &ArchiveCopy) -> Result<(), Failure> {
    db.prepare_cached("INSERT OR IGNORE INTO copy (owner, kind, id) VALUES (?1, ?2, ?3)")?
        .execute(params![copy.owner.0, copies::kind(copy).map(copies::Kind::number), id])?;
    db.prepare_cached("INSERT OR IGNORE INTO conversation (owner, peer, id) VALUES (?1, ?2, ?3)")?
        .execute(params![copy.owner.0, hashes::peer(copy.peer.bare_str()), id])?;
    Ok(())
}

fn words_of(db: &Connection, id: i64, column: &[u8], text: Option<&str>) -> Result<(), Failure> {
    // What search does not know yet it will read when it gets there.
    let searchable = numbers::int(numbers::counter(db, "searchable")?);
    let Some(text) = text.filter(|_| id <= searchable) else {
        return Ok(());
    };
    let mut terms = String::new();
    words::document(copies::readers(column), text, &mut terms);
    if !terms.is_empty() {
        db.prepare_cached("INSERT OR REPLACE INTO word (rowid, terms) VALUES (?1, ?2)")?
            .execute(params![id, terms])?;
    }
    Ok(())
}
