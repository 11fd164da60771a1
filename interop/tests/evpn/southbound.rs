//! `ovn_evpn_driver`: what is behind a router whose ports are annotated. Red's gateway is on a flat provider network, blue's in a VLAN; the
//! networks behind them have the same addresses.

use anyhow::{Context, Result};
use interop::cloud::HOSTS;
use interop::cloud::objects::{Gateway, Network, Port, Router};
use interop::evpn::probe::{Stream, is_silent, reaches};
use interop::evpn::{Guest, Host, Scene};
use std::time::Duration;

use crate::stage::{Steps, play};

const OPTIONS: &str = "driver = ovn_evpn_driver";

#[test]
fn vm_routers_of_two_tenants_reach_their_own_by_the_southbound_driver() {
    play(
        "southbound::vm_routers_of_two_tenants_reach_their_own_by_the_southbound_driver",
        scene,
    );
}

struct Tenant {
    name: &'static str,
    vni: u32,
    public: Network,
    inside: Network,
    router: Router,
    gateway: Gateway,
    host: Host,
    guest: Guest,
}

impl Tenant {
    fn networks(&self) -> [&Network; 2] {
        [&self.public, &self.inside]
    }
}

fn scene(steps: &mut Steps) -> Result<()> {
    let (mut scene, tenants) = steps.step("two routers", build)?;
    steps.step("b153 b157 b156 each reaches its own", || {
        each_reaches_its_own(&scene, &tenants)
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

fn build() -> Result<(Scene, [Tenant; 2])> {
    let mut scene = Scene::build()?;
    let red = Network::provider(1, "physnet1");
    let blue = Network::provider(2, "physnet1").tagged(100).addressed_as(1);
    let tenants = [
        tenant(&scene, "red", 1001, red, Network::tenant(8), 1)?,
        tenant(
            &scene,
            "blue",
            1002,
            blue,
            Network::tenant(9).addressed_as(8),
            2,
        )?,
    ];
    scene.start_agents(OPTIONS)?;
    Ok((scene, tenants))
}

/// The VM at the first node, the gateway at the second.
fn tenant(
    scene: &Scene,
    name: &'static str,
    vni: u32,
    public: Network,
    inside: Network,
    number: u8,
) -> Result<Tenant> {
    let neutron = &scene.neutron;
    let router = Router::new(number);
    let gateway = Gateway {
        network: public.clone(),
        host: 40,
        chassis: vec![HOSTS[1].1.to_owned(), HOSTS[0].1.to_owned()],
        snat: false,
    };
    neutron.create_network(&public)?;
    neutron.create_network(&inside)?;
    neutron.create_router(&router)?;
    neutron.attach(&router, &inside, None)?;
    neutron.set_gateway(&router, &gateway, &[&inside])?;
    let keys = [("vni", vni.to_string()), ("as", "64999".to_owned())];
    let keys = keys.each_ref().map(|(key, value)| (*key, value.as_str()));
    neutron.annotate_router(&router, &[&public, &inside], &keys)?;
    let outside = ["198.51.100.", "2001:db8:ffff::"];
    let host = scene
        .vtep
        .add_routed(vni, &format!("{name}-host"), outside)?;
    let guest = scene.boot(&Port::new(&inside, 20), 0, &format!("{name}-vm"))?;
    Ok(Tenant {
        name,
        vni,
        public,
        inside,
        router,
        gateway,
        host,
        guest,
    })
}

fn each_reaches_its_own(scene: &Scene, tenants: &[Tenant; 2]) -> Result<()> {
    for tenant in tenants {
        let Tenant { host, guest, .. } = tenant;
        for to in [guest.port.v4(), guest.port.v6()] {
            reaches(&host.namespace, &to, &guest.name)?;
        }
        for to in &host.addresses {
            reaches(guest.namespace(), to, &host.name)?;
        }
    }
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

fn nobody_reaches_the_other(scene: &Scene, [red, blue]: &[Tenant; 2]) -> Result<()> {
    let only = scene.boot(&Port::new(&blue.inside, 21), 0, "blue-only")?;
    for to in [only.port.v4(), only.port.v6()] {
        reaches(&blue.host.namespace, &to, "blue-only")?;
        let witness = red.guest.port.v4();
        is_silent(&red.host.namespace, &to, (&witness, "red-vm"))?;
    }
    scene.neutron.delete_port(&only.port)?;
    scene.nodes[0].unplug(only)
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
