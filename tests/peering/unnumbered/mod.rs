//! Neighbours by interface, without an address on any link.

mod changes;
mod frr;
mod several;
mod static_peers;

use std::path::PathBuf;
use std::time::Duration;

use bgp::{PeerConfig, RemoteAs};
use interop::frr::Frr;
use interop::netns::{Namespace, connect};
use interop::{Generation, Place, eventually};
use ovn_bgp_agent::peering::{NeighborSnapshot, Neighbour};
use serde_json::Value;

use crate::lab::Speaker;

/// Our node, and leaves that each of its uplinks leads to: `eth0` to the first, `eth1` to the second.
pub(crate) struct Fabric {
    dir: tempfile::TempDir,
    ours: Namespace,
    leaves: Vec<Namespace>,
    /// Between them, where they are on one Ethernet.
    switch: Option<Namespace>,
}

impl Fabric {
    fn new(leaves: usize) -> Self {
        let ours = Namespace::new("un-us").unwrap();
        let leaves: Vec<_> = (0..leaves)
            .map(|n| {
                let leaf = Namespace::new(&format!("un-leaf{n}")).unwrap();
                connect((&ours, &format!("eth{n}")), (&leaf, "eth0")).unwrap();
                leaf
            })
            .collect();
        Self {
            dir: interop::scratch().unwrap(),
            ours,
            leaves,
            switch: None,
        }
    }

    /// Our `eth0` and the `eth0` of each leaf on one Ethernet.
    fn shared(leaves: usize) -> Self {
        let mut fabric = Self::new(0);
        let switch = Namespace::new("un-switch").unwrap();
        switch.ip("link add br0 type bridge").unwrap();
        switch.ip("link set br0 up").unwrap();
        fabric.leaves = (0..leaves)
            .map(|n| Namespace::new(&format!("un-leaf{n}")).unwrap())
            .collect();
        fabric.switch = Some(switch);
        fabric.plug(&fabric.ours, "node");
        for (n, leaf) in fabric.leaves.iter().enumerate() {
            fabric.plug(leaf, &format!("leaf{n}"));
        }
        fabric
    }

    /// A new `eth0` of a node, at this port of the shared Ethernet.
    fn plug(&self, node: &Namespace, port: &str) {
        let switch = self.switch.as_ref().expect("a shared Ethernet");
        connect((node, "eth0"), (switch, port)).unwrap();
        switch.ip(&format!("link set {port} master br0")).unwrap();
    }

    fn place(&self, leaf: usize, generation: Generation) -> Place {
        Place::inside(&self.leaves[leaf]).with(generation)
    }

    fn path(&self, leaf: usize) -> PathBuf {
        self.dir.path().join(format!("leaf{leaf}"))
    }

    /// FRR on a leaf with this configuration.
    fn frr(&self, leaf: usize, generation: Generation, config: &str) -> Frr {
        let place = self.place(leaf, generation);
        Frr::start(&place, &self.path(leaf), config).unwrap()
    }

    /// Our speaker with an unnumbered neighbour on each uplink, `leaf0` on `eth0` and so on.
    fn speak(&self, remote_as: RemoteAs, configure: impl Fn(&mut Neighbour)) -> Speaker {
        let neighbours = (0..self.leaves.len()).map(|n| {
            let mut neighbour = unnumbered(n, remote_as);
            configure(&mut neighbour);
            neighbour
        });
        Speaker::start(&self.ours, neighbours.collect())
    }

    /// Our link-local address on `eth<leaf>`.
    fn our_address(&self, leaf: usize) -> String {
        link_local(&self.ours, &format!("eth{leaf}"))
    }

    /// The leaf's own.
    fn their_address(&self, leaf: usize) -> String {
        link_local(&self.leaves[leaf], "eth0")
    }

