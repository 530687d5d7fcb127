//! Sign-in tokens as values (XEP-0484).

use crate::account::AccountId;

/// A token that lets one client of an account sign in without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose.
    pub owner: AccountId,
    /// The id of the client it was given to (XEP-0388 user-agent).
    pub agent: String,
    /// The mechanism it is good for.
    pub mechanism: String,
    /// The shared secret.
    pub secret: String,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Milliseconds since the Unix epoch from which it is refused.
    pub expires_ms: u64,
    /// The highest replay counter seen (XEP-0484 section 3.5), if the client sent one.
    pub count: Option<u32>,
}
