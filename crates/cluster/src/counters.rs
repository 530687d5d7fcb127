//! What a bus counts, for the server's metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the bus was opened. Read them whenever; they only rise.
#[derive(Debug, Default)]
pub struct Counters {
    /// Frames that were taken to be sent; one for a broadcast.
    pub frames_sent: Count,
    /// Bytes of these frames.
    pub bytes_sent: Count,
    /// Frames that were handed out.
    pub frames_received: Count,
    /// Bytes of these frames.
    pub bytes_received: Count,
    /// Frames that were not taken because the queue was full.
    pub full: Count,
    /// Packets that were refused: malformed, not for this node, or not sealed with the installation's key.
    pub refused: Count,
    /// Packets that had come before, or whose turn was over: repeats, and what was played back.
    pub repeated: Count,
    /// Packets from nodes with which there is no link.
    pub strays: Count,
    /// Times that frames of a node were missed.
    pub missed: Count,
    /// Frames that were given up because nobody asked for what had come.
    pub overflowed: Count,
    /// Times that the connection to the bus was lost.
    pub reconnects: Count,
}

/// One number that rises.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
}
