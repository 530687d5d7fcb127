//! Why a command failed, in a form that a person and a program can both use.

use serde::{Deserialize, Serialize};
use waxwing_chat::Error;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// An argument is missing, unknown, or not of its type.
    InvalidArgument,
    /// There is no command of this name.
    UnknownCommand,
    /// The two sides do not speak the same version of the protocol.
    Protocol,
    /// The thing named does not exist.
    NotFound,
    /// The thing to be made exists already.
    Conflict,
    /// The caller may not do this.
    Denied,
    /// It cannot be done in the present state, and the sentence says what would have to change.
    Refused,
    /// What is needed for it cannot be reached.
    Unavailable,
    /// The configuration is wrong.
    Configuration,
    /// Anything else.
    Failed,
}

/// A failed command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind of failure it is.
    pub code: Code,
    /// A sentence for the administrator.
    pub message: String,
    /// The argument it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argument: Option<String>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), argument: None }
    }

    /// A failure that is about one argument.
    pub fn argument(code: Code, argument: &str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), argument: Some(argument.to_owned()) }
    }

    /// An argument that is not what it has to be.
    pub fn invalid(argument: &str, message: impl Into<String>) -> Self {
        Self::argument(Code::InvalidArgument, argument, message)
    }
}

/// Puts what the domain answers into words. `argument` is what it is about if it is about one, and `sentence` says what is
/// missing or in the way.
pub fn domain_failure(error: Error, argument: &str, sentence: &str) -> Failure {
    let about = |code, message: &str| match argument {
        "" => Failure::new(code, message),
        argument => Failure::argument(code, argument, message),
    };
    let said = |otherwise: &'static str| if sentence.is_empty() { otherwise } else { sentence };
    match error {
        Error::NotFound => about(Code::NotFound, said("It does not exist.")),
        Error::Conflict => about(Code::Conflict, said("It exists already.")),
        Error::BadRequest(why) | Error::NotAcceptable(why) => {
            Failure::new(Code::InvalidArgument, format!("Not accepted: {why}."))
        }
        Error::ResourceConstraint(why) => Failure::new(Code::Refused, format!("Not possible now: {why}.")),
        // The administrator is the one person whom the cause concerns.
        Error::Internal(cause) => Failure::new(Code::Failed, format!("The store failed: {cause}.")),
        other => Failure::new(Code::Failed, format!("Not possible: {other}.")),
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Code::Failed, error.to_string())
    }
}
