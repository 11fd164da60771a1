//! What a node asks for. That exposures are the same with it is tested in `tests/interest.rs`, over whole
//! databases.

use std::sync::Arc;

use uuid::Uuid;

use super::{Interest, Reach};
use crate::ovn::interest::{Own, TenantRows};
use crate::ovn::southbound::{Scope, monitor};
use crate::ovsdb::{Change, Clause, Condition, Datum, Function, Row};

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

fn wants_binding(interest: &Interest, clause: &Clause) -> bool {
    wants(interest, "Port_Binding", clause)
}

/// A `Port_Binding` of type `patch`.
fn patch<'a>(name: &str, peer: &'a str, datapath: u128) -> [(&'a str, Datum); 4] {
    [
        ("logical_port", name.into()),
        ("type", "patch".into()),
        ("options", Datum::map([("peer", peer)])),
        ("datapath", Datum::from(id(datapath))),
    ]
}

/// A VM's port on switch 2, bound to chassis 1.
fn vm() -> [(&'static str, Datum); 3] {
    [
        ("logical_port", "vm".into()),
        ("chassis", Datum::from(id(1))),
        ("datapath", Datum::from(id(2))),
    ]
}

fn floating_ips() -> Clause {
    Clause::new("nat_addresses", Function::NotEqual, Datum::empty())
}

#[test]
fn a_port_here_leads_to_floating_ips_and_not_to_its_tenant_network() {
    let interest = &mut interest(Reach::Node(TenantRows::Ports));
    assert!(take(
        interest,
        "Chassis",
        1,
        &[("name", "chassis-1".into())]
    ));
    assert!(wants_binding(interest, &Clause::equal("chassis", id(1))));
    assert!(!wants_binding(interest, &floating_ips()));
    assert!(take(interest, "Port_Binding", 3, &vm()));
    assert!(wants_binding(interest, &floating_ips()));
    assert!(!wants_binding(interest, &Clause::equal("datapath", id(2))));

    // One more port changes nothing about what is asked for, and neither does a floating IP.
    assert!(!take(interest, "Port_Binding", 4, &vm()));
    let entry = "fa:16:3e:00:00:01 203.0.113.9 is_chassis_resident(\"vm\")";
    let mut end = patch("gw", "lrp-gw", 6).to_vec();
    end.push(("nat_addresses", Datum::set([entry])));
    take(interest, "Port_Binding", 5, &end);
    let router_end = Clause::equal("logical_port", "lrp-gw");
    assert!(!wants_binding(interest, &router_end));

    // But for policies that name its router.
    interest.heed_router_names(true);
    assert!(interest.refresh());
    assert!(wants_binding(interest, &router_end));

    // The VMs are unbound: nothing of them stays.
    take(interest, "Port_Binding", 4, &vm()[..1]);
    assert!(take(interest, "Port_Binding", 3, &vm()[..1]));
    assert!(!wants_binding(interest, &floating_ips()));
    assert!(!wants_binding(interest, &router_end));
}

#[test]
fn a_provider_network_is_read_whole_for_ipv6_gateways_and_for_load_balancers() {
    let whole = Clause::equal("datapath", id(2));
    let localnet = [
        ("type", "localnet".into()),
        ("datapath", Datum::from(id(2))),
    ];
    let with_cidrs = |cidrs: &str| {
        let mut port = vm().to_vec();
        port.push(("external_ids", Datum::map([("neutron:cidrs", cidrs)])));
        port
    };
    let interest = &mut interest(Reach::Node(TenantRows::None));
    take(interest, "Chassis", 1, &[("name", "chassis-1".into())]);
    take(interest, "Port_Binding", 3, &with_cidrs("192.0.2.9/24"));
    assert!(take(interest, "Port_Binding", 4, &localnet));
    assert!(!wants_binding(interest, &whole));
    assert!(wants(
        interest,
        "Logical_DP_Group",
        &Clause::includes("datapaths", id(2))
    ));

    take(interest, "Port_Binding", 3, &with_cidrs("2001:db8::9/64"));
    assert!(wants_binding(interest, &whole));
    take(interest, "Port_Binding", 3, &with_cidrs("192.0.2.9/24"));
    assert!(!wants_binding(interest, &whole));

    // Its routers count, and whether any of the load balancer's datapaths is one.
    let group = [("datapaths", Datum::set([id(2), id(8)]))];
    take(interest, "Logical_DP_Group", 5, &group);
    let balancer = [("ls_datapath_group", Datum::from(id(5)))];
    take(interest, "Load_Balancer", 6, &balancer);
    assert!(wants_binding(interest, &whole));
    assert!(wants(
        interest,
        "Datapath_Binding",
        &Clause::equal("_uuid", id(8))
    ));
    take(interest, "Port_Binding", 7, &patch("gw", "lrp-gw", 2));
    assert!(wants_binding(
        interest,
        &Clause::equal("logical_port", "lrp-gw")
    ));
    take(interest, "Port_Binding", 9, &patch("lrp-gw", "gw", 10));
    assert!(wants_binding(interest, &Clause::equal("datapath", id(10))));
}

/// A clause that is no `==` costs the server a look at every row for each clause, so there is one, and where it
/// is there are few others: with ports here alone, as on a compute node, a handful.
#[test]
fn bindings_are_asked_for_with_clauses_that_the_server_looks_up_by_hash_but_for_floating_ips() {
    let mut interest = interest(Reach::Node(TenantRows::Ports));
    take(&mut interest, "Chassis", 1, &[("name", "chassis-1".into())]);
    let clauses = |interest: &Interest| match &interest.wanted().conditions()["Port_Binding"] {
        Condition::AnyOf(clauses) => clauses.clone(),
        Condition::All => panic!("all bindings"),
    };
    let is_hashed = |clause: &Clause| clause.function == Function::Equal;
    assert!(clauses(&interest).iter().all(is_hashed));
    for port in 10..200 {
        let mut port_here = vm();
        port_here[0].1 = format!("vm-{port}").into();
        port_here[2].1 = Datum::from(id(port / 2 + 1000));
        take(&mut interest, "Port_Binding", port, &port_here);
    }
    let (hashed, others): (Vec<_>, Vec<_>) = clauses(&interest).into_iter().partition(is_hashed);
    assert_eq!(others, [floating_ips()]);
    assert_eq!(
        hashed.len(),
        2,
        "localnet ports and this chassis: {hashed:?}"
    );
}

#[test]
fn with_many_routers_here_floating_ips_are_asked_for_by_hash_too() {
    let mut interest = interest(Reach::Node(TenantRows::None));
    take(&mut interest, "Chassis", 1, &[("name", "chassis-1".into())]);
    take(&mut interest, "Port_Binding", 3, &vm());
    for router in 1000..1201 {
        let kind = Datum::map([("logical-router", "r")]);
        take(
            &mut interest,
            "Datapath_Binding",
            router,
            &[("external_ids", kind)],
        );
        let redirect = [
            ("type", "chassisredirect".into()),
            ("chassis", Datum::from(id(1))),
            ("datapath", Datum::from(id(router))),
        ];
        take(&mut interest, "Port_Binding", router, &redirect);
    }
    let Condition::AnyOf(clauses) = &interest.wanted().conditions()["Port_Binding"] else {
        panic!("all bindings");
    };
    let others = clauses
        .iter()
        .find(|clause| clause.function != Function::Equal);
    assert_eq!(others, None);
    assert!(clauses.contains(&Clause::equal("type", "patch")));
}

#[test]
fn b158_a_node_without_gateways_needs_no_tenants_rows_for_evpn() {
    let interest = &mut interest(Reach::Gateways);
    take(interest, "Chassis", 1, &[("name", "chassis-1".into())]);
    let vm = [
        ("logical_port", "vm".into()),
        ("chassis", Datum::from(id(1))),
        ("datapath", Datum::from(id(2))),
    ];
    assert!(!take(interest, "Port_Binding", 3, &vm));
    assert!(!wants_binding(interest, &Clause::equal("datapath", id(2))));
}

#[test]
fn a_gateway_router_here_leads_to_the_routes_that_it_wants_advertised() {
    let own = Own {
        hostname: "host-1".into(),
        chassis: "chassis-1".into(),
    };
    let monitor = monitor(Scope::Routing);
    let mut interest = Interest::new(own, Reach::Routing, &monitor);
    let mut take = |table: &str, number: u128, cells: &[(&str, Datum)]| {
        let cell = |column: &String| {
            let given = cells.iter().find(|(name, _)| name == column);
            Some(given.map_or_else(Datum::empty, |(_, value)| value.clone()))
        };
        interest.take(&[Change {
            table: table.into(),
            uuid: id(number),
            old: None,
            new: Some(Arc::new(Row::new(
                monitor.tables[table].columns.iter().map(cell),
            ))),
        }]);
        interest.refresh();
        interest.wanted().conditions()["Advertised_Route"].clone()
    };
    take("Chassis", 1, &[("name", "chassis-1".into())]);
    let lrp = [
        ("logical_port", "lrp".into()),
        ("type", "l3gateway".into()),
        ("chassis", Datum::from(id(1))),
        ("datapath", Datum::from(id(6))),
        ("options", Datum::map([("peer", "end")])),
    ];
    assert_eq!(take("Port_Binding", 5, &lrp), Condition::none());
    let router = [("external_ids", Datum::map([("logical-router", "x")]))];
    let routes = Condition::AnyOf([Clause::equal("datapath", id(6))].into());
    assert_eq!(take("Datapath_Binding", 6, &router), routes);
    let elsewhere = &lrp[..2];
    assert_eq!(take("Port_Binding", 5, elsewhere), Condition::none());
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
