//! A router's gateway port, hosted by one chassis or the other. Real BFD over real tunnels decides.

use anyhow::Result;
use interop::{Generation, PATIENCE, wait_until};

use crate::NEEDS;
use crate::cloud::{Cloud, HOSTS};
use crate::neutron::{GATEWAY_V4, GATEWAY_V6};

#[test]
fn a_gateway_is_at_the_leaf_where_it_is_hosted_through_failovers() {
    if interop::requirement::is_met(NEEDS) {
        fail_over().unwrap();
    }
}

fn fail_over() -> Result<()> {
    let mut cloud = Cloud::build(Generation::Bookworm, 2, 2)?;
    follow(&cloud, 0, None)?;
    cloud.nodes[0].wait_logged("Add BGP route for CR-LRP Port with ip 172.24.4.40")?;

    cloud.neutron.prefer_gateways(&[HOSTS[1].1, HOSTS[0].1])?;
    follow(&cloud, 1, Some(0))?;

    cloud.nodes[1].chassis.stop_controller();
    follow(&cloud, 0, Some(1))?;

    cloud.nodes[1].chassis.start_controller()?;
    follow(&cloud, 1, Some(0))
}

/// Waits until `host` has the gateway, for OVN and for the leaf.
fn follow(cloud: &Cloud, host: usize, before: Option<usize>) -> Result<()> {
    wait_until(
        PATIENCE,
        &format!("{} to host the gateway", HOSTS[host].0),
        || {
            cloud
                .neutron
                .hosting_chassis()
                .is_ok_and(|chassis| chassis == HOSTS[host].1)
        },
    )?;
    let prefixes = [format!("{GATEWAY_V4}/32"), format!("{GATEWAY_V6}/128")];
    for prefix in &prefixes {
        cloud.settle(&[(prefix, Some(host))])?;
        cloud.check_never_two(prefix, before)?;
    }
    for node in [host, 1 - host] {
        cloud.nodes[node].wait_steered(&[GATEWAY_V4, GATEWAY_V6], node == host)?;
    }
    cloud.forget();
    Ok(())
}
