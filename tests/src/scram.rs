//! The client's side of SCRAM (RFC 5802, RFC 7677), written apart from the server's.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// The hash of a SCRAM mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SCRAM-SHA-1.
    Sha1,
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

impl Hash {
    /// The hash that a mechanism's name stands for.
    pub fn of(mechanism: &str) -> Option<Self> {
        match mechanism.trim_end_matches("-PLUS") {
            "SCRAM-SHA-1" => Some(Self::Sha1),
            "SCRAM-SHA-256" => Some(Self::Sha256),
            "SCRAM-SHA-512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut out = vec![0; self.length()];
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut out),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut out),
            Self::Sha512 => pbkdf2::pbkdf2_hmac::<Sha512>(password, salt, iterations, &mut out),
        }
        out
    }

    fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
            Self::Sha512 => Sha512::digest(data).to_vec(),
        }
    }

    /// HMAC with this hash.
    pub fn mac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        fn run<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
            let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        }
        match self {
            Self::Sha1 => run::<Hmac<Sha1>>(key, data),
            Self::Sha256 => run::<Hmac<Sha256>>(key, data),
            Self::Sha512 => run::<Hmac<Sha512>>(key, data),
        }
    }
}

/// One exchange. Its parts are public so that a test can bend each of them.
pub struct Scram {
    hash: Hash,
    password: String,
    /// The GS2 header: `n,,`, `y,,` or `p=tls-exporter,,`, with an authorization identity if any.
    pub gs2: String,
    /// The channel-binding data that follows the header in `c=`.
    pub binding: Vec<u8>,
    /// `client-first-message-bare`.
    pub first_bare: String,
    /// The text signed with the server's key; empty before the server's first message was taken.
    pub auth_message: String,
    salted: Vec<u8>,
}

impl Scram {
    /// Prepares an exchange.
    pub fn new(hash: Hash, user: &str, password: &str, gs2: &str, binding: &[u8], nonce: &str) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        Self {
            hash,
            password: password.to_owned(),
            gs2: gs2.to_owned(),
            binding: binding.to_vec(),
            first_bare: format!("n={user},r={nonce}"),
            auth_message: String::new(),
            salted: Vec::new(),
        }
    }

    /// `client-first-message`.
    pub fn first(&self) -> String {
        format!("{}{}", self.gs2, self.first_bare)
    }

    /// Answers the server's first message with `client-final-message`.
    pub fn answer(&mut self, server_first: &str) -> Result<String> {
        let field = |name: char| {
            let found = server_first.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
            found.with_context(|| format!("no {name}= in {server_first}"))
        };
        let nonce = field('r')?;
        let own = self.first_bare.rsplit("r=").next().unwrap_or_default();
        ensure!(nonce.starts_with(own) && nonce.len() > own.len(), "the server did not extend the nonce");
        let salt = BASE64.decode(field('s')?)?;
        let iterations: u32 = field('i')?.parse()?;
        ensure!(iterations >= 4096, "too few iterations: {iterations}");
        self.salted = self.hash.salted(self.password.as_bytes(), &salt, iterations);
        let client_key = self.hash.mac(&self.salted, b"Client Key");
        let bound = BASE64.encode([self.gs2.as_bytes(), &self.binding].concat());
        let without_proof = format!("c={bound},r={nonce}");
        self.auth_message = format!("{},{server_first},{without_proof}", self.first_bare);
        let signature = self.hash.mac(&self.hash.digest(&client_key), self.auth_message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)))
    }

    /// Checks `server-final-message`: the server knows the password's verifier too.
    pub fn check(&self, server_final: &str) -> Result<()> {
        let server_key = self.hash.mac(&self.salted, b"Server Key");
        let expected = BASE64.encode(self.hash.mac(&server_key, self.auth_message.as_bytes()));
        ensure!(
            server_final.strip_prefix("v=") == Some(expected.as_str()),
            "wrong server signature: {server_final}"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677 section 3.
    #[test]
    fn the_example_of_the_rfc() {
        let mut scram = Scram::new(Hash::Sha256, "user", "pencil", "n,,", &[], "rOprNGfwEbeRWgbNEkqO");
        assert_eq!(scram.first(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let server_first =
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let client_final = scram.answer(server_first).unwrap();
        assert!(client_final.ends_with("p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), "{client_final}");
        scram.check("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        scram.check("v=AAAA").unwrap_err();
    }
}
