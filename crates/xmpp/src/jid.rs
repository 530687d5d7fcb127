//! XMPP addresses (RFC 7622), normalised once and cheap to copy.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use crate::precis;

/// The longest any part may be, in bytes (RFC 7622 sections 3.2 to 3.4).
const PART_BYTES: usize = 1023;

/// An address: `domain`, `local@domain`, and either of them with `/resource`.
///
/// The text is normalised when the address is made, so two addresses are the same entity exactly when they are equal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jid {
    text: Arc<str>,
    /// Length of the localpart, 0 when there is none (it may not be empty).
    local: u16,
    /// Where the bare address ends: at the slash, or at the end of the text.
    bare: u16,
}

/// Why a string is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JidError {
    /// The localpart is empty, too long, or has a character that RFC 7622 section 3.3 forbids.
    #[error("the part before @ is empty, too long or has a character that is not allowed")]
    Local,
    /// The domainpart is no domain name and no IP address (RFC 7622 section 3.2).
    #[error("the domain is not a valid domain name or IP address")]
    Domain,
    /// The resourcepart is empty, too long, or has a character that RFC 7622 section 3.4 forbids.
    #[error("the part after / is empty, too long or has a character that is not allowed")]
    Resource,
}

impl Jid {
    /// Reads and normalises an address (RFC 7622 section 3.1: the first slash ends the domain, the first `@` before it
    /// ends the localpart).
    pub fn new(text: &str) -> Result<Jid, JidError> {
        let (bare, resource) = match text.split_once('/') {
            Some((bare, resource)) => (bare, Some(resource)),
            None => (text, None),
        };
        let (local, domain) = match bare.split_once('@') {
            Some((local, domain)) => (Some(local), domain),
            None => (None, bare),
        };
        let parts = Parts::normalise(local, domain, resource)?;
        // Nearly always an address comes as it is to be: then its text is copied once.
        Ok(if parts.are_unchanged(text) { parts.with_text(text.into()) } else { parts.join() })
    }

    /// Builds an address from its parts, which are normalised like those of [`Jid::new`].
    pub fn from_parts(local: Option<&str>, domain: &str, resource: Option<&str>) -> Result<Jid, JidError> {
        Ok(Parts::normalise(local, domain, resource)?.join())
    }

    /// The localpart: the account or room, without `@`.
    pub fn local(&self) -> Option<&str> {
        match self.local {
            0 => None,
            length => Some(&self.text[..usize::from(length)]),
        }
    }

    /// The domainpart.
    pub fn domain(&self) -> &str {
        &self.bare_str()[self.domain_start()..]
    }

    /// The resourcepart: one session or occupant, without the slash.
    pub fn resource(&self) -> Option<&str> {
        self.text.get(usize::from(self.bare) + 1..)
    }

    /// The whole normalised address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The normalised address without its resourcepart.
    pub fn bare_str(&self) -> &str {
        &self.text[..usize::from(self.bare)]
    }

    /// This address without its resourcepart.
    pub fn to_bare(&self) -> Jid {
        if self.is_bare() {
            return self.clone();
        }
        Jid { text: self.bare_str().into(), local: self.local, bare: self.bare }
    }

    /// The domain alone.
    pub fn to_domain(&self) -> Jid {
        if self.local == 0 && self.is_bare() {
            return self.clone();
        }
        Parts { local: None, domain: self.domain().into(), resource: None }.join()
    }

    /// This address with another resourcepart, which is normalised first.
    pub fn with_resource(&self, resource: &str) -> Result<Jid, JidError> {
        let resource = Some(normalise_resource(resource)?);
        let local = self.local().map(Cow::from);
        Ok(Parts { local, domain: self.domain().into(), resource }.join())
    }

    /// Whether there is no resourcepart.
    pub fn is_bare(&self) -> bool {
        usize::from(self.bare) == self.text.len()
    }

    /// Whether there is a resourcepart.
    pub fn is_full(&self) -> bool {
        !self.is_bare()
    }

    /// Whether both belong to the same account, room or domain.
    pub fn same_bare(&self, other: &Jid) -> bool {
        self.bare_str() == other.bare_str()
    }

    fn domain_start(&self) -> usize {
        match self.local {
            0 => 0,
            length => usize::from(length) + 1,
        }
    }
}

/// The parts of an address, normalised.
struct Parts<'a> {
    local: Option<Cow<'a, str>>,
    domain: Cow<'a, str>,
    resource: Option<Cow<'a, str>>,
}

