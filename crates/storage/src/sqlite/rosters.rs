//! Rosters in the database, with the versions that let a client ask for changes only (RFC 6121 section 2.6).

use rusqlite::{Connection, OptionalExtension, Row, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::roster::{RosterChanges, RosterItem, RosterSnapshot};
use waxwing_chat::store::StoreError;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::numbers;
use crate::{kinds, lists};

const COLUMNS: &str = "contact, version, name, groups, subscription, ask, approved, request, listed";

/// Removals remembered for each roster; a client that was away for longer gets the whole roster.
const MAX_REMOVALS: u64 = 1000;

pub(super) fn whole(db: &Connection, owner: AccountId) -> Result<RosterSnapshot, Failure> {
    let (version, _) = versions(db, owner)?;
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM roster_item WHERE owner = ?1"))?;
    let mut rows = statement.query([owner.0])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(item(row)?.1);
    }
    Ok(RosterSnapshot { version, items })
}

pub(super) fn changes(
    db: &Connection,
    owner: AccountId,
    since: u64,
) -> Result<Option<RosterChanges>, Failure> {
    let (version, floor) = versions(db, owner)?;
    if since < floor || since > version {
        return Ok(None);
    }
    let mut found = RosterChanges { version, ..RosterChanges::default() };
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM roster_item WHERE owner = ?1 AND version > ?2 ORDER BY version"
    ))?;
    let mut rows = statement.query(params![owner.0, numbers::int(since)])?;
    while let Some(row) = rows.next()? {
        found.changed.push(item(row)?);
    }
    let mut statement = db.prepare_cached(
        "SELECT version, contact FROM roster_removal WHERE owner = ?1 AND version > ?2 ORDER BY version",
    )?;
    let mut rows = statement.query(params![owner.0, numbers::int(since)])?;
    while let Some(row) = rows.next()? {
        let contact = super::jid(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?;
        found.removed.push((numbers::uint(row.get(0)?), contact));
    }
    Ok(Some(found))
}

pub(super) fn one(db: &Connection, owner: AccountId, contact: &Jid) -> Result<Option<RosterItem>, Failure> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM roster_item WHERE owner = ?1 AND contact = ?2"))?
        .query_row(params![owner.0, contact.bare_str()], |row| Ok(item(row).map(|(_, item)| item)))
        .optional()?
        .transpose()
}

pub(super) fn size(db: &Connection, owner: AccountId) -> Result<usize, Failure> {
    let count: i64 = db
        .prepare_cached("SELECT count(*) FROM roster_item WHERE owner = ?1")?
        .query_row([owner.0], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

pub(super) fn put(db: &Connection, owner: AccountId, item: &RosterItem) -> Result<u64, Failure> {
    let version = next_version(db, owner)?;
    let contact = item.jid.bare_str();
    db.prepare_cached("DELETE FROM roster_removal WHERE owner = ?1 AND contact = ?2")?
        .execute(params![owner.0, contact])?;
    db.prepare_cached(&format!(
        "INSERT OR REPLACE INTO roster_item (owner, {COLUMNS}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
    ))?
    .execute(params![
        owner.0,
        contact,
        version,
        item.name,
        lists::join(&item.groups),
        kinds::of_subscription(item.subscription),
        item.ask,
        item.approved,
        item.request,
        item.listed,
    ])?;
    Ok(numbers::uint(version))
}

pub(super) fn remove(db: &Connection, owner: AccountId, contact: &Jid) -> Result<u64, Failure> {
    let contact = contact.bare_str();
    let removed = db
        .prepare_cached("DELETE FROM roster_item WHERE owner = ?1 AND contact = ?2")?
        .execute(params![owner.0, contact])?;
    super::accounts::exists(removed)?;
    let version = next_version(db, owner)?;
    db.prepare_cached("INSERT INTO roster_removal (owner, version, contact) VALUES (?1, ?2, ?3)")?
        .execute(params![owner.0, version, contact])?;
    forget_oldest(db, owner)?;
    Ok(numbers::uint(version))
}

/// Keeps the newest removals only, and remembers up to which version they are forgotten.
fn forget_oldest(db: &Connection, owner: AccountId) -> Result<(), Failure> {
    let oldest_kept: Option<i64> = db
        .prepare_cached(
            "SELECT version FROM roster_removal WHERE owner = ?1 ORDER BY version DESC LIMIT 1 OFFSET ?2",
        )?
        .query_row(params![owner.0, numbers::int(MAX_REMOVALS)], |row| row.get(0))
        .optional()?;
    if let Some(version) = oldest_kept {
        db.execute(
            "DELETE FROM roster_removal WHERE owner = ?1 AND version <= ?2",
            params![owner.0, version],
        )?;
        db.execute("UPDATE account SET roster_floor = ?2 WHERE id = ?1", params![owner.0, version])?;
    }
    Ok(())
}

fn next_version(db: &Connection, owner: AccountId) -> Result<i64, Failure> {
    db.prepare_cached(
        "UPDATE account SET roster_version = roster_version + 1 WHERE id = ?1 RETURNING roster_version",
    )?
    .query_row([owner.0], |row| row.get(0))
    .optional()?
    .ok_or(Failure::Answer(StoreError::NotFound))
}

/// The roster's version, and the version up to which removals are forgotten.
fn versions(db: &Connection, owner: AccountId) -> Result<(u64, u64), Failure> {
    db.prepare_cached("SELECT roster_version, roster_floor FROM account WHERE id = ?1")?
        .query_row([owner.0], |row| Ok((numbers::uint(row.get(0)?), numbers::uint(row.get(1)?))))
        .optional()?
        .ok_or(Failure::Answer(StoreError::NotFound))
}

fn item(row: &Row<'_>) -> Result<(u64, RosterItem), Failure> {
    let item = RosterItem {
        jid: super::jid(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?,
        name: row.get(2)?,
        groups: lists::split(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?),
        subscription: kinds::subscription(row.get(4)?),
        ask: row.get(5)?,
        approved: row.get(6)?,
        request: row.get(7)?,
        listed: row.get(8)?,
    };
    Ok((numbers::uint(row.get(1)?), item))
}
