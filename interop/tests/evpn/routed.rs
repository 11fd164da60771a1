//! `nb_ovn_bgp_driver` with `exposing_method = vrf`: type 5 routes. Red is a flat network in VNI 1001, blue a VLAN in VNI 1002; they have the same
//! addresses, and so have the hosts behind the other VTEP. Red has a router to a tenant network.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::cloud::objects::{Fip, Gateway, Network, Port, Router};
use interop::cloud::{HOSTS, Way};
use interop::evpn::fabric::SPINE;
use interop::evpn::probe::{Answerer, Stream, becomes_silent, comes_to, is_silent, reaches};
use interop::evpn::{Guest, Host, Node, Scene};
use interop::{PATIENCE, wait_until};

use crate::stage::{Steps, play};

const NAME: &str = "routed::vm_tenants_with_the_same_addresses_reach_their_own_and_never_the_other";
const OPTIONS: &str =
    "driver = nb_ovn_bgp_driver\nexposing_method = vrf\nexpose_tenant_networks = True";
/// Between two requests of what runs while something else happens.
const OFTEN: Duration = Duration::from_millis(50);

#[test]
fn vm_tenants_with_the_same_addresses_reach_their_own_and_never_the_other() {
    play(NAME, scene);
}

struct Tenants {
    scene: Scene,
    red: Network,
    blue: Network,
    red_host: Host,
    blue_host: Host,
    /// red-1 and blue-1 at the first node, red-2 and blue-2 at the second.
    guests: Vec<Guest>,
}

fn scene(steps: &mut Steps) -> Result<()> {
    let mut tenants = steps.step("two tenants with the same addresses", build)?;
    steps.step(
        "b106 nothing is made for a tenant that exposes nothing here",
        || b106_nothing_exposed_makes_no_device(&mut tenants),
    )?;
    steps.step("VMs", || tenants.boot())?;
    steps.step("b107 b108 b111 the devices of both tenants", || {
        devices(&tenants, true)
    })?;
    steps.step("each reaches its own, by IPv4 and IPv6", || {
        each_reaches_its_own(&tenants)
    })?;
    steps.step("b120 the IPv6 gateway is advertised", || {
        b120_gateway_by_advertisement(&tenants)
    })?;
    steps.step("nobody reaches the other tenant", || {
        nobody_reaches_the_other(&tenants)
    })?;
    steps.step("b125 nothing leaks into the main table", || {
        b125_nothing_leaks(&tenants)
    })?;
    let inside = steps.step(
        "b121 b124 a tenant network behind a gateway, and a floating IP",
        || behind_a_gateway(&tenants),
    )?;
    steps.step(
        "agents are killed and stopped under traffic: nothing is lost",
        || restarts(&mut tenants),
    )?;
    steps.step("b121 one route for the subnet", || {
        subnet_mode(&mut tenants, &inside)
    })?;
    steps.step("a VM migrates under traffic", || migrate(&mut tenants))?;
    steps.step("b115 a VNI changes at run time", || {
        b115_vni_changes(&tenants)
    })?;
    steps.step("b116 a VNI goes at run time", || b116_vni_goes(&tenants))?;
    steps.step("b117 with the last exposure the devices go", || {
        b117_last_goes(tenants, inside)
    })
}

fn build() -> Result<Tenants> {
    let scene = Scene::build()?;
    let red = Network::provider(1, "physnet1");
    let blue = Network::provider(2, "physnet1").tagged(100).addressed_as(1);
    for (network, vni) in [(&red, "1001"), (&blue, "1002")] {
        scene.neutron.create_network(network)?;
        let l3 = [("type", "l3"), ("vni", vni)];
        scene.neutron.annotate(network, &l3)?;
    }
    let outside = ["198.51.100.", "2001:db8:ffff::"];
    let red_host = scene.vtep.add_routed(1001, "red-host", outside)?;
    let blue_host = scene.vtep.add_routed(1002, "blue-host", outside)?;
    Ok(Tenants {
        scene,
        red,
        blue,
        red_host,
        blue_host,
        guests: Vec::new(),
    })
}

fn b106_nothing_exposed_makes_no_device(tenants: &mut Tenants) -> Result<()> {
    tenants.scene.start_agents(OPTIONS)?;
    devices(tenants, false)
}

impl Tenants {
    fn boot(&mut self) -> Result<()> {
        let (red, blue) = (&self.red, &self.blue);
        let all = [
            (red, 10, 0, "red-1"),
            (blue, 10, 0, "blue-1"),
            (red, 11, 1, "red-2"),
            (blue, 11, 1, "blue-2"),
        ];
        for (network, host, node, name) in all {
            let guest = self.scene.boot(&Port::new(network, host), node, name)?;
            self.guests.push(guest);
        }
        for (network, name) in [(red, "red"), (blue, "blue")] {
            let ports: Vec<&Port> = self.of(name).map(|guest| &guest.port).collect();
            self.scene.neutron.serve_dhcp(network, &ports)?;
        }
        Ok(())
    }

