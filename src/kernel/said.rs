//! Pure: dumps in the kernel's own octets, kept to tell whether the next ones say the same.
//!
//! Of thousands of rules and routes, a dump that finds nothing new says what the last one said, octet for octet. To
//! see that takes a comparison of memory; to decode all of it and look up each object takes fifty times as long.

use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader};
use netlink_packet_route::RouteNetlinkMessage;

/// nlmsg_type, nothing, nlmsg_len of what follows.
const HEADER: usize = 8;

/// What the dumps of one reading said.
#[derive(Debug, Default)]
pub(super) struct Said {
    octets: Vec<u8>,
    /// Where each dump ends.
    ends: Vec<usize>,
    /// How far this reading has come.
    at: usize,
    dumps: usize,
    /// This reading said something else than the one before.
    differs: bool,
}

impl Said {
    /// A reading begins. To be finished with the same dumps as the one before, or to be dropped.
    pub(super) fn begin(&mut self) {
        (self.at, self.dumps, self.differs) = (0, 0, false);
    }

    /// The dump is made again from here on.
    pub(super) fn rewind(&mut self) {
        self.at = self.end_before();
    }

    /// Takes in one message of a dump.
    pub(super) fn take(&mut self, kind: u16, body: &[u8]) {
        let end = self.at + HEADER + body.len();
        let known = self.octets.get_mut(self.at..end);
        let known = known.filter(|known| known.starts_with(&header(kind, body)));
        match known.and_then(|known| known.get_mut(HEADER..)) {
            Some(known) if known == body => {}
            Some(known) if is_same(kind, known, body) => known.copy_from_slice(body),
            _ => {
                self.differs = true;
                self.octets.truncate(self.at);
                self.octets.extend(header(kind, body));
                self.octets.extend(body);
            }
        }
        self.at = end;
    }

    /// One dump is complete.
    pub(super) fn end_dump(&mut self) {
        if self.ends.get(self.dumps) != Some(&self.at) {
            self.differs = true;
            self.octets.truncate(self.at);
            self.ends.truncate(self.dumps);
            self.ends.push(self.at);
        }
        self.dumps += 1;
    }

    /// Whether the dumps so far are those of the reading before.
    pub(super) fn is_same(&self) -> bool {
        !self.differs
    }

