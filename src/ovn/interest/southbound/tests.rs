//! What a node asks for. That exposures are the same with it is tested in `tests/interest.rs`, over whole
//! databases.

use std::sync::Arc;

use uuid::Uuid;

use super::{Interest, Reach};
use crate::ovn::interest::{Own, TenantRows};
use crate::ovn::southbound::{Scope, monitor};
use crate::ovsdb::{Change, Clause, Condition, Datum, Row};

fn interest(reach: Reach) -> Interest {
    let own = Own {
        hostname: "host-1".into(),
        chassis: "chassis-1".into(),
    };
    Interest::new(own, reach, &monitor(Scope::Everything))
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn take(interest: &mut Interest, table: &str, number: u128, cells: &[(&str, Datum)]) -> bool {
    let monitor = monitor(Scope::Everything);
    let cell = |column: &String| {
        let given = cells.iter().find(|(name, _)| name == column);
        Some(given.map_or_else(Datum::empty, |(_, value)| value.clone()))
    };
    let cells = monitor.tables[table].columns.iter().map(cell);
    interest.take(&[Change {
        table: table.into(),
        uuid: id(number),
        old: None,
        new: Some(Arc::new(Row::new(cells))),
    }]);
    interest.refresh()
}

fn wants(interest: &Interest, table: &str, clause: &Clause) -> bool {
    match &interest.wanted().conditions()[table] {
        Condition::All => true,
        Condition::AnyOf(clauses) => clauses.contains(clause),
    }
}

/// One end of a link.
fn patch<'a>(name: &str, peer: &str, datapath: u128) -> [(&'a str, Datum); 4] {
    [
        ("logical_port", name.into()),
        ("type", "patch".into()),
        ("options", Datum::map([("peer", peer)])),
        ("datapath", Datum::from(id(datapath))),
    ]
}

#[test]
fn a_port_here_leads_to_its_switch_and_the_routers_on_it() {
    let mut interest = interest(Reach::Node(TenantRows::None));
    assert!(take(
        &mut interest,
        "Chassis",
        1,
        &[("name", "chassis-1".into())]
    ));
    assert!(wants(
        &interest,
        "Port_Binding",
        &Clause::equal("chassis", id(1))
    ));
    let vm = [
        ("logical_port", "vm".into()),
        ("chassis", Datum::from(id(1))),
        ("datapath", Datum::from(id(2))),
    ];
    assert!(take(&mut interest, "Port_Binding", 3, &vm));
    assert!(wants(
        &interest,
        "Port_Binding",
        &Clause::equal("datapath", id(2))
    ));
    assert!(wants(
        &interest,
        "Datapath_Binding",
        &Clause::equal("_uuid", id(2))
    ));
    assert!(take(
        &mut interest,
        "Port_Binding",
        4,
        &patch("if", "lrp-if", 2)
    ));
    assert!(wants(
        &interest,
        "Port_Binding",
        &Clause::equal("logical_port", "lrp-if")
    ));
    assert!(take(
        &mut interest,
        "Port_Binding",
        5,
        &patch("lrp-if", "if", 6)
    ));
    assert!(wants(
        &interest,
        "Port_Binding",
        &Clause::equal("datapath", id(6))
    ));
    assert!(take(
        &mut interest,
        "Port_Binding",
        7,
        &patch("lrp-gw", "gw", 6)
    ));
    let floating_ips = Clause::equal("logical_port", "gw");
    assert!(wants(&interest, "Port_Binding", &floating_ips));

    // The VM is unbound: nothing of it stays.
    assert!(take(&mut interest, "Port_Binding", 3, &vm[..1]));
    assert!(!wants(&interest, "Port_Binding", &floating_ips));
    assert!(!wants(
        &interest,
        "Port_Binding",
        &Clause::equal("datapath", id(2))
    ));
}

#[test]
fn bindings_are_asked_for_with_clauses_that_the_server_looks_up_by_hash() {
    let mut interest = interest(Reach::Node(TenantRows::Ports));
    take(&mut interest, "Chassis", 1, &[("name", "chassis-1".into())]);
    let Condition::AnyOf(clauses) = &interest.wanted().conditions()["Port_Binding"] else {
        panic!("all bindings");
    };
    let equal = crate::ovsdb::Function::Equal;
    assert!(
        clauses.iter().all(|clause| clause.function == equal),
        "{clauses:?}"
    );
}

#[test]
fn b163_stretched_networks_are_the_same_wherever_gateways_and_ports_are() {
    let mut interest = interest(Reach::Routers);
    take(&mut interest, "Chassis", 1, &[("name", "chassis-1".into())]);
    let clauses = interest.wanted().conditions()["Port_Binding"].clone();
    let kinds = ["chassisredirect", "patch"].map(|kind| Clause::equal("type", kind));
    assert_eq!(clauses, Condition::AnyOf(kinds.into()));
    let vm = [
        ("logical_port", "vm".into()),
        ("chassis", Datum::from(id(1))),
    ];
    assert!(!take(&mut interest, "Port_Binding", 3, &vm));
}
