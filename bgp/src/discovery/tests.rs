//! Discovery on virtual time, against routers that are as the test says.

use std::time::Duration;

use super::*;

const OURS: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);
const FIRST: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const SECOND: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const THIRD: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 3);

const READY: Link = Link::Ready {
    index: 7,
    local: OURS,
    link_address: Some([2, 0, 0, 0, 0, 0xa]),
};

/// Discovery, its clock, and the routers that answer solicitations.
struct Bench {
    discovery: Discovery,
    start: Instant,
    now: Instant,
    /// Who answers solicitations, with which lifetime.
    answering: Vec<(Ipv6Addr, u16)>,
    /// Seconds since the start, and the type.
    sent: Vec<(f64, u8)>,
    peers: Vec<Option<Ipv6Addr>>,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            discovery: Discovery::new(DiscoveryConfig {
                router_lifetime: 0,
                seed: 7,
            }),
            start: now,
            now,
            answering: Vec::new(),
            sent: Vec::new(),
            peers: Vec::new(),
        }
    }

    /// On a link that is up.
    fn up() -> Self {
        let mut bench = Self::new();
        bench.link(READY);
        bench
    }

    fn link(&mut self, link: Link) {
        self.discovery.set_link(link, self.now);
        self.drain();
    }

    fn established(&mut self, established: bool) {
        self.discovery.set_established(established, self.now);
        self.drain();
    }

    /// `router` advertises itself once, with a lifetime of zero.
    fn advertise(&mut self, router: Ipv6Addr) {
        self.advertise_for(router, 0);
    }

    fn advertise_for(&mut self, router: Ipv6Addr, router_lifetime: u16) {
        self.take_in(router, router_lifetime);
        self.drain();
    }

    fn take_in(&mut self, router: Ipv6Addr, router_lifetime: u16) {
        let packet = Packet::Advertisement(RouterAdvertisement {
            router_lifetime,
            ..RouterAdvertisement::default()
        });
        self.arrive(router, 255, &packet.encode()).unwrap();
    }

    fn solicited(&mut self) {
        let packet = Packet::Solicitation(RouterSolicitation::default());
        self.arrive(FIRST, 255, &packet.encode()).unwrap();
        self.drain();
    }

    fn arrive(&mut self, source: Ipv6Addr, hop_limit: u8, octets: &[u8]) -> Result<(), Invalid> {
        let arrival = Arrival {
            source,
            hop_limit,
            octets,
        };
        self.discovery.handle_arrival(&arrival, self.now)
    }

    /// Does what discovery wants at this instant; returns when it wants to be called again.
    fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.discovery.poll_output() {
                DiscoveryOutput::Send { to, octets } => self.deliver(to, &octets),
                DiscoveryOutput::Peer(peer) => self.peers.push(peer),
                DiscoveryOutput::Timeout(deadline) => return deadline,
            }
        }
    }

    fn deliver(&mut self, to: Ipv6Addr, octets: &[u8]) {
        let at = (self.now - self.start).as_secs_f64();
        self.sent.push((at, octets[0]));
        assert_eq!(
            to,
            if octets[0] == 133 {
                ALL_ROUTERS
            } else {
                ALL_NODES
            }
        );
        if octets[0] == 133 {
            for (router, lifetime) in self.answering.clone() {
                self.take_in(router, lifetime);
            }
        }
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(deadline) = self.drain().filter(|deadline| *deadline <= end) {
            assert!(deadline >= self.now, "a deadline in the past");
            self.now = deadline;
            self.discovery.handle_timeout(self.now);
        }
        self.now = end;
    }

    fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    fn peer(&self) -> Option<Ipv6Addr> {
        self.peers.last().copied().flatten()
    }

    fn finding(&self) -> String {
        self.discovery.finding().on("eth1").to_string()
    }

    fn advertisements(&self) -> Vec<f64> {
        let sent = self.sent.iter().filter(|(_, kind)| *kind == 134);
        sent.map(|(at, _)| *at).collect()
    }
}

