//! Messages over the JSON face: between pages, and between a page and a client of XMPP, as they come and from the archive.

use serde_json::{Value, json};
use waxwing_tests::World;
use waxwing_tests::json::Json;

use crate::world::world;

const ROMEO: &str = "romeo@localhost";
const JULIET: &str = "juliet@localhost";

/// A person whose page has come in step.
async fn page(world: &World, user: &str) -> Json {
    world.user(user);
    let (mut client, _) =
        Json::signed_in(&world.server, user, "page").await.unwrap_or_else(|error| panic!("{error:#}"));
    client.ask("sync.open", json!({})).await;
    client
}

async fn send(client: &mut Json, to: &str, client_id: &str, text: &str) -> Value {
    let params = json!({ "conversation": to, "client_id": client_id, "text": text });
    client.ask("message.send", params).await["message"].clone()
}

async fn history(client: &mut Json, conversation: &str) -> Vec<Value> {
    let answer = client.ask("conversation.history", json!({ "conversation": conversation })).await;
    answer["messages"].as_array().expect("messages").clone()
}

/// What was told as an event is what the archive shows.
async fn assert_in_archive(client: &mut Json, conversation: &str, message: &Value) {
    let kept = history(client, conversation).await;
    let same = kept.iter().find(|one| one["id"] == message["id"]);
    assert_eq!(same, Some(message), "{kept:?}");
}

#[tokio::test]
async fn two_pages_talk() {
    let world = world().await;
    let (mut romeo, mut juliet) = (page(&world, "romeo").await, page(&world, "juliet").await);
    let sent = send(&mut romeo, JULIET, "c1", "But soft").await;
    let heard = juliet.event("message").await;
    assert_eq!(heard["message"]["id"], sent["id"]);
    assert_eq!(heard["version"], sent["position"]);
    assert_eq!(heard["message"]["conversation"], ROMEO);
    assert_eq!(heard["message"]["from"]["address"], ROMEO);
    assert_eq!(heard["message"]["text"], "But soft");
    assert_in_archive(&mut juliet, ROMEO, &heard["message"]).await;
    assert_in_archive(&mut romeo, JULIET, &sent).await;
    // The same once more is the same.
    let again = send(&mut romeo, JULIET, "c1", "But soft").await;
    assert_eq!(again["id"], sent["id"]);
    assert_eq!(history(&mut romeo, JULIET).await.len(), 1);
    let listed = juliet.ask("conversation.list", json!({})).await;
    let conversation = &listed["conversations"][0];
    assert_eq!((&conversation["address"], &conversation["unread"]), (&json!(ROMEO), &json!(1)));
    assert_eq!(conversation["last"]["text"], "But soft");
}

