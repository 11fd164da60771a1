//! How long things take, counted in buckets by whoever does them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, in microseconds: from what a change takes to what an outage takes.
const BOUNDS: [u64; 15] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000,
];

/// A histogram that any thread may fill while another reads it.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    /// Beyond the last bound.
    longer: AtomicU64,
    nanoseconds: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSnapshot {
    /// Upper bound in seconds, and how many were not longer: cumulative.
    pub buckets: Vec<(f64, u64)>,
    /// How many there were.
    pub count: u64,
    /// How long all of them took, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Counts something that took so long.
    pub fn observe(&self, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.iter().position(|bound| microseconds <= *bound);
        let bucket = at.and_then(|at| self.buckets.get(at));
        bucket
            .unwrap_or(&self.longer)
            .fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut count = 0;
        let buckets = BOUNDS.iter().zip(&self.buckets);
        let buckets = buckets.map(|(bound, bucket)| {
            count += bucket.load(Ordering::Relaxed);
            (Duration::from_micros(*bound).as_secs_f64(), count)
        });
        let buckets = buckets.collect();
        HistogramSnapshot {
            buckets,
            count: count + self.longer.load(Ordering::Relaxed),
            sum: Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_nothing_is_lost() {
        let histogram = Histogram::default();
        for microseconds in [10, 100, 101, 3_000_000, 60_000_000] {
            histogram.observe(Duration::from_micros(microseconds));
        }
        let snapshot = histogram.snapshot();
        let at = |bound: f64| {
            let bucket = snapshot.buckets.iter().find(|(b, _)| *b == bound);
            bucket.unwrap().1
        };
        assert_eq!((at(0.000_05), at(0.000_1), at(0.000_25)), (1, 2, 3));
        assert_eq!((at(1.0), at(5.0), snapshot.count), (3, 4, 5));
        assert!((snapshot.sum - 63.000_211).abs() < 1e-9, "{}", snapshot.sum);
    }
}
