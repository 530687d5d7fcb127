//! What an account keeps in step on all its devices: small items, each changed under a position of the archive's own clock, so that
//! one number tells how much of everything a client knows.

use async_trait::async_trait;
use waxwing_xmpp::jid::Jid;

use crate::account::AccountId;
use crate::archive::ArchiveId;
use crate::store::StoreResult;

/// How many bytes the content of an item may have.
pub const STATE_CONTENT_BYTES_LIMIT: usize = 65_536;

/// How many bytes the key of an item may have.
pub const STATE_KEY_BYTES_LIMIT: usize = 4_096;

/// How many bytes the items of one kind may have that an account keeps, their keys included.
pub const STATE_BYTES_LIMIT: u64 = 4 * 1024 * 1024;

/// How many items of one kind an account may have.
pub const STATE_ITEMS_LIMIT: usize = 10_000;

/// What an item is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateKind {
    /// How far a conversation has been read; the key is its address.
    Read,
    /// How a conversation is shown and told of; the key is its address.
    Settings,
    /// What was begun to be written; the key is the conversation's address.
    Draft,
    /// A message kept for later; the key is the conversation's address and the message's id.
    Saved,
    /// A thread that is followed; the key is the conversation's address and the id of its first message.
    Thread,
    /// A message that is to be sent; the key is its id.
    Scheduled,
    /// The account's preferences; the key is empty.
    Preferences,
    /// What the account says of itself beside its presence; the key is empty.
    Status,
    /// A message that is pinned; the key is the conversation's address and the message's id.
    Pin,
    /// The account's own vote to hold a direct conversation in its list although nothing was said; the key is its address.
    Opened,
}

impl StateKind {
    /// All of them; the place in this list is the number under which it is stored.
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Settings,
        Self::Draft,
        Self::Saved,
        Self::Thread,
        Self::Scheduled,
        Self::Preferences,
        Self::Status,
        Self::Pin,
        Self::Opened,
    ];

    /// The number under which it is stored.
    pub fn number(self) -> i64 {
        self as i64
    }

    /// The kind with this number.
    pub fn from_number(number: i64) -> Option<Self> {
        usize::try_from(number).ok().and_then(|at| Self::ALL.get(at)).copied()
    }
}

/// An item as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateItem {
    /// What it is about.
    pub kind: StateKind,
    /// Which of its kind.
    pub key: String,
    /// When it was last changed.
    pub position: ArchiveId,
    /// What it says; `None` where it was removed.
    pub content: Option<String>,
}

/// A change to an item of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// Whose item.
    pub owner: AccountId,
    /// What it is about.
    pub kind: StateKind,
    /// Which of its kind.
    pub key: String,
    /// What it says from now on; `None` removes it.
    pub content: Option<String>,
}

/// Runs once the changes are committed and synced, with the position they share, or have failed. Called in commit order,
/// between the callbacks of messages.
pub type OnState = Box<dyn FnOnce(StoreResult<ArchiveId>) + Send>;

/// What synchronisation needs kept.
#[async_trait]
pub trait StateStore {
    /// Changes items, all or none, under one new position.
    fn put_state(&self, changes: Vec<StateChange>, done: OnState);
    /// The items of one kind that an account has, without those removed.
    async fn state(&self, owner: AccountId, kind: StateKind) -> StoreResult<Vec<StateItem>>;
    /// How many of them there are, and how many bytes they and their keys have.
    async fn state_size(&self, owner: AccountId, kind: StateKind) -> StoreResult<(usize, u64)>;
    /// One item.
    async fn state_item(
        &self,
        owner: AccountId,
        kind: StateKind,
        key: &str,
    ) -> StoreResult<Option<StateItem>>;
    /// What changed behind a position, in order, those removed included; at most `limit`.
    async fn state_since(
        &self,
        owner: AccountId,
        since: ArchiveId,
        limit: usize,
    ) -> StoreResult<Vec<StateItem>>;
    /// The items of one kind of all accounts.
    async fn state_of_all(&self, kind: StateKind) -> StoreResult<Vec<(AccountId, StateItem)>>;
    /// Removes for good what was removed before a position, at most `limit` items; returns how many.
    async fn sweep_state(&self, before: ArchiveId, limit: usize) -> StoreResult<usize>;
    /// With whom an account has talked, with the newest message that says something: the newest first, older than `before`,
    /// at most `limit`. Rooms are not among them.
    async fn conversations(
        &self,
        owner: AccountId,
        before: ArchiveId,
        limit: usize,
    ) -> StoreResult<Vec<(Jid, ArchiveId)>>;
    /// The newest position that was committed: whatever is at it or below is seen by every read that begins from now on.
    fn position(&self) -> ArchiveId;
}
