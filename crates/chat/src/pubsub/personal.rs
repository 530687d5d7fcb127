//! Personal eventing (XEP-0163): what an account publishes for itself and its contacts, the last item for whoever comes
//! online, and what else follows from a publication.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{Outgoing, Stanza};

use super::Place;
use super::configuration::SendLast;
use super::notifying::last_item;
use super::publishing::{Fields, NewItem};
use super::reading::ReadFor;
use super::store::{Item, ItemQuery, LastWanted, NodeView};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::profile::Profile;
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
        match self.node_items(&place, &owner.jid, node, ReadFor::Himself, ItemQuery::Last(max)).await {
            Ok(page) => Ok(page.items),
            Err(Error::NotFound) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// One item of an account's own node.
    pub async fn pep_item(&self, owner: &Owner, node: &str, id: &str) -> Result<Option<Item>> {
        let place = Place::of(owner.clone());
        match self.node_items_by_id(&place, &owner.jid, node, ReadFor::Himself, &[id.to_owned()]).await {
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
        if let Some(cluster) = self.cluster() {
            cluster.send_last_items(&owner.jid, contact);
        }
        self.show_last_items_here(owner, contact).await;
    }

    /// The same for the sessions of this node, and for other servers.
    pub(crate) async fn show_last_items_here(&self, owner: &Owner, contact: &Jid) {
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
        let wanted =
            LastWanted { places, who, nodes, items: LAST_ITEMS_LIMIT, bytes: LAST_ITEMS_BYTES_LIMIT };
        let (mut sent, mut stanzas) = (Vec::new(), Vec::new());
        for (view, item) in self.store.last_items(wanted).await? {
            let Some(profile) = self.profile(&view.node.place).await? else { continue };
            let place = Place::of(Owner::from(&*profile));
            if self.is_for(to, &place, &view, &profile).await? {
                stanzas.extend(self.last_stanza(to, &place, &view, &item));
                sent.push((place, view.node.name));
            }
        }
        self.hand_over(to, stanzas);
        // What was published since the read may have been told before, so that an older item would come behind a newer one:
        // then the newest is sent once more.
        for (place, node) in sent {
            if self.pubsub.changed_since(&place.jid, &node, &before) {
                self.send_newest(to, &place, &node).await?;
            }
        }
        Ok(())
    }

    /// Whether somebody may read a node of an account, and neither blocks the other.
    async fn is_for(
        &self,
        to: Newcomer<'_>,
        place: &Place,
        view: &NodeView,
        owner: &Profile,
    ) -> Result<bool> {
        if to.jid().same_bare(&place.jid) {
            return Ok(true);
        }
        if owner.blocks(to.jid()) || self.check_may_read(place, view, to.jid()).await.is_err() {
            return Ok(false);
        }
        Ok(match to {
            Newcomer::Local(session) => {
                self.profile(&session.bare).await?.is_some_and(|receiver| !receiver.blocks(&place.jid))
            }
            Newcomer::Remote(_) => true,
        })
    }

    /// The last item of a node as somebody gets it, unless its owner wants it otherwise or its time is over.
    fn last_stanza(&self, to: Newcomer<'_>, place: &Place, view: &NodeView, item: &Item) -> Option<Stanza> {
        let configuration = &view.node.configuration;
        let expired = configuration.item_expire_s.is_some_and(|seconds| {
            item.published_ms.saturating_add(u64::from(seconds) * 1000) <= self.now_ms()
        });
        let told =
            configuration.send_last == SendLast::OnSubAndPresence && configuration.deliver_notifications;
        (told && !expired)
            .then(|| last_item(place, &view.node, item, &self.token(), true).with_to(to.jid().clone()))
    }

    /// Sends somebody what is the last item of a node now, under its lock.
    async fn send_newest(&self, to: Newcomer<'_>, place: &Place, node: &str) -> Result<()> {
        let _held = self.pubsub.lock(&place.jid, node).await;
        let Some(profile) = self.profile(&place.jid).await? else { return Ok(()) };
        let Some(view) = self.store.node(&place.jid, node, &to.jid().to_bare()).await? else {
            return Ok(());
        };
        if self.is_for(to, place, &view, &profile).await? {
            let page = self.store.items(view.node.id, ItemQuery::Last(1)).await?;
            let newest = page.items.first().and_then(|item| self.last_stanza(to, place, &view, item));
            self.hand_over(to, newest.into_iter().collect());
        }
        Ok(())
    }

    /// Hands stanzas to a newcomer as one event, so that many of them do not fill his queue.
    fn hand_over(&self, to: Newcomer<'_>, stanzas: Vec<Stanza>) {
        match to {
            _ if stanzas.is_empty() => {}
            Newcomer::Local(session) => {
                let stanzas = stanzas.into_iter().map(|stanza| Arc::new(Outgoing::new(stanza)));
                session.push(Event::Batch(stanzas.collect()));
            }
            // Nobody waits for it, so a server that cannot be reached is no error.
            Newcomer::Remote(_) => stanzas.into_iter().for_each(|stanza| drop(self.to_remote(stanza))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interests::interests_of;
    use crate::testing::World;

    fn item(id: &str) -> NewItem {
        NewItem { id: Some(id.to_owned()), payload: Some("<x xmlns='urn:x'/>".into()) }
    }

    /// The ids of the items that came, in their order.
    fn ids(events: &mut crate::queue::Events) -> Vec<String> {
        let mut stanzas = Vec::new();
        while let Some(event) = events.try_recv() {
            match event {
                Event::Stanza(delivery) => stanzas.push(delivery.stanza),
                Event::Batch(batch) => stanzas.extend(batch),
                _ => {}
            }
        }
        let id = |stanza: Arc<Outgoing>| {
            let event = stanza.stanza().payload()?;
            let item = event.children().next()?.children().next()?;
            item.attr("id").map(str::to_owned)
        };
        stanzas.into_iter().filter_map(id).collect()
    }

    /// Section 4.3.4 of XEP-0163: whoever comes online while something is published has the newest item last.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn an_older_item_never_comes_last() {
        let world = World::of(&["juliet", "romeo"]).await;
        world.contacts("romeo", "both", "juliet").await;
        let (juliet, chat) = (world.owner("juliet").await, Arc::clone(&world.chat));
        chat.pep_publish(&juliet, "urn:x", item("0"), &[]).await.expect("published");
        for round in 0..50 {
            let mut romeo = world.online("romeo", &format!("r{round}")).await;
            let publishing = {
                let (chat, juliet) = (Arc::clone(&chat), juliet.clone());
                tokio::spawn(async move {
                    for number in 0..20 {
                        chat.pep_publish(&juliet, "urn:x", item(&number.to_string()), &[])
                            .await
                            .expect("published");
                    }
                })
            };
            let nodes = interests_of(["urn:x+notify"].into_iter());
            romeo.session.set_interests(Some(Arc::clone(&nodes)));
            chat.send_last_items(&romeo.session, nodes).await.expect("sent");
            publishing.await.expect("no panic");
            assert_eq!(ids(&mut romeo.events).last().map(String::as_str), Some("19"));
            romeo.leave().await;
        }
    }

    /// Many last items are one event, so that they do not fill a session's queue.
    #[tokio::test]
    async fn last_items_come_together() {
        let world = World::of(&["juliet"]).await;
        let juliet = world.owner("juliet").await;
        let features: Vec<String> = (0..50).map(|node| format!("urn:{node}+notify")).collect();
        for node in 0..50 {
            world.chat.pep_publish(&juliet, &format!("urn:{node}"), item("1"), &[]).await.expect("published");
        }
        let mut client = world.online("juliet", "balcony").await;
        let nodes = interests_of(features.iter().map(String::as_str));
        world.chat.send_last_items(&client.session, nodes).await.expect("sent");
        assert!(matches!(client.events.try_recv(), Some(Event::Batch(batch)) if batch.len() == 50));
        assert!(client.events.try_recv().is_none());
    }
}
