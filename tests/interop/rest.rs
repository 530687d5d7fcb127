//! The bots' API under schemathesis, which asks what the description allows and what it forbids, and the example of the
//! documentation.

use std::process::Command;

use serde_json::Value;
use waxwing_tests::{Setup, World};

use super::{fetched, interop, run};

fn token(world: &World, scopes: &str) -> String {
    world.user("bot");
    let made = world.server.admin(&["token", "create", "bot@localhost", "test", scopes, "--json"], "");
    let made: Value = serde_json::from_str(&made.unwrap_or_else(|error| panic!("{error:#}"))).expect("JSON");
    made["secret"].as_str().expect("a secret").to_owned()
}

/// covers: interop schemathesis
#[tokio::test]
async fn schemathesis_finds_nothing() {
    let Some(folder) = fetched("schemathesis") else { return };
    let section = "[integrations]\nrequests_per_minute = 4000000";
    let world = World::start(env!("CARGO_BIN_EXE_waxwing"), &Setup::default().section(section)).await;
    let token = token(&world, "messages:read messages:write rooms:read rooms:write people files webhooks");
    let address = format!("http://{}/api/openapi.json", world.server.addresses().http);
    run(Command::new(folder.join("rest/bin/schemathesis"))
        .args(["run", &address, "--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", "all", "--max-examples", "20", "--seed", "1", "--no-color", "--workers", "1"])
        .args(["--phases", "examples,coverage,fuzzing"])
        .current_dir(world.server.folder()));
}

/// covers: interop bot example
#[tokio::test]
async fn the_example_of_the_documentation_answers() {
    if fetched("python").is_none() {
        return;
    }
    let world = World::start(env!("CARGO_BIN_EXE_waxwing"), &Setup::default()).await;
    let token = token(&world, "messages:read messages:write");
    let mut juliet = world.online("juliet/balcony").await;
    juliet.send("<message to='bot@localhost' type='chat'><body>echo Wherefore?</body></message>").await;
    juliet.settle().await;
    let docs = interop().join("../../docs/examples/echo_bot.py");
    run(Command::new("python3")
        .arg(docs)
        .args([&format!("http://{}", world.server.addresses().http), "juliet@localhost", "--once"])
        .env("WAXWING_TOKEN", token));
    let heard = juliet.next().await.expect("an answer");
    assert!(heard.to_string().contains("Wherefore?"), "{heard}");
}
