//! The roster (RFC 6121 section 2): reading and changing it, and the pushes that tell every client.

use std::sync::atomic::{AtomicU64, Ordering};

use waxwing_chat::event::RosterChange;
use waxwing_chat::roster::{RosterChanges, RosterItem, Subscription};
use waxwing_chat::rosters::{RosterAnswer, RosterEdit};
use waxwing_xmpp::error::{Condition, StanzaError};
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::{IqType, Stanza};
use waxwing_xmpp::xml::{Element, ElementRef};

use super::{Announced, DONE, Feature, Handler, Reply, Request, Spec, Success, Target, When};
use crate::xmpp::error::stanza_error;

/// RFC 6121 section 2, with versions and pre-approval.
pub const FEATURE: Feature = Feature {
    name: "roster",
    summary: "Keeps each account's contacts, and tells all its clients what changes.",
    specs: &[
        Spec { name: "RFC 6121", version: "", note: "" },
        Spec { name: "XEP-0237", version: "1.3", note: "In RFC 6121 section 2.6." },
    ],
    handles: &[
        Handler {
            kind: IqType::Get,
            namespace: ns::ROSTER,
            name: "query",
            targets: &[Target::OwnAccount],
            answer: |request| Box::pin(get(request)),
        },
        Handler {
            kind: IqType::Set,
            namespace: ns::ROSTER,
            name: "query",
            targets: &[Target::OwnAccount],
            answer: |request| Box::pin(set(request)),
        },
        Handler {
            kind: IqType::Set,
            namespace: ns::ROSTER,
            name: "query",
            targets: &[Target::OtherAccount],
            answer: |_| Box::pin(async { Err(StanzaError::new(Condition::Forbidden)) }),
        },
    ],
    announces: &[
        Announced { when: When::SignedIn, namespace: ns::ROSTER_VERSIONING, name: "ver" },
        Announced { when: When::SignedIn, namespace: ns::PRE_APPROVAL, name: "sub" },
    ],
    stores: &[
        "Contacts with the names and groups given to them, subscriptions, and requests that wait for an answer.",
    ],
    ..Feature::EMPTY
};

/// Section 2.2, with versions as in section 2.6.
async fn get(request: Request<'_>) -> Reply {
    let known = request.payload.attr("ver").and_then(|ver| ver.parse().ok());
    let session = request.session()?;
    match request.chat.roster(session, known).await.map_err(|error| stanza_error(&error))? {
        RosterAnswer::Unchanged => Ok(DONE),
        RosterAnswer::Changes(changes) => Ok(Success { after: pushes(changes, &session.jid), ..DONE }),
        RosterAnswer::Whole(roster) => {
            let query = query(roster.version);
            Ok(roster.items.iter().fold(query, |query, it| query.with_child(item(it))).into())
        }
    }
}

/// Section 2.6.3: each change as the push it was, in the order of their versions.
fn pushes(changes: RosterChanges, to: &Jid) -> Vec<Stanza> {
    let changed = changes.changed.into_iter().map(|(version, item)| (version, RosterChange::Set(item)));
    let removed = changes.removed.into_iter().map(|(version, jid)| (version, RosterChange::Removed(jid)));
    let mut all: Vec<(u64, RosterChange)> = changed.chain(removed).collect();
    all.sort_by_key(|(version, _)| *version);
    all.iter().map(|(version, change)| push(to, *version, change)).collect()
}

/// Sections 2.3 to 2.5.
async fn set(request: Request<'_>) -> Reply {
    let owner = request.owner()?;
    match read_set(request.payload)? {
        Change::Remove(jid) => request.chat.remove_contact(&owner, &jid).await,
        Change::Set(edit) => request.chat.set_contact(&owner, edit).await,
    }
    .map_err(|error| stanza_error(&error))?;
    Ok(DONE)
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    Set(RosterEdit),
    Remove(Jid),
}

