//! What an error of SQLite means for the store: full, fatal, or the matter of one call.

use rusqlite::ErrorCode;
use rusqlite::ffi;
use waxwing_chat::store::StoreError;

/// Why a piece of work on a connection failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// An answer that the port foresees.
    Answer(StoreError),
    /// An error of the database.
    Sql(rusqlite::Error),
}

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// This call fails, others do not.
    Call,
    /// No space: the transaction fails, later ones may succeed.
    Full,
    /// Writing or syncing failed; nothing may be reported any more. After a failed sync the kernel may have dropped the
    /// pages, so that a second attempt would succeed without having written them.
    Fatal,
}

impl Failure {
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Answer(_) => Class::Call,
            Self::Sql(error) => classify(error),
        }
    }

    /// A failure whose cause is for the log.
    pub(super) fn other(text: impl Into<String>) -> Self {
        Self::Answer(StoreError::Failed(text.into().into()))
    }
}

/// What to do about an error of the database.
pub(super) fn classify(error: &rusqlite::Error) -> Class {
    let Some(code) = error.sqlite_error() else {
        return Class::Call;
    };
    match (code.code, code.extended_code) {
        (ErrorCode::DiskFull, _) => Class::Full,
        // The shared-memory file of the WAL could not grow: that is a full disk too.
        (ErrorCode::SystemIoFailure, ffi::SQLITE_IOERR_SHMSIZE) => Class::Full,
        (ErrorCode::SystemIoFailure, ffi::SQLITE_IOERR_NOMEM) => Class::Call,
        (ErrorCode::SystemIoFailure, _) => Class::Fatal,
        _ => Class::Call,
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
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
        match failure {
            Failure::Answer(answer) => answer,
            Failure::Sql(error) => sql(error),
        }
    }
}

/// The answer of the port for an error of the database.
pub(super) fn sql(error: rusqlite::Error) -> StoreError {
    match (classify(&error), error.sqlite_error_code()) {
        (Class::Full, _) => StoreError::Full,
        (_, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => StoreError::Unavailable,
        _ => StoreError::Failed(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(extended: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(extended), None)
    }

    #[test]
    fn tells_full_from_fatal() {
        assert_eq!(classify(&error(ffi::SQLITE_FULL)), Class::Full);
        assert_eq!(classify(&error(ffi::SQLITE_IOERR_SHMSIZE)), Class::Full);
        assert_eq!(classify(&error(ffi::SQLITE_IOERR_FSYNC)), Class::Fatal);
        assert_eq!(classify(&error(ffi::SQLITE_IOERR_WRITE)), Class::Fatal);
        assert_eq!(classify(&error(ffi::SQLITE_CONSTRAINT)), Class::Call);
        assert!(matches!(sql(error(ffi::SQLITE_BUSY)), StoreError::Unavailable));
    }
}
