//! What a node asks for, row by row. That exposures are the same with it is tested in `tests/interest.rs`,
//! over whole databases.

use std::sync::Arc;

use uuid::Uuid;

use super::Interest;
use crate::ovn::interest::{Own, TenantRows};
use crate::ovn::{northbound, southbound};
use crate::ovsdb::{Change, Clause, Condition, Datum, Monitor, Row};

fn bindings() -> Monitor {
    southbound::monitor(southbound::Scope::Bindings)
}

fn interest(southbound: bool) -> Interest {
    let own = Own {
        hostname: "host-1".into(),
        chassis: "chassis-1".into(),
    };
    let bindings = southbound.then(bindings);
    Interest::new(
        own,
        TenantRows::Ports,
        &northbound::monitor(),
        bindings.as_ref(),
    )
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// A row with these columns; the others are empty.
fn row(monitor: &Monitor, table: &str, number: u128, cells: &[(&str, Datum)]) -> Change {
    let columns = &monitor.tables[table].columns;
    let cell = |column: &String| {
        let given = cells.iter().find(|(name, _)| name == column);
        Some(given.map_or_else(Datum::empty, |(_, value)| value.clone()))
    };
    Change {
        table: table.into(),
        uuid: id(number),
        old: None,
        new: Some(Arc::new(Row::new(columns.iter().map(cell)))),
    }
}

/// Takes rows in as they are; the names of the tables tell the databases apart.
fn take(interest: &mut Interest, table: &str, number: u128, cells: &[(&str, Datum)]) -> bool {
    let monitor = interest.restrict_northbound(northbound::monitor());
    if monitor.tables.contains_key(table) {
        interest.take_northbound(&mut [row(&monitor, table, number, cells)]);
    } else {
        interest.take_southbound(&[row(&bindings(), table, number, cells)]);
    }
    interest.refresh()
}

fn pairs(pairs: &[(&str, &str)]) -> Datum {
    Datum::map(pairs.iter().copied())
}

fn wants(interest: &Interest, table: &str, clause: &Clause) -> bool {
    let conditions = match table {
        "Port_Binding" => interest.southbound().conditions(),
        _ => interest.northbound().conditions(),
    };
    match &conditions[table] {
        Condition::All => true,
        Condition::AnyOf(clauses) => clauses.contains(clause),
    }
}

fn vm(interest: &mut Interest, number: u128, name: &str, host: &str) -> bool {
    let cells = [
        ("name", name.into()),
        ("type", "".into()),
        ("options", pairs(&[("requested-chassis", host)])),
        (
            "external_ids",
            pairs(&[("neutron:network_name", "neutron-n")]),
        ),
    ];
    take(interest, "Logical_Switch_Port", number, &cells)
}

#[test]
fn a_node_starts_with_what_names_it() {
    let interest = interest(false);
    for name in ["host-1", "chassis-1"] {
        let requested = Clause::includes("options", pairs(&[("requested-chassis", name)]));
        assert!(wants(&interest, "Logical_Switch_Port", &requested));
        let host = Clause::includes("external_ids", pairs(&[("neutron:host_id", name)]));
        assert!(wants(&interest, "Logical_Switch_Port", &host));
    }
    let hosted = Clause::includes("status", pairs(&[("hosting-chassis", "chassis-1")]));
    assert!(wants(&interest, "Logical_Router_Port", &hosted));
    assert_eq!(
        interest.northbound().conditions()["NAT"],
        Condition::none(),
        "no port is here yet"
    );
}

#[test]
fn a_port_here_leads_to_its_floating_ips_and_no_further_once_it_is_gone() {
    let mut interest = interest(false);
    let fip = Clause::equal("logical_port", "vm");
    assert!(vm(&mut interest, 1, "vm", "host-1"));
    assert!(wants(&interest, "NAT", &fip));
    assert!(
        !vm(&mut interest, 1, "vm", "host-1"),
        "nothing new, nothing to ask"
    );
    assert!(take(
        &mut interest,
        "NAT",
        2,
        &[("logical_port", "vm".into())]
    ));
    let router = Clause::includes("nat", id(2));
    assert!(wants(&interest, "Logical_Router", &router));

    assert!(vm(&mut interest, 1, "vm", "host-2"));
    assert!(
        !wants(&interest, "NAT", &fip),
        "its NAT row does not keep it"
    );
    assert!(!wants(&interest, "Logical_Router", &router));
}

#[test]
fn a_list_of_hosts_finds_nothing_and_so_leads_to_nothing() {
    let mut interest = interest(false);
    vm(&mut interest, 1, "vm", "host-2,host-1");
    assert!(!wants(
        &interest,
        "NAT",
        &Clause::equal("logical_port", "vm")
    ));
}

#[test]
fn a_port_that_is_up_or_down_leads_to_the_same() {
    let mut interest = interest(false);
    let port = |up: bool| {
        [
            ("name", "vm".into()),
            ("up", Datum::from(up)),
            ("options", pairs(&[("requested-chassis", "host-1")])),
        ]
    };
    assert!(take(&mut interest, "Logical_Switch_Port", 1, &port(true)));
    assert!(!take(&mut interest, "Logical_Switch_Port", 1, &port(false)));
}

#[test]
fn b050_subports_are_found_by_their_parent_or_where_southbound_is_followed_by_their_binding() {
    let by_parent = Clause::equal("parent_name", "parent");
    let mut alone = interest(false);
    vm(&mut alone, 1, "parent", "host-1");
    assert!(wants(&alone, "Logical_Switch_Port", &by_parent));

    let mut both = interest(true);
    vm(&mut both, 1, "parent", "host-1");
    assert!(!wants(&both, "Logical_Switch_Port", &by_parent));
    take(&mut both, "Chassis", 7, &[("name", "chassis-1".into())]);
    assert!(wants(
        &both,
        "Port_Binding",
        &Clause::equal("chassis", id(7))
    ));
    let binding = [
        ("logical_port", "sub".into()),
        ("chassis", Datum::from(id(7))),
    ];
    let named = Clause::equal("name", "sub");
    take(&mut both, "Port_Binding", 8, &binding);
    assert!(
        !wants(&both, "Logical_Switch_Port", &named),
        "it may be among rows on their way"
    );
    both.northbound_is_read();
    assert!(both.refresh());
    assert!(wants(&both, "Logical_Switch_Port", &named));

    // OVN_Southbound has been lost for long: by their parent again.
    both.heed_southbound(false);
    assert!(both.refresh());
    assert!(wants(&both, "Logical_Switch_Port", &by_parent));
}

#[test]
fn b041_where_southbound_is_followed_it_is_asked_who_has_a_port_that_migrates() {
    let mut interest = interest(true);
    let binding = Clause::equal("logical_port", "vm");
    vm(&mut interest, 1, "vm", "host-1");
    assert!(!wants(&interest, "Port_Binding", &binding));
    let migrating = [
        ("name", "vm".into()),
        ("options", pairs(&[("requested-chassis", "host-1,host-2")])),
        ("external_ids", pairs(&[("neutron:host_id", "host-1")])),
    ];
    take(&mut interest, "Logical_Switch_Port", 1, &migrating);
    assert!(wants(&interest, "Port_Binding", &binding));
}

#[test]
fn b085_a_gateway_that_southbound_says_is_here_is_found_before_northd_has_copied_it() {
    let mut interest = interest(true);
    take(&mut interest, "Chassis", 7, &[("name", "chassis-1".into())]);
    let binding = [
        ("logical_port", "cr-lrp-1".into()),
        ("chassis", Datum::from(id(7))),
    ];
    take(&mut interest, "Port_Binding", 8, &binding);
    assert!(wants(
        &interest,
        "Logical_Router_Port",
        &Clause::equal("name", "lrp-1")
    ));
    take(
        &mut interest,
        "Logical_Router_Port",
        1,
        &[("name", "lrp-1".into())],
    );
    assert!(wants(
        &interest,
        "Logical_Router",
        &Clause::includes("ports", id(1))
    ));
    let watched = Clause::equal("logical_port", "cr-lrp-1");
    assert!(
        wants(&interest, "Port_Binding", &watched),
        "so that its leaving is seen"
    );
}

/// A node with the gateway `lrp-gw` of the router `r`, whose other port is row 2 and whose NAT is row 3.
fn with_gateway_here() -> Interest {
    let mut interest = interest(false);
    let gateway = [
        ("name", "lrp-gw".into()),
        ("status", pairs(&[("hosting-chassis", "chassis-1")])),
    ];
    take(&mut interest, "Logical_Router_Port", 1, &gateway);
    let router = [
        ("name", "neutron-r".into()),
        ("ports", Datum::set([id(1), id(2)])),
        ("nat", Datum::from(id(3))),
    ];
    take(&mut interest, "Logical_Router", 4, &router);
    interest
}

/// The clause that brings all ports of a network.
fn ports_of(network: &str) -> Clause {
    let network = pairs(&[("neutron:network_name", network)]);
    Clause::includes("external_ids", network)
}

#[test]
fn a_gateway_here_leads_to_the_ports_of_its_tenant_networks() {
    let mut interest = with_gateway_here();
    assert!(wants(
        &interest,
        "Logical_Router_Port",
        &Clause::equal("_uuid", id(2))
    ));
    assert!(wants(&interest, "NAT", &Clause::equal("_uuid", id(3))));
    let interfaces = Clause::includes("external_ids", pairs(&[("neutron:device_id", "r")]));
    assert!(wants(&interest, "Logical_Switch_Port", &interfaces));
    let interface = [
        ("name", "if".into()),
        ("type", "router".into()),
        (
            "external_ids",
            pairs(&[
                ("neutron:device_id", "r"),
                ("neutron:device_owner", "network:router_interface"),
                ("neutron:network_name", "neutron-t"),
            ]),
        ),
    ];
    take(&mut interest, "Logical_Switch_Port", 5, &interface);
    let ports = ports_of("neutron-t");
    assert!(wants(&interest, "Logical_Switch_Port", &ports));

    // Failover: the gateway goes, and all of it with it, though the rows are still there.
    take(
        &mut interest,
        "Logical_Router_Port",
        1,
        &[("name", "lrp-gw".into())],
    );
    assert!(!wants(&interest, "Logical_Switch_Port", &ports));
    assert!(!wants(&interest, "NAT", &Clause::equal("_uuid", id(3))));
}

/// What OVN goes by is enough: a router that others than Neutron made, or rows that lost its keys.
#[test]
fn an_interface_without_the_routers_id_is_found_by_the_router_port_behind_it() {
    let mut interest = with_gateway_here();
    take(
        &mut interest,
        "Logical_Router_Port",
        2,
        &[("name", "lrp-if".into())],
    );
    let behind = pairs(&[("router-port", "lrp-if")]);
    let interfaces = Clause::includes("options", behind.clone());
    assert!(wants(&interest, "Logical_Switch_Port", &interfaces));
    let interface = [
        ("name", "if".into()),
        ("type", "router".into()),
        ("options", behind),
        (
            "external_ids",
            pairs(&[("neutron:network_name", "neutron-t")]),
        ),
    ];
    take(&mut interest, "Logical_Switch_Port", 5, &interface);
    let ports = ports_of("neutron-t");
    assert!(wants(&interest, "Logical_Switch_Port", &ports));
}

#[test]
fn the_switch_of_a_port_here_is_asked_for_only_if_it_is_a_provider_network() {
    let mut interest = interest(false);
    let vm = [
        ("name", "vm".into()),
        ("options", pairs(&[("requested-chassis", "host-1")])),
        (
            "external_ids",
            pairs(&[("neutron:network_name", "neutron-p")]),
        ),
    ];
    take(&mut interest, "Logical_Switch_Port", 1, &vm);
    let switch = Clause::equal("name", "neutron-p");
    assert!(!wants(&interest, "Logical_Switch", &switch));
    let localnet = [
        ("name", "provnet".into()),
        ("type", "localnet".into()),
        (
            "external_ids",
            pairs(&[("neutron:network_name", "neutron-p")]),
        ),
    ];
    take(&mut interest, "Logical_Switch_Port", 2, &localnet);
    assert!(wants(&interest, "Logical_Switch", &switch));
}

#[test]
fn a_localnet_port_gets_its_network_from_the_switch_that_lists_it() {
    let mut interest = interest(false);
    let localnet = [("name", "provnet".into()), ("type", "localnet".into())];
    take(&mut interest, "Logical_Switch_Port", 1, &localnet);
    assert_eq!(interest.unplaced().collect::<Vec<_>>(), [id(1)]);
    let change = interest.place(id(1), Some(&"neutron-p".into())).unwrap();
    let monitor = interest.restrict_northbound(northbound::monitor());
    let columns = &monitor.tables["Logical_Switch_Port"].columns;
    let ids = columns.iter().position(|column| column == "external_ids");
    let network = |change: &Change| {
        let row = change.new.clone()?;
        row.get(ids?)?
            .value_str("neutron:network_name")
            .map(str::to_owned)
    };
    assert_eq!(network(&change).as_deref(), Some("neutron-p"));
    assert_eq!(interest.unplaced().count(), 0);

    // It stays known when the row changes, and is forgotten with the row.
    let mut changes = [row(&monitor, "Logical_Switch_Port", 1, &localnet)];
    interest.take_northbound(&mut changes);
    assert_eq!(network(&changes[0]).as_deref(), Some("neutron-p"));
    changes[0].new = None;
    interest.take_northbound(&mut changes);
    assert_eq!(interest.place(id(1), Some(&"neutron-p".into())), None);
}

#[test]
fn a_port_that_no_switch_lists_is_asked_for_again_when_told_to() {
    let mut interest = interest(false);
    take(
        &mut interest,
        "Logical_Switch_Port",
        1,
        &[("type", "localnet".into())],
    );
    assert!(interest.place(id(1), None).is_some());
    assert_eq!(interest.unplaced().count(), 0);
    interest.forget_failures();
    assert_eq!(interest.unplaced().count(), 1);
}

#[test]
fn switches_are_followed_without_the_list_of_their_ports() {
    let monitor = interest(false).restrict_northbound(northbound::monitor());
    let columns = &monitor.tables["Logical_Switch"].columns;
    assert!(!columns.contains(&"ports".to_owned()), "{columns:?}");
    assert_eq!(columns[..2], ["name", "load_balancer"]);
}

#[test]
fn every_table_that_grows_with_the_cloud_is_asked_for_in_parts() {
    let monitor = interest(true).restrict_northbound(northbound::monitor());
    for (name, table) in &monitor.tables {
        let whole = table.condition == Condition::All;
        assert_eq!(whole, name == "NB_Global", "{name}");
    }
}
