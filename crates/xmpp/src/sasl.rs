//! SASL mechanisms as pure machines (RFC 4422): bytes in, a [`Step`] out, no I/O and no clock.
//!
//! An [`Exchange`] is one attempt of one client. Every transition consumes what it came from, so that an exchange
//! cannot be answered twice, or out of order:
//!
//! ```text
//! Exchange::new(mechanism, context)
//!    │ step(client bytes)                       ┌────────────────────────────────┐
//!    ▼                                          ▼                                │
//!  Step::Challenge(bytes, exchange) ── send, wait for the response, exchange.step(bytes)
//!  Step::Need(question) ── look it up, question.answer(..) gives the next Step
//!  Step::Success(success) / Step::Failure(failure)
//! ```
//!
//! Whoever answers a [`Question`] for a user that does not exist answers with [`Verifier::decoy`], so that the unknown,
//! the disabled and the mistaken see the same bytes and the same time.

mod external;
mod offer;
mod plain;
mod prepare;
mod scram;
mod scram_client;
mod token;
mod verifier;

use std::fmt;
use std::sync::Arc;

pub use external::IdentityQuestion;
pub use offer::Offer;
pub use plain::{Password, PasswordQuestion};
pub use prepare::{PrepareError, prepare_password, prepare_username};
pub use scram::VerifierQuestion;
pub use scram_client::{ScramClient, ScramClientError, ServerProof};
pub use token::{TokenBinding, TokenQuestion, token_initial_response, token_responder_message};
pub use verifier::{DEFAULT_ITERATIONS, Hash, MIN_ITERATIONS, Verifier, VerifierParseError};

/// The mechanisms this server can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mechanism {
    /// SCRAM (RFC 5802, RFC 7677); `plus` is the variant that binds the exchange to the TLS channel.
    Scram {
        /// The hash function of the mechanism.
        hash: Hash,
        /// Whether this is the `-PLUS` variant.
        plus: bool,
    },
    /// PLAIN (RFC 4616).
    Plain,
    /// EXTERNAL (RFC 4422 Appendix A): the identity proven by the TLS client certificate.
    External,
    /// A hashed token of the HT-SHA-256 family (draft-ietf-kitten-sasl-ht-00, used by XEP-0484).
    HashedToken(TokenBinding),
}

impl Mechanism {
    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Mechanism::Scram { hash: Hash::Sha1, plus: false } => "SCRAM-SHA-1",
            Mechanism::Scram { hash: Hash::Sha1, plus: true } => "SCRAM-SHA-1-PLUS",
            Mechanism::Scram { hash: Hash::Sha256, plus: false } => "SCRAM-SHA-256",
            Mechanism::Scram { hash: Hash::Sha256, plus: true } => "SCRAM-SHA-256-PLUS",
            Mechanism::Scram { hash: Hash::Sha512, plus: false } => "SCRAM-SHA-512",
            Mechanism::Scram { hash: Hash::Sha512, plus: true } => "SCRAM-SHA-512-PLUS",
            Mechanism::Plain => "PLAIN",
            Mechanism::External => "EXTERNAL",
            Mechanism::HashedToken(TokenBinding::None) => "HT-SHA-256-NONE",
            Mechanism::HashedToken(TokenBinding::ServerEndPoint) => "HT-SHA-256-ENDP",
            Mechanism::HashedToken(TokenBinding::Exporter) => "HT-SHA-256-EXPR",
        }
    }

    /// The mechanism of that name. Names are compared as octets (RFC 4422 section 3.1: upper case only).
    pub fn from_name(name: &str) -> Option<Mechanism> {
        Mechanism::all().find(|mechanism| mechanism.name() == name)
    }

    /// All mechanisms, the strongest first.
    pub fn all() -> impl Iterator<Item = Mechanism> {
        let scram =
            |plus| [Hash::Sha512, Hash::Sha256, Hash::Sha1].map(|hash| Mechanism::Scram { hash, plus });
        [Mechanism::External]
            .into_iter()
            .chain(scram(true))
            .chain(scram(false))
            .chain([Mechanism::Plain])
            .chain(TokenBinding::ALL.map(Mechanism::HashedToken))
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What ties an exchange to the TLS connection that carries it (RFC 5056). `tls-unique` is not among them: it is
/// undefined in TLS 1.3 and broken without the extended master secret (RFC 9266 section 1).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChannelBindings {
    /// `tls-exporter` (RFC 9266): 32 octets exported with the label `EXPORTER-Channel-Binding` and an empty context.
    pub exporter: Option<[u8; 32]>,
    /// `tls-server-end-point` (RFC 5929 section 4.1): the hash of the certificate that the server presented.
    pub server_end_point: Option<Box<[u8]>>,
}

