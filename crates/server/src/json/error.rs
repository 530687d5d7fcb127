//! Why a request was refused: a condition for programs, a sentence for people, and the field it is about.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use waxwing_chat::Error;

/// What is wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Condition {
    /// The frame is no JSON.
    ParseError,
    /// The frame is no request.
    InvalidRequest,
    /// There is no such method.
    MethodNotFound,
    /// A field is missing, unknown, or not what it should be.
    InvalidParams,
    /// The server failed. Nothing was lost that had been acknowledged.
    Internal,
    /// Nobody has signed in, or the credentials are not right.
    Unauthorized,
    /// It is not for this account to do.
    Forbidden,
    /// It is not there, or not for this account to see.
    NotFound,
    /// It contradicts what is there.
    Conflict,
    /// Too many, or too often.
    LimitExceeded,
    /// It cannot be done now.
    Unavailable,
    /// It was there, and is not any more.
    Gone,
    /// One of the two has blocked the other.
    Blocked,
    /// Nobody may do this, or not any more.
    NotAllowed,
}

impl Condition {
    /// Every condition, in the order of the reference.
    pub(crate) const ALL: [Self; 14] = [
        Self::ParseError,
        Self::InvalidRequest,
        Self::MethodNotFound,
        Self::InvalidParams,
        Self::Internal,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::LimitExceeded,
        Self::Unavailable,
        Self::Gone,
        Self::Blocked,
        Self::NotAllowed,
    ];

    /// The number that stands for it (JSON-RPC 2.0 section 5.1).
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::ParseError => -32700,
            Self::InvalidRequest => -32600,
            Self::MethodNotFound => -32601,
            Self::InvalidParams => -32602,
            Self::Internal => -32603,
            Self::Unauthorized => -32001,
            Self::Forbidden => -32002,
            Self::NotFound => -32003,
            Self::Conflict => -32004,
            Self::LimitExceeded => -32005,
            Self::Unavailable => -32006,
            Self::Gone => -32008,
            Self::Blocked => -32009,
            Self::NotAllowed => -32010,
        }
    }

    /// What it says where nothing more fitting is known.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::ParseError => "The frame is not JSON.",
            Self::InvalidRequest => "The frame is not a request of JSON-RPC 2.0.",
            Self::MethodNotFound => "There is no such method.",
            Self::InvalidParams => "A field is not what it should be.",
            Self::Internal => "The server failed. Try again in a moment.",
            Self::Unauthorized => "The credentials are not right.",
            Self::Forbidden => "This account may not do that.",
            Self::NotFound => "There is no such thing, or this account may not see it.",
            Self::Conflict => "That contradicts what is there.",
            Self::LimitExceeded => "There are too many already.",
            Self::Unavailable => "That cannot be done now. Try again in a moment.",
            Self::Gone => "That is not there any more.",
            Self::Blocked => "One of the two has blocked the other.",
            Self::NotAllowed => "That is not allowed.",
        }
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) condition: Condition,
    pub(crate) sentence: Cow<'static, str>,
    pub(crate) field: Option<Cow<'static, str>>,
}

impl Fault {
    /// A refusal that says no more than its condition.
    pub(crate) fn new(condition: Condition) -> Self {
        Self { condition, sentence: condition.sentence().into(), field: None }
    }

    /// A field is not what it should be.
    pub(crate) fn field(field: impl Into<Cow<'static, str>>, sentence: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Condition::InvalidParams).saying(sentence) }
    }

    /// The same with other words.
    pub(crate) fn saying(mut self, sentence: impl Into<Cow<'static, str>>) -> Self {
        self.sentence = sentence.into();
        self
    }

    /// The same about a field.
    pub(crate) fn about(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl From<Condition> for Fault {
    fn from(condition: Condition) -> Self {
        Self::new(condition)
    }
}

impl From<Error> for Fault {
    /// The reader sees the condition; the cause goes to the log only.
    fn from(error: Error) -> Self {
        match error {
            Error::BadRequest(why) => Self::new(Condition::InvalidParams).saying(sentence(why)),
            Error::JidMalformed => Self::new(Condition::InvalidParams).saying("That is not an address."),
            Error::Conflict => Condition::Conflict.into(),
            Error::Forbidden | Error::RegistrationRequired => Condition::Forbidden.into(),
            Error::NotAllowed => Condition::NotAllowed.into(),
            Error::NotAuthorized => Condition::Unauthorized.into(),
            Error::NotFound | Error::ServiceUnavailable | Error::RemoteServerNotFound => {
                Condition::NotFound.into()
            }
            Error::NotAcceptable(why) => Self::new(Condition::NotAllowed).saying(sentence(why)),
            Error::Blocked => Condition::Blocked.into(),
            Error::Crowded | Error::RemoteServerTimeout => Condition::Unavailable.into(),
            Error::ResourceConstraint(why) => Self::new(Condition::LimitExceeded).saying(sentence(why)),
            Error::PubSub(refusal) => Self::new(Condition::NotAllowed).saying(format!("{refusal:?}.")),
            Error::Wait => Self::new(Condition::LimitExceeded).saying("That was too often. Wait a moment."),
            Error::Internal(cause) => {
                tracing::error!(%cause, "a request failed");
                Condition::Internal.into()
            }
        }
    }
}

/// A reason of the domain as a sentence.
fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    let first = letters.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(letters).chain(Some('.')).collect()
}

/// A refusal as it is written.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ErrorObject<'a> {
    /// The number of the condition.
    pub(crate) code: i32,
    /// A sentence for people, in English.
    pub(crate) message: &'a str,
    /// The same for programs.
    pub(crate) data: ErrorData<'a>,
}

/// A refusal for programs.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ErrorData<'a> {
    /// What is wrong.
    pub(crate) condition: Condition,
    /// The field it is about: names and places in lists with dots between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<&'a str>,
}

impl<'a> From<&'a Fault> for ErrorObject<'a> {
    fn from(fault: &'a Fault) -> Self {
        Self {
            code: fault.condition.code(),
            message: &fault.sentence,
            data: ErrorData { condition: fault.condition, field: fault.field.as_deref() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_has_a_code_of_its_own() {
        let codes: std::collections::BTreeSet<i32> = Condition::ALL.iter().map(|c| c.code()).collect();
        assert_eq!(codes.len(), Condition::ALL.len());
    }

    #[test]
    fn a_reason_becomes_a_sentence() {
        let fault = Fault::from(Error::BadRequest("the mechanism takes no tokens"));
        assert_eq!(fault.sentence, "The mechanism takes no tokens.");
    }
}
