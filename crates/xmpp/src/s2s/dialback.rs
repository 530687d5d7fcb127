//! Server Dialback (XEP-0220): keys that only their maker can tell from others, and the elements that carry them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::Pair;
use crate::error::{Condition, StanzaError};
use crate::ns;
use crate::xml::{Element, escape_attr, escape_text};

/// What the keys of one process are made with.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A secret made of random octets.
    pub fn new(octets: [u8; 32]) -> Secret {
        Secret(octets)
    }

    /// The key for a pair on the stream that the receiving server calls `id` (XEP-0185). Each part comes with its length,
    /// so that no two combinations of them make the same text.
    pub fn key(&self, pair: &Pair, id: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        for part in [&*pair.to, &*pair.from, id] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let digest = mac.finalize().into_bytes();
        digest.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Whether a key is the one that this secret makes. Takes the same time wherever they differ.
    pub fn made(&self, pair: &Pair, id: &str, key: &str) -> bool {
        self.key(pair, id).as_bytes().ct_eq(key.as_bytes()).into()
    }
}

/// What is said about a key (XEP-0220 sections 2.1 and 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the sender's own.
    Valid,
    /// It is not.
    Invalid,
    /// That cannot be said, for this reason.
    Error(Condition),
}

impl Verdict {
    /// Reads the answer in a `result` or `verify`; nothing if it is none.
    pub(super) fn read(element: &Element) -> Option<Verdict> {
        match element.attr("type")? {
            "valid" => Some(Verdict::Valid),
            "invalid" => Some(Verdict::Invalid),
            "error" => {
                let error = element.children().find(|child| child.name() == "error");
                let condition =
                    error.map_or(Condition::UndefinedCondition, |e| StanzaError::from_element(e).condition);
                Some(Verdict::Error(condition))
            }
            _ => None,
        }
    }
}

/// Writes one of the elements of dialback. The prefix is `db`, which some servers look for (XEP-0220 section 2).
pub(super) fn write(name: &str, pair: &Pair, id: Option<&str>, content: Content<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<db:");
    out.extend_from_slice(name.as_bytes());
    let mut attribute = |name: &str, value: &str| {
        out.extend_from_slice(format!(" {name}='").as_bytes());
        escape_attr(value, out);
        out.push(b'\'');
    };
    attribute("from", &pair.from);
    attribute("to", &pair.to);
    if let Some(id) = id {
        attribute("id", id);
    }
    let type_ = match content {
        Content::Key(_) => None,
        Content::Answer(Verdict::Valid) => Some("valid"),
        Content::Answer(Verdict::Invalid) => Some("invalid"),
        Content::Answer(Verdict::Error(_)) => Some("error"),
    };
    if let Some(type_) = type_ {
        attribute("type", type_);
    }
    out.push(b'>');
    match content {
        Content::Key(key) => escape_text(key, out),
        Content::Answer(Verdict::Error(condition)) => {
            StanzaError::new(condition).to_element(ns::SERVER).write(out, ns::SERVER);
        }
        Content::Answer(_) => {}
    }
    out.extend_from_slice(b"</db:");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

/// What stands in an element of dialback.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Key(&'a str),
    Answer(Verdict),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XEP-0185 section 3, and CVE-2016-0756's kind: what bounds one part must not be part of another.
    #[test]
    fn a_key_belongs_to_one_pair_on_one_stream() {
        let secret = Secret::new([7; 32]);
        let pair = Pair::new("montague.example", "capulet.example");
        let key = secret.key(&pair, "id");
        assert!(secret.made(&pair, "id", &key));
        assert_eq!(key.len(), 64);
        for (from, to, id) in [
            ("montague.example", "capulet.example", "other"),
            ("capulet.example", "montague.example", "id"),
            ("montague.exampl", "ecapulet.example", "id"),
            ("montague.example", "capulet.examplei", "d"),
        ] {
            assert!(!secret.made(&Pair::new(from, to), id, &key), "{from} {to} {id}");
        }
        assert!(!Secret::new([8; 32]).made(&pair, "id", &key));
        assert!(!secret.made(&pair, "id", ""));
    }
}
