//! Accounts in the database.

use rusqlite::{Connection, OptionalExtension, Row, params};
use waxwing_chat::account::{Account, AccountChange, AccountId, NewAccount};
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::store::StoreError;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::{grams, numbers};
use crate::{kinds, lists};

const COLUMNS: &str = "id, jid, name, role, verifiers, created_ms, disabled, expires_ms, last_seen_ms, \
     last_status, delivered";

pub(super) fn create(db: &Connection, new: &NewAccount) -> Result<Account, Failure> {
    let inserted = db
        .prepare_cached(
            "INSERT INTO account (jid, domain, name, role, verifiers, created_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (jid) DO NOTHING",
        )?
        .execute(params![
            new.jid.bare_str(),
            new.jid.domain(),
            new.name,
            kinds::of_role(new.role),
            lists::join(&new.verifiers),
            numbers::int(new.created_ms),
        ])?;
    if inserted == 0 {
        return Err(StoreError::Conflict.into());
    }
    let account = find(db, &new.jid)?.ok_or_else(|| Failure::other("a new account was not found again"))?;
    grams::index(db, account.id)?;
    Ok(account)
}

pub(super) fn find(db: &Connection, jid: &Jid) -> Result<Option<Account>, Failure> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM account WHERE jid = ?1"))?
        .query_row([jid.bare_str()], |row| Ok(account(row)))
        .optional()?
        .transpose()
}

pub(super) fn list(
    db: &Connection,
    domain: Option<&str>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Account>, Failure> {
    let (after, limit) = (after.unwrap_or(""), numbers::int(limit as u64));
    let mut statement;
    let mut rows = match domain {
        Some(domain) => {
            statement = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM account WHERE domain = ?3 AND jid > ?1 ORDER BY jid LIMIT ?2"
            ))?;
            statement.query(params![after, limit, domain])?
        }
        None => {
            statement = db.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM account WHERE jid > ?1 ORDER BY jid LIMIT ?2"
            ))?;
            statement.query(params![after, limit])?
        }
    };
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(account(row)?);
    }
    Ok(found)
}

pub(super) fn change(db: &Connection, id: AccountId, change: &AccountChange) -> Result<(), Failure> {
    let changed = match change {
        AccountChange::Verifiers(verifiers) => set(db, "verifiers", id, lists::join(verifiers)),
        AccountChange::AddVerifier(verifier) => return add_verifier(db, id, verifier),
        AccountChange::Disabled(disabled) => set(db, "disabled", id, disabled),
        AccountChange::Expires(at_ms) => set(db, "expires_ms", id, at_ms.map(numbers::int)),
        AccountChange::Name(name) => {
            exists(set(db, "name", id, name)?)?;
            return grams::index(db, id);
        }
        AccountChange::Role(role) => set(db, "role", id, kinds::of_role(*role)),
        AccountChange::LastSeen { at_ms, status } => db
            .prepare_cached("UPDATE account SET last_seen_ms = ?2, last_status = ?3 WHERE id = ?1")?
            .execute(params![id.0, numbers::int(*at_ms), status]),
    }?;
    exists(changed)
}

/// Moves the delivery mark forward, never back.
pub(super) fn set_delivered(db: &Connection, id: AccountId, mark: ArchiveId) -> Result<(), Failure> {
    let changed = db
        .prepare_cached("UPDATE account SET delivered = max(delivered, ?2) WHERE id = ?1")?
        .execute(params![id.0, numbers::int(mark.0)])?;
    exists(changed)
}

/// Deletes the account and what is kept for it, but for its copies of messages, which are noted for erasing.
pub(super) fn delete(db: &Connection, id: AccountId) -> Result<(), Failure> {
    let jid: Option<String> = db
        .query_row("DELETE FROM account WHERE id = ?1 RETURNING jid", [id.0], |row| row.get(0))
        .optional()?;
    super::pubsub::forget_account(db, id, &jid.ok_or(StoreError::NotFound)?)?;
    let tables = [
        "roster_item",
        "roster_removal",
        "blocked",
        "document",
        "token",
        "saved_stream",
        "card",
        "access_token",
        "push_subscription",
        "webhook",
    ];
    for table in tables {
        db.execute(&format!("DELETE FROM {table} WHERE owner = ?1"), [id.0])?;
    }
    grams::index(db, id)?;
    super::shared_files::discard_of(db, id)?;
    super::state::forget(db, id)?;
    db.execute("INSERT INTO erasing (owner) VALUES (?1)", [id.0])?;
    Ok(())
}

pub(super) fn count(db: &Connection) -> Result<u64, Failure> {
    Ok(numbers::uint(db.query_row("SELECT count(*) FROM account", [], |row| row.get(0))?))
}

/// `NotFound` unless a row was touched.
pub(super) fn exists(rows: usize) -> Result<(), Failure> {
    if rows == 0 { Err(StoreError::NotFound.into()) } else { Ok(()) }
}

fn set(db: &Connection, column: &str, id: AccountId, value: impl rusqlite::ToSql) -> rusqlite::Result<usize> {
    db.prepare_cached(&format!("UPDATE account SET {column} = ?2 WHERE id = ?1"))?
        .execute(params![id.0, value])
}

fn add_verifier(db: &Connection, id: AccountId, verifier: &str) -> Result<(), Failure> {
    let list: Option<String> = db
        .prepare_cached("SELECT verifiers FROM account WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    let mut verifiers = lists::split(&list.ok_or(StoreError::NotFound)?);
    verifiers.retain(|v| hash_name(v) != hash_name(verifier));
    verifiers.push(verifier.to_owned());
    exists(set(db, "verifiers", id, lists::join(&verifiers))?)
}

/// The name of the hash that a verifier's text form begins with.
fn hash_name(verifier: &str) -> &str {
    verifier.split(['$', ':']).next().unwrap_or(verifier)
}

fn account(row: &Row<'_>) -> Result<Account, Failure> {
    Ok(Account {
        id: AccountId(row.get(0)?),
        jid: super::jid(row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?)?,
        name: row.get(2)?,
        role: kinds::role(row.get(3)?),
        verifiers: lists::split(row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?),
        created_ms: numbers::uint(row.get(5)?),
        disabled: row.get(6)?,
        expires_ms: row.get::<_, Option<i64>>(7)?.map(numbers::uint),
        last_seen_ms: row.get::<_, Option<i64>>(8)?.map(numbers::uint),
        last_status: row.get(9)?,
        delivered: ArchiveId(numbers::uint(row.get(10)?)),
    })
}
