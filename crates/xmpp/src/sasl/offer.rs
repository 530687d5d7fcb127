//! What the server advertised to a client, and the hash of it that SCRAM protects (XEP-0474).

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::{Hash, Mechanism};

/// The mechanisms and channel-binding types that one stream was offered in the profile it uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// The mechanisms, in the order of the server's preference.
    pub mechanisms: Vec<Mechanism>,
    /// The channel-binding types advertised with XEP-0440; none when that was not advertised.
    pub bindings: Vec<&'static str>,
}

impl Offer {
    /// Whether a mechanism that binds to the channel was offered. Then a client that says "I could, but you do not"
    /// has been lied to on the way (RFC 5802 section 6).
    pub fn binds_channel(&self) -> bool {
        self.mechanisms.iter().any(|mechanism| matches!(mechanism, Mechanism::Scram { plus: true, .. }))
    }

    /// The downgrade-protection hash (XEP-0474 section 6.1): both lists sorted by octets and joined.
    pub fn downgrade_hash(&self, hash: Hash) -> String {
        const ITEM: &str = "\x1e";
        const LIST: &str = "\x1f";
        let sorted = |mut names: Vec<&str>| {
            names.sort_unstable();
            names.join(ITEM)
        };
        let mut text = sorted(self.mechanisms.iter().map(|mechanism| mechanism.name()).collect());
        if !self.bindings.is_empty() {
            text.push_str(LIST);
            text.push_str(&sorted(self.bindings.clone()));
        }
        BASE64_STANDARD.encode(hash.digest(text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XEP-0474 section 6.3, example 1.
    #[test]
    fn the_hash_of_the_example() {
        let offer = Offer {
            mechanisms: vec![
                Mechanism::Scram { hash: Hash::Sha1, plus: true },
                Mechanism::Scram { hash: Hash::Sha1, plus: false },
            ],
            bindings: vec!["tls-server-end-point", "tls-exporter"],
        };
        assert_eq!(offer.downgrade_hash(Hash::Sha1), "G6k/rBLDqgOhRRaCuuatSDFkJ08=");
    }

    /// XEP-0474 section 6.1, steps 3 and 4: without XEP-0440 the second list and its separator are left out.
    #[test]
    fn without_bindings_there_is_no_second_list() {
        let offer = Offer { mechanisms: vec![Mechanism::Plain], bindings: Vec::new() };
        assert_eq!(offer.downgrade_hash(Hash::Sha256), BASE64_STANDARD.encode(Hash::Sha256.digest(b"PLAIN")));
    }
}
