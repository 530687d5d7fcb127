//! The JSON face: JSON-RPC 2.0 over WebSocket, for the web client and other programs, in front of the domain.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the contract is described whole; the methods that send and synchronise are not in the table yet"
)]

mod client;
mod codec;
mod config;
mod connection;
mod error;
mod face;
mod method;
mod methods;
mod presence;
mod render;
mod rooms;
mod sign_in;
mod types;

pub use config::Config;
pub use face::{Face, OverWebSocket};

/// How many answers a poll may have: as many as there are keycaps to vote with.
pub(crate) const POLL_OPTIONS_LIMIT: usize = 10;
