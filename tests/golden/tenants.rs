//! Tenants: method `vrf` of the NB driver, and `ovn_evpn_driver`, both with VNI 1001 on a flat network.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp::evpn::{EvpnEvent, Way};
use bgp::wire::evpn::Mac;
use ipnet::IpNet;
use ovn_bgp_agent::exposure::{
    Attachment, Attributes, Decision, Entry, Exposure, Kind, Layer, Method, Node, Options,
    ProviderNetwork, Reason, Tenant, TenantExposure, TenantGateway, northbound,
};
use ovn_bgp_agent::mac::MacAddr;
use ovn_bgp_agent::ovn::vswitch::PatchPort;
use ovn_bgp_agent::ovn::{BridgeMappings, Northbound};
use ovn_bgp_agent::reconcile::object::{EtherType, LinkKind};
use ovn_bgp_agent::reconcile::{Desired, Destination, Key, Value};
use ovn_bgp_agent::wiring::{BridgeFacts, BridgeRole, Facts, Tenancy, desired};

use crate::left::{self, Left};
use crate::ours;

const VRF: Left = Left::of("nb_vrf");
const EVPN: Left = Left::of("evpn_v4");
const VETH: &str = "vrfb4113ba2-78";
const PUBLIC_LOCALNET: &str = "provnet-719da409-e1b8-5b04-89ef-3d926a188006";
const PUBLIC: &str = "neutron-38c12e4f-e819-5336-9a2b-8b7f94a6286c";

fn facts(role: BridgeRole, in_port: u32, macs: &[(&str, &str)], ports: &[(&str, u32)]) -> Facts {
    let br_ex = BridgeFacts {
        patch_ports: vec![PatchPort {
            localnet: PUBLIC_LOCALNET.into(),
            ofport: in_port,
        }],
        ..BridgeFacts::default()
    };
    let macs = macs.iter();
    let ports = ports.iter();
    Facts {
        role,
        tenancy: Tenancy {
            vtep: Some("172.30.1.1".parse().unwrap()),
            asn: 64999,
            macs: macs
                .map(|(dev, mac)| (Arc::from(*dev), mac.parse().unwrap()))
                .collect(),
            ports: ports.map(|(name, n)| (Arc::from(*name), *n)).collect(),
            ..Tenancy::default()
        },
        mappings: BridgeMappings::parse("physnet1:br-ex"),
        bridges: BTreeMap::from([(Arc::from("br-ex"), br_ex)]),
        ..Facts::default()
    }
}

/// What FRR's peer taught it on both nodes.
fn taught(router_mac: [u8; 6]) -> [EvpnEvent; 1] {
    [EvpnEvent::Prefix {
        vni: 1001,
        prefix: "198.51.100.0/24".parse().unwrap(),
        ways: vec![Way {
            vtep: "10.255.0.1".parse().unwrap(),
            router_mac: Mac(router_mac),
        }],
    }]
}

/// Method `vrf`, on the node that it left.
fn vrf() -> Desired {
    let mut nb = Northbound::default();
    assert_eq!(nb.apply(&ours::northbound_rows(&VRF)), []);
    let Decision {
        exposures, tenants, ..
    } = northbound::decide(northbound::Inputs {
        northbound: &nb,
        southbound: None,
        node: &Node {
            hostname: "compute-1".into(),
            chassis: "compute-1".into(),
            mappings: BridgeMappings::parse("physnet1:br-ex"),
        },
        options: &Options {
            tenants: TenantExposure::Everything,
            method: Method::Vrf,
            ..Options::default()
        },
    });
    let facts = facts(
        BridgeRole::Nothing,
        1,
        &[("br-1001", "7e:0b:6f:ad:0d:7b")],
        &[],
    );
    let taught = taught([0x7a, 0x84, 0xe6, 0xbe, 0x98, 0xa3]);
    desired(&exposures, &tenants, taught, &facts)
}

