//! Rows of the OVSDB client to typed rows.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::ovsdb::{self, Change, Datum};

fn change(table: Table, scope: Scope, number: u128, columns: &[(&str, Datum)]) -> Change {
    let find = |name: &str| columns.iter().find(|(n, _)| *n == name);
    let row = table.columns(scope).unwrap().iter();
    let row = row.map(|name| Some(find(name)?.1.clone()));
    Change {
        table: table.name().into(),
        uuid: Uuid::from_u128(number),
        old: None,
        new: Some(Arc::new(ovsdb::Row::new(row))),
    }
}

fn row(table: Table, number: u128, columns: &[(&str, Datum)]) -> Change {
    change(table, Scope::Everything, number, columns)
}

fn deletion(change: &Change) -> Change {
    Change {
        old: change.new.clone(),
        new: None,
        ..change.clone()
    }
}

fn chassis(number: u128, name: &str) -> Change {
    row(Table::Chassis, number, &[("name", name.into())])
}

fn vm(number: u128, chassis: Option<u128>) -> Change {
    let chassis = Datum::set(chassis.map(Uuid::from_u128));
    let columns = [("logical_port", "vm".into()), ("chassis", chassis)];
    row(Table::PortBinding, number, &columns)
}

fn port(kind: &str, columns: &[(&str, Datum)]) -> Change {
    let columns = [
        &[("logical_port", "port".into()), ("type", kind.into())],
        columns,
    ]
    .concat();
    row(Table::PortBinding, 1, &columns)
}

fn applied(change: &Change) -> Southbound {
    let mut sb = Southbound::default();
    assert_eq!(sb.apply([change]), []);
    sb
}

#[test]
fn a_bindings_chassis_is_known_by_name_in_any_order_and_scope() {
    for scope in [Scope::Everything, Scope::Bindings] {
        let columns = [
            ("logical_port", "vm".into()),
            ("type", "".into()),
            ("chassis", Uuid::from_u128(1).into()),
        ];
        let binding = change(Table::PortBinding, scope, 2, &columns);
        let name = [("name", "chassis-1".into())];
        let chassis = change(Table::Chassis, scope, 1, &name);
        for order in [[&chassis, &binding], [&binding, &chassis]] {
            let mut sb = Southbound::new(scope);
            assert_eq!(sb.apply(order), []);
            assert!(sb.take_affected().rebound.contains("vm"));
            assert_eq!(sb.chassis_of("vm").map(|c| &**c), Some("chassis-1"));
        }
    }
}

#[test]
fn unbound_deleted_and_moved_bindings() {
    let mut sb = Southbound::default();
    let chassis_of = |sb: &Southbound| sb.chassis_of("vm").map(ToString::to_string);
    sb.apply([&chassis(1, "chassis-1"), &chassis(9, "chassis-9")]);
    sb.apply([&vm(2, Some(1))]);
    sb.take_affected();
    sb.apply([&vm(2, Some(9))]);
    assert_eq!(chassis_of(&sb), Some("chassis-9".to_owned()));
    assert!(sb.take_affected().rebound.contains("vm"));
    sb.apply([&vm(2, None)]);
    assert_eq!(chassis_of(&sb), None);
    // A binding made anew before the old one is seen to go.
    sb.apply([&vm(3, Some(1)), &deletion(&vm(2, None))]);
    assert_eq!(chassis_of(&sb), Some("chassis-1".to_owned()));
    sb.apply([&deletion(&chassis(1, "chassis-1"))]);
    assert_eq!(chassis_of(&sb), None);
}

#[test]
fn a_vms_port_is_read() {
    let ids = [
        ("neutron:cidrs", "172.24.4.10/24 2001:db8::10/64"),
        ("neutron:port_name", "ovn-lb-vip-lb1"),
    ];
    let mac = Datum::set(["fa:16:3e:00:00:01 172.24.4.10 2001:db8::10", "unknown"]);
    let columns = [
        ("up", true.into()),
        ("mac", mac),
        ("external_ids", Datum::map(ids)),
        ("datapath", Uuid::from_u128(7).into()),
    ];
    let sb = applied(&port("", &columns));
    let port = sb.binding_named("port").unwrap();
    let nets: Vec<_> = port.nets().map(|(net, _)| net.to_string()).collect();
    assert_eq!(nets, ["172.24.4.10/32", "2001:db8::10/128"]);
    assert!(port.up && port.unknown);
    assert_eq!((port.cidrs.len(), &port.kind), (2, &BindingKind::Vif));
    assert_eq!(sb.vip_ports("lb1").count(), 1);
    assert_eq!(sb.ports_on(Uuid::from_u128(7)).count(), 1);
}

