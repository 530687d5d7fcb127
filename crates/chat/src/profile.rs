//! What delivering a message needs to know about an account, cached so that the path of a message asks the store for
//! nothing once both sides are known.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use crate::chat::Chat;
use crate::cluster::Cached;
use crate::error::Result;
use crate::preferences::ArchivePreferences;
use crate::session::Session;
use crate::store::DocumentKind;

/// How many accounts are remembered in each of the two generations of the cache.
pub const PROFILE_CACHE_LIMIT: usize = 50_000;

/// What delivery needs to know about an account.
#[derive(Debug)]
pub struct Profile {
    /// The account.
    pub account: AccountId,
    /// Its bare address.
    pub jid: Jid,
    /// The name shown to others.
    pub name: Option<Box<str>>,
    /// Sign-in is refused; messages still wait for it.
    pub disabled: bool,
    /// Whom it blocks.
    pub blocklist: Vec<Jid>,
    /// What of its conversations is archived.
    pub archive: ArchivePreferences,
    /// SHA-1 of the picture on its card, for its presence (XEP-0153).
    pub photo_hash: Option<String>,
}

impl Profile {
    /// Whether the account blocks this address: by full address, bare address, domain with resource, or domain
    /// (XEP-0191 section 3.1, the matching of XEP-0016).
    pub fn blocks(&self, other: &Jid) -> bool {
        self.blocklist.iter().any(|blocked| {
            blocked.domain() == other.domain()
                && blocked.local().is_none_or(|local| other.local() == Some(local))
                && blocked.resource().is_none_or(|resource| other.resource() == Some(resource))
        })
    }
}

/// A cache in two generations: what was not asked for while one generation filled up is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    generations: Mutex<Generations>,
    /// Counts changes, so that a profile read before a change is not kept after it. Changes under the lock.
    changes: AtomicU64,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Jid, Arc<Profile>>,
    old: HashMap<Jid, Arc<Profile>>,
}

impl Profiles {
    fn get(&self, jid: &Jid) -> (Option<Arc<Profile>>, u64) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = generations.young.get(jid) {
            return (Some(Arc::clone(found)), self.changes());
        }
        let found = generations.old.remove(jid);
        if let Some(found) = &found {
            generations.keep(Arc::clone(found));
        }
        (found, self.changes())
    }

    fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    fn put(&self, profile: Arc<Profile>, read_at: u64) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if self.changes() == read_at {
            generations.keep(profile);
        }
    }

    pub(crate) fn forget_all(&self) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::AcqRel);
        *generations = Generations::default();
    }

    pub(crate) fn forget(&self, jid: &Jid) {
        let mut generations = self.generations.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::AcqRel);
        generations.young.remove(jid);
        generations.old.remove(jid);
    }
}

impl Generations {
    fn keep(&mut self, profile: Arc<Profile>) {
        if self.young.len() >= PROFILE_CACHE_LIMIT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(profile.jid.clone(), profile);
    }
}

impl Chat {
    /// The profile of a local account; `None` when there is no such account.
    pub async fn profile(&self, jid: &Jid) -> Result<Option<Arc<Profile>>> {
        debug_assert!(jid.is_bare());
        let (cached, read_at) = self.profiles.get(jid);
        if cached.is_some() {
            return Ok(cached);
        }
        let Some(account) = self.store.account(jid).await? else {
            return Ok(None);
        };
        let blocklist = self.store.blocked(account.id).await?;
        let preferences = self.store.document(account.id, DocumentKind::ArchivePreferences, "").await?;
        let name = match account.name {
            Some(name) => Some(name),
            // What somebody calls himself on his card, where nobody has named the account.
            None => self.store.card(account.id).await?.map(|card| card.person.full_name),
        };
        let profile = Arc::new(Profile {
            account: account.id,
            jid: account.jid,
            name: name.filter(|name| !name.is_empty()).map(String::into_boxed_str),
            disabled: account.disabled,
            blocklist,
            archive: ArchivePreferences::parse(preferences.as_deref()),
            photo_hash: self.store.photo_hash(account.id).await?,
        });
        self.profiles.put(Arc::clone(&profile), read_at);
        Ok(Some(profile))
    }

    /// The name that an account of ours shows to others, if it has one.
    pub async fn name_of(&self, jid: &Jid) -> Result<Option<String>> {
        if !self.is_local(jid.domain()) || jid.local().is_none() {
            return Ok(None);
        }
        Ok(self.profile(&jid.to_bare()).await?.and_then(|profile| profile.name.as_deref().map(str::to_owned)))
    }

    /// The profile of a session's account, which the session remembers until any profile changes.
    pub(crate) async fn own_profile(&self, session: &Session) -> Result<Option<Arc<Profile>>> {
        let changes = self.profiles.changes();
        if let Some(known) = session.profile_as_of(changes) {
            return Ok(Some(known));
        }
        let profile = self.profile(&session.bare).await?;
        if let Some(profile) = &profile {
            session.remember_profile(changes, profile);
        }
        Ok(profile)
    }

    /// Forgets what is cached of an account; every change to what a `Profile` holds calls it after the store has it.
    pub fn profile_changed(&self, jid: &Jid) {
        self.profiles.forget(jid);
        self.tell_changed(jid, Cached::Profile);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(blocked: &[&str]) -> Profile {
        Profile {
            name: None,
            account: AccountId(1),
            jid: Jid::new("juliet@capulet.lit").unwrap(),
            disabled: false,
            blocklist: blocked.iter().map(|j| Jid::new(j).unwrap()).collect(),
            archive: ArchivePreferences::default(),
            photo_hash: None,
        }
    }

    /// XEP-0191 section 3.1: user@domain/resource, user@domain, domain/resource, domain.
    #[test]
    fn blocking_matches_the_four_forms_of_address() {
        let romeo = Jid::new("romeo@montague.lit/orchard").unwrap();
        for (blocked, expected) in [
            ("romeo@montague.lit/orchard", true),
            ("romeo@montague.lit/garden", false),
            ("romeo@montague.lit", true),
            ("benvolio@montague.lit", false),
            ("montague.lit/orchard", true),
            ("montague.lit", true),
            ("capulet.lit", false),
        ] {
            assert_eq!(profile(&[blocked]).blocks(&romeo), expected, "{blocked}");
        }
    }

    #[test]
    fn a_profile_read_before_a_change_is_not_kept_after_it() {
        let profiles = Profiles::default();
        let juliet = Arc::new(profile(&[]));
        let (_, read_at) = profiles.get(&juliet.jid);
        profiles.forget(&juliet.jid);
        profiles.put(Arc::clone(&juliet), read_at);
        assert!(profiles.get(&juliet.jid).0.is_none());
    }
}
