//! Whatever the history, the standing exposures are those of a fresh decision.

use proptest::prelude::*;

use super::cloud::{
    Cloud, address, balancer, cidrs, fip, gateway, hosts, inner_port, interface, localnet_port,
    node, vip_port, vm,
};
use super::policies;
use super::vpn_edits::{self, VpnEdit};
use crate::config::TenantAdvertisement;
use crate::exposure::{Attributes, Code, Exposure, Method, Options, Policy, TenantExposure};
use crate::mac::MacAddr;
use crate::ovn::AddressScopes;
use crate::ovn::northbound::{
    Balancer, Fip, FipMode, Octavia, PortKind, Purpose, RouterPort, SwitchPort,
};

const NETWORKS: [&str; 3] = ["provider", "tenant", "vlan"];
const PORTS: [&str; 4] = ["p0", "p1", "p2", "p3"];
const HOSTS: [&[&str]; 4] = [&["host-1"], &["host-2"], &["host-1", "host-2"], &[]];
const IPS: [&[&str]; 6] = [
    &["172.24.4.1"],
    &["172.24.4.2", "2001:db8::2"],
    &["2001:db8::1"],
    &["10.0.0.5", "2a01::5"],
    &["10.0.1.5", "fd00::5"],
    &[],
];
const FIPS: [&str; 3] = ["172.24.4.100", "172.24.4.101", "172.24.4.60"];
const NAT_PORTS: [Option<&str>; 4] = [Some("p0"), Some("p1"), Some("vip-port"), None];
const ROUTES: [&str; 4] = ["2001:db8::1", "2001:db8::fe", "172.24.4.254", "192.0.2.254"];
const ROUTERS: [&str; 2] = ["router", "another"];
const GATEWAYS: [&str; 2] = ["lrp", "lrp-second"];
const GATEWAY_NETWORKS: [&[&str]; 3] = [
    &["172.24.4.146/24", "2001:db8::146/64"],
    &["192.0.2.146/24", "172.24.4.147/24"],
    &["2001:db8::147/64"],
];
const INTERFACES: [&str; 2] = ["if", "if2"];
const SUBNETS: [&[&str]; 3] = [
    &["10.0.0.1/24", "2a01::1/64"],
    &["10.0.0.1/23", "fd00::1/64"],
    &["172.24.4.200/24"],
];
const SNATS: [&str; 2] = ["10.0.0.0/24", "fd00::/64"];
const BALANCERS: [&str; 2] = ["tcp", "udp"];
const VIPS: [&[&str]; 4] = [
    &["172.24.4.50"],
    &["10.0.0.50", "172.24.4.60"],
    &["2a01::50"],
    &[],
];
const MEMBERS: [&[&str]; 3] = [&["172.24.4.1"], &["172.24.4.2", "10.0.0.5"], &[]];

