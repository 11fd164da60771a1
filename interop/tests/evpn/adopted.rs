//! A node that the Python agent and FRR have left (golden/nb_ovn_bgp_driver-vrf/after), under traffic: our agent takes over what is there, device by
//! device, and not a packet is lost.
//!
//! The other VTEP has its way to the node by hand: whether BGP is up or not decides about no packet.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::cloud::objects::{Network, Port};
use interop::evpn::probe::{Stream, reaches};
use interop::evpn::{Guest, Host, Node, Scene};
use interop::{PATIENCE, wait_until};

use crate::stage::{Steps, play};

const VNI: u32 = 1001;
const OPTIONS: &str = "driver = nb_ovn_bgp_driver\nexposing_method = vrf";
/// The bridge's hardware address at the node, and at the VTEP.
const NODE_MAC: &str = "7e:0b:6f:ad:0d:7b";
const OUTSIDE: [&str; 2] = ["198.51.100.", "2001:db8:ffff::"];

#[test]
fn vm_what_the_python_agent_left_is_taken_over_without_a_lost_packet() {
    play(
        "adopted::vm_what_the_python_agent_left_is_taken_over_without_a_lost_packet",
        scene,
    );
}

struct Left {
    scene: Scene,
    network: Network,
    far: Host,
    guest: Guest,
    /// The device of the network in the VRF.
    entry: String,
}

