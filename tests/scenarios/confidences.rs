//! What somebody may not know, and what was shut out or taken back: in each face, live and afterwards.

use serde_json::{Value, json};
use waxwing_tests::json::Json;
use waxwing_tests::world::password;
use waxwing_tests::{Client, World};

use crate::world::{self, world};

const ROMEO: &str = "romeo@localhost";
const JULIET: &str = "juliet@localhost";
const COVEN: &str = "coven@rooms.localhost";
const MUC: &str = "http://jabber.org/protocol/muc";

/// A room as XMPP clients make them, where moderators alone know who is who, with these members.
async fn coven(world: &World, members: &[&str]) -> Client {
    let mut hecate = world.online("hecate/cavern").await;
    hecate.send(&format!("<presence to='{COVEN}/hecate'><x xmlns='{MUC}'/></presence>")).await;
    let form = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#roomconfig</value></field>\
                <field var='muc#roomconfig_whois'><value>moderators</value></field>\
                <field var='muc#roomconfig_persistentroom'><value>1</value></field></x>";
    let form = format!("<query xmlns='{MUC}#owner'>{form}</query>");
    assert_eq!(hecate.ask("set", Some(COVEN), &form).await.attr("type"), Some("result"));
    for member in members {
        world.user(member);
        let item = format!("<item affiliation='member' jid='{member}@localhost' nick='{member}'/>");
        let list = format!("<query xmlns='{MUC}#admin'>{item}</query>");
        assert_eq!(hecate.ask("set", Some(COVEN), &list).await.attr("type"), Some("result"));
    }
    hecate
}

/// The message that is told next about this id, with all that came before it.
async fn told(client: &mut Json, id: &Value) -> Value {
    loop {
        let event = client.event("message").await;
        if event["message"]["id"] == *id {
            return event;
        }
    }
}

#[tokio::test]
async fn who_is_who_is_told_to_moderators_alone() {
    let world = world().await;
    let _hecate = coven(&world, &["romeo", "juliet", "nurse"]).await;
    let mut romeo = world::json(&world, "romeo").await;
    let mut juliet = world::json(&world, "juliet").await;
    let mut nurse = world::json(&world, "nurse").await;
    for one in [&mut romeo, &mut juliet, &mut nurse] {
        one.ask("sync.open", json!({})).await;
    }
    let said = json!({ "conversation": COVEN, "client_id": "c1", "text": "who am I?" });
    let id = romeo.ask("message.send", said).await["message"]["id"].clone();
    for one in [&mut juliet, &mut nurse] {
        assert!(!told(one, &id).await.to_string().contains(ROMEO));
    }
    // Each in turn does something to what Romeo said, and nobody but him is told his address by it; nor he theirs.
    let named = json!({ "conversation": COVEN, "id": id });
    for (number, emoji) in ["👍", "👎", "🎉", "🍀"].into_iter().enumerate() {
        let mut react = named.clone();
        react["emojis"] = json!([emoji]);
        juliet.ask("message.react", react).await;
        let mut pin = named.clone();
        pin["pinned"] = json!(number % 2 == 0);
        juliet.ask("message.pin", pin).await;
        for (one, own) in [(&mut juliet, JULIET), (&mut nurse, "nurse@localhost"), (&mut romeo, ROMEO)] {
            for _ in 0..2 {
                let told = told(one, &id).await.to_string();
                for other in [ROMEO, JULIET].iter().filter(|other| **other != own) {
                    assert!(!told.contains(other), "{own} is told {told}");
                }
            }
        }
    }
    let answer = json!({ "conversation": COVEN, "client_id": "c2", "text": "a Montague", "thread": id });
    juliet.ask("message.send", answer).await;
    let root = told(&mut nurse, &id).await.to_string();
    let answer = nurse.event("message").await.to_string();
    let page = nurse.ask("conversation.history", json!({ "conversation": COVEN })).await.to_string();
    for told in [root, answer, page] {
        assert!(!told.contains(ROMEO) && !told.contains(JULIET), "{told}");
    }
}

#[tokio::test]
async fn whoever_is_blocked_sees_nobody_there() {
    let world = world().await;
    let [mut one, mut two] = world.all_online(["romeo/orchard", "juliet/balcony"]).await;
    world.befriend(&mut one, &mut two).await;
    one.close().await;
    two.close().await;
    let (mut romeo, mut juliet) = (world::json(&world, "romeo").await, world::json(&world, "juliet").await);
    let opened = romeo.ask("sync.open", json!({})).await;
    assert_eq!(opened["presences"][0]["show"], "online");
    juliet.ask("contact.block", json!({ "address": ROMEO })).await;
    loop {
        let event = romeo.event("presence").await;
        if event["presence"]["address"] == JULIET && event["presence"]["show"] == "offline" {
            break;
        }
    }
    let presences = romeo.ask("sync.open", json!({})).await["presences"].clone();
    assert!(!presences.to_string().contains("online"), "{presences}");
}

