//! Rosters in the database, with the versions that let a client ask for changes only (RFC 6121 section 2.6).

use tokio_postgres::Row;
use waxwing_chat::account::AccountId;
use waxwing_chat::roster::{RosterChanges, RosterItem, RosterSnapshot};
use waxwing_chat::store::StoreError;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::session::Session;
use super::{accounts, numbers, statements};
use crate::kinds;

const COLUMNS: &str = "contact, version, name, groups, subscription, ask, approved, request, listed";
const OTHERS: &str = "version, name, groups, subscription, ask, approved, request, listed";

/// Removals remembered for each roster; a client that was away for longer gets the whole roster.
const MAX_REMOVALS: i64 = 1000;

pub(super) async fn whole(db: &Session, owner: AccountId) -> Result<RosterSnapshot, Failure> {
    let (version, _) = versions(db, owner).await?;
    let rows = db.rows(&format!("SELECT {COLUMNS} FROM roster_item WHERE owner = $1"), &[&owner.0]).await?;
    let items = rows.iter().map(|row| Ok(item(row)?.1)).collect::<Result<_, Failure>>()?;
    Ok(RosterSnapshot { version, items })
}

pub(super) async fn changes(
    db: &Session,
    owner: AccountId,
    since: u64,
) -> Result<Option<RosterChanges>, Failure> {
    let (version, floor) = versions(db, owner).await?;
    if since < floor || since > version {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS} FROM roster_item WHERE owner = $1 AND version > $2 ORDER BY version");
    let changed = db.rows(&sql, &[&owner.0, &numbers::int(since)]).await?;
    let sql =
        "SELECT version, contact FROM roster_removal WHERE owner = $1 AND version > $2 ORDER BY version";
    let removed = db.rows(sql, &[&owner.0, &numbers::int(since)]).await?;
    let removal =
        |row: &Row| Ok::<_, Failure>((numbers::uint(row.try_get(0)?), super::jid(row.try_get(1)?)?));
    Ok(Some(RosterChanges {
        version,
        changed: changed.iter().map(item).collect::<Result<_, _>>()?,
        removed: removed.iter().map(removal).collect::<Result<_, _>>()?,
    }))
}

pub(super) async fn one(
    db: &Session,
    owner: AccountId,
    contact: &Jid,
) -> Result<Option<RosterItem>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM roster_item WHERE owner = $1 AND contact = $2");
    let row = db.row(&sql, &[&owner.0, &contact.bare_str()]).await?;
    row.map(|row| Ok(item(&row)?.1)).transpose()
}

pub(super) async fn size(db: &Session, owner: AccountId) -> Result<usize, Failure> {
    let row = db.only_row("SELECT count(*) FROM roster_item WHERE owner = $1", &[&owner.0]).await?;
    Ok(numbers::count(row.try_get(0)?))
}

pub(super) async fn put(db: &Session, owner: AccountId, item: &RosterItem) -> Result<u64, Failure> {
    let version = next_version(db, owner).await?;
    let contact = item.jid.bare_str();
    db.execute("DELETE FROM roster_removal WHERE owner = $1 AND contact = $2", &[&owner.0, &contact]).await?;
    let sql = statements::put("roster_item", "owner, contact", OTHERS);
    db.execute(
        &sql,
        &[
            &owner.0,
            &contact,
            &version,
            &item.name,
            &item.groups,
            &kinds::of_subscription(item.subscription),
            &item.ask,
            &item.approved,
            &item.request,
            &item.listed,
        ],
    )
    .await?;
    Ok(numbers::uint(version))
}

pub(super) async fn remove(db: &Session, owner: AccountId, contact: &Jid) -> Result<u64, Failure> {
    // The account's row comes first here as well: it puts changes of one roster in an order. A failure takes all of it back.
    let version = next_version(db, owner).await?;
    let contact = contact.bare_str();
    let removed = db
        .execute("DELETE FROM roster_item WHERE owner = $1 AND contact = $2", &[&owner.0, &contact])
        .await?;
    accounts::exists(removed)?;
    let sql = "INSERT INTO roster_removal (owner, version, contact) VALUES ($1, $2, $3)";
    db.execute(sql, &[&owner.0, &version, &contact]).await?;
    forget_oldest(db, owner).await?;
    Ok(numbers::uint(version))
}

/// Keeps the newest removals only, and remembers up to which version they are forgotten.
async fn forget_oldest(db: &Session, owner: AccountId) -> Result<(), Failure> {
    let sql = "SELECT version FROM roster_removal WHERE owner = $1 ORDER BY version DESC LIMIT 1 OFFSET $2";
    if let Some(row) = db.row(sql, &[&owner.0, &MAX_REMOVALS]).await? {
        let version: i64 = row.try_get(0)?;
        let forget = "DELETE FROM roster_removal WHERE owner = $1 AND version <= $2";
        db.execute(forget, &[&owner.0, &version]).await?;
        db.execute("UPDATE account SET roster_floor = $2 WHERE id = $1", &[&owner.0, &version]).await?;
    }
    Ok(())
}

async fn next_version(db: &Session, owner: AccountId) -> Result<i64, Failure> {
    let sql = "UPDATE account SET roster_version = roster_version + 1 WHERE id = $1 RETURNING roster_version";
    let row = db.row(sql, &[&owner.0]).await?;
    Ok(row.ok_or(StoreError::NotFound)?.try_get(0)?)
}

/// The roster's version, and the version up to which removals are forgotten.
async fn versions(db: &Session, owner: AccountId) -> Result<(u64, u64), Failure> {
    let row = db.row("SELECT roster_version, roster_floor FROM account WHERE id = $1", &[&owner.0]).await?;
    let row = row.ok_or(StoreError::NotFound)?;
    Ok((numbers::uint(row.try_get(0)?), numbers::uint(row.try_get(1)?)))
}

fn item(row: &Row) -> Result<(u64, RosterItem), Failure> {
    let item = RosterItem {
        jid: super::jid(row.try_get(0)?)?,
        name: row.try_get(2)?,
        groups: row.try_get(3)?,
        subscription: kinds::subscription(row.try_get(4)?),
        ask: row.try_get(5)?,
        approved: row.try_get(6)?,
        request: row.try_get(7)?,
        listed: row.try_get(8)?,
    };
    Ok((numbers::uint(row.try_get(1)?), item))
}
