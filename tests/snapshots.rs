//! Databases that a real Neutron wrote: each node exposes exactly what `expected.json` says, with every
//! combination of options. Pure: the database files are read here, no server runs.

mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ovn_bgp_agent::exposure::northbound::{Inputs, Standing, decide};
use ovn_bgp_agent::exposure::{Decision, Kind, Layer, Method, Node, Options};
use ovn_bgp_agent::ovn::Northbound;
use ovn_bgp_agent::ovn::northbound::Affected;

use ovn_bgp_agent::ovn::southbound::Scope;
use snapshot::rows::{node, northbound, southbound};
use snapshot::{ByVrf, Combo};

/// Calls back with every snapshot, combination of options for which something is expected, and node. Answers how many
/// there were.
fn with_every_node(look: impl FnMut(&Case<'_>)) -> usize {
    let expected = |dir: &Path| {
        let mut combos = snapshot::combos(dir, "nb");
        combos.extend(snapshot::combos(dir, "nbvrf"));
        combos
    };
    with_combos(expected, look)
}

fn with_combos(combos: impl Fn(&Path) -> Vec<Combo>, mut look: impl FnMut(&Case<'_>)) -> usize {
    let mut cases = 0;
    for dir in snapshot::all() {
        let nb = northbound(&dir);
        for combo in combos(&dir) {
            for (host, expected) in &combo.advertised {
                look(&Case {
                    dir: &dir,
                    host,
                    nb: &nb,
                    node: &node(&dir, host),
                    combo: &combo,
                    expected,
                });
                cases += 1;
            }
        }
    }
    cases
}

struct Case<'a> {
    dir: &'a Path,
    host: &'a str,
    nb: &'a Northbound,
    node: &'a Node,
    combo: &'a Combo,
    expected: &'a BTreeSet<String>,
}

impl Case<'_> {
    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            northbound: self.nb,
            southbound: None,
            node: self.node,
            options: &self.combo.options,
        }
    }

    fn name(&self) -> String {
        let dir = self.dir.file_name().unwrap_or_default().to_string_lossy();
        format!("{dir} {} on {}", self.combo.name, self.host)
    }
}