/// Rows that may say something of routes.
const SPEAKERS: [&str; 16] = [
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
const SAYINGS: [&[(&str, &str)]; 5] = [
    &[],
    &[("bgp:advertise", "false")],
    &[("bgp:advertise", "true"), ("bgp:med", "5")],
    &[("bgp:communities", "65000:1"), ("bgp:local-pref", "50")],
    &[("bgp:communities", ""), ("bgp:med", "nonsense")],
];

#[derive(Clone, Debug)]
enum Edit {
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
struct PortEdit {
    port: usize,
    network: usize,
    hosts: usize,
    ips: usize,
    up: bool,
    enabled: bool,
    kind: bool,
    parent: Option<usize>,
}

#[derive(Clone, Debug)]
struct InterfaceEdit {
    interface: usize,
    network: usize,
    subnets: usize,
    owner: Option<bool>,
    router: Option<usize>,
    up: bool,
    scoped: bool,
}

#[derive(Clone, Debug)]
struct BalancerEdit {
    balancer: usize,
    vips: usize,
    members: usize,
    purpose: usize,
    router: Option<usize>,
    fip: bool,
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

fn edit() -> impl Strategy<Value = Edit> {
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

fn apply(cloud: &mut Cloud, edit: Edit) {
    match edit {
        Edit::Port(edit) => cloud.port(port(&edit)),
        Edit::DeletePort(port) => cloud.delete_port(PORTS[port]),
        Edit::Network(network, provider, vlan) => {
            cloud.network(NETWORKS[network], provider.then_some(("physnet1", vlan)));
        }
        Edit::DeleteNetwork(network) => cloud.delete_network(NETWORKS[network]),
        Edit::Localnet(mapped) => cloud.port(SwitchPort {
            network: Some("provider".into()),
            ..localnet_port("second", if mapped { "physnet2" } else { "physnet9" }, None)
        }),
        Edit::Bind(port, here) => cloud.bind(PORTS[port], chassis(here)),
        Edit::BindGateway(lrp, here) => {
            cloud.bind(&format!("cr-{}", GATEWAYS[lrp]), chassis(here));
        }
        Edit::Mappings(both) => {
            cloud.node = node(if both {
                "physnet1:br-ex,physnet2:br-vlan"
            } else {
                "physnet1:br-ex"
            });
        }
        Edit::Options(tenants, subnet, snat, scopes) => {
            let policy = std::mem::take(&mut cloud.options.policy);
            cloud.options = Options {
                policy,
                method: cloud.options.method,
                ..options(tenants, subnet, snat, scopes)
            };
        }
        Edit::Vpn(edit) => vpn_edits::apply(cloud, &edit),
        Edit::Say(speaker, saying) => cloud.say(SPEAKERS[speaker], SAYINGS[saying]),
        Edit::Policy(policy) => cloud.options.policy = policies::of(policy),
        Edit::Look => drop(cloud.delta()),
        Edit::FipMode(distributed) => cloud.fip_mode(if distributed {
            FipMode::Distributed
        } else {
            FipMode::Centralised
        }),
        edit => apply_routed(cloud, edit),
    }
}

fn apply_routed(cloud: &mut Cloud, edit: Edit) {
    match edit {
        Edit::Nat(ip, port, mac, network) => {
            let nat = fip(FIPS[ip], "");
            cloud.nat(Fip {
                logical_port: NAT_PORTS[port].map(Into::into),
                external_mac: nat.external_mac.filter(|_| mac),
                network: Some(NETWORKS[network].into()),
                ..nat
            });
        }
        Edit::DeleteNat(ip) => cloud.delete_nat(FIPS[ip]),
        Edit::Gateway(lrp, here, network, addresses, enabled) => cloud.router_port(RouterPort {
            hosting_chassis: Some(chassis(here).into()),
            network: Some(NETWORKS[network].into()),
            enabled,
            ..gateway(GATEWAYS[lrp], GATEWAY_NETWORKS[addresses])
        }),
        Edit::DeleteGateway(lrp) => cloud.delete_router_port(GATEWAYS[lrp]),
        Edit::Interface(edit) => attach(cloud, &edit),
        Edit::DeleteInterface(interface, router_port) => {
            let name = INTERFACES[interface];
            if router_port {
                cloud.delete_router_port(&format!("lrp-{name}"));
            } else {
                cloud.delete_port(name);
            }
        }
        Edit::Router(router, enabled, ports, nat) => {
            let names = ["lrp", "lrp-second", "lrp-if", "lrp-if2"];
            let nats: Vec<_> = FIPS.into_iter().chain(SNATS).collect();
            cloud.router_named(
                ROUTERS[router],
                enabled,
                &some(&names, ports),
                &some(&nats, nat),
                &some(&ROUTES, ports >> 4),
            );
        }
        Edit::DeleteRouter(router) => cloud.delete_router(ROUTERS[router]),
        Edit::DefaultRoute(gateway) => cloud.default_route(ROUTES[gateway]),
        Edit::Snat(subnet, true) => cloud.snat(SNATS[subnet]),
        Edit::Snat(subnet, false) => cloud.delete_nat(SNATS[subnet]),
        Edit::Balancer(edit) => cloud.balancer(balance(&edit)),
        Edit::DeleteBalancer(row) => cloud.delete_balancer(BALANCERS[row]),
        Edit::VipPort(Some(network)) => cloud.port(vip_port("vip-port", NETWORKS[network])),
        Edit::VipPort(None) => cloud.delete_port("vip-port"),
        _ => unreachable!("the other edits are applied before"),
    }
}

fn chassis(here: bool) -> &'static str {
    if here { "chassis-1" } else { "chassis-2" }
}

/// Those whose bit is set.
fn some<'a>(names: &[&'a str], bits: u8) -> Vec<&'a str> {
    let names = names.iter().enumerate();
    let chosen = names.filter(|(at, _)| bits >> at & 1 == 1);
    chosen.map(|(_, name)| *name).collect()
}

fn options(tenants: usize, subnet: bool, snat: bool, scopes: bool) -> Options {
    use TenantExposure::{Everything, GlobalIpv6, Nothing};
    Options {
        policy: Policy::default(),
        method: Method::default(),
        tenants: [Everything, GlobalIpv6, Nothing][tenants],
        advertisement: if subnet {
            TenantAdvertisement::Subnet
        } else {
            TenantAdvertisement::Host
        },
        require_snat_disabled: snat,
        address_scopes: scopes.then(|| "scope".into()).into_iter().collect(),
    }
}

fn attach(cloud: &mut Cloud, edit: &InterfaceEdit) {
    let (name, network) = (INTERFACES[edit.interface], NETWORKS[edit.network]);
    cloud.router_port(inner_port(name, network, SUBNETS[edit.subnets]));
    let mut port = interface(name, network);
    port.up = edit.up;
    if let Some(inside) = &mut port.interface {
        let owner = |inner| match inner {
            true => "network:router_interface".into(),
            false => "network:router_gateway".into(),
        };
        inside.owner = edit.owner.map(owner);
        inside.router = edit.router.map(|router| ROUTERS[router].into());
        let scope = edit.scoped.then(|| "scope".into());
        inside.scopes = AddressScopes {
            v4: scope.clone(),
            v6: scope,
        };
    }
    cloud.port(port);
}

