//! Rows of the OVSDB client to typed rows.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::ovsdb::{self, Change, Condition, Datum};

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

fn port(number: u128, addresses: Datum) -> Change {
    let external_ids = [
        ("neutron:network_name", "neutron-net"),
        ("neutron:cidrs", "172.24.4.10/24 2001:db8::10/64"),
        ("neutron:host_id", ""),
    ];
    change(
        Table::SwitchPort,
        number,
        &[
            ("name", "vm".into()),
            ("type", "".into()),
            ("up", true.into()),
            ("addresses", addresses),
            (
                "options",
                Datum::map([("requested-chassis", "host-1,host-2")]),
            ),
            ("external_ids", Datum::map(external_ids)),
        ],
    )
}

fn deletion(change: &Change) -> Change {
    Change {
        old: change.new.clone(),
        new: None,
        ..change.clone()
    }
}

#[test]
fn a_port_is_read() {
    let mut nb = Northbound::default();
    let addresses = Datum::set(["fa:16:3e:00:00:01 172.24.4.10 2001:db8::10", "unknown"]);
    assert_eq!(nb.apply([&port(1, addresses)]), []);
    let port = nb.port_named("vm").unwrap();
    assert_eq!(port.kind, PortKind::Vif);
    assert!(port.up && port.enabled);
    assert_eq!(port.ips().count(), 2);
    assert_eq!(port.cidrs.len(), 2);
    assert_eq!(port.requested_chassis.len(), 2);
    assert_eq!(port.host_id, None, "an empty string names nobody");
    assert_eq!(nb.network("neutron-net").unwrap().ports().len(), 1);
}

#[test]
fn a_row_that_does_not_parse_is_reported_and_left_out_and_stops_nothing() {
    let mut nb = Northbound::default();
    let good = port(1, "fa:16:3e:00:00:01 172.24.4.10".into());
    let mut bad = port(2, "fa:16:3e:00:00:01 172.24.4.300".into());
    let problems = nb.apply([&bad, &good]);
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].to_string(),
        "Logical_Switch_Port 00000000-0000-0000-0000-000000000002: column addresses: \
         '172.24.4.300': invalid IP address syntax; the row is left out"
    );
    assert_eq!(nb.ports().count(), 1);

    // Again when it changes and still fails; gone when it is well.
    bad = port(2, "nonsense".into());
    assert!(nb.apply([&bad])[0].why.contains("'nonsense'"));
    let well = port(2, "fa:16:3e:00:00:01 172.24.4.11".into());
    assert_eq!(nb.apply([&well]), []);
    assert_eq!(nb.ports().count(), 2);

    // A good row that turns bad is left out too.
    assert_eq!(nb.apply([&bad]).len(), 1);
    assert_eq!(nb.ports().count(), 1);
}

#[test]
fn columns_of_another_type_are_reported() {
    let mut nb = Northbound::default();
    let cases: [(&str, Datum, &str); 4] = [
        ("up", "yes".into(), "is not a boolean"),
        ("name", Datum::empty(), "is empty or missing"),
        ("options", "text".into(), "is not a map"),
        ("tag", Datum::set([1, 2]), "has more than one value"),
    ];
    for (column, value, why) in cases {
        let mut columns = vec![
            ("name", Datum::from("vm")),
            ("type", "".into()),
            ("up", true.into()),
        ];
        columns.retain(|(name, _)| *name != column);
        columns.push((column, value));
        let problems = nb.apply([&change(Table::SwitchPort, 1, &columns)]);
        assert_eq!(problems.len(), 1, "{column}");
        assert_eq!(problems[0].column, column);
        assert!(problems[0].why.contains(why), "{}", problems[0]);
    }
}

#[test]
fn addresses_without_an_ip_of_their_own_are_read() {
    let mut nb = Northbound::default();
    for text in [
        "unknown",
        "router",
        "dynamic",
        "fa:16:3e:00:00:01 dynamic",
        "",
    ] {
        assert_eq!(nb.apply([&port(1, text.into())]), [], "{text}");
        assert_eq!(nb.port_named("vm").unwrap().ips().count(), 0, "{text}");
    }
    assert_eq!(
        nb.apply([&port(1, "fa:16:3e:00:00:01 10.0.0.4/24".into())]),
        []
    );
    assert_eq!(nb.port_named("vm").unwrap().ips().count(), 1);
}

#[test]
fn a_localnet_port_belongs_to_the_switch_that_lists_it_in_any_order() {
    let localnet = change(
        Table::SwitchPort,
        1,
        &[
            ("name", "provnet".into()),
            ("type", "localnet".into()),
            ("options", Datum::map([("network_name", "physnet1")])),
        ],
    );
    let ports = Datum::from(Uuid::from_u128(1));
    let switch = change(
        Table::Switch,
        2,
        &[("name", "net".into()), ("ports", ports)],
    );
    for order in [[&localnet, &switch], [&switch, &localnet]] {
        let mut nb = Northbound::default();
        assert_eq!(nb.apply(order), []);
        assert_eq!(nb.localnets("net").count(), 1);
        nb.apply([&deletion(&switch)]);
        assert_eq!(nb.localnets("net").count(), 0);
    }
}

#[test]
fn a_renamed_switch_takes_its_localnet_along() {
    let localnet = [("name", "provnet".into()), ("type", "localnet".into())];
    let localnet = change(Table::SwitchPort, 1, &localnet);
    let switch = |name: &str| {
        let ports = Datum::from(Uuid::from_u128(1));
        change(Table::Switch, 2, &[("name", name.into()), ("ports", ports)])
    };
    let mut nb = Northbound::default();
    nb.apply([&localnet, &switch("old"), &switch("new")]);
    assert_eq!(nb.localnets("old").count(), 0);
    assert_eq!(nb.localnets("new").count(), 1);
}

