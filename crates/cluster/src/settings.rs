//! Times and bounds of a bus.

use std::time::Duration;

/// Times and bounds of a bus.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often a node says that it is there.
    pub beat: Duration,
    /// How long a node may be silent before it counts as gone; a few beats.
    pub node_timeout: Duration,
    /// Bytes that may wait to be sent; `Full` is what behind them gets.
    pub queue_bytes: usize,
    /// Bytes that may wait to be asked for; `Missed` is told of what behind them is given up.
    pub inbox_bytes: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            beat: Duration::from_secs(1),
            node_timeout: Duration::from_secs(5),
            queue_bytes: 32 << 20,
            inbox_bytes: 64 << 20,
        }
    }
}
