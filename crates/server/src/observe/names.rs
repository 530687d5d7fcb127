//! The names of all metrics, in one table.

/// Connections accepted, on all listeners.
pub const CONNECTIONS_ACCEPTED: &str = "waxwing_connections_accepted_total";
/// Connections closed at once because a limit was reached.
pub const CONNECTIONS_REFUSED: &str = "waxwing_connections_refused_total";
