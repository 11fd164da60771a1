//! Next hop self: which of our addresses a peer is told to send traffic to (RFC 4271 §5.1.3, RFC 2545 §3,
//! RFC 8950 §3, draft-ietf-idr-linklocal-capability §3).

use std::net::{IpAddr, Ipv6Addr};

use crate::session::{Ends, Negotiated};
use crate::speaker::PeerConfig;
use crate::wire::{Family, NextHop};

/// Next hop self, per family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NextHops {
    v4: Option<NextHop>,
    v6: Option<NextHop>,
}

impl NextHops {
    /// The configured address, else the session's own, else one of the interface. IPv4 routes of a session over
    /// IPv6 have an IPv6 next hop where that was agreed: it works without any IPv4 address on the link.
    pub(super) fn new(config: &PeerConfig, ends: &Ends, negotiated: &Negotiated) -> Self {
        let configured_v6 = config.next_hop_v6.map(NextHop::from);
        let v6 = configured_v6.or_else(|| session_v6(ends, negotiated));
        let extended = negotiated
            .codec
            .extended_next_hop
            .contains(&Family::IPV4_UNICAST);
        let v4 = match (config.next_hop_v4, ends.local) {
            (Some(configured), _) => Some(configured.into()),
            (None, IpAddr::V6(_)) if extended => v6,
            (None, IpAddr::V4(session)) => Some(session.into()),
            (None, IpAddr::V6(_)) => None,
        };
        let v4 = v4.or_else(|| ends.local_v4.map(NextHop::from));
        Self { v4, v6 }
    }

    /// The next hop of a family's routes; `None` when this node has no address the peer could use.
    pub(super) fn of(self, family: Family) -> Option<NextHop> {
        match family {
            Family::IPV4_UNICAST => self.v4,
            Family::IPV6_UNICAST => self.v6,
            _ => None,
        }
    }
}

/// The IPv6 next hop that the session's addresses give.
fn session_v6(ends: &Ends, negotiated: &Negotiated) -> Option<NextHop> {
    match ends.local {
        IpAddr::V6(local) if local.is_unicast_link_local() => {
            Some(over_link_local(local, ends.local_v6, negotiated))
        }
        IpAddr::V6(local) => Some(local.into()),
        IpAddr::V4(_) => ends.local_v6.map(NextHop::from),
    }
}

/// A global address and the link-local one, where the interface has both (RFC 2545 §3). With a link-local one
/// alone, 16 octets if the peer said that it knows that form (capability 77); to others the address is sent twice, as
/// FRR and with it most fabrics do: routers that insist on RFC 2545's lengths for a link-local address take it
/// (osrg/gobgp#2280), and every speaker of our labs.
fn over_link_local(local: Ipv6Addr, global: Option<Ipv6Addr>, negotiated: &Negotiated) -> NextHop {
    let address = global.unwrap_or(local);
    let alone = global.is_none() && negotiated.link_local_next_hop;
    NextHop::V6 {
        address,
        link_local: (!alone).then_some(local),
    }
}
