mod histories;

use super::*;

const LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x200, 0x3e9, 0, 0);
const HOST: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x20);
const MAC: [u8; 6] = [2, 0, 3, 0xe9, 0, 0];
const READY: Link = Link::Ready {
    index: 7,
    local: LOCAL,
    link_address: Some(MAC),
};
/// A Router Solicitation without options (RFC 4861 §4.1).
const SOLICITATION: [u8; 8] = [133, 0, 0, 0, 0, 0, 0, 0];

/// A device on virtual time.
struct Segment {
    advertiser: Advertiser,
    start: Instant,
    now: Instant,
    ceased: bool,
}

/// Seconds since the start, and what was sent then.
type Sent = Vec<(f64, RouterAdvertisement)>;

impl Segment {
    fn new(advertisement: Advertisement) -> Self {
        let start = Instant::now();
        Self {
            advertiser: Advertiser::new(advertisement, 4),
            start,
            now: start,
            ceased: false,
        }
    }

    fn ready(advertisement: Advertisement) -> Self {
        let mut segment = Self::new(advertisement);
        segment.advertiser.set_link(READY, Some(1500), segment.now);
        segment
    }

    fn solicit(&mut self) {
        self.arrive(HOST, 255, &SOLICITATION).unwrap();
    }

    fn arrive(&mut self, source: Ipv6Addr, hop_limit: u8, octets: &[u8]) -> Result<(), Invalid> {
        let arrival = Arrival {
            source,
            hop_limit,
            octets,
        };
        self.advertiser.handle_arrival(&arrival, self.now)
    }

    /// What is sent in that time.
    fn pass(&mut self, time: Duration) -> Sent {
        let end = self.now + time;
        let mut sent = Vec::new();
        loop {
            match self.advertiser.poll_output() {
                Output::Send { to, octets } => {
                    assert_eq!(to, ALL_NODES);
                    let at = (self.now - self.start).as_secs_f64();
                    sent.push((at, read(&octets)));
                }
                Output::Inconsistent { .. } => {}
                Output::Ceased => self.ceased = true,
                Output::Timeout(Some(at)) if at <= end => {
                    self.now = self.now.max(at);
                    self.advertiser.handle_timeout(self.now);
                }
                Output::Timeout(_) => {
                    self.now = end;
                    return sent;
                }
            }
        }
    }

    fn seconds(&mut self, seconds: u64) -> Sent {
        self.pass(Duration::from_secs(seconds))
    }
}

fn read(octets: &[u8]) -> RouterAdvertisement {
    assert!(octets.len() <= 1240, "with its header it fits any link");
    let arrival = Arrival {
        source: LOCAL,
        hop_limit: 255,
        octets,
    };
    match Packet::decode(&arrival) {
        Ok(Packet::Advertisement(advertisement)) => advertisement,
        other => panic!("{other:?}"),
    }
}

fn said(prefixes: &[(&str, Assignment)], servers: &[&str]) -> Advertisement {
    Advertisement {
        source: Some(LOCAL),
        prefixes: prefixes
            .iter()
            .map(|(prefix, assignment)| (prefix.parse().unwrap(), *assignment))
            .collect(),
        dns_servers: servers
            .iter()
            .map(|server| server.parse().unwrap())
            .collect(),
    }
}

fn network() -> Advertisement {
    said(&[("2001:db8:5::/64", Assignment::Dhcp)], &["2001:db8::53"])
}

fn times(sent: &Sent) -> Vec<f64> {
    sent.iter().map(|(at, _)| *at).collect()
}

/// Prefix, on-link, autonomous, valid and preferred lifetime.
fn prefixes(advertisement: &RouterAdvertisement) -> Vec<(String, bool, bool, u32, u32)> {
    let tuple = |p: &PrefixInformation| {
        let lifetimes = (p.valid_lifetime, p.preferred_lifetime);
        (
            p.prefix.to_string(),
            p.on_link,
            p.autonomous,
            lifetimes.0,
            lifetimes.1,
        )
    };
    advertisement.prefixes.iter().map(tuple).collect()
}

