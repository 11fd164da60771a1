//! Pure: what to send on one device, and when (RFC 4861 §6.2).
//!
//! ```text
//!   set_link(Ready), set_advertisement         three messages, 16 s apart, then one every 198 to 600 s
//!   handle_arrival(solicitation)               one within half a second, to all
//!   cease                                      one with lifetime 0, and no more
//!   any of them                                never two within 3 s
//! ```
//!
//! The same device is on every chassis that has ports of the network, with the same addresses, and hosts cannot tell
//! one from another: what one chassis says, all have said. So lifetimes end only when the network does, not when this
//! chassis has no more to do with it, and a process that ends says nothing.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use bgp::discovery::{
    ALL_NODES, Arrival, Invalid, Link, Packet, PrefixInformation, RecursiveServers,
    RouterAdvertisement,
};
use bytes::Bytes;
use ipnet::Ipv6Net;

use super::advertisement::{Advertisement, Assignment};
use super::consistency;

/// MaxRtrAdvInterval, as RFC 4861 §6.2.1 and FRR have it by default.
const LONGEST_INTERVAL: Duration = Duration::from_secs(600);
/// MinRtrAdvInterval, a third of it.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(198);
/// AdvDefaultLifetime in seconds, three times MaxRtrAdvInterval; RFC 8106 §5.1 says the same of servers.
const LIFETIME: u16 = 1800;
/// AdvValidLifetime in seconds: 30 days.
const VALID_LIFETIME: u32 = 2_592_000;
/// AdvPreferredLifetime in seconds: 7 days.
const PREFERRED_LIFETIME: u32 = 604_800;
/// MAX_INITIAL_RTR_ADVERTISEMENTS (RFC 4861 §10).
const INITIAL: u32 = 3;
/// MAX_INITIAL_RTR_ADVERT_INTERVAL.
const INITIAL_INTERVAL: Duration = Duration::from_secs(16);
/// MIN_DELAY_BETWEEN_RAS.
const PAUSE: Duration = Duration::from_secs(3);
/// MAX_RA_DELAY_TIME: routers must not all answer at once.
const ANSWER_DELAY: Duration = Duration::from_millis(500);
/// After a message that had to be dropped none is read for this long, whoever floods the link with them.
const DEAFNESS: Duration = Duration::from_millis(10);

/// Cur Hop Limit for hosts: what every system uses anyway.
const HOP_LIMIT: u8 = 64;
/// MTUs that hosts are told: below what they take an Ethernet to have, above it they need not heed it (RFC 2464 §3),
/// and no link of IPv6 has less (RFC 8200 §5).
const MTU_WORTH_TELLING: std::ops::Range<u32> = 1280..1500;
/// Prefixes of one message, so that it fits into 1280 octets with all else. More go into several (RFC 4861 §6.2.3).
const PREFIXES_PER_MESSAGE: usize = 20;
/// What is taken back at a time: servers of one message, and prefixes.
const MOST_FORMER: (usize, usize) = (16, 256);

/// Routers of one link that are remembered to contradict us.
const MOST_INCONSISTENT: usize = 16;

/// What the shell has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send this ICMPv6 message from the link-local address with hop limit 255; the kernel adds the checksum.
    Send { to: Ipv6Addr, octets: Bytes },
    /// Another router of the link says otherwise than we do, and what; nothing when it does no more.
    Inconsistent {
        router: Ipv6Addr,
        contradictions: Vec<String>,
    },
    /// The last has been sent, or cannot be.
    Ceased,
    /// Nothing more to do before that instant, or before the next input.
    Timeout(Option<Instant>),
}

/// What was sent and received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) advertisements: u64,
    pub(crate) solicitations: u64,
    /// Dropped as RFC 4861 §6.1.1 requires.
    pub(crate) invalid: u64,
}

