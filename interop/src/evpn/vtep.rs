//! A VTEP that has nothing but FRR and the kernel, as a leaf has, with a host of each tenant behind it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::fabric::{self, AS, Fabric, SPINE, Site};
use super::probe::Answerer;
use crate::Namespace;
use crate::frr::Frr;

/// A VTEP by FRR.
pub struct Vtep {
    /// FRR.
    pub router: Frr,
    /// Where it is.
    pub site: Site,
}

/// A host behind a VTEP, which answers with its name.
#[derive(Debug)]
pub struct Host {
    /// Where it is; its interface is `eth0`.
    pub namespace: Namespace,
    /// Its addresses, one of each family.
    pub addresses: [String; 2],
    /// What it answers.
    pub name: String,
    _answerer: Answerer,
}

impl Vtep {
    /// FRR with its session; no tenant yet.
    pub fn start(fabric: &Fabric, dir: &Path, number: u8) -> Result<Self> {
        let site = fabric.join(number, "vtep")?;
        let place = fabric::place(&site.namespace, &dir.join("vtep"))?;
        let config = format!(
            "hostname vtep\nrouter bgp {AS}\n bgp router-id {vtep}\n no bgp default ipv4-unicast\n neighbor {SPINE} remote-as internal\n \
             neighbor {SPINE} timers connect 1\n address-family ipv4 unicast\n  network {vtep}/32\n  neighbor {SPINE} activate\n \
             exit-address-family\n address-family l2vpn evpn\n  neighbor {SPINE} activate\n  advertise-all-vni\n exit-address-family\n",
            vtep = site.vtep(),
        );
        let router = Frr::start_daemons(
            &place,
            &dir.join("vtep"),
            &config,
            &["mgmtd", "zebra", "bgpd"],
        )?;
        Ok(Self { router, site })
    }

    /// An IP-VRF: its devices, its routes as type 5, and a host in a subnet of its own, .10 and ::10 of these networks (`198.51.100.`,
    /// `2001:db8:ffff::`).
    pub fn add_routed(&self, vni: u32, name: &str, networks: [&str; 2]) -> Result<Host> {
        let (ns, port) = (&self.site.namespace, format!("host{vni}"));
        let host = Namespace::new(name)?;
        let mut lines = vec![
            format!("link add vrf-{vni} type vrf table {vni}"),
            format!("link set vrf-{vni} up"),
        ];
        lines.extend(self.bridge(vni));
        lines.push(format!("link set br-{vni} master vrf-{vni}"));
        lines.push(cable(&port, &host));
        lines.push(format!("link set {port} up master vrf-{vni}"));
        let mut inside = vec!["link set eth0 up".to_owned()];
        for (network, length) in networks.iter().zip([24, 64]) {
            lines.push(format!("address add {network}1/{length} dev {port}"));
            inside.push(format!("address add {network}10/{length} dev eth0"));
            inside.push(format!("route add default via {network}1"));
        }
        ns.ip_lines(&lines)?;
        host.ip_lines(&inside)?;
        self.route(vni)?;
        answering(host, name, networks.map(|network| format!("{network}10")))
    }

    /// `router bgp … vrf`: what is connected there is told as type 5.
    fn route(&self, vni: u32) -> Result<()> {
        let lines = [
            format!("vrf vrf-{vni}"),
            format!(" vni {vni}"),
            "exit-vrf".to_owned(),
            format!("router bgp {AS} vrf vrf-{vni}"),
        ];
        let rest = [
            " address-family ipv4 unicast",
            "  redistribute connected",
            " exit-address-family",
            " address-family ipv6 unicast",
            "  redistribute connected",
            " exit-address-family",
            " address-family l2vpn evpn",
            "  advertise ipv4 unicast",
            "  advertise ipv6 unicast",
            " exit-address-family",
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).chain(rest).collect();
        self.router.configure(&lines)
    }

    /// A MAC-VRF: its devices, and a host on the stretched network itself.
    pub fn add_bridged(&self, vni: u32, name: &str, addresses: [String; 2]) -> Result<Host> {
        let (ns, port) = (&self.site.namespace, format!("host{vni}"));
        let host = Namespace::new(name)?;
        let mut lines = self.bridge(vni);
        lines.push(cable(&port, &host));
        lines.push(format!("link set {port} up master br-{vni}"));
        ns.ip_lines(&lines)?;
        let mut inside = vec!["link set eth0 up".to_owned()];
        for (address, length) in addresses.iter().zip([24, 64]) {
            inside.push(format!("address add {address}/{length} dev eth0"));
        }
        host.ip_lines(&inside)?;
        answering(host, name, addresses)
    }

    /// The lines that make a VNI's bridge and VXLAN device.
    fn bridge(&self, vni: u32) -> Vec<String> {
        let local = self.site.vtep();
        vec![
            format!("link add br-{vni} type bridge"),
            format!("link set br-{vni} up addrgenmode none"),
            format!(
                "link add vxlan-{vni} type vxlan id {vni} dstport 4789 local {local} nolearning"
            ),
            format!("link set vxlan-{vni} up master br-{vni} addrgenmode none"),
            format!("link set vxlan-{vni} type bridge_slave neigh_suppress on learning off"),
        ]
    }

    /// Whether it has a session with the spine.
    pub fn is_up(&self) -> bool {
        self.router.is_established(SPINE)
    }

    /// Every EVPN route of a type (`prefix`, `macip`, `multicast`), as FRR tells it.
    pub fn evpn_routes(&self, kind: &str) -> Result<Value> {
        self.router
            .json(&format!("show bgp l2vpn evpn route type {kind}"))
    }

    /// The kernel's routes of a VRF, both families.
    pub fn routes(&self, vni: u32) -> Result<String> {
        let ns = &self.site.namespace;
        let both = [
            ns.ip(&format!("-4 route show vrf vrf-{vni}"))?,
            ns.ip(&format!("-6 route show vrf vrf-{vni}"))?,
        ];
        Ok(both.concat())
    }

    /// Waits until the kernel has a route to this prefix (as `ip route` writes it) over a VTEP, or none.
    pub fn wait_route(&self, vni: u32, prefix: &str, there: bool) -> Result<()> {
        let mut last = String::new();
        let over = format!("dev br-{vni}");
        crate::wait_until(crate::PATIENCE, prefix, || {
            last = self.routes(vni).unwrap_or_default();
            let found = last
                .lines()
                .any(|l| l.split(' ').next() == Some(prefix) && l.contains(&over));
            found == there
        })
        .with_context(|| format!("{prefix} in vrf-{vni} should be there: {there}:\n{last}"))
    }
}

/// The line that makes a cable from `port` to the `eth0` of a host.
fn cable(port: &str, host: &Namespace) -> String {
    let host = host.name();
    format!("link add {port} type veth peer name eth0 netns {host}")
}

fn answering(namespace: Namespace, name: &str, addresses: [String; 2]) -> Result<Host> {
    let answerer = Answerer::start(&namespace, name, &addresses)?;
    Ok(Host {
        namespace,
        addresses,
        name: name.to_owned(),
        _answerer: answerer,
    })
}