    fn of(&self, tenant: &str) -> impl Iterator<Item = &Guest> {
        self.guests
            .iter()
            .filter(move |guest| guest.name.starts_with(tenant))
    }

    fn guest(&self, name: &str) -> Result<&Guest> {
        let found = self.guests.iter().find(|guest| guest.name == name);
        found.with_context(|| format!("no {name}"))
    }

    fn hosts(&self) -> [(&Host, &str); 2] {
        [(&self.red_host, "red"), (&self.blue_host, "blue")]
    }
}

/// Each node has the devices of both VNIs, a pair for each network; or nothing.
fn devices(tenants: &Tenants, there: bool) -> Result<()> {
    let scene = &tenants.scene;
    for (network, vni) in [(&tenants.red, 1001), (&tenants.blue, 1002)] {
        let row = scene.neutron.localnet_row(network)?;
        let row = &row[..11];
        let names = [
            format!("vrf-{vni}"),
            format!("br-{vni}"),
            format!("vxlan-{vni}"),
            format!("vrf{row}"),
            format!("ovs{row}"),
        ];
        let names = names.each_ref().map(String::as_str);
        for node in &scene.nodes {
            node.wait_devices(&names, there)?;
        }
    }
    Ok(())
}

/// The gateway of a family is what the VM has a default route to.
fn each_reaches_its_own(tenants: &Tenants) -> Result<()> {
    for (host, tenant) in tenants.hosts() {
        let guests: Vec<&Guest> = tenants.of(tenant).collect();
        for guest in &guests {
            let others = guests.iter().filter(|other| other.name != guest.name);
            for other in others {
                for to in [other.port.v4(), other.port.v6()] {
                    reaches(guest.namespace(), &to, &other.name)?;
                }
            }
            for to in &host.addresses {
                reaches(guest.namespace(), to, &host.name)?;
            }
            for to in [guest.port.v4(), guest.port.v6()] {
                reaches(&host.namespace, &to, &guest.name)?;
            }
        }
    }
    Ok(())
}

/// The default route that was given by hand goes; the one of the router advertisement does as well.
fn b120_gateway_by_advertisement(tenants: &Tenants) -> Result<()> {
    for (host, tenant) in tenants.hosts() {
        let guest = tenants.guest(&format!("{tenant}-1"))?;
        let ns = guest.namespace();
        let advertised = || {
            ns.ip("-6 route show default proto ra")
                .is_ok_and(|r| r.contains("via fe80::200:3"))
        };
        wait_until(PATIENCE, "a router advertisement", advertised)?;
        ns.ip("-6 route del default proto static")
            .or_else(|_| ns.ip("-6 route del default proto boot"))?;
        reaches(ns, &host.addresses[1], &host.name)?;
    }
    Ok(())
}

/// What only the other tenant has is silent. (That an address that both have is answered by the right one, all other steps show.)
fn nobody_reaches_the_other(tenants: &Tenants) -> Result<()> {
    let scene = &tenants.scene;
    let only = scene.boot(&Port::new(&tenants.blue, 12), 1, "blue-3")?;
    for to in [only.port.v4(), only.port.v6()] {
        reaches(&tenants.blue_host.namespace, &to, "blue-3")?;
        reaches(tenants.guest("blue-1")?.namespace(), &to, "blue-3")?;
        let red = tenants.guest("red-1")?;
        is_silent(
            red.namespace(),
            &to,
            (&tenants.red_host.addresses[0], "red-host"),
        )?;
        is_silent(&tenants.red_host.namespace, &to, (&red.port.v4(), "red-1"))?;
    }
    scene.neutron.delete_port(&only.port)?;
    scene.nodes[1].unplug(only)
}

/// The underlay is in the main table of every node, and no tenant's packet gets there.
fn b125_nothing_leaks(tenants: &Tenants) -> Result<()> {
    let scene = &tenants.scene;
    let underlay = Answerer::start(&scene.fabric.namespace, "underlay", &[SPINE.to_owned()])?;
    for name in ["red-1", "blue-2"] {
        let guest = tenants.guest(name)?;
        let host = &tenants.hosts()[usize::from(name == "blue-2")].0.name;
        is_silent(
            guest.namespace(),
            SPINE,
            (&tenants.red_host.addresses[0], host),
        )?;
    }
    ensure!(underlay.asked() == 0, "{} packets leaked", underlay.asked());
    // it would have heard
    reaches(&scene.nodes[0].site.namespace, SPINE, "underlay")?;
    ensure!(underlay.asked() > 0);
    Ok(())
}

