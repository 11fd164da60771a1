//! GoBGP, of both generations: every route type in both directions that it can say.

use bgp::evpn::Import;
use bgp::wire::evpn::{Mac, RouteTarget};
use interop::gobgp::Gobgp;
use interop::matrix::{Feature, Kind};
use interop::rootfs::Generation;
use interop::{Place, eventually};

use crate::lab::*;

pub(crate) fn config(asn: u32) -> String {
    format!(
        "[global.config]\nas = {asn}\nrouter-id = \"{LEAF}\"\n[[neighbors]]\n[neighbors.config]\nneighbor-address = \"{OURS}\"\n\
         peer-as = 65001\n[neighbors.timers.config]\nconnect-retry = 1\n\
         [[neighbors.afi-safis]]\n[neighbors.afi-safis.config]\nafi-safi-name = \"l2vpn-evpn\"\n"
    )
}

fn all_types_pass_both_ways(generation: Generation) {
    let lab = Lab::new();
    let place = Place::inside(&lab.leaf).with(generation);
    let gobgp = Gobgp::start(&place, &lab.path("gobgp"), &config(65002)).unwrap();
    let us = Us::start(&lab, 65001, LEAF, 65002);
    us.wait_established();
    // Ours: type 5 of both families, types 2 and 3.
    let table = || gobgp.run("global rib -a evpn").unwrap_or_default();
    for route in [
        "[type:Prefix][rd:192.0.2.1:77][etag:0][prefix:10.78.0.0/24]",
        "[type:Prefix][rd:192.0.2.1:77][etag:0][prefix:10.78.0.9/32]",
        "[type:Prefix][rd:192.0.2.1:77][etag:0][prefix:2001:db8:78::9/128]",
        "[type:macadv][rd:192.0.2.1:1001][etag:0][mac:02:00:00:00:42:01][ip:<nil>]",
        "[type:macadv][rd:192.0.2.1:1001][etag:0][mac:02:00:00:00:42:01][ip:10.101.0.1]",
        "[type:multicast][rd:192.0.2.1:1001][etag:0][ip:192.0.2.1]",
    ] {
        eventually(Ok(()), || {
            let table = table();
            if table.contains(route) {
                Ok(())
            } else {
                Err(table)
            }
        });
    }
    let text = table();
    assert!(
        text.contains("02:00:5e:00:00:01"),
        "the router's MAC address: {text}"
    );
    assert!(text.contains("[65001:77]"), "{text}");
    // Theirs, of every type.
    let add = |line: &str| {
        let line = format!("global rib add -a evpn {line} encap vxlan nexthop {LEAF}");
        gobgp.run(&line).unwrap()
    };
    let router_mac = "02:00:00:00:77:02";
    for prefix in [LEAF_V4, LEAF_V6] {
        let gateway = if prefix.contains(':') {
            "::"
        } else {
            "0.0.0.0"
        };
        add_prefix(&gobgp, prefix, gateway, router_mac);
    }
    add("macadv 02:00:00:00:42:02 10.101.0.2 etag 0 label 1001 rd 10.9.0.2:1001 rt 65002:1001");
    add("multicast 10.9.0.2 etag 0 rd 10.9.0.2:1001 rt 65002:1001");
    add("a-d esi single-homed etag 0 label 1001 rd 10.9.0.2:1001 rt 65002:1001");
    add("esi 10.9.0.2 esi ARBITRARY 11:22:33:44:55:66:77:88:99 rd 10.9.0.2:1 rt 65002:1001");
    let at_leaf = [LEAF_V4, LEAF_V6].map(|prefix| format!("{prefix} via {LEAF}"));
    eventually(at_leaf.to_vec(), || us.prefixes());
    let ways = us.whole().prefixes.into_values().flatten();
    for way in ways {
        assert_eq!(way.router_mac, Mac([2, 0, 0, 0, 0x77, 2]));
    }
    eventually(Some(vec!["10.101.0.2".to_owned()]), || {
        let host = us.remote_host(host(2))?;
        Some(host.addresses.iter().map(ToString::to_string).collect())
    });
    eventually(vec![LEAF.to_owned()], || us.flood());
    // Types 1 and 4 are kept and used by nobody here.
    eventually(6, || us.neighbor().prefixes_received);
    // Withdrawn by either.
    gobgp
        .run("global rib del -a evpn multicast 10.9.0.2 etag 0 rd 10.9.0.2:1001 rt 65002:1001")
        .unwrap();
    eventually(Vec::<String>::new(), || us.flood());
    us.handle.withdraw_evpn(ROUTED, [OUR_HOST.parse().unwrap()]);
    eventually(false, || table().contains("10.78.0.9/32"));
    assert!(table().contains("10.78.0.0/24"));
    assert_eq!(us.neighbor().flaps, 0);
}

fn add_prefix(gobgp: &Gobgp, prefix: &str, gateway: &str, router_mac: &str) {
    let line = format!(
        "global rib add -a evpn prefix {prefix} gw {gateway} etag 0 label 77 rd 10.9.0.2:77 rt 65002:77 encap vxlan router-mac {router_mac} \
         nexthop {LEAF}"
    );
    gobgp.run(&line).unwrap();
}

