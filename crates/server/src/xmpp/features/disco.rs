//! Service discovery (XEP-0030): what this server and its accounts offer, and what stands below them.

use waxwing_chat::service::Service;
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::IqType;
use waxwing_xmpp::xml::Element;

use super::data_forms::Form;
use super::{
    Advertised, At, FEATURES, Feature, Handler, Reply, Request, Spec, Success, Target, caps, commands,
    pubsub, rooms, upload, version,
};
use crate::xmpp::config::{Config, Contact, Search};

/// XEP-0030, XEP-0128 and XEP-0157.
pub const FEATURE: Feature = Feature {
    name: "service discovery",
    summary: "Tells clients what the server and the accounts on it offer.",
    specs: &[
        Spec { name: "XEP-0030", version: "2.5.0", note: "" },
        Spec { name: "XEP-0128", version: "1.0.1", note: "" },
        Spec { name: "XEP-0157", version: "1.1.1", note: "" },
    ],
    advertises: &[
        Advertised { at: At::Server, var: ns::DISCO_INFO },
        Advertised { at: At::Server, var: ns::DISCO_ITEMS },
        Advertised { at: At::Account, var: ns::DISCO_INFO },
        Advertised { at: At::Account, var: ns::DISCO_ITEMS },
        Advertised { at: At::AccountOfContact, var: ns::DISCO_INFO },
        Advertised { at: At::AccountOfContact, var: ns::DISCO_ITEMS },
        Advertised { at: At::Service(Service::Rooms), var: ns::DISCO_INFO },
        Advertised { at: At::Service(Service::Rooms), var: ns::DISCO_ITEMS },
        Advertised { at: At::Service(Service::PubSub), var: ns::DISCO_INFO },
        Advertised { at: At::Service(Service::PubSub), var: ns::DISCO_ITEMS },
        Advertised { at: At::Service(Service::Upload), var: ns::DISCO_INFO },
        Advertised { at: At::Service(Service::Upload), var: ns::DISCO_ITEMS },
        Advertised { at: At::Service(Service::Proxy), var: ns::DISCO_INFO },
        Advertised { at: At::Service(Service::Proxy), var: ns::DISCO_ITEMS },
    ],
    handles: &[
        Handler {
            kind: IqType::Get,
            namespace: ns::DISCO_INFO,
            name: "query",
            targets: TARGETS,
            answer: |request| Box::pin(info(request)),
        },
        Handler {
            kind: IqType::Get,
            namespace: ns::DISCO_ITEMS,
            name: "query",
            targets: TARGETS,
            answer: |request| Box::pin(items(request)),
        },
    ],
    ..Feature::EMPTY
};

/// Everyone who is at home here can be asked.
const TARGETS: &[Target] = &[
    Target::Server,
    Target::OwnAccount,
    Target::OtherAccount,
    Target::Service(Service::Rooms),
    Target::Service(Service::PubSub),
    Target::Service(Service::Upload),
    Target::Service(Service::Proxy),
];

async fn info(request: Request<'_>) -> Reply {
    let node = request.payload.attr("node");
    let info = match request.target {
        Target::Server => server_node(&request, node).await?,
        Target::OwnAccount if node.is_none() => account_info(At::Account),
        Target::OtherAccount => {
            // Section 8: one answer for an account that is not there and one that must not be seen, node or not.
            if !request.sees_presence().await? {
                return Err(StanzaError::new(Condition::ServiceUnavailable));
            }
            match node {
                None => account_info(At::AccountOfContact),
                Some(node) => pubsub::info(&request, node).await?,
            }
        }
        Target::Service(service) if node.is_none() => {
            let info = service_info(service);
            if service == Service::Upload { upload::describe(request.chat, info) } else { info }
        }
        Target::OwnAccount | Target::Service(Service::PubSub) => {
            pubsub::info(&request, node.unwrap_or_default()).await?
        }
        Target::Service(_) | Target::InService(_) => return Err(unknown_node()),
    };
    Ok(mirrored(info, node))
}

async fn items(request: Request<'_>) -> Reply {
    let node = request.payload.attr("node");
    let query = Element::new(ns::DISCO_ITEMS, "query");
    let query = match (request.target, node) {
        // Section 7: an entity without items answers with an empty list.
        (Target::Server, None) => services(&request, query),
        (Target::Service(Service::Rooms), None) => return rooms::list(&request, query).await,
        (Target::Service(Service::PubSub), None) => pubsub::nodes(&request, query).await?,
        (Target::Service(Service::PubSub) | Target::OwnAccount, Some(node)) => {
            pubsub::node_items(&request, query, node).await?
        }
        (Target::Service(_), None) => query,
        (Target::Server, Some(commands::NODE)) => commands::list(&request).await?,
        (Target::OwnAccount, None) => pubsub::nodes(&request, resources(&request, query)).await?,
        (Target::Server | Target::Service(_), Some(_)) | (Target::InService(_), _) => {
            return Err(unknown_node());
        }
        // Section 8: an empty list for whoever may not know more.
        (Target::OtherAccount, node) => match (request.sees_presence().await?, node) {
            (false, _) => query,
            (true, None) => pubsub::nodes(&request, resources(&request, query)).await?,
            (true, Some(node)) => pubsub::node_items(&request, query, node).await?,
        },
    };
    Ok(mirrored(query, node))
}