/// `ovn_evpn_driver`, on the node that it left.
fn evpn() -> Desired {
    let attachment = Attachment {
        bridge: "br-ex".into(),
        vlan: None,
        localnet: PUBLIC_LOCALNET.into(),
    };
    let mac: MacAddr = "fa:16:3e:94:ec:e8".parse().unwrap();
    let addresses = ["172.24.4.76", "2001:db8:100:0:f816:3eff:fe94:ece8"];
    let subnet: IpNet = "10.10.0.0/24".parse().unwrap();
    let gateway = TenantGateway {
        mac,
        addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
        subnets: [(subnet, addresses[0].parse().unwrap())].into(),
        proxied: Arc::from([]),
        learning: BTreeSet::new(),
    };
    let public = ProviderNetwork {
        localnet: uuid::Uuid::nil(),
        attachment: attachment.clone(),
        mtu: None,
        routers: BTreeSet::new(),
        advertisements: BTreeSet::new(),
        stations: BTreeSet::new(),
        gateways: [("lrp".into(), gateway)].into(),
    };
    let tenant = Tenant {
        vni: 1001,
        layer: Layer::Routed,
        entry: Entry::PerGateway,
        asn: Some(64999),
        rd: None,
        import: BTreeSet::new(),
        export: BTreeSet::new(),
        networks: [(PUBLIC.into(), public)].into(),
    };
    let exposure = |prefix: &str| Exposure {
        prefix: prefix.parse().unwrap(),
        kind: Kind::Tenant,
        port: "vm".into(),
        network: PUBLIC.into(),
        attachment: Some(attachment.clone()),
        vni: Some(1001),
        layer: Layer::Routed,
        via: addresses[0].parse().ok(),
        subnet: Some(subnet),
        next_hop: None,
        mac: Some(mac),
        proxied: Arc::from([]),
        attributes: Attributes::default(),
        reason: Reason::TenantBehindGateway {
            port: "vm".into(),
            lrp: "lrp".into(),
        },
    };
    let exposures = ["10.10.0.19/32", "10.10.0.20/32"].map(|prefix| Arc::new(exposure(prefix)));
    let facts = facts(
        BridgeRole::Answers,
        2,
        &[
            ("br-1001", "b2:a6:8f:57:7c:0d"),
            ("veth-vrf-1001", "16:6e:91:fb:18:43"),
        ],
        &[("veth-ovs-1001", 3)],
    );
    let taught = taught([0x1e, 0xa5, 0x1e, 0x8b, 0x31, 0x4f]);
    let tenants = [(1001, Arc::new(tenant))].into();
    desired(&exposures, &tenants, taught, &facts)
}

fn select(desired: &Desired, text: impl Fn(&Key, &Value) -> Option<String>) -> BTreeSet<String> {
    let objects = desired.objects.iter();
    objects
        .filter_map(|(key, value)| text(key, value))
        .collect()
}

/// Of table 1001, `PREFIX [via NEXT_HOP] dev DEVICE`, and `unreachable PREFIX`.
fn routes(desired: &Desired) -> BTreeSet<String> {
    select(desired, |key, value| match (key, value) {
        (Key::Route { table, prefix }, Value::Route(route)) => {
            assert_eq!(*table, 1001);
            let via: String = route.via.iter().map(|via| format!("via {via} ")).collect();
            Some(format!("{prefix} {via}dev {}", route.dev))
        }
        (Key::Unreachable { prefix, .. }, _) => Some(format!("unreachable {prefix}")),
        _ => None,
    })
}

/// The same of what was there; the kernel's own are not compared.
fn routes_there(left: &Left) -> BTreeSet<String> {
    let route = |line: String| {
        let (route, rest) = line.split_once(" table 1001")?;
        if rest.contains("proto kernel") {
            return None;
        }
        if let Some(to) = route.strip_prefix("unreachable default") {
            let any = if to.is_empty() { "0.0.0.0/0" } else { "::/0" };
            return Some(format!("unreachable {any}"));
        }
        let (to, way) = route.split_once(' ')?;
        // FRR's: next hops are objects of their own, and `onlink` comes after the table.
        let way = match way.strip_prefix("nhid ") {
            Some(way) => way.split_once(' ')?.1,
            None => way,
        };
        Some(format!("{} {way}", left::prefix(to)))
    };
    left.lines("ip-route-all.txt")
        .into_iter()
        .filter_map(route)
        .collect()
}

