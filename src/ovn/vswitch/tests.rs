//! Rows of Open_vSwitch as ovn-controller writes them.

use super::*;
use crate::ovsdb::{Atom, Datum};

fn change(table: Table, number: u128, columns: &[(&str, Datum)]) -> Change {
    let find = |name: &str| columns.iter().find(|(n, _)| *n == name);
    let row = table
        .columns()
        .iter()
        .map(|name| Some(find(name)?.1.clone()));
    Change {
        table: table.name().into(),
        uuid: Uuid::from_u128(number),
        old: None,
        new: Some(Arc::new(ovsdb::Row::new(row))),
    }
}

fn refers(rows: &[u128]) -> Datum {
    Datum::set(rows.iter().map(|row| Atom::Uuid(Uuid::from_u128(*row))))
}

fn patch(number: u128, name: &str, note: Option<&str>, ofport: Datum) -> [Change; 2] {
    let note = note.map(|localnet| ("ovn-localnet-port", localnet));
    let port = [
        ("name", name.into()),
        ("interfaces", refers(&[number + 1])),
        ("external_ids", Datum::map(note)),
    ];
    let interface = [
        ("name", name.into()),
        ("type", "patch".into()),
        ("ofport", ofport),
    ];
    [
        change(Table::Port, number, &port),
        change(Table::Interface, number + 1, &interface),
    ]
}

fn bridge(name: &str, ports: &[u128]) -> Change {
    let columns = [("name", name.into()), ("ports", refers(ports))];
    change(Table::Bridge, 1, &columns)
}

#[test]
fn ids_are_read() {
    let ids = [
        ("system-id", "chassis-1"),
        ("hostname", "host-1"),
        ("ovn-remote", "tcp:10.0.0.1:6642"),
        ("ovn-bridge-mappings", "physnet1:br-ex"),
    ];
    let mut vswitch = Vswitch::default();
    assert!(vswitch.node_ids().is_none());
    let row = change(Table::Root, 1, &[("external_ids", Datum::map(ids))]);
    assert_eq!(vswitch.apply([&row]), []);
    let ids = vswitch.node_ids().unwrap();
    assert_eq!(ids.system_id.as_deref(), Some("chassis-1"));
    assert_eq!(ids.hostname.as_deref(), Some("host-1"));
    assert_eq!(ids.southbound.as_deref(), Some("tcp:10.0.0.1:6642"));
    assert_eq!(ids.northbound, None);
    assert_eq!(ids.mappings.entries().len(), 1);
}

#[test]
fn the_mapping_of_ports_that_names_this_chassis_goes_before() {
    let mapping = "dynamic-routing-port-mapping";
    let mut ids = vec![("system-id", "chassis-1"), (mapping, "fabric1=eth1")];
    let read = |ids: &[(&str, &str)]| {
        let mut vswitch = Vswitch::default();
        let ids = Datum::map(ids.iter().copied());
        vswitch.apply([&change(Table::Root, 1, &[("external_ids", ids)])]);
        vswitch.node_ids().unwrap().port_mapping.clone()
    };
    assert_eq!(read(&ids).as_deref(), Some("fabric1=eth1"));
    ids.push(("dynamic-routing-port-mapping-chassis-1", "fabric1=eth9"));
    ids.push(("dynamic-routing-port-mapping-chassis-2", "fabric1=eth2"));
    assert_eq!(read(&ids).as_deref(), Some("fabric1=eth9"));
    assert_eq!(read(&[("system-id", "chassis-1")]), None);
}

#[test]
fn patch_ports_are_known_by_note_or_by_name_once_ovs_has_numbered_them() {
    let mut vswitch = Vswitch::default();
    vswitch.apply([&bridge("br-ex", &[10, 20, 30, 40, 50, 60])]);
    for change in [
        patch(10, "patch-provnet-1-to-br-int", Some("provnet-1"), 7.into()),
        patch(20, "patch-provnet-2-to-br-int", None, 8.into()),
        patch(
            30,
            "patch-provnet-3-to-br-int",
            Some("provnet-3"),
            Datum::empty(),
        ),
        patch(
            40,
            "patch-provnet-4-to-br-int",
            Some("provnet-4"),
            (-1).into(),
        ),
        patch(50, "patch-physical-to-br-vlan", None, 9.into()),
        patch(
            60,
            "patch-my-to-net-to-br-int",
            Some("my-to-net"),
            10.into(),
        ),
    ]
    .as_flattened()
    {
        assert_eq!(vswitch.apply([change]), []);
    }
    let found = vswitch.patch_ports("br-ex");
    let found: Vec<_> = found.iter().map(|p| (&*p.localnet, p.ofport)).collect();
    assert_eq!(
        found,
        [("my-to-net", 10), ("provnet-1", 7), ("provnet-2", 8)]
    );
    assert!(vswitch.patch_ports("br-int").is_empty());
    assert!(vswitch.has_bridge("br-ex") && !vswitch.has_bridge("br-int"));
}

#[test]
fn other_ports_are_no_patch_ports() {
    let mut vswitch = Vswitch::default();
    vswitch.apply([&bridge("br-ex", &[10])]);
    let port = [
        ("name", "patch-x-to-y".into()),
        ("interfaces", refers(&[11])),
    ];
    let interface = [
        ("name", "patch-x-to-y".into()),
        ("type", "internal".into()),
        ("ofport", 1.into()),
    ];
    vswitch.apply([
        &change(Table::Port, 10, &port),
        &change(Table::Interface, 11, &interface),
    ]);
    assert!(vswitch.patch_ports("br-ex").is_empty());
}

#[test]
fn a_row_that_does_not_parse_is_reported_and_left_out() {
    let mut vswitch = Vswitch::default();
    let interface = [
        ("name", "eth0".into()),
        ("type", "".into()),
        ("mac_in_use", "x".into()),
    ];
    let problems = vswitch.apply([&change(Table::Interface, 1, &interface)]);
    assert_eq!(problems.len(), 1);
    assert_eq!(
        (problems[0].table, problems[0].column),
        ("Interface", "mac_in_use")
    );
}