/// An edit, a reaction, an answer and a recall are told to both, as the message then is, and stand so in the archive.
#[tokio::test]
async fn what_is_done_to_a_message_is_seen_by_both() {
    let world = world().await;
    let (mut romeo, mut juliet) = (page(&world, "romeo").await, page(&world, "juliet").await);
    let sent = send(&mut romeo, JULIET, "c1", "But sfot").await;
    let id = sent["id"].as_str().expect("an id").to_owned();
    juliet.event("message").await;
    let edited = romeo
        .ask("message.edit", json!({ "conversation": JULIET, "id": id, "text": "But soft" }))
        .await["message"]
        .clone();
    assert_eq!((&edited["text"], &edited["edited"]["count"]), (&json!("But soft"), &json!(1)));
    let told = juliet.event("message").await["message"].clone();
    assert_eq!(
        (&told["id"], &told["text"], &told["position"]),
        (&json!(id), &json!("But soft"), &sent["position"])
    );
    juliet.ask("message.react", json!({ "conversation": ROMEO, "id": id, "emojis": ["❤️", "👍"] })).await;
    let told = romeo.event("message").await["message"].clone();
    assert_eq!(
        told["reactions"],
        json!([{ "emoji": "❤️", "by": [JULIET] }, { "emoji": "👍", "by": [JULIET] }])
    );
    let reacted = juliet
        .ask("message.react", json!({ "conversation": ROMEO, "id": id, "emojis": ["👍"] }))
        .await["message"]
        .clone();
    assert_eq!(reacted["reactions"], json!([{ "emoji": "👍", "by": [JULIET] }]));
    assert_in_archive(&mut juliet, ROMEO, &reacted).await;
    let params = json!({ "conversation": ROMEO, "client_id": "c2", "text": "Ay me", "reply_to": id });
    let answer = juliet.ask("message.send", params).await["message"].clone();
    assert_eq!((&answer["reply_to"]["id"], &answer["reply_to"]["text"]), (&json!(id), &json!("But soft")));
    romeo.event("message").await;
    let told = romeo.event("message").await["message"].clone();
    assert_eq!(told["reply_to"]["text"], "But soft");
    assert_eq!(told["reply_to"]["from"]["address"], ROMEO);
    let versions = juliet.ask("message.versions", json!({ "conversation": ROMEO, "id": id })).await;
    assert_eq!(versions["versions"][0]["text"], "But sfot");
    let error = juliet.refused("message.edit", json!({ "conversation": ROMEO, "id": id, "text": "x" })).await;
    assert_eq!(error["data"]["condition"], "forbidden");
    let recalled =
        romeo.ask("message.recall", json!({ "conversation": JULIET, "id": id })).await["message"].clone();
    assert!(recalled["recalled"]["at_ms"].is_u64() && recalled["text"] == "", "{recalled}");
    assert!(recalled.get("reactions").is_none(), "{recalled}");
    let told = juliet.event("message").await["message"].clone();
    assert_eq!((&told["id"], &told["text"]), (&json!(id), &json!("")));
    assert_in_archive(&mut juliet, ROMEO, &told).await;
}

/// What comes while a page comes in step is told once, whether it waited before or came behind.
#[tokio::test]
async fn nothing_is_told_twice_to_a_page_that_opens() {
    let world = world().await;
    let mut romeo = page(&world, "romeo").await;
    world.user("juliet");
    let reading = async {
        for _ in 0..10 {
            let mut juliet = page(&world, "juliet").await;
            let mut positions = Vec::new();
            for _ in 0..5 {
                positions
                    .push(juliet.event("message").await["message"]["position"].as_u64().expect("a number"));
            }
            assert!(positions.is_sorted_by(|one, next| one < next), "{positions:?}");
        }
    };
    let writing = async {
        for number in 0_u64.. {
            send(&mut romeo, JULIET, &format!("c{number}"), "But soft").await;
        }
    };
    tokio::select! {
        () = reading => {}
        () = writing => unreachable!("there are numbers enough"),
    }
}

