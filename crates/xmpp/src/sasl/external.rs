//! EXTERNAL (RFC 4422 Appendix A, XEP-0178): the identity that the TLS client certificate proves.

use super::{Context, Failure, Mechanism, Question, Step, Success};

/// May the account that the certificate names be used?
#[derive(Debug)]
pub struct IdentityQuestion {
    username: String,
}

impl IdentityQuestion {
    /// The user, prepared for look-up.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Answers whether the account exists and is enabled.
    pub fn answer(self, usable: bool) -> Step {
        if usable {
            Step::Success(Success {
                username: self.username,
                mechanism: Mechanism::External,
                data: None,
                token: None,
            })
        } else {
            Step::Failure(Failure::NotAuthorized)
        }
    }
}

/// The initial response is the authorization identity, or empty to mean the one of the certificate. A certificate may
/// prove several accounts; then the client must say which (XEP-0178 section 2).
pub(super) fn first(context: &Context, input: &[u8]) -> Result<Step, Failure> {
    let authzid = std::str::from_utf8(input).map_err(|_| Failure::MalformedRequest)?;
    if authzid.contains('\0') {
        return Err(Failure::MalformedRequest);
    }
    let mut here = context.certified.iter().filter_map(|address| context.local_part_here(address).ok());
    let username = if authzid.is_empty() {
        match (here.next(), here.next()) {
            (Some(only), None) => only,
            (Some(_), Some(_)) => return Err(Failure::InvalidAuthzid),
            (None, _) => return Err(Failure::NotAuthorized),
        }
    } else {
        let asked = context.local_part_here(authzid)?;
        here.find(|local| *local == asked).ok_or(Failure::InvalidAuthzid)?
    };
    Ok(Step::Need(Question::Identity(IdentityQuestion { username })))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Exchange;
    use super::*;

    fn run(certified: &[&str], authzid: &str) -> Result<String, Failure> {
        let context = Context {
            host: "example.org".into(),
            bindings: Arc::default(),
            offer: Arc::default(),
            certified: certified.iter().map(|address| address.to_string()).collect(),
            nonce: "n".into(),
        };
        match Exchange::new(Mechanism::External, context).step(Some(authzid.as_bytes())) {
            Step::Need(Question::Identity(question)) => match question.answer(true) {
                Step::Success(success) => Ok(success.username),
                step => panic!("{step:?}"),
            },
            Step::Failure(failure) => Err(failure),
            step => panic!("{step:?}"),
        }
    }

    /// XEP-0178 section 2, steps 9 to 11.
    #[test]
    fn the_certificate_decides() {
        assert_eq!(run(&["juliet@example.org"], "").unwrap(), "juliet");
        assert_eq!(run(&["juliet@example.org"], "Juliet@Example.org").unwrap(), "juliet");
        assert_eq!(run(&["juliet@example.org", "nurse@example.org"], "nurse@example.org").unwrap(), "nurse");
        assert_eq!(run(&["juliet@example.org", "nurse@example.org"], ""), Err(Failure::InvalidAuthzid));
        assert_eq!(run(&["juliet@example.org"], "romeo@example.org"), Err(Failure::InvalidAuthzid));
        assert_eq!(run(&["juliet@example.com"], ""), Err(Failure::NotAuthorized));
        assert_eq!(run(&[], ""), Err(Failure::NotAuthorized));
        assert_eq!(run(&["juliet@example.org"], "\0"), Err(Failure::MalformedRequest));
    }
}
