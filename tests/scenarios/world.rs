//! Where scenarios get their server from.

use waxwing_tests::json::Json;
use waxwing_tests::{Setup, World};

/// A server with its defaults.
pub(crate) async fn world() -> World {
    world_with(Setup::default()).await
}

/// A server with this configuration.
pub(crate) async fn world_with(setup: Setup) -> World {
    World::start(env!("CARGO_BIN_EXE_waxwing"), &setup).await
}

/// Somebody who has signed in with a client of the JSON face, and is there.
pub(crate) async fn json(world: &World, user: &str) -> Json {
    json_on(world, user, &format!("device of {user}")).await
}

/// The same on this device.
pub(crate) async fn json_on(world: &World, user: &str, device: &str) -> Json {
    world.user(user);
    let signed_in = Json::signed_in(&world.server, user, device).await;
    let mut client = signed_in.unwrap_or_else(|error| panic!("{error:#}")).0;
    client.ask("sync.open", serde_json::json!({})).await;
    client
}
