//! Work on the database, done anew where it has come to nothing: `reading!`, `reading_at_once!` and `writing!`.
//!
//! They are macros since what they repeat is asynchronous and borrows from where it is called, which no closure can have and be
//! sent between threads.

use std::ops::ControlFlow;

use waxwing_chat::store::{StoreError, StoreResult};

use super::errors::Failure;

/// Times that work is begun anew after the server has refused it for the sake of another, or was lost before the end.
const LIMIT: usize = 5;

/// Counts how often something was tried.
#[derive(Debug, Default)]
pub(super) struct Attempts(usize);

impl Attempts {
    /// Ends with the result, unless it is a failure that another attempt may not meet with.
    pub(super) fn end<T>(&mut self, result: Result<T, Failure>) -> ControlFlow<StoreResult<T>> {
        self.0 += 1;
        match result {
            Err(failure) if failure.may_be_repeated() && self.0 < LIMIT => {
                tracing::debug!(?failure, "doing it anew");
                ControlFlow::Continue(())
            }
            result => ControlFlow::Break(result.map_err(StoreError::from)),
        }
    }
}

/// Asks the primary: `reading!(store, |db| work)`. The work gives a `Result` with a `Failure`.
macro_rules! reading {
    ($store:expr, |$db:ident| $work:expr) => {
        $crate::postgres::attempts::repeated!({
            let session = $store.primary.session().await?;
            let $db = &session;
            $work
        })
    };
}

/// Asks the primary, all statements of the same state.
macro_rules! reading_at_once {
    ($store:expr, |$db:ident| $work:expr) => {
        $crate::postgres::attempts::repeated!({
            let mut session = $store.primary.session().await?;
            session.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
            let $db = &session;
            let found: Result<_, $crate::postgres::errors::Failure> = $work;
            let found = found?;
            session.commit().await?;
            Ok(found)
        })
    };
}

/// Does something in a transaction, and waits until that is durable. Where nobody knows whether it was committed, the answer is
/// `Unavailable`.
macro_rules! writing {
    ($store:expr, |$db:ident| $work:expr) => {
        $crate::postgres::attempts::repeated!({
            let mut session = $store.primary.session().await?;
            session.begin("BEGIN");
            let $db = &session;
            let done: Result<_, $crate::postgres::errors::Failure> = $work;
            let done = done?;
            session.commit().await.map_err($crate::postgres::errors::Failure::at_commit)?;
            Ok(done)
        })
    };
}

macro_rules! repeated {
    ($attempt:block) => {{
        let mut attempts = $crate::postgres::attempts::Attempts::default();
        loop {
            let attempt = async { $attempt };
            if let std::ops::ControlFlow::Break(result) = attempts.end(attempt.await) {
                break result;
            }
        }
    }};
}

pub(super) use {reading, reading_at_once, repeated, writing};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_to_nothing_is_done_anew() {
        let mut attempts = Attempts::default();
        assert!(attempts.end::<()>(Err(Failure::Unknown)).is_break());
        assert!(attempts.end::<()>(Err(StoreError::Conflict.into())).is_break());
        assert!(attempts.end(Ok(())).is_break());
    }
}
