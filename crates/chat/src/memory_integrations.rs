//! Access tokens, subscriptions to pushes and webhooks in the `Store` in memory, for tests.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::access::AccessToken;
use crate::account::AccountId;
use crate::archive::ArchiveId;
use crate::integrations::IntegrationStore;
use crate::memory_store::{MemoryStore, Tables};
use crate::push::subscriptions::Subscription;
use crate::store::{StoreError, StoreResult};
use crate::webhooks::{DeadLetter, Way, Webhook};

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct IntegrationTables {
    tokens: BTreeMap<String, AccessToken>,
    subscriptions: BTreeMap<(AccountId, String), Subscription>,
    webhooks: BTreeMap<String, Webhook>,
    letters: BTreeMap<(String, ArchiveId), DeadLetter>,
}

impl IntegrationTables {
    /// Removes everything of one account.
    pub(crate) fn erase(&mut self, owner: AccountId) {
        self.tokens.retain(|_, token| token.owner.account != owner);
        self.subscriptions.retain(|(account, _), _| *account != owner);
        self.webhooks.retain(|_, hook| hook.owner.account != owner);
        let hooks = &self.webhooks;
        self.letters.retain(|(hook, _), _| hooks.contains_key(hook));
    }
}

fn must_exist(tables: &Tables, owner: AccountId) -> StoreResult<()> {
    match tables.accounts.values().any(|account| account.id == owner) {
        true => Ok(()),
        false => Err(StoreError::NotFound),
    }
}

#[async_trait]
impl IntegrationStore for MemoryStore {
    async fn put_access_token(&self, token: AccessToken) -> StoreResult<()> {
        let mut tables = self.tables()?;
        must_exist(&tables, token.owner.account)?;
        tables.integrations.tokens.insert(token.id.clone(), token);
        Ok(())
    }

    async fn access_token(&self, id: &str) -> StoreResult<Option<AccessToken>> {
        Ok(self.tables()?.integrations.tokens.get(id).cloned())
    }

    async fn access_tokens(
        &self,
        owner: Option<AccountId>,
        after: Option<&str>,
        limit: usize,
    ) -> StoreResult<Vec<AccessToken>> {
        let tables = self.tables()?;
        let own = tables.integrations.tokens.values();
        let own = own.filter(|token| owner.is_none_or(|owner| token.owner.account == owner));
        Ok(own.filter(|token| after.is_none_or(|after| *token.id > *after)).take(limit).cloned().collect())
    }

    async fn note_access(&self, id: &str, at_ms: u64) -> StoreResult<()> {
        if let Some(token) = self.tables()?.integrations.tokens.get_mut(id) {
            token.used_ms = Some(at_ms);
        }
        Ok(())
    }

    async fn delete_access_token(&self, id: &str) -> StoreResult<()> {
        self.tables()?.integrations.tokens.remove(id).map(drop).ok_or(StoreError::NotFound)
    }

    async fn push_subscriptions(&self, owner: Option<AccountId>) -> StoreResult<Vec<Subscription>> {
        let tables = self.tables()?;
        let all = tables.integrations.subscriptions.values();
        Ok(all.filter(|one| owner.is_none_or(|owner| one.owner.account == owner)).cloned().collect())
    }

    async fn put_push_subscription(&self, subscription: Subscription) -> StoreResult<()> {
        let mut tables = self.tables()?;
        must_exist(&tables, subscription.owner.account)?;
        let key = (subscription.owner.account, subscription.key());
        tables.integrations.subscriptions.insert(key, subscription);
        Ok(())
    }

    async fn delete_push_subscription(&self, owner: AccountId, key: &str) -> StoreResult<()> {
        self.tables()?.integrations.subscriptions.remove(&(owner, key.to_owned()));
        Ok(())
    }

    async fn webhooks(&self) -> StoreResult<Vec<Webhook>> {
        Ok(self.tables()?.integrations.webhooks.values().cloned().collect())
    }

    async fn webhook(&self, id: &str) -> StoreResult<Option<Webhook>> {
        Ok(self.tables()?.integrations.webhooks.get(id).cloned())
    }

    async fn put_webhook(&self, webhook: Webhook) -> StoreResult<()> {
        let mut tables = self.tables()?;
        must_exist(&tables, webhook.owner.account)?;
        tables.integrations.webhooks.insert(webhook.id.clone(), webhook);
        Ok(())
    }

    async fn delete_webhook(&self, id: &str) -> StoreResult<()> {
        let mut tables = self.tables()?;
        tables.integrations.letters.retain(|(hook, _), _| hook != id);
        tables.integrations.webhooks.remove(id).map(drop).ok_or(StoreError::NotFound)
    }

    async fn pass_webhook(
        &self,
        id: &str,
        passed: ArchiveId,
        dead: Option<DeadLetter>,
        limit: usize,
    ) -> StoreResult<()> {
        let mut tables = self.tables()?;
        let tables = &mut tables.integrations;
        let Some(hook) = tables.webhooks.get_mut(id) else { return Ok(()) };
        if let Way::Outgoing { position, .. } = &mut hook.way {
            *position = passed.max(*position);
        }
        if let Some(dead) = dead {
            tables.letters.insert((id.to_owned(), dead.message), dead);
            let own: Vec<_> = tables.letters.keys().filter(|(hook, _)| hook == id).cloned().collect();
            for key in own.iter().take(own.len().saturating_sub(limit)) {
                tables.letters.remove(key);
            }
        }
        Ok(())
    }

    async fn dead_letters(&self, id: &str) -> StoreResult<Vec<DeadLetter>> {
        let tables = self.tables()?;
        let own = tables.integrations.letters.iter().filter(|((hook, _), _)| hook == id);
        Ok(own.map(|(_, letter)| letter.clone()).collect())
    }

    async fn delete_dead_letter(&self, id: &str, message: ArchiveId) -> StoreResult<()> {
        self.tables()?.integrations.letters.remove(&(id.to_owned(), message));
        Ok(())
    }
}
