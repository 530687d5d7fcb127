//! Push notifications for XMPP clients (XEP-0357): a service is told when nobody looks.

use serde_json::{Value, json};
use waxwing_tests::{Client, World};

use crate::world::{self, world};

/// The push service: a client that answers in its place.
async fn service(world: &World) -> Client {
    world.online("pusher/service").await
}

const ENABLE: &str = "<enable xmlns='urn:xmpp:push:0' jid='pusher@localhost/service' node='yxs32uqsflafdk3iuqo'>\
    <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#publish-options</value></field>\
    <field var='secret'><value>eruio234vzxc2kla-91</value></field></x></enable>";

async fn say(from: &mut Client, body: &str) {
    from.send(&format!("<message to='romeo@localhost' type='chat'><body>{body}</body></message>")).await;
    from.settle().await;
}

/// covers: XEP-0357 discovery; XEP-0357 example enable; XEP-0357 example enable with options; XEP-0357 example publish with options; XEP-0357 example disable node; XEP-0357 no publishing when disabled
#[tokio::test]
async fn a_service_is_told_when_nobody_looks() {
    let world = world().await;
    let mut service = service(&world).await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = world.online("romeo/orchard").await;
    let info = romeo
        .ask("get", Some("romeo@localhost"), "<query xmlns='http://jabber.org/protocol/disco#info'/>")
        .await;
    assert!(info.to_string().contains("urn:xmpp:push:0"), "{info}");
    let enabled = romeo.ask("set", None, ENABLE).await;
    assert_eq!(enabled.attr("type"), Some("result"), "{enabled}");
    say(&mut juliet, "he is there").await;
    romeo.close().await;
    say(&mut juliet, "Wherefore art thou?").await;
    let told = service.next().await.expect("a notification");
    let text = told.to_string();
    assert_eq!((told.attr("from"), told.attr("type")), (Some("localhost"), Some("set")), "{text}");
    for part in [
        "yxs32uqsflafdk3iuqo",
        "eruio234vzxc2kla-91",
        "urn:xmpp:push:summary",
        "Wherefore art thou?",
        "juliet@localhost",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("he is there"), "{text}");
    let id = told.attr("id").expect("an id").to_owned();
    service.send(&format!("<iq to='localhost' type='result' id='{id}'/>")).await;
    let mut romeo = world.online("romeo/orchard").await;
    let disable =
        "<disable xmlns='urn:xmpp:push:0' jid='pusher@localhost/service' node='yxs32uqsflafdk3iuqo'/>";
    assert_eq!(romeo.ask("set", None, disable).await.attr("type"), Some("result"));
    romeo.close().await;
    say(&mut juliet, "nobody hears").await;
    service.settle().await;
    service.expect_nothing().await;
}

/// covers: XEP-0357 publish errors; XEP-0357 example disable all
#[tokio::test]
async fn a_service_that_refuses_is_not_told_again() {
    let world = world().await;
    let mut service = service(&world).await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = world.connected("romeo/orchard").await;
    assert_eq!(romeo.ask("set", None, ENABLE).await.attr("type"), Some("result"));
    say(&mut juliet, "one").await;
    let id = service.next().await.expect("a notification").attr("id").expect("an id").to_owned();
    let passing =
        "<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    service.send(&format!("<iq to='localhost' type='error' id='{id}'>{passing}</iq>")).await;
    service.round_trip().await;
    say(&mut juliet, "two").await;
    assert!(service.next().await.expect("a notification").to_string().contains("two"));
    // Somebody else cannot end it.
    let gone = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    juliet.send(&format!("<iq to='localhost' type='error' id='{id}'>{gone}</iq>")).await;
    juliet.round_trip().await;
    say(&mut juliet, "three").await;
    assert!(service.next().await.expect("a notification").to_string().contains("three"));
    service.send(&format!("<iq to='localhost' type='error' id='{id}'>{gone}</iq>")).await;
    service.round_trip().await;
    say(&mut juliet, "four").await;
    service.settle().await;
    service.expect_nothing().await;
    assert_eq!(romeo.ask("set", None, ENABLE).await.attr("type"), Some("result"));
    let all = "<disable xmlns='urn:xmpp:push:0' jid='pusher@localhost/service'/>";
    assert_eq!(romeo.ask("set", None, all).await.attr("type"), Some("result"));
    let other = romeo.ask("set", Some("juliet@localhost"), ENABLE).await;
    assert!(other.to_string().contains("not-allowed"), "{other}");
}

/// Client state and what was read elsewhere count (XEP-0352, XEP-0490).
#[tokio::test]
async fn who_looks_is_not_called() {
    let world = world().await;
    let mut service = service(&world).await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut phone = world.connected("romeo/phone").await;
    assert_eq!(phone.ask("set", None, ENABLE).await.attr("type"), Some("result"));
    let mut desk = world.online("romeo/desk").await;
    say(&mut juliet, "at his desk").await;
    service.settle().await;
    service.expect_nothing().await;
    desk.send("<inactive xmlns='urn:xmpp:csi:0'/>").await;
    desk.round_trip().await;
    say(&mut juliet, "left his desk").await;
    assert!(service.next().await.expect("a notification").to_string().contains("left his desk"));
}

/// Tells of the next notification: from whom or where, and what, if that is shown.
async fn told(service: &mut Client) -> String {
    service.next().await.expect("a notification").to_string()
}

