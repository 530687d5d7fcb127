//! What people's cards, and looking for people, need kept, and the promises a store makes about it.

use async_trait::async_trait;
use waxwing_xmpp::jid::Jid;

use super::card::{Card, Person};
use super::search::PeopleQuery;
use crate::account::AccountId;
use crate::store::StoreResult;

/// Somebody as a search sees him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// His address.
    pub jid: Jid,
    /// The name that the account has.
    pub name: Option<String>,
    /// What his card says, if he has one.
    pub person: Option<Person>,
}

/// How many accounts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountCounts {
    /// All of them.
    pub registered: u64,
    /// Those of them that may not sign in.
    pub disabled: u64,
}

/// What people's cards, and looking for people, need kept.
#[async_trait]
pub trait PeopleStore {
    /// The card of an account.
    async fn card(&self, owner: AccountId) -> StoreResult<Option<Card>>;
    /// Keeps a card in place of the one before, or removes it. `NotFound` when the account is gone.
    async fn put_card(&self, owner: AccountId, card: Option<Card>) -> StoreResult<()>;
    /// SHA-1 of the picture of an account's card.
    async fn photo_hash(&self, owner: AccountId) -> StoreResult<Option<String>>;
    /// Accounts of a domain that are not disabled and match, in the order of their addresses: from the place that the
    /// query names, onwards or backwards, at most as many as it asks for.
    async fn people(&self, query: PeopleQuery) -> StoreResult<Vec<Listed>>;
    /// How many accounts one domain has, or all.
    async fn account_counts(&self, domain: Option<&str>) -> StoreResult<AccountCounts>;
}
