//! What travels between the server and its JSON clients: each type is described once, here, and from it come the reader and
//! writer, the TypeScript types and the reference.

mod account;
mod conversation;
mod event;
mod file;
mod integrations;
mod message;
mod patch;
mod people;
mod preferences;
mod room;
mod session;
mod sync;
mod thread;

pub(crate) use account::*;
pub(crate) use conversation::*;
pub(crate) use event::*;
pub(crate) use file::*;
pub(crate) use integrations::*;
pub(crate) use message::*;
pub(crate) use patch::*;
pub(crate) use people::*;
pub(crate) use preferences::*;
pub(crate) use room::*;
pub(crate) use session::*;
pub(crate) use sync::*;
pub(crate) use thread::*;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The address of an account, a room or somebody in a room (RFC 7622).
pub(crate) type Address = String;

/// By what a message is known in its conversation: the `stanza-id` of XEP-0359.
pub(crate) type MessageId = String;

/// Microseconds since the Unix epoch, strictly rising over the whole server: it orders messages, and is the version of
/// everything that lasts.
pub(crate) type Position = u64;

/// Nothing at all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// Whether a field that is false or absent says the same.
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}
