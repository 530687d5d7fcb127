//! WebSockets: the upgrade, and the messages that the faces behind them read and write, XMPP (RFC 7395) and JSON.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tracing::{Instrument, debug, info_span};

use super::allowance::Allowance;
use super::{Facts, Http, origin};
use crate::lifecycle::TaskGuard;
use crate::net::{ConnId, Pacer, Permit};
use crate::observe::names;

/// Where XMPP is spoken.
pub(super) const PATH: &str = "/xmpp-websocket";

/// Where JSON is spoken.
pub(super) const JSON_PATH: &str = "/api/socket";

/// The subprotocol that RFC 7395 section 3.1 requires of both sides.
const XMPP: &str = "xmpp";

/// The subprotocol of the JSON face, with its version.
const JSON: &str = "waxwing.v1";

/// Room to read into and to write from. tungstenite's own 128 KiB for each connection would be held while idle.
const BUFFER_BYTES: usize = 4_096;

/// What frames may add to a message of somebody who has not signed in, and what is read ahead of it.
const FRAMING_BYTES: usize = 2 * BUFFER_BYTES;

/// Who speaks on a WebSocket.
pub trait WebSocketFace: Send + Sync {
    /// Speaks until the connection ends.
    fn serve(&self, conn: WebSocketConn) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A WebSocket that has been upgraded: text messages in and out.
pub struct WebSocketConn {
    socket: WebSocket,
    id: ConnId,
    peer: SocketAddr,
    tls: bool,
    write_timeout: Duration,
    permit: Option<Permit>,
    allowance: Allowance,
    /// What one message may take before its sender has signed in.
    message_bytes: Option<usize>,
    _guard: TaskGuard,
}

impl WebSocketConn {
    /// What the connection is called in the log.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The address it comes from.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Whether it is encrypted up to this process.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Where the peer stands in line to sign in.
    pub fn pacer(&self) -> Option<Pacer> {
        self.permit.as_ref().map(Permit::pacer)
    }

    /// Records that the peer has signed in, for the limits on those who have not.
    pub fn authenticated(&mut self) {
        if let Some(permit) = &mut self.permit {
            permit.authenticated();
        }
        self.message_bytes = None;
        self.allowance.lift();
    }

    /// Waits for a message; `None` when the peer has closed. Safe to drop and call again.
    ///
    /// A binary message is an error: both protocols know text only (RFC 7395 section 3.2).
    pub async fn receive(&mut self) -> io::Result<Option<Utf8Bytes>> {
        loop {
            match self.socket.recv().await {
                None | Some(Ok(Message::Close(_))) => return Ok(None),
                Some(Ok(Message::Text(text))) => {
                    if let Some(bytes) = self.message_bytes {
                        self.allowance.set(bytes);
                    }
                    return Ok(Some(text));
                }
                Some(Ok(Message::Binary(_))) => {
                    let reason =
                        Some(CloseFrame { code: close_code::UNSUPPORTED, reason: Utf8Bytes::default() });
                    let _ = self.send_message(Message::Close(reason)).await;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a binary message"));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Err(error)) => return Err(io::Error::other(error)),
            }
        }
    }

    /// Sends one message.
    pub async fn send(&mut self, text: &str) -> io::Result<()> {
        self.send_message(Message::Text(Utf8Bytes::from(text))).await
    }

    /// Sends a WebSocket ping, which the peer's WebSocket answers by itself (RFC 7395 section 3.8).
    pub async fn ping(&mut self) -> io::Result<()> {
        self.send_message(Message::Ping(Default::default())).await
    }

    /// Closes the WebSocket and waits for the peer's closing, a moment.
    pub async fn close(&mut self) {
        self.close_with(None).await;
    }

    /// The same, and says that the server goes away (RFC 6455 section 7.4.1, status 1001): the client is to come back, and
    /// finds another node or this one started anew.
    pub async fn close_going_away(&mut self) {
        self.close_with(Some(CloseFrame { code: close_code::AWAY, reason: Utf8Bytes::default() })).await;
    }

    async fn close_with(&mut self, frame: Option<CloseFrame>) {
        if self.send_message(Message::Close(frame)).await.is_ok() {
            let closing = async { while let Some(Ok(_)) = self.socket.recv().await {} };
            let _ = tokio::time::timeout(Duration::from_secs(1), closing).await;
        }
    }

    async fn send_message(&mut self, message: Message) -> io::Result<()> {
        match tokio::time::timeout(self.write_timeout, self.socket.send(message)).await {
            Ok(sent) => sent.map_err(io::Error::other),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "limits.write_timeout_ms is over")),
        }
    }
}

