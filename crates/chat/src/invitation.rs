//! Invitations as values: single-use or limited tokens that let a stranger register or become a contact
//! (XEP-0379, XEP-0401, XEP-0445).

use waxwing_xmpp::jid::Jid;

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The secret in the link, at least 128 bits of the system's randomness.
    pub token: String,
    /// The domain an account may be made at; `None` when it only makes a contact.
    pub register_at: Option<String>,
    /// The account name that is set aside for the invited person.
    pub username: Option<String>,
    /// Who invited, and becomes a contact of whoever accepts; `None` for one by an administrator.
    pub inviter: Option<Jid>,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Milliseconds since the Unix epoch from which it is refused.
    pub expires_ms: u64,
    /// How many times it may still be used.
    pub uses_left: u32,
}
