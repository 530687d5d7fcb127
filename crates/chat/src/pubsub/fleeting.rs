//! What goes with somebody's presence: temporary subscriptions, and what he has published at nodes that purge it when he goes
//! offline (XEP-0060 section 13.5, and `pubsub#purge_offline` of its section 17.5.4).

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::{PoisonError, RwLock};

use waxwing_xmpp::jid::Jid;

use super::Place;
use super::notifying::News;
use super::store::{Fleeting, NodeRecord, SubscriptionState};
use super::terms::Terms;
use crate::chat::Chat;
use crate::error::Result;
use crate::rosters::Owner;
use crate::session::Session;

/// Who went offline, and with what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departure<'a> {
    /// The address that is not there any more; a bare one when none of its full addresses is.
    pub(crate) jid: &'a Jid,
    /// No other of its account is there.
    pub(crate) last: bool,
    /// The only place that was told so; `None` for all.
    pub(crate) place: Option<&'a Jid>,
}

impl Departure<'_> {
    fn ends(&self, subscriber: &Jid) -> bool {
        *subscriber == *self.jid || (self.last && (subscriber.is_bare() || self.jid.is_bare()))
    }
}

impl Chat {
    /// Those who may have something that goes with their presence: hashes of their bare addresses, so that everybody else
    /// signs off without a question to the store. Read from it once, and added to from then on.
    async fn fleeting(&self) -> Result<&RwLock<HashSet<u64>>> {
        let read = || async {
            let bound = self.store.bound_to_presence().await?;
            let hashes = bound.iter().map(|jid| self.pubsub.hasher.hash_one(jid.bare_str()));
            Ok(RwLock::new(hashes.collect()))
        };
        self.pubsub.fleeting.get_or_try_init(read).await
    }

    /// Notes that somebody may have something that goes with his presence, if it `is` so. Called before that is kept.
    pub(crate) async fn note_fleeting(&self, jid: &Jid, is: bool) -> Result<()> {
        if is {
            let hash = self.pubsub.hasher.hash_one(jid.bare_str());
            self.fleeting().await?.write().unwrap_or_else(PoisonError::into_inner).insert(hash);
        }
        Ok(())
    }

    /// Somebody has gone offline: ends what ends with it. No lock is held.
    pub(crate) async fn went_offline(&self, departure: Departure<'_>) {
        if let Err(error) = self.let_go(departure).await {
            tracing::warn!(%error, jid = %departure.jid, "what ends with somebody's presence did not");
        }
    }

    async fn let_go(&self, departure: Departure<'_>) -> Result<()> {
        let hash = self.pubsub.hasher.hash_one(departure.jid.bare_str());
        let may = self.fleeting().await?.read().unwrap_or_else(PoisonError::into_inner).contains(&hash);
        if !may {
            return Ok(());
        }
        for fleeting in self.store.goes_with_presence(&departure.jid.to_bare()).await? {
            if departure.place.is_none_or(|place| fleeting.node.place == *place) {
                self.let_go_at(departure, fleeting).await?;
            }
        }
        Ok(())
    }

    async fn let_go_at(&self, departure: Departure<'_>, fleeting: Fleeting) -> Result<()> {
        let node = &fleeting.node;
        let profile = self.profile(&node.place).await?;
        let place =
            Place { jid: node.place.clone(), owner: profile.map(|p| Owner::from(&*p)), hidden: false };
        let held = self.pubsub.lock(&place.jid, &node.name).await;
        for mut subscription in fleeting.subscriptions {
            if departure.ends(&subscription.jid) {
                self.store.delete_subscription(node.id, &subscription.subid).await?;
                subscription.state = SubscriptionState::None;
                self.tell_owners(&place, node, &subscription).await?;
            }
        }
        if !departure.last || fleeting.items.is_empty() {
            return Ok(());
        }
        held.changing();
        let gone = self.store.retract_items(node.id, &fleeting.items).await?;
        if !gone.is_empty() && node.configuration.notify_retract {
            self.tell_subscribers(&place, node, News::Retracted(&gone)).await?;
        }
        drop(held);
        if let Some(owner) = &place.owner {
            self.changed_personally(owner, &node.name).await;
        }
        Ok(())
    }

    /// The configuration of a node has changed so that more goes with somebody's presence. Subscriptions become temporary; those
    /// of who is not there end. The caller holds the node's lock.
    pub(crate) async fn make_fleeting(&self, place: &Place, node: &NodeRecord) -> Result<()> {
        if node.configuration.temporary_subscriptions {
            for mut subscription in self.store.subscriptions(node.id).await? {
                let mut terms = Terms::from_stored(&subscription.options);
                if terms.is_temporary() {
                    continue;
                }
                if self.may_be_online(&subscription.jid) {
                    node.configuration.bind(&mut terms);
                    subscription.options = terms.to_stored();
                    self.store.put_subscription(node.id, subscription).await?;
                } else {
                    self.store.delete_subscription(node.id, &subscription.subid).await?;
                    self.tell_subscription(place, node, &subscription.jid, SubscriptionState::None, None)
                        .await;
                }
            }
        }
        for jid in self.store.bound_to_presence().await? {
            self.note_fleeting(&jid, true).await?;
        }
        Ok(())
    }

    /// Whether an address is online, as far as this server can know.
    fn may_be_online(&self, jid: &Jid) -> bool {
        if !self.is_local(jid.domain()) {
            return true;
        }
        let is = |session: &Session| session.is_available() && (jid.is_bare() || session.jid == *jid);
        self.sessions.with(&jid.to_bare(), |all| all.iter().any(|session| is(session))).unwrap_or(false)
    }

    /// Ends what should have ended with the presence of those who are not there: a server that dies tells nobody that they
    /// went. Returns for how many.
    pub async fn end_left_behind(&self) -> Result<usize> {
        let mut ended = 0;
        for jid in self.store.bound_to_presence().await? {
            if self.is_local(jid.domain()) && self.sessions.with(&jid, |_| ()).is_none() {
                self.let_go(Departure { jid: &jid, last: true, place: None }).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }
}