/// `/xmpp-websocket`, for the XMPP face.
pub(super) async fn xmpp(
    State(http): State<Arc<Http>>,
    Extension(facts): Extension<Arc<Facts>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Some(face) = http.websocket.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let settings = http.live.current();
    let spoken = Spoken {
        face,
        subprotocol: XMPP,
        complaint: "The WebSocket subprotocol must be \"xmpp\" (RFC 7395 section 3.1).\n",
        message_bytes: settings.http.websocket_message_bytes,
        unauthenticated_bytes: settings.xmpp.unauthenticated_stanza_bytes,
    };
    switch(&http, &facts, &headers, upgrade, spoken)
}

/// `/api/socket`, for the JSON face.
pub(super) async fn json(
    State(http): State<Arc<Http>>,
    Extension(facts): Extension<Arc<Facts>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Some(face) = http.json.clone() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let settings = http.live.current();
    let spoken = Spoken {
        face,
        subprotocol: JSON,
        complaint: "The WebSocket subprotocol must be \"waxwing.v1\".\n",
        message_bytes: settings.json.frame_bytes,
        unauthenticated_bytes: settings.json.unauthenticated_frame_bytes,
    };
    switch(&http, &facts, &headers, upgrade, spoken)
}

/// What is spoken on a WebSocket, and by whom.
struct Spoken {
    face: Arc<dyn WebSocketFace>,
    subprotocol: &'static str,
    /// What a client is told that does not ask for the subprotocol.
    complaint: &'static str,
    /// The largest message taken.
    message_bytes: usize,
    /// The largest message taken from somebody who has not signed in.
    unauthenticated_bytes: usize,
}

/// Checks the origin and the subprotocol, then hands the WebSocket to its face.
fn switch(
    http: &Http,
    facts: &Arc<Facts>,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    spoken: Spoken,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(refused) => return refused.into_response(),
    };
    let settings = http.live.current();
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = origins.next().map(|value| value.to_str().unwrap_or("null"));
    let asked = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    if origins.next().is_some() || !origin::is_allowed(&settings, origin, asked) {
        debug!(origin = ?origin, "WebSocket from a page of another origin refused");
        return (StatusCode::FORBIDDEN, "This page's origin may not connect here.\n").into_response();
    }
    let upgrade = upgrade.protocols([spoken.subprotocol]);
    if upgrade.selected_protocol().is_none() {
        return (StatusCode::BAD_REQUEST, spoken.complaint).into_response();
    }
    if http.lifecycle.is_draining() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let (face, limit) = (spoken.face, spoken.message_bytes);
    let write_timeout = Duration::from_millis(settings.limits.write_timeout_ms);
    let permit = match facts.take_permit() {
        Ok(permit) => permit,
        Err(refusal) => {
            metrics::counter!(names::CONNECTIONS_REFUSED).increment(1);
            debug!(peer = %facts.peer, %refusal, "WebSocket refused");
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "30")]).into_response();
        }
    };
    let guard = http.lifecycle.guard();
    let unfinished_bytes = spoken.unauthenticated_bytes.saturating_add(FRAMING_BYTES);
    let facts = Arc::clone(facts);
    upgrade
        .read_buffer_size(BUFFER_BYTES)
        // Each message is flushed, so nothing is gained by waiting for more to write.
        .write_buffer_size(0)
        .max_write_buffer_size(limit.saturating_mul(4))
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| {
            let span = info_span!("connection", conn = %facts.id, peer = %facts.peer);
            let (id, peer, tls) = (facts.id, facts.peer, facts.tls);
            let allowance = facts.allowance.clone();
            allowance.set(unfinished_bytes);
            let message_bytes = Some(unfinished_bytes);
            let conn = WebSocketConn {
                socket,
                id,
                peer,
                tls,
                write_timeout,
                permit,
                allowance,
                message_bytes,
                _guard: guard,
            };
            async move { face.serve(conn).await }.instrument(span)
        })
}
