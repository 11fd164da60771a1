//! Changes of what networks say of their VPN, of what their ports are told, and of the exposing method.

use proptest::prelude::*;

use super::cloud::{Cloud, id, vm};
use crate::exposure::Method;
use crate::ovn::northbound::{SwitchPort, Told};

const NETWORKS: [&str; 3] = ["provider", "tenant", "vlan"];
const SAID: [&[(&str, &str)]; 9] = [
    &[],
    &[("type", "l3"), ("vni", "1001")],
    &[
        ("type", "l3"),
        ("vni", "1001"),
        ("rt", "['65000:1']"),
        ("rd", "['65000:1']"),
    ],
    &[
        ("type", "l3"),
        ("vni", "1001"),
        ("rt", "['65000:2']"),
        ("rd", "['65000:2']"),
    ],
    &[("type", "l3"), ("vni", "1002"), ("it", "65000:3")],
    &[("type", "l2"), ("vni", "1001")],
    &[("type", "l2"), ("vni", "1003")],
    &[("type", "l3")],
    &[("type", "l3"), ("vni", "1001"), ("rt", "nonsense")],
];
const METHODS: [Method; 4] = [
    Method::Vrf,
    Method::Dynamic,
    Method::L2Vni,
    Method::Underlay,
];
const DHCP: [&str; 2] = ["dhcp4", "dhcp6"];
const ROUTERS: [&[&str]; 3] = [&["172.24.4.1"], &["172.24.4.200", "172.24.4.254"], &[]];

#[derive(Clone, Debug)]
pub(super) enum VpnEdit {
    Network(usize, usize),
    Method(usize),
    Routers(Option<usize>),
    Subnet(Option<bool>),
    /// A port of a network, here or not, that is told so.
    Told(usize, bool, bool),
    /// A virtual port that one of two ports may have claimed.
    Virtual(usize, bool),
}

pub(super) fn edit() -> impl Strategy<Value = VpnEdit> {
    let network = || 0..NETWORKS.len();
    prop_oneof![
        4 => (network(), 0..SAID.len()).prop_map(|(n, s)| VpnEdit::Network(n, s)),
        2 => (0..METHODS.len()).prop_map(VpnEdit::Method),
        1 => proptest::option::of(0..ROUTERS.len()).prop_map(VpnEdit::Routers),
        1 => proptest::option::of(any::<bool>()).prop_map(VpnEdit::Subnet),
        2 => (network(), any::<bool>(), any::<bool>()).prop_map(|(n, v4, v6)| VpnEdit::Told(n, v4, v6)),
        1 => (network(), any::<bool>()).prop_map(|(n, both)| VpnEdit::Virtual(n, both)),
    ]
}

pub(super) fn apply(cloud: &mut Cloud, edit: &VpnEdit) {
    match edit {
        VpnEdit::Network(network, said) => cloud.vpn(NETWORKS[*network], SAID[*said]),
        VpnEdit::Method(method) => cloud.options.method = METHODS[*method],
        VpnEdit::Routers(Some(routers)) => cloud.dhcp(DHCP[0], routers_are(ROUTERS[*routers])),
        VpnEdit::Routers(None) => cloud.delete_dhcp(DHCP[0]),
        VpnEdit::Subnet(Some(stateless)) => cloud.dhcp(
            DHCP[1],
            Told::Subnet {
                prefix: "2001:db8::/64".parse().unwrap(),
                stateless: *stateless,
                dns_servers: Vec::new(),
            },
        ),
        VpnEdit::Subnet(None) => cloud.delete_dhcp(DHCP[1]),
        VpnEdit::Told(network, v4, v6) => {
            let rows = DHCP.into_iter().zip([*v4, *v6]);
            let rows = rows.filter(|(_, told)| *told).map(|(row, _)| id(row));
            cloud.port(SwitchPort {
                dhcp: rows.collect(),
                requested_chassis: vec!["host-2".into()],
                ..vm("told", NETWORKS[*network], &["172.24.4.77"])
            });
        }
        VpnEdit::Virtual(network, both) => {
            let parents: &[&str] = if *both { &["p0", "p1"] } else { &["p0"] };
            cloud.port(super::stretched::virtual_port(NETWORKS[*network], parents));
        }
    }
}

/// What IPv4 ports are told.
pub(super) fn routers_are(routers: &[&str]) -> Told {
    Told::Routers(routers.iter().map(|ip| ip.parse().unwrap()).collect())
}