fn neighbours(desired: &Desired) -> BTreeSet<String> {
    select(desired, |key, value| match (key, value) {
        (Key::Neighbour { dev, address }, Value::Neighbour { mac }) => {
            Some(format!("{address} dev {dev} lladdr {mac}"))
        }
        _ => None,
    })
}

/// Permanent ones, and zebra's, which are as good.
fn neighbours_there(left: &Left) -> BTreeSet<String> {
    let mut there = left.neighbours();
    let zebra = " extern_learn NOARP proto zebra";
    let lines = left.lines("ip-neigh.txt").into_iter();
    there.extend(lines.filter_map(|line| line.strip_suffix(zebra).map(str::to_owned)));
    there
}

fn flows(desired: &Desired) -> BTreeSet<String> {
    select(desired, |key, value| match (key, value) {
        (
            Key::Flow {
                priority,
                in_port,
                ether_type,
                source,
                ..
            },
            Value::Flow(flow),
        ) => {
            let family = match ether_type {
                EtherType::Ipv4 => "ip",
                EtherType::Ipv6 => "ipv6",
                EtherType::Arp => "arp",
                EtherType::Nd => "icmp6",
            };
            let source = source.map(|s| format!(",dl_src={},nw_src={}", s.mac, s.network));
            let source = source.unwrap_or_default();
            let output = flow.output.map(|output| format!("output:{}", output.port));
            let output = output.unwrap_or_else(|| "NORMAL".to_owned());
            Some(format!(
                "cookie={:#x} priority={priority},{family},in_port={in_port}{source} \
                 actions=mod_dl_dst:{},{output}",
                flow.cookie, flow.set_eth_dst
            ))
        }
        _ => None,
    })
}

fn flows_there(left: &Left) -> BTreeSet<String> {
    let flow = |line: String| {
        let (cookie, _) = line.trim_start().split_once(',')?;
        let (_, flow) = line.split_once("priority=")?;
        (cookie != "cookie=0x0").then(|| format!("{cookie} priority={flow}"))
    };
    left.lines("flows-br-ex.txt")
        .into_iter()
        .filter_map(flow)
        .collect()
}

fn adverts(desired: &Desired) -> BTreeSet<IpNet> {
    let adverts = desired.adverts.keys();
    let prefix = |destination: &Destination| {
        assert_eq!(destination.vni(), Some(1001));
        destination.addresses().unwrap()
    };
    adverts.map(prefix).collect()
}

/// The type-5 routes of 172.30.1.1:1001 that the leaf has.
fn adverts_there(left: &Left) -> BTreeSet<IpNet> {
    let text = left.text("leaf-evpn.txt");
    let (_, own) = text
        .split_once("Route Distinguisher: 172.30.1.1:1001\n")
        .unwrap();
    let own = own.split_once("\n\n").unwrap().0;
    let prefix = |line: &str| {
        let (_, rest) = line.split_once("[5]:[0]:[")?;
        let (length, address) = rest.trim_end().trim_end_matches(']').split_once("]:[")?;
        format!("{address}/{length}").parse().ok()
    };
    own.lines().filter_map(prefix).collect()
}

fn set<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.map(str::to_owned).into()
}

#[test]
fn b109_b121_routes_of_the_vrf_are_those_the_python_agent_left_and_nothing_leaves_the_table() {
    let mut there = routes_there(&VRF);
    assert_eq!(there.len(), 11);
    // D41: what the table does not know went by the main table.
    there.extend(set(["unreachable 0.0.0.0/0", "unreachable ::/0"]));
    assert_eq!(routes(&vrf()), there);
}

