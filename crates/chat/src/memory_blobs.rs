//! Blobs in memory, for tests.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::files::blobs::{BlobError, BlobKey, BlobReader, BlobResult, BlobWriter, Blobs};

type Kept = Arc<Mutex<HashMap<BlobKey, Vec<u8>>>>;

/// Everything is lost when it is dropped.
#[derive(Debug, Default)]
pub struct MemoryBlobs(Kept);

impl MemoryBlobs {
    /// What is kept under a name.
    pub fn content(&self, key: &BlobKey) -> Option<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

struct Writer(Kept, BlobKey, Vec<u8>);

struct Reader(Option<Bytes>);

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn create(&self, key: &BlobKey, _size: u64) -> BlobResult<Box<dyn BlobWriter>> {
        Ok(Box::new(Writer(Arc::clone(&self.0), key.clone(), Vec::new())))
    }

    async fn read(&self, key: &BlobKey, range: Range<u64>) -> BlobResult<Box<dyn BlobReader>> {
        let content = self.content(key).ok_or(BlobError::NotFound)?;
        let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(content.len());
        let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
        Ok(Box::new(Reader(Some(Bytes::copy_from_slice(&content[start..end])))))
    }

    async fn delete(&self, key: &BlobKey) -> BlobResult<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }

    async fn check(&self) -> BlobResult<()> {
        Ok(())
    }
}

#[async_trait]
impl BlobWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> BlobResult<()> {
        self.2.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> BlobResult<()> {
        let Self(kept, key, content) = *self;
        kept.lock().unwrap_or_else(PoisonError::into_inner).insert(key, content);
        Ok(())
    }
}

#[async_trait]
impl BlobReader for Reader {
    async fn next(&mut self) -> BlobResult<Option<Bytes>> {
        Ok(self.0.take().filter(|bytes| !bytes.is_empty()))
    }
}
