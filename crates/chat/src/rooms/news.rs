//! What those are told who belong to a room and are not in it: values for the faces that let people do so.

use std::sync::Arc;

use tokio::sync::OnceCell;
use waxwing_xmpp::jid::Jid;
use waxwing_xmpp::ns;
use waxwing_xmpp::stanza::Outgoing;

use super::affiliation::Affiliation;
use crate::account::AccountId;
use crate::archive::ArchiveId;
use crate::labels;

/// Something that happened in or to a room.
#[derive(Debug)]
pub enum RoomEvent {
    /// Somebody has said something.
    Said(Said),
    /// It is configured otherwise, or the receiver is something else to it than before.
    Changed(Jid),
    /// People are something else to it than before.
    Members {
        /// The room.
        room: Jid,
        /// Whom it concerns.
        changes: Vec<Membership>,
    },
    /// A message was pinned, or is not any more.
    Pinned {
        /// The room.
        room: Jid,
        /// The key under which that is kept.
        key: String,
        /// The position of the change.
        at: ArchiveId,
    },
    /// The receiver belongs to it from now on.
    Belongs {
        /// The room.
        room: Jid,
        /// Who has brought him in, if anybody did and the receiver may know.
        by: Option<Jid>,
        /// Why.
        reason: Option<String>,
    },
    /// The receiver does not belong to it any more, or it has ended: nothing of it can be read.
    Left(Jid),
}

/// Something that was said in a room.
#[derive(Debug)]
pub struct Said {
    /// The room.
    pub room: Jid,
    /// As everybody in it gets it.
    pub stanza: Arc<Outgoing>,
    /// Whose archive keeps it.
    pub archive: AccountId,
    /// Its place in the room's archive, if it is kept.
    pub archived: Option<ArchiveId>,
    /// The address of whoever really said it, if the receiver may know.
    pub by: Option<Jid>,
    /// The receiver may know of everybody there who he is, not only of himself.
    pub knows_people: bool,
    /// What a face makes of it for all who receive the same, where that is the same for all of them.
    pub rendered: OnceCell<Arc<str>>,
}

impl Said {
    /// Whether all who receive it are told the same. Whoever may know of himself alone is shown what he has written under his own
    /// address, and nobody else may see that: so what has to do with other messages is told to each apart.
    pub fn is_same_for_all(&self) -> bool {
        let stanza = self.stanza.stanza();
        let answers =
            || stanza.child(ns::REPLY, "reply").is_some() || stanza.child(ns::CLIENT, "thread").is_some();
        self.knows_people || (self.by.is_none() && labels::deed(stanza).is_none() && !answers())
    }
}

/// What somebody is to a room from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// His bare address.
    pub person: Jid,
    /// What he is.
    pub affiliation: Affiliation,
    /// The nickname that is kept for him.
    pub nick: Option<String>,
}

/// About how many bytes an event takes that is no message.
const SMALL_BYTES: usize = 256;

impl RoomEvent {
    /// Bytes that it keeps in memory while it waits.
    pub fn memory(&self) -> usize {
        match self {
            Self::Said(said) => said.stanza.memory(),
            Self::Members { changes, .. } => SMALL_BYTES * (1 + changes.len()),
            Self::Changed(_) | Self::Pinned { .. } | Self::Belongs { .. } | Self::Left(_) => SMALL_BYTES,
        }
    }
}
