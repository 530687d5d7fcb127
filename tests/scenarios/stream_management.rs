//! Stream management: XEP-0198, example by example.

use waxwing_tests::login::BIND;
use waxwing_tests::{Client, Setup, World};

use crate::world::{world, world_with};

const SM: &str = "urn:xmpp:sm:3";
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// Enables resumption; the id is captured under this name.
async fn enable(client: &mut Client, name: &str) {
    client.send(&format!("<enable xmlns='{SM}' resume='true'/>")).await;
    client.expect(&format!("<enabled xmlns='{SM}' id='{{{name}}}' resume='true' _='...'/>")).await;
}

/// A connected resource whose stream can be resumed.
async fn resumable(world: &World, who: &str, name: &str) -> Client {
    let mut client = world.connected(who).await;
    enable(&mut client, name).await;
    client
}

/// Resumes a stream on a new connection of this user. The server must say that it has handled `handled` stanzas.
async fn resume(world: &World, user: &str, name: &str, h: u32, handled: u32) -> Client {
    let mut client = world.authenticated(user).await;
    client.send(&format!("<resume xmlns='{SM}' h='{h}' previd='{{{name}}}'/>")).await;
    client.expect(&format!("<resumed xmlns='{SM}' previd='{{{name}}}' h='{handled}'/>")).await;
    client.jid = Some(format!("{user}@localhost/orchard"));
    client
}

async fn fails_to_resume(client: &mut Client, previd: &str, h: u32) {
    client.send(&format!("<resume xmlns='{SM}' h='{h}' previd='{previd}'/>")).await;
    client
        .expect(&format!("<failed xmlns='{SM}' _='...'><item-not-found xmlns='{STANZAS}'/>{{...}}</failed>"))
        .await;
}

/// covers: XEP-0198 example 1
#[tokio::test]
async fn the_feature_is_announced_once_it_can_be_used() {
    let world = world().await;
    assert!(world.secured().await.features.child(SM, "sm").is_none());
    let client = world.authenticated("romeo").await;
    assert!(client.features.child(SM, "sm").is_some() && client.features.child(BIND, "bind").is_some());
}

/// covers: XEP-0198 example 2; XEP-0198 example 3; XEP-0198 example 7
/// covers: XEP-0198 example 18; XEP-0198 example 19
#[tokio::test]
async fn a_message_is_acknowledged() {
    let world = world().await;
    world.user("juliet");
    let mut romeo = world.connected("romeo/orchard").await;
    romeo.send(&format!("<enable xmlns='{SM}'/>")).await;
    romeo.send("<message to='juliet@localhost' xml:lang='en'><body>I'll send a friar</body></message>").await;
    let enabled = romeo.expect(&format!("<enabled xmlns='{SM}' _='...'/>")).await;
    assert!(!matches!(enabled.attr("resume"), Some("true" | "1")), "resumption was not asked for: {enabled}");
    romeo.send(&format!("<r xmlns='{SM}'/>")).await;
    romeo.expect(&format!("<a xmlns='{SM}' h='1'/>")).await;
}

/// covers: XEP-0198 4 counts
#[tokio::test]
async fn what_was_sent_before_does_not_count() {
    let world = world().await;
    world.user("juliet");
    let mut romeo = world.connected("romeo/orchard").await;
    for _ in 0..20 {
        romeo.send("<message to='juliet@localhost' type='chat'><body>before</body></message>").await;
    }
    enable(&mut romeo, "id").await;
    romeo.send(&format!("<r xmlns='{SM}'/>")).await;
    romeo.expect(&format!("<a xmlns='{SM}' h='0'/>")).await;
    romeo.send("<message to='juliet@localhost' type='chat'><body>after</body></message>").await;
    romeo.send(&format!("<r xmlns='{SM}'/>")).await;
    romeo.expect(&format!("<a xmlns='{SM}' h='1'/>")).await;
}

/// covers: XEP-0198 example 4; XEP-0198 example 8; XEP-0198 example 9
#[tokio::test]
async fn resumption_is_allowed() {
    let world = world().await;
    let romeo = resumable(&world, "romeo/orchard", "one").await;
    let other = resumable(&world, "romeo/other", "two").await;
    let (one, two) = (romeo.captured("one"), other.captured("two"));
    assert_ne!(one, two);
    // At least 128 bits of randomness do not fit into fewer characters.
    assert!(one.len() >= 20 && one.len() <= 4000, "{one}");
}

