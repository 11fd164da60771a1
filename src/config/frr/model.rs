//! What an FRR configuration says, as far as this agent has a use for it.

use std::collections::BTreeMap;

/// A value and the line it comes from.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
}

/// A whole file.
#[derive(Clone, Default)]
pub(super) struct Frr {
    /// `frr version`: defaults depend on it.
    pub(super) version: Option<(u32, u32)>,
    /// `frr defaults datacenter`.
    pub(super) datacenter: bool,
    /// `router bgp`.
    pub(super) bgp: Option<Bgp>,
    /// By name: the rules of `ip prefix-list` and of `ipv6 prefix-list`.
    pub(super) prefix_lists: BTreeMap<String, [Rules; 2]>,
    pub(super) route_maps: BTreeMap<String, BTreeMap<u32, Entry>>,
    /// By kind and name.
    pub(super) community_lists: BTreeMap<(Communities, String), CommunityList>,
    /// `ip protocol bgp route-map`, and the same of `ipv6`.
    pub(super) fib_maps: [Option<At<String>>; 2],
    /// `ip nht resolve-via-default`, and the same of `ipv6`.
    pub(super) resolve_via_default: [Option<At<bool>>; 2],
    pub(super) bfd_profiles: BTreeMap<String, Profile>,
}

/// IPv4 or IPv6; also the index of its half of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(super) fn of<T>(self, pair: &[T; 2]) -> &T {
        let [v4, v6] = pair;
        if self == Self::V4 { v4 } else { v6 }
    }

    pub(super) fn of_mut<T>(self, pair: &mut [T; 2]) -> &mut T {
        let [v4, v6] = pair;
        if self == Self::V4 { v4 } else { v6 }
    }
}

/// An address family of BGP that this agent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressFamily {
    Unicast(Family),
    /// `l2vpn evpn`.
    Evpn,
}

/// The rules of a prefix list, by sequence number.
pub(super) type Rules = BTreeMap<u32, At<String>>;

/// `router bgp`.
#[derive(Clone, Default)]
pub(super) struct Bgp {
    pub(super) line: usize,
    /// Options of `[bgp]`.
    pub(super) options: Options,
    pub(super) timers: Option<At<(u32, u32)>>,
    /// `bgp default ipv4-unicast`, and `ipv6-unicast`.
    pub(super) default_families: [Option<bool>; 2],
    /// `bgp ebgp-requires-policy`.
    pub(super) requires_policy: Option<bool>,
    /// `bgp network import-check`.
    pub(super) import_check: Option<bool>,
    pub(super) groups: Vec<Peer>,
    pub(super) neighbours: Vec<Peer>,
    /// `bgp listen range`: prefix and group.
    pub(super) ranges: Vec<At<(String, String)>>,
    pub(super) listen_limit: Option<At<String>>,
    pub(super) networks: Vec<At<String>>,
    /// `redistribute connected`, with its route map if any, by family.
    pub(super) connected: [Option<At<Option<String>>>; 2],
}

/// Options of bgp-agent.conf that a statement stands for directly.
pub(super) type Options = BTreeMap<&'static str, At<String>>;

/// A neighbour or a peer group.
#[derive(Clone, Default)]
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) group: Option<At<String>>,
    /// `neighbor NAME interface`: the neighbour is found on this device.
    pub(super) unnumbered: bool,
    pub(super) options: Options,
    pub(super) families: [PeerFamily; 2],
    pub(super) evpn: PeerFamily,
    /// Where it is activated in a family that this agent does not have.
    pub(super) other_family: Option<usize>,
}

impl Peer {
    pub(super) fn family_mut(&mut self, family: AddressFamily) -> &mut PeerFamily {
        match family {
            AddressFamily::Unicast(family) => family.of_mut(&mut self.families),
            AddressFamily::Evpn => &mut self.evpn,
        }
    }
}

/// A neighbour in one address family.
#[derive(Clone, Default)]
pub(super) struct PeerFamily {
    pub(super) activate: Option<At<bool>>,
    /// Prefix list and route map, in and out.
    pub(super) filters: BTreeMap<(Kind, Direction), At<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    PrefixList,
    RouteMap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    In,
    Out,
}

/// One entry of a route map.
#[derive(Clone, Default)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) permit: bool,
    pub(super) matches: Vec<At<Condition>>,
    /// Changes in the words of a policy's term.
    pub(super) sets: Vec<At<String>>,
    /// `set src`.
    pub(super) source: Option<At<String>>,
    /// `on-match next`: go on with the next entry.
    pub(super) next: Option<usize>,
    /// A condition that cannot be said.
    pub(super) unknown_condition: bool,
}

/// A condition of a route map.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Condition {
    /// `match ip address prefix-list`.
    Prefix(Family, String),
    /// `match ip next-hop prefix-list`.
    NextHop(Family, String),
    /// `match interface`.
    Interface(String),
    /// `match community` and its like: the list's name.
    Community(Communities, String),
    /// In the words of a policy's term.
    Plain(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Communities {
    Standard,
    Large,
    Extended,
}

impl Communities {
    /// The word of a policy's condition or change.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Standard => "community",
            Self::Large => "large-community",
            Self::Extended => "extended-community",
        }
    }
}

/// A community list.
#[derive(Clone, Default)]
pub(super) struct CommunityList {
    /// The value of each line that permits one.
    pub(super) permitted: Vec<String>,
    /// Lines that cannot be said: several at once, denied ones, regular expressions.
    pub(super) beyond: bool,
}

/// A profile of `bfd`.
#[derive(Clone, Default)]
pub(super) struct Profile {
    pub(super) line: usize,
    pub(super) options: Options,
}