impl<'a> Parts<'a> {
    fn normalise(
        local: Option<&'a str>,
        domain: &'a str,
        resource: Option<&'a str>,
    ) -> Result<Self, JidError> {
        Ok(Self {
            local: local.map(normalise_local).transpose()?,
            domain: normalise_domain(domain)?,
            resource: resource.map(normalise_resource).transpose()?,
        })
    }

    /// Whether they stand in the text they were read from just as they are to be.
    fn are_unchanged(&self, text: &str) -> bool {
        let borrowed = |part: &Cow<'_, str>| matches!(part, Cow::Borrowed(_));
        self.local.as_ref().is_none_or(borrowed)
            && borrowed(&self.domain)
            && self.resource.as_ref().is_none_or(borrowed)
            && self.length() == text.len()
    }

    /// Where the bare address ends.
    fn bare(&self) -> usize {
        self.local.as_ref().map_or(0, |part| part.len() + 1) + self.domain.len()
    }

    fn length(&self) -> usize {
        self.bare() + self.resource.as_ref().map_or(0, |part| part.len() + 1)
    }

    fn join(self) -> Jid {
        let mut text = String::with_capacity(self.length());
        if let Some(local) = &self.local {
            text.push_str(local);
            text.push('@');
        }
        text.push_str(&self.domain);
        if let Some(resource) = &self.resource {
            text.push('/');
            text.push_str(resource);
        }
        self.with_text(text.into())
    }

    /// The address that `text` spells.
    fn with_text(&self, text: Arc<str>) -> Jid {
        // Three parts of at most 1023 bytes and two separators always fit.
        let local = self.local.as_ref().map_or(0, |part| part.len() as u16);
        Jid { text, local, bare: self.bare() as u16 }
    }
}

impl FromStr for Jid {
    type Err = JidError;

    fn from_str(text: &str) -> Result<Jid, JidError> {
        Jid::new(text)
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Jid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Jid({})", self.text)
    }
}

/// Whether a part has from 1 to 1023 bytes (RFC 7622 sections 3.2 to 3.4).
fn fits(part: &str) -> bool {
    (1..=PART_BYTES).contains(&part.len())
}

/// The characters that PRECIS allows in a user name and XMPP does not (RFC 7622 section 3.3.1).
fn is_forbidden_in_local(byte: u8) -> bool {
    matches!(byte, b'"' | b'&' | b'\'' | b'/' | b':' | b'<' | b'>' | b'@')
}

/// The UsernameCaseMapped profile and the further limits of RFC 7622 section 3.3.
fn normalise_local(part: &str) -> Result<Cow<'_, str>, JidError> {
    if !fits(part) {
        return Err(JidError::Local);
    }
    // Within ASCII the profile allows the visible characters and lowers their case, nothing else.
    let mapped = if part.is_ascii() {
        if !part.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(JidError::Local);
        }
        lower_ascii(part)
    } else {
        precis::username(part).ok_or(JidError::Local)?
    };
    // Checked after mapping: wide forms such as U+FF20 map to the forbidden characters.
    if !fits(&mapped) || mapped.bytes().any(is_forbidden_in_local) {
        return Err(JidError::Local);
    }
    Ok(mapped)
}

/// The OpaqueString profile and the length limit of RFC 7622 section 3.4.
fn normalise_resource(part: &str) -> Result<Cow<'_, str>, JidError> {
    if !fits(part) {
        return Err(JidError::Resource);
    }
    // Within ASCII the profile allows the visible characters and the space, and maps nothing.
    if part.is_ascii() {
        let allowed = part.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        return if allowed { Ok(part.into()) } else { Err(JidError::Resource) };
    }
    let mapped = precis::opaque(part).ok_or(JidError::Resource)?;
    if fits(&mapped) { Ok(mapped) } else { Err(JidError::Resource) }
}

