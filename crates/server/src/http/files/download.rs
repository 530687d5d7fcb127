//! Reading a file: whole or in part, unless the client has it already (RFC 9110 sections 13 and 14).

use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use waxwing_chat::files::StoredFile;
use waxwing_chat::files::blobs::{BlobError, BlobReader};

use super::range::{self, Asked};
use super::{Parts, asked, bare, busy, headers, shared, text};
use crate::http::Http;
use crate::observe::names;

/// The query that asks for a small picture in place of the file.
const THUMBNAIL: &str = "thumbnail";

/// `GET` and `HEAD /files/{id}/{name}`
pub(super) async fn get(
    State(http): State<Arc<Http>>,
    parts: Parts,
    RawQuery(query): RawQuery,
    method: Method,
    asks: HeaderMap,
) -> Response {
    let Some((chat, id)) = asked(&http, &parts) else { return bare(StatusCode::NOT_FOUND) };
    let file = match chat.readable_file(&id).await {
        Ok(Some(file)) => file,
        Ok(None) => return bare(StatusCode::NOT_FOUND),
        Err(error) => {
            tracing::error!(%error, "a file could not be looked up");
            return bare(StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    if is_known(&file, &asks) {
        let mut answer = bare(StatusCode::NOT_MODIFIED);
        headers::about_version(&file, answer.headers_mut());
        return answer;
    }
    let Ok(permit) = Arc::clone(&http.transfers.downloads).try_acquire_owned() else { return busy() };
    if query.as_deref() == Some(THUMBNAIL) {
        return http.transfers.thumbnails.answer(&http, chat, &file).await;
    }
    let range = match text(&asks, &header::RANGE) {
        given @ Some(_) if method == Method::GET && may_be_partial(&file, &asks) => {
            range::asked(given, file.size)
        }
        _ => Asked::Whole,
    };
    let (status, bytes) = match range {
        Asked::Whole => (StatusCode::OK, 0..file.size),
        Asked::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        Asked::Unsatisfiable => {
            let mut answer = bare(StatusCode::RANGE_NOT_SATISFIABLE);
            let size = format!("bytes */{}", file.size);
            headers::put(answer.headers_mut(), header::CONTENT_RANGE, &size);
            return answer;
        }
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        match chat.read_file(&file, bytes.clone()).await {
            Ok(reader) => content(reader, permit),
            Err(error) => return failed(&error),
        }
    };
    let mut answer = shared((status, body).into_response());
    let said = answer.headers_mut();
    headers::describe(&file, chat.now_ms(), said);
    headers::put(said, header::CONTENT_LENGTH, &(bytes.end - bytes.start).to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        headers::put(said, header::CONTENT_RANGE, &content_range(&bytes, file.size));
    }
    answer
}

fn content_range(bytes: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", bytes.start, bytes.end.saturating_sub(1))
}

/// A file that is gone although its row is there was removed a moment ago, or somebody else removed its content.
pub(super) fn failed(error: &BlobError) -> Response {
    tracing::error!(%error, "the content of a file cannot be read");
    match error {
        BlobError::NotFound => bare(StatusCode::NOT_FOUND),
        _ => bare(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// The content as it is read: the next piece once the one before is on its way, so that however slow the client, and
/// however large the file, a piece or two are all that is held.
pub(super) fn content(reader: Box<dyn BlobReader>, permit: OwnedSemaphorePermit) -> Body {
    Body::from_stream(stream::unfold((reader, permit), |(mut reader, permit)| async move {
        match reader.next().await {
            Ok(None) => None,
            Ok(Some(bytes)) => {
                metrics::counter!(names::FILE_BYTES, "direction" => "sent").increment(bytes.len() as u64);
                Some((Ok(bytes), (reader, permit)))
            }
            Err(error) => {
                tracing::error!(%error, "the content of a file cannot be read to its end");
                Some((Err(error), (reader, permit)))
            }
        }
    }))
}

/// Whether the client has this content already (RFC 9110 sections 13.1.2 and 13.1.3).
fn is_known(file: &StoredFile, asks: &HeaderMap) -> bool {
    let etag = headers::etag(file);
    match text(asks, &header::IF_NONE_MATCH) {
        Some(list) => list.trim() == "*" || list.split(',').any(|tag| weak(tag.trim()) == etag),
        None => text(asks, &header::IF_MODIFIED_SINCE)
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .is_some_and(|since| headers::modified(file) <= since),
    }
}

/// The tag without the mark of a weak one: this comparison ignores it (section 8.8.3.2).
fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

/// Whether a part may be sent: not if the client has a part of something else (section 13.1.5).
fn may_be_partial(file: &StoredFile, asks: &HeaderMap) -> bool {
    match text(asks, &header::IF_RANGE) {
        None => true,
        Some(tag) if tag.starts_with('"') => tag == headers::etag(file),
        Some(date) => httpdate::parse_http_date(date).is_ok_and(|date| date == headers::modified(file)),
    }
}
