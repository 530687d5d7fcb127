//! Presence as it is said by the JSON face, and as XMPP clients see it and say it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use waxwing_tests::json::Json;
use waxwing_tests::world::subscribe;
use waxwing_tests::{Client, Setup, World};

use crate::world::{self, world, world_with};

/// The address of somebody whose presence is told next.
async fn presence(client: &mut Json, of: &str) -> Value {
    loop {
        let event = client.event("presence").await;
        if event["presence"]["address"] == of {
            return event["presence"].clone();
        }
    }
}

/// Both see each other: Romeo by this face, Juliet by the other.
async fn friends(world: &World) -> (Json, Client) {
    let [mut romeo, mut juliet] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    world.befriend(&mut romeo, &mut juliet).await;
    romeo.close().await;
    let json = world::json(world, "romeo").await;
    juliet.settle().await;
    juliet.clear().await;
    (json, juliet)
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis()).expect("a time")
}

/// What an XMPP client is told next of a contact: how he shows himself, and in which words.
async fn told(client: &mut Client) -> (Option<String>, Option<String>) {
    let stanza = client.next().await.unwrap_or_else(|error| panic!("{error:#}"));
    assert_eq!(&*stanza.name, "presence", "{stanza}");
    let text = |name: &str| stanza.child("jabber:client", name).map(|child| child.text());
    (text("show"), text("status"))
}

#[tokio::test]
async fn what_is_said_on_one_device_is_seen_by_all() {
    let world = world().await;
    let (mut romeo, mut juliet) = friends(&world).await;
    let mut phone = world::json_on(&world, "romeo", "phone").await;
    juliet.settle().await;
    juliet.clear().await;
    let said = json!({ "show": "busy", "text": "In a meeting", "emoji": "📅" });
    let set = romeo.ask("presence.set", said).await["presence"].clone();
    assert_eq!(
        set,
        json!({ "address": "romeo@localhost", "show": "busy", "text": "In a meeting", "emoji": "📅" })
    );
    for _ in 0..2 {
        assert_eq!(told(&mut juliet).await, (Some("dnd".to_owned()), Some("📅 In a meeting".to_owned())));
    }
    loop {
        if presence(&mut phone, "romeo@localhost").await == set {
            break;
        }
    }
    // It survives that he leaves, and comes back by another device.
    drop((romeo, phone));
    let mut tablet = world::json_on(&world, "romeo", "tablet").await;
    let seen = tablet.ask("people.get", json!({ "addresses": ["romeo@localhost"] })).await;
    assert_eq!(seen["presences"][0], set);
    let set = tablet.ask("presence.set", json!({ "show": "online" })).await["presence"].clone();
    assert_eq!(set, json!({ "address": "romeo@localhost", "show": "online" }));
}

#[tokio::test]
async fn a_status_survives_a_restart() {
    let mut world = world().await;
    let mut romeo = world::json(&world, "romeo").await;
    romeo.ask("presence.set", json!({ "show": "away", "emoji": "🌴" })).await;
    world.server.terminate().unwrap();
    world.server.launch().unwrap();
    let mut romeo = world::json(&world, "romeo").await;
    let seen = romeo.ask("people.get", json!({ "addresses": ["romeo@localhost"] })).await;
    assert_eq!(seen["presences"][0], json!({ "address": "romeo@localhost", "show": "away", "emoji": "🌴" }));
}

#[tokio::test]
async fn a_status_ends_by_itself() {
    let world = world().await;
    let (mut romeo, mut juliet) = friends(&world).await;
    let until_ms = now_ms() + 1_500;
    let said = json!({ "show": "busy", "text": "Back soon", "until_ms": until_ms });
    let set = romeo.ask("presence.set", said).await["presence"].clone();
    assert_eq!((&set["until_ms"], &set["show"]), (&json!(until_ms), &json!("busy")));
    assert_eq!(told(&mut juliet).await, (Some("dnd".to_owned()), Some("Back soon".to_owned())));
    for show in ["busy", "online"] {
        while presence(&mut romeo, "romeo@localhost").await["show"] != show {}
    }
    assert!(now_ms() >= until_ms, "and not before its time");
    assert_eq!(told(&mut juliet).await, (None, None));
}

#[tokio::test]
async fn whoever_looks_at_no_device_is_away() {
    let world = world().await;
    let (mut romeo, mut juliet) = friends(&world).await;
    romeo.ask("session.active", json!({ "active": false })).await;
    let gone = juliet.next().await.unwrap();
    assert_eq!(gone.child("jabber:client", "show").map(|show| show.text()).as_deref(), Some("away"));
    assert!(gone.child("urn:xmpp:idle:1", "idle").is_some_and(|idle| idle.attr("since").is_some()), "{gone}");
    let seen = romeo.ask("people.get", json!({ "addresses": ["romeo@localhost"] })).await;
    assert!(seen["presences"][0]["idle_since_ms"].as_u64().is_some_and(|since| since <= now_ms()), "{seen}");
    romeo.ask("session.active", json!({ "active": true })).await;
    assert_eq!(told(&mut juliet).await, (None, None));
}