/// A domain name in its Unicode form, or an IP address (RFC 7622 section 3.2).
fn normalise_domain(part: &str) -> Result<Cow<'_, str>, JidError> {
    if let Some(address) = part.strip_prefix('[') {
        let address: Ipv6Addr =
            address.strip_suffix(']').and_then(|text| text.parse().ok()).ok_or(JidError::Domain)?;
        return Ok(format!("[{address}]").into());
    }
    // A final dot is stripped before any other step (section 3.2).
    let part = part.strip_suffix('.').unwrap_or(part);
    if !fits(part) {
        return Err(JidError::Domain);
    }
    if is_plain_domain(part) {
        return Ok(lower_ascii(part));
    }
    let tables = Uts46::new();
    let ascii = tables
        .to_ascii(part.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify)
        .map_err(|_| JidError::Domain)?;
    let (unicode, outcome) =
        tables.to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast);
    outcome.map_err(|_| JidError::Domain)?;
    // Mapping may have produced an IPv4 address, or nothing but digits and dots; it is read like any other then.
    if fits(&unicode) { Ok(unicode.into_owned().into()) } else { Err(JidError::Domain) }
}

/// Whether a domain is made of ASCII letters, digits and hyphens in labels that DNS can hold, none of them an A-label,
/// or is an IPv4 address.
fn is_plain_domain(part: &str) -> bool {
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            && !bytes.starts_with(b"-")
            && !bytes.ends_with(b"-")
            && !bytes.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"xn--"))
    };
    part.len() <= 253 && part.split('.').all(is_label) || part.parse::<Ipv4Addr>().is_ok()
}

