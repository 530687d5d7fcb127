//! What the server says about itself: the log and the metrics.

mod log;
mod metrics;
pub mod names;
#[cfg(feature = "otel")]
mod traces;

pub(crate) use self::log::filter;
pub use self::log::{Log, LogConfig, LogFormat};
pub use self::metrics::{Metrics, reference};
