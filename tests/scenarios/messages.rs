//! Delivery of messages and of other stanzas to local users: RFC 6121 section 8.5, row by row.
//!
//! In section 8.5.4's summary, S is "ignored or answered with an error", E an error, O kept for later, D delivered, M
//! delivered to the most available resource or resources, A to all resources that are not negative. Where the RFC leaves
//! a choice this server's is tested: M delivers to all resources whose priority is not negative.

use waxwing_tests::xml::Element;
use waxwing_tests::{Client, World};

use crate::world::world;

const TYPES: [&str; 4] = ["normal", "chat", "groupchat", "headline"];

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Silently ignored, or answered with an error.
    S,
    /// Answered with an error.
    E,
    /// Kept, and delivered to the next resource that becomes available.
    O,
    /// Delivered to the resources at these places.
    To(&'static [usize]),
}
use Fate::{E, O, S, To};

/// Sends one message of each type to an address and compares its fate. `resources` are those of the receiver.
async fn check(world: &World, romeo: &mut Client, resources: &mut [Client], to: &str, fates: [Fate; 4]) {
    let mut wrong = Vec::new();
    for (kind, fate) in TYPES.into_iter().zip(fates) {
        let id = format!("{kind}-to-{}", to.replace(['@', '/'], "-"));
        romeo.send(&format!("<message to='{to}' type='{kind}' id='{id}'><body>{id}</body></message>")).await;
        romeo.settle().await;
        let own = |element: &Element| element.attr("id") == Some(&id);
        let answers: Vec<Element> = romeo.drain().await.into_iter().filter(own).collect();
        let refused = answers.iter().any(|answer| answer.attr("type") == Some("error"));
        let mut reached = Vec::new();
        for (place, resource) in resources.iter_mut().enumerate() {
            let count = resource.drain().await.iter().filter(|element| own(element)).count();
            reached.extend(std::iter::repeat_n(place, count));
        }
        let right = match fate {
            S => reached.is_empty(),
            E => reached.is_empty() && refused,
            O => reached.is_empty() && !refused && kept(world, to, &id).await,
            To(places) => reached == places && !refused,
        };
        if !right {
            wrong
                .push(format!("{kind} to {to}: expected {fate:?}, reached {reached:?}, answers {answers:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether the account's next available resource is given the message.
async fn kept(world: &World, to: &str, id: &str) -> bool {
    let user = to.split('@').next().unwrap_or_default();
    let mut later = world.online(&format!("{user}/later")).await;
    let given = later.drain().await.iter().any(|element| element.attr("id") == Some(id));
    later.close().await;
    given
}

/// covers: RFC 6121 8.5.4 account does not exist, bare; RFC 6121 8.5.4 account does not exist, full
/// covers: RFC 6121 8.5.1 message
#[tokio::test]
async fn messages_to_an_account_that_does_not_exist() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    check(&world, &mut romeo, &mut [], "nobody@localhost", [S, S, E, S]).await;
    check(&world, &mut romeo, &mut [], "nobody@localhost/nowhere", [S, S, S, S]).await;
}

/// covers: RFC 6121 8.5.4 no active resources, bare; RFC 6121 8.5.4 no active resources, full
/// covers: RFC 6121 8.5.2.2.1
#[tokio::test]
async fn messages_to_an_account_without_available_resources() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    world.user("juliet");
    check(&world, &mut romeo, &mut [], "juliet@localhost", [O, O, E, S]).await;
    check(&world, &mut romeo, &mut [], "juliet@localhost/nowhere", [S, O, S, S]).await;
}

async fn with_priority(world: &World, who: &str, priority: i8) -> Client {
    let mut client = world.online(who).await;
    client.send(&format!("<presence><priority>{priority}</priority></presence>")).await;
    client.clear().await;
    client
}

/// covers: RFC 6121 8.5.4 only negative resources, bare; RFC 6121 8.5.4 only negative resources, full match
/// covers: RFC 6121 8.5.4 only negative resources, full no match
#[tokio::test]
async fn messages_when_all_priorities_are_negative() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    // A resource that becomes available later is given what was kept, so the bare address comes last.
    let mut resources = [with_priority(&world, "juliet/balcony", -1).await];
    let full = "juliet@localhost/balcony";
    check(&world, &mut romeo, &mut resources, full, [To(&[0]), To(&[0]), To(&[0]), To(&[0])]).await;
    check(&world, &mut romeo, &mut resources, "juliet@localhost", [O, O, E, S]).await;
    check(&world, &mut romeo, &mut resources, "juliet@localhost/nowhere", [S, O, S, S]).await;
}

/// covers: RFC 6121 8.5.4 one non-negative resource, bare; RFC 6121 8.5.4 one non-negative resource, full match
/// covers: RFC 6121 8.5.4 one non-negative resource, full no match
#[tokio::test]
async fn messages_when_one_resource_is_not_negative() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    let mut resources =
        [with_priority(&world, "juliet/balcony", 0).await, with_priority(&world, "juliet/chamber", -5).await];
    resources[0].clear().await;
    let one = To(&[0]);
    check(&world, &mut romeo, &mut resources, "juliet@localhost", [one, one, E, one]).await;
    check(&world, &mut romeo, &mut resources, "juliet@localhost/balcony", [one; 4]).await;
    check(&world, &mut romeo, &mut resources, "juliet@localhost/nowhere", [S, one, S, S]).await;
}

/// covers: RFC 6121 8.5.4 several non-negative resources, bare
/// covers: RFC 6121 8.5.4 several non-negative resources, full match
/// covers: RFC 6121 8.5.4 several non-negative resources, full no match
/// covers: RFC 6121 8.5.2.1.1; RFC 6121 8.5.3.1 message; RFC 6121 8.5.3.2.1
#[tokio::test]
async fn messages_when_several_resources_are_not_negative() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    let mut resources = [
        with_priority(&world, "juliet/balcony", 7).await,
        with_priority(&world, "juliet/chamber", 0).await,
        with_priority(&world, "juliet/tomb", -5).await,
    ];
    for resource in &mut resources {
        resource.clear().await;
    }
    let all = To(&[0, 1]);
    check(&world, &mut romeo, &mut resources, "juliet@localhost", [all, all, E, all]).await;
    check(&world, &mut romeo, &mut resources, "juliet@localhost/chamber", [To(&[1]); 4]).await;
    check(&world, &mut romeo, &mut resources, "juliet@localhost/nowhere", [S, all, S, S]).await;
}

