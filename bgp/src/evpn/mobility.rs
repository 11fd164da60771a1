//! MAC addresses that move (RFC 7432 §7.7), and those that move too often (§15.1).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::event::RemoteHost;
use super::local::LocalHost;
use crate::wire::evpn::Mobility;

/// Moves within [`WINDOW`] that make an address a duplicate (RFC 7432 §15.1: N).
pub(super) const MOVES: usize = 5;

/// RFC 7432 §15.1: M.
pub(super) const WINDOW: Duration = Duration::from_secs(180);

/// A MAC address that this node has, in one bridged network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Local {
    standing: Standing,
    sequence: u32,
    /// Somebody else has it since, by the rules: he is believed, and we are silent.
    superseded: bool,
    /// The last [`MOVES`] of them.
    moves: VecDeque<Instant>,
}

/// What is still known of an address that nobody has at present.
///
/// A database tells both nodes of a migration at once, and the node that loses the host may have withdrawn it before the
/// one that gains it speaks. Peers may hear these two in either order (through two reflectors, say), so the number of the
/// newer word has to be higher all the same (RFC 7432 §7.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Past {
    /// Lower ones are old.
    sequence: u32,
    ended: Instant,
    /// See [`Local::moves`].
    moves: VecDeque<Instant>,
}

/// Somebody else says that he has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) mobility: Mobility,
    pub(super) vtep: IpAddr,
}

/// How a host of ours stands against others' claims to its MAC address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) sticky: bool,
    pub(super) gateway: bool,
}

/// A MAC address moves between VTEPs faster than hosts do: it is on two of them, or there is a loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Duplicate;

impl Local {
    /// The address appeared here at `now`, while others claimed it or not: ours is the newer word (RFC 7432 §7.7).
    /// `before` is what is known of earlier stays.
    pub(super) fn appeared(
        standing: Standing,
        best: Option<Claim>,
        before: Option<Past>,
        now: Instant,
    ) -> (Self, Option<Duplicate>) {
        let before = before.filter(|past| past.counts_at(now));
        let (mut sequence, mut moves) =
            before.map_or((0, VecDeque::new()), |past| (past.sequence, past.moves));
        let mut duplicate = None;
        if let Some(claim) = best {
            moves.retain(|at| now.saturating_duration_since(*at) < WINDOW);
            moves.push_back(now);
            if moves.len() > MOVES {
                moves.pop_front();
            }
            if moves.len() >= MOVES {
                // §15.1: no more routes are exchanged about it; a sequence that stands still does so for both.
                duplicate = Some(Duplicate);
            } else {
                sequence = sequence.max(claim.mobility.sequence.saturating_add(1));
            }
        }
        let this = Self {
            standing,
            sequence,
            superseded: false,
            moves,
        };
        (this, duplicate)
    }

    /// The best of what others say changed. True when that changes what we say.
    pub(super) fn hear(&mut self, best: Option<Claim>, ours: IpAddr) -> bool {
        let superseded = best.is_some_and(|claim| claim.wins(self, ours));
        std::mem::replace(&mut self.superseded, superseded) != superseded
    }

    /// What is to be said of it; nothing while somebody else has it.
    pub(super) fn mobility(&self) -> Option<Mobility> {
        (!self.superseded).then_some(Mobility {
            sticky: self.standing.sticky,
            sequence: self.sequence,
        })
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether it has moved too often until `now`.
    pub(super) fn is_duplicate_at(&self, now: Instant) -> bool {
        are_too_many(&self.moves, now)
    }
}

impl Past {
    /// What remains of a stay on this node that ended at `now`; nothing where no number and no move is to be remembered.
    pub(super) fn here(local: Local, now: Instant) -> Option<Self> {
        let past = Self {
            sequence: local.sequence,
            ended: now,
            moves: local.moves,
        };
        (past.sequence > 0 || !past.moves.is_empty()).then_some(past)
    }

    /// Nobody else has it since `now`, who had it with this number; `before` is what was known before him.
    pub(super) fn elsewhere(mobility: Mobility, before: Option<Self>, now: Instant) -> Self {
        let next = mobility.sequence.saturating_add(1);
        let (sequence, moves) =
            before.map_or((0, VecDeque::new()), |past| (past.sequence, past.moves));
        Self {
            sequence: next.max(sequence),
            ended: now,
            moves,
        }
    }

    /// Whether it has moved too often until `now`.
    pub(super) fn is_duplicate_at(&self, now: Instant) -> bool {
        are_too_many(&self.moves, now)
    }

    /// Whether it is still to be remembered.
    pub(super) fn counts_at(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.ended) < WINDOW
    }
}

fn are_too_many(moves: &VecDeque<Instant>, now: Instant) -> bool {
    let recent = |at: &&Instant| now.saturating_duration_since(**at) < WINDOW;
    moves.iter().filter(recent).count() >= MOVES
}

impl Standing {
    /// What a remote host claims of it. RFC 7432 §10.1: gateways of a network may share a MAC address, each on its node.
    pub(super) fn rival(self, host: &RemoteHost) -> Option<Claim> {
        (!(self.gateway && host.gateway)).then(|| host.claim())
    }
}

