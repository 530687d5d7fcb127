//! The messaging domain: accounts, roster, presence, sessions, messages and archive, and the ports it needs.

pub mod account;
pub mod archive;
pub mod audit;
pub mod invitation;
pub mod roster;
pub mod store;
pub mod token;
