//! What leaves for programs of other people: pushes to devices, and posts to webhooks; and how far both may reach.

pub mod encryption;
pub mod messages;
pub mod pushes;
pub mod reach;
pub mod vapid;
pub mod webhooks;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use waxwing_chat::Chat;
use waxwing_chat::push::{Content, PushSettings};
use waxwing_chat::webhooks::WebhookSettings;

use crate::config::{Config as Whole, Network, choice, config};
use crate::dns::Resolver;
use reach::Reach;
use vapid::Vapid;

config! {
    /// Bots, webhooks and pushes.
    pub struct Config {
        /// How much of a message a push may carry. People can have theirs carry less.
        push_content: PushContent = PushContent::Full,
        /// Whom a push service may turn to when something is wrong with this server's pushes (RFC 8292): a `mailto:` or
        /// `https:` address. Unset: the page of the first domain.
        /// Example: "mailto:operator@example.org"
        push_contact: Option<String> = None,
        /// How many pushes may wait to be sent. More are dropped, which nobody loses a message by.
        push_queue: usize = 10_000,
        /// Networks that are not the public internet, and that pushes and webhooks may reach all the same; there, and only
        /// there, also without TLS. Everything else has to be a public address, by `https`.
        /// Example: ["10.20.0.0/16"]
        private_networks: Vec<Network> = Vec::new(),
        /// Files with certificates of authorities that are trusted beside those of the system.
        /// Example: ["/etc/waxwing/company-ca.pem"]
        authorities: Vec<PathBuf> = Vec::new(),
        /// How long one attempt to reach an address may take.
        timeout_ms: u64 = 10_000,
        /// How often a webhook's message is tried before it becomes a dead letter.
        webhook_attempts: u32 = WebhookSettings::default().attempts,
        /// The pause behind the first attempt that failed. It doubles with each.
        webhook_first_pause_ms: u64 = WebhookSettings::default().first_pause_ms,
        /// The longest pause between two attempts.
        webhook_longest_pause_ms: u64 = WebhookSettings::default().longest_pause_ms,
        /// How many posts one incoming webhook may make in a minute.
        webhook_posts_per_minute: u32 = WebhookSettings::default().posts_per_minute,
        /// How many requests one access token may make in a minute.
        requests_per_minute: u32 = 600,
    }
}

choice! {
    /// How much a push may carry.
    pub enum PushContent {
        /// Who has written what.
        Full = "full",
        /// Who has written.
        Sender = "sender",
        /// That something has come.
        Nothing = "nothing",
    }
}

impl From<PushContent> for Content {
    fn from(content: PushContent) -> Self {
        match content {
            PushContent::Full => Self::Full,
            PushContent::Sender => Self::Sender,
            PushContent::Nothing => Self::Nothing,
        }
    }
}

/// What the configuration says to the domain about pushes.
pub fn push_settings(config: &Config) -> PushSettings {
    PushSettings { content: config.push_content.into() }
}

/// What it says about webhooks.
pub fn webhook_settings(config: &Config) -> WebhookSettings {
    WebhookSettings {
        attempts: config.webhook_attempts,
        first_pause_ms: config.webhook_first_pause_ms,
        longest_pause_ms: config.webhook_longest_pause_ms,
        posts_per_minute: config.webhook_posts_per_minute,
    }
}

/// Opens both ways out.
pub async fn start(chat: &Arc<Chat>, config: &Whole) -> anyhow::Result<()> {
    let own = &config.integrations;
    let reach = Arc::new(Reach::new(own, Resolver::new(&config.dns)?)?);
    let vapid = Vapid::load(chat, own).await.context("the key for pushes")?;
    let pushes = pushes::Pushes::start(chat, Arc::clone(&reach), vapid, own);
    chat.push_by(pushes).await.context("subscriptions to pushes cannot be read")?;
    chat.deliver_webhooks_by(Arc::new(webhooks::Outgoing::new(chat, reach)))
        .await
        .context("webhooks cannot be read")?;
    Ok(())
}
