//! The life of a port and of a floating IP, step by step: at each the leaf has one next hop, the right one, or none.

use anyhow::{Result, ensure};
use interop::Generation;

use crate::NEEDS;
use crate::cloud::{Cloud, pings};
use crate::fabric::LEAF_V4;
use crate::neutron::{Fip, PUBLIC, Port, TENANT};

const PROVIDER: Port = Port {
    id: "7c7b69e5-e06d-487d-a380-357d55dc92f1",
    network: PUBLIC,
    mac: "fa:16:3e:35:86:62",
    v4: "172.24.4.64",
    v6: "2001:db8:100:0:f816:3eff:fe35:8662",
};
const PROVIDER_V4: &str = "172.24.4.64/32";
const PROVIDER_V6: &str = "2001:db8:100:0:f816:3eff:fe35:8662/128";
const FIRST: Port = Port {
    id: "e45c6746-6e6b-4bd4-82e2-f96d9111c4b6",
    network: TENANT,
    mac: "fa:16:3e:f5:fc:1e",
    v4: "10.10.8.158",
    v6: "2a05:d014:aa:8:f816:3eff:fef5:fc1e",
};
const SECOND: Port = Port {
    id: "11953328-7c57-4802-88ba-800ffb5016d0",
    network: TENANT,
    mac: "fa:16:3e:2e:8b:99",
    v4: "10.10.8.99",
    v6: "2a05:d014:aa:8:f816:3eff:fe2e:8b99",
};
const FIP: Fip = Fip {
    address: "172.24.4.157",
    mac: "fa:16:3e:2e:8b:cd",
};
const FIP_V4: &str = "172.24.4.157/32";

#[test]
fn a_provider_port_is_at_the_leaf_while_it_is_up_and_bound() {
    if interop::requirement::is_met(NEEDS) {
        provider_port().unwrap();
    }
}

fn provider_port() -> Result<()> {
    let cloud = Cloud::build(Generation::Bookworm, 1, 0)?;
    let there = [(PROVIDER_V4, Some(0)), (PROVIDER_V6, Some(0))];
    let gone = [(PROVIDER_V4, None), (PROVIDER_V6, None)];

    cloud.neutron.create_port(&PROVIDER, "compute-1")?;
    cloud.nodes[0].wait_explained(PROVIDER.v4, "up is not true")?;
    cloud.settle(&gone)?;
    // nothing else is here: ovn-controller makes the patch ports with the first VM
    ensure!(
        !cloud.nodes[0].has_patch_port(),
        "a patch port without a VM"
    );
    let vm = cloud.plug(&PROVIDER, 0)?;
    cloud.settle(&there)?;
    pings(&cloud.leaf.namespace, PROVIDER.v4, Some(LEAF_V4))?;

    // somebody deletes a patch port: ovn-controller makes another, with a port number of its own
    let patch = "patch-provnet-e73e7398-514f-4bf1-af8a-d38a241eebfd-to-br-int";
    cloud.nodes[0]
        .chassis
        .switch
        .vsctl(&["del-port", "br-ex", patch])?;
    interop::wait_until(interop::PATIENCE, patch, || cloud.nodes[0].has_patch_port())?;
    cloud.settle(&there)?;
    pings(&cloud.leaf.namespace, PROVIDER.v4, Some(LEAF_V4))?;
    cloud.settle(&there)?;
    cloud.forget();

    cloud.neutron.enable(&PROVIDER, false)?;
    cloud.settle(&gone)?;
    cloud.neutron.enable(&PROVIDER, true)?;
    cloud.settle(&there)?;

    cloud.nodes[0].chassis.unplug(vm)?;
    cloud.settle(&gone)?;
    let _vm = cloud.plug(&PROVIDER, 0)?;
    cloud.settle(&there)?;
    pings(&cloud.leaf.namespace, PROVIDER.v4, Some(LEAF_V4))?;

    cloud.neutron.delete_port(&PROVIDER)?;
    cloud.settle(&gone)?;
    for prefix in [PROVIDER_V4, PROVIDER_V6] {
        let changes = cloud.changes(prefix);
        let alternating = [false, true, false, true, false].map(|there| (0, there));
        ensure!(
            changes == alternating,
            "{prefix} was said more often than it changed: {changes:?}"
        );
    }
    for line in [
        "Starting BGP Agent...",
        "BGP Agent Started...",
        "Loaded chassis c1a4b1d6-",
    ] {
        cloud.nodes[0].wait_logged(line)?;
    }
    cloud.nodes[0].wait_logged("Add BGP route for logical port with ip 172.24.4.64")?;
    cloud.nodes[0].wait_steered(&[PROVIDER.v4, PROVIDER.v6], false)
}

#[test]
fn a_floating_ip_is_at_the_leaf_where_its_vm_is() {
    if interop::requirement::is_met(NEEDS) {
        floating_ip().unwrap();
    }
}

fn floating_ip() -> Result<()> {
    let cloud = Cloud::build(Generation::Trixie, 2, 2)?;
    let first = cloud.boot(&FIRST, 0)?;
    let _second = cloud.boot(&SECOND, 1)?;
    cloud.settle(&[(FIP_V4, None)])?;

    cloud.neutron.associate(&FIP, &FIRST, None)?;
    cloud.settle(&[(FIP_V4, Some(0))])?;
    ensure!(
        cloud.changes(FIP_V4) == [(0, true)],
        "{:?}",
        cloud.changes(FIP_V4)
    );

    cloud.nodes[0].wait_logged("Add BGP route for FIP with ip 172.24.4.157")?;
    pings(&cloud.leaf.namespace, FIP.address, Some(LEAF_V4))?;

    for (old, new, from, to) in [(&FIRST, &SECOND, 0, 1), (&SECOND, &FIRST, 1, 0)] {
        cloud.forget();
        cloud.neutron.associate(&FIP, new, Some(old))?;
        cloud.settle(&[(FIP_V4, Some(to))])?;
        cloud.check_moved(FIP_V4, from, to)?;
        pings(&cloud.leaf.namespace, FIP.address, Some(LEAF_V4))?;
    }

    cloud.nodes[0].chassis.unplug(first)?;
    cloud.settle(&[(FIP_V4, None)])?;
    let _first = cloud.plug(&FIRST, 0)?;
    cloud.settle(&[(FIP_V4, Some(0))])?;
    cloud.neutron.disassociate(&FIP, &FIRST)?;
    cloud.settle(&[(FIP_V4, None)])?;

    cloud.neutron.associate(&FIP, &SECOND, None)?;
    cloud.settle(&[(FIP_V4, Some(1))])?;
    cloud.neutron.delete_port(&SECOND)?;
    cloud.settle(&[(FIP_V4, None)])?;
    cloud.nodes[1].wait_steered(&[FIP.address], false)
}
