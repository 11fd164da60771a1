//! The core without any I/O: rows in, steps out.

mod tenants;

use std::sync::Arc;

use ipnet::IpNet;
use uuid::Uuid;

use super::core::Core;
use super::explain::{Told, explain};
use crate::config::Driver;
use crate::control::Verdict;
use crate::exposure::Options;
use crate::mac::MacAddr;
use crate::ovn::{northbound, vswitch};
use crate::ovsdb::{Change, Datum, Monitor, Row};
use crate::reconcile::{Domain, Found, Key, Step, Value};

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// A row that appears, its columns in the monitor's order.
fn row(monitor: &Monitor, table: &str, id: u128, columns: &[(&str, Datum)]) -> Change {
    let wanted = &monitor.tables[table].columns;
    let datum = |name: &String| {
        let found = columns.iter().find(|(column, _)| column == name);
        Some(found.map_or_else(Datum::empty, |(_, datum)| datum.clone()))
    };
    Change {
        table: table.into(),
        uuid: Uuid::from_u128(id),
        old: None,
        new: Some(Arc::new(Row::new(wanted.iter().map(datum)))),
    }
}

fn gone(mut change: Change) -> Change {
    change.old = change.new.take();
    change
}

fn uuids(ids: &[u128]) -> Datum {
    Datum::set(ids.iter().map(|id| Uuid::from_u128(*id)))
}

fn open_vswitch(mappings: &str) -> Change {
    let ids = [
        ("system-id", "chassis-1"),
        ("hostname", "host-1"),
        ("ovn-bridge-mappings", mappings),
    ];
    row(
        &vswitch::monitor(),
        "Open_vSwitch",
        1,
        &[("external_ids", Datum::map(ids))],
    )
}

/// br-ex with the patch port of provnet-1, numbered 7.
fn bridge() -> Vec<Change> {
    let monitor = vswitch::monitor();
    let note = Datum::map([("ovn-localnet-port", "provnet-1")]);
    let name = "patch-provnet-1-to-br-int";
    vec![
        row(
            &monitor,
            "Bridge",
            2,
            &[("name", "br-ex".into()), ("ports", uuids(&[3]))],
        ),
        row(
            &monitor,
            "Port",
            3,
            &[
                ("name", name.into()),
                ("interfaces", uuids(&[4])),
                ("external_ids", note),
            ],
        ),
        row(
            &monitor,
            "Interface",
            4,
            &[
                ("name", name.into()),
                ("type", "patch".into()),
                ("ofport", 7.into()),
            ],
        ),
    ]
}

fn vm() -> Change {
    vm_of(11, "vm", "172.24.4.10")
}

fn vm_of(id: u128, name: &str, address: &str) -> Change {
    let cidr = format!("{address}/24");
    let addresses = format!("fa:16:3e:00:00:10 {address}");
    let monitor = northbound::monitor();
    let external_ids = [
        ("neutron:network_name", "neutron-n"),
        ("neutron:host_id", "host-1"),
        ("neutron:cidrs", cidr.as_str()),
    ];
    let columns = [
        ("name", name.into()),
        ("type", "".into()),
        ("up", true.into()),
        ("addresses", addresses.as_str().into()),
        ("options", Datum::map([("requested-chassis", "host-1")])),
        ("external_ids", Datum::map(external_ids)),
    ];
    row(&monitor, "Logical_Switch_Port", id, &columns)
}

fn provider_network() -> Vec<Change> {
    let monitor = northbound::monitor();
    let localnet = [
        ("name", "provnet-1".into()),
        ("type", "localnet".into()),
        ("addresses", "unknown".into()),
        ("options", Datum::map([("network_name", "physnet1")])),
    ];
    vec![
        row(
            &monitor,
            "Logical_Switch",
            10,
            &[("name", "neutron-n".into()), ("ports", uuids(&[11, 12]))],
        ),
        row(&monitor, "Logical_Switch_Port", 12, &localnet),
    ]
}

/// A core that has read everything, with one VM, and a node that has done all it was told.
fn settled() -> Core {
    let mut core = Core::new("host-1", 10, Driver::Northbound, Options::default());
    assert_eq!(core.take_vswitch(&[open_vswitch("physnet1:br-ex")]), []);
    assert_eq!(core.take_vswitch(&bridge()), []);
    assert!(core.take_table_names("").is_empty());
    core.take_mac(&"br-ex".into(), Some(MAC));
    assert_eq!(core.take_northbound(&provider_network()), []);
    assert_eq!(core.take_northbound(&[vm()]), []);
    let link = Value::Link(crate::reconcile::object::Link {
        kind: crate::reconcile::object::LinkKind::Foreign,
        up: true,
        mac: None,
        mtu: None,
    });
    let bridge = [(
        Key::Link {
            name: "br-ex".into(),
        },
        Found::foreign(link),
    )];
    core.reconciler_mut().observe_all(&Domain::Kernel, bridge);
    core.update();
    obey(&mut core);
    core
}

