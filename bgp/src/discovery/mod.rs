//! Finding the neighbour of an unnumbered link: it is the one router that advertises itself there
//! (RFC 4861 §4.2), as we advertise ourselves to it. Sans-IO, like the rest of the crate.
//!
//! ```text
//!                       Link::Ready              one router             session up
//!   no link ──────────────► waiting ────────────────► peer ─────────────────► held: adverts change nothing
//!      ▲                    ▲    ▲                     │ ▲                       │
//!      │ link lost           │    └── lifetime over ────┘ │ one is left            │ session down
//!   from anywhere            │                           ▼                        │
//!                            └── all silent ──── asking ◄────────────────────────┘ if there are several
//!                                                  │ ▲
//!                                       two answer ▼ │ now and then
//!                                                 several: no peer
//! ```
//!
//! * **More than one router is refused, never guessed** (whichever advertised itself last would win otherwise, and
//!   the session would flap between them). Routers that no longer answer do not count: a peer that comes back with
//!   another address is found in seconds, not after its old lifetime.
//! * **A session that is up is not ended by advertisements** or by their absence: whoever is on the link can send
//!   them, and BGP has its own timers. They decide whom to talk to next.
//! * What a router says about prefixes, hop limits and lifetimes for hosts is not ours to apply.

mod advertiser;
mod contest;
mod finding;
mod packet;
mod routers;

use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::time::Instant;

use bytes::Bytes;

use advertiser::{Advertiser, Solicitor};
use contest::{Contest, RECONSIDER};
pub use finding::Finding;
pub use packet::{
    Arrival, Invalid, Packet, PrefixInformation, RecursiveServers, RouterAdvertisement,
    RouterSolicitation,
};
use routers::Routers;

use crate::session::Jitter;

/// All nodes on the link: where advertisements go (RFC 4861 §4.2).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers on the link: where solicitations go (RFC 4861 §4.1).
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

/// Cur Hop Limit of our advertisements: what every system uses anyway.
const HOP_LIMIT: u8 = 64;

/// How to take part on one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiscoveryConfig {
    /// Router Lifetime of our advertisements in seconds. Zero, the default: hosts on the link shall not send us
    /// their traffic (RFC 4861 §6.2.3); speakers take us as peer nevertheless.
    pub router_lifetime: u16,
    /// Seed of the jitter; draw it at random outside tests.
    pub seed: u64,
}

/// The interface, as far as the node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// There is none of that name.
    Missing,
    /// It is down, or has no carrier.
    Down,
    /// It has no link-local address that may be used yet (RFC 4862 §5.4).
    NoAddress {
        /// The address it had is another node's (RFC 4862 §5.4.5).
        duplicate: bool,
    },
    /// Packets can be sent and received.
    Ready {
        /// The kernel's number of it, which changes when it is made again.
        index: u32,
        /// Our link-local address.
        local: Ipv6Addr,
        /// Our link-layer address, where it is six octets long.
        link_address: Option<[u8; 6]>,
    },
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscoveryOutput {
    /// Send this ICMPv6 message from the link-local address with hop limit 255; the kernel adds the checksum.
    Send {
        /// A multicast group of the link.
        to: Ipv6Addr,
        /// From its type on.
        octets: Bytes,
    },
    /// The neighbour of the link is now this one, or nobody.
    Peer(Option<Ipv6Addr>),
    /// Nothing more to do before that instant, or before the next input.
    Timeout(Option<Instant>),
}

/// What was sent and received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiscoveryCounters {
    /// Our advertisements.
    pub advertisements_sent: u64,
    /// Our solicitations.
    pub solicitations_sent: u64,
    /// Valid ones of others.
    pub advertisements_received: u64,
    /// Valid ones of others.
    pub solicitations_received: u64,
    /// Our own that came back to us.
    pub reflected: u64,
    /// Dropped as RFC 4861 §6.1 requires.
    pub invalid: u64,
}

/// Discovery on one link.
#[derive(Debug)]
pub struct Discovery {
    config: DiscoveryConfig,
    jitter: Jitter,
    link: Link,
    /// While the link is ready.
    schedule: Option<Schedule>,
    routers: Routers,
    /// While several routers are known and no session is up.
    contest: Option<Contest>,
    established: bool,
    peer: Option<Ipv6Addr>,
    counters: DiscoveryCounters,
    last_invalid: Option<Invalid>,
    outputs: VecDeque<DiscoveryOutput>,
}