#[test]
fn every_node_exposes_what_is_expected() {
    let mut wrong = Vec::new();
    let compared = with_every_node(|case| {
        let decision = decide(case.inputs());
        let exposed = snapshot::prefixes(&decision);
        for prefix in exposed.difference(case.expected) {
            let found = decision.exposures.iter();
            let why = found.filter(|e| e.prefix.to_string() == *prefix);
            let why: Vec<_> = why.map(|e| e.reason.to_string()).collect();
            wrong.push(format!("{}: {prefix} exposed: {why:?}", case.name()));
        }
        for prefix in case.expected.difference(&exposed) {
            let found = decision.withheld.iter();
            let why = found.filter(|w| w.prefix.to_string() == *prefix);
            let why: Vec<_> = why.map(|w| (w.code, &w.reason)).collect();
            wrong.push(format!("{}: {prefix} not exposed: {why:?}", case.name()));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 20 * 3 * (9 + 5), "{compared}");
}

/// Behaviours 106 to 124, on what Neutron wrote: each prefix is in the VRF of its VNI.
#[test]
fn every_node_exposes_each_prefix_in_the_vrf_that_is_expected() {
    let mut vrfs = BTreeSet::new();
    with_every_node(|case| {
        let exposed = snapshot::prefixes_by_vrf(&decide(case.inputs()));
        let mut expected = case.combo.by_vrf[case.host].clone();
        expected.retain(|_, prefixes| !prefixes.is_empty());
        vrfs.extend(expected.keys().cloned());
        assert_eq!(exposed, expected, "{}", case.name());
    });
    assert_eq!(Vec::from_iter(vrfs), ["bgp-vrf", "vrf-1001"]);
}

/// What `dynamic` exposes is that of `vrf`, that of `l2vni`, and of the underlay what is on networks without annotation.
#[test]
fn dynamic_is_each_method_for_its_networks() {
    let dynamic = |dir: &Path| snapshot::combos_with(dir, Method::Dynamic);
    let mut seen = BTreeSet::new();
    with_combos(dynamic, |case| {
        let with = |method| {
            let options = Options {
                method,
                ..case.combo.options.clone()
            };
            let inputs = Inputs {
                options: &options,
                ..case.inputs()
            };
            decide(inputs)
        };
        let of = |decision: Decision| {
            let annotated = |network: &str| {
                let vpn = case.nb.vpn_of(network);
                vpn.is_some_and(|vpn| vpn.membership().is_some())
            };
            let exposures = decision.exposures.into_iter();
            let exposures = exposures.filter(move |e| e.vni.is_some() || !annotated(&e.network));
            exposures.collect::<BTreeSet<_>>()
        };
        let mut expected = of(with(Method::Underlay));
        let (vrf, l2) = (with(Method::Vrf), with(Method::L2Vni));
        let mut tenants = vrf.tenants.clone();
        tenants.extend(l2.tenants.clone());
        expected.extend(of(vrf));
        expected.extend(of(l2));
        let decided = decide(case.inputs());
        assert_eq!(decided.tenants, tenants, "{}", case.name());
        seen.extend(decided.exposures.iter().map(|e| (e.vni, e.layer)));
        assert_eq!(of(decided.clone()).len(), decided.exposures.len());
        assert_eq!(of(decided), expected, "{}", case.name());
    });
    let (routed, bridged) = ((Some(1001), Layer::Routed), (Some(1002), Layer::Bridged));
    assert_eq!(seen, [(None, Layer::Routed), routed, bridged].into());
}

/// Port l2-compute-1 and its like are stretched; of the gateways none is on that network.
#[test]
fn l2vni_exposes_the_ports_of_stretched_networks_by_their_macs() {
    let l2vni = |dir: &Path| snapshot::combos_with(dir, Method::L2Vni);
    let mut found = ByVrf::new();
    with_combos(l2vni, |case| {
        let decision = decide(case.inputs());
        for exposure in &decision.exposures {
            assert_eq!((exposure.vni, exposure.layer), (Some(1002), Layer::Bridged));
            let (mac, prefix) = (exposure.mac.unwrap(), exposure.prefix);
            let host = found.entry(case.host.to_owned()).or_default();
            host.insert(format!("{prefix} at {mac}"));
        }
    });
    let found: Vec<_> = found
        .iter()
        .flat_map(|(host, hosts)| hosts.iter().map(move |at| format!("{host}: {at}")))
        .collect();
    assert_eq!(
        found,
        [
            "compute-1: 172.24.5.75/32 at fa:16:3e:da:41:c1",
            "compute-2: 172.24.5.202/32 at fa:16:3e:65:df:bd",
            "gw-1: 172.24.5.239/32 at fa:16:3e:c6:4f:11",
        ]
    );
}

/// What tenants are made of, as an operator wrote it.
#[test]
fn b112_b119_b120_tenants_are_what_the_rows_say() {
    let vrf = |dir: &Path| match dir.ends_with("14_bgpvpn") {
        true => snapshot::combos(dir, "nbvrf"),
        false => Vec::new(),
    };
    let cases = with_combos(vrf, |case| {
        let tenants = decide(case.inputs()).tenants;
        assert_eq!(Vec::from_iter(tenants.keys()), [&1001], "{}", case.name());
        let tenant = &tenants[&1001];
        let words = |targets: &BTreeSet<bgp::wire::evpn::RouteTarget>| {
            let targets = targets.iter().map(ToString::to_string);
            targets.collect::<Vec<_>>()
        };
        assert_eq!(tenant.rd.unwrap().to_string(), "64999:1001");
        assert_eq!(words(&tenant.import), ["64999:1001", "64999:9001"]);
        assert_eq!(words(&tenant.export), ["64999:1001", "64999:9002"]);
        let [network] = &tenant.networks.values().collect::<Vec<_>>()[..] else {
            panic!("{tenant:?}");
        };
        assert_eq!(network.routers, ["172.30.0.1".parse().unwrap()].into());
        assert!(network.attachment.vlan.is_some());
    });
    assert_eq!(cases, 3 * 5);
}

#[test]
fn southbound_agrees_where_gateways_are() {
    for dir in snapshot::all() {
        let (nb, sb) = (northbound(&dir), southbound(&dir, Scope::Bindings));
        let combos = ["nb", "nbvrf"].map(|driver| snapshot::combos(&dir, driver));
        for combo in combos.into_iter().flatten() {
            for (host, expected) in &combo.advertised {
                let inputs = Inputs {
                    northbound: &nb,
                    southbound: Some(&sb),
                    node: &node(&dir, host),
                    options: &combo.options,
                };
                let exposed = snapshot::prefixes(&decide(inputs));
                assert_eq!(exposed, *expected, "{} {}", dir.display(), combo.name);
            }
        }
    }
}

#[test]
fn no_prefix_is_both_exposed_and_withheld_for_one_port() {
    with_every_node(|case| {
        let decision = decide(case.inputs());
        for withheld in &decision.withheld {
            let both = decision
                .exposures
                .iter()
                .find(|e| e.prefix == withheld.prefix && e.port == withheld.port);
            assert_eq!(both, None, "{}: {withheld:?}", case.name());
        }
    });
}

/// An exposure has no two rows behind it: withdrawn for one, it would be gone for both.
#[test]
fn every_exposure_is_there_once() {
    with_every_node(|case| {
        let decision = decide(case.inputs());
        for pair in decision.exposures.windows(2) {
            assert_ne!(pair[0], pair[1], "{}", case.name());
        }
    });
}

#[test]
fn standing_exposures_equal_a_fresh_decision() {
    with_every_node(|case| {
        let mut standing = Standing::default();
        let everything = Affected {
            everything: true,
            ..Affected::default()
        };
        standing.update(case.inputs(), everything);
        let mut kept: Vec<_> = standing.exposures().cloned().collect();
        kept.sort();
        let decision = decide(case.inputs());
        assert_eq!(kept, decision.exposures, "{}", case.name());
        assert_eq!(*standing.tenants(), decision.tenants, "{}", case.name());
    });
}

/// Whatever reaches OVN behind a gateway has its way in.
#[test]
fn what_is_behind_a_gateway_has_a_next_hop_of_its_family_and_a_subnet() {
    let mut behind = 0;
    with_every_node(|case| {
        for exposure in decide(case.inputs()).exposures {
            let Some(via) = exposure.via else {
                assert_eq!(exposure.subnet, None);
                continue;
            };
            let subnet = exposure.subnet.unwrap();
            assert!(subnet.contains(&exposure.prefix), "{exposure:?}");
            assert_eq!(via.is_ipv4(), exposure.prefix.addr().is_ipv4());
            behind += 1;
        }
    });
    assert!(behind > 100, "{behind}");
}

/// Rows that come one by one end where they end together.
#[test]
fn rows_that_come_one_by_one_end_where_they_end_together() {
    for dir in snapshot::all() {
        let changes = snapshot::rows::northbound_rows(&dir);
        let mut combos = snapshot::combos(&dir, "nb");
        combos.extend(snapshot::combos(&dir, "nbvrf"));
        if dir.ends_with("14_bgpvpn") {
            combos.extend(snapshot::combos_with(&dir, Method::Dynamic));
        }
        for combo in combos.iter().filter(|c| c.options != Options::default()) {
            let node = node(&dir, "compute-2");
            let (mut nb, mut standing) = (Northbound::default(), Standing::default());
            for change in &changes {
                assert_eq!(nb.apply([change]), []);
                let affected = nb.take_affected();
                let inputs = Inputs {
                    northbound: &nb,
                    southbound: None,
                    node: &node,
                    options: &combo.options,
                };
                standing.update(inputs, affected);
            }
            let mut kept: Vec<_> = standing.exposures().cloned().collect();
            kept.sort();
            let inputs = Inputs {
                northbound: &nb,
                southbound: None,
                node: &node,
                options: &combo.options,
            };
            let decision = decide(inputs);
            let place = format!("{} {}", dir.display(), combo.name);
            assert_eq!(kept, decision.exposures, "{place}");
            assert_eq!(*standing.tenants(), decision.tenants, "{place}");
        }
    }
}

/// Calls back with what the NB driver decides where every provider network is in a VNI of its own, and in the underlay.
fn with_networks_in_vnis(kind: &str, method: Method, look: impl Fn(&Decision, &Decision, &str)) {
    for dir in snapshot::all() {
        let plain = northbound(&dir);
        let mut rows = snapshot::rows::northbound_rows(&dir);
        snapshot::rows::annotate(&mut rows, kind);
        let mut annotated = Northbound::default();
        assert_eq!(annotated.apply(&rows), []);
        for combo in snapshot::combos(&dir, "nb") {
            for host in combo.advertised.keys() {
                let node = node(&dir, host);
                let options = Options {
                    method,
                    ..combo.options.clone()
                };
                let with = |northbound, options| {
                    decide(Inputs {
                        northbound,
                        southbound: None,
                        node: &node,
                        options,
                    })
                };
                let place = format!("{} {} on {host}", dir.display(), combo.name);
                look(
                    &with(&annotated, &options),
                    &with(&plain, &combo.options),
                    &place,
                );
            }
        }
    }
}

/// Ports, floating IPs, gateways, what is behind them: all that the underlay has is there, each in its VNI.
#[test]
fn in_vnis_everything_is_exposed_that_the_underlay_exposes() {
    with_networks_in_vnis("l3", Method::Vrf, |vrf, underlay, place| {
        let mut exposures: Vec<_> = vrf.exposures.iter().map(|e| (**e).clone()).collect();
        let networks = exposures
            .iter()
            .map(|e| (e.network.clone(), e.vni.unwrap()));
        let networks: BTreeMap<_, _> = networks.collect();
        for (network, vni) in &networks {
            assert!(vrf.tenants[vni].networks.contains_key(network), "{place}");
        }
        for exposure in &mut exposures {
            assert_eq!(
                exposure.vni.take(),
                networks.get(&exposure.network).copied(),
                "{place}"
            );
        }
        exposures.sort();
        let known: BTreeSet<_> = underlay.exposures.iter().map(|e| (**e).clone()).collect();
        for exposure in &known {
            assert!(exposures.contains(exposure), "{place}: {exposure:?}");
        }
        // And what ports and hosts are told are their routers.
        for exposure in exposures.iter().filter(|e| !known.contains(e)) {
            let router = exposure.reason.is_own_address() || exposure.kind == Kind::Tenant;
            assert!(router, "{place}: {exposure:?}");
        }
    });
}

/// On stretched networks the same but for what is behind gateways; each address with a MAC.
#[test]
fn stretched_everything_is_exposed_that_is_on_the_network_itself() {
    with_networks_in_vnis("l2", Method::L2Vni, |l2, underlay, place| {
        for exposure in &l2.exposures {
            assert_eq!(
                (exposure.layer, exposure.via),
                (Layer::Bridged, None),
                "{place}"
            );
            assert!(exposure.mac.is_some(), "{place}: {exposure:?}");
        }
        let prefixes = |decision: &Decision| {
            let own = decision.exposures.iter().filter(|e| e.via.is_none());
            own.map(|e| (e.prefix, e.port.clone(), e.attachment.clone()))
                .collect::<BTreeSet<_>>()
        };
        assert_eq!(prefixes(l2), prefixes(underlay), "{place}");
    });
}
