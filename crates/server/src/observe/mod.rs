//! What the server says about itself: the log and the metrics.

mod log;
pub mod names;

pub use log::{LogConfig, LogFormat};
