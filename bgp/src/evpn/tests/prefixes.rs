//! Type 5, both ways.

use super::*;

fn ways(vni: Vni, prefix: &str, vteps: &[u8]) -> EvpnEvent {
    let way = |last: &u8| Way {
        vtep: vtep(*last).into(),
        router_mac: mac(*last),
    };
    EvpnEvent::Prefix {
        vni,
        prefix: prefix.parse().unwrap(),
        ways: vteps.iter().map(way).collect(),
    }
}

#[test]
fn a_prefix_of_ours_is_told_with_the_way_to_it_and_withdrawn() {
    let mut evpn = with([(77, routed(77))]);
    evpn.set_prefixes(77, &["10.0.0.1/32", "2001:db8::1/128"]);
    assert_eq!(
        evpn.said(),
        [
            "192.0.2.5:77 [5]:[0]:[32]:[10.0.0.1] ET:8 RT:65001:77 Rmac:02:00:00:00:00:05",
            "192.0.2.5:77 [5]:[0]:[128]:[2001:db8::1] ET:8 RT:65001:77 Rmac:02:00:00:00:00:05",
        ]
    );
    evpn.set_prefixes(77, &["10.0.0.1/32"]);
    assert_eq!(evpn.said(), ["-192.0.2.5:77 [5]:[0]:[128]:[2001:db8::1]"]);
    evpn.set_prefixes(77, &["10.0.0.1/32"]);
    assert!(evpn.said().is_empty(), "nothing changed");
    evpn.instances_are([]);
    assert_eq!(evpn.said(), ["-192.0.2.5:77 [5]:[0]:[32]:[10.0.0.1]"]);
}

#[test]
fn equal_prefixes_of_two_tenants_are_two_routes() {
    let mut evpn = with([(77, routed(77)), (88, routed(88))]);
    for vni in [77, 88] {
        evpn.set_prefixes(vni, &["10.0.0.1/32"]);
    }
    let said = evpn.said();
    assert_eq!(said.len(), 2);
    assert!(said[0].starts_with("192.0.2.5:77 ") && said[1].starts_with("192.0.2.5:88 "));
    let said = Said::by(1, 88);
    evpn.hear(LEAF, &said, said.prefix("10.0.0.2/32", 88));
    assert_eq!(evpn.events(), [ways(88, "10.0.0.2/32", &[1])]);
}

#[test]
fn a_change_of_targets_or_distinguisher_is_told_at_once() {
    let mut evpn = with([(77, routed(77))]);
    evpn.set_prefixes(77, &["10.0.0.1/32"]);
    evpn.said();
    let mut other = routed(77);
    other.export = [target(1), target(2)].into();
    evpn.instances_are([(77, other.clone())]);
    let told =
        "192.0.2.5:77 [5]:[0]:[32]:[10.0.0.1] ET:8 RT:65001:1 RT:65001:2 Rmac:02:00:00:00:00:05";
    assert_eq!(evpn.said(), [told]);
    other.rd = "65001:9".parse().unwrap();
    evpn.instances_are([(77, other)]);
    let told = "65001:9 [5]:[0]:[32]:[10.0.0.1] ET:8 RT:65001:1 RT:65001:2 Rmac:02:00:00:00:00:05";
    assert_eq!(evpn.said(), ["-192.0.2.5:77 [5]:[0]:[32]:[10.0.0.1]", told]);
}

#[test]
fn what_the_originator_chose_goes_with_the_route() {
    let mut evpn = with([(77, routed(77))]);
    let chosen = RouteAttributes {
        med: Some(7),
        local_pref: Some(50),
        extended_communities: vec![ExtendedCommunity([0, 3, 0, 1, 0, 0, 0, 1])],
        ..RouteAttributes::default()
    };
    let prefix = "10.0.0.1/32".parse().unwrap();
    evpn.add_prefix(77, prefix, Arc::new(chosen));
    let (_, attributes) = evpn.take_offers().remove(0);
    let attributes = attributes.unwrap();
    assert_eq!((attributes.med, attributes.local_pref), (Some(7), Some(50)));
    assert_eq!(attributes.next_hop, Some(OURS));
    assert_eq!(attributes.extended_communities.len(), 4);
}

