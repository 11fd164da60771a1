//! `exposing_method = dynamic`: three networks on one bridge, each reached as its annotation says. One is routed in VNI 1001, one stretched over
//! VNI 2001, one says nothing and is in the default table; then the routed one becomes a stretched one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::cloud::objects::{Network, Port};
use interop::evpn::probe::{Stream, comes_to, is_silent, reaches};
use interop::evpn::{Guest, Host, Scene};
use interop::{PATIENCE, output, wait_until};

use crate::stage::{Steps, play};

const ROUTED: u32 = 1001;
const STRETCHED: u32 = 2001;
/// What the routed network becomes.
const CHANGED: u32 = 2002;
const OPTIONS: &str = "driver = nb_ovn_bgp_driver\nexposing_method = dynamic";
/// Between two requests of what runs while something else happens.
const OFTEN: Duration = Duration::from_millis(50);

#[test]
fn vm_each_network_is_reached_as_its_annotation_says() {
    play(
        "dynamic::vm_each_network_is_reached_as_its_annotation_says",
        scene,
    );
}

/// A network with a VM at each node.
struct Lan {
    network: Network,
    guests: [Guest; 2],
}

struct Lans {
    scene: Scene,
    routed: Lan,
    stretched: Lan,
    plain: Lan,
    /// Behind the other VTEP: routed to, and a neighbour.
    far: Host,
    neighbour: Host,
}

fn scene(steps: &mut Steps) -> Result<()> {
    let lans = steps.step("three networks", build)?;
    steps.step("the annotated ones have the devices of their type", || {
        devices(&lans)
    })?;
    steps.step("each is reached as its annotation says", || {
        each_its_way(&lans)
    })?;
    steps.step("and in no other way", || in_no_other_way(&lans))?;
    steps.step("packets of 8000 octets pass networks of 9000", || {
        large_packets(&lans)
    })?;
    steps.step(
        "l3 becomes l2 under traffic of the others: nothing of theirs is lost",
        || becomes_stretched(&lans),
    )
}

fn build() -> Result<Lans> {
    let mut scene = Scene::build()?;
    let networks = [
        Network::provider(1, "physnet1"),
        Network::provider(3, "physnet1").tagged(200),
        Network::provider(2, "physnet1").tagged(100),
    ];
    for network in &networks {
        scene.neutron.create_network(network)?;
    }
    let [one, two, three] = networks;
    for (network, kind, vni) in [(&one, "l3", ROUTED), (&two, "l2", STRETCHED)] {
        let vni = vni.to_string();
        scene
            .neutron
            .annotate(network, &[("type", kind), ("vni", &vni)])?;
    }
    let outside = ["198.51.100.", "2001:db8:ffff::"];
    let far = scene.vtep.add_routed(ROUTED, "far", outside)?;
    let neighbour = scene
        .vtep
        .add_bridged(STRETCHED, "neighbour", [two.v4(20), two.v6(20)])?;
    let lan = |network: Network, names: [&str; 2]| -> Result<Lan> {
        let guests = [
            scene.boot(&Port::new(&network, 10), 0, names[0])?,
            scene.boot(&Port::new(&network, 11), 1, names[1])?,
        ];
        Ok(Lan { network, guests })
    };
    let routed = lan(one, ["routed-1", "routed-2"])?;
    // The node is the router that DHCP names.
    let ports = routed.guests.each_ref().map(|guest| &guest.port);
    scene.neutron.serve_dhcp(&routed.network, &ports)?;
    let stretched = lan(two, ["stretched-1", "stretched-2"])?;
    let plain = lan(three, ["plain-1", "plain-2"])?;
    scene.start_agents(OPTIONS)?;
    Ok(Lans {
        scene,
        routed,
        stretched,
        plain,
        far,
        neighbour,
    })
}

fn devices(lans: &Lans) -> Result<()> {
    let scene = &lans.scene;
    for (lan, vni) in [(&lans.routed, ROUTED), (&lans.stretched, STRETCHED)] {
        let row = scene.neutron.localnet_row(&lan.network)?;
        let names = [
            format!("vrf-{vni}"),
            format!("br-{vni}"),
            format!("vxlan-{vni}"),
            format!("vrf{}", &row[..11]),
        ];
        let names = names.each_ref().map(String::as_str);
        for node in &scene.nodes {
            node.wait_devices(&names, true)?;
        }
    }
    for node in &scene.nodes {
        node.wait_devices(&["br-ex.100"], true)?;
        // Nothing of the default table for the networks of VNIs (decision 149).
        node.wait_devices(&["br-ex.200"], false)?;
    }
    Ok(())
}

