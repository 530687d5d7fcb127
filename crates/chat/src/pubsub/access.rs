//! Who may do what with a node: affiliations and access models (XEP-0060 sections 4.1 and 4.5).

use waxwing_xmpp::jid::Jid;

use super::configuration::{AccessModel, PublishModel};
use super::refusal::Refusal;
use super::store::{NodeRecord, NodeView, SubscriptionState};
use super::{Place, check_node_name};
use crate::chat::Chat;
use crate::error::{Error, Result};

/// What somebody lastingly is to a node (section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Affiliation {
    /// Must not subscribe, read or publish.
    Outcast,
    /// Nothing.
    None,
    /// May subscribe and read.
    Member,
    /// May publish, and neither subscribe nor read.
    PublishOnly,
    /// May publish, subscribe and read.
    Publisher,
    /// May do everything.
    Owner,
}

impl Affiliation {
    const WORDS: [(Self, &'static str, i64); 6] = [
        (Self::Outcast, "outcast", 0),
        (Self::None, "none", 1),
        (Self::Member, "member", 2),
        (Self::PublishOnly, "publish-only", 3),
        (Self::Publisher, "publisher", 4),
        (Self::Owner, "owner", 5),
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(known, ..)| *known == self).map_or("none", |(_, word, _)| word)
    }

    /// The affiliation of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, word, _)| *word == name).map(|(known, ..)| *known)
    }

    /// The number that it is kept as.
    pub fn number(self) -> i64 {
        Self::WORDS.iter().find(|(known, ..)| *known == self).map_or(1, |(.., number)| *number)
    }

    /// The affiliation of a kept number.
    pub fn from_number(number: i64) -> Self {
        Self::WORDS.iter().find(|(.., known)| *known == number).map_or(Self::None, |(known, ..)| *known)
    }

    fn may_publish(self) -> bool {
        self >= Self::PublishOnly
    }

    fn may_read(self) -> bool {
        matches!(self, Self::Member | Self::Publisher | Self::Owner)
    }
}

impl Chat {
    /// A node with what the requester is to it. What he must not know of is refused as if it were not there, or as the
    /// access model says.
    pub(crate) async fn node_view(&self, place: &Place, node: &str, from: &Jid) -> Result<NodeView> {
        check_node_name(node)?;
        let Some(view) = self.find_node(place, node, from).await? else {
            return Err(self.no_such_node(place, from).await?);
        };
        // Somebody who is nothing to a node of an account that does not show itself to him does not learn that it is there.
        if place.is_personal()
            && view.affiliation == Affiliation::None
            && view.subscriptions.is_empty()
            && let Err(refused @ Error::PubSub(Refusal::PresenceRequired)) =
                self.check_may_read(place, &view, from).await
        {
            return Err(refused);
        }
        Ok(view)
    }

    /// Refuses somebody to whom an account does not show itself.
    pub async fn check_sees_place(&self, place: &Place, from: &Jid) -> Result<()> {
        if self.shows_itself(place, from).await? {
            return Ok(());
        }
        Err(Error::PubSub(Refusal::PresenceRequired))
    }

    /// Whether somebody may know that a place is there: everybody for a service, and for an account those who see its presence.
    async fn shows_itself(&self, place: &Place, from: &Jid) -> Result<bool> {
        match &place.owner {
            Some(_) if place.hidden => Ok(false),
            Some(owner) => self.shows_presence_to(owner, from).await,
            None => Ok(true),
        }
    }

    /// The same; `None` for a node that is not there.
    pub(crate) async fn find_node(&self, place: &Place, node: &str, from: &Jid) -> Result<Option<NodeView>> {
        if place.hidden {
            return Ok(None);
        }
        let mut view = self.store.node(&place.jid, node, &from.to_bare()).await?;
        if let Some(view) = &mut view {
            view.subscriptions.retain(|subscription| self.in_force(subscription));
        }
        if let (Some(view), Some(owner)) = (&mut view, &place.owner)
            && from.same_bare(&owner.jid)
        {
            // XEP-0163 section 3.1: the account owns its nodes.
            view.affiliation = Affiliation::Owner;
        }
        Ok(view)
    }