struct Inside {
    router: Router,
    gateway: Gateway,
    network: Network,
    guest: Guest,
}

/// The router's gateway is at the second node, the VM behind it at the first.
fn behind_a_gateway(tenants: &Tenants) -> Result<Inside> {
    let scene = &tenants.scene;
    let neutron = &scene.neutron;
    let (network, router) = (Network::tenant(8), Router::new(1));
    let gateway = Gateway {
        network: tenants.red.clone(),
        host: 40,
        chassis: vec![HOSTS[1].1.to_owned()],
        snat: false,
    };
    neutron.create_network(&network)?;
    neutron.create_router(&router)?;
    neutron.attach(&router, &network, None)?;
    neutron.set_gateway(&router, &gateway, &[&network])?;
    let guest = scene.boot(&Port::new(&network, 20), 0, "inside")?;
    let outside = &tenants.red_host;
    for to in [guest.port.v4(), guest.port.v6()] {
        reaches(&outside.namespace, &to, "inside")?;
    }
    for to in &outside.addresses {
        reaches(guest.namespace(), to, "red-host")?;
    }
    for own in [tenants.red.v4(40), tenants.red.v6(40)] {
        let own = own.parse()?;
        wait_until(PATIENCE, "the gateway to answer", || {
            outside.namespace.pings(own, None)
        })?;
    }
    let fip = Fip::new(&tenants.red, 60);
    let way = Way {
        router: &router,
        public: &tenants.red,
        distributed: true,
    };
    neutron.associate(&fip, &guest.port, &way, None)?;
    reaches(&outside.namespace, &fip.address, "inside")?;
    let blue = tenants.guest("blue-1")?.port.v4();
    for to in [guest.port.v4(), fip.address.clone()] {
        is_silent(&tenants.blue_host.namespace, &to, (&blue, "blue-1"))?;
    }
    neutron.disassociate(&fip, &guest.port, &router)?;
    becomes_silent(
        &outside.namespace,
        &fip.address,
        (&tenants.guest("red-1")?.port.v4(), "red-1"),
    )?;
    Ok(Inside {
        router,
        gateway,
        network,
        guest,
    })
}

/// Both families, both directions, and from node to node, while each agent is killed, and stopped, and started.
fn restarts(tenants: &mut Tenants) -> Result<()> {
    let Tenants {
        scene,
        guests,
        red_host,
        blue_host,
        ..
    } = tenants;
    let by_name = |name: &str| {
        guests
            .iter()
            .find(|guest| guest.name == name)
            .context("no such VM")
    };
    let (red_1, red_2, blue_1) = (by_name("red-1")?, by_name("red-2")?, by_name("blue-1")?);
    let streams = [
        (
            "red-1",
            Stream::start(&red_host.namespace, &red_1.port.v4(), OFTEN)?,
        ),
        (
            "red-2",
            Stream::start(red_1.namespace(), &red_2.port.v6(), OFTEN)?,
        ),
        (
            "blue-host",
            Stream::start(blue_1.namespace(), &blue_host.addresses[0], OFTEN)?,
        ),
    ];
    for node in &mut scene.nodes {
        node.kill_agent();
        node.start_agent()?;
        scene.fabric.wait_told(&node.site)?;
        node.stop_agent();
        node.start_agent()?;
        scene.fabric.wait_told(&node.site)?;
    }
    for (name, stream) in streams {
        let loss = stream.finish()?;
        println!("  {loss}");
        loss.expect_none(&[name])?;
    }
    each_reaches_its_own(tenants)
}

/// The hosts' routes give way to one of the subnet, and traffic goes on.
fn subnet_mode(tenants: &mut Tenants, inside: &Inside) -> Result<()> {
    let scene = &mut tenants.scene;
    let [v4, v6] = inside.network.subnets();
    let host = inside.guest.port.v4();
    scene.vtep.wait_route(1001, &host, true)?;
    let options = format!("{OPTIONS}\nadvertisement_method_tenant_networks = subnet");
    for node in &mut scene.nodes {
        node.stop_agent();
    }
    scene.start_agents(&options)?;
    for (prefix, there) in [(&v4, true), (&v6, true), (&host, false)] {
        scene.vtep.wait_route(1001, prefix, there)?;
    }
    for to in [inside.guest.port.v4(), inside.guest.port.v6()] {
        reaches(&tenants.red_host.namespace, &to, "inside")?;
    }
    Ok(())
}