/// Every guest reaches the others of its network, and what is behind the VTEP of its type reaches it.
fn each_its_way(lans: &Lans) -> Result<()> {
    for lan in [&lans.routed, &lans.stretched, &lans.plain] {
        let [one, two] = &lan.guests;
        for (from, to) in [(one, two), (two, one)] {
            reaches(from.namespace(), &to.port.v4(), &to.name)?;
        }
    }
    for (host, lan) in [
        (&lans.far, &lans.routed),
        (&lans.neighbour, &lans.stretched),
    ] {
        for guest in &lan.guests {
            for to in [guest.port.v4(), guest.port.v6()] {
                reaches(&host.namespace, &to, &guest.name)?;
            }
            for to in &host.addresses {
                reaches(guest.namespace(), to, &host.name)?;
            }
        }
    }
    // The underlay: IPv4 alone is told there.
    for guest in &lans.plain.guests {
        reaches(
            &lans.scene.vtep.site.namespace,
            &guest.port.v4(),
            &guest.name,
        )?;
    }
    Ok(())
}

/// The default table leads to nothing of a VNI, and no VNI to what is in the default table.
fn in_no_other_way(lans: &Lans) -> Result<()> {
    let plain = &lans.plain.guests[0];
    let outside = &lans.scene.vtep.site.namespace;
    let witness = plain.port.v4();
    for lan in [&lans.routed, &lans.stretched] {
        let to = lan.guests[0].port.v4();
        is_silent(outside, &to, (&witness, &plain.name))?;
    }
    let routed = &lans.routed.guests[0];
    is_silent(
        &lans.far.namespace,
        &witness,
        (&routed.port.v4(), &routed.name),
    )
}

/// Devices are made for 1500 octets, and grow with the network.
fn large_packets(lans: &Lans) -> Result<()> {
    const MTU: u32 = 9000;
    let scene = &lans.scene;
    for (lan, vni) in [(&lans.routed, ROUTED), (&lans.stretched, STRETCHED)] {
        let row = scene.neutron.localnet_row(&lan.network)?;
        let [entry, port] = ["vrf", "ovs"].map(|end| format!("{end}{}", &row[..11]));
        let names = [format!("br-{vni}"), format!("vxlan-{vni}"), entry, port];
        let names = names.each_ref().map(String::as_str);
        for node in &scene.nodes {
            node.wait_mtu(&names, 1500)?;
        }
        scene.neutron.set_mtu(&lan.network, MTU)?;
        for (node, guest) in scene.nodes.iter().zip(&lan.guests) {
            node.wait_mtu(&names, MTU)?;
            node.set_mtu(guest, MTU)?;
        }
        let [one, two] = &lan.guests;
        for (from, to) in [(one, &two.port.v4()), (two, &one.port.v4())] {
            // Not to be fragmented; the first packet may be lost while the neighbour is looked for.
            let mut ping = from.namespace().command("ping");
            ping.args(["-n", "-M", "do", "-s", "8000", "-c", "3", "-W", "10", to]);
            let said =
                output(&mut ping).with_context(|| format!("{} to {to}, 8000 octets", from.name))?;
            ensure!(said.contains("8008 bytes from"), "{said}");
        }
    }
    Ok(())
}

fn becomes_stretched(lans: &Lans) -> Result<()> {
    let Lans {
        scene,
        routed,
        stretched,
        plain,
        neighbour,
        ..
    } = lans;
    let network = &routed.network;
    let beside = scene
        .vtep
        .add_bridged(CHANGED, "beside", [network.v4(20), network.v6(20)])?;
    let others = [
        (&stretched.guests[0], &neighbour.namespace),
        (&plain.guests[0], &scene.vtep.site.namespace),
    ];
    let mut streams = Vec::new();
    for (guest, from) in others {
        let stream = Stream::start(from, &guest.port.v4(), OFTEN)?;
        streams.push((&guest.name, stream));
    }
    let vni = CHANGED.to_string();
    scene
        .neutron
        .annotate(network, &[("type", "l2"), ("vni", &vni)])?;
    for guest in &routed.guests {
        for to in &beside.addresses {
            comes_to(guest.namespace(), to, "beside")?;
        }
        for to in [guest.port.v4(), guest.port.v6()] {
            comes_to(&beside.namespace, &to, &guest.name)?;
        }
    }
    let [one, two] = &routed.guests;
    reaches(one.namespace(), &two.port.v6(), &two.name)?;
    for node in &scene.nodes {
        node.wait_devices(&["vrf-1001", "br-1001", "vxlan-1001"], false)?;
    }
    for prefix in [network.v4(10), network.v6(11)] {
        scene.vtep.wait_route(ROUTED, &prefix, false)?;
    }
    for (name, stream) in streams {
        let loss = stream.finish()?;
        println!("  {loss}");
        loss.expect_none(&[name])?;
    }
    let settled = || {
        scene.nodes.iter().all(|node| {
            node.say(&["plan", "--json"])
                .is_ok_and(|plan| changes_nothing(&plan))
        })
    };
    wait_until(PATIENCE, "nothing left to change", settled)?;
    for node in &scene.nodes {
        let plan = node.say(&["plan", "--json"])?;
        ensure!(changes_nothing(&plan), "{}: {plan}", node.host());
    }
    Ok(())
}

fn changes_nothing(plan: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(plan)
        .is_ok_and(|plan| plan["changes"].as_array().is_some_and(Vec::is_empty))
}