/// covers: XEP-0198 example 10
#[tokio::test]
async fn management_without_resumption() {
    let world = world_with(Setup::default().section("[xmpp]\nresume_timeout_ms = 0")).await;
    let mut romeo = world.connected("romeo/orchard").await;
    romeo.send(&format!("<enable xmlns='{SM}' resume='true'/>")).await;
    let enabled = romeo.expect(&format!("<enabled xmlns='{SM}' _='...'/>")).await;
    assert!(!matches!(enabled.attr("resume"), Some("true" | "1")), "{enabled}");
    romeo.send("<message to='romeo@localhost/orchard'><body>x</body></message>").await;
    romeo.send(&format!("<r xmlns='{SM}'/>")).await;
    romeo
        .expect_all(&[
            "<message from='{self}' _='...'><body>x</body>{...}</message>",
            &format!("<a xmlns='{SM}' h='1'/>"),
        ])
        .await;
}

/// No more than so many streams outlive their connections; the rest are managed, and end with theirs.
/// covers: XEP-0198 example 10
#[tokio::test]
async fn so_many_streams_can_be_resumed_and_no_more() {
    let world = world_with(Setup::default().section("[xmpp]\nresumable_streams_limit = 1")).await;
    let mut first = resumable(&world, "romeo/orchard", "first").await;
    let mut second = world.connected("juliet/balcony").await;
    second.send(&format!("<enable xmlns='{SM}' resume='true'/>")).await;
    let enabled = second.expect(&format!("<enabled xmlns='{SM}' _='...'/>")).await;
    assert!(enabled.attr("resume").is_none() && enabled.attr("max").is_none(), "{enabled}");
    first.round_trip().await;
    first.close().await;
    resumable(&world, "juliet/garden", "third").await;
}

/// covers: XEP-0198 example 5; XEP-0198 example 16
#[tokio::test]
async fn enabling_before_binding_fails() {
    let world = world().await;
    let mut client = world.authenticated("romeo").await;
    client.send(&format!("<enable xmlns='{SM}'/>")).await;
    client
        .expect(&format!("<failed xmlns='{SM}'><unexpected-request xmlns='{STANZAS}'/>{{...}}</failed>"))
        .await;
    client.bind("orchard").await.unwrap();
}

/// covers: XEP-0198 example 6
#[tokio::test]
async fn enabling_twice_fails() {
    let world = world().await;
    let mut client = resumable(&world, "romeo/orchard", "id").await;
    client.send(&format!("<enable xmlns='{SM}'/>")).await;
    let answer = client.next().await.unwrap();
    // The text asks for a stream error, the example shows <failed/>.
    let failed = answer.is(SM, "failed") && answer.child(STANZAS, "unexpected-request").is_some();
    assert!(failed || answer.name == "error", "{answer}");
}

/// covers: XEP-0198 example 20; XEP-0198 example 21; XEP-0198 example 22; XEP-0198 example 23
/// covers: XEP-0198 example 24; XEP-0198 example 25
#[tokio::test]
async fn the_basic_scenario() {
    let world = world().await;
    world.user("juliet");
    let mut romeo = world.connected("romeo/orchard").await;
    romeo.send(&format!("<enable xmlns='{SM}'/>")).await;
    romeo.expect(&format!("<enabled xmlns='{SM}' _='...'/>")).await;
    let request = format!("<r xmlns='{SM}'/>");
    romeo.send("<iq id='ls72g593' type='get'><query xmlns='jabber:iq:roster'/></iq>").await;
    romeo.send(&request).await;
    let roster = "<iq id='ls72g593' type='result'><query xmlns='jabber:iq:roster' _='...'>{...}</query></iq>";
    romeo.expect_all(&[roster, &format!("<a xmlns='{SM}' h='1'/>")]).await;
    romeo.send(&format!("<a xmlns='{SM}' h='1'/>")).await;
    romeo.send("<presence/>").await;
    romeo.send(&request).await;
    romeo
        .expect_all(&["<presence from='romeo@localhost/orchard'/>", &format!("<a xmlns='{SM}' h='2'/>")])
        .await;
    romeo.send(&format!("<a xmlns='{SM}' h='2'/>")).await;
    romeo.send("<message to='juliet@localhost'><body>ciao!</body></message>").await;
    romeo.send(&request).await;
    romeo.expect(&format!("<a xmlns='{SM}' h='3'/>")).await;
}

/// covers: XEP-0198 example 26
#[tokio::test]
async fn several_messages_are_acknowledged_together() {
    let world = world().await;
    world.user("juliet");
    let mut romeo = resumable(&world, "romeo/orchard", "id").await;
    for round in 1..=2 {
        for _ in 0..5 {
            romeo.send("<message to='juliet@localhost' type='chat'><body>x</body></message>").await;
        }
        romeo.send(&format!("<r xmlns='{SM}'/>")).await;
        romeo.expect(&format!("<a xmlns='{SM}' h='{}'/>", round * 5)).await;
    }
}

