//! Presence: RFC 6121 sections 3 and 4 beyond the tables of Appendix A.

use waxwing_tests::xml::Element;
use waxwing_tests::{Client, World};

use crate::world::world;

const ROSTER: &str = "jabber:iq:roster";

/// Two friends with empty inboxes.
async fn friends(world: &World) -> (Client, Client) {
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    world.befriend(&mut romeo, &mut juliet).await;
    (romeo, juliet)
}

/// covers: RFC 6121 3.1.2; RFC 6121 3.1.3; RFC 6121 3.1.5; RFC 6121 3.1.6
#[tokio::test]
async fn a_subscription_is_asked_for_and_granted() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    let push = |item: &str| {
        format!("<iq type='set' id='{{any}}'><query xmlns='{ROSTER}' _='...'>{item}</query></iq>")
    };
    romeo
        .send("<presence to='juliet@localhost' type='subscribe' id='s1'><status>please</status></presence>")
        .await;
    romeo.expect(&push("<item jid='juliet@localhost' subscription='none' ask='subscribe'/>")).await;
    // The sender is stamped with the bare address; the rest is passed on (section 3.1.3).
    juliet
        .expect(
            "<presence from='romeo@localhost' type='subscribe' id='s1'><status>please</status></presence>",
        )
        .await;
    juliet.send("<presence to='romeo@localhost' type='subscribed'/>").await;
    juliet.expect(&push("<item jid='romeo@localhost' subscription='from'/>")).await;
    romeo
        .expect_all(&[
            "<presence from='juliet@localhost' type='subscribed'/>",
            &push("<item jid='juliet@localhost' subscription='to'/>"),
            "<presence from='juliet@localhost/balcony'/>",
        ])
        .await;
    romeo.expect_nothing().await;
    juliet.expect_nothing().await;
}

/// covers: RFC 6121 3.1.3 resource; RFC 6121 3.1.2 resource
#[tokio::test]
async fn a_request_to_a_full_address_is_for_the_account() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    romeo.send("<presence to='juliet@localhost/chamber' type='subscribe'/>").await;
    juliet.expect("<presence from='romeo@localhost' type='subscribe'/>").await;
}

/// covers: RFC 6121 3.1.3 offline; RFC 6121 3.1.4
#[tokio::test]
async fn a_request_waits_until_it_is_answered() {
    let mut world = world().await;
    world.user("juliet");
    let mut romeo = world.online("romeo/orchard").await;
    romeo.send("<presence to='juliet@localhost' type='subscribe'><nick xmlns='http://jabber.org/protocol/nick'>R</nick></presence>").await;
    romeo.settle().await;
    world.server.terminate().unwrap();
    world.server.launch().unwrap();
    let request = "<presence from='romeo@localhost' type='subscribe'><nick xmlns='http://jabber.org/protocol/nick'>R</nick></presence>";
    for _ in 0..2 {
        let mut juliet = world.online("juliet/balcony").await;
        juliet.expect(request).await;
        juliet.expect_nothing().await;
        juliet.close().await;
    }
    let mut juliet = world.online("juliet/balcony").await;
    juliet.send("<presence to='romeo@localhost' type='unsubscribed'/>").await;
    juliet.settle().await;
    juliet.close().await;
    let mut juliet = world.online("juliet/balcony").await;
    juliet.expect_nothing().await;
}

/// covers: RFC 6121 3.2.2; RFC 6121 3.2.3
#[tokio::test]
async fn a_subscription_is_cancelled() {
    let world = world().await;
    let (mut romeo, mut juliet) = friends(&world).await;
    juliet.send("<presence to='romeo@localhost' type='unsubscribed'/>").await;
    juliet.settle().await;
    let given = romeo.drain().await;
    let unavailable = given
        .iter()
        .any(|e| e.attr("type") == Some("unavailable") && e.attr("from") == Some("juliet@localhost/balcony"));
    let told = given
        .iter()
        .any(|e| e.attr("type") == Some("unsubscribed") && e.attr("from") == Some("juliet@localhost"));
    assert!(unavailable && told, "{given:?}");
    juliet.send("<presence><show>away</show></presence>").await;
    romeo.expect_nothing_from(&mut juliet).await;
}

