//! host-meta (RFC 6415): where the WebSocket of a domain is, for clients that start from its name (XEP-0156).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Http, origin, websocket};

const WEBSOCKET: &str = "urn:xmpp:alt-connections:websocket";

/// Clients in browsers read host-meta from pages of any origin (XEP-0156 section 4).
const ANY_ORIGIN: [(header::HeaderName, &str); 2] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
];

/// `/.well-known/host-meta`
pub(super) async fn xml(State(http): State<Arc<Http>>, headers: HeaderMap) -> Response {
    let Some(url) = http.websocket_url(&headers) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut escaped = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '\'' => escaped.push_str("&apos;"),
            c => escaped.push(c),
        }
    }
    let text = format!(
        "<?xml version='1.0' encoding='utf-8'?>\n\
         <XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\
         <Link rel='{WEBSOCKET}' href='{escaped}'/></XRD>\n"
    );
    (ANY_ORIGIN, [(header::CONTENT_TYPE, "application/xrd+xml; charset=utf-8")], text).into_response()
}

/// `/.well-known/host-meta.json`
pub(super) async fn json(State(http): State<Arc<Http>>, headers: HeaderMap) -> Response {
    let Some(url) = http.websocket_url(&headers) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    (ANY_ORIGIN, Json(json!({ "links": [{ "rel": WEBSOCKET, "href": url }] }))).into_response()
}

impl Http {
    /// The address of the WebSocket for whoever asks, or `None` when there is none to be reached with TLS: XEP-0156
    /// section 5 warns against telling an address without it.
    fn websocket_url(&self, headers: &HeaderMap) -> Option<String> {
        self.websocket.as_ref()?;
        let settings = self.live.current();
        if let Some(url) = &settings.http.websocket_url {
            return Some(url.clone());
        }
        let asked = headers.get(header::HOST).and_then(|v| v.to_str().ok()).map(origin::host_of);
        // Only a domain served here is repeated: the header is whatever the client wrote.
        let domain = asked
            .and_then(|host| settings.domain_names().find(|name| name.eq_ignore_ascii_case(host)))
            .or_else(|| settings.domain_names().next())?;
        match self.https_port? {
            443 => Some(format!("wss://{domain}{}", websocket::PATH)),
            port => Some(format!("wss://{domain}:{port}{}", websocket::PATH)),
        }
    }
}
