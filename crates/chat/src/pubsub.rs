//! Publish-subscribe (XEP-0060): nodes at services beside a domain, and at every account, where they are personal
//! eventing (XEP-0163).
//!
//! Invariants:
//! 1. A node is changed, and its subscribers are told, under the node's lock, so that everybody sees one order. Nobody
//!    takes a roster's lock while holding it, nor a second node's.
//! 2. What was answered with success is committed.
//! 3. A notification is encoded once for all who get it.

pub mod access;
mod approval;
pub mod configuration;
pub(crate) mod fleeting;
pub mod notifying;
pub mod ownership;
pub mod personal;
pub mod publishing;
pub mod reading;
pub mod refusal;
pub mod store;
pub mod subscribing;
pub mod terms;

use std::cell::Cell;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use tokio::sync::{Mutex, MutexGuard, OnceCell};
use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::pubsub::configuration::{NodeConfiguration, SendLast};
use crate::pubsub::refusal::Refusal;
use crate::rosters::Owner;
use crate::route::Destination;
use crate::service::Service;

/// Bytes of the name of a node.
pub const NODE_NAME_BYTES_LIMIT: usize = 1024;

/// Bytes of the id of an item.
pub const ITEM_ID_BYTES_LIMIT: usize = 1024;

/// Affiliations that one node may have.
pub const AFFILIATIONS_LIMIT: usize = 10_000;

/// How many nodes, affiliations or subscriptions an answer lists.
pub const LISTED_LIMIT: usize = 1_000;

/// How many items one answer holds.
pub const PAGE_LIMIT: usize = 1_000;

/// How many bytes of items one answer holds; at least one item.
pub const PAGE_BYTES_LIMIT: usize = 1 << 20;

const STRIPES: usize = 1024;

/// Who may create nodes at a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NodeCreation {
    /// Everybody with an account.
    #[default]
    Members,
    /// Administrators.
    Administrators,
}

/// What an administrator decides about publish-subscribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PubSubSettings {
    /// Who may create nodes at a service.
    pub creation: NodeCreation,
    /// How many nodes one account may have of its own, and how many it may have created at one service.
    pub nodes_per_owner_limit: usize,
    /// How many items one node may keep.
    pub items_per_node_limit: u32,
    /// Bytes of one item.
    pub item_bytes_limit: u32,
    /// How many subscriptions one node may have.
    pub subscriptions_per_node_limit: usize,
}

impl Default for PubSubSettings {
    fn default() -> Self {
        Self {
            creation: NodeCreation::Members,
            nodes_per_owner_limit: 1_000,
            items_per_node_limit: 10_000,
            item_bytes_limit: 131_072,
            subscriptions_per_node_limit: 10_000,
        }
    }
}

/// Where nodes are: an account, or a service beside a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its address.
    pub jid: Jid,
    /// The account that it is; `None` for a service.
    pub owner: Option<Owner>,
    /// It is not there, or hides itself from whoever asks. Every request is answered as by an account that has nothing and
    /// does not show itself, so that nobody learns which of the three it is.
    pub hidden: bool,
}

impl Place {
    /// An account.
    pub fn of(owner: Owner) -> Self {
        Self { jid: owner.jid.clone(), owner: Some(owner), hidden: false }
    }

    /// Whether it is an account, whose nodes are personal eventing.
    pub fn is_personal(&self) -> bool {
        self.owner.is_some()
    }
}

/// The locks of all nodes, each with a count of the changes under it, and which places may have something to tell to whoever
/// comes online: hashes of their addresses, so that a sign-in among people who publish nothing asks the store for nothing.
/// Likewise, who may have something that goes with his presence.
#[derive(Debug)]
pub(crate) struct PubSub {
    stripes: Box<[(Mutex<()>, AtomicU64)]>,
    hasher: RandomState,
    telling: OnceCell<RwLock<HashSet<u64>>>,
    fleeting: OnceCell<RwLock<HashSet<u64>>>,
}

impl Default for PubSub {
    fn default() -> Self {
        let stripes = (0..STRIPES).map(|_| Default::default()).collect();
        Self { stripes, hasher: RandomState::new(), telling: OnceCell::new(), fleeting: OnceCell::new() }
    }
}

/// The lock of a node, held. Its count is odd while something changes.
pub(crate) struct Held<'a> {
    _lock: MutexGuard<'a, ()>,
    count: &'a AtomicU64,
    changing: Cell<bool>,
}

