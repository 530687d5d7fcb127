//! Creating, configuring and deleting nodes, and who is what to them (XEP-0060 sections 8.1 to 8.4 and 8.9).

use std::collections::HashMap;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;

use super::access::Affiliation;
use super::configuration::{AccessModel, NodeConfiguration, SendLast};
use super::notifying::News;
use super::publishing::Fields;
use super::refusal::Refusal;
use super::store::{NewNode, NodeRecord, NodeView};
use super::{AFFILIATIONS_LIMIT, Held, NodeCreation, Place, check_node_name};
use crate::account::Role;
use crate::chat::Chat;
use crate::error::{Error, Result};

impl Chat {
    /// What a node at this place is like unless its owner says otherwise (section 8.3). Well-known nodes of accounts are
    /// as their specifications want them.
    pub fn default_node_configuration(&self, place: &Place, node: Option<&str>) -> NodeConfiguration {
        match place.is_personal() {
            true => well_known(node.unwrap_or_default()),
            false => NodeConfiguration::of_service(),
        }
    }

    /// Creates a node (section 8.1) and answers its name; without one the server makes it.
    ///
    /// # Errors
    /// Those of section 8.1.
    pub async fn create_node(
        &self,
        place: &Place,
        from: &Jid,
        node: Option<&str>,
        fields: &Fields,
    ) -> Result<String> {
        let name = node.map_or_else(|| self.token(), str::to_owned);
        check_node_name(&name)?;
        let _held = self.pubsub.lock(&place.jid, &name).await;
        self.check_may_create(place, from).await?;
        let mut configuration = self.default_node_configuration(place, Some(&name));
        configuration.set_all(fields)?;
        self.new_node(place, from, &name, configuration).await?;
        Ok(name)
    }

    /// Creates a node that somebody publishes to (section 7.1.4). The caller holds its lock.
    pub(crate) async fn create_for_publishing(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        options: &Fields,
    ) -> Result<NodeView> {
        if self.check_may_create(place, from).await.is_err() {
            return Err(self.no_such_node(place, from).await?);
        }
        let mut configuration = self.default_node_configuration(place, Some(node));
        configuration.set_all(options)?;
        self.new_node(place, from, node, configuration).await?;
        self.find_node(place, node, from).await?.ok_or(Error::NotFound)
    }

    async fn new_node(
        &self,
        place: &Place,
        from: &Jid,
        name: &str,
        configuration: NodeConfiguration,
    ) -> Result<()> {
        let creator = from.to_bare();
        check_configuration(place, &configuration)?;
        let limit = self.settings().pubsub.nodes_per_owner_limit;
        if self.store.nodes_created_by(&place.jid, &creator).await? >= limit {
            return Err(Error::PubSub(Refusal::TooManyNodes));
        }
        let node = NewNode {
            place: place.jid.clone(),
            account: place.owner.as_ref().map(|owner| owner.account),
            name: name.to_owned(),
            creator,
            created_ms: self.now_ms(),
            configuration,
        };
        self.note_telling(&place.jid, &node.configuration).await?;
        self.store.create_node(node).await?;
        Ok(())
    }

    /// An account's nodes are its own (XEP-0163 section 3.1); at a service the administrator decides who creates any.
    async fn check_may_create(&self, place: &Place, from: &Jid) -> Result<()> {
        if let Some(owner) = &place.owner {
            if !from.same_bare(&owner.jid) {
                self.check_sees_place(place, from).await?;
                return Err(Error::Forbidden);
            }
            return Ok(());
        }
        if !self.is_local(from.domain()) {
            return Err(Error::Forbidden);
        }
        let account = self.store.account(&from.to_bare()).await?.ok_or(Error::Forbidden)?;
        match self.settings().pubsub.creation {
            NodeCreation::Members => Ok(()),
            NodeCreation::Administrators if account.role == Role::Administrator => Ok(()),
            NodeCreation::Administrators => Err(Error::Forbidden),
        }
    }

    /// The configuration of a node, for its owner (section 8.2.1).
    ///
    /// # Errors
    /// Those of section 8.2.3.
    pub async fn node_configuration(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
    ) -> Result<NodeConfiguration> {
        Ok(self.owned_node(place, node, from).await?.node.configuration)
    }

