//! One connection for as long as a piece of work has it, with at most one transaction open.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object};
use futures_util::FutureExt;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::errors::{Class, Failure};

/// The values of a statement's parameters.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection from a pool. Dropped with a transaction open, it takes the transaction back.
pub(super) struct Session {
    /// Always there until it is dropped.
    object: Option<Object>,
    answer_timeout: Duration,
    /// What opens the transaction that the next statement is the first of.
    opening: Option<&'static str>,
    /// The transaction has been opened.
    opened: AtomicBool,
    /// Nobody may use the connection any more.
    broken: AtomicBool,
}

impl Session {
    pub(super) fn new(object: Object, answer_timeout: Duration) -> Self {
        Self {
            object: Some(object),
            answer_timeout,
            opening: None,
            opened: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        }
    }

    /// The connection itself, for work that statements alone cannot do. What breaks on it has to be told by `abandon`.
    pub(super) fn client(&self) -> &ClientWrapper {
        self.object.as_ref().expect("a session has its connection until it is dropped")
    }

    /// Gives the connection up: it goes back into no pool.
    pub(super) fn abandon(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Opens a transaction with the next statement, in the same round trip.
    pub(super) fn begin(&mut self, statement: &'static str) {
        self.opening = Some(statement);
    }

    /// Commits what has been done, if anything has.
    pub(super) async fn commit(mut self) -> Result<(), Failure> {
        self.opening = None;
        if !self.opened.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.in_time(self.client().batch_execute("COMMIT")).await?;
        self.opened.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// All rows that a statement gives.
    pub(super) async fn rows(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Failure> {
        let statement = self.in_time(self.client().prepare_cached(sql)).await?;
        self.behind_opening(self.client().query(&statement, values)).await
    }

    /// The one row that a statement gives, if it gives any.
    pub(super) async fn row(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Failure> {
        let statement = self.in_time(self.client().prepare_cached(sql)).await?;
        self.behind_opening(self.client().query_opt(&statement, values)).await
    }

    /// The one row of a statement that always gives one.
    pub(super) async fn only_row(&self, sql: &str, values: Values<'_>) -> Result<Row, Failure> {
        let statement = self.in_time(self.client().prepare_cached(sql)).await?;
        self.behind_opening(self.client().query_one(&statement, values)).await
    }

    /// How many rows a statement touches.
    pub(super) async fn execute(&self, sql: &str, values: Values<'_>) -> Result<u64, Failure> {
        let statement = self.in_time(self.client().prepare_cached(sql)).await?;
        self.behind_opening(self.client().execute(&statement, values)).await
    }

    /// Runs statements without parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        self.behind_opening(self.client().batch_execute(sql)).await
    }

    /// Waits for a statement, and sends what opens the transaction in front of the first one.
    async fn behind_opening<T>(
        &self,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        match self.opening {
            Some(opening) if !self.opened.swap(true, Ordering::Relaxed) => {
                let both = async {
                    // Both are sent before either is answered, in this order.
                    let (opened, answer) =
                        futures_util::future::join(self.client().batch_execute(opening), statement).await;
                    opened?;
                    answer
                };
                self.in_time(both).await
            }
            _ => self.in_time(statement).await,
        }
    }

    /// Waits no longer than the server may take.
    pub(super) async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        let result = match tokio::time::timeout(self.answer_timeout, answer).await {
            Ok(result) => result.map_err(Failure::Sql),
            Err(_) => Err(Failure::Late),
        };
        if result.as_ref().is_err_and(|failure| failure.class() == Class::Lost) {
            self.abandon();
        }
        result
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else { return };
        if self.broken.load(Ordering::Relaxed) {
            drop(Object::take(object));
            return;
        }
        if self.opened.load(Ordering::Relaxed) {
            // Polled once, it is on its way, and whatever comes next on this connection comes behind it.
            let _ = object.batch_execute("ROLLBACK").now_or_never();
        }
    }
}