#[test]
fn all_types_pass_both_ways_with_gobgp_3_10() {
    prove(
        Kind::Gobgp310,
        [Feature::EvpnPrefixes, Feature::EvpnHosts],
        all_types_pass_both_ways,
    );
}

#[test]
fn all_types_pass_both_ways_with_gobgp_3_36() {
    prove(
        Kind::Gobgp336,
        [Feature::EvpnPrefixes, Feature::EvpnHosts],
        all_types_pass_both_ways,
    );
}

/// Fail static: a process ends without a word, the peer's graceful-restart helper keeps the tenants' routes, the next one
/// takes over; what it does not tell again goes with its End-of-RIB (RFC 4724 §4.2).
fn our_restart_loses_no_tenants_route_at_a_helper(generation: Generation) {
    let lab = Lab::new();
    let helper = "[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 60\n";
    let family = "[neighbors.afi-safis.mp-graceful-restart.config]\nenabled = true\n";
    let config = config(65002).replace(
        "[[neighbors.afi-safis]]",
        &format!("{helper}[[neighbors.afi-safis]]"),
    );
    let place = Place::inside(&lab.leaf).with(generation);
    let gobgp = Gobgp::start(&place, &lab.path("gobgp"), &format!("{config}{family}")).unwrap();
    let us = Us::start(&lab, 65001, LEAF, 65002);
    let table = || gobgp.run("global rib -a evpn").unwrap_or_default();
    let routes = || {
        table()
            .lines()
            .filter(|line| line.contains("[type:"))
            .count()
    };
    eventually(6, routes);
    drop(us);
    let state = || {
        gobgp
            .run(&format!("neighbor {OURS}"))
            .unwrap_or_default()
            .to_lowercase()
    };
    eventually(false, || state().contains("bgp state = established"));
    assert_eq!(routes(), 6, "they are kept: {}", table());
    let us = Us::start_with(&lab, 65001, LEAF, 65002, tables(65001), |_| {});
    us.wait_established();
    us.handle.withdraw_evpn(ROUTED, [OUR_HOST.parse().unwrap()]);
    eventually(5, routes);
    assert!(!table().contains("10.78.0.9/32"));
}

#[test]
fn our_restart_loses_no_tenants_route_at_gobgp_3_10() {
    let scene = our_restart_loses_no_tenants_route_at_a_helper;
    prove(Kind::Gobgp310, [Feature::EvpnRestart], scene);
}

#[test]
fn our_restart_loses_no_tenants_route_at_gobgp_3_36() {
    let scene = our_restart_loses_no_tenants_route_at_a_helper;
    prove(Kind::Gobgp336, [Feature::EvpnRestart], scene);
}

/// Targets by explicit lists, and ROUTE-REFRESH. GoBGP answers one, and has no command that asks.
fn targets_are_lists_and_everything_is_told_again(generation: Generation) {
    let lab = Lab::new();
    let place = Place::inside(&lab.leaf).with(generation);
    let gobgp = Gobgp::start(&place, &lab.path("gobgp"), &config(65002)).unwrap();
    let mut tables = tables(65001);
    let routed = tables.get_mut(&ROUTED).unwrap();
    routed.export = [3, 4].map(|number| RouteTarget::As(65009, number)).into();
    routed.import = [1, 2]
        .map(|number| Import::Target(RouteTarget::As(65009, number)))
        .into();
    let us = Us::start_with(&lab, 65001, LEAF, 65002, tables, |_| {});
    us.wait_established();
    for (prefix, target) in [
        (LEAF_V4, "65009:2"),
        ("10.77.1.0/24", "65002:77"),
        ("10.77.2.0/24", "65009:1 65002:77"),
    ] {
        let line = format!(
            "global rib add -a evpn prefix {prefix} gw 0.0.0.0 etag 0 label 77 rd 10.9.0.2:77 rt {target} encap vxlan \
             router-mac 02:00:00:00:77:02 nexthop {LEAF}"
        );
        gobgp.run(&line).unwrap();
    }
    eventually(3, || us.neighbor().prefixes_received);
    let theirs = [LEAF_V4, "10.77.2.0/24"].map(|prefix| format!("{prefix} via {LEAF}"));
    eventually(theirs.to_vec(), || us.prefixes());
    eventually(true, || {
        let table = gobgp.run("global rib -a evpn").unwrap_or_default();
        let of_prefix = table.lines().find(|line| line.contains("10.78.0.9/32"));
        of_prefix.is_some_and(|line| line.contains("65009:3") && line.contains("65009:4"))
    });
    us.refreshes();
    assert_eq!(us.prefixes(), theirs);
    assert_eq!(us.neighbor().flaps, 0);
}

#[test]
fn targets_are_lists_and_everything_is_told_again_with_gobgp_3_10() {
    let scene = targets_are_lists_and_everything_is_told_again;
    prove(
        Kind::Gobgp310,
        [Feature::EvpnTargets, Feature::EvpnRefresh],
        scene,
    );
}

#[test]
fn targets_are_lists_and_everything_is_told_again_with_gobgp_3_36() {
    let scene = targets_are_lists_and_everything_is_told_again;
    prove(
        Kind::Gobgp336,
        [Feature::EvpnTargets, Feature::EvpnRefresh],
        scene,
    );
}
