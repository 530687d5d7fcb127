//! Streams between two servers (RFC 6120): bytes in, events out, an output buffer to write; no I/O, no clock.
//!
//! Stanzas flow one way on a stream, from the server that opened it. So there are two machines: [`Incoming`] for the
//! server that was connected to, [`Outgoing`] for the one that connected. Both are driven alike: `feed` what was read, act
//! on the event, write `take_output()`. `StartTls` stops a stream until `tls_established` gives the question back.
//!
//! A stream carries stanzas for *pairs*: (domain of the sender, domain of the recipient). A pair is authenticated by SASL
//! EXTERNAL with the peer's certificate (XEP-0178), or by Server Dialback (XEP-0220); further pairs by dialback only.
//! Nothing but STARTTLS happens before TLS.
//!
//! ```text
//! Incoming
//!  ──▶ AwaitingHeader ──header──▶ Negotiating ──starttls──▶ [StartTls]
//!            ▲  ▲                   │  │  │                     │
//!            │  └───tls_established─┼──┼──┼─────────────────────┘
//!            └──────<auth/>, valid──┘  │  └──db:result──▶ [Key] ──verified──▶ the pair may send
//!                                      └──stanza of a pair──▶ [Stanza]
//!
//! Outgoing
//!  ──▶ AwaitingHeader ──▶ AwaitingFeatures ──starttls──▶ AwaitingProceed ──▶ [StartTls]
//!            ▲                │        │                                         │
//!            │                │        ├─ EXTERNAL ─▶ Authenticating ──success──┐│
//!            │                │        ├─ db:result ─▶ AwaitingResult ─▶ [Ready]││
//!            │                │        └─ db:verify ─▶ AwaitingVerdict ─▶ [Verdict]
//!            │                └─ authenticated ─▶ [Ready]                       ││
//!            └──────────────────────────────────────────────────────────────────┴┘
//!  any state ──close tag──▶ Closed        any state ──rule broken, fail()──▶ Failed
//! ```

mod channel;
mod dialback;
mod incoming;
mod outgoing;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::error::StreamError;
use crate::stanza::Stanza;
use crate::xml::Limits;

pub use dialback::{Secret, Verdict};
pub use incoming::Incoming;
pub use outgoing::{Outgoing, Purpose, Refusal};

/// How many pairs of domains one stream may carry.
pub const PAIRS_LIMIT: usize = 256;

/// How many pairs of one stream may wait for the verdict of dialback.
pub const PENDING_PAIRS_LIMIT: usize = 16;

/// What all streams of a server share.
pub struct Config {
    /// Says of a normalised domain whether it is served here.
    pub hosts: Box<dyn Fn(&str) -> Host + Send + Sync>,
    /// Says of another domain whether it may speak to ours.
    pub admits: Box<dyn Fn(&str) -> bool + Send + Sync>,
    /// The domain that speaks when a peer addresses none that is served.
    pub default_host: Box<str>,
    /// Fills a buffer from the system's cryptographic generator: stream ids come from it.
    pub random: crate::c2s::FillRandom,
    /// What dialback keys are made with.
    pub secret: Secret,
    /// Whether a pair may be authenticated by dialback when no certificate proves it.
    pub dialback: bool,
    /// The bounds of a stream on which nobody is authenticated yet.
    pub limits_before: Limits,
    /// The bounds of a stream from then on.
    pub limits: Limits,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("default_host", &self.default_host).finish_non_exhaustive()
    }
}

/// Whether a domain is served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Yes.
    Served,
    /// No longer (RFC 6120 section 4.9.3.5).
    Gone,
    /// Never was (RFC 6120 section 4.9.3.6).
    Unknown,
}

/// A sending and a receiving domain, both normalised.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The domain of those who send.
    pub from: Box<str>,
    /// The domain of those who receive.
    pub to: Box<str>,
}

impl Pair {
    /// The stanzas from one domain to another.
    pub fn new(from: &str, to: &str) -> Pair {
        Pair { from: from.into(), to: to.into() }
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

/// What is known of the peer after a TLS handshake: for which domains it has shown a certificate that holds.
pub struct Peer(pub Box<dyn Fn(&str) -> bool + Send + Sync>);

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

/// The permission to report a finished handshake.
#[derive(Debug)]
pub struct StartTls(());

/// A dialback key that a peer sent (XEP-0220 section 2.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What it wants to send for.
    pub pair: Pair,
    /// The id of the stream it came on.
    pub id: Box<str>,
    /// The key.
    pub key: String,
}

/// What happened on a stream.
#[derive(Debug)]
pub enum Event {
    /// Write the output, shake hands, call `tls_established`.
    StartTls(StartTls),
    /// Incoming: ask the server of the sending domain whether the key is its own, then
    /// [`Incoming::verified`](incoming::Incoming::verified). The stream goes on meanwhile.
    Key(Key),
    /// Incoming: a pair has proven itself. Outgoing: stanzas may be sent.
    Ready(Pair, Proof),
    /// Incoming: a stanza; both addresses belong to an authenticated pair.
    Stanza(Stanza),
    /// Incoming: a stanza that cannot be read; this answer goes back to its sender.
    Unreadable(Stanza),
    /// Outgoing: what the peer says about a key.
    Verdict(Verdict),
    /// Outgoing: the peer does not take our stanzas, for this reason; the stream is closed.
    Refused(Refusal),
    /// The peer closed the stream in order, and so did we: flush the output and hang up.
    Closed,
    /// The peer reported a stream error and is gone.
    PeerFailed(StreamError),
    /// A rule was broken. The error and the closing tag are in the output: flush and hang up.
    Failed(StreamError),
}

/// How a pair was authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By a certificate.
    Certificate,
    /// By dialback.
    Dialback,
}

impl Proof {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Proof::Certificate => "certificate",
            Proof::Dialback => "dialback",
        }
    }
}
