//! Random changes of the Northbound database, by index into what there can be.

use proptest::prelude::*;

use super::super::vpn_edits::{self, VpnEdit};

pub(super) const NETWORKS: [&str; 3] = ["provider", "tenant", "vlan"];
pub(super) const PORTS: [&str; 4] = ["p0", "p1", "p2", "p3"];
pub(super) const HOSTS: [&[&str]; 4] = [&["host-1"], &["host-2"], &["host-1", "host-2"], &[]];
pub(super) const IPS: [&[&str]; 6] = [
    &["172.24.4.1"],
    &["172.24.4.2", "2001:db8::2"],
    &["2001:db8::1"],
    &["10.0.0.5", "2a01::5"],
    &["10.0.1.5", "fd00::5"],
    &[],
];
pub(super) const FIPS: [&str; 3] = ["172.24.4.100", "172.24.4.101", "172.24.4.60"];
pub(super) const NAT_PORTS: [Option<&str>; 4] = [Some("p0"), Some("p1"), Some("vip-port"), None];
pub(super) const ROUTES: [&str; 4] = ["2001:db8::1", "2001:db8::fe", "172.24.4.254", "192.0.2.254"];
pub(super) const ROUTERS: [&str; 2] = ["router", "another"];
pub(super) const GATEWAYS: [&str; 2] = ["lrp", "lrp-second"];
pub(super) const GATEWAY_NETWORKS: [&[&str]; 3] = [
    &["172.24.4.146/24", "2001:db8::146/64"],
    &["192.0.2.146/24", "172.24.4.147/24"],
    &["2001:db8::147/64"],
];
pub(super) const INTERFACES: [&str; 2] = ["if", "if2"];
pub(super) const SUBNETS: [&[&str]; 3] = [
    &["10.0.0.1/24", "2a01::1/64"],
    &["10.0.0.1/23", "fd00::1/64"],
    &["172.24.4.200/24"],
];
pub(super) const SNATS: [&str; 2] = ["10.0.0.0/24", "fd00::/64"];
pub(super) const BALANCERS: [&str; 2] = ["tcp", "udp"];
pub(super) const VIPS: [&[&str]; 4] = [
    &["172.24.4.50"],
    &["10.0.0.50", "172.24.4.60"],
    &["2a01::50"],
    &[],
];
pub(super) const MEMBERS: [&[&str]; 3] = [&["172.24.4.1"], &["172.24.4.2", "10.0.0.5"], &[]];

/// Rows that may say something of routes.
pub(super) const SPEAKERS: [&str; 16] = [
    "p0",
    "p1",
    "vip-port",
    "provider",
    "tenant",
    "vlan",
    "172.24.4.100",
    "172.24.4.60",
    "router",
    "another",
    "lrp",
    "if",
    "lrp-if",
    "lrp-second",
    "tcp",
    "udp",
];
pub(super) const SAYINGS: [&[(&str, &str)]; 5] = [
    &[],
    &[("bgp:advertise", "false")],
    &[("bgp:advertise", "true"), ("bgp:med", "5")],
    &[("bgp:communities", "65000:1"), ("bgp:local-pref", "50")],
    &[("bgp:communities", ""), ("bgp:med", "nonsense")],
];

#[derive(Clone, Debug)]
pub(super) enum Edit {
    Port(PortEdit),
    DeletePort(usize),
    Network(usize, bool, Option<u16>),
    DeleteNetwork(usize),
    Localnet(bool),
    Nat(usize, usize, bool, usize),
    DeleteNat(usize),
    Gateway(usize, bool, usize, usize, bool),
    DeleteGateway(usize),
    Interface(InterfaceEdit),
    DeleteInterface(usize, bool),
    Router(usize, bool, u8, u8),
    DeleteRouter(usize),
    DefaultRoute(usize),
    Snat(usize, bool),
    Balancer(BalancerEdit),
    DeleteBalancer(usize),
    VipPort(Option<usize>),
    FipMode(bool),
    Bind(usize, bool),
    BindGateway(usize, bool),
    Say(usize, usize),
    Vpn(VpnEdit),
    Policy(usize),
    Mappings(bool),
    Options(usize, bool, bool, bool),
    Look,
}

