//! northd, a database or the agent goes away while things change, and comes back.

use anyhow::{Result, ensure};
use interop::Generation;
use interop::cloud::objects::{Fip, Port};
use interop::cloud::{Driver, LEAF_V4, pings};

use crate::gateway::follow;
use crate::{cloud_read_by, play};

#[test]
fn what_changed_while_northd_or_a_database_or_the_agent_was_away_is_made_up_for_and_nothing_else_moves()
 {
    play(Driver::Northbound, restart);
}

#[test]
fn by_southbound_what_changed_while_somebody_was_away_is_made_up_for_and_nothing_else_moves() {
    play(Driver::Southbound, restart);
}

fn restart(driver: Driver) -> Result<()> {
    let mut cloud = cloud_read_by(driver, Generation::Trixie, 2, "")?;
    let basics = cloud.furnish(&[0, 1], false)?;
    let way = basics.way(true);
    let ports = [150, 151].map(|host| Port::new(&basics.tenant, host));
    let fips = [150, 151, 152].map(|host| Fip::new(&basics.public, host));
    let prefixes = fips.each_ref().map(Fip::prefix);
    let _vms = [cloud.boot(&ports[0], 0)?, cloud.boot(&ports[1], 1)?];
    follow(&cloud, &basics, 0, None)?;
    cloud.neutron.associate(&fips[0], &ports[0], &way, None)?;
    cloud.settle(&[(&prefixes[0], Some(0))])?;
    cloud.forget();

    cloud.neutron.central.stop_northd();
    cloud.neutron.associate(&fips[1], &ports[1], &way, None)?;
    if driver == Driver::Northbound {
        // its rows alone say where a distributed floating IP is
        cloud.settle(&[(&prefixes[1], Some(1))])?;
    }
    cloud.neutron.central.start_northd()?;
    cloud.neutron.central.sync()?;
    cloud.settle(&[(&prefixes[1], Some(1))])?;
    pings(&cloud.leaves[0].namespace, &fips[1].address, Some(LEAF_V4))?;

    // the databases restart, one after the other, and rows change before everybody is back
    cloud.neutron.central.southbound.restart()?;
    cloud.neutron.central.northbound.restart()?;
    cloud.neutron.associate(&fips[2], &ports[0], &way, None)?;
    cloud
        .neutron
        .disassociate(&fips[1], &ports[1], way.router)?;
    cloud.settle(&[(&prefixes[1], None), (&prefixes[2], Some(0))])?;

    // the agent is killed, and misses a floating IP that moves, and one that goes
    cloud.nodes[0].kill_agent();
    cloud
        .neutron
        .associate(&fips[2], &ports[1], &way, Some(&ports[0]))?;
    cloud.neutron.associate(&fips[1], &ports[0], &way, None)?;
    cloud.nodes[0].start_agent()?;
    cloud.settle(&[
        (&prefixes[0], Some(0)),
        (&prefixes[1], Some(0)),
        (&prefixes[2], Some(1)),
    ])?;
    cloud.nodes[0].wait_steered(&[&fips[2].address], false)?;
    for node in &cloud.nodes {
        node.wait_clean()?;
    }
    // the collector of the killed agent forgets with the session; the other one shows that nothing else moved
    let of_the_other = cloud.changes(&prefixes[0]);
    ensure!(
        of_the_other.iter().all(|(node, _)| *node == 0),
        "{of_the_other:?}"
    );
    Ok(())
}
