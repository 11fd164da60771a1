//! Tenants' tables between two speakers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bgp::evpn::{EvpnEvent, Import, Instance, Kind, LocalHost, RemoteHost, Way};
use bgp::wire::evpn::{Mac, Mobility, RouteDistinguisher, RouteTarget};
use bgp::wire::{Asn, Family};
use ipnet::IpNet;

use bgp::{
    AllowAsIn, Change, Event, Filter, Filters, LocalAs, MaxPrefixes, PeerConfig, Policy,
    PrefixList, Route, Set, Term,
};

use crate::pair::{A, B, Pair, Setup, Side, host, net};

const EVPN: Family = Family::L2VPN_EVPN;
const ROUTED: u32 = 77;
const BRIDGED: u32 = 1001;

fn speaks_evpn(_: Side, config: &mut PeerConfig) {
    config.families.push(EVPN);
}

fn with_evpn() -> Setup {
    Setup {
        configure: speaks_evpn,
        ..Setup::default()
    }
}

fn vtep(side: Side) -> Ipv4Addr {
    [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)][side]
}

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

fn router_mac(side: Side) -> Mac {
    mac([0xa, 0xb][side])
}

fn instance(side: Side, vni: u32, kind: Kind) -> Instance {
    Instance {
        rd: RouteDistinguisher::of_address(vtep(side), u16::try_from(vni).unwrap()),
        vtep: vtep(side).into(),
        // Each side in its own AS derives another target: the import takes them by their VNI.
        export: [RouteTarget::derived([65001, 65002][side], vni)].into(),
        import: [Import::Derived(vni)].into(),
        kind,
    }
}

fn instances(side: Side) -> BTreeMap<u32, Instance> {
    let router_mac = router_mac(side);
    [
        (ROUTED, instance(side, ROUTED, Kind::Routed { router_mac })),
        (BRIDGED, instance(side, BRIDGED, Kind::Bridged)),
    ]
    .into()
}

impl Pair {
    fn tenants(&mut self, side: Side) {
        self.speakers[side].set_evpn_instances(instances(side), self.now);
        self.drain(side);
    }

    /// These are the prefixes that the side has, and no others.
    fn prefixes(&mut self, side: Side, prefixes: &[&str]) {
        let wanted: Vec<IpNet> = prefixes.iter().map(|prefix| net(prefix)).collect();
        let speaker = &mut self.speakers[side];
        let told = speaker.evpn().originated(ROUTED);
        let gone = told.filter_map(|(route, _)| route.about());
        let gone: Vec<_> = gone.filter(|prefix| !wanted.contains(prefix)).collect();
        speaker.withdraw_evpn(ROUTED, gone, self.now);
        speaker.originate_evpn(ROUTED, wanted.into_iter().map(Route::new), self.now);
        self.drain(side);
    }

    /// These are the hosts that the side has, and no others.
    fn hosts(&mut self, side: Side, hosts: &[u8]) {
        let speaker = &mut self.speakers[side];
        let known = speaker.evpn().hosts(BRIDGED).map(|(mac, ..)| mac);
        let gone: Vec<_> = known.filter(|mac| !hosts.contains(&mac.0[5])).collect();
        speaker.withdraw_evpn_hosts(BRIDGED, gone, self.now);
        let host = |last: &u8| (mac(*last), LocalHost::default());
        speaker.originate_evpn_hosts(BRIDGED, hosts.iter().map(host), self.now);
        self.drain(side);
    }

    /// What the side knows of a table of others.
    fn told(&self, side: Side, vni: u32) -> Vec<EvpnEvent> {
        self.speakers[side].evpn().told(vni).cloned().collect()
    }

    /// Whether the side was ever told that a prefix has no way any more.
    fn lost_a_prefix(&self, side: Side) -> bool {
        let lost = |event: &Event| matches!(event, Event::Evpn(EvpnEvent::Prefix { ways, .. }) if ways.is_empty());
        self.events[side].iter().any(|(_, event)| lost(event))
    }
}

