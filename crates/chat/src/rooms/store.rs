//! What rooms need kept, and the promises a store makes about it.

use async_trait::async_trait;
use waxwing_xmpp::jid::Jid;

use super::affiliation::Affiliation;
use super::configuration::Configuration;
use crate::account::AccountId;
use crate::archive::{ArchiveId, Fence};
use crate::store::{DocumentKind, StoreResult};

/// Identifies a room in the store, for its whole life; never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(pub i64);

impl RoomId {
    /// The owner of the room's archive. Rooms count downwards where accounts count upwards, so that they share one archive.
    pub fn archive(self) -> AccountId {
        AccountId(self.0.saturating_neg())
    }
}

/// A room as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRecord {
    /// Its identity in the store.
    pub id: RoomId,
    /// Its address.
    pub jid: Jid,
    /// The bare address of whoever created it.
    pub creator: Jid,
    /// Milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Nobody but its owner may enter until he has configured it (XEP-0045 section 10.1).
    pub locked: bool,
    /// What its owners decided.
    pub configuration: Configuration,
    /// What it is about at the moment.
    pub subject: Option<Subject>,
    /// What occupants' ids are made with (XEP-0421).
    pub secret: Vec<u8>,
}

/// The subject of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The message that set it, in canonical form.
    pub xml: Vec<u8>,
    /// When, milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// What somebody lastingly is to a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affiliate {
    /// A bare address, or a domain that is banned as a whole.
    pub jid: Jid,
    /// What he is.
    pub affiliation: Affiliation,
    /// The nickname that is kept for him.
    pub nick: Option<String>,
    /// Why he is.
    pub reason: Option<String>,
    /// Everything in the room's archive up to here has been seen by him.
    pub seen: ArchiveId,
}

/// What somebody is to a room, seen from him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belonging {
    /// The room's identity.
    pub id: RoomId,
    /// Its address.
    pub room: Jid,
    /// What he is to it.
    pub affiliation: Affiliation,
    /// The nickname that is kept for him.
    pub nick: Option<String>,
    /// Everything in its archive up to here has been seen by him.
    pub seen: ArchiveId,
}

/// A change to what is kept of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomChange {
    /// Another configuration; the room is no longer locked.
    Configuration(Configuration),
    /// Another subject.
    Subject(Subject),
    /// Affiliations, all or none; one that is `None` is removed. What somebody has seen is written with a new one alone:
    /// afterwards `set_seen` moves it.
    Affiliates(Vec<Affiliate>),
    /// Another document of this kind under this key; none removes it.
    Document(DocumentKind, &'static str, Option<String>),
}

/// Which rooms are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomFilter {
    /// Those that can be found, at a service.
    Public(String),
    /// All.
    All,
    /// Those in which this bare address has an affiliation.
    Of(Jid),
    /// Those that nothing keeps when nobody is in them.
    Passing,
}

/// What rooms need kept. All of it is durable when the future resolves.
#[async_trait]
pub trait RoomStore: Send + Sync {
    /// Keeps a new room with its first owner, and gives it its id. `Conflict` when the address is taken.
    async fn create_room(&self, room: RoomRecord, owner: Affiliate) -> StoreResult<RoomId>;
    /// The room of an address.
    async fn room(&self, jid: &Jid) -> StoreResult<Option<RoomRecord>>;
    /// The room with this identity.
    async fn room_of(&self, id: RoomId) -> StoreResult<Option<RoomRecord>>;
    /// Rooms in the order of their addresses, at most `limit`, beginning behind `after`.
    async fn rooms(
        &self,
        filter: RoomFilter,
        after: Option<&Jid>,
        limit: usize,
    ) -> StoreResult<Vec<RoomRecord>>;
    /// How many rooms somebody has created that are still there.
    async fn rooms_created_by(&self, creator: &Jid) -> StoreResult<usize>;
    /// Changes one aspect of a room. `NotFound` when it is gone, `Fenced` when what the fence names is not held as it says
    /// (`Append::fence`).
    async fn change_room(&self, id: RoomId, change: RoomChange, fence: Option<Fence>) -> StoreResult<()>;
    /// Removes a room and all that is kept for it, its archive included. `NotFound` when it is gone, `Fenced` as for a change.
    async fn delete_room(&self, id: RoomId, fence: Option<Fence>) -> StoreResult<()>;
    /// Everybody who is something to the room.
    async fn affiliates(&self, id: RoomId) -> StoreResult<Vec<Affiliate>>;
    /// What somebody is to each room that he is anything to, banned ones included, in one read.
    async fn affiliations_of(&self, jid: &Jid) -> StoreResult<Vec<Belonging>>;
    /// Moves somebody's mark of what he has seen, never backwards. Nothing happens for one who has no affiliation.
    async fn set_seen(&self, id: RoomId, jid: &Jid, seen: ArchiveId) -> StoreResult<()>;
    /// Puts other content in the place of a message of an archive, so that no search finds the former. `NotFound` when it
    /// is not there.
    async fn replace_archived(&self, owner: AccountId, id: ArchiveId, xml: Vec<u8>) -> StoreResult<()>;
}
