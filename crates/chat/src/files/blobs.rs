//! The `Blobs` port: where the content of files is kept, as bytes under names that the server made.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;

use super::FileId;

/// What a store of blobs can answer instead of a result.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is nothing under this name.
    #[error("it does not exist")]
    NotFound,
    /// No space is left.
    #[error("no space is left for files")]
    Full,
    /// Anything else; the cause is for the log, never for a peer.
    #[error("the store of files failed: {0}")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BlobError {
    /// Wraps a cause.
    pub fn failed(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Failed(cause.into())
    }
}

/// The result of a blob store's call.
pub type BlobResult<T> = Result<T, BlobError>;

/// The name of a blob: lower-case letters, digits and hyphens. Only a [`FileId`] makes one, so it is no path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobKey(String);

impl BlobKey {
    pub(super) fn new(id: &FileId, suffix: &str) -> Self {
        Self(format!("{id}{suffix}"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where the content of files is kept. Memory used by a call is bounded, whatever the size of the blob.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Begins to write a blob of this size. Nothing can be read of it before [`BlobWriter::finish`] has returned.
    async fn create(&self, key: &BlobKey, size: u64) -> BlobResult<Box<dyn BlobWriter>>;
    /// Begins to read these bytes of a blob.
    async fn read(&self, key: &BlobKey, range: Range<u64>) -> BlobResult<Box<dyn BlobReader>>;
    /// Removes a blob; one that is not there is removed already.
    async fn delete(&self, key: &BlobKey) -> BlobResult<()>;
    /// Answers when blobs can be written and read; used at the start, so that a mistake is seen there.
    async fn check(&self) -> BlobResult<()>;
}

/// A blob being written. Dropped before it is finished it leaves nothing that could be read.
#[async_trait]
pub trait BlobWriter: Send {
    /// Takes the next bytes; waits while those before are not written.
    async fn write(&mut self, bytes: Bytes) -> BlobResult<()>;
    /// Makes the blob safe (written and synced, with its name) and readable.
    async fn finish(self: Box<Self>) -> BlobResult<()>;
}

/// A blob being read.
#[async_trait]
pub trait BlobReader: Send {
    /// The next bytes, at most some hundred kilobytes; `None` behind the last.
    async fn next(&mut self) -> BlobResult<Option<Bytes>>;
}