impl From<&LocalHost> for Standing {
    fn from(host: &LocalHost) -> Self {
        Self {
            sticky: host.sticky,
            gateway: host.gateway,
        }
    }
}

impl Claim {
    /// RFC 7432 §7.7: the higher sequence, between equals the lower VTEP; §15.2: a sticky one against none.
    fn wins(&self, local: &Local, ours: IpAddr) -> bool {
        if local.standing.sticky != self.mobility.sticky {
            return self.mobility.sticky;
        }
        let (theirs, own) = (self.mobility.sequence, local.sequence);
        theirs > own || (theirs == own && self.vtep < ours)
    }

    /// Which of two claims of others is believed, by the same rule.
    pub(super) fn rank(&self) -> (bool, u32, std::cmp::Reverse<IpAddr>) {
        (
            self.mobility.sticky,
            self.mobility.sequence,
            std::cmp::Reverse(self.vtep),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 5));

    fn claim(sequence: u32, last: u8) -> Claim {
        let mobility = Mobility {
            sticky: false,
            sequence,
        };
        let vtep = [192, 0, 2, last].into();
        Claim { mobility, vtep }
    }

    fn appeared(best: Option<Claim>, before: Option<Past>, now: Instant) -> Local {
        Local::appeared(Standing::default(), best, before, now).0
    }

    fn sequence(local: &Local) -> Option<u32> {
        local.mobility().map(|mobility| mobility.sequence)
    }

    #[test]
    fn a_new_address_starts_at_zero_and_one_that_came_from_elsewhere_is_newer() {
        let now = Instant::now();
        assert_eq!(sequence(&appeared(None, None, now)), Some(0));
        assert_eq!(sequence(&appeared(Some(claim(6, 1)), None, now)), Some(7));
    }

    #[test]
    fn the_higher_sequence_has_the_address_and_the_lower_vtep_between_equals() {
        let mut local = appeared(Some(claim(2, 1)), None, Instant::now());
        assert_eq!(sequence(&local), Some(3));
        assert!(!local.hear(Some(claim(2, 1)), OURS));
        assert!(
            !local.hear(Some(claim(3, 9)), OURS),
            "a higher VTEP does not win"
        );
        assert!(local.hear(Some(claim(3, 1)), OURS));
        assert_eq!(sequence(&local), None);
        assert!(local.hear(None, OURS), "who had it is gone");
        assert_eq!(sequence(&local), Some(3));
        assert!(local.hear(Some(claim(4, 9)), OURS));
    }

    #[test]
    fn an_address_that_was_withdrawn_elsewhere_is_newer_for_three_minutes() {
        let start = Instant::now();
        let past = Past::elsewhere(claim(6, 1).mobility, None, start);
        let soon = start + WINDOW / 2;
        assert_eq!(sequence(&appeared(None, Some(past.clone()), soon)), Some(7));
        let (again, lower) = (Some(past.clone()), Some(claim(2, 1)));
        assert_eq!(sequence(&appeared(lower, again, soon)), Some(7));
        let lower = Past::elsewhere(claim(2, 2).mobility, Some(past), soon);
        assert_eq!(
            sequence(&appeared(None, Some(lower.clone()), soon)),
            Some(7)
        );
        assert_eq!(
            sequence(&appeared(None, Some(lower), soon + WINDOW)),
            Some(0)
        );
    }

    #[test]
    fn a_sticky_address_stays_with_whoever_says_so() {
        let now = Instant::now();
        let sticky = Standing {
            sticky: true,
            gateway: false,
        };
        let (mut local, _) = Local::appeared(sticky, None, None, now);
        assert!(!local.hear(Some(claim(1000, 1)), OURS));
        let mut moving = appeared(None, None, now);
        let mut fixed = claim(0, 9);
        fixed.mobility.sticky = true;
        assert!(moving.hear(Some(fixed), OURS));
    }

    #[test]
    fn five_moves_in_three_minutes_are_a_duplicate_and_its_sequence_stands_still() {
        let start = Instant::now();
        let mut local = appeared(Some(claim(0, 1)), None, start);
        for (nth, at) in (2..5).zip(1..) {
            let now = start + Duration::from_secs(at);
            let before = sequence(&local).unwrap();
            let (next, duplicate) = Local::appeared(
                Standing::default(),
                Some(claim(before + 1, 1)),
                Past::here(local, now),
                now,
            );
            assert_eq!(duplicate, None, "move {nth}");
            local = next;
        }
        let held = sequence(&local);
        let now = start + Duration::from_secs(10);
        let (local, duplicate) = Local::appeared(
            Standing::default(),
            Some(claim(50, 1)),
            Past::here(local, now),
            now,
        );
        assert_eq!((duplicate, sequence(&local)), (Some(Duplicate), held));
        let later = now + WINDOW;
        let (local, duplicate) = Local::appeared(
            Standing::default(),
            Some(claim(50, 1)),
            Past::here(local, later),
            later,
        );
        assert_eq!((duplicate, sequence(&local)), (None, Some(51)));
    }
}
