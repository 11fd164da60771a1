//! `exposing_method = l2vni`: one network stretched over VNI 2001. A VM on each node and a host behind the other VTEP's bridge are neighbours.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::cloud::HOSTS;
use interop::cloud::objects::{Network, Port};
use interop::evpn::probe::{Stream, comes_to, reaches};
use interop::evpn::wiretap::{Frame, Wiretap};
use interop::evpn::{Guest, Host, Scene};
use interop::{Namespace, PATIENCE, wait_until};

use crate::stage::{Steps, play};

const VNI: u32 = 2001;
const OPTIONS: &str = "driver = nb_ovn_bgp_driver\nexposing_method = l2vni";

#[test]
fn vm_a_network_is_stretched_and_its_addresses_are_resolved_at_home() {
    play(
        "bridged::vm_a_network_is_stretched_and_its_addresses_are_resolved_at_home",
        scene,
    );
}

struct Stretched {
    scene: Scene,
    network: Network,
    host: Host,
    /// At the first node and at the second.
    guests: [Guest; 2],
}

fn scene(steps: &mut Steps) -> Result<()> {
    let mut stretched = steps.step("a stretched network", build)?;
    steps.step("neighbours reach each other, by IPv4 and IPv6", || {
        each_reaches_each(&stretched)
    })?;
    steps.step("addresses are resolved at home", || {
        resolved_at_home(&stretched)
    })?;
    steps.step("nothing is learned from frames", || {
        nothing_learned(&stretched)
    })?;
    steps.step("an agent is killed under traffic: nothing is lost", || {
        restart(&mut stretched)
    })?;
    steps.step("a VM migrates, and its sequence number grows", || {
        migrate(&mut stretched)
    })?;
    steps.step("a port without IP address is told by its MAC alone", || {
        by_mac_alone(&stretched)
    })?;
    steps.step("the devices go with the annotation", || goes(&stretched))
}

fn build() -> Result<Stretched> {
    let mut scene = Scene::build()?;
    let network = Network::provider(3, "physnet1").tagged(200);
    scene.neutron.create_network(&network)?;
    let vni = VNI.to_string();
    scene
        .neutron
        .annotate(&network, &[("type", "l2"), ("vni", &vni)])?;
    let host = scene
        .vtep
        .add_bridged(VNI, "host", [network.v4(20), network.v6(20)])?;
    let guests = [
        scene.boot(&Port::new(&network, 10), 0, "one")?,
        scene.boot(&Port::new(&network, 11), 1, "two")?,
    ];
    scene.start_agents(OPTIONS)?;
    Ok(Stretched {
        scene,
        network,
        host,
        guests,
    })
}

/// Everybody on the network: where it is, its addresses, and its name.
fn everybody(stretched: &Stretched) -> Vec<(&Namespace, [String; 2], &str)> {
    let of_guest = |guest: &'_ Guest| [guest.port.v4(), guest.port.v6()];
    let mut all: Vec<_> = stretched
        .guests
        .iter()
        .map(|guest| (guest.namespace(), of_guest(guest), guest.name.as_str()))
        .collect();
    let host = &stretched.host;
    all.push((&host.namespace, host.addresses.clone(), &host.name));
    all
}

fn each_reaches_each(stretched: &Stretched) -> Result<()> {
    let all = everybody(stretched);
    for (from, _, own) in &all {
        for (_, addresses, name) in all.iter().filter(|(_, _, name)| name != own) {
            for to in addresses {
                reaches(from, to, name)?;
            }
        }
    }
    Ok(())
}

