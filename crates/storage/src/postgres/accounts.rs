//! Accounts in the database.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use waxwing_chat::account::{Account, AccountChange, AccountId, NewAccount};
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::store::StoreError;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::numbers;
use super::session::Session;
use crate::kinds;

const COLUMNS: &str = "id, jid, name, role, verifiers, created_ms, disabled, expires_ms, last_seen_ms, \
     last_status, delivered";

pub(super) async fn create(db: &Session, new: &NewAccount) -> Result<Account, Failure> {
    let sql = format!(
        "INSERT INTO account (jid, domain, name, role, verifiers, created_ms) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (jid) DO NOTHING RETURNING {COLUMNS}"
    );
    let row = db
        .row(
            &sql,
            &[
                &new.jid.bare_str(),
                &new.jid.domain(),
                &new.name,
                &kinds::of_role(new.role),
                &new.verifiers,
                &numbers::int(new.created_ms),
            ],
        )
        .await?;
    account(&row.ok_or(StoreError::Conflict)?)
}

pub(super) async fn find(db: &Session, jid: &Jid) -> Result<Option<Account>, Failure> {
    let row = db.row(&format!("SELECT {COLUMNS} FROM account WHERE jid = $1"), &[&jid.bare_str()]).await?;
    row.as_ref().map(account).transpose()
}

pub(super) async fn list(
    db: &Session,
    domain: Option<&str>,
    after: Option<&Jid>,
    limit: usize,
) -> Result<Vec<Account>, Failure> {
    let (after, limit) = (after.map_or("", Jid::bare_str), numbers::limit(limit));
    let rows = match domain {
        Some(domain) => {
            let sql =
                format!("SELECT {COLUMNS} FROM account WHERE domain = $3 AND jid > $1 ORDER BY jid LIMIT $2");
            db.rows(&sql, &[&after, &limit, &domain]).await?
        }
        None => {
            let sql = format!("SELECT {COLUMNS} FROM account WHERE jid > $1 ORDER BY jid LIMIT $2");
            db.rows(&sql, &[&after, &limit]).await?
        }
    };
    rows.iter().map(account).collect()
}

pub(super) async fn change(db: &Session, id: AccountId, change: &AccountChange) -> Result<(), Failure> {
    match change {
        AccountChange::Verifiers(verifiers) => set(db, "verifiers", id, verifiers).await,
        AccountChange::AddVerifier(verifier) => add_verifier(db, id, verifier).await,
        AccountChange::Disabled(disabled) => set(db, "disabled", id, disabled).await,
        AccountChange::Expires(at_ms) => set(db, "expires_ms", id, &at_ms.map(numbers::int)).await,
        AccountChange::Name(name) => set(db, "name", id, name).await,
        AccountChange::Role(role) => set(db, "role", id, &kinds::of_role(*role)).await,
        AccountChange::LastSeen { at_ms, status } => {
            let sql = "UPDATE account SET last_seen_ms = $2, last_status = $3 WHERE id = $1";
            exists(db.execute(sql, &[&id.0, &numbers::int(*at_ms), status]).await?)
        }
    }
}

/// Deletes the account and what is kept for it, but for its copies of messages, which are noted for erasing. What refers to the
/// account goes with it.
pub(super) async fn delete(db: &Session, id: AccountId) -> Result<(), Failure> {
    let row = db.row("DELETE FROM account WHERE id = $1 RETURNING jid", &[&id.0]).await?;
    let jid: String = row.ok_or(StoreError::NotFound)?.try_get(0)?;
    super::pubsub::forget(db, &jid).await?;
    for table in ["document", "saved_stream"] {
        db.execute(&format!("DELETE FROM {table} WHERE owner = $1"), &[&id.0]).await?;
    }
    super::files::discard_of(db, id).await?;
    super::remove::forget(db, id).await?;
    note_for_erasing(db, id).await
}

/// Notes that all copies of an owner are to be removed from the archive.
pub(super) async fn note_for_erasing(db: &Session, owner: AccountId) -> Result<(), Failure> {
    db.execute("INSERT INTO erasing (owner) VALUES ($1) ON CONFLICT DO NOTHING", &[&owner.0]).await.map(drop)
}

pub(super) async fn count(db: &Session) -> Result<u64, Failure> {
    Ok(numbers::uint(db.only_row("SELECT count(*) FROM account", &[]).await?.try_get(0)?))
}

/// `NotFound` unless a row was touched.
pub(super) fn exists(rows: u64) -> Result<(), Failure> {
    if rows == 0 { Err(StoreError::NotFound.into()) } else { Ok(()) }
}

/// Nothing may be kept for an account or a room that is gone: nobody would ever delete it. Rooms count downwards. It stays until
/// the transaction ends.
pub(super) async fn must_exist(db: &Session, owner: AccountId) -> Result<(), Failure> {
    let sql = match owner.0 {
        0.. => "SELECT 1 FROM account WHERE id = $1 FOR KEY SHARE",
        _ => "SELECT 1 FROM room WHERE id = -($1::int8) FOR KEY SHARE",
    };
    exists(u64::from(db.row(sql, &[&owner.0]).await?.is_some()))
}

async fn set(db: &Session, column: &str, id: AccountId, value: &(dyn ToSql + Sync)) -> Result<(), Failure> {
    let sql = format!("UPDATE account SET {column} = $2 WHERE id = $1");
    exists(db.execute(&sql, &[&id.0, value]).await?)
}

async fn add_verifier(db: &Session, id: AccountId, verifier: &str) -> Result<(), Failure> {
    let row = db.row("SELECT verifiers FROM account WHERE id = $1 FOR NO KEY UPDATE", &[&id.0]).await?;
    let mut verifiers: Vec<String> = row.ok_or(StoreError::NotFound)?.try_get(0)?;
    verifiers.retain(|v| hash_name(v) != hash_name(verifier));
    verifiers.push(verifier.to_owned());
    set(db, "verifiers", id, &verifiers).await
}

/// The name of the hash that a verifier's text form begins with.
fn hash_name(verifier: &str) -> &str {
    verifier.split(['$', ':']).next().unwrap_or(verifier)
}

fn account(row: &Row) -> Result<Account, Failure> {
    Ok(Account {
        id: AccountId(row.try_get(0)?),
        jid: super::jid(row.try_get(1)?)?,
        name: row.try_get(2)?,
        role: kinds::role(row.try_get(3)?),
        verifiers: row.try_get(4)?,
        created_ms: numbers::uint(row.try_get(5)?),
        disabled: row.try_get(6)?,
        expires_ms: row.try_get::<_, Option<i64>>(7)?.map(numbers::uint),
        last_seen_ms: row.try_get::<_, Option<i64>>(8)?.map(numbers::uint),
        last_status: row.try_get(9)?,
        delivered: ArchiveId(numbers::uint(row.try_get(10)?)),
    })
}
