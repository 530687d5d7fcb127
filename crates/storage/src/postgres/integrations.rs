//! Access tokens, subscriptions to pushes, and webhooks in the database.

use async_trait::async_trait;
use tokio_postgres::Row;
use waxwing_chat::access::AccessToken;
use waxwing_chat::account::AccountId;
use waxwing_chat::archive::ArchiveId;
use waxwing_chat::integrations::IntegrationStore;
use waxwing_chat::push::subscriptions::{Channel, Subscription};
use waxwing_chat::rosters::Owner;
use waxwing_chat::store::StoreResult;
use waxwing_chat::webhooks::{DeadLetter, Way, Webhook};
use waxwing_xmpp::jid::Jid;

use super::accounts::{exists, must_exist};
use super::attempts::{reading, writing};
use super::errors::Failure;
use super::session::{Session, Values};
use super::{Postgres, numbers, statements};

const TOKEN: &str = "owner, jid, name, scopes, hash, created_ms, expires_ms, used_ms";
const SUBSCRIPTION: &str = "jid, device, created_ms, p256dh, auth, service, node, options";
const WEBHOOK: &str = "owner, jid, name, created_ms, conversation, hash, url, secret, position";
const LETTER: &str = "attempts, reason, at_ms";

#[async_trait]
impl IntegrationStore for Postgres {
    async fn put_access_token(&self, token: AccessToken) -> StoreResult<()> {
        writing!(self, |db| put_token(db, &token).await)
    }

    async fn access_token(&self, id: &str) -> StoreResult<Option<AccessToken>> {
        reading!(self, |db| {
            let row = db.row(&format!("SELECT id, {TOKEN} FROM access_token WHERE id = $1"), &[&id]).await?;
            row.as_ref().map(token).transpose()
        })
    }

    async fn access_tokens(
        &self,
        owner: Option<AccountId>,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<AccessToken>> {
        reading!(self, |db| {
            let whose = if owner.is_some() { "owner = $1" } else { "$1::int8 IS NULL" };
            let sql = format!(
                "SELECT id, {TOKEN} FROM access_token WHERE {whose} AND id > $2 ORDER BY id LIMIT $3"
            );
            let (owner, after) = (owner.map(|owner| owner.0), after.unwrap_or_default());
            db.rows(&sql, &[&owner, &after, &numbers::limit(limit)]).await?.iter().map(token).collect()
        })
    }

    async fn note_access(&self, id: &str, at_ms: u64) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "UPDATE access_token SET used_ms = $2 WHERE id = $1";
            db.execute(sql, &[&id, &numbers::int(at_ms)]).await.map(drop)
        })
    }

    async fn delete_access_token(&self, id: &str) -> StoreResult<()> {
        writing!(self, |db| exists(db.execute("DELETE FROM access_token WHERE id = $1", &[&id]).await?))
    }

    async fn push_subscriptions(&self, owner: Option<AccountId>) -> StoreResult<Vec<Subscription>> {
        reading!(self, |db| {
            let whose = if owner.is_some() { "owner = $1" } else { "$1::int8 IS NULL" };
            let sql = format!(
                "SELECT owner, key, {SUBSCRIPTION} FROM push_subscription WHERE {whose} ORDER BY owner, key"
            );
            db.rows(&sql, &[&owner.map(|owner| owner.0)]).await?.iter().map(subscription).collect()
        })
    }

    async fn put_push_subscription(&self, subscription: Subscription) -> StoreResult<()> {
        writing!(self, |db| put_subscription(db, &subscription).await)
    }

    async fn delete_push_subscription(&self, owner: AccountId, key: &str) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "DELETE FROM push_subscription WHERE owner = $1 AND key = $2";
            db.execute(sql, &[&owner.0, &key]).await.map(drop)
        })
    }

    async fn webhooks(&self) -> StoreResult<Vec<Webhook>> {
        reading!(self, |db| {
            let rows = db.rows(&format!("SELECT id, {WEBHOOK} FROM webhook ORDER BY id"), &[]).await?;
            rows.iter().map(webhook).collect()
        })
    }

    async fn webhook(&self, id: &str) -> StoreResult<Option<Webhook>> {
        reading!(self, |db| {
            let row = db.row(&format!("SELECT id, {WEBHOOK} FROM webhook WHERE id = $1"), &[&id]).await?;
            row.as_ref().map(webhook).transpose()
        })
    }

    async fn put_webhook(&self, webhook: Webhook) -> StoreResult<()> {
        writing!(self, |db| put_webhook(db, &webhook).await)
    }

    async fn delete_webhook(&self, id: &str) -> StoreResult<()> {
        writing!(self, |db| exists(db.execute("DELETE FROM webhook WHERE id = $1", &[&id]).await?))
    }

    async fn pass_webhook(
        &self,
        id: &str,
        position: ArchiveId,
        dead: Option<DeadLetter>,
        limit: usize,
    ) -> StoreResult<()> {
        writing!(self, |db| pass(db, id, position, dead.as_ref(), limit).await)
    }

    async fn dead_letters(&self, id: &str) -> StoreResult<Vec<DeadLetter>> {
        reading!(self, |db| {
            let sql =
                format!("SELECT message, {LETTER} FROM dead_letter WHERE webhook = $1 ORDER BY message");
            db.rows(&sql, &[&id]).await?.iter().map(letter).collect()
        })
    }

    async fn delete_dead_letter(&self, id: &str, message: ArchiveId) -> StoreResult<()> {
        writing!(self, |db| {
            let sql = "DELETE FROM dead_letter WHERE webhook = $1 AND message = $2";
            db.execute(sql, &[&id, &numbers::int(message.0)]).await.map(drop)
        })
    }
}

