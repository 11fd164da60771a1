//! Whatever the history, the standing exposures are those of a fresh decision.

use std::sync::Arc;

use proptest::prelude::*;

use super::cloud::{
    Cloud, answering, balancer, gateway, gateway_of, id, interface, link, localnet, nets, node,
    scoped, vip_port, vm,
};
use crate::config::{ExposeRule, TenantAdvertisement};
use crate::exposure::{Attributes, Code, Exposure, Policy, TenantExposure};
use crate::ovn::southbound::{BindingKind, LoadBalancer, PortBinding};
use crate::route_settings::RouteSettings;

const SWITCHES: [&str; 3] = ["provider", "tenant", "other"];
const ROUTERS: [&str; 2] = ["router", "router-2"];
const CHASSIS: [Option<&str>; 3] = [Some("chassis-1"), Some("chassis-2"), None];
const PORTS: [&str; 3] = ["p0", "p1", "vip of lb1"];
const IPS: [&[&str]; 4] = [
    &["10.0.0.5"],
    &["172.24.4.77", "2001:db8::1"],
    &["10.0.0.100", "fd00::5"],
    &[],
];
const GATEWAYS: [&[&str]; 3] = [
    &["172.24.4.146/24", "2001:db8:4::146/64"],
    &["172.24.4.146/24"],
    &[],
];
const INTERFACES: [&[&str]; 3] = [
    &["10.0.0.1/24", "fd00::1/64"],
    &["172.24.4.1/24"],
    &["10.0.0.1/24"],
];
const RESIDENTS: [Option<&str>; 4] = [Some("p0"), Some("cr-lrp-gw"), Some("p1"), None];
const BALANCERS: [&str; 2] = ["lb1", "pf-floatingip-1"];

#[derive(Clone, Debug)]
pub(in crate::exposure) enum Edit {
    Port {
        port: usize,
        switch: usize,
        chassis: usize,
        ips: usize,
        up: bool,
        kind: usize,
    },
    Delete(usize),
    Localnet(usize, bool, bool),
    Datapath(usize, bool),
    DeleteDatapath(usize),
    Gateway(usize, usize, usize, usize),
    Interface(usize, usize, usize, bool),
    Nat(usize, usize),
    Balancer(usize, usize, usize, bool),
    DeleteBalancer(usize),
    Chassis(bool),
    Say(usize, usize),
    Policy(usize),
    Reconsider(usize, bool, bool),
    Look,
}

/// What a row may say of routes.
const SAYINGS: [&[(&str, &str)]; 4] = [
    &[],
    &[("bgp:advertise", "false")],
    &[("bgp:advertise", "true"), ("bgp:med", "5")],
    &[("bgp:communities", "65000:1"), ("bgp:local-pref", "50")],
];

/// What [`Edit::Delete`] deletes, and [`Edit::Say`] has speak.
const DELETED: [&str; 9] = [
    "p0",
    "p1",
    "vip of lb1",
    "physnet1 of provider",
    "cr-lrp-gw",
    "lrp-gw",
    "lrp-gw on provider",
    "lrp-1",
    "lrp-1 on tenant",
];

pub(in crate::exposure) fn edit() -> impl Strategy<Value = Edit> {
    let port = (
        0..3usize,
        0..3usize,
        0..3usize,
        0..4usize,
        any::<bool>(),
        0..3usize,
    );
    let port = port.prop_map(|(port, switch, chassis, ips, up, kind)| Edit::Port {
        port,
        switch,
        chassis,
        ips,
        up,
        kind,
    });
    let b = any::<bool>;
    prop_oneof![
        6 => port,
        4 => (0..9usize).prop_map(Edit::Delete),
        2 => (0..3usize, b(), b()).prop_map(|(s, p, v)| Edit::Localnet(s, p, v)),
        2 => (0..5usize, b()).prop_map(|(d, r)| Edit::Datapath(d, r)),
        1 => (0..5usize).prop_map(Edit::DeleteDatapath),
        4 => (0..2usize, 0..3usize, 0..3usize, 0..3usize)
            .prop_map(|(r, s, c, n)| Edit::Gateway(r, s, c, n)),
        4 => (0..2usize, 0..3usize, 0..3usize, b()).prop_map(|(r, s, n, c)| Edit::Interface(r, s, n, c)),
        3 => (0..4usize, 0..3usize).prop_map(|(r, n)| Edit::Nat(r, n)),
        4 => (0..2usize, 0..4usize, 0..32usize, b()).prop_map(|(n, v, d, g)| Edit::Balancer(n, v, d, g)),
        1 => (0..2usize).prop_map(Edit::DeleteBalancer),
        1 => b().prop_map(Edit::Chassis),
        3 => (0..9usize, 0..SAYINGS.len()).prop_map(|(s, w)| Edit::Say(s, w)),
        1 => (0..4usize).prop_map(Edit::Policy),
        1 => (0..3usize, b(), b()).prop_map(|(t, h, m)| Edit::Reconsider(t, h, m)),
        6 => Just(Edit::Look),
    ]
}

