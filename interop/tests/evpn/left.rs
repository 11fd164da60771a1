//! A node that the Python agent and FRR have left, whatever the driver was: our agent takes over what is there under traffic, starts again
//! under traffic, and what is there then is what it would have made itself.
//!
//! The other VTEP has its way to the node by hand: whether BGP is up or not decides about no packet.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use interop::evpn::probe::{Stream, reaches};
use interop::evpn::{Guest, Host, Node, Scene};
use interop::{PATIENCE, wait_until};
use serde_json::Value;

use crate::monitor::Monitor;

pub(crate) const VNI: u32 = 1001;
/// The bridge's hardware address at the node, and at the VTEP.
const NODE_MAC: &str = "7e:0b:6f:ad:0d:7b";
/// Of a device: whether it sends packets on, and answers for others.
const SYSCTLS: [(&str, &str); 4] = [
    ("ipv4", "forwarding"),
    ("ipv4", "proxy_arp"),
    ("ipv6", "forwarding"),
    ("ipv6", "proxy_ndp"),
];
/// Behind the VTEP.
pub(crate) const OUTSIDE: [&str; 2] = ["198.51.100.", "2001:db8:ffff::"];

/// What was left, and what it is to our agent.
pub(crate) struct Left {
    pub(crate) scene: Scene,
    pub(crate) far: Host,
    pub(crate) guest: Guest,
    pub(crate) driver: Driver,
}

/// What the drivers differ in.
pub(crate) struct Driver {
    /// Our agent's options.
    pub(crate) options: &'static str,
    /// The device of the tenant's that leads from the VRF to the provider bridge.
    pub(crate) entry: String,
    /// Its other end, a port of the bridge.
    pub(crate) port: String,
    /// Of the flows.
    pub(crate) cookie: &'static str,
    /// Devices of the Python agent's that ours has no use for.
    pub(crate) useless: &'static [&'static str],
}

impl Left {
    pub(crate) fn node(&self) -> &Node {
        &self.scene.nodes[0]
    }

    /// The VRF, and the bridge with its VXLAN device in it.
    pub(crate) fn lay_down_devices(&self) -> Result<()> {
        let site = &self.node().site;
        let local = site.vtep();
        site.namespace.ip_lines(&[
            format!("link add vrf-{VNI} type vrf table {VNI}"),
            format!("link set vrf-{VNI} up"),
            format!("link add br-{VNI} type bridge stp_state 0"),
            format!("link set br-{VNI} up"),
            format!("link set br-{VNI} master vrf-{VNI}"),
            format!(
                "link add vxlan-{VNI} type vxlan id {VNI} dstport 4789 local {local} nolearning"
            ),
            format!("link set vxlan-{VNI} address {NODE_MAC}"),
            format!("link set vxlan-{VNI} up"),
            format!("link set vxlan-{VNI} master br-{VNI}"),
        ])
    }

    /// The pair from the VRF to the provider bridge.
    pub(crate) fn lay_down_pair(&self) -> Result<()> {
        let Driver { entry, port, .. } = &self.driver;
        self.node().site.namespace.ip_lines(&[
            format!("link add {entry} type veth peer name {port}"),
            format!("link set {entry} up"),
            format!("link set {port} up"),
            format!("link set {entry} master vrf-{VNI}"),
        ])?;
        let switch = &self.node().chassis.switch;
        switch.vsctl(&["add-port", "br-ex", port]).map(drop)
    }

    pub(crate) fn write_sysctls(&self, paths: &[String]) -> Result<()> {
        let ns = &self.node().site.namespace;
        paths.iter().try_for_each(|path| ns.sysctl(path, "1"))
    }