/// The errors of section 2.3.3 that need no look at the roster.
fn read_set(query: ElementRef<'_>) -> Result<Change, StanzaError> {
    let bad = |why: &str| StanzaError::new(Condition::BadRequest).with_text(why);
    let mut items = query.children().filter(|child| child.is(ns::ROSTER, "item"));
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(bad("a roster set has exactly one item"));
    };
    let jid = item.attr("jid").ok_or_else(|| bad("the item has no address"))?;
    let jid = Jid::new(jid).map_err(|_| StanzaError::new(Condition::JidMalformed))?.to_bare();
    // Section 2.1.2.5: what a client says of the subscription is ignored, but for this value.
    if item.attr("subscription") == Some("remove") {
        return Ok(Change::Remove(jid));
    }
    let groups = item.children().filter(|child| child.is(ns::ROSTER, "group"));
    Ok(Change::Set(RosterEdit {
        jid,
        name: item.attr("name").map(str::to_owned),
        groups: groups.map(|group| group.text().into_owned()).collect(),
    }))
}

/// A roster push for one session (section 2.1.6). It has no `from`: it comes from the session's own account.
pub fn push(to: &Jid, version: u64, change: &RosterChange) -> Stanza {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let item = match change {
        RosterChange::Set(contact) => item(contact),
        RosterChange::Removed(jid) => Element::new(ns::ROSTER, "item")
            .with_attr("jid", jid.as_str())
            .with_attr("subscription", "remove"),
    };
    Stanza::iq(IqType::Set, &format!("roster-{}", NEXT.fetch_add(1, Ordering::Relaxed)))
        .with_to(to.clone())
        .with_child(query(version).with_child(item))
}

fn query(version: u64) -> Element {
    Element::new(ns::ROSTER, "query").with_attr("ver", &version.to_string())
}

/// Section 2.1.2.
fn item(contact: &RosterItem) -> Element {
    let mut item = Element::new(ns::ROSTER, "item").with_attr("jid", contact.jid.as_str());
    if let Some(name) = &contact.name {
        item.set_attr("name", name);
    }
    item.set_attr("subscription", subscription(contact.subscription));
    if contact.ask {
        item.set_attr("ask", "subscribe");
    }
    if contact.approved {
        item.set_attr("approved", "true");
    }
    contact
        .groups
        .iter()
        .fold(item, |item, group| item.with_child(Element::new(ns::ROSTER, "group").with_text(group)))
}

