//! How many users a server can bear: more and more of them chat, until messages are late or lost.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use tokio::time::Instant;

use super::chat::{self, Pace};
use crate::exchange::{Exchange, Span};
use crate::ledger::{Ledger, Tally};
use crate::report::{Measure, Report};
use crate::sessions::{self, Setup, Task};
use crate::target::Target;

/// Options of `capacity`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Users in the first step, and how many more in each step after it
    #[arg(long, default_value_t = 500, value_name = "N")]
    pub(crate) step: usize,
    /// Users in the last step
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    pub(crate) most: usize,
    /// Messages that each user sends in a minute
    #[arg(long, default_value_t = 6.0, value_name = "N")]
    pub(crate) messages_per_minute: f64,
    /// How long each step lasts, in seconds
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    pub(crate) seconds: f64,
    /// Stop when one message in a hundred takes longer, in milliseconds
    #[arg(long, default_value_t = 100.0, value_name = "MS")]
    pub(crate) p99_ms: f64,
    /// Stop when a larger share of messages fails or is not there at the end of its step, in percent
    #[arg(long, default_value_t = 0.1, value_name = "PERCENT")]
    pub(crate) errors_percent: f64,
    /// Letters in the body of each message
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) body_bytes: usize,
}

/// One step's outcome.
struct Step {
    measure: Measure,
    tally: Tally,
    errors: u64,
}

impl Step {
    /// Why the server does not bear it.
    #[allow(clippy::cast_precision_loss, reason = "a share for people")]
    fn passed_bound(&self, options: &Options) -> Option<String> {
        let p99_ms = self.measure.latency.map_or(0.0, |latency| latency.p99_us / 1000.0);
        let failed = self.tally.lost + self.errors;
        let share = 100.0 * failed as f64 / self.tally.sent.max(1) as f64;
        if p99_ms > options.p99_ms {
            return Some(format!("one message in a hundred takes longer than {p99_ms:.0} ms"));
        }
        (share > options.errors_percent).then(|| format!("{share:.2}% of the messages failed"))
    }
}

/// Runs the scenario.
pub(crate) async fn run(target: &Rc<Target>, options: &Options) -> Result<Report> {
    ensure!(options.step >= 2 && options.step.is_multiple_of(2), "--step is an even number");
    ensure!(options.messages_per_minute > 0.0, "--messages-per-minute is above 0");
    let mut report = Report::new(target, "capacity", 0);
    let mut users = options.step;
    let mut bearable = 0;
    loop {
        target.progress(&format!("{users} users"));
        let step = match step(target, options, users).await {
            Ok(step) => step,
            Err(error) => {
                report.notes.push(format!("{users} users: {error:#}"));
                break;
            }
        };
        let bound = step.passed_bound(options);
        let latency = step.measure.latency.map_or(0.0, |latency| latency.p99_us / 1000.0);
        target.progress(&format!(
            "{users} users: {} messages, p99 {latency:.1} ms, {} missing, {} errors",
            step.tally.sent, step.tally.lost, step.errors
        ));
        report.connections = users;
        report.measures.push(step.measure);
        if let Some(bound) = bound {
            report.notes.push(format!("{users} users: {bound}"));
            break;
        }
        bearable = users;
        users += options.step;
        if users > options.most {
            break;
        }
    }
    report.notes.push(format!(
        "the server bears {bearable} users who send {} messages a minute each",
        options.messages_per_minute
    ));
    Ok(report)
}

/// So many users chat for a while.
#[allow(clippy::cast_precision_loss, reason = "numbers of users are small")]
async fn step(target: &Rc<Target>, options: &Options, users: usize) -> Result<Step> {
    let clients = sessions::sessions(target, users, Setup { presence: true, ..Setup::default() }).await?;
    let exchange = Exchange::new();
    let every = Duration::from_secs_f64(60.0 / options.messages_per_minute);
    let begin = Instant::now() + Duration::from_millis(100);
    let ledgers: Vec<Rc<RefCell<Ledger>>> = (0..users).map(|_| Rc::default()).collect();
    let mut tasks: Vec<Task> = Vec::with_capacity(users);
    for (number, client) in clients.into_iter().enumerate() {
        let other = number ^ 1;
        let message = chat::Message { body_bytes: options.body_bytes, origin_id: true, no_store: false };
        let end = chat::End::new(
            &exchange,
            &client,
            [&ledgers[number], &ledgers[other]],
            (&target.address_of(other), message),
        );
        let pace = Pace { first: begin + every.mul_f64(number as f64 / users as f64), every };
        tasks.push(exchange.spawn(end.pace(client, pace)));
    }
    let span = Span { seconds: options.seconds, warm_up: 2.0 };
    let measure = exchange.measure(target, span, &format!("messages of {users} users")).await?;
    exchange.settle(target, || ledgers.iter().all(|ledger| ledger.borrow().is_settled())).await;
    drop(tasks);
    let mut tally = Tally::default();
    ledgers.iter().for_each(|ledger| tally.add(&ledger.borrow()));
    Ok(Step { measure, tally, errors: exchange.errors() })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::histogram::Histogram;
    use crate::report::Latency;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn bounds() {
        let options = Line::parse_from(["capacity", "--p99-ms", "50", "--errors-percent", "1"]).options;
        let step = |latency_ms, lost| {
            let mut histogram = Histogram::default();
            histogram.record(Duration::from_millis(latency_ms));
            let measure = Measure {
                operation: String::new(),
                operations: 1,
                seconds: 1.0,
                server_cpu: None,
                server_cpu_us: None,
                generator_cpu_us: 0.0,
                latency: Latency::of(&histogram),
            };
            Step { measure, tally: Tally { sent: 1000, lost, ..Tally::default() }, errors: 0 }
        };
        assert_eq!(step(49, 10).passed_bound(&options), None);
        assert!(step(60, 0).passed_bound(&options).is_some());
        assert!(step(10, 11).passed_bound(&options).is_some());
    }
}