/// covers: RFC 6121 3.3.2; RFC 6121 3.3.3
#[tokio::test]
async fn a_user_unsubscribes() {
    let world = world().await;
    let (mut romeo, mut juliet) = friends(&world).await;
    romeo.send("<presence to='juliet@localhost' type='unsubscribe'/>").await;
    romeo.settle().await;
    let given = juliet.drain().await;
    assert!(
        given
            .iter()
            .any(|e| e.attr("type") == Some("unsubscribe") && e.attr("from") == Some("romeo@localhost")),
        "{given:?}"
    );
    romeo.clear().await;
    juliet.send("<presence><show>away</show></presence>").await;
    romeo.expect_nothing_from(&mut juliet).await;
}

/// covers: RFC 6121 3.4.1; RFC 6121 3.4.2
#[tokio::test]
async fn a_subscription_is_granted_in_advance() {
    let world = world().await;
    let client = world.authenticated("romeo").await;
    assert!(client.features.child("urn:xmpp:features:pre-approval", "sub").is_some(), "{}", client.features);
    drop(client);
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    juliet.send("<presence to='romeo@localhost' type='subscribed'/>").await;
    juliet
        .expect(&format!(
            "<iq type='set' id='{{any}}'><query xmlns='{ROSTER}' _='...'>\
             <item jid='romeo@localhost' subscription='none' approved='true'/></query></iq>"
        ))
        .await;
    romeo.expect_nothing_from(&mut juliet).await;
    romeo.send("<presence to='juliet@localhost' type='subscribe'/>").await;
    romeo.settle().await;
    let given = romeo.drain().await;
    assert!(given.iter().any(|e| e.attr("type") == Some("subscribed")), "{given:?}");
    let asked: Vec<Element> =
        juliet.drain().await.into_iter().filter(|e| e.attr("type") == Some("subscribe")).collect();
    assert!(asked.is_empty(), "{asked:?}");
    let roster = juliet.ask("get", None, &format!("<query xmlns='{ROSTER}'/>")).await;
    let item = roster.find(ROSTER, "item").expect("the item");
    assert_eq!(item.attr("subscription"), Some("from"), "{item}");
}

/// covers: RFC 6121 3.4.2 cancel
#[tokio::test]
async fn a_grant_in_advance_is_taken_back() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    juliet.send("<presence to='romeo@localhost' type='subscribed'/>").await;
    juliet.send("<presence to='romeo@localhost' type='unsubscribed'/>").await;
    juliet.settle().await;
    juliet.clear().await;
    romeo.clear().await;
    romeo.send("<presence to='juliet@localhost' type='subscribe'/>").await;
    juliet.expect("<presence from='romeo@localhost' type='subscribe'/>").await;
}

/// covers: RFC 6121 4.2.2; RFC 6121 4.2.3; RFC 6121 4.3.1; RFC 6121 4.3.2
#[tokio::test]
async fn initial_presence_is_broadcast_and_answered() {
    let world = world().await;
    let (mut romeo, mut juliet) = friends(&world).await;
    juliet.send("<presence><show>dnd</show><priority>3</priority></presence>").await;
    juliet.clear().await;
    romeo.clear().await;
    let mut home = world.connected("romeo/home").await;
    home.send("<presence><status>here</status></presence>").await;
    home.expect_all(&[
        "<presence from='romeo@localhost/home'><status>here</status></presence>",
        "<presence from='romeo@localhost/orchard'>{...}</presence>",
        "<presence from='juliet@localhost/balcony'><show>dnd</show><priority>3</priority>{...}</presence>",
    ])
    .await;
    home.expect_nothing().await;
    juliet.expect("<presence from='romeo@localhost/home'><status>here</status></presence>").await;
    romeo.expect("<presence from='romeo@localhost/home'><status>here</status></presence>").await;
}

/// covers: RFC 6121 4.4.2; RFC 6121 4.4.3; RFC 6121 4.5.2; RFC 6121 4.5.3
#[tokio::test]
async fn changes_and_the_end_are_broadcast() {
    let world = world().await;
    let (mut romeo, mut juliet) = friends(&world).await;
    romeo.send("<presence><show>away</show></presence>").await;
    juliet.expect("<presence from='romeo@localhost/orchard'><show>away</show></presence>").await;
    romeo.send("<presence type='unavailable'><status>bye</status></presence>").await;
    juliet
        .expect("<presence from='romeo@localhost/orchard' type='unavailable'><status>bye</status></presence>")
        .await;
    // No longer available: presence is not sent to it any more.
    romeo.clear().await;
    juliet.send("<presence><show>away</show></presence>").await;
    romeo.expect_nothing_from(&mut juliet).await;
}

