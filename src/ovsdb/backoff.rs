//! Which server next, and when. Pure.

use std::time::Duration;

/// Goes round a list of servers: each round tries every server without a pause, and the pause
/// between rounds doubles, with jitter so that a fleet does not come back in step.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    servers: usize,
    min: Duration,
    max: Duration,
    current: usize,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(servers: usize, min: Duration, max: Duration) -> Self {
        Self {
            servers: servers.max(1),
            min,
            max,
            current: 0,
            failures: 0,
        }
    }

    /// Index of the server to try.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// The session has proved itself: the next failure counts as the first.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Turns to the next server; returns the pause before trying it. `jitter` is in 0..1.
    pub(super) fn failed(&mut self, jitter: f64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.current = (self.current + 1) % self.servers;
        let servers = u32::try_from(self.servers).unwrap_or(u32::MAX);
        let (round, within) = (self.failures / servers, self.failures % servers);
        if round == 0 || within != 0 {
            return Duration::ZERO;
        }
        let pause = self
            .min
            .saturating_mul(1_u32 << (round - 1).min(20))
            .min(self.max);
        pause.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(100);
    const MAX: Duration = Duration::from_secs(1);

    #[test]
    fn every_server_is_tried_before_the_first_pause() {
        let mut backoff = Backoff::new(3, MIN, MAX);
        let tried: Vec<_> = (0..4)
            .map(|_| (backoff.failed(1.0), backoff.current()))
            .collect();
        let zero = Duration::ZERO;
        assert_eq!(tried, [(zero, 1), (zero, 2), (MIN, 0), (zero, 1)]);
    }

    #[test]
    fn pauses_double_up_to_the_limit() {
        let mut backoff = Backoff::new(1, MIN, MAX);
        let pauses: Vec<_> = (0..6).map(|_| backoff.failed(1.0).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1000, 1000]);
        for _ in 0..100 {
            assert_eq!(backoff.failed(1.0), MAX);
        }
    }

    #[test]
    fn jitter_takes_away_up_to_half() {
        assert_eq!(Backoff::new(1, MIN, MAX).failed(0.0), MIN / 2);
    }

    #[test]
    fn success_starts_from_the_beginning() {
        let mut backoff = Backoff::new(1, MIN, MAX);
        backoff.failed(1.0);
        backoff.failed(1.0);
        backoff.succeeded();
        assert_eq!(backoff.failed(1.0), MIN);
    }
}
