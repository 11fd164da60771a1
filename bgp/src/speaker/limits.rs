//! How much a peer may teach (RFC 4271 §6.7, RFC 4486 §4): memory per peer is bounded.

use super::Speaker;
use super::port::{Event, Output, PeerId};
use crate::speaker::MaxPrefixes;

/// How close a peer is to its limit, for saying so once each time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    #[default]
    Low,
    /// At the warning percentage.
    High,
    /// At the limit, with routes that were not taken.
    Over,
}

impl MaxPrefixes {
    /// Routes from which on a warning is due.
    fn warn_at(&self) -> usize {
        self.limit / 100 * usize::from(self.warn_percent)
            + self.limit % 100 * usize::from(self.warn_percent) / 100
    }

    fn pressure(&self, count: usize, refused: bool) -> Pressure {
        if refused {
            Pressure::Over
        } else if count >= self.warn_at() {
            Pressure::High
        } else {
            Pressure::Low
        }
    }
}

impl Speaker {
    /// After a peer has taught something, or its limit has changed: warn, or end the session.
    pub(super) fn limit_prefixes(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let allowed = peer.config.max_prefixes;
        let count = peer.adj_in.len() + self.tenants.evpn.learned().len(id);
        if count > allowed.limit && !allowed.warn_only {
            self.with_session(id, |session, env| session.refuse_routes(&allowed, env));
            return;
        }
        let refused = std::mem::take(&mut peer.refused);
        let pressure = allowed.pressure(count, refused > 0);
        if pressure > peer.pressure {
            self.outputs.push_back(Output::Event(Event::PrefixLimit {
                peer: id,
                count,
                limit: allowed.limit,
                refused: refused > 0,
            }));
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            // What was refused stays away until the peer tells it again: that is said once a session.
            peer.pressure = match pressure {
                Pressure::Low => Pressure::Low,
                other => other.max(peer.pressure),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_comes_at_the_percentage() {
        let allowed = |limit, warn_percent| MaxPrefixes {
            limit,
            warn_percent,
            ..MaxPrefixes::default()
        };
        assert_eq!(allowed(200_000, 75).warn_at(), 150_000);
        assert_eq!(allowed(10, 75).warn_at(), 7);
        assert_eq!(allowed(usize::MAX, 100).warn_at(), usize::MAX);
    }
}
