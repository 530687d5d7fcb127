//! The protocol of the administration socket: one JSON request a line, one JSON reply a line.
//!
//! ```text
//! -> {"waxwing":1,"command":"user show","arguments":{"address":"alice@example.org"}}
//! <- {"result":{"address":"alice@example.org", ...}}
//! <- {"error":{"code":"not-found","message":"There is no account ...","argument":"address"}}
//! ```
//!
//! Requests of one connection are answered in order. The number is the version of the protocol; a server refuses any
//! other with the code `protocol`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::failure::Failure;

/// The version of the protocol.
pub const VERSION: u32 = 1;

/// The longest line either side accepts, in bytes.
pub const LINE_BYTES: usize = 16 * 1024 * 1024;

/// A command to be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The version of the protocol.
    pub waxwing: u32,
    /// The command's name.
    pub command: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reply {
    /// It was done, with this result.
    Result(Value),
    /// It was not done.
    Error(Failure),
}

impl From<Result<Value, Failure>> for Reply {
    fn from(result: Result<Value, Failure>) -> Self {
        match result {
            Ok(value) => Self::Result(value),
            Err(failure) => Self::Error(failure),
        }
    }
}

impl From<Reply> for Result<Value, Failure> {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Result(value) => Ok(value),
            Reply::Error(failure) => Err(failure),
        }
    }
}
