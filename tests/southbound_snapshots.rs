//! Databases that a real Neutron and northd wrote, for the drivers that read OVN_Southbound: with every
//! set of options each node exposes exactly what `expected.json` says. Pure: no server runs.

mod snapshot;

use std::collections::BTreeSet;
use std::path::Path;

use ovn_bgp_agent::exposure::{Decision, evpn, southbound, stretched_l2};

use ovn_bgp_agent::ovn::southbound::Scope;
use snapshot::rows;

#[test]
fn every_node_exposes_what_is_expected_with_every_option() {
    let mut compared = 0;
    for dir in snapshot::all() {
        let sb = rows::southbound(&dir, Scope::Everything);
        for combo in snapshot::combos(&dir, "sb") {
            for (host, expected) in &combo.advertised {
                let decision = southbound::decide(southbound::Inputs {
                    southbound: &sb,
                    node: &rows::node(&dir, host),
                    options: &combo.options,
                });
                compare(&dir, &combo.name, host, &decision, expected);
                compared += 1;
            }
        }
    }
    assert_eq!(
        compared,
        (19 * 7 + 12) * 3,
        "snapshots, options and nodes compared"
    );
}

#[test]
fn every_node_stretches_what_is_expected_with_every_option() {
    let mut compared = 0;
    for dir in snapshot::all() {
        let sb = rows::southbound(&dir, Scope::Everything);
        for combo in snapshot::combos(&dir, "stretched") {
            for (host, expected) in &combo.advertised {
                let decision = stretched_l2::decide(stretched_l2::Inputs {
                    southbound: &sb,
                    options: &combo.options,
                });
                compare(&dir, &combo.name, host, &decision, expected);
                compared += 1;
            }
        }
    }
    assert_eq!(
        compared,
        (19 + 3) * 3,
        "snapshots, options and nodes compared"
    );
}

/// `vrf-<VNI>` in `expected.json` says which VNI a prefix is in.
#[test]
fn every_node_exposes_what_is_expected_in_each_vni() {
    let (mut compared, mut hosts) = (0, 0);
    for dir in snapshot::all() {
        let sb = rows::southbound(&dir, Scope::Everything);
        for combo in snapshot::combos(&dir, "evpn") {
            for (host, expected) in &combo.advertised {
                let decision = evpn::decide(evpn::Inputs {
                    southbound: &sb,
                    node: &rows::node(&dir, host),
                    options: &combo.options,
                });
                compare(&dir, &combo.name, host, &decision, expected);
                let by_vrf = snapshot::by_vrf(&dir, &combo.name, host);
                for exposure in &decision.exposures {
                    let vrf = format!("vrf-{}", exposure.vni.unwrap());
                    let prefix = exposure.prefix.to_string();
                    assert!(by_vrf[&vrf].contains(&prefix), "{vrf} {prefix}");
                    hosts += 1;
                }
                compared += 1;
            }
        }
    }
    assert_eq!((compared, hosts), (20 * 3, 6), "nodes compared, and hosts");
}

/// What of that the golden node has wired: `tests/fixtures/snap/14_bgpvpn` is of the same Neutron.
#[test]
fn b153_a_tenants_gateway_leads_to_its_subnets_of_both_families() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/snap/14_bgpvpn");
    let sb = rows::southbound(&dir, Scope::Everything);
    let options = snapshot::combos(&dir, "evpn").swap_remove(0).options;
    let node = rows::node(&dir, "gw-1");
    let decision = evpn::decide(evpn::Inputs {
        southbound: &sb,
        node: &node,
        options: &options,
    });
    let tenant = &decision.tenants[&1001];
    assert_eq!((decision.tenants.len(), tenant.asn), (1, Some(64999)));
    let networks: Vec<_> = tenant.networks.values().collect();
    let [network] = networks[..] else {
        panic!("{tenant:#?}");
    };
    // Of a VLAN, which the Python agent cannot wire.
    assert_eq!(network.attachment.vlan, Some(123));
    let gateways: Vec<_> = network.gateways.values().collect();
    let [gateway] = gateways[..] else {
        panic!("{tenant:#?}");
    };
    let subnets: Vec<_> = gateway.subnets.iter().collect();
    let subnets = subnets
        .iter()
        .map(|(subnet, via)| format!("{subnet} {via}"));
    assert_eq!(
        subnets.collect::<Vec<_>>(),
        [
            "10.10.17.0/24 172.30.0.14",
            "2a05:d014:aa:a::/64 2001:db8:130:0:f816:3eff:fedf:ea0b"
        ]
    );
}

fn compare(dir: &Path, combo: &str, host: &str, decision: &Decision, expected: &BTreeSet<String>) {
    let exposed = snapshot::prefixes(decision);
    let difference: Vec<_> = exposed.symmetric_difference(expected).collect();
    assert!(
        difference.is_empty(),
        "{} {combo} on {host}: {difference:?}\nexposed {:#?}\nwithheld {:#?}",
        dir.display(),
        decision.exposures,
        decision.withheld,
    );
    for withheld in &decision.withheld {
        let both = decision.exposures.iter().find(|e| {
            (e.prefix, &e.port, e.kind) == (withheld.prefix, &withheld.port, withheld.kind)
        });
        // Behind several gateways an address may be exposed through one and withheld for another.
        assert!(
            both.is_none_or(|e| e.via.is_some() || e.next_hop.is_some()),
            "{} {combo} on {host}: {withheld:?} and {both:?}",
            dir.display()
        );
    }
}