/// The advertising of one device.
#[derive(Debug)]
pub(crate) struct Advertiser {
    random: fastrand::Rng,
    advertisement: Advertisement,
    former: Former,
    link: Link,
    mtu: Option<u32>,
    /// While the link is ready.
    schedule: Option<Schedule>,
    /// Kept while the link goes and comes: a host sees the same router.
    sent: Option<Instant>,
    ceasing: bool,
    deaf_until: Option<Instant>,
    counters: Counters,
    last_invalid: Option<Invalid>,
    /// Other routers that contradict us, and where.
    inconsistent: BTreeMap<Ipv6Addr, Vec<String>>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Schedule {
    due: Instant,
    /// Left of the first ones.
    initial: u32,
    /// Somebody waits for the next one.
    answering: bool,
}

/// What was said and holds no more: the next few messages take it back.
#[derive(Debug, Default)]
struct Former {
    prefixes: BTreeMap<Ipv6Net, Assignment>,
    dns_servers: Vec<Ipv6Addr>,
}

impl Former {
    fn replace(&mut self, before: &Advertisement, now: &Advertisement) {
        self.prefixes.extend(&before.prefixes);
        self.prefixes
            .retain(|prefix, was| now.prefixes.get(prefix).is_none_or(|is| is < was));
        self.dns_servers.extend(before.told_servers());
        self.dns_servers.sort_unstable();
        self.dns_servers.dedup();
        self.dns_servers
            .retain(|server| !now.told_servers().contains(server));
        let (servers, prefixes) = MOST_FORMER;
        self.dns_servers.truncate(servers);
        while self.prefixes.len() > prefixes {
            self.prefixes.pop_first();
        }
    }
}

impl Advertiser {
    /// Nothing is known of the device. `seed` is drawn at random outside tests.
    pub(crate) fn new(advertisement: Advertisement, seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            advertisement,
            former: Former::default(),
            link: Link::Missing,
            mtu: None,
            schedule: None,
            sent: None,
            ceasing: false,
            deaf_until: None,
            counters: Counters::default(),
            last_invalid: None,
            inconsistent: BTreeMap::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Something else is to be said from now on.
    pub(crate) fn set_advertisement(&mut self, advertisement: Advertisement, now: Instant) {
        if advertisement == self.advertisement {
            return;
        }
        self.former.replace(&self.advertisement, &advertisement);
        self.advertisement = advertisement;
        // Judged again by what each says next.
        self.inconsistent.clear();
        self.begin(now);
    }

    /// The device is now like this.
    pub(crate) fn set_link(&mut self, link: Link, mtu: Option<u32>, now: Instant) {
        if (link, mtu) == (self.link, self.mtu) {
            return;
        }
        (self.link, self.mtu) = (link, mtu);
        self.schedule = None;
        self.begin(now);
        if self.ceasing && self.schedule.is_none() {
            self.outputs.push_back(Output::Ceased);
        }
    }

    /// The network is no more: hosts shall take nobody here for their router.
    pub(crate) fn cease(&mut self, now: Instant) {
        self.ceasing = true;
        match &mut self.schedule {
            Some(schedule) => schedule.due = earliest(self.sent, now),
            None => self.outputs.push_back(Output::Ceased),
        }
        self.send_due(now);
    }

    /// False while a message would change nothing: none need be read.
    pub(crate) fn is_listening(&self, now: Instant) -> bool {
        let deaf = self.deaf_until.is_some_and(|until| now < until);
        let schedule = self.schedule.as_ref();
        !deaf && schedule.is_some_and(|schedule| !schedule.answering)
    }

    /// Takes in an ICMPv6 message that arrived on the device.
    ///
    /// # Errors
    /// It was dropped, and counted.
    pub(crate) fn handle_arrival(
        &mut self,
        arrival: &Arrival<'_>,
        now: Instant,
    ) -> Result<(), Invalid> {
        match Packet::decode(arrival) {
            Ok(Packet::Solicitation(_)) => {
                self.counters.solicitations += 1;
                self.answer(now);
                Ok(())
            }
            Ok(Packet::Advertisement(theirs)) => {
                self.compare(arrival.source, &theirs);
                // Whoever floods the link with them costs a hundred a second.
                self.deaf_until = Some(now + DEAFNESS);
                Ok(())
            }
            Err(invalid) => {
                self.counters.invalid += 1;
                self.last_invalid = Some(invalid);
                self.deaf_until = Some(now + DEAFNESS);
                Err(invalid)
            }
        }
    }

    /// A deadline has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.deaf_until = self.deaf_until.filter(|until| now < *until);
        self.send_due(now);
    }

    /// What [`Output::Send`] said has been sent: whoever sends it knows.
    pub(crate) fn handle_sent(&mut self) {
        self.counters.advertisements += 1;
    }

    /// The next thing to do; [`Output::Timeout`] when there is nothing more.
    pub(crate) fn poll_output(&mut self) -> Output {
        let next = self.outputs.pop_front();
        next.unwrap_or_else(|| {
            let due = self.schedule.as_ref().map(|schedule| schedule.due);
            Output::Timeout(due.into_iter().chain(self.deaf_until).min())
        })
    }

    /// How the device is.
    pub(crate) fn link(&self) -> Link {
        self.link
    }

    /// What was sent and received so far.
    pub(crate) fn counters(&self) -> Counters {
        self.counters
    }

    /// Why the last message that was dropped was.
    pub(crate) fn last_invalid(&self) -> Option<Invalid> {
        self.last_invalid
    }

    /// Other routers that say otherwise than we do, and what.
    pub(crate) fn inconsistent(&self) -> &BTreeMap<Ipv6Addr, Vec<String>> {
        &self.inconsistent
    }

    /// §6.2.7. Who has our own address is the same router, on another chassis.
    fn compare(&mut self, router: Ipv6Addr, theirs: &RouterAdvertisement) {
        let is_other = matches!(self.link, Link::Ready { local, .. } if local != router);
        if !is_other || self.ceasing {
            return;
        }
        let contradictions = consistency::contradictions(&self.packets(), theirs);
        let known = self.inconsistent.get(&router);
        let is_news = match known {
            Some(known) => *known != contradictions,
            None => !contradictions.is_empty() && self.inconsistent.len() < MOST_INCONSISTENT,
        };
        if !is_news {
            return;
        }
        if contradictions.is_empty() {
            self.inconsistent.remove(&router);
        } else {
            self.inconsistent.insert(router, contradictions.clone());
        }
        self.outputs.push_back(Output::Inconsistent {
            router,
            contradictions,
        });
    }

