//! `ovn_evpn_driver`: what is behind a router whose ports are annotated.

use anyhow::{Context, Result};
use interop::cloud::HOSTS;
use interop::evpn::Scene;
use interop::evpn::probe::{Stream, reaches};
use std::time::Duration;

use crate::routers::{Bare, Tenant, each_reaches_its_own, nobody_reaches_the_other, two_tenants};
use crate::stage::{Steps, play};

const OPTIONS: &str = "driver = ovn_evpn_driver";

#[test]
fn vm_routers_of_two_tenants_reach_their_own_by_the_southbound_driver() {
    play(
        "southbound::vm_routers_of_two_tenants_reach_their_own_by_the_southbound_driver",
        scene,
    );
}

fn scene(steps: &mut Steps) -> Result<()> {
    let (mut scene, tenants) = steps.step("two routers", || two_tenants(OPTIONS, annotate))?;
    steps.step("b153 b157 b156 each reaches its own", || {
        each_has_its_entrance(&scene, &tenants)
    })?;
    steps.step("nobody reaches the other tenant", || {
        nobody_reaches_the_other(&scene, &tenants)
    })?;
    steps.step("an agent is killed under traffic: nothing is lost", || {
        restart(&mut scene, &tenants)
    })?;
    steps.step("b158 a gateway moves", || {
        gateway_moves(&scene, &tenants[1])
    })?;
    steps.step(
        "b154 the keys of one tenant go, the other's traffic does not",
        || keys_go(&scene, &tenants),
    )
}

fn annotate(scene: &Scene, of: &Bare<'_>) -> Result<()> {
    let keys = [("vni", of.vni.to_string()), ("as", "64999".to_owned())];
    let keys = keys.each_ref().map(|(key, value)| (*key, value.as_str()));
    let networks = [of.public, of.inside];
    scene.neutron.annotate_router(of.router, &networks, &keys)
}

fn each_has_its_entrance(scene: &Scene, tenants: &[Tenant; 2]) -> Result<()> {
    each_reaches_its_own(tenants)?;
    let entrances = [
        ("veth-vrf-1001", true),
        ("veth-ovs-1001", true),
        ("vlan-1002", true),
        ("veth-vrf-1002", false),
    ];
    for (name, there) in entrances {
        scene.nodes[1].wait_devices(&[name], there)?;
    }
    // no gateway, no devices
    scene.nodes[0].wait_devices(&["vrf-1001", "vrf-1002", "br-1001", "br-1002"], false)
}

fn restart(scene: &mut Scene, tenants: &[Tenant; 2]) -> Result<()> {
    let interval = Duration::from_millis(50);
    let start =
        |tenant: &Tenant| Stream::start(&tenant.host.namespace, &tenant.guest.port.v4(), interval);
    let streams = [start(&tenants[0])?, start(&tenants[1])?];
    let node = &mut scene.nodes[1];
    node.kill_agent();
    node.start_agent()?;
    scene.fabric.wait_told(&node.site)?;
    for (tenant, stream) in tenants.iter().zip(streams) {
        let loss = stream.finish()?;
        println!("  {loss}");
        loss.expect_none(&[&tenant.guest.name])?;
    }
    Ok(())
}

/// To the first node, for all routers; the second one keeps nothing.
fn gateway_moves(scene: &Scene, blue: &Tenant) -> Result<()> {
    scene.neutron.prefer_gateways(&[HOSTS[0].1, HOSTS[1].1])?;
    scene.nodes[0].wait_devices(&["vrf-1001", "vrf-1002", "vlan-1002"], true)?;
    scene.nodes[1].wait_devices(&["vrf-1001", "vrf-1002", "vlan-1002", "br-1001"], false)?;
    for to in [blue.guest.port.v4(), blue.guest.port.v6()] {
        reaches(&blue.host.namespace, &to, "blue-vm")?;
    }
    Ok(())
}

fn keys_go(scene: &Scene, [red, blue]: &[Tenant; 2]) -> Result<()> {
    let stream = Stream::start(
        &blue.host.namespace,
        &blue.guest.port.v6(),
        Duration::from_millis(50),
    )?;
    scene
        .neutron
        .unannotate_router(&red.router, &red.networks(), &["vni", "as"])?;
    let vni = red.vni;
    let names = [
        format!("vrf-{vni}"),
        format!("br-{vni}"),
        format!("vxlan-{vni}"),
        format!("veth-vrf-{vni}"),
    ];
    scene.nodes[0].wait_devices(&names.each_ref().map(String::as_str), false)?;
    scene.vtep.wait_route(vni, &red.guest.port.v4(), false)?;
    let loss = stream.finish()?;
    println!("  {loss}");
    loss.expect_none(&["blue-vm"])?;
    scene
        .neutron
        .clear_gateway(&blue.router, &blue.gateway, &[&blue.inside])?;
    scene.nodes[0]
        .wait_devices(&["vrf-1002", "br-1002", "vlan-1002"], false)
        .with_context(|| format!("{} lost its gateway", blue.name))
}
