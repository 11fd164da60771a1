//! Load balancers of Octavia's OVN provider and port forwardings: they are where the router's gateway is, in several reasons for one address.

use anyhow::Result;
use interop::Generation;
use interop::cloud::objects::{Balancer, Fip, Port, host_prefix};
use interop::cloud::{Driver, Forwarding, HOSTS};

use crate::gateway::follow;
use crate::{TENANTS, cloud_read_by, play};

#[test]
fn a_load_balancer_and_its_floating_ip_are_where_the_gateway_is_while_they_are_there() {
    play(Driver::Northbound, balance);
}

#[test]
fn by_southbound_a_load_balancer_and_its_floating_ip_are_where_the_gateway_is_while_they_are_there()
{
    play(Driver::Southbound, balance);
}

fn balance(driver: Driver) -> Result<()> {
    let cloud = cloud_read_by(driver, Generation::Bookworm, 2, TENANTS)?;
    let basics = cloud.furnish(&[0, 1], true)?;
    let (neutron, router) = (&cloud.neutron, &basics.router);
    let member = Port::new(&basics.tenant, 20);
    let _vm = cloud.boot(&member, 1)?;
    follow(&cloud, &basics, 0, None)?;
    let balancer = Balancer::new(&basics.tenant, 200, &[&member]);
    let fip = Fip::new(&basics.public, 160);
    let (vip, outside) = (host_prefix(&balancer.vip.v4()), fip.prefix());

    neutron.create_balancer(&balancer, Some(router))?;
    cloud.settle(&[(&vip, Some(0)), (&outside, None)])?;
    neutron.disable_balancer(&balancer)?;
    cloud.settle(&[(&vip, None)])?;
    neutron.enable_balancer(&balancer)?;
    cloud.settle(&[(&vip, Some(0))])?;

    neutron.expose_balancer(&balancer, &fip, &basics.way(true))?;
    cloud.settle(&[(&outside, Some(0))])?;
    cloud.nodes[0].wait_steered(&[&fip.address], true)?;
    neutron.prefer_gateways(&[HOSTS[1].1, HOSTS[0].1])?;
    cloud.settle(&[(&vip, Some(1)), (&outside, Some(1))])?;
    cloud.nodes[0].wait_steered(&[&fip.address], false)?;

    neutron.withdraw_balancer(&balancer, &fip, router)?;
    cloud.settle(&[(&vip, Some(1)), (&outside, None)])?;
    neutron.delete_balancer(&balancer, Some(router))?;
    cloud.settle(&[(&vip, None)])?;
    cloud.nodes.iter().try_for_each(|node| node.wait_clean())
}

#[test]
fn a_floating_ip_that_two_protocols_share_is_there_until_both_are_gone() {
    play(Driver::Northbound, forward);
}

#[test]
fn by_southbound_a_floating_ip_that_two_protocols_share_is_there_until_both_are_gone() {
    play(Driver::Southbound, forward);
}

fn forward(driver: Driver) -> Result<()> {
    let cloud = cloud_read_by(driver, Generation::Bookworm, 2, "")?;
    let basics = cloud.furnish(&[1, 0], true)?;
    let target = Port::new(&basics.tenant, 21);
    let _vm = cloud.boot(&target, 0)?;
    follow(&cloud, &basics, 1, None)?;
    let fip = Fip::new(&basics.public, 161);
    let (prefix, inside) = (fip.prefix(), target.v4());
    let [tcp, udp] = ["tcp", "udp"].map(|protocol| Forwarding {
        fip: &fip,
        router: &basics.router,
        inside: &basics.tenant,
        protocol,
        port: 2222,
        target: &inside,
    });
    cloud.settle(&[(&prefix, None)])?;
    for (first, second) in [(&tcp, &udp), (&udp, &tcp)] {
        cloud.forget();
        cloud.neutron.forward(first)?;
        cloud.settle(&[(&prefix, Some(1))])?;
        cloud.neutron.forward(second)?;
        cloud.neutron.stop_forwarding(first)?;
        cloud.neutron.central.sync()?;
        cloud.settle(&[(&prefix, Some(1))])?;
        cloud.neutron.stop_forwarding(second)?;
        cloud.settle(&[(&prefix, None)])?;
        // it came once and went once, though its reasons changed meanwhile
        let changes = cloud.changes(&prefix);
        anyhow::ensure!(changes == [(1, true), (1, false)], "{changes:?}");
    }
    cloud.nodes[1].wait_clean()
}
