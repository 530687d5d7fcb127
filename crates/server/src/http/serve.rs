//! HTTP connections: accepted within the limits, TLS where asked, ended gracefully at a drain.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::Http;
use super::allowance::{Allowance, Allowed};
use super::forwarded::Forwarders;
use crate::net::{Conn, ConnId, Listener, Permit, Refusal, Step, accept_loop, paced};
use crate::tls::{ACME_ALPN, Acceptor};

/// The largest head of a request taken (threats: a handshake of at most 8 KiB).
const HEAD_BYTES: usize = 8_192;

/// What a connection beyond the limits is told.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// What is known of the connection that a request came on.
pub struct Facts {
    /// What it is called in the log.
    pub id: ConnId,
    /// Where it comes from.
    pub peer: SocketAddr,
    /// Whether it is encrypted.
    pub tls: bool,
    /// How much the connection may send.
    pub(super) allowance: Allowance,
    /// The proxies, if it comes from one.
    pub(super) forwarders: Option<Arc<Forwarders>>,
    permit: Arc<Mutex<Option<Permit>>>,
}

impl Facts {
    /// The connection's place among those admitted, for a WebSocket that takes the connection over and is its client's
    /// alone from then on.
    pub(super) fn take_permit(&self) -> Result<Option<Permit>, Refusal> {
        let mut place = self.permit.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(permit) = place.as_mut() {
            permit.belongs_to(self.peer.ip())?;
        }
        Ok(place.take())
    }

    /// What is known of a request that a proxy passes on for this client.
    pub(super) fn on_behalf_of(&self, peer: SocketAddr, tls: bool) -> Self {
        Self {
            id: self.id,
            peer,
            tls,
            allowance: self.allowance.clone(),
            forwarders: None,
            permit: Arc::clone(&self.permit),
        }
    }
}

/// Serves HTTP on a listener until the process drains; over TLS when there is an acceptor.
pub async fn serve(listener: Listener, acceptor: Option<Acceptor>, http: Arc<Http>) {
    let router = http.router();
    let (admission, lifecycle) = (http.admission.clone(), http.lifecycle.clone());
    // Whoever waits for a TLS handshake could make nothing of an answer.
    let apology = if acceptor.is_none() { BUSY } else { b"" };
    let forwarders = Arc::new(Forwarders::new(&http.live.current().http));
    let listener = listener.shared_by(forwarders.networks());
    let serve = move |conn: Conn| {
        let forwarders = forwarders.contain(conn.peer_addr().ip()).then(|| Arc::clone(&forwarders));
        serve_connection(conn, acceptor.clone(), forwarders, router.clone(), Arc::clone(&http))
    };
    accept_loop(listener, admission, lifecycle, move || apology.to_vec(), serve).await;
}

async fn serve_connection(
    conn: Conn,
    acceptor: Option<Acceptor>,
    forwarders: Option<Arc<Forwarders>>,
    router: Router,
    http: Arc<Http>,
) {
    let handshake_timeout = Duration::from_millis(http.live.current().limits.handshake_timeout_ms);
    let (id, peer, pacer) = (conn.id(), conn.peer_addr(), conn.pacer());
    let (tcp, permit) = conn.into_tcp();
    // A client that takes nothing of what is written to it would hold what is being sent for as long as it likes.
    let write_timeout = Duration::from_millis(http.live.current().limits.write_timeout_ms);
    if let Err(error) = socket2::SockRef::from(&tcp).set_tcp_user_timeout(Some(write_timeout)) {
        debug!(%error, "the time to accept what is written could not be limited");
    }
    let allowance = Allowance::unlimited();
    let (tls, permit) = (acceptor.is_some(), Arc::new(Mutex::new(permit)));
    let facts = Facts { id, peer, tls, allowance: allowance.clone(), forwarders, permit };
    let router = router.layer(Extension(Arc::new(facts)));
    let Some(acceptor) = acceptor else {
        return drive(Allowed::new(tcp, allowance), router, &http).await;
    };
    let shaking = async {
        // A turn is not needed before there is something to do.
        tcp.readable().await?;
        let shaking = tokio_rustls::TlsAcceptor::from(acceptor.config()).accept(tcp);
        paced(pacer.as_ref(), Step::Arriving, shaking).await?
    };
    match tokio::time::timeout(handshake_timeout, shaking).await {
        // RFC 8737 section 3: after the handshake of a challenge nothing is said any more.
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(ACME_ALPN) => {}
        Ok(Ok(stream)) => drive(Allowed::new(stream, allowance), router, &http).await,
        Ok(Err(error)) => debug!(%error, "TLS handshake failed"),
        Err(_) => debug!("TLS handshake took too long"),
    }
}

