//! DNS questions, sent to the resolver that the configuration names.

use std::net::IpAddr;

use crate::config::config;

config! {
    /// The resolver that DNS questions go to.
    pub struct Config {
        /// The resolver's IP address. Unset: the resolvers of the system (`/etc/resolv.conf`).
        /// Example: "127.0.0.1"
        address: Option<IpAddr> = None,
        /// The resolver's port; used only with `address`.
        port: u16 = 53,
        /// How long one question may take.
        timeout_ms: u64 = 5_000,
    }
}
