//! Files over HTTP: their content is put once by whoever has the place's secret, and read by whoever has the link (XEP-0363).

mod download;
mod headers;
mod range;
mod thumbnails;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::put;
use tokio::sync::Semaphore;
use waxwing_chat::Chat;
use waxwing_chat::files::FileId;

use super::Http;
use thumbnails::Thumbnails;

/// Where files are found.
pub const PATH: &str = "/files/";

/// After how many seconds somebody may come back for whom there was no room.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("10");

/// What transfers share.
pub struct Transfers {
    uploads: Semaphore,
    downloads: Arc<Semaphore>,
    thumbnails: Thumbnails,
}

impl Transfers {
    /// Room for so many at one time.
    pub fn new(config: &crate::files::Config) -> Self {
        Self {
            uploads: Semaphore::new(config.uploads_at_once),
            downloads: Arc::new(Semaphore::new(config.downloads_at_once)),
            thumbnails: Thumbnails::default(),
        }
    }
}

/// The paths of files. Size and time of their requests have bounds of their own.
pub(super) fn router() -> Router<Arc<Http>> {
    let methods = put(upload::put).get(download::get).head(download::get).options(preflight);
    Router::new().route("/files/{id}/{name}", methods.clone()).route("/files/{id}", methods)
}

/// The parts of a file's path. The name says something to people only; what counts is the id.
type Parts = Path<std::collections::HashMap<String, String>>;

/// The file that is asked for; nothing for whatever is no id that this server would make.
fn asked<'a>(http: &'a Http, parts: &Parts) -> Option<(&'a Arc<Chat>, FileId)> {
    Some((http.chat.as_ref()?, FileId::parse(parts.get("id")?)?))
}

/// Pages of other origins may put and read files, since the link and the secret are all that counts. No cookie is ever
/// looked at, so none is asked for.
async fn preflight(State(_): State<Arc<Http>>) -> Response {
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let allowed = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "OPTIONS, HEAD, GET, PUT"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, Range, If-Range, If-None-Match, If-Modified-Since",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    for (name, value) in allowed {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    shared(answer)
}

/// Lets pages of other origins see this answer.
fn shared(mut answer: Response) -> Response {
    let seen = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Content-Length, Content-Range, Accept-Ranges, ETag"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    for (name, value) in seen {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// An answer without content.
fn bare(status: StatusCode) -> Response {
    shared(status.into_response())
}

/// There is no room now.
fn busy() -> Response {
    let mut answer = bare(StatusCode::SERVICE_UNAVAILABLE);
    answer.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
    answer
}

/// A header's value as text.
fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