/// Each person's client of the other kind is told the same.
#[tokio::test]
async fn a_page_and_an_xmpp_client_talk() {
    let world = world().await;
    let mut romeo = page(&world, "romeo").await;
    let mut juliet = world.online("juliet/balcony").await;
    let sent = send(&mut romeo, JULIET, "c1", "But soft").await;
    let id = sent["id"].as_str().expect("an id");
    juliet
        .expect(&format!(
            "<message from='{{any}}' to='{JULIET}' type='chat' id='c1'><origin-id xmlns='urn:xmpp:sid:0' id='c1'/>\
             <body>But soft</body><markable xmlns='urn:xmpp:chat-markers:0'/>\
             <stanza-id xmlns='urn:xmpp:sid:0' id='{id}' by='{JULIET}'/></message>"
        ))
        .await;
    juliet
        .send(&format!(
            "<message to='{ROMEO}' type='chat' id='x1'><displayed xmlns='urn:xmpp:chat-markers:0' id='c1'/></message>"
        ))
        .await;
    let read = romeo.event("read").await;
    assert_eq!((&read["conversation"], &read["position"]), (&json!(JULIET), &sent["position"]));
    juliet
        .send(&format!(
            "<message to='{ROMEO}' type='chat' id='x2'><body>Ay me</body>\
             <reply xmlns='urn:xmpp:reply:0' id='c1' to='{ROMEO}'/></message>"
        ))
        .await;
    let told = romeo.event("message").await["message"].clone();
    assert_eq!((&told["text"], &told["reply_to"]["id"]), (&json!("Ay me"), &json!(id)));
    assert_in_archive(&mut romeo, JULIET, &told).await;
    for (content, seen) in [
        (
            "<body>Ay me!</body><replace xmlns='urn:xmpp:message-correct:0' id='x2'/>",
            json!({ "text": "Ay me!", "reactions": null, "recalled": false }),
        ),
        (
            "<reactions xmlns='urn:xmpp:reactions:0' id='x2'><reaction>🙁</reaction></reactions>",
            json!({ "text": "Ay me!", "reactions": [{ "emoji": "🙁", "by": [JULIET] }], "recalled": false }),
        ),
        (
            "<retract xmlns='urn:xmpp:message-retract:1' id='x2'/>",
            json!({ "text": "", "reactions": null, "recalled": true }),
        ),
    ] {
        juliet.send(&format!("<message to='{ROMEO}' type='chat'>{content}</message>")).await;
        let now = romeo.event("message").await["message"].clone();
        assert_eq!(now["id"], told["id"], "{content}");
        let recalled = now.get("recalled").is_some();
        let shown = json!({ "text": now["text"], "reactions": now["reactions"], "recalled": recalled });
        assert_eq!(shown, seen, "{content}");
        assert_in_archive(&mut romeo, JULIET, &now).await;
    }
}

#[tokio::test]
async fn a_room_is_one_for_pages_and_xmpp_clients() {
    let world = world().await;
    let (mut romeo, mut juliet) = (page(&world, "romeo").await, page(&world, "juliet").await);
    let mut nurse = world.online("nurse/kitchen").await;
    let params = json!({ "name": "Verona", "public": true, "members_only": false, "members": [JULIET] });
    let room =
        romeo.ask("room.create", params).await["room"]["address"].as_str().expect("an address").to_owned();
    assert_eq!(juliet.event("invitation").await["room"], json!(room));
    nurse
        .send(&format!("<presence to='{room}/nurse'><x xmlns='http://jabber.org/protocol/muc'/></presence>"))
        .await;
    nurse.settle().await;
    nurse.clear().await;
    let sent = send(&mut romeo, &room, "c1", "Hear me, Juliet").await;
    let told = juliet.event("message").await["message"].clone();
    assert_eq!((&told["id"], &told["from"]["address"]), (&sent["id"], &json!(ROMEO)));
    let heard = nurse.next().await.expect("a message");
    assert_eq!(heard.child("jabber:client", "body").map(|b| b.text()).as_deref(), Some("Hear me, Juliet"));
    let id = sent["id"].as_str().expect("an id");
    nurse
        .send(&format!(
            "<message to='{room}' type='groupchat' id='n1'>\
             <reactions xmlns='urn:xmpp:reactions:0' id='{id}'><reaction>👂</reaction></reactions></message>"
        ))
        .await;
    // The sender hears himself, like everybody in the room.
    romeo.event("message").await;
    let told = romeo.event("message").await["message"].clone();
    assert_eq!((&told["id"], &told["reactions"][0]["emoji"]), (&json!(id), &json!("👂")));
    assert_in_archive(&mut romeo, &room, &told).await;
    let params = json!({ "conversation": room, "client_id": "c2", "text": "I hear", "thread": id });
    juliet.ask("message.send", params).await;
    let root = romeo.event("message").await["message"].clone();
    assert_eq!(
        (&root["id"], &root["replies"]["count"], &root["replies"]["people"]),
        (&json!(id), &json!(1), &json!([JULIET]))
    );
    assert_eq!(romeo.event("message").await["message"]["thread"], json!(id));
    juliet.ask("message.pin", json!({ "conversation": room, "id": id, "pinned": true })).await;
    let told = romeo.event("message").await["message"].clone();
    assert_eq!(told["pinned"]["by"], JULIET);
    let pins = romeo.ask("conversation.pins", json!({ "conversation": room })).await;
    assert_eq!(pins["messages"][0]["id"], json!(id));
    let conversation =
        romeo.ask("conversation.get", json!({ "conversation": room })).await["conversation"].clone();
    assert_eq!((&conversation["kind"], &conversation["unread"]), (&json!("room"), &json!(1)));
    let last = &conversation["last"]["position"];
    let read = romeo.ask("conversation.read", json!({ "conversation": room, "position": last })).await;
    assert_eq!(read["conversation"]["unread"], 0);
    let mine =
        romeo.ask("message.readers", json!({ "conversation": room, "id": conversation["last"]["id"] })).await;
    assert_eq!(mine["read"][0]["address"], ROMEO);
}