#[tokio::test]
async fn what_an_xmpp_client_says_is_seen() {
    let world = world().await;
    let (mut romeo, mut juliet) = friends(&world).await;
    juliet.send("<presence><show>xa</show><status>asleep</status><idle xmlns='urn:xmpp:idle:1' since='2026-01-02T03:04:05Z'/></presence>").await;
    loop {
        let seen = presence(&mut romeo, "juliet@localhost").await;
        if seen["show"] == "away" {
            assert_eq!(
                (&seen["text"], &seen["idle_since_ms"]),
                (&json!("asleep"), &json!(1_767_323_045_000_u64))
            );
            break;
        }
    }
    juliet.close().await;
    // What is told is how it then is, so that of two changes in a row both may say the newer.
    while presence(&mut romeo, "juliet@localhost").await["show"] != "offline" {}
    let seen = romeo.ask("people.get", json!({ "addresses": ["juliet@localhost"] })).await;
    assert!(seen["presences"][0]["last_seen_ms"].as_u64().is_some_and(|at| at <= now_ms()), "{seen}");
}

/// People of one domain see who of them is there without being contacts, and hear of those whom they have in view.
#[tokio::test]
async fn colleagues_see_one_another() {
    let world = world().await;
    let mut romeo = world::json(&world, "romeo").await;
    let mut tybalt = world::json(&world, "tybalt").await;
    let in_view = json!({ "addresses": ["romeo@localhost", "nobody@localhost", "romeo@elsewhere.example"] });
    let seen = tybalt.ask("presence.watch", in_view).await["presences"].clone();
    assert_eq!((seen.as_array().map(Vec::len), &seen[0]["show"]), (Some(1), &json!("online")), "{seen}");
    romeo.ask("presence.set", json!({ "show": "busy", "text": "Rehearsal" })).await;
    loop {
        let told = presence(&mut tybalt, "romeo@localhost").await;
        if told["show"] == "busy" {
            assert_eq!(told["text"], "Rehearsal");
            break;
        }
    }
    // An XMPP client is shown contacts alone.
    let mut nurse = world.online("nurse/hall").await;
    nurse.clear().await;
    romeo.ask("presence.set", json!({ "show": "away" })).await;
    presence(&mut tybalt, "romeo@localhost").await;
    nurse.expect_nothing().await;
    romeo.ask("session.sign_out", json!({})).await;
    while presence(&mut tybalt, "romeo@localhost").await["show"] != "offline" {}
    // Since when he is away is for contacts.
    let seen = tybalt.ask("people.get", json!({ "addresses": ["romeo@localhost"] })).await;
    assert_eq!(seen["presences"], json!([{ "address": "romeo@localhost", "show": "offline" }]));
    let many = json!({ "addresses": vec!["romeo@localhost"; 201] });
    let refused = tybalt.refused("presence.watch", many).await;
    assert_eq!(refused["data"]["field"], "addresses");
}

/// Presence is for those who may see it, by whatever way they ask, where the administrator leaves it to contacts.
#[tokio::test]
async fn strangers_see_nothing() {
    let world = world_with(Setup::default().section("[xmpp.people]\npresence_for = \"contacts\"")).await;
    let (mut romeo, mut juliet) = friends(&world).await;
    romeo.ask("presence.set", json!({ "show": "busy", "text": "secret" })).await;
    let mut tybalt = world::json(&world, "tybalt").await;
    let seen = tybalt.ask("people.get", json!({ "addresses": ["romeo@localhost"] })).await;
    assert_eq!((seen["people"].as_array().map(Vec::len), &seen["presences"]), (Some(1), &json!([])));
    // Nor a contact who is seen and does not see.
    let mut nurse = world.online("nurse/hall").await;
    subscribe(&mut juliet, &mut nurse).await;
    let mut nurse = world::json(&world, "nurse").await;
    let seen = nurse.ask("people.get", json!({ "addresses": ["juliet@localhost"] })).await;
    assert_eq!(seen["presences"], json!([]));
    let seen = nurse.ask("presence.watch", json!({ "addresses": ["juliet@localhost"] })).await;
    assert_eq!(seen["presences"], json!([]));
}

#[tokio::test]
async fn a_status_that_makes_no_sense_is_refused_by_its_field() {
    let world = world().await;
    let mut romeo = world::json(&world, "romeo").await;
    for (params, field) in [
        (json!({ "show": "offline" }), "show"),
        (json!({ "show": "sleeping" }), "show"),
        (json!({ "show": "online", "text": "x".repeat(600) }), "text"),
        (json!({ "show": "online", "text": "a\nb" }), "text"),
        (json!({ "show": "online", "emoji": "a b" }), "emoji"),
        (json!({ "show": "online", "text": "x", "until_ms": 1 }), "until_ms"),
    ] {
        let refused = romeo.refused("presence.set", params.clone()).await;
        assert_eq!(refused["data"]["field"], field, "{params}: {refused}");
    }
}