#[test]
fn b109_b126_neighbours_of_the_vrf_are_those_the_python_agent_and_zebra_left() {
    let there = neighbours_there(&VRF);
    assert_eq!(there.len(), 6);
    assert_eq!(neighbours(&vrf()), there);
}

#[test]
fn b110_flows_of_the_vrf_are_those_the_python_agent_left() {
    let there = flows_there(&VRF);
    assert_eq!(there.len(), 2);
    assert_eq!(flows(&vrf()), there);
}

#[test]
fn b107_b119_addresses_of_the_vrf_are_those_the_python_agent_left() {
    let ours = select(&vrf(), |key, _| match key {
        Key::Address { dev, address } => {
            assert_eq!(&**dev, VETH);
            Some(address.to_string())
        }
        _ => None,
    });
    let mut there = VRF.addresses(VETH);
    assert_eq!(there.len(), 3);
    let link_local = "fe80::200:3e9:0/64";
    assert!(
        VRF.text("ip-addr.txt")
            .contains(&format!("inet6 {link_local} scope link"))
    );
    there.insert(link_local.to_owned());
    assert_eq!(ours, there);
}

/// Every device ours wishes is there, of its kind, with its master and its address.
#[test]
fn b107_devices_are_those_the_python_agent_left() {
    for (desired, left, count) in [(vrf(), &VRF, 5), (evpn(), &EVPN, 6)] {
        let (addresses, details) = (left.text("ip-addr.txt"), left.text("ip-d-link.txt"));
        let mut devices = 0;
        for (key, value) in &desired.objects {
            let (Key::Link { name }, Value::Link(link)) = (key, value) else {
                continue;
            };
            devices += 1;
            let head = |text: &str| {
                let lines: Vec<_> = text.lines().collect();
                let at = lines.iter().position(|line| {
                    line.contains(&format!(": {name}: <")) || line.contains(&format!(": {name}@"))
                });
                let at = at.unwrap_or_else(|| panic!("{name} is not there"));
                lines[at..]
                    .iter()
                    .take(4)
                    .copied()
                    .collect::<Vec<_>>()
                    .join("\n")
            };
            let detail = head(&details);
            let expected = match &link.kind {
                LinkKind::Vrf { table } => format!("vrf table {table} "),
                LinkKind::Vxlan { vni, port, local } => {
                    assert!(
                        detail.contains(&format!("dstport {port} "))
                            && detail.contains(" nolearning")
                    );
                    format!("vxlan id {vni} local {local} ")
                }
                LinkKind::Bridge => "bridge forward_delay".to_owned(),
                LinkKind::Veth { peer } => {
                    assert!(detail.contains(&format!("{name}@{peer}:")), "{detail}");
                    "veth".to_owned()
                }
                _ => "openvswitch".to_owned(),
            };
            assert!(detail.contains(&expected), "{name} {expected}: {detail}");
            if let Some(mac) = link.mac {
                assert!(
                    head(&addresses).contains(&format!("link/ether {mac} ")),
                    "{name}"
                );
            }
            let master = Key::Master { dev: name.clone() };
            if let Some(Value::Master { master }) = desired.objects.get(&master) {
                assert!(detail.contains(&format!(" master {master} ")), "{name}");
            }
        }
        assert_eq!(devices, count);
    }
}

#[test]
fn b107_ports_and_how_the_bridge_treats_them_are_those_the_python_agent_left() {
    for (desired, left, port) in [
        (vrf(), &VRF, "ovsb4113ba2-78"),
        (evpn(), &EVPN, "veth-ovs-1001"),
    ] {
        let ports = select(&desired, |key, value| match (key, value) {
            (Key::SwitchPort { port, .. }, Value::SwitchPort { tag, internal }) => {
                Some(format!("{port} {tag:?} {internal}"))
            }
            _ => None,
        });
        assert_eq!(ports, set([&format!("{port} None false")]));
        assert!(left.text("ovs-show.txt").contains(&format!(
            "        Port {port}\n            Interface {port}\n"
        )));
    }
    let text = VRF.text("bridge-link.txt");
    assert!(text.contains(" learning off ") && text.contains(" neigh_suppress on "));
    let key = Key::BridgePort {
        dev: "vxlan-1001".into(),
    };
    let value = Value::BridgePort {
        learning: false,
        neigh_suppress: true,
    };
    assert_eq!(vrf().objects.get(&key), Some(&value));
}

