//! Subscribing to nodes, and what owners decide about that (XEP-0060 sections 6.1 to 6.4, 8.6 to 8.8).

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Stanza};
use waxwing_xmpp::xml::Element;

use super::Place;
use super::access::Affiliation;
use super::configuration::{AccessModel, SendLast};
use super::notifying::last_item;
use super::publishing::Fields;
use super::refusal::Refusal;
use super::store::{ItemQuery, NodeRecord, NodeView, Subscription, SubscriptionState};
use super::terms::Terms;
use super::{LISTED_LIMIT, check_node_name};
use crate::chat::Chat;
use crate::error::{Error, Result};

/// How many subscriptions to one node somebody may have, with all his addresses.
pub const SUBSCRIPTIONS_OF_ONE_LIMIT: usize = 64;

/// What an owner wants a subscription to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionChange {
    /// Whose.
    pub jid: Jid,
    /// Which of his; all of them without.
    pub subid: Option<String>,
    /// How far it has come; `None` ends it.
    pub state: SubscriptionState,
}

/// A subscription as its subscriber sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribed {
    /// The subscription.
    pub subscription: Subscription,
    /// The last item, which is sent to him.
    pub last: Option<Stanza>,
}

impl Chat {
    /// Subscribes an address of the requester's to a node (section 6.1). One that is subscribed already and asks to be told the
    /// same stays so, on the terms of the request if it has any; one that asks to be told otherwise is subscribed once more
    /// (section 6.1.6).
    ///
    /// # Errors
    /// Those of section 6.1.3.
    pub async fn subscribe(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        jid: &Jid,
        terms: Option<&Fields>,
    ) -> Result<Subscribed> {
        check_node_name(node)?;
        if !jid.same_bare(from) {
            return Err(Error::PubSub(Refusal::InvalidJid));
        }
        let _held = self.pubsub.lock(&place.jid, node).await;
        let view = self.node_view(place, node, from).await?;
        let state = self.may_subscribe(place, &view, from).await?;
        let own: Vec<&Subscription> = view.subscriptions.iter().filter(|known| known.jid == *jid).collect();
        if state == SubscriptionState::Pending && own.iter().any(|known| known.state == state) {
            return Err(Error::PubSub(Refusal::PendingSubscription));
        }
        let (known, mut kept) = match terms {
            None => (own.first(), own.first().map(|known| Terms::from_stored(&known.options))),
            Some(fields) => {
                let mut asked = Terms::default();
                asked.set_all(fields, self.now_ms())?;
                let alike = |known: &&&Subscription| Terms::from_stored(&known.options).delivers_like(&asked);
                (own.iter().find(alike), Some(asked))
            }
        };
        let kept = kept.get_or_insert_default();
        view.node.configuration.bind(kept);
        let (subid, state) = match known {
            Some(known) => (known.subid.clone(), known.state.max(state)),
            None if view.subscriptions.len() >= SUBSCRIPTIONS_OF_ONE_LIMIT => {
                return Err(Error::PubSub(Refusal::TooManySubscriptions));
            }
            None => {
                self.check_room_for_subscription(&view.node).await?;
                (self.token(), state)
            }
        };
        self.note_fleeting(jid, kept.is_temporary()).await?;
        let new = known.is_none_or(|known| known.state != state);
        let subscription = Subscription { jid: jid.clone(), subid, state, options: kept.to_stored() };
        self.store.put_subscription(view.node.id, subscription.clone()).await?;
        if new {
            self.tell_owners(place, &view.node, &subscription).await?;
        }
        let last = self.last_for(place, &view.node, &subscription).await?;
        Ok(Subscribed { subscription, last })
    }

    /// Which state a new subscription of somebody gets, if he may subscribe at all.
    async fn may_subscribe(&self, place: &Place, view: &NodeView, from: &Jid) -> Result<SubscriptionState> {
        let owner = view.affiliation == Affiliation::Owner;
        if !view.node.configuration.subscribe && !owner {
            return Err(Error::PubSub(Refusal::Unsupported("subscribe")));
        }
        match self.check_may_read(place, view, from).await {
            Ok(()) => Ok(SubscriptionState::Subscribed),
            Err(Error::PubSub(Refusal::SubscriptionRequired | Refusal::PendingSubscription)) => {
                Ok(SubscriptionState::Pending)
            }
            Err(refused) => Err(refused),
        }
    }

