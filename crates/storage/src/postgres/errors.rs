//! What an error of PostgreSQL means for the store: full, away for now, to be done anew, or the matter of one call.

use tokio_postgres::error::SqlState;
use waxwing_chat::store::StoreError;

/// Why a piece of work on a connection failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// An answer that the port foresees.
    Answer(StoreError),
    /// An error of the database, or of the connection to it.
    Sql(tokio_postgres::Error),
    /// No connection could be had.
    Away,
    /// The server did not answer in time; the connection is given up.
    Late,
    /// The connection was lost, or the server late, while it committed: nobody knows what came of it.
    Unknown,
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// This call fails, others do not.
    Call,
    /// No space: the transaction fails, later ones may succeed.
    Full,
    /// The transaction was sacrificed to another, and can be done anew.
    Sacrificed,
    /// The server is gone, going, or coming.
    Lost,
}

impl Failure {
    /// A failure whose cause is for the log.
    pub(super) fn other(text: impl Into<String>) -> Self {
        Self::Answer(StoreError::Failed(text.into().into()))
    }

    pub(super) fn class(&self) -> Class {
        match self {
            Self::Answer(_) | Self::Unknown => Class::Call,
            Self::Away | Self::Late => Class::Lost,
            Self::Sql(error) => classify(error),
        }
    }

    /// Whether nothing has come of the work, and it may have more luck when it is done anew.
    pub(super) fn may_be_repeated(&self) -> bool {
        match self {
            // The first has waited for long enough, the second may be slow for a reason.
            Self::Away | Self::Late => false,
            _ => matches!(self.class(), Class::Sacrificed | Class::Lost),
        }
    }

    /// The same failure, of a commit.
    pub(super) fn at_commit(self) -> Self {
        if self.class() == Class::Lost { Self::Unknown } else { self }
    }
}

/// What to do about an error of the database.
pub(super) fn classify(error: &tokio_postgres::Error) -> Class {
    match error.code() {
        // A connection that breaks has no code.
        None => Class::Lost,
        Some(code) => classify_code(code),
    }
}

fn classify_code(code: &SqlState) -> Class {
    if *code == SqlState::DISK_FULL {
        return Class::Full;
    }
    if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) {
        return Class::Sacrificed;
    }
    let lost = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    // Class 08 is of connections.
    if lost.contains(code) || code.code().starts_with("08") { Class::Lost } else { Class::Call }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Answer(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match (failure.class(), failure) {
            (_, Failure::Answer(answer)) => answer,
            (Class::Full, _) => Self::Full,
            (_, Failure::Away | Failure::Late | Failure::Unknown) | (Class::Lost | Class::Sacrificed, _) => {
                Self::Unavailable
            }
            (Class::Call, Failure::Sql(error)) => sql(error),
        }
    }
}

fn sql(error: tokio_postgres::Error) -> StoreError {
    match error.code() {
        Some(&SqlState::UNIQUE_VIOLATION) => StoreError::Conflict,
        Some(&SqlState::FOREIGN_KEY_VIOLATION) => StoreError::NotFound,
        // The server took longer than it may.
        Some(&SqlState::QUERY_CANCELED | &SqlState::LOCK_NOT_AVAILABLE) => StoreError::Unavailable,
        _ => StoreError::Failed(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_full_from_lost() {
        for (code, class) in [
            ("53100", Class::Full),
            ("57P01", Class::Lost),
            ("57P02", Class::Lost),
            ("57P03", Class::Lost),
            ("08006", Class::Lost),
            ("25006", Class::Lost),
            ("40001", Class::Sacrificed),
            ("40P01", Class::Sacrificed),
            ("23505", Class::Call),
        ] {
            assert_eq!(classify_code(&SqlState::from_code(code)), class, "{code}");
        }
    }

    #[test]
    fn what_may_have_been_committed_is_not_done_anew() {
        assert!(!Failure::Unknown.may_be_repeated());
        assert!(!Failure::Late.at_commit().may_be_repeated());
        assert!(matches!(StoreError::from(Failure::Unknown), StoreError::Unavailable));
    }
}
