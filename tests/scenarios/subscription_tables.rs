//! The subscription state tables of RFC 6121 Appendix A, over every state and every stanza, seen from both sides.
//!
//! A user and a contact are brought into a state by stanzas alone; then the user sends one stanza. What the contact
//! is given and what both rosters say afterwards is compared with the tables. A request that waits for an answer
//! ("Pending In") is not in the roster; it shows itself to the next resource that becomes available.

use waxwing_tests::world::subscribe;
use waxwing_tests::{Client, World};

use crate::world::world;

const ROSTER: &str = "jabber:iq:roster";

/// The nine states of RFC 6121 Appendix A.1, as (subscription, pending out, pending in).
type State = (&'static str, bool, bool);

const NONE: State = ("none", false, false);
const NONE_OUT: State = ("none", true, false);
const NONE_IN: State = ("none", false, true);
const NONE_OUT_IN: State = ("none", true, true);
const TO: State = ("to", false, false);
const TO_IN: State = ("to", false, true);
const FROM: State = ("from", false, false);
const FROM_OUT: State = ("from", true, false);
const BOTH: State = ("both", false, false);

/// The state of the other side, when both have seen the same stanzas.
fn mirror((subscription, out, waiting): State) -> State {
    let subscription = match subscription {
        "to" => "from",
        "from" => "to",
        other => other,
    };
    (subscription, waiting, out)
}

/// Whether the user sends the stanza, or receives it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Outbound,
    Inbound,
}

/// A row: the state before; whether the stanza is routed (outbound) or delivered (inbound); the state afterwards.
type Row = (State, bool, State);

async fn send(sender: &mut Client, receiver: &Client, kind: &str) {
    let to = receiver.bare().to_owned();
    sender.send(&format!("<presence to='{to}' type='{kind}'/>")).await;
    sender.settle().await;
}

/// Brings a fresh pair into a state, as the user sees it.
async fn bring(user: &mut Client, contact: &mut Client, (subscription, out, waiting): State) {
    if matches!(subscription, "to" | "both") {
        subscribe(user, contact).await;
    }
    if matches!(subscription, "from" | "both") {
        subscribe(contact, user).await;
    }
    if out {
        send(user, contact, "subscribe").await;
    }
    if waiting {
        send(contact, user, "subscribe").await;
    }
    user.clear().await;
    contact.clear().await;
}

/// The state as the account's owner can see it.
async fn observe(world: &World, client: &mut Client, other: &str) -> (String, bool, bool) {
    let roster = client.ask("get", None, &format!("<query xmlns='{ROSTER}'/>")).await;
    let query = roster.child(ROSTER, "query").expect("a roster");
    let item = query.children().find(|item| item.attr("jid") == Some(other));
    let subscription = item.and_then(|item| item.attr("subscription")).unwrap_or("none").to_owned();
    let out = item.is_some_and(|item| item.attr("ask") == Some("subscribe"));
    let user = client.bare().split('@').next().unwrap_or_default().to_owned();
    let mut visitor = world.online(&format!("{user}/visitor")).await;
    let asked = |e: &waxwing_tests::xml::Element| {
        e.attr("type") == Some("subscribe") && e.attr("from") == Some(other)
    };
    let waiting = visitor.drain().await.iter().any(asked);
    visitor.close().await;
    (subscription, out, waiting)
}

/// A table as it stands in the RFC: for each state, whether the stanza is routed (outbound) or delivered (inbound), and
/// the state afterwards.
type Table = [Row; 9];

