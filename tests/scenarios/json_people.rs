//! People and profiles of the JSON face, and what XMPP clients see of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use waxwing_tests::json::{Json, by_password, by_token};
use waxwing_tests::web::{get, request};
use waxwing_tests::world::password;
use waxwing_tests::{Client, Setup};

use crate::world::{self, world, world_with};

const VCARD: &str = "vcard-temp";
const VCARD4: &str = "urn:ietf:params:xml:ns:vcard-4.0";
const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const AVATAR: &str = "urn:xmpp:avatar:metadata";
const UPDATE: &str = "vcard-temp:x:update";

/// A PNG of one pixel.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The card of somebody as an XMPP client reads it.
async fn card(client: &mut Client, of: &str) -> waxwing_tests::xml::Element {
    let answer = client.ask("get", Some(of), &format!("<vCard xmlns='{VCARD}'/>")).await;
    answer.child(VCARD, "vCard").unwrap_or_else(|| panic!("no card: {answer}")).clone()
}

async fn found(client: &mut Json, text: &str) -> Vec<String> {
    let answer = client.ask("people.search", json!({ "text": text })).await;
    let people = answer["people"].as_array().expect("people").iter();
    people.map(|person| person["address"].as_str().expect("an address").to_owned()).collect()
}

#[tokio::test]
async fn what_one_says_of_oneself_is_seen_by_everybody() {
    let world = world().await;
    let (mut romeo, mut juliet) = (world::json(&world, "romeo").await, world::json(&world, "juliet").await);
    let mut nurse = world.online("nurse/hall").await;
    let account = romeo.ask("profile.get", json!({})).await["account"].clone();
    assert_eq!(account, json!({ "address": "romeo@localhost", "name": "romeo", "role": "user" }));
    let change = json!({
        "name": "Romeo Montague", "title": "Heir", "department": "Montague", "phone": "+39 045 1",
        "mail": "romeo@montague.example",
    });
    let account = romeo.ask("profile.change", change.clone()).await["account"].clone();
    for (field, value) in change.as_object().expect("fields") {
        assert_eq!(account[field], *value, "{field}");
    }
    let seen = juliet.ask("people.get", json!({ "addresses": ["romeo@localhost"] })).await;
    for (field, value) in change.as_object().expect("fields") {
        assert_eq!(seen["people"][0][field], *value, "{field}");
    }
    assert_eq!(
        seen["presences"],
        json!([{ "address": "romeo@localhost", "show": "online" }]),
        "they are colleagues"
    );
    let shown = card(&mut nurse, "romeo@localhost").await;
    let said = |name: &str| shown.child(VCARD, name).expect(name).text();
    assert_eq!((said("FN"), said("TITLE")), ("Romeo Montague".to_owned(), "Heir".to_owned()));
    assert_eq!(shown.find(VCARD, "ORGUNIT").expect("a unit").text(), "Montague");
    assert_eq!(shown.find(VCARD, "NUMBER").expect("a number").text(), "+39 045 1");
    // The card in the format of vCard4 says the same.
    let request = format!("<pubsub xmlns='{PUBSUB}'><items node='urn:xmpp:vcard4'/></pubsub>");
    let answer = nurse.ask("get", Some("romeo@localhost"), &request).await;
    assert_eq!(answer.find(VCARD4, "text").expect("a name").text(), "Romeo Montague");
    // What is left out stays, and what is null goes.
    let account =
        romeo.ask("profile.change", json!({ "title": null, "phone": "2" })).await["account"].clone();
    assert_eq!((&account["title"], &account["phone"]), (&Value::Null, &json!("2")));
    assert_eq!(account["department"], "Montague");
}

#[tokio::test]
async fn an_xmpp_clients_card_is_what_the_other_face_shows() {
    let world = world().await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = world::json(&world, "romeo").await;
    let content = "<FN>Juliet Capulet</FN><NICKNAME>jule</NICKNAME><TEL><HOME/><NUMBER>1</NUMBER></TEL>\
        <ORG><ORGNAME>Capulet</ORGNAME></ORG><NOTE>mine</NOTE>";
    juliet.ask("set", None, &format!("<vCard xmlns='{VCARD}'>{content}</vCard>")).await;
    let seen = romeo.ask("people.get", json!({ "addresses": ["juliet@localhost"] })).await;
    assert_eq!(
        seen["people"],
        json!([{ "address": "juliet@localhost", "name": "Juliet Capulet", "phone": "1" }])
    );
    // A change by the other face leaves alone what it does not know.
    let mut web = world::json(&world, "juliet").await;
    web.ask("profile.change", json!({ "department": "House", "phone": "3" })).await;
    let shown = card(&mut juliet, "juliet@localhost").await;
    assert_eq!(shown.child(VCARD, "NOTE").expect("a note").text(), "mine");
    assert_eq!(shown.find(VCARD, "ORGNAME").expect("a name").text(), "Capulet");
    assert_eq!(shown.find(VCARD, "ORGUNIT").expect("a unit").text(), "House");
    assert!(shown.find(VCARD, "HOME").is_some() && shown.find(VCARD, "NUMBER").expect("one").text() == "3");
}

