//! Who asked to be pushed to: subscriptions of devices, kept in the store and, for the path of each message, in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use crate::chat::Chat;
use crate::cluster::Cached;
use crate::error::{Error, Result};
use crate::rosters::Owner;

/// How many subscriptions one account may have; of more, the oldest go.
pub const SUBSCRIPTIONS_PER_ACCOUNT_LIMIT: usize = 20;

/// Bytes of the address of a push service.
pub const ENDPOINT_BYTES_LIMIT: usize = 2_048;

/// Bytes of a node, and of a form with options, of XEP-0357.
pub const OPTIONS_BYTES_LIMIT: usize = 8_192;

/// One device that wants to be pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Whose.
    pub owner: Owner,
    /// The client's id: its resource, or what it calls its device.
    pub device: String,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// By which way.
    pub channel: Channel,
}

/// The way to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channel {
    /// A push service on the web (RFC 8030), with what its messages are encrypted for (RFC 8291).
    Web {
        /// The address of the subscription.
        endpoint: String,
        /// The device's public key on P-256, uncompressed.
        p256dh: Vec<u8>,
        /// The secret shared with the device.
        auth: Vec<u8>,
    },
    /// A push service of XMPP (XEP-0357).
    Xmpp {
        /// The service.
        service: Jid,
        /// The node there.
        node: String,
        /// The form with options that goes along, as XML.
        options: Option<String>,
    },
}

impl Subscription {
    /// What tells it from the account's others.
    pub fn key(&self) -> String {
        match &self.channel {
            Channel::Web { endpoint, .. } => endpoint.clone(),
            Channel::Xmpp { service, node, .. } => xmpp_key(service, node),
        }
    }
}

/// The key of a subscription of XEP-0357.
pub fn xmpp_key(service: &Jid, node: &str) -> String {
    format!("xmpp:{service} {node}")
}

/// The subscriptions in memory.
#[derive(Debug, Default)]
pub(crate) struct Subscribed {
    count: AtomicUsize,
    by_account: Mutex<HashMap<AccountId, Vec<Subscription>>>,
}

impl Subscribed {
    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Vec<Subscription>>> {
        self.by_account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anybody at all wants pushes.
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// Puts these in the place of an account's.
    fn replace_of(&self, account: AccountId, subscriptions: Vec<Subscription>) {
        let mut all = self.lock();
        match subscriptions.is_empty() {
            true => all.remove(&account),
            false => all.insert(account, subscriptions),
        };
        self.count.store(all.len(), Ordering::Release);
    }

    /// Puts these in the place of all.
    fn replace(&self, subscriptions: Vec<Subscription>) {
        let mut by_account: HashMap<AccountId, Vec<Subscription>> = HashMap::new();
        for subscription in subscriptions {
            by_account.entry(subscription.owner.account).or_default().push(subscription);
        }
        let mut all = self.lock();
        self.count.store(by_account.len(), Ordering::Release);
        *all = by_account;
    }

    pub(crate) fn of(&self, account: AccountId) -> Vec<Subscription> {
        if self.any() { self.lock().get(&account).cloned().unwrap_or_default() } else { Vec::new() }
    }

    pub(crate) fn has(&self, account: AccountId) -> bool {
        self.any() && self.lock().contains_key(&account)
    }

    /// The addresses of all who want pushes, by their accounts.
    pub(crate) fn owners(&self) -> Vec<Owner> {
        self.lock().values().filter_map(|all| Some(all.first()?.owner.clone())).collect()
    }

    pub(crate) fn put(&self, subscription: Subscription) {
        let mut all = self.lock();
        let own = all.entry(subscription.owner.account).or_default();
        own.retain(|other| other.key() != subscription.key());
        own.push(subscription);
        self.count.store(all.len(), Ordering::Release);
    }

    pub(crate) fn remove(&self, account: AccountId, key: Option<&str>) {
        let mut all = self.lock();
        if let Some(own) = all.get_mut(&account) {
            own.retain(|other| key.is_some_and(|key| other.key() != key));
            if own.is_empty() {
                all.remove(&account);
            }
        }
        self.count.store(all.len(), Ordering::Release);
    }
}

impl Chat {
    /// Reads all subscriptions anew.
    pub(crate) async fn read_push_subscriptions(&self) -> Result<()> {
        let all = self.store.push_subscriptions(None).await?;
        self.subscribed.replace(all);
        Ok(())
    }