    async fn check_room_for_subscription(&self, node: &NodeRecord) -> Result<()> {
        let all = self.store.subscriptions(node.id).await?;
        let limit = self.settings().pubsub.subscriptions_per_node_limit;
        let (over, there): (Vec<_>, Vec<_>) = all.into_iter().partition(|known| !self.in_force(known));
        for ended in over {
            self.store.delete_subscription(node.id, &ended.subid).await?;
        }
        if there.len() >= limit {
            return Err(Error::PubSub(Refusal::TooManySubscriptions));
        }
        Ok(())
    }

    /// Whether a subscription's time is not over.
    pub(crate) fn in_force(&self, subscription: &Subscription) -> bool {
        Terms::from_stored(&subscription.options).lasts_at(self.now_ms())
    }

    /// The last item for a new subscriber (section 6.1.7).
    async fn last_for(
        &self,
        place: &Place,
        node: &NodeRecord,
        subscription: &Subscription,
    ) -> Result<Option<Stanza>> {
        let sends =
            node.configuration.send_last != SendLast::Never && node.configuration.deliver_notifications;
        if subscription.state != SubscriptionState::Subscribed || !sends {
            return Ok(None);
        }
        self.expire_items_of(node).await?;
        let page = self.store.items(node.id, ItemQuery::Last(1)).await?;
        let item = page.items.first();
        Ok(item
            .map(|item| last_item(place, node, item, &self.token(), false).with_to(subscription.jid.clone())))
    }

    /// Ends a subscription of the requester's (section 6.2), and answers how it is then.
    ///
    /// # Errors
    /// Those of section 6.2.3.
    pub async fn unsubscribe(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        jid: &Jid,
        subid: Option<&str>,
    ) -> Result<Subscription> {
        check_node_name(node)?;
        if !jid.same_bare(from) {
            return Err(Error::Forbidden);
        }
        let _held = self.pubsub.lock(&place.jid, node).await;
        let view = self.node_view(place, node, from).await?;
        let mut subscription = own_subscription(&view, jid, subid)?.clone();
        self.store.delete_subscription(view.node.id, &subscription.subid).await?;
        subscription.state = SubscriptionState::None;
        self.tell_owners(place, &view.node, &subscription).await?;
        Ok(subscription)
    }

    /// The terms of a subscription of the requester's (section 6.3.2).
    ///
    /// # Errors
    /// Those of section 6.3.4.
    pub async fn subscription_terms(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        jid: &Jid,
        subid: Option<&str>,
    ) -> Result<Terms> {
        if !jid.same_bare(from) {
            return Err(Error::Forbidden);
        }
        let view = self.node_view(place, node, from).await?;
        Ok(Terms::from_stored(&own_subscription(&view, jid, subid)?.options))
    }

    /// Changes them (section 6.3.5).
    ///
    /// # Errors
    /// Those of sections 6.3.4 and 6.3.5.
    pub async fn set_subscription_terms(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        jid: &Jid,
        subid: Option<&str>,
        fields: &Fields,
    ) -> Result<()> {
        check_node_name(node)?;
        if !jid.same_bare(from) {
            return Err(Error::Forbidden);
        }
        let _held = self.pubsub.lock(&place.jid, node).await;
        let view = self.node_view(place, node, from).await?;
        let mut subscription = own_subscription(&view, jid, subid)?.clone();
        let mut terms = Terms::from_stored(&subscription.options);
        terms.set_all(fields, self.now_ms())?;
        view.node.configuration.bind(&mut terms);
        self.note_fleeting(jid, terms.is_temporary()).await?;
        subscription.options = terms.to_stored();
        if subscription.state == SubscriptionState::Unconfigured {
            subscription.state = SubscriptionState::Subscribed;
        }
        Ok(self.store.put_subscription(view.node.id, subscription).await?)
    }

    /// What somebody is to the nodes of a place, with his subscriptions (sections 5.6 and 5.7), of one node or of all.
    pub async fn own_views(&self, place: &Place, from: &Jid, node: Option<&str>) -> Result<Vec<NodeView>> {
        if let Some(node) = node {
            return Ok(vec![self.node_view(place, node, from).await?]);
        }
        let own = place.owner.as_ref().is_some_and(|owner| from.same_bare(&owner.jid));
        let mut views = if own {
            let mut all = self.store.nodes(&place.jid, &from.to_bare(), None, LISTED_LIMIT).await?;
            all.iter_mut().for_each(|view| view.affiliation = Affiliation::Owner);
            all
        } else {
            let found = if place.hidden {
                Vec::new()
            } else {
                self.store.nodes_of(&place.jid, &from.to_bare()).await?
            };
            if found.is_empty() {
                self.check_sees_place(place, from).await?;
            }
            found
        };
        for view in &mut views {
            view.subscriptions.retain(|subscription| self.in_force(subscription));
        }
        Ok(views)
    }

