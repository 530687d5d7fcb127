//! Small pictures of pictures: made when somebody asks for the first time, once, within bounds, and kept.

use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::Mutex;
use waxwing_chat::Chat;
use waxwing_chat::files::blobs::BlobError;
use waxwing_chat::files::{StoredFile, Thumbnail};

use super::download::failed;
use super::{bare, headers, shared};
use crate::http::Http;
use crate::pictures::{self, Kind};

/// Pixels of the longer side.
pub(super) const SIDE: u32 = 320;

/// Bytes of the largest file that a small picture is made of.
pub(super) const SOURCE_BYTES_LIMIT: u64 = 20 << 20;

/// How many are made at one time. Each file has its place in one of the queues, so that two who ask for the same picture
/// wait for each other and it is made once.
#[derive(Default)]
pub(super) struct Thumbnails([Mutex<()>; 2]);

impl Thumbnails {
    /// The small picture of a file, made now if it has to be.
    pub(super) async fn answer(&self, http: &Http, chat: &Arc<Chat>, file: &StoredFile) -> Response {
        let settings = http.live.current();
        let known = match file.thumbnail {
            Thumbnail::Unknown if settings.files.thumbnails => {
                match self.make(chat, file, settings.files.thumbnail_pixels_limit).await {
                    Ok(made) => made,
                    Err(error) => return failed(&error),
                }
            }
            known => known,
        };
        let media_type = match known {
            Thumbnail::Png => "image/png",
            Thumbnail::Jpeg => "image/jpeg",
            Thumbnail::Unknown | Thumbnail::Impossible => return bare(StatusCode::NOT_FOUND),
        };
        match read(chat, file).await {
            Ok(content) => {
                let small = StoredFile { media_type: Some(media_type.to_owned()), ..file.clone() };
                let mut answer = shared(content.into_response());
                headers::describe(&small, chat.now_ms(), answer.headers_mut());
                answer.headers_mut().remove(header::ACCEPT_RANGES);
                answer
            }
            Err(error) => failed(&error),
        }
    }

    async fn make(&self, chat: &Arc<Chat>, file: &StoredFile, pixels: u64) -> Result<Thumbnail, BlobError> {
        let place = usize::from(file.id.as_str().bytes().next_back().unwrap_or_default()) % self.0.len();
        let _turn = self.0[place].lock().await;
        // Somebody may have made it while this one waited.
        let again = chat.readable_file(&file.id).await.map_err(BlobError::failed)?;
        let Some(file) = again else { return Err(BlobError::NotFound) };
        if file.thumbnail != Thumbnail::Unknown {
            return Ok(file.thumbnail);
        }
        let (made, content) = match source(chat, &file).await? {
            None => (Thumbnail::Impossible, None),
            // A decoder that panics ends its own task; there is no small picture then.
            Some(source) => {
                match tokio::task::spawn_blocking(move || pictures::shrink(&source, SIDE, pixels)).await {
                    Ok(Some((Kind::Png, content))) => (Thumbnail::Png, Some(content)),
                    Ok(Some((Kind::Jpeg, content))) => (Thumbnail::Jpeg, Some(content)),
                    Ok(None) | Err(_) => (Thumbnail::Impossible, None),
                }
            }
        };
        chat.keep_thumbnail(&file, made, content).await?;
        Ok(made)
    }
}

/// The content of a file that may be a picture.
async fn source(chat: &Chat, file: &StoredFile) -> Result<Option<Vec<u8>>, BlobError> {
    let picture = file.media_type.as_deref().is_some_and(|media_type| {
        matches!(media_type, "image/png" | "image/jpeg" | "image/webp" | "image/gif")
    });
    if !picture || file.size > SOURCE_BYTES_LIMIT {
        return Ok(None);
    }
    let mut reader = chat.read_file(file, 0..file.size).await?;
    let mut content = Vec::with_capacity(usize::try_from(file.size).unwrap_or_default());
    while let Some(bytes) = reader.next().await? {
        content.extend_from_slice(&bytes);
    }
    Ok(Some(content))
}

async fn read(chat: &Chat, file: &StoredFile) -> Result<Vec<u8>, BlobError> {
    let mut reader = chat.read_thumbnail(file).await?;
    let mut content = Vec::new();
    while let Some(bytes) = reader.next().await? {
        content.extend_from_slice(&bytes);
    }
    Ok(content)
}
