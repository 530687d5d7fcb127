//! Publish-subscribe (XEP-0060) at `pubsub.` beside each domain, and personal eventing (XEP-0163) at every account: what
//! service discovery says of them, and where their requests are read. What they do is decided in `waxwing_chat::pubsub`.

mod discovery;
mod forms;
mod interests;
mod items;
mod owner;
mod refusals;
mod subscriptions;

use waxwing_chat::pubsub::{NodeCreation, Place, PubSubSettings};
use waxwing_chat::service::Service;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::{Element, ElementRef};

use super::{Advertised, At, Feature, Handler, Reply, Request, Spec, Target};
use crate::config::{choice, config};
use crate::xmpp::error::stanza_error;

pub(super) use discovery::{info, node_items, nodes};
pub(crate) use forms::configuration as configuration_form;
pub(crate) use interests::answered;
pub(crate) use refusals::refusal;
pub(crate) use waxwing_chat::pubsub::notifying::item_element;

config! {
    /// Publish-subscribe, which every domain has at `pubsub.` before its name, and every account for its own.
    pub struct Config {
        /// Who may create nodes at `pubsub.`. Every account may create its own at its own address.
        creation: Creation = Creation::Members,
        /// How many nodes one account may have of its own, and how many it may have created at each `pubsub.`.
        nodes_per_owner_limit: usize = PubSubSettings::default().nodes_per_owner_limit,
        /// How many items one node may keep, whatever its owner decides.
        items_per_node_limit: u32 = PubSubSettings::default().items_per_node_limit,
        /// How many bytes one item may have, whatever the node's owner decides. No stanza is larger than
        /// `stanza_bytes` of the section `xmpp`.
        item_bytes_limit: u32 = PubSubSettings::default().item_bytes_limit,
        /// How many subscriptions one node may have.
        subscriptions_per_node_limit: usize = PubSubSettings::default().subscriptions_per_node_limit,
    }
}

choice! {
    /// Who may create nodes.
    pub enum Creation {
        /// Everybody with an account here.
        Members = "members",
        /// Administrators.
        Administrators = "administrators",
    }
}

impl From<&Config> for PubSubSettings {
    fn from(config: &Config) -> Self {
        Self {
            creation: match config.creation {
                Creation::Members => NodeCreation::Members,
                Creation::Administrators => NodeCreation::Administrators,
            },
            nodes_per_owner_limit: config.nodes_per_owner_limit,
            items_per_node_limit: config.items_per_node_limit,
            item_bytes_limit: config.item_bytes_limit,
            subscriptions_per_node_limit: config.subscriptions_per_node_limit,
        }
    }
}

const SERVICE: At = At::Service(Service::PubSub);

const TARGETS: &[Target] = &[Target::OwnAccount, Target::OtherAccount, Target::Service(Service::PubSub)];

/// What accounts and services have alike (XEP-0060 section 10).
macro_rules! at_all {
    ($($name:literal,)* ; $($more:expr,)*) => {
        &[
            $(
                Advertised { at: At::Account, var: concat!("http://jabber.org/protocol/pubsub#", $name) },
                Advertised { at: At::AccountOfContact, var: concat!("http://jabber.org/protocol/pubsub#", $name) },
                Advertised { at: SERVICE, var: concat!("http://jabber.org/protocol/pubsub#", $name) },
            )*
            $($more,)*
        ]
    };
}

/// XEP-0060.
pub const FEATURE: Feature = Feature {
    name: "publish-subscribe",
    summary: "Nodes to which something is published for all who subscribe, with lists, options and approval.",
    specs: &[Spec {
        name: "XEP-0060",
        version: "1.30.0",
        note: "Leaf nodes. An address may have several subscriptions to a node that tell it different things. The type of a \
               node is told and not enforced, since profiles name other things by it than a namespace. No digests, no \
               bodies.",
    }],
    advertises: at_all![
        "access-authorize",
        "access-open",
        "access-whitelist",
        "auto-create",
        "config-node",
        "config-node-max",
        "create-and-configure",
        "create-nodes",
        "delete-items",
        "delete-nodes",
        "get-pending",
        "instant-nodes",
        "item-ids",
        "last-published",
        "leased-subscription",
        "manage-subscriptions",
        "member-affiliation",
        "meta-data",
        "modify-affiliations",
        "multi-items",
        "multi-subscribe",
        "outcast-affiliation",
        "persistent-items",
        "publish",
        "publish-node-full",
        "publish-only-affiliation",
        "publish-options",
        "publisher-affiliation",
        "purge-nodes",
        "retract-items",
        "retrieve-affiliations",
        "retrieve-default",
        "retrieve-default-sub",
        "retrieve-items",
        "retrieve-subscriptions",
        "rsm",
        "subscribe",
        "subscription-notifications",
        "subscription-options",
        ;
        Advertised { at: At::Account, var: ns::PUBSUB },
        Advertised { at: At::AccountOfContact, var: ns::PUBSUB },
        Advertised { at: SERVICE, var: ns::PUBSUB },
        Advertised { at: SERVICE, var: ns::RSM },
    ],
    handles: &[
        handler(IqType::Get, ns::PUBSUB, |request| Box::pin(read(request))),
        handler(IqType::Set, ns::PUBSUB, |request| Box::pin(change(request))),
        handler(IqType::Get, ns::PUBSUB_OWNER, |request| Box::pin(owner::read(request))),
        handler(IqType::Set, ns::PUBSUB_OWNER, |request| Box::pin(owner::change(request))),
        Handler {
            kind: IqType::Set,
            namespace: ns::COMMANDS,
            name: "command",
            targets: TARGETS,
            answer: |request| Box::pin(subscriptions::get_pending(request)),
        },
    ],
    stores: &["Nodes of publish-subscribe: their configuration, items, affiliations and subscriptions."],
    ..Feature::EMPTY
};

