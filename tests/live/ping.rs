//! From the leaf to VMs behind Open vSwitch and back, through what the agent wired: a provider address, a floating IP of a VM behind a
//! router, the router's gateway port; IPv4 and IPv6.

use anyhow::Result;
use interop::Generation;
use interop::cloud::objects::{Fip, Port, host_prefix};
use interop::cloud::{LEAF_V4, LEAF_V6, pings};

use crate::{NEEDS, cloud};

#[test]
fn the_leaf_reaches_provider_addresses_floating_ips_and_gateways() {
    if interop::requirement::is_met(NEEDS) {
        reach().unwrap();
    }
}

fn reach() -> Result<()> {
    let cloud = cloud(Generation::Bookworm, 1, "")?;
    let basics = cloud.furnish(&[0], false)?;
    let (public, way) = (&basics.public, basics.way(true));
    let ports = [Port::new(public, 70), Port::new(&basics.tenant, 170)];
    let fips = [Fip::new(public, 171), Fip::v6(public, 172)];
    let [provider, behind] = [cloud.boot(&ports[0], 0)?, cloud.boot(&ports[1], 0)?];
    for fip in &fips {
        cloud.neutron.associate(fip, &ports[1], &way, None)?;
    }
    let [own, fips] = [[public.v4(40), public.v6(40)], fips.map(|fip| fip.address)];
    let addresses = [[ports[0].v4(), ports[0].v6()], own, fips].concat();
    for address in &addresses {
        cloud.settle(&[(&host_prefix(address), Some(0))])?;
    }
    let leaf = &cloud.leaves[0].namespace;
    for address in &addresses {
        let six = address.contains(':');
        pings(leaf, address, Some(if six { LEAF_V6 } else { LEAF_V4 }))?;
    }
    for vm in [&provider, &behind] {
        pings(&vm.namespace, LEAF_V4, None)?;
        pings(&vm.namespace, LEAF_V6, None)?;
    }
    // Neutron's default for an IPv6 subnet is its first address
    let first = public.v6(0).replace("::0", "::");
    let line = format!("-6 route replace default via {first} dev eth0");
    provider.namespace.ip(&line)?;
    pings(&provider.namespace, LEAF_V6, None)?;
    pings(leaf, &ports[0].v6(), Some(LEAF_V6))
}
