//! Filling a place with its content: by whoever has its secret, once, with exactly the bytes that were announced.

use std::sync::Arc;

use bytes::Bytes;
use subtle::ConstantTimeEq as _;

use super::blobs::{BlobError, BlobWriter, Blobs};
use super::store::Opening;
use super::{FileId, FileState, StoredFile, names};
use crate::chat::Chat;
use crate::error::{Error, Result};
use crate::rosters::Owner;
use crate::store::StoreError;

/// The time that every upload has beside what its size makes up.
pub const UPLOAD_BASE_MS: u64 = 60_000;

/// Why content is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadRefusal {
    /// There is no such place, the secret is wrong, or the time is over: which of them is nobody's business.
    #[error("there is no place for this file")]
    Closed,
    /// It is there already, or on its way.
    #[error("the place is taken")]
    Taken,
    /// It is longer than announced.
    #[error("longer than announced")]
    TooLong,
    /// It is shorter than announced.
    #[error("shorter than announced")]
    TooShort,
    /// It is of another type than announced.
    #[error("of another type than announced")]
    MediaType,
    /// No space is left.
    #[error("no space is left")]
    Full,
    /// The server failed; the cause is for the log.
    #[error("the content could not be kept")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<BlobError> for UploadRefusal {
    fn from(error: BlobError) -> Self {
        match error {
            BlobError::Full => Self::Full,
            error => Self::Failed(error.into()),
        }
    }
}

impl From<StoreError> for UploadRefusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            error => Self::Failed(error.into()),
        }
    }
}

/// A place, taken to be filled. Dropped before it is finished, it is open again for what was left of its time.
pub struct Upload {
    chat: Arc<Chat>,
    file: StoredFile,
    writer: Option<Box<dyn BlobWriter>>,
    left: u64,
    finished: bool,
}

impl Chat {
    /// Names where the content of files is kept. Until then none are taken.
    pub fn keep_files_in(&self, blobs: Arc<dyn Blobs>) {
        // A second place would hide the files of the first, so the first stays.
        let _ = self.blobs.set(blobs);
    }

    pub(crate) fn blobs(&self) -> Result<&Arc<dyn Blobs>> {
        self.blobs.get().ok_or(Error::ServiceUnavailable)
    }

    /// How long an upload of this size may take.
    pub fn upload_time_ms(&self, size: u64) -> u64 {
        let slowest = self.settings().files.slowest_upload_bytes_per_second.max(1);
        UPLOAD_BASE_MS.saturating_add(size.saturating_mul(1000) / slowest)
    }

    /// Takes a place to fill it. `length` and `media_type` are what comes with the content.
    pub async fn begin_upload(
        self: &Arc<Self>,
        id: &FileId,
        token: &str,
        length: u64,
        media_type: Option<&str>,
    ) -> std::result::Result<Upload, UploadRefusal> {
        let found = self.store.file(id).await?;
        let Some(file) = found.filter(|file| bool::from(file.token.as_bytes().ct_eq(token.as_bytes())))
        else {
            return Err(UploadRefusal::Closed);
        };
        let now_ms = self.now_ms();
        match file.state {
            FileState::Open if file.open_until_ms > now_ms => {}
            FileState::Open | FileState::Gone => return Err(UploadRefusal::Closed),
            FileState::Writing | FileState::Stored => return Err(UploadRefusal::Taken),
        }
        if length != file.size {
            return Err(if length > file.size { UploadRefusal::TooLong } else { UploadRefusal::TooShort });
        }
        // XEP-0363 section 7: a type that was announced has to be kept.
        if let Some(announced) = &file.media_type
            && let Some(given) = media_type
            && names::media_type(given).as_ref() != Some(announced)
        {
            return Err(UploadRefusal::MediaType);
        }
        // Nobody fills a place any more who may not sign in by now.
        let owner = Owner { account: file.owner, jid: file.owner_jid.clone() };
        if self.acting(&owner).await.map_err(|error| UploadRefusal::Failed(error.into()))?.is_none() {
            return Err(UploadRefusal::Closed);
        }
        let blobs = self.blobs().map_err(|error| UploadRefusal::Failed(error.into()))?;
        let until_ms = now_ms.saturating_add(self.upload_time_ms(file.size));
        match self.store.open_file(id, now_ms, until_ms).await? {
            Opening::Granted => {}
            Opening::Taken => return Err(UploadRefusal::Taken),
            Opening::Closed => return Err(UploadRefusal::Closed),
        }
        // From here on whatever goes wrong gives the place back.
        let (key, size) = (file.id.content(), file.size);
        let mut upload = Upload { chat: Arc::clone(self), left: size, file, writer: None, finished: false };
        upload.writer = Some(blobs.create(&key, size).await?);
        Ok(upload)
    }
}

