//! From the leaf to VMs behind Open vSwitch and back, through what the agent wired: a provider address, a floating IP of a VM behind a
//! router, the router's gateway port; IPv4 and IPv6.

use anyhow::Result;
use interop::Generation;

use crate::NEEDS;
use crate::cloud::{Cloud, pings};
use crate::fabric::{LEAF_V4, LEAF_V6};
use crate::neutron::{Fip, GATEWAY_V4, GATEWAY_V6, PUBLIC, Port, TENANT};

const PROVIDER: Port = Port {
    id: "2da56079-d39d-43a7-b2b0-706ae8fab57f",
    network: PUBLIC,
    mac: "fa:16:3e:35:86:70",
    v4: "172.24.4.70",
    v6: "2001:db8:100:0:f816:3eff:fe35:8670",
};
const BEHIND_ROUTER: Port = Port {
    id: "9c910be3-cb0f-40eb-9b11-f8cfeb42afe5",
    network: TENANT,
    mac: "fa:16:3e:f5:fc:70",
    v4: "10.10.8.170",
    v6: "2a05:d014:aa:8:f816:3eff:fef5:fc70",
};
const FIP_V4: Fip = Fip {
    address: "172.24.4.171",
    mac: "fa:16:3e:2e:8b:71",
};
/// Neutron has none for IPv6; OVN has.
const FIP_V6: Fip = Fip {
    address: "2001:db8:100::171",
    mac: "fa:16:3e:2e:8b:76",
};

#[test]
fn the_leaf_reaches_provider_addresses_floating_ips_and_gateways() {
    if interop::requirement::is_met(NEEDS) {
        reach().unwrap();
    }
}

fn reach() -> Result<()> {
    let cloud = Cloud::build(Generation::Bookworm, 1, 1)?;
    let provider = cloud.boot(&PROVIDER, 0)?;
    let behind = cloud.boot(&BEHIND_ROUTER, 0)?;
    cloud.neutron.associate(&FIP_V4, &BEHIND_ROUTER, None)?;
    cloud.neutron.associate(&FIP_V6, &BEHIND_ROUTER, None)?;
    let addresses = [
        PROVIDER.v4,
        PROVIDER.v6,
        FIP_V4.address,
        FIP_V6.address,
        GATEWAY_V4,
        GATEWAY_V6,
    ];
    let prefixes = addresses.map(|address| {
        if address.contains(':') {
            format!("{address}/128")
        } else {
            format!("{address}/32")
        }
    });
    for prefix in &prefixes {
        cloud.settle(&[(prefix, Some(0))])?;
    }
    for address in addresses {
        let from = if address.contains(':') {
            LEAF_V6
        } else {
            LEAF_V4
        };
        pings(&cloud.leaf.namespace, address, Some(from))?;
    }
    for (vm, address) in [
        (&provider, LEAF_V4),
        (&provider, LEAF_V6),
        (&behind, LEAF_V4),
        (&behind, LEAF_V6),
    ] {
        pings(&vm.namespace, address, None)?;
    }
    // Neutron's default for an IPv6 subnet is its first address
    provider
        .namespace
        .ip("-6 route replace default via 2001:db8:100:: dev eth0")?;
    pings(&provider.namespace, LEAF_V6, None)?;
    pings(&cloud.leaf.namespace, PROVIDER.v6, Some(LEAF_V6))
}