    /// What zebra has in the kernel of what BGP has taught it: the host's networks behind the VTEP.
    pub(crate) fn as_zebra(&self) -> Result<()> {
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
            "bridge fdb add {mac} dev vxlan-{VNI} dst {vtep} self master extern_learn dynamic"
        ))?;
        Ok(())
    }

    /// The number of the patch port to OVN's integration bridge, once OVN has made it.
    pub(crate) fn patch_port(&self) -> Result<String> {
        let mut patch = None;
        wait_until(PATIENCE, "a patch port", || {
            let ports = self.node().ports("br-ex").unwrap_or_default();
            patch = ports.into_iter().find(|port| port.starts_with("patch-"));
            patch.is_some()
        })?;
        self.ofport(&patch.context("no patch port")?)
    }

    pub(crate) fn ofport(&self, port: &str) -> Result<String> {
        let switch = &self.node().chassis.switch;
        let number = switch.vsctl(&["get", "interface", port, "ofport"])?;
        Ok(number.trim().to_owned())
    }

    /// What BGP would tell the VTEP, as its kernel has it, and where each finds the other's VTEP.
    pub(crate) fn way_from_the_vtep(&self, guest: &Guest) -> Result<()> {
        let (own, far) = (&self.node().site, &self.scene.vtep.site);
        for (from, to) in [(own, far), (far, own)] {
            let (vtep, underlay) = (to.vtep(), to.underlay());
            from.namespace
                .ip(&format!("route replace {vtep} via {underlay} metric 1000"))?;
        }
        let ns = &far.namespace;
        let local = self.node().site.vtep();
        let guest = &guest.port;
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

    /// Every device of the tenant as iproute2 tells it.
    fn links(&self) -> Result<BTreeMap<String, Value>> {
        let text = self.node().site.namespace.ip("-json -details link")?;
        let all: Vec<Value> = serde_json::from_str(&text)?;
        let Driver { entry, port, .. } = &self.driver;
        let named = all.into_iter().filter_map(|link| {
            let name = link["ifname"].as_str()?.to_owned();
            let ours = name.ends_with(&format!("-{VNI}")) || [entry, port].contains(&&name);
            ours.then_some((name, link))
        });
        Ok(named.collect())
    }

    /// The same with their numbers and hardware addresses.
    fn devices(&self) -> Result<BTreeMap<String, String>> {
        let facts = |link: &Value| format!("{} {}", link["ifindex"], link["address"]);
        let links = self.links()?.into_iter();
        Ok(links.map(|(name, link)| (name, facts(&link))).collect())
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

    /// The agent has told the VTEP what there is, has been taught what is behind that, and the kernel has it.
    fn settled(&self) -> Result<()> {
        self.scene.fabric.wait_told(&self.node().site)?;
        let guest = self.guest.port.v4();
        let told = || {
            let router = &self.scene.vtep.router;
            let routes = router.vtysh("show bgp l2vpn evpn route type prefix");
            routes.is_ok_and(|routes| routes.contains(&guest))
        };
        wait_until(PATIENCE, "the guest's route at FRR", told)?;
        let mut last = String::new();
        let taught = || {
            let json = self.node().say(&["show", "evpn", "--json"]);
            last = json.unwrap_or_default();
            let evpn: Value = serde_json::from_str(&last).unwrap_or_default();
            let prefixes = evpn["tables"][0]["prefixes"].as_array().map(Vec::len);
            prefixes == Some(OUTSIDE.len())
        };
        wait_until(PATIENCE, "what FRR tells", taught).with_context(|| last.clone())?;
        let [v4, v6] = OUTSIDE;
        for (family, prefix) in [("-4", format!("{v4}0/24")), ("-6", format!("{v6}/64"))] {
            let own = || {
                let ns = &self.node().site.namespace;
                let shown = ns.ip(&format!("{family} route show table {VNI}"));
                last = shown.unwrap_or_default();
                let mut lines = last.lines();
                lines.any(|line| line.contains(&prefix) && line.contains("proto 215"))
            };
            wait_until(PATIENCE, "our own route to the host", own).with_context(|| last.clone())?;
        }
        Ok(())
    }
}

/// Each way, once.
pub(crate) fn it_works(left: &Left) -> Result<()> {
    let (guest, far) = (&left.guest, &left.far);
    for to in [guest.port.v4(), guest.port.v6()] {
        reaches(&far.namespace, &to, &guest.name)?;
    }
    for to in &far.addresses {
        reaches(guest.namespace(), to, &far.name)?;
    }
    Ok(())
}

/// Every device stays what it is, but for those that ours has no use for; nothing is lost.
pub(crate) fn takes_over(left: &mut Left) -> Result<()> {
    let mut before = left.devices()?;
    let useless = left.driver.useless;
    ensure!(before.len() == 5 + useless.len(), "{before:#?}");
    let streams = left.streams()?;
    let monitor = Monitor::start(left.node())?;
    let node = &mut left.scene.nodes[0];
    node.configure(left.driver.options)?;
    node.start_agent()?;
    left.settled()?;
    left.node().wait_devices(useless, false)?;
    it_works(left)?;
    let guest = &left.guest.port;
    monitor.expect_never_local(left.node(), &[guest.v4(), guest.v6()])?;
    nothing_is_lost(streams)?;
    let after = left.devices()?;
    before.retain(|name, _| !useless.contains(&name.as_str()));
    ensure!(before == after, "{before:#?}\n{after:#?}");
    Ok(())
}

/// What has been taken over needs no second look: nothing is written, and nothing is lost.
pub(crate) fn starts_again(left: &mut Left) -> Result<()> {
    let before = (left.devices()?, shown(left)?);
    let streams = left.streams()?;
    let node = &mut left.scene.nodes[0];
    node.stop_agent();
    node.start_agent()?;
    left.settled()?;
    it_works(left)?;
    nothing_is_lost(streams)?;
    let text = left.node().say(&["show", "summary", "--json"])?;
    let summary: Value = serde_json::from_str(&text)?;
    ensure!(summary["writes"] == 0, "{text}\n{}", left.node().log());
    let after = (left.devices()?, shown(left)?);
    ensure!(before == after, "{before:#?}\n{after:#?}");
    Ok(())
}

fn nothing_is_lost(streams: Vec<(String, Stream)>) -> Result<()> {
    for (name, stream) in streams {
        let loss = stream.finish()?;
        println!("  {loss}");
        loss.expect_none(&[&name])?;
    }
    Ok(())
}

/// The agent stops, all of it is removed, and it starts anew: then the same is there but for FRR's routes, which FRR takes along when it stops.
pub(crate) fn as_ours(left: &mut Left) -> Result<()> {
    let adopted = shown(left)?;
    left.scene.nodes[0].stop_agent();
    remove_all(left)?;
    left.scene.nodes[0].start_agent()?;
    left.scene.fabric.wait_told(&left.node().site)?;
    let mut made = Vec::new();
    wait_until(PATIENCE, "what was adopted, made anew", || {
        made = shown(left).unwrap_or_default();
        made == adopted
    })
    .with_context(|| {
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            let lines = these.iter().filter(|line| !those.contains(line));
            lines.cloned().collect()
        };
        let (old, new) = (only(&adopted, &made), only(&made, &adopted));
        format!("only adopted {old:#?}\nonly made {new:#?}\nboth {made:#?}")
    })
}

