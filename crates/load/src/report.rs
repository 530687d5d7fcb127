//! What a scenario found, for people and for programs.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::histogram::Histogram;
use crate::ledger::Tally;
use crate::processes::{CpuSample, CpuTime, Memory, Processes};
use crate::target::Target;

/// The outcome of one scenario.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) transport: String,
    /// Connections held while it was measured.
    pub(crate) connections: usize,
    /// One entry for each thing that was counted.
    pub(crate) measures: Vec<Measure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tally: Option<Tally>,
    /// Stanzas of type error, and connections that were lost.
    pub(crate) errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<MemoryReport>,
    /// What else is worth saying.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
}

/// Operations of one kind within one window of time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measure {
    /// What one operation is.
    pub(crate) operation: String,
    pub(crate) operations: u64,
    pub(crate) seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_cpu: Option<CpuTime>,
    /// CPU time of all the server's processes for one operation, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_cpu_us: Option<f64>,
    /// CPU time of this program, for one operation, in microseconds.
    pub(crate) generator_cpu_us: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency: Option<Latency>,
}

/// Durations in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) mean_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p95_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

/// Memory of the server's processes before and after connections were made.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct MemoryReport {
    pub(crate) before: Memory,
    pub(crate) after: Memory,
    pub(crate) rss_bytes_per_connection: f64,
    pub(crate) pss_bytes_per_connection: f64,
}

/// A window of time in which operations are counted.
pub(crate) struct Window {
    processes: Processes,
    start: Instant,
    server: CpuSample,
    own: CpuSample,
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

impl Latency {
    pub(crate) fn of(histogram: &Histogram) -> Option<Self> {
        (histogram.count() > 0).then(|| Self {
            mean_us: micros(histogram.mean()),
            p50_us: micros(histogram.quantile(0.5)),
            p95_us: micros(histogram.quantile(0.95)),
            p99_us: micros(histogram.quantile(0.99)),
            p999_us: micros(histogram.quantile(0.999)),
            max_us: micros(histogram.max()),
        })
    }
}

impl Window {
    pub(crate) fn open(target: &Target) -> Result<Self> {
        let own = Processes::new(vec![std::process::id()]).cpu()?;
        let processes = target.processes.clone();
        Ok(Self { server: processes.cpu()?, processes, own, start: Instant::now() })
    }

    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn close(
        self,
        operation: &str,
        operations: u64,
        latency: Option<&Histogram>,
    ) -> Result<Measure> {
        let seconds = self.start.elapsed().as_secs_f64();
        let server = self.server.until(&self.processes.cpu()?);
        let own = self.own.until(&Processes::new(vec![std::process::id()]).cpu()?);
        let each = |cpu: CpuTime| cpu.seconds * 1e6 / (operations.max(1) as f64);
        let known = !self.processes.is_empty();
        Ok(Measure {
            operation: operation.to_owned(),
            operations,
            seconds,
            server_cpu: known.then_some(server),
            server_cpu_us: known.then(|| each(server)),
            generator_cpu_us: each(own),
            latency: latency.and_then(Latency::of),
        })
    }
}

/// Windows of the same kind as one; latencies have no sum, and are left out.
#[allow(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn sum(measures: Vec<Measure>) -> Option<Measure> {
    let mut measures = measures.into_iter();
    let mut sum = measures.next()?;
    sum.latency = None;
    for next in measures {
        let generator =
            sum.generator_cpu_us * sum.operations as f64 + next.generator_cpu_us * next.operations as f64;
        sum.operations += next.operations;
        sum.seconds += next.seconds;
        sum.generator_cpu_us = generator / sum.operations.max(1) as f64;
        if let (Some(cpu), Some(more)) = (&mut sum.server_cpu, next.server_cpu) {
            cpu.seconds += more.seconds;
            cpu.user_seconds += more.user_seconds;
            sum.server_cpu_us = Some(cpu.seconds * 1e6 / sum.operations.max(1) as f64);
        }
    }
    Some(sum)
}

impl MemoryReport {
    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    pub(crate) fn new(before: Memory, after: Memory, connections: usize) -> Self {
        let each = |before: u64, after: u64| (after as f64 - before as f64) / connections.max(1) as f64;
        Self {
            before,
            after,
            rss_bytes_per_connection: each(before.rss_bytes, after.rss_bytes),
            pss_bytes_per_connection: each(before.pss_bytes, after.pss_bytes),
        }
    }
}

