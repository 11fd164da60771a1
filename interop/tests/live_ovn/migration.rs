//! Live migration, as Nova and Neutron do it: a second binding, the VM plugged on both, unplugged at the source, the second binding
//! activated. The source attracts the traffic until then.

use std::time::Instant;

use anyhow::{Result, ensure};
use interop::Generation;

use crate::NEEDS;
use crate::cloud::{Cloud, HOSTS, pings};
use crate::fabric::LEAF_V4;
use crate::neutron::{Fip, PUBLIC, Port, TENANT};

const PROVIDER: Port = Port {
    id: "41ff9cb1-f5ed-4fe7-aa3b-9537574e349b",
    network: PUBLIC,
    mac: "fa:16:3e:35:86:64",
    v4: "172.24.4.66",
    v6: "2001:db8:100:0:f816:3eff:fe35:8664",
};
const WITH_FIP: Port = Port {
    id: "5d3220af-d84d-4544-959a-d454cb21e44e",
    network: TENANT,
    mac: "fa:16:3e:f5:fc:20",
    v4: "10.10.8.160",
    v6: "2a05:d014:aa:8:f816:3eff:fef5:fc20",
};
const FIP: Fip = Fip {
    address: "172.24.4.160",
    mac: "fa:16:3e:2e:8b:d0",
};
const PREFIXES: [&str; 3] = [
    "172.24.4.66/32",
    "2001:db8:100:0:f816:3eff:fe35:8664/128",
    "172.24.4.160/32",
];

#[test]
fn a_migrating_vm_is_at_the_leaf_where_it_runs_and_never_twice() {
    if interop::requirement::is_met(NEEDS) {
        migrate().unwrap();
    }
}

fn migrate() -> Result<()> {
    let cloud = Cloud::build(Generation::Trixie, 2, 2)?;
    let at = |node: usize| PREFIXES.map(|prefix| (prefix, Some(node)));
    let sources = [cloud.boot(&PROVIDER, 0)?, cloud.boot(&WITH_FIP, 0)?];
    cloud.neutron.associate(&FIP, &WITH_FIP, None)?;
    cloud.settle(&at(0))?;
    cloud.forget();

    for port in [&PROVIDER, &WITH_FIP] {
        cloud.neutron.bind(port, &["compute-1", "compute-2"])?;
    }
    for address in [PROVIDER.v4, FIP.address] {
        cloud.nodes[1].wait_explained(address, "migrates")?;
    }
    let destinations = [
        cloud.nodes[1].plug(&PROVIDER)?,
        cloud.nodes[1].plug(&WITH_FIP)?,
    ];
    for (vm, port) in sources.into_iter().zip([&PROVIDER, &WITH_FIP]) {
        cloud.nodes[0].chassis.unplug(vm)?;
        cloud.neutron.wait_up(port, false, HOSTS[0].0)?;
    }
    cloud.settle(&at(0))?;
    ensure!(
        PREFIXES
            .iter()
            .all(|prefix| cloud.changes(prefix).is_empty()),
        "nothing changes before the VM runs at its destination"
    );

    let activated = Instant::now();
    for port in [&PROVIDER, &WITH_FIP] {
        cloud.neutron.bind(port, &["compute-2"])?;
        cloud.neutron.wait_up(port, true, HOSTS[1].0)?;
    }
    cloud.settle(&at(1))?;
    println!(
        "the leaf followed {} ms after the activation of the first binding",
        activated.elapsed().as_millis()
    );
    for prefix in PREFIXES {
        cloud.check_moved(prefix, 0, 1)?;
    }
    cloud.nodes[0].wait_steered(&[PROVIDER.v4, PROVIDER.v6, FIP.address], false)?;
    pings(&cloud.leaf.namespace, PROVIDER.v4, Some(LEAF_V4))?;
    pings(&cloud.leaf.namespace, FIP.address, Some(LEAF_V4))?;
    drop(destinations);
    Ok(())
}