fn unknown_node() -> StanzaError {
    StanzaError::new(Condition::ItemNotFound)
}

/// Section 3.2: the answer mirrors the node that was asked for.
pub(super) fn mirrored(mut query: Element, node: Option<&str>) -> Success {
    if let Some(node) = node {
        query.set_attr("node", node);
    }
    query.into()
}

async fn server_node(request: &Request<'_>, node: Option<&str>) -> Result<Element, StanzaError> {
    let Some(node) = node else {
        return Ok(server_info(request.config));
    };
    if let Some(info) = commands::info(request, node).await? {
        return Ok(info);
    }
    caps::announced(node).ok_or_else(unknown_node)
}

/// The available sessions of the account asked, for whoever may know them.
fn resources(request: &Request<'_>, query: Element) -> Element {
    let available = request.chat.presences_of(&request.to());
    available.iter().filter_map(|presence| presence.from.as_ref()).fold(query, |query, jid| {
        query.with_child(Element::new(ns::DISCO_ITEMS, "item").with_attr("jid", jid.as_str()))
    })
}

/// The services beside the domain asked.
fn services(request: &Request<'_>, query: Element) -> Element {
    let domain = request.to();
    request.chat.settings().services.iter().fold(query, |query, service| {
        let address = service.address(domain.domain());
        let item = Element::new(ns::DISCO_ITEMS, "item").with_attr("jid", &address);
        query.with_child(item.with_attr("name", service_name(*service)))
    })
}

/// What a person reads of a service.
fn service_name(service: Service) -> &'static str {
    match service {
        Service::Rooms => "Rooms",
        Service::PubSub => "Publish-subscribe",
        Service::Upload => "Files",
        Service::Proxy => "Relay",
    }
}

/// What service discovery says about a service (XMPP Registrar, service discovery identities).
fn service_info(service: Service) -> Element {
    let (category, kind) = match service {
        Service::Rooms => ("conference", "text"),
        Service::PubSub => ("pubsub", "service"),
        Service::Upload => ("store", "file"),
        Service::Proxy => ("proxy", "bytestreams"),
    };
    let query = Element::new(ns::DISCO_INFO, "query")
        .with_child(identity(category, kind).with_attr("name", service_name(service)));
    features(query, At::Service(service))
}

/// What service discovery says about the server.
///
/// The language stands on the identity itself: XEP-0390 section 4.1 hashes the one in force, which would otherwise
/// depend on the stream.
pub fn server_info(config: &Config) -> Element {
    let identity =
        identity("server", "im").with_attr("name", version::NAME).with_attr_ns(ns::XML, "lang", "en");
    let query = Element::new(ns::DISCO_INFO, "query").with_child(identity);
    let mut query = features(query, At::Server);
    if config.people.search != Search::Off {
        query.append(self::identity("directory", "user"));
        query.append(feature(ns::SEARCH));
    }
    let query = query.with_child(version::software_info());
    match contact_addresses(&config.contact) {
        Some(form) => query.with_child(form),
        None => query,
    }
}

fn account_info(asked: At) -> Element {
    let query = Element::new(ns::DISCO_INFO, "query").with_child(identity("account", "registered"));
    features(query.with_child(identity("pubsub", "pep")), asked)
}

pub(super) fn identity(category: &str, kind: &str) -> Element {
    Element::new(ns::DISCO_INFO, "identity").with_attr("category", category).with_attr("type", kind)
}

fn features(query: Element, at: At) -> Element {
    let advertised = FEATURES.iter().flat_map(|feature| feature.advertises).filter(|a| a.at == at);
    advertised.fold(query, |query, advertised| query.with_child(feature(advertised.var)))
}

pub(super) fn feature(var: &str) -> Element {
    Element::new(ns::DISCO_INFO, "feature").with_attr("var", var)
}

/// Whom to write to, from the configuration (XEP-0157 section 3).
fn contact_addresses(contact: &Contact) -> Option<Element> {
    let kinds = [
        ("abuse-addresses", &contact.abuse),
        ("admin-addresses", &contact.admin),
        ("feedback-addresses", &contact.feedback),
        ("sales-addresses", &contact.sales),
        ("security-addresses", &contact.security),
        ("support-addresses", &contact.support),
    ];
    let mut given = kinds.into_iter().filter(|(_, addresses)| !addresses.is_empty()).peekable();
    given.peek()?;
    let form = given.fold(Form::result(ns::SERVER_INFO), |form, (var, addresses)| {
        let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
        form.typed(var, "list-multi", &addresses)
    });
    Some(form.into_element())
}

