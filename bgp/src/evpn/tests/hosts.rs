//! Types 2 and 3: who has which MAC address, and who floods.

use std::time::Duration;

use super::*;

fn at(last: u8, vtep_last: u8, sequence: u32, addresses: &[&str]) -> EvpnEvent {
    let host = RemoteHost {
        vtep: vtep(vtep_last).into(),
        mobility: Mobility {
            sticky: false,
            sequence,
        },
        gateway: false,
        addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
    };
    EvpnEvent::Host {
        vni: 1001,
        mac: mac(last),
        host: Some(host),
    }
}

fn nowhere(last: u8) -> EvpnEvent {
    EvpnEvent::Host {
        vni: 1001,
        mac: mac(last),
        host: None,
    }
}

fn flood(vteps: &[u8]) -> EvpnEvent {
    EvpnEvent::Flood {
        vni: 1001,
        vteps: vteps.iter().map(|last| vtep(*last).into()).collect(),
    }
}

fn hosts(all: &[(u8, &[&str])]) -> BTreeMap<Mac, LocalHost> {
    let host = |(last, addresses): &(u8, &[&str])| {
        let host = LocalHost {
            addresses: addresses.iter().map(|ip| ip.parse().unwrap()).collect(),
            ..LocalHost::default()
        };
        (mac(*last), host)
    };
    all.iter().map(host).collect()
}

/// A default gateway at .1, of us or another.
fn gateway() -> LocalHost {
    LocalHost {
        addresses: ["10.0.0.1".parse().unwrap()].into(),
        gateway: true,
        ..LocalHost::default()
    }
}

const OWN_FLOOD: &str = "192.0.2.5:1001 [3]:[0]:[32]:[192.0.2.5] ET:8 RT:65001:1001";

#[test]
fn a_bridged_instance_floods_and_says_what_it_has() {
    let mut evpn = with([(1001, bridged(1001))]);
    let offers = evpn.take_offers();
    let (_, attributes) = &offers[0];
    let tunnel = attributes
        .as_ref()
        .unwrap()
        .path_attributes()
        .unknown
        .remove(0);
    assert_eq!((tunnel.flags, tunnel.code), (0xc0, 22));
    // No flags, ingress replication, VNI 1001, 192.0.2.5 (RFC 6514 §5, RFC 7432 §11.1).
    assert_eq!(tunnel.value[..], [0, 6, 0, 0x03, 0xe9, 192, 0, 2, 5]);
    evpn.set_hosts(
        1001,
        hosts(&[(1, &["10.0.0.1", "2001:db8::1"])]),
        Instant::now(),
    );
    assert_eq!(
        evpn.said(),
        [
            "192.0.2.5:1001 [2]:[0]:[48]:[02:00:00:00:00:01] ET:8 RT:65001:1001",
            "192.0.2.5:1001 [2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[10.0.0.1] ET:8 RT:65001:1001",
            "192.0.2.5:1001 [2]:[0]:[48]:[02:00:00:00:00:01]:[128]:[2001:db8::1] ET:8 RT:65001:1001",
        ]
    );
}

#[test]
fn hosts_of_others_come_with_their_addresses_and_go() {
    let mut evpn = with([(1001, bridged(1001))]);
    assert_eq!(evpn.said(), [OWN_FLOOD]);
    let one = Said::by(1, 1001);
    evpn.hear(LEAF, &one, one.host(9, None, &[1001]));
    evpn.hear(LEAF, &one, one.host(9, Some("10.0.0.9"), &[1001]));
    assert_eq!(
        evpn.events(),
        [at(9, 1, 0, &[]), at(9, 1, 0, &["10.0.0.9"])]
    );
    evpn.unhear(LEAF, one.host(9, None, &[1001]));
    assert!(evpn.events().is_empty());
    evpn.unhear(LEAF, one.host(9, Some("10.0.0.9"), &[1001]));
    assert_eq!(evpn.events(), [nowhere(9)]);
}

#[test]
fn who_floods_is_told_as_a_whole() {
    let mut evpn = with([(1001, bridged(1001))]);
    let (one, other) = (Said::by(1, 1001), Said::by(2, 1001));
    evpn.hear(LEAF, &one, one.flood());
    evpn.hear(LEAF, &other, other.flood());
    evpn.unhear(LEAF, one.flood());
    evpn.unhear(LEAF, other.flood());
    assert_eq!(
        evpn.events(),
        [flood(&[1]), flood(&[1, 2]), flood(&[2]), flood(&[])]
    );
}

