//! Access tokens, subscriptions to pushes, and webhooks in the database.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use waxwing_chat::access::AccessToken;
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::integrations::IntegrationStore;
use waxwing_chat::push::subscriptions::{Channel, Subscription};
use waxwing_chat::rosters::Owner;
use waxwing_chat::store::StoreResult;
use waxwing_chat::webhooks::{DeadLetter, Way, Webhook};
use waxwing_xmpp::jid::Jid;

use super::accounts::exists;
use super::belongings::must_exist;
use super::errors::Failure;
use super::{Sqlite, numbers};

const TOKEN: &str = "id, owner, jid, name, scopes, hash, created_ms, expires_ms, used_ms";
const SUBSCRIPTION: &str = "owner, key, jid, device, created_ms, p256dh, auth, service, node, options";
const WEBHOOK: &str = "id, owner, jid, name, created_ms, conversation, hash, url, secret, position";

#[async_trait]
impl IntegrationStore for Sqlite {
    async fn put_access_token(&self, token: AccessToken) -> StoreResult<()> {
        self.write(move |db| put_token(db, &token)).await
    }

    async fn access_token(&self, id: &str) -> StoreResult<Option<AccessToken>> {
        let id = id.to_owned();
        self.read(move |db| {
            let sql = format!("SELECT {TOKEN} FROM access_token WHERE id = ?1");
            db.prepare_cached(&sql)?.query_row([id], |row| Ok(token(row))).optional()?.transpose()
        })
        .await
    }