#[test]
fn ways_are_shared_among_vteps_and_reflectors_count_once() {
    let mut evpn = with([(77, routed(77))]);
    let (one, other) = (Said::by(1, 77), Said::by(2, 77));
    evpn.hear(LEAF, &one, one.prefix("10.1.0.0/24", 77));
    evpn.hear(OTHER_LEAF, &one, one.prefix("10.1.0.0/24", 77));
    assert_eq!(evpn.events(), [ways(77, "10.1.0.0/24", &[1])]);
    evpn.hear(LEAF, &other, other.prefix("10.1.0.0/24", 77));
    assert_eq!(evpn.events(), [ways(77, "10.1.0.0/24", &[1, 2])]);
    evpn.unhear(LEAF, one.prefix("10.1.0.0/24", 77));
    assert!(evpn.events().is_empty(), "the other reflector has it");
    evpn.unhear(OTHER_LEAF, one.prefix("10.1.0.0/24", 77));
    assert_eq!(evpn.events(), [ways(77, "10.1.0.0/24", &[2])]);
    evpn.unhear(LEAF, other.prefix("10.1.0.0/24", 77));
    assert_eq!(evpn.events(), [ways(77, "10.1.0.0/24", &[])]);
}

#[test]
fn the_preferred_way_is_taken_alone() {
    let mut evpn = with([(77, routed(77))]);
    let (one, mut other) = (Said::by(1, 77), Said::by(2, 77));
    other.local_pref = Some(200);
    evpn.hear(LEAF, &one, one.prefix("10.1.0.0/24", 77));
    evpn.hear(LEAF, &other, other.prefix("10.1.0.0/24", 77));
    let events = evpn.events();
    assert_eq!(events.last(), Some(&ways(77, "10.1.0.0/24", &[2])));
}

#[test]
fn a_host_that_others_bridge_and_route_is_reached_by_its_vtep() {
    let mut evpn = with([(77, routed(77))]);
    let (network, host) = (Said::by(1, 77), Said::by(2, 77));
    evpn.hear(LEAF, &network, network.prefix("10.0.0.9/32", 77));
    evpn.hear(LEAF, &host, host.host(9, Some("10.0.0.9"), &[1001, 77]));
    let events = evpn.events();
    assert_eq!(events.last(), Some(&ways(77, "10.0.0.9/32", &[2])));
}

#[test]
fn what_cannot_be_used_is_kept_out_and_says_why() {
    let mut evpn = with([(77, routed(77))]);
    let without = |unwanted: fn(&EvpnCommunity) -> bool| {
        let mut said = Said::by(1, 77);
        said.communities.retain(|community| !unwanted(community));
        said
    };
    let no_mac = without(|c| matches!(c, EvpnCommunity::RouterMac(_)));
    let mut mpls = without(|c| matches!(c, EvpnCommunity::Encapsulation(_)));
    mpls.communities.push(EvpnCommunity::Encapsulation(10));
    for (said, label, why) in [
        (Said::by(1, 78), 77, Unused::OtherTarget),
        (Said::by(5, 77), 77, Unused::Own),
        (Said::by(1, 77), 78, Unused::OtherVni(78)),
        (no_mac, 77, Unused::NoRouterMac),
        (mpls, 77, Unused::OtherTunnel),
    ] {
        evpn.hear(LEAF, &said, said.prefix("10.1.0.0/24", label));
        assert!(evpn.events().is_empty(), "{why}");
        let verdicts: Vec<_> = evpn.routes().flat_map(|(_, verdicts)| verdicts).collect();
        assert_eq!(verdicts, [(77, Err(why))]);
        evpn.unhear(LEAF, said.prefix("10.1.0.0/24", label));
    }
    let one = Said::by(1, 77);
    evpn.hear(LEAF, &one, one.host(9, Some("10.0.0.9"), &[1001]));
    assert!(evpn.events().is_empty());
    let why = evpn.routes().next().unwrap().1;
    assert_eq!(why, [(77, Err(Unused::BridgedOnly))]);
}

