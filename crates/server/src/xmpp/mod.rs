//! The XMPP face: streams of clients over TCP, TLS and WebSocket, in front of the domain.

pub mod config;
mod connection;
mod elsewhere;
pub mod error;
mod face;
pub mod features;
pub mod federation;
mod link;
mod live;
mod receive;
mod render;
mod sign_in;
#[cfg(test)]
mod simulation;
mod streams;
mod suspended;
mod telling;

pub use config::Config;
pub(crate) use suspended::expired as stream_expired;

pub use face::{Face, OverWebSocket};