#[tokio::test]
async fn a_profile_that_makes_no_sense_is_refused_by_its_field() {
    let world = world().await;
    let mut romeo = world::json(&world, "romeo").await;
    for (params, field) in [
        (json!({ "title": "x".repeat(256) }), "title"),
        (json!({ "phone": "1\u{1}" }), "phone"),
        (json!({ "name": "x".repeat(2000) }), "name"),
        (json!({ "shoe_size": "44" }), "shoe_size"),
        (json!({ "mail": 7 }), "mail"),
    ] {
        let refused = romeo.refused("profile.change", params.clone()).await;
        assert_eq!(refused["data"]["field"], field, "{params}: {refused}");
    }
    assert_eq!(romeo.ask("profile.get", json!({})).await["account"]["name"], "romeo");
}

#[tokio::test]
async fn people_are_found_by_their_names() {
    let world = world().await;
    for name in ["romeo", "juliet", "tybalt"] {
        world.user(name);
    }
    let mut juliet = world::json(&world, "juliet").await;
    juliet.ask("profile.change", json!({ "name": "Júlia Capulet" })).await;
    let mut romeo = world::json(&world, "romeo").await;
    assert_eq!(found(&mut romeo, "JÚLIA").await, ["juliet@localhost"]);
    assert_eq!(found(&mut romeo, "tyb").await, ["tybalt@localhost"]);
    assert_eq!(found(&mut romeo, "nobody").await, [""; 0]);
    let everybody = romeo.ask("people.search", json!({ "text": "", "limit": 2 })).await;
    assert_eq!((everybody["people"].as_array().map(Vec::len), &everybody["more"]), (Some(2), &json!(true)));
    let refused = romeo.refused("people.search", json!({ "text": "x".repeat(300) })).await;
    assert_eq!(refused["data"]["field"], "text");
    // Whoever blocks somebody is not there for him.
    juliet.ask("contact.block", json!({ "address": "romeo@localhost" })).await;
    assert_eq!(found(&mut romeo, "júlia").await, [""; 0]);
    let seen =
        romeo.ask("people.get", json!({ "addresses": ["juliet@localhost", "tybalt@localhost"] })).await;
    assert_eq!(seen["people"].as_array().map(Vec::len), Some(1), "{seen}");
    let refused = romeo.refused("people.get", json!({ "addresses": ["@"] })).await;
    assert_eq!(refused["data"]["field"], "addresses");
    let many: Vec<String> = (0..101).map(|n| format!("n{n}@localhost")).collect();
    let refused = romeo.refused("people.get", json!({ "addresses": many })).await;
    assert_eq!(refused["data"]["condition"], "limit_exceeded");
}

#[tokio::test]
async fn where_nobody_may_look_nobody_is_found() {
    let section = "[xmpp.people]\nsearch = \"off\"\ncards_for = \"contacts\"";
    let world = world_with(Setup::default().section(section)).await;
    world.user("juliet");
    let mut romeo = world::json(&world, "romeo").await;
    let refused = romeo.refused("people.search", json!({ "text": "juliet" })).await;
    assert_eq!(refused["data"]["condition"], "not_found", "{refused}");
    let seen = romeo.ask("people.get", json!({ "addresses": ["juliet@localhost", "romeo@localhost"] })).await;
    assert_eq!(seen["people"].as_array().map(Vec::len), Some(1), "himself alone: {seen}");
}

