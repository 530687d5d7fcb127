//! What the server keeps instead of a password (RFC 5802 section 3, RFC 7677): it can check one, and cannot be used as one.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::prepare::{PrepareError, prepare_password};

/// The cost of new verifiers, unless the administrator sets another.
///
/// With SCRAM the client does the work, on each device and, unless it keeps the salted password, at each sign-in.
/// Measured on one server core: 100,000 rounds take 0.05 to 0.1 s in native code, but 0.5 s in slixmpp's loop and 0.6 s in
/// a loop over Node's `createHmac`, as @xmpp/client has it; a phone is three to five times slower. 10,000 rounds are
/// borne by all of them; RFC 7677 section 4 asks for 4096 at least. OWASP's figures (600,000 rounds of SHA-256, 210,000
/// of SHA-512) are for servers that do the work themselves: whoever chooses the clients and has native ones should go
/// there in steps, 100,000 first. Each verifier remembers its own count, so that a raise applies from the next change of
/// password on. What makes guessing hopeless is a good password; what spares clients the work is a token (XEP-0484).
pub const DEFAULT_ITERATIONS: u32 = 10_000;

/// RFC 7677 section 4 and RFC 5802 section 5.1: no fewer rounds than this.
pub const MIN_ITERATIONS: u32 = 4096;

/// More rounds than anyone can want: bounds what a corrupted row or an upgrade could cost.
const MAX_ITERATIONS: u32 = 10_000_000;

/// The hash functions of the SCRAM family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hash {
    /// SHA-1, for old clients only.
    Sha1,
    /// SHA-256 (RFC 7677).
    Sha256,
    /// SHA-512.
    Sha512,
}

macro_rules! with_hash {
    ($hash:expr, $digest:ident => $body:expr) => {
        match $hash {
            Hash::Sha1 => {
                type $digest = Sha1;
                $body
            }
            Hash::Sha256 => {
                type $digest = Sha256;
                $body
            }
            Hash::Sha512 => {
                type $digest = Sha512;
                $body
            }
        }
    };
}

impl Hash {
    /// The number of octets of the hash.
    pub fn octets(self) -> usize {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
            Hash::Sha512 => 64,
        }
    }

    /// The name of the SCRAM mechanism that uses it, without channel binding.
    pub fn mechanism_name(self) -> &'static str {
        super::Mechanism::Scram { hash: self, plus: false }.name()
    }

    pub(super) fn digest(self, data: &[u8]) -> Box<[u8]> {
        with_hash!(self, D => D::digest(data).to_vec().into())
    }

    /// The code of RFC 2104 over the parts, one behind the other.
    pub fn hmac(self, key: &[u8], parts: &[&[u8]]) -> Box<[u8]> {
        with_hash!(self, D => {
            let mut mac = <Hmac<D> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().to_vec().into()
        })
    }

    /// The SaltedPassword of RFC 5802 section 3: `Hi(password, salt, iterations)`. The password has been prepared.
    pub fn salted_password(self, password: &str, salt: &[u8], iterations: u32) -> Box<[u8]> {
        let mut out = vec![0; self.octets()];
        with_hash!(self, D => pbkdf2::pbkdf2_hmac::<D>(password.as_bytes(), salt, iterations, &mut out));
        out.into()
    }
}

pub(super) fn equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// What the server stores for one user and one hash.
///
/// Its text form is that of RFC 5803: `SCRAM-SHA-256$100000:<salt>$<stored key>:<server key>`.
#[derive(Clone)]
pub struct Verifier {
    hash: Hash,
    salt: Box<[u8]>,
    iterations: u32,
    stored_key: Box<[u8]>,
    server_key: Box<[u8]>,
}

impl Verifier {
    /// Derives the verifier of a password. The salt is the caller's: at least 16 fresh random octets.
    /// Expensive by design; keep it off the threads that serve connections.
    pub fn derive(
        hash: Hash,
        password: &str,
        salt: &[u8],
        iterations: u32,
    ) -> Result<Verifier, PrepareError> {
        let password = prepare_password(password)?;
        Ok(Verifier::from_salted_password(
            hash,
            &hash.salted_password(&password, salt, iterations),
            salt,
            iterations,
        ))
    }

    /// Builds the verifier from a SaltedPassword that a client computed (XEP-0480 section 3).
    pub fn from_salted_password(
        hash: Hash,
        salted_password: &[u8],
        salt: &[u8],
        iterations: u32,
    ) -> Verifier {
        let client_key = hash.hmac(salted_password, &[b"Client Key"]);
        Verifier {
            hash,
            salt: salt.into(),
            iterations,
            stored_key: hash.digest(&client_key),
            server_key: hash.hmac(salted_password, &[b"Server Key"]),
        }
    }

    /// The verifier of a user that does not exist. It is the same whenever the same name is tried, looks like that of
    /// any other user, and no password fits it. The secret belongs to the server and must outlive a restart, otherwise a
    /// salt that changes would give the absence away.
    pub fn decoy(secret: &[u8], username: &str, hash: Hash, iterations: u32) -> Verifier {
        let derive = |label: &str| {
            Hash::Sha512.hmac(
                secret,
                &[label.as_bytes(), b"\0", hash.mechanism_name().as_bytes(), b"\0", username.as_bytes()],
            )
        };
        Verifier {
            hash,
            salt: derive("decoy salt")[..Self::SALT_LEN].into(),
            iterations,
            stored_key: derive("decoy stored key")[..hash.octets()].into(),
            server_key: derive("decoy server key")[..hash.octets()].into(),
        }
    }