#[cfg(test)]
mod tests {
    use super::super::testing::House;
    use super::*;

    /// Section 3.1: at least one identity, and the feature of service discovery itself.
    #[test]
    fn the_server_is_an_im_server() {
        let info = server_info(&Config::default());
        let identity = info.child(ns::DISCO_INFO, "identity").unwrap();
        assert_eq!((identity.attr("category"), identity.attr("type")), (Some("server"), Some("im")));
        assert!(info.children().any(|child| child.attr("var") == Some(ns::DISCO_INFO)));
    }

    /// Section 3.1.
    #[test]
    fn an_account_is_registered() {
        for asked in [At::Account, At::AccountOfContact] {
            let info = account_info(asked);
            let identity = info.child(ns::DISCO_INFO, "identity").unwrap();
            assert_eq!(
                (identity.attr("category"), identity.attr("type")),
                (Some("account"), Some("registered"))
            );
            assert!(info.children().any(|child| child.attr("var") == Some(ns::DISCO_INFO)));
        }
    }

    /// XEP-0157 section 3.
    #[test]
    fn contact_addresses_stand_in_a_form() {
        assert!(contact_addresses(&Contact::default()).is_none());
        let contact =
            Contact { abuse: vec!["mailto:abuse@shakespeare.lit".to_owned()], ..Contact::default() };
        let expected = "<x xmlns='jabber:x:data' type='result'>\
            <field var='FORM_TYPE' type='hidden'><value>http://jabber.org/network/serverinfo</value></field>\
            <field var='abuse-addresses' type='list-multi'><value>mailto:abuse@shakespeare.lit</value></field></x>";
        assert_eq!(contact_addresses(&contact), Some(Element::parse(expected).unwrap()));
    }

    /// Section 3.2.
    #[test]
    fn the_node_is_mirrored() {
        let answer = mirrored(Element::new(ns::DISCO_ITEMS, "query"), Some("x")).payload.unwrap();
        assert_eq!(answer.attr("node"), Some("x"));
    }

    const INFO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    const ITEMS: &str = "<query xmlns='http://jabber.org/protocol/disco#items'/>";

    /// Section 8: whoever may not see the presence of an account cannot tell it from one that is not there.
    #[tokio::test]
    async fn strangers_learn_nothing_about_accounts() {
        let house = House::of(&["romeo/orchard", "juliet/balcony", "tybalt/street"]).await;
        house.befriend("romeo/orchard", "juliet/balcony").await;
        let node = INFO.replace("/>", " node='x'/>");
        for to in ["juliet@localhost", "nobody@localhost"] {
            for asked in [INFO, &node] {
                assert_eq!(
                    house.ask("tybalt/street", "get", to, asked).await,
                    Err("service-unavailable".to_owned())
                );
            }
            let empty = house.ask("tybalt/street", "get", to, ITEMS).await.unwrap();
            assert_eq!(Element::parse(&empty).unwrap().children().count(), 0);
        }
        let info = house.ask("romeo/orchard", "get", "juliet@localhost", INFO).await.unwrap();
        assert!(info.contains("registered") && !info.contains(ns::MAM), "{info}");
        let items = house.ask("romeo/orchard", "get", "juliet@localhost", ITEMS).await.unwrap();
        assert!(items.contains("juliet@localhost/balcony"), "{items}");
        let unknown = house.ask("romeo/orchard", "get", "juliet@localhost", &node).await;
        assert_eq!(unknown, Err("item-not-found".to_owned()));
    }

    /// XEP-0191 section 3.3: whom an account blocks is a stranger.
    #[tokio::test]
    async fn whom_one_blocks_is_a_stranger() {
        let house = House::of(&["romeo/orchard", "juliet/balcony"]).await;
        house.befriend("romeo/orchard", "juliet/balcony").await;
        let block = "<block xmlns='urn:xmpp:blocking'><item jid='romeo@localhost'/></block>";
        house.ask("juliet/balcony", "set", "", block).await.unwrap();
        let info = house.ask("romeo/orchard", "get", "juliet@localhost", INFO).await;
        assert_eq!(info, Err("service-unavailable".to_owned()));
    }

    /// Section 3.2 and section 7.
    #[tokio::test]
    async fn nodes_that_are_not_there_are_not_found() {
        let house = House::of(&["romeo/orchard"]).await;
        for payload in [INFO, ITEMS] {
            let payload = payload.replace("/>", " node='no-such-node'/>");
            for to in ["", "localhost", "romeo@localhost"] {
                let answer = house.ask("romeo/orchard", "get", to, &payload).await;
                assert_eq!(answer, Err("item-not-found".to_owned()), "{to}");
            }
        }
        let own = house.ask("romeo/orchard", "get", "", INFO).await.unwrap();
        assert!(own.contains(ns::MAM_EXTENDED), "{own}");
    }
}
