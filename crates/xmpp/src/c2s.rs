//! The server's side of a client's stream (RFC 6120): bytes in, events out, an output buffer to write; no I/O, no clock.
//!
//! How to drive it:
//!
//! ```text
//! let mut stream = Stream::new(config, Transport::tcp());
//! loop {
//!     let (used, event) = stream.feed(&input);          // input: what was read; drop `used` octets of it
//!     write(stream.take_output());                      // .bytes() for TCP, .frames() for WebSocket
//!     match event { .. }                                // None: everything is consumed, read more
//! }
//! ```
//!
//! - `feed` stops after each event. An event that holds a question (`StartTls`, `Credentials`, `Authenticated`, `Task`,
//!   `Upgraded`, `Bind`, `Resume`, `Enable`) stops the stream until the question is given back: the types have no public
//!   constructor and are not `Clone`, so that nothing can be answered twice or unasked. Until then `feed` consumes nothing.
//! - `Credentials { question, .. }`: `question.answer(..)` or `.refuse(..)` yields a `sasl::Step`; `stream.advance(step)`
//!   may yield the next event at once (`Authenticated`, `Failed`).
//! - `Authenticated`: `stream.accept(authenticated, Acceptance { .. })`. With SASL2 this one call answers resumption,
//!   binding, stream management and token together. `stream.refuse(authenticated, failure)` turns the user away.
//! - After `accept` of a SASL1 sign-in the client restarts the stream and sends `Bind` or `Resume`.
//! - `stream.jid()` is the full address once bound. `Stanza` events carry it as `from`.
//! - Stanzas to the client: `stream.write(outgoing.encoded(stream.wire()))`, or `stream.send(&stanza)`.
//! - Stream management: the stream parses and writes its elements; `sm::Session` counts and keeps what is unacknowledged.
//! - `stream.close()` ends in order; `stream.fail(StreamError)` ends with an error (`see-other-host`, `system-shutdown`,
//!   `conflict`, `connection-timeout`, ..). After `Closed`, `Failed` or `PeerFailed`: flush, hang up.
//! - WebSocket: feed each message whole, then call `stream.end_of_frame()`.
//!
//! ```text
//!            ┌──────────────────── accept (SASL1: the client restarts) ─────────────────┐
//!            ▼                                                                          │
//!  ──▶ AwaitingHeader ──header──▶ Negotiating ──auth──▶ Exchanging ──advance──▶ [Authenticated]
//!            ▲                     │       ▲  response/failure │                        │ accept (SASL2)
//!            └─tls_established─[StartTls]  └───────────────────┘                        ▼
//!                                                       Authenticated ◀── unbound ──────┤
//!                                                        │ bind, resume                 │ bound, resumed
//!                                                        └────────────▶ Bound ◀─────────┘
//!  any state ──close tag──▶ Closed        any state ──rule broken, fail()──▶ Failed
//! ```
