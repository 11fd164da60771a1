//! Which IPv6 addresses of a provider network this node answers neighbour solicitations for: the
//! gateways that its ports send to, since with BGP to the host no router is on that link.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, LazyLock};

use ipnet::IpNet;
use uuid::Uuid;

use super::Inputs;
use crate::exposure::is_routable;

/// Nothing.
pub(in crate::exposure) fn none() -> Arc<[Ipv6Addr]> {
    static NONE: LazyLock<Arc<[Ipv6Addr]>> = LazyLock::new(|| Arc::from([]));
    NONE.clone()
}

/// The gateways of these subnets, sorted: the subnet's first address, which is Neutron's default gateway
/// and all that the Python agent answers for, and `::1`, everybody else's. Default routes, which may name
/// others, are not in this database. An address that a port on the network has is its own to answer
/// for.
pub(in crate::exposure) fn of(
    inputs: Inputs<'_>,
    switch: Uuid,
    subnets: impl IntoIterator<Item = IpNet>,
) -> Arc<[Ipv6Addr]> {
    let mut gateways = Vec::new();
    for subnet in subnets {
        // In shorter subnets the first addresses are hosts.
        if let IpNet::V6(subnet) = subnet
            && subnet.prefix_len() <= 126
            && is_routable(IpAddr::V6(subnet.addr()))
        {
            let first = subnet.network();
            gateways.extend([first, Ipv6Addr::from(u128::from(first) | 1)]);
        }
    }
    gateways.retain(|gateway| !inputs.southbound.owns(switch, *gateway));
    if gateways.is_empty() {
        return none();
    }
    gateways.sort_unstable();
    gateways.dedup();
    gateways.into()
}

/// The same for an exposure of one address: nothing for IPv4.
pub(super) fn for_address(
    ip: IpAddr,
    inputs: Inputs<'_>,
    switch: Uuid,
    subnets: impl IntoIterator<Item = IpNet>,
) -> Arc<[Ipv6Addr]> {
    match ip {
        IpAddr::V4(_) => none(),
        IpAddr::V6(_) => of(inputs, switch, subnets),
    }
}