/// Takes every step, each with success; what they were.
fn obey(core: &mut Core) -> Vec<Step> {
    let mut taken = Vec::new();
    loop {
        let plan = core.reconciler_mut().next_steps();
        if plan.steps.is_empty() {
            return taken;
        }
        for step in &plan.steps {
            core.reconciler_mut().succeeded(step);
        }
        taken.extend(plan.steps);
    }
}

fn vm_prefix() -> IpNet {
    "172.24.4.10/32".parse().unwrap()
}

#[test]
fn a_settled_node_has_nothing_left_to_do() {
    let mut core = settled();
    assert!(core.reconciler().is_advertised(&vm_prefix().into()));
    core.update();
    assert_eq!(obey(&mut core), []);
    core.reconciler_mut().full();
    assert_eq!(obey(&mut core), []);
}

#[test]
fn the_withdrawal_comes_before_the_wiring_goes() {
    let mut core = settled();
    core.take_northbound(&[gone(vm())]);
    core.update();
    let steps = obey(&mut core);
    assert_eq!(
        steps.first(),
        Some(&Step::Withdraw {
            destination: vm_prefix().into()
        })
    );
    let removed = steps
        .iter()
        .filter(|step| matches!(step, Step::Remove { .. }))
        .count();
    assert_eq!(removed, 3, "rule, route, neighbour: {steps:?}");
}

#[test]
fn a_bridge_that_is_mapped_no_more_is_cleared_before_it_is_forgotten() {
    let mut core = settled();
    core.take_vswitch(&[open_vswitch("")]);
    core.take_table_names("");
    core.update();
    assert!(core.scope().bridges.contains_key("br-ex"), "still watched");
    let steps = obey(&mut core);
    let removed = |key: &Key| {
        steps
            .iter()
            .any(|s| matches!(s, Step::Remove { key: k, .. } if k == key))
    };
    assert!(
        removed(&Key::Rule {
            priority: 32000,
            to: vm_prefix(),
            table: 1
        }),
        "{steps:?}"
    );
    assert!(
        steps.iter().any(|s| s.key().is_some_and(Key::is_flow)),
        "{steps:?}"
    );
    assert!(core.retire());
    assert!(core.scope().bridges.is_empty());
}

#[test]
fn a_new_bridge_mac_moves_the_flows() {
    let mut core = settled();
    core.take_mac(&"br-ex".into(), Some(MacAddr([2, 0, 0, 0, 0, 9])));
    core.update();
    let steps = obey(&mut core);
    assert_eq!(steps.len(), 2, "one flow per family: {steps:?}");
    assert!(
        steps
            .iter()
            .all(|step| matches!(step, Step::Replace { .. })),
        "{steps:?}"
    );
}

fn told_to_leaf() -> Told {
    Told {
        speaker: crate::control::speaker::Told {
            to: vec!["leaf".to_owned()],
            established: vec!["leaf".to_owned()],
            ..Default::default()
        },
        ..Told::default()
    }
}

#[test]
fn explain_tells_every_step_of_the_way() {
    let core = settled();
    let told = told_to_leaf();
    let explanation = explain(&core, "172.24.4.10".parse().unwrap(), Some(&told));
    assert_eq!(explanation.verdict, "172.24.4.10 is advertised to leaf");
    assert!(
        explanation
            .steps
            .iter()
            .all(|step| step.verdict == Verdict::Ok),
        "{:?}",
        explanation.steps
    );
    let unknown = explain(&core, "192.0.2.99".parse().unwrap(), Some(&told));
    assert!(
        unknown.verdict.contains("no row of OVN"),
        "{}",
        unknown.verdict
    );
}

#[test]
fn explain_names_what_is_missing() {
    let mut core = settled();
    let key = Key::Rule {
        priority: 32000,
        to: vm_prefix(),
        table: 1,
    };
    core.reconciler_mut().observe(key, None);
    let explanation = explain(
        &core,
        "172.24.4.10".parse().unwrap(),
        Some(&Told::default()),
    );
    let missing: Vec<_> = explanation
        .steps
        .iter()
        .filter(|step| step.detail == "missing")
        .collect();
    assert_eq!(missing.len(), 1, "{:?}", explanation.steps);
    assert!(
        missing
            .iter()
            .all(|step| step.step.contains("to 172.24.4.10/32"))
    );
}

#[test]
fn another_database_with_the_same_rows_changes_nothing() {
    let mut core = settled();
    core.forget_northbound();
    core.update();
    core.take_northbound(&provider_network());
    core.take_northbound(&[vm()]);
    core.update();
    assert_eq!(obey(&mut core), []);
}

#[test]
fn explain_tells_of_other_origins() {
    let core = settled();
    let told = Told {
        also_from: vec!["router 10.0.0.9 of AS 64999, by leaf".to_owned()],
        ..told_to_leaf()
    };
    let explanation = explain(&core, "172.24.4.10".parse().unwrap(), Some(&told));
    let last = explanation.steps.last().unwrap();
    assert_eq!(last.verdict, Verdict::Unknown);
    assert!(
        last.detail.contains("router 10.0.0.9 of AS 64999"),
        "{last:?}"
    );
}