/// Sends each row's stanza and compares what the receiver is given, and the state of the side that the table is about.
/// Outbound, the receiver is given what its own inbound table says of the mirrored state.
async fn run(side: Side, kind: &str, table: &Table, inbound: &Table) {
    let world = world().await;
    let mut wrong = Vec::new();
    for (number, &(before, passes, after)) in table.iter().enumerate() {
        let mut user = world.online(&format!("romeo{number}/a")).await;
        let mut contact = world.online(&format!("juliet{number}/b")).await;
        bring(&mut user, &mut contact, before).await;
        let (user_bare, contact_bare) = (user.bare().to_owned(), contact.bare().to_owned());
        let seen = observe(&world, &mut user, &contact_bare).await;
        if seen != owned(before) {
            wrong.push(format!("{before:?} could not be brought about: {seen:?}"));
            continue;
        }
        user.clear().await;
        contact.clear().await;
        let (given, sender) = match side {
            Side::Outbound => {
                send(&mut user, &contact, kind).await;
                (contact.drain().await, &user_bare)
            }
            Side::Inbound => {
                send(&mut contact, &user, kind).await;
                (user.drain().await, &contact_bare)
            }
        };
        let given = given.iter().any(|e| e.attr("type") == Some(kind) && e.attr("from") == Some(sender));
        let delivers = |state| inbound.iter().any(|&(before, delivered, _)| before == state && delivered);
        let expected = passes && (side == Side::Inbound || delivers(mirror(before)));
        if given != expected {
            wrong.push(format!(
                "{before:?}: the receiver is given the stanza: expected {expected}, got {given}"
            ));
        }
        let seen = observe(&world, &mut user, &contact_bare).await;
        if seen != owned(after) {
            wrong.push(format!("{before:?}: expected {after:?} afterwards, got {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{kind}:\n{}", wrong.join("\n"));
}

fn owned((subscription, out, waiting): State) -> (String, bool, bool) {
    (subscription.to_owned(), out, waiting)
}

const OUT_SUBSCRIBE: Table = [
    (NONE, true, NONE_OUT),
    (NONE_OUT, true, NONE_OUT),
    (NONE_IN, true, NONE_OUT_IN),
    (NONE_OUT_IN, true, NONE_OUT_IN),
    (TO, true, TO),
    (TO_IN, true, TO_IN),
    (FROM, true, FROM_OUT),
    (FROM_OUT, true, FROM_OUT),
    (BOTH, true, BOTH),
];

const OUT_UNSUBSCRIBE: Table = [
    (NONE, true, NONE),
    (NONE_OUT, true, NONE),
    (NONE_IN, true, NONE_IN),
    (NONE_OUT_IN, true, NONE_IN),
    (TO, true, NONE),
    (TO_IN, true, NONE_IN),
    (FROM, true, FROM),
    (FROM_OUT, true, FROM),
    (BOTH, true, FROM),
];

/// In the states without "Pending In" nor "From", the stanza is a pre-approval.
const OUT_SUBSCRIBED: Table = [
    (NONE, false, NONE),
    (NONE_OUT, false, NONE_OUT),
    (NONE_IN, true, FROM),
    (NONE_OUT_IN, true, FROM_OUT),
    (TO, false, TO),
    (TO_IN, true, BOTH),
    (FROM, false, FROM),
    (FROM_OUT, false, FROM_OUT),
    (BOTH, false, BOTH),
];

const OUT_UNSUBSCRIBED: Table = [
    (NONE, false, NONE),
    (NONE_OUT, false, NONE_OUT),
    (NONE_IN, true, NONE),
    (NONE_OUT_IN, true, NONE_OUT),
    (TO, false, TO),
    (TO_IN, true, TO),
    (FROM, true, NONE),
    (FROM_OUT, true, NONE_OUT),
    (BOTH, true, TO),
];

const IN_SUBSCRIBE: Table = [
    (NONE, true, NONE_IN),
    (NONE_OUT, true, NONE_OUT_IN),
    (NONE_IN, false, NONE_IN),
    (NONE_OUT_IN, false, NONE_OUT_IN),
    (TO, true, TO_IN),
    (TO_IN, false, TO_IN),
    (FROM, false, FROM),
    (FROM_OUT, false, FROM_OUT),
    (BOTH, false, BOTH),
];

const IN_UNSUBSCRIBE: Table = [
    (NONE, false, NONE),
    (NONE_OUT, false, NONE_OUT),
    (NONE_IN, true, NONE),
    (NONE_OUT_IN, true, NONE_OUT),
    (TO, false, TO),
    (TO_IN, true, TO),
    (FROM, true, NONE),
    (FROM_OUT, true, NONE_OUT),
    (BOTH, true, TO),
];

const IN_SUBSCRIBED: Table = [
    (NONE, false, NONE),
    (NONE_OUT, true, TO),
    (NONE_IN, false, NONE_IN),
    (NONE_OUT_IN, true, TO_IN),
    (TO, false, TO),
    (TO_IN, false, TO_IN),
    (FROM, false, FROM),
    (FROM_OUT, true, BOTH),
    (BOTH, false, BOTH),
];

const IN_UNSUBSCRIBED: Table = [
    (NONE, false, NONE),
    (NONE_OUT, true, NONE),
    (NONE_IN, false, NONE_IN),
    (NONE_OUT_IN, true, NONE_IN),
    (TO, true, NONE),
    (TO_IN, true, NONE_IN),
    (FROM, false, FROM),
    (FROM_OUT, true, FROM),
    (BOTH, true, FROM),
];

/// covers: RFC 6121 A.2.1 None
/// covers: RFC 6121 A.2.1 None + Pending Out
/// covers: RFC 6121 A.2.1 None + Pending In
/// covers: RFC 6121 A.2.1 None + Pending Out+In
/// covers: RFC 6121 A.2.1 To
/// covers: RFC 6121 A.2.1 To + Pending In
/// covers: RFC 6121 A.2.1 From
/// covers: RFC 6121 A.2.1 From + Pending Out
/// covers: RFC 6121 A.2.1 Both
#[tokio::test]
async fn outbound_subscribe() {
    run(Side::Outbound, "subscribe", &OUT_SUBSCRIBE, &IN_SUBSCRIBE).await;
}

/// covers: RFC 6121 A.2.2 None
/// covers: RFC 6121 A.2.2 None + Pending Out
/// covers: RFC 6121 A.2.2 None + Pending In
/// covers: RFC 6121 A.2.2 None + Pending Out+In
/// covers: RFC 6121 A.2.2 To
/// covers: RFC 6121 A.2.2 To + Pending In
/// covers: RFC 6121 A.2.2 From
/// covers: RFC 6121 A.2.2 From + Pending Out
/// covers: RFC 6121 A.2.2 Both
#[tokio::test]
async fn outbound_unsubscribe() {
    run(Side::Outbound, "unsubscribe", &OUT_UNSUBSCRIBE, &IN_UNSUBSCRIBE).await;
}

/// covers: RFC 6121 A.2.3 None
/// covers: RFC 6121 A.2.3 None + Pending Out
/// covers: RFC 6121 A.2.3 None + Pending In
/// covers: RFC 6121 A.2.3 None + Pending Out+In
/// covers: RFC 6121 A.2.3 To
/// covers: RFC 6121 A.2.3 To + Pending In
/// covers: RFC 6121 A.2.3 From
/// covers: RFC 6121 A.2.3 From + Pending Out
/// covers: RFC 6121 A.2.3 Both
#[tokio::test]
async fn outbound_subscribed() {
    run(Side::Outbound, "subscribed", &OUT_SUBSCRIBED, &IN_SUBSCRIBED).await;
}

/// covers: RFC 6121 A.2.4 None
/// covers: RFC 6121 A.2.4 None + Pending Out
/// covers: RFC 6121 A.2.4 None + Pending In
/// covers: RFC 6121 A.2.4 None + Pending Out+In
/// covers: RFC 6121 A.2.4 To
/// covers: RFC 6121 A.2.4 To + Pending In
/// covers: RFC 6121 A.2.4 From
/// covers: RFC 6121 A.2.4 From + Pending Out
/// covers: RFC 6121 A.2.4 Both
#[tokio::test]
async fn outbound_unsubscribed() {
    run(Side::Outbound, "unsubscribed", &OUT_UNSUBSCRIBED, &IN_UNSUBSCRIBED).await;
}

/// covers: RFC 6121 A.3.1 None
/// covers: RFC 6121 A.3.1 None + Pending Out
/// covers: RFC 6121 A.3.1 None + Pending In
/// covers: RFC 6121 A.3.1 None + Pending Out+In
/// covers: RFC 6121 A.3.1 To
/// covers: RFC 6121 A.3.1 To + Pending In
/// covers: RFC 6121 A.3.1 From
/// covers: RFC 6121 A.3.1 From + Pending Out
/// covers: RFC 6121 A.3.1 Both
#[tokio::test]
async fn inbound_subscribe() {
    run(Side::Inbound, "subscribe", &IN_SUBSCRIBE, &IN_SUBSCRIBE).await;
}

/// covers: RFC 6121 A.3.2 None
/// covers: RFC 6121 A.3.2 None + Pending Out
/// covers: RFC 6121 A.3.2 None + Pending In
/// covers: RFC 6121 A.3.2 None + Pending Out+In
/// covers: RFC 6121 A.3.2 To
/// covers: RFC 6121 A.3.2 To + Pending In
/// covers: RFC 6121 A.3.2 From
/// covers: RFC 6121 A.3.2 From + Pending Out
/// covers: RFC 6121 A.3.2 Both
#[tokio::test]
async fn inbound_unsubscribe() {
    run(Side::Inbound, "unsubscribe", &IN_UNSUBSCRIBE, &IN_UNSUBSCRIBE).await;
}

/// covers: RFC 6121 A.3.3 None + Pending Out
/// covers: RFC 6121 A.3.3 None + Pending Out+In
/// covers: RFC 6121 A.3.3 From + Pending Out
#[tokio::test]
async fn inbound_subscribed() {
    run(Side::Inbound, "subscribed", &IN_SUBSCRIBED, &IN_SUBSCRIBED).await;
}

/// covers: RFC 6121 A.3.4 None + Pending Out
/// covers: RFC 6121 A.3.4 None + Pending Out+In
/// covers: RFC 6121 A.3.4 To
/// covers: RFC 6121 A.3.4 To + Pending In
/// covers: RFC 6121 A.3.4 From + Pending Out
/// covers: RFC 6121 A.3.4 Both
#[tokio::test]
async fn inbound_unsubscribed() {
    run(Side::Inbound, "unsubscribed", &IN_UNSUBSCRIBED, &IN_UNSUBSCRIBED).await;
}

/// Prepares pairs whose rosters disagree, as they can after a server was restored from a backup: `contact` is what the
/// contact's roster says, so that its server routes the stanza. An archive of accounts (XEP-0227) brings them in.
fn import(world: &World, rows: &[Row], (subscription, out, waiting): State) {
    let half = |user: &str, other: &str, (subscription, out, waiting): State| {
        let ask = if out { " ask='subscribe'" } else { "" };
        let request = match waiting {
            true => format!(
                "<presence xmlns='jabber:client' type='subscribe' from='{other}@localhost' to='{user}@localhost'/>"
            ),
            false => String::new(),
        };
        format!(
            "<user name='{user}' password='{}'><query xmlns='{ROSTER}'><item jid='{other}@localhost' \
             subscription='{subscription}'{ask}/></query>{request}</user>",
            waxwing_tests::world::password(user)
        )
    };
    let users: String = rows
        .iter()
        .enumerate()
        .map(|(number, &(user, ..))| {
            let (romeo, juliet) = (format!("romeo{number}"), format!("juliet{number}"));
            half(&romeo, &juliet, user) + &half(&juliet, &romeo, (subscription, out, waiting))
        })
        .collect();
    let file = world.server.folder().join("disagreeing.xml");
    let text =
        format!("<server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>{users}</host></server-data>");
    std::fs::write(&file, text).unwrap();
    world.server.admin(&["import", &file.display().to_string()], "").unwrap();
}

/// The contact sends a stanza that its own roster lets pass although the user's roster knows of nothing: the user is not
/// told, and nothing changes.
async fn run_disagreeing(kind: &str, table: &Table, contact_state: State) {
    let rows: Vec<Row> =
        table.iter().copied().filter(|&(before, delivered, after)| !delivered && before == after).collect();
    assert_eq!(rows.len(), table.iter().filter(|(_, delivered, _)| !delivered).count());
    let world = world().await;
    import(&world, &rows, contact_state);
    let mut wrong = Vec::new();
    for (number, &(before, _, after)) in rows.iter().enumerate() {
        // An interested resource that is not available: a probe would make the two sides agree (section 4.3.2).
        let mut user = world.existing(&format!("romeo{number}/a")).await;
        let mut contact = world.existing(&format!("juliet{number}/b")).await;
        contact.send("<presence/>").await;
        let contact_bare = contact.bare().to_owned();
        let roster = user.ask("get", None, &format!("<query xmlns='{ROSTER}'/>")).await;
        let seen = roster.find(ROSTER, "item").and_then(|item| item.attr("subscription"));
        assert_eq!(seen, Some(before.0), "{roster}");
        contact.clear().await;
        send(&mut contact, &user, kind).await;
        // The contact's own roster took the step: the stanza did go out.
        let roster = contact.ask("get", None, &format!("<query xmlns='{ROSTER}'/>")).await;
        let item = roster.find(ROSTER, "item").and_then(|item| item.attr("subscription")).map(str::to_owned);
        let expected = if kind == "subscribed" { "from" } else { "none" };
        if item.as_deref() != Some(expected) {
            wrong.push(format!("{before:?}: the contact's roster says {item:?}"));
        }
        let given = user.drain().await;
        if given.iter().any(|e| e.attr("type") == Some(kind)) {
            wrong.push(format!("{before:?}: the user is given {given:?}"));
        }
        let seen = observe(&world, &mut user, &contact_bare).await;
        if seen != owned(after) {
            wrong.push(format!("{before:?}: expected {after:?} afterwards, got {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{kind}:\n{}", wrong.join("\n"));
}

/// covers: RFC 6121 A.3.3 None
/// covers: RFC 6121 A.3.3 None + Pending In
/// covers: RFC 6121 A.3.3 To
/// covers: RFC 6121 A.3.3 To + Pending In
/// covers: RFC 6121 A.3.3 From
/// covers: RFC 6121 A.3.3 Both
#[tokio::test]
async fn inbound_subscribed_unasked() {
    run_disagreeing("subscribed", &IN_SUBSCRIBED, NONE_IN).await;
}

/// covers: RFC 6121 A.3.4 None
/// covers: RFC 6121 A.3.4 None + Pending In
/// covers: RFC 6121 A.3.4 From
#[tokio::test]
async fn inbound_unsubscribed_unasked() {
    run_disagreeing("unsubscribed", &IN_UNSUBSCRIBED, FROM).await;
}