#[test]
fn b120_hosts_are_told_to_use_dhcp_which_prefix_is_theirs_and_whom_to_ask() {
    let sent = Segment::ready(network()).seconds(1);
    let expected = RouterAdvertisement {
        hop_limit: 64,
        flags: 0x80,
        router_lifetime: 1800,
        link_address: Some(MAC),
        prefixes: vec![PrefixInformation {
            prefix: "2001:db8:5::/64".parse().unwrap(),
            on_link: true,
            autonomous: false,
            valid_lifetime: 2_592_000,
            preferred_lifetime: 604_800,
        }],
        dns: vec![RecursiveServers {
            lifetime: 1800,
            addresses: vec!["2001:db8::53".parse().unwrap()],
        }],
        ..RouterAdvertisement::default()
    };
    assert_eq!(sent, [(0.0, expected)]);
}

#[test]
fn b120_a_stateless_prefix_is_autonomous() {
    let stateless = said(&[("2001:db8:5::/64", Assignment::Autonomous)], &[]);
    let sent = Segment::ready(stateless).seconds(1);
    let (_, first) = &sent[0];
    assert!(first.prefixes[0].autonomous && first.prefixes[0].on_link);
    assert_eq!(first.flags, 0x80);
    assert_eq!(first.dns, []);
}

#[test]
fn the_first_three_come_at_once_and_the_others_within_ten_minutes() {
    let sent = Segment::ready(network()).seconds(6000);
    let times = times(&sent);
    assert_eq!(times[..3], [0.0, 16.0, 32.0]);
    let pauses: Vec<f64> = times[2..]
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .collect();
    assert!(pauses.len() > 9, "{pauses:?}");
    assert!(
        pauses.iter().all(|pause| (198.0..=600.0).contains(pause)),
        "{pauses:?}"
    );
    assert!(pauses[0] != pauses[1], "at random");
}

#[test]
fn nothing_is_said_before_the_link_is_ready_nor_after_it_went() {
    let mut segment = Segment::new(network());
    let links = [
        Link::Missing,
        Link::Down,
        Link::NoAddress { duplicate: false },
        Link::NoAddress { duplicate: true },
    ];
    for link in links {
        segment.advertiser.set_link(link, Some(1500), segment.now);
        assert!(!segment.advertiser.is_listening(segment.now));
        assert_eq!(segment.seconds(2000), []);
        segment.advertiser.set_link(READY, Some(1500), segment.now);
        assert_eq!(segment.seconds(40).len(), 3, "after {link:?}");
    }
}

#[test]
fn a_solicitation_is_answered_to_all_within_half_a_second() {
    let mut segment = Segment::ready(network());
    segment.seconds(100);
    let mut delays = Vec::new();
    for _ in 0..20 {
        segment.seconds(4);
        let asked = (segment.now - segment.start).as_secs_f64();
        segment.solicit();
        let sent = segment.pass(Duration::from_millis(501));
        assert_eq!(sent.len(), 1);
        delays.push(sent[0].0 - asked);
    }
    assert!(delays.iter().any(|delay| *delay < 0.2), "{delays:?}");
    assert!(delays.iter().any(|delay| *delay > 0.3), "{delays:?}");
}

#[test]
fn whoever_floods_the_link_gets_an_answer_every_three_seconds_and_is_not_heard_between() {
    let mut segment = Segment::ready(network());
    segment.seconds(60);
    let mut sent = Vec::new();
    let mut heard = 0;
    for _ in 0..60_000 {
        if segment.advertiser.is_listening(segment.now) {
            segment.solicit();
            heard += 1;
        }
        sent.extend(segment.pass(Duration::from_millis(1)));
    }
    assert!((17..=21).contains(&sent.len()), "{}", sent.len());
    assert!(heard <= 21, "{heard}");
    let times = times(&sent);
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] >= 3.0),
        "{times:?}"
    );
}