#[derive(Debug)]
struct Schedule {
    advertiser: Advertiser,
    solicitor: Solicitor,
}

impl Discovery {
    /// Discovery on a link of which nothing is known yet.
    pub fn new(config: DiscoveryConfig) -> Self {
        Self {
            jitter: Jitter::new(config.seed),
            config,
            link: Link::Missing,
            schedule: None,
            routers: Routers::default(),
            contest: None,
            established: false,
            peer: None,
            counters: DiscoveryCounters::default(),
            last_invalid: None,
            outputs: VecDeque::new(),
        }
    }

    /// The interface is now like this. Another index or address of ours makes it another link: who was on it
    /// has to show up again.
    pub fn set_link(&mut self, link: Link, now: Instant) {
        if link == self.link {
            return;
        }
        self.link = link;
        self.schedule = None;
        self.contest = None;
        self.routers.clear();
        self.set_peer(None);
        if matches!(link, Link::Ready { .. }) {
            self.schedule = Some(Schedule {
                advertiser: Advertiser::new(now),
                solicitor: Solicitor::new(now),
            });
            self.send_due(now);
        }
    }

    /// The session with the peer came up or went down.
    pub fn set_established(&mut self, established: bool, now: Instant) {
        if established == self.established {
            return;
        }
        self.established = established;
        self.contest = None;
        if !established && self.routers.are_several() {
            self.ask(false, now);
        }
        self.decide();
    }

    /// Somebody on the link wants to talk to us whom we do not know: ask who is there.
    pub fn solicit(&mut self, now: Instant) {
        if let Some(schedule) = &mut self.schedule
            && self.peer.is_none()
        {
            schedule.solicitor.start(now);
            self.send_due(now);
        }
    }

    /// Take in an ICMPv6 message that arrived on the interface.
    ///
    /// # Errors
    /// It was dropped, and counted.
    pub fn handle_arrival(&mut self, arrival: &Arrival<'_>, now: Instant) -> Result<(), Invalid> {
        let Link::Ready { local, .. } = self.link else {
            return Ok(());
        };
        if arrival.source == local {
            self.counters.reflected += 1;
            return Ok(());
        }
        match Packet::decode(arrival) {
            Ok(Packet::Solicitation(_)) => {
                self.counters.solicitations_received += 1;
                if let Some(schedule) = &mut self.schedule {
                    schedule.advertiser.answer(&mut self.jitter, now);
                }
            }
            Ok(Packet::Advertisement(advertisement)) => {
                self.counters.advertisements_received += 1;
                self.hear(arrival.source, &advertisement, now);
            }
            Err(invalid) => {
                self.counters.invalid += 1;
                self.last_invalid = Some(invalid);
                return Err(invalid);
            }
        }
        Ok(())
    }

