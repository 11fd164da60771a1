//! A node that the Python agent's `ovn_evpn_driver` and FRR have left (golden/ovn_evpn_driver and golden/ovn_evpn_driver-v4only, each of which has
//! what the other's subnet has not), under traffic: our agent takes over what is there, and not a packet is lost.
//!
//! Ours keeps every device but `lo-<vni>`, whose addresses FRR told the fabric: with our own speaker nobody needs them, and where the Python agent
//! leaves the kernel's local route of one, as it does with IPv6, the node takes the packets of that host for its own (b157). So the traffic here
//! is that of a host whose IPv6 address is not on it, and another host shows what was broken, and is mended. A gateway on a VLAN network, for
//! which ours makes the internal port `vlan-<vni>`, the Python agent never brings about (b156): nothing of it can be left.

use anyhow::{Result, ensure};
use interop::cloud::HOSTS;
use interop::cloud::objects::{Gateway, Network, Port, Router};
use interop::evpn::probe::{is_silent, reaches};
use interop::evpn::{Guest, Scene};

use crate::left::{Driver, Left, OUTSIDE, VNI, as_ours, it_works, starts_again, takes_over};
use crate::stage::{Steps, play};

/// The number of the router on the provider network.
const GATEWAY: u8 = 40;

#[test]
fn vm_what_the_southbound_evpn_driver_left_is_taken_over_without_a_lost_packet() {
    play(
        "adopted_southbound::vm_what_the_southbound_evpn_driver_left_is_taken_over_without_a_lost_packet",
        scene,
    );
}

fn scene(steps: &mut Steps) -> Result<()> {
    let (mut left, other) = steps.step("a node that the Python agent has left", build)?;
    steps.step("it works, but for IPv6 addresses on lo-1001", || {
        it_works(&left)?;
        works_by_half(&left, &other)
    })?;
    steps.step("our agent takes over under traffic", || {
        takes_over(&mut left)
    })?;
    steps.step("b157 it works, IPv6 as well", || {
        for to in [other.port.v4(), other.port.v6()] {
            reaches(&left.far.namespace, &to, &other.name)?;
        }
        Ok(())
    })?;
    steps.step("it starts again under traffic and writes nothing", || {
        starts_again(&mut left)
    })?;
    steps.step("what is there is what ours would have made", || {
        as_ours(&mut left)
    })?;
    steps.step("and it works", || it_works(&left))
}

/// Two VMs behind a router of the tenant's, all on one node.
fn build() -> Result<(Left, Guest)> {
    let scene = Scene::build()?;
    let (public, inside) = (Network::provider(1, "physnet1"), Network::tenant(8));
    let router = Router::new(1);
    let gateway = Gateway {
        network: public.clone(),
        host: GATEWAY,
        chassis: vec![HOSTS[0].1.to_owned()],
        snat: false,
    };
    let neutron = &scene.neutron;
    neutron.create_network(&public)?;
    neutron.create_network(&inside)?;
    neutron.create_router(&router)?;
    neutron.attach(&router, &inside, None)?;
    neutron.set_gateway(&router, &gateway, &[&inside])?;
    let vni = VNI.to_string();
    let keys = [("vni", vni.as_str()), ("as", "64999")];
    neutron.annotate_router(&router, &[&public, &inside], &keys)?;
    let far = scene.vtep.add_routed(VNI, "far", OUTSIDE)?;
    let guest = scene.boot(&Port::new(&inside, 20), 0, "guest")?;
    let other = scene.boot(&Port::new(&inside, 21), 0, "other")?;
    let left = Left {
        scene,
        far,
        guest,
        driver: Driver {
            options: "driver = ovn_evpn_driver",
            entry: format!("veth-vrf-{VNI}"),
            port: format!("veth-ovs-{VNI}"),
            cookie: "0x3e6",
            useless: &["lo-1001"],
        },
    };
    lay_down(&left, &public, &router.mac(&public, "v4"), &other)?;
    left.way_from_the_vtep(&left.guest)?;
    left.way_from_the_vtep(&other)?;
    Ok((left, other))
}

