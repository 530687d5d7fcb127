//! The configuration of the JSON face.

use crate::config::config;

config! {
    /// JSON over WebSocket, for the web client and other programs.
    pub struct Config {
        /// The largest frame taken from a client that has signed in.
        frame_bytes: usize = 262_144,
        /// The largest frame taken from a client that has not signed in.
        unauthenticated_frame_bytes: usize = 16_384,
        /// How many requests a connection may make before it has signed in.
        sign_in_attempts: u32 = 5,
        /// How many messages of one client may be on their way into the store at one time; more wait their turn.
        requests_in_flight: usize = 64,
        /// Bytes of a message's text.
        text_bytes: usize = 32_768,
        /// How many files may go with one message.
        attachments_limit: usize = 20,
        /// How many mentions one message may hold.
        mentions_limit: usize = 50,
        /// How many payloads one message may hold.
        payloads_limit: usize = 8,
        /// How many different emoji one person may react with to one message.
        reactions_limit: usize = 20,
        /// How long after it was sent a message may be taken back by its sender; 0 for ever.
        recall_ms: u64 = 86_400_000,
        /// How long after it was sent a message may be edited by its sender; 0 for ever.
        edit_ms: u64 = 86_400_000,
        /// How far ahead a message may be scheduled.
        schedule_ms: u64 = 31_536_000_000,
        /// How many things one page of an answer holds at most.
        page: usize = 100,
        /// How many conversations the first answer of a client that has just signed in holds, unless it asks for fewer.
        snapshot_conversations: usize = 100,
        /// After how long a silence a client is asked whether it still is there.
        idle_timeout_ms: u64 = 60_000,
        /// How long it may take to answer that.
        response_timeout_ms: u64 = 30_000,
        /// How long others still see somebody whose connection was lost, so that a page which is loaded anew does not make
        /// its reader come and go.
        absence_grace_ms: u64 = 10_000,
    }
}
