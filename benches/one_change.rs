//! What one changed port costs, from typed row to wishes, with ports already exposed on the node.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ovn_bgp_agent::exposure::northbound::{Inputs, Standing, decide};
use ovn_bgp_agent::exposure::{Node, Options};
use ovn_bgp_agent::mac::MacAddr;
use ovn_bgp_agent::ovn::northbound::{self, PortAddress, PortKind, Switch, SwitchPort, Table};
use ovn_bgp_agent::ovn::vswitch::PatchPort;
use ovn_bgp_agent::ovn::{Annotations, BridgeMappings, Northbound};
use ovn_bgp_agent::ovsdb::{Atom, Change, Datum, Row};
use ovn_bgp_agent::wiring::{BridgeFacts, Facts, Wiring};
use uuid::Uuid;

struct Bench {
    nb: Northbound,
    node: Node,
    options: Options,
    standing: Standing,
    wiring: Wiring,
}

impl Bench {
    fn new(ports: u32) -> Self {
        let mut nb = Northbound::default();
        let localnet = SwitchPort {
            kind: PortKind::Localnet,
            physical_network: Some("physnet1".into()),
            network: None,
            ..port(0, true)
        };
        put(&mut nb, localnet);
        let switch = Switch {
            uuid: Uuid::from_u128(1 << 64),
            name: "provider".into(),
            ports: (0..=ports).map(|n| Uuid::from_u128(n.into())).collect(),
            annotations: Annotations::default(),
            vpn: ovn_bgp_agent::ovn::Vpn::default(),
            mtu: ovn_bgp_agent::ovn::Mtu::default(),
        };
        nb.replace(
            Table::Switch,
            switch.uuid,
            Some(northbound::Row::Switch(switch)),
        );
        for number in 1..=ports {
            put(&mut nb, port(number, true));
        }
        let mappings = BridgeMappings::parse("physnet1:br-ex");
        let bridge = BridgeFacts {
            table: Some(201),
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            patch_ports: vec![PatchPort {
                localnet: "port-0".into(),
                ofport: 1,
            }],
        };
        let mut wiring = Wiring::default();
        wiring.set_facts(Facts {
            mappings: mappings.clone(),
            localnets: Vec::new(),
            bridges: BTreeMap::from([(Arc::from("br-ex"), bridge)]),
            ..Facts::default()
        });
        let mut bench = Self {
            nb,
            node: Node {
                hostname: "host-1".into(),
                chassis: "chassis-1".into(),
                mappings,
            },
            options: Options::default(),
            standing: Standing::default(),
            wiring,
        };
        bench.step();
        bench
    }

    fn step(&mut self) -> usize {
        let affected = self.nb.take_affected();
        let inputs = Inputs {
            northbound: &self.nb,
            southbound: None,
            node: &self.node,
            options: &self.options,
        };
        let delta = self.standing.update(inputs, affected);
        self.wiring.update(&delta).len()
    }
}

fn put(nb: &mut Northbound, port: SwitchPort) {
    nb.replace(
        Table::SwitchPort,
        port.uuid,
        Some(northbound::Row::SwitchPort(port)),
    );
}

fn port(number: u32, up: bool) -> SwitchPort {
    SwitchPort {
        uuid: Uuid::from_u128(number.into()),
        name: format!("port-{number}").into(),
        kind: PortKind::Vif,
        up,
        enabled: true,
        addresses: vec![PortAddress {
            mac: MacAddr([0xfa, 0x16, 0x3e, 0, 0, 1]),
            ips: vec![IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number))],
        }],
        unknown: false,
        tag: None,
        parent: None,
        requested_chassis: vec!["host-1".into()],
        host_id: None,
        network: Some("provider".into()),
        cidrs: Vec::new(),
        physical_network: None,
        is_vip: false,
        interface: None,
        project: None,
        virtual_parents: Box::default(),
        dhcp: Box::default(),
        annotations: Annotations::default(),
    }
}

/// A port created or deleted, as the client reports it: its row, and the switch's, which lists all.
fn creation(ports: u32, present: bool) -> [Change; 2] {
    let options = Datum::map([("requested-chassis", "host-1")]);
    let external_ids = [
        ("neutron:network_name", "provider"),
        ("neutron:host_id", "host-1"),
        ("neutron:cidrs", "10.255.0.1/8"),
    ];
    let row = Row::new([
        Some("created".into()),
        Some("".into()),
        Some(true.into()),
        Some(Datum::empty()),
        Some("fa:16:3e:00:00:01 10.255.0.1".into()),
        Some(Datum::empty()),
        Some(Datum::empty()),
        Some(options),
        Some(Datum::map(external_ids)),
    ]);
    let last = if present { ports + 1 } else { ports };
    let members = (0..=last).map(|n| Atom::Uuid(Uuid::from_u128(n.into())));
    let switch = Row::new([Some("provider".into()), Some(Datum::set(members))]);
    let change = |table: Table, number, row| Change {
        table: table.name().into(),
        uuid: Uuid::from_u128(number),
        old: None,
        new: row,
    };
    [
        change(
            Table::SwitchPort,
            u128::from(ports + 1),
            present.then(|| Arc::new(row)),
        ),
        change(Table::Switch, 1 << 64, Some(Arc::new(switch))),
    ]
}

fn one_change(c: &mut Criterion) {
    for ports in [100, 1_000, 5_000] {
        let mut bench = Bench::new(ports);
        let mut up = true;
        c.bench_with_input(BenchmarkId::new("one port", ports), &ports, |b, ports| {
            b.iter(|| {
                up = !up;
                put(&mut bench.nb, port(ports / 2, up));
                assert_eq!(black_box(bench.step()), 1);
            });
        });
        let created = [creation(ports, true), creation(ports, false)];
        let mut which = 0;
        c.bench_with_input(
            BenchmarkId::new("one port created", ports),
            &ports,
            |b, _| {
                b.iter(|| {
                    let problems = bench.nb.apply(&created[which]);
                    which = 1 - which;
                    assert_eq!(black_box((problems.len(), bench.step())), (0, 1));
                });
            },
        );
        c.bench_with_input(
            BenchmarkId::new("everything anew", ports),
            &ports,
            |b, _| {
                b.iter(|| {
                    let inputs = Inputs {
                        northbound: &bench.nb,
                        southbound: None,
                        node: &bench.node,
                        options: &bench.options,
                    };
                    black_box(decide(inputs).exposures.len())
                });
            },
        );
    }
}

criterion_group!(benches, one_change);
criterion_main!(benches);