fn subscription(subscription: Subscription) -> &'static str {
    match subscription {
        Subscription::None => "none",
        Subscription::To => "to",
        Subscription::From => "from",
        Subscription::Both => "both",
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::House;
    use super::*;

    fn jid(text: &str) -> Jid {
        Jid::new(text).unwrap()
    }

    fn read(items: &str) -> Result<Change, Condition> {
        let query = Element::parse(&format!("<query xmlns='jabber:iq:roster'>{items}</query>")).unwrap();
        read_set(query.root()).map_err(|error| error.condition)
    }

    fn romeo() -> RosterItem {
        RosterItem {
            jid: jid("romeo@example.net"),
            name: Some("Romeo".to_owned()),
            groups: vec!["Friends".to_owned()],
            subscription: Subscription::Both,
            ask: false,
            approved: false,
            request: None,
            listed: true,
        }
    }

    /// Section 2.3.3: not more than one item, each with a valid address.
    #[test]
    fn a_set_has_one_item() {
        assert_eq!(read(""), Err(Condition::BadRequest));
        assert_eq!(read("<item jid='a@b.lit'/><item jid='c@b.lit'/>"), Err(Condition::BadRequest));
        assert_eq!(read("<item/>"), Err(Condition::BadRequest));
        assert_eq!(read("<item jid='@b.lit'/>"), Err(Condition::JidMalformed));
    }

    /// Section 2.1.2: the server decides on all attributes but the address, the name and the removal.
    #[test]
    fn a_set_reads_name_and_groups_only() {
        let item = "<item jid='nurse@example.com' name='Nurse' subscription='both' ask='subscribe' approved='true'>\
            <group>Servants</group></item>";
        let expected = RosterEdit {
            jid: jid("nurse@example.com"),
            name: Some("Nurse".to_owned()),
            groups: vec!["Servants".to_owned()],
        };
        assert_eq!(read(item), Ok(Change::Set(expected)));
        let removal = read("<item jid='nurse@example.com' subscription='remove'/>");
        assert_eq!(removal, Ok(Change::Remove(jid("nurse@example.com"))));
    }

    /// Sections 2.1.2 and 2.1.6.
    #[test]
    fn a_push_shows_the_item_as_it_is() {
        let to = jid("juliet@example.com/balcony");
        let stanza = push(&to, 7, &RosterChange::Set(romeo()));
        assert_eq!((stanza.to.as_ref(), stanza.from.as_ref()), (Some(&to), None));
        let expected = "<query xmlns='jabber:iq:roster' ver='7'><item jid='romeo@example.net' name='Romeo' \
            subscription='both'><group>Friends</group></item></query>";
        assert_eq!(stanza.payload().unwrap().to_element(), Element::parse(expected).unwrap());
        let pending = RosterItem { ask: true, approved: true, subscription: Subscription::None, ..romeo() };
        let item = item(&pending);
        let flags = ["subscription", "ask", "approved"].map(|name| item.attr(name));
        assert_eq!(flags, [Some("none"), Some("subscribe"), Some("true")]);
        let removed = push(&to, 8, &RosterChange::Removed(jid("romeo@example.net")));
        let expected = "<query xmlns='jabber:iq:roster' ver='8'>\
            <item jid='romeo@example.net' subscription='remove'/></query>";
        assert_eq!(removed.payload().unwrap().to_element(), Element::parse(expected).unwrap());
    }

    /// Section 2.6.3: the client applies the pushes one after the other.
    #[test]
    fn changes_come_in_the_order_of_their_versions() {
        let changes = RosterChanges {
            version: 9,
            changed: vec![(7, romeo()), (9, romeo())],
            removed: vec![(8, jid("romeo@example.net"))],
        };
        let pushes = pushes(changes, &jid("juliet@example.com/balcony"));
        let versions: Vec<_> =
            pushes.iter().map(|push| push.payload().unwrap().attr("ver").unwrap().to_owned()).collect();
        assert_eq!(versions, ["7", "8", "9"]);
    }

    /// Sections 2.2, 2.3 and 2.6.
    #[tokio::test]
    async fn a_known_version_is_followed_by_pushes() {
        let house = House::of(&["juliet/balcony"]).await;
        let set = |item: &str| format!("<query xmlns='jabber:iq:roster'>{item}</query>");
        let get = |ver: &str| format!("<query xmlns='jabber:iq:roster' ver='{ver}'/>");
        assert_eq!(
            house.ask("juliet/balcony", "set", "", &set("<item jid='nurse@x.lit'/>")).await,
            Ok(String::new())
        );
        let whole = house.ask("juliet/balcony", "get", "", &get("")).await.unwrap();
        let whole = Element::parse(&whole).unwrap();
        let ver = whole.attr("ver").unwrap();
        assert_eq!(whole.children().count(), 1);
        assert_eq!(house.ask("juliet/balcony", "get", "", &get(ver)).await, Ok(String::new()));
        let removal = set("<item jid='nurse@x.lit' subscription='remove'/>");
        assert_eq!(house.ask("juliet/balcony", "set", "", &removal).await, Ok(String::new()));
        let answers = house.answers("juliet/balcony", "get", "", &get(ver)).await;
        let types: Vec<_> = answers.iter().map(|answer| answer.attr("type").unwrap()).collect();
        assert_eq!(types, ["result", "set"]);
        assert_eq!(answers[0].children().count(), 0);
        let gone = house.ask("juliet/balcony", "set", "", &removal).await;
        assert_eq!(gone, Err("item-not-found".to_owned()));
    }

    /// Section 2.3.3.
    #[tokio::test]
    async fn another_roster_is_forbidden() {
        let house = House::of(&["juliet/balcony", "tybalt/street"]).await;
        let set = "<query xmlns='jabber:iq:roster'><item jid='tybalt@localhost'/></query>";
        let answer = house.ask("tybalt/street", "set", "juliet@localhost", set).await;
        assert_eq!(answer, Err("forbidden".to_owned()));
    }
}
