//! Bots over plain HTTP: tokens and what they allow, messages, rooms, people, files, commands; and the receipt of the same
//! by people with XMPP clients.

use serde_json::{Value, json};
use waxwing_tests::World;
use waxwing_tests::web::{Answer, request};

use crate::world::world;

pub(crate) const ALL: &str = "messages:read messages:write rooms:read rooms:write people files webhooks";

/// Makes a token and gives its secret.
pub(crate) fn token(world: &World, account: &str, scopes: &str) -> String {
    world.user(account);
    let made = ["token", "create", &format!("{account}@localhost"), "a bot", scopes, "--json"];
    let made = world.server.admin(&made, "").unwrap_or_else(|error| panic!("{error:#}"));
    let made: Value = serde_json::from_str(&made).expect("JSON");
    made["secret"].as_str().expect("a secret").to_owned()
}

/// Asks with a token.
pub(crate) async fn ask(world: &World, token: &str, line: &str, body: Option<Value>) -> (u16, Value) {
    let answer = ask_with(world, token, line, &[], body).await;
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

async fn ask_with(world: &World, token: &str, line: &str, headers: &[&str], body: Option<Value>) -> Answer {
    let text = body.map(|body| body.to_string()).unwrap_or_default();
    let authorization = format!("Authorization: Bearer {token}");
    let length = format!("Content-Length: {}", text.len());
    let mut all = vec![&*authorization, &*length, "Content-Type: application/json"];
    all.extend(headers);
    let line = line.replacen(' ', " /api/v1/", 1);
    // The buffer of an answer would otherwise lie on the stack of every test.
    Box::pin(request(world, &line, &all, text.as_bytes())).await.unwrap_or_else(|error| panic!("{error:#}"))
}

/// Asks for something that has to be granted.
pub(crate) async fn granted(world: &World, token: &str, line: &str, body: Option<Value>) -> Value {
    let (status, answer) = ask(world, token, line, body).await;
    assert!((200..300).contains(&status), "{line}: {status} {answer}");
    answer
}

#[tokio::test]
async fn a_bot_and_a_person_talk() {
    let world = world().await;
    let bot = token(&world, "bot", ALL);
    let mut juliet = world.online("juliet/balcony").await;
    let me = granted(&world, &bot, "GET me", None).await;
    assert_eq!((&me["address"], &me["role"]), (&json!("bot@localhost"), &json!("user")));

    let sent = granted(
        &world,
        &bot,
        "POST conversations/juliet@localhost/messages",
        Some(json!({"text": "The build is red.\u{1}", "thread": "t1"})),
    );
    let sent = sent.await["message"].clone();
    let heard = juliet.expect("<message type='chat' _='...'><body>The build is red.\u{fffd}</body><thread>t1</thread><origin-id xmlns='urn:xmpp:sid:0' _='...'/><stanza-id xmlns='urn:xmpp:sid:0' _='...'/></message>").await;
    let shown = heard
        .children()
        .find(|child| child.name == "stanza-id")
        .and_then(|id| id.attr("id").map(str::to_owned));
    assert_eq!(sent["id"].as_str(), shown.as_deref(), "one id on both sides");

    let id = sent["id"].as_str().expect("an id");
    let path = format!("conversations/juliet@localhost/messages/{id}");
    granted(&world, &bot, &format!("PATCH {path}"), Some(json!({"text": "It is green."}))).await;
    let edited = juliet.next().await.expect("a correction");
    let replaced = edited.find("urn:xmpp:message-correct:0", "replace").and_then(|r| r.attr("id"));
    assert_eq!(replaced, sent["client_id"].as_str(), "{edited}");
    granted(&world, &bot, &format!("PUT {path}/reactions"), Some(json!({"emojis": ["👍"]}))).await;
    let reaction = juliet.next().await.expect("a reaction");
    assert!(reaction.to_string().contains("👍"), "{reaction}");

    juliet.send("<message to='bot@localhost' type='chat' id='j1'><body>thanks</body></message>").await;
    juliet.round_trip().await;
    let page = granted(&world, &bot, "GET conversations/juliet@localhost/messages?limit=10", None).await;
    let texts: Vec<&str> =
        page["messages"].as_array().expect("messages").iter().filter_map(|m| m["text"].as_str()).collect();
    assert_eq!(texts, ["The build is red.\u{fffd}", "It is green.", "", "thanks"]);
    assert_eq!(page["more"], json!(false));
    let theirs = page["messages"][3]["id"].as_str().expect("an id").to_owned();
    let reply = json!({"text": "You are welcome.", "reply_to": theirs});
    let reply = granted(&world, &bot, "POST conversations/juliet@localhost/messages", Some(reply)).await;
    assert_eq!(reply["message"]["reply_to"], json!("j1"));
    let foreign =
        ask(&world, &bot, &format!("DELETE conversations/juliet@localhost/messages/{theirs}"), None).await;
    assert_eq!((foreign.0, &foreign.1["condition"]), (403, &json!("forbidden")));
    granted(&world, &bot, &format!("DELETE {path}"), None).await;
    let gone = granted(&world, &bot, &format!("GET {path}"), None).await;
    assert_eq!((&gone["message"]["recalled"], &gone["message"]["text"]), (&json!(true), &json!("")));
}

/// The same id twice is one message, however often it is asked for.
#[tokio::test]
async fn a_repeated_request_sends_once() {
    let world = world().await;
    let bot = token(&world, "bot", ALL);
    let mut juliet = world.online("juliet/balcony").await;
    let body = Some(json!({"text": "once"}));
    let key = ["Idempotency-Key: build-7"];
    let line = "POST conversations/juliet@localhost/messages";
    let first = ask_with(&world, &bot, line, &key, body.clone()).await;
    let second = ask_with(&world, &bot, line, &key, body).await;
    let id = |answer: &Answer| {
        serde_json::from_slice::<Value>(&answer.body).expect("JSON")["message"]["id"].clone()
    };
    assert_eq!((first.status, second.status, id(&first)), (201, 201, id(&second)));
    assert!(juliet.next().await.expect("a message").to_string().contains("once"));
    juliet.settle().await;
    juliet.expect_nothing().await;
}

#[tokio::test]
async fn a_bot_makes_a_room_and_speaks_in_it() {
    let world = world().await;
    let bot = token(&world, "bot", ALL);
    let mut juliet = world.online("juliet/balcony").await;
    let made = json!({"local": "news", "name": "News", "members_only": true, "public": false});
    let made = granted(&world, &bot, "POST rooms", Some(made)).await;
    assert_eq!(made["room"]["address"], json!("news@rooms.localhost"));
    let taken = ask(&world, &bot, "POST rooms", Some(json!({"local": "news"}))).await;
    assert_eq!((taken.0, &taken.1["condition"]), (409, &json!("conflict")));
    let member = Some(json!({"role": "member"}));
    granted(&world, &bot, "PUT rooms/news@rooms.localhost/members/juliet@localhost", member).await;
    let members = granted(&world, &bot, "GET rooms/news@rooms.localhost/members", None).await;
    let names: Vec<&str> = members["members"]
        .as_array()
        .expect("members")
        .iter()
        .filter_map(|m| m["address"].as_str())
        .collect();
    assert_eq!(names, ["bot@localhost", "juliet@localhost"]);
    juliet.clear().await;
    juliet.send("<presence to='news@rooms.localhost/Juliet'><x xmlns='http://jabber.org/protocol/muc'/></presence>").await;
    juliet.settle().await;
    juliet.clear().await;
    let sent = granted(
        &world,
        &bot,
        "POST conversations/news@rooms.localhost/messages",
        Some(json!({"text": "Extra!"})),
    )
    .await;
    let heard = juliet.next().await.expect("what was said");
    assert_eq!(heard.attr("from"), Some("news@rooms.localhost/bot"), "{heard}");
    assert_eq!(heard.attr("type"), Some("groupchat"));
    let id = sent["message"]["id"].as_str().expect("an id");
    let page = granted(&world, &bot, "GET conversations/news@rooms.localhost/messages", None).await;
    assert_eq!(page["messages"][0]["id"].as_str(), Some(id));
    let all = granted(&world, &bot, "GET conversations", None).await;
    assert_eq!(
        all["conversations"][0],
        json!({"address": "news@rooms.localhost", "kind": "room", "name": "News"})
    );

    // Whoever does not belong learns nothing and says nothing.
    let stranger = token(&world, "tybalt", ALL);
    for line in [
        "GET conversations/news@rooms.localhost/messages",
        "POST conversations/news@rooms.localhost/messages",
    ] {
        let body = line.starts_with("POST").then(|| json!({"text": "let me in"}));
        let (status, answer) = ask(&world, &stranger, line, body).await;
        assert_eq!((status, &answer["condition"]), (403, &json!("forbidden")), "{line}: {answer}");
    }
    assert_eq!(ask(&world, &stranger, "GET rooms/news@rooms.localhost", None).await.0, 404);
    granted(&world, &bot, "DELETE rooms/news@rooms.localhost", None).await;
    assert_eq!(ask(&world, &bot, "GET rooms/news@rooms.localhost", None).await.0, 404);
}

#[tokio::test]
async fn people_are_found_and_files_shared() {
    let world = world().await;
    let bot = token(&world, "bot", ALL);
    world.user("juliet");
    let found = granted(&world, &bot, "GET people?text=juli", None).await;
    assert_eq!(found["people"][0]["address"], json!("juliet@localhost"));
    let place = json!({"name": "log.txt", "bytes": 5, "type": "text/plain"});
    let place = granted(&world, &bot, "POST files", Some(place)).await;
    let link = place["put"]["url"].as_str().expect("a link");
    let path = link.splitn(4, '/').nth(3).map(|path| format!("/{path}")).expect("a path");
    let authorization =
        format!("Authorization: {}", place["put"]["headers"]["Authorization"].as_str().expect("a header"));
    let line = format!("PUT {path}");
    let put = Box::pin(request(&world, &line, &["Content-Length: 5", &authorization], b"hello")).await;
    assert_eq!(put.expect("an answer").status, 201);
    let body = json!({"text": "the log", "attachments": [place["url"]]});
    let sent = granted(&world, &bot, "POST conversations/juliet@localhost/messages", Some(body)).await;
    assert_eq!(sent["message"]["attachments"], json!([place["url"]]));
}

/// A token opens what its scopes name, as long as it and its account are good.
#[tokio::test]
async fn tokens_are_listed_revoked_and_end_with_their_account() {
    let world = world().await;
    let bot = token(&world, "bot", "people");
    assert!(bot.starts_with("wxw_"));
    assert_eq!(ask(&world, &bot, "GET conversations", None).await.1["condition"], json!("forbidden"));
    let listed = world.server.admin(&["token", "list", "--json"], "").expect("a list");
    let listed: Value = serde_json::from_str(&listed).expect("JSON");
    let id = listed["tokens"][0]["id"].as_str().expect("an id");
    assert!(!listed.to_string().contains(&bot[17..]), "the secret is shown once");
    world.server.admin(&["user", "disable", "bot@localhost"], "").expect("disabled");
    assert_eq!(ask(&world, &bot, "GET me", None).await.0, 401);
    world.server.admin(&["user", "enable", "bot@localhost"], "").expect("enabled");
    assert_eq!(ask(&world, &bot, "GET me", None).await.0, 200);
    world.server.admin(&["token", "revoke", id], "").expect("revoked");
    let refused = ask_with(&world, &bot, "GET me", &[], None).await;
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let log = world.server.log();
    assert!(!log.contains(&bot[17..]), "no secret in the log");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = world().await;
    let bot = token(&world, "bot", ALL);
    world.user("juliet");
    let send = "POST conversations/juliet@localhost/messages";
    for (line, body, status, condition, field) in [
        (send, Some(json!({})), 400, "invalid_params", Some("text")),
        (send, Some(json!({"text": 1})), 400, "invalid_params", Some("text")),
        (send, Some(json!({"text": "x", "colour": "red"})), 400, "invalid_params", Some("colour")),
        (send, Some(json!([])), 400, "invalid_params", None),
        (send, Some(json!({"text": "x", "reply_to": "nonsense"})), 404, "not_found", Some("reply_to")),
        ("GET conversations?limit=0", None, 400, "invalid_params", Some("limit")),
        ("GET conversations?limit=1&limit=2", None, 400, "invalid_params", Some("limit")),
        ("GET conversations?x=1", None, 400, "invalid_params", Some("x")),
        ("GET conversations/%40/messages", None, 404, "not_found", Some("conversation")),
        ("POST conversations/nobody@localhost/messages", Some(json!({"text": "x"})), 404, "not_found", None),
        ("POST admin/user-list", Some(json!({})), 403, "forbidden", None),
        ("POST admin/nonsense", Some(json!({})), 404, "not_found", Some("command")),
    ] {
        let (given, answer) = ask(&world, &bot, line, body.clone()).await;
        assert_eq!(given, status, "{line} {body:?}: {answer}");
        assert_eq!(answer["condition"].as_str(), Some(condition), "{line}: {answer}");
        assert_eq!(answer["field"].as_str(), field, "{line}: {answer}");
    }
    let large = json!({"text": "x".repeat(70_000)});
    let (status, answer) = ask(&world, &bot, send, Some(large)).await;
    assert_eq!(status, 413, "{answer}");
}

#[tokio::test]
async fn administrators_have_every_command() {
    let world = world().await;
    let add = ["user", "add", "bard@localhost", "--administrator", "--password-stdin"];
    world.server.admin(&add, "wherefore\n").expect("an administrator");
    let make = |scopes: &str| {
        let made =
            world.server.admin(&["token", "create", "bard@localhost", "a script", scopes, "--json"], "");
        let made: Value = serde_json::from_str(&made.expect("made")).expect("JSON");
        made["secret"].as_str().expect("a secret").to_owned()
    };
    let all = make("admin:view admin:accounts admin:installation");
    let added = json!({"address": "iago@localhost", "password": "honest-iago"});
    granted(&world, &all, "POST admin/user-add", Some(added)).await;
    let listed = granted(&world, &all, "POST admin/user-list", Some(json!({}))).await;
    assert!(listed.to_string().contains("iago@localhost"), "{listed}");
    let wrong = ask(&world, &all, "POST admin/user-show", Some(json!({"address": "nobody"}))).await;
    assert_eq!((wrong.0, &wrong.1["field"]), (400, &json!("address")));
    // A token cannot give what it does not have.
    let view = make("admin:view");
    assert_eq!(
        ask(&world, &view, "POST admin/user-delete", Some(json!({"address": "iago@localhost"}))).await.0,
        403
    );
    let more = json!({"address": "bard@localhost", "name": "more", "scopes": "admin:installation"});
    assert_eq!(ask(&world, &make("admin:accounts"), "POST admin/token-create", Some(more)).await.0, 403);
    let audit = granted(&world, &all, "POST admin/audit", Some(json!({}))).await;
    assert!(audit.to_string().contains("bard@localhost token "), "{audit}");
}