#[test]
fn b126_the_entry_of_the_other_vtep_is_the_one_that_zebra_left() {
    let entries = select(&vrf(), |key, value| match (key, value) {
        (Key::Fdb { dev, mac }, Value::Fdb { vtep: Some(vtep) }) => {
            Some(format!("{mac} dev {dev} dst {vtep} self extern_learn"))
        }
        _ => None,
    });
    let lines = VRF.lines("bridge-fdb.txt").into_iter();
    let there: BTreeSet<_> = lines.filter(|line| line.contains(" dst ")).collect();
    assert_eq!(there.len(), 1);
    assert_eq!(entries, there);
}

#[test]
fn b107_sysctls_are_those_the_python_agent_left_and_addresses_are_not_looked_for_elsewhere() {
    let there = VRF.sysctls();
    let mut ours = select(&vrf(), |key, value| match (key, value) {
        (Key::Sysctl { path }, Value::Sysctl { value }) => Some(format!("{path}={value}")),
        _ => None,
    });
    // All nodes have the same addresses there; the Python agent lets the kernel find that out.
    assert!(ours.remove(&format!("net/ipv6/conf/{VETH}/accept_dad=0")));
    // Another name of net.ipv4.conf.all.forwarding.
    assert!(ours.remove("net/ipv4/ip_forward=1"));
    assert!(there.contains("net.ipv4.conf.all.forwarding"));
    assert_eq!(ours.len(), 7);
    for path in ours {
        let name = path.strip_suffix("=1").unwrap().replace('/', ".");
        assert!(there.contains(&name), "{name}");
    }
}

#[test]
fn gateways_of_static_ipv6_ports_are_answered_for_which_the_python_agent_does_not() {
    assert_eq!(VRF.proxies(), BTreeSet::new());
    let proxies = select(&vrf(), |key, _| match key {
        Key::Proxy { dev, address } => Some(format!("{address} dev {dev}")),
        _ => None,
    });
    let expected = ["2001:db8:100::", "2001:db8:100::1"].map(|a| format!("{a} dev {VETH}"));
    assert_eq!(proxies, expected.into());
}

#[test]
fn what_is_advertised_is_what_the_leaf_learned_of_both() {
    let mut there = adverts_there(&VRF);
    assert_eq!(there.len(), 12);
    // A helper address is nobody's to reach.
    assert!(there.remove(&"fd53:d91e:400:7f17::/128".parse::<IpNet>().unwrap()));
    assert_eq!(adverts(&vrf()), there);
    let there = adverts_there(&EVPN);
    assert_eq!(there.len(), 2);
    assert_eq!(adverts(&evpn()), there);
}

#[test]
fn b153_routes_neighbours_and_flows_of_the_evpn_driver_are_those_it_left() {
    let ours = evpn();
    let mut there = routes_there(&EVPN);
    assert_eq!(there.len(), 6);
    // Addresses of lo-1001 there.
    for host in ["10.10.0.19", "10.10.0.20"] {
        assert!(EVPN.addresses("lo-1001").contains(&format!("{host}/32")));
        there.insert(format!("{host}/32 via 172.24.4.76 dev veth-vrf-1001"));
    }
    assert_eq!(routes(&ours), there);
    let there = neighbours_there(&EVPN);
    assert_eq!(there.len(), 3);
    assert_eq!(neighbours(&ours), there);
    let there = flows_there(&EVPN);
    assert_eq!(there.len(), 1);
    assert_eq!(flows(&ours), there);
}