#[test]
fn imports_that_change_take_and_drop_what_is_known_already() {
    let mut evpn = with([(77, routed(77))]);
    let one = Said::by(1, 5);
    evpn.hear(LEAF, &one, one.prefix("10.1.0.0/24", 77));
    assert!(evpn.events().is_empty());
    let mut wider = routed(77);
    wider.import.insert(Import::Target(target(5)));
    evpn.instances_are([(77, wider)]);
    assert_eq!(evpn.events(), [ways(77, "10.1.0.0/24", &[1])]);
    evpn.instances_are([(77, routed(77))]);
    assert_eq!(evpn.events(), [ways(77, "10.1.0.0/24", &[])]);
}

#[test]
fn an_instance_that_comes_later_finds_what_was_taught_and_one_that_goes_takes_it_along() {
    let mut evpn = Evpn::default();
    let one = Said::by(1, 77);
    evpn.hear(LEAF, &one, one.prefix("10.1.0.0/24", 77));
    evpn.instances_are([(77, routed(77))]);
    assert_eq!(evpn.events(), [ways(77, "10.1.0.0/24", &[1])]);
    assert_eq!(evpn.told(77).count(), 1);
    evpn.instances_are([]);
    assert_eq!(evpn.events(), [ways(77, "10.1.0.0/24", &[])]);
}

#[test]
fn what_is_here_may_be_said_before_there_is_an_instance_and_outlives_it() {
    let mut evpn = Evpn::default();
    evpn.set_prefixes(77, &["10.0.0.1/32"]);
    assert!(evpn.said().is_empty(), "there is nothing to say it in");
    evpn.instances_are([(77, routed(77))]);
    let told = "192.0.2.5:77 [5]:[0]:[32]:[10.0.0.1] ET:8 RT:65001:77 Rmac:02:00:00:00:00:05";
    assert_eq!(evpn.said(), [told]);
    evpn.instances_are([]);
    assert_eq!(evpn.said(), ["-192.0.2.5:77 [5]:[0]:[32]:[10.0.0.1]"]);
    evpn.instances_are([(77, routed(77))]);
    assert_eq!(evpn.said(), [told]);
    evpn.instances_are([]);
    evpn.set_prefixes(77, &[]);
    assert!(evpn.here.is_empty(), "nothing is kept");
}

#[test]
fn one_change_among_many_says_one_thing_and_all_share_their_attributes() {
    let mut evpn = with([(77, routed(77))]);
    let prefix = |n: u16| IpNet::from(IpAddr::from([10, 0, (n >> 8) as u8, n as u8]));
    let told = RouteAttributes::none();
    for n in 0..10_000 {
        evpn.add_prefix(77, prefix(n), Arc::clone(&told));
    }
    let offers = evpn.take_offers();
    let shared = |offer: &Offer| offer.1.as_ref().map(Arc::as_ptr);
    assert_eq!(offers.len(), 10_000);
    assert!(
        offers
            .iter()
            .all(|offer| shared(offer) == shared(&offers[0]))
    );
    evpn.add_prefix(77, prefix(10_000), Arc::clone(&told));
    evpn.remove_prefix(77, prefix(5));
    evpn.add_prefix(77, prefix(6), told);
    assert_eq!(evpn.said().len(), 2, "one is there already");
}

#[test]
fn a_silent_speaker_says_nothing_and_listens() {
    let mut evpn = with([(77, routed(77)), (1001, bridged(1001))]);
    evpn.set_prefixes(77, &["10.0.0.1/32"]);
    evpn.said();
    evpn.set_silent(true);
    let gone = [
        "-192.0.2.5:77 [5]:[0]:[32]:[10.0.0.1]",
        "-192.0.2.5:1001 [3]:[0]:[32]:[192.0.2.5]",
    ];
    assert_eq!(evpn.said(), gone);
    evpn.set_prefixes(77, &["10.0.0.2/32"]);
    assert!(evpn.said().is_empty());
    let one = Said::by(1, 77);
    evpn.hear(LEAF, &one, one.prefix("10.1.0.0/24", 77));
    assert_eq!(evpn.events(), [ways(77, "10.1.0.0/24", &[1])]);
    evpn.set_silent(false);
    let said = evpn.said();
    assert!(
        said[0].contains("10.0.0.2") && said[1].contains("[3]"),
        "{said:?}"
    );
    assert_eq!(said.len(), 2);
}