#[test]
fn a_host_that_moves_between_others_is_where_the_higher_sequence_says() {
    let mut evpn = with([(1001, bridged(1001))]);
    let (one, other) = (Said::by(1, 1001), Said::by(2, 1001).moved(1));
    evpn.hear(LEAF, &one, one.host(9, None, &[1001]));
    evpn.hear(LEAF, &other, other.host(9, None, &[1001]));
    assert_eq!(evpn.events(), [at(9, 1, 0, &[]), at(9, 2, 1, &[])]);
    let back = Said::by(1, 1001).moved(2);
    evpn.hear(LEAF, &back, back.host(9, None, &[1001]));
    assert_eq!(evpn.events(), [at(9, 1, 2, &[])]);
}

#[test]
fn a_default_gateway_is_told_as_one() {
    let mut evpn = with([(1001, bridged(1001))]);
    evpn.said();
    evpn.add_host(1001, mac(9), gateway(), Instant::now());
    let told = "192.0.2.5:1001 [2]:[0]:[48]:[02:00:00:00:00:09]";
    assert_eq!(
        evpn.said(),
        [
            format!("{told} ET:8 RT:65001:1001 Default Gateway"),
            format!("{told}:[32]:[10.0.0.1] ET:8 RT:65001:1001 Default Gateway"),
        ]
    );
    // It is a host like others from now on.
    let host = LocalHost {
        gateway: false,
        ..gateway()
    };
    evpn.add_host(1001, mac(9), host, Instant::now());
    let said = evpn.said();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(
        said.iter().all(|told| !told.contains("Gateway")),
        "{said:?}"
    );
}

#[test]
fn a_gateway_that_another_node_has_as_well_does_not_move() {
    let mut evpn = with([(1001, bridged(1001))]);
    let start = Instant::now();
    evpn.add_host(1001, mac(9), gateway(), start);
    evpn.said();
    // A lower VTEP, and even a higher sequence.
    let there = Said::by(1, 1001).moved(7).marked_gateway();
    evpn.hear(LEAF, &there, there.host(9, None, &[1001]));
    assert!(evpn.said().is_empty(), "it stays told");
    assert!(evpn.events().is_empty(), "and is here");
    evpn.remove_host(1001, mac(9), start);
    evpn.said();
    evpn.events();
    evpn.add_host(1001, mac(9), gateway(), start);
    assert!(evpn.said().iter().all(|told| !told.contains("MM:")));
    assert_eq!(evpn.duplicates(1001, start).count(), 0);
    // Who has it and is none is believed by the usual rule.
    let host = Said::by(1, 1001).moved(7);
    evpn.hear(LEAF, &host, host.host(9, None, &[1001]));
    assert_eq!(evpn.said().len(), 2, "both are withdrawn");
}

/// Live migration, here and away again: the sequence counts up, and never do both say it for long (RFC 7432 §7.7).
#[test]
fn a_host_that_comes_here_is_told_with_the_next_sequence_and_one_that_leaves_is_silent() {
    let mut evpn = with([(1001, bridged(1001))]);
    evpn.said();
    let there = Said::by(1, 1001).moved(3);
    evpn.hear(LEAF, &there, there.host(9, None, &[1001]));
    evpn.events();
    evpn.set_hosts(1001, hosts(&[(9, &[])]), Instant::now());
    let ours = "192.0.2.5:1001 [2]:[0]:[48]:[02:00:00:00:00:09]";
    assert_eq!(evpn.said(), [format!("{ours} ET:8 RT:65001:1001 MM:4")]);
    assert_eq!(
        evpn.events(),
        [nowhere(9)],
        "the device must not send it there any more"
    );
    // It goes on before the database says so here.
    let away = Said::by(2, 1001).moved(5);
    evpn.hear(LEAF, &away, away.host(9, None, &[1001]));
    assert_eq!(evpn.said(), [format!("-{ours}")]);
    assert_eq!(evpn.events(), [at(9, 2, 5, &[])]);
    evpn.set_hosts(1001, BTreeMap::new(), Instant::now());
    assert!(evpn.said().is_empty() && evpn.events().is_empty());
}

/// OVN tells both nodes of a migration at once: the withdrawal may be here before the host is.
#[test]
fn a_host_that_was_withdrawn_just_before_it_came_is_told_with_the_next_sequence() {
    let mut evpn = with([(1001, bridged(1001))]);
    evpn.said();
    let there = Said::by(1, 1001);
    for ip in [None, Some("10.0.0.9")] {
        evpn.hear(LEAF, &there, there.host(9, ip, &[1001]));
    }
    evpn.unhear(LEAF, there.host(9, None, &[1001]));
    let kept = there.host(9, Some("10.0.0.9"), &[1001]);
    evpn.unhear(LEAF, kept);
    evpn.set_hosts(1001, hosts(&[(9, &[])]), Instant::now());
    let ours = "192.0.2.5:1001 [2]:[0]:[48]:[02:00:00:00:00:09]";
    assert_eq!(evpn.said(), [format!("{ours} ET:8 RT:65001:1001 MM:1")]);
    // And back, withdrawn here first.
    evpn.set_hosts(1001, BTreeMap::new(), Instant::now());
    evpn.said();
    evpn.set_hosts(1001, hosts(&[(9, &[])]), Instant::now());
    assert_eq!(evpn.said(), [format!("{ours} ET:8 RT:65001:1001 MM:1")]);
}