#[test]
fn advertisements_come_as_a_burst_and_then_every_ten_seconds() {
    let mut bench = Bench::up();
    bench.seconds(60);
    let times = bench.advertisements();
    assert_eq!(times[..4], [0.0, 1.0, 2.0, 3.0]);
    for pair in times[3..].windows(2) {
        let gap = pair[1] - pair[0];
        assert!((7.4..=10.0).contains(&gap), "{times:?}");
    }
    assert_eq!(
        bench.discovery.counters().advertisements_sent,
        times.len() as u64
    );
}

#[test]
fn we_do_not_offer_ourselves_as_default_router() {
    let mut discovery = Bench::new().discovery;
    discovery.set_link(READY, Instant::now());
    let DiscoveryOutput::Send { octets, .. } = discovery.poll_output() else {
        panic!("no advertisement");
    };
    let arrival = Arrival {
        source: OURS,
        hop_limit: 255,
        octets: &octets,
    };
    let Ok(Packet::Advertisement(advertisement)) = Packet::decode(&arrival) else {
        panic!("{octets:?}");
    };
    assert_eq!(advertisement.router_lifetime, 0);
    assert_eq!(advertisement.link_address, Some([2, 0, 0, 0, 0, 0xa]));
}

#[test]
fn nothing_is_sent_without_a_link() {
    let mut bench = Bench::new();
    for (link, finding) in [
        (Link::Missing, "there is no interface eth1"),
        (Link::Down, "eth1 is down"),
        (
            Link::NoAddress { duplicate: false },
            "eth1 has no link-local address yet: IPv6 may be disabled on it",
        ),
        (
            Link::NoAddress { duplicate: true },
            "the link-local address of eth1 is in use by another node",
        ),
    ] {
        bench.link(link);
        bench.seconds(100);
        assert_eq!(bench.finding(), finding);
    }
    assert_eq!(bench.sent, []);
    assert_eq!(bench.discovery.counters(), DiscoveryCounters::default());
}

#[test]
fn the_one_router_that_answers_is_the_peer() {
    let mut bench = Bench::new();
    bench.answering = vec![(FIRST, 0)];
    bench.link(READY);
    assert_eq!(bench.peers, [Some(FIRST)]);
    assert_eq!(bench.finding(), "fe80::1 on eth1");
}

#[test]
fn solicitations_thin_out_and_end_with_the_first_router() {
    let mut bench = Bench::up();
    bench.seconds(300);
    assert_eq!(
        bench.finding(),
        "waiting for a router advertisement on eth1"
    );
    let asked = bench.sent.iter().filter(|(_, kind)| *kind == 133).count();
    assert!((6..=10).contains(&asked), "{:?}", bench.sent);
    bench.advertise(FIRST);
    for _ in 0..20 {
        bench.seconds(10);
        bench.advertise(FIRST);
    }
    let after = bench.sent.iter().filter(|(_, kind)| *kind == 133).count();
    assert_eq!(after, asked);
}

#[test]
fn a_router_that_turns_up_is_told_of_us_at_once() {
    let mut bench = Bench::up();
    bench.seconds(15);
    let before = bench.advertisements().len();
    bench.advertise(FIRST);
    bench.seconds(3);
    assert_eq!(bench.advertisements().len(), before + 4);
    assert_eq!(bench.peers, [Some(FIRST)]);
}

#[test]
fn a_solicitation_is_answered_within_the_time_that_routers_have() {
    let mut bench = Bench::up();
    bench.seconds(20);
    let last = *bench.advertisements().last().unwrap();
    bench.solicited();
    bench.pass(Duration::from_millis(3500));
    let next = *bench.advertisements().last().unwrap();
    assert!(next > last && next <= 20.0 + 3.5, "{last} {next}");
}

#[test]
fn a_flood_of_solicitations_is_answered_once_in_three_seconds() {
    let mut bench = Bench::up();
    bench.seconds(10);
    let before = bench.advertisements().len();
    for _ in 0..3000 {
        bench.solicited();
        bench.pass(Duration::from_millis(10));
    }
    let answers = bench.advertisements().len() - before;
    assert!((9..=11).contains(&answers), "{answers}");
}

