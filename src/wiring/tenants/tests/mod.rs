//! Behaviours of upstream.md sections 8.7 and 8.10 as far as they are wiring, by number.

mod bridged;
mod devices;
mod exposures;
mod gateways;
mod histories;
mod instances;
mod mtus;
mod taught;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::Vni;
use uuid::Uuid;

use crate::exposure::{
    Attachment, Attributes, Delta, Entry, Exposure, Kind, Layer, ProviderNetwork, Reason, Station,
    Tenant, TenantGateway,
};
use crate::mac::MacAddr;
use crate::ovn::BridgeMappings;
use crate::ovn::vswitch::PatchPort;
use crate::reconcile::{Holder, Key, Reconciler, Step, Value};
use crate::wiring::{BridgeFacts, BridgeRole, Facts, Tenancy, Wiring, Wish};

const VM_MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]);
const GATEWAY_MAC: MacAddr = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 0x76]);
const BRIDGE_MAC: MacAddr = MacAddr([0x52, 0, 0, 0, 0, 1]);
const VTEP: &str = "172.30.1.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// physnet1 on br-ex with the patch ports of `provnet` and `provnet-2` as OpenFlow ports 5 and 6; a VTEP.
fn facts() -> Facts {
    let patch_port = |localnet: &str, ofport| PatchPort {
        localnet: localnet.into(),
        ofport,
    };
    let br_ex = BridgeFacts {
        table: Some(201),
        mac: Some(BRIDGE_MAC),
        patch_ports: vec![patch_port("provnet", 5), patch_port("provnet-2", 6)],
    };
    Facts {
        routers_learn: false,
        role: BridgeRole::Nothing,
        tenancy: Tenancy {
            vtep: Some(ip(VTEP)),
            asn: 64999,
            ..Tenancy::default()
        },
        mappings: BridgeMappings::parse("physnet1:br-ex"),
        localnets: Vec::new(),
        bridges: BTreeMap::from([(Arc::from("br-ex"), br_ex)]),
    }
}

fn attachment(localnet: &str, vlan: Option<u16>) -> Attachment {
    Attachment {
        bridge: "br-ex".into(),
        vlan,
        localnet: localnet.into(),
    }
}

/// A provider network of which the row of the localnet port begins with `digit`.
fn network(digit: char, localnet: &str, vlan: Option<u16>) -> ProviderNetwork {
    let row: String = "00000000-0000-0000-0000-000000000000".replace('0', &digit.to_string());
    ProviderNetwork {
        localnet: row.parse::<Uuid>().unwrap(),
        attachment: attachment(localnet, vlan),
        mtu: None,
        routers: BTreeSet::new(),
        advertisements: BTreeSet::new(),
        stations: BTreeSet::new(),
        gateways: BTreeMap::new(),
    }
}

/// With the flat network `public` (localnet port `provnet`, devices `vrf11111111-11` and `ovs11111111-11`).
fn tenant(vni: Vni) -> Tenant {
    Tenant {
        vni,
        layer: Layer::Routed,
        entry: Entry::PerNetwork,
        asn: None,
        rd: None,
        import: BTreeSet::new(),
        export: BTreeSet::new(),
        networks: BTreeMap::from([("public".into(), network('1', "provnet", None))]),
    }
}

/// With a VLAN network `vlan` (localnet port `provnet-2`, devices `vrf22222222-22` and `ovs22222222-22`) besides.
fn with_vlan(mut tenant: Tenant, vlan: u16) -> Tenant {
    let network = network('2', "provnet-2", Some(vlan));
    tenant.networks.insert("vlan".into(), network);
    tenant
}

/// Of `ovn_evpn_driver`: one gateway, 172.24.4.76, before 10.10.0.0/24.
fn shared(vni: Vni, vlan: Option<u16>) -> Tenant {
    let gateway = TenantGateway {
        mac: GATEWAY_MAC,
        addresses: [ip("172.24.4.76")].into(),
        subnets: [("10.10.0.0/24".parse().unwrap(), ip("172.24.4.76"))].into(),
        proxied: Arc::from([]),
        learning: BTreeSet::new(),
    };
    let mut public = network('1', "provnet", vlan);
    public.gateways = BTreeMap::from([("lrp".into(), gateway)]);
    Tenant {
        entry: Entry::PerGateway,
        asn: Some(65000),
        networks: BTreeMap::from([("public".into(), public)]),
        ..tenant(vni)
    }
}

