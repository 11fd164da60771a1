//! Which peer wants to be looked at next. An input touches one peer: the others' timers are not asked.

use std::collections::BTreeSet;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::port::PeerId;

/// The deadline of every peer that has one.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, PeerId)>,
    armed: FxHashMap<PeerId, Instant>,
}

impl Timers {
    /// This peer's deadline is now that.
    pub(crate) fn set(&mut self, peer: PeerId, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.armed.insert(peer, at),
            None => self.armed.remove(&peer),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.queue.remove(&(before, peer));
        }
        if let Some(at) = at {
            self.queue.insert((at, peer));
        }
    }

    /// The first deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Whose deadline has come by `now`, first come first.
    pub(crate) fn due(&self, now: Instant) -> Vec<PeerId> {
        let due = self.queue.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, peer)| *peer).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_first_deadline_counts_and_a_later_word_replaces_an_earlier() {
        let start = Instant::now();
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(PeerId(1), at(5));
        timers.set(PeerId(2), at(3));
        assert_eq!(timers.next(), at(3));
        timers.set(PeerId(2), at(9));
        timers.set(PeerId(2), at(9));
        assert_eq!(timers.next(), at(5));
        assert_eq!(
            timers.due(start + Duration::from_secs(9)),
            [PeerId(1), PeerId(2)]
        );
        timers.set(PeerId(1), None);
        timers.set(PeerId(2), None);
        assert_eq!(timers.next(), None);
        assert!(timers.armed.is_empty());
    }
}