#[test]
fn a_solicitation_from_beyond_the_link_is_dropped_and_deafens_for_a_moment() {
    let mut segment = Segment::ready(network());
    segment.seconds(100);
    assert_eq!(
        segment.arrive(HOST, 64, &SOLICITATION),
        Err(Invalid::HopLimit(64))
    );
    assert!(!segment.advertiser.is_listening(segment.now));
    assert_eq!(segment.pass(Duration::from_millis(10)), []);
    assert!(segment.advertiser.is_listening(segment.now));
    assert_eq!(segment.seconds(4), []);
    assert_eq!(segment.advertiser.counters().invalid, 1);
}

#[test]
fn what_changes_is_said_three_times_and_what_is_no_more_taken_back() {
    let mut segment = Segment::ready(said(
        &[
            ("2001:db8:5::/64", Assignment::Dhcp),
            ("2001:db8:6::/64", Assignment::Autonomous),
            ("2001:db8:7::/64", Assignment::Autonomous),
        ],
        &["2001:db8::53", "2001:db8::54"],
    ));
    segment.seconds(1000);
    let next = said(&[("2001:db8:7::/64", Assignment::Dhcp)], &["2001:db8::54"]);
    segment
        .advertiser
        .set_advertisement(next.clone(), segment.now);
    let sent = segment.seconds(33);
    assert_eq!(sent.len(), 3);
    let text = str::to_owned;
    let expected = [
        (text("2001:db8:7::/64"), true, false, 2_592_000, 604_800),
        (text("2001:db8:5::/64"), true, false, 0, 0),
        (text("2001:db8:6::/64"), true, true, 0, 0),
        // On the link still, and addresses of it are by DHCPv6 alone.
        (text("2001:db8:7::/64"), false, true, 0, 0),
    ];
    for (_, advertisement) in &sent {
        assert_eq!(prefixes(advertisement), expected);
        let servers: Vec<_> = advertisement
            .dns
            .iter()
            .map(|s| (s.lifetime, s.addresses.len()))
            .collect();
        assert_eq!(servers, [(1800, 1), (0, 1)]);
    }
    let later = segment.seconds(600);
    assert_eq!(prefixes(&later[0].1), expected[..1]);
    assert_eq!(later[0].1.dns.len(), 1);

    segment.advertiser.set_advertisement(next, segment.now);
    let times = times(&segment.seconds(1000));
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] >= 198.0),
        "the same is no change"
    );
}

#[test]
fn a_prefix_that_comes_back_is_not_taken_back() {
    let mut segment = Segment::ready(network());
    segment.seconds(1);
    segment
        .advertiser
        .set_advertisement(said(&[], &[]), segment.now);
    segment.advertiser.set_advertisement(network(), segment.now);
    for (_, advertisement) in segment.seconds(100) {
        assert!(
            advertisement
                .prefixes
                .iter()
                .all(|prefix| prefix.valid_lifetime > 0)
        );
        assert_eq!(advertisement.dns.len(), 1);
    }
}

#[test]
fn a_network_that_is_no_more_is_said_once_and_that_is_the_last() {
    let mut segment = Segment::ready(network());
    segment.seconds(100);
    segment.advertiser.cease(segment.now);
    let sent = segment.seconds(2000);
    assert_eq!(times(&sent), [100.0]);
    assert_eq!(sent[0].1.router_lifetime, 0);
    assert!(segment.ceased);
}

#[test]
fn the_last_one_keeps_its_distance_from_the_one_before() {
    let mut segment = Segment::ready(network());
    segment.seconds(1);
    segment.advertiser.cease(segment.now);
    assert_eq!(times(&segment.seconds(10)), [3.0]);
    assert!(segment.ceased);
}

#[test]
fn ceasing_ends_where_nothing_can_be_said() {
    let mut missing = Segment::new(network());
    missing.advertiser.cease(missing.now);
    assert_eq!(missing.seconds(1), []);
    assert!(missing.ceased);
    let mut lost = Segment::ready(network());
    lost.seconds(1);
    lost.advertiser.cease(lost.now);
    lost.advertiser.set_link(Link::Missing, None, lost.now);
    assert_eq!(lost.seconds(10), []);
    assert!(lost.ceased);
}