#[test]
fn each_type_has_what_is_its_own() {
    let localnet = [
        ("tag", Datum::from(100)),
        ("options", Datum::map([("network_name", "physnet1")])),
    ];
    let sb = applied(&port("localnet", &localnet));
    let expected = Localnet {
        physical_network: Some("physnet1".into()),
        vlan: Some(100),
        mtu: crate::ovn::Mtu::default(),
    };
    assert_eq!(
        sb.binding_named("port").unwrap().kind,
        BindingKind::Localnet(expected)
    );

    let options = Datum::map([("peer", "lrp"), ("chassis-redirect-port", "cr-lrp")]);
    let sb = applied(&port("patch", &[("options", options)]));
    let patch = sb.binding_named("port").unwrap().patch().unwrap();
    assert!(patch.is_gateway() && patch.peer.as_deref() == Some("lrp"));

    let options = Datum::map([("distributed-port", "lrp")]);
    let sb = applied(&port("chassisredirect", &[("options", options)]));
    let kind = BindingKind::ChassisRedirect {
        distributed_port: Some("lrp".into()),
    };
    assert_eq!(sb.binding_named("port").unwrap().kind, kind);
}

#[test]
fn b138_b141_nat_addresses_name_where_they_are_answered_for() {
    let nat = Datum::set([
        "fa:16:3e:00:00:01 172.24.4.1 172.24.4.2 is_chassis_resident(\"vm\")",
        "fa:16:3e:00:00:01 172.24.4.3",
        "fa:16:3e:00:00:01 172.24.4.4 is_chassis_resident(",
    ]);
    let sb = applied(&port("patch", &[("nat_addresses", nat)]));
    let patch = sb.binding_named("port").unwrap().patch().unwrap();
    let text = |entry: &NatAddress| (entry.ips.len(), entry.resident.clone());
    let entries: Vec<_> = patch.nat_addresses.iter().map(text).collect();
    assert_eq!(entries, [(2, Some("vm".into())), (1, None), (1, None)]);
}

#[test]
fn b149_a_server_without_newer_columns_is_read() {
    let group = row(
        Table::DatapathGroup,
        2,
        &[("datapaths", Uuid::from_u128(8).into())],
    );
    let balancers = [
        &[("datapaths", Datum::from(Uuid::from_u128(8)))],
        &[("datapath_group", Datum::from(Uuid::from_u128(2)))],
        &[("ls_datapath_group", Datum::from(Uuid::from_u128(2)))],
        &[("lr_datapath_group", Datum::from(Uuid::from_u128(2)))],
    ];
    for columns in balancers {
        let balancer = [&[("name", "lb".into())], columns.as_slice()].concat();
        let mut sb = Southbound::default();
        assert_eq!(
            sb.apply([&row(Table::LoadBalancer, 1, &balancer), &group]),
            []
        );
        assert_eq!(
            sb.balancers_on(Uuid::from_u128(8)).count(),
            1,
            "{columns:?}"
        );
        let balancer = sb.balancers_named("lb").next().unwrap().clone();
        assert_eq!(sb.datapaths_of(&balancer).count(), 1, "{columns:?}");
    }
    // Before `up` there was `chassis` alone.
    assert!(applied(&port("", &[])).binding_named("port").unwrap().up);
}

#[test]
fn a_datapath_is_a_router_by_type_or_by_external_ids() {
    let ids = |key: &str| Datum::map([(key, "x"), ("name", "neutron-1")]);
    let cases = [
        (vec![("external_ids", ids("logical-switch"))], false),
        (vec![("external_ids", ids("logical-router"))], true),
        (vec![("type", "logical-router".into())], true),
        (vec![("type", "logical-switch".into())], false),
    ];
    for (columns, router) in cases {
        let sb = applied(&row(Table::Datapath, 1, &columns));
        assert_eq!(sb.is_router(Uuid::from_u128(1)), router, "{columns:?}");
    }
}