/// XEP-0163.
pub const PERSONAL: Feature = Feature {
    name: "personal eventing",
    summary: "Every account publishes for its own clients and its contacts, who are told what they are interested in.",
    specs: &[
        Spec { name: "XEP-0163", version: "1.2.2", note: "" },
        Spec { name: "XEP-0222", version: "1.0.1", note: "" },
        Spec { name: "XEP-0223", version: "1.1.1", note: "" },
        Spec { name: "XEP-0033", version: "1.2.1", note: "Only where replies to a notification go." },
    ],
    advertises: &[
        Advertised { at: At::Account, var: "http://jabber.org/protocol/pubsub#access-presence" },
        Advertised { at: At::AccountOfContact, var: "http://jabber.org/protocol/pubsub#access-presence" },
        Advertised { at: At::Account, var: "http://jabber.org/protocol/pubsub#access-roster" },
        Advertised { at: At::AccountOfContact, var: "http://jabber.org/protocol/pubsub#access-roster" },
        Advertised { at: At::Account, var: "http://jabber.org/protocol/pubsub#auto-subscribe" },
        Advertised { at: At::AccountOfContact, var: "http://jabber.org/protocol/pubsub#auto-subscribe" },
        Advertised { at: At::Account, var: "http://jabber.org/protocol/pubsub#filtered-notifications" },
        Advertised {
            at: At::AccountOfContact,
            var: "http://jabber.org/protocol/pubsub#filtered-notifications",
        },
        Advertised { at: At::Account, var: "http://jabber.org/protocol/pubsub#presence-notifications" },
        Advertised {
            at: At::AccountOfContact,
            var: "http://jabber.org/protocol/pubsub#presence-notifications",
        },
        Advertised { at: At::Account, var: "http://jabber.org/protocol/pubsub#presence-subscribe" },
        Advertised { at: At::AccountOfContact, var: "http://jabber.org/protocol/pubsub#presence-subscribe" },
    ],
    stores: &["What each account has published of its own."],
    ..Feature::EMPTY
};

const fn handler(kind: IqType, namespace: &'static str, answer: super::Answer) -> Handler {
    Handler { kind, namespace, name: "pubsub", targets: TARGETS, answer }
}

async fn read(request: Request<'_>) -> Reply {
    let asked = action(&request, ns::PUBSUB)?;
    let place = place(&request).await?;
    match asked.name() {
        "items" => items::read(&request, &place, asked).await,
        "options" => subscriptions::terms(&request, &place, asked).await,
        "default" => subscriptions::default_terms(&request, &place, asked).await,
        "subscriptions" => subscriptions::own(&request, &place, asked).await,
        "affiliations" => subscriptions::own_affiliations(&request, &place, asked).await,
        _ => Err(bad("nobody knows this request")),
    }
}

async fn change(request: Request<'_>) -> Reply {
    let asked = action(&request, ns::PUBSUB)?;
    let place = place(&request).await?;
    match asked.name() {
        "publish" => items::publish(&request, &place, asked).await,
        "retract" => items::retract(&request, &place, asked).await,
        "subscribe" => subscriptions::subscribe(&request, &place, asked).await,
        "unsubscribe" => subscriptions::unsubscribe(&request, &place, asked).await,
        "options" => subscriptions::set_terms(&request, &place, asked).await,
        "create" => owner::create(&request, &place, asked).await,
        _ => Err(bad("nobody knows this request")),
    }
}

/// What is asked for: the first element that does not belong to another.
fn action<'a>(request: &Request<'a>, namespace: &str) -> Result<ElementRef<'a>, StanzaError> {
    let mut children = request.payload.children().filter(|child| child.ns() == namespace);
    children
        .find(|child| !(namespace == ns::PUBSUB && matches!(child.name(), "configure" | "publish-options")))
        .ok_or_else(|| bad("nothing is asked for"))
}

async fn place(request: &Request<'_>) -> Result<Place, StanzaError> {
    let place = request.chat.pubsub_place(&request.to(), request.from).await;
    place.map_err(|error| stanza_error(&error))
}

fn node<'a>(asked: ElementRef<'a>) -> &'a str {
    asked.attr("node").unwrap_or_default()
}

fn pubsub(child: Element) -> Element {
    Element::new(child.ns(), "pubsub").with_child(child)
}

fn bad(why: &str) -> StanzaError {
    StanzaError::new(Condition::BadRequest).with_text(why)
}

#[cfg(test)]
mod tests;
