//! The PRECIS profiles (RFC 8265) that user names, local parts, resources and passwords share.

use std::borrow::Cow;

use precis_core::profile::PrecisFastInvocation;
use precis_profiles::{OpaqueString, UsernameCaseMapped};

/// How often a profile is applied again before an unstable string is refused (RFC 8264 section 7).
const ROUNDS: usize = 3;

/// Applies UsernameCaseMapped (RFC 8265 section 3.3); `None` for what it forbids.
pub(crate) fn username(text: &str) -> Option<Cow<'_, str>> {
    stable(text, |text| UsernameCaseMapped::enforce(text).ok())
}

/// Applies OpaqueString (RFC 8265 section 4.2); `None` for what it forbids.
pub(crate) fn opaque(text: &str) -> Option<Cow<'_, str>> {
    stable(text, |text| OpaqueString::enforce(text).ok())
}

/// Applies a profile until the result is stable, so that what was prepared prepares to itself (RFC 8264 section 7).
fn stable<'a>(text: &'a str, profile: impl Fn(&str) -> Option<Cow<'_, str>>) -> Option<Cow<'a, str>> {
    let mut current = Cow::Borrowed(text);
    for _ in 0..=ROUNDS {
        let next = profile(&current)?.into_owned();
        if next == *current {
            return Some(current);
        }
        current = Cow::Owned(next);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8264 section 7. U+0387 is allowed and composes to U+00B7, which is allowed between two letters l only
    /// (RFC 5892 Appendix A.3).
    #[test]
    fn what_is_not_stable_is_refused() {
        assert_eq!(opaque("l\u{387}l").as_deref(), Some("l\u{b7}l"));
        assert_eq!(opaque("s\u{387}m"), None);
        assert_eq!(username("s\u{387}m"), None);
    }
}