    /// How a node that is not there is answered: by an account, to those it shows itself to; others do not learn
    /// whether it is there or not.
    pub(crate) async fn no_such_node(&self, place: &Place, from: &Jid) -> Result<Error> {
        Ok(self.check_sees_place(place, from).await.err().unwrap_or(Error::NotFound))
    }

    /// A node for its owner (sections 8.2 to 8.9).
    pub(crate) async fn owned_node(&self, place: &Place, node: &str, from: &Jid) -> Result<NodeView> {
        let view = self.node_view(place, node, from).await?;
        if view.affiliation != Affiliation::Owner && !self.is_administrator_of(place, from).await? {
            return Err(match self.check_may_read(place, &view, from).await {
                Err(refused @ Error::PubSub(Refusal::PresenceRequired)) => refused,
                _ => Error::Forbidden,
            });
        }
        Ok(view)
    }

    /// Administrators rule over the nodes of services, and over nobody's own.
    async fn is_administrator_of(&self, place: &Place, from: &Jid) -> Result<bool> {
        if place.is_personal() || !self.is_local(from.domain()) {
            return Ok(false);
        }
        let account = self.store.account(&from.to_bare()).await?;
        Ok(account.is_some_and(|account| account.role == crate::account::Role::Administrator))
    }

    /// Refuses somebody who may not publish (section 7.1.3.1).
    pub(crate) async fn check_may_publish(&self, place: &Place, view: &NodeView, from: &Jid) -> Result<()> {
        let subscribed = || view.subscriptions.iter().any(|s| s.state == SubscriptionState::Subscribed);
        let may = match view.node.configuration.publish_model {
            _ if view.affiliation.may_publish() => true,
            _ if view.affiliation == Affiliation::Outcast => false,
            PublishModel::Publishers => false,
            PublishModel::Subscribers => subscribed(),
            PublishModel::Open => true,
        };
        if may {
            return Ok(());
        }
        match self.check_may_read(place, view, from).await {
            // A stranger is not told that the node is there.
            Err(refused @ Error::PubSub(Refusal::PresenceRequired)) => Err(refused),
            _ => Err(Error::Forbidden),
        }
    }

    /// Refuses somebody who may neither subscribe nor read (sections 6.1.3 and 6.5.9).
    pub(crate) async fn check_may_read(&self, place: &Place, view: &NodeView, from: &Jid) -> Result<()> {
        match view.affiliation {
            Affiliation::Outcast | Affiliation::PublishOnly => return Err(Error::Forbidden),
            affiliation if affiliation.may_read() => return Ok(()),
            _ => {}
        }
        match view.node.configuration.access_model {
            AccessModel::Open => Ok(()),
            AccessModel::Presence | AccessModel::Roster => {
                let Some(owner) = &place.owner else {
                    return Err(Error::PubSub(Refusal::Closed));
                };
                self.check_sees_place(place, from).await?;
                if view.node.configuration.access_model == AccessModel::Roster
                    && !self.is_in_groups(&view.node, owner.account, &from.to_bare()).await?
                {
                    return Err(Error::PubSub(Refusal::NotInRosterGroup));
                }
                Ok(())
            }
            AccessModel::Authorize => match view.subscriptions.iter().map(|s| s.state).max() {
                Some(SubscriptionState::Subscribed | SubscriptionState::Unconfigured) => Ok(()),
                Some(SubscriptionState::Pending) => Err(Error::PubSub(Refusal::PendingSubscription)),
                _ => Err(Error::PubSub(Refusal::SubscriptionRequired)),
            },
            AccessModel::Whitelist => {
                // Strangers are not told of an account's private nodes.
                self.check_sees_place(place, from).await?;
                Err(Error::PubSub(Refusal::Closed))
            }
        }
    }

    async fn is_in_groups(
        &self,
        node: &NodeRecord,
        owner: crate::account::AccountId,
        contact: &Jid,
    ) -> Result<bool> {
        let item = self.store.roster_item(owner, contact).await?;
        let allowed = &node.configuration.roster_groups_allowed;
        Ok(item.is_some_and(|item| item.groups.iter().any(|group| allowed.contains(group))))
    }
}