/// Applies an edit to the rows, or to the node and the options. Answers whether the latter.
pub(in crate::exposure) fn apply(cloud: &mut Cloud, edit: &Edit) -> bool {
    let datapath = |at: usize| SWITCHES.iter().chain(&ROUTERS).nth(at).copied().unwrap();
    match *edit {
        Edit::Port { .. } => cloud.put(port(edit)),
        Edit::Delete(at) => cloud.delete(DELETED[at]),
        Edit::Localnet(switch, mapped, vlan) => {
            let network = if mapped { "physnet1" } else { "physnet9" };
            cloud.put(localnet(SWITCHES[switch], network, vlan.then_some(7)));
        }
        Edit::Datapath(at, flipped) => cloud.datapath(datapath(at), (at >= 3) != flipped),
        Edit::DeleteDatapath(at) => cloud.delete_datapath(datapath(at)),
        Edit::Gateway(router, switch, chassis, networks) => {
            let name = if router == 0 { "lrp-gw" } else { "lrp-gw-2" };
            let [redirect, lrp, switch_port] =
                gateway_of(ROUTERS[router], name, SWITCHES[switch], GATEWAYS[networks]);
            let redirect = PortBinding {
                chassis: CHASSIS[chassis].map(id),
                ..redirect
            };
            cloud.put_all([redirect, lrp, scoped(switch_port, Some("s4"), None)]);
        }
        Edit::Interface(router, switch, networks, scope) => {
            let [lrp, switch_port] = link(
                ROUTERS[router],
                "lrp-1",
                SWITCHES[switch],
                INTERFACES[networks],
            );
            let scope = if scope { "s4" } else { "other" };
            cloud.put_all([lrp, scoped(switch_port, Some(scope), None)]);
        }
        Edit::Nat(resident, ip) => {
            let ip = ["172.24.4.50", "172.24.4.51", "172.24.4.146"][ip];
            cloud.put(answering(&[(ip, RESIDENTS[resident])]));
        }
        Edit::Balancer(name, vips, datapaths, grouped) => {
            put_balancer(cloud, BALANCERS[name], vips, datapaths, grouped);
        }
        Edit::DeleteBalancer(name) => cloud.delete_balancer(BALANCERS[name]),
        Edit::Chassis(there) if there => cloud.chassis("chassis-1"),
        Edit::Chassis(_) => cloud.delete_chassis("chassis-1"),
        Edit::Reconsider(tenants, hosts, mapped) => {
            use TenantExposure::{Everything, GlobalIpv6, Nothing};
            cloud.options.tenants = [Nothing, GlobalIpv6, Everything][tenants];
            cloud.options.advertisement = if hosts {
                TenantAdvertisement::Host
            } else {
                TenantAdvertisement::Subnet
            };
            let scopes: &[&str] = if hosts { &[] } else { &["s4"] };
            cloud.options.address_scopes = scopes.iter().map(|s| Arc::from(*s)).collect();
            cloud.node = node(if mapped {
                "physnet1:br-ex"
            } else {
                "physnet9:br-9"
            });
            return true;
        }
        Edit::Say(speaker, saying) => cloud.say(DELETED[speaker], SAYINGS[saying]),
        Edit::Policy(number) => {
            cloud.options.policy = policy(number);
            return true;
        }
        Edit::Look => {}
    }
    false
}

/// Policy files: none, and some.
fn policy(number: usize) -> Policy {
    let rule = |routers: Option<&str>, networks: Option<&str>, settings| ExposeRule {
        name: "rule".into(),
        routers: routers.map(|name| vec![name.into()]),
        networks: networks.map(|name| vec![name.into()]),
        overrides: number == 3,
        settings,
        ..ExposeRule::default()
    };
    let never = RouteSettings {
        advertise: Some(false),
        ..RouteSettings::default()
    };
    let med = RouteSettings {
        med: Some(1),
        ..RouteSettings::default()
    };
    let rules = match number {
        0 => vec![],
        1 => vec![rule(None, Some("tenant"), med)],
        2 => vec![rule(Some("router"), None, never)],
        _ => vec![
            rule(None, Some("provider"), never),
            rule(Some("router-2"), None, med),
        ],
    };
    Policy {
        file: "/policy.conf".into(),
        rules: rules.into(),
    }
}

