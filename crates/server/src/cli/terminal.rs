//! Writing to the person who called.

use std::io::Write;

/// Writes a line to standard output. A reader that has gone away, such as `head`, is no error.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Writes bytes to standard output.
pub(crate) fn bytes(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}

/// Writes why something failed to standard error.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr(), "waxwing: {text}");
}
