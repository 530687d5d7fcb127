//! The JSON face: JSON-RPC 2.0 over WebSocket, for the web client and other programs, in front of the domain.

mod account;
pub mod asyncapi;
mod client;
mod codec;
mod config;
mod connection;
mod conversations;
mod error;
mod face;
mod message;
mod method;
mod methods;
mod people;
mod presence;
pub mod reference;
mod render;
mod rooms;
mod sign_in;
mod types;
pub mod typescript;
mod wishes;

pub use config::Config;
pub use face::{Face, OverWebSocket};
pub(crate) use wishes::wishes;
