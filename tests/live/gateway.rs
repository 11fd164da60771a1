//! A router's gateway port, hosted by one chassis or the other. Real BFD over real tunnels decides.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use interop::cloud::objects::host_prefix;
use interop::cloud::{Basics, Cloud, Driver, HOSTS};
use interop::{Generation, PATIENCE, wait_until};

use crate::{cloud_read_by, play};

#[test]
fn a_gateway_is_at_the_leaf_where_it_is_hosted_through_failovers() {
    play(Driver::Northbound, fail_over);
}

#[test]
fn by_southbound_a_gateway_is_at_the_leaf_where_it_is_hosted_through_failovers() {
    play(Driver::Southbound, fail_over);
}

fn fail_over(driver: Driver) -> Result<()> {
    let mut cloud = cloud_read_by(driver, Generation::Bookworm, 2, "")?;
    let basics = cloud.furnish(&[0, 1], false)?;
    follow(&cloud, &basics, 0, None)?;
    cloud.nodes[0].wait_logged("Add BGP route for CR-LRP Port with ip 172.24.4.40")?;

    cloud.neutron.prefer_gateways(&[HOSTS[1].1, HOSTS[0].1])?;
    follow(&cloud, &basics, 1, Some(0))?;

    cloud.nodes[1].chassis.stop_controller();
    follow(&cloud, &basics, 0, Some(1))?;

    cloud.nodes[1].chassis.start_controller()?;
    follow(&cloud, &basics, 1, Some(0))
}

/// With both databases Southbound says where a gateway is, and for half a minute after it was lost, since nothing
/// newer is known; then Northbound's copy counts.
#[test]
fn a_southbound_database_that_is_gone_for_long_is_believed_no_more() {
    play(Driver::NorthboundAndSouthbound, doubt);
}

fn doubt(driver: Driver) -> Result<()> {
    const TRUST: Duration = Duration::from_secs(30);
    let mut cloud = cloud_read_by(driver, Generation::Bookworm, 2, "")?;
    let basics = cloud.furnish(&[0, 1], false)?;
    follow(&cloud, &basics, 0, None)?;
    cloud.neutron.central.stop_northd();
    let lost = Instant::now();
    cloud.neutron.central.southbound.stop();
    cloud
        .neutron
        .say_hosted(&basics.router, &basics.public, HOSTS[1].1)?;

    // The node that Southbound has not told of the gateway has nothing but Northbound's word.
    let prefix = host_prefix(&basics.public.v4(basics.gateway.host));
    let said = |node: usize| {
        let mut changes = cloud.changes(&prefix).into_iter();
        changes.rfind(|(by, _)| *by == node).map(|(_, there)| there)
    };
    wait_until(PATIENCE, "the gateway at the other node", || {
        said(1) == Some(true)
    })?;
    wait_until(TRUST + PATIENCE, "the gateway to leave the first", || {
        said(0) == Some(false)
    })?;
    let waited = lost.elapsed();
    ensure!(waited >= TRUST, "Southbound was doubted after {waited:?}");
    cloud.settle(&[(&prefix, Some(1))])
}

/// Waits until `host` has the gateway, for OVN and for the leaf.
pub(crate) fn follow(
    cloud: &Cloud,
    basics: &Basics,
    host: usize,
    before: Option<usize>,
) -> Result<()> {
    let hosted = || {
        let chassis = cloud
            .neutron
            .hosting_chassis(&basics.router, &basics.public);
        chassis.is_ok_and(|chassis| chassis == HOSTS[host].1)
    };
    wait_until(
        PATIENCE,
        &format!("{} to host the gateway", HOSTS[host].0),
        hosted,
    )?;
    let own = basics.gateway.host;
    let addresses = [basics.public.v4(own), basics.public.v6(own)];
    for address in &addresses {
        let prefix = host_prefix(address);
        cloud.settle(&[(&prefix, Some(host))])?;
        cloud.check_never_two(&prefix, before)?;
    }
    let addresses = addresses.each_ref().map(String::as_str);
    for node in &cloud.nodes {
        node.wait_steered(&addresses, node.number == host)?;
    }
    cloud.forget();
    Ok(())
}
