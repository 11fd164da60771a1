//! Route targets and distinguishers, as they may be configured on either side, and changed while the sessions are up.

use bgp::evpn::{Import, Instance};
use bgp::wire::evpn::RouteTarget;
use interop::matrix::{Feature, Kind};
use interop::rootfs::Generation;
use interop::{Need, eventually, require};

use crate::frr::BGPD;
use crate::lab::*;

struct Variant {
    name: &'static str,
    /// What FRR says of its tenant.
    routed: &'static str,
    /// What of our table is another.
    ours: fn(&mut Instance),
}

const DERIVED: Variant = Variant {
    name: "derived AS:VNI, of two ASes",
    routed: "",
    ours: |_| {},
};

const VARIANTS: &[Variant] = &[
    Variant {
        name: "one explicit target",
        routed: "  route-target import 65009:1\n  route-target export 65009:1\n",
        ours: |table| {
            let target = RouteTarget::As(65009, 1);
            table.export = [target].into();
            table.import = [Import::Target(target)].into();
        },
    },
    Variant {
        name: "another one each way, of an address and of a long AS",
        routed: "  route-target import 192.0.2.9:5\n  route-target export 4200000000:6\n",
        ours: |table| {
            table.export = [RouteTarget::Address([192, 0, 2, 9].into(), 5)].into();
            table.import = [Import::Target(RouteTarget::LongAs(4_200_000_000, 6))].into();
        },
    },
    Variant {
        name: "configured distinguishers",
        routed: "  rd 65002:4000000000\n",
        ours: |table| table.rd = "4200000001:9".parse().unwrap(),
    },
    Variant {
        name: "several targets",
        routed: "  route-target import 65009:1\n  route-target import 65009:2\n  route-target export 65009:3\n  route-target export 65009:4\n",
        ours: |table| {
            table.export = [8, 2].map(|number| RouteTarget::As(65009, number)).into();
            table.import = [4, 9]
                .map(|number| Import::Target(RouteTarget::As(65009, number)))
                .into();
        },
    },
];

fn exchanged(variant: &Variant, generation: Generation) {
    let lab = Lab::new();
    let config = LeafConfig {
        routed: variant.routed,
        ..LeafConfig::default()
    };
    let frr = lab.start_leaf(generation, &config.text());
    let us = Us::start(&lab, 65001, LEAF, 65002);
    us.wait_established();
    let mut tables = tables(65001);
    (variant.ours)(tables.get_mut(&ROUTED).unwrap());
    // While the session is up.
    us.handle.set_evpn_instances(tables);
    let at_leaf = [LEAF_V4, LEAF_V6].map(|prefix| format!("{prefix} via {LEAF}"));
    println!("{}", variant.name);
    eventually(at_leaf.to_vec(), || us.prefixes());
    eventually(vec![OUR_VTEP.to_owned()], || frr.tenant_hops(OUR_HOST));
    // And away from it: a target that nobody takes, and one that nobody has.
    let mut alone = tables_of_nobody();
    us.handle.set_evpn_instances(std::mem::take(&mut alone));
    eventually(Vec::<String>::new(), || us.prefixes());
    eventually(Vec::<String>::new(), || frr.tenant_hops(OUR_HOST));
}

fn tables_of_nobody() -> std::collections::BTreeMap<u32, Instance> {
    let mut tables = tables(65001);
    let routed = tables.get_mut(&ROUTED).unwrap();
    routed.export = [RouteTarget::As(1, 1)].into();
    routed.import = [Import::Target(RouteTarget::As(1, 2))].into();
    tables
}

fn targets_and_distinguishers(generation: Generation) {
    for variant in VARIANTS.iter().chain([&DERIVED]) {
        exchanged(variant, generation);
    }
}

#[test]
fn targets_and_distinguishers_as_frr_8_has_them() {
    prove(
        Kind::Frr8,
        [Feature::EvpnTargets],
        targets_and_distinguishers,
    );
}

#[test]
fn targets_and_distinguishers_as_frr_10_has_them() {
    prove(
        Kind::Frr10,
        [Feature::EvpnTargets],
        targets_and_distinguishers,
    );
}

/// RFC 8365 §5.1.2.1. FRR derives so for bridged tables alone.
fn targets_as_rfc_8365_derives_them(generation: Generation) {
    let lab = Lab::new();
    let config = LeafConfig {
        evpn: "  autort rfc8365-compatible\n",
        ..LeafConfig::default()
    };
    let frr = lab.start_leaf(generation, &config.text());
    let us = Us::start(&lab, 65001, LEAF, 65002);
    eventually(vec![LEAF.to_owned()], || us.flood());
    assert!(frr.floods_to().is_empty(), "ours is derived otherwise");
    let mut tables = tables(65001);
    let bridged = tables.get_mut(&BRIDGED).unwrap();
    bridged.export = [RouteTarget::derived_by_rfc_8365(65001, BRIDGED)].into();
    us.handle.set_evpn_instances(tables);
    eventually(vec![OUR_VTEP.to_owned()], || frr.floods_to());
    eventually(OUR_VTEP.to_owned(), || frr.mac_behind(host(1)));
    assert_eq!(us.flood(), [LEAF]);
}

#[test]
fn targets_as_rfc_8365_derives_them_with_frr_8() {
    require!(Need::Root, BGPD);
    targets_as_rfc_8365_derives_them(Generation::Bookworm);
}

#[test]
fn targets_as_rfc_8365_derives_them_with_frr_10() {
    require!(Need::Root, Need::Trixie);
    targets_as_rfc_8365_derives_them(Generation::Trixie);
}