    /// All subscriptions of a node but those that wait, for its owner (section 8.8.1).
    ///
    /// # Errors
    /// Those of section 8.8.1.3.
    pub async fn subscriptions_of_node(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
    ) -> Result<Vec<Subscription>> {
        let view = self.owned_node(place, node, from).await?;
        let mut all = self.store.subscriptions(view.node.id).await?;
        all.retain(|known| known.state != SubscriptionState::Pending && self.in_force(known));
        Ok(all)
    }

    /// Changes the subscriptions of a node (section 8.8.2), and tells those whom it concerns. Changes that cannot be made leave
    /// the others alone (section 8.8.2.4): the subscriptions that they are about are answered as they stay.
    ///
    /// # Errors
    /// Those of section 8.8.2.3.
    pub async fn set_node_subscriptions(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        changes: Vec<SubscriptionChange>,
    ) -> Result<Vec<(Jid, SubscriptionState)>> {
        check_node_name(node)?;
        let _held = self.pubsub.lock(&place.jid, node).await;
        let view = self.owned_node(place, node, from).await?;
        let affiliations = self.store.node_affiliations(view.node.id).await?;
        let mut refused = Vec::new();
        for change in changes {
            let all = self.store.subscriptions(view.node.id).await?;
            let of_jid = || all.iter().filter(|known| known.jid == change.jid);
            let named: Vec<_> =
                of_jid().filter(|known| change.subid.as_ref().is_none_or(|id| *id == known.subid)).collect();
            let outcast = affiliations.contains(&(change.jid.to_bare(), Affiliation::Outcast));
            let makes_sense = change.state != SubscriptionState::Unconfigured
                && (change.state == SubscriptionState::None || !outcast)
                && (change.subid.is_none() || !named.is_empty());
            if !makes_sense {
                let state = named.first().copied().or(of_jid().next()).map(|known| known.state);
                refused.push((change.jid, state.unwrap_or(SubscriptionState::None)));
                continue;
            }
            if named.is_empty() {
                self.decide(place, &view.node, &change.jid, None, change.state).await?;
            }
            for known in named {
                self.decide(place, &view.node, &change.jid, Some(known), change.state).await?;
            }
        }
        Ok(refused)
    }

    /// Puts a subscription into a state by an owner's decision. The caller holds the node's lock.
    async fn decide(
        &self,
        place: &Place,
        node: &NodeRecord,
        jid: &Jid,
        known: Option<&Subscription>,
        state: SubscriptionState,
    ) -> Result<()> {
        match (known, state) {
            (None, SubscriptionState::None) => return Ok(()),
            (Some(known), SubscriptionState::None) => {
                self.store.delete_subscription(node.id, &known.subid).await?;
            }
            (Some(known), state) if known.state == state => return Ok(()),
            (known, state) => {
                if known.is_none() {
                    self.check_room_for_subscription(node).await?;
                }
                let new = Subscription {
                    jid: jid.clone(),
                    subid: known.map_or_else(|| self.token(), |known| known.subid.clone()),
                    state,
                    options: {
                        let mut terms =
                            known.map_or_else(Terms::default, |known| Terms::from_stored(&known.options));
                        node.configuration.bind(&mut terms);
                        self.note_fleeting(jid, terms.is_temporary()).await?;
                        terms.to_stored()
                    },
                };
                self.store.put_subscription(node.id, new.clone()).await?;
                self.tell_subscription(place, node, jid, state, Some(&new.subid)).await;
                if let Some(last) = self.last_for(place, node, &new).await? {
                    self.tell_one(last).await;
                }
                return Ok(());
            }
        }
        self.tell_subscription(place, node, jid, state, None).await;
        Ok(())
    }

