//! Preparation of user names and passwords (RFC 8265), so that both sides compare the same octets.

use std::borrow::Cow;

use crate::precis;

/// A user name or password that the profile forbids: empty, or with characters that are not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("empty, or contains characters that are not allowed")]
pub struct PrepareError;

/// Longer than any password anyone types: bounds the work before authentication.
const MAX_OCTETS: usize = 1023;

/// Prepares a password with the OpaqueString profile (RFC 8265 section 4.2).
pub fn prepare_password(password: &str) -> Result<Cow<'_, str>, PrepareError> {
    if password.len() > MAX_OCTETS {
        return Err(PrepareError);
    }
    if !password.is_empty() && password.bytes().all(|octet| matches!(octet, 0x20..=0x7e)) {
        return Ok(Cow::Borrowed(password));
    }
    precis::opaque(password).ok_or(PrepareError)
}

/// Prepares a user name with the UsernameCaseMapped profile (RFC 8265 section 3.3), which is also that of the local part
/// of an address (RFC 7622 section 3.3.1), so that the result can be looked up.
pub fn prepare_username(username: &str) -> Result<String, PrepareError> {
    if username.len() > MAX_OCTETS {
        return Err(PrepareError);
    }
    let mapped = precis::username(username).ok_or(PrepareError)?;
    // RFC 7622 section 3.3.1 excludes these from local parts although the profile allows them.
    if mapped.contains(['"', '&', '\'', '/', ':', '<', '>', '@']) {
        Err(PrepareError)
    } else {
        Ok(mapped.into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8265 section 4.3, table 2: what passwords may hold, and what not.
    #[test]
    fn passwords_of_rfc_8265() {
        for allowed in [
            "correct horse battery staple",
            "Correct Horse Battery Staple",
            "πßå",
            "Jack of ♦s",
            "foo\u{1680}bar",
        ] {
            assert!(prepare_password(allowed).is_ok(), "{allowed}");
        }
        assert_eq!(prepare_password("foo\u{1680}bar").unwrap(), "foo bar");
        // RFC 8264 section 7: U+0387 becomes U+00B7, which may stand between two letters l only.
        for refused in ["", "my cat is a \u{9}by", "s\u{387}m"] {
            assert!(prepare_password(refused).is_err(), "{refused:?}");
        }
        assert!(prepare_password(&"x".repeat(MAX_OCTETS + 1)).is_err());
    }

    /// RFC 8265 section 3.5, tables 1 and 2 of user names.
    #[test]
    fn usernames_of_rfc_8265() {
        assert_eq!(prepare_username("Juliet").unwrap(), "juliet");
        assert_eq!(prepare_username("fussball").unwrap(), "fussball");
        assert_eq!(prepare_username("fu\u{df}ball").unwrap(), "fu\u{df}ball");
        assert_eq!(prepare_username("\u{3a3}").unwrap(), "\u{3c3}");
        for refused in ["", "foo bar", "henry\u{2163}", "\u{265a}", "juliet@example.com", "a/b"] {
            assert!(prepare_username(refused).is_err(), "{refused:?}");
        }
    }
}