/// ip-d-link, ip-addr, ip-route-all, ip-neigh, ip-neigh-proxy, bridge-link, bridge-fdb, sysctl, flows-br-ex, ovs-show.
fn lay_down(left: &Left, public: &Network, gateway_mac: &str, other: &Guest) -> Result<()> {
    left.lay_down_devices()?;
    left.lay_down_pair()?;
    let entry = &left.driver.entry;
    let ns = &left.node().site.namespace;
    let loopback = |address: &str| format!("addr add {address} dev lo-{VNI}");
    let mut lines = vec![
        format!("link add lo-{VNI} type dummy"),
        format!("link set lo-{VNI} up"),
        format!("link set lo-{VNI} master vrf-{VNI}"),
        format!("route add unreachable default table {VNI} metric 4278198272"),
        format!("route add unreachable ::/0 table {VNI} metric 4278198272"),
    ];
    let inside = &left.guest.port.network;
    for (gateway, subnet) in [public.v4(GATEWAY), public.v6(GATEWAY)]
        .iter()
        .zip(inside.subnets())
    {
        lines.extend([
            format!("route add {gateway} dev {entry} table {VNI}"),
            format!("neigh add {gateway} lladdr {gateway_mac} dev {entry} nud permanent"),
            format!("route add {subnet} via {gateway} dev {entry} table {VNI}"),
        ]);
    }
    for guest in [&left.guest, other] {
        let address = guest.port.v4();
        lines.push(loopback(&format!("{address}/32")));
        lines.push(format!(
            "route del local {address} dev lo-{VNI} table {VNI}"
        ));
    }
    lines.push(loopback(&format!("{}/128", other.port.v6())));
    ns.ip_lines(&lines)?;
    left.as_zebra()?;
    left.write_sysctls(&[
        format!("net/ipv4/conf/br-{VNI}/forwarding"),
        format!("net/ipv4/conf/{entry}/forwarding"),
    ])?;
    flows(left, gateway_mac)?;
    provider_bridge(left, public)
}

/// A flow for each subnet: packets of the tenant's go into its table.
fn flows(left: &Left, gateway_mac: &str) -> Result<()> {
    let Driver {
        entry,
        port,
        cookie,
        ..
    } = &left.driver;
    let (patch, output) = (left.patch_port()?, left.ofport(port)?);
    let mac = left.node().site.namespace.mac(entry)?;
    let [v4, v6] = left.guest.port.network.subnets();
    for source in [format!("ip,nw_src={v4}"), format!("ipv6,ipv6_src={v6}")] {
        let flow = format!(
            "cookie={cookie},priority=1000,{source},in_port={patch},dl_src={gateway_mac},\
             actions=mod_dl_dst:{mac},output:{output}"
        );
        let switch = &left.node().chassis.switch;
        switch.ofctl("add-flow", "br-ex", &[&flow])?;
    }
    Ok(())
}

/// It answers for the gateways of the provider network. The Python agent's proxy is for Neutron's default IPv6 gateway; for one that ends in 1, as
/// here, an operator adds another (golden/README.md).
fn provider_bridge(left: &Left, public: &Network) -> Result<()> {
    let [_, v6] = public.gateways();
    let first = v6.trim_end_matches('1');
    left.node().site.namespace.ip_lines(&[
        "link set br-ex up".to_owned(),
        "addr add 169.254.0.1/32 dev br-ex".to_owned(),
        "addr add fd53:d91e:400:7f17::1/128 dev br-ex nodad".to_owned(),
        format!("neigh add proxy {first} dev br-ex"),
        format!("neigh add proxy {v6} dev br-ex"),
    ])?;
    left.write_sysctls(&[
        "net/ipv4/conf/br-ex/proxy_arp".to_owned(),
        "net/ipv6/conf/br-ex/proxy_ndp".to_owned(),
    ])
}

/// The host with both addresses on `lo-<vni>` has IPv4 alone.
fn works_by_half(left: &Left, other: &Guest) -> Result<()> {
    let (far, v4) = (&left.far.namespace, other.port.v4());
    reaches(far, &v4, &other.name)?;
    is_silent(far, &other.port.v6(), (&v4, &other.name))?;
    let table = format!("-6 route show table {VNI} type local");
    let local = left.node().site.namespace.ip(&table)?;
    ensure!(local.contains(&other.port.v6()), "{local}");
    Ok(())
}
