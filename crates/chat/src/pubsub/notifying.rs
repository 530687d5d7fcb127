//! Who is told what happens at a node, and how that reads (XEP-0060 sections 4.3 and 12, XEP-0163 section 4).

use std::collections::HashSet;
use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{MessageType, Outgoing, Stanza};
use waxwing_xmpp::xml::Element;

use super::Place;
use super::access::Affiliation;
use super::configuration::{AccessModel, ItemReply, NotificationType, OPTIONS};
use super::store::{Item, NodeRecord, Subscription, SubscriptionState};
use super::terms::Terms;
use crate::chat::Chat;
use crate::cluster::Handing;
use crate::error::Result;
use crate::presence::push;
use crate::profile::Profile;
use crate::rosters::{Contacts, Owner};
use crate::session::Session;
use crate::time::timestamp;

/// What happened at a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum News<'a> {
    /// An item was published, or the mere event.
    Published(Option<&'a Item>),
    /// Items were taken back, or had to go.
    Retracted(&'a [String]),
    /// All items were removed.
    Purged,
    /// The node was deleted; it may have gone somewhere else.
    Deleted(Option<&'a str>),
    /// It is configured otherwise.
    Configured,
}

/// Who is to be told of something.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    /// Those who see the presence of the account that the node is at.
    contacts: Arc<Contacts>,
    /// Those of them who may read it, if not all may. They are told by interest.
    some: Option<Vec<Jid>>,
    /// Those who have subscribed.
    subscriptions: Vec<Subscription>,
}

impl Audience {
    fn watchers(&self) -> &[Jid] {
        self.some.as_deref().unwrap_or(&self.contacts.watchers)
    }
}

impl Chat {
    /// Tells everybody who is to be told. The caller holds the node's lock.
    pub(crate) async fn tell_subscribers(
        &self,
        place: &Place,
        node: &NodeRecord,
        news: News<'_>,
    ) -> Result<()> {
        if !node.configuration.deliver_notifications {
            return Ok(());
        }
        let audience = self.audience(place, node).await?;
        self.tell(place, node, news, &audience).await
    }

    /// Who is to be told of what happens at a node.
    pub(crate) async fn audience(&self, place: &Place, node: &NodeRecord) -> Result<Audience> {
        let (affiliations, mut subscriptions) = self.store.audience(node.id).await?;
        let is = |jid: &Jid, wanted: &[Affiliation]| {
            affiliations.iter().any(|(known, affiliation)| known == jid && wanted.contains(affiliation))
        };
        const MUST_NOT: &[Affiliation] = &[Affiliation::Outcast, Affiliation::PublishOnly];
        const LISTED: &[Affiliation] = &[Affiliation::Member, Affiliation::Publisher, Affiliation::Owner];
        let model = node.configuration.access_model;
        let mut audience = Audience::default();
        if let Some(owner) = &place.owner {
            audience.contacts = self.contacts(owner).await?;
            let watchers = &audience.contacts.watchers;
            audience.some = match model {
                AccessModel::Open | AccessModel::Presence => None,
                AccessModel::Roster => {
                    Some(self.in_groups(owner, &node.configuration.roster_groups_allowed).await?)
                }
                AccessModel::Authorize => Some(Vec::new()),
                AccessModel::Whitelist => {
                    Some(watchers.iter().filter(|jid| is(jid, LISTED)).cloned().collect())
                }
            };
            if watchers.iter().any(|jid| is(jid, MUST_NOT)) {
                let may = |jid: &&Jid| !is(jid, MUST_NOT);
                audience.some = Some(audience.watchers().iter().filter(may).cloned().collect());
            }
        }
        subscriptions.retain(|subscription| {
            let bare = subscription.jid.to_bare();
            let may = match (model, &place.owner) {
                (_, Some(owner)) if bare == owner.jid => true,
                (AccessModel::Presence | AccessModel::Roster, _) => audience.watchers().contains(&bare),
                (AccessModel::Whitelist, _) => is(&bare, LISTED),
                (AccessModel::Open | AccessModel::Authorize, _) => true,
            };
            subscription.state == SubscriptionState::Subscribed && may && !is(&bare, MUST_NOT)
        });
        audience.subscriptions = subscriptions;
        Ok(audience)
    }

    /// Those who see the owner's presence and are in one of the groups of his roster.
    async fn in_groups(&self, owner: &Owner, groups: &[String]) -> Result<Vec<Jid>> {
        let contacts = self.contacts(owner).await?;
        let roster = self.store.roster(owner.account).await?;
        let items = roster.items.into_iter().filter(|item| item.groups.iter().any(|g| groups.contains(g)));
        Ok(items.map(|item| item.jid).filter(|jid| contacts.is_watcher(jid)).collect())
    }

    /// Tells an audience.
    pub(crate) async fn tell(
        &self,
        place: &Place,
        node: &NodeRecord,
        news: News<'_>,
        audience: &Audience,
    ) -> Result<()> {
        let id = self.token();
        let mut told = HashSet::new();
        if let Some(owner) = &place.owner {
            let stanza = notification(place, node, news, &id, true);
            let notice = Arc::new(Outgoing::for_many(stanza));
            self.tell_interested(owner, &node.name, audience.watchers(), &notice, &mut told).await?;
        }
        if audience.subscriptions.is_empty() {
            return Ok(());
        }
        let notice = Arc::new(Outgoing::for_many(notification(place, node, news, &id, false)));
        let mut subscriptions: Vec<&Subscription> =
            audience.subscriptions.iter().filter(|known| self.in_force(known)).collect();
        subscriptions.sort_by(|one, other| one.jid.cmp(&other.jid));
        for of_one in subscriptions.chunk_by(|one, other| one.jid == other.jid) {
            let wanted = of_one.iter().map(|known| (*known, Terms::from_stored(&known.options)));
            let wanted: Vec<_> = wanted.filter(|(_, terms)| terms.deliver).collect();
            if wanted.is_empty() {
                continue;
            }
            let notes = matches!(news, News::Published(_) | News::Retracted(_)) && of_one.len() > 1;
            let to = Recipient { jid: &of_one[0].jid, wanted: &wanted, notes };
            self.tell_subscriber(place, node, to, &notice, &mut told).await?;
        }
        Ok(())
    }

    /// Tells the account's own sessions and those of its watchers that are interested (XEP-0163 section 4.3).
    async fn tell_interested(
        &self,
        owner: &Owner,
        node: &str,
        watchers: &[Jid],
        notice: &Arc<Outgoing>,
        told: &mut HashSet<Jid>,
    ) -> Result<()> {
        let Some(profile) = self.profile(&owner.jid).await? else {
            return Ok(());
        };
        if let Some(cluster) = self.cluster() {
            cluster.tell_notice(&owner.jid, node, notice.stanza(), watchers);
        }
        self.tell_interested_here(&profile, node, watchers, notice, told).await?;
        for jid in self.interests.remote_interested(&owner.jid, node) {
            if watchers.contains(&jid.to_bare()) && !profile.blocks(&jid) && told.insert(jid.clone()) {
                // Nobody waits for it, so a server that cannot be reached is no error.
                drop(self.to_remote(notice.stanza().clone().with_to(jid)));
            }
        }
        Ok(())
    }

    /// The same for the sessions of this node.
    pub(crate) async fn tell_interested_here(
        &self,
        profile: &Profile,
        node: &str,
        watchers: &[Jid],
        notice: &Arc<Outgoing>,
        told: &mut HashSet<Jid>,
    ) -> Result<()> {
        let interested = |session: &Session| session.is_available() && session.is_interested_in(node);
        for contact in std::iter::once(&profile.jid).chain(watchers) {
            if !self.is_local(contact.domain()) {
                continue;
            }
            let anybody = self.sessions.with(contact, |all| all.iter().any(|s| interested(s)));
            if anybody != Some(true) || !self.may_pass(profile, contact).await? {
                continue;
            }
            self.sessions.with(contact, |all| {
                for session in all.iter().filter(|s| interested(s) && !profile.blocks(&s.jid)) {
                    told.insert(session.jid.clone());
                    push(session, notice);
                }
            });
        }
        Ok(())
    }

    /// Whether neither of the two blocks the other.
    async fn may_pass(&self, owner: &Profile, contact: &Jid) -> Result<bool> {
        if *contact == owner.jid {
            return Ok(true);
        }
        let receiver = self.profile(contact).await?;
        Ok(receiver.is_some_and(|receiver| !receiver.blocks(&owner.jid)) && !owner.blocks(contact))
    }

    /// Tells one who has subscribed, at the address that he gave.
    async fn tell_subscriber(
        &self,
        place: &Place,
        node: &NodeRecord,
        recipient: Recipient<'_>,
        notice: &Arc<Outgoing>,
        told: &mut HashSet<Jid>,
    ) -> Result<()> {
        let to = recipient.jid;
        if let Some(owner) = &place.owner
            && let Some(profile) = self.profile(&owner.jid).await?
            && profile.blocks(to)
            && !to.same_bare(&owner.jid)
        {
            return Ok(());
        }
        if !self.is_local(to.domain()) {
            let known = told.iter().any(|jid| jid.same_bare(to));
            if !known && self.service(to.domain()).is_none() {
                let all = recipient.wanted.iter().map(|(known, _)| *known);
                drop(self.to_remote(recipient.noted(notice, all).stanza().clone().with_to(to.clone())));
            }
            return Ok(());
        }
        let Some(receiver) = self.profile(&to.to_bare()).await? else {
            return Ok(());
        };
        if receiver.blocks(&place.jid) && receiver.jid != place.jid {
            return Ok(());
        }
        let for_others = || {
            // What a session elsewhere shows is not known here.
            let anyhow = recipient.wanted.iter().filter(|(_, terms)| terms.shows.is_empty());
            let mut anyhow = anyhow.map(|(known, _)| *known).peekable();
            if anyhow.peek().is_some() {
                let stanza = recipient.noted(notice, anyhow).stanza().clone().with_to(to.clone());
                self.hand_to_others(&stanza, to, Handing::TakesMessages);
            }
        };
        if to.is_full() {
            for_others();
            if let Some(session) = self.sessions.find(to)
                && let Some(notice) = recipient.notice_for(&session, notice)
                && told.insert(to.clone())
            {
                push(&session, &notice);
            }
            return Ok(());
        }
        let waits = |terms: &Terms| terms.shows.is_empty() && !terms.is_temporary();
        if node.configuration.notification_type == NotificationType::Normal
            && !node.configuration.presence_based_delivery
            && recipient.wanted.iter().any(|(_, terms)| waits(terms))
        {
            let waiting = recipient.wanted.iter().filter(|(_, terms)| waits(terms)).map(|(known, _)| *known);
            let notice = recipient.noted(notice, waiting);
            return self.send_from_service(notice.stanza().clone().with_to(to.clone())).await;
        }
        for_others();
        self.sessions.with(to, |all| {
            for session in all.iter().filter(|session| session.takes_messages()) {
                if let Some(notice) = recipient.notice_for(session, notice)
                    && told.insert(session.jid.clone())
                {
                    push(session, &notice);
                }
            }
        });
        Ok(())
    }
}

/// An address that is told, once for all its subscriptions (section 6.1.6).
#[derive(Clone, Copy)]
struct Recipient<'a> {
    jid: &'a Jid,
    /// Those of its subscriptions that want to be told, with their terms.
    wanted: &'a [(&'a Subscription, Terms)],
    /// It has several, and is told which of them it is told for (section 7.1.2.4).
    notes: bool,
}