    async fn access_tokens(
        &self,
        owner: Option<AccountId>,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<AccessToken>> {
        let after = after.unwrap_or_default().to_owned();
        self.read(move |db| {
            let whose = if owner.is_some() { "owner = ?1" } else { "?1 IS NULL" };
            let sql =
                format!("SELECT {TOKEN} FROM access_token WHERE {whose} AND id > ?2 ORDER BY id LIMIT ?3");
            let values = params![owner.map(|owner| owner.0), after, numbers::int(limit as u64)];
            all(db, &sql, values, token)
        })
        .await
    }

    async fn note_access(&self, id: &str, at_ms: u64) -> StoreResult<()> {
        let id = id.to_owned();
        self.write(move |db| {
            db.prepare_cached("UPDATE access_token SET used_ms = ?2 WHERE id = ?1")?
                .execute(params![id, numbers::int(at_ms)])?;
            Ok(())
        })
        .await
    }

    async fn delete_access_token(&self, id: &str) -> StoreResult<()> {
        let id = id.to_owned();
        self.write(move |db| exists(db.execute("DELETE FROM access_token WHERE id = ?1", [&id])?)).await
    }

    async fn push_subscriptions(&self, owner: Option<AccountId>) -> StoreResult<Vec<Subscription>> {
        self.read(move |db| {
            let whose = if owner.is_some() { "owner = ?1" } else { "?1 IS NULL" };
            let sql = format!("SELECT {SUBSCRIPTION} FROM push_subscription WHERE {whose}");
            all(db, &sql, params![owner.map(|owner| owner.0)], subscription)
        })
        .await
    }

    async fn put_push_subscription(&self, subscription: Subscription) -> StoreResult<()> {
        self.write(move |db| put_subscription(db, &subscription)).await
    }

    async fn delete_push_subscription(&self, owner: AccountId, key: &str) -> StoreResult<()> {
        let key = key.to_owned();
        self.write(move |db| {
            db.execute("DELETE FROM push_subscription WHERE owner = ?1 AND key = ?2", params![owner.0, key])?;
            Ok(())
        })
        .await
    }

    async fn webhooks(&self) -> StoreResult<Vec<Webhook>> {
        self.read(|db| all(db, &format!("SELECT {WEBHOOK} FROM webhook ORDER BY id"), params![], webhook))
            .await
    }

    async fn webhook(&self, id: &str) -> StoreResult<Option<Webhook>> {
        let id = id.to_owned();
        self.read(move |db| {
            let sql = format!("SELECT {WEBHOOK} FROM webhook WHERE id = ?1");
            db.prepare_cached(&sql)?.query_row([id], |row| Ok(webhook(row))).optional()?.transpose()
        })
        .await
    }

    async fn put_webhook(&self, webhook: Webhook) -> StoreResult<()> {
        self.write(move |db| put_webhook(db, &webhook)).await
    }

    async fn delete_webhook(&self, id: &str) -> StoreResult<()> {
        let id = id.to_owned();
        self.write(move |db| exists(db.execute("DELETE FROM webhook WHERE id = ?1", [&id])?)).await
    }

    async fn pass_webhook(
        &self,
        id: &str,
        position: ArchiveId,
        dead: Option<DeadLetter>,
        limit: usize,
    ) -> StoreResult<()> {
        let id = id.to_owned();
        self.write(move |db| pass(db, &id, position, dead.as_ref(), limit)).await
    }

    async fn dead_letters(&self, id: &str) -> StoreResult<Vec<DeadLetter>> {
        let id = id.to_owned();
        self.read(move |db| {
            let sql = "SELECT message, attempts, reason, at_ms FROM dead_letter WHERE webhook = ?1 ORDER BY message";
            all(db, sql, params![id], letter)
        })
        .await
    }

    async fn delete_dead_letter(&self, id: &str, message: ArchiveId) -> StoreResult<()> {
        let id = id.to_owned();
        self.write(move |db| {
            let values = params![id, numbers::int(message.0)];
            db.execute("DELETE FROM dead_letter WHERE webhook = ?1 AND message = ?2", values)?;
            Ok(())
        })
        .await
    }
}

fn all<T>(
    db: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    read: fn(&Row<'_>) -> Result<T, Failure>,
) -> Result<Vec<T>, Failure> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

fn put_token(db: &Connection, token: &AccessToken) -> Result<(), Failure> {
    must_exist(db, token.owner.account)?;
    db.prepare_cached(&format!(
        "INSERT OR REPLACE INTO access_token ({TOKEN}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
    ))?
    .execute(params![
        token.id,
        token.owner.account.0,
        token.owner.jid.as_str(),
        token.name,
        token.scopes.to_string(),
        token.hash,
        numbers::int(token.created_ms),
        token.expires_ms.map(numbers::int),
        token.used_ms.map(numbers::int),
    ])?;
    Ok(())
}

fn owner(account: i64, jid: &str) -> Result<Owner, Failure> {
    Ok(Owner { account: AccountId(account), jid: super::jid(jid)? })
}

fn token(row: &Row<'_>) -> Result<AccessToken, Failure> {
    let scopes: String = row.get(4)?;
    Ok(AccessToken {
        id: row.get(0)?,
        owner: owner(row.get(1)?, &row.get::<_, String>(2)?)?,
        name: row.get(3)?,
        // A scope that this version does not know allows nothing.
        scopes: scopes
            .split(' ')
            .filter_map(|word| word.parse::<waxwing_chat::access::Scope>().ok())
            .collect(),
        hash: row.get(5)?,
        created_ms: numbers::uint(row.get(6)?),
        expires_ms: row.get::<_, Option<i64>>(7)?.map(numbers::uint),
        used_ms: row.get::<_, Option<i64>>(8)?.map(numbers::uint),
    })
}

fn put_subscription(db: &Connection, new: &Subscription) -> Result<(), Failure> {
    must_exist(db, new.owner.account)?;
    let (web, xmpp) = match &new.channel {
        Channel::Web { p256dh, auth, .. } => (Some((p256dh, auth)), None),
        Channel::Xmpp { service, node, options } => (None, Some((service, node, options))),
    };
    db.prepare_cached(&format!(
        "INSERT OR REPLACE INTO push_subscription ({SUBSCRIPTION}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
    ))?
    .execute(params![
        new.owner.account.0,
        new.key(),
        new.owner.jid.as_str(),
        new.device,
        numbers::int(new.created_ms),
        web.map(|(p256dh, _)| p256dh),
        web.map(|(_, auth)| auth),
        xmpp.map(|(service, ..)| service.as_str()),
        xmpp.map(|(_, node, _)| node),
        xmpp.and_then(|(.., options)| options.as_ref()),
    ])?;
    Ok(())
}

fn subscription(row: &Row<'_>) -> Result<Subscription, Failure> {
    let service: Option<String> = row.get(7)?;
    let channel = match service {
        Some(service) => {
            Channel::Xmpp { service: super::jid(&service)?, node: row.get(8)?, options: row.get(9)? }
        }
        None => Channel::Web { endpoint: row.get(1)?, p256dh: row.get(5)?, auth: row.get(6)? },
    };
    Ok(Subscription {
        owner: owner(row.get(0)?, &row.get::<_, String>(2)?)?,
        device: row.get(3)?,
        created_ms: numbers::uint(row.get(4)?),
        channel,
    })
}

fn put_webhook(db: &Connection, hook: &Webhook) -> Result<(), Failure> {
    must_exist(db, hook.owner.account)?;
    let (conversation, hash, out, position) = match &hook.way {
        Way::Incoming { hash, to } => (Some(to), Some(hash), None, ArchiveId::default()),
        Way::Outgoing { url, secret, of, position } => (of.as_ref(), None, Some((url, secret)), *position),
    };
    db.prepare_cached(&format!(
        "INSERT OR REPLACE INTO webhook ({WEBHOOK}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
    ))?
    .execute(params![
        hook.id,
        hook.owner.account.0,
        hook.owner.jid.as_str(),
        hook.name,
        numbers::int(hook.created_ms),
        conversation.map(Jid::as_str),
        hash,
        out.map(|(url, _)| url),
        out.map(|(_, secret)| secret),
        numbers::int(position.0),
    ])?;
    Ok(())
}

fn webhook(row: &Row<'_>) -> Result<Webhook, Failure> {
    let conversation: Option<String> = row.get(5)?;
    let conversation = conversation.map(|text| super::jid(&text)).transpose()?;
    let way = match (row.get::<_, Option<String>>(7)?, conversation) {
        (Some(url), of) => {
            let position = ArchiveId(numbers::uint(row.get(9)?));
            Way::Outgoing { url, secret: row.get(8)?, of, position }
        }
        (None, Some(to)) => Way::Incoming { hash: row.get(6)?, to },
        (None, None) => return Err(Failure::other("a webhook without a conversation")),
    };
    Ok(Webhook {
        id: row.get(0)?,
        owner: owner(row.get(1)?, &row.get::<_, String>(2)?)?,
        name: row.get(3)?,
        created_ms: numbers::uint(row.get(4)?),
        way,
    })
}

fn pass(
    db: &Connection,
    id: &str,
    position: ArchiveId,
    dead: Option<&DeadLetter>,
    limit: usize,
) -> Result<(), Failure> {
    let passed = db
        .prepare_cached("UPDATE webhook SET position = max(position, ?2) WHERE id = ?1")?
        .execute(params![id, numbers::int(position.0)])?;
    let Some(dead) = dead.filter(|_| passed > 0) else { return Ok(()) };
    db.prepare_cached(
        "INSERT OR REPLACE INTO dead_letter (webhook, message, attempts, reason, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        id,
        numbers::int(dead.message.0),
        dead.attempts,
        dead.reason,
        numbers::int(dead.at_ms)
    ])?;
    db.prepare_cached(
        "DELETE FROM dead_letter WHERE webhook = ?1 AND message IN \
         (SELECT message FROM dead_letter WHERE webhook = ?1 ORDER BY message DESC LIMIT -1 OFFSET ?2)",
    )?
    .execute(params![id, numbers::int(limit as u64)])?;
    Ok(())
}

fn letter(row: &Row<'_>) -> Result<DeadLetter, Failure> {
    Ok(DeadLetter {
        message: ArchiveId(numbers::uint(row.get(0)?)),
        attempts: row.get(1)?,
        reason: row.get(2)?,
        at_ms: numbers::uint(row.get(3)?),
    })
}
