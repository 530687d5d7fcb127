//! Random bytes from the system.

/// So many random bytes; without a source of them nothing can sign in, so its failure ends the program.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}

/// Sixteen random bytes in hexadecimal.
pub(crate) fn token() -> String {
    bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
}