/// Whoever began a thread and whoever answers follow it, until they say otherwise.
#[tokio::test]
async fn whoever_follows_a_thread_is_concerned_by_it() {
    let world = world().await;
    let (mut romeo, mut juliet) = (page(&world, "romeo").await, page(&world, "juliet").await);
    let root = send(&mut romeo, JULIET, "c1", "But soft").await["id"].clone();
    let params = json!({ "conversation": ROMEO, "client_id": "c2", "text": "Ay me", "thread": root });
    let answer = juliet.ask("message.send", params).await["message"].clone();
    assert_eq!(answer["thread"], root);
    let threads = romeo.ask("thread.list", json!({})).await["threads"].clone();
    assert_eq!(
        (&threads[0]["root"]["id"], &threads[0]["unread"], &threads[0]["following"]),
        (&root, &json!(1), &json!(true))
    );
    let params = json!({ "conversation": JULIET, "root": root, "position": answer["position"] });
    assert_eq!(romeo.ask("thread.read", params).await["thread"]["unread"], 0);
    let got = romeo.ask("thread.get", json!({ "conversation": JULIET, "root": root })).await;
    assert_eq!((&got["messages"][0]["id"], &got["thread"]["last"]), (&answer["id"], &answer["position"]));
    romeo.ask("thread.follow", json!({ "conversation": JULIET, "root": root, "following": false })).await;
    let params = json!({ "conversation": ROMEO, "client_id": "c3", "text": "Once more", "thread": root });
    juliet.ask("message.send", params).await;
    let threads = romeo.ask("thread.list", json!({})).await["threads"].clone();
    assert_eq!(threads, json!([]), "what somebody has decided stays");
}

