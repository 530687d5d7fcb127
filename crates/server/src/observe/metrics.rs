//! The metrics of this process, written out for Prometheus.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::names::{self, Kind, METRICS};

/// Bounds of the histograms in seconds: from a fast handshake to a slow disk.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How often histograms are folded, so that what is measured between two scrapes does not pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// The metrics of this process. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Starts to measure. The recorder belongs to the process: later calls give the same one.
    pub fn start() -> Self {
        static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
        let handle = HANDLE.get_or_init(|| {
            let histograms = METRICS.iter().filter(|m| m.kind == Kind::Histogram);
            let builder = histograms.fold(PrometheusBuilder::new(), |builder, metric| {
                let bounded = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), SECONDS);
                // The only error is an empty list of bounds.
                bounded.unwrap_or_else(|_| PrometheusBuilder::new())
            });
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            // Fails when a test has its own recorder already; then nothing is measured here.
            let _ = metrics::set_global_recorder(recorder);
            describe();
            metrics::gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            handle
        });
        Self { handle: handle.clone() }
    }

    /// Everything measured, in Prometheus's text format.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Keeps the histograms small, until it is dropped.
    pub async fn upkeep(self) {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            self.handle.run_upkeep();
        }
    }
}

fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help.trim()),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help.trim()),
            Kind::Histogram => metrics::describe_histogram!(metric.name, metric.help.trim()),
        }
    }
}

/// The page `docs/metrics.md`.
pub fn reference() -> String {
    let mut out = String::from(
        "# Metrics\n\n\
         <!-- Generated from the source: do not edit. -->\n\n\
         Served at `/metrics` of the HTTP listener, to the networks of `http.monitoring_networks`, in Prometheus's \
         text format. Labels have values from closed sets only; nothing that a peer chooses becomes a label.\n\n\
         | name | kind | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in METRICS {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let row =
            format!("| `{}` | {kind} | {} | {} |\n", metric.name, labels.join(", "), metric.help.trim());
        out.push_str(&row);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_follow_prometheus() {
        let mut seen = HashSet::new();
        for metric in METRICS {
            assert!(seen.insert(metric.name), "{} stands twice", metric.name);
            assert!(metric.name.starts_with("waxwing_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
        }
    }

    #[test]
    fn what_is_measured_is_rendered_with_its_help() {
        let metrics = Metrics::start();
        metrics::counter!(names::CONNECTIONS_REFUSED).increment(2);
        metrics::histogram!(names::TLS_HANDSHAKE_SECONDS).record(0.003);
        let text = metrics.render();
        assert!(text.contains("# HELP waxwing_connections_refused_total Connections closed"), "{text}");
        assert!(text.contains("waxwing_tls_handshake_seconds_bucket{le=\"0.005\"}"), "{text}");
        assert!(text.contains("waxwing_build_info{version="), "{text}");
    }
}
