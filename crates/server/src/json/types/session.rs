//! Signing in, devices and limits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Account, Address};

/// How somebody shows who he is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum SignInBy {
    /// By the password.
    Password {
        /// The account.
        address: Address,
        /// Its password.
        password: String,
    },
    /// By a token that an earlier sign-in gave to the same device.
    Token {
        /// The token.
        token: String,
    },
    /// By an invitation, which makes an account.
    Invitation {
        /// The invitation's token.
        token: String,
        /// The name of the new account: what stands before the `@`.
        name: String,
        /// Its password.
        password: String,
    },
}

/// The program that signs in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Client {
    /// What it is called.
    pub(crate) name: String,
    /// An id of its own for this device, the same each time it comes, such as a random UUID.
    pub(crate) device: String,
    /// Its version.
    #[serde(default)]
    pub(crate) version: Option<String>,
}

/// Signs in. The first request on a connection.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionSignIn {
    /// The version of this protocol: 1.
    pub(crate) protocol: u32,
    /// Who it is.
    pub(crate) credentials: SignInBy,
    /// The program that signs in.
    pub(crate) client: Client,
    /// Ask for a token to sign in with next time.
    #[serde(default)]
    pub(crate) remember: bool,
}

/// Somebody has signed in.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct SignedIn {
    /// Who.
    pub(crate) account: Account,
    /// A token for the next time, if one was asked for, or the one that was used grows old. It replaces the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// The id of the session: the full address that XMPP clients see.
    pub(crate) session: String,
    /// The server.
    pub(crate) server: Server,
    /// What is allowed.
    pub(crate) limits: Limits,
}

/// The server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Server {
    /// What it is called: the first of its domains.
    pub(crate) name: String,
    /// The domains it serves.
    pub(crate) domains: Vec<String>,
    /// The version of the program.
    pub(crate) version: String,
    /// Its clock, in milliseconds since the Unix epoch.
    pub(crate) time_ms: u64,
    /// What it can do beyond this protocol's first version.
    pub(crate) features: Vec<String>,
}

/// What is allowed. Beyond it, requests are refused with `too_large` or `limit_exceeded`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Limits {
    /// Bytes of one frame.
    pub(crate) frame_bytes: u64,
    /// Things on one page of whatever is read by pages.
    pub(crate) page: u32,
    /// Bytes of the text of a message.
    pub(crate) text_bytes: u32,
    /// Files that go with a message.
    pub(crate) attachments: u32,
    /// Mentions in a message.
    pub(crate) mentions: u32,
    /// Data for programs that goes with a message.
    pub(crate) payloads: u32,
    /// Different emoji with which one person may react to a message.
    pub(crate) reactions: u32,
    /// Bytes of one file.
    pub(crate) upload_bytes: u64,
    /// How long after it was sent a message may be taken back by whoever sent it; 0 for ever.
    pub(crate) recall_ms: u64,
    /// How long after it was sent a message may be edited; 0 for ever.
    pub(crate) edit_ms: u64,
}

/// A new token.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct SessionRenewed {
    /// The token, which replaces the one before.
    pub(crate) token: String,
}

/// The server's clock.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct SessionPong {
    /// Milliseconds since the Unix epoch.
    pub(crate) time_ms: u64,
}

/// Says whether somebody looks at this client.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionActive {
    /// Whether somebody does.
    pub(crate) active: bool,
}

/// The face by which a device comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DeviceFace {
    /// This one.
    Json,
    /// XMPP.
    Xmpp,
    /// XMPP over WebSocket.
    Websocket,
}

/// A device that is signed in, or may sign in without the password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Device {
    /// Its id.
    pub(crate) id: String,
    /// The name to show.
    pub(crate) name: String,
    /// The program on it.
    pub(crate) client: String,
    /// The face by which it comes.
    pub(crate) face: DeviceFace,
    /// Where it last came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// When it was last there, in milliseconds since the Unix epoch.
    pub(crate) last_seen_ms: u64,
    /// Whether it is there now.
    pub(crate) online: bool,
    /// Whether it is the one that asks.
    pub(crate) current: bool,
}

/// The devices of the account.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DeviceListed {
    /// Those that are there first, then by when they were last there.
    pub(crate) devices: Vec<Device>,
}

/// Signs a device out.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceEnd {
    /// Its id.
    pub(crate) id: String,
}
