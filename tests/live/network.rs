//! A provider network that is deleted before its ports, and one that comes back with the same addresses elsewhere.

use anyhow::Result;
use interop::Generation;
use interop::cloud::objects::{Network, Port, host_prefix};
use interop::cloud::{Driver, LEAF_V4, pings};

use crate::{cloud_read_by, play};

/// operators.md 2a: the Python agent finds no localnet port any more and leaves the route, for good.
#[test]
fn nothing_is_left_of_a_network_that_is_deleted_before_its_ports() {
    play(Driver::Northbound, delete_network);
}

#[test]
fn by_southbound_nothing_is_left_of_a_network_that_is_deleted_before_its_ports() {
    play(Driver::Southbound, delete_network);
}

fn delete_network(driver: Driver) -> Result<()> {
    let cloud = cloud_read_by(driver, Generation::Bookworm, 2, "")?;
    let network = Network::provider(2, "physnet2");
    let port = Port::new(&network, 10);
    let prefixes = [host_prefix(&port.v4()), host_prefix(&port.v6())];
    let at = |by: Option<usize>| prefixes.each_ref().map(|prefix| (prefix.as_str(), by));
    for (node, generation) in [(0, 0), (1, 1)] {
        // the same addresses, by another port of another network, on another node
        let port = Port::again(&network, 10, generation);
        cloud.neutron.create_network(&network)?;
        let vm = cloud.boot(&port, node)?;
        cloud.settle(&at(Some(node)))?;
        pings(&cloud.leaves[0].namespace, &port.v4(), Some(LEAF_V4))?;
        cloud.neutron.delete_network(&network)?;
        cloud.settle(&at(None))?;
        cloud.nodes[node].wait_steered(&[&port.v4(), &port.v6()], false)?;
        cloud.nodes[node].wait_clean()?;
        cloud.nodes[node].chassis.unplug(vm)?;
    }
    Ok(())
}