    /// A deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.routers.expire(now) {
            self.lost_routers(now);
        }
        match self.contest {
            Some(Contest::Asking { since, until, .. }) if until <= now => {
                self.count_answers(since, now);
            }
            Some(Contest::Refused { reconsider }) if reconsider <= now => self.ask(true, now),
            _ => {}
        }
        self.send_due(now);
        self.decide();
    }

    /// The next thing to do; [`DiscoveryOutput::Timeout`] when there is nothing more.
    pub fn poll_output(&mut self) -> DiscoveryOutput {
        let next = self.outputs.pop_front();
        next.unwrap_or_else(|| DiscoveryOutput::Timeout(self.deadline()))
    }

    /// What is known of the link, for `show`.
    pub fn finding(&self) -> Finding {
        match (self.link, self.peer) {
            (Link::Missing, _) => Finding::Missing,
            (Link::Down, _) => Finding::Down,
            (Link::NoAddress { duplicate }, _) => Finding::NoAddress { duplicate },
            (Link::Ready { .. }, Some(peer)) => {
                let mut others = self.routers.addresses();
                others.retain(|address| *address != peer);
                Finding::Peer { peer, others }
            }
            (Link::Ready { .. }, None) => match self.contest {
                Some(contest) if contest.is_refused() => Finding::Several(self.routers.addresses()),
                Some(_) => Finding::Asking(self.routers.addresses()),
                None => Finding::Waiting,
            },
        }
    }

    /// What was sent and received so far.
    pub fn counters(&self) -> DiscoveryCounters {
        self.counters
    }

    /// Why the last message that was dropped was.
    pub fn last_invalid(&self) -> Option<Invalid> {
        self.last_invalid
    }

    fn hear(&mut self, from: Ipv6Addr, advertisement: &RouterAdvertisement, now: Instant) {
        let is_new = self.routers.hear(from, advertisement, now);
        if let Some(schedule) = &mut self.schedule {
            schedule.solicitor.stop();
            if is_new {
                schedule.advertiser.burst(now);
            }
        }
        // While a session is up, who else is there does not matter.
        if !self.established && self.contest.is_none() && self.routers.are_several() {
            self.ask(false, now);
        }
        self.decide();
    }

    fn ask(&mut self, refused: bool, now: Instant) {
        self.contest = Some(Contest::ask(refused, now));
        self.send_solicitation(now);
    }

    fn lost_routers(&mut self, now: Instant) {
        if !self.routers.are_several() {
            self.contest = None;
        }
        if self.routers.is_empty()
            && let Some(schedule) = &mut self.schedule
        {
            schedule.solicitor.start(now);
        }
    }

    fn count_answers(&mut self, since: Instant, now: Instant) {
        self.routers.keep_heard_since(since);
        self.contest = self.routers.are_several().then_some(Contest::Refused {
            reconsider: now + RECONSIDER,
        });
    }

    fn send_due(&mut self, now: Instant) {
        let Some(schedule) = &self.schedule else {
            return;
        };
        let solicit = schedule.solicitor.due().is_some_and(|due| due <= now);
        if schedule.advertiser.due() <= now {
            self.send_advertisement(now);
        }
        let contest = self.contest.as_mut();
        let again = contest.is_some_and(|contest| contest.take_again(now));
        // A session that is up answers for its peer.
        let doubt = self.routers.take_doubt(now) && !self.established;
        if solicit || again || doubt {
            self.send_solicitation(now);
        }
    }

    fn send_advertisement(&mut self, now: Instant) {
        let packet = Packet::Advertisement(RouterAdvertisement {
            hop_limit: HOP_LIMIT,
            router_lifetime: self.config.router_lifetime,
            link_address: self.link_address(),
            ..RouterAdvertisement::default()
        });
        self.send(ALL_NODES, packet);
        self.counters.advertisements_sent += 1;
        if let Some(schedule) = &mut self.schedule {
            schedule.advertiser.count_sent(&mut self.jitter, now);
        }
    }

    fn send_solicitation(&mut self, now: Instant) {
        let link_address = self.link_address();
        let packet = Packet::Solicitation(RouterSolicitation { link_address });
        self.send(ALL_ROUTERS, packet);
        self.counters.solicitations_sent += 1;
        if let Some(schedule) = &mut self.schedule
            && schedule.solicitor.due().is_some()
        {
            schedule.solicitor.count_sent(&mut self.jitter, now);
        }
    }

    fn send(&mut self, to: Ipv6Addr, packet: Packet) {
        let octets = packet.encode();
        self.outputs.push_back(DiscoveryOutput::Send { to, octets });
    }

    fn link_address(&self) -> Option<[u8; 6]> {
        match self.link {
            Link::Ready { link_address, .. } => link_address,
            _ => None,
        }
    }

    /// Who is the peer? The one of the session that is up; else the only router; else nobody.
    fn decide(&mut self) {
        if !self.established {
            let peer = self.routers.only().filter(|_| self.contest.is_none());
            self.set_peer(peer);
        }
    }

    fn set_peer(&mut self, peer: Option<Ipv6Addr>) {
        if peer != self.peer {
            self.peer = peer;
            self.outputs.push_back(DiscoveryOutput::Peer(peer));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let schedule = self.schedule.as_ref()?;
        [
            Some(schedule.advertiser.due()),
            schedule.solicitor.due(),
            self.routers.deadline(),
            self.contest.map(Contest::deadline),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

#[cfg(test)]
mod tests;
