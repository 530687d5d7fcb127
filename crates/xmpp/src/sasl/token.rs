//! The hashed-token mechanisms HT-SHA-256-* (draft-ietf-kitten-sasl-ht-00) with which FAST (XEP-0484) signs in.

use super::verifier::equal;
use super::{Context, Failure, Hash, Mechanism, Question, Step, Success};

/// To which property of the TLS channel the token's proof is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenBinding {
    /// HT-SHA-256-EXPR: `tls-exporter`.
    Exporter,
    /// HT-SHA-256-ENDP: `tls-server-end-point`.
    ServerEndPoint,
    /// HT-SHA-256-NONE: nothing; for clients in a browser.
    None,
}

impl TokenBinding {
    /// All of them, the strongest first.
    pub const ALL: [TokenBinding; 3] =
        [TokenBinding::Exporter, TokenBinding::ServerEndPoint, TokenBinding::None];

    /// The data bound to, if this connection has it.
    pub fn data(self, bindings: &super::ChannelBindings) -> Option<&[u8]> {
        match self {
            TokenBinding::Exporter => bindings.get("tls-exporter"),
            TokenBinding::ServerEndPoint => bindings.get("tls-server-end-point"),
            TokenBinding::None => Some(&[]),
        }
    }
}

/// Which tokens does the client of that user hold?
#[derive(Debug)]
pub struct TokenQuestion {
    username: String,
    binding: TokenBinding,
    binding_data: Box<[u8]>,
    proof: [u8; 32],
}

impl TokenQuestion {
    /// The user, prepared for look-up.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The mechanism in use. A token is good for the mechanism it was asked for only (XEP-0484 section 3.4): give no
    /// candidates that belong to another.
    pub fn mechanism(&self) -> Mechanism {
        Mechanism::HashedToken(self.binding)
    }

    /// Answers with the candidates that are live for this client and mechanism: at most the new one and the current
    /// one (XEP-0484 section 5.1), in that order. An unknown user has none, which looks like a wrong token.
    pub fn answer<T: AsRef<str>>(self, candidates: &[T]) -> Step {
        // All candidates are compared, so that time does not tell which one it was.
        let mut matched = None;
        for (index, token) in candidates.iter().enumerate() {
            let expected = proof(token.as_ref(), b"Initiator", &self.binding_data);
            if equal(&expected, &self.proof) && matched.is_none() {
                matched = Some(index);
            }
        }
        let Some(index) = matched else {
            return Step::Failure(Failure::NotAuthorized);
        };
        Step::Success(Success {
            username: self.username,
            mechanism: Mechanism::HashedToken(self.binding),
            data: Some(proof(candidates[index].as_ref(), b"Responder", &self.binding_data).into_vec()),
            token: Some(index),
        })
    }
}

fn proof(token: &str, role: &[u8], binding_data: &[u8]) -> Box<[u8]> {
    Hash::Sha256.hmac(token.as_bytes(), &[role, binding_data])
}

/// `initiator-message = authcid NUL initiator-hashed-token`, where the hashed token is
/// `HMAC(token, "Initiator" || cb-data)`.
pub(super) fn first(binding: TokenBinding, context: &Context, input: &[u8]) -> Result<Step, Failure> {
    let split = input.iter().position(|octet| *octet == 0).ok_or(Failure::MalformedRequest)?;
    let authcid = std::str::from_utf8(&input[..split]).map_err(|_| Failure::MalformedRequest)?;
    let proof = input[split + 1..].try_into().map_err(|_| Failure::MalformedRequest)?;
    let binding_data = binding.data(&context.bindings).ok_or(Failure::InvalidMechanism)?.into();
    let username = context.username(authcid)?;
    Ok(Step::Need(Question::Tokens(TokenQuestion { username, binding, binding_data, proof })))
}

/// The client's side: the initial response that proves a token.
pub fn token_initial_response(username: &str, token: &str, binding_data: &[u8]) -> Vec<u8> {
    let mut message = Vec::from(username.as_bytes());
    message.push(0);
    message.extend_from_slice(&proof(token, b"Initiator", binding_data));
    message
}

/// The client's side: what a server that knows the token must answer.
pub fn token_responder_message(token: &str, binding_data: &[u8]) -> Vec<u8> {
    proof(token, b"Responder", binding_data).into_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{ChannelBindings, Exchange};
    use super::*;

    fn run(binding: TokenBinding, message: &[u8], candidates: &[&str]) -> Result<Success, Failure> {
        let context = Context {
            host: "example.org".into(),
            bindings: Arc::new(ChannelBindings { exporter: Some([7; 32]), server_end_point: None }),
            offer: Arc::default(),
            certified: Arc::default(),
            nonce: "n".into(),
        };
        match Exchange::new(Mechanism::HashedToken(binding), context).step(Some(message)) {
            Step::Need(Question::Tokens(question)) => match question.answer(candidates) {
                Step::Success(success) => Ok(success),
                Step::Failure(failure) => Err(failure),
                step => panic!("{step:?}"),
            },
            Step::Failure(failure) => Err(failure),
            step => panic!("{step:?}"),
        }
    }

    /// draft-ietf-kitten-sasl-ht-00 section 3 and XEP-0484 section 5.1: whichever candidate fits is named, and the
    /// server proves that it knows the token too.
    #[test]
    fn a_live_token_signs_in() {
        let message = token_initial_response("juliet", "current", &[7; 32]);
        let success = run(TokenBinding::Exporter, &message, &["new", "current"]).unwrap();
        assert_eq!((success.username.as_str(), success.token), ("juliet", Some(1)));
        assert_eq!(success.data.unwrap(), token_responder_message("current", &[7; 32]));
        assert_eq!(run(TokenBinding::Exporter, &message, &["new"]), Err(Failure::NotAuthorized));
        assert_eq!(run(TokenBinding::Exporter, &message, &[]), Err(Failure::NotAuthorized));
    }

    /// XEP-0484 section 6: a proof made for another channel, or for none, does not fit.
    #[test]
    fn the_proof_is_bound_to_the_channel() {
        let elsewhere = token_initial_response("juliet", "current", &[8; 32]);
        assert_eq!(run(TokenBinding::Exporter, &elsewhere, &["current"]), Err(Failure::NotAuthorized));
        let unbound = token_initial_response("juliet", "current", &[]);
        assert_eq!(run(TokenBinding::Exporter, &unbound, &["current"]), Err(Failure::NotAuthorized));
        assert!(run(TokenBinding::None, &unbound, &["current"]).is_ok());
        assert_eq!(run(TokenBinding::ServerEndPoint, &unbound, &["current"]), Err(Failure::InvalidMechanism));
    }

    #[test]
    fn malformed_messages() {
        for message in [&b""[..], b"juliet", b"juliet\0short", b"\xff\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(run(TokenBinding::None, message, &["current"]), Err(Failure::MalformedRequest));
        }
    }
}