    /// The objects that were told so far. What does not decode is left out, as it is among announcements.
    pub(super) fn objects(&self) -> impl Iterator<Item = RouteNetlinkMessage> {
        let mut rest = self.octets.get(..self.at).unwrap_or_default();
        let messages = std::iter::from_fn(move || {
            let (head, after) = rest.split_first_chunk::<HEADER>()?;
            let [k0, k1, _, _, l0, l1, l2, l3] = *head;
            let length = u32::from_ne_bytes([l0, l1, l2, l3]);
            let (body, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
            rest = after;
            Some((u16::from_ne_bytes([k0, k1]), body))
        });
        messages.filter_map(|(kind, body)| {
            let mut header = NetlinkHeader::default();
            header.message_type = kind;
            RouteNetlinkMessage::deserialize(&header, body).ok()
        })
    }

    fn end_before(&self) -> usize {
        let before = self.dumps.checked_sub(1);
        before
            .and_then(|at| self.ends.get(at))
            .copied()
            .unwrap_or(0)
    }
}

fn header(kind: u16, body: &[u8]) -> [u8; HEADER] {
    let [k0, k1] = kind.to_ne_bytes();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let [l0, l1, l2, l3] = length.to_ne_bytes();
    [k0, k1, 0, 0, l0, l1, l2, l3]
}

/// Whether two messages of one kind and length tell the same but for clocks.
fn is_same(kind: u16, one: &[u8], other: &[u8]) -> bool {
    let steady = |body: &[u8]| {
        let mut body = body.to_vec();
        stop_clocks(kind, &mut body);
        body
    };
    steady(one) == steady(other)
}

// Attributes of if_link.h, if_addr.h, neighbour.h and rtnetlink.h; `libc` has not all of them.
/// What an interface has carried: `RTEXT_FILTER_SKIP_STATS` leaves out those of VFs and of IPv6 alone.
const IFLA_STATS: u16 = 7;
const IFLA_STATS64: u16 = 23;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
/// Counters of some kinds of interfaces.
const IFLA_INFO_XSTATS: u16 = 3;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
/// IFLA_BR_HELLO_TIMER to IFLA_BR_GC_TIMER.
const BRIDGE_TIMERS: std::ops::RangeInclusive<u16> = 16..=19;
/// How long until another querier is missed.
const IFLA_BR_MCAST_QUERIER_STATE: u16 = 47;
/// IFLA_BRPORT_MESSAGE_AGE_TIMER to IFLA_BRPORT_HOLD_TIMER.
const PORT_TIMERS: std::ops::RangeInclusive<u16> = 21..=23;
/// Lifetimes, and when it was confirmed, used and updated.
const IFA_CACHEINFO: u16 = 6;
const NDA_CACHEINFO: u16 = 3;
const RTA_CACHEINFO: u16 = 12;

/// Puts zeros in place of what goes on by itself.
fn stop_clocks(kind: u16, body: &mut [u8]) {
    // struct ifinfomsg, ifaddrmsg, ndmsg, rtmsg.
    let (fixed, clock) = match kind {
        libc::RTM_NEWLINK => return stop_counters(body.get_mut(16..).unwrap_or_default()),
        libc::RTM_NEWADDR => (8, IFA_CACHEINFO),
        libc::RTM_NEWNEIGH => (12, NDA_CACHEINFO),
        libc::RTM_NEWROUTE => (12, RTA_CACHEINFO),
        _ => return,
    };
    for_each(body.get_mut(fixed..).unwrap_or_default(), |kind, value| {
        if kind == clock {
            value.fill(0);
        }
    });
}

fn stop_counters(attributes: &mut [u8]) {
    for_each(attributes, |kind, value| match kind {
        IFLA_STATS | IFLA_STATS64 => value.fill(0),
        IFLA_LINKINFO => stop_bridge_timers(value),
        _ => {}
    });
}

fn stop_bridge_timers(infos: &mut [u8]) {
    let (mut is_bridge, mut is_port) = (false, false);
    for_each(infos, |kind, value| match kind {
        IFLA_INFO_KIND => is_bridge = value.starts_with(b"bridge\0"),
        IFLA_INFO_SLAVE_KIND => is_port = value.starts_with(b"bridge\0"),
        IFLA_INFO_DATA if is_bridge => zero(value, |kind| {
            BRIDGE_TIMERS.contains(&kind) || kind == IFLA_BR_MCAST_QUERIER_STATE
        }),
        IFLA_INFO_SLAVE_DATA if is_port => zero(value, |kind| PORT_TIMERS.contains(&kind)),
        IFLA_INFO_XSTATS => value.fill(0),
        _ => {}
    });
}

fn zero(attributes: &mut [u8], is_clock: impl Fn(u16) -> bool) {
    for_each(attributes, |kind, value| {
        if is_clock(kind) {
            value.fill(0);
        }
    });
}

/// Calls `see` with kind and value of each attribute, up to one that is malformed.
fn for_each(mut attributes: &mut [u8], mut see: impl FnMut(u16, &mut [u8])) {
    while let Some(([l0, l1, k0, k1], _)) = attributes.split_first_chunk() {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        // The upper bits say that it is nested, or in network byte order.
        let kind = u16::from_ne_bytes([*k0, *k1]) & 0x3fff;
        let Some(value) = attributes.get_mut(4..length) else {
            return;
        };
        see(kind, value);
        let next = length.next_multiple_of(4).min(attributes.len());
        attributes = attributes.get_mut(next..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: u16 = libc::RTM_NEWRULE;

    /// Messages by type and body, dump by dump.
    type Dumps<'a> = &'a [&'a [(u16, &'a [u8])]];

    fn reading(said: &mut Said, dumps: Dumps<'_>) -> bool {
        said.begin();
        for dump in dumps {
            for (kind, body) in *dump {
                said.take(*kind, body);
            }
            said.end_dump();
        }
        said.is_same()
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn a_reading_that_says_the_same_is_the_same() {
        let said = &mut Said::default();
        let dumps: Dumps<'_> = &[&[(RULE, b"one"), (RULE, b"two")], &[], &[(RULE, b"3")]];
        assert!(!reading(said, dumps), "the first is news");
        assert!(reading(said, dumps));
        assert!(reading(said, dumps));
    }

    #[test]
    fn whatever_comes_goes_or_changes_is_seen_once() {
        let base: Dumps<'_> = &[&[(RULE, b"one"), (RULE, b"two")], &[(RULE, b"3")]];
        let others: [Dumps<'_>; 8] = [
            &[&[(RULE, b"one")], &[(RULE, b"3")]],
            &[&[(RULE, b"one"), (RULE, b"two")], &[]],
            &[
                &[(RULE, b"one"), (RULE, b"two"), (RULE, b"2b")],
                &[(RULE, b"3")],
            ],
            &[
                &[(RULE, b"one"), (RULE, b"two")],
                &[(RULE, b"3"), (RULE, b"4")],
            ],
            &[&[(RULE, b"one"), (RULE, b"tvo")], &[(RULE, b"3")]],
            &[&[(RULE, b"two"), (RULE, b"one")], &[(RULE, b"3")]],
            &[&[(RULE + 1, b"one"), (RULE, b"two")], &[(RULE, b"3")]],
            // The same messages, but of another dump.
            &[&[(RULE, b"one")], &[(RULE, b"two"), (RULE, b"3")]],
        ];
        for other in others {
            let said = &mut Said::default();
            reading(said, base);
            assert!(!reading(said, other), "{other:?}");
            assert!(reading(said, other), "{other:?}");
            assert!(!reading(said, base), "back from {other:?}");
            assert!(reading(said, base));
        }
    }

    #[test]
    fn an_interrupted_dump_is_taken_again_from_its_start() {
        let said = &mut Said::default();
        let dumps: Dumps<'_> = &[&[(RULE, b"one")], &[(RULE, b"two"), (RULE, b"3")]];
        reading(said, dumps);
        said.begin();
        said.take(RULE, b"one");
        said.end_dump();
        said.take(RULE, b"two");
        said.rewind();
        said.take(RULE, b"two");
        said.take(RULE, b"3");
        said.end_dump();
        assert!(said.is_same());
    }

    #[test]
    fn clocks_are_no_news() {
        let address = |address: u8, clock: &[u8; 16]| {
            let mut body = vec![0; 8];
            body.extend(attribute(1, &[10, 0, 0, address]));
            body.extend(attribute(IFA_CACHEINFO, clock));
            body
        };
        let said = &mut Said::default();
        let told = |said: &mut Said, body: &[u8]| reading(said, &[&[(libc::RTM_NEWADDR, body)]]);
        told(said, &address(1, &[7; 16]));
        assert!(told(said, &address(1, &[8; 16])));
        assert!(!told(said, &address(2, &[8; 16])));
    }

    #[test]
    fn timers_of_bridges_are_no_news_and_what_else_has_their_numbers_is() {
        let link = |kind: &[u8], timer: u8| {
            let infos = [
                attribute(IFLA_INFO_KIND, kind),
                attribute(IFLA_INFO_DATA | 0x8000, &attribute(19, &[timer; 8])),
                attribute(IFLA_INFO_SLAVE_KIND, b"bridge\0"),
                attribute(IFLA_INFO_SLAVE_DATA, &attribute(21, &[timer; 8])),
            ];
            let mut body = vec![0; 16];
            body.extend(attribute(IFLA_LINKINFO, &infos.concat()));
            body
        };
        let said = &mut Said::default();
        let told = |said: &mut Said, body: &[u8]| reading(said, &[&[(libc::RTM_NEWLINK, body)]]);
        told(said, &link(b"bridge\0", 1));
        assert!(told(said, &link(b"bridge\0", 2)));
        told(said, &link(b"vxlan\0\0", 1));
        assert!(!told(said, &link(b"vxlan\0\0", 2)));
    }

    #[test]
    fn what_an_interface_carries_is_no_news_and_its_name_is() {
        let link = |name: &[u8], octets: u8| {
            let mut body = vec![0; 16];
            body.extend(attribute(libc::IFLA_IFNAME, name));
            body.extend(attribute(IFLA_STATS64, &[octets; 200]));
            body.extend(attribute(IFLA_STATS, &[octets; 96]));
            body.extend(attribute(
                IFLA_LINKINFO,
                &attribute(IFLA_INFO_XSTATS, &[octets; 8]),
            ));
            body
        };
        let said = &mut Said::default();
        let told = |said: &mut Said, body: &[u8]| reading(said, &[&[(libc::RTM_NEWLINK, body)]]);
        told(said, &link(b"up0", 1));
        assert!(told(said, &link(b"up0", 2)));
        assert!(!told(said, &link(b"up1", 2)));
    }

    #[test]
    fn what_is_kept_decodes_to_what_was_said() {
        use netlink_packet_core::NetlinkSerializable;
        use netlink_packet_route::rule::{RuleAction, RuleMessage};

        let mut rule = RuleMessage::default();
        rule.header.action = RuleAction::ToTable;
        rule.header.table = 7;
        let rule = RouteNetlinkMessage::NewRule(rule);
        let mut body = vec![0; rule.buffer_len()];
        rule.serialize(&mut body);
        let said = &mut Said::default();
        // The one in between is too short for a rule.
        reading(said, &[&[(RULE, &body), (RULE, b"x")], &[(RULE, &body)]]);
        assert_eq!(said.objects().collect::<Vec<_>>(), [rule.clone(), rule]);
    }
}