#[tokio::test]
async fn messages_are_found_where_one_may_read() {
    let world = world().await;
    let (mut romeo, mut juliet) = (page(&world, "romeo").await, page(&world, "juliet").await);
    let mut paris = page(&world, "paris").await;
    let params = json!({ "name": "Secret", "public": false, "members_only": true, "members": [JULIET] });
    let room =
        romeo.ask("room.create", params).await["room"]["address"].as_str().expect("an address").to_owned();
    send(&mut romeo, &room, "c1", "the nightingale sings").await;
    send(&mut romeo, JULIET, "c2", "it was the nightingale").await;
    send(&mut juliet, ROMEO, "c3", "夜莺在歌唱 and not the lark").await;
    let mention = json!({ "kind": "person", "address": JULIET, "begin": 0, "end": 7 });
    let params =
        json!({ "conversation": room, "client_id": "c4", "text": "@juliet, come", "mentions": [mention] });
    romeo.ask("message.send", params).await;
    let texts = |answer: Value| -> Vec<String> {
        let messages = answer["messages"].as_array().expect("messages").clone();
        messages.iter().map(|one| one["text"].as_str().expect("a text").to_owned()).collect()
    };
    let both = ["it was the nightingale", "the nightingale sings"];
    for (text, found) in [
        ("nightingale", &both[..]),
        ("nightingale from:me", &[][..]),
        ("nightingale from:romeo", &both[..]),
        (&*format!("nightingale in:{room}"), &both[1..]),
        ("歌唱", &["夜莺在歌唱 and not the lark"][..]),
        ("is:mention", &["@juliet, come"][..]),
        ("from:juliet", &["夜莺在歌唱 and not the lark"][..]),
        ("from:romeo in:nurse", &[][..]),
        ("nightingale before:2020-01-01", &[][..]),
    ] {
        assert_eq!(texts(juliet.ask("search.messages", json!({ "text": text })).await), found, "{text}");
    }
    assert_eq!(texts(juliet.ask("inbox.mentions", json!({})).await), ["@juliet, come"]);
    // Words that count as her name do so in rooms, wherever mentions are counted or listed.
    juliet.ask("preferences.change", json!({ "keywords": ["Nightingale"] })).await;
    let said = ["@juliet, come", "the nightingale sings"];
    assert_eq!(texts(juliet.ask("inbox.mentions", json!({})).await), said);
    assert_eq!(texts(juliet.ask("search.messages", json!({ "text": "is:mention sings" })).await), said[1..]);
    let listed = juliet.ask("conversation.list", json!({})).await["conversations"].clone();
    let mentions = |address: &str| {
        let listed = listed.as_array().expect("conversations");
        listed.iter().find(|one| one["address"] == address).expect("it is listed")["mentions"].clone()
    };
    assert_eq!((mentions(&room), mentions(ROMEO)), (json!(2), json!(0)));
    assert!(texts(paris.ask("search.messages", json!({ "text": "nightingale" })).await).is_empty());
    let error =
        paris.refused("search.messages", json!({ "text": "nightingale", "conversation": room })).await;
    assert_eq!(error["data"]["condition"], "not_found");
    let id = history(&mut juliet, ROMEO).await[0]["id"].clone();
    juliet.ask("message.save", json!({ "conversation": ROMEO, "id": id, "saved": true })).await;
    assert_eq!(juliet.event("saved").await["id"], id);
    assert_eq!(texts(juliet.ask("inbox.saved", json!({})).await), ["it was the nightingale"]);
}

#[tokio::test]
async fn a_message_is_sent_at_its_time() {
    let world = world().await;
    let (mut romeo, mut juliet) = (page(&world, "romeo").await, page(&world, "juliet").await);
    let now = romeo.ask("session.ping", json!({})).await["time_ms"].as_u64().expect("a time");
    let past = json!({ "conversation": JULIET, "at_ms": now - 1, "text": "too late" });
    assert_eq!(romeo.refused("scheduled.create", past).await["data"]["field"], "at_ms");
    let far = json!({ "conversation": JULIET, "at_ms": now + 3_600_000, "text": "Good morow" });
    let id = romeo.ask("scheduled.create", far).await["scheduled"]["id"].clone();
    assert_eq!(romeo.event("scheduled").await["scheduled"]["text"], "Good morow");
    let params = json!({ "id": id, "text": "Good morrow" });
    romeo.ask("scheduled.change", params).await;
    let listed = romeo.ask("scheduled.list", json!({})).await["scheduled"].clone();
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["text"]), (Some(1), &json!("Good morrow")));
    let params = json!({ "id": id, "at_ms": now + 1_500 });
    romeo.ask("scheduled.change", params).await;
    let told = juliet.event("message").await["message"].clone();
    assert_eq!((&told["text"], &told["from"]["address"]), (&json!("Good morrow"), &json!(ROMEO)));
    assert_eq!(romeo.event("scheduled_removed").await["id"], id);
    assert_eq!(history(&mut romeo, JULIET).await.len(), 1);
}

