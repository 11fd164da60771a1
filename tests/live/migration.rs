//! Live migration, as Nova and Neutron do it: a second binding, the VM plugged on both, unplugged at the source, the second binding
//! activated. The source attracts the traffic until then.

use std::time::Instant;

use anyhow::{Result, ensure};
use interop::Generation;
use interop::cloud::objects::{Fip, Port, host_prefix};
use interop::cloud::{HOSTS, LEAF_V4, pings};

use crate::{NEEDS, cloud};

#[test]
fn a_migrating_vm_is_at_the_leaf_where_it_runs_and_never_twice() {
    if interop::requirement::is_met(NEEDS) {
        migrate().unwrap();
    }
}

fn migrate() -> Result<()> {
    let cloud = cloud(Generation::Trixie, 2, "")?;
    let basics = cloud.furnish(&[0, 1], false)?;
    let (provider, inside) = (
        Port::new(&basics.public, 66),
        Port::new(&basics.tenant, 160),
    );
    let fip = Fip::new(&basics.public, 160);
    let prefixes = [provider.v4(), provider.v6(), fip.address.clone()].map(|a| host_prefix(&a));
    let at = |node: usize| {
        prefixes
            .each_ref()
            .map(|prefix| (prefix.as_str(), Some(node)))
    };
    let sources = [cloud.boot(&provider, 0)?, cloud.boot(&inside, 0)?];
    cloud
        .neutron
        .associate(&fip, &inside, &basics.way(true), None)?;
    cloud.settle(&at(0))?;
    cloud.forget();

    for port in [&provider, &inside] {
        cloud.neutron.bind(port, &["compute-1", "compute-2"])?;
    }
    for address in [&provider.v4(), &fip.address] {
        cloud.nodes[1].wait_explained(address, "migrates")?;
    }
    let destinations = [
        cloud.nodes[1].plug(&provider)?,
        cloud.nodes[1].plug(&inside)?,
    ];
    for (vm, port) in sources.into_iter().zip([&provider, &inside]) {
        cloud.nodes[0].chassis.unplug(vm)?;
        cloud.neutron.wait_up(port, false, HOSTS[0].0)?;
    }
    cloud.settle(&at(0))?;
    ensure!(
        prefixes
            .iter()
            .all(|prefix| cloud.changes(prefix).is_empty()),
        "nothing changes before the VM runs at its destination"
    );

    let activated = Instant::now();
    for port in [&provider, &inside] {
        cloud.neutron.bind(port, &["compute-2"])?;
        cloud.neutron.wait_up(port, true, HOSTS[1].0)?;
    }
    cloud.settle(&at(1))?;
    println!(
        "the leaf followed {} ms after the activation of the first binding",
        activated.elapsed().as_millis()
    );
    for prefix in &prefixes {
        cloud.check_moved(prefix, 0, 1)?;
    }
    cloud.nodes[0].wait_steered(&[&provider.v4(), &provider.v6(), &fip.address], false)?;
    pings(&cloud.leaves[0].namespace, &provider.v4(), Some(LEAF_V4))?;
    pings(&cloud.leaves[0].namespace, &fip.address, Some(LEAF_V4))?;
    drop(destinations);
    Ok(())
}