    /// The gateways of the leaf's kernel route to `prefix`.
    fn gateways(&self, leaf: usize, prefix: &str) -> Vec<String> {
        let family = if prefix.contains(':') { "-6" } else { "-4" };
        let routes = self.leaves[leaf].ip(&format!("-json {family} route show {prefix}"));
        let routes: Value = serde_json::from_str(&routes.unwrap_or_default()).unwrap_or_default();
        let gateway = |route: &Value| {
            let via = route["via"]["host"].as_str();
            via.or_else(|| route["gateway"].as_str()).map(str::to_owned)
        };
        routes
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(gateway)
            .collect()
    }
}

/// `leaf<n>` on `eth<n>`.
fn unnumbered(n: usize, remote_as: RemoteAs) -> Neighbour {
    let (name, link) = (format!("leaf{n}"), format!("eth{n}"));
    let mut peer = PeerConfig::unnumbered(name, &link, remote_as);
    peer.connect_retry = Duration::from_secs(2);
    Neighbour::new(peer)
}

/// FRR's configuration with `neighbor eth0 interface`, and `more` lines about the neighbour.
fn config(asn: u32, remote_as: &str, more: &str) -> String {
    format!(
        "router bgp {asn}\n bgp router-id 10.9.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n \
         no bgp network import-check\n timers bgp 3 9\n \
         neighbor eth0 interface remote-as {remote_as}\n neighbor eth0 timers connect 1\n{more} \
         address-family ipv4 unicast\n  neighbor eth0 activate\n  network 192.0.2.0/24\n exit-address-family\n \
         address-family ipv6 unicast\n  neighbor eth0 activate\n  network 2001:db8:9::/48\n exit-address-family\n"
    )
}

fn link_local(namespace: &Namespace, interface: &str) -> String {
    let shown = namespace
        .ip(&format!("-json -6 address show dev {interface} scope link"))
        .unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let addresses = shown[0]["addr_info"].as_array().into_iter().flatten();
    let mut addresses = addresses.filter_map(|address| address["local"].as_str());
    let address = addresses.find(|address| address.starts_with("fe80:"));
    address.unwrap_or_else(|| panic!("{shown}")).to_owned()
}

/// Gives an interface this link-local address and no other.
fn set_link_local(namespace: &Namespace, interface: &str, address: &str) {
    let old = link_local(namespace, interface);
    namespace
        .address(interface, &format!("{address}/64"))
        .unwrap();
    namespace
        .ip(&format!("address delete {old}/64 dev {interface}"))
        .unwrap();
}

fn neighbor(speaker: &Speaker, n: usize) -> NeighborSnapshot {
    speaker.snapshot().neighbors.remove(n)
}

fn wait_established(speaker: &Speaker, n: usize) {
    let up = interop::wait_until(interop::PATIENCE, "established", || {
        neighbor(speaker, n).state == "Established"
    });
    assert!(up.is_ok(), "{:#?}", neighbor(speaker, n));
}

/// What discovery says of the link of a neighbour.
fn finding(speaker: &Speaker, n: usize) -> String {
    neighbor(speaker, n).discovery.unwrap().finding
}

/// Prefix and next hop of everything learned, sorted.
fn learned(speaker: &Speaker) -> Vec<(String, String)> {
    let snapshot = speaker.snapshot();
    let mut learned: Vec<_> = snapshot
        .learned
        .iter()
        .map(|route| (route.prefix.to_string(), route.next_hop.to_string()))
        .collect();
    learned.sort_unstable();
    learned
}

/// Both families both ways over an unnumbered session with the first leaf.
fn exchange(fabric: &Fabric, speaker: &Speaker) {
    use crate::lab::{HOST_V4, HOST_V6};
    wait_established(speaker, 0);
    speaker.originate(&[HOST_V4, HOST_V6]);
    let ours = vec![fabric.our_address(0)];
    eventually(ours.clone(), || fabric.gateways(0, HOST_V4));
    eventually(ours, || fabric.gateways(0, "2001:db8:7::1"));
    let theirs = fabric.their_address(0);
    eventually(
        vec![
            ("192.0.2.0/24".to_owned(), theirs.clone()),
            ("2001:db8:9::/48".to_owned(), theirs),
        ],
        || learned(speaker),
    );
}