    /// Changes the configuration of a node (section 8.2.4). What the form does not say stays.
    ///
    /// # Errors
    /// Those of section 8.2.
    pub async fn configure_node(&self, place: &Place, from: &Jid, node: &str, fields: &Fields) -> Result<()> {
        check_node_name(node)?;
        let held = self.pubsub.lock(&place.jid, node).await;
        let view = self.owned_node(place, node, from).await?;
        let mut configuration = view.node.configuration.clone();
        configuration.set_all(fields)?;
        check_configuration(place, &configuration)?;
        held.changing();
        self.note_telling(&place.jid, &configuration).await?;
        let keep = if configuration.persist_items { configuration.keeps(&self.settings().pubsub) } else { 0 };
        self.store.configure_node(view.node.id, configuration.clone(), keep).await?;
        let was = view.node.configuration.clone();
        let changed = NodeRecord { configuration, ..view.node };
        let configuration = &changed.configuration;
        if configuration.notify_config {
            self.tell_subscribers(place, &changed, News::Configured).await?;
        }
        if (configuration.temporary_subscriptions && !was.temporary_subscriptions)
            || (configuration.purge_offline && !was.purge_offline)
        {
            self.make_fleeting(place, &changed).await?;
        }
        drop(held);
        if let Some(owner) = &place.owner {
            self.configured_personally(owner, node).await;
        }
        Ok(())
    }

    /// Removes a node (section 8.4). `redirect` is where it went, for those who are told.
    ///
    /// # Errors
    /// Those of section 8.4.3.
    pub async fn delete_node(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        redirect: Option<&str>,
    ) -> Result<()> {
        check_node_name(node)?;
        let held = self.pubsub.lock(&place.jid, node).await;
        let view = self.owned_node(place, node, from).await?;
        self.take_out(held, place, &view, redirect).await
    }

    /// Removes a node by an administrator's command. `NotFound` when it is not there.
    pub async fn remove_node(&self, place: &Place, node: &str) -> Result<()> {
        let held = self.pubsub.lock(&place.jid, node).await;
        let view = self.store.node(&place.jid, node, &place.jid).await?.ok_or(Error::NotFound)?;
        self.take_out(held, place, &view, None).await
    }

    async fn take_out(
        &self,
        held: Held<'_>,
        place: &Place,
        view: &NodeView,
        redirect: Option<&str>,
    ) -> Result<()> {
        held.changing();
        // Whom to tell is known only as long as the node is there.
        let audience = self.audience(place, &view.node).await?;
        self.store.delete_node(view.node.id).await?;
        if view.node.configuration.notify_delete {
            self.tell(place, &view.node, News::Deleted(redirect), &audience).await?;
        }
        drop(held);
        if let Some(owner) = &place.owner {
            self.changed_personally(owner, &view.node.name).await;
        }
        Ok(())
    }

    /// Everybody who is something to a node, for its owner (section 8.9.1).
    pub async fn affiliations_of_node(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
    ) -> Result<Vec<(Jid, Affiliation)>> {
        let view = self.owned_node(place, node, from).await?;
        let mut all = self.store.node_affiliations(view.node.id).await?;
        if let Some(owner) = &place.owner {
            all.retain(|(jid, _)| *jid != owner.jid);
            all.insert(0, (owner.jid.clone(), Affiliation::Owner));
        }
        Ok(all)
    }

