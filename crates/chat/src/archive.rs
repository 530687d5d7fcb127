//! The message archive as values: what is appended, how it is asked for, and what comes back (XEP-0313).

use std::fmt;
use std::str::FromStr;

use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use crate::nodes::Held;

/// A place in the archive: microseconds since the Unix epoch at commit, made strictly rising by the store, so that one
/// number is identity, order and time. Others see it under a permutation (`archive_ids`), as the `stanza-id` of XEP-0359.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ArchiveId(pub u64);

impl ArchiveId {
    /// The time of archiving, milliseconds since the Unix epoch.
    pub fn stamp_ms(self) -> u64 {
        self.0 / 1000
    }

    /// The first id that a message archived at this millisecond can have.
    pub fn at_ms(ms: u64) -> Self {
        Self(ms.saturating_mul(1000))
    }
}

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for ArchiveId {
    type Err = std::num::ParseIntError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self)
    }
}

/// Which way a message went, seen from the archive's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The owner received it.
    Incoming,
    /// The owner sent it.
    Outgoing,
}

/// One owner's copy of a message that is to be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveCopy {
    /// Whose archive.
    pub owner: AccountId,
    /// The other party's address as it stands in the stanza, with its resource if it has one.
    pub peer: Jid,
    /// Which way it went.
    pub direction: Direction,
    /// Shown by archive queries. A copy that is not (XEP-0334 no-permanent-store, or by the owner's preferences) only
    /// waits, and is removed once `Store::set_delivered` passes it.
    pub kept: bool,
    /// Waits for the owner if he is offline (XEP-0160); `false` for what only archive queries should show.
    pub waits: bool,
}

/// A message that is to be archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// One copy an owner, at most one copy for each owner.
    pub copies: Vec<ArchiveCopy>,
    /// The sender's account and his own unique id of the message (XEP-0359 origin-id); a second message with the same
    /// pair is not stored, and reported as `Committed::Duplicate`.
    pub dedupe: Option<(AccountId, String)>,
    /// The stanza in canonical form, standing alone, without any stanza-id of ours.
    pub xml: Vec<u8>,
    /// What full-text search finds it by.
    pub text: Option<String>,
    /// What else it is found by (`labels`): which messages it is about, whom it mentions, what it holds.
    pub labels: Vec<String>,
    /// It is only kept while this is held as it says; otherwise it is refused with `StoreError::Fenced`. A store that only one
    /// node writes to does not look.
    pub fence: Option<Fence>,
}

/// What a node has to hold for what it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The lease.
    pub what: String,
    /// By whom, and which time it is that it is held.
    pub held: Held,
}

/// How a message was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is now in the archive under this id, the same for every owner.
    New(ArchiveId),
    /// It had been committed before, under this id.
    Duplicate(ArchiveId),
}

impl Committed {
    /// Where the message is.
    pub fn id(self) -> ArchiveId {
        let (Self::New(id) | Self::Duplicate(id)) = self;
        id
    }
}

/// A message from the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archived {
    /// Its id.
    pub id: ArchiveId,
    /// The other party.
    pub peer: Jid,
    /// Which way it went.
    pub direction: Direction,
    /// The stanza in canonical form, standing alone.
    pub xml: Vec<u8>,
}

/// One owner's copy of a message that comes from another archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedMessage {
    /// Its id there, or one made of its time.
    pub id: ArchiveId,
    /// The other party's address.
    pub peer: Jid,
    /// Which way it went.
    pub direction: Direction,
    /// Waits for the owner, who has not received it.
    pub waits: bool,
    /// The stanza in canonical form, scope `jabber:client`.
    pub xml: Vec<u8>,
    /// What full-text search finds it by.
    pub text: Option<String>,
    /// What else it is found by.
    pub labels: Vec<String>,
}

/// Which end of a result set a page is taken from (XEP-0059).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFrom {
    /// The oldest matches.
    Start,
    /// Directly behind this id, which must be in the owner's archive.
    After(ArchiveId),
    /// The newest matches.
    End,
    /// Directly before this id, which must be in the owner's archive.
    Before(ArchiveId),
}

/// A question to one owner's archive. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveQuery {
    /// Whose archive.
    pub owner: AccountId,
    /// Only with this party: a bare address matches all its resources, a full one itself only.
    pub with: Option<Jid>,
    /// Only from this id on, inclusive (from `start` of the query).
    pub start: Option<ArchiveId>,
    /// Only up to this id, inclusive (from `end` of the query).
    pub end: Option<ArchiveId>,
    /// Only behind this id (`after-id`, XEP-0313 #extended), which must exist.
    pub after_id: Option<ArchiveId>,
    /// Only before this id (`before-id`), which must exist.
    pub before_id: Option<ArchiveId>,
    /// Only these ids (`ids`), all of which must exist.
    pub ids: Vec<ArchiveId>,
    /// Only those whose text holds all these words (XEP-0431).
    pub text: Option<String>,
    /// Only those that carry all these labels.
    pub labels: Vec<String>,
    /// Which page.
    pub page: PageFrom,
    /// At most this many.
    pub limit: usize,
}

impl ArchiveQuery {
    /// A page of a whole archive, which is the question to narrow down.
    pub fn page(owner: AccountId, page: PageFrom, limit: usize) -> Self {
        Self {
            owner,
            with: None,
            start: None,
            end: None,
            after_id: None,
            before_id: None,
            ids: Vec::new(),
            text: None,
            labels: Vec::new(),
            page,
            limit,
        }
    }
}

/// A page of an archive, always oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivePage {
    /// The messages, oldest first.
    pub items: Vec<Archived>,
    /// No further matches lie in the direction of paging.
    pub complete: bool,
}

/// The ends of an archive (XEP-0313 metadata).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveBounds {
    /// The oldest message.
    pub first: ArchiveId,
    /// The newest message.
    pub last: ArchiveId,
}
