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
    /// Connections closed because a balancer of `listen.proxy_from` did not say for whom it connects, or not in time.
    PROXY_HEADERS_REFUSED = Counter "waxwing_proxy_headers_refused_total" [];
    /// Connections open now, on all listeners.
    CONNECTIONS = Gauge "waxwing_connections" [];
    /// Connections open now that have not signed in.
    CONNECTIONS_UNAUTHENTICATED = Gauge "waxwing_connections_unauthenticated" [];
    /// Steps of signing in that wait for their turn now.
    SIGN_INS_WAITING = Gauge "waxwing_sign_ins_waiting" [];
    /// How long steps of signing in waited for their turn, those that had to, in seconds.
    SIGN_IN_WAIT_SECONDS = Histogram "waxwing_sign_in_wait_seconds" [];
    /// Clients turned away before they could sign in, by `reason`: "too many" or "too long" (`limits.sign_ins_waiting`,
    /// `limits.sign_in_wait_ms`).
    SIGN_INS_TURNED_AWAY = Counter "waxwing_sign_ins_turned_away_total" ["reason"];
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
    /// Nodes of the installation that this one knows, itself included.
    NODES = Gauge "waxwing_nodes" [];
    /// Frames between nodes, by `direction`: "sent" (a broadcast counts once) or "received".
    BUS_FRAMES = Counter "waxwing_bus_frames_total" ["direction"];
    /// Bytes of frames between nodes, by `direction`: "sent" or "received".
    BUS_BYTES = Counter "waxwing_bus_bytes_total" ["direction"];
    /// What the bus did not take, by `result`: "full" (frames that the queue had no room for), "refused" (packets that are malformed
    /// or not sealed with the installation's key), "repeated", "stray" (from nodes with which there is no link) or
    /// "overflowed" (frames that nobody dealt with in time).
    BUS_DROPPED = Counter "waxwing_bus_dropped_total" ["result"];
    /// Times that frames of another node were missed, and what they told was read from the database.
    BUS_MISSED = Counter "waxwing_bus_missed_total" [];
    /// Times that the connection to NATS was lost.
    BUS_RECONNECTS = Counter "waxwing_bus_reconnects_total" [];
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