/// covers: XEP-0198 example 12; XEP-0198 example 13
#[tokio::test]
async fn a_stream_is_resumed_with_what_was_not_acknowledged() {
    let world = world().await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = resumable(&world, "romeo/orchard", "id").await;
    romeo.send("<presence/>").await;
    romeo.expect("<presence from='romeo@localhost/orchard'/>").await;
    for body in ["1", "2"] {
        juliet
            .send(&format!("<message to='romeo@localhost/orchard' type='chat'><body>{body}</body></message>"))
            .await;
        romeo
            .expect(&format!(
                "<message from='juliet@localhost/balcony' type='chat'><body>{body}</body></message>"
            ))
            .await;
    }
    romeo.cut();
    juliet.send("<message to='romeo@localhost/orchard' type='chat'><body>3</body></message>").await;
    juliet.settle().await;
    // Romeo has handled his own presence and the first message; the server has handled one presence.
    let mut again = resume(&world, "romeo", "id", 2, 1).await;
    again.expect("<message from='juliet@localhost/balcony' to='romeo@localhost/orchard' type='chat'><body>2</body>{...}</message>").await;
    let third = again.next().await.unwrap();
    assert_eq!(
        third.child("jabber:client", "body").map(waxwing_tests::xml::Element::text).as_deref(),
        Some("3")
    );
    again.expect_nothing().await;
    // The address is the former one, and the session was available all the time.
    again.send("<message to='juliet@localhost/balcony' type='chat'><body>4</body></message>").await;
    let fourth = juliet.next().await.unwrap();
    assert_eq!(fourth.attr("from"), Some("romeo@localhost/orchard"), "{fourth}");
    assert_eq!(fourth.name, "message", "no presence may come between: {fourth}");
}

