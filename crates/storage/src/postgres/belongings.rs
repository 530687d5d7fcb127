//! Small things of an account: blocklist, documents, sign-in tokens, suspended streams; and invitations and settings.

use tokio_postgres::Row;
use waxwing_chat::account::AccountId;
use waxwing_chat::invitation::Invitation;
use waxwing_chat::store::{DocumentKind, SavedStream};
use waxwing_chat::token::Token;
use waxwing_xmpp::jid::Jid;

use super::accounts::must_exist;
use super::errors::Failure;
use super::session::Session;
use super::{accounts, numbers, statements};
use crate::kinds;

pub(super) async fn blocked(db: &Session, owner: AccountId) -> Result<Vec<Jid>, Failure> {
    let rows = db.rows("SELECT contact FROM blocked WHERE owner = $1 ORDER BY contact", &[&owner.0]).await?;
    rows.iter().map(|row| super::jid(row.try_get(0)?)).collect()
}

pub(super) async fn block(db: &Session, owner: AccountId, contacts: &[Jid]) -> Result<(), Failure> {
    must_exist(db, owner).await?;
    let contacts: Vec<&str> = contacts.iter().map(Jid::as_str).collect();
    let sql = "INSERT INTO blocked (owner, contact) SELECT $1, unnest($2::text[]) ORDER BY 2 ON CONFLICT DO NOTHING";
    db.execute(sql, &[&owner.0, &contacts]).await.map(drop)
}

pub(super) async fn unblock(db: &Session, owner: AccountId, contacts: Option<&[Jid]>) -> Result<(), Failure> {
    let Some(contacts) = contacts else {
        return db.execute("DELETE FROM blocked WHERE owner = $1", &[&owner.0]).await.map(drop);
    };
    let contacts: Vec<&str> = contacts.iter().map(Jid::as_str).collect();
    let sql = "DELETE FROM blocked WHERE owner = $1 AND contact = ANY($2)";
    db.execute(sql, &[&owner.0, &contacts]).await.map(drop)
}

