//! The JSON face: who comes in, what is refused and how, and how sessions end.

use serde_json::{Value, json};
use waxwing_tests::json::{Json, by_password, by_token};
use waxwing_tests::world::password;
use waxwing_tests::{Setup, World};

use crate::world::{world, world_with};

async fn signed_in(world: &World, user: &str, device: &str) -> (Json, Value) {
    world.user(user);
    Json::signed_in(&world.server, user, device).await.unwrap_or_else(|error| panic!("{error:#}"))
}

/// A person whose page has come in step, and is seen.
async fn in_step(world: &World, user: &str, device: &str) -> (Json, Value) {
    let (mut client, answer) = signed_in(world, user, device).await;
    client.ask("sync.open", json!({})).await;
    (client, answer)
}

async fn connected(world: &World) -> Json {
    Json::connect(&world.server).await.unwrap_or_else(|error| panic!("{error:#}"))
}

/// A device that asked to be remembered, and its token.
async fn remembered(world: &World, user: &str, device: &str) -> (Json, String) {
    world.user(user);
    let mut client = connected(world).await;
    let mut params = by_password(user, &password(user), device);
    params["remember"] = true.into();
    let token = client.ask("session.sign_in", params).await["token"].as_str().expect("a token").to_owned();
    (client, token)
}

async fn refused_token(world: &World, token: &str, device: &str) -> Value {
    connected(world).await.refused("session.sign_in", by_token(token, device)).await
}

#[tokio::test]
async fn a_person_signs_in_and_is_told_what_is_allowed() {
    let world = world().await;
    let (mut romeo, answer) = signed_in(&world, "romeo", "d1").await;
    assert_eq!(answer["account"]["address"], "romeo@localhost");
    assert_eq!(answer["account"]["role"], "user");
    assert_eq!(answer["server"]["domains"], json!(["localhost"]));
    assert!(answer["session"].as_str().is_some_and(|session| session.starts_with("romeo@localhost/")));
    assert!(answer.get("token").is_none(), "nobody asked for one");
    for limit in ["frame_bytes", "page", "text_bytes", "attachments"] {
        assert!(answer["limits"][limit].is_u64(), "{limit}");
    }
    assert!(romeo.ask("session.ping", json!({})).await["time_ms"].is_u64());
    let devices = romeo.ask("device.list", json!({})).await["devices"].clone();
    assert_eq!(devices.as_array().map(Vec::len), Some(1), "{devices}");
    assert_eq!(devices[0]["id"], "d1");
    assert_eq!((&devices[0]["face"], &devices[0]["current"]), (&json!("json"), &json!(true)));
    assert_eq!(devices[0]["client"], "Test 1");
}

/// Whoever is not let in cannot tell why: the answers are the same to the letter.
#[tokio::test]
async fn whoever_may_not_sign_in_is_told_the_same() {
    let world = world().await;
    for user in ["wrong", "disabled", "deleted"] {
        world.user(user);
    }
    let admin = |args: &[&str]| world.server.admin(args, "").unwrap_or_else(|error| panic!("{error:#}"));
    let (_, of_disabled) = remembered(&world, "disabled", "d1").await;
    let (_, of_deleted) = remembered(&world, "deleted", "d1").await;
    admin(&["user", "disable", "disabled@localhost"]);
    admin(&["user", "delete", "deleted@localhost"]);
    let mut answers = Vec::new();
    for (user, secret) in [
        ("wrong", "not the password".to_owned()),
        ("nobody", password("nobody")),
        ("disabled", password("disabled")),
        ("deleted", password("deleted")),
        ("wrong", "x".repeat(2000)),
    ] {
        let mut client = connected(&world).await;
        answers.push(client.refused("session.sign_in", by_password(user, &secret, "d1")).await);
    }
    for token in [of_disabled.as_str(), &of_deleted, "", "x", "cm9tZW9AbG9jYWxob3N0.x"] {
        answers.push(refused_token(&world, token, "d1").await);
    }
    for answer in &answers {
        assert_eq!(answer["data"]["condition"], "unauthorized");
        assert_eq!(answer, &answers[0]);
    }
}

#[tokio::test]
async fn a_token_signs_in_its_own_device_until_it_ends() {
    let world = world().await;
    let (mut client, token) = remembered(&world, "romeo", "d1").await;
    let again =
        connected(&world).await.call("session.sign_in", by_token(&token, "d1")).await.expect("an answer");
    assert_eq!(again["result"]["account"]["address"], "romeo@localhost", "{again}");
    assert_eq!(refused_token(&world, &token, "d2").await["data"]["condition"], "unauthorized");
    let renewed = client.ask("session.renew", json!({})).await["token"].as_str().expect("a token").to_owned();
    assert_eq!(refused_token(&world, &token, "d1").await["data"]["condition"], "unauthorized");
    let mut other = connected(&world).await;
    other.ask("session.sign_in", by_token(&renewed, "d1")).await;
    other.ask("session.sign_out", json!({})).await;
    assert_eq!(other.event("ended").await["reason"], "signed_out");
    other.expect_end().await;
    assert_eq!(refused_token(&world, &renewed, "d1").await["data"]["condition"], "unauthorized");
}