/// covers: RFC 6121 8.5.2.1.1 error; RFC 6121 8.5.2.2.1 error
#[tokio::test]
async fn a_message_of_type_error_to_a_bare_address_is_ignored() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    world.user("tybalt");
    let error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    romeo.send(&format!("<message to='juliet@localhost' type='error' id='1'>{error}</message>")).await;
    romeo.send(&format!("<message to='tybalt@localhost' type='error' id='2'>{error}</message>")).await;
    juliet.expect_nothing_from(&mut romeo).await;
    romeo.expect_nothing().await;
    let mut tybalt = world.online("tybalt/street").await;
    tybalt.expect_nothing().await;
}

/// covers: RFC 6121 8.5.3.1 message error
#[tokio::test]
async fn a_message_of_type_error_reaches_the_full_address() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    let error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    romeo
        .send(&format!("<message to='juliet@localhost/balcony' type='error' id='1'>{error}</message>"))
        .await;
    juliet
        .expect(&format!("<message from='romeo@localhost/orchard' type='error' id='1'>{error}</message>"))
        .await;
}

/// covers: RFC 6121 8.5.1 iq; RFC 6121 8.5.1 presence
#[tokio::test]
async fn other_stanzas_to_an_account_that_does_not_exist() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    for kind in ["available", "unavailable", "subscribe", "unsubscribe", "subscribed", "unsubscribed"] {
        let kind = if kind == "available" { String::new() } else { format!(" type='{kind}'") };
        romeo.send(&format!("<presence to='nobody@localhost'{kind}/>")).await;
    }
    for to in ["nobody@localhost", "nobody@localhost/nowhere"] {
        let answer = romeo.ask("get", Some(to), "<query xmlns='jabber:iq:version'/>").await;
        assert_eq!(answer.attr("type"), Some("error"), "{answer}");
        let stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";
        assert!(answer.find(stanzas, "service-unavailable").is_some(), "{answer}");
    }
    // Nothing but the roster pushes of romeo's own account, and an answer that denies the subscription.
    let rest = romeo.drain().await;
    let harmless = |e: &Element| {
        e.name == "iq" || matches!(e.attr("type"), Some("unsubscribed" | "error" | "unavailable"))
    };
    assert!(rest.iter().all(harmless), "{rest:?}");
}

/// covers: RFC 6121 8.5.2.1.2; RFC 6121 8.5.3.1 presence; RFC 6121 8.5.3.2.2
#[tokio::test]
async fn presence_to_an_account_reaches_its_available_resources() {
    let world = world().await;
    let [mut romeo, mut balcony, mut chamber] =
        world.all_online(["romeo/orchard", "juliet/balcony", "juliet/chamber"]).await;
    balcony.clear().await;
    for kind in ["", " type='unavailable'"] {
        romeo.send(&format!("<presence to='juliet@localhost'{kind}/>")).await;
        balcony.expect(&format!("<presence from='romeo@localhost/orchard'{kind}/>")).await;
        chamber.expect(&format!("<presence from='romeo@localhost/orchard'{kind}/>")).await;
        romeo.send(&format!("<presence to='juliet@localhost/chamber'{kind}/>")).await;
        chamber.expect(&format!("<presence from='romeo@localhost/orchard'{kind}/>")).await;
        romeo.send(&format!("<presence to='juliet@localhost/nowhere'{kind}/>")).await;
        balcony.expect_nothing_from(&mut romeo).await;
        chamber.expect_nothing().await;
    }
    romeo.expect_nothing().await;
}