/// A poll is closed by whoever asked, once, and stays so whatever else is done to the message.
#[tokio::test]
async fn a_closed_poll_takes_no_votes() {
    let world = world().await;
    let (mut romeo, mut juliet) = (page(&world, "romeo").await, page(&world, "juliet").await);
    let poll = json!({ "question": "Whither?", "options": ["Verona", "Mantua"] });
    let asked = json!({ "conversation": JULIET, "client_id": "c1", "poll": poll, "payloads": [{ "type": "urn:example:x", "value": 1 }] });
    let id = romeo.ask("message.send", asked.clone()).await["message"]["id"].clone();
    juliet.event("message").await;
    let vote = |emojis: Value| json!({ "conversation": ROMEO, "id": id, "emojis": emojis });
    juliet.ask("message.react", vote(json!(["1\u{fe0f}\u{20e3}"]))).await;
    romeo.event("message").await;
    let refused = juliet.refused("message.close_poll", json!({ "conversation": ROMEO, "id": id })).await;
    assert_eq!(refused["data"]["condition"], "forbidden", "{refused}");
    let named = json!({ "conversation": JULIET, "id": id });
    let closed = romeo.ask("message.close_poll", named.clone()).await["message"].clone();
    assert_eq!(closed["poll"]["closed"], true, "{closed}");
    assert_eq!(closed["payloads"][0]["value"], 1, "what else went with it stays");
    assert_eq!(juliet.event("message").await["message"]["poll"]["closed"], true);
    let again = romeo.ask("message.close_poll", named).await;
    assert_eq!(again["message"]["edited"], closed["edited"], "once is enough");
    for other in [json!(["2\u{20e3}"]), json!([]), json!(["1\u{fe0f}\u{20e3}", "🔟"])] {
        let refused = juliet.refused("message.react", vote(other)).await;
        assert_eq!(refused["data"]["condition"], "not_allowed", "{refused}");
    }
    let liked = juliet.ask("message.react", vote(json!(["1\u{fe0f}\u{20e3}", "👍"]))).await;
    assert_eq!(liked["message"]["reactions"].as_array().map(Vec::len), Some(2), "{liked}");
    let edit = json!({ "conversation": JULIET, "id": id, "text": "Whither now?" });
    assert_eq!(romeo.ask("message.edit", edit).await["message"]["poll"]["closed"], true);
    let mut open = asked;
    open["client_id"] = json!("c2");
    open["poll"]["closed"] = json!(true);
    assert_eq!(romeo.refused("message.send", open).await["data"]["field"], "poll");
}

/// What XMPP clients send to a closed poll changes neither its result nor that it is closed.
#[tokio::test]
async fn a_closed_poll_is_closed_for_xmpp_clients() {
    let world = world().await;
    let mut romeo = page(&world, "romeo").await;
    let mut orchard = world.online("romeo/orchard").await;
    let mut balcony = world.online("juliet/balcony").await;
    let poll = json!({ "question": "Whither?", "options": ["Verona", "Mantua"] });
    let asked =
        romeo.ask("message.send", json!({ "conversation": JULIET, "client_id": "c1", "poll": poll })).await;
    let id = asked["message"]["id"].clone();
    let vote = |emoji: &str| {
        format!(
            "<message to='{ROMEO}' type='chat'><reactions xmlns='urn:xmpp:reactions:0' id='c1'>\
             <reaction>{emoji}</reaction></reactions></message>"
        )
    };
    balcony.send(&vote("2\u{fe0f}\u{20e3}")).await;
    let voted = romeo.event("message").await["message"]["reactions"].clone();
    assert_eq!(voted, json!([{ "emoji": "2\u{fe0f}\u{20e3}", "by": [JULIET] }]));
    romeo.ask("message.close_poll", json!({ "conversation": JULIET, "id": id })).await;
    balcony.send(&vote("1\u{fe0f}\u{20e3}")).await;
    let after = romeo.event("message").await["message"].clone();
    assert_eq!((&after["reactions"], &after["poll"]["closed"]), (&voted, &json!(true)));
    orchard
        .send(&format!(
            "<message to='{JULIET}' type='chat'><body>Whither now?</body>\
             <replace xmlns='urn:xmpp:message-correct:0' id='c1'/></message>"
        ))
        .await;
    let corrected = romeo.event("message").await["message"].clone();
    assert_eq!((&corrected["reactions"], &corrected["poll"]), (&voted, &after["poll"]));
    assert_in_archive(&mut romeo, JULIET, &corrected).await;
}