impl Recipient<'_> {
    /// What a session is told; `None` if it shows something that no subscription asks for.
    fn notice_for(&self, session: &Session, notice: &Arc<Outgoing>) -> Option<Arc<Outgoing>> {
        let taking =
            || self.wanted.iter().filter(|(_, terms)| takes(terms, session)).map(|(known, _)| *known);
        taking().next()?;
        Some(self.noted(notice, taking()))
    }

    /// The notice with the ids of some of the subscriptions at its end, if there are several.
    fn noted<'s>(
        &self,
        notice: &Arc<Outgoing>,
        some: impl Iterator<Item = &'s Subscription>,
    ) -> Arc<Outgoing> {
        if !self.notes {
            return Arc::clone(notice);
        }
        let header = |known: &Subscription| {
            Element::new(ns::SHIM, "header").with_attr("name", "SubID").with_text(&known.subid)
        };
        let headers = some.map(header).fold(Element::new(ns::SHIM, "headers"), Element::with_child);
        Arc::new(Outgoing::new(notice.stanza().clone().with_child(headers)))
    }
}

/// Whether what a session shows is among what its subscription asks for.
fn takes(terms: &Terms, session: &Session) -> bool {
    if terms.shows.is_empty() {
        return true;
    }
    let presence = session.presence();
    let show = presence.as_ref().and_then(|presence| presence.stanza().child(ns::CLIENT, "show"));
    presence.is_some() && terms.take(show.map(|show| show.text()).as_deref())
}

