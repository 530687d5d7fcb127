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
        /// How many things one page of an answer holds at most.
        page: usize = 100,
        /// How many conversations with people a client is told of when it begins; it asks for older ones.
        conversations: usize = 100,
        /// Bytes of the conversations in one list. Those for which there is no room are named, and asked for one by one.
        conversation_bytes: usize = 1_048_576,
        /// How many messages a connection may have on their way into the store at one time.
        messages_in_flight: usize = 64,
        /// Bytes of the text of a message.
        text_bytes: usize = 40_000,
        /// How many files go with a message.
        attachments: usize = 10,
        /// How many people one message mentions.
        mentions: usize = 100,
        /// How many pieces of data for programs a message carries.
        payloads: usize = 10,
        /// With how many different emoji one person may react to a message.
        reactions: usize = 10,
        /// How long after it was sent a message may be taken back by whoever sent it; 0 for ever.
        recall_ms: u64 = 86_400_000,
        /// How long after it was sent a message may be edited; 0 for ever.
        edit_ms: u64 = 0,
        /// After how long a silence a client is asked whether it still is there.
        idle_timeout_ms: u64 = 60_000,
        /// How long it may take to answer that.
        response_timeout_ms: u64 = 30_000,
        /// How long others still see somebody whose connection was lost, so that a page which is loaded anew does not make
        /// its reader come and go.
        absence_grace_ms: u64 = 10_000,
    }
}
