//! How long to wait before trying again, and jitter so that peers do not march in step.

use std::time::Duration;

/// A small generator for jitter (xorshift64*): the crate must stay deterministic, so the seed is
/// given by the caller and nothing here is fit for secrets.
#[derive(Debug)]
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        // Zero is the one state xorshift never leaves.
        Self(seed | 1)
    }

    /// `period` scaled by a random factor of 0.75 to 1.0 (RFC 4271 §10).
    pub(crate) fn apply(&mut self, period: Duration) -> Duration {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let draw = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 54;
        let quarter = period / 4;
        period - quarter * u32::try_from(draw).unwrap_or(0) / 1023
    }
}

/// Doubling delay between a floor and a ceiling; the DampPeerOscillations of RFC 4271 §8.1.1.
#[derive(Debug)]
pub(crate) struct Backoff {
    floor: Duration,
    ceiling: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(floor: Duration, ceiling: Duration) -> Self {
        let ceiling = ceiling.max(floor);
        Self {
            floor,
            ceiling,
            next: floor,
        }
    }

    /// The delay to use now; the one after it is twice as long.
    pub(crate) fn advance(&mut self, jitter: &mut Jitter) -> Duration {
        let delay = self.next;
        self.next = (delay * 2).min(self.ceiling);
        jitter.apply(delay)
    }

    /// Begin at the floor again.
    pub(crate) fn reset(&mut self) {
        self.next = self.floor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_quarter() {
        let mut jitter = Jitter::new(7);
        let period = Duration::from_secs(100);
        let draws: Vec<_> = (0..1000).map(|_| jitter.apply(period)).collect();
        assert!(draws.iter().all(|d| *d >= period * 3 / 4 && *d <= period));
        let low = draws.iter().filter(|d| **d < period * 7 / 8).count();
        assert!((300..700).contains(&low), "{low} of 1000 in the lower half");
    }

    #[test]
    fn delays_double_up_to_the_ceiling_and_start_over() {
        let mut jitter = Jitter::new(1);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        let mut nominal = Vec::new();
        for _ in 0..5 {
            nominal.push(backoff.next.as_secs());
            backoff.advance(&mut jitter);
        }
        assert_eq!(nominal, [1, 2, 4, 5, 5]);
        backoff.reset();
        assert_eq!(backoff.next.as_secs(), 1);
    }
}
