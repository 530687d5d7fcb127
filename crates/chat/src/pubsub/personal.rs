//! Personal eventing (XEP-0163): what an account publishes for itself and its contacts, the last item for whoever comes
//! online, and what else follows from a publication.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Outgoing;

use super::Place;
use super::configuration::SendLast;
use super::notifying::last_item;
use super::publishing::{Fields, NewItem};
use super::store::{Item, ItemQuery, LastWanted, NodeView};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::presence::push;
use crate::rosters::Owner;
use crate::session::Session;

/// How many last items somebody who comes online is sent.
pub const LAST_ITEMS_LIMIT: usize = 1_000;

/// How many bytes of them.
pub const LAST_ITEMS_BYTES_LIMIT: usize = 2 << 20;

/// Somebody who has just come online.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Newcomer<'a> {
    /// A session.
    Local(&'a Arc<Session>),
    /// A client of another server.
    Remote(&'a Jid),
}

impl Newcomer<'_> {
    fn jid(&self) -> &Jid {
        match self {
            Self::Local(session) => &session.jid,
            Self::Remote(jid) => jid,
        }
    }
}

impl Chat {
    /// Publishes an item at an account's own node, in the account's name, as [`Chat::publish`] does. `options` are what the
    /// node is created with; where it is there already, they are not conditions.
    ///
    /// # Errors
    /// Those of [`Chat::publish`].
    pub async fn pep_publish(
        &self,
        owner: &Owner,
        node: &str,
        item: NewItem,
        options: &Fields,
    ) -> Result<String> {
        let place = Place::of(owner.clone());
        let known = self.store.node(&place.jid, node, &owner.jid).await?.is_some();
        let options = if known { &[] } else { options };
        self.publish(&place, &owner.jid, node, Some(item), options).await?.ok_or(Error::NotFound)
    }

