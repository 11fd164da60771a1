//! Routes of EVPN: types 1 to 4 (RFC 7432 §7), type 5 (RFC 9136 §3.1).
//!
//! An NLRI is a type, a length and a value. Lengths are exact: for each type only those exist that its fields add up to,
//! which is what CVE-2026-5107 and its kind exploit the absence of. Routes of other types are skipped (RFC 7606 §5.4).

mod community;
mod identity;
mod reading;

use std::fmt;
use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use ipnet::IpNet;

pub use community::{EvpnCommunity, Mobility, ParseTargetError, RouteTarget, tunnel};
pub use identity::{Esi, Label, Mac, ParseRdError, RouteDistinguisher};
pub(super) use reading::decode_all;

/// Ethernet Auto-Discovery, type 1 (RFC 7432 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AutoDiscovery {
    /// Route distinguisher.
    pub rd: RouteDistinguisher,
    /// The segment.
    pub esi: Esi,
    /// Ethernet tag; 2³² − 1 speaks of the whole segment.
    pub tag: u32,
    /// Label of the segment in this instance. Not part of the key.
    pub label: Label,
}

/// A MAC address, or a MAC and an IP address, of a host; type 2 (RFC 7432 §7.2, RFC 9135 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacIp {
    /// Route distinguisher.
    pub rd: RouteDistinguisher,
    /// The host's segment. Not part of the key.
    pub esi: Esi,
    /// Ethernet tag; zero where a VNI is one broadcast domain (RFC 8365 §5.1.2.1).
    pub tag: u32,
    /// The host's MAC address.
    pub mac: Mac,
    /// The host's IP address, if it is known.
    pub ip: Option<IpAddr>,
    /// VNI of the broadcast domain. Not part of the key.
    pub label: Label,
    /// VNI of the tenant's routing table, for symmetric routing (RFC 9135 §5.1). Not part of the key.
    pub routing_label: Option<Label>,
}

/// Inclusive Multicast Ethernet Tag, type 3 (RFC 7432 §7.3): who is to get broadcasts of the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InclusiveMulticast {
    /// Route distinguisher.
    pub rd: RouteDistinguisher,
    /// Ethernet tag.
    pub tag: u32,
    /// The router that speaks, its VTEP.
    pub originator: IpAddr,
}

/// Ethernet Segment, type 4 (RFC 7432 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EthernetSegment {
    /// Route distinguisher.
    pub rd: RouteDistinguisher,
    /// The segment.
    pub esi: Esi,
    /// The router that is attached to it.
    pub originator: IpAddr,
}

/// An IP prefix of a tenant, type 5 (RFC 9136 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IpPrefix {
    /// Route distinguisher.
    pub rd: RouteDistinguisher,
    /// Overlay index: a segment. Not part of the key.
    pub esi: Esi,
    /// Ethernet tag.
    pub tag: u32,
    /// The prefix; host bits are zero.
    pub prefix: IpNet,
    /// Overlay index: an address of the tenant that forwards; unspecified ones read as `None`. Not part of the key.
    pub gateway: Option<IpAddr>,
    /// VNI of the tenant's routing table. Not part of the key.
    pub label: Label,
}

/// A route of EVPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvpnRoute {
    /// Type 1.
    AutoDiscovery(AutoDiscovery),
    /// Type 2.
    MacIp(MacIp),
    /// Type 3.
    InclusiveMulticast(InclusiveMulticast),
    /// Type 4.
    EthernetSegment(EthernetSegment),
    /// Type 5.
    IpPrefix(IpPrefix),
}

/// The routes of one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvpnRoutes {
    /// Those that could be read.
    pub routes: Vec<EvpnRoute>,
    /// How many more there were, of types that RFC 7432 and RFC 9136 do not define (RFC 7606 §5.4). A message with
    /// nothing but those is no End-of-RIB.
    pub skipped: usize,
}

impl EvpnRoutes {
    /// True without a single route, skipped ones included.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.skipped == 0
    }
}

impl From<Vec<EvpnRoute>> for EvpnRoutes {
    fn from(routes: Vec<EvpnRoute>) -> Self {
        Self { routes, skipped: 0 }
    }
}

impl EvpnRoute {
    /// The route without what is not part of its key (RFC 7432 §7.1, §7.2, RFC 9136 §3.1): two routes are about the
    /// same destination when their keys are equal.
    #[must_use]
    pub fn key(mut self) -> Self {
        match &mut self {
            Self::AutoDiscovery(route) => route.label = Label::default(),
            Self::MacIp(route) => {
                route.esi = Esi::SINGLE_HOMED;
                route.label = Label::default();
                route.routing_label = None;
            }
            Self::IpPrefix(route) => {
                route.esi = Esi::SINGLE_HOMED;
                route.gateway = None;
                route.label = Label::default();
            }
            Self::InclusiveMulticast(_) | Self::EthernetSegment(_) => {}
        }
        self
    }

    /// The prefix of a tenant that it is about: of a host that has an address, that. Others are about none.
    #[must_use]
    pub fn about(&self) -> Option<IpNet> {
        match self {
            Self::IpPrefix(route) => Some(route.prefix),
            Self::MacIp(route) => route.ip.map(IpNet::from),
            _ => None,
        }
    }

    /// Its route distinguisher.
    #[must_use]
    pub const fn rd(&self) -> RouteDistinguisher {
        match self {
            Self::AutoDiscovery(route) => route.rd,
            Self::MacIp(route) => route.rd,
            Self::InclusiveMulticast(route) => route.rd,
            Self::EthernetSegment(route) => route.rd,
            Self::IpPrefix(route) => route.rd,
        }
    }

