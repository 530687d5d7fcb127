//! The blocking command (XEP-0191): whom an account has no communication with.

use std::sync::atomic::{AtomicU64, Ordering};

use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{IqType, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::{Advertised, At, DONE, Feature, Handler, Reply, Request, Spec, Target};
use crate::xmpp::error::stanza_error;

/// XEP-0191.
pub const FEATURE: Feature = Feature {
    name: "blocking",
    summary: "Lets an account block addresses and whole domains.",
    specs: &[Spec { name: "XEP-0191", version: "1.3", note: "Without privacy lists (XEP-0016)." }],
    advertises: &[Advertised { at: At::Server, var: ns::BLOCKING }],
    handles: &[
        Handler {
            kind: IqType::Get,
            namespace: ns::BLOCKING,
            name: "blocklist",
            targets: &[Target::OwnAccount],
            answer: |request| Box::pin(blocklist(request)),
        },
        Handler {
            kind: IqType::Set,
            namespace: ns::BLOCKING,
            name: "block",
            targets: &[Target::OwnAccount],
            answer: |request| Box::pin(block(request)),
        },
        Handler {
            kind: IqType::Set,
            namespace: ns::BLOCKING,
            name: "unblock",
            targets: &[Target::OwnAccount],
            answer: |request| Box::pin(unblock(request)),
        },
    ],
    stores: &["The addresses an account blocks."],
    ..Feature::EMPTY
};

/// Section 3.2.
async fn blocklist(request: Request<'_>) -> Reply {
    let all = request.chat.blocklist(request.session()?).await.map_err(|error| stanza_error(&error))?;
    Ok(list("blocklist", &all).into())
}

/// Section 3.3: an order without addresses is a bad request.
async fn block(request: Request<'_>) -> Reply {
    let contacts = addresses(request.payload)?;
    if contacts.is_empty() {
        return Err(StanzaError::new(Condition::BadRequest).with_text("nobody is named to be blocked"));
    }
    let owner = request.owner()?;
    request.chat.block(&owner, contacts).await.map_err(|error| stanza_error(&error))?;
    Ok(DONE)
}

/// Sections 3.4 and 3.5: without addresses, everybody is unblocked.
async fn unblock(request: Request<'_>) -> Reply {
    let contacts = addresses(request.payload)?;
    let owner = request.owner()?;
    let contacts = (!contacts.is_empty()).then_some(contacts);
    request.chat.unblock(&owner, contacts).await.map_err(|error| stanza_error(&error))?;
    Ok(DONE)
}

fn addresses(order: ElementRef<'_>) -> Result<Vec<Jid>, StanzaError> {
    let items = order.children().filter(|child| child.is(ns::BLOCKING, "item"));
    items
        .map(|item| {
            let jid = item.attr("jid").ok_or_else(|| StanzaError::new(Condition::BadRequest))?;
            Jid::new(jid).map_err(|_| StanzaError::new(Condition::JidMalformed))
        })
        .collect()
}

/// The push to a session that asked for the blocklist: addresses were added.
pub fn blocked(to: &Jid, contacts: &[Jid]) -> Stanza {
    push(list("block", contacts), to)
}

/// The push to a session that asked for the blocklist: addresses were taken off, with none named all of them.
pub fn unblocked(to: &Jid, contacts: &[Jid]) -> Stanza {
    push(list("unblock", contacts), to)
}

fn push(payload: Element, to: &Jid) -> Stanza {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = format!("block-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    Stanza::iq(IqType::Set, &id).with_to(to.clone()).with_child(payload)
}

fn list(name: &str, contacts: &[Jid]) -> Element {
    contacts.iter().fold(Element::new(ns::BLOCKING, name), |list, contact| {
        list.with_child(Element::new(ns::BLOCKING, "item").with_attr("jid", contact.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use waxwing_chat::event::Event;

    use super::super::testing::House;
    use super::*;

    fn read(items: &str) -> Result<Vec<Jid>, Condition> {
        let order = Element::parse(&format!("<block xmlns='urn:xmpp:blocking'>{items}</block>")).unwrap();
        addresses(order.root()).map_err(|error| error.condition)
    }

    /// Section 3.3.
    #[test]
    fn reads_addresses() {
        assert_eq!(
            read("<item jid='romeo@montague.net'/>"),
            Ok(vec![Jid::new("romeo@montague.net").unwrap()])
        );
        assert_eq!(read("<item/>"), Err(Condition::BadRequest));
        assert_eq!(read("<item jid='@'/>"), Err(Condition::JidMalformed));
        assert_eq!(read(""), Ok(Vec::new()));
    }

    /// Sections 3.3 and 3.5, the examples of pushes.
    #[test]
    fn pushes_what_changed() {
        let to = Jid::new("juliet@capulet.com/chamber").unwrap();
        let one = blocked(&to, &[Jid::new("romeo@montague.net").unwrap()]);
        let expected = "<block xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></block>";
        assert_eq!(one.payload().unwrap().to_element(), Element::parse(expected).unwrap());
        assert_eq!(one.to, Some(to.clone()));
        let all = unblocked(&to, &[]);
        let expected = Element::parse("<unblock xmlns='urn:xmpp:blocking'/>").unwrap();
        assert_eq!(all.payload().unwrap().to_element(), expected);
    }

    /// Sections 3.2 to 3.5.
    #[tokio::test]
    async fn the_list_is_kept_and_pushed_to_who_asked() {
        let house = House::of(&["juliet/chamber", "juliet/balcony"]).await;
        let normal = |xml: &str| Ok(Element::parse(xml).unwrap().to_xml());
        let empty = "<blocklist xmlns='urn:xmpp:blocking'/>";
        assert_eq!(house.ask("juliet/balcony", "get", "", empty).await, normal(empty));
        let block = "<block xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></block>";
        assert_eq!(house.ask("juliet/chamber", "set", "", block).await, Ok(String::new()));
        let list = "<blocklist xmlns='urn:xmpp:blocking'><item jid='romeo@montague.net'/></blocklist>";
        assert_eq!(house.ask("juliet/balcony", "get", "", empty).await, normal(list));
        let pushes = |client| house.events(client).iter().filter(|e| matches!(e, Event::Blocked(_))).count();
        assert_eq!((pushes("juliet/chamber"), pushes("juliet/balcony")), (0, 1));
        assert_eq!(
            house.ask("juliet/chamber", "set", "", "<block xmlns='urn:xmpp:blocking'/>").await,
            Err("bad-request".to_owned())
        );
        assert_eq!(
            house.ask("juliet/chamber", "set", "", "<unblock xmlns='urn:xmpp:blocking'/>").await,
            Ok(String::new())
        );
        assert_eq!(house.ask("juliet/balcony", "get", "", empty).await, normal(empty));
    }
}