impl Report {
    pub(crate) fn new(target: &Target, scenario: &str, connections: usize) -> Self {
        let mut transport = format!("{:?}", target.options.transport).to_lowercase();
        if target.options.floor {
            transport.push_str(", floor");
        }
        Self {
            scenario: scenario.to_owned(),
            transport,
            connections,
            measures: Vec::new(),
            tally: None,
            errors: 0,
            memory: None,
            notes: Vec::new(),
        }
    }

    /// Prints it; scenarios that lost something fail after that.
    #[allow(clippy::print_stdout, reason = "the report is what the program is for")]
    pub(crate) fn print(&self, json: bool) -> Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            print!("{}", self.table());
        }
        Ok(())
    }

    /// Whether nothing went wrong.
    pub(crate) fn is_clean(&self) -> bool {
        self.errors == 0 && self.tally.is_none_or(|tally| tally.lost == 0 && tally.duplicates == 0)
    }

    #[allow(clippy::cast_precision_loss, reason = "figures for people")]
    fn table(&self) -> String {
        let mut text =
            format!("{} over {}, {} connections\n", self.scenario, self.transport, self.connections);
        let mut line = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<34}{value}");
        };
        for measure in &self.measures {
            let rate = measure.operations as f64 / measure.seconds.max(1e-9);
            line(
                &measure.operation,
                format!("{} in {:.1} s, {rate:.0}/s", measure.operations, measure.seconds),
            );
            if let (Some(each), Some(cpu)) = (measure.server_cpu_us, measure.server_cpu) {
                let share = 100.0 * cpu.user_seconds / cpu.seconds.max(1e-9);
                line(
                    "  CPU time of the server for each",
                    format!("{each:.2} µs, {share:.0}% outside the kernel"),
                );
            }
            line("  CPU time of the generator", format!("{:.2} µs", measure.generator_cpu_us));
            if let Some(latency) = measure.latency {
                let Latency { p50_us, p95_us, p99_us, p999_us, max_us, .. } = latency;
                line(
                    "  latency p50, p95, p99, p99.9, max",
                    format!("{p50_us:.0}, {p95_us:.0}, {p99_us:.0}, {p999_us:.0}, {max_us:.0} µs"),
                );
            }
        }
        if let Some(tally) = self.tally {
            let Tally { sent, received, lost, duplicates, out_of_order } = tally;
            line("sent, received", format!("{sent}, {received}"));
            line("lost, twice, out of order", format!("{lost}, {duplicates}, {out_of_order}"));
        }
        line("errors", self.errors.to_string());
        if let Some(memory) = self.memory {
            let kilobytes = |bytes: f64| format!("{:.2} kB", bytes / 1000.0);
            line("memory for each connection (PSS)", kilobytes(memory.pss_bytes_per_connection));
            line("memory for each connection (RSS)", kilobytes(memory.rss_bytes_per_connection));
            line("memory of the server (PSS)", kilobytes(memory.after.pss_bytes as f64));
        }
        for note in &self.notes {
            line("note", note.clone());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_summed_by_operation() {
        let measure = |operations, seconds| Measure {
            operation: "x".to_owned(),
            operations,
            seconds: 1.0,
            server_cpu: Some(CpuTime { seconds, user_seconds: seconds / 2.0 }),
            server_cpu_us: Some(seconds * 1e6 / operations as f64),
            generator_cpu_us: 1.0,
            latency: None,
        };
        let sum = sum(vec![measure(100, 1.0), measure(300, 1.0)]).unwrap();
        assert_eq!(sum.operations, 400);
        assert!((sum.server_cpu_us.unwrap() - 5000.0).abs() < 1e-6);
        assert!((sum.generator_cpu_us - 1.0).abs() < 1e-9);
    }

    #[test]
    fn memory_is_divided_among_connections() {
        let at = |bytes| Memory { rss_bytes: bytes + 1000, pss_bytes: bytes };
        let report = MemoryReport::new(at(50_000), at(80_000), 10);
        assert!((report.pss_bytes_per_connection - 3000.0).abs() < 1e-9);
        assert!((report.rss_bytes_per_connection - 3000.0).abs() < 1e-9);
    }
}