#[test]
fn of_vip_ports_the_load_balancer_is_known() {
    let lb = "0449a079-dab5-42bf-80c3-60c2e114bfd0";
    for (name, balancer) in [
        (format!("ovn-lb-vip-{lb}"), Some(lb)),
        (format!("ovn-lb-vip-additional-1-{lb}"), Some(lb)),
        ("ovn-lb-vip-".to_owned(), None),
        ("ovn-lb-vip-additional-1".to_owned(), None),
        ("vm".to_owned(), None),
    ] {
        let ids = Datum::map([("neutron:port_name", name.as_str())]);
        let sb = applied(&port("", &[("external_ids", ids)]));
        let vip_of = sb.binding_named("port").unwrap().vip_of.clone();
        assert_eq!(vip_of.as_deref(), balancer, "{name}");
    }
}

#[test]
fn a_row_that_does_not_parse_is_reported_and_left_out_and_stops_nothing() {
    let mut sb = Southbound::default();
    let bad = row(Table::Chassis, 1, &[]);
    let problems = sb.apply([&bad, &vm(2, None)]);
    assert_eq!((problems[0].table, problems[0].column), ("Chassis", "name"));
    assert_eq!((problems.len(), sb.bindings().count()), (1, 1));
    let cases = [
        ("", ("mac", Datum::from("nonsense"))),
        ("", ("mac", "fa:16:3e:00:00:01 10.0.0.300".into())),
        ("patch", ("nat_addresses", "fa:16:3e:00:00:01 x".into())),
        ("localnet", ("tag", (-1).into())),
        ("", ("external_ids", "text".into())),
    ];
    for (kind, (column, value)) in cases {
        let problems = sb.apply([&port(kind, &[(column, value)])]);
        assert_eq!(problems.len(), 1, "{column}");
        assert_eq!(problems[0].column, column);
    }
}

#[test]
fn the_small_monitor_has_what_the_nb_driver_needs() {
    let tables = |scope| monitor(scope).tables.into_keys().collect::<Vec<_>>();
    let routes = Table::AdvertisedRoute.name();
    assert_eq!(tables(Scope::Everything).len(), Table::ALL.len() - 1);
    assert!(!tables(Scope::Everything).contains(&routes.to_owned()));
    let routing = [
        "Advertised_Route",
        "Chassis",
        "Datapath_Binding",
        "Port_Binding",
    ];
    assert_eq!(tables(Scope::Routing), routing);
    assert_eq!(tables(Scope::Bindings), ["Chassis", "Port_Binding"]);
}

proptest! {
    /// Whatever the text, a row is read or reported.
    #[test]
    fn any_text_is_read_or_reported(mac in ".{0,40}", nat in ".{0,60}", kind in "(|patch|localnet)") {
        let row = port(&kind, &[("mac", mac.as_str().into()), ("nat_addresses", nat.as_str().into())]);
        let mut sb = Southbound::default();
        let problems = sb.apply([&row]);
        prop_assert_eq!(problems.len() + sb.bindings().count(), 1);
    }
}

#[test]
fn the_mtu_of_a_localnet_ports_network_is_its_own_word_or_the_datapaths() {
    let mtu_of = |of_port: &str, of_network: &str| {
        let ids = |mtu: &str| Datum::map([("neutron:mtu", mtu), ("name", "neutron-1")]);
        let datapath = Datum::from(Uuid::from_u128(7));
        let columns = [("external_ids", ids(of_port)), ("datapath", datapath)];
        let network = row(Table::Datapath, 7, &[("external_ids", ids(of_network))]);
        let mut sb = applied(&port("localnet", &columns));
        let problems = sb.apply([&network]);
        let localnet = sb.binding_named("port").unwrap();
        (sb.mtu_at(localnet), problems.len())
    };
    assert_eq!(mtu_of("", ""), (None, 0), "as Neutron and northd leave it");
    assert_eq!(mtu_of("", "9000"), (Some(9000), 0));
    assert_eq!(mtu_of("1450", "9000"), (Some(1450), 0));
    assert_eq!(mtu_of("", "jumbo"), (None, 1), "told as unreadable");
}
