//! Pushes to devices, and tokens of programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The key by which push services know this server (RFC 8292).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct PushKey {
    /// The public key, in base 64 for URLs: what a page gives to its browser as `applicationServerKey`.
    pub(crate) key: String,
}

/// A device wants to be pushed to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushSubscribe {
    /// The address of the subscription at the push service.
    pub(crate) endpoint: String,
    /// What its messages are encrypted for.
    pub(crate) keys: PushKeys,
}

/// What messages to a device are encrypted for (RFC 8291), in base 64 for URLs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushKeys {
    /// The device's public key.
    pub(crate) p256dh: String,
    /// The secret shared with it.
    pub(crate) auth: String,
}

/// A device no longer wants to be pushed to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PushUnsubscribe {
    /// The address of the subscription.
    pub(crate) endpoint: String,
}

/// A token by which a program acts for the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct AccessToken {
    /// Its id, which is no secret.
    pub(crate) id: String,
    /// What it is called.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scopes: Vec<String>,
    /// When it was made.
    pub(crate) created_ms: u64,
    /// From when on it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_ms: Option<u64>,
    /// About when it was last used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) used_ms: Option<u64>,
}

/// The tokens of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct TokenListed {
    /// In the order of their ids.
    pub(crate) tokens: Vec<AccessToken>,
}

/// A token that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenCreate {
    /// What it is called.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) scopes: Vec<String>,
    /// From when on it is refused.
    pub(crate) expires_ms: Option<u64>,
}

/// A token that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct TokenCreated {
    /// The token.
    pub(crate) token: AccessToken,
    /// The secret, which is told this once.
    pub(crate) secret: String,
}

/// A token that is to be withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenDelete {
    /// Its id.
    pub(crate) id: String,
}