async fn put_token(db: &Session, token: &AccessToken) -> Result<(), Failure> {
    must_exist(db, token.owner.account).await?;
    let values: Values<'_> = &[
        &token.id,
        &token.owner.account.0,
        &token.owner.jid.as_str(),
        &token.name,
        &token.scopes.to_string(),
        &token.hash,
        &numbers::int(token.created_ms),
        &token.expires_ms.map(numbers::int),
        &token.used_ms.map(numbers::int),
    ];
    db.execute(&statements::put("access_token", "id", TOKEN), values).await.map(drop)
}

fn owner(account: i64, jid: &str) -> Result<Owner, Failure> {
    Ok(Owner { account: AccountId(account), jid: super::jid(jid)? })
}

fn token(row: &Row) -> Result<AccessToken, Failure> {
    let scopes: &str = row.try_get(4)?;
    Ok(AccessToken {
        id: row.try_get(0)?,
        owner: owner(row.try_get(1)?, row.try_get(2)?)?,
        name: row.try_get(3)?,
        // A scope that this version does not know allows nothing.
        scopes: scopes
            .split(' ')
            .filter_map(|word| word.parse::<waxwing_chat::access::Scope>().ok())
            .collect(),
        hash: row.try_get(5)?,
        created_ms: numbers::uint(row.try_get(6)?),
        expires_ms: row.try_get::<_, Option<i64>>(7)?.map(numbers::uint),
        used_ms: row.try_get::<_, Option<i64>>(8)?.map(numbers::uint),
    })
}

async fn put_subscription(db: &Session, new: &Subscription) -> Result<(), Failure> {
    must_exist(db, new.owner.account).await?;
    let (web, xmpp) = match &new.channel {
        Channel::Web { p256dh, auth, .. } => (Some((p256dh, auth)), None),
        Channel::Xmpp { service, node, options } => (None, Some((service, node, options))),
    };
    let values: Values<'_> = &[
        &new.owner.account.0,
        &new.key(),
        &new.owner.jid.as_str(),
        &new.device,
        &numbers::int(new.created_ms),
        &web.map(|(p256dh, _)| p256dh),
        &web.map(|(_, auth)| auth),
        &xmpp.map(|(service, ..)| service.as_str()),
        &xmpp.map(|(_, node, _)| node),
        &xmpp.and_then(|(.., options)| options.as_ref()),
    ];
    db.execute(&statements::put("push_subscription", "owner, key", SUBSCRIPTION), values).await.map(drop)
}

