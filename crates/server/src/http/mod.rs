//! HTTP: metrics, health, host-meta, WebSocket and ACME challenges on one listener.

use crate::config::config;

config! {
    /// The HTTP listener.
    pub struct Config {
        /// Origins (scheme, host and port, as in "https://chat.example.org") whose pages may open a WebSocket
        /// here. Unset: the page's host must be one of the domains served. "*" allows every page. A client that
        /// is not a browser sends no Origin and is always allowed.
        allowed_origins: Option<Vec<String>> = None,
        /// The largest request body taken.
        body_bytes: usize = 65_536,
        /// How long a request's head may take to arrive.
        header_timeout_ms: u64 = 10_000,
    }
}