/// Lowers the case of an ASCII string, borrowing when it has no upper case.
fn lower_ascii(part: &str) -> Cow<'_, str> {
    if part.bytes().any(|byte| byte.is_ascii_uppercase()) {
        part.to_ascii_lowercase().into()
    } else {
        part.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jid(text: &str) -> Jid {
        Jid::new(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }

    /// RFC 7622 section 3.5, table 1.
    #[test]
    fn the_valid_examples_of_the_rfc() {
        for text in [
            "juliet@example.com",
            "juliet@example.com/foo",
            "juliet@example.com/foo bar",
            "juliet@example.com/foo@bar",
            "foo\\20bar@example.com",
            "fussball@example.com",
            "fu\u{df}ball@example.com",
            "\u{3c0}@example.com",
            "king@example.com/\u{265a}",
            "example.com",
            "example.com/foobar",
            "a.example.com/b@example.net",
        ] {
            assert_eq!(jid(text).as_str(), text);
        }
        assert_eq!(jid("\u{3a3}@example.com/foo").as_str(), "\u{3c3}@example.com/foo");
        assert_eq!(jid("\u{3c2}@example.com/foo").as_str(), "\u{3c2}@example.com/foo");
    }

    /// RFC 7622 section 3.5, table 2.
    #[test]
    fn the_invalid_examples_of_the_rfc() {
        for (text, error) in [
            ("\"juliet\"@example.com", JidError::Local),
            ("foo bar@example.com", JidError::Local),
            ("juliet@example.com/", JidError::Resource),
            ("@example.com", JidError::Local),
            ("@example.com/ foo", JidError::Local),
            ("henry\u{2163}@example.com", JidError::Local),
            ("\u{265a}@example.com", JidError::Local),
            ("juliet@", JidError::Domain),
            ("/foobar", JidError::Domain),
            ("", JidError::Domain),
        ] {
            assert_eq!(Jid::new(text), Err(error), "{text}");
        }
    }

    #[test]
    fn parts() {
        let full = jid("Juliet@Example.COM/Balcony");
        assert_eq!(full.as_str(), "juliet@example.com/Balcony");
        assert_eq!(
            (full.local(), full.domain(), full.resource()),
            (Some("juliet"), "example.com", Some("Balcony"))
        );
        assert!(full.is_full() && !full.is_bare());
        let bare = full.to_bare();
        assert_eq!((bare.as_str(), bare.resource()), ("juliet@example.com", None));
        assert!(bare.is_bare() && bare.same_bare(&full) && bare != full);
        assert_eq!(full.bare_str(), bare.as_str());
        assert_eq!(full.to_domain(), jid("example.com"));
        assert_eq!(jid("example.com/x").to_domain().as_str(), "example.com");
        assert_eq!(bare.with_resource("a/b@c").unwrap().resource(), Some("a/b@c"));
        assert_eq!(bare.with_resource(""), Err(JidError::Resource));
        assert_eq!(Jid::from_parts(Some("a"), "b", None), Ok(jid("a@b")));
        assert_eq!(Jid::from_parts(Some(""), "b", None), Err(JidError::Local));
        assert_eq!(Jid::from_parts(None, "a@b", None), Err(JidError::Domain));
        assert_eq!(Jid::from_parts(None, "a/b", None), Err(JidError::Domain));
        assert_eq!("a@b".parse(), Ok(jid("a@b")));
    }

    /// RFC 7622 section 3.3.1: also when width mapping produces them.
    #[test]
    fn characters_a_localpart_may_not_have() {
        for character in ['"', '&', '\'', ':', '<', '>', ' ', '\u{7f}', '\0', '\n'] {
            assert_eq!(
                Jid::from_parts(Some(&format!("a{character}b")), "c", None),
                Err(JidError::Local),
                "{character:?}"
            );
        }
        for wide in ["\u{ff20}", "\u{ff0f}", "\u{ff1c}", "\u{ff07}", "\u{ff06}é"] {
            assert_eq!(Jid::from_parts(Some(wide), "c", None), Err(JidError::Local), "{wide:?}");
        }
        assert_eq!(jid("\u{ff21}b@c").local(), Some("ab"));
    }

    /// RFC 7622 section 3.4.
    #[test]
    fn resources_keep_their_case_and_lose_odd_spaces() {
        assert_eq!(jid("a@b/C d").resource(), Some("C d"));
        assert_eq!(jid("a@b/e\u{301}\u{a0}\u{3000}x").resource(), Some("\u{e9}  x"));
        for bad in ["\t", "\0", "\u{7f}", "é\u{1}", "\u{378}"] {
            assert_eq!(jid("a@b").with_resource(bad), Err(JidError::Resource), "{bad:?}");
        }
    }

    /// RFC 7622 section 3.2.
    #[test]
    fn domains() {
        for (given, normal) in [
            ("EXAMPLE.com.", "example.com"),
            ("localhost", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]", "[::1]"),
            ("[2001:DB8:0::1]", "[2001:db8::1]"),
            ("xn--mnchen-3ya.example", "m\u{fc}nchen.example"),
            ("M\u{dc}NCHEN.example", "m\u{fc}nchen.example"),
            ("mu\u{308}nchen.example", "m\u{fc}nchen.example"),
            ("\u{4f8b}\u{3002}\u{4e2d}\u{56fd}", "\u{4f8b}.\u{4e2d}\u{56fd}"),
        ] {
            assert_eq!(jid(given).domain(), normal, "{given}");
        }
        let long_label = "a".repeat(64);
        let long_name = "a.".repeat(127) + "a";
        for bad in [
            ".",
            "..",
            "a..b",
            ".a",
            "-a",
            "a-",
            "a_b",
            "a b",
            "[::1",
            "[x]",
            "[1.2.3.4]",
            "xn--a",
            "xn--",
            "a:5222",
            "a,b",
            "\u{2163}\u{ff0f}b",
            &long_label,
            &long_name,
        ] {
            assert_eq!(Jid::new(bad), Err(JidError::Domain), "{bad}");
        }
    }

    /// RFC 7622 sections 3.3 and 3.4: at most 1023 bytes, counted after normalisation.
    #[test]
    fn lengths() {
        let longest = "a".repeat(1023);
        let full = Jid::from_parts(Some(&longest), "example.com", Some(&longest)).unwrap();
        assert_eq!((full.local(), full.resource()), (Some(&*longest), Some(&*longest)));
        let longer = "a".repeat(1024);
        assert_eq!(Jid::from_parts(Some(&longer), "b", None), Err(JidError::Local));
        assert_eq!(Jid::from_parts(None, "b", Some(&longer)), Err(JidError::Resource));
        assert!(Jid::from_parts(Some(&"é".repeat(512)), "b", None).is_err());
    }

    /// Every address is its own normal form, so equal texts are equal addresses.
    #[test]
    fn normalising_again_changes_nothing() {
        let odd = [
            "\u{130}",
            "\u{1e9e}",
            "ǅ",
            "ﬁ",
            "K",
            "Å",
            "e\u{301}",
            "א",
            "ا",
            "٣",
            "ß",
            "ς",
            "가",
            "か\u{3099}",
            "\u{ff76}\u{ff9e}",
            "a",
            ".",
        ];
        for local in odd {
            for resource in odd {
                let Ok(once) = Jid::from_parts(Some(local), "xn--mnchen-3ya.example", Some(resource)) else {
                    continue;
                };
                assert_eq!(Jid::new(once.as_str()), Ok(once));
            }
        }
    }

    #[test]
    fn an_address_is_small() {
        assert!(size_of::<Jid>() <= 32);
        assert_eq!(size_of::<Option<Jid>>(), size_of::<Jid>());
    }
}
