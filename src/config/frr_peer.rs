//! `bgp_backend = frr-peer`: the speaker's one neighbour is the FRR on this node.
//!
//! FRR takes a session only at an address that it knows to be the node's, and only from one that it does not
//! (it refuses its own addresses as neighbours): so from 127.0.0.1 to [`FRR_ADDRESS_V4`], which the agent puts on
//! `lo` for it. And it uses a next hop only if it is reachable and not the node's: that is the other address of
//! the same prefix. FRR puts its own in its place when it announces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bgp::wire::Asn;
use bgp::{Filter, Filters, LocalAs, PrefixList};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Config;
use super::bgp::{Endpoint, Neighbour, Session};
use super::choice::{RemoteAs, Ttl, UpdateSource};

/// The name that `show neighbors` gives it, unless `[bgp_neighbor local-frr]` says it all.
pub const NEIGHBOUR: &str = "local-frr";

/// Where FRR is connected to, with length 31 on `lo`.
pub const FRR_ADDRESS_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 255, 1);

/// The same for its prefix of length 127, which IPv6 next hops are in.
pub const FRR_ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfd53, 0xd91e, 0x400, 0x7f17, 0xffff, 0, 0, 1);

/// Next hop of IPv4 routes towards FRR, and our BGP identifier, which must not be FRR's.
pub const NEXT_HOP_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 255, 0);

/// Next hop of IPv6 routes towards FRR.
pub const NEXT_HOP_V6: Ipv6Addr = Ipv6Addr::new(0xfd53, 0xd91e, 0x400, 0x7f17, 0xffff, 0, 0, 0);

/// Where the speaker connects from: the neighbour, in FRR's words.
pub const OUR_ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// What the agent puts on `lo`.
pub fn addresses() -> [IpNet; 2] {
    [
        IpNet::V4(Ipv4Net::new_assert(FRR_ADDRESS_V4, 31)),
        IpNet::V6(Ipv6Net::new_assert(FRR_ADDRESS_V6, 127)),
    ]
}

/// Makes the speaker FRR's neighbour, and nobody else's server: FRR has the port and the routes.
pub(super) fn peer_with_frr(config: &mut Config, session: Session) {
    let bgp = &mut config.bgp;
    bgp.listen.clear();
    bgp.router_id = Some(NEXT_HOP_V4);
    bgp.fib.import = Some(PrefixList::nothing().into());
    if config.neighbours.iter().any(|n| n.name == NEIGHBOUR) {
        return;
    }
    let export = session.export.clone();
    config.neighbours.push(Neighbour {
        name: NEIGHBOUR.to_owned(),
        endpoint: Endpoint::Address(IpAddr::V4(FRR_ADDRESS_V4)),
        port: 179,
        description: "the FRR on this node".to_owned(),
        shutdown: None,
        group: None,
        session: Session {
            remote_as: RemoteAs::Number(bgp.asn),
            local_as: Some(LocalAs {
                asn: Asn(config.agent.frr_peer_as),
                prepend_received: false,
                replace: true,
            }),
            password: None,
            passive: false,
            update_source: Some(UpdateSource::Address(IpAddr::V4(OUR_ADDRESS))),
            bind_device: None,
            ttl: Ttl::Standard,
            next_hop_ipv4: Some(NEXT_HOP_V4),
            next_hop_ipv6: Some(NEXT_HOP_V6),
            import: Filters::both(Filter::prefixes(PrefixList::nothing())),
            export,
            bfd: None,
            ..session
        },
    });
}