fn balance(edit: &BalancerEdit) -> Balancer {
    let vips: Vec<_> = VIPS[edit.vips]
        .iter()
        .map(|vip| (*vip, MEMBERS[edit.members]))
        .collect();
    let router = edit.router.map(|router| ROUTERS[router].into());
    let purpose = match edit.purpose {
        0 => Purpose::PortForwarding { router },
        1 => Purpose::Other,
        _ => Purpose::LoadBalancing(Octavia {
            vip: "172.24.4.50".parse().ok(),
            fip: edit.fip.then(|| "172.24.4.60".parse().unwrap()),
            port: "vip-port".into(),
            router,
        }),
    };
    Balancer {
        purpose,
        ..balancer(BALANCERS[edit.balancer], &vips)
    }
}

fn port(edit: &PortEdit) -> SwitchPort {
    let mac = MacAddr([2, 0, 0, 0, 0, 7]);
    SwitchPort {
        addresses: vec![address(mac, IPS[edit.ips])],
        cidrs: cidrs(&["172.24.4.9/24", "2001:db8::9/64"]),
        requested_chassis: hosts(HOSTS[edit.hosts]),
        host_id: (edit.hosts == 3).then(|| "host-1".into()),
        up: edit.up,
        enabled: edit.enabled,
        kind: if edit.kind {
            PortKind::Vif
        } else {
            PortKind::Virtual
        },
        parent: edit.parent.map(|parent| PORTS[parent].into()),
        ..vm(PORTS[edit.port], NETWORKS[edit.network], &[])
    }
}

/// A cloud in which much is exposed already, or an empty one.
fn start(routed: bool) -> Cloud {
    let mut cloud = Cloud::new();
    if routed {
        cloud.options.tenants = TenantExposure::Everything;
        cloud.router_port(gateway("lrp", GATEWAY_NETWORKS[0]));
        cloud.interface("if", "tenant", SUBNETS[0]);
        cloud.router(true, &["lrp", "lrp-if"], &FIPS);
        cloud.port(vip_port("vip-port", "tenant"));
        cloud.port(vm("p0", "tenant", IPS[3]));
    }
    cloud
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn standing_exposures_equal_a_fresh_decision(
        routed in any::<bool>(),
        edits in proptest::collection::vec(edit(), 1..80),
    ) {
        let mut cloud = start(routed);
        for edit in edits {
            apply(&mut cloud, edit);
        }
        // Compares.
        cloud.delta();
        prop_assert!(cloud.delta().is_empty());
    }

    #[test]
    fn deltas_add_up(
        routed in any::<bool>(),
        edits in proptest::collection::vec(edit(), 1..80),
    ) {
        let mut cloud = start(routed);
        let mut sum: std::collections::BTreeSet<_> = cloud.delta().added.into_iter().collect();
        // Looking is what each step ends with.
        for edit in edits.into_iter().filter(|edit| !matches!(edit, Edit::Look)) {
            apply(&mut cloud, edit);
            let delta = cloud.delta();
            for exposure in &delta.removed {
                prop_assert!(sum.remove(exposure), "{exposure:?} was not there");
            }
            for exposure in delta.added {
                prop_assert!(sum.insert(exposure.clone()), "{exposure:?} was there");
            }
        }
        prop_assert_eq!(sum.into_iter().collect::<Vec<_>>(), cloud.decide().exposures);
    }

    #[test]
    fn policies_take_away_and_tell_and_add_nothing(
        routed in any::<bool>(),
        edits in proptest::collection::vec(edit(), 1..60),
    ) {
        let (mut cloud, mut plain) = (start(routed), start(routed));
        for edit in edits {
            if !matches!(edit, Edit::Say(..) | Edit::Policy(_)) {
                apply(&mut plain, edit.clone());
            }
            apply(&mut cloud, edit);
        }
        let (decided, without) = (cloud.decide(), plain.decide());
        let mut all: Vec<_> = decided.exposures.iter().map(|exposure| Exposure {
            attributes: Attributes::default(),
            ..(**exposure).clone()
        }).collect();
        for exposure in &all {
            prop_assert!(without.exposures.iter().any(|e| **e == *exposure), "{exposure:?} is new");
        }
        let (taken, others): (Vec<_>, Vec<_>) = decided.withheld.into_iter().partition(|w| w.code == Code::Policy);
        prop_assert_eq!(others, without.withheld);
        for exposure in &without.exposures {
            let kept = all.iter().position(|e| *e == **exposure);
            if let Some(at) = kept {
                all.swap_remove(at);
            } else if !exposure.reason.is_own_address() {
                let told = taken.iter().any(|w| {
                    (w.prefix, w.kind, &w.port) == (exposure.prefix, exposure.kind, &exposure.port)
                });
                prop_assert!(told, "{exposure:?} is gone without a word");
            }
        }
    }
}