fn remove_all(left: &Left) -> Result<()> {
    let Driver {
        entry,
        port,
        cookie,
        ..
    } = &left.driver;
    let (ns, switch) = (&left.node().site.namespace, &left.node().chassis.switch);
    for name in [
        entry.as_str(),
        &format!("br-{VNI}"),
        &format!("vxlan-{VNI}"),
        &format!("vrf-{VNI}"),
    ] {
        ns.ip(&format!("link del {name}"))?;
    }
    for helpers in ["169.254.0.0/16", "fd53:d91e:400:7f17::/64"] {
        ns.ip(&format!("address flush dev br-ex to {helpers}"))?;
    }
    for line in ns.ip("neigh show proxy dev br-ex")?.lines() {
        let address = line.split_whitespace().next().unwrap_or_default();
        ns.ip(&format!("neigh del proxy {address} dev br-ex"))?;
    }
    for answers in ["ipv4/conf/br-ex/proxy_arp", "ipv6/conf/br-ex/proxy_ndp"] {
        ns.sysctl(&format!("net/{answers}"), "0")?;
    }
    switch.vsctl(&["del-port", "br-ex", port])?;
    let flows = format!("cookie={cookie}/-1");
    switch.ofctl("del-flows", "br-ex", &[&flows])?;
    Ok(())
}