/// What somebody has said by the other face decides about his pushes.
#[tokio::test]
async fn what_somebody_prefers_decides() {
    let world = world().await;
    let mut service = service(&world).await;
    let mut phone = world.connected("romeo/phone").await;
    assert_eq!(phone.ask("set", None, ENABLE).await.attr("type"), Some("result"));
    let mut romeo = world::json(&world, "romeo").await;
    romeo.ask("session.active", json!({ "active": false })).await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut nurse = world.online("nurse/hall").await;

    romeo.ask("preferences.change", json!({ "previews_in_push": false })).await;
    say(&mut juliet, "It is the east").await;
    let told_of = told(&mut service).await;
    assert!(told_of.contains("juliet@localhost") && !told_of.contains("the east"), "{told_of}");
    romeo.ask("preferences.change", json!({ "previews_in_push": null })).await;

    // Messages are decided about in their order: what the nurse says shows what became of what was said before.
    let silent = json!({ "conversation": "juliet@localhost", "settings": { "muted_until_ms": 0 } });
    romeo.ask("conversation.configure", silent).await;
    say(&mut juliet, "not now").await;
    say(&mut nurse, "from the nurse").await;
    assert!(told(&mut service).await.contains("from the nurse"));
    let loud = json!({ "conversation": "juliet@localhost", "settings": { "muted_until_ms": null } });
    romeo.ask("conversation.configure", loud).await;
    say(&mut juliet, "now").await;
    assert!(told(&mut service).await.contains("now"));

    let always =
        json!({ "days": [0, 1, 2, 3, 4, 5, 6], "from": "00:00", "to": "00:00", "zone": "Asia/Shanghai" });
    let mut nowhere = always.clone();
    nowhere["zone"] = "Nowhere/Land".into();
    let refused = romeo.refused("preferences.change", json!({ "quiet_hours": nowhere })).await;
    assert_eq!(refused["data"]["field"], "quiet_hours.zone");
    romeo.ask("preferences.change", json!({ "quiet_hours": always })).await;
    say(&mut juliet, "in the night").await;
    service.settle().await;
    service.expect_nothing().await;
    romeo.ask("preferences.change", json!({ "quiet_hours": null, "notify": "nothing" })).await;
    say(&mut juliet, "for nobody").await;
    service.settle().await;
    service.expect_nothing().await;
    romeo.ask("preferences.change", json!({ "notify": "mentions" })).await;
    say(&mut juliet, "in the morning").await;
    assert!(told(&mut service).await.contains("in the morning"));
}

/// Where many speak: what names somebody, words that he waits for, or everything, as he has it.
#[tokio::test]
async fn in_rooms_only_what_somebody_waits_for_wakes_him() {
    let world = world().await;
    let mut service = service(&world).await;
    let mut phone = world.connected("romeo/phone").await;
    assert_eq!(phone.ask("set", None, ENABLE).await.attr("type"), Some("result"));
    let mut romeo = world::json(&world, "romeo").await;
    romeo.ask("session.active", json!({ "active": false })).await;
    let mut juliet = world::json(&world, "juliet").await;
    let room =
        json!({ "name": "Verona", "public": false, "members_only": true, "members": ["romeo@localhost"] });
    let room = juliet.ask("room.create", room).await["room"]["address"].as_str().expect("a room").to_owned();
    let mut count = 0;
    let mut speak = async |text: &str| {
        count += 1;
        let said = json!({ "conversation": room, "client_id": format!("c{count}"), "text": text });
        juliet.ask("message.send", said).await;
    };
    speak("to all of you").await;
    speak("romeo, come").await;
    assert!(told(&mut service).await.contains("romeo, come"), "what names him, and not what came before");
    romeo.ask("preferences.change", json!({ "keywords": ["ladder"] })).await;
    speak("the cords").await;
    speak("bring the Ladder").await;
    assert!(told(&mut service).await.contains("bring the Ladder"));
    let all = json!({ "conversation": room, "settings": { "notify": "all" } });
    romeo.ask("conversation.configure", all).await;
    speak("anything").await;
    assert!(told(&mut service).await.contains("anything"));
    let none = json!({ "conversation": room, "settings": { "notify": "nothing" } });
    romeo.ask("conversation.configure", none).await;
    speak("romeo, bring the ladder").await;
    service.settle().await;
    service.expect_nothing().await;
}

/// In a room an answer wakes whoever follows its thread, though it names nobody, until he follows it no longer.
#[tokio::test]
async fn an_answer_wakes_whoever_follows_its_thread() {
    let world = world().await;
    let mut service = service(&world).await;
    let mut phone = world.connected("romeo/phone").await;
    assert_eq!(phone.ask("set", None, ENABLE).await.attr("type"), Some("result"));
    let mut romeo = world::json(&world, "romeo").await;
    let mut juliet = world::json(&world, "juliet").await;
    let room =
        json!({ "name": "Verona", "public": false, "members_only": true, "members": ["romeo@localhost"] });
    let room = juliet.ask("room.create", room).await["room"]["address"].as_str().expect("a room").to_owned();
    let asked = json!({ "conversation": room, "client_id": "q", "text": "What light?" });
    let root = romeo.ask("message.send", asked).await["message"]["id"].clone();
    romeo.ask("session.active", json!({ "active": false })).await;
    let said = |id: &str, text: &str, thread: Option<&Value>| {
        let mut said = json!({ "conversation": room, "client_id": id, "text": text });
        if let Some(root) = thread {
            said["thread"] = root.clone();
        }
        said
    };
    juliet.ask("message.send", said("c1", "to all of you", None)).await;
    juliet.ask("message.send", said("c2", "the east", Some(&root))).await;
    assert!(told(&mut service).await.contains("the east"), "the answer, and not what came before");
    romeo.ask("thread.follow", json!({ "conversation": room, "root": root, "following": false })).await;
    juliet.ask("message.send", said("c3", "the sun", Some(&root))).await;
    service.settle().await;
    service.expect_nothing().await;
}
