//! PLAIN (RFC 4616): the password itself; whoever offers it sees to it that the connection is encrypted.

use std::fmt;

use super::{Context, Failure, Mechanism, Question, Step, Success, Verifier};

/// A password on its way to be checked; it is not shown by `Debug`.
pub struct Password(Box<str>);

impl Password {
    /// The password as the client sent it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Is this the password of that user?
#[derive(Debug)]
pub struct PasswordQuestion {
    username: String,
    password: Password,
}

impl PasswordQuestion {
    /// The user, prepared for look-up.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password that was sent.
    pub fn password(&self) -> &Password {
        &self.password
    }

    /// Answers with the user's verifier, or a decoy. A disabled user's own verifier goes with `usable: false`.
    /// The check runs the whole derivation here: call it where that may take its time.
    pub fn answer(self, verifier: &Verifier, usable: bool) -> Step {
        let right = verifier.check_password(self.password.reveal());
        self.verdict(right && usable)
    }

    /// Answers when something else (a directory) has checked the password.
    pub fn verdict(self, right: bool) -> Step {
        if right {
            Step::Success(Success {
                username: self.username,
                mechanism: Mechanism::Plain,
                data: None,
                token: None,
            })
        } else {
            Step::Failure(Failure::NotAuthorized)
        }
    }
}

/// `message = [authzid] NUL authcid NUL passwd` (RFC 4616 section 2).
pub(super) fn first(context: &Context, input: &[u8]) -> Result<Step, Failure> {
    let text = std::str::from_utf8(input).map_err(|_| Failure::MalformedRequest)?;
    let mut parts = text.split('\0');
    let (Some(authzid), Some(authcid), Some(password), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Failure::MalformedRequest);
    };
    if authcid.is_empty() || password.is_empty() {
        return Err(Failure::MalformedRequest);
    }
    let username = context.username(authcid)?;
    context.check_authzid(authzid, &username)?;
    Ok(Step::Need(Question::Password(PasswordQuestion { username, password: Password(password.into()) })))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Exchange, Hash};
    use super::*;

    fn run(message: &[u8], usable: bool) -> Result<String, Failure> {
        let context = Context {
            host: "example.org".into(),
            bindings: Arc::default(),
            offer: Arc::default(),
            certified: Arc::default(),
            nonce: "n".into(),
        };
        let verifier = Verifier::derive(Hash::Sha256, "secret", b"salt", 4096).unwrap();
        match Exchange::new(Mechanism::Plain, context).step(Some(message)) {
            Step::Need(Question::Password(question)) => match question.answer(&verifier, usable) {
                Step::Success(success) => Ok(success.username),
                Step::Failure(failure) => Err(failure),
                step => panic!("{step:?}"),
            },
            Step::Failure(failure) => Err(failure),
            step => panic!("{step:?}"),
        }
    }

    /// RFC 4616 section 2.
    #[test]
    fn the_message_is_taken_apart() {
        assert_eq!(run(b"\0Juliet\0secret", true).unwrap(), "juliet");
        assert_eq!(run(b"juliet@example.org\0juliet\0secret", true).unwrap(), "juliet");
        assert_eq!(run(b"\0juliet\0Secret", true), Err(Failure::NotAuthorized));
        assert_eq!(run(b"\0juliet\0secret", false), Err(Failure::NotAuthorized));
        assert_eq!(run(b"admin@example.org\0juliet\0secret", true), Err(Failure::InvalidAuthzid));
        for malformed in
            [&b""[..], b"\0juliet", b"\0\0secret", b"\0juliet\0", b"\0juliet\0secret\0", b"\0\xff\0secret"]
        {
            assert_eq!(run(malformed, true), Err(Failure::MalformedRequest), "{malformed:?}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        assert_eq!(format!("{:?}", Password("secret".into())), "Password(..)");
    }
}