    /// How many octets a salt has; decoys and real users must agree on it.
    pub const SALT_LEN: usize = 16;

    /// Whether a password is the right one. Takes as long for a decoy as for a real user.
    pub fn check_password(&self, password: &str) -> bool {
        let Ok(password) = prepare_password(password) else {
            return false;
        };
        let salted = self.hash.salted_password(&password, &self.salt, self.iterations);
        let client_key = self.hash.hmac(&salted, &[b"Client Key"]);
        equal(&self.hash.digest(&client_key), &self.stored_key)
    }

    /// The hash function.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The number of rounds.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    pub(super) fn stored_key(&self) -> &[u8] {
        &self.stored_key
    }

    pub(super) fn server_key(&self) -> &[u8] {
        &self.server_key
    }
}

impl PartialEq for Verifier {
    fn eq(&self, other: &Verifier) -> bool {
        self.hash == other.hash
            && self.iterations == other.iterations
            && self.salt == other.salt
            && equal(&self.stored_key, &other.stored_key)
            && equal(&self.server_key, &other.server_key)
    }
}

impl Eq for Verifier {}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("hash", &self.hash)
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}${}:{}${}:{}",
            self.hash.mechanism_name(),
            self.iterations,
            BASE64_STANDARD.encode(&self.salt),
            BASE64_STANDARD.encode(&self.stored_key),
            BASE64_STANDARD.encode(&self.server_key),
        )
    }
}

/// A stored verifier that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SCRAM verifier in the form of RFC 5803")]
pub struct VerifierParseError;

impl FromStr for Verifier {
    type Err = VerifierParseError;

    fn from_str(text: &str) -> Result<Verifier, VerifierParseError> {
        let parse = || {
            let (scheme, rest) = text.split_once('$')?;
            let hash = [Hash::Sha1, Hash::Sha256, Hash::Sha512]
                .into_iter()
                .find(|hash| hash.mechanism_name() == scheme)?;
            let (info, keys) = rest.split_once('$')?;
            let (iterations, salt) = info.split_once(':')?;
            let (stored_key, server_key) = keys.split_once(':')?;
            let key = |text| {
                BASE64_STANDARD.decode(text).ok().filter(|key| key.len() == hash.octets()).map(Into::into)
            };
            Some(Verifier {
                hash,
                iterations: iterations.parse().ok().filter(|count| (1..=MAX_ITERATIONS).contains(count))?,
                salt: BASE64_STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?.into(),
                stored_key: key(stored_key)?,
                server_key: key(server_key)?,
            })
        };
        parse().ok_or(VerifierParseError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(password: &str) -> Verifier {
        Verifier::derive(Hash::Sha256, password, b"sixteen octets..", MIN_ITERATIONS).unwrap()
    }

    #[test]
    fn a_password_fits_its_own_verifier_only() {
        assert!(verifier("pencil").check_password("pencil"));
        assert!(!verifier("pencil").check_password("Pencil"));
        assert!(!verifier("pencil").check_password(""));
    }

    /// RFC 8265 section 4.2: both sides of a comparison go through OpaqueString, so that a no-break space equals a
    /// space and a decomposed letter equals the composed one.
    #[test]
    fn passwords_are_prepared() {
        assert!(verifier("correct horse é").check_password("correct\u{a0}horse e\u{301}"));
        assert!(Verifier::derive(Hash::Sha1, "", b"salt", MIN_ITERATIONS).is_err());
        assert!(Verifier::derive(Hash::Sha1, "a\u{7}b", b"salt", MIN_ITERATIONS).is_err());
    }

    #[test]
    fn the_text_form_round_trips_and_rejects_damage() {
        for hash in [Hash::Sha1, Hash::Sha256, Hash::Sha512] {
            let verifier = Verifier::derive(hash, "pencil", b"salt", MIN_ITERATIONS).unwrap();
            let text = verifier.to_string();
            assert_eq!(text.parse::<Verifier>().unwrap(), verifier);
            assert!(text.replace('$', "#").parse::<Verifier>().is_err());
            assert!(text[..text.len() - 4].parse::<Verifier>().is_err());
            assert!(text.replace("4096", "0").parse::<Verifier>().is_err());
        }
        assert!(!format!("{:?}", verifier("pencil")).contains("stored"));
    }

    /// RFC 5803 section 3 has no example with known keys; these are RFC 7677 section 3's password and salt, with the
    /// keys computed by another implementation (Python's hashlib and hmac).
    #[test]
    fn keys_match_another_implementation() {
        let salt = BASE64_STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::derive(Hash::Sha256, "pencil", &salt, 4096).unwrap();
        assert_eq!(
            verifier.to_string(),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }

    #[test]
    fn decoys_are_stable_and_fit_nothing() {
        let decoy = |user| Verifier::decoy(b"server secret", user, Hash::Sha512, DEFAULT_ITERATIONS);
        assert_eq!(decoy("romeo"), decoy("romeo"));
        assert_ne!(decoy("romeo").salt(), decoy("juliet").salt());
        assert_ne!(decoy("romeo").salt(), Verifier::decoy(b"another", "romeo", Hash::Sha512, 4096).salt());
        assert_eq!(decoy("romeo").salt().len(), Verifier::SALT_LEN);
        assert_eq!(decoy("romeo").to_string().parse::<Verifier>().unwrap(), decoy("romeo"));
    }
}