    /// An owner answers a request to subscribe (section 8.6.2). What is not asked any more is nothing.
    ///
    /// # Errors
    /// Those of section 8.2.3.
    pub async fn answer_subscription(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        (jid, subid): (&Jid, Option<&str>),
        allow: bool,
    ) -> Result<()> {
        check_node_name(node)?;
        let _held = self.pubsub.lock(&place.jid, node).await;
        let view = self.owned_node(place, node, from).await?;
        let all = self.store.subscriptions(view.node.id).await?;
        let asked = all.iter().find(|known| {
            known.jid == *jid
                && known.state == SubscriptionState::Pending
                && subid.is_none_or(|subid| *subid == *known.subid)
        });
        let Some(asked) = asked else { return Ok(()) };
        let state = if allow { SubscriptionState::Subscribed } else { SubscriptionState::None };
        self.decide(place, &view.node, jid, Some(asked), state).await
    }

    /// Ends the subscriptions of an address that can be told nothing.
    pub(crate) async fn subscriber_gone(&self, place: &Place, node: &str, jid: &Jid) -> Result<()> {
        check_node_name(node)?;
        let _held = self.pubsub.lock(&place.jid, node).await;
        let Some(view) = self.find_node(place, node, jid).await? else { return Ok(()) };
        for mut subscription in view.subscriptions {
            if subscription.jid == *jid {
                self.store.delete_subscription(view.node.id, &subscription.subid).await?;
                subscription.state = SubscriptionState::None;
                self.tell_owners(place, &view.node, &subscription).await?;
            }
        }
        Ok(())
    }

    /// The nodes of a place that somebody owns and for which requests wait (section 8.7).
    pub async fn nodes_with_requests(&self, place: &Place, from: &Jid) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for view in self.own_views(place, from, None).await? {
            if view.affiliation == Affiliation::Owner
                && view.node.configuration.access_model == AccessModel::Authorize
            {
                let all = self.store.subscriptions(view.node.id).await?;
                if all.iter().any(|known| known.state == SubscriptionState::Pending) {
                    found.push(view.node.name);
                }
            }
        }
        Ok(found)
    }

    /// Sends an owner every request that waits at a node once more (section 8.7).
    ///
    /// # Errors
    /// Those of section 8.7.
    pub async fn repeat_subscription_requests(&self, place: &Place, from: &Jid, node: &str) -> Result<()> {
        let view = self.owned_node(place, node, from).await?;
        for subscription in self.store.subscriptions(view.node.id).await? {
            if subscription.state == SubscriptionState::Pending {
                self.tell_one(
                    request(place, &view.node, &subscription, &self.token()).with_to(from.to_bare()),
                )
                .await;
            }
        }
        Ok(())
    }

    /// Tells a node's owners of a subscription: that it waits for them, or, if they want to know, how it is.
    pub(crate) async fn tell_owners(
        &self,
        place: &Place,
        node: &NodeRecord,
        subscription: &Subscription,
    ) -> Result<()> {
        let asks = subscription.state == SubscriptionState::Pending;
        if !asks && !node.configuration.notify_sub {
            return Ok(());
        }
        let stanza = if asks {
            request(place, node, subscription, &self.token())
        } else {
            state_message(
                place,
                node,
                &subscription.jid,
                subscription.state,
                Some(&subscription.subid),
                &self.token(),
            )
        };
        let affiliations = self.store.node_affiliations(node.id).await?;
        let owners = affiliations.into_iter().filter(|(_, is)| *is == Affiliation::Owner).map(|(jid, _)| jid);
        for owner in place.owner.iter().map(|owner| owner.jid.clone()).chain(owners) {
            self.tell_one(stanza.clone().with_to(owner)).await;
        }
        Ok(())
    }

    /// Ends the subscriptions of those who lost the right to have them by a change of affiliations.
    pub(crate) async fn end_subscriptions_without_right(
        &self,
        place: &Place,
        node: &NodeRecord,
        changes: &[(Jid, Affiliation)],
    ) -> Result<()> {
        let whitelist = node.configuration.access_model == AccessModel::Whitelist;
        let lost = |affiliation: Affiliation| match affiliation {
            Affiliation::Outcast | Affiliation::PublishOnly => true,
            Affiliation::None => whitelist,
            _ => false,
        };
        for subscription in self.store.subscriptions(node.id).await? {
            let bare = subscription.jid.to_bare();
            if changes.iter().any(|(jid, affiliation)| *jid == bare && lost(*affiliation)) {
                self.store.delete_subscription(node.id, &subscription.subid).await?;
                self.tell_subscription(place, node, &subscription.jid, SubscriptionState::None, None).await;
            }
        }
        Ok(())
    }

    /// Tells somebody what he is to a node now (section 8.9.4).
    pub(crate) async fn tell_affiliation(
        &self,
        place: &Place,
        node: &NodeRecord,
        who: &Jid,
        affiliation: Affiliation,
    ) {
        let affiliation = Element::new(ns::PUBSUB, "affiliation")
            .with_attr("jid", who.as_str())
            .with_attr("affiliation", affiliation.as_str());
        let affiliations =
            Element::new(ns::PUBSUB, "affiliations").with_attr("node", &node.name).with_child(affiliation);
        let stanza = letter(place, &self.token())
            .with_child(Element::new(ns::PUBSUB, "pubsub").with_child(affiliations));
        self.tell_one(stanza.with_to(who.clone())).await;
    }

    /// Tells somebody how his subscription is now (sections 8.6 and 8.8.4).
    pub(crate) async fn tell_subscription(
        &self,
        place: &Place,
        node: &NodeRecord,
        who: &Jid,
        state: SubscriptionState,
        subid: Option<&str>,
    ) {
        let stanza = state_message(place, node, who, state, subid, &self.token());
        self.tell_one(stanza.with_to(who.clone())).await;
    }

    /// Sends a message of a node to somebody. That it does not reach him is no error of who caused it.
    async fn tell_one(&self, stanza: Stanza) {
        if let Err(error) = self.send_from_service(stanza).await {
            tracing::debug!(%error, "a message of a node was not delivered");
        }
    }
}

