//! CPU time in proportion to the input: a target that takes more than a byte may cost fails like one that crashes.

use rustix::time::{ClockId, clock_gettime};

/// Inputs shorter than this say nothing: what a target costs at least would be counted with them.
const COUNTED_FROM_BYTES: usize = 4_096;

/// What one byte may cost in a build with coverage counters: nine times what the dearest input cost that was made for it
/// (docs/testing.md). Work that grows with the square of the input passes it at these lengths all the same.
const NANOSECONDS_PER_BYTE: u64 = 10_000;

/// Runs a target on an input, and fails if the CPU time of this thread was out of proportion.
///
/// # Panics
/// When it was.
pub fn within(input: &[u8], target: impl FnOnce(&[u8])) {
    if input.len() < COUNTED_FROM_BYTES {
        return target(input);
    }
    let began = cpu_time();
    target(input);
    let spent = cpu_time() - began;
    let allowed = NANOSECONDS_PER_BYTE * input.len() as u64;
    assert!(spent <= allowed, "{spent} ns for {} bytes, where {allowed} are allowed", input.len());
    if std::env::var_os("WAXWING_FUZZ_COST").is_some() {
        eprintln!("cost: {} ns a byte of {}", spent / input.len() as u64, input.len());
    }
}

fn cpu_time() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(now.tv_nsec).unwrap_or_default()
}
