//! Small things of an account: blocklist, documents, sign-in tokens, suspended streams; and invitations and settings.

use rusqlite::{Connection, OptionalExtension, Row, params};
use waxwing_chat::account::AccountId;
use waxwing_chat::invitation::Invitation;
use waxwing_chat::store::{DocumentKind, SavedStream, StoreError};
use waxwing_chat::token::Token;
use waxwing_xmpp::jid::Jid;

use super::errors::Failure;
use super::numbers;
use crate::kinds;

pub(super) fn blocked(db: &Connection, owner: AccountId) -> Result<Vec<Jid>, Failure> {
    let mut statement = db.prepare_cached("SELECT contact FROM blocked WHERE owner = ?1")?;
    let mut rows = statement.query([owner.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(super::jid(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?);
    }
    Ok(found)
}

pub(super) fn block(db: &Connection, owner: AccountId, contacts: &[Jid]) -> Result<(), Failure> {
    must_exist(db, owner)?;
    let mut insert =
        db.prepare_cached("INSERT INTO blocked (owner, contact) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    for contact in contacts {
        insert.execute(params![owner.0, contact.as_str()])?;
    }
    Ok(())
}

pub(super) fn unblock(db: &Connection, owner: AccountId, contacts: Option<&[Jid]>) -> Result<(), Failure> {
    let Some(contacts) = contacts else {
        db.execute("DELETE FROM blocked WHERE owner = ?1", [owner.0])?;
        return Ok(());
    };
    let mut delete = db.prepare_cached("DELETE FROM blocked WHERE owner = ?1 AND contact = ?2")?;
    for contact in contacts {
        delete.execute(params![owner.0, contact.as_str()])?;
    }
    Ok(())
}

pub(super) fn document(
    db: &Connection,
    owner: AccountId,
    kind: DocumentKind,
    key: &str,
) -> Result<Option<String>, Failure> {
    Ok(db
        .prepare_cached("SELECT content FROM document WHERE owner = ?1 AND kind = ?2 AND key = ?3")?
        .query_row(params![owner.0, kinds::of_document(kind), key], |row| row.get(0))
        .optional()?)
}

pub(super) fn documents(
    db: &Connection,
    owner: AccountId,
    kind: DocumentKind,
) -> Result<Vec<(String, String)>, Failure> {
    let mut statement =
        db.prepare_cached("SELECT key, content FROM document WHERE owner = ?1 AND kind = ?2 ORDER BY key")?;
    let rows = statement
        .query_map(params![owner.0, kinds::of_document(kind)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn put_document(
    db: &Connection,
    owner: AccountId,
    kind: DocumentKind,
    key: &str,
    content: Option<&str>,
) -> Result<(), Failure> {
    let kind = kinds::of_document(kind);
    match content {
        Some(content) => {
            must_exist(db, owner)?;
            db.prepare_cached(
                "INSERT OR REPLACE INTO document (owner, kind, key, content) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![owner.0, kind, key, content])?
        }
        None => db
            .prepare_cached("DELETE FROM document WHERE owner = ?1 AND kind = ?2 AND key = ?3")?
            .execute(params![owner.0, kind, key])?,
    };
    Ok(())
}

/// Nothing may be kept for an account or a room that is gone: nobody would ever delete it. Rooms count downwards.
pub(super) fn must_exist(db: &Connection, owner: AccountId) -> Result<(), Failure> {
    let exists: bool = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM account WHERE id = ?1) OR EXISTS (SELECT 1 FROM room WHERE id = -?1)",
        )?
        .query_row([owner.0], |row| row.get(0))?;
    if exists { Ok(()) } else { Err(StoreError::NotFound.into()) }
}

pub(super) fn tokens(db: &Connection, owner: AccountId, agent: &str) -> Result<Vec<Token>, Failure> {
    let mut statement = db.prepare_cached(
        "SELECT secret, mechanism, created_ms, expires_ms, count FROM token \
         WHERE owner = ?1 AND agent = ?2 ORDER BY created_ms DESC",
    )?;
    let rows = statement.query_map(params![owner.0, agent], |row| {
        Ok(Token {
            owner,
            agent: agent.to_owned(),
            secret: row.get(0)?,
            mechanism: row.get(1)?,
            created_ms: numbers::uint(row.get(2)?),
            expires_ms: numbers::uint(row.get(3)?),
            count: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn put_token(db: &Connection, token: &Token) -> Result<(), Failure> {
    must_exist(db, token.owner)?;
    db.prepare_cached(
        "INSERT OR REPLACE INTO token (owner, agent, secret, mechanism, created_ms, expires_ms, count) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        token.owner.0,
        token.agent,
        token.secret,
        token.mechanism,
        numbers::int(token.created_ms),
        numbers::int(token.expires_ms),
        token.count,
    ])?;
    Ok(())
}

pub(super) fn delete_tokens(
    db: &Connection,
    owner: AccountId,
    agent: Option<&str>,
    secret: Option<&str>,
) -> Result<(), Failure> {
    db.prepare_cached(
        "DELETE FROM token WHERE owner = ?1 AND (?2 IS NULL OR agent = ?2) AND (?3 IS NULL OR secret = ?3)",
    )?
    .execute(params![owner.0, agent, secret])?;
    Ok(())
}

const INVITATION: &str = "token, register_at, username, inviter, created_ms, expires_ms, uses_left";

pub(super) fn put_invitation(db: &Connection, new: &Invitation) -> Result<(), Failure> {
    db.prepare_cached(&format!(
        "INSERT OR REPLACE INTO invitation ({INVITATION}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    ))?
    .execute(params![
        new.token,
        new.register_at,
        new.username,
        new.inviter.as_ref().map(Jid::as_str),
        numbers::int(new.created_ms),
        numbers::int(new.expires_ms),
        new.uses_left,
    ])?;
    Ok(())
}

pub(super) fn invitation(db: &Connection, token: &str) -> Result<Option<Invitation>, Failure> {
    db.prepare_cached(&format!("SELECT {INVITATION} FROM invitation WHERE token = ?1"))?
        .query_row([token], |row| Ok(read_invitation(row)))
        .optional()?
        .transpose()
}

/// Uses one use up; the invitation goes with its last one.
pub(super) fn redeem(db: &Connection, token: &str, now_ms: u64) -> Result<Option<Invitation>, Failure> {
    let Some(mut found) = invitation(db, token)? else {
        return Ok(None);
    };
    if found.expires_ms <= now_ms || found.uses_left == 0 {
        return Ok(None);
    }
    found.uses_left -= 1;
    if found.uses_left == 0 {
        db.prepare_cached("DELETE FROM invitation WHERE token = ?1")?.execute([token])?;
    } else {
        db.prepare_cached("UPDATE invitation SET uses_left = ?2 WHERE token = ?1")?
            .execute(params![token, found.uses_left])?;
    }
    Ok(Some(found))
}

pub(super) fn invitations(db: &Connection, now_ms: u64) -> Result<Vec<Invitation>, Failure> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {INVITATION} FROM invitation WHERE expires_ms > ?1 AND uses_left > 0 ORDER BY created_ms, token"
    ))?;
    let mut rows = statement.query([numbers::int(now_ms)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read_invitation(row)?);
    }
    Ok(found)
}

pub(super) fn delete_invitation(db: &Connection, token: &str) -> Result<(), Failure> {
    super::accounts::exists(db.execute("DELETE FROM invitation WHERE token = ?1", [token])?)
}

fn read_invitation(row: &Row<'_>) -> Result<Invitation, Failure> {
    let inviter = row.get_ref(3)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    Ok(Invitation {
        token: row.get(0)?,
        register_at: row.get(1)?,
        username: row.get(2)?,
        inviter: inviter.map(super::jid).transpose()?,
        created_ms: numbers::uint(row.get(4)?),
        expires_ms: numbers::uint(row.get(5)?),
        uses_left: row.get(6)?,
    })
}

/// What has expired: tokens by owner, agent and secret, and invitations by token.
pub(super) struct Expired {
    tokens: Vec<(i64, String, String)>,
    invitations: Vec<String>,
}

pub(super) fn expired(db: &Connection, now_ms: u64, limit: usize) -> Result<Expired, Failure> {
    let range = params![numbers::int(now_ms), i64::try_from(limit).unwrap_or(i64::MAX)];
    let tokens = db
        .prepare_cached("SELECT owner, agent, secret FROM token WHERE expires_ms <= ?1 LIMIT ?2")?
        .query_map(range, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    let invitations = db
        .prepare_cached("SELECT token FROM invitation WHERE expires_ms <= ?1 LIMIT ?2")?
        .query_map(range, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(Expired { tokens, invitations })
}

/// Removes what was found, unless it was renewed meanwhile.
pub(super) fn remove_expired(db: &Connection, expired: &Expired, now_ms: u64) -> Result<usize, Failure> {
    let now = numbers::int(now_ms);
    let mut removed = 0;
    let mut token = db.prepare_cached(
        "DELETE FROM token WHERE owner = ?1 AND agent = ?2 AND secret = ?3 AND expires_ms <= ?4",
    )?;
    for (owner, agent, secret) in &expired.tokens {
        removed += token.execute(params![owner, agent, secret, now])?;
    }
    let mut invitation = db.prepare_cached("DELETE FROM invitation WHERE token = ?1 AND expires_ms <= ?2")?;
    for gone in &expired.invitations {
        removed += invitation.execute(params![gone, now])?;
    }
    Ok(removed)
}

pub(super) fn save_streams(db: &Connection, streams: &[SavedStream]) -> Result<(), Failure> {
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO saved_stream (id, owner, expires_ms, state) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for stream in streams {
        insert.execute(params![stream.id, stream.owner.0, numbers::int(stream.expires_ms), stream.state])?;
    }
    Ok(())
}

pub(super) fn take_stream(db: &Connection, id: &str) -> Result<Option<SavedStream>, Failure> {
    Ok(db
        .prepare_cached("DELETE FROM saved_stream WHERE id = ?1 RETURNING id, owner, expires_ms, state")?
        .query_row([id], saved_stream)
        .optional()?)
}

pub(super) fn take_expired_streams(db: &Connection, now_ms: u64) -> Result<Vec<SavedStream>, Failure> {
    let mut statement = db.prepare_cached(
        "DELETE FROM saved_stream WHERE expires_ms <= ?1 RETURNING id, owner, expires_ms, state",
    )?;
    let rows = statement.query_map([numbers::int(now_ms)], saved_stream)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn saved_stream(row: &Row<'_>) -> rusqlite::Result<SavedStream> {
    Ok(SavedStream {
        id: row.get(0)?,
        owner: AccountId(row.get(1)?),
        expires_ms: numbers::uint(row.get(2)?),
        state: row.get(3)?,
    })
}

pub(super) fn setting(db: &Connection, key: &str) -> Result<Option<String>, Failure> {
    Ok(db
        .prepare_cached("SELECT value FROM setting WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

pub(super) fn put_setting(db: &Connection, key: &str, value: &str) -> Result<(), Failure> {
    db.prepare_cached("INSERT OR REPLACE INTO setting (key, value) VALUES (?1, ?2)")?
        .execute([key, value])?;
    Ok(())
}
