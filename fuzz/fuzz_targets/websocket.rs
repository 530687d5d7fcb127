//! Streams over WebSocket, message by message.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| waxwing_fuzz::within(input, waxwing_fuzz::websocket));