/// A notification. With `shares_presence` it says which of the account's sessions has published (XEP-0163 section 4.3.1).
pub(crate) fn notification(
    place: &Place,
    node: &NodeRecord,
    news: News<'_>,
    id: &str,
    shares_presence: bool,
) -> Stanza {
    let named = |name: &str| Element::new(ns::PUBSUB_EVENT, name).with_attr("node", &node.name);
    let reply = node.configuration.item_reply;
    let content = match news {
        News::Published(None) => named("items"),
        News::Published(Some(item)) => {
            let payloads = node.configuration.deliver_payloads;
            let shown = item_element(ns::PUBSUB_EVENT, item, payloads);
            let shown = match reply {
                Some(ItemReply::Publisher) => shown.with_attr("publisher", item.publisher.as_str()),
                _ => shown,
            };
            named("items").with_child(shown)
        }
        News::Retracted(ids) => ids.iter().fold(named("items"), |items, id| {
            items.with_child(Element::new(ns::PUBSUB_EVENT, "retract").with_attr("id", id))
        }),
        News::Purged => named("purge"),
        News::Deleted(None) => named("delete"),
        News::Deleted(Some(uri)) => {
            named("delete").with_child(Element::new(ns::PUBSUB_EVENT, "redirect").with_attr("uri", uri))
        }
        News::Configured if node.configuration.deliver_payloads => {
            named("configuration").with_child(configuration_form(node))
        }
        News::Configured => named("configuration"),
    };
    let replies_to = match (news, reply) {
        (News::Published(Some(item)), Some(ItemReply::Publisher)) => Some(&item.publisher),
        (News::Published(Some(item)), _) if shares_presence => Some(&item.publisher),
        (News::Published(_), Some(ItemReply::Owner)) => Some(&node.creator),
        _ => None,
    };
    let stanza =
        message(place, node, id).with_child(Element::new(ns::PUBSUB_EVENT, "event").with_child(content));
    match replies_to {
        Some(jid) => stanza.with_child(reply_to(jid)),
        None => stanza,
    }
}