/// covers: XEP-0198 5
#[tokio::test]
async fn counts_go_on_after_a_resumption() {
    let world = world().await;
    let mut romeo = resumable(&world, "romeo/orchard", "id").await;
    romeo.send("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    romeo.expect("<iq type='result' id='1' _='...'/>").await;
    romeo.cut();
    let mut again = resume(&world, "romeo", "id", 1, 1).await;
    again.send("<iq type='get' id='2'><ping xmlns='urn:xmpp:ping'/></iq>").await;
    again.expect("<iq type='result' id='2' _='...'/>").await;
    again.send(&format!("<r xmlns='{SM}'/>")).await;
    again.expect(&format!("<a xmlns='{SM}' h='2'/>")).await;
    again.cut();
    resume(&world, "romeo", "id", 2, 2).await;
}

/// covers: XEP-0198 example 14
#[tokio::test]
async fn a_stream_that_is_gone_is_not_found() {
    let world = world().await;
    let romeo = resumable(&world, "romeo/orchard", "id").await;
    let id = romeo.captured("id");
    // Closing in order ends the session; nothing is left to resume.
    romeo.close().await;
    let mut client = world.authenticated("romeo").await;
    fails_to_resume(&mut client, &id, 0).await;
    fails_to_resume(&mut client, "never-existed", 0).await;
    // A resource may be bound instead.
    client.bind("orchard").await.unwrap();
}

/// covers: XEP-0198 5 timeout
#[tokio::test]
async fn a_session_that_timed_out_is_not_found_and_its_messages_are_kept() {
    let setup = Setup::default().section("[xmpp]\nresume_timeout_ms = 1000");
    let world = world_with(setup).await;
    let [mut juliet, mut watcher] = world.all_online(["juliet/balcony", "romeo/watcher"]).await;
    watcher.send("<presence><priority>-1</priority></presence>").await;
    watcher.clear().await;
    let mut romeo = resumable(&world, "romeo/orchard", "id").await;
    romeo.send("<presence/>").await;
    romeo.clear().await;
    watcher.clear().await;
    romeo.cut();
    juliet.send("<message to='romeo@localhost' type='chat' id='m'><body>kept</body></message>").await;
    watcher
        .expect("<presence from='romeo@localhost/orchard' type='unavailable' _='...'>{...}</presence>")
        .await;
    let mut client = world.authenticated("romeo").await;
    fails_to_resume(&mut client, "{id}", 0).await;
    client.bind("orchard").await.unwrap();
    client.send("<presence/>").await;
    let given = client.drain().await;
    assert!(given.iter().any(|element| element.attr("id") == Some("m")), "{given:?}");
}

/// covers: XEP-0198 example 15
#[tokio::test]
async fn the_old_connection_is_closed_when_its_stream_is_resumed() {
    let world = world().await;
    let mut old = resumable(&world, "romeo/orchard", "id").await;
    let mut new = resume(&world, "romeo", "id", 0, 0).await;
    old.expect_stream_error("conflict").await;
    new.round_trip().await;
}

/// covers: XEP-0198 example 17; RFC 6120 4.9.3.21
#[tokio::test]
async fn too_high_a_count_ends_the_stream() {
    let world = world().await;
    let mut romeo = resumable(&world, "romeo/orchard", "id").await;
    romeo.send(&format!("<a xmlns='{SM}' h='10'/>")).await;
    let error = romeo.expect_stream_error("undefined-condition").await;
    let high = error.child(SM, "handled-count-too-high").expect("the condition of stream management");
    assert_eq!((high.attr("h"), high.attr("send-count")), (Some("10"), Some("0")), "{high}");
}

/// covers: XEP-0198 6 resumption
#[tokio::test]
async fn too_high_a_count_at_resumption_does_not_resume() {
    let world = world().await;
    let mut romeo = resumable(&world, "romeo/orchard", "id").await;
    romeo.cut();
    let mut client = world.authenticated("romeo").await;
    client.send(&format!("<resume xmlns='{SM}' h='10' previd='{{id}}'/>")).await;
    if let Ok(answer) = client.next().await {
        assert!(!answer.is(SM, "resumed"), "{answer}");
    }
}

/// covers: XEP-0198 5 other account
#[tokio::test]
async fn nobody_resumes_a_strangers_stream() {
    let world = world().await;
    let mut romeo = resumable(&world, "romeo/orchard", "id").await;
    romeo.cut();
    let mut tybalt = world.authenticated("tybalt").await;
    fails_to_resume(&mut tybalt, "{id}", 0).await;
    resume(&world, "romeo", "id", 0, 0).await;
}

/// covers: XEP-0198 9
#[tokio::test]
async fn a_stream_is_resumed_onto_a_restarted_server() {
    let mut world = world().await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = resumable(&world, "romeo/orchard", "id").await;
    romeo.send("<presence/>").await;
    romeo.expect("<presence from='romeo@localhost/orchard'/>").await;
    romeo.send(&format!("<a xmlns='{SM}' h='1'/>")).await;
    romeo.round_trip().await;
    romeo.send(&format!("<a xmlns='{SM}' h='2'/>")).await;
    romeo.cut();
    juliet
        .send("<message to='romeo@localhost/orchard' type='chat' id='m'><body>across</body></message>")
        .await;
    juliet.settle().await;
    drop(juliet);
    assert!(world.server.terminate().unwrap().success());
    world.server.launch().unwrap();
    let mut again = resume(&world, "romeo", "id", 2, 2).await;
    let message = again.next().await.unwrap();
    assert_eq!(message.attr("id"), Some("m"), "{message}");
    // Its presence is announced anew, to itself too: nobody was available on the fresh server.
    again.round_trip().await;
    again.discard(|element| element.is("jabber:client", "presence"));
    again.expect_nothing().await;
}

/// covers: XEP-0198 9 crash
#[tokio::test]
async fn what_was_acknowledged_survives_a_crash_and_is_delivered_once() {
    let mut world = world().await;
    world.user("juliet");
    let mut romeo = resumable(&world, "romeo/orchard", "id").await;
    romeo.send("<message to='juliet@localhost' type='chat' id='m'><body>durable</body></message>").await;
    romeo.send(&format!("<r xmlns='{SM}'/>")).await;
    romeo.expect(&format!("<a xmlns='{SM}' h='1'/>")).await;
    world.server.kill().unwrap();
    world.server.launch().unwrap();
    let mut juliet = world.online("juliet/balcony").await;
    let message = juliet.next().await.unwrap();
    assert_eq!(message.attr("id"), Some("m"), "{message}");
    juliet.expect_nothing().await;
    let mut second = world.online("juliet/chamber").await;
    second.expect_nothing().await;
}

/// A client that only asks, and is told nothing else, is asked what it has got: otherwise reading a long archive would end its
/// stream.
#[tokio::test]
async fn who_only_asks_is_asked_for_acknowledgements_too() {
    let world = world_with(Setup::default().section("[xmpp]\nunacknowledged_limit = 200\n")).await;
    let mut romeo = world.connected("romeo/orchard").await;
    enable(&mut romeo, "asking").await;
    let mut answered = 0;
    for n in 0..1000 {
        romeo.send(&format!("<iq type='get' id='p{n}'><ping xmlns='urn:xmpp:ping'/></iq>")).await;
        while answered <= n {
            let came = romeo.next().await.expect("the stream goes on");
            if came.is(SM, "r") {
                romeo.send(&format!("<a xmlns='{SM}' h='{answered}'/>")).await;
            } else {
                assert_eq!(came.attr("type"), Some("result"), "{came}");
                answered += 1;
            }
        }
    }
}