#[test]
fn of_nat_floating_ips_and_snat_are_kept() {
    let nat = |number, kind: &str| {
        let columns = [
            ("type", kind.into()),
            ("external_ip", "172.24.4.1".into()),
            ("logical_ip", "10.0.0.0/24".into()),
        ];
        change(Table::Nat, number, &columns)
    };
    let router = change(
        Table::Router,
        9,
        &[
            ("name", "neutron-r".into()),
            ("nat", Datum::set([1, 2, 3].map(Uuid::from_u128))),
        ],
    );
    let mut nb = Northbound::default();
    let rows = [&nat(1, "snat"), &nat(2, "dnat_and_snat"), &nat(3, "dnat")];
    assert_eq!(nb.apply(rows), []);
    assert_eq!(nb.apply([&router]), []);
    let router = nb.router_by_id("r").unwrap().clone();
    assert_eq!(nb.fips().count(), 1);
    assert_eq!(nb.snats_of(&router).count(), 1);
    assert_eq!(nb.apply([&nat(2, "snat")]), []);
    assert_eq!(nb.fips().count(), 0);
    let hidden: Vec<_> = nb
        .snats_of(&router)
        .map(|s| s.logical_ip.to_string())
        .collect();
    assert_eq!(hidden, ["10.0.0.0/24"; 2]);
}

#[test]
fn both_spellings_of_a_routers_id_are_one() {
    assert_eq!(router_id("neutron-5"), router_id("5"));
    let row = |number, ids: &[(&str, &str)]| {
        let columns = [
            ("name", "pf-floatingip-x-tcp".into()),
            ("vips", Datum::map([("172.24.4.9:22", "10.0.0.1:22")])),
            ("external_ids", Datum::map(ids.iter().copied())),
        ];
        change(Table::Balancer, number, &columns)
    };
    let mut nb = Northbound::default();
    for (number, spelling) in [(1, "neutron-5"), (2, "5")] {
        assert_eq!(
            nb.apply([&row(number, &[("neutron:router_name", spelling)])]),
            []
        );
        let row = nb.balancer(Uuid::from_u128(number)).unwrap();
        assert_eq!(row.router().map(|id| &**id), Some("5"));
        assert_eq!(row.addresses().len(), 1);
    }
}

#[test]
fn load_balancers_of_others_are_left_alone() {
    let foreign = change(
        Table::Balancer,
        1,
        &[
            ("name", "k8s".into()),
            ("vips", Datum::map([("^vip:^port", "^backends")])),
            ("external_ids", Datum::map([("lr_ref", "neutron-5")])),
        ],
    );
    let mut nb = Northbound::default();
    assert_eq!(nb.apply([&foreign]), []);
    let row = nb.balancer(Uuid::from_u128(1)).unwrap();
    assert_eq!((&row.purpose, row.vips.len()), (&Purpose::Other, 0));
}

#[test]
fn b057_fip_mode_is_unset_until_neutron_writes_it() {
    let global = |ids: &[(&str, &str)]| {
        let ids = Datum::map(ids.iter().copied());
        change(Table::Global, 1, &[("external_ids", ids)])
    };
    let mut nb = Northbound::default();
    assert_eq!(nb.fip_mode(), FipMode::Unset);
    for (value, mode) in [
        ("True", FipMode::Distributed),
        ("False", FipMode::Centralised),
    ] {
        nb.apply([&global(&[("neutron:fip-distributed", value)])]);
        assert_eq!(nb.fip_mode(), mode);
    }
    nb.apply([&global(&[])]);
    assert_eq!(nb.fip_mode(), FipMode::Unset);
}

#[test]
fn a_server_without_router_port_status_is_noticed() {
    let columns = [
        ("name", "lrp".into()),
        ("mac", "fa:16:3e:00:00:01".into()),
        ("networks", "172.24.4.1/24".into()),
    ];
    let mut nb = Northbound::default();
    assert_eq!(nb.apply([&change(Table::RouterPort, 1, &columns)]), []);
    assert!(nb.lacks_hosting_chassis());
    let with_status = [columns.as_slice(), &[("status", Datum::empty_map())]].concat();
    nb.apply([&change(Table::RouterPort, 1, &with_status)]);
    assert!(!nb.lacks_hosting_chassis());
}

#[test]
fn the_monitor_names_every_table_and_only_rows_of_interest() {
    let monitor = monitor();
    assert_eq!(monitor.tables.len(), Table::ALL.len());
    assert_ne!(monitor.tables["NAT"].condition, Condition::All);
    assert_eq!(monitor.tables["Logical_Switch"].condition, Condition::All);
    assert!(Table::named("NAT").is_some() && Table::named("ACL").is_none());
}

proptest! {
    /// Whatever the text, a row is read or reported.
    #[test]
    fn any_text_is_read_or_reported(address in ".{0,40}", cidrs in ".{0,20}", chassis in ".{0,20}") {
        let row = change(Table::SwitchPort, 1, &[
            ("name", "vm".into()),
            ("type", "".into()),
            ("addresses", address.as_str().into()),
            ("options", Datum::map([("requested-chassis", chassis.as_str())])),
            ("external_ids", Datum::map([("neutron:cidrs", cidrs.as_str())])),
        ]);
        let mut nb = Northbound::default();
        let problems = nb.apply([&row]);
        prop_assert_eq!(problems.len() + nb.ports().count(), 1);
    }
}
