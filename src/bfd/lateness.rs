//! How late the thread is when it has something to send.

use std::time::Duration;

/// A histogram with a bucket per power of two of microseconds.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    buckets: [u64; 24],
    worst: Duration,
}

impl Lateness {
    pub(super) fn record(&mut self, late: Duration) {
        self.worst = self.worst.max(late);
        let bits = u128::BITS - late.as_micros().leading_zeros();
        let last = self.buckets.len() - 1;
        let bucket = usize::try_from(bits).unwrap_or(last).min(last);
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
    }

    pub(super) fn worst(&self) -> Duration {
        self.worst
    }

    /// No more than one in a hundred was later than this, which is at most twice the true figure.
    pub(super) fn p99(&self) -> Duration {
        let total: u64 = self.buckets.iter().sum();
        let mut seen = 0;
        for (bits, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen * 100 >= total * 99 {
                return Duration::from_micros((1 << bits) - 1).min(self.worst);
            }
        }
        self.worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_a_hundred_may_be_later() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.p99(), Duration::ZERO);
        for _ in 0..99 {
            lateness.record(Duration::from_micros(60));
        }
        lateness.record(Duration::from_secs(100));
        assert_eq!(lateness.p99(), Duration::from_micros(63));
        assert_eq!(lateness.worst(), Duration::from_secs(100));
        lateness.record(Duration::from_millis(5));
        assert!(lateness.p99() > Duration::from_millis(4));
    }
}
