//! The audit log as values: who did what to whom, in a chain of hashes that shows tampering.

/// Something that must be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who did it: an address, or `local` for the administration socket.
    pub actor: String,
    /// What was done, such as `user.disable`.
    pub action: String,
    /// To whom or what.
    pub target: String,
    /// Anything else worth knowing, never a secret or a message's text.
    pub detail: String,
}

/// An entry in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number, from 1 without gaps.
    pub number: u64,
    /// What happened.
    pub entry: AuditEntry,
    /// SHA-256 over the previous record's hash and this record's fields, in hexadecimal.
    pub hash: String,
}