fn scene(steps: &mut Steps) -> Result<()> {
    let mut left = steps.step("a node that the Python agent has left", build)?;
    steps.step("it works", || it_works(&left))?;
    steps.step("our agent takes over under traffic", || {
        takes_over(&mut left)
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
        network,
        far,
        guest,
        entry: format!("vrf{}", &row[..11]),
    };
    // As FRR's router advertisements said: nobody answers for the network's own IPv6 gateway (golden/README.md).
    let by_advertisement = "-6 route replace default via fe80::200:3e9:0 dev eth0";
    left.guest.namespace().ip(by_advertisement)?;
    left.lay_down()?;
    left.way_from_the_vtep()?;
    Ok(left)
}

impl Left {
    fn node(&self) -> &Node {
        &self.scene.nodes[0]
    }

    /// golden/nb_ovn_bgp_driver-vrf/after: ip-d-link, ip-addr, ip-route-all, ip-neigh, bridge-link, bridge-fdb, sysctl, flows-br-ex, ovs-show.
    fn lay_down(&self) -> Result<()> {
        let (node, entry) = (self.node(), &self.entry);
        let port = entry.replacen("vrf", "ovs", 1);
        let (ns, switch) = (&node.site.namespace, &node.chassis.switch);
        let (local, [router, _]) = (node.site.vtep(), self.network.gateways());
        let lines = [
            format!("link add br-{VNI} type bridge stp_state 0"),
            format!("link set br-{VNI} up"),
            format!(
                "link add vxlan-{VNI} type vxlan id {VNI} dstport 4789 local {local} nolearning"
            ),
            format!("link set vxlan-{VNI} address {NODE_MAC}"),
            format!("link set vxlan-{VNI} up"),
            format!("link set vxlan-{VNI} master br-{VNI}"),
            format!("link set vxlan-{VNI} type bridge_slave neigh_suppress on learning off"),
            format!("link add vrf-{VNI} type vrf table {VNI}"),
            format!("link set vrf-{VNI} up"),
            format!("link set br-{VNI} master vrf-{VNI}"),
            format!("link add {entry} type veth peer name {port}"),
            format!("link set {entry} up"),
            format!("link set {port} up"),
            format!("link set {entry} master vrf-{VNI}"),
            format!("addr add {router}/32 dev {entry}"),
            format!("addr add 169.254.0.0/32 dev {entry}"),
            format!("addr add fd53:d91e:400:7f17::/128 dev {entry} nodad"),
            format!("link set {entry} address 02:00:03:e9:00:00"),
            format!("addr add fe80::200:3e9:0/64 dev {entry} nodad"),
        ];
        ns.ip_lines(&lines)?;
        switch.vsctl(&["add-port", "br-ex", &port])?;
        let guest = &self.guest.port;
        let mut lines = Vec::new();
        for address in [guest.v4(), guest.v6()] {
            let mac = guest.mac();
            lines.push(format!("route add {address} dev {entry} table {VNI}"));
            lines.push(format!(
                "neigh add {address} lladdr {mac} dev {entry} nud permanent"
            ));
        }
        ns.ip_lines(&lines)?;
        self.as_zebra()?;
        for path in [
            format!("ipv4/conf/{entry}/proxy_arp"),
            format!("ipv6/conf/{entry}/proxy_ndp"),
            format!("ipv4/conf/br-{VNI}/forwarding"),
            format!("ipv4/conf/{entry}/forwarding"),
        ] {
            ns.sh(&format!("echo 1 > /proc/sys/net/{path}"))?;
        }
        self.flows()
    }

    fn as_zebra(&self) -> Result<()> {
        let ns = &self.node().site.namespace;
        let far = &self.scene.vtep.site;
        let (vtep, mac) = (far.vtep(), far.namespace.mac(&format!("br-{VNI}"))?);
        let [v4, v6] = OUTSIDE;
        let bgp =
            |way: &str| format!("via {way} dev br-{VNI} onlink table {VNI} proto bgp metric 20");
        let mapped = format!("::ffff:{vtep}");
        let noarp = format!("lladdr {mac} dev br-{VNI} nud noarp extern_learn protocol zebra");
        ns.ip_lines(&[
            format!("neigh add {vtep} {noarp}"),
            format!("neigh add {mapped} {noarp}"),
            format!("route add {v4}0/24 {}", bgp(&vtep)),
            format!("route add {v6}/64 {}", bgp(&mapped)),
        ])?;
        ns.sh(&format!(
            "bridge fdb add {mac} dev vxlan-{VNI} dst {vtep} self master extern_learn"
        ))?;
        Ok(())
    }

    fn flows(&self) -> Result<()> {
        let switch = &self.node().chassis.switch;
        let ports = switch.vsctl(&["list-ports", "br-ex"])?;
        let patch = ports.lines().find(|port| port.starts_with("patch-"));
        let patch = patch.context("no patch port")?;
        let number = switch.vsctl(&["get", "interface", patch, "ofport"])?;
        let number = number.trim();
        for kind in ["ip", "ipv6"] {
            let actions = "mod_dl_dst:02:00:03:e9:00:00,NORMAL";
            let flow =
                format!("cookie=0x3e7,priority=900,{kind},in_port={number},actions={actions}");
            switch.ofctl("add-flow", "br-ex", &[&flow])?;
        }
        Ok(())
    }

    /// What BGP would tell the VTEP, as its kernel has it, and where each finds the other's VTEP.
    fn way_from_the_vtep(&self) -> Result<()> {
        let (own, far) = (&self.node().site, &self.scene.vtep.site);
        for (from, to) in [(own, far), (far, own)] {
            let (vtep, underlay) = (to.vtep(), to.underlay());
            from.namespace
                .ip(&format!("route add {vtep} via {underlay} metric 1000"))?;
        }
        let ns = &far.namespace;
        let local = self.node().site.vtep();
        let guest = &self.guest.port;
        let mapped = format!("::ffff:{local}");
        let onlink = format!("dev br-{VNI} onlink table {VNI}");
        ns.ip_lines(&[
            format!("neigh replace {local} lladdr {NODE_MAC} dev br-{VNI} nud permanent"),
            format!("neigh replace {mapped} lladdr {NODE_MAC} dev br-{VNI} nud permanent"),
            format!("route add {} via {local} {onlink}", guest.v4()),
            format!("route add {} via {mapped} {onlink} metric 1", guest.v6()),
        ])?;
        ns.sh(&format!(
            "bridge fdb replace {NODE_MAC} dev vxlan-{VNI} dst {local} self permanent"
        ))?;
        Ok(())
    }

    /// Every device of the tenant with its number and hardware address.
    fn devices(&self) -> Result<BTreeMap<String, String>> {
        let shown = self.node().site.namespace.ip("-o link")?;
        let mut devices = BTreeMap::new();
        for line in shown.lines() {
            let mut words = line.split_whitespace();
            let (Some(index), Some(name)) = (words.next(), words.next()) else {
                continue;
            };
            let name = name.trim_end_matches(':').split('@').next().unwrap_or(name);
            let mac = words.skip_while(|word| *word != "link/ether").nth(1);
            let ours = name.ends_with(&format!("-{VNI}")) || name.ends_with(&self.entry[3..]);
            if ours {
                let facts = format!("{index} {}", mac.unwrap_or_default());
                devices.insert(name.to_owned(), facts);
            }
        }
        Ok(devices)
    }

    /// The ways between the guest and the host behind the VTEP.
    fn streams(&self) -> Result<Vec<(String, Stream)>> {
        let (guest, far) = (&self.guest, &self.far);
        let [far_v4, far_v6] = &far.addresses;
        let often = Duration::from_millis(20);
        let mut streams = Vec::new();
        for to in [guest.port.v4(), guest.port.v6()] {
            let stream = Stream::start(&far.namespace, &to, often)?;
            streams.push((guest.name.clone(), stream));
        }
        for to in [far_v4, far_v6] {
            let stream = Stream::start(guest.namespace(), to, often)?;
            streams.push((far.name.clone(), stream));
        }
        Ok(streams)
    }
}

fn it_works(left: &Left) -> Result<()> {
    let (guest, far) = (&left.guest, &left.far);
    for to in [guest.port.v4(), guest.port.v6()] {
        reaches(&far.namespace, &to, &guest.name)?;
    }
    for to in &far.addresses {
        reaches(guest.namespace(), to, &far.name)?;
    }
    Ok(())
}

fn takes_over(left: &mut Left) -> Result<()> {
    let before = left.devices()?;
    ensure!(before.len() == 5, "{before:#?}");
    let streams = left.streams()?;
    let node = &mut left.scene.nodes[0];
    node.configure(OPTIONS)?;
    node.start_agent()?;
    left.scene.fabric.wait_told(&left.scene.nodes[0].site)?;
    // The speaker has told what there is, and has been taught.
    let told = || {
        let routes = left
            .scene
            .vtep
            .router
            .vtysh("show bgp l2vpn evpn route type prefix");
        routes.is_ok_and(|routes| routes.contains(&left.guest.port.v4()))
    };
    wait_until(PATIENCE, "the guest's route at FRR", told)?;
    let ns = &left.node().site.namespace;
    let prefix = format!("{}0/24", OUTSIDE[0]);
    let mut last = String::new();
    wait_until(PATIENCE, "our own route to the host", || {
        last = ns
            .ip(&format!("route show table {VNI}"))
            .unwrap_or_default();
        last.lines()
            .any(|line| line.contains(&prefix) && line.contains("proto 215"))
    })
    .with_context(|| last.clone())?;
    it_works(left)?;
    for (name, stream) in streams {
        let loss = stream.finish()?;
        println!("  {loss}");
        loss.expect_none(&[&name])?;
    }
    let after = left.devices()?;
    ensure!(before == after, "{before:#?}\n{after:#?}");
    Ok(())
}

/// The agent stops, all of it is removed, and it starts anew: then the same is there but for FRR's routes, which FRR takes along when it stops.
fn as_ours(left: &mut Left) -> Result<()> {
    let adopted = shown(left)?;
    let node = &mut left.scene.nodes[0];
    node.stop_agent();
    let ns = &node.site.namespace;
    for name in [
        &left.entry,
        &format!("br-{VNI}"),
        &format!("vxlan-{VNI}"),
        &format!("vrf-{VNI}"),
    ] {
        ns.ip(&format!("link del {name}"))?;
    }
    let port = left.entry.replacen("vrf", "ovs", 1);
    node.chassis.switch.vsctl(&["del-port", "br-ex", &port])?;
    node.chassis
        .switch
        .ofctl("del-flows", "br-ex", &["cookie=0x3e7/-1"])?;
    node.start_agent()?;
    left.scene.fabric.wait_told(&left.scene.nodes[0].site)?;
    let mut made = Vec::new();
    wait_until(PATIENCE, "what was adopted, made anew", || {
        made = shown(left).unwrap_or_default();
        made == adopted
    })
    .with_context(|| format!("adopted {adopted:#?}\nmade {made:#?}"))
}

/// Devices, addresses, routes, rules, neighbours, ports and flows of the tenant, without what differs by how they came to be.
fn shown(left: &Left) -> Result<Vec<String>> {
    let (node, entry) = (left.node(), &left.entry);
    let ns = &node.site.namespace;
    let mut lines: Vec<String> = left.devices()?.into_keys().collect();
    let listings = [
        format!("-o -4 addr show dev {entry}"),
        format!("-o -6 addr show dev {entry}"),
        format!("-4 route show table {VNI}"),
        format!("route show table {VNI}"),
        "-4 rule".to_owned(),
        "-6 rule".to_owned(),
        format!("neigh show nud permanent dev {entry}"),
        format!("neigh show proxy dev {entry}"),
        format!("neigh show nud permanent dev br-{VNI}"),
    ];
    for listing in &listings {
        let text = ns.ip(listing)?;
        lines.extend(text.lines().filter_map(plain));
    }
    let ports = node.ports("br-ex")?;
    lines.extend(ports.into_iter().filter(|port| port.starts_with("ovs")));
    let flows = node.chassis.switch.flows("br-ex")?;
    lines.extend(
        flows
            .into_iter()
            .filter(|flow| flow.contains("cookie=0x3e7")),
    );
    lines.sort();
    Ok(lines)
}

/// A line without its mark, and without what the kernel made of a hardware address of its own; `None` for FRR's.
fn plain(line: &str) -> Option<String> {
    if line.contains("proto bgp")
        || line.contains("fe80::/64 dev br-")
        || line.contains("kernel_ll")
    {
        return None;
    }
    let mut words = Vec::new();
    let mut all = line.split_whitespace().peekable();
    // The number of a device in `ip -o`.
    all.next_if(|word| word.trim_end_matches(':').parse::<u32>().is_ok() && word.ends_with(':'));
    while let Some(word) = all.next() {
        match word {
            "proto" | "protocol" => drop(all.next()),
            "valid_lft" => break,
            word => words.push(word),
        }
    }
    let text = words.join(" ");
    (!text.starts_with("local fe80")
        && !text.starts_with("anycast")
        && !text.starts_with("multicast"))
    .then_some(text)
}