/// The other VTEP knows its host's address too (as where it routes for it), so everybody's MAC and IP are told as type 2. Then nobody's ARP
/// request or neighbour solicitation crosses the underlay, though everybody forgets whom it knew; one for an address that nobody has does.
fn resolved_at_home(stretched: &Stretched) -> Result<()> {
    let Stretched {
        scene,
        host,
        network,
        ..
    } = stretched;
    let mac = host.namespace.mac("eth0")?;
    let lines = host
        .addresses
        .each_ref()
        .map(|address| format!("neigh replace {address} lladdr {mac} dev br-{VNI} nud permanent"));
    scene.vtep.site.namespace.ip_lines(&lines)?;
    for node in &scene.nodes {
        let known = || {
            let shown = node.site.namespace.ip(&format!("neigh show dev br-{VNI}"));
            shown.is_ok_and(|shown| {
                host.addresses
                    .iter()
                    .all(|a| shown.contains(&format!("{a} ")))
            })
        };
        wait_until(PATIENCE, "the host's addresses at the nodes", known)?;
    }
    let tap = Wiretap::start(&scene.fabric.namespace)?;
    let resolutions = || tap.count(VNI, Frame::Arp) + tap.count(VNI, Frame::Solicitation);
    for (namespace, _, _) in everybody(stretched) {
        namespace.ip("neigh flush all")?;
    }
    each_reaches_each(stretched)?;
    ensure!(tap.count(VNI, Frame::Other) > 0, "the tap is deaf");
    ensure!(
        resolutions() == 0,
        "{} resolutions crossed the underlay",
        resolutions()
    );
    host.namespace.pings(network.v4(99).parse()?, None);
    ensure!(
        tap.count(VNI, Frame::Arp) > 0,
        "a request for nobody should be flooded"
    );
    Ok(())
}

/// Every MAC in the nodes' bridges is there because OVN or a peer says so.
fn nothing_learned(stretched: &Stretched) -> Result<()> {
    for node in &stretched.scene.nodes {
        let shown = node
            .site
            .namespace
            .sh(&format!("bridge fdb show br br-{VNI}"))?;
        let said = ["extern_learn", "static", "permanent", " self"];
        let learned: Vec<&str> = shown
            .lines()
            .filter(|line| !said.iter().any(|word| line.contains(word)))
            .collect();
        ensure!(learned.is_empty(), "{} learned {learned:#?}", node.host());
        for guest in &stretched.guests {
            ensure!(
                shown.contains(&guest.port.mac()),
                "{}: {shown}",
                node.host()
            );
        }
    }
    Ok(())
}

fn restart(stretched: &mut Stretched) -> Result<()> {
    let interval = Duration::from_millis(50);
    let [one, two] = &stretched.guests;
    let streams = [
        (
            "one",
            Stream::start(&stretched.host.namespace, &one.port.v4(), interval)?,
        ),
        (
            "two",
            Stream::start(one.namespace(), &two.port.v6(), interval)?,
        ),
    ];
    for node in &mut stretched.scene.nodes {
        node.kill_agent();
        node.start_agent()?;
        stretched.scene.fabric.wait_told(&node.site)?;
    }
    for (name, stream) in streams {
        let loss = stream.finish()?;
        println!("  {loss}");
        loss.expect_none(&[name])?;
    }
    Ok(())
}

/// "two" goes to the first node: its MAC is told from there with a higher number, and everybody follows.
fn migrate(stretched: &mut Stretched) -> Result<()> {
    let Stretched {
        scene,
        host,
        guests,
        ..
    } = stretched;
    let (port, mac) = (guests[1].port.clone(), guests[1].port.mac());
    let before = sequences(scene, &mac)?;
    let stream = Stream::start(&host.namespace, &port.v4(), Duration::from_millis(50))?;
    scene.neutron.bind(&port, &[HOSTS[1].0, HOSTS[0].0])?;
    let moved = scene.nodes[0].plug(&port, "two moved")?;
    let old = std::mem::replace(&mut guests[1], moved);
    scene.nodes[1].unplug(old)?;
    scene.neutron.bind(&port, &[HOSTS[0].0])?;
    scene.neutron.wait_up(&port, true, HOSTS[0].0)?;
    for to in [port.v4(), port.v6()] {
        comes_to(&host.namespace, &to, "two moved")?;
        comes_to(guests[0].namespace(), &to, "two moved")?;
    }
    let loss = stream.finish()?;
    println!("  {loss}");
    loss.expect_from(&["two", "two moved"])?;
    let mut after = BTreeSet::new();
    wait_until(PATIENCE, "a higher sequence number", || {
        after = sequences(scene, &mac).unwrap_or_default();
        after.last() > before.last()
    })
    .with_context(|| format!("{before:?}, then {after:?}"))
}