impl Held<'_> {
    /// Notes that the node is about to be changed, before anybody can be told of it.
    pub(crate) fn changing(&self) {
        if !self.changing.replace(true) {
            self.count.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.changing.get() {
            self.count.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl PubSub {
    /// The lock under which a node is changed, and told about.
    pub(crate) async fn lock(&self, place: &Jid, node: &str) -> Held<'_> {
        let (lock, count) = &self.stripes[self.stripe(place, node)];
        Held { _lock: lock.lock().await, count, changing: Cell::new(false) }
    }

    fn stripe(&self, place: &Jid, node: &str) -> usize {
        let hash = self.hasher.hash_one((place.as_str(), node));
        usize::try_from(hash % STRIPES as u64).unwrap_or_default()
    }

    /// Notes that another node of the cluster has changed something.
    pub(crate) fn changed_elsewhere(&self, place: &Jid, node: &str) {
        self.stripes[self.stripe(place, node)].1.fetch_add(2, Ordering::AcqRel);
    }

    /// Whether a node, or another under its lock, was being changed when these counts were taken, or has begun to since.
    pub(crate) fn changed_since(&self, place: &Jid, node: &str, before: &[u64]) -> bool {
        let stripe = self.stripe(place, node);
        let now = self.stripes[stripe].1.load(Ordering::Acquire);
        before.get(stripe).is_none_or(|before| before % 2 == 1 || *before != now)
    }

    /// The counts of all locks.
    pub(crate) fn changes(&self) -> Vec<u64> {
        self.stripes.iter().map(|(_, changes)| changes.load(Ordering::Acquire)).collect()
    }
}

impl Chat {
    /// The places with something to tell to whoever comes online. They are read from the store once, before any node is
    /// made or changed, and added to from then on; none is taken out.
    async fn telling(&self) -> Result<&RwLock<HashSet<u64>>> {
        let read = || async {
            let places = self.store.places_with_last_items().await?;
            let hashes = places.iter().map(|place| self.pubsub.hasher.hash_one(place.as_str()));
            Ok(RwLock::new(hashes.collect()))
        };
        self.pubsub.telling.get_or_try_init(read).await
    }

    /// Notes that a place may have something to tell. Called before its node is kept.
    pub async fn note_telling(&self, place: &Jid, configuration: &NodeConfiguration) -> Result<()> {
        let telling = self.telling().await?;
        if configuration.send_last == SendLast::OnSubAndPresence {
            let hash = self.pubsub.hasher.hash_one(place.as_str());
            telling.write().unwrap_or_else(PoisonError::into_inner).insert(hash);
        }
        Ok(())
    }

    /// Leaves those places that may have something to tell.
    pub(crate) async fn retain_telling(&self, places: &mut Vec<Jid>) -> Result<()> {
        let telling = self.telling().await?.read().unwrap_or_else(PoisonError::into_inner);
        if telling.is_empty() {
            places.clear();
        }
        places.retain(|place| telling.contains(&self.pubsub.hasher.hash_one(place.as_str())));
        Ok(())
    }

    /// The place at an address, for somebody who asks. An account that does not exist, and one that blocks him, are hidden.
    pub async fn pubsub_place(&self, to: &Jid, from: &Jid) -> Result<Place> {
        match self.locate(to) {
            Destination::Service(Service::PubSub) if to.local().is_none() => {
                Ok(Place { jid: to.to_bare(), owner: None, hidden: false })
            }
            Destination::Account(_) | Destination::Session(_) | Destination::Elsewhere(_) => {
                let profile = self.profile(&to.to_bare()).await?;
                let profile = profile.filter(|profile| from.same_bare(to) || !profile.blocks(from));
                let nobody = || Owner { account: AccountId(0), jid: to.to_bare() };
                let hidden = profile.is_none();
                let owner = profile.map_or_else(nobody, |profile| Owner::from(&*profile));
                Ok(Place { hidden, ..Place::of(owner) })
            }
            _ => Err(Error::ServiceUnavailable),
        }
    }
}

/// Checks the name of a node.
pub(crate) fn check_node_name(node: &str) -> Result<()> {
    if node.is_empty() {
        return Err(Error::PubSub(Refusal::NodeIdRequired));
    }
    if node.len() > NODE_NAME_BYTES_LIMIT {
        return Err(Error::NotAcceptable("the name of the node is too long"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was read while a node changed, or before it did, is not the newest for certain.
    #[tokio::test]
    async fn changes_are_seen_from_their_beginning_to_their_end() {
        let (pubsub, place) = (PubSub::default(), Jid::new("juliet@capulet.lit").expect("an address"));
        let changed = |before: &[u64]| pubsub.changed_since(&place, "urn:x", before);
        let before = pubsub.changes();
        let held = pubsub.lock(&place, "urn:x").await;
        assert!(!changed(&before));
        held.changing();
        let amid = pubsub.changes();
        assert!(changed(&before) && changed(&amid));
        drop(held);
        let after = pubsub.changes();
        assert!(changed(&before) && changed(&amid) && !changed(&after));
        drop(pubsub.lock(&place, "urn:x").await);
        assert!(!changed(&after));
    }
}
