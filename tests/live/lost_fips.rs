//! The ways in which the Python agent loses floating IPs, keeps them where they are gone, or tells two nodes of one: what operators report
//! (operators.md 2a). 1, missed under load: the storm. 2, reconciliation removes what has just come. 3, stale after its end and used elsewhere.
//! 4, left behind by a network: `network.rs`. The fifth, an FRR that ends again and again, is in `tests/frr_backend`: without FRR it cannot be.

use anyhow::{Result, ensure};
use interop::Generation;
use interop::cloud::Driver;
use interop::cloud::objects::{Fip, Port, host_prefix};

use crate::{cloud_read_by, play};

/// Forty floating IPs come, move and go as fast as rows can be written, while the agents are busy with them; with the Python
/// agent one in five is lost.
#[test]
fn no_floating_ip_is_missed_in_a_storm_of_them() {
    play(Driver::Northbound, storm);
}

#[test]
fn by_southbound_no_floating_ip_is_missed_in_a_storm_of_them() {
    play(Driver::Southbound, storm);
}

fn storm(driver: Driver) -> Result<()> {
    let cloud = cloud_read_by(driver, Generation::Bookworm, 2, "")?;
    let basics = cloud.furnish(&[0, 1], false)?;
    let (way, neutron) = (basics.way(true), &cloud.neutron);
    let ports = [60, 61].map(|host| Port::new(&basics.tenant, host));
    let _vms = [cloud.boot(&ports[0], 0)?, cloud.boot(&ports[1], 1)?];
    let fips: Vec<_> = (100..140)
        .map(|host| Fip::new(&basics.public, host))
        .collect();
    for (n, fip) in fips.iter().enumerate() {
        neutron.associate(fip, &ports[n % 2], &way, None)?;
    }
    // every third moves, every fourth goes
    let mut homes: Vec<_> = (0..fips.len()).map(|n| Some(n % 2)).collect();
    for (n, fip) in fips.iter().enumerate() {
        let (old, new) = (&ports[n % 2], &ports[1 - n % 2]);
        if n % 3 == 0 {
            neutron.associate(fip, new, &way, Some(old))?;
            homes[n] = Some(1 - n % 2);
        } else if n % 4 == 0 {
            neutron.disassociate(fip, old, way.router)?;
            homes[n] = None;
        }
    }
    let prefixes: Vec<_> = fips.iter().map(Fip::prefix).collect();
    let homes: Vec<_> = prefixes.iter().map(String::as_str).zip(homes).collect();
    cloud.settle(&homes)?;
    cloud.nodes.iter().try_for_each(|node| node.wait_clean())
}

/// The Python agent's reconciliation compares with a cache that it has just emptied, and removes what an event has just added.
#[test]
fn a_reconciliation_removes_no_floating_ip_that_has_just_come() {
    play(Driver::Northbound, reconcile);
}

#[test]
fn by_southbound_a_reconciliation_removes_no_floating_ip_that_has_just_come() {
    play(Driver::Southbound, reconcile);
}

fn reconcile(driver: Driver) -> Result<()> {
    // as often as it can be asked to
    let cloud = cloud_read_by(driver, Generation::Bookworm, 1, "reconcile_interval = 1")?;
    let basics = cloud.furnish(&[0], false)?;
    let port = Port::new(&basics.tenant, 62);
    let _vm = cloud.boot(&port, 0)?;
    cloud.forget();
    let fips: Vec<_> = (100..130)
        .map(|host| Fip::new(&basics.public, host))
        .collect();
    for fip in &fips {
        cloud
            .neutron
            .associate(fip, &port, &basics.way(true), None)?;
        cloud.settle(&[(&fip.prefix(), Some(0))])?;
    }
    for fip in &fips {
        let changes = cloud.changes(&fip.prefix());
        ensure!(changes == [(0, true)], "{}: {changes:?}", fip.address);
    }
    cloud.nodes[0].wait_clean()
}

/// Deleted here and used again there: with the Python agent the fabric sends half of the traffic to the old node, and
/// restarting the agent does not help.
#[test]
fn a_floating_ip_that_is_deleted_and_used_again_elsewhere_has_one_origin() {
    play(Driver::Northbound, reuse);
}

#[test]
fn by_southbound_a_floating_ip_that_is_deleted_and_used_again_elsewhere_has_one_origin() {
    play(Driver::Southbound, reuse);
}

fn reuse(driver: Driver) -> Result<()> {
    let mut cloud = cloud_read_by(driver, Generation::Trixie, 2, "")?;
    let basics = cloud.furnish(&[0, 1], false)?;
    let way = basics.way(true);
    let ports = [63, 64].map(|host| Port::new(&basics.tenant, host));
    let _vms = [cloud.boot(&ports[0], 0)?, cloud.boot(&ports[1], 1)?];
    let fip = Fip::new(&basics.public, 140);
    let prefix = fip.prefix();
    for (deaf, from, to) in [(false, 0, 1), (true, 1, 0)] {
        cloud.neutron.associate(&fip, &ports[from], &way, None)?;
        cloud.settle(&[(&prefix, Some(from))])?;
        if deaf {
            // the old node's agent is away while it happens
            cloud.nodes[from].kill_agent();
        }
        cloud.neutron.disassociate(&fip, &ports[from], way.router)?;
        cloud.neutron.associate(&fip, &ports[to], &way, None)?;
        if deaf {
            cloud.nodes[from].start_agent()?;
        }
        cloud.settle(&[(&prefix, Some(to))])?;
        cloud.nodes[from].wait_steered(&[&fip.address], false)?;
        cloud.nodes[from].wait_clean()?;
        cloud.neutron.disassociate(&fip, &ports[to], way.router)?;
        cloud.settle(&[(&prefix, None)])?;
    }
    Ok(())
}

/// The VM's port goes before its floating IP's row, or after it.
#[test]
fn no_floating_ip_stays_behind_its_vm_whichever_row_goes_first() {
    play(Driver::Northbound, delete);
}

#[test]
fn by_southbound_no_floating_ip_stays_behind_its_vm_whichever_row_goes_first() {
    play(Driver::Southbound, delete);
}

fn delete(driver: Driver) -> Result<()> {
    let cloud = cloud_read_by(driver, Generation::Bookworm, 1, "")?;
    let basics = cloud.furnish(&[0], false)?;
    let (way, neutron) = (basics.way(true), &cloud.neutron);
    for (generation, port_first) in [(1, true), (2, false)] {
        let port = Port::again(&basics.tenant, 65, generation);
        let fip = Fip::new(&basics.public, 141);
        let vm = cloud.boot(&port, 0)?;
        neutron.associate(&fip, &port, &way, None)?;
        cloud.settle(&[(&fip.prefix(), Some(0))])?;
        if port_first {
            neutron.delete_port(&port)?;
            cloud.settle(&[(&fip.prefix(), None)])?;
        }
        neutron.disassociate(&fip, &port, way.router)?;
        cloud.settle(&[(&fip.prefix(), None)])?;
        if !port_first {
            neutron.delete_port(&port)?;
        }
        cloud.nodes[0].chassis.unplug(vm)?;
        cloud.settle(&[(&host_prefix(&port.v4()), None)])?;
        cloud.nodes[0].wait_clean()?;
    }
    Ok(())
}
