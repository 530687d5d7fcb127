//! What a process costs: its memory and its processor time, as Linux counts them.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A process to be measured.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// Bytes of memory that are the process's own: neither files nor what it shares with others. Linux walks the page
    /// tables for it, because the counters in `status` are late by as much as the amounts of interest.
    pub fn memory(self) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.0);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok())
        };
        let kilobytes = field("Pss_Anon").or_else(|| field("Anonymous")).context("no count of memory")?;
        Ok((kilobytes + field("SwapPss").unwrap_or_default()) * 1024)
    }

    /// Processor time that the threads living now have used so far.
    pub fn cpu(self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.0))? {
            let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            nanoseconds += text.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// How many threads it has.
    pub fn threads(self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/task", self.0))?.count())
    }

    /// How many files and sockets it has open.
    pub fn files(self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.0))?.count())
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    /// What these tests measure with must see what it is there to see.
    #[test]
    fn memory_and_work_are_seen() {
        const BYTES: usize = 64 << 20;
        let own = Process(std::process::id());
        let (memory, cpu) = (own.memory().unwrap(), own.cpu().unwrap());
        let held = black_box(vec![1u8; BYTES]);
        assert!(own.memory().unwrap() >= memory + (BYTES as u64) / 2);
        let mut sum = 0u64;
        while own.cpu().unwrap() < cpu + Duration::from_millis(20) {
            sum = held.iter().fold(sum, |sum, byte| black_box(sum + u64::from(*byte)));
        }
        black_box(sum);
        drop(held);
        assert!(own.memory().unwrap() < memory + (BYTES as u64) / 2);
    }
}
