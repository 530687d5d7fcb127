//! What holds for every request: the size of its body, the time it may take, and the headers of its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::Limited;
use tracing::debug;

use super::{Facts, Http};
use crate::observe::names;

/// Headers that every answer has unless it set its own. Nothing here is a page, so a browser may load nothing for it.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Guards every path but those of files, which have bounds of their own: body cap, time limit.
pub(super) async fn bounded(State(http): State<Arc<Http>>, request: Request, next: Next) -> Response {
    let settings = http.live.current();
    let limit = Duration::from_millis(settings.http.request_timeout_ms);
    match capped(request, settings.http.body_bytes) {
        Ok(request) => tokio::time::timeout(limit, next.run(request))
            .await
            .unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response()),
        Err(refused) => refused.into_response(),
    }
}

/// Guards every path: headers, count.
pub(super) async fn every_request(
    Extension(facts): Extension<Arc<Facts>>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), logged(request.uri().path()));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if facts.tls {
        let two_years = HeaderValue::from_static("max-age=63072000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(two_years);
    }
    let status = response.status();
    metrics::counter!(names::HTTP_REQUESTS, "status" => class(status)).increment(1);
    debug!(%method, path = ?path, status = status.as_u16(), "request");
    response
}

/// Refuses a body that says it is too large, and cuts off one that turns out to be.
fn capped(request: Request, limit: usize) -> Result<Request, StatusCode> {
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let (parts, body) = request.into_parts();
    Ok(Request::from_parts(parts, Body::new(Limited::new(body, limit))))
}

/// A path for the log: what is behind these is known to those who have the link, and nobody else.
fn logged(path: &str) -> String {
    match [super::FILES_PATH, crate::rest::HOOKS_PATH].into_iter().find(|prefix| path.starts_with(prefix)) {
        Some(prefix) => format!("{prefix}…"),
        None => path.to_owned(),
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// Hides monitoring from networks that are not listed.
pub(super) async fn monitoring(
    State(http): State<Arc<Http>>,
    Extension(facts): Extension<Arc<Facts>>,
    request: Request,
    next: Next,
) -> Response {
    let networks = &http.live.current().http.monitoring_networks;
    match networks.iter().any(|network| network.contains(facts.peer.ip())) {
        true => next.run(request).await,
        false => StatusCode::NOT_FOUND.into_response(),
    }
}
