//! HTTP: the web client, metrics, health, host-meta, WebSocket, files, pages of invitations and ACME challenges on one listener.

mod about;
mod allowance;
mod avatar;
mod files;
mod forwarded;
mod guard;
mod health;
mod host_meta;
mod invitation;
mod origin;
mod serve;
mod web;
mod websocket;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use waxwing_chat::Chat;

pub use files::{PATH as FILES_PATH, Transfers};
pub use health::Health;
pub use serve::{Facts, serve};
pub use web::IS_BUILT_IN as WEB_CLIENT_IS_BUILT_IN;
pub use websocket::{WebSocketConn, WebSocketFace};

use crate::config::{Live, Network, choice, config};
use crate::lifecycle::Lifecycle;
use crate::net::Admission;
use crate::observe::{Metrics, names};
use crate::rest::{self, Rest};
use crate::tls::Tls;

config! {
    /// The HTTP listener.
    pub struct Config {
        /// Origins (scheme, host and port, as in "https://chat.example.org") whose pages may open a WebSocket
        /// here. Unset: the page's host must be one of the domains served, or an IP address that the page itself came from. A
        /// client that is not a browser sends no Origin and is always allowed. Where the web client is reached by another name
        /// than a domain, that name has to stand here.
        /// Example: ["https://chat.example.org"]
        allowed_origins: Option<Vec<String>> = None,
        /// The address of the WebSocket as clients reach it, told in host-meta (XEP-0156). Unset: the domain
        /// itself, with the port of `listen.https`. Set it when a proxy stands in front.
        /// Example: "wss://chat.example.org/xmpp-websocket"
        websocket_url: Option<String> = None,
        /// Where the pages of invitations are found (XEP-0401); `{domain}` stands for the invitation's domain, and the
        /// token follows. Unset: the domain itself, with the port of `listen.https`, under `/invite/`. Set it when a proxy
        /// stands in front.
        /// Example: "https://{domain}/invite/"
        invitation_url: Option<String> = None,
        /// Networks of the HTTP proxies in front, such as nginx, that say in a header for whom they ask. The client's address
        /// then counts for limits, delays, the log and the list of devices; each such proxy has to set the header itself,
        /// and adds to what it was sent. From everybody else the header means nothing.
        /// Example: ["127.0.0.1"]
        forwarded_from: Vec<Network> = Vec::new(),
        /// The header that those proxies set. The other one is not read: they might pass on what a client made up.
        forwarded_header: ForwardedHeader = ForwardedHeader::XForwardedFor,
        /// Networks that may read `/metrics` and `/health`. For everyone else they do not exist.
        monitoring_networks: Vec<Network> = vec!["127.0.0.0/8", "::1/128"]
            .into_iter()
            .filter_map(|text| text.parse().ok())
            .collect(),
        /// `/health/ready` says no when the disk of `data_dir` has less room than that: nothing could be stored. 0: it does
        /// not matter.
        ready_free_bytes: u64 = 16_777_216,
        /// The largest request body taken. Files have bounds of their own, in the section `files`.
        body_bytes: usize = 65_536,
        /// The largest message taken from a WebSocket. A stanza has to fit, so it is not less than the largest
        /// stanza allowed.
        websocket_message_bytes: usize = 262_144,
        /// How long a request's head may take to arrive, and how long a kept-alive connection may stay silent.
        header_timeout_ms: u64 = 10_000,
        /// How long a whole request may take, its body and answer included. (A WebSocket may stay as
        /// long as it likes, and files have bounds of their own.)
        request_timeout_ms: u64 = 30_000,
    }
}

choice! {
    /// The header by which a proxy says for whom it asks.
    pub enum ForwardedHeader {
        /// `X-Forwarded-For`, and `X-Forwarded-Proto` for whether the client came over TLS.
        XForwardedFor = "x-forwarded-for",
        /// `Forwarded` (RFC 7239), with `for` and `proto`.
        Forwarded = "forwarded",
    }
}

/// What the HTTP face works with.
pub struct Http {
    /// The configuration in force.
    pub live: Live,
    /// Certificates and open ACME challenges.
    pub tls: Arc<Tls>,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// What `/health/ready` asks.
    pub health: Health,
    /// Who serves XMPP over WebSocket; without it there is no such path.
    pub websocket: Option<Arc<dyn WebSocketFace>>,
    /// Who serves JSON over WebSocket; without it there is no such path.
    pub json: Option<Arc<dyn WebSocketFace>>,
    /// Whose invitations have a page, and whose files can be put and read; without it there is nothing there.
    pub chat: Option<Arc<Chat>>,
    /// What transfers of files share.
    pub transfers: Transfers,
    /// What the requests of bots share.
    pub rest: Arc<Rest>,
    /// Who may connect, and how many have.
    pub admission: Admission,
    /// The port of HTTPS, for host-meta.
    pub https_port: Option<u16>,
    /// The process.
    pub lifecycle: Lifecycle,
}

impl Http {
    /// Every path, with what guards them all.
    pub fn router(self: &Arc<Self>) -> Router {
        let monitoring = Router::new()
            .route("/metrics", get(prometheus))
            .route("/health/live", get(health::live))
            .route("/health/ready", get(health::ready))
            .route_layer(middleware::from_fn_with_state(self.clone(), guard::monitoring));
        let bounded = Router::new()
            .merge(monitoring)
            .route("/.well-known/host-meta", get(host_meta::xml))
            .route("/.well-known/host-meta.json", get(host_meta::json))
            .route("/.well-known/acme-challenge/{token}", get(acme_challenge))
            .route(invitation::PATH, get(invitation::page))
            .route(invitation::STYLE_PATH, get(invitation::style))
            .route(about::PATH, get(about::get))
            .route(avatar::PATH, get(avatar::get))
            .route(websocket::PATH, get(websocket::xmpp))
            .route(websocket::JSON_PATH, get(websocket::json))
            .merge(rest::router())
            .fallback(web::page)
            .layer(middleware::from_fn_with_state(self.clone(), guard::bounded));
        // In this order, what answers at every other path is bounded too.
        files::router()
            .merge(bounded)
            .layer(middleware::from_fn(guard::every_request))
            .layer(middleware::from_fn(forwarded::find_client))
            .with_state(self.clone())
    }
}

async fn prometheus(State(http): State<Arc<Http>>) -> Response {
    let (connections, unauthenticated) = http.admission.counts();
    metrics::gauge!(names::CONNECTIONS).set(connections as f64);
    metrics::gauge!(names::CONNECTIONS_UNAUTHENTICATED).set(unauthenticated as f64);
    metrics::gauge!(names::SIGN_INS_WAITING).set(http.admission.sign_ins_waiting() as f64);
    let text = http.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

/// RFC 8555 section 8.3: the key authorization, and nothing else.
async fn acme_challenge(State(http): State<Arc<Http>>, Path(token): Path<String>) -> Response {
    match http.tls.challenges().key_authorization(&token) {
        Some(text) => ([(header::CONTENT_TYPE, "application/octet-stream")], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