pub(super) async fn document(
    db: &Session,
    owner: AccountId,
    kind: DocumentKind,
    key: &str,
) -> Result<Option<String>, Failure> {
    let sql = "SELECT content FROM document WHERE owner = $1 AND kind = $2 AND key = $3";
    let row = db.row(sql, &[&owner.0, &kinds::of_document(kind), &key]).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

pub(super) async fn documents(
    db: &Session,
    owner: AccountId,
    kind: DocumentKind,
) -> Result<Vec<(String, String)>, Failure> {
    let sql = "SELECT key, content FROM document WHERE owner = $1 AND kind = $2 ORDER BY key";
    let rows = db.rows(sql, &[&owner.0, &kinds::of_document(kind)]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

pub(super) async fn put_document(
    db: &Session,
    owner: AccountId,
    kind: DocumentKind,
    key: &str,
    content: Option<&str>,
) -> Result<(), Failure> {
    let kind = kinds::of_document(kind);
    match content {
        Some(content) => {
            must_exist(db, owner).await?;
            let sql = statements::put("document", "owner, kind, key", "content");
            db.execute(&sql, &[&owner.0, &kind, &key, &content]).await.map(drop)
        }
        None => {
            let sql = "DELETE FROM document WHERE owner = $1 AND kind = $2 AND key = $3";
            db.execute(sql, &[&owner.0, &kind, &key]).await.map(drop)
        }
    }
}

pub(super) async fn tokens(db: &Session, owner: AccountId, agent: &str) -> Result<Vec<Token>, Failure> {
    let sql = "SELECT secret, mechanism, created_ms, expires_ms, count FROM token \
         WHERE owner = $1 AND agent = $2 ORDER BY created_ms DESC";
    let token = |row: &Row| {
        Ok(Token {
            owner,
            agent: agent.to_owned(),
            secret: row.try_get(0)?,
            mechanism: row.try_get(1)?,
            created_ms: numbers::uint(row.try_get(2)?),
            expires_ms: numbers::uint(row.try_get(3)?),
            count: row.try_get::<_, Option<i64>>(4)?.and_then(|count| u32::try_from(count).ok()),
        })
    };
    db.rows(sql, &[&owner.0, &agent]).await?.iter().map(token).collect()
}

pub(super) async fn put_token(db: &Session, token: &Token) -> Result<(), Failure> {
    must_exist(db, token.owner).await?;
    let sql = statements::put("token", "owner, agent, secret", "mechanism, created_ms, expires_ms, count");
    let values: super::session::Values<'_> = &[
        &token.owner.0,
        &token.agent,
        &token.secret,
        &token.mechanism,
        &numbers::int(token.created_ms),
        &numbers::int(token.expires_ms),
        &token.count.map(i64::from),
    ];
    db.execute(&sql, values).await.map(drop)
}

pub(super) async fn delete_tokens(
    db: &Session,
    owner: AccountId,
    agent: Option<&str>,
    secret: Option<&str>,
) -> Result<(), Failure> {
    let sql = "DELETE FROM token WHERE owner = $1 AND ($2::text IS NULL OR agent = $2) \
         AND ($3::text IS NULL OR secret = $3)";
    db.execute(sql, &[&owner.0, &agent, &secret]).await.map(drop)
}

const INVITATION: &str = "token, register_at, username, inviter, created_ms, expires_ms, uses_left";

pub(super) async fn put_invitation(db: &Session, new: &Invitation) -> Result<(), Failure> {
    let others = INVITATION.strip_prefix("token, ").unwrap_or(INVITATION);
    let values: super::session::Values<'_> = &[
        &new.token,
        &new.register_at,
        &new.username,
        &new.inviter.as_ref().map(Jid::as_str),
        &numbers::int(new.created_ms),
        &numbers::int(new.expires_ms),
        &i64::from(new.uses_left),
    ];
    db.execute(&statements::put("invitation", "token", others), values).await.map(drop)
}

pub(super) async fn invitation(db: &Session, token: &str) -> Result<Option<Invitation>, Failure> {
    let sql = format!("SELECT {INVITATION} FROM invitation WHERE token = $1");
    db.row(&sql, &[&token]).await?.as_ref().map(read_invitation).transpose()
}

/// Uses one use up; the invitation goes with its last one.
pub(super) async fn redeem(db: &Session, token: &str, now_ms: u64) -> Result<Option<Invitation>, Failure> {
    let sql = format!(
        "UPDATE invitation SET uses_left = uses_left - 1 \
         WHERE token = $1 AND expires_ms > $2 AND uses_left > 0 RETURNING {INVITATION}"
    );
    let Some(row) = db.row(&sql, &[&token, &numbers::int(now_ms)]).await? else { return Ok(None) };
    let found = read_invitation(&row)?;
    if found.uses_left == 0 {
        db.execute("DELETE FROM invitation WHERE token = $1", &[&token]).await?;
    }
    Ok(Some(found))
}

pub(super) async fn invitations(db: &Session, now_ms: u64) -> Result<Vec<Invitation>, Failure> {
    let sql = format!(
        "SELECT {INVITATION} FROM invitation WHERE expires_ms > $1 AND uses_left > 0 ORDER BY created_ms, token"
    );
    db.rows(&sql, &[&numbers::int(now_ms)]).await?.iter().map(read_invitation).collect()
}

pub(super) async fn delete_invitation(db: &Session, token: &str) -> Result<(), Failure> {
    accounts::exists(db.execute("DELETE FROM invitation WHERE token = $1", &[&token]).await?)
}

fn read_invitation(row: &Row) -> Result<Invitation, Failure> {
    Ok(Invitation {
        token: row.try_get(0)?,
        register_at: row.try_get(1)?,
        username: row.try_get(2)?,
        inviter: row.try_get::<_, Option<&str>>(3)?.map(super::jid).transpose()?,
        created_ms: numbers::uint(row.try_get(4)?),
        expires_ms: numbers::uint(row.try_get(5)?),
        uses_left: u32::try_from(numbers::uint(row.try_get(6)?)).unwrap_or(u32::MAX),
    })
}

/// Removes tokens and invitations whose time is over, so many of each. What is being renewed or removed elsewhere is passed over.
pub(super) async fn remove_expired(db: &Session, now_ms: u64, limit: usize) -> Result<usize, Failure> {
    let (now, limit) = (numbers::int(now_ms), numbers::limit(limit));
    let tokens = "DELETE FROM token WHERE (owner, agent, secret) IN (SELECT owner, agent, secret FROM token \
         WHERE expires_ms <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let invitations = "DELETE FROM invitation WHERE token IN (SELECT token FROM invitation \
         WHERE expires_ms <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";
    let mut removed = 0;
    for sql in [tokens, invitations] {
        removed += db.execute(sql, &[&now, &limit]).await?;
    }
    Ok(usize::try_from(removed).unwrap_or(usize::MAX))
}

/// Keeps suspended streams, but those of accounts that are gone.
pub(super) async fn save_streams(db: &Session, streams: &[SavedStream]) -> Result<(), Failure> {
    let sql = "INSERT INTO saved_stream (id, owner, expires_ms, state) SELECT $1, id, $3, $4 FROM account WHERE id = $2 \
         ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, expires_ms = excluded.expires_ms, \
         state = excluded.state";
    for SavedStream { id, owner, expires_ms, state } in streams {
        db.execute(sql, &[id, &owner.0, &numbers::int(*expires_ms), state]).await?;
    }
    Ok(())
}

pub(super) async fn take_stream(db: &Session, id: &str) -> Result<Option<SavedStream>, Failure> {
    let sql = "DELETE FROM saved_stream WHERE id = $1 RETURNING id, owner, expires_ms, state";
    db.row(sql, &[&id]).await?.as_ref().map(saved_stream).transpose()
}

pub(super) async fn take_expired_streams(db: &Session, now_ms: u64) -> Result<Vec<SavedStream>, Failure> {
    let sql = "DELETE FROM saved_stream WHERE expires_ms <= $1 RETURNING id, owner, expires_ms, state";
    db.rows(sql, &[&numbers::int(now_ms)]).await?.iter().map(saved_stream).collect()
}

fn saved_stream(row: &Row) -> Result<SavedStream, Failure> {
    Ok(SavedStream {
        id: row.try_get(0)?,
        owner: AccountId(row.try_get(1)?),
        expires_ms: numbers::uint(row.try_get(2)?),
        state: row.try_get(3)?,
    })
}

pub(super) async fn setting(db: &Session, key: &str) -> Result<Option<String>, Failure> {
    let row = db.row("SELECT value FROM setting WHERE key = $1", &[&key]).await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

pub(super) async fn put_setting(db: &Session, key: &str, value: &str) -> Result<(), Failure> {
    db.execute(&statements::put("setting", "key", "value"), &[&key, &value]).await.map(drop)
}

/// The value that is there, or this one.
pub(super) async fn setting_or(db: &Session, key: &str, fresh: &str) -> Result<String, Failure> {
    let put = "INSERT INTO setting (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
    db.execute(put, &[&key, &fresh]).await?;
    Ok(db.only_row("SELECT value FROM setting WHERE key = $1", &[&key]).await?.try_get(0)?)
}
