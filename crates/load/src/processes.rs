//! What the server's processes have used, from `/proc`: CPU time and memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Nanoseconds of one tick of `/proc/PID/stat`: USER_HZ is 100 on every architecture of ours.
const TICK_NANOS: u64 = 10_000_000;

/// Processes, with all that they have started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Processes(Vec<u32>);

/// CPU time up to one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuSample {
    /// By process: user and system time in ticks.
    processes: BTreeMap<u32, (u64, u64)>,
    /// By thread: nanoseconds on a processor.
    threads: BTreeMap<u32, u64>,
}

/// CPU time between two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct CpuTime {
    /// All of it, in seconds.
    pub(crate) seconds: f64,
    /// The share spent in the programs, the rest being the kernel's, in seconds, to a tick of 10 ms.
    pub(crate) user_seconds: f64,
}

/// Memory of processes at one moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// Resident pages, shared ones in full.
    pub(crate) rss_bytes: u64,
    /// Resident pages, shared ones in proportion.
    pub(crate) pss_bytes: u64,
}

impl Processes {
    pub(crate) fn new(pids: Vec<u32>) -> Self {
        Self(pids)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The processes named and those below them.
    fn all(&self) -> Result<BTreeSet<u32>> {
        let mut parents = BTreeMap::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            // A process that has ended meanwhile has no part in it.
            let Some(stat) = fs::read_to_string(format!("/proc/{pid}/stat")).ok() else { continue };
            if let Some(stat) = parse_stat(&stat) {
                parents.insert(pid, stat.parent);
            }
        }
        let mut all: BTreeSet<u32> = self.0.iter().copied().collect();
        loop {
            let before = all.len();
            all.extend(
                parents
                    .iter()
                    .filter(|(_, parent)| all.contains(parent))
                    .map(|(pid, _)| *pid)
                    .collect::<Vec<_>>(),
            );
            if all.len() == before {
                return Ok(all);
            }
        }
    }

    pub(crate) fn cpu(&self) -> Result<CpuSample> {
        let mut sample = CpuSample::default();
        if self.is_empty() {
            return Ok(sample);
        }
        for pid in self.all()? {
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
            let stat = parse_stat(&stat).with_context(|| format!("/proc/{pid}/stat is not understood"))?;
            sample.processes.insert(pid, (stat.user, stat.system));
            let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
            for thread in threads.flatten() {
                let id = thread.file_name().to_str().and_then(|name| name.parse().ok());
                let spent = fs::read_to_string(thread.path().join("schedstat")).ok();
                let spent = spent.and_then(|text| text.split(' ').next()?.parse().ok());
                if let (Some(id), Some(spent)) = (id, spent) {
                    sample.threads.insert(id, spent);
                }
            }
        }
        Ok(sample)
    }

    pub(crate) fn memory(&self) -> Result<Memory> {
        let mut memory = Memory::default();
        for pid in self.all()? {
            let path = format!("/proc/{pid}/smaps_rollup");
            let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
            memory.rss_bytes += kilobytes(&text, "Rss:")? * 1024;
            memory.pss_bytes += kilobytes(&text, "Pss:")? * 1024;
        }
        Ok(memory)
    }
}

impl CpuSample {
    /// What was used from this sample to a later one.
    ///
    /// `schedstat` counts nanoseconds, but forgets threads that have ended; `stat` forgets nothing, but counts ticks.
    /// Where the two differ by more than ticks explain, `stat` is right.
    #[allow(clippy::cast_precision_loss, reason = "seconds for people")]
    pub(crate) fn until(&self, later: &Self) -> CpuTime {
        let (mut user, mut ticks) = (0, 0);
        for (pid, (later_user, later_system)) in &later.processes {
            let (before_user, before_system) = self.processes.get(pid).copied().unwrap_or_default();
            user += later_user.saturating_sub(before_user);
            ticks += later_user.saturating_sub(before_user) + later_system.saturating_sub(before_system);
        }
        let fine: u64 = later
            .threads
            .iter()
            .map(|(id, spent)| spent.saturating_sub(self.threads.get(id).copied().unwrap_or(0)))
            .sum();
        let coarse = ticks * TICK_NANOS;
        // Two roundings for each process and each of its two counts.
        let slack = 4 * TICK_NANOS * later.processes.len() as u64 + coarse / 50;
        let nanos = if fine.abs_diff(coarse) <= slack { fine } else { coarse };
        CpuTime {
            seconds: Duration::from_nanos(nanos).as_secs_f64(),
            user_seconds: Duration::from_nanos(user * TICK_NANOS).as_secs_f64(),
        }
    }
}

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    user: u64,
    system: u64,
}

/// The name of the program stands in parentheses and may hold anything, spaces and parentheses too (proc(5)).
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let user = fields.nth(9)?.parse().ok()?;
    let system = fields.next()?.parse().ok()?;
    Some(Stat { parent, user, system })
}

fn kilobytes(text: &str, name: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    number.with_context(|| format!("smaps_rollup has no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_stat() {
        let text = "77 (a) b (c)) S 12 77 77 0 -1 4194560 900 0 3 0 150 50 7 9 20 0 4 0 100 1000 200 184467";
        assert_eq!(parse_stat(text), Some(Stat { parent: 12, user: 150, system: 50 }));
        assert_eq!(parse_stat("77 (a) S"), None);
    }

    #[test]
    fn memory_of_smaps_rollup() {
        let text =
            "5500-7fff ---p 0 00:00 0 [rollup]\nRss:        1234 kB\nPss:         567 kB\nPss_Anon: 8 kB\n";
        assert_eq!(kilobytes(text, "Rss:").unwrap(), 1234);
        assert_eq!(kilobytes(text, "Pss:").unwrap(), 567);
        assert!(kilobytes(text, "Swap:").is_err());
    }

    fn sample(ticks: &[(u32, u64, u64)], threads: &[(u32, u64)]) -> CpuSample {
        CpuSample {
            processes: ticks.iter().map(|(pid, user, system)| (*pid, (*user, *system))).collect(),
            threads: threads.iter().copied().collect(),
        }
    }

    #[test]
    fn nanoseconds_are_used_where_no_thread_has_ended() {
        let before = sample(&[(1, 10, 5)], &[(1, 150_000_000)]);
        let after = sample(&[(1, 110, 55), (2, 3, 0)], &[(1, 1_651_000_000), (2, 30_000_000)]);
        let spent = before.until(&after);
        assert!((spent.seconds - 1.531).abs() < 1e-9, "{spent:?}");
        assert!((spent.user_seconds - 1.03).abs() < 1e-9, "{spent:?}");
        let ended = sample(&[(1, 110, 55)], &[(1, 650_000_000)]);
        assert!((before.until(&ended).seconds - 1.5).abs() < 1e-9, "a thread ended: ticks count");
    }

    #[test]
    fn this_process_has_used_something() {
        let own = Processes::new(vec![std::process::id()]);
        let before = own.cpu().unwrap();
        let mut sum = 0_u64;
        while before.until(&own.cpu().unwrap()).seconds < 0.02 {
            sum = std::hint::black_box(sum + 1);
        }
        let memory = own.memory().unwrap();
        assert!(memory.pss_bytes > 0 && memory.rss_bytes >= memory.pss_bytes);
    }
}