    /// With the first few messages, as soon as may be (§6.2.4).
    fn begin(&mut self, now: Instant) {
        if matches!(self.link, Link::Ready { .. }) {
            self.schedule = Some(Schedule {
                due: earliest(self.sent, now),
                initial: INITIAL,
                answering: false,
            });
            self.send_due(now);
        }
    }

    /// To all, and after a random delay (§6.2.6).
    fn answer(&mut self, now: Instant) {
        let delay = self.random(Duration::ZERO, ANSWER_DELAY);
        let at = earliest(self.sent, now) + delay;
        if let Some(schedule) = &mut self.schedule {
            schedule.due = schedule.due.min(at);
            schedule.answering = true;
        }
    }

    fn send_due(&mut self, now: Instant) {
        let due = self
            .schedule
            .as_ref()
            .is_some_and(|schedule| schedule.due <= now);
        if !due {
            return;
        }
        for packet in self.packets() {
            let octets = Packet::Advertisement(packet).encode();
            self.outputs.push_back(Output::Send {
                to: ALL_NODES,
                octets,
            });
        }
        self.sent = Some(now);
        if self.ceasing {
            self.schedule = None;
            self.outputs.push_back(Output::Ceased);
            return;
        }
        let interval = self.random(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        let Some(schedule) = &mut self.schedule else {
            return;
        };
        schedule.answering = false;
        schedule.initial = schedule.initial.saturating_sub(1);
        let first_ones = schedule.initial > 0;
        let interval = if first_ones {
            interval.min(INITIAL_INTERVAL)
        } else {
            interval
        };
        schedule.due = now + interval;
        if !first_ones {
            self.former = Former::default();
        }
    }

    /// One, unless there are many prefixes (§6.2.3).
    fn packets(&self) -> Vec<RouterAdvertisement> {
        let link_address = match self.link {
            Link::Ready { link_address, .. } => link_address,
            _ => None,
        };
        let mut prefixes = self.prefixes().into_iter();
        let mut next = || {
            prefixes
                .by_ref()
                .take(PREFIXES_PER_MESSAGE)
                .collect::<Vec<_>>()
        };
        let first = RouterAdvertisement {
            hop_limit: HOP_LIMIT,
            flags: RouterAdvertisement::MANAGED,
            router_lifetime: if self.ceasing { 0 } else { LIFETIME },
            link_address,
            mtu: self.mtu.filter(|mtu| MTU_WORTH_TELLING.contains(mtu)),
            prefixes: next(),
            dns: self.dns(),
            ..RouterAdvertisement::default()
        };
        let further = std::iter::from_fn(|| Some(next()).filter(|prefixes| !prefixes.is_empty()));
        let further: Vec<_> = further
            .map(|prefixes| RouterAdvertisement {
                prefixes,
                mtu: None,
                dns: Vec::new(),
                ..first.clone()
            })
            .collect();
        std::iter::once(first).chain(further).collect()
    }

    fn prefixes(&self) -> Vec<PrefixInformation> {
        let advertised = self.advertisement.prefixes.iter();
        let advertised = advertised.map(|(prefix, assignment)| PrefixInformation {
            prefix: *prefix,
            on_link: true,
            autonomous: *assignment == Assignment::Autonomous,
            valid_lifetime: VALID_LIFETIME,
            preferred_lifetime: PREFERRED_LIFETIME,
        });
        // Where a prefix is still on the link, and only no longer autonomous, the second option says just that.
        let former = self.former.prefixes.iter();
        let former = former.map(|(prefix, assignment)| PrefixInformation {
            prefix: *prefix,
            on_link: !self.advertisement.prefixes.contains_key(prefix),
            autonomous: *assignment == Assignment::Autonomous,
            valid_lifetime: 0,
            preferred_lifetime: 0,
        });
        advertised.chain(former).collect()
    }

    fn dns(&self) -> Vec<RecursiveServers> {
        let servers = |lifetime, addresses: &[Ipv6Addr]| RecursiveServers {
            lifetime,
            addresses: addresses.to_vec(),
        };
        let told = servers(LIFETIME.into(), self.advertisement.told_servers());
        let former = servers(0, &self.former.dns_servers);
        let mut dns = vec![told, former];
        dns.retain(|servers| !servers.addresses.is_empty());
        dns
    }

    fn random(&mut self, from: Duration, to: Duration) -> Duration {
        from + (to - from).mul_f64(self.random.f64())
    }
}

/// Not too soon after the last.
fn earliest(sent: Option<Instant>, now: Instant) -> Instant {
    sent.map_or(now, |sent| now.max(sent + PAUSE))
}

#[cfg(test)]
mod tests;