    /// The items of an account's own node, the oldest first, at most `max` of the newest; empty if there is no such node.
    pub async fn pep_items(&self, owner: &Owner, node: &str, max: usize) -> Result<Vec<Item>> {
        let place = Place::of(owner.clone());
        match self.node_items(&place, &owner.jid, node, ItemQuery::Last(max)).await {
            Ok(page) => Ok(page.items),
            Err(Error::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// One item of an account's own node.
    pub async fn pep_item(&self, owner: &Owner, node: &str, id: &str) -> Result<Option<Item>> {
        let place = Place::of(owner.clone());
        match self.node_items_by_id(&place, &owner.jid, node, &[id.to_owned()]).await {
            Ok(mut items) => Ok(items.pop()),
            Err(Error::NotFound) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes an item of an account's own node back, and tells. `NotFound` when it is not there.
    pub async fn pep_retract(&self, owner: &Owner, node: &str, id: &str) -> Result<()> {
        let place = Place::of(owner.clone());
        self.retract(&place, &owner.jid, node, &[id.to_owned()], true).await
    }

    /// What comes before an account reads or publishes at a node of its own: that what it kept in other places is there.
    pub(crate) async fn prepare_personally(&self, place: &Place, from: &Jid, node: &str) -> Result<()> {
        match &place.owner {
            Some(owner) if from.same_bare(&owner.jid) => self.prepare(owner, node).await,
            _ => Ok(()),
        }
    }

    /// What follows when an account has changed the configuration of a node of its own: a picture that is no longer for
    /// everybody goes from its card.
    pub(crate) async fn configured_personally(&self, owner: &Owner, node: &str) {
        if node == ns::AVATAR_DATA {
            self.follow(owner, ns::AVATAR_METADATA).await;
        }
    }

    /// What else follows when an account has published an item at a node of its own, or taken items back. It has been
    /// committed and told; no lock is held, so anything may be published from here.
    pub(crate) async fn changed_personally(&self, owner: &Owner, node: &str) {
        self.follow(owner, node).await;
    }

    /// A session has become interested in these nodes: it is sent the last items of its own account and of every contact
    /// whose presence it sees (XEP-0163 section 4.3.4).
    pub(crate) async fn send_last_items(&self, session: &Arc<Session>, nodes: Arc<[Box<str>]>) -> Result<()> {
        let owner = Owner::from(&**session);
        let contacts = self.contacts(&owner).await?;
        let places = std::iter::once(&owner.jid).chain(&contacts.watched);
        let places: Vec<Jid> = places.filter(|jid| self.is_local(jid.domain())).cloned().collect();
        self.send_last_of(Newcomer::Local(session), places, nodes).await
    }

    /// An account has let a contact see its presence: his sessions are sent the account's last items.
    pub(crate) async fn show_last_items(&self, owner: &Owner, contact: &Jid) {
        let mut outcome = Ok(());
        for session in self.sessions.of(&contact.to_bare()) {
            if let Some(nodes) = session.interests().filter(|_| session.is_available()) {
                let places = vec![owner.jid.clone()];
                outcome = outcome.and(self.send_last_of(Newcomer::Local(&session), places, nodes).await);
            }
        }
        for (jid, nodes) in self.interests.remote_of(&owner.jid, contact) {
            let places = vec![owner.jid.clone()];
            outcome = outcome.and(self.send_last_of(Newcomer::Remote(&jid), places, nodes).await);
        }
        if let Err(error) = outcome {
            tracing::warn!(%error, "last items could not be sent to a new contact");
        }
    }

    /// Sends somebody the last items of these nodes of these accounts, as far as he may read them.
    pub(crate) async fn send_last_of(
        &self,
        to: Newcomer<'_>,
        mut places: Vec<Jid>,
        nodes: Arc<[Box<str>]>,
    ) -> Result<()> {
        if !nodes.is_empty() {
            self.retain_telling(&mut places).await?;
        }
        if nodes.is_empty() || places.is_empty() {
            return Ok(());
        }
        let who = to.jid().to_bare();
        let before = self.pubsub.changes();
        let found = self.store.last_items(LastWanted { places, who, nodes }).await?;
        let mut bytes = 0;
        for (view, item) in found.into_iter().take(LAST_ITEMS_LIMIT) {
            bytes += item.payload.as_ref().map_or(0, |payload| payload.len());
            if bytes > LAST_ITEMS_BYTES_LIMIT {
                break;
            }
            let Some(profile) = self.profile(&view.node.place).await? else { continue };
            let place = Place::of(Owner::from(&*profile));
            let own = to.jid().same_bare(&place.jid);
            if !own
                && (self.check_may_read(&place, &view, to.jid()).await.is_err() || profile.blocks(to.jid()))
            {
                continue;
            }
            if let Newcomer::Local(session) = to
                && !own
                && let Some(receiver) = self.profile(&session.bare).await?
                && receiver.blocks(&place.jid)
            {
                continue;
            }
            self.send_last_in_order(to, &place, view, item, &before).await?;
        }
        Ok(())
    }

    /// Sends one last item, unless the node has changed since it was read: then what is the last one now. So nobody gets
    /// an older item behind a newer one.
    async fn send_last_in_order(
        &self,
        to: Newcomer<'_>,
        place: &Place,
        view: NodeView,
        item: Item,
        before: &[u64],
    ) -> Result<()> {
        let held = self.pubsub.lock(&place.jid, &view.node.name).await;
        let (view, item) = if held.unchanged_since(before) {
            (view, item)
        } else {
            let name = &view.node.name;
            let Some(now) = self.store.node(&place.jid, name, &to.jid().to_bare()).await? else {
                return Ok(());
            };
            let own = to.jid().same_bare(&place.jid);
            if !own && self.check_may_read(place, &now, to.jid()).await.is_err() {
                return Ok(());
            }
            let page = self.store.items(now.node.id, ItemQuery::Last(1)).await?;
            let Some(item) = page.items.into_iter().next() else {
                return Ok(());
            };
            (now, item)
        };
        let configuration = &view.node.configuration;
        let expired = configuration.item_expire_s.is_some_and(|seconds| {
            item.published_ms.saturating_add(u64::from(seconds) * 1000) <= self.now_ms()
        });
        if configuration.send_last != SendLast::OnSubAndPresence
            || !configuration.deliver_notifications
            || expired
        {
            return Ok(());
        }
        let stanza = last_item(place, &view.node, &item, &self.token(), true).with_to(to.jid().clone());
        match to {
            Newcomer::Local(session) => push(session, &Arc::new(Outgoing::new(stanza))),
            // Nobody waits for it, so a server that cannot be reached is no error.
            Newcomer::Remote(_) => drop(self.to_remote(stanza)),
        }
        Ok(())
    }
}
