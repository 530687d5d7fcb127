//! Coming back: a page that was away is told all that happened meanwhile, each thing once, in order, whatever lay between.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use waxwing_tests::json::{Json, by_token};
use waxwing_tests::world::password;
use waxwing_tests::{Setup, World};

use crate::world::{self, world, world_with};

const ROMEO: &str = "romeo@localhost";
const JULIET: &str = "juliet@localhost";

/// As many requests are on their way at one time.
const AT_ONCE: usize = 50;

/// What a page knows: every message as it was told last, and how far everything was told.
#[derive(Default)]
struct Known {
    messages: BTreeMap<(String, u64), Value>,
    conversations: BTreeMap<String, Value>,
    drafts: BTreeMap<String, Value>,
    version: u64,
    /// How often a message was told that was known as it is.
    repeated: usize,
}

impl Known {
    fn apply(&mut self, event: &Value) {
        if let Some(version) = event["version"].as_u64() {
            assert!(version >= self.version, "told {version} behind {}", self.version);
            self.version = version;
        }
        match event["type"].as_str() {
            Some("message") => {
                let message = event["message"].clone();
                let place = (
                    message["conversation"].as_str().expect("a conversation").to_owned(),
                    message["position"].as_u64().expect("a place"),
                );
                if self.messages.get(&place) == Some(&message) {
                    self.repeated += 1;
                }
                self.messages.insert(place, message);
            }
            Some("conversation") => {
                let conversation = event["conversation"].clone();
                self.conversations.insert(conversation["address"].to_string(), conversation);
            }
            Some("draft") => {
                self.drafts.insert(event["conversation"].to_string(), event["draft"].clone());
            }
            _ => {}
        }
    }

    /// Reads all that changed; says how many pages that took.
    async fn catch_up(&mut self, page: &mut Json) -> usize {
        let mut pages = 0;
        loop {
            let got = page.ask("sync.changes", json!({ "since": self.version })).await;
            assert_eq!(got["reset"], false, "{got}");
            for event in got["events"].as_array().expect("events") {
                self.apply(event);
            }
            let version = got["version"].as_u64().expect("a version");
            assert!(version >= self.version, "{version} is behind {}", self.version);
            self.version = version;
            pages += 1;
            if got["more"] == false {
                return pages;
            }
        }
    }
}

/// A page that asked to be remembered, and has come in step.
async fn remembered(world: &World, user: &str) -> (Json, String, Value) {
    world.user(user);
    let mut page = Json::connect(&world.server).await.expect("a connection");
    let mut params = waxwing_tests::json::by_password(user, &password(user), "page");
    params["remember"] = true.into();
    let token = page.ask("session.sign_in", params).await["token"].as_str().expect("a token").to_owned();
    let snapshot = page.ask("sync.open", json!({})).await;
    (page, token, snapshot)
}

async fn returning(world: &World, token: &str) -> Json {
    let mut page = Json::connect(&world.server).await.expect("a connection");
    page.ask("session.sign_in", by_token(token, "page")).await;
    page
}

/// Sends many messages, several at a time.
async fn send_many(page: &mut Json, conversation: &str, prefix: &str, count: usize) -> Vec<Value> {
    let mut sent = Vec::with_capacity(count);
    for from in (0..count).step_by(AT_ONCE) {
        let params = (from..count.min(from + AT_ONCE)).map(|number| {
            let id = format!("{prefix}{number}");
            json!({ "conversation": conversation, "client_id": id, "text": format!("{prefix} {number}") })
        });
        let answers = page.ask_all("message.send", params.collect()).await;
        sent.extend(answers.into_iter().map(|answer| answer["message"].clone()));
    }
    sent
}

/// All of a conversation, page by page.
async fn all_of(page: &mut Json, conversation: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let before = all.first().map(|first| first["position"].clone());
        let mut params = json!({ "conversation": conversation, "limit": 100 });
        if let Some(before) = before {
            params["before"] = before;
        }
        let got = page.ask("conversation.history", params).await;
        let mut older = got["messages"].as_array().expect("messages").clone();
        older.append(&mut all);
        all = older;
        if got["more_before"] == false {
            return all;
        }
    }
}

