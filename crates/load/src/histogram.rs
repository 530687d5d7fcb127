//! Counts of durations in buckets whose width grows with the duration: small, fast, right to within two percent.

use std::time::Duration;

/// Buckets for each power of two.
const STEPS: u64 = 64;

/// Durations by nanosecond, in buckets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: u64,
    sum: u128,
}

impl Histogram {
    pub(crate) fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket(nanos);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum += u128::from(nanos);
        self.max = self.max.max(nanos);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    pub(crate) fn mean(&self) -> Duration {
        let mean = self.sum.checked_div(u128::from(self.count)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// The smallest duration that this share of all does not exceed; `share` is between 0 and 1.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a count"
    )]
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let wanted = ((self.count as f64 * share).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(upper_bound(bucket).min(self.max));
            }
        }
        self.max()
    }
}

/// Below 128 ns each has a bucket; above, 64 buckets for each power of two.
fn bucket(nanos: u64) -> usize {
    let power = nanos.max(1).ilog2();
    let index = match power.checked_sub(STEPS.ilog2()) {
        None => nanos,
        Some(shift) => (u64::from(shift) + 1) * STEPS + (nanos >> shift) - STEPS,
    };
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The longest duration that falls into a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    match (bucket / STEPS).checked_sub(1) {
        None => bucket,
        Some(shift) => (((bucket % STEPS + STEPS + 1) << shift) as u128 - 1).min(u128::from(u64::MAX)) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_join_without_a_gap_and_are_narrow() {
        let mut last = 0;
        for nanos in (0..100_000_u64).chain((17..50).map(|power| (1 << power) + 12_345)) {
            let bucket = bucket(nanos);
            assert!(bucket >= last, "{nanos}");
            let bound = upper_bound(bucket);
            assert!(bound >= nanos && bound - nanos <= nanos / 64, "{nanos} is told as {bound}");
            last = bucket;
        }
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.99), Duration::ZERO);
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        let micros = |share| histogram.quantile(share).as_micros();
        assert!((500..=508).contains(&micros(0.5)), "{}", micros(0.5));
        assert!((990..=1000).contains(&micros(0.99)), "{}", micros(0.99));
        assert_eq!(micros(1.0), 1000);
        assert_eq!(histogram.mean(), Duration::from_nanos(500_500));
        histogram.record(Duration::from_secs(1));
        assert_eq!((histogram.count(), histogram.max()), (1001, Duration::from_secs(1)));
    }
}