impl ChannelBindings {
    /// The data of the binding with that registered name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_ref().map(|data| &data[..]),
            "tls-server-end-point" => self.server_end_point.as_deref(),
            _ => None,
        }
    }

    /// The registered names of the bindings that are there, the strongest first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        ["tls-exporter", "tls-server-end-point"].into_iter().filter(|name| self.get(name).is_some())
    }

    /// Whether there is no binding at all.
    pub fn is_empty(&self) -> bool {
        self.names().next().is_none()
    }
}

impl fmt::Debug for ChannelBindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// Why an exchange failed: the conditions of RFC 6120 section 6.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 6.5.1: the client aborted.
    Aborted,
    /// 6.5.2: never chosen by this library, because it would confirm that the account exists.
    AccountDisabled,
    /// 6.5.3: the credentials are too old. XEP-0484 asks for it when a token is no longer trusted.
    CredentialsExpired,
    /// 6.5.4: the mechanism needs TLS first.
    EncryptionRequired,
    /// 6.5.5: the base64 is broken.
    IncorrectEncoding,
    /// 6.5.6: the authorization identity is malformed, or is not the one that authenticates.
    InvalidAuthzid,
    /// 6.5.7: the mechanism was not offered.
    InvalidMechanism,
    /// 6.5.8: the message breaks the grammar of the mechanism.
    MalformedRequest,
    /// 6.5.9: the mechanism is weaker than policy allows for this account.
    MechanismTooWeak,
    /// 6.5.10: wrong, unknown or disabled: they look the same.
    NotAuthorized,
    /// 6.5.11: try later.
    TemporaryAuthFailure,
}

impl Failure {
    /// The name of the element that stands for the condition.
    pub fn name(self) -> &'static str {
        match self {
            Failure::Aborted => "aborted",
            Failure::AccountDisabled => "account-disabled",
            Failure::CredentialsExpired => "credentials-expired",
            Failure::EncryptionRequired => "encryption-required",
            Failure::IncorrectEncoding => "incorrect-encoding",
            Failure::InvalidAuthzid => "invalid-authzid",
            Failure::InvalidMechanism => "invalid-mechanism",
            Failure::MalformedRequest => "malformed-request",
            Failure::MechanismTooWeak => "mechanism-too-weak",
            Failure::NotAuthorized => "not-authorized",
            Failure::TemporaryAuthFailure => "temporary-auth-failure",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an exchange knows of the connection it runs on.
#[derive(Clone, Debug)]
pub struct Context {
    /// The domain the client addressed, normalised; the authorization identity must be `authcid@host`.
    pub host: Arc<str>,
    /// The bindings of this TLS connection that the server offers.
    pub bindings: Arc<ChannelBindings>,
    /// What the server advertised; decides what the `y` flag means and feeds the XEP-0474 hash.
    pub offer: Arc<Offer>,
    /// The bare addresses that the TLS client certificate proves, normalised, for EXTERNAL.
    pub certified: Arc<[String]>,
    /// The server's part of the SCRAM nonce: at least 128 fresh random bits in base64.
    pub nonce: Box<str>,
}

impl Context {
    /// The name with which a client authenticates, in the form that accounts are looked up by.
    fn username(&self, raw: &str) -> Result<String, Failure> {
        prepare_username(raw).map_err(|_| Failure::NotAuthorized)
    }

    /// Refuses an authorization identity other than the one that authenticates: nobody acts for another here
    /// (RFC 6120 section 6.3.8; XEP-0388 section 4.4 normalises it as an address).
    fn check_authzid(&self, authzid: &str, username: &str) -> Result<(), Failure> {
        if authzid.is_empty() {
            return Ok(());
        }
        if self.local_part_here(authzid)? == username { Ok(()) } else { Err(Failure::InvalidAuthzid) }
    }

    /// The prepared local part of a bare address at this host.
    fn local_part_here(&self, address: &str) -> Result<String, Failure> {
        let (local, domain) = address.split_once('@').ok_or(Failure::InvalidAuthzid)?;
        let (domain, valid) = idna::domain_to_unicode(domain);
        if valid.is_err() || domain != *self.host {
            return Err(Failure::InvalidAuthzid);
        }
        prepare_username(local).map_err(|_| Failure::InvalidAuthzid)
    }
}

/// What happens next in an exchange.
#[derive(Debug)]
pub enum Step {
    /// Send this challenge and give the client's response to the exchange.
    Challenge(Vec<u8>, Exchange),
    /// The exchange needs to know something.
    Need(Question),
    /// The client is who it says it is.
    Success(Success),
    /// The client is not let in.
    Failure(Failure),
}

/// A proven identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Success {
    /// The local part of the account, prepared for look-up.
    pub username: String,
    /// The mechanism that proved it.
    pub mechanism: Mechanism,
    /// What the client still has to be sent along with the success.
    pub data: Option<Vec<u8>>,
    /// For a hashed token: which of the candidates given matched.
    pub token: Option<usize>,
}

/// What an exchange asks of whoever keeps the accounts. Each variant consumes itself when answered.
#[derive(Debug)]
pub enum Question {
    /// The verifier of a user, for SCRAM.
    Verifier(VerifierQuestion),
    /// Whether a password is right, for PLAIN.
    Password(PasswordQuestion),
    /// The live tokens of a user's client, for the HT family.
    Tokens(TokenQuestion),
    /// Whether an account that a certificate names may be used, for EXTERNAL.
    Identity(IdentityQuestion),
}

impl Question {
    /// The user that claims to be there, prepared for look-up.
    pub fn username(&self) -> &str {
        match self {
            Question::Verifier(question) => question.username(),
            Question::Password(question) => question.username(),
            Question::Tokens(question) => question.username(),
            Question::Identity(question) => question.username(),
        }
    }