/// 10,000 messages and what is done to some of them, in direct conversations and rooms, while the page is away and the server
/// is started anew.
#[tokio::test]
async fn ten_thousand_events_later_nothing_is_missing() {
    let mut world = world().await;
    let (mut romeo, token, snapshot) = remembered(&world, "romeo").await;
    let (mut juliet, juliets, _) = remembered(&world, "juliet").await;
    let mut rooms = Vec::new();
    for name in ["One", "Two", "Three"] {
        let params = json!({ "name": name, "public": true, "members_only": false, "members": [ROMEO] });
        let room = juliet.ask("room.create", params).await["room"]["address"].clone();
        rooms.push(room.as_str().expect("an address").to_owned());
    }
    let mut known = Known { version: snapshot["version"].as_u64().expect("a version"), ..Known::default() };
    known.catch_up(&mut romeo).await;
    drop(romeo);
    let mut sent = send_many(&mut juliet, ROMEO, "d", 6_000).await;
    for (room, count) in rooms.iter().zip([2_000, 1_500, 100]) {
        sent.extend(send_many(&mut juliet, room, "r", count).await);
    }
    world.server.terminate().expect("ended");
    world.server.launch().expect("started");
    let mut juliet = returning(&world, &juliets).await;
    juliet.ask("sync.changes", json!({ "since": known.version })).await;
    let id = |message: &Value| (message["conversation"].clone(), message["id"].clone());
    let mut deeds = 1;
    for number in (0..6_000).step_by(40) {
        let (conversation, id) = id(&sent[number]);
        let params = json!({ "conversation": conversation, "id": id, "text": format!("edited {number}") });
        juliet.ask("message.edit", params).await;
        deeds += 1;
    }
    for number in (6_000..9_600).step_by(20) {
        let (conversation, id) = id(&sent[number]);
        juliet
            .ask("message.react", json!({ "conversation": conversation, "id": id, "emojis": ["👍"] }))
            .await;
        deeds += 1;
    }
    for number in (20..6_000).step_by(400) {
        let (conversation, id) = id(&sent[number]);
        juliet.ask("message.recall", json!({ "conversation": conversation, "id": id })).await;
        deeds += 1;
    }
    let (room, root) = id(&sent[6_000]);
    juliet.ask("message.pin", json!({ "conversation": room, "id": root, "pinned": true })).await;
    // Another of his own pages keeps something meanwhile.
    let mut other = Json::signed_in(&world.server, "romeo", "other").await.expect("a page").0;
    other.ask("conversation.draft", json!({ "conversation": JULIET, "draft": { "text": "I" } })).await;
    let last = sent[5_999]["position"].clone();
    other.ask("conversation.read", json!({ "conversation": JULIET, "position": last })).await;
    drop(other);
    let mut romeo = returning(&world, &token).await;
    let pages = known.catch_up(&mut romeo).await;
    // What comes from now on follows without a gap.
    sent.extend(send_many(&mut juliet, ROMEO, "l", 50).await);
    let told = romeo.event("message").await;
    known.apply(&told);
    for _ in 1..50 {
        let told = romeo.event("message").await;
        known.apply(&told);
    }
    let mut expected = 0;
    for conversation in std::iter::once(JULIET.to_owned()).chain(rooms) {
        let all = all_of(&mut romeo, &conversation).await;
        for message in &all {
            let place = (conversation.clone(), message["position"].as_u64().expect("a place"));
            assert_eq!(known.messages.get(&place), Some(message), "{conversation}");
        }
        expected += all.len();
    }
    assert_eq!(expected, sent.len());
    assert_eq!(known.messages.len(), sent.len(), "nothing is told that is not there");
    // A message is told as it now is, and where something was done to it later once more.
    assert!(known.repeated <= deeds, "{} of {deeds}", known.repeated);
    assert_eq!(known.drafts[&json!(JULIET).to_string()]["text"], "I");
    assert_eq!(known.conversations[&json!(JULIET).to_string()]["seen"], last);
    assert!(pages < 100, "{pages} pages");
}

/// The cost of coming back goes by what changed: whoever has many rooms in which nothing happened is told one small page.
#[tokio::test]
async fn a_page_that_missed_nothing_is_told_nothing() {
    let world = world().await;
    let (mut romeo, token, _) = remembered(&world, "romeo").await;
    for number in 0..20 {
        let params = json!({ "name": format!("Room {number}"), "public": true, "members_only": false });
        romeo.ask("room.create", params).await;
    }
    let version = romeo.ask("sync.open", json!({})).await["version"].as_u64().expect("a version");
    drop(romeo);
    let mut romeo = returning(&world, &token).await;
    let got = romeo.ask("sync.changes", json!({ "since": version })).await;
    assert_eq!((&got["events"], &got["more"], &got["reset"]), (&json!([]), &json!(false), &json!(false)));
    assert_eq!(got["rooms"].as_array().map(Vec::len), Some(20));
    let too_old = romeo.ask("sync.changes", json!({ "since": 1 })).await;
    assert_eq!(too_old["reset"], true);
    let from_the_future = version * 2;
    assert_eq!(romeo.ask("sync.changes", json!({ "since": from_the_future })).await["reset"], true);
}

/// A list of conversations has a bound of bytes; those for which there is no room are named, and asked for one by one.
#[tokio::test]
async fn a_snapshot_has_a_bound() {
    let world = world_with(Setup::default().section("[json]\nconversation_bytes = 3000")).await;
    let mut romeo = world::json(&world, "romeo").await;
    for name in ["juliet", "nurse", "tybalt", "paris"] {
        world.user(name);
        let said = json!({ "conversation": format!("{name}@localhost"), "client_id": name, "text": "x".repeat(1000) });
        romeo.ask("message.send", said).await;
    }
    for method in ["sync.open", "conversation.list"] {
        let told = romeo.ask(method, json!({})).await;
        let shown = told["conversations"].as_array().expect("conversations");
        assert!(told["conversations"].to_string().len() <= 3000, "{told}");
        assert_eq!(shown[0]["address"], "paris@localhost", "the newest first");
        let missing = told["missing"].as_array().expect("those that are missing");
        assert_eq!(shown.len() + missing.len(), 4, "{told}");
        for address in missing {
            let got = romeo.ask("conversation.get", json!({ "conversation": address })).await;
            assert_eq!(got["conversation"]["address"], *address);
        }
    }
}
