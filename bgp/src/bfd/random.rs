//! Discriminators and jitter.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Discriminator;

/// A small generator (xorshift64*): the crate must stay deterministic, so the caller gives the seed.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // Zero is the one state xorshift never leaves.
        Self(seed | 1)
    }

    fn draw(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let product = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        // The upper half: always fits.
        u32::try_from(product >> 32).unwrap_or(0)
    }

    /// A candidate; whether it is taken the caller knows.
    pub(super) fn discriminator(&mut self) -> Discriminator {
        Discriminator(NonZeroU32::new(self.draw()).unwrap_or(NonZeroU32::MIN))
    }

    /// The part of an interval that is waited before the next packet (RFC 5880 §6.8.7): 75 to 100 %, but with
    /// a multiplier of one at most 90 %, so that one packet is surely within the detection time.
    pub(super) fn pace(&mut self, detect_multiplier: u8) -> Pace {
        let most = if detect_multiplier == 1 { 900 } else { 1000 };
        Pace(750 + self.draw() % (most - 750 + 1))
    }
}

/// A part of an interval, in thousandths.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace(u32);

impl Pace {
    pub(super) fn of(self, interval: Duration) -> Duration {
        interval / 1000 * self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_spread_over_the_allowed_quarter() {
        let mut random = Random::new(7);
        let second = Duration::from_secs(1);
        for (multiplier, most) in [(1, 900), (2, 1000), (255, 1000)] {
            let mut draws: Vec<_> = (0..10_000)
                .map(|_| random.pace(multiplier).of(second).as_millis())
                .collect();
            draws.sort_unstable();
            assert_eq!(draws.first(), Some(&750));
            assert_eq!(draws.last(), Some(&most));
        }
    }
}
