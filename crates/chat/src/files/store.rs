//! What a store keeps about files. A file's content lies elsewhere (`blobs`); what may be read is decided by these rows alone.

use async_trait::async_trait;

use super::{FileId, StoredFile, Thumbnail};
use crate::account::AccountId;
use crate::store::StoreResult;

/// What one account may use, as it stands when a place is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimits {
    /// Now, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Bytes of all its files and open places.
    pub quota_bytes: u64,
    /// Bytes of those with the same purpose, if that has a limit of its own.
    pub purpose_quota_bytes: Option<u64>,
    /// How many places it may have asked for since `window_start_ms`.
    pub count: u32,
    /// Since when they are counted.
    pub window_start_ms: u64,
}

/// Whether there is a place for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reservation {
    /// It is kept.
    Granted,
    /// The account's files would become too large.
    OverQuota,
    /// The account asks too often.
    TooMany {
        /// When the oldest of those counted was asked for.
        oldest_ms: u64,
    },
}

/// Whether the content of a file may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// To whoever asked, and to nobody else until it is released.
    Granted,
    /// Somebody is writing it, or it is there already.
    Taken,
    /// There is no such place, or its time is over.
    Closed,
}

/// What a file has to be for being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overdue {
    /// Now, in milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// Files of messages that were stored before this moment go.
    pub stored_before_ms: Option<u64>,
}

/// What an account's files amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileUsage {
    /// How many can be read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What a store keeps about files.
#[async_trait]
pub trait FileStore: Send + Sync + 'static {
    /// Keeps a place for a file if the limits allow it, in one transaction: however many are asked for at once, together
    /// they stay within the limits.
    async fn reserve_file(&self, file: StoredFile, limits: FileLimits) -> StoreResult<Reservation>;
    /// A file in any state but gone.
    async fn file(&self, id: &FileId) -> StoreResult<Option<StoredFile>>;
    /// Takes an open place to write its content, until `until_ms`.
    async fn open_file(&self, id: &FileId, now_ms: u64, until_ms: u64) -> StoreResult<Opening>;
    /// Gives a place back whose content did not come; it is open until `until_ms`.
    async fn release_file(&self, id: &FileId, until_ms: u64) -> StoreResult<()>;
    /// From now on the file can be read. `NotFound` unless it is being written.
    async fn complete_file(&self, id: &FileId, stored_ms: u64) -> StoreResult<()>;
    /// Notes what is known of a file's small picture.
    async fn set_thumbnail(&self, id: &FileId, thumbnail: Thumbnail) -> StoreResult<()>;
    /// Files that can be read, of one owner or of all, in the order of their ids, at most `limit`, behind `after`.
    async fn files(
        &self,
        owner: Option<AccountId>,
        after: Option<&FileId>,
        limit: usize,
    ) -> StoreResult<Vec<StoredFile>>;
    /// What an account's files amount to.
    async fn file_usage(&self, owner: AccountId) -> StoreResult<FileUsage>;
    /// From now on the file cannot be read. `NotFound` when there is none, or it is gone.
    async fn discard_file(&self, id: &FileId) -> StoreResult<()>;
    /// Discards what is overdue, and tells ids of files that are gone whose content may still be there, behind `after`; at
    /// most `limit`.
    async fn gone_files(
        &self,
        overdue: Overdue,
        after: Option<&FileId>,
        limit: usize,
    ) -> StoreResult<Vec<FileId>>;
    /// Forgets a file that is gone, once its content is; those asked for after `before_ms` stay, since they count.
    async fn forget_file(&self, id: &FileId, before_ms: u64) -> StoreResult<()>;
}
