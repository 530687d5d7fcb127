//! Stanzas, written and read again.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| waxwing_fuzz::within(input, waxwing_fuzz::stanza));
