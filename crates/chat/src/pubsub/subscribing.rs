//! Subscribing to nodes, on what terms, and what owners decide about that (XEP-0060 sections 6.1 to 6.4, 8.6 to 8.8).

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Stanza;
use waxwing_xmpp::xml::Element;

use super::Place;
use super::access::Affiliation;
use super::configuration::AccessModel;
use super::notifying::message;
use super::store::{NodeRecord, SubscriptionState};
use crate::chat::Chat;
use crate::error::Result;

/// What a subscriber decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// He is told of what happens.
    pub deliver: bool,
    /// When the subscription ends, milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

impl Default for SubscriptionOptions {
    fn default() -> Self {
        Self { deliver: true, expires_ms: None }
    }
}

impl SubscriptionOptions {
    /// The form in which they are kept.
    pub fn to_stored(&self) -> String {
        let expires = self.expires_ms.map(|at_ms| format!("expires {at_ms}\n")).unwrap_or_default();
        format!("deliver {}\n{expires}", u8::from(self.deliver))
    }

    /// Reads the form that is kept; what it does not say is as by default.
    pub fn from_stored(stored: &str) -> Self {
        let mut options = Self::default();
        for (var, value) in stored.lines().filter_map(|line| line.split_once(' ')) {
            match var {
                "deliver" => options.deliver = value == "1",
                "expires" => options.expires_ms = value.parse().ok(),
                _ => {}
            }
        }
        options
    }

    /// Whether a subscriber is told of what happens now.
    pub fn delivers_at(&self, now_ms: u64) -> bool {
        self.deliver && self.expires_ms.is_none_or(|at_ms| now_ms < at_ms)
    }
}

impl Chat {
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
            .with_attr("node", &node.name)
            .with_attr("affiliation", affiliation.as_str());
        let affiliations = Element::new(ns::PUBSUB, "affiliations").with_child(affiliation);
        let stanza = message(place, node, &self.token())
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
        let mut subscription = Element::new(ns::PUBSUB_EVENT, "subscription")
            .with_attr("node", &node.name)
            .with_attr("jid", who.as_str())
            .with_attr("subscription", state.as_str());
        if let Some(subid) = subid {
            subscription = subscription.with_attr("subid", subid);
        }
        let stanza = message(place, node, &self.token())
            .with_child(Element::new(ns::PUBSUB_EVENT, "event").with_child(subscription));
        self.tell_one(stanza.with_to(who.clone())).await;
    }

    /// Sends a message of a node to somebody. That it does not reach him is no error of who caused it.
    pub(crate) async fn tell_one(&self, stanza: Stanza) {
        if let Err(error) = self.send_from_service(stanza).await {
            tracing::debug!(%error, "a message of a node was not delivered");
        }
    }
}
