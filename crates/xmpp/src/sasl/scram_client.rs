//! The client's side of SCRAM (RFC 5802), for tests and for whatever of ours signs in elsewhere.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::scram::{is_extension, is_nonce};
use super::verifier::equal;
use super::{Hash, MIN_ITERATIONS, Offer, prepare_password};

/// Why the client stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScramClientError {
    /// The password cannot be prepared.
    #[error("the password holds characters that are not allowed")]
    Password,
    /// The server's message breaks the grammar.
    #[error("the server's message is malformed")]
    Malformed,
    /// The server's nonce does not begin with ours (RFC 5802 section 5.1).
    #[error("the server's nonce does not continue ours")]
    Nonce,
    /// The server asks for too few rounds, or too many to be honest.
    #[error("the server asks for an unacceptable number of rounds")]
    Iterations,
    /// What the server says it offered is not what arrived (XEP-0474 section 6.2).
    #[error("the offer was tampered with on the way")]
    Downgrade,
    /// The server does not know the password either (RFC 5802 section 3).
    #[error("the server's signature is wrong")]
    ServerSignature,
}

/// More rounds than any honest server asks for; without a bound a server could stall its clients.
const MAX_ITERATIONS: u32 = 10_000_000;

/// A client that has chosen its mechanism.
pub struct ScramClient {
    hash: Hash,
    password: String,
    bare: String,
    nonce: String,
    header: String,
    binding: Vec<u8>,
}

/// What the server's last message must prove.
pub struct ServerProof(Box<[u8]>);

impl ScramClient {
    /// Prepares an exchange. `nonce` is at least 128 fresh random bits as printable ASCII; `binding` is the name and data
    /// of a channel binding, and selects the `-PLUS` mechanism.
    pub fn new(
        hash: Hash,
        username: &str,
        password: &str,
        nonce: &str,
        binding: Option<(&str, Vec<u8>)>,
    ) -> ScramClient {
        let (header, binding) = match binding {
            Some((name, data)) => (format!("p={name},,"), data),
            None => ("n,,".to_owned(), Vec::new()),
        };
        let name = username.replace('=', "=3D").replace(',', "=2C");
        ScramClient {
            hash,
            password: password.to_owned(),
            bare: format!("n={name},r={nonce}"),
            nonce: nonce.to_owned(),
            header,
            binding,
        }
    }

    /// The client's first message.
    pub fn first(&self) -> String {
        format!("{}{}", self.header, self.bare)
    }

    /// The client's final message. With `offer`, what the server advertised, a differing downgrade hash stops it.
    pub fn last(
        &self,
        server_first: &str,
        offer: Option<&Offer>,
    ) -> Result<(String, ServerProof), ScramClientError> {
        self.last_with(server_first, offer, |password, salt, iterations| {
            self.hash.salted_password(password, salt, iterations)
        })
    }

    /// The same with another source of the SaltedPassword, for a client that keeps it (RFC 5802 section 5.1 allows that as
    /// long as salt and iteration count stay). It is given the prepared password, the salt and the iteration count.
    pub fn last_with(
        &self,
        server_first: &str,
        offer: Option<&Offer>,
        salted_password: impl FnOnce(&str, &[u8], u32) -> Box<[u8]>,
    ) -> Result<(String, ServerProof), ScramClientError> {
        let mut attributes = server_first.split(',');
        let mut attribute = |name| {
            attributes.next().and_then(|text| text.strip_prefix(name)).ok_or(ScramClientError::Malformed)
        };
        let nonce = attribute("r=")?;
        let salt = BASE64_STANDARD.decode(attribute("s=")?).map_err(|_| ScramClientError::Malformed)?;
        let iterations: u32 = attribute("i=")?.parse().map_err(|_| ScramClientError::Malformed)?;
        let extensions: Vec<&str> = attributes.collect();
        if salt.is_empty() || !extensions.iter().all(|text| is_extension(text)) {
            return Err(ScramClientError::Malformed);
        }
        if !is_nonce(nonce) || !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(ScramClientError::Nonce);
        }
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
            return Err(ScramClientError::Iterations);
        }
        let promised = extensions.iter().find_map(|text| text.strip_prefix("h="));
        if let (Some(offer), Some(promised)) = (offer, promised)
            && offer.downgrade_hash(self.hash) != promised
        {
            return Err(ScramClientError::Downgrade);
        }

        let password = prepare_password(&self.password).map_err(|_| ScramClientError::Password)?;
        let salted = salted_password(&password, &salt, iterations);
        let client_key = self.hash.hmac(&salted, &[b"Client Key"]);
        let server_key = self.hash.hmac(&salted, &[b"Server Key"]);
        let binding = BASE64_STANDARD.encode([self.header.as_bytes(), &self.binding].concat());
        let without_proof = format!("c={binding},r={nonce}");
        let signed = format!("{},{server_first},{without_proof}", self.bare);
        let signature = self.hash.hmac(&self.hash.digest(&client_key), &[signed.as_bytes()]);
        let proof: Vec<u8> =
            client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        let message = format!("{without_proof},p={}", BASE64_STANDARD.encode(proof));
        Ok((message, ServerProof(self.hash.hmac(&server_key, &[signed.as_bytes()]))))
    }
}

impl ServerProof {
    /// Checks the server's final message; without this the client does not know whom it talks to.
    pub fn verify(&self, server_final: &str) -> Result<(), ScramClientError> {
        let signature = server_final.split(',').next().and_then(|text| text.strip_prefix("v="));
        let signature = signature
            .and_then(|text| BASE64_STANDARD.decode(text).ok())
            .ok_or(ScramClientError::Malformed)?;
        if equal(&signature, &self.0) { Ok(()) } else { Err(ScramClientError::ServerSignature) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Mechanism;
    use super::*;

    fn client() -> ScramClient {
        ScramClient::new(Hash::Sha256, "user", "pencil", "rOprNGfwEbeRWgbNEkqO", None)
    }

    /// RFC 7677 section 3, from the client's side.
    #[test]
    fn the_example_of_rfc_7677() {
        let client = client();
        assert_eq!(client.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server_first =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (last, proof) = client.last(server_first, None).unwrap();
        assert!(last.ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
        assert_eq!(proof.verify("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(()));
        assert_eq!(proof.verify("v=AAAA"), Err(ScramClientError::ServerSignature));
        assert_eq!(proof.verify("e=other-error"), Err(ScramClientError::Malformed));
    }

    #[test]
    fn a_dishonest_server_is_noticed() {
        let last = |message: &str| client().last(message, None).err();
        assert_eq!(last("r=other,s=AAAA,i=4096"), Some(ScramClientError::Nonce));
        assert_eq!(last("r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096"), Some(ScramClientError::Nonce));
        assert_eq!(last("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1"), Some(ScramClientError::Iterations));
        assert_eq!(last("r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4294967295"), Some(ScramClientError::Iterations));
        assert_eq!(last("m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096"), Some(ScramClientError::Malformed));
        assert_eq!(last("r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096"), Some(ScramClientError::Malformed));
    }

    /// XEP-0474 section 6.2.
    #[test]
    fn a_stripped_offer_is_noticed() {
        let seen = Offer {
            mechanisms: vec![Mechanism::Scram { hash: Hash::Sha1, plus: false }],
            bindings: Vec::new(),
        };
        let message = "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096,h=AAAA";
        assert_eq!(client().last(message, Some(&seen)).err(), Some(ScramClientError::Downgrade));
    }
}
