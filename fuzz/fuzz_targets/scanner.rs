//! The scanner against rxml, expat and libxml2, in pieces of every length.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| waxwing_fuzz::scanner(input));
