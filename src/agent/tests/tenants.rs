//! Networks in VNIs, through the core.

use super::*;
use crate::exposure::Method;
use crate::reconcile::Destination;
use crate::reconcile::object::{Link, LinkKind, Route};
use crate::reconcile::ownership::TenantScope;
use crate::wiring::Tenancy;

/// The provider network, with what its row says of a VPN.
fn said(keys: &[(&str, &str)]) -> Change {
    let monitor = northbound::monitor();
    let columns = [
        ("name", "neutron-n".into()),
        ("ports", uuids(&[11, 12])),
        ("external_ids", Datum::map(keys.iter().copied())),
    ];
    row(&monitor, "Logical_Switch", 10, &columns)
}

fn core(keys: &[(&str, &str)]) -> Core {
    let options = Options {
        method: Method::Vrf,
        ..Options::default()
    };
    let mut core = Core::new("host-1", 10, Driver::Northbound, options);
    core.set_tenancy(Tenancy {
        vtep: "192.0.2.1".parse().ok(),
        asn: 64999,
        ..Tenancy::default()
    });
    assert_eq!(core.take_vswitch(&[open_vswitch("physnet1:br-ex")]), []);
    assert_eq!(core.take_vswitch(&bridge()), []);
    assert!(core.take_table_names("").is_empty());
    core.take_mac(&"br-ex".into(), Some(MAC));
    core.take_northbound(&provider_network());
    core.take_northbound(&[said(keys), vm()]);
    core.update();
    core
}

const L3: [(&str, &str); 2] = [
    ("neutron_bgpvpn:type", "l3"),
    ("neutron_bgpvpn:vni", "1001"),
];

fn exposed() -> Destination {
    Destination::Tenant {
        vni: 1001,
        prefix: "172.24.4.10/32".parse().unwrap(),
    }
}

/// The interfaces that come with those that were made: the other ends of pairs.
fn observe_peers(core: &mut Core) {
    let peers: Vec<Arc<str>> = core
        .reconciler()
        .observations()
        .filter_map(|(_, found)| match &found.value {
            Value::Link(Link {
                kind: LinkKind::Veth { peer },
                ..
            }) => Some(Arc::clone(peer)),
            _ => None,
        })
        .collect();
    assert!(!peers.is_empty());
    for name in peers {
        let there = Found::foreign(Value::Link(Link::up(LinkKind::Foreign)));
        core.reconciler_mut()
            .observe(Key::Link { name }, Some(there));
    }
    core.take_links();
    core.update();
}

#[test]
fn b107_a_port_of_a_network_in_a_vni_is_advertised_in_it_once_it_has_its_way() {
    let mut core = core(&L3);
    obey(&mut core);
    assert!(!core.reconciler().is_advertised(&exposed()), "half a pair");
    observe_peers(&mut core);
    let steps = obey(&mut core);
    assert!(core.reconciler().is_advertised(&exposed()), "{steps:?}");
    let unicast = core.reconciler().is_advertised(&vm_prefix().into());
    assert!(!unicast, "a tenant's address is not the default table's");
    let told = core.take_tenants().unwrap();
    assert_eq!(told.instances.keys().collect::<Vec<_>>(), [&1001]);
    assert_eq!(core.take_tenants(), None, "nothing has changed since");
}

#[test]
fn b116_a_network_that_leaves_its_vni_is_withdrawn_before_its_devices_go() {
    let mut core = core(&L3);
    obey(&mut core);
    observe_peers(&mut core);
    obey(&mut core);
    let changes = [gone(said(&L3)), said(&[])];
    core.take_northbound(&changes);
    core.update();
    let steps = obey(&mut core);
    let withdrawn = Step::Withdraw {
        destination: exposed(),
    };
    assert_eq!(steps.first(), Some(&withdrawn));
    let vrf = Key::Link {
        name: "vrf-1001".into(),
    };
    assert!(core.reconciler().observed(&vrf).is_none(), "{steps:?}");
    assert!(core.take_tenants().unwrap().instances.is_empty());
}

#[test]
fn b113_what_cannot_be_read_of_a_vpn_is_told_once() {
    let mut core = core(&[
        ("neutron_bgpvpn:type", "l3"),
        ("neutron_bgpvpn:vni", "many"),
    ]);
    let complaints = core.take_complaints();
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("many"), "{complaints:?}");
    core.take_northbound(&[vm()]);
    core.update();
    assert!(core.take_complaints().is_empty());
}

#[test]
fn only_rows_of_networks_have_what_is_wrong_with_their_vnis_looked_for() {
    let mut core = core(&[("neutron_bgpvpn:type", "l3"), ("neutron_bgpvpn:vni", "9")]);
    let looks = core.looks_for_complaints();
    for _ in 0..3 {
        core.take_northbound(&[gone(vm())]);
        core.update();
        core.take_northbound(&[vm()]);
        core.update();
    }
    assert_eq!(core.looks_for_complaints(), looks, "a port came and went");
    core.take_northbound(&[said(&[("neutron_bgpvpn:vni", "9")])]);
    core.update();
    assert_eq!(core.looks_for_complaints(), looks + 1);
    assert_eq!(core.take_complaints().len(), 1, "there is no type any more");
    let localnet = provider_network().remove(1);
    core.take_northbound(&[gone(localnet)]);
    core.update();
    assert_eq!(core.looks_for_complaints(), looks + 2, "it is not here");
}