async fn drive<S>(stream: S, router: Router, http: &Http)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let header_timeout = Duration::from_millis(http.live.current().http.header_timeout_ms);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let mut drain = http.lifecycle.drain_signal();
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = drain.draining() => {
            // The request being answered is finished; an idle connection ends now.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "HTTP connection ended with an error");
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::config::{Config, Live};
    use crate::http::{Health, WebSocketConn, WebSocketFace};
    use crate::lifecycle::Lifecycle;
    use crate::net::{Admission, listen};
    use crate::observe::Metrics;
    use crate::tls::testing::{self, Scratch};
    use crate::tls::{Purpose, Tls};

    /// Repeats what it hears, until told to stop.
    struct Echo;

    impl WebSocketFace for Echo {
        fn serve(&self, mut conn: WebSocketConn) -> Pin<Box<dyn Future<Output = ()> + Send>> {
            Box::pin(async move {
                conn.authenticated();
                while let Ok(Some(text)) = conn.receive().await {
                    if text.as_str() == "stop" || conn.send(text.as_str()).await.is_err() {
                        break;
                    }
                }
                conn.close().await;
            })
        }
    }

    struct Server {
        http: Arc<Http>,
        address: SocketAddr,
        scratch: Scratch,
    }

    fn server(change: impl FnOnce(&mut Config), over_tls: bool) -> Server {
        let scratch = Scratch::new();
        let mut config = testing::settings(&scratch, &["localhost", "example.org"]);
        change(&mut config);
        let tls = Tls::load(&config).expect("TLS");
        let http = Arc::new(Http {
            admission: Admission::new(&config.limits),
            tls: tls.clone(),
            metrics: Metrics::start(),
            health: Health::default(),
            websocket: Some(Arc::new(Echo)),
            json: None,
            chat: None,
            rest: Arc::default(),
            https_port: Some(5281),
            transfers: crate::http::Transfers::new(&config.files),
            lifecycle: Lifecycle::new(),
            live: Live::new(config, None),
        });
        let listener = listen("127.0.0.1:0".parse().expect("an address"), 16).expect("a free port");
        let address = listener.address();
        let acceptor = over_tls.then(|| tls.acceptor(Purpose::Https));
        tokio::spawn(serve(listener, acceptor, http.clone()));
        Server { http, address, scratch }
    }

    async fn ask(server: &Server, request: &str) -> String {
        let mut stream = TcpStream::connect(server.address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("written");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("answered");
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn get(server: &Server, path: &str) -> String {
        ask(server, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await
    }

    #[tokio::test]
    async fn health_tells_the_truth() {
        let server = server(|_| {}, false);
        assert!(get(&server, "/health/live").await.starts_with("HTTP/1.1 200 "));
        let (sender, receiver) = tokio::sync::watch::channel(true);
        server.http.health.require("store", move || {
            let holds = *receiver.borrow();
            async move { holds.then_some(()).ok_or_else(|| "the disk is gone: /dev/sda1".to_owned()) }
        });
        let ready = get(&server, "/health/ready").await;
        assert!(ready.starts_with("HTTP/1.1 200 ") && ready.contains("\"store\":true"), "{ready}");
        sender.send_replace(false);
        let ready = get(&server, "/health/ready").await;
        assert!(ready.starts_with("HTTP/1.1 503 ") && ready.contains("\"store\":false"), "{ready}");
        assert!(!ready.contains("/dev/sda1"), "the cause belongs in the log: {ready}");
    }

    #[tokio::test]
    async fn every_answer_has_the_security_headers_and_unknown_paths_are_404() {
        let server = server(|_| {}, false);
        for path in ["/health/live", "/nowhere", "/../etc/passwd", "/%2e%2e/health/live"] {
            let answer = get(&server, path).await.to_ascii_lowercase();
            assert!(answer.contains("x-content-type-options: nosniff"), "{path}: {answer}");
            assert!(answer.contains("content-security-policy: default-src 'none'"), "{path}: {answer}");
            assert!(answer.contains("cache-control: no-store"), "{path}: {answer}");
        }
        assert!(get(&server, "/nowhere").await.starts_with("HTTP/1.1 404 "));
    }

    #[tokio::test]
    async fn monitoring_is_for_the_listed_networks() {
        let server =
            server(|c| c.http.monitoring_networks = vec!["192.0.2.0/24".parse().expect("one")], false);
        for path in ["/metrics", "/health/live", "/health/ready"] {
            assert!(get(&server, path).await.starts_with("HTTP/1.1 404 "), "{path}");
        }
    }

    #[tokio::test]
    async fn metrics_count_what_happens() {
        let server = server(|_| {}, false);
        get(&server, "/health/live").await;
        let text = get(&server, "/metrics").await;
        assert!(text.contains("waxwing_http_requests_total{status=\"2xx\"}"), "{text}");
        assert!(text.contains("waxwing_connections 1"), "the connection that asks is counted: {text}");
    }

    #[tokio::test]
    async fn xep_0156_host_meta_leads_to_the_websocket() {
        let server = server(|_| {}, false);
        let xml = get(&server, "/.well-known/host-meta").await;
        assert!(
            xml.contains(
                "<Link rel='urn:xmpp:alt-connections:websocket' href='wss://localhost:5281/xmpp-websocket'/>"
            ),
            "{xml}"
        );
        assert!(xml.to_ascii_lowercase().contains("access-control-allow-origin: *"), "{xml}");
        let request =
            "GET /.well-known/host-meta.json HTTP/1.1\r\nHost: EXAMPLE.org:80\r\nConnection: close\r\n\r\n";
        let json = ask(&server, request).await;
        assert!(
            json.ends_with(
                "{\"links\":[{\"href\":\"wss://example.org:5281/xmpp-websocket\",\
                 \"rel\":\"urn:xmpp:alt-connections:websocket\"}]}"
            ),
            "{json}"
        );
        let request =
            "GET /.well-known/host-meta HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
        assert!(!ask(&server, request).await.contains("evil"), "a name we do not serve is not repeated");
    }

    #[tokio::test]
    async fn a_body_beyond_the_cap_is_refused_on_every_path() {
        let server = server(|c| c.http.body_bytes = 1_024, false);
        let request =
            "POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1025\r\nConnection: close\r\n\r\n";
        assert!(ask(&server, request).await.starts_with("HTTP/1.1 413 "));
    }

    #[tokio::test]
    async fn a_head_beyond_8_kib_or_too_slow_is_refused() {
        let server = server(|c| c.http.header_timeout_ms = 200, false);
        let long = "x".repeat(9_000);
        let answer = ask(&server, &format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        let slow = ask(&server, "GET / HTTP/1.1\r\nHost: local").await;
        assert!(slow.is_empty() || slow.starts_with("HTTP/1.1 408 "), "{slow}");
    }

    async fn websocket(
        server: &Server,
        headers: &[(&str, &str)],
    ) -> Result<tokio_tungstenite::WebSocketStream<TcpStream>, u16> {
        use tokio_tungstenite::tungstenite::{self, client::IntoClientRequest};
        let mut request =
            format!("ws://{}/xmpp-websocket", server.address).into_client_request().expect("a request");
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().expect("a header");
            request.headers_mut().append(name, value.parse().expect("a value"));
        }
        let tcp = TcpStream::connect(server.address).await.expect("connected");
        match tokio_tungstenite::client_async(request, tcp).await {
            Ok((stream, answer)) => {
                assert_eq!(answer.headers()["sec-websocket-protocol"], "xmpp");
                assert!(!answer.headers().contains_key("sec-websocket-extensions"), "no permessage-deflate");
                Ok(stream)
            }
            Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    const XMPP: (&str, &str) = ("Sec-WebSocket-Protocol", "xmpp");

    #[tokio::test]
    async fn rfc_7395_3_1_the_subprotocol_is_required() {
        let server = server(|_| {}, false);
        assert_eq!(websocket(&server, &[]).await.err(), Some(400));
        assert_eq!(websocket(&server, &[("Sec-WebSocket-Protocol", "mqtt")]).await.err(), Some(400));
        assert!(websocket(&server, &[("Sec-WebSocket-Protocol", "mqtt, xmpp")]).await.is_ok());
        let deflate = ("Sec-WebSocket-Extensions", "permessage-deflate");
        assert!(websocket(&server, &[XMPP, deflate]).await.is_ok());
    }

    #[tokio::test]
    async fn rfc_6455_10_2_a_page_of_another_origin_is_refused() {
        let server = server(|_| {}, false);
        assert_eq!(websocket(&server, &[XMPP, ("Origin", "https://evil.example")]).await.err(), Some(403));
        assert_eq!(websocket(&server, &[XMPP, ("Origin", "null")]).await.err(), Some(403));
        let two = [XMPP, ("Origin", "https://localhost"), ("Origin", "https://evil.example")];
        assert_eq!(websocket(&server, &two).await.err(), Some(403));
        assert!(websocket(&server, &[XMPP, ("Origin", "https://localhost:5281")]).await.is_ok());
    }

    #[tokio::test]
    async fn messages_pass_and_the_place_of_the_connection_is_given_back() {
        use futures_util::{SinkExt, StreamExt};
        use tokio_tungstenite::tungstenite::Message;
        let server = server(|_| {}, false);
        let mut client = websocket(&server, &[XMPP]).await.expect("upgraded");
        client.send(Message::text("<open/>")).await.expect("sent");
        assert_eq!(client.next().await.expect("open").expect("heard"), Message::text("<open/>"));
        assert_eq!(server.http.admission.counts(), (1, 0), "one connection, signed in");
        client.send(Message::text("stop")).await.expect("sent");
        assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
        while let Some(Ok(_)) = client.next().await {}
        server.http.lifecycle.drain();
        assert_eq!(server.http.lifecycle.ended(Duration::from_secs(30)).await, 0);
        assert_eq!(server.http.admission.counts(), (0, 0));
    }

    #[tokio::test]
    async fn rfc_7395_3_2_binary_and_oversized_messages_end_the_connection() {
        use futures_util::{SinkExt, StreamExt};
        use tokio_tungstenite::tungstenite::Message;
        let server = server(|c| c.http.websocket_message_bytes = 10_000, false);
        // The echo has signed in at once, so that this is the limit which holds.
        let large = "x".repeat(10_001);
        for message in [Message::binary(vec![1, 2, 3]), Message::text(large)] {
            let mut client = websocket(&server, &[XMPP]).await.expect("upgraded");
            client.send(message).await.expect("sent");
            let mut heard = Vec::new();
            while let Some(Ok(message)) = client.next().await {
                heard.push(message);
            }
            assert!(heard.iter().all(|m| m.is_close()), "nothing but a close: {heard:?}");
        }
    }

    #[tokio::test]
    async fn https_answers_with_strict_transport_security() {
        let server = server(|_| {}, true);
        let config = testing::client_config(&server.scratch, rustls::ALL_VERSIONS);
        let mut stream = testing::connect(server.address, config, "localhost").await.expect("handshake");
        stream
            .write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        assert!(
            answer.to_ascii_lowercase().contains("strict-transport-security: max-age=63072000"),
            "{answer}"
        );
    }

    #[tokio::test]
    async fn a_drain_ends_idle_connections_and_refuses_new_ones() {
        let server = server(|_| {}, false);
        let mut idle = TcpStream::connect(server.address).await.expect("connected");
        idle.write_all(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("written");
        let mut some = [0; 64];
        assert_ne!(idle.read(&mut some).await.expect("answered"), 0);
        server.http.lifecycle.drain();
        assert_eq!(server.http.lifecycle.ended(Duration::from_secs(30)).await, 0);
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).await.expect("ended");
        // The listener is dropped as soon as its task has heard of the drain.
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}