/// Live migration of red-2 to the first node, as Nova and Neutron do it; then the gateway's node has lost it.
fn migrate(tenants: &mut Tenants) -> Result<()> {
    let at = tenants
        .guests
        .iter()
        .position(|guest| guest.name == "red-2");
    let guest = tenants.guests.remove(at.context("no red-2")?);
    let (port, scene) = (guest.port.clone(), &tenants.scene);
    let from_host = Stream::start(&tenants.red_host.namespace, &port.v4(), OFTEN)?;
    let from_blue = Stream::start(&tenants.blue_host.namespace, &port.v4(), OFTEN)?;
    scene.neutron.bind(&port, &[HOSTS[1].0, HOSTS[0].0])?;
    let moved = scene.nodes[0].plug(&port, "red-2 moved")?;
    scene.nodes[1].unplug(guest)?;
    scene.neutron.bind(&port, &[HOSTS[0].0])?;
    scene.neutron.wait_up(&port, true, HOSTS[0].0)?;
    comes_to(&tenants.red_host.namespace, &port.v4(), "red-2 moved")?;
    for to in [port.v4(), port.v6()] {
        reaches(tenants.guests[0].namespace(), &to, "red-2 moved")?;
        reaches(&tenants.red_host.namespace, &to, "red-2 moved")?;
    }
    let loss = from_host.finish()?;
    println!("  {loss}");
    loss.expect_from(&["red-2", "red-2 moved"])?;
    let other = from_blue.finish()?;
    println!("  {other}");
    other.expect_none(&["blue-2"])?;
    tenants.guests.push(moved);
    Ok(())
}

/// Blue goes to VNI 1003, where another host has the old one's address.
fn b115_vni_changes(tenants: &Tenants) -> Result<()> {
    let scene = &tenants.scene;
    let outside = ["198.51.100.", "2001:db8:ffff::"];
    let third = scene.vtep.add_routed(1003, "third-host", outside)?;
    let stream = Stream::start(&tenants.red_host.namespace, &tenants.red.v4(10), OFTEN)?;
    scene.neutron.annotate(&tenants.blue, &[("vni", "1003")])?;
    for guest in tenants.of("blue") {
        for to in &third.addresses {
            comes_to(guest.namespace(), to, "third-host")?;
        }
        for to in [guest.port.v4(), guest.port.v6()] {
            comes_to(&third.namespace, &to, &guest.name)?;
        }
    }
    for node in &scene.nodes {
        node.wait_devices(&["vrf-1002", "br-1002", "vxlan-1002"], false)?;
    }
    for prefix in [tenants.blue.v4(10), tenants.blue.v6(11), tenants.blue.v4(1)] {
        scene.vtep.wait_route(1002, &prefix, false)?;
    }
    let loss = stream.finish()?;
    println!("  {loss}");
    loss.expect_none(&["red-1"])
}

fn b116_vni_goes(tenants: &Tenants) -> Result<()> {
    let scene = &tenants.scene;
    scene.neutron.unannotate(&tenants.blue, &["type", "vni"])?;
    for node in &scene.nodes {
        node.wait_devices(&["vrf-1003", "br-1003", "vxlan-1003"], false)?;
    }
    for prefix in [tenants.blue.v4(10), tenants.blue.v6(11)] {
        scene.vtep.wait_route(1003, &prefix, false)?;
    }
    reaches(&tenants.red_host.namespace, &tenants.red.v4(10), "red-1")
}

/// Every port goes, then the router's gateway: nothing of ours is left in the kernel and on the bridge.
fn b117_last_goes(mut tenants: Tenants, inside: Inside) -> Result<()> {
    let scene = &tenants.scene;
    let neutron = &scene.neutron;
    for guest in tenants.guests.drain(..).chain([inside.guest]) {
        neutron.delete_port(&guest.port)?;
        // wherever it is
        drop(guest);
    }
    let inner = [&inside.network];
    neutron.clear_gateway(&inside.router, &inside.gateway, &inner)?;
    devices(&tenants, false)?;
    scene.nodes.iter().try_for_each(bare)?;
    for prefix in [tenants.red.v4(10), tenants.red.v4(40), tenants.red.v4(1)] {
        scene.vtep.wait_route(1001, &prefix, false)?;
    }
    Ok(())
}

/// Neither a port, nor a flow, nor a rule of ours.
fn bare(node: &Node) -> Result<()> {
    let mut last = String::new();
    let clean = || {
        let ports = node.ports("br-ex").unwrap_or_default();
        let flows = node.chassis.switch.flows("br-ex").unwrap_or_default();
        last = format!("{ports:?} {flows:?}");
        ports.iter().all(|port| !port.starts_with("ovs"))
            && flows.iter().all(|flow| !flow.contains("cookie=0x3e"))
    };
    wait_until(PATIENCE, "a bare bridge", clean).with_context(|| format!("{}: {last}", node.host()))
}
