//! The log: text for people or JSON for machines, on standard error.

use std::io::IsTerminal;
use std::sync::{Arc, PoisonError, RwLock};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Metadata, callsite};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::config::{choice, config};

config! {
    /// The log, written to standard error.
    pub struct LogConfig {
        /// Lines for people, or one JSON object a line for machines.
        format: LogFormat = LogFormat::Text,
        /// What to log: "error", "warn", "info", "debug" or "trace", for the whole server or for parts of it, as
        /// in "info,waxwing_server::xmpp=debug". Passwords and the bodies of messages are logged at no level.
        level: String = "info".to_owned(),
        /// Where spans are sent for an OpenTelemetry collector (OTLP over HTTP, protobuf), without TLS. Only in programs
        /// built with the feature `otel`.
        /// Example: "http://127.0.0.1:4318/v1/traces"
        traces_endpoint: Option<String> = None,
    }
}

choice! {
    /// How a log line is written.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// The log of this process, and a way to change its level while it runs.
pub struct Log {
    levels: Levels,
    #[cfg(feature = "otel")]
    _traces: Option<super::traces::Traces>,
}

impl Log {
    /// Starts logging. Only the first call in a process has an effect on where lines go.
    pub fn start(config: &LogConfig) -> Self {
        let levels = Levels::default();
        levels.set(filter(&config.level).unwrap_or_default());
        #[cfg_attr(not(feature = "otel"), expect(unused_mut, reason = "traces are one more layer"))]
        let mut layers = vec![output(config.format).with_filter(levels.clone()).boxed()];
        #[cfg(feature = "otel")]
        let traces = config.traces_endpoint.as_deref().map(super::traces::Traces::start);
        #[cfg(feature = "otel")]
        let traces = match traces {
            Some(Ok((traces, layer))) => {
                layers.push(layer);
                Ok(Some(traces))
            }
            Some(Err(error)) => Err(error),
            None => Ok(None),
        };
        let _ = tracing_subscriber::registry().with(layers).try_init();
        #[cfg(feature = "otel")]
        if let Err(error) = &traces {
            tracing::error!(%error, "no traces are sent");
        }
        Self {
            levels,
            #[cfg(feature = "otel")]
            _traces: traces.unwrap_or_default(),
        }
    }

    /// Puts another level in force.
    pub fn set_level(&self, level: &str) {
        if let Ok(filter) = filter(level) {
            self.levels.set(filter);
            callsite::rebuild_interest_cache();
        }
    }
}

/// The levels in force. They are looked at when a line is written, and not whenever a connection's span is entered, as
/// the filters do that come with the subscriber and can be changed.
#[derive(Clone, Default)]
struct Levels(Arc<RwLock<Targets>>);

impl Levels {
    fn set(&self, levels: Targets) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = levels;
    }

    fn ask<T>(&self, question: impl FnOnce(&Targets) -> T) -> T {
        question(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S> Filter<S> for Levels {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.ask(|levels| levels.would_enable(metadata.target(), metadata.level()))
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.ask(|levels| levels.would_enable(metadata.target(), metadata.level())) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.ask(|levels| levels.iter().map(|(_, level)| level).chain(levels.default_level()).max())
    }
}

fn output(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    let fmt = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        // Every span is listed, so that the connection's id is there however deep the line was written.
        LogFormat::Json => {
            fmt.json().with_current_span(false).with_span_list(true).flatten_event(true).boxed()
        }
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let fmt = fmt.with_ansi(colour).with_target(false);
            // The journal has its own clock (systemd.exec(5), JOURNAL_STREAM).
            match std::env::var_os("JOURNAL_STREAM") {
                Some(_) => fmt.without_time().boxed(),
                None => fmt.boxed(),
            }
        }
    }
}

/// Reads a level; the error says what is allowed.
pub(crate) fn filter(level: &str) -> Result<Targets, String> {
    level.parse().map_err(|e| {
        format!(
            "`{level}` is not understood ({e}); allowed: error, warn, info, debug, trace, or parts with their own \
             level as in \"info,waxwing_server::xmpp=debug\""
        )
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Sink {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_json_line_carries_the_connection_id_of_the_span_it_is_in() {
        let sink = Sink::default();
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(sink.clone())
            .json()
            .with_current_span(false)
            .with_span_list(true)
            .flatten_event(true);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let connection = tracing::info_span!("connection", conn = "c7");
            let _entered = connection.enter();
            let inner = tracing::info_span!("session");
            let _entered = inner.enter();
            tracing::info!(count = 3, "hello");
        });
        let line = String::from_utf8(sink.0.lock().expect("no panic").clone()).expect("UTF-8");
        let line: serde_json::Value = serde_json::from_str(&line).expect("one JSON object");
        assert_eq!(line["spans"][0]["conn"], "c7");
        assert_eq!(line["message"], "hello");
        assert_eq!(line["count"], 3);
    }

    #[test]
    fn a_level_that_is_none_is_refused_with_what_is_allowed() {
        assert!(filter("info,waxwing_server::xmpp=debug").is_ok());
        assert!(filter("info,waxwing_server=loud").expect_err("refused").contains("allowed: error, warn"));
    }
}
