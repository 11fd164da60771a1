//! Which IPv6 addresses of a provider network this node answers neighbour solicitations for: the
//! gateways that its ports send to, since with BGP to the host no router is on that link.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, LazyLock};

use ipnet::{IpNet, Ipv6Net};

use crate::exposure::is_routable;
use crate::ovn::Northbound;

/// Nothing.
pub(super) fn none() -> Arc<[Ipv6Addr]> {
    static NONE: LazyLock<Arc<[Ipv6Addr]>> = LazyLock::new(|| Arc::from([]));
    NONE.clone()
}

/// The gateways of these subnets, sorted: the subnet's first address, which is Neutron's default
/// gateway and all that the Python agent answers for; `::1`, everybody else's; and the next hops of
/// routers' default routes. An address that a port on the network has is its own to answer for.
pub(super) fn of(nb: &Northbound, network: &str, subnets: &[IpNet]) -> Arc<[Ipv6Addr]> {
    let mut gateways = Vec::new();
    for subnet in subnets {
        // In shorter subnets the first addresses are hosts.
        if let IpNet::V6(subnet) = subnet
            && subnet.prefix_len() <= 126
            && is_routable(IpAddr::V6(subnet.addr()))
        {
            gateways.extend(candidates(nb, subnet.trunc()));
        }
    }
    if let Some(network) = nb.network(network) {
        gateways.retain(|gateway| !network.owns(*gateway));
    }
    if gateways.is_empty() {
        return none();
    }
    gateways.sort_unstable();
    gateways.dedup();
    gateways.into()
}

fn candidates(nb: &Northbound, subnet: Ipv6Net) -> impl Iterator<Item = Ipv6Addr> + '_ {
    let first = subnet.network();
    let second = Ipv6Addr::from(u128::from(first) | 1);
    [first, second].into_iter().chain(nb.ipv6_gateways(subnet))
}
