//! Connections: listeners, admission, and the byte stream that a face reads and writes, plain or TLS.

mod accept;
mod admission;
mod conn;
mod listener;
mod pacing;
pub mod proxy;

pub use accept::accept_loop;
pub use admission::{Admission, Permit, Refusal};
pub use conn::{Conn, ConnId};
pub use listener::{Listener, Listeners, can_listen, from_service_files, listen};
pub use pacing::{Crowded, Pacer, Pacing, Step, paced};

use crate::config::config;

config! {
    /// What one connection, one address and all of them together may use.
    pub struct Limits {
        /// Connections at one time on all listeners. More are told that there is no room, and closed at once.
        connections: usize = 100_000,
        /// Connections at one time from one address (IPv6: from one /64 network). Generous, since a whole office
        /// may stand behind one address.
        connections_per_address: usize = 20_000,
        /// Connections at one time that have not signed in yet.
        unauthenticated: usize = 20_000,
        /// The same from one address (IPv6: from one /64 network).
        unauthenticated_per_address: usize = 2_000,
        /// Clients at one time that wait for their turn to sign in. More are turned away, and come back later.
        sign_ins_waiting: usize = 10_000,
        /// How long a client may wait for its turn before it is turned away.
        sign_in_wait_ms: u64 = 20_000,
        /// Connections that the kernel may hold before they are accepted; bounded by net.core.somaxconn.
        backlog: u32 = 1_024,
        /// How long a TLS handshake may take. Some clients ask a person about an unknown certificate meanwhile.
        handshake_timeout_ms: u64 = 30_000,
        /// How long a balancer may take to say for whom it connects (`listen.proxy_from`). Some seconds at least, so that a
        /// lost packet can be sent again.
        proxy_header_timeout_ms: u64 = 5_000,
        /// How long a connection may take from its first byte to having signed in.
        authentication_timeout_ms: u64 = 30_000,
        /// How long a peer may take to accept what is written to it, before the connection is given up.
        write_timeout_ms: u64 = 30_000,
        /// After how long a silence TCP asks whether the peer still is there. 0 turns TCP's keep-alive off.
        keepalive_idle_ms: u64 = 120_000,
        /// How long TCP waits for an answer before it asks again; three unanswered questions end the connection.
        keepalive_interval_ms: u64 = 30_000,
    }
}