/// A VM's address on `public`.
fn exposure(vni: Vni, prefix: &str) -> Exposure {
    Exposure {
        prefix: prefix.parse().unwrap(),
        kind: Kind::Provider,
        port: "vm".into(),
        network: "public".into(),
        attachment: Some(attachment("provnet", None)),
        vni: Some(vni),
        layer: Layer::Routed,
        via: None,
        subnet: None,
        next_hop: None,
        mac: Some(VM_MAC),
        proxied: Arc::from([]),
        attributes: Attributes::default(),
        reason: Reason::PortHere {
            port: "vm".into(),
            host: "host-1".into(),
        },
    }
}

fn on_vlan(exposure: Exposure, vlan: u16) -> Exposure {
    Exposure {
        network: "vlan".into(),
        attachment: Some(attachment("provnet-2", Some(vlan))),
        ..exposure
    }
}

/// What is behind the gateway 172.24.4.76.
fn behind_gateway(vni: Vni, prefix: &str) -> Exposure {
    Exposure {
        kind: Kind::Tenant,
        via: Some(ip("172.24.4.76")),
        subnet: Some("10.10.0.0/24".parse().unwrap()),
        mac: Some(GATEWAY_MAC),
        ..exposure(vni, prefix)
    }
}

/// A node that does what it is told.
struct Node {
    wiring: Wiring,
    reconciler: Reconciler,
}

impl Node {
    fn new(facts: Facts) -> Self {
        let mut node = Self {
            wiring: Wiring::default(),
            reconciler: Reconciler::new(),
        };
        for dev in [
            "br-ex",
            "ovs11111111-11",
            "ovs22222222-22",
            "veth-ovs-77",
            "vlan-77",
        ] {
            let (key, value) = super::entrance::link(
                &dev.into(),
                crate::reconcile::object::LinkKind::Foreign,
                None,
                None,
            );
            let found = crate::reconcile::Found::foreign(value);
            node.reconciler.observe(key, Some(found));
        }
        node.facts(facts);
        node
    }

    fn facts(&mut self, facts: Facts) -> Vec<Step> {
        let wishes = self.wiring.set_facts(facts);
        self.reconciler.hold(Holder::Base, self.wiring.base());
        self.tell(wishes)
    }

    fn tenant(&mut self, tenant: Tenant) -> Vec<Step> {
        self.change(&[], &[], &[(tenant.vni, Some(tenant))])
    }

    fn add(&mut self, exposure: Exposure) -> Vec<Step> {
        self.change(&[exposure], &[], &[])
    }

    fn remove(&mut self, exposure: Exposure) -> Vec<Step> {
        self.change(&[], &[exposure], &[])
    }

    fn change(
        &mut self,
        added: &[Exposure],
        removed: &[Exposure],
        tenants: &[(Vni, Option<Tenant>)],
    ) -> Vec<Step> {
        let shared = |exposures: &[Exposure]| exposures.iter().cloned().map(Arc::new).collect();
        let tenants = tenants.iter().cloned();
        let wishes = self.wiring.update(&Delta {
            added: shared(added),
            removed: shared(removed),
            tenants: tenants
                .map(|(vni, tenant)| (vni, tenant.map(Arc::new)))
                .collect(),
        });
        self.tell(wishes)
    }

    /// Takes every step, and answers them in order.
    fn tell(&mut self, wishes: Vec<Wish>) -> Vec<Step> {
        for wish in wishes {
            wish.tell(&mut self.reconciler);
        }
        let mut taken = Vec::new();
        loop {
            let plan = self.reconciler.next_steps();
            if plan.steps.is_empty() {
                return taken;
            }
            for step in plan.steps {
                self.reconciler.succeeded(&step);
                taken.push(step);
            }
        }
    }