#[tokio::test]
async fn another_password_ends_sessions_and_tokens() {
    let world = world().await;
    let (mut client, token) = remembered(&world, "romeo", "d1").await;
    world
        .server
        .admin(&["user", "password", "romeo@localhost", "--password-stdin"], "another password\n")
        .expect("changed");
    assert_eq!(client.event("ended").await["reason"], "revoked");
    client.expect_end().await;
    assert_eq!(refused_token(&world, &token, "d1").await["data"]["condition"], "unauthorized");
}

#[tokio::test]
async fn a_device_is_signed_out_from_another() {
    let world = world().await;
    let (mut one, token) = remembered(&world, "romeo", "d1").await;
    let (mut two, _) = signed_in(&world, "romeo", "d2").await;
    let (mut stranger, _) = signed_in(&world, "juliet", "d1").await;
    assert_eq!(stranger.refused("device.end", json!({ "id": "d2" })).await["data"]["condition"], "not_found");
    two.ask("device.end", json!({ "id": "d1" })).await;
    assert_eq!(one.event("ended").await["reason"], "signed_out");
    one.expect_end().await;
    assert_eq!(refused_token(&world, &token, "d1").await["data"]["condition"], "unauthorized");
    stranger.ask("session.ping", json!({})).await;
}

/// threats: pages of other origins (CVE-2023-2886), and a credential that is never a cookie.
#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let world = world().await;
    let protocol = ("Sec-WebSocket-Protocol", "waxwing.v1");
    for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
        let refused = Json::connect_with(&world.server, &[protocol, ("Origin", origin)]).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("403")), "{origin}");
    }
    assert!(
        Json::connect_with(&world.server, &[protocol, ("Origin", "http://localhost:5173")]).await.is_ok()
    );
    for headers in [&[][..], &[("Sec-WebSocket-Protocol", "xmpp")]] {
        assert!(
            Json::connect_with(&world.server, headers)
                .await
                .is_err_and(|error| error.to_string().contains("400"))
        );
    }
}

#[tokio::test]
async fn nothing_is_done_before_signing_in_and_attempts_are_few() {
    let world = world().await;
    let mut client = connected(&world).await;
    assert_eq!(client.refused("device.list", json!({})).await["data"]["condition"], "unauthorized");
    assert_eq!(client.refused("no.such", json!({})).await["data"]["condition"], "unauthorized");
    let unknown = client.refused("session.sign_in", json!({ "protocol": 1, "surprise": 1 })).await;
    assert_eq!((&unknown["code"], &unknown["data"]["field"]), (&json!(-32602), &json!("surprise")));
    client.send_raw("{").await.expect("sent");
    let broken = client.receive().await.expect("an answer").expect("a frame");
    assert_eq!((&broken["id"], &broken["error"]["code"]), (&Value::Null, &json!(-32700)));
    client.send_raw("[]").await.expect("sent");
    let batch = client.receive().await.expect("an answer").expect("a frame");
    assert_eq!(batch["error"]["code"], -32600);
    client.expect_end().await;
}

