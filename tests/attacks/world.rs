//! Where attacks get their server from, and how large they are.

use waxwing_tests::{Process, Setup, World};

/// A server with its defaults.
pub(crate) async fn world() -> World {
    world_with(Setup::default()).await
}

/// A server with this configuration.
pub(crate) async fn world_with(setup: Setup) -> World {
    World::start(env!("CARGO_BIN_EXE_waxwing"), &setup).await
}

/// The server's process.
pub(crate) fn process(world: &World) -> Process {
    Process(world.server.pid())
}

/// The size of an attack: all of it when `WAXWING_ATTACKS=full`, else what every run of the tests can afford.
pub(crate) fn size(full: usize, usual: usize) -> usize {
    match std::env::var("WAXWING_ATTACKS").as_deref() {
        Ok("full") => full,
        _ => usual,
    }
}

/// Prints a figure for `docs/security.md`.
pub(crate) fn figure(text: &str) {
    println!("figure: {text}");
}

/// Bytes as kibibytes, for people.
pub(crate) fn kib(bytes: u64) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}