#[test]
fn a_router_that_falls_silent_is_nobodys_peer_any_more() {
    let mut bench = Bench::up();
    bench.advertise(FIRST);
    bench.seconds(29);
    assert_eq!(bench.peer(), Some(FIRST));
    bench.seconds(2);
    assert_eq!(bench.peer(), None);
    assert_eq!(
        bench.finding(),
        "waiting for a router advertisement on eth1"
    );
}

#[test]
fn a_router_that_advertises_itself_rarely_is_asked_before_it_is_forgotten() {
    let mut bench = Bench::new();
    bench.answering = vec![(FIRST, 0)];
    bench.link(READY);
    bench.seconds(600);
    assert_eq!(bench.peers, [Some(FIRST)]);
}

#[test]
fn a_longer_lifetime_is_believed() {
    let mut bench = Bench::up();
    bench.advertise_for(FIRST, 1800);
    bench.seconds(1799);
    assert_eq!(bench.peer(), Some(FIRST));
    bench.seconds(2);
    assert_eq!(bench.peer(), None);
}

#[test]
fn silence_does_not_end_a_session() {
    let mut bench = Bench::up();
    bench.advertise(FIRST);
    bench.established(true);
    bench.seconds(600);
    assert_eq!(bench.peers, [Some(FIRST)]);
    bench.established(false);
    assert_eq!(bench.peer(), None);
}

#[test]
fn two_routers_are_refused_and_named() {
    let mut bench = Bench::up();
    bench.answering = vec![(FIRST, 0), (SECOND, 0)];
    bench.advertise(FIRST);
    bench.advertise(SECOND);
    assert_eq!(bench.peers, [Some(FIRST), None]);
    assert_eq!(
        bench.finding(),
        "asking which routers are left on eth1: fe80::1, fe80::2"
    );
    bench.seconds(5);
    let refused = "2 routers on eth1: fe80::1, fe80::2: no session until only one is left";
    assert_eq!(bench.finding(), refused);
    bench.seconds(300);
    assert_eq!(bench.finding(), refused, "said all the time");
    assert_eq!(bench.peers, [Some(FIRST), None]);
}

#[test]
fn once_one_router_is_left_it_is_the_peer() {
    let mut bench = Bench::up();
    bench.answering = vec![(FIRST, 1800), (SECOND, 1800)];
    bench.advertise_for(FIRST, 1800);
    bench.advertise_for(SECOND, 1800);
    bench.seconds(10);
    assert_eq!(bench.peer(), None);
    bench.answering = vec![(SECOND, 1800)];
    bench.seconds(40);
    assert_eq!(
        bench.peer(),
        Some(SECOND),
        "long before the lifetime is over"
    );
}

#[test]
fn a_peer_with_another_address_is_found_within_seconds() {
    let mut bench = Bench::up();
    bench.answering = vec![(FIRST, 0)];
    bench.advertise(FIRST);
    bench.established(true);
    bench.seconds(1);
    bench.answering = vec![(SECOND, 0)];
    bench.established(false);
    bench.advertise(SECOND);
    assert_eq!(
        bench.peer(),
        None,
        "it is not clear yet that the first has gone"
    );
    bench.seconds(4);
    assert_eq!(bench.peers, [Some(FIRST), None, Some(SECOND)]);
}

#[test]
fn another_router_does_not_end_a_session() {
    let mut bench = Bench::up();
    bench.answering = vec![(FIRST, 0), (SECOND, 0)];
    bench.advertise(FIRST);
    bench.established(true);
    bench.advertise(SECOND);
    bench.seconds(3);
    assert_eq!(bench.peers, [Some(FIRST)]);
    assert!(
        bench
            .finding()
            .starts_with("fe80::1 on eth1, where other routers are as well: fe80::2"),
        "{}",
        bench.finding()
    );
    bench.established(false);
    assert_eq!(bench.peer(), None);
    bench.seconds(5);
    assert!(bench.finding().starts_with("2 routers on eth1"));
}

