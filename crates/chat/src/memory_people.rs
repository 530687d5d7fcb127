//! Cards and searching in the `Store` in memory, for tests.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::account::AccountId;
use crate::memory_store::MemoryStore;
use crate::people::card::Card;
use crate::people::search::{PeoplePlace, PeopleQuery};
use crate::people::store::{AccountCounts, Listed, PeopleStore};
use crate::store::{StoreError, StoreResult};

/// The cards.
pub(crate) type PeopleTables = HashMap<AccountId, Card>;

#[async_trait]
impl PeopleStore for MemoryStore {
    async fn card(&self, owner: AccountId) -> StoreResult<Option<Card>> {
        Ok(self.tables()?.cards.get(&owner).cloned())
    }

    async fn put_card(&self, owner: AccountId, card: Option<Card>) -> StoreResult<()> {
        let mut tables = self.tables()?;
        if !tables.accounts.values().any(|account| account.id == owner) {
            return Err(StoreError::NotFound);
        }
        match card {
            Some(card) => tables.cards.insert(owner, card),
            None => tables.cards.remove(&owner),
        };
        Ok(())
    }

    async fn photo_hash(&self, owner: AccountId) -> StoreResult<Option<String>> {
        Ok(self.tables()?.cards.get(&owner).and_then(|card| card.photo_hash.clone()))
    }

    async fn people(&self, query: PeopleQuery) -> StoreResult<Vec<Listed>> {
        let tables = self.tables()?;
        let there = tables.accounts.values().filter(|a| a.jid.domain() == query.domain && !a.disabled);
        let all = there.map(|account| Listed {
            jid: account.jid.clone(),
            name: account.name.clone(),
            person: tables.cards.get(&account.id).map(|card| card.person.clone()),
        });
        let mut found: Vec<Listed> = all.filter(|listed| query.finds(listed)).collect();
        match &query.place {
            PeoplePlace::After(after) => {
                found.retain(|listed| after.as_ref().is_none_or(|after| listed.jid > *after));
                found.truncate(query.limit);
            }
            PeoplePlace::Before(before) => {
                found.retain(|listed| before.as_ref().is_none_or(|before| listed.jid < *before));
                found.drain(..found.len().saturating_sub(query.limit));
            }
        }
        Ok(found)
    }

    async fn account_counts(&self, domain: Option<&str>) -> StoreResult<AccountCounts> {
        let tables = self.tables()?;
        let here = tables.accounts.values().filter(|a| domain.is_none_or(|domain| a.jid.domain() == domain));
        Ok(here.fold(AccountCounts::default(), |counts, account| AccountCounts {
            registered: counts.registered + 1,
            disabled: counts.disabled + u64::from(account.disabled),
        }))
    }
}
