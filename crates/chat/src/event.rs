//! What a session is told: the one exhaustive list that every face turns into its own words.

use std::sync::Arc;

use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::stanza::Outgoing;

use crate::archive::{ArchiveId, Direction};
use crate::rooms::news::RoomEvent;
use crate::roster::RosterItem;
use crate::state::StateItem;

/// Something that happened and concerns one session.
#[derive(Debug, Clone)]
pub enum Event {
    /// A stanza addressed to this session or its account.
    Stanza(Delivery),
    /// Something of a room that the session hears without being in it; shared by all who are told the same.
    Room(Arc<RoomEvent>),
    /// Stanzas that come together and are kept in no archive of the account: what somebody who enters a room is told.
    Batch(Vec<Arc<Outgoing>>),
    /// A copy of a message that another session of the account sent or received (XEP-0280).
    Carbon(Direction, Delivery),
    /// Something that the account's clients keep in step.
    Account(Arc<AccountEvent>),
    /// The roster changed (RFC 6121 section 2.1.6).
    RosterChanged {
        /// The version after the change.
        version: u64,
        /// The item as it now is.
        change: Arc<RosterChange>,
    },
    /// Addresses were added to the blocklist (XEP-0191 section 3.3).
    Blocked(Arc<[Jid]>),
    /// Addresses were taken off the blocklist; an empty list stands for all (XEP-0191 section 3.4).
    Unblocked(Arc<[Jid]>),
}

/// Something that the clients of an account keep in step, and how far others have read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountEvent {
    /// The account keeps something otherwise than before.
    State(StateItem),
    /// Somebody else has read a conversation up to here.
    Read {
        /// The conversation, by its address for the receiver.
        conversation: Jid,
        /// Who.
        by: Jid,
        /// Up to where.
        up_to: ArchiveId,
    },
}

impl AccountEvent {
    fn memory(&self) -> usize {
        match self {
            Self::State(item) => SMALL_EVENT_BYTES + item.content.as_ref().map_or(0, String::len),
            Self::Read { .. } => SMALL_EVENT_BYTES,
        }
    }
}

/// About how many bytes an event that holds no stanza takes.
const SMALL_EVENT_BYTES: usize = 512;

impl Event {
    /// Bytes that the event keeps in memory while it waits.
    pub fn memory(&self) -> usize {
        match self {
            Self::Stanza(delivery) | Self::Carbon(_, delivery) => delivery.stanza.memory(),
            Self::Room(event) => event.memory(),
            Self::Batch(stanzas) => stanzas.iter().map(|stanza| stanza.memory()).sum(),
            Self::Account(event) => event.memory(),
            Self::RosterChanged { .. } | Self::Blocked(_) | Self::Unblocked(_) => SMALL_EVENT_BYTES,
        }
    }
}

/// A stanza on its way to a session.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Shared by all who receive it.
    pub stanza: Arc<Outgoing>,
    /// Its place in the account's archive, if it has one: what the session reports as delivered.
    pub archived: Option<ArchiveId>,
}

/// One change to a roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RosterChange {
    /// The item was added or changed.
    Set(RosterItem),
    /// The contact is no longer in the roster.
    Removed(Jid),
}

/// Why the server ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Close {
    /// Another session took the same resource (RFC 6120 section 7.7.2.2).
    Replaced,
    /// Its queue is full: the client reads too slowly. The archive holds its messages.
    TooSlow,
    /// The account was disabled or deleted, or its password was changed.
    Revoked,
    /// Its owner signed it out from another device.
    SignedOut,
    /// An administrator ended it.
    Ended,
    /// Its domain is no longer served here (RFC 6120 section 4.9.3.5).
    HostGone,
    /// What secured it no longer holds, or the administrator wants everyone to negotiate encryption and authentication
    /// anew (RFC 6120 section 4.9.3.16).
    Reset,
    /// The server is stopping.
    Shutdown,
}