#[derive(Clone, Debug)]
pub(super) struct PortEdit {
    pub(super) port: usize,
    pub(super) network: usize,
    pub(super) hosts: usize,
    pub(super) ips: usize,
    pub(super) up: bool,
    pub(super) enabled: bool,
    pub(super) kind: bool,
    pub(super) parent: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct InterfaceEdit {
    pub(super) interface: usize,
    pub(super) network: usize,
    pub(super) subnets: usize,
    pub(super) owner: Option<bool>,
    pub(super) router: Option<usize>,
    pub(super) up: bool,
    pub(super) scoped: bool,
}

#[derive(Clone, Debug)]
pub(super) struct BalancerEdit {
    pub(super) balancer: usize,
    pub(super) vips: usize,
    pub(super) members: usize,
    pub(super) purpose: usize,
    pub(super) router: Option<usize>,
    pub(super) fip: bool,
}

fn port_edit() -> impl Strategy<Value = PortEdit> {
    let indexes = (0..4usize, 0..3usize, 0..4usize, 0..6usize);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (indexes, flags, proptest::option::of(0..4usize)).prop_map(
        |((port, network, hosts, ips), (up, enabled, kind), parent)| PortEdit {
            port,
            network,
            hosts,
            ips,
            up,
            enabled,
            kind,
            parent,
        },
    )
}

fn interface_edit() -> impl Strategy<Value = InterfaceEdit> {
    let indexes = (0..2usize, 0..3usize, 0..3usize);
    let router = proptest::option::of(0..2usize);
    let flags = (proptest::bool::weighted(0.8), any::<bool>());
    (
        indexes,
        proptest::option::of(proptest::bool::weighted(0.8)),
        router,
        flags,
    )
        .prop_map(
            |((interface, network, subnets), owner, router, (up, scoped))| InterfaceEdit {
                interface,
                network,
                subnets,
                owner,
                router,
                up,
                scoped,
            },
        )
}

fn balancer_edit() -> impl Strategy<Value = BalancerEdit> {
    let indexes = (0..2usize, 0..4usize, 0..3usize, 0..4usize);
    let router = proptest::option::of(0..2usize);
    (indexes, router, any::<bool>()).prop_map(
        |((balancer, vips, members, purpose), router, fip)| BalancerEdit {
            balancer,
            vips,
            members,
            purpose,
            router,
            fip,
        },
    )
}

pub(super) fn edit() -> impl Strategy<Value = Edit> {
    let vlan = || proptest::option::of(100..102u16);
    let switched = prop_oneof![
        6 => port_edit().prop_map(Edit::Port),
        2 => (0..4usize).prop_map(Edit::DeletePort),
        2 => (0..3usize, any::<bool>(), vlan()).prop_map(|(n, p, v)| Edit::Network(n, p, v)),
        1 => (0..3usize).prop_map(Edit::DeleteNetwork),
        1 => any::<bool>().prop_map(Edit::Localnet),
        1 => (0..4usize, any::<bool>()).prop_map(|(p, c)| Edit::Bind(p, c)),
        1 => any::<bool>().prop_map(Edit::Mappings),
        1 => (0..3usize, any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(t, s, n, a)| Edit::Options(t, s, n, a)),
        5 => Just(Edit::Look),
    ];
    let routed = prop_oneof![
        3 => (0..2usize, any::<bool>(), 0..3usize, 0..3usize, proptest::bool::weighted(0.8))
            .prop_map(|(g, h, n, a, e)| Edit::Gateway(g, h, n, a, e)),
        1 => (0..2usize).prop_map(Edit::DeleteGateway),
        4 => interface_edit().prop_map(Edit::Interface),
        1 => (0..2usize, any::<bool>()).prop_map(|(i, p)| Edit::DeleteInterface(i, p)),
        4 => (0..2usize, proptest::bool::weighted(0.8), any::<u8>(), any::<u8>())
            .prop_map(|(r, e, p, n)| Edit::Router(r, e, p, n)),
        1 => (0..2usize).prop_map(Edit::DeleteRouter),
        1 => (0..4usize).prop_map(Edit::DefaultRoute),
        1 => (0..2usize, any::<bool>()).prop_map(|(s, p)| Edit::Snat(s, p)),
        1 => (0..2usize, any::<bool>()).prop_map(|(g, h)| Edit::BindGateway(g, h)),
    ];
    let served = prop_oneof![
        3 => (0..3usize, 0..4usize, any::<bool>(), 0..3usize)
            .prop_map(|(f, p, m, n)| Edit::Nat(f, p, m, n)),
        1 => (0..3usize).prop_map(Edit::DeleteNat),
        4 => balancer_edit().prop_map(Edit::Balancer),
        1 => (0..2usize).prop_map(Edit::DeleteBalancer),
        2 => proptest::option::of(0..3usize).prop_map(Edit::VipPort),
        1 => any::<bool>().prop_map(Edit::FipMode),
        3 => (0..SPEAKERS.len(), 0..SAYINGS.len()).prop_map(|(s, w)| Edit::Say(s, w)),
        5 => vpn_edits::edit().prop_map(Edit::Vpn),
        1 => (0..4usize).prop_map(Edit::Policy),
    ];
    prop_oneof![4 => switched, 4 => routed, 3 => served]
}