    /// Reads those of an account anew, which another node has changed.
    pub(crate) async fn read_push_subscriptions_of(&self, account: &Jid) -> Result<()> {
        let Some(profile) = self.profile(account).await? else { return Ok(()) };
        let own = self.store.push_subscriptions(Some(profile.account)).await?;
        self.subscribed.replace_of(profile.account, own);
        Ok(())
    }

    /// The public key by which push services know this server.
    pub fn push_key(&self) -> Result<String> {
        self.pushing.key.get().cloned().ok_or(Error::ServiceUnavailable)
    }

    /// Notes that key, in base 64 for URLs (RFC 8292); the first counts.
    pub fn set_push_key(&self, key: &str) {
        let _ = self.pushing.key.set(key.to_owned());
    }

    /// Pushes to a device from now on. A subscription with the same key, whoever's it was, is replaced.
    pub async fn subscribe_to_pushes(&self, owner: &Owner, device: &str, channel: Channel) -> Result<()> {
        let pusher = self.pusher().ok_or(Error::ServiceUnavailable)?;
        match &channel {
            Channel::Web { endpoint, p256dh, auth } => {
                if endpoint.len() > ENDPOINT_BYTES_LIMIT || !pusher.accepts(endpoint) {
                    return Err(Error::NotAcceptable("the address of the push service is not acceptable"));
                }
                if p256dh.len() != 65 || p256dh.first() != Some(&4) || auth.len() != 16 {
                    return Err(Error::BadRequest("the keys are not those of a push subscription"));
                }
            }
            Channel::Xmpp { node, options, .. } => {
                let bytes = node.len() + options.as_ref().map_or(0, String::len);
                if bytes > OPTIONS_BYTES_LIMIT {
                    return Err(Error::NotAcceptable("the options are too large"));
                }
            }
        }
        let subscription = Subscription {
            owner: owner.clone(),
            device: device.to_owned(),
            created_ms: self.now_ms(),
            channel,
        };
        let _lock = self.rosters.lock(&owner.jid).await;
        let mut known = self.subscribed.of(owner.account);
        known.sort_by_key(|one| one.created_ms);
        let key = subscription.key();
        known.retain(|one| one.key() != key);
        let surplus = (known.len() + 1).saturating_sub(SUBSCRIPTIONS_PER_ACCOUNT_LIMIT);
        for old in known.iter().take(surplus) {
            self.store.delete_push_subscription(owner.account, &old.key()).await?;
            self.subscribed.remove(owner.account, Some(&old.key()));
        }
        // A browser has one subscription for a page, whoever has signed in there.
        for other in self.subscribed.owners() {
            if other.account != owner.account
                && self.subscribed.of(other.account).iter().any(|o| o.key() == key)
            {
                self.store.delete_push_subscription(other.account, &key).await?;
                self.subscribed.remove(other.account, Some(&key));
                self.tell_changed(&other.jid, Cached::Pushes);
            }
        }
        self.store.put_push_subscription(subscription.clone()).await?;
        self.subscribed.put(subscription);
        self.tell_changed(&owner.jid, Cached::Pushes);
        Ok(())
    }

    /// No longer pushes by the subscription with this key.
    pub async fn unsubscribe_from_pushes(&self, owner: &Owner, key: &str) -> Result<()> {
        self.store.delete_push_subscription(owner.account, key).await?;
        self.subscribed.remove(owner.account, Some(key));
        self.tell_changed(&owner.jid, Cached::Pushes);
        Ok(())
    }

    /// No longer pushes to a device that has signed out.
    pub async fn unsubscribe_device(&self, owner: &Owner, device: &str) -> Result<()> {
        for subscription in self.subscribed.of(owner.account) {
            if subscription.device == device {
                self.unsubscribe_from_pushes(owner, &subscription.key()).await?;
            }
        }
        Ok(())
    }

    /// The subscriptions by which a service of XMPP is asked.
    pub fn push_subscriptions_at(&self, service: &Jid) -> Vec<Subscription> {
        let all = self.subscribed.lock();
        let there =
            |one: &&Subscription| matches!(&one.channel, Channel::Xmpp { service: at, .. } if at == service);
        all.values().flatten().filter(there).cloned().collect()
    }

    /// The subscriptions of an account.
    pub fn push_subscriptions(&self, owner: &Owner) -> Vec<Subscription> {
        self.subscribed.of(owner.account)
    }
}
