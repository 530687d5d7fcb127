//! The names of all metrics, in one table: what is measured, in which unit, with which labels.

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Seconds or bytes, in buckets.
    Histogram,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels; their values are from closed sets, never from a peer.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

macro_rules! metrics {
    ($( $(#[doc = $doc:literal])+ $constant:ident = $kind:ident $name:literal [$($label:literal),*]; )*) => {
        $( $(#[doc = $doc])+ pub const $constant: &str = $name; )*

        /// All metrics. Labels are closed sets: what a peer can choose is never a label.
        pub const METRICS: &[Metric] = &[
            $( Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: concat!($($doc),+) }, )*
        ];
    };
}

metrics! {
    /// Connections accepted, on all listeners.
    CONNECTIONS_ACCEPTED = Counter "waxwing_connections_accepted_total" [];
    /// Connections closed at once because one of `limits` was reached.
    CONNECTIONS_REFUSED = Counter "waxwing_connections_refused_total" [];
    /// Connections open now, on all listeners.
    CONNECTIONS = Gauge "waxwing_connections" [];
    /// Connections open now that have not signed in.
    CONNECTIONS_UNAUTHENTICATED = Gauge "waxwing_connections_unauthenticated" [];
    /// TLS handshakes, by `result`: "ok", "failed" or "timeout".
    TLS_HANDSHAKES = Counter "waxwing_tls_handshakes_total" ["result"];
    /// How long TLS handshakes took, in seconds.
    TLS_HANDSHAKE_SECONDS = Histogram "waxwing_tls_handshake_seconds" [];
    /// When the certificate of a `domain` served here ends, in seconds since 1970.
    CERTIFICATE_EXPIRY = Gauge "waxwing_certificate_expiry_timestamp_seconds" ["domain"];
    /// HTTP requests answered, by status class: "2xx" to "5xx", and "1xx" for upgrades.
    HTTP_REQUESTS = Counter "waxwing_http_requests_total" ["status"];
    /// Uploads of files, by `result`: "ok" or "refused".
    FILE_UPLOADS = Counter "waxwing_file_uploads_total" ["result"];
    /// Bytes of files, by `direction`: "received" or "sent".
    FILE_BYTES = Counter "waxwing_file_bytes_total" ["direction"];
    /// Streams of bytes between two clients that are active now.
    BYTESTREAMS = Gauge "waxwing_bytestreams" [];
    /// Readings of the configuration at SIGHUP, by `result`: "ok" or "refused".
    RELOADS = Counter "waxwing_reloads_total" ["result"];
    /// Certificates asked for from the ACME directory, by `result`: "ok" or "failed".
    ACME_ORDERS = Counter "waxwing_acme_orders_total" ["result"];
    /// Authenticated pairs of domains on connections with other servers, by `direction`: "in" or "out".
    FEDERATED_PAIRS = Gauge "waxwing_federated_pairs" ["direction"];
    /// Stanzas exchanged with other servers, by `direction`: "in" or "out".
    FEDERATED_STANZAS = Counter "waxwing_federated_stanzas_total" ["direction"];
    /// Attempts to reach another server that failed.
    FEDERATION_FAILURES = Counter "waxwing_federation_failures_total" [];
    /// Always 1; the label `version` says which release runs.
    BUILD_INFO = Gauge "waxwing_build_info" ["version"];
}
