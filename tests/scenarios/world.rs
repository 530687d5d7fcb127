//! Where scenarios get their server from.

use waxwing_tests::{Setup, World};

/// A server with its defaults.
pub(crate) async fn world() -> World {
    world_with(Setup::default()).await
}

/// A server with this configuration.
pub(crate) async fn world_with(setup: Setup) -> World {
    World::start(env!("CARGO_BIN_EXE_waxwing"), &setup).await
}