    /// What there is, but the interfaces that were there before.
    fn objects(&self) -> BTreeSet<String> {
        let all = self.reconciler.all_observed();
        let owned = all.iter().filter(|(key, found)| {
            // Nobody owns how a device is set: it stays so when nobody wishes it any more.
            let set = matches!(key, Key::Sysctl { .. } | Key::BridgePort { .. });
            found.owned || set && self.reconciler.desired(key).is_some()
        });
        owned.map(|(key, found)| text(key, &found.value)).collect()
    }
}

/// A node with this tenant.
fn node_of(tenant: Tenant) -> Node {
    let mut node = Node::new(facts());
    node.tenant(tenant);
    node
}

#[track_caller]
fn has(objects: &BTreeSet<String>, expected: &[&str]) {
    for text in expected {
        assert!(objects.contains(*text), "{text} is not in {objects:#?}");
    }
}

#[track_caller]
fn has_not(objects: &BTreeSet<String>, part: &str) {
    let found: Vec<_> = objects.iter().filter(|text| text.contains(part)).collect();
    assert_eq!(found, Vec::<&String>::new());
}

fn advertises(steps: &[Step]) -> usize {
    let advertises = |step: &&Step| matches!(step, Step::Advertise { .. });
    steps.iter().filter(advertises).count()
}

fn withdraws(steps: &[Step]) -> usize {
    let withdraws = |step: &&Step| matches!(step, Step::Withdraw { .. });
    steps.iter().filter(withdraws).count()
}

/// An object as `ip`, `bridge`, `sysctl`, `ovs-vsctl` and `ovs-ofctl` would show it.
fn text(key: &Key, value: &Value) -> String {
    match (key, value) {
        (Key::Link { name }, Value::Link(link)) => {
            let mac = link.mac.map(|mac| format!(" {mac}")).unwrap_or_default();
            let mtu = link.mtu.map(|mtu| format!(" mtu {mtu}"));
            let mtu = mtu.unwrap_or_default();
            format!("link {name} {:?}{mac}{mtu}", link.kind)
        }
        (Key::Master { dev }, Value::Master { master }) => format!("{dev} master {master}"),
        (
            Key::BridgePort { dev },
            Value::BridgePort {
                learning,
                neigh_suppress,
            },
        ) => format!("{dev} learning {learning} neigh_suppress {neigh_suppress}"),
        (Key::Sysctl { path }, Value::Sysctl { value }) => format!("{path}={value}"),
        (Key::Address { dev, address }, _) => format!("{address} dev {dev}"),
        (Key::Route { table, prefix }, Value::Route(route)) => {
            let via: String = route.via.iter().map(|via| format!(" via {via}")).collect();
            format!("{prefix}{via} dev {} table {table}", route.dev)
        }
        (Key::Unreachable { table, prefix }, _) => format!("unreachable {prefix} table {table}"),
        (Key::Neighbour { dev, address }, Value::Neighbour { mac }) => {
            format!("{address} dev {dev} lladdr {mac}")
        }
        (Key::Fdb { dev, mac }, Value::Fdb { vtep }) => {
            let to = vtep.map(|vtep| format!(" dst {vtep}")).unwrap_or_default();
            format!("fdb {mac} dev {dev}{to}")
        }
        (Key::Flood { dev, vtep }, _) => format!("flood dev {dev} dst {vtep}"),
        (Key::Proxy { dev, address }, _) => format!("proxy {address} dev {dev}"),
        (Key::SwitchPort { bridge, port }, Value::SwitchPort { tag, internal }) => {
            format!("port {port} of {bridge} tag {tag:?} internal {internal}")
        }
        (
            Key::Flow {
                bridge,
                priority,
                in_port,
                ether_type,
                source,
            },
            Value::Flow(flow),
        ) => {
            let source = source.map(|s| format!(" from {} {}", s.mac, s.network));
            let output = flow.output.map(|output| format!("{output:?}"));
            format!(
                "{bridge}: {:#x} {priority} {ether_type:?} in_port {in_port}{} to {} {}",
                flow.cookie,
                source.unwrap_or_default(),
                flow.set_eth_dst,
                output.unwrap_or_else(|| "NORMAL".to_owned())
            )
        }
        other => format!("{other:?}"),
    }
}
