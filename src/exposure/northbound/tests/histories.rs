//! Whatever the history, the standing exposures are those of a fresh decision.

use proptest::prelude::*;

use super::cloud::{Cloud, address, cidrs, fip, gateway, hosts, localnet_port, node, vm};
use crate::mac::MacAddr;
use crate::ovn::northbound::{Fip, FipMode, PortKind, RouterPort, SwitchPort};

const NETWORKS: [&str; 3] = ["provider", "tenant", "vlan"];
const PORTS: [&str; 4] = ["p0", "p1", "p2", "p3"];
const HOSTS: [&[&str]; 4] = [&["host-1"], &["host-2"], &["host-1", "host-2"], &[]];
const IPS: [&[&str]; 4] = [
    &["172.24.4.1"],
    &["172.24.4.2", "2001:db8::2"],
    &["2001:db8::1"],
    &[],
];
const FIPS: [&str; 2] = ["172.24.4.100", "172.24.4.101"];
const GATEWAYS: [&str; 2] = ["2001:db8::1", "2001:db8::fe"];

#[derive(Clone, Debug)]
enum Edit {
    Port(PortEdit),
    DeletePort(usize),
    Network(usize, bool, Option<u16>),
    DeleteNetwork(usize),
    Localnet(bool),
    Nat(usize, usize, bool, usize),
    DeleteNat(usize),
    Gateway(bool, usize, bool),
    DeleteGateway,
    Router(bool, bool, bool),
    DefaultRoute(usize),
    FipMode(bool),
    Bind(usize, bool),
    Mappings(bool),
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

fn port_edit() -> impl Strategy<Value = PortEdit> {
    let indexes = (0..4usize, 0..3usize, 0..4usize, 0..4usize);
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

fn edit() -> impl Strategy<Value = Edit> {
    let vlan = || proptest::option::of(100..102u16);
    prop_oneof![
        6 => port_edit().prop_map(Edit::Port),
        2 => (0..4usize).prop_map(Edit::DeletePort),
        2 => (0..3usize, any::<bool>(), vlan()).prop_map(|(n, p, v)| Edit::Network(n, p, v)),
        1 => (0..3usize).prop_map(Edit::DeleteNetwork),
        1 => any::<bool>().prop_map(Edit::Localnet),
        3 => (0..2usize, 0..4usize, any::<bool>(), 0..3usize)
            .prop_map(|(f, p, m, n)| Edit::Nat(f, p, m, n)),
        1 => (0..2usize).prop_map(Edit::DeleteNat),
        2 => (any::<bool>(), 0..3usize, any::<bool>()).prop_map(|(h, n, e)| Edit::Gateway(h, n, e)),
        1 => Just(Edit::DeleteGateway),
        2 => any::<(bool, bool, bool)>().prop_map(|(e, p, n)| Edit::Router(e, p, n)),
        1 => (0..2usize).prop_map(Edit::DefaultRoute),
        1 => any::<bool>().prop_map(Edit::FipMode),
        1 => (0..4usize, any::<bool>()).prop_map(|(p, c)| Edit::Bind(p, c)),
        1 => any::<bool>().prop_map(Edit::Mappings),
        4 => Just(Edit::Look),
    ]
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
        Edit::Nat(ip, port, mac, network) => {
            let nat = fip(FIPS[ip], PORTS[port]);
            cloud.nat(Fip {
                external_mac: nat.external_mac.filter(|_| mac),
                network: Some(NETWORKS[network].into()),
                ..nat
            });
        }
        Edit::DeleteNat(ip) => cloud.delete_nat(FIPS[ip]),
        Edit::Gateway(here, network, enabled) => cloud.router_port(RouterPort {
            hosting_chassis: Some(if here { "chassis-1" } else { "chassis-2" }.into()),
            network: Some(NETWORKS[network].into()),
            enabled,
            ..gateway("lrp", &["172.24.4.146/24", "2001:db8::146/64"])
        }),
        Edit::DeleteGateway => cloud.delete_router_port("lrp"),
        Edit::Router(enabled, port, nat) => cloud.router(
            enabled,
            if port { &["lrp"] } else { &[] },
            if nat { &FIPS } else { &[] },
        ),
        Edit::DefaultRoute(gateway) => cloud.default_route(GATEWAYS[gateway]),
        Edit::FipMode(distributed) => cloud.fip_mode(if distributed {
            FipMode::Distributed
        } else {
            FipMode::Centralised
        }),
        Edit::Bind(port, here) => {
            cloud.bind(PORTS[port], if here { "chassis-1" } else { "chassis-2" });
        }
        Edit::Mappings(both) => {
            let text = if both {
                "physnet1:br-ex,physnet2:br-vlan"
            } else {
                "physnet1:br-ex"
            };
            let mut affected = cloud.nb.take_affected();
            cloud.node = node(text);
            affected.everything = true;
            let inputs = super::super::Inputs {
                northbound: &cloud.nb,
                southbound: cloud.sb.as_ref(),
                node: &cloud.node,
                options: &cloud.options,
            };
            cloud.standing.update(inputs, affected);
        }
        Edit::Look => drop(cloud.delta()),
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn standing_exposures_equal_a_fresh_decision(edits in proptest::collection::vec(edit(), 1..60)) {
        let mut cloud = Cloud::new();
        for edit in edits {
            apply(&mut cloud, edit);
        }
        // Compares.
        cloud.delta();
        prop_assert!(cloud.delta().is_empty());
    }

    #[test]
    fn deltas_add_up(edits in proptest::collection::vec(edit(), 1..60)) {
        let mut cloud = Cloud::new();
        let mut sum = std::collections::BTreeSet::new();
        for edit in edits {
            if matches!(edit, Edit::Mappings(_)) {
                continue;
            }
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
}
