//! Webhooks: posts of programs into rooms and to people, and posts to programs, signed, in order, again where they fail.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use waxwing_tests::receiver::{NO_ANSWER, Posted, Receiver};
use waxwing_tests::web::request;
use waxwing_tests::{Client, Setup, World};

use crate::bots::{ask, token};
use crate::world::world_with;

const ROOM: &str = "news@rooms.localhost";

/// A server that may post to this machine, and tries again soon.
async fn world() -> World {
    let section = "[integrations]\nprivate_networks = [\"127.0.0.0/8\"]\nwebhook_attempts = 3\n\
                   webhook_first_pause_ms = 5\nwebhook_posts_per_minute = 5";
    world_with(Setup::default().section(section)).await
}

fn add(world: &World, args: &[&str]) -> Value {
    let mut all = vec!["webhook", "add"];
    all.extend(args);
    all.push("--json");
    let made = world.server.admin(&all, "").unwrap_or_else(|error| panic!("{error:#}"));
    serde_json::from_str(&made).expect("JSON")
}

async fn post(world: &World, path: &str, body: &Value) -> (u16, Value) {
    let text = body.to_string();
    let length = format!("Content-Length: {}", text.len());
    let headers = [&*length, "Content-Type: application/json"];
    let line = format!("POST {path}");
    let answer = Box::pin(request(world, &line, &headers, text.as_bytes())).await.expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

async fn room(world: &World, user: &str) -> Client {
    let owner = format!("{user}@localhost");
    world.user(user);
    world.server.admin(&["room", "create", ROOM, &owner], "").unwrap_or_else(|error| panic!("{error:#}"));
    let mut client = world.online(&format!("{user}/x")).await;
    let join = format!("<presence to='{ROOM}/{user}'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
    client.send(&join).await;
    client.settle().await;
    client.clear().await;
    client
}

fn signed(posted: &Posted, secret: &str) -> bool {
    let time = posted.header("waxwing-timestamp").expect("a time");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(&posted.body);
    let code: String = mac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
    posted.header("waxwing-signature").as_deref() == Some(&format!("v1={code}"))
}

#[tokio::test]
async fn programs_post_into_rooms_and_to_people() {
    let world = world().await;
    world.user("bot");
    let mut juliet = room(&world, "juliet").await;
    let made = add(&world, &["bot@localhost", "Builds", "--conversation", ROOM]);
    let path = made["path"].as_str().expect("a path").to_owned();
    let body =
        json!({"text": "Build 7", "attachments": [{"title": "red", "title_link": "https://ci.example/7"}]});
    assert_eq!(post(&world, &path, &body).await, (200, json!({"ok": true})));
    let heard = juliet.next().await.expect("a post");
    assert_eq!(heard.attr("from"), Some("news@rooms.localhost/Builds ⚙"), "{heard}");
    assert!(heard.to_string().contains("Build 7\n*red* https://ci.example/7"), "{heard}");
    // Nobody passes for a person who is there.
    assert_eq!(post(&world, &path, &json!({"text": "x", "username": "juliet"})).await.0, 200);
    assert_eq!(juliet.next().await.expect("a post").attr("from"), Some("news@rooms.localhost/juliet ⚙"));

    let personal = add(&world, &["bot@localhost", "Alarms", "--conversation", "juliet@localhost"]);
    let personal = personal["path"].as_str().expect("a path");
    assert_eq!(post(&world, personal, &json!({"text": "Fire!"})).await.0, 200);
    let heard = juliet.next().await.expect("a message");
    assert!(heard.to_string().contains("Alarms ⚙") && heard.attr("type") == Some("chat"), "{heard}");

    assert_eq!(post(&world, &path, &json!({"words": "x"})).await.1["field"], json!("words"));
    assert_eq!(post(&world, &path, &json!({"text": " "})).await.1["field"], json!("text"));
    let wrong = format!("{}{}", &path[..path.len() - 1], if path.ends_with('x') { 'y' } else { 'x' });
    assert_eq!(post(&world, &wrong, &json!({"text": "x"})).await.0, 404);
    // So many a minute (those refused for what they say count too); the clock's minute may turn once meanwhile.
    let mut refused = false;
    for _ in 0..12 {
        let (status, answer) = post(&world, &path, &json!({"text": " "})).await;
        refused |= status == 429 && answer["retry_after_ms"].is_u64();
    }
    assert!(refused);
    let id = made["webhook"]["id"].as_str().expect("an id");
    world.server.admin(&["webhook", "remove", id], "").expect("removed");
    assert_eq!(post(&world, &path, &json!({"text": "x"})).await.0, 404);
    let log = world.server.log();
    assert!(!log.contains(path.rsplit('/').next().expect("a secret")), "no secret in the log");
}

/// Order holds over failures, what is given up can be delivered later, and a restart loses nothing. The receiver has to
/// answer while a command is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_posted_in_order() {
    let mut world = world().await;
    world.user("bot");
    let mut receiver = Receiver::start().await;
    let mut juliet = room(&world, "juliet").await;
    let url = format!("http://{}/hook?x=1", receiver.address);
    let made = add(&world, &["bot@localhost", "Mirror", "--conversation", ROOM, "--url", &url]);
    let (id, secret) =
        (made["webhook"]["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
    receiver.answer(&[500, 503, 204, 400]);
    for n in 1..=3 {
        juliet
            .send(&format!("<message to='{ROOM}' type='groupchat' id='m{n}'><body>{n}</body></message>"))
            .await;
    }
    juliet.settle().await;
    let mut came = Vec::new();
    for _ in 0..5 {
        let posted = receiver.next().await;
        assert!(posted.head.starts_with("POST /hook?x=1 HTTP/1.1"), "{}", posted.head);
        assert!(signed(&posted, secret), "{posted:?}");
        let said = posted.json();
        assert_eq!(said["message"]["from"]["nick"], json!("juliet"));
        came.push(said["message"]["text"].as_str().expect("a text").to_owned());
    }
    assert_eq!(
        came,
        ["1", "1", "1", "2", "3"],
        "one failed twice, two was refused for good, three came behind"
    );
    let dead = || -> Value {
        serde_json::from_str(&world.server.admin(&["webhook", "dead", id, "--json"], "").expect("a list"))
            .expect("JSON")
    };
    assert_eq!(
        (dead()["letters"].as_array().map(Vec::len), &dead()["letters"][0]["attempts"]),
        (Some(1), &json!(1))
    );
    receiver.answer(&[500]);
    let again = world.server.admin(&["webhook", "redeliver", id], "").expect("tried");
    assert!(again.contains("0 delivered, 1 left"), "{again}");
    let again = world.server.admin(&["webhook", "redeliver", id], "").expect("tried");
    assert!(again.contains("1 delivered, 0 left"), "{again}");
    assert_eq!(dead()["letters"], json!([]));
    for _ in 0..2 {
        assert_eq!(receiver.next().await.json()["message"]["text"], json!("2"));
    }

    // The server is killed while it waits for an answer, and says it again afterwards.
    receiver.answer(&[NO_ANSWER]);
    juliet.send(&format!("<message to='{ROOM}' type='groupchat' id='m4'><body>4</body></message>")).await;
    assert_eq!(receiver.next().await.json()["message"]["text"], json!("4"));
    world.server.kill().expect("killed");
    world.server.launch().expect("started again");
    let posted = receiver.next().await;
    assert_eq!(posted.json()["message"]["text"], json!("4"));
    assert!(signed(&posted, secret));
}

/// A bot's own webhook tells it of what reaches it, and not of what it says itself.
#[tokio::test]
async fn a_bot_is_told_what_reaches_it() {
    let world = world().await;
    let bot = token(&world, "bot", "messages:read messages:write webhooks");
    let mut receiver = Receiver::start().await;
    let url = format!("http://{}/", receiver.address);
    let (status, made) = ask(&world, &bot, "POST webhooks", Some(json!({"name": "All", "url": url}))).await;
    assert_eq!(status, 201, "{made}");
    let mut juliet = world.online("juliet/balcony").await;
    ask(&world, &bot, "POST conversations/juliet@localhost/messages", Some(json!({"text": "own"}))).await;
    juliet.send("<message to='bot@localhost' type='chat'><body>theirs</body></message>").await;
    let told = receiver.next().await.json();
    assert_eq!(told["message"]["text"], json!("theirs"));
    assert_eq!(told["message"]["conversation"], json!("juliet@localhost"));
    assert_eq!(told["account"], json!("bot@localhost"));
    // Without the scope to read, nothing is told.
    let writer = token(&world, "bot", "messages:write webhooks");
    let refused = ask(&world, &writer, "POST webhooks", Some(json!({"name": "All", "url": url}))).await;
    assert_eq!(refused.0, 403);
}

/// What is not public is not reached, whatever it is called.
#[tokio::test]
async fn addresses_inside_are_refused() {
    let world = world_with(Setup::default()).await;
    let bot = token(&world, "bot", "messages:read webhooks");
    for url in [
        "http://127.0.0.1:1/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://localhost/",
        "file:///etc/passwd",
        "https://10.0.0.1/",
        "https://a@example.com/",
        "https://[::ffff:127.0.0.1]/",
    ] {
        let (status, answer) =
            ask(&world, &bot, "POST webhooks", Some(json!({"name": "x", "url": url}))).await;
        assert_eq!((status, &answer["field"]), (403, &json!("url")), "{url}: {answer}");
    }
}