    /// Changes what some are to a node (section 8.9.2). Subscriptions of those who may no longer have them end. Changes that
    /// cannot be made leave the others alone (section 8.9.2.4): the affiliations that they are about are answered as they stay.
    ///
    /// # Errors
    /// Those of section 8.9.2.3, and `ResourceConstraint`, upon which nothing is changed.
    pub async fn set_node_affiliations(
        &self,
        place: &Place,
        from: &Jid,
        node: &str,
        changes: Vec<(Jid, Affiliation)>,
    ) -> Result<Vec<(Jid, Affiliation)>> {
        check_node_name(node)?;
        let held = self.pubsub.lock(&place.jid, node).await;
        let view = self.owned_node(place, node, from).await?;
        let before = self.store.node_affiliations(view.node.id).await?;
        let changes = changes.into_iter().map(|(jid, affiliation)| (jid.to_bare(), affiliation));
        let (refused, changes): (Vec<_>, Vec<_>) = match &place.owner {
            // An account owns its nodes alone.
            Some(owner) => changes.partition(|(jid, is)| (*jid == owner.jid) != (*is == Affiliation::Owner)),
            None => without_last_owner(&before, changes.collect()),
        };
        let stays = |jid: &Jid| match &place.owner {
            Some(owner) if owner.jid == *jid => Affiliation::Owner,
            _ => before.iter().find(|(known, _)| known == jid).map_or(Affiliation::None, |(_, is)| *is),
        };
        let refused = refused.into_iter().map(|(jid, _)| (jid.clone(), stays(&jid))).collect();
        if after(&before, &changes).len() > AFFILIATIONS_LIMIT {
            return Err(Error::ResourceConstraint("too many affiliations"));
        }
        held.changing();
        self.store.put_node_affiliations(view.node.id, changes.clone()).await?;
        self.end_subscriptions_without_right(place, &view.node, &changes).await?;
        for (jid, affiliation) in &changes {
            self.tell_affiliation(place, &view.node, jid, *affiliation).await;
        }
        Ok(refused)
    }
}

/// Who would be what after these changes.
fn after(before: &[(Jid, Affiliation)], changes: &[(Jid, Affiliation)]) -> HashMap<Jid, Affiliation> {
    let mut all: HashMap<_, _> = before.iter().cloned().collect();
    for (jid, affiliation) in changes {
        match affiliation {
            Affiliation::None => all.remove(jid),
            other => all.insert(jid.clone(), *other),
        };
    }
    all
}

/// What people are to become to a node.
type Changes = Vec<(Jid, Affiliation)>;

/// Parts changes into those that would leave a node without an owner, if they do, and all others.
fn without_last_owner(before: &[(Jid, Affiliation)], changes: Changes) -> (Changes, Changes) {
    if after(before, &changes).values().any(|affiliation| *affiliation == Affiliation::Owner) {
        return (Vec::new(), changes);
    }
    let owns = |jid: &Jid| before.contains(&(jid.clone(), Affiliation::Owner));
    changes.into_iter().partition(|(jid, _)| owns(jid))
}

/// What an account's node of this name is like unless the account says otherwise: what is for everybody to see is open, and
/// what is for nobody else is closed, also where a client forgets to say so.
fn well_known(node: &str) -> NodeConfiguration {
    let personal = NodeConfiguration::personal();
    let bundles = node.strip_prefix(ns::OMEMO_LEGACY).is_some_and(|rest| rest.starts_with(".bundles:"));
    match node {
        // XEP-0384 sections 5.3.1 and 5.3.2 (and its earlier namespace): whoever writes first has to find them.
        ns::OMEMO_DEVICES | ns::OMEMO_LEGACY_DEVICES => {
            NodeConfiguration { access_model: AccessModel::Open, ..personal }
        }
        ns::OMEMO_BUNDLES => {
            NodeConfiguration { access_model: AccessModel::Open, max_items: None, ..personal }
        }
        _ if bundles => NodeConfiguration { access_model: AccessModel::Open, ..personal },
        // XEP-0292 section 3.2: what is told is that there is another card.
        ns::VCARD4_NODE => {
            NodeConfiguration { access_model: AccessModel::Open, deliver_payloads: false, ..personal }
        }
        // XEP-0223: XEP-0402 section 3.1, XEP-0490 section 4.2, XEP-0292 section 4.2, XEP-0048.
        ns::BOOKMARKS | ns::DISPLAYED | ns::CONTACTS | ns::BOOKMARKS_OLD => NodeConfiguration {
            access_model: AccessModel::Whitelist,
            max_items: None,
            send_last: SendLast::Never,
            ..personal
        },
        _ => personal,
    }
}

/// Access models that ask for a roster make sense where there is one (section 4.5).
fn check_configuration(place: &Place, configuration: &NodeConfiguration) -> Result<()> {
    match configuration.access_model {
        AccessModel::Presence | AccessModel::Roster if !place.is_personal() => {
            Err(Error::PubSub(Refusal::UnsupportedAccessModel))
        }
        _ => Ok(()),
    }
}