    /// Ends the exchange without looking: for throttling, or when the store cannot be reached.
    pub fn refuse(self, failure: Failure) -> Step {
        Step::Failure(failure)
    }
}

/// One attempt at authentication, waiting for bytes of the client.
#[derive(Debug)]
pub struct Exchange(State);

#[derive(Debug)]
enum State {
    First(Mechanism, Context),
    ScramFinal(Box<scram::AwaitingFinal>),
}

impl Exchange {
    /// Begins an exchange.
    pub fn new(mechanism: Mechanism, context: Context) -> Exchange {
        Exchange(State::First(mechanism, context))
    }

    /// Takes what the client sent; `None` stands for a missing initial response, which every mechanism here answers
    /// with an empty challenge, because in all of them the client speaks first (RFC 4422 section 3.3).
    pub fn step(self, input: Option<&[u8]>) -> Step {
        let Some(input) = input else {
            return Step::Challenge(Vec::new(), self);
        };
        let step = match self.0 {
            State::First(mechanism @ Mechanism::Scram { hash, plus }, context) => {
                scram::first(mechanism, hash, plus, context, input)
            }
            State::First(Mechanism::Plain, context) => plain::first(&context, input),
            State::First(Mechanism::External, context) => external::first(&context, input),
            State::First(Mechanism::HashedToken(binding), context) => token::first(binding, &context, input),
            State::ScramFinal(awaiting) => awaiting.last(input),
        };
        step.unwrap_or_else(Step::Failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_registered_ones_and_round_trip() {
        for mechanism in Mechanism::all() {
            assert_eq!(Mechanism::from_name(mechanism.name()), Some(mechanism));
        }
        assert_eq!(Mechanism::from_name("scram-sha-1"), None);
        assert_eq!(Mechanism::from_name("OAUTHBEARER"), None);
    }

    /// RFC 9266 section 1 and RFC 5929 section 3: `tls-unique` is refused, whatever is there.
    #[test]
    fn tls_unique_is_no_binding() {
        let bindings =
            ChannelBindings { exporter: Some([1; 32]), server_end_point: Some(vec![2; 32].into()) };
        assert_eq!(bindings.get("tls-unique"), None);
        assert_eq!(bindings.names().collect::<Vec<_>>(), ["tls-exporter", "tls-server-end-point"]);
    }
}
