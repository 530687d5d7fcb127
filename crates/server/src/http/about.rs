//! What a page has to know of the server before anybody has signed in: which domains there are, and whether accounts can be made.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Http;

/// Where it is told.
pub(super) const PATH: &str = "/api/about";

/// A configuration that is loaded anew is seen within a minute.
const CACHING: &str = "public, max-age=60";

/// `/api/about`
pub(super) async fn get(State(http): State<Arc<Http>>) -> Response {
    let Some(chat) = &http.chat else { return StatusCode::NOT_FOUND.into_response() };
    let settings = chat.settings();
    let about = json!({
        "name": settings.domains.first(),
        "domains": settings.domains,
        "registration": settings.open_registration,
    });
    ([(header::CACHE_CONTROL, CACHING)], Json(about)).into_response()
}
