//! The signals that steer the server.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal orders.
pub(crate) enum Order {
    /// Read the configuration again (SIGHUP).
    Reload,
    /// Leave, then stop (SIGTERM).
    Leave,
    /// Stop (SIGINT).
    Stop,
}

/// The signals the server listens to.
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next signal. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.hangup.recv() => Order::Reload,
            _ = self.terminate.recv() => Order::Leave,
            _ = self.interrupt.recv() => Order::Stop,
        }
    }
}