#[test]
fn interfaces_of_vms_and_routes_leave_what_wiring_depends_on_alone() {
    let mut core = core(&L3);
    obey(&mut core);
    observe_peers(&mut core);
    let gathered = core.gathered();
    for last in 0..200 {
        let name = format!("tap{last}").into();
        let tap = Found::foreign(Value::Link(Link::up(LinkKind::Foreign)));
        core.reconciler_mut().observe(Key::Link { name }, Some(tap));
        core.take_links();
        core.update();
    }
    assert_eq!(core.gathered(), gathered, "taps came");
    let bridge = Key::Link {
        name: "br-1001".into(),
    };
    let mut found = core.reconciler().observed(&bridge).unwrap().clone();
    let Value::Link(link) = &mut found.value else {
        panic!("{found:?}");
    };
    link.mac = Some(MAC);
    core.reconciler_mut().observe(bridge, Some(found));
    core.take_links();
    core.update();
    let again = core.gathered().0;
    assert_eq!(again, gathered.0 + 1, "the Router's MAC changed");
    assert!(core.take_tenants().is_some());
}

#[test]
fn a_tenants_prefix_is_none_of_the_default_tables() {
    let core = core(&L3);
    assert_eq!(core.exposures().count(), 1);
    assert_eq!(core.prefixes().count(), 0, "nothing for FRR to leak");
    assert_eq!(settled().prefixes().collect::<Vec<_>>(), [vm_prefix()]);
}

#[test]
fn the_table_of_a_bridge_is_no_tenants() {
    let vni_1 = [("neutron_bgpvpn:type", "l3"), ("neutron_bgpvpn:vni", "1")];
    let mut core = core(&vni_1);
    let steps = obey(&mut core);
    let vrf = Key::Link {
        name: "vrf-1".into(),
    };
    assert!(core.reconciler().observed(&vrf).is_none(), "{steps:?}");
    let pending = core.wiring().pending().next().unwrap();
    assert!(pending.1.to_string().contains("rt_tables"), "{pending:?}");
}

/// A node that is as [`core`] wishes it, with a prefix that peers taught an agent before this one.
fn restarted(speaks: bool, converged: bool) -> (Core, Key) {
    let mut core = core(&L3);
    core.watch_tenants(TenantScope {
        keeps_vrfs: false,
        speaks,
        ..TenantScope::default()
    });
    obey(&mut core);
    observe_peers(&mut core);
    obey(&mut core);
    let vtep: std::net::IpAddr = "192.0.2.9".parse().unwrap();
    let route = Key::Route {
        table: 1001,
        prefix: "10.9.0.0/24".parse().unwrap(),
    };
    let neighbour = Key::Neighbour {
        dev: "br-1001".into(),
        address: vtep,
    };
    let way = Value::Route(Route::new("br-1001".into(), Some(vtep)));
    for (key, value) in [
        (route.clone(), way),
        (neighbour, Value::Neighbour { mac: MAC }),
    ] {
        let found = Found::owned(value);
        core.reconciler_mut().observe(key, Some(found));
    }
    if converged {
        core.forget_inherited();
    }
    core.inherit();
    obey(&mut core);
    (core, route)
}

#[test]
fn what_peers_taught_before_stays_until_they_have_taught_all() {
    let (mut core, route) = restarted(true, false);
    assert!(core.reconciler().observed(&route).is_some());
    core.forget_inherited();
    obey(&mut core);
    assert_eq!(core.reconciler().observed(&route), None);
}

#[test]
fn what_nobody_would_take_back_is_not_inherited() {
    let (core, route) = restarted(false, false);
    assert_eq!(core.reconciler().observed(&route), None, "FRR speaks now");
    let (core, route) = restarted(true, true);
    let found = core.reconciler().observed(&route);
    assert_eq!(found, None, "peers had taught all before OVN was read");
}

#[test]
fn another_port_of_a_tenant_leaves_its_table_and_the_scope_alone() {
    let mut core = core(&L3);
    obey(&mut core);
    observe_peers(&mut core);
    assert!(core.take_tenants().is_some());
    let (gathered, scope) = (core.gathered(), core.scope());
    assert!(!scope.sysctls.is_empty());
    let second = vm_of(13, "vm-2", "172.24.4.11");
    core.take_northbound(std::slice::from_ref(&second));
    core.update();
    assert_eq!(core.exposures().count(), 2);
    assert_eq!(core.take_tenants(), None, "its table is there");
    core.take_northbound(&[gone(second)]);
    core.update();
    assert_eq!(core.gathered(), gathered);
    core.take_northbound(&[gone(vm())]);
    core.update();
    assert!(
        core.take_tenants().unwrap().instances.is_empty(),
        "the last"
    );
    assert_ne!(core.scope(), scope);
}