fn port(edit: &Edit) -> PortBinding {
    let &Edit::Port {
        port,
        switch,
        chassis,
        ips,
        up,
        kind,
    } = edit
    else {
        panic!("{edit:?}");
    };
    let row = vm(PORTS[port], SWITCHES[switch], IPS[ips]);
    let row = match port {
        2 => vip_port(
            "lb1",
            SWITCHES[switch],
            &["172.24.4.72/24", "10.0.0.100/24"],
        ),
        _ => row,
    };
    PortBinding {
        chassis: CHASSIS[chassis].map(id),
        up,
        kind: match kind {
            0 => BindingKind::Vif,
            1 => BindingKind::Virtual,
            _ => BindingKind::Other("external".into()),
        },
        unknown: ips == 3,
        cidrs: if port == 2 {
            row.cidrs.clone()
        } else {
            nets(&["2001:db8::1/64", "10.0.0.9/24"])
        },
        ..row
    }
}

fn put_balancer(cloud: &mut Cloud, name: &str, vips: usize, datapaths: usize, grouped: bool) {
    let vips: &[(&str, &[&str])] = match vips {
        0 => &[("172.24.4.72", &["172.24.4.77"])],
        1 => &[("10.0.0.100", &["10.0.0.5"]), ("172.24.4.50", &[])],
        2 => &[("172.24.4.72", &["172.24.4.77", "10.0.0.5"])],
        _ => &[],
    };
    let all = SWITCHES.iter().chain(&ROUTERS).enumerate();
    let datapaths: Vec<_> = all
        .filter(|(bit, _)| datapaths & (1 << bit) != 0)
        .map(|(_, name)| *name)
        .collect();
    let row = balancer(name, vips);
    if grouped {
        cloud.balancer(row, &datapaths);
    } else {
        let mut datapaths: Vec<_> = datapaths.into_iter().map(id).collect();
        datapaths.sort();
        cloud.ungrouped_balancer(LoadBalancer { datapaths, ..row });
    }
}

/// A cloud in which most edits matter.
pub(in crate::exposure) fn start() -> Cloud {
    let mut cloud = Cloud::with_tenant();
    cloud.datapath("other", false);
    cloud.datapath("router-2", true);
    cloud.put_all(gateway("lrp-gw", GATEWAYS[0]));
    cloud.put_all(interface("lrp-1", "tenant", INTERFACES[0]));
    cloud.put(vip_port("lb1", "provider", &["172.24.4.72/24"]));
    cloud
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn standing_exposures_equal_a_fresh_decision(edits in proptest::collection::vec(edit(), 1..60)) {
        let mut cloud = start();
        for edit in edits {
            if apply(&mut cloud, &edit) {
                cloud.reconsider();
            } else if matches!(edit, Edit::Look) {
                // Compares.
                cloud.delta();
            }
        }
        cloud.delta();
        prop_assert!(cloud.delta().is_empty());
    }

    #[test]
    fn deltas_add_up(edits in proptest::collection::vec(edit(), 1..40)) {
        let mut cloud = start();
        let mut sum = std::collections::BTreeSet::new();
        for edit in &edits {
            let delta = if apply(&mut cloud, edit) {
                cloud.reconsider()
            } else {
                cloud.delta()
            };
            for exposure in &delta.removed {
                prop_assert!(sum.remove(exposure), "{exposure:?} was not there");
            }
            for exposure in delta.added {
                prop_assert!(sum.insert(exposure.clone()), "{exposure:?} was there");
            }
        }
        prop_assert_eq!(sum.into_iter().collect::<Vec<_>>(), cloud.decide().exposures);
    }

    #[test]
    fn policies_take_away_and_tell_and_add_nothing(edits in proptest::collection::vec(edit(), 1..40)) {
        let (mut cloud, mut plain) = (start(), start());
        for edit in &edits {
            if !matches!(edit, Edit::Say(..) | Edit::Policy(_)) {
                apply(&mut plain, edit);
            }
            apply(&mut cloud, edit);
        }
        let (decided, without) = (cloud.decide(), plain.decide());
        let taken = decided.withheld.iter().filter(|w| w.code == Code::Policy);
        let taken: Vec<_> = taken.collect();
        let mut kept = 0;
        for exposure in &without.exposures {
            let is_it = |e: &Exposure| Exposure { attributes: Attributes::default(), ..e.clone() } == **exposure;
            if decided.exposures.iter().any(|e| is_it(e)) {
                kept += 1;
            } else {
                let told = taken.iter().any(|w| {
                    (w.prefix, w.kind, &w.port) == (exposure.prefix, exposure.kind, &exposure.port)
                });
                prop_assert!(told, "{exposure:?} is gone without a word");
            }
        }
        prop_assert_eq!(kept, decided.exposures.len(), "something is new");
    }
}
