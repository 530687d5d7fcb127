//! The log: text for people or JSON for machines, on standard error.

use crate::config::{choice, config};

config! {
    /// The log, written to standard error.
    pub struct LogConfig {
        /// Lines for people, or one JSON object a line for machines.
        format: LogFormat = LogFormat::Text,
        /// What to log: "error", "warn", "info", "debug" or "trace", for the whole server or for parts of it, as
        /// in "info,waxwing_server::xmpp=debug". Passwords and the bodies of messages are logged at no level.
        level: String = "info".to_owned(),
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
