//! What bots, webhooks and pushes need kept, and the promises a store makes about it.

use async_trait::async_trait;

use crate::access::AccessToken;
use crate::account::AccountId;
use crate::archive::ArchiveId;
use crate::push::subscriptions::Subscription;
use crate::store::StoreResult;
use crate::webhooks::{DeadLetter, Webhook};

/// What integrations need kept. All of it is durable when the future resolves, and goes with the account it belongs to.
#[async_trait]
pub trait IntegrationStore: Send + Sync {
    // Access tokens.

    /// Keeps a token under its id. `NotFound` when its account is gone.
    async fn put_access_token(&self, token: AccessToken) -> StoreResult<()>;
    /// The token of an id.
    async fn access_token(&self, id: &str) -> StoreResult<Option<AccessToken>>;
    /// Tokens in the order of their ids, of one account or of all, at most `limit`, beginning behind `after`.
    async fn access_tokens(
        &self,
        owner: Option<AccountId>,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<AccessToken>>;
    /// Notes when a token was last used; nothing happens for one that is gone.
    async fn note_access(&self, id: &str, at_ms: u64) -> StoreResult<()>;
    /// Withdraws a token. `NotFound` when there is none.
    async fn delete_access_token(&self, id: &str) -> StoreResult<()>;

    // Pushes.

    /// Who is to be pushed to: one account's subscriptions or all.
    async fn push_subscriptions(&self, owner: Option<AccountId>) -> StoreResult<Vec<Subscription>>;
    /// Keeps a subscription; one of the same account with the same key is replaced. `NotFound` when the account is gone.
    async fn put_push_subscription(&self, subscription: Subscription) -> StoreResult<()>;
    /// Removes a subscription by its key. Nothing happens when there is none.
    async fn delete_push_subscription(&self, owner: AccountId, key: &str) -> StoreResult<()>;

    // Webhooks.

    /// Webhooks in the order of their ids.
    async fn webhooks(&self) -> StoreResult<Vec<Webhook>>;
    /// The webhook of an id.
    async fn webhook(&self, id: &str) -> StoreResult<Option<Webhook>>;
    /// Keeps a webhook under its id. `NotFound` when its account is gone.
    async fn put_webhook(&self, webhook: Webhook) -> StoreResult<()>;
    /// Removes a webhook and its dead letters. `NotFound` when there is none.
    async fn delete_webhook(&self, id: &str) -> StoreResult<()>;
    /// Notes in one step that everything up to `position` is dealt with, and what of it could not be delivered. Nothing
    /// happens when the webhook is gone; of dead letters the newest `limit` are kept.
    async fn pass_webhook(
        &self,
        id: &str,
        position: ArchiveId,
        dead: Option<DeadLetter>,
        limit: usize,
    ) -> StoreResult<()>;
    /// The dead letters of a webhook, oldest first.
    async fn dead_letters(&self, id: &str) -> StoreResult<Vec<DeadLetter>>;
    /// Removes a dead letter. Nothing happens when there is none.
    async fn delete_dead_letter(&self, id: &str, message: ArchiveId) -> StoreResult<()>;
}
