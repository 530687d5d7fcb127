//! The messaging domain: accounts, roster, presence, sessions, messages and archive, and the ports it needs.

pub mod account;
pub mod archive;
pub mod audit;
pub mod chat;
pub mod deliver;
pub mod error;
pub mod event;
pub mod hints;
pub mod invitation;
pub mod messages;
pub mod port;
pub mod preferences;
pub mod presence;
pub mod profile;
pub mod requests;
pub mod roster;
pub mod route;
pub mod session;
pub mod sessions;
pub mod settings;
pub mod store;
pub mod time;
pub mod token;

pub use chat::Chat;
pub use error::{Error, Result};
