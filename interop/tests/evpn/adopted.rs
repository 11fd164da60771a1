//! A node that the Python agent's `nb_ovn_bgp_driver` with `exposing_method = vrf` and FRR have left (golden/nb_ovn_bgp_driver-vrf/after), under
//! traffic: our agent takes over what is there, device by device, and not a packet is lost.

use anyhow::Result;
use interop::cloud::objects::{Network, Port};
use interop::evpn::Scene;

use crate::left::{Driver, Left, OUTSIDE, VNI, as_ours, it_works, starts_again, takes_over};
use crate::stage::{Steps, play};

#[test]
fn vm_what_the_python_agent_left_is_taken_over_without_a_lost_packet() {
    play(
        "adopted::vm_what_the_python_agent_left_is_taken_over_without_a_lost_packet",
        scene,
    );
}

fn scene(steps: &mut Steps) -> Result<()> {
    let mut left = steps.step("a node that the Python agent has left", build)?;
    steps.step("it works", || it_works(&left))?;
    steps.step("our agent takes over under traffic", || {
        takes_over(&mut left)
    })?;
    steps.step("it starts again under traffic and writes nothing", || {
        starts_again(&mut left)
    })?;
    steps.step("what is there is what ours would have made", || {
        as_ours(&mut left)
    })
}

fn build() -> Result<Left> {
    let scene = Scene::build()?;
    let network = Network::provider(1, "physnet1");
    scene.neutron.create_network(&network)?;
    let vni = VNI.to_string();
    scene
        .neutron
        .annotate(&network, &[("type", "l3"), ("vni", &vni)])?;
    let far = scene.vtep.add_routed(VNI, "far", OUTSIDE)?;
    let guest = scene.boot(&Port::new(&network, 10), 0, "guest")?;
    scene.neutron.serve_dhcp(&network, &[&guest.port])?;
    let row = scene.neutron.localnet_row(&network)?;
    let left = Left {
        scene,
        far,
        guest,
        driver: Driver {
            options: "driver = nb_ovn_bgp_driver\nexposing_method = vrf",
            entry: format!("vrf{}", &row[..11]),
            port: format!("ovs{}", &row[..11]),
            cookie: "0x3e7",
            useless: &[],
        },
    };
    // As FRR's router advertisements said: nobody answers for the network's own IPv6 gateway (golden/README.md).
    let by_advertisement = "-6 route replace default via fe80::200:3e9:0 dev eth0";
    left.guest.namespace().ip(by_advertisement)?;
    lay_down(&left)?;
    left.way_from_the_vtep(&left.guest)?;
    Ok(left)
}

/// golden/nb_ovn_bgp_driver-vrf/after: ip-d-link, ip-addr, ip-route-all, ip-neigh, bridge-link, bridge-fdb, sysctl, flows-br-ex, ovs-show.
fn lay_down(left: &Left) -> Result<()> {
    left.lay_down_devices()?;
    left.lay_down_pair()?;
    let entry = &left.driver.entry;
    let guest = &left.guest.port;
    let [router, _] = guest.network.gateways();
    let mut lines = vec![
        format!("link set vxlan-{VNI} type bridge_slave neigh_suppress on learning off"),
        format!("addr add {router}/32 dev {entry}"),
        format!("addr add 169.254.0.0/32 dev {entry}"),
        format!("addr add fd53:d91e:400:7f17::/128 dev {entry} nodad"),
        format!("link set {entry} address 02:00:03:e9:00:00"),
        format!("addr add fe80::200:3e9:0/64 dev {entry} nodad"),
    ];
    for address in [guest.v4(), guest.v6()] {
        let mac = guest.mac();
        lines.push(format!("route add {address} dev {entry} table {VNI}"));
        lines.push(format!(
            "neigh add {address} lladdr {mac} dev {entry} nud permanent"
        ));
    }
    left.node().site.namespace.ip_lines(&lines)?;
    left.as_zebra()?;
    left.write_sysctls(&[
        format!("net/ipv4/conf/{entry}/proxy_arp"),
        format!("net/ipv6/conf/{entry}/proxy_ndp"),
        format!("net/ipv4/conf/br-{VNI}/forwarding"),
        format!("net/ipv4/conf/{entry}/forwarding"),
    ])?;
    let number = left.patch_port()?;
    for kind in ["ip", "ipv6"] {
        let actions = "mod_dl_dst:02:00:03:e9:00:00,NORMAL";
        let flow = format!("cookie=0x3e7,priority=900,{kind},in_port={number},actions={actions}");
        let switch = &left.node().chassis.switch;
        switch.ofctl("add-flow", "br-ex", &[&flow])?;
    }
    Ok(())
}