fn subscription(row: &Row) -> Result<Subscription, Failure> {
    let channel = match row.try_get::<_, Option<&str>>(7)? {
        Some(service) => {
            Channel::Xmpp { service: super::jid(service)?, node: row.try_get(8)?, options: row.try_get(9)? }
        }
        None => Channel::Web { endpoint: row.try_get(1)?, p256dh: row.try_get(5)?, auth: row.try_get(6)? },
    };
    Ok(Subscription {
        owner: owner(row.try_get(0)?, row.try_get(2)?)?,
        device: row.try_get(3)?,
        created_ms: numbers::uint(row.try_get(4)?),
        channel,
    })
}

async fn put_webhook(db: &Session, hook: &Webhook) -> Result<(), Failure> {
    must_exist(db, hook.owner.account).await?;
    let (conversation, hash, out, position) = match &hook.way {
        Way::Incoming { hash, to } => (Some(to), Some(hash), None, ArchiveId::default()),
        Way::Outgoing { url, secret, of, position } => (of.as_ref(), None, Some((url, secret)), *position),
    };
    let values: Values<'_> = &[
        &hook.id,
        &hook.owner.account.0,
        &hook.owner.jid.as_str(),
        &hook.name,
        &numbers::int(hook.created_ms),
        &conversation.map(Jid::as_str),
        &hash,
        &out.map(|(url, _)| url),
        &out.map(|(_, secret)| secret),
        &numbers::int(position.0),
    ];
    db.execute(&statements::put("webhook", "id", WEBHOOK), values).await.map(drop)
}

fn webhook(row: &Row) -> Result<Webhook, Failure> {
    let conversation = row.try_get::<_, Option<&str>>(5)?.map(super::jid).transpose()?;
    let way = match (row.try_get::<_, Option<String>>(7)?, conversation) {
        (Some(url), of) => {
            let position = ArchiveId(numbers::uint(row.try_get(9)?));
            Way::Outgoing { url, secret: row.try_get(8)?, of, position }
        }
        (None, Some(to)) => Way::Incoming { hash: row.try_get(6)?, to },
        (None, None) => return Err(Failure::other("a webhook without a conversation")),
    };
    Ok(Webhook {
        id: row.try_get(0)?,
        owner: owner(row.try_get(1)?, row.try_get(2)?)?,
        name: row.try_get(3)?,
        created_ms: numbers::uint(row.try_get(4)?),
        way,
    })
}

async fn pass(
    db: &Session,
    id: &str,
    position: ArchiveId,
    dead: Option<&DeadLetter>,
    limit: usize,
) -> Result<(), Failure> {
    let sql = "UPDATE webhook SET position = greatest(position, $2) WHERE id = $1";
    let passed = db.execute(sql, &[&id, &numbers::int(position.0)]).await?;
    let Some(dead) = dead.filter(|_| passed > 0) else { return Ok(()) };
    let values: Values<'_> = &[
        &id,
        &numbers::int(dead.message.0),
        &i64::from(dead.attempts),
        &dead.reason,
        &numbers::int(dead.at_ms),
    ];
    db.execute(&statements::put("dead_letter", "webhook, message", LETTER), values).await?;
    let oldest = "DELETE FROM dead_letter WHERE webhook = $1 AND message IN \
         (SELECT message FROM dead_letter WHERE webhook = $1 ORDER BY message DESC OFFSET $2)";
    db.execute(oldest, &[&id, &numbers::limit(limit)]).await.map(drop)
}

fn letter(row: &Row) -> Result<DeadLetter, Failure> {
    Ok(DeadLetter {
        message: ArchiveId(numbers::uint(row.try_get(0)?)),
        attempts: u32::try_from(numbers::uint(row.try_get(1)?)).unwrap_or(u32::MAX),
        reason: row.try_get(2)?,
        at_ms: numbers::uint(row.try_get(3)?),
    })
}
