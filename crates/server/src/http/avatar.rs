//! Pictures of people and rooms, for pages. Whoever names the hash of a picture in use may see it: nobody finds a hash by
//! guessing, and it is told to those only who may see the picture. A browser can send nothing else along with an image.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use waxwing_xmpp::jid::Jid;

use super::Http;

/// Where the pictures are.
pub(super) const PATH: &str = "/api/avatar/{address}/{hash}";

/// A picture with another content has another hash.
const LASTING: &str = "public, max-age=31536000, immutable";

/// `/api/avatar/ADDRESS/HASH`
pub(super) async fn get(
    State(http): State<Arc<Http>>,
    Path((address, hash)): Path<(String, String)>,
) -> Response {
    let (Some(chat), Ok(address)) = (&http.chat, Jid::new(&address)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    match chat.avatar(&address, &hash).await {
        Ok(Some(picture)) => match media_type(&picture) {
            Some(media_type) => {
                ([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, LASTING)], picture)
                    .into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::warn!(%error, "a picture could not be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// What a picture is, from its first bytes: what its owner says of it counts for nothing, and what can hold a script is none.
fn media_type(picture: &[u8]) -> Option<&'static str> {
    match picture {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_picture_is_one() {
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\n\0"), Some("image/png"));
        assert_eq!(media_type(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(media_type(b"GIF89a"), Some("image/gif"));
        assert_eq!(media_type(b"RIFF\x01\0\0\0WEBPVP8 "), Some("image/webp"));
        for other in
            [&b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..], b"<html>", b"%PDF", b"RIFF\0\0\0\0WAVE", b""]
        {
            assert_eq!(media_type(other), None);
        }
    }
}
