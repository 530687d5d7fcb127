//! Streams over TCP, from the first byte to stanzas and stream management.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| waxwing_fuzz::within(input, waxwing_fuzz::negotiation));
