//! What the domain answers when it cannot do what it was asked: a dozen conditions, each face with its own words for them.

use crate::pubsub::refusal::Refusal;
use crate::store::StoreError;

/// Why a request was not carried out. Faces map the condition; the cause is for the log only.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense as it stands.
    #[error("bad request: {0}")]
    BadRequest(&'static str),
    /// It contradicts what is there.
    #[error("conflict")]
    Conflict,
    /// The requester may not do this.
    #[error("forbidden")]
    Forbidden,
    /// Nobody may do this, or not to this one.
    #[error("not allowed")]
    NotAllowed,
    /// The requester has to prove first that he may, such as by a password.
    #[error("not authorized")]
    NotAuthorized,
    /// The requester has to belong to it first.
    #[error("registration required")]
    RegistrationRequired,
    /// An address is missing a part, or is none.
    #[error("malformed address")]
    JidMalformed,
    /// No place is left among others; later there may be one.
    #[error("crowded")]
    Crowded,
    /// The thing or person asked for is not there.
    #[error("not found")]
    NotFound,
    /// The request breaks a named limit or rule of this server.
    #[error("not acceptable: {0}")]
    NotAcceptable(&'static str),
    /// The requester blocks the one he addresses (XEP-0191 section 3.2).
    #[error("the requester blocks the recipient")]
    Blocked,
    /// The requester is not allowed to know whether the recipient exists or is there.
    #[error("service unavailable")]
    ServiceUnavailable,
    /// Another domain that cannot be reached.
    #[error("the remote server was not found")]
    RemoteServerNotFound,
    /// Another domain that did not answer in time.
    #[error("the remote server did not answer")]
    RemoteServerTimeout,
    /// A limit on size or number is reached, or no space is left.
    #[error("resource constraint: {0}")]
    ResourceConstraint(&'static str),
    /// Publish-subscribe has its own reasons (XEP-0060).
    #[error("publish-subscribe refuses it: {0:?}")]
    PubSub(Refusal),
    /// Too much in too short a time.
    #[error("wait before the next attempt")]
    Wait,
    /// The server itself failed; nothing was lost that had been acknowledged.
    #[error("internal error")]
    Internal(#[source] StoreError),
}

/// The result of a call into the domain.
pub type Result<T> = std::result::Result<T, Error>;

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict,
            StoreError::NotFound => Self::NotFound,
            StoreError::Full => Self::ResourceConstraint("no space is left"),
            StoreError::Unavailable => Self::ResourceConstraint("the store is busy"),
            StoreError::Fenced => Self::ResourceConstraint("the room has its home at another node by now"),
            StoreError::Failed(_) => Self::Internal(error),
        }
    }
}
