//! What the tasks of a closed loop share: counts, latencies, when to measure and when to stop.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use tokio::sync::Notify;

use crate::histogram::Histogram;
use crate::report::{Measure, Report, Window};
use crate::sessions::Task;
use crate::target::Target;

/// How long is measured.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Span {
    /// How long to measure, in seconds
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub(crate) seconds: f64,
    /// How long to run before it is measured, in seconds
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    pub(crate) warm_up: f64,
}

/// The state that tasks share.
#[derive(Debug)]
pub(crate) struct Exchange {
    epoch: Instant,
    /// What was sent before this is not measured; in nanoseconds from the epoch.
    from: Cell<u64>,
    until: Cell<u64>,
    operations: Cell<u64>,
    latencies: RefCell<Histogram>,
    errors: Cell<u64>,
    notes: RefCell<Vec<String>>,
    stopping: Cell<bool>,
    changed: Notify,
}

impl Exchange {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            epoch: Instant::now(),
            from: Cell::new(u64::MAX),
            until: Cell::new(u64::MAX),
            operations: Cell::new(0),
            latencies: RefCell::default(),
            errors: Cell::new(0),
            notes: RefCell::default(),
            stopping: Cell::new(false),
            changed: Notify::new(),
        })
    }

    /// Nanoseconds since the epoch.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Counts an operation that began at that moment and is over now.
    pub(crate) fn done(&self, began: u64) {
        self.operations.set(self.operations.get() + 1);
        let now = self.now();
        if began >= self.from.get() && now <= self.until.get() {
            self.latencies.borrow_mut().record(Duration::from_nanos(now.saturating_sub(began)));
        }
        if self.stopping.get() {
            self.changed.notify_one();
        }
    }

    pub(crate) fn operations(&self) -> u64 {
        self.operations.get()
    }

    pub(crate) fn error(&self, what: impl FnOnce() -> String) {
        self.errors.set(self.errors.get() + 1);
        let mut notes = self.notes.borrow_mut();
        if notes.len() < 3 {
            notes.push(what());
        }
        self.changed.notify_one();
    }

    pub(crate) fn errors(&self) -> u64 {
        self.errors.get()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    /// A task of this exchange. That it fails counts as an error, unless the exchange is over.
    pub(crate) fn spawn(self: &Rc<Self>, work: impl Future<Output = Result<()>> + 'static) -> Task {
        let exchange = Rc::clone(self);
        Task::spawn(async move {
            if let Err(error) = work.await {
                exchange.error(|| format!("{error:#}"));
            }
        })
    }

    /// Lets it run, measures, and tells everyone to stop.
    pub(crate) async fn measure(&self, target: &Target, span: Span, operation: &str) -> Result<Measure> {
        tokio::time::sleep(Duration::from_secs_f64(span.warm_up)).await;
        let before = self.operations();
        let window = Window::open(target)?;
        self.from.set(self.now());
        tokio::time::sleep(Duration::from_secs_f64(span.seconds)).await;
        self.until.set(self.now());
        let measure = window.close(operation, self.operations() - before, Some(&self.latencies.borrow()))?;
        self.stopping.set(true);
        Ok(measure)
    }

    /// Waits until `settled`, as long as the target has patience.
    pub(crate) async fn settle(&self, target: &Target, settled: impl Fn() -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(target.options.patience);
        while !settled() {
            if tokio::time::timeout_at(deadline, self.changed.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Writes errors into the report.
    pub(crate) fn conclude(&self, report: &mut Report) {
        report.errors += self.errors();
        report.notes.append(&mut self.notes.borrow_mut());
    }
}