#[tokio::test]
async fn frames_have_a_limit_before_and_after_signing_in() {
    let section = "[json]\nunauthenticated_frame_bytes = 2048\nframe_bytes = 65536\n";
    let setup = Setup::default().section(section);
    let world = world_with(setup).await;
    let mut stranger = connected(&world).await;
    // Twice what is read ahead comes on top of what a stranger may send.
    let large = format!("{{\"jsonrpc\":\"{}", "x".repeat(2048 + 3 * 8192));
    let _ = stranger.send_raw(&large).await;
    stranger.expect_end().await;
    let (mut romeo, answer) = signed_in(&world, "romeo", "d1").await;
    assert_eq!(answer["limits"]["frame_bytes"], 65_536);
    let padding = |bytes: usize| json!({ "active": true, "padding": "x".repeat(bytes) });
    assert_eq!(romeo.refused("session.active", padding(60_000)).await["data"]["field"], "padding");
    let _ = romeo.call("session.active", padding(65_536)).await.expect_err("the connection ends");
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let world = world().await;
    let (mut romeo, _) = signed_in(&world, "romeo", "d1").await;
    let cases = [
        ("session.active", json!({}), "invalid_params", Some("active")),
        ("session.active", json!({ "active": "yes" }), "invalid_params", Some("active")),
        ("session.active", json!({ "active": {} }), "invalid_params", Some("active")),
        ("session.active", json!({ "active": true, "more": 1 }), "invalid_params", Some("more")),
        ("session.ping", json!({ "more": 1 }), "invalid_params", Some("more")),
        ("session.ping", json!([]), "invalid_params", None),
        ("session.active", json!([true]), "invalid_params", None),
        ("no.such", json!({}), "method_not_found", Some("method")),
        ("session.sign_in", by_password("romeo", "x", "d1"), "not_allowed", None),
        ("device.end", json!({ "id": "none" }), "not_found", Some("id")),
    ];
    for (method, params, condition, field) in cases {
        let error = romeo.refused(method, params.clone()).await;
        assert_eq!(error["data"]["condition"], condition, "{method} {params}: {error}");
        assert_eq!(error["data"]["field"].as_str(), field, "{method} {params}: {error}");
        assert!(error["message"].as_str().is_some_and(|sentence| sentence.ends_with('.')), "{error}");
    }
    romeo.ask("session.ping", json!({})).await;
}

#[tokio::test]
async fn xmpp_sees_a_json_client_come_and_go() {
    let setup = Setup::default().section("[json]\nabsence_grace_ms = 100\n");
    let world = world_with(setup).await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = world.online("romeo/orchard").await;
    world.befriend(&mut romeo, &mut juliet).await;
    let (mut page, answer) = in_step(&world, "romeo", "d1").await;
    let session = answer["session"].as_str().expect("an address").to_owned();
    juliet.expect(&format!("<presence from='{session}'/>")).await;
    page.ask("session.active", json!({ "active": false })).await;
    juliet
        .expect(&format!(
            "<presence from='{session}'><idle xmlns='urn:xmpp:idle:1' _='...'/><show>away</show></presence>"
        ))
        .await;
    drop(page);
    juliet.expect(&format!("<presence from='{session}' type='unavailable'/>")).await;
}

/// A client that has not come in step is told nothing it could lose: what is sent waits for one that takes it.
#[tokio::test]
async fn a_message_waits_for_a_client_that_takes_it() {
    let world = world().await;
    let (mut page, _) = signed_in(&world, "romeo", "d1").await;
    let mut juliet = world.online("juliet/balcony").await;
    juliet.send("<message to='romeo@localhost' type='chat' id='m1'><body>before</body></message>").await;
    juliet.round_trip().await;
    page.ask("session.ping", json!({})).await;
    drop(page);
    let mut romeo = world.online("romeo/orchard").await;
    romeo
        .expect(
            "<message from='juliet@localhost/balcony' type='chat' id='m1'><body>before</body>{...}</message>",
        )
        .await;
}

/// The new session is seen before the old one goes, which a device that comes back in time ends itself.
#[tokio::test]
async fn a_page_that_is_loaded_anew_does_not_make_its_reader_leave() {
    let world = world_with(Setup::default().section("[json]\nabsence_grace_ms = 600000\n")).await;
    let mut juliet = world.online("juliet/balcony").await;
    let mut romeo = world.online("romeo/orchard").await;
    world.befriend(&mut romeo, &mut juliet).await;
    let (mut other, other_session) = in_step(&world, "romeo", "d2").await;
    let (page, before) = in_step(&world, "romeo", "d1").await;
    let before = before["session"].as_str().expect("an address").to_owned();
    juliet
        .expect(&format!("<presence from='{}'/>", other_session["session"].as_str().expect("an address")))
        .await;
    juliet.expect(&format!("<presence from='{before}'/>")).await;
    drop(page);
    // Until the server has heard that the connection is gone.
    loop {
        let listed = other.ask("device.list", json!({})).await;
        let devices = listed["devices"].as_array().expect("devices");
        if devices.iter().any(|device| device["id"] == "d1" && device["online"] == false) {
            break;
        }
    }
    let (_page, after) = in_step(&world, "romeo", "d1").await;
    let after = after["session"].as_str().expect("an address");
    juliet.expect(&format!("<presence from='{after}'/>")).await;
    juliet.expect(&format!("<presence from='{before}' type='unavailable'/>")).await;
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let mut world = world().await;
    let (mut romeo, token) = remembered(&world, "romeo", "d1").await;
    world.server.terminate().expect("ended");
    assert_eq!(romeo.event("ended").await["reason"], "shutdown");
    romeo.expect_end().await;
    world.server.launch().expect("started");
    connected(&world).await.ask("session.sign_in", by_token(&token, "d1")).await;
}
