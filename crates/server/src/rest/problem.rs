//! What a request is answered that is not carried out (RFC 9457): a condition for programs, a sentence for people, and
//! the field that it is about.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use waxwing_chat::Error;
use waxwing_chat::access::Scope;
use waxwing_chat::files::slots::SlotRefusal;

use crate::admin::{Code, Failure};

macro_rules! conditions {
    ($($name:ident = $word:literal, $status:ident;)*) => {
        /// What is wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
        pub(super) enum Condition { $(#[serde(rename = $word)] $name,)* }

        impl Condition {
            fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }
        }
    };
}

conditions! {
    InvalidParams = "invalid_params", BAD_REQUEST;
    Unauthorized = "unauthorized", UNAUTHORIZED;
    Forbidden = "forbidden", FORBIDDEN;
    Blocked = "blocked", FORBIDDEN;
    NotAllowed = "not_allowed", FORBIDDEN;
    NotFound = "not_found", NOT_FOUND;
    Conflict = "conflict", CONFLICT;
    TooLarge = "too_large", PAYLOAD_TOO_LARGE;
    UnsupportedMedia = "unsupported_media", UNSUPPORTED_MEDIA_TYPE;
    LimitExceeded = "limit_exceeded", TOO_MANY_REQUESTS;
    Internal = "internal", INTERNAL_SERVER_ERROR;
    Unavailable = "unavailable", SERVICE_UNAVAILABLE;
}

/// A problem as it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct Problem {
    /// The status of the answer.
    pub(super) status: u16,
    /// What is wrong, for programs.
    pub(super) condition: Condition,
    /// The same in a sentence.
    pub(super) detail: String,
    /// The field that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) field: Option<String>,
    /// When to come back, in milliseconds from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_after_ms: Option<u64>,
}

impl Problem {
    pub(super) fn new(condition: Condition, detail: impl Into<String>) -> Self {
        let status = condition.status().as_u16();
        Self { status, condition, detail: detail.into(), field: None, retry_after_ms: None }
    }

    pub(super) fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(Condition::InvalidParams, detail) }
    }

    pub(super) fn not_found(field: &str, detail: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), ..Self::new(Condition::NotFound, detail) }
    }

    pub(super) fn scope(scope: Scope) -> Self {
        Self::new(Condition::Forbidden, format!("The token does not have the scope {}.", scope.as_str()))
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(Condition::Unauthorized, "The header Authorization has to bring a token: Bearer TOKEN.")
    }

    pub(super) fn wait(ms: u64) -> Self {
        let problem = Self::new(Condition::LimitExceeded, "Too many requests in one minute.");
        Self { retry_after_ms: Some(ms), ..problem }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        use Condition as C;
        match error {
            Error::BadRequest(why) | Error::NotAcceptable(why) => {
                Self::new(C::InvalidParams, format!("Not accepted: {why}."))
            }
            Error::JidMalformed => Self::new(C::InvalidParams, "An address is malformed."),
            Error::Conflict => Self::new(C::Conflict, "It exists already, or the name is taken."),
            Error::Forbidden | Error::RegistrationRequired => {
                Self::new(C::Forbidden, "The account may not do that.")
            }
            Error::NotAuthorized => Self::new(C::Unauthorized, "The token is not good, or not any more."),
            Error::NotAllowed => Self::new(C::NotAllowed, "That is not allowed."),
            Error::NotFound | Error::RemoteServerNotFound => {
                Self::new(C::NotFound, "There is no such thing.")
            }
            Error::Blocked => Self::new(C::Blocked, "The account blocks whom it would write to."),
            Error::ServiceUnavailable => Self::new(C::NotFound, "Nobody is there who would take it."),
            Error::ResourceConstraint(why) => Self::new(C::Unavailable, format!("Not possible now: {why}.")),
            Error::RemoteServerTimeout => Self::new(C::Unavailable, "The other server does not answer."),
            Error::Crowded | Error::Wait => {
                Self::new(C::LimitExceeded, "There is no room now. Try again later.")
            }
            Error::PubSub(_) => Self::new(C::InvalidParams, "That cannot be done."),
            Error::Internal(cause) => {
                tracing::error!(%cause, "a request of a bot failed");
                Self::new(C::Internal, "The server failed.")
            }
        }
    }
}

impl From<SlotRefusal> for Problem {
    fn from(refusal: SlotRefusal) -> Self {
        use Condition as C;
        match refusal {
            SlotRefusal::Domain(error) => error.into(),
            SlotRefusal::BadRequest(why) => Self::new(C::InvalidParams, format!("Not accepted: {why}.")),
            SlotRefusal::TooLarge(limit) => Self {
                field: Some("bytes".to_owned()),
                ..Self::new(C::NotAllowed, format!("A file may have {limit} bytes here."))
            },
            SlotRefusal::OverQuota => {
                Self::new(C::NotAllowed, "The files of the account would take too much room.")
            }
            other @ (SlotRefusal::MediaType | SlotRefusal::Purpose) => {
                Self::new(C::NotAllowed, format!("Not allowed: {other}."))
            }
            SlotRefusal::TooMany { .. } => {
                Self::new(C::LimitExceeded, "The account has begun too many uploads in one hour.")
            }
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        use Condition as C;
        let condition = match failure.code {
            Code::InvalidArgument | Code::Protocol => C::InvalidParams,
            Code::UnknownCommand | Code::NotFound => C::NotFound,
            Code::Conflict | Code::Refused => C::Conflict,
            Code::Denied => C::Forbidden,
            Code::Unavailable => C::Unavailable,
            Code::Configuration | Code::Failed => C::Internal,
        };
        Self { field: failure.argument, ..Self::new(condition, failure.message) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.condition.status();
        let text = serde_json::to_string(&self).unwrap_or_default();
        let mut answer = (status, [(header::CONTENT_TYPE, "application/problem+json")], text).into_response();
        if self.condition == Condition::Unauthorized {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(ms) = self.retry_after_ms {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1000)));
        }
        answer
    }
}