/// Devices, addresses, routes, rules, neighbours, forwarding entries, sysctls, ports and flows of the tenant, without what differs by how they
/// came to be.
fn shown(left: &Left) -> Result<Vec<String>> {
    let Driver { entry, port, .. } = &left.driver;
    let node = left.node();
    let ns = &node.site.namespace;
    let links = left.links()?;
    let mut lines: Vec<String> = links.iter().map(|(name, l)| device(name, l)).collect();
    let listings = [
        format!("-o -4 addr show dev {entry}"),
        format!("-o -6 addr show dev {entry}"),
        "-o -4 addr show dev br-ex".to_owned(),
        "-o -6 addr show dev br-ex".to_owned(),
        format!("-4 route show table {VNI}"),
        format!("-6 route show table {VNI}"),
        "-4 rule".to_owned(),
        "-6 rule".to_owned(),
        format!("neigh show nud permanent dev {entry}"),
        format!("neigh show proxy dev {entry}"),
        "neigh show proxy dev br-ex".to_owned(),
        format!("neigh show nud permanent dev br-{VNI}"),
    ];
    for listing in &listings {
        let text = ns.ip(listing)?;
        lines.extend(text.lines().filter_map(|line| plain(line, entry)));
    }
    for dev in [entry.as_str(), "br-ex", &format!("br-{VNI}")] {
        for (family, name) in SYSCTLS {
            let path = format!("net/{family}/conf/{dev}/{name}");
            lines.push(format!("{path} = {}", ns.sysctl_value(&path)?));
        }
    }
    let forwarding = ns.sh(&format!("bridge fdb show dev vxlan-{VNI}"))?;
    let taught = forwarding.lines().filter(|l| l.contains("extern_learn"));
    lines.extend(taught.map(|line| line.trim_end().to_owned()));
    let ports = node.ports("br-ex")?;
    lines.extend(ports.into_iter().filter(|name| name == port));
    lines.extend(flows(left)?);
    lines.sort();
    Ok(lines)
}

/// A device without its number, its hardware address and its counters.
fn device(name: &str, link: &Value) -> String {
    let info = &link["linkinfo"];
    let data = match info["info_kind"].as_str() {
        Some("bridge") => &info["info_data"]["stp_state"],
        _ => &info["info_data"],
    };
    let slave = &info["info_slave_data"];
    format!(
        "{name} {} {} mtu {} in {} {data} learning {} neigh_suppress {}",
        info["info_kind"],
        link["operstate"],
        link["mtu"],
        link["master"],
        slave["learning"],
        slave["neigh_suppress"]
    )
}

/// The flows of the tenant. The device in the VRF has the hardware address that the Python agent's kernel gave it, or the one that ours gives
/// it; Open vSwitch numbers a port that comes again anew.
fn flows(left: &Left) -> Result<Vec<String>> {
    let Driver {
        entry,
        port,
        cookie,
        ..
    } = &left.driver;
    let mac = left.node().site.namespace.mac(entry)?;
    let output = format!("output:{}", left.ofport(port)?);
    let flows = left.node().chassis.switch.flows("br-ex")?;
    let flows = flows
        .into_iter()
        .filter(|flow| flow.contains(&format!("cookie={cookie},")));
    Ok(flows
        .map(|flow| flow.replace(&mac, entry).replace(&output, port))
        .collect())
}

/// A line without its mark, and without what the kernel made of a hardware address of its own; `None` for FRR's.
fn plain(line: &str, entry: &str) -> Option<String> {
    if line.contains("proto bgp")
        || line.contains("fe80::/64 dev br-")
        || line.contains("kernel_ll")
    {
        return None;
    }
    // A route of the table leads to the gateway of a route to a subnet. The Python agent's says no more, ours need not ask for it: the
    // kernel goes the same way by both, and the Python agent's stays unwritten.
    let by_entry = line.contains(&format!("dev {entry} "));
    let mut words = Vec::new();
    let mut all = line.split_whitespace().peekable();
    // The number of a device in `ip -o`.
    all.next_if(|word| word.trim_end_matches(':').parse::<u32>().is_ok() && word.ends_with(':'));
    while let Some(word) = all.next() {
        match word {
            "proto" | "protocol" => drop(all.next()),
            "onlink" if by_entry => {}
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
