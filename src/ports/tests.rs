use uuid::Uuid;

use super::*;
use crate::ovn::vswitch::{Bridge, Interface, Row, Table};
use crate::ovsdb::{Mutator, Operation};

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// br-ex (1) and br-other (2), and on br-ex a port (10) with an interface (20).
fn vswitch(name: &str, kind: &str, tag: Option<u16>, marked: bool) -> Vswitch {
    let mut vswitch = Vswitch::default();
    for (number, bridge, ports) in [(1, "br-ex", vec![id(10)]), (2, "br-other", vec![])] {
        let name = bridge.into();
        let row = Row::Bridge(Bridge { name, ports });
        vswitch.replace(Table::Bridge, id(number), Some(row));
    }
    let port = Port {
        name: name.into(),
        interfaces: vec![id(20)],
        localnet: None,
        tag,
        trunks: false,
        marked,
    };
    vswitch.replace(Table::Port, id(10), Some(Row::Port(port)));
    let interface = Interface {
        name: name.into(),
        kind: kind.into(),
        ofport: Some(7),
        mac: None,
    };
    vswitch.replace(Table::Interface, id(20), Some(Row::Interface(interface)));
    vswitch
}

fn observed(vswitch: &Vswitch, in_our_vrf: bool) -> Vec<(Key, Found)> {
    objects(vswitch, &TenantScope::default(), |_| in_our_vrf)
}

fn key(bridge: &str, port: &str) -> Key {
    Key::SwitchPort {
        bridge: bridge.into(),
        port: port.into(),
    }
}

fn add(bridge: &str, port: &str, tag: Option<u16>) -> Step {
    Step::Add {
        key: key(bridge, port),
        value: Value::SwitchPort {
            tag,
            internal: false,
        },
    }
}

#[test]
fn b107_the_python_agents_port_is_taken_as_it_is() {
    let vswitch = vswitch("ovsb4113ba2-78", "", None, false);
    let value = Value::SwitchPort {
        tag: None,
        internal: false,
    };
    let expected = (key("br-ex", "ovsb4113ba2-78"), Found::owned(value));
    assert_eq!(observed(&vswitch, false), [expected]);
    assert_eq!(vswitch.ofport("br-ex", "ovsb4113ba2-78"), Some(7));
    assert_eq!(vswitch.ofport("br-other", "ovsb4113ba2-78"), None);
}

#[test]
fn b156_an_internal_port_with_a_tag_is_ours_in_our_vrf_or_by_its_mark() {
    for (marked, in_our_vrf, owned) in [
        (false, false, false),
        (false, true, true),
        (true, false, true),
    ] {
        let vswitch = vswitch("vlan-77", "internal", Some(100), marked);
        let objects = observed(&vswitch, in_our_vrf);
        let [(_, found)] = objects.as_slice() else {
            panic!("{objects:?}");
        };
        let value = Value::SwitchPort {
            tag: Some(100),
            internal: true,
        };
        assert_eq!((&found.value, found.owned), (&value, owned));
    }
}

#[test]
fn other_ports_are_no_concern_of_ours() {
    for name in ["tap0", "eth1", "patch-provnet-1-to-br-int", "vlan-x"] {
        assert_eq!(observed(&vswitch(name, "", None, false), true), []);
    }
}

#[test]
fn a_patch_port_or_a_trunk_of_that_name_is_not_as_wished() {
    let patch = vswitch("ovsb4113ba2-78", "patch", None, true);
    let mut trunk = vswitch("ovsb4113ba2-78", "", None, true);
    let mut port = trunk.port(id(10)).unwrap().clone();
    port.trunks = true;
    trunk.replace(Table::Port, id(10), Some(Row::Port(port)));
    for vswitch in [patch, trunk] {
        let objects = observed(&vswitch, false);
        assert!(matches!(
            objects.as_slice(),
            [(
                _,
                Found {
                    value: Value::Stray { .. },
                    ..
                }
            )]
        ));
    }
}

#[test]
fn a_port_that_is_elsewhere_moves() {
    let vswitch = vswitch("ovsb4113ba2-78", "", None, true);
    let step = add("br-other", "ovsb4113ba2-78", None);
    let operations = Transaction::of(&vswitch, &step).unwrap().operations;
    let bridges: Vec<_> = operations
        .iter()
        .filter_map(|operation| match operation {
            Operation::Mutate {
                table,
                clauses,
                mutations,
            } if table == "Bridge" => {
                let name = clauses.first()?.value.as_str()?.to_owned();
                let (column, mutator, port) = mutations.first()?;
                Some((name, column.as_str(), *mutator, port.as_uuid()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        bridges,
        [
            ("br-ex".to_owned(), "ports", Mutator::Delete, Some(id(10))),
            (
                "br-other".to_owned(),
                "ports",
                Mutator::Insert,
                Some(id(10))
            ),
        ]
    );
    let inserts = |o: &&Operation| matches!(o, Operation::Insert { .. });
    assert_eq!(operations.iter().filter(inserts).count(), 0);
}

#[test]
fn a_port_that_is_gone_needs_no_removal() {
    let vswitch = vswitch("tap0", "", None, false);
    let value = Value::SwitchPort {
        tag: None,
        internal: false,
    };
    for (bridge, port) in [("br-ex", "ovsb4113ba2-78"), ("br-other", "tap0")] {
        let key = key(bridge, port);
        let step = Step::Remove {
            key,
            value: value.clone(),
        };
        assert_eq!(Transaction::of(&vswitch, &step), Ok(Transaction::default()));
    }
}

#[test]
fn a_port_on_a_bridge_that_is_not_there_is_refused() {
    let vswitch = vswitch("tap0", "", None, false);
    assert_eq!(
        Transaction::of(&vswitch, &add("br-none", "ovsb4113ba2-78", None)),
        Err(PortError::NoBridge("br-none".into()))
    );
}