/// The last item for somebody new, with its time (section 6.1.7).
pub(crate) fn last_item(
    place: &Place,
    node: &NodeRecord,
    item: &Item,
    id: &str,
    shares_presence: bool,
) -> Stanza {
    let delay = Element::new(ns::DELAY, "delay").with_attr("stamp", &timestamp(item.published_ms));
    notification(place, node, News::Published(Some(item)), id, shares_presence).with_child(delay)
}

/// An empty message from a place.
pub(crate) fn message(place: &Place, node: &NodeRecord, id: &str) -> Stanza {
    let kind = match node.configuration.notification_type {
        NotificationType::Normal => MessageType::Normal,
        NotificationType::Headline => MessageType::Headline,
    };
    Stanza::message(kind).with_from(place.jid.clone()).with_id(id)
}

/// An item as it stands in notifications and answers. A payload that cannot be read is left out.
pub fn item_element(namespace: &str, item: &Item, payloads: bool) -> Element {
    let element = Element::new(namespace, "item").with_attr("id", &item.id);
    match item.payload.as_ref().filter(|_| payloads).map(|payload| Element::parse(payload)) {
        Some(Ok(payload)) => element.with_child(payload),
        Some(Err(error)) => {
            tracing::error!(%error, item = item.id, "a published item cannot be read");
            element
        }
        None => element,
    }
}

/// The configuration as its subscribers are told it (section 8.2.5).
fn configuration_form(node: &NodeRecord) -> Element {
    let field = |var: &str, values: &[String]| {
        values.iter().fold(Element::new(ns::DATA_FORMS, "field").with_attr("var", var), |field, value| {
            field.with_child(Element::new(ns::DATA_FORMS, "value").with_text(value))
        })
    };
    let form_type = [ns::PUBSUB_NODE_CONFIG.to_owned()];
    let form = Element::new(ns::DATA_FORMS, "x")
        .with_attr("type", "result")
        .with_child(field("FORM_TYPE", &form_type).with_attr("type", "hidden"));
    OPTIONS
        .iter()
        .fold(form, |form, option| form.with_child(field(option.var, &(option.read)(&node.configuration))))
}

/// XEP-0033.
fn reply_to(jid: &Jid) -> Element {
    let address =
        Element::new(ns::ADDRESSES, "address").with_attr("type", "replyto").with_attr("jid", jid.as_str());
    Element::new(ns::ADDRESSES, "addresses").with_child(address)
}
