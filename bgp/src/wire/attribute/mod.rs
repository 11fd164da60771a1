//! Path attributes (RFC 4271 §4.3, §5): what all destinations of one UPDATE share.

mod as4;
mod as_path;
mod community;
mod decode;
mod encode;
mod value;

use std::net::Ipv4Addr;

use bytes::Bytes;

pub use as_path::{AsPath, AsPathSegment, Asns, SegmentKind, Segments};
pub use community::{Community, ExtendedCommunity, LargeCommunity, ParseCommunityError};

pub(super) use decode::Attributes;
pub(super) use encode::{put, put_mp_reach_head};

use super::{Asn, Family, FamilyNlri, NextHop, RouterId};

/// Attribute type codes (IANA "BGP Path Attributes").
pub mod attribute_code {
    /// RFC 4271 §5.1.1.
    pub const ORIGIN: u8 = 1;
    /// RFC 4271 §5.1.2.
    pub const AS_PATH: u8 = 2;
    /// RFC 4271 §5.1.3.
    pub const NEXT_HOP: u8 = 3;
    /// RFC 4271 §5.1.4.
    pub const MULTI_EXIT_DISC: u8 = 4;
    /// RFC 4271 §5.1.5.
    pub const LOCAL_PREF: u8 = 5;
    /// RFC 4271 §5.1.6.
    pub const ATOMIC_AGGREGATE: u8 = 6;
    /// RFC 4271 §5.1.7.
    pub const AGGREGATOR: u8 = 7;
    /// RFC 1997.
    pub const COMMUNITIES: u8 = 8;
    /// RFC 4456 §8.
    pub const ORIGINATOR_ID: u8 = 9;
    /// RFC 4456 §8.
    pub const CLUSTER_LIST: u8 = 10;
    /// RFC 4760 §3.
    pub const MP_REACH_NLRI: u8 = 14;
    /// RFC 4760 §4.
    pub const MP_UNREACH_NLRI: u8 = 15;
    /// RFC 4360.
    pub const EXTENDED_COMMUNITIES: u8 = 16;
    /// RFC 6793 §3.
    pub const AS4_PATH: u8 = 17;
    /// RFC 6793 §3.
    pub const AS4_AGGREGATOR: u8 = 18;
    /// RFC 6514 §5.
    pub const PMSI_TUNNEL: u8 = 22;
    /// RFC 5701.
    pub const IPV6_EXTENDED_COMMUNITIES: u8 = 25;
    /// RFC 8092.
    pub const LARGE_COMMUNITIES: u8 = 32;
    /// RFC 8669.
    pub const PREFIX_SID: u8 = 40;
}

/// Attribute flags (RFC 4271 §4.3).
pub(super) mod flag {
    /// Not well-known.
    pub(in super::super) const OPTIONAL: u8 = 0x80;
    /// Passed on by those who do not know it.
    pub(in super::super) const TRANSITIVE: u8 = 0x40;
    /// Passed on by someone who did not know it.
    pub(in super::super) const PARTIAL: u8 = 0x20;
    /// The length takes two octets.
    pub(in super::super) const EXTENDED_LENGTH: u8 = 0x10;
}

/// The attributes of a route. Multiprotocol reachability is not among them: it belongs to the
/// [`super::Update`], so that equal attributes compare equal whatever they are attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PathAttributes {
    /// ORIGIN, mandatory.
    pub origin: Origin,
    /// AS_PATH, mandatory; with a two-octet peer already joined with AS4_PATH (RFC 6793 §4.2.3).
    pub as_path: AsPath,
    /// NEXT_HOP of the IPv4 destinations outside MP_REACH_NLRI.
    pub next_hop: Option<Ipv4Addr>,
    /// MULTI_EXIT_DISC; lower is better.
    pub med: Option<u32>,
    /// LOCAL_PREF, internal peers only; higher is better.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR, joined with AS4_AGGREGATOR.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES.
    pub communities: Vec<Community>,
    /// EXTENDED COMMUNITIES.
    pub extended_communities: Vec<ExtendedCommunity>,
    /// LARGE_COMMUNITY.
    pub large_communities: Vec<LargeCommunity>,
    /// ORIGINATOR_ID, internal peers only.
    pub originator_id: Option<RouterId>,
    /// CLUSTER_LIST, internal peers only; nearest first.
    pub cluster_list: Vec<Ipv4Addr>,
    /// Optional transitive attributes that mean nothing to us, in the order received.
    pub unknown: Vec<UnknownAttribute>,
}

/// Where the route came from originally; lower is better (RFC 4271 §9.1.2.2 b).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Origin {
    /// From inside the originating AS.
    #[default]
    Igp = 0,
    /// From EGP (RFC 904).
    Egp = 1,
    /// From somewhere else, say redistribution.
    Incomplete = 2,
}

/// Who aggregated the route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aggregator {
    /// Its AS.
    pub asn: Asn,
    /// Its identifier.
    pub address: Ipv4Addr,
}

/// An attribute as it came. Sent on unchanged, never rebuilt from a parsed form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UnknownAttribute {
    /// Attribute flags. Partial is set because we do not know it (RFC 4271 §5); the extended length bit is clear.
    pub flags: u8,
    /// Attribute type code.
    pub code: u8,
    /// The value.
    pub value: Bytes,
}

/// MP_REACH_NLRI (RFC 4760 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MpReach {
    /// Family of the destinations.
    pub family: Family,
    /// Where to send their traffic; absent for a family this codec does not look into.
    pub next_hop: Option<NextHop>,
    /// The destinations.
    pub nlri: FamilyNlri,
}

/// MP_UNREACH_NLRI (RFC 4760 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MpUnreach {
    /// Family of the destinations.
    pub family: Family,
    /// The destinations; none at all makes the UPDATE the family's End-of-RIB.
    pub nlri: FamilyNlri,
}