#[test]
fn a_host_that_stays_keeps_its_sequence_whatever_addresses_it_gets() {
    let mut evpn = with([(1001, bridged(1001))]);
    let there = Said::by(1, 1001);
    evpn.hear(LEAF, &there, there.host(9, None, &[1001]));
    let now = Instant::now();
    evpn.set_hosts(1001, hosts(&[(9, &[])]), now);
    evpn.unhear(LEAF, there.host(9, None, &[1001]));
    evpn.said();
    evpn.set_hosts(1001, hosts(&[(9, &["10.0.0.9"])]), now);
    let told =
        "192.0.2.5:1001 [2]:[0]:[48]:[02:00:00:00:00:09]:[32]:[10.0.0.9] ET:8 RT:65001:1001 MM:1";
    assert_eq!(evpn.said(), [told]);
}

#[test]
fn an_address_on_two_nodes_is_reported_and_stops_moving() {
    let mut evpn = with([(1001, bridged(1001))]);
    let start = Instant::now();
    let mut sequence = 0;
    let mut reported = Vec::new();
    for round in 0..8 {
        let there = Said::by(1, 1001).moved(sequence);
        evpn.hear(LEAF, &there, there.host(9, None, &[1001]));
        evpn.set_hosts(1001, BTreeMap::new(), start);
        let now = start + Duration::from_secs(round);
        evpn.set_hosts(1001, hosts(&[(9, &[])]), now);
        let duplicate = |e: &EvpnEvent| matches!(e, EvpnEvent::DuplicateMac { .. });
        reported.push(evpn.events().iter().any(duplicate));
        sequence += 2;
    }
    assert_eq!(
        reported,
        [false, false, false, false, true, true, true, true]
    );
}

#[test]
fn a_host_that_was_here_before_its_instance_is_newer_than_who_claimed_it_meanwhile() {
    let mut evpn = Evpn::default();
    evpn.set_hosts(1001, hosts(&[(9, &[])]), Instant::now());
    let there = Said::by(1, 1001).moved(3);
    evpn.hear(LEAF, &there, there.host(9, None, &[1001]));
    evpn.instances_are([(1001, bridged(1001))]);
    let ours = "192.0.2.5:1001 [2]:[0]:[48]:[02:00:00:00:00:09] ET:8 RT:65001:1001 MM:4";
    assert!(evpn.said().contains(&ours.to_owned()));
    assert!(evpn.events().is_empty(), "it is here");
}

#[test]
fn moves_are_counted_and_duplicates_known_for_three_minutes() {
    let mut evpn = with([(1001, bridged(1001))]);
    let start = Instant::now();
    for round in 0..5 {
        let there = Said::by(1, 1001).moved(2 * round);
        evpn.hear(LEAF, &there, there.host(9, None, &[1001]));
        evpn.set_hosts(1001, BTreeMap::new(), start);
        evpn.set_hosts(1001, hosts(&[(9, &[])]), start);
    }
    // Four times here, and between these and after them four times back: the fifth time it is no more believed.
    assert_eq!(evpn.moves(1001), 8);
    assert_eq!(evpn.duplicates(1001, start).collect::<Vec<_>>(), [mac(9)]);
    let later = start + Duration::from_secs(180);
    assert_eq!(evpn.duplicates(1001, later).count(), 0);
}

/// However many come and go, only those that moved lately are remembered.
#[test]
fn hosts_that_left_are_forgotten() {
    let mut evpn = with([(1001, bridged(1001))]);
    let mut now = Instant::now();
    for round in 0..10_000_u16 {
        let [high, low] = round.to_be_bytes();
        let mac = Mac([2, 0, 0, 0, high, low]);
        let there = Said::by(1, 1001);
        let mut route = there.host(0, None, &[1001]);
        if let EvpnRoute::MacIp(route) = &mut route {
            route.mac = mac;
        }
        evpn.hear(LEAF, &there, route);
        evpn.add_host(1001, mac, LocalHost::default(), now);
        evpn.unhear(LEAF, route);
        evpn.remove_host(1001, mac, now);
        now += Duration::from_secs(1);
    }
    let left = evpn.instances[&1001].left_len();
    assert!((180..=360).contains(&left), "{left}");
}