#[tokio::test]
async fn a_picture_is_made_small_and_seen_by_everybody() {
    let world = world().await;
    let mut romeo = world::json(&world, "romeo").await;
    let [mut nurse] = world.all_online(["nurse/hall"]).await;
    let account =
        romeo.ask("profile.set_avatar", json!({ "data": PIXEL, "type": "image/png" })).await["account"]
            .clone();
    let hash = account["avatar"].as_str().expect("a picture").to_owned();
    let picture = get(&world, &format!("/api/avatar/romeo@localhost/{hash}"), &[]).await;
    assert_eq!(picture.status, 200, "{}", picture.head);
    assert_eq!(picture.header("content-type"), Some("image/png"));
    assert_eq!(picture.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(picture.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        picture.header("content-security-policy").map(|policy| policy.contains("default-src 'none'")),
        Some(true)
    );
    let photo = card(&mut nurse, "romeo@localhost").await;
    let photo = photo.find(VCARD, "BINVAL").expect("a picture").text();
    assert_eq!(STANDARD.decode(photo.replace(['\n', ' '], "")).expect("base 64"), picture.body);
    let asked = format!("<pubsub xmlns='{PUBSUB}'><items node='{AVATAR}'/></pubsub>");
    let published = nurse.ask("get", Some("romeo@localhost"), &asked).await;
    assert_eq!(published.find(AVATAR, "info").and_then(|info| info.attr("id")), Some(&*hash));
    // Another picture has another address, and the one before is gone from its own.
    for path in [
        format!("/api/avatar/romeo@localhost/{}", "0".repeat(40)),
        format!("/api/avatar/nurse@localhost/{hash}"),
        format!("/api/avatar/nobody@localhost/{hash}"),
        format!("/api/avatar/room@rooms.localhost/{hash}"),
        format!("/api/avatar/@@/{hash}"),
        format!("/api/avatar/romeo@elsewhere.example/{hash}"),
    ] {
        assert_eq!(get(&world, &path, &[]).await.status, 404, "{path}");
    }
    let posted =
        request(&world, &format!("POST /api/avatar/romeo@localhost/{hash}"), &["Content-Length: 0"], b"")
            .await;
    assert_eq!(posted.unwrap().status, 405);
    let account = romeo.ask("profile.set_avatar", json!({ "data": null })).await["account"].clone();
    assert_eq!(account["avatar"], Value::Null);
    assert_eq!(get(&world, &format!("/api/avatar/romeo@localhost/{hash}"), &[]).await.status, 404);
    let svg = STANDARD.encode("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>");
    for (params, field) in [
        (json!({ "data": svg }), "data"),
        (json!({ "data": PIXEL, "type": "image/svg+xml" }), "type"),
        (json!({ "data": PIXEL, "type": "text/html" }), "type"),
        (json!({ "data": "!" }), "data"),
        (json!({}), "data"),
    ] {
        let refused = romeo.refused("profile.set_avatar", params.clone()).await;
        assert_eq!(refused["data"]["field"], field, "{refused}");
    }
}

/// A picture that an XMPP client puts on its card has its address, and one that is none has not.
#[tokio::test]
async fn an_xmpp_clients_picture_is_served() {
    let world = world().await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = world::json(&world, "romeo").await;
    let set = |data: &str| {
        format!("<vCard xmlns='{VCARD}'><PHOTO><TYPE>image/png</TYPE><BINVAL>{data}</BINVAL></PHOTO></vCard>")
    };
    juliet.ask("set", None, &set(PIXEL)).await;
    let seen = romeo.ask("people.get", json!({ "addresses": ["juliet@localhost"] })).await;
    let hash = seen["people"][0]["avatar"].as_str().expect("a picture").to_owned();
    let picture = get(&world, &format!("/api/avatar/juliet@localhost/{hash}"), &[]).await;
    assert_eq!((picture.status, STANDARD.encode(&picture.body)), (200, PIXEL.to_owned()));
    juliet.clear().await;
    juliet.ask("set", None, &set(&STANDARD.encode("<svg xmlns='http://www.w3.org/2000/svg'/>"))).await;
    let seen = romeo.ask("people.get", json!({ "addresses": ["juliet@localhost"] })).await;
    let hash = seen["people"][0]["avatar"].as_str().expect("a hash").to_owned();
    assert_eq!(get(&world, &format!("/api/avatar/juliet@localhost/{hash}"), &[]).await.status, 404);
    let told = juliet.drain().await;
    assert!(told.iter().any(|stanza| stanza.find(UPDATE, "photo").is_some()), "{told:?}");
}

#[tokio::test]
async fn whoever_knows_the_password_sets_another() {
    let world = world().await;
    let mut romeo = world::json(&world, "romeo").await;
    let mut other = Json::connect(&world.server).await.unwrap();
    let mut params = by_password("romeo", &password("romeo"), "phone");
    params["remember"] = true.into();
    let token = other.ask("session.sign_in", params).await["token"].as_str().expect("a token").to_owned();
    let set = |old: &str, new: &str| json!({ "old": old, "new": new });
    let refused = romeo.refused("profile.set_password", set("guess", "new-secret")).await;
    assert_eq!(
        (&refused["data"]["condition"], &refused["data"]["field"]),
        (&json!("unauthorized"), &json!("old"))
    );
    let refused = romeo.refused("profile.set_password", set(&password("romeo"), "")).await;
    assert_eq!(refused["data"]["field"], "new");
    romeo.ask("profile.set_password", set(&password("romeo"), "new-secret")).await;
    // What else was signed in is not any more, and this connection goes on.
    assert_eq!(other.event("ended").await["reason"], "revoked");
    romeo.ask("session.ping", json!({})).await;
    let mut again = Json::connect(&world.server).await.unwrap();
    again.refused("session.sign_in", by_token(&token, "phone")).await;
    again.refused("session.sign_in", by_password("romeo", &password("romeo"), "phone")).await;
    again.ask("session.sign_in", by_password("romeo", "new-secret", "phone")).await;
}