    /// The route type on the wire.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::AutoDiscovery(_) => 1,
            Self::MacIp(_) => 2,
            Self::InclusiveMulticast(_) => 3,
            Self::EthernetSegment(_) => 4,
            Self::IpPrefix(_) => 5,
        }
    }

    /// Why an announcement of this route is as good as a withdrawal, although it can be read; `None` for a sound one.
    /// RFC 9136 §3.1 wants one overlay index at most, and some way to the prefix.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let Self::IpPrefix(route) = self else {
            return None;
        };
        let by_segment = route.esi != Esi::SINGLE_HOMED;
        match (by_segment, route.gateway.is_some()) {
            (true, true) => Some("names a segment and a gateway as the way to one prefix"),
            (false, false) if route.label == Label::default() => {
                Some("names no label, no segment and no gateway as the way to its prefix")
            }
            _ => None,
        }
    }

    /// Octets that [`Self::encode`] writes.
    pub(super) fn octets(&self) -> usize {
        2 + usize::from(self.value_len())
    }

    fn value_len(&self) -> u8 {
        match self {
            Self::AutoDiscovery(_) => 25,
            Self::MacIp(route) => {
                33 + route.ip.as_ref().map_or(0, address_len)
                    + if route.routing_label.is_some() { 3 } else { 0 }
            }
            Self::InclusiveMulticast(route) => 13 + address_len(&route.originator),
            Self::EthernetSegment(route) => 19 + address_len(&route.originator),
            Self::IpPrefix(route) => match route.prefix {
                IpNet::V4(_) => 34,
                IpNet::V6(_) => 58,
            },
        }
    }

    pub(super) fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.kind());
        out.put_u8(self.value_len());
        out.put_slice(&self.rd().0);
        match self {
            Self::AutoDiscovery(route) => {
                out.put_slice(&route.esi.0);
                out.put_u32(route.tag);
                out.put_slice(&route.label.octets());
            }
            Self::MacIp(route) => route.encode(out),
            Self::InclusiveMulticast(route) => {
                out.put_u32(route.tag);
                put_counted(out, Some(route.originator));
            }
            Self::EthernetSegment(route) => {
                out.put_slice(&route.esi.0);
                put_counted(out, Some(route.originator));
            }
            Self::IpPrefix(route) => route.encode(out),
        }
    }
}

impl MacIp {
    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.esi.0);
        out.put_u32(self.tag);
        out.put_u8(48);
        out.put_slice(&self.mac.0);
        put_counted(out, self.ip);
        out.put_slice(&self.label.octets());
        if let Some(label) = self.routing_label {
            out.put_slice(&label.octets());
        }
    }
}

impl IpPrefix {
    fn encode(&self, out: &mut BytesMut) {
        out.put_slice(&self.esi.0);
        out.put_u32(self.tag);
        out.put_u8(self.prefix.prefix_len());
        put_address(out, self.prefix.network());
        // Both addresses are of one family (RFC 9136 §3.1): a gateway of the other one cannot be written.
        match (self.prefix, self.gateway) {
            (IpNet::V4(_), Some(IpAddr::V4(gateway))) => out.put_slice(&gateway.octets()),
            (IpNet::V6(_), Some(IpAddr::V6(gateway))) => out.put_slice(&gateway.octets()),
            (IpNet::V4(_), _) => out.put_bytes(0, 4),
            (IpNet::V6(_), _) => out.put_bytes(0, 16),
        }
        out.put_slice(&self.label.octets());
    }
}

const fn address_len(address: &IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 4,
        IpAddr::V6(_) => 16,
    }
}

fn put_address(out: &mut BytesMut, address: IpAddr) {
    match address {
        IpAddr::V4(address) => out.put_slice(&address.octets()),
        IpAddr::V6(address) => out.put_slice(&address.octets()),
    }
}

/// An address with its length in bits before it; none is of length 0.
fn put_counted(out: &mut BytesMut, address: Option<IpAddr>) {
    match address {
        None => out.put_u8(0),
        Some(address) => {
            out.put_u8(address_len(&address) * 8);
            put_address(out, address);
        }
    }
}

/// As FRR writes them: `[2]:[0]:[48]:[02:00:00:00:00:01]:[32]:[10.0.0.1]`, with the route distinguisher before it.
impl fmt::Display for EvpnRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]:", self.rd(), self.kind())?;
        let bits = |address: &IpAddr| address_len(address) * 8;
        match self {
            Self::AutoDiscovery(route) => write!(f, "[{}]:[{}]", route.tag, route.esi),
            Self::MacIp(route) => {
                write!(f, "[{}]:[48]:[{}]", route.tag, route.mac)?;
                match &route.ip {
                    Some(ip) => write!(f, ":[{}]:[{ip}]", bits(ip)),
                    None => Ok(()),
                }
            }
            Self::InclusiveMulticast(InclusiveMulticast {
                tag, originator, ..
            }) => write!(f, "[{tag}]:[{}]:[{originator}]", bits(originator)),
            Self::EthernetSegment(EthernetSegment {
                esi, originator, ..
            }) => write!(f, "[{esi}]:[{}]:[{originator}]", bits(originator)),
            Self::IpPrefix(route) => write!(
                f,
                "[{}]:[{}]:[{}]",
                route.tag,
                route.prefix.prefix_len(),
                route.prefix.network()
            ),
        }
    }
}
