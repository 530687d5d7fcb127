//! The messaging domain: accounts, roster, presence, sessions, messages and archive, and the ports it needs.

pub mod access;
pub mod account;
pub mod accounts;
pub mod archive;
pub mod archive_ids;
mod at_once;
pub mod audit;
pub mod auth;
pub mod barring;
pub mod bearers;
pub mod blocking;
pub mod bytestreams;
pub mod chat;
pub mod cluster;
pub mod conversations;
pub mod deliver;
#[cfg(any(test, feature = "testing"))]
pub mod disk;
pub mod error;
pub mod event;
pub mod expiry;
pub mod federation;
pub mod files;
pub mod hints;
pub mod history;
pub mod integrations;
pub mod interests;
pub mod invitation;
pub mod invitations;
pub mod labels;
pub mod last;
#[cfg(any(test, feature = "testing"))]
mod memory_archive;
#[cfg(any(test, feature = "testing"))]
pub mod memory_blobs;
#[cfg(any(test, feature = "testing"))]
pub mod memory_bus;
#[cfg(any(test, feature = "testing"))]
pub mod memory_files;
#[cfg(any(test, feature = "testing"))]
mod memory_integrations;
#[cfg(any(test, feature = "testing"))]
pub mod memory_nodes;
#[cfg(any(test, feature = "testing"))]
mod memory_people;
#[cfg(any(test, feature = "testing"))]
mod memory_pubsub;
#[cfg(any(test, feature = "testing"))]
mod memory_rooms;
#[cfg(any(test, feature = "testing"))]
mod memory_state;
#[cfg(any(test, feature = "testing"))]
pub mod memory_store;
pub mod mentions;
pub mod messages;
pub mod nodes;
pub mod people;
pub mod polls;
pub mod port;
pub mod preferences;
pub mod presence;
pub mod private;
pub mod profile;
pub mod pubsub;
pub mod push;
pub mod queue;
pub mod receipt;
pub mod registration;
pub mod requests;
pub mod retraction;
pub mod rooms;
pub mod roster;
pub mod rosters;
pub mod route;
pub mod service;
pub mod session;
pub mod sessions;
pub mod settings;
pub mod state;
pub mod status;
pub mod store;
pub mod subscribing;
pub mod subscription;
#[cfg(test)]
pub(crate) mod testing;
pub mod throttle;
pub mod time;
pub mod token;
pub mod tokens;
pub mod watching;
pub mod webhooks;

pub use chat::Chat;
pub use error::{Error, Result};