#[tokio::test]
async fn a_shut_out_account_says_nothing_any_more() {
    let world = world().await;
    let _hecate = coven(&world, &["romeo", "juliet"]).await;
    let (mut romeo, mut juliet) = (world::json(&world, "romeo").await, world::json(&world, "juliet").await);
    let now = romeo.ask("session.ping", json!({})).await["time_ms"].as_u64().expect("a time");
    for (at, conversation) in [(600, COVEN), (700, JULIET)] {
        let later = json!({ "conversation": conversation, "at_ms": now + at, "text": "still here" });
        romeo.ask("scheduled.create", later).await;
    }
    let later = json!({ "conversation": COVEN, "at_ms": now + 900, "text": "it is quiet" });
    juliet.ask("scheduled.create", later).await;
    world.server.admin(&["user", "disable", ROMEO], "").expect("disabled");
    let told = juliet.event("message").await;
    assert_eq!(told["message"]["text"], "it is quiet", "{told}");
}

#[tokio::test]
async fn another_password_shuts_out_tokens_and_devices() {
    let world = world().await;
    let mut romeo = world::json(&world, "romeo").await;
    let order = json!({ "name": "a bot", "scopes": ["people"] });
    romeo.ask("token.create", order).await;
    assert_eq!(romeo.ask("token.list", json!({})).await["tokens"].as_array().map(Vec::len), Some(1));
    let change = json!({ "old": password("romeo"), "new": "another one, and long" });
    romeo.ask("profile.set_password", change).await;
    assert_eq!(romeo.ask("token.list", json!({})).await["tokens"], json!([]));
}

#[tokio::test]
async fn what_was_corrected_is_taken_back_with_its_corrections() {
    let world = world().await;
    let mut mallory = world.online("nurse/kitchen").await;
    let (mut romeo, mut juliet) = (world::json(&world, "romeo").await, world::json(&world, "juliet").await);
    let room = json!({ "name": "Verona", "public": false, "members_only": true, "members": [JULIET] });
    let room = romeo.ask("room.create", room).await["room"]["address"].as_str().expect("a room").to_owned();
    for conversation in [JULIET, &room] {
        let said = json!({ "conversation": conversation, "client_id": format!("c {conversation}"), "text": "hello" });
        let id = romeo.ask("message.send", said).await["message"]["id"].clone();
        let edit = json!({ "conversation": conversation, "id": id, "text": "the password is 123" });
        romeo.ask("message.edit", edit).await;
        romeo.ask("message.recall", json!({ "conversation": conversation, "id": id })).await;
        let page = juliet
            .ask(
                "conversation.history",
                json!({ "conversation": if conversation == JULIET { ROMEO } else { conversation } }),
            )
            .await;
        let messages = page["messages"].as_array().expect("messages");
        assert_eq!(messages.len(), 1, "{page}");
        assert!(!messages[0]["recalled"].is_null() && !page.to_string().contains("password"), "{page}");
    }
    let mut balcony = world.online("juliet/balcony").await;
    for to in [None, Some(&*room)] {
        balcony.clear().await;
        let to = to.map(|to| format!(" to='{to}'")).unwrap_or_default();
        balcony.send(&format!("<iq type='set' id='mam'{to}><query xmlns='urn:xmpp:mam:2'/></iq>")).await;
        loop {
            let element = balcony.next().await.expect("a page");
            assert!(!element.to_string().contains("password"), "{element}");
            if element.name == "iq" {
                break;
            }
        }
    }
    // What stands in the place of a message nobody else can say.
    mallory
        .send(&format!(
            "<message to='{JULIET}' type='chat'><body>x</body>\
             <retracted xmlns='urn:xmpp:message-retract:1' stamp='2020-01-01T00:00:00Z'/></message>"
        ))
        .await;
    loop {
        let element = balcony.next().await.expect("a message");
        if element.attr("from") == Some("nurse@localhost/kitchen") && element.name == "message" {
            assert!(!element.to_string().contains("retracted"), "{element}");
            break;
        }
    }
}

/// Whoever declines an invitation, to a room that he has nothing to do with, learns nothing of who is there.
#[tokio::test]
async fn declining_tells_nobody_who_is_there() {
    let world = world().await;
    let _hecate = coven(&world, &["romeo"]).await;
    let mut tybalt = world.online("tybalt/street").await;
    let mut answers = Vec::new();
    for who in ["hecate@localhost", "romeo@localhost", "nobody@localhost"] {
        tybalt
            .send(&format!(
                "<message to='{COVEN}' id='d'><x xmlns='{MUC}#user'><decline to='{who}'/></x></message>"
            ))
            .await;
        tybalt.settle().await;
        answers.push(tybalt.drain().await.iter().map(ToString::to_string).collect::<Vec<_>>());
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
}