#[test]
fn after_a_session_the_other_router_is_taken_if_the_first_is_gone() {
    let mut bench = Bench::up();
    bench.answering = vec![(SECOND, 0)];
    bench.advertise(FIRST);
    bench.established(true);
    bench.seconds(1);
    bench.advertise(SECOND);
    bench.established(false);
    bench.seconds(4);
    assert_eq!(bench.peer(), Some(SECOND));
}

#[test]
fn an_interface_made_again_starts_from_nothing() {
    let mut bench = Bench::up();
    bench.advertise(FIRST);
    bench.link(Link::Missing);
    assert_eq!(bench.peers, [Some(FIRST), None]);
    bench.answering = vec![(SECOND, 0)];
    bench.link(Link::Ready {
        index: 8,
        local: OURS,
        link_address: None,
    });
    assert_eq!(bench.peers, [Some(FIRST), None, Some(SECOND)]);
}

#[test]
fn an_address_of_ours_that_changes_ends_what_was_built_on_it() {
    let mut bench = Bench::new();
    bench.answering = vec![(FIRST, 0)];
    bench.link(READY);
    bench.link(Link::Ready {
        index: 7,
        local: THIRD,
        link_address: None,
    });
    assert_eq!(bench.peers, [Some(FIRST), None, Some(FIRST)]);
}

#[test]
fn a_link_that_goes_while_the_session_is_up_takes_the_peer_with_it() {
    let mut bench = Bench::new();
    bench.answering = vec![(FIRST, 0)];
    bench.link(READY);
    bench.established(true);
    bench.link(Link::Down);
    assert_eq!(bench.peers, [Some(FIRST), None]);
    bench.link(READY);
    assert_eq!(bench.peer(), None, "the session is not known to be over");
    bench.established(false);
    assert_eq!(bench.peer(), Some(FIRST));
}

#[test]
fn our_own_advertisements_that_come_back_are_nobodys() {
    let mut bench = Bench::up();
    for _ in 0..3 {
        bench.advertise(OURS);
    }
    assert_eq!(bench.peers, []);
    assert_eq!(bench.discovery.counters().reflected, 3);
    assert_eq!(bench.discovery.counters().advertisements_received, 0);
}

#[test]
fn what_is_invalid_is_counted_and_dropped() {
    let mut bench = Bench::up();
    let packet = Packet::Advertisement(RouterAdvertisement::default()).encode();
    assert_eq!(bench.arrive(FIRST, 64, &packet), Err(Invalid::HopLimit(64)));
    assert_eq!(bench.arrive(FIRST, 255, &[]), Err(Invalid::Short));
    assert_eq!(bench.peers, []);
    assert_eq!(bench.discovery.counters().invalid, 2);
    assert_eq!(bench.discovery.last_invalid(), Some(Invalid::Short));
}

#[test]
fn a_flood_of_invented_routers_stays_small() {
    let mut bench = Bench::up();
    for n in 0..10_000_u32 {
        let [.., c, d] = n.to_be_bytes();
        let [_, b, ..] = n.to_be_bytes();
        let group = u16::from(b) << 8;
        bench.advertise(Ipv6Addr::new(0xfe80, 1, 0, 0, 0, group, c.into(), d.into()));
        bench.pass(Duration::from_millis(1));
    }
    assert!(bench.finding().starts_with("8 routers") || bench.finding().contains("asking"));
    assert!(bench.sent.len() < 30, "in 10 s: {}", bench.sent.len());
}

#[test]
fn a_stranger_who_calls_makes_us_ask_but_not_more_than_once_a_second() {
    let mut bench = Bench::up();
    bench.seconds(100);
    let before = bench.sent.len();
    for _ in 0..100 {
        bench.discovery.solicit(bench.now);
        bench.pass(Duration::from_millis(10));
    }
    let asked = bench.sent[before..].iter().filter(|(_, kind)| *kind == 133);
    assert!((1..=2).contains(&asked.count()));
}