/// covers: RFC 6121 8.5.2.1.3; RFC 6121 8.5.2.2.3
#[tokio::test]
async fn the_server_answers_iqs_on_behalf_of_an_account() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    world.user("tybalt");
    for to in ["juliet@localhost", "tybalt@localhost"] {
        let answer = romeo.ask("get", Some(to), "<query xmlns='urn:example:unknown'/>").await;
        assert_eq!((answer.attr("type"), answer.attr("from")), (Some("error"), Some(to)), "{answer}");
        assert!(
            answer.find("urn:ietf:params:xml:ns:xmpp-stanzas", "service-unavailable").is_some(),
            "{answer}"
        );
    }
    juliet.expect_nothing_from(&mut romeo).await;
}

/// covers: RFC 6121 8.5.3.1 iq; RFC 6121 8.5.3.2.3
#[tokio::test]
async fn an_iq_goes_to_the_full_address_or_is_answered() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    romeo
        .send("<iq to='juliet@localhost/balcony' type='get' id='v'><query xmlns='jabber:iq:version'/></iq>")
        .await;
    juliet
        .expect(
            "<iq from='romeo@localhost/orchard' type='get' id='v'><query xmlns='jabber:iq:version'/></iq>",
        )
        .await;
    juliet.send("<iq to='romeo@localhost/orchard' type='result' id='v'/>").await;
    romeo.expect("<iq from='juliet@localhost/balcony' type='result' id='v'/>").await;
    let answer =
        romeo.ask("get", Some("juliet@localhost/nowhere"), "<query xmlns='jabber:iq:version'/>").await;
    assert!(answer.find("urn:ietf:params:xml:ns:xmpp-stanzas", "service-unavailable").is_some(), "{answer}");
    juliet.expect_nothing_from(&mut romeo).await;
}

/// covers: RFC 6121 8.5.3.2.3 result
#[tokio::test]
async fn an_iq_result_or_error_for_nobody_is_ignored() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    world.user("juliet");
    for to in ["juliet@localhost/nowhere", "nobody@localhost", "juliet@localhost"] {
        romeo.send(&format!("<iq to='{to}' type='result' id='1'/>")).await;
        let error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
        romeo.send(&format!("<iq to='{to}' type='error' id='2'>{error}</iq>")).await;
    }
    romeo.expect_nothing().await;
}

/// covers: RFC 6120 8.1.2.1
#[tokio::test]
async fn the_server_stamps_the_sender() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    romeo
        .send(
            "<message from='romeo@localhost/orchard' to='juliet@localhost/balcony'><body>1</body></message>",
        )
        .await;
    juliet.expect("<message from='romeo@localhost/orchard'><body>1</body></message>").await;
    romeo
        .send("<message from='romeo@localhost' to='juliet@localhost/balcony'><body>2</body></message>")
        .await;
    juliet.expect("<message from='romeo@localhost/orchard'><body>2</body></message>").await;
}

/// covers: RFC 6120 10.3.1
#[tokio::test]
async fn a_message_without_to_is_for_ones_own_account() {
    let world = world().await;
    let mut romeo = world.online("romeo/orchard").await;
    romeo.send("<message type='chat' id='1'><body>note</body></message>").await;
    romeo
        .expect("<message from='romeo@localhost/orchard' type='chat' id='1'><body>note</body></message>")
        .await;
}

/// covers: RFC 6121 5.2.3; RFC 6120 8.4; RFC 6120 11.7
#[tokio::test]
async fn what_the_server_does_not_know_is_passed_on() {
    let world = world().await;
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    let message = "<subject>s</subject><body xml:lang='cs'>&lt;&amp;&gt;&quot; 漢字 \u{1F600}</body>\
                   <x xmlns='urn:example:one' a='1' b=\"'\"><y xmlns='urn:example:two'>z<w/></y>&#65;</x>\
                   <thread parent='p'>t</thread>";
    romeo
        .send(&format!(
            "<message to='juliet@localhost/balcony' type='chat' id='1' xml:lang='en'>{message}</message>"
        ))
        .await;
    juliet
        .expect(&format!(
            "<message from='romeo@localhost/orchard' type='chat' id='1' xml:lang='en'>{message}</message>"
        ))
        .await;
}
