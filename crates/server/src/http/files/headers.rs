//! What an answer with a file says about it, so that no browser executes it or takes it for something of ours.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use waxwing_chat::files::{StoredFile, names};

/// Types that a browser may show in place: it decodes them, and executes nothing in them.
const SHOWN: &[&str] = &[
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "audio/mpeg",
    "audio/mp4",
    "audio/aac",
    "audio/ogg",
    "audio/opus",
    "audio/flac",
    "audio/wav",
    "audio/webm",
    "video/mp4",
    "video/ogg",
    "video/webm",
];

/// Further types that are named as they are, for saving. Whatever is not here is named `application/octet-stream`: above
/// all HTML, SVG, XML, scripts and style sheets, which a page of our origin could otherwise be made to load.
const NAMED: &[&str] = &[
    "text/plain",
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/msword",
    "application/pgp-encrypted",
];

/// Opened by itself, a file has no origin and may load nothing but itself.
const POLICY: &str = "default-src 'none'; img-src 'self'; media-src 'self'; sandbox; frame-ancestors 'none'; \
     base-uri 'none'; form-action 'none'";

/// Seconds that a browser may keep a file; not longer, since files can be deleted.
const MAX_AGE: u64 = 86_400;

/// The type that an answer names.
fn named(media_type: Option<&str>) -> &'static str {
    let media_type = media_type.unwrap_or_default();
    let known = SHOWN.iter().chain(NAMED).find(|known| **known == media_type);
    known.copied().unwrap_or("application/octet-stream")
}

/// The name of a version of the content: there is only one, since content never changes.
pub(super) fn etag(file: &StoredFile) -> String {
    format!("\"{}\"", file.id)
}

/// When the content came, to the second.
pub(super) fn modified(file: &StoredFile) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(file.stored_ms / 1000)
}

/// Everything that is said about a file, whatever part of it follows.
pub(super) fn describe(file: &StoredFile, now_ms: u64, headers: &mut HeaderMap) {
    let media_type = named(file.media_type.as_deref());
    let shown = if SHOWN.contains(&media_type) { "inline" } else { "attachment" };
    let max_age = file.expires_ms.map_or(MAX_AGE, |end| MAX_AGE.min(end.saturating_sub(now_ms) / 1000));
    let said = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition(shown, &file.name)),
        (header::CACHE_CONTROL, format!("private, max-age={max_age}, immutable")),
    ];
    for (name, value) in said {
        put(headers, name, &value);
    }
    about_version(file, headers);
    guard(headers);
}

/// What a 304 has to repeat (RFC 9110 section 15.4.5).
pub(super) fn about_version(file: &StoredFile, headers: &mut HeaderMap) {
    put(headers, header::ETAG, &etag(file));
    put(headers, header::LAST_MODIFIED, &httpdate::fmt_http_date(modified(file)));
    put(headers, header::ACCEPT_RANGES, "bytes");
}

/// What keeps browsers from executing content.
pub(super) fn guard(headers: &mut HeaderMap) {
    put(headers, header::CONTENT_SECURITY_POLICY, POLICY);
    put(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(headers, HeaderName::from_static("x-robots-tag"), "noindex");
}

pub(super) fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Every value here is made of visible ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// RFC 6266 section 4.3: the name in ASCII for old browsers, and as it is (RFC 8187) for the others.
fn disposition(shown: &str, name: &str) -> String {
    let ascii: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' })
        .collect();
    format!("{shown}; filename=\"{ascii}\"; filename*=UTF-8''{}", names::percent_encoded(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever can execute is a stream of bytes to be saved.
    #[test]
    fn only_a_few_types_are_shown() {
        for active in [
            "text/html",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xml",
            "text/javascript",
            "application/javascript",
            "text/css",
            "application/wasm",
            "application/x-shockwave-flash",
            "text/cache-manifest",
            "multipart/related",
            "message/rfc822",
            "image/png,text/html",
        ] {
            assert_eq!(named(Some(active)), "application/octet-stream", "{active}");
        }
        assert_eq!(named(None), "application/octet-stream");
        assert!(
            SHOWN.contains(&named(Some("image/png"))) && !SHOWN.contains(&named(Some("application/pdf")))
        );
    }

    /// RFC 6266 section 4.3.
    #[test]
    fn names_stand_in_quotes() {
        assert_eq!(
            disposition("attachment", "très \"cool\".jpg"),
            "attachment; filename=\"tr_s _cool_.jpg\"; filename*=UTF-8''tr%C3%A8s%20%22cool%22.jpg"
        );
    }
}