impl Upload {
    /// Bytes that are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Takes the next bytes of the content.
    pub async fn write(&mut self, bytes: Bytes) -> std::result::Result<(), UploadRefusal> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(length).ok_or(UploadRefusal::TooLong)?;
        match &mut self.writer {
            Some(writer) => Ok(writer.write(bytes).await?),
            None => Err(UploadRefusal::Closed),
        }
    }

    /// Makes the content safe. Once this has answered, the file can be read, whatever happens to the server.
    pub async fn finish(mut self) -> std::result::Result<(), UploadRefusal> {
        if self.left > 0 {
            return Err(UploadRefusal::TooShort);
        }
        if let Some(writer) = self.writer.take() {
            writer.finish().await?;
        }
        let completed = self.chat.store.complete_file(&self.file.id, self.chat.now_ms()).await;
        match completed {
            // It was discarded meanwhile: its owner is gone, or its time was over.
            Err(StoreError::NotFound) => {
                self.finished = true;
                Err(UploadRefusal::Closed)
            }
            Err(error) => Err(error.into()),
            Ok(()) => {
                self.finished = true;
                Ok(())
            }
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.writer = None;
        if self.finished {
            return;
        }
        let (chat, id) = (Arc::clone(&self.chat), self.file.id.clone());
        let until_ms = self.file.open_until_ms;
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = chat.store.release_file(&id, until_ms).await {
                tracing::debug!(%error, "a place for a file was not given back; it ends with its time");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::slots::tests::{order, world};
    use super::*;
    use crate::files::FileSettings;
    use crate::files::slots::{FileOrder, Slot};

    fn id(chat: &Chat, slot: &Slot) -> FileId {
        chat.settings().files.id_in(&["localhost".to_owned()], &slot.link).unwrap()
    }

    /// XEP-0363 section 7: the length has to be that of the request, and so has the type.
    #[tokio::test]
    async fn content_has_to_be_what_was_announced() {
        let (world, romeo, blobs) = world(FileSettings::default()).await;
        let chat = &world.chat;
        let announced = FileOrder { media_type: Some("image/PNG".to_owned()), ..order("a.png", 5) };
        let slot = chat.request_slot(&romeo, announced).await.unwrap();
        let file = id(chat, &slot);
        let begin = async |token: &str, length, media_type| {
            chat.begin_upload(&file, token, length, Some(media_type)).await
        };
        assert!(matches!(begin("", 5, "image/png").await, Err(UploadRefusal::Closed)));
        assert!(matches!(begin(&slot.token, 6, "image/png").await, Err(UploadRefusal::TooLong)));
        assert!(matches!(begin(&slot.token, 4, "image/png").await, Err(UploadRefusal::TooShort)));
        assert!(matches!(begin(&slot.token, 5, "text/html").await, Err(UploadRefusal::MediaType)));
        let mut upload = begin(&slot.token, 5, "image/png; x=y").await.unwrap();
        assert!(matches!(begin(&slot.token, 5, "image/png").await, Err(UploadRefusal::Taken)));
        upload.write(Bytes::from_static(b"abc")).await.unwrap();
        assert!(matches!(upload.write(Bytes::from_static(b"def")).await, Err(UploadRefusal::TooLong)));
        drop(upload);
        // The place is given back by a task that this one lets run.
        let mut upload = loop {
            match begin(&slot.token, 5, "image/png").await {
                Ok(upload) => break upload,
                Err(UploadRefusal::Taken) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        upload.write(Bytes::from_static(b"abcde")).await.unwrap();
        assert!(chat.readable_file(&file).await.unwrap().is_none(), "not before it is whole");
        upload.finish().await.unwrap();
        assert_eq!(chat.readable_file(&file).await.unwrap().unwrap().name, "a.png");
        assert!(matches!(begin(&slot.token, 5, "image/png").await, Err(UploadRefusal::Taken)));
        assert_eq!(blobs.content(&file.content()).as_deref(), Some(&b"abcde"[..]));
    }

    #[tokio::test]
    async fn a_place_is_open_for_its_time() {
        let (world, romeo, _) = world(FileSettings::default()).await;
        let slot = world.chat.request_slot(&romeo, order("a.png", 5)).await.unwrap();
        world.pass(world.chat.settings().files.slot_lifetime_ms);
        let late = world.chat.begin_upload(&id(&world.chat, &slot), &slot.token, 5, None).await;
        assert!(matches!(late, Err(UploadRefusal::Closed)));
    }
}