/// The subscription of somebody that a request is about (sections 6.2.3 and 6.3.4). `view` holds those in force.
fn own_subscription<'a>(view: &'a NodeView, jid: &Jid, subid: Option<&str>) -> Result<&'a Subscription> {
    let mut own = view.subscriptions.iter().filter(|known| known.jid == *jid);
    let (first, second) = (own.next(), own.next());
    match (first, second, subid) {
        (None, ..) => Err(Error::PubSub(Refusal::NotSubscribed)),
        (Some(only), None, None) => Ok(only),
        (_, Some(_), None) => Err(Error::PubSub(Refusal::SubIdRequired)),
        (.., Some(subid)) => {
            let mut own = view.subscriptions.iter().filter(|known| known.jid == *jid);
            own.find(|known| known.subid == *subid).ok_or(Error::PubSub(Refusal::InvalidSubId))
        }
    }
}

/// An empty message from a place, which waits for who is not there.
fn letter(place: &Place, id: &str) -> Stanza {
    Stanza::message(MessageType::Normal).with_from(place.jid.clone()).with_id(id)
}

fn state_message(
    place: &Place,
    node: &NodeRecord,
    who: &Jid,
    state: SubscriptionState,
    subid: Option<&str>,
    id: &str,
) -> Stanza {
    let mut subscription = Element::new(ns::PUBSUB_EVENT, "subscription")
        .with_attr("node", &node.name)
        .with_attr("jid", who.as_str())
        .with_attr("subscription", state.as_str());
    if let Some(subid) = subid {
        subscription = subscription.with_attr("subid", subid);
    }
    letter(place, id).with_child(Element::new(ns::PUBSUB_EVENT, "event").with_child(subscription))
}

/// The form that asks an owner for his approval (section 8.6.1).
fn request(place: &Place, node: &NodeRecord, subscription: &Subscription, id: &str) -> Stanza {
    let text = |name: &str, text: &str| Element::new(ns::DATA_FORMS, name).with_text(text);
    let field = |var: &str, kind: &str, label: &str, value: &str| {
        let field = Element::new(ns::DATA_FORMS, "field").with_attr("var", var).with_attr("type", kind);
        let field = if label.is_empty() { field } else { field.with_attr("label", label) };
        field.with_child(text("value", value))
    };
    let form = Element::new(ns::DATA_FORMS, "x")
        .with_attr("type", "form")
        .with_child(text("title", "Request to subscribe"))
        .with_child(text("instructions", "Somebody asks to be told what is published. Do you allow it?"))
        .with_child(field("FORM_TYPE", "hidden", "", ns::PUBSUB_SUBSCRIBE_AUTHORIZATION))
        .with_child(field("pubsub#subid", "hidden", "", &subscription.subid))
        .with_child(field("pubsub#node", "text-single", "The node", &node.name))
        .with_child(field("pubsub#subscriber_jid", "jid-single", "Who asks", subscription.jid.as_str()))
        .with_child(field("pubsub#allow", "boolean", "Allow it?", "false"));
    letter(place, id).with_child(form)
}
