//! Tenant networks behind a gateway: through its failover, and while subnets and address scopes come and go.

use anyhow::Result;
use interop::Generation;
use interop::cloud::objects::{Network, Port, host_prefix};
use interop::cloud::{Driver, HOSTS, LEAF_V4, LEAF_V6, pings};

use crate::gateway::follow;
use crate::{TENANTS, cloud_read_by, play};

/// With a third VM that comes up while nobody has the gateway.
#[test]
fn the_new_gateway_is_complete_and_the_old_one_silent_after_a_failover() {
    play(Driver::Northbound, fail_over);
}

#[test]
fn by_southbound_the_new_gateway_is_complete_and_the_old_one_silent_after_a_failover() {
    play(Driver::Southbound, fail_over);
}

fn fail_over(driver: Driver) -> Result<()> {
    let mut cloud = cloud_read_by(driver, Generation::Trixie, 3, TENANTS)?;
    let basics = cloud.furnish(&[0, 1], false)?;
    let ports = [30, 31, 32].map(|host| Port::new(&basics.tenant, host));
    let prefixes: Vec<_> = ports
        .iter()
        .flat_map(|port| [port.v4(), port.v6()])
        .map(|address| host_prefix(&address))
        .collect();
    let at = |node: usize, count: usize| -> Vec<_> {
        let first = prefixes.iter().take(count);
        first.map(|prefix| (prefix.as_str(), Some(node))).collect()
    };
    let vms = [cloud.boot(&ports[0], 2)?, cloud.boot(&ports[1], 1)?];
    follow(&cloud, &basics, 0, None)?;
    cloud.settle(&at(0, 4))?;
    for vm in &vms {
        pings(&vm.namespace, LEAF_V4, None)?;
        pings(&vm.namespace, LEAF_V6, None)?;
    }
    cloud.forget();

    cloud.nodes[0].chassis.stop_controller();
    let _late = cloud.boot(&ports[2], 2)?;
    follow(&cloud, &basics, 1, Some(0))?;
    cloud.settle(&at(1, 6))?;
    let [old, new] =
        [0, 1].map(|node| cloud.nodes[node].collector.with(|table| table.routes.len()));
    anyhow::ensure!(
        (old, new) == (0, 8),
        "the old one tells {old} routes, the new one {new}"
    );
    cloud.nodes[0].wait_clean()?;
    cloud.nodes[1].wait_clean()?;
    let leaf = &cloud.leaves[0].namespace;
    for port in &ports {
        pings(leaf, &port.v4(), Some(LEAF_V4))?;
        pings(leaf, &port.v6(), Some(LEAF_V6))?;
    }

    cloud.nodes[0].chassis.start_controller()?;
    follow(&cloud, &basics, 0, Some(1))?;
    cloud.settle(&at(0, 6))?;
    cloud.nodes[1].wait_clean()
}

#[test]
fn a_subnet_is_there_while_it_is_attached_and_its_addresses_match_the_scopes() {
    play(Driver::Northbound, attach);
}

#[test]
fn by_southbound_a_subnet_is_there_while_it_is_attached_and_its_addresses_match_the_scopes() {
    play(Driver::Southbound, attach);
}

const SCOPE_V4: &str = "6e32f9f4-d68c-4dab-9cc5-94715eb3d243";
const SCOPE_V6: &str = "0a40ad42-2315-465f-9fdc-09294d615980";
const OTHER: &str = "bbb9e2f3-f751-443d-b968-98ca5a0298c1";

fn attach(driver: Driver) -> Result<()> {
    let options = format!("{TENANTS}\naddress_scopes = {SCOPE_V4},{SCOPE_V6}");
    let cloud = cloud_read_by(driver, Generation::Bookworm, 2, &options)?;
    let basics = cloud.furnish(&[0], false)?;
    let (neutron, router) = (&cloud.neutron, &basics.router);
    let second = Network::tenant(9);
    neutron.create_network(&second)?;
    let port = Port::new(&second, 33);
    neutron.create_port_in(&port, HOSTS[1].0, [SCOPE_V4, SCOPE_V6])?;
    let _vm = cloud.plug(&port, 1)?;
    let [v4, v6] = [host_prefix(&port.v4()), host_prefix(&port.v6())];
    let both = |by: [Option<usize>; 2]| [(v4.as_str(), by[0]), (v6.as_str(), by[1])];
    let matching = [SCOPE_V4, SCOPE_V6];
    for _ in 0..2 {
        cloud.settle(&both([None, None]))?;
        neutron.attach(router, &second, Some(&basics.gateway))?;
        neutron.set_scopes(&second, matching)?;
        cloud.settle(&both([Some(0), Some(0)]))?;
        neutron.set_scopes(&second, [OTHER, SCOPE_V6])?;
        cloud.settle(&both([None, Some(0)]))?;
        neutron.set_scopes(&second, matching)?;
        cloud.settle(&both([Some(0), Some(0)]))?;
        pings(&cloud.leaves[0].namespace, &port.v4(), Some(LEAF_V4))?;
        neutron.detach(router, &second)?;
    }
    cloud.settle(&both([None, None]))?;
    cloud.nodes[0].wait_clean()
}
