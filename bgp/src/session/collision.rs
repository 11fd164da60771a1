//! Two connections between the same two speakers: which one stays (RFC 4271 §6.8, RFC 6286 §2.3).

use crate::wire::{Asn, RouterId};

/// One speaker's claim in a collision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    pub(crate) router_id: RouterId,
    /// Breaks the tie of equal identifiers between ASes.
    pub(crate) asn: Asn,
}

/// True when the connection that *we* opened survives: the speaker with the higher identifier keeps
/// the connection it initiated.
pub(crate) fn ours_survives(local: Claim, remote: Claim) -> bool {
    local > remote
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn claim(last: u8, asn: u32) -> Claim {
        Claim {
            router_id: RouterId(Ipv4Addr::new(192, 0, 2, last)),
            asn: Asn(asn),
        }
    }

    #[test]
    fn the_higher_identifier_keeps_its_connection() {
        assert!(ours_survives(claim(2, 1), claim(1, 9)));
        assert!(!ours_survives(claim(1, 9), claim(2, 1)));
    }

    #[test]
    fn equal_identifiers_are_decided_by_the_as_number() {
        assert!(ours_survives(claim(1, 65002), claim(1, 65001)));
        assert!(!ours_survives(claim(1, 65001), claim(1, 65002)));
    }

    #[test]
    fn both_ends_agree() {
        for (a, b) in [(claim(1, 1), claim(2, 1)), (claim(1, 1), claim(1, 2))] {
            assert_ne!(ours_survives(a, b), ours_survives(b, a));
        }
    }
}
