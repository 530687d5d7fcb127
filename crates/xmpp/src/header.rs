//! What the headers of all streams have in common (RFC 6120 section 4.7).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};

use crate::c2s::FillRandom;
use crate::error::StreamCondition;

/// The language of the texts that this server writes.
pub(crate) const SERVER_LANG: &str = "en";

/// A fresh id that nobody can guess (section 4.7.3).
pub(crate) fn stream_id(random: &FillRandom) -> String {
    let mut id = [0; 16];
    random(&mut id);
    BASE64_URL_SAFE_NO_PAD.encode(id)
}

/// What is wrong with the prefix, content namespace or version of a header, if anything.
pub(crate) fn check(
    prefix: &str,
    (content_ns, expected): (&str, &str),
    version: Option<&str>,
) -> Result<(), StreamCondition> {
    // Section 4.8.5: what this server writes has the usual prefix, so it wants the usual prefix.
    if prefix != "stream" {
        return Err(StreamCondition::BadNamespacePrefix);
    }
    // Section 4.8.2.
    if content_ns != expected {
        return Err(StreamCondition::InvalidNamespace);
    }
    // Section 4.7.5: without a version the peer is older than this protocol.
    match version.and_then(major_version) {
        Some(major) if major >= 1 => Ok(()),
        _ => Err(StreamCondition::UnsupportedVersion),
    }
}

/// RFC 6120 section 4.7.5: two numbers with a dot; leading zeros mean nothing.
fn major_version(text: &str) -> Option<u32> {
    let (major, minor) = text.split_once('.')?;
    minor.parse::<u32>().ok()?;
    major.parse().ok()
}
