//! The contact list of the JSON face, with an XMPP client at the other end.

use serde_json::{Value, json};
use waxwing_tests::json::Json;

use crate::world::{self, world};

const ROSTER: &str = "jabber:iq:roster";

/// The next event of a contact with this address.
async fn contact(client: &mut Json, address: &str) -> Value {
    loop {
        let event = client.event("contact").await;
        if event["contact"]["address"] == address {
            return event["contact"].clone();
        }
    }
}

async fn contacts(client: &mut Json) -> Value {
    client.ask("contact.list", json!({})).await["contacts"].clone()
}

fn about(address: &str) -> Value {
    json!({ "address": address })
}

#[tokio::test]
async fn a_contact_is_added_and_accepted_between_the_faces() {
    let world = world().await;
    let mut romeo = world::json(&world, "romeo").await;
    let mut juliet = world.online("juliet/balcony").await;
    juliet.clear().await;
    let added = json!({ "address": "juliet@localhost", "name": "Julia", "groups": ["Friends"] });
    let added = romeo.ask("contact.add", added).await["contact"].clone();
    assert_eq!(
        added,
        json!({
            "address": "juliet@localhost", "name": "Julia", "groups": ["Friends"], "subscription": "none", "asking": true,
        })
    );
    juliet.expect("<presence from='romeo@localhost' type='subscribe'/>").await;
    juliet.send("<presence to='romeo@localhost' type='subscribed'/>").await;
    loop {
        if contact(&mut romeo, "juliet@localhost").await["subscription"] == "to" {
            break;
        }
    }
    assert_eq!(romeo.event("presence").await["presence"]["show"], "online");
    // What she asks in turn was granted beforehand.
    juliet.send("<presence to='romeo@localhost' type='subscribe'/>").await;
    loop {
        if contact(&mut romeo, "juliet@localhost").await["subscription"] == "both" {
            break;
        }
    }
    let changed = json!({ "address": "juliet@localhost", "name": null, "groups": ["Verona"] });
    let changed = romeo.ask("contact.change", changed).await["contact"].clone();
    assert_eq!((&changed["name"], &changed["groups"]), (&Value::Null, &json!(["Verona"])));
    juliet.clear().await;
    romeo.ask("contact.remove", about("juliet@localhost")).await;
    assert_eq!(romeo.event("contact_removed").await["address"], "juliet@localhost");
    assert_eq!(contacts(&mut romeo).await, json!([]));
    let told = juliet.drain().await;
    assert!(told.iter().any(|stanza| stanza.attr("type") == Some("unsubscribed")), "{told:?}");
}

#[tokio::test]
async fn a_request_is_seen_on_all_devices_and_answered_on_one() {
    let world = world().await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = world::json(&world, "romeo").await;
    let mut phone = world::json_on(&world, "romeo", "phone").await;
    juliet.send("<presence to='romeo@localhost' type='subscribe'/>").await;
    for client in [&mut romeo, &mut phone] {
        let asked = contact(client, "juliet@localhost").await;
        assert_eq!((&asked["requested"], &asked["subscription"]), (&json!(true), &json!("none")));
        assert_eq!(contacts(client).await[0]["requested"], true);
    }
    romeo.ask("contact.refuse", about("juliet@localhost")).await;
    for client in [&mut romeo, &mut phone] {
        assert_eq!(client.event("contact_removed").await["address"], "juliet@localhost");
        assert_eq!(contacts(client).await, json!([]));
    }
    juliet.send("<presence to='romeo@localhost' type='subscribe'/>").await;
    contact(&mut romeo, "juliet@localhost").await;
    juliet.settle().await;
    juliet.clear().await;
    romeo.ask("contact.accept", about("juliet@localhost")).await;
    // He lets her see him, and asks to see her.
    let told = juliet.drain().await;
    let is = |kind: &str| told.iter().any(|stanza| stanza.attr("type") == Some(kind));
    assert!(is("subscribed") && is("subscribe"), "{told:?}");
    let asked = contacts(&mut romeo).await[0].clone();
    assert_eq!(
        (&asked["subscription"], &asked["asking"], &asked["requested"]),
        (&json!("from"), &json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn whom_one_blocks_finds_nobody_there() {
    let world = world().await;
    let mut romeo = world::json(&world, "romeo").await;
    let mut phone = world::json_on(&world, "romeo", "phone").await;
    let mut tybalt = world.online("tybalt/street").await;
    let blocked = romeo.ask("contact.block", about("tybalt@localhost")).await;
    assert_eq!(blocked["blocked"], json!(["tybalt@localhost"]));
    assert_eq!(phone.event("blocked").await["addresses"], json!(["tybalt@localhost"]));
    tybalt.clear().await;
    tybalt.send("<presence to='romeo@localhost' type='subscribe'/>").await;
    tybalt.settle().await;
    assert_eq!(contacts(&mut romeo).await, json!([]), "what he asks does not arrive");
    assert_eq!(romeo.ask("contact.unblock", about("tybalt@localhost")).await["blocked"], json!([]));
    assert_eq!(phone.event("blocked").await["addresses"], json!([]));
    tybalt.send("<presence to='romeo@localhost' type='subscribe'/>").await;
    assert_eq!(contact(&mut romeo, "tybalt@localhost").await["requested"], true);
}

#[tokio::test]
async fn what_is_no_contact_is_refused_by_its_field() {
    let world = world().await;
    world.user("juliet");
    let mut romeo = world::json(&world, "romeo").await;
    let cases = [
        ("contact.add", about("romeo@localhost"), "not_allowed", "address"),
        ("contact.add", about("nobody@localhost"), "not_found", "address"),
        ("contact.add", about("general@rooms.localhost"), "not_allowed", "address"),
        ("contact.add", about("@"), "invalid_params", "address"),
        ("contact.add", about("juliet@localhost/balcony"), "invalid_params", "address"),
        ("contact.add", json!({ "address": "juliet@localhost", "name": "a\u{1}" }), "invalid_params", "name"),
        ("contact.change", about("juliet@localhost"), "not_found", "address"),
        ("contact.remove", about("juliet@localhost"), "not_found", "address"),
        ("contact.accept", about("juliet@localhost"), "not_found", "address"),
        ("contact.refuse", about("juliet@localhost"), "not_found", "address"),
        ("contact.block", about("romeo@localhost"), "not_allowed", "address"),
    ];
    for (method, params, condition, field) in cases {
        let refused = romeo.refused(method, params.clone()).await;
        assert_eq!(refused["data"], json!({ "condition": condition, "field": field }), "{method} {params}");
    }
    assert_eq!(contacts(&mut romeo).await, json!([]));
}

/// Nobody sees or changes what is another's.
#[tokio::test]
async fn everybody_has_his_own_list() {
    let world = world().await;
    let mut juliet = world::json(&world, "juliet").await;
    let mut romeo = world::json(&world, "romeo").await;
    let mut nurse = world.online("nurse/hall").await;
    juliet.ask("contact.add", about("nurse@localhost")).await;
    assert_eq!(contacts(&mut romeo).await, json!([]));
    romeo.refused("contact.change", json!({ "address": "nurse@localhost", "name": "Mine" })).await;
    let answer = nurse.ask("get", None, &format!("<query xmlns='{ROSTER}'/>")).await;
    assert_eq!(answer.child(ROSTER, "query").map(|query| query.children().count()), Some(0));
    assert_eq!(contacts(&mut juliet).await[0]["address"], "nurse@localhost");
}
