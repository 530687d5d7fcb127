//! Traces for an OpenTelemetry collector (OTLP over HTTP); built with the feature `otel` only.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{Layer, Registry};

/// How long a collector may take for one batch.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most that is read of a collector's answer; only its status counts.
const ANSWER_BYTES: u64 = 65_536;

/// Sends the spans of the level info and above to a collector. Dropping it sends what is left.
pub(super) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts to send; `endpoint` is an `http://` address. The layer goes into the subscriber.
    pub(super) fn start(endpoint: &str) -> Result<(Self, Box<dyn Layer<Registry> + Send + Sync>), String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector)
            .with_endpoint(endpoint)
            .with_timeout(TIMEOUT)
            .build()
            .map_err(|e| e.to_string())?;
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder().with_service_name("waxwing").build())
            .with_batch_exporter(exporter)
            .build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("waxwing"));
        Ok((Self(provider), layer.with_filter(LevelFilter::INFO).boxed()))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let _ = self.0.shutdown();
    }
}

/// Posts to a collector without TLS: it runs on the same machine or in the same protected network.
#[derive(Debug)]
struct Collector;

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The batches are sent from a thread that does nothing else, so waiting here holds nobody up.
        Ok(post(&request)?)
    }
}

fn post(request: &Request<Bytes>) -> io::Result<Response<Bytes>> {
    let uri = request.uri();
    let (Some("http"), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a collector's address begins with http://"));
    };
    let port = uri.port_u16().unwrap_or(80);
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the collector's host has no address");
    let host = host.trim_matches(['[', ']']);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, TIMEOUT) {
            Ok(stream) => return exchange(stream, request),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(mut stream: TcpStream, request: &Request<Bytes>) -> io::Result<Response<Bytes>> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let host = request.uri().authority().map_or("", |authority| authority.as_str());
    let mut head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n").into_bytes();
    for (name, value) in
        request.headers().iter().filter(|(name, _)| *name != "content-length" && *name != "host")
    {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(format!("Content-Length: {}\r\n\r\n", request.body().len()).as_bytes());
    stream.write_all(&head)?;
    stream.write_all(request.body())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES).read_to_end(&mut answer)?;
    // RFC 9112 section 4: HTTP-version SP status-code SP ...
    let status =
        answer.get(9..12).and_then(|code| std::str::from_utf8(code).ok()).and_then(|code| code.parse().ok());
    let status: u16 = status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))?;
    Response::builder().status(status).body(Bytes::new()).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn spans_reach_the_collector_with_their_connection_id() {
        let collector = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}/v1/traces", collector.local_addr().expect("bound"));
        let heard = std::thread::spawn(move || {
            let (mut stream, _) = collector.accept().expect("a batch");
            let mut all = Vec::new();
            let mut buf = [0; 4_096];
            while !all.windows(7).any(|w| w == b"conn-c7") {
                match stream.read(&mut buf).expect("readable") {
                    0 => break,
                    n => all.extend_from_slice(&buf[..n]),
                }
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("answered");
            all
        });
        let (traces, layer) = Traces::start(&endpoint).expect("started");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _span = tracing::info_span!("connection", conn = "conn-c7").entered();
        });
        drop(traces);
        let heard = String::from_utf8_lossy(&heard.join().expect("heard")).into_owned();
        assert!(heard.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{heard}");
        assert!(heard.contains("waxwing") && heard.contains("connection"), "{heard}");
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        let request = Request::post("https://127.0.0.1:1/").body(Bytes::new()).expect("a request");
        assert!(post(&request).is_err());
    }
}