#[test]
fn hosts_are_told_an_mtu_that_is_less_than_they_think() {
    for (mtu, told) in [
        (Some(1500), None),
        (Some(1442), Some(1442)),
        (Some(1280), Some(1280)),
        (Some(1200), None),
        (Some(9000), None),
        (None, None),
    ] {
        let mut segment = Segment::new(network());
        segment.advertiser.set_link(READY, mtu, segment.now);
        assert_eq!(segment.seconds(1)[0].1.mtu, told, "{mtu:?}");
    }
}

#[test]
fn another_mtu_is_said_at_once_but_not_too_soon() {
    let mut segment = Segment::ready(network());
    segment.seconds(1);
    segment.advertiser.set_link(READY, Some(1400), segment.now);
    let sent = segment.seconds(4);
    assert_eq!(times(&sent), [3.0]);
    assert_eq!(sent[0].1.mtu, Some(1400));
}

#[test]
fn a_link_that_flaps_makes_no_storm() {
    let mut segment = Segment::ready(network());
    let mut sent = Vec::new();
    for _ in 0..100 {
        segment
            .advertiser
            .set_link(Link::Down, Some(1500), segment.now);
        sent.extend(segment.pass(Duration::from_millis(50)));
        segment.advertiser.set_link(READY, Some(1500), segment.now);
        sent.extend(segment.pass(Duration::from_millis(50)));
    }
    assert!(sent.len() <= 4, "{}", sent.len());
}

#[test]
fn many_prefixes_take_several_messages() {
    let mut advertisement = network();
    advertisement.prefixes = (0..50u16)
        .map(|n| {
            (
                format!("2001:db8:{n:x}::/64").parse().unwrap(),
                Assignment::Dhcp,
            )
        })
        .collect();
    let sent = Segment::ready(advertisement).seconds(1);
    let counts: Vec<usize> = sent.iter().map(|(_, said)| said.prefixes.len()).collect();
    assert_eq!(counts, [20, 20, 10]);
    assert!(
        sent.iter()
            .all(|(_, said)| said.router_lifetime == 1800 && said.flags == 0x80)
    );
    assert_eq!(
        sent.iter().filter(|(_, said)| !said.dns.is_empty()).count(),
        1
    );
}

/// RFC 4861 §6.2.7.
#[test]
fn another_router_that_says_otherwise_is_told_once_until_it_says_something_else() {
    let mut segment = Segment::ready(Advertisement::default());
    segment.pass(Duration::ZERO);
    let other = |hop_limit, flags| {
        let packet = RouterAdvertisement {
            hop_limit,
            flags,
            router_lifetime: 1800,
            ..RouterAdvertisement::default()
        };
        Packet::Advertisement(packet).encode()
    };
    let managed = RouterAdvertisement::MANAGED;
    let mut told = |source, octets: &[u8]| -> Option<usize> {
        segment.arrive(source, 255, octets).unwrap();
        segment.now += DEAFNESS;
        segment.advertiser.handle_timeout(segment.now);
        match segment.advertiser.poll_output() {
            Output::Inconsistent { contradictions, .. } => Some(contradictions.len()),
            _ => None,
        }
    };
    assert_eq!(told(HOST, &other(64, managed)), None, "as we do");
    assert_eq!(told(HOST, &other(32, 0)), Some(2));
    assert_eq!(told(HOST, &other(32, 0)), None);
    assert_eq!(told(HOST, &other(32, managed)), Some(1));
    assert_eq!(told(HOST, &other(64, managed)), Some(0));
    // The same router on another chassis.
    assert_eq!(told(LOCAL, &other(32, 0)), None);
    assert!(segment.advertiser.inconsistent().is_empty());
}

#[test]
fn a_crowd_of_contradicting_routers_is_remembered_in_part() {
    let mut segment = Segment::ready(Advertisement::default());
    let packet = Packet::Advertisement(RouterAdvertisement::default()).encode();
    for last in 0..100 {
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, last);
        segment.arrive(source, 255, &packet).unwrap();
    }
    assert_eq!(segment.advertiser.inconsistent().len(), MOST_INCONSISTENT);
}