/// covers: RFC 6121 4.5.2 stream
#[tokio::test]
async fn a_closed_or_broken_stream_ends_its_presence() {
    let world = world().await;
    let (romeo, mut juliet) = friends(&world).await;
    romeo.close().await;
    juliet
        .expect("<presence from='romeo@localhost/orchard' type='unavailable' _='...'>{...}</presence>")
        .await;
    let mut home = world.online("romeo/home").await;
    juliet.expect("<presence from='romeo@localhost/home'/>").await;
    home.cut();
    juliet.expect("<presence from='romeo@localhost/home' type='unavailable' _='...'>{...}</presence>").await;
}

/// covers: RFC 6121 4.6.3; RFC 6121 4.6.4; RFC 6121 4.6.5
#[tokio::test]
async fn directed_presence_ends_with_the_session() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    romeo.send("<presence to='juliet@localhost/balcony'><status>hello</status></presence>").await;
    juliet.expect("<presence from='romeo@localhost/orchard'><status>hello</status></presence>").await;
    romeo.send("<presence><show>away</show></presence>").await;
    juliet.expect_nothing_from(&mut romeo).await;
    romeo.send("<presence type='unavailable'/>").await;
    juliet.expect("<presence from='romeo@localhost/orchard' type='unavailable'/>").await;
    // Once taken back, it is not ended again.
    romeo.send("<presence to='juliet@localhost/balcony'/>").await;
    romeo.send("<presence to='juliet@localhost/balcony' type='unavailable'/>").await;
    juliet.expect("<presence from='romeo@localhost/orchard'/>").await;
    juliet.expect("<presence from='romeo@localhost/orchard' type='unavailable'/>").await;
    romeo.settle().await;
    romeo.close().await;
    juliet.expect_nothing().await;
}

/// covers: RFC 6121 4.6.3 broken
#[tokio::test]
async fn directed_presence_ends_when_the_connection_breaks() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    romeo.send("<presence to='juliet@localhost/balcony'/>").await;
    juliet.expect("<presence from='romeo@localhost/orchard'/>").await;
    romeo.cut();
    juliet
        .expect("<presence from='romeo@localhost/orchard' type='unavailable' _='...'>{...}</presence>")
        .await;
}

/// covers: RFC 6121 4.3.2 probe
#[tokio::test]
async fn a_probe_is_answered_for_subscribers_only() {
    let world = world().await;
    let (mut romeo, mut juliet) = friends(&world).await;
    let mut tybalt = world.online("tybalt/street").await;
    romeo.send("<presence to='juliet@localhost' type='probe'/>").await;
    romeo.expect("<presence from='juliet@localhost/balcony' _='...'>{...}</presence>").await;
    tybalt.send("<presence to='juliet@localhost' type='probe'/>").await;
    tybalt.settle().await;
    for answer in tybalt.drain().await {
        assert_eq!(answer.attr("type"), Some("unsubscribed"), "{answer}");
    }
    juliet.expect_nothing().await;
}

/// covers: RFC 6121 4.7.2.3
#[tokio::test]
async fn a_priority_out_of_range_is_refused() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    for priority in ["128", "-129", "high"] {
        romeo.send(&format!("<presence id='p'><priority>{priority}</priority></presence>")).await;
        let answer = romeo.next().await.unwrap();
        assert_eq!(answer.attr("type"), Some("error"), "{priority}: {answer}");
        let stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";
        assert!(answer.find(stanzas, "bad-request").is_some(), "{answer}");
    }
}

/// covers: RFC 6121 4.7.1
#[tokio::test]
async fn a_type_of_presence_that_is_none_is_refused() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    romeo.send("<presence type='available' id='p'/>").await;
    let answer = romeo.next().await.unwrap();
    assert_eq!(answer.attr("type"), Some("error"), "{answer}");
}

/// covers: RFC 6121 8.5.2.2.2
#[tokio::test]
async fn presence_to_an_account_without_available_resources_is_ignored() {
    let world = world().await;
    world.user("juliet");
    let mut romeo = world.online("romeo/orchard").await;
    romeo.send("<presence to='juliet@localhost'/>").await;
    romeo.send("<presence to='juliet@localhost' type='unavailable'/>").await;
    romeo.settle().await;
    let mut juliet = world.online("juliet/balcony").await;
    juliet.expect_nothing().await;
    romeo.expect_nothing().await;
}
