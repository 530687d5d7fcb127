//! Reading files: by whoever has the link, for as long as they are kept; and the small pictures made of them.

use std::ops::Range;

use bytes::Bytes;

use super::blobs::{BlobError, BlobReader, BlobResult};
use super::store::FileUsage;
use super::{FileId, StoredFile, Thumbnail};
use crate::account::AccountId;
use crate::chat::Chat;
use crate::error::Result;

impl Chat {
    /// A file that can be read now.
    pub async fn readable_file(&self, id: &FileId) -> Result<Option<StoredFile>> {
        let found = self.store.file(id).await?;
        let now_ms = self.now_ms();
        Ok(found.filter(|file| file.is_readable(&self.settings().files, now_ms)))
    }

    /// Sees whether files can be kept.
    pub async fn check_files(&self) -> BlobResult<()> {
        self.blobs().map_err(BlobError::failed)?.check().await
    }

    /// Begins to read these bytes of a file.
    pub async fn read_file(&self, file: &StoredFile, range: Range<u64>) -> BlobResult<Box<dyn BlobReader>> {
        let blobs = self.blobs().map_err(BlobError::failed)?;
        blobs.read(&file.id.content(), range).await
    }

    /// The small picture of a file, if it was made.
    pub async fn read_thumbnail(&self, file: &StoredFile) -> BlobResult<Box<dyn BlobReader>> {
        let blobs = self.blobs().map_err(BlobError::failed)?;
        blobs.read(&file.id.thumbnail(), 0..u64::MAX).await
    }

    /// Keeps the small picture of a file, or that there can be none.
    pub async fn keep_thumbnail(
        &self,
        file: &StoredFile,
        made: Thumbnail,
        content: Option<Bytes>,
    ) -> BlobResult<()> {
        if let Some(content) = content {
            let blobs = self.blobs().map_err(BlobError::failed)?;
            let mut writer = blobs.create(&file.id.thumbnail(), content.len() as u64).await?;
            writer.write(content).await?;
            writer.finish().await?;
        }
        self.store.set_thumbnail(&file.id, made).await.map_err(BlobError::failed)
    }

    /// The file of this server that a link leads to.
    pub async fn file_behind(&self, link: &str) -> Result<Option<StoredFile>> {
        let settings = self.settings();
        match settings.files.id_in(&settings.domains, link) {
            Some(id) => Ok(self.store.file(&id).await?),
            None => Ok(None),
        }
    }

    /// Files that can be read, of one account or of all, in the order of their ids, behind `after`. For administrators.
    pub async fn files(
        &self,
        owner: Option<AccountId>,
        after: Option<&FileId>,
        limit: usize,
    ) -> Result<Vec<StoredFile>> {
        Ok(self.store.files(owner, after, limit).await?)
    }

    /// What an account's files amount to.
    pub async fn file_usage(&self, owner: AccountId) -> Result<FileUsage> {
        Ok(self.store.file_usage(owner).await?)
    }
}
