//! Small pictures of pictures: made when somebody asks for the first time, once, within bounds, and kept.

use std::borrow::Cow;
use std::io::Cursor;
use std::sync::Arc;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use tokio::sync::Mutex;
use waxwing_chat::Chat;
use waxwing_chat::files::blobs::BlobError;
use waxwing_chat::files::{StoredFile, Thumbnail};

use super::download::failed;
use super::{bare, headers, shared};
use crate::http::Http;

/// Pixels of the longer side.
pub(super) const SIDE: u32 = 320;

/// Bytes of the largest file that a small picture is made of.
pub(super) const SOURCE_BYTES_LIMIT: u64 = 20 << 20;

/// Bytes that a decoder may take for each pixel allowed.
const BYTES_PER_PIXEL: u64 = 4;

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
            Some(source) => match tokio::task::spawn_blocking(move || shrink(&source, pixels)).await {
                Ok(Some((made, content))) => (made, Some(content)),
                Ok(None) | Err(_) => (Thumbnail::Impossible, None),
            },
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

/// Makes a small picture; `None` for what is none, or larger than allowed. The size that the head of a picture claims is
/// looked at before anything is decoded, and memory is bounded while it is.
fn shrink(source: &[u8], pixels: u64) -> Option<(Thumbnail, Bytes)> {
    let source = without_remarks(source);
    let reader = |width, height| {
        let mut limits = Limits::no_limits();
        (limits.max_image_width, limits.max_image_height) = (width, height);
        limits.max_alloc = Some(pixels.saturating_mul(BYTES_PER_PIXEL));
        let mut reader = ImageReader::new(Cursor::new(&*source)).with_guessed_format().ok()?;
        reader.limits(limits);
        Some(reader)
    };
    let (width, height) = reader(None, None)?.into_dimensions().ok()?;
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) > pixels {
        return None;
    }
    let reader = reader(Some(width), Some(height))?;
    let picture = reader.decode().ok()?;
    let small = if width.max(height) > SIDE { picture.thumbnail(SIDE, SIDE) } else { picture };
    let (made, format, small) = if small.color().has_alpha() {
        (Thumbnail::Png, ImageFormat::Png, DynamicImage::from(small.into_rgba8()))
    } else {
        (Thumbnail::Jpeg, ImageFormat::Jpeg, DynamicImage::from(small.into_rgb8()))
    };
    let mut out = Cursor::new(Vec::new());
    small.write_to(&mut out, format).ok()?;
    Some((made, Bytes::from(out.into_inner())))
}

/// A PNG without the chunks that are not needed to see it (PNG third edition, section 5): texts and profiles are compressed
/// by themselves, and a megabyte of them becomes a thousand. Anything else is left as it is.
fn without_remarks(source: &[u8]) -> Cow<'_, [u8]> {
    const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
    let Some(mut rest) = source.strip_prefix(SIGNATURE) else {
        return Cow::Borrowed(source);
    };
    let mut out = SIGNATURE.to_vec();
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        // The name, the content, and the checksum.
        let whole = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX).saturating_add(8);
        let Some(chunk) = behind.get(..whole) else { break };
        if chunk.get(..4).is_some_and(|name| matches!(name, b"IHDR" | b"PLTE" | b"tRNS" | b"IDAT" | b"IEND"))
        {
            out.extend_from_slice(length);
            out.extend_from_slice(chunk);
        }
        rest = behind.get(whole..).unwrap_or_default();
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What only says something about a picture is not read, however it is put.
    #[test]
    fn remarks_are_left_out() {
        let whole = picture(4, 4, true, ImageFormat::Png);
        assert_eq!(*without_remarks(&whole), *whole);
        let remark = [&3u32.to_be_bytes()[..], b"zTXtabc", &[0; 4]].concat();
        let with = [&whole[..33], &remark, &whole[33..]].concat();
        assert_eq!(*without_remarks(&with), *whole);
        assert!(shrink(&with, 1_000).is_some());
        let endless = [&whole[..33], &u32::MAX.to_be_bytes(), b"IDAT"].concat();
        assert_eq!(*without_remarks(&endless), whole[..33]);
        assert_eq!(*without_remarks(b"GIF89a"), *b"GIF89a");
    }

    fn picture(width: u32, height: u32, alpha: bool, format: ImageFormat) -> Vec<u8> {
        let picture = match alpha {
            true => DynamicImage::new_rgba8(width, height),
            false => DynamicImage::new_rgb8(width, height),
        };
        let mut out = Cursor::new(Vec::new());
        picture.write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    #[test]
    fn pictures_become_small() {
        for (format, alpha, expected) in [
            (ImageFormat::Png, true, Thumbnail::Png),
            (ImageFormat::Png, false, Thumbnail::Jpeg),
            (ImageFormat::Jpeg, false, Thumbnail::Jpeg),
            (ImageFormat::Gif, true, Thumbnail::Png),
            (ImageFormat::WebP, false, Thumbnail::Jpeg),
        ] {
            let (made, small) = shrink(&picture(1000, 500, alpha, format), 1_000_000).unwrap();
            assert_eq!(made, expected, "{format:?}");
            let small = image::load_from_memory(&small).unwrap();
            assert_eq!((small.width(), small.height()), (320, 160), "{format:?}");
        }
    }

    /// A small file that claims to be, or is, a huge picture costs nothing.
    #[test]
    fn bombs_are_not_decoded() {
        assert!(shrink(&picture(1001, 1000, false, ImageFormat::Png), 1_000_000).is_none());
        // A head alone, which claims 65,535 times 65,535 pixels.
        let mut head = picture(1, 1, false, ImageFormat::Png);
        head[16..20].copy_from_slice(&65_535u32.to_be_bytes());
        head[20..24].copy_from_slice(&65_535u32.to_be_bytes());
        assert!(shrink(&head, 25_000_000).is_none());
        for nonsense in
            [&b""[..], b"<html>", b"GIF89a", b"\x89PNG\r\n\x1a\n", b"RIFF\xff\xff\xff\xffWEBPVP8 "]
        {
            assert!(shrink(nonsense, 25_000_000).is_none());
        }
        let whole = picture(100, 100, true, ImageFormat::Png);
        for cut in (0..whole.len()).step_by(7) {
            drop(shrink(&whole[..cut], 25_000_000));
        }
    }
}