/// OVN knows no IP address of "one" any more: type 2 with IP length 0 (RFC 7432 §7.2), and who asks for its address floods.
fn by_mac_alone(stretched: &Stretched) -> Result<()> {
    let Stretched {
        scene,
        host,
        guests,
        ..
    } = stretched;
    let (port, mac) = (&guests[0].port, guests[0].port.mac());
    let whole = format!("{mac} {} {}", port.v4(), port.v6());
    for (entries, addressed) in [
        (vec![mac.as_str(), "unknown"], false),
        (vec![&*whole], true),
    ] {
        let words = [vec!["lsp-set-addresses", &port.id], entries].concat();
        scene.neutron.central.nbctl(&words)?;
        let mut last = Vec::new();
        wait_until(PATIENCE, "the routes of its MAC", || {
            last = routes_of(scene, &mac).unwrap_or_default();
            let with_address = last.iter().filter(|route| route.contains("]:[")).count();
            !last.is_empty() && with_address == if addressed { 2 } else { 0 }
        })
        .with_context(|| format!("with an address: {addressed}: {last:#?}"))?;
        host.namespace.ip("neigh flush all")?;
        for to in [port.v4(), port.v6()] {
            reaches(&host.namespace, &to, "one")?;
        }
    }
    Ok(())
}

/// What follows a MAC in the type 2 routes that FRR has heard of it: nothing, or an IP address.
fn routes_of(scene: &Scene, mac: &str) -> Result<Vec<String>> {
    let shown = scene
        .vtep
        .router
        .vtysh("show bgp l2vpn evpn route type macip")?;
    let lines = shown.lines().filter(|line| line.contains("[2]:["));
    let after = |line: &str| Some(line.split_once(mac)?.1.trim().to_owned());
    Ok(lines.filter_map(after).collect())
}

/// The sequence numbers with which FRR has heard of a MAC (RFC 7432 §7.7); a route without one says 0.
fn sequences(scene: &Scene, mac: &str) -> Result<BTreeSet<u32>> {
    let shown = scene
        .vtep
        .router
        .vtysh("show bgp l2vpn evpn route type macip")?;
    let mut of_mac = false;
    let mut all = BTreeSet::new();
    for line in shown.lines() {
        if line.contains("[2]:[") {
            of_mac = line.contains(mac);
        } else if of_mac && line.contains("RT:") {
            let number = line.split_once("MM:").map(|(_, rest)| rest);
            let number = number.and_then(|rest| rest.split([',', ' ']).next());
            all.insert(number.map_or(Ok(0), str::parse)?);
        }
    }
    ensure!(!all.is_empty(), "FRR has not heard of {mac}: {shown}");
    Ok(all)
}

fn goes(stretched: &Stretched) -> Result<()> {
    let Stretched { scene, network, .. } = stretched;
    scene.neutron.unannotate(network, &["type", "vni"])?;
    let row = scene.neutron.localnet_row(network)?;
    let entrance = format!("vrf{}", &row[..11]);
    let names = [format!("br-{VNI}"), format!("vxlan-{VNI}"), entrance];
    let names = names.each_ref().map(String::as_str);
    for node in &scene.nodes {
        node.wait_devices(&names, false)?;
    }
    let told = || {
        scene
            .vtep
            .router
            .vtysh("show bgp l2vpn evpn route type macip")
    };
    let of_guests = |shown: &str| {
        stretched
            .guests
            .iter()
            .any(|g| shown.contains(&g.port.mac()))
    };
    wait_until(PATIENCE, "the MACs to be withdrawn", || {
        told().is_ok_and(|shown| !of_guests(&shown))
    })
}
