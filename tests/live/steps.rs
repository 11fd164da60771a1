//! The life of a port and of a floating IP, step by step: at each the leaf has one next hop, the right one, or none.

use anyhow::{Result, ensure};
use interop::Generation;
use interop::cloud::objects::{Fip, Port, host_prefix};
use interop::cloud::{LEAF_V4, pings};

use crate::{NEEDS, cloud};

#[test]
fn a_provider_port_is_at_the_leaf_while_it_is_up_and_bound() {
    if interop::requirement::is_met(NEEDS) {
        provider_port().unwrap();
    }
}

fn provider_port() -> Result<()> {
    let cloud = cloud(Generation::Bookworm, 1, "")?;
    let basics = cloud.furnish(&[], false)?;
    let port = Port::new(&basics.public, 64);
    let (v4, v6) = (port.v4(), port.v6());
    let prefixes = [host_prefix(&v4), host_prefix(&v6)];
    let [there, gone] =
        [Some(0), None].map(|by| prefixes.each_ref().map(|prefix| (prefix.as_str(), by)));

    cloud.neutron.create_port(&port, "compute-1")?;
    cloud.nodes[0].wait_explained(&v4, "up is not true")?;
    cloud.settle(&gone)?;
    // nothing else is here: ovn-controller makes the patch ports with the first VM
    ensure!(
        !cloud.nodes[0].has_patch_port(),
        "a patch port without a VM"
    );
    let vm = cloud.plug(&port, 0)?;
    cloud.settle(&there)?;
    pings(&cloud.leaves[0].namespace, &v4, Some(LEAF_V4))?;

    // somebody deletes a patch port: ovn-controller makes another, with a port number of its own
    let patch = format!("patch-provnet-{}-to-br-int", basics.public.id);
    let switch = &cloud.nodes[0].chassis.switch;
    switch.vsctl(&["del-port", "br-ex", &patch])?;
    interop::wait_until(interop::PATIENCE, &patch, || {
        cloud.nodes[0].has_patch_port()
    })?;
    cloud.settle(&there)?;
    pings(&cloud.leaves[0].namespace, &v4, Some(LEAF_V4))?;
    cloud.settle(&there)?;
    cloud.forget();

    cloud.neutron.enable(&port, false)?;
    cloud.settle(&gone)?;
    cloud.neutron.enable(&port, true)?;
    cloud.settle(&there)?;

    cloud.nodes[0].chassis.unplug(vm)?;
    cloud.settle(&gone)?;
    let _vm = cloud.plug(&port, 0)?;
    cloud.settle(&there)?;
    pings(&cloud.leaves[0].namespace, &v4, Some(LEAF_V4))?;

    cloud.neutron.delete_port(&port)?;
    cloud.settle(&gone)?;
    for prefix in &prefixes {
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
        &format!("Add BGP route for logical port with ip {v4}"),
    ] {
        cloud.nodes[0].wait_logged(line)?;
    }
    cloud.nodes[0].wait_steered(&[&v4, &v6], false)
}

#[test]
fn a_floating_ip_is_at_the_leaf_where_its_vm_is() {
    if interop::requirement::is_met(NEEDS) {
        floating_ip().unwrap();
    }
}

fn floating_ip() -> Result<()> {
    let cloud = cloud(Generation::Trixie, 2, "")?;
    let basics = cloud.furnish(&[0, 1], false)?;
    let (way, neutron) = (basics.way(true), &cloud.neutron);
    let [one, other] = [158, 99].map(|host| Port::new(&basics.tenant, host));
    let fip = Fip::new(&basics.public, 157);
    let prefix = fip.prefix();
    let vm = cloud.boot(&one, 0)?;
    let _other = cloud.boot(&other, 1)?;
    cloud.settle(&[(&prefix, None)])?;

    neutron.associate(&fip, &one, &way, None)?;
    cloud.settle(&[(&prefix, Some(0))])?;
    let changes = cloud.changes(&prefix);
    ensure!(changes == [(0, true)], "{changes:?}");

    cloud.nodes[0].wait_logged(&format!("Add BGP route for FIP with ip {}", fip.address))?;
    let leaf = &cloud.leaves[0].namespace;
    pings(leaf, &fip.address, Some(LEAF_V4))?;

    for (old, new, from, to) in [(&one, &other, 0, 1), (&other, &one, 1, 0)] {
        cloud.forget();
        neutron.associate(&fip, new, &way, Some(old))?;
        cloud.settle(&[(&prefix, Some(to))])?;
        cloud.check_moved(&prefix, from, to)?;
        pings(leaf, &fip.address, Some(LEAF_V4))?;
    }

    cloud.nodes[0].chassis.unplug(vm)?;
    cloud.settle(&[(&prefix, None)])?;
    let _vm = cloud.plug(&one, 0)?;
    cloud.settle(&[(&prefix, Some(0))])?;
    neutron.disassociate(&fip, &one, way.router)?;
    cloud.settle(&[(&prefix, None)])?;

    neutron.associate(&fip, &other, &way, None)?;
    cloud.settle(&[(&prefix, Some(1))])?;
    neutron.delete_port(&other)?;
    cloud.settle(&[(&prefix, None)])?;
    cloud.nodes[1].wait_steered(&[&fip.address], false)
}