fn way_to(side: Side, prefix: &str) -> EvpnEvent {
    let way = Way {
        vtep: vtep(side).into(),
        router_mac: router_mac(side),
    };
    EvpnEvent::Prefix {
        vni: ROUTED,
        prefix: net(prefix),
        ways: vec![way],
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn established() -> Pair {
    let mut pair = Pair::established(with_evpn());
    pair.tenants(A);
    pair.tenants(B);
    pair.run(seconds(1));
    pair
}

#[test]
fn prefixes_of_a_tenant_pass_both_ways_beside_unicast() {
    let mut pair = established();
    pair.prefixes(A, &["10.0.0.1/32", "2001:db8::1/128"]);
    pair.prefixes(B, &["10.0.0.2/32"]);
    pair.originate(A, [host(1)]);
    pair.run(seconds(1));
    let at_b = [way_to(A, "10.0.0.1/32"), way_to(A, "2001:db8::1/128")];
    assert_eq!(pair.told(B, ROUTED), at_b);
    assert_eq!(pair.told(A, ROUTED), [way_to(B, "10.0.0.2/32")]);
    assert_eq!(pair.learned(B), [host(1)]);
    pair.prefixes(A, &["10.0.0.1/32"]);
    pair.run(seconds(1));
    assert_eq!(pair.told(B, ROUTED), [way_to(A, "10.0.0.1/32")]);
}

#[test]
fn what_was_there_before_the_session_is_told_with_it_and_forgotten_with_the_peer() {
    let mut pair = Pair::new(with_evpn());
    pair.tenants(A);
    pair.prefixes(A, &["10.0.0.1/32"]);
    pair.tenants(B);
    pair.run(seconds(5));
    assert_eq!(pair.told(B, ROUTED), [way_to(A, "10.0.0.1/32")]);
    let (status, sent) = (pair.status(B), pair.status(A).sent);
    // The prefix, and who floods in the bridged table.
    assert_eq!((status.received, sent), (2, 2));
    let now = pair.now;
    pair.speakers[B].remove_peer(pair.peers[B], now);
    pair.drain(B);
    assert!(pair.told(B, ROUTED).is_empty());
}

#[test]
fn without_the_family_in_common_unicast_goes_on_alone() {
    let mut pair = Pair::established(Setup {
        configure: |side, config| {
            if side == A {
                speaks_evpn(side, config);
            }
        },
        ..Setup::default()
    });
    pair.tenants(A);
    pair.prefixes(A, &["10.0.0.1/32"]);
    pair.originate(A, [host(1)]);
    pair.run(seconds(1));
    assert_eq!(pair.learned(B), [host(1)]);
    assert_eq!(pair.status(B).received, 1);
    let withheld = pair.status(A).withheld;
    assert!(
        withheld.iter().any(|(family, _)| *family == EVPN),
        "{withheld:?}"
    );
}

#[test]
fn hosts_and_who_floods_are_told_and_a_host_moves() {
    let mut pair = established();
    let flood = |side: Side| EvpnEvent::Flood {
        vni: BRIDGED,
        vteps: [vtep(side).into()].into(),
    };
    assert_eq!(pair.told(B, BRIDGED), [flood(A)]);
    pair.hosts(A, &[9]);
    pair.run(seconds(1));
    let at = |side: Side, sequence| {
        let mobility = Mobility {
            sticky: false,
            sequence,
        };
        EvpnEvent::Host {
            vni: BRIDGED,
            mac: mac(9),
            host: Some(RemoteHost {
                vtep: vtep(side).into(),
                mobility,
                gateway: false,
                addresses: [].into(),
            }),
        }
    };
    assert_eq!(pair.told(B, BRIDGED), [at(A, 0), flood(A)]);
    // It is at both for a moment, as in a live migration: the newer word counts.
    pair.hosts(B, &[9]);
    pair.run(seconds(1));
    assert_eq!(pair.told(A, BRIDGED), [at(B, 1), flood(B)]);
    assert_eq!(pair.told(B, BRIDGED), [flood(A)], "it is here");
    pair.hosts(A, &[]);
    pair.run(seconds(1));
    assert_eq!(pair.told(A, BRIDGED), [at(B, 1), flood(B)]);
    pair.hosts(A, &[9]);
    pair.run(seconds(1));
    assert_eq!(pair.told(B, BRIDGED), [at(A, 2), flood(A)]);
}

#[test]
fn a_restart_of_either_side_loses_no_prefix() {
    let mut pair = established();
    pair.prefixes(A, &["10.0.0.1/32"]);
    pair.run(seconds(1));
    let mut config = pair.peer_config(A);
    speaks_evpn(A, &mut config);
    pair.replace(A, 65001, config);
    pair.tenants(A);
    pair.prefixes(A, &["10.0.0.1/32"]);
    pair.run(seconds(10));
    assert_eq!(pair.told(B, ROUTED), [way_to(A, "10.0.0.1/32")]);
    pair.cut();
    pair.run(seconds(10));
    assert_eq!(pair.told(B, ROUTED), [way_to(A, "10.0.0.1/32")]);
    assert!(!pair.lost_a_prefix(B));
}

#[test]
fn what_a_restarted_peer_does_not_tell_again_is_forgotten() {
    let mut pair = established();
    pair.prefixes(A, &["10.0.0.1/32", "10.0.0.2/32"]);
    pair.run(seconds(1));
    let mut config = pair.peer_config(A);
    speaks_evpn(A, &mut config);
    pair.replace(A, 65001, config);
    pair.tenants(A);
    pair.prefixes(A, &["10.0.0.2/32"]);
    pair.run(seconds(10));
    assert_eq!(pair.told(B, ROUTED), [way_to(A, "10.0.0.2/32")]);
}

#[test]
fn a_refresh_brings_everything_again() {
    let mut pair = established();
    pair.prefixes(A, &["10.0.0.1/32"]);
    pair.run(seconds(1));
    let before = pair.updates_sent(A);
    let (peer, now) = (pair.peers[B], pair.now);
    pair.speakers[B].refresh(peer, now);
    pair.drain(B);
    pair.run(seconds(1));
    assert!(pair.updates_sent(A) > before);
    assert_eq!(pair.told(B, ROUTED), [way_to(A, "10.0.0.1/32")]);
    assert!(!pair.lost_a_prefix(B));
}

#[test]
fn draining_asks_for_other_ways_and_then_takes_ours_away() {
    let mut pair = established();
    pair.prefixes(A, &["10.0.0.1/32"]);
    pair.run(seconds(1));
    let now = pair.now;
    pair.speakers[A].drain(now);
    pair.drain(A);
    pair.run(seconds(1));
    let path = pair.speakers[B].evpn().routes().next().unwrap().0.clone();
    assert_eq!(path.learned.local_pref(), 0, "RFC 8326 §4.2");
}

/// Sites that share an AS number behind a fabric of another see it in each other's paths (RFC 4271 §9.1.2).
#[test]
fn our_own_as_in_the_path_is_a_loop_unless_it_is_allowed() {
    let mut pair = Pair::established(Setup {
        asns: [65001, 65001],
        configure: |side, config| {
            speaks_evpn(side, config);
            let asn = Asn(65009);
            config.local_as = (side == A).then_some(LocalAs {
                asn,
                prepend_received: false,
                replace: false,
            });
        },
        ..Setup::default()
    });
    pair.tenants(A);
    pair.tenants(B);
    pair.prefixes(A, &["10.0.0.1/32"]);
    pair.run(seconds(1));
    assert!(pair.told(B, ROUTED).is_empty());
    let taught = pair.speakers[B].evpn_taught(pair.peers[B]);
    assert!(taught.count() > 0, "it is kept, for when it is allowed");
    let mut config = pair.peer_config(B);
    speaks_evpn(B, &mut config);
    config.allowas_in = AllowAsIn::Times(1);
    let (peer, now) = (pair.peers[B], pair.now);
    assert_eq!(
        pair.speakers[B].reconfigure(peer, config, now),
        Change::Refreshed
    );
    pair.drain(B);
    assert_eq!(pair.told(B, ROUTED), [way_to(A, "10.0.0.1/32")]);
}

/// The pair with these filters for EVPN at A.
fn filtered(configure: impl Fn(&mut PeerConfig)) -> Pair {
    let mut pair = established();
    let mut config = pair.peer_config(A);
    speaks_evpn(A, &mut config);
    configure(&mut config);
    let (peer, now) = (pair.peers[A], pair.now);
    pair.speakers[A].reconfigure(peer, config, now);
    pair.drain(A);
    pair.prefixes(A, &["10.0.0.1/32", "10.1.0.0/24"]);
    pair.prefixes(B, &["10.0.0.2/32", "10.2.0.0/24"]);
    pair.run(seconds(1));
    pair
}

/// What unicast is kept to by default, hosts out and defaults in, is not meant for tenants.
#[test]
fn filters_of_unicast_do_not_keep_tenants_back() {
    let pair = filtered(|config| {
        config.export = Filters::host_prefixes();
        config.import = Filters::default_routes();
    });
    let at_b = [way_to(A, "10.0.0.1/32"), way_to(A, "10.1.0.0/24")];
    assert_eq!(pair.told(B, ROUTED), at_b);
    let at_a = [way_to(B, "10.0.0.2/32"), way_to(B, "10.2.0.0/24")];
    assert_eq!(pair.told(A, ROUTED), at_a);
}

#[test]
fn filters_of_evpn_judge_the_prefixes_of_tenants() {
    let hosts = || Filter::prefixes(PrefixList::host_prefixes());
    let pair = filtered(|config| {
        config.export.evpn = hosts();
        config.import.evpn = hosts();
    });
    assert_eq!(pair.told(B, ROUTED), [way_to(A, "10.0.0.1/32")]);
    assert_eq!(pair.told(A, ROUTED), [way_to(B, "10.0.0.2/32")]);
    // Who floods is about no prefix.
    assert_eq!(
        (pair.told(A, BRIDGED).len(), pair.told(B, BRIDGED).len()),
        (1, 1)
    );
    let taught = pair.speakers[A].evpn_taught(pair.peers[A]);
    assert_eq!(taught.filter(|(_, used)| !used).count(), 1);
}

#[test]
fn a_list_that_permits_nothing_keeps_all_of_evpn_back_and_only_that() {
    let nothing = || Filter::prefixes(PrefixList::default());
    let mut pair = filtered(|config| {
        config.export.evpn = nothing();
        config.import.evpn = nothing();
    });
    for side in [A, B] {
        assert!(pair.told(side, ROUTED).is_empty() && pair.told(side, BRIDGED).is_empty());
    }
    pair.originate(A, [host(1)]);
    pair.run(seconds(1));
    assert_eq!(pair.learned(B), [host(1)]);
}

/// A term that takes communities away or sets a next hop means those of unicast: without its targets and its VTEP a
/// tenant's route would be of no use to anybody.
#[test]
fn policies_leave_tenants_routes_their_targets_and_their_vtep() {
    let pair = filtered(|config| {
        let sets = vec![
            Set::NoCommunities,
            Set::NextHop([198, 51, 100, 1].into()),
            Set::Med(7),
        ];
        let term = Term {
            permit: true,
            matches: Vec::new(),
            sets,
        };
        let policy = Policy {
            name: "strip".into(),
            terms: vec![term],
        };
        let filter = Filter {
            prefixes: None,
            policy: Some(Arc::new(policy)),
        };
        config.export.evpn = filter.clone();
        config.import.evpn = filter;
    });
    let at_b = [way_to(A, "10.0.0.1/32"), way_to(A, "10.1.0.0/24")];
    assert_eq!(pair.told(B, ROUTED), at_b);
    let at_a = [way_to(B, "10.0.0.2/32"), way_to(B, "10.2.0.0/24")];
    assert_eq!(pair.told(A, ROUTED), at_a);
    let meds = pair.speakers[B].evpn().routes();
    let meds: Vec<_> = meds.map(|(path, _)| path.learned.attributes.med).collect();
    assert_eq!(meds, [Some(7); 3]);
}

#[test]
fn what_exceeds_a_limit_that_only_warns_is_not_taken() {
    let mut pair = established();
    let mut config = pair.peer_config(B);
    speaks_evpn(B, &mut config);
    config.max_prefixes = MaxPrefixes {
        limit: 3,
        warn_only: true,
        ..MaxPrefixes::default()
    };
    let (peer, now) = (pair.peers[B], pair.now);
    pair.speakers[B].reconfigure(peer, config, now);
    pair.drain(B);
    let all: Vec<_> = (1..9).map(|n| format!("10.0.0.{n}/32")).collect();
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    pair.prefixes(A, &all);
    pair.run(seconds(1));
    assert_eq!(pair.status(B).received, 3);
    let refused = |event: &Event| matches!(event, Event::PrefixLimit { refused: true, .. });
    assert!(pair.events[B].iter().any(|(_, event)| refused(event)));
}
