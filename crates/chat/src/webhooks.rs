//! Webhooks: addresses at which other programs say something here, and addresses that are told what is said here.

pub mod incoming;
pub mod outgoing;

use waxwing_xmpp::jid::Jid;

use crate::access::hash_of;
use crate::account::Account;
use crate::archive::ArchiveId;
use crate::chat::Chat;
use crate::cluster::Cached;
use crate::error::{Error, Result};
use crate::rosters::Owner;
use crate::route::Destination;
use crate::service::Service;

/// How many webhooks one account may have.
pub const WEBHOOKS_PER_ACCOUNT_LIMIT: usize = 50;

/// How many webhooks there may be on the whole server.
pub const WEBHOOKS_LIMIT: usize = 2_000;

/// How many dead letters of one webhook are kept; the oldest go first.
pub const DEAD_LETTERS_LIMIT: usize = 1_000;

/// Bytes of an address that is told something.
pub const URL_BYTES_LIMIT: usize = 2_048;

/// Bytes of a webhook's name.
pub const WEBHOOK_NAME_BYTES_LIMIT: usize = 100;

/// How deliveries are tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// How often a message is tried before it becomes a dead letter.
    pub attempts: u32,
    /// The pause behind the first attempt that failed; it doubles with each.
    pub first_pause_ms: u64,
    /// The longest pause.
    pub longest_pause_ms: u64,
    /// How many posts one incoming webhook, or one token, may make in a minute.
    pub posts_per_minute: u32,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self { attempts: 10, first_pause_ms: 1_000, longest_pause_ms: 3_600_000, posts_per_minute: 60 }
    }
}

/// A webhook as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id, which is no secret.
    pub id: String,
    /// In whose name it speaks, or with whose eyes it reads.
    pub owner: Owner,
    /// What it is called; an incoming one speaks under this name unless a post says another.
    pub name: String,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Which way it goes.
    pub way: Way,
}

/// Which way a webhook goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Whoever knows its secret posts into a room, or to a person.
    Incoming {
        /// What the secret is known by.
        hash: Vec<u8>,
        /// The room or person.
        to: Jid,
    },
    /// What is said is posted to an address.
    Outgoing {
        /// The address.
        url: String,
        /// What posts are signed with.
        secret: String,
        /// What is said in this room or by this person; `None` stands for every message that reaches the account.
        of: Option<Jid>,
        /// Everything up to here has been dealt with.
        position: ArchiveId,
    },
}

/// A message that could not be delivered to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the archive.
    pub message: ArchiveId,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub reason: String,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// A webhook that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookOrder {
    /// What it is called.
    pub name: String,
    /// Where an outgoing one posts to; without it the webhook is an incoming one.
    pub url: Option<String>,
    /// The room or person.
    pub conversation: Option<Jid>,
}

impl Chat {
    /// Makes a webhook for an account; the second part of the answer is its secret, which nobody can be told again.
    /// `NotAllowed` for an address that may not be posted to.
    pub async fn create_webhook(
        &self,
        account: &Account,
        order: WebhookOrder,
        actor: &str,
    ) -> Result<(Webhook, String)> {
        let WebhookOrder { name, url, conversation } = order;
        if name.trim().is_empty()
            || name.len() > WEBHOOK_NAME_BYTES_LIMIT
            || name.chars().any(char::is_control)
        {
            return Err(Error::NotAcceptable("a webhook needs a short name"));
        }
        if let Some(conversation) = &conversation {
            self.may_hook(&account.jid, conversation, url.is_none()).await?;
        }
        let secret = self.token();
        let way = match (url, conversation) {
            (Some(url), of) => {
                if url.len() > URL_BYTES_LIMIT || !self.outlet().is_some_and(|outlet| outlet.accepts(&url)) {
                    return Err(Error::NotAllowed);
                }
                let position = ArchiveId::at_ms(self.now_ms());
                Way::Outgoing { url, secret: secret.clone(), of, position }
            }
            (None, Some(to)) => Way::Incoming { hash: hash_of(&secret), to },
            (None, None) => return Err(Error::BadRequest("an incoming webhook needs a room or a person")),
        };
        let _lock = self.rosters.lock(&account.jid).await;
        let known = self.store.webhooks().await?;
        let own = known.iter().filter(|hook| hook.owner.account == account.id).count();
        if own >= WEBHOOKS_PER_ACCOUNT_LIMIT || known.len() >= WEBHOOKS_LIMIT {
            return Err(Error::ResourceConstraint("there are too many webhooks"));
        }
        let id: String = self.token().chars().take(12).collect();
        let hook = Webhook { id, owner: Owner::from(account), name, created_ms: self.now_ms(), way };
        self.store.put_webhook(hook.clone()).await?;
        self.record(actor, "webhook.create", account.jid.as_str(), &hook.id).await?;
        self.follow_webhook(&hook);
        self.tell_changed(&account.jid, Cached::Webhooks);
        Ok((hook, secret))
    }

    /// Whether an account may have a webhook at a conversation: it exists, and may be written to or read by it.
    async fn may_hook(&self, account: &Jid, conversation: &Jid, writes: bool) -> Result<()> {
        if !conversation.is_bare() || conversation.local().is_none() {
            return Err(Error::BadRequest("the conversation is no room or person"));
        }
        match self.locate(conversation) {
            Destination::Service(Service::Rooms) if writes => {
                self.may_speak_in_room(conversation, account).await
            }
            Destination::Service(Service::Rooms) => self.readable_room(conversation, account).await.map(drop),
            Destination::Account(_) => self.profile(conversation).await?.map(drop).ok_or(Error::NotFound),
            Destination::Remote if self.is_federated() => Ok(()),
            _ => Err(Error::NotFound),
        }
    }

    /// Webhooks of an account, or all, in the order of their ids.
    pub async fn webhooks(&self, owner: Option<&Jid>) -> Result<Vec<Webhook>> {
        let mut all = self.store.webhooks().await?;
        all.retain(|hook| owner.is_none_or(|owner| hook.owner.jid == *owner));
        Ok(all)
    }

    /// One webhook; with an owner only if it is his.
    pub async fn webhook(&self, id: &str, owner: Option<&Jid>) -> Result<Webhook> {
        let hook = self.store.webhook(id).await?.ok_or(Error::NotFound)?;
        if owner.is_some_and(|owner| hook.owner.jid != *owner) {
            return Err(Error::NotFound);
        }
        Ok(hook)
    }

    /// Withdraws a webhook with its dead letters; with an owner only if it is his.
    pub async fn remove_webhook(&self, id: &str, owner: Option<&Jid>, actor: &str) -> Result<()> {
        let hook = self.webhook(id, owner).await?;
        self.store.delete_webhook(id).await?;
        self.unfollow_webhook(id);
        self.record(actor, "webhook.remove", hook.owner.jid.as_str(), id).await
    }
}
