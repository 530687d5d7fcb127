//! Access tokens: what a scope does not name stays closed, what is another's does not exist, and no secret is logged. The
//! matrix is drawn from the server's own description of its API, so that nothing new can be left out.

use serde_json::{Value, json};
use waxwing_tests::World;
use waxwing_tests::web::request;

use crate::world::world;

const SCOPES: [&str; 10] = [
    "messages:read",
    "messages:write",
    "rooms:read",
    "rooms:write",
    "people",
    "files",
    "webhooks",
    "admin:view",
    "admin:accounts",
    "admin:installation",
];

fn token(world: &World, address: &str, scopes: &str) -> String {
    let made = world.server.admin(&["token", "create", address, "attacker", scopes, "--json"], "");
    let made: Value = serde_json::from_str(&made.unwrap_or_else(|error| panic!("{error:#}"))).expect("JSON");
    made["secret"].as_str().expect("a secret").to_owned()
}

async fn ask(world: &World, token: &str, line: &str, body: &str) -> (u16, Value) {
    let authorization = format!("Authorization: Bearer {token}");
    let length = format!("Content-Length: {}", body.len());
    let headers = [&*authorization, &*length, "Content-Type: application/json"];
    let answer = Box::pin(request(world, line, &headers, body.as_bytes())).await.expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// Every operation of the description: its line, and the scope that it says it needs.
async fn operations(world: &World) -> Vec<(String, String)> {
    let (_, text) = world.get("/api/openapi.json").await.expect("the description");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (verb, operation) in methods.as_object().expect("methods") {
            let said = operation["description"].as_str().unwrap_or_default();
            let scope = said.rsplit("Scope: ").next().unwrap_or_default().trim_end_matches('.');
            if operation["security"].is_null() {
                let path =
                    path.replace("{conversation}", "x@localhost").replace("{room}", "x@rooms.localhost");
                let path = path.replace("{member}", "x@localhost").replace("{id}", "x");
                all.push((format!("{} {path}", verb.to_uppercase()), scope.to_owned()));
            }
        }
    }
    all
}

/// Every operation by a token with every scope but its own is refused, and by none of them carried out.
#[tokio::test]
async fn scopes_hold_for_every_operation() {
    let world = world().await;
    let add = ["user", "add", "bard@localhost", "--administrator", "--password-stdin"];
    world.server.admin(&add, "wherefore\n").expect("an administrator");
    let operations = operations(&world).await;
    assert!(operations.len() > 60, "{operations:?}");
    let mut tried = 0;
    for scope in SCOPES {
        let others: Vec<&str> = SCOPES.into_iter().filter(|other| *other != scope).collect();
        let token = token(&world, "bard@localhost", &others.join(" "));
        for (line, needed) in operations.iter().filter(|(_, needed)| needed == scope) {
            let (status, answer) = ask(&world, &token, line, "{}").await;
            assert_eq!(
                (status, &answer["condition"]),
                (403, &json!("forbidden")),
                "{line} needs {needed}: {answer}"
            );
            tried += 1;
        }
    }
    let open = operations.iter().filter(|(_, needed)| needed == "none").count();
    assert_eq!(tried + open, operations.len(), "every operation names a scope of this list, or none");
    crate::world::figure(&format!("{tried} operations of the API refused without their scope"));
    for wrong in ["", "x", "wxw_aaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "wxw__", "wxw_😀"] {
        for (line, _) in &operations {
            let (status, answer) = ask(&world, wrong, line, "{}").await;
            assert_eq!(status, 401, "{line} with {wrong:?}: {answer}");
        }
    }
}

/// Ids of others: messages, webhooks, rooms. What is another's answers like what does not exist.
#[tokio::test]
async fn ids_of_others_open_nothing() {
    let world = world().await;
    for user in ["juliet", "romeo", "tybalt"] {
        world.user(user);
    }
    let all = SCOPES[..7].join(" ");
    let juliet = token(&world, "juliet@localhost", &all);
    let tybalt = token(&world, "tybalt@localhost", &all);
    let line = "POST /api/v1/conversations/romeo@localhost/messages";
    let (_, sent) = ask(&world, &juliet, line, r#"{"text":"a secret"}"#).await;
    let id = sent["message"]["id"].as_str().expect("an id");
    let room = r#"{"local":"balcony","members_only":true,"public":false}"#;
    assert_eq!(ask(&world, &juliet, "POST /api/v1/rooms", room).await.0, 201);
    let said = ask(
        &world,
        &juliet,
        "POST /api/v1/conversations/balcony@rooms.localhost/messages",
        r#"{"text":"here"}"#,
    )
    .await;
    let in_room = said.1["message"]["id"].as_str().expect("an id").to_owned();
    let hook = r#"{"name":"x","conversation":"romeo@localhost"}"#;
    let (_, hook) = ask(&world, &juliet, "POST /api/v1/webhooks", hook).await;
    let hook = hook["webhook"]["id"].as_str().expect("an id").to_owned();
    let mut lines = Vec::new();
    for peer in ["romeo@localhost", "juliet@localhost"] {
        let message = format!("/api/v1/conversations/{peer}/messages/{id}");
        lines.push((format!("GET {message}"), "", 404));
        lines.push((format!("PATCH {message}"), r#"{"text":"forged"}"#, 404));
        lines.push((format!("DELETE {message}"), "", 404));
        lines.push((format!("PUT {message}/reactions"), r#"{"emojis":["x"]}"#, 404));
    }
    let message = format!("/api/v1/conversations/balcony@rooms.localhost/messages/{in_room}");
    lines.push((format!("GET {message}"), "", 403));
    lines.push((format!("PATCH {message}"), r#"{"text":"forged"}"#, 403));
    lines.push((format!("DELETE {message}"), "", 403));
    lines.push((format!("PUT {message}/reactions"), r#"{"emojis":["x"]}"#, 403));
    for (verb, path, body) in [
        ("PATCH", "", r#"{"name":"mine"}"#),
        ("DELETE", "", ""),
        ("PUT", "/members/tybalt@localhost", r#"{"role":"owner"}"#),
    ] {
        lines.push((format!("{verb} /api/v1/rooms/balcony@rooms.localhost{path}"), body, 403));
    }
    lines.push((format!("DELETE /api/v1/webhooks/{hook}"), "", 404));
    lines.push((format!("GET /api/v1/webhooks/{hook}/dead"), "", 404));
    lines.push((format!("POST /api/v1/webhooks/{hook}/redeliver"), "{}", 404));
    for (line, body, expected) in lines {
        let (status, answer) = ask(&world, &tybalt, &line, body).await;
        assert_eq!(status, expected, "{line}: {answer}");
        assert!(!answer.to_string().contains("secret"), "{answer}");
    }
    let (status, seen) =
        ask(&world, &juliet, &format!("GET /api/v1/conversations/romeo@localhost/messages/{id}"), "").await;
    assert_eq!((status, &seen["message"]["text"]), (200, &json!("a secret")));
    let log = world.server.log();
    for secret in [&juliet, &tybalt] {
        assert!(!log.contains(&secret[17..]), "no secret in the log");
    }
}
