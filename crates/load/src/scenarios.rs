//! The loads that can be put on a server, one file each.

pub(crate) mod archive;
pub(crate) mod capacity;
pub(crate) mod chat;
pub(crate) mod files;
pub(crate) mod hash;
pub(crate) mod idle;
pub(crate) mod login;
pub(crate) mod offline;
pub(crate) mod ping;
pub(crate) mod presence;
pub(crate) mod register;
pub(crate) mod rooms;
pub(crate) mod storm;
