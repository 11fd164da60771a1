//! Extended communities that EVPN gives a meaning to.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use super::super::ExtendedCommunity;
use super::Mac;

/// Tunnel types (IANA "BGP Tunnel Encapsulation Attribute Tunnel Types").
pub mod tunnel {
    /// VXLAN (RFC 8365 §5.1.3, RFC 9012 §3.2.1).
    pub const VXLAN: u16 = 8;
}

const TWO_OCTET_AS: u8 = 0x00;
const ADDRESS: u8 = 0x01;
const FOUR_OCTET_AS: u8 = 0x02;
const OPAQUE: u8 = 0x03;
const EVPN: u8 = 0x06;

/// Which tables take a route (RFC 4360 §4, RFC 7432 §7.10). Three spellings exist of which none equals another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteTarget {
    /// An AS number of two octets and a number.
    As(u16, u32),
    /// An IPv4 address and a number.
    Address(Ipv4Addr, u16),
    /// An AS number of four octets and a number.
    LongAs(u32, u16),
}

/// The text is no route target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no route target: write AS:NUMBER (65001:100) or ADDRESS:NUMBER (192.0.2.1:100), the number up to 65535 \
     where the AS takes four octets or an address stands in its place"
)]
pub struct ParseTargetError(String);

impl RouteTarget {
    /// What routers derive of themselves: the AS, of a long one its low 16 bits, and the VNI. FRR does so.
    #[must_use]
    pub const fn derived(asn: u32, vni: u32) -> Self {
        Self::As((asn & 0xffff) as u16, vni)
    }

    /// What RFC 8365 §5.1.2.1 derives: as [`Self::derived`] with "automatic, VXLAN, domain 0" in the upper octet.
    #[must_use]
    pub const fn derived_by_rfc_8365(asn: u32, vni: u32) -> Self {
        const VXLAN: u32 = 1 << 28;
        Self::As((asn & 0xffff) as u16, VXLAN | vni)
    }

    fn read([kind, _, a, b, c, d, e, f]: [u8; 8]) -> Option<Self> {
        match kind {
            TWO_OCTET_AS => Some(Self::As(
                u16::from_be_bytes([a, b]),
                u32::from_be_bytes([c, d, e, f]),
            )),
            ADDRESS => Some(Self::Address(
                Ipv4Addr::new(a, b, c, d),
                u16::from_be_bytes([e, f]),
            )),
            FOUR_OCTET_AS => Some(Self::LongAs(
                u32::from_be_bytes([a, b, c, d]),
                u16::from_be_bytes([e, f]),
            )),
            _ => None,
        }
    }

    fn octets(self) -> [u8; 8] {
        const SUBTYPE: u8 = 0x02;
        let (kind, [a, b, c, d], [e, f]) = match self {
            Self::As(asn, number) => {
                let [a, b] = asn.to_be_bytes();
                let [c, d, e, f] = number.to_be_bytes();
                (TWO_OCTET_AS, [a, b, c, d], [e, f])
            }
            Self::Address(address, number) => (ADDRESS, address.octets(), number.to_be_bytes()),
            Self::LongAs(asn, number) => (FOUR_OCTET_AS, asn.to_be_bytes(), number.to_be_bytes()),
        };
        [kind, SUBTYPE, a, b, c, d, e, f]
    }
}

impl fmt::Display for RouteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::As(asn, number) => write!(f, "{asn}:{number}"),
            Self::Address(address, number) => write!(f, "{address}:{number}"),
            Self::LongAs(asn, number) => write!(f, "{asn}:{number}"),
        }
    }
}

impl FromStr for RouteTarget {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.rsplit_once(':').and_then(|(administrator, number)| {
            if let Ok(address) = administrator.parse() {
                return Some(Self::Address(address, number.parse().ok()?));
            }
            if let Ok(asn) = administrator.parse() {
                return Some(Self::As(asn, number.parse().ok()?));
            }
            Some(Self::LongAs(
                administrator.parse().ok()?,
                number.parse().ok()?,
            ))
        });
        parsed.ok_or_else(|| ParseTargetError(text.to_owned()))
    }
}

/// How often a MAC address has moved (RFC 7432 §7.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mobility {
    /// It does not move: whoever else claims it is wrong (RFC 7432 §15.2).
    pub sticky: bool,
    /// Counts the moves.
    pub sequence: u32,
}

/// An extended community that EVPN gives a meaning to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EvpnCommunity {
    /// Which tables take the route.
    RouteTarget(RouteTarget),
    /// The tunnel type (RFC 9012 §4.1); [`tunnel::VXLAN`].
    Encapsulation(u16),
    /// The inner destination MAC of what is routed to the speaker (RFC 9135 §8.1).
    RouterMac(Mac),
    /// The MAC's moves.
    Mobility(Mobility),
    /// The MAC and IP are those of a default gateway (RFC 7432 §7.8).
    DefaultGateway,
}

impl EvpnCommunity {
    /// What the community means; `None` for one that EVPN says nothing of.
    #[must_use]
    pub fn read(community: ExtendedCommunity) -> Option<Self> {
        let octets = community.0;
        let [kind, subtype, a, b, c, d, e, f] = octets;
        match (kind, subtype) {
            (TWO_OCTET_AS | ADDRESS | FOUR_OCTET_AS, 0x02) => {
                RouteTarget::read(octets).map(Self::RouteTarget)
            }
            (OPAQUE, 0x0c) => Some(Self::Encapsulation(u16::from_be_bytes([e, f]))),
            (OPAQUE, 0x0d) => Some(Self::DefaultGateway),
            (EVPN, 0x00) => Some(Self::Mobility(Mobility {
                sticky: a & 1 != 0,
                sequence: u32::from_be_bytes([c, d, e, f]),
            })),
            (EVPN, 0x03) => Some(Self::RouterMac(Mac([a, b, c, d, e, f]))),
            _ => None,
        }
    }
}

impl From<EvpnCommunity> for ExtendedCommunity {
    fn from(community: EvpnCommunity) -> Self {
        Self(match community {
            EvpnCommunity::RouteTarget(target) => target.octets(),
            EvpnCommunity::Encapsulation(kind) => {
                let [high, low] = kind.to_be_bytes();
                [OPAQUE, 0x0c, 0, 0, 0, 0, high, low]
            }
            EvpnCommunity::DefaultGateway => [OPAQUE, 0x0d, 0, 0, 0, 0, 0, 0],
            EvpnCommunity::Mobility(Mobility { sticky, sequence }) => {
                let [a, b, c, d] = sequence.to_be_bytes();
                [EVPN, 0x00, sticky.into(), 0, a, b, c, d]
            }
            EvpnCommunity::RouterMac(Mac([a, b, c, d, e, f])) => [EVPN, 0x03, a, b, c, d, e, f],
        })
    }
}

/// As FRR writes them: "RT:65001:77", "ET:8", "Rmac:02:…", "MM:3", "Default Gateway".
impl fmt::Display for EvpnCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RouteTarget(target) => write!(f, "RT:{target}"),
            Self::Encapsulation(kind) => write!(f, "ET:{kind}"),
            Self::RouterMac(mac) => write!(f, "Rmac:{mac}"),
            Self::Mobility(Mobility { sticky, sequence }) => {
                let sticky = if *sticky { ", sticky MAC" } else { "" };
                write!(f, "MM:{sequence}{sticky}")
            }
            Self::DefaultGateway => f.write_str("Default Gateway"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The octets are those of the RFCs' drawings.
    #[test]
    fn communities_of_evpn_are_drawn_as_the_rfcs_draw_them() {
        use EvpnCommunity as C;
        for (community, octets, text) in [
            (
                C::RouteTarget(RouteTarget::As(65001, 77)),
                [0, 2, 0xfd, 0xe9, 0, 0, 0, 77],
                "RT:65001:77",
            ),
            (
                C::RouteTarget(RouteTarget::Address([192, 0, 2, 1].into(), 5)),
                [1, 2, 192, 0, 2, 1, 0, 5],
                "RT:192.0.2.1:5",
            ),
            (
                C::RouteTarget(RouteTarget::LongAs(4_200_000_000, 5)),
                [2, 2, 0xfa, 0x56, 0xea, 0, 0, 5],
                "RT:4200000000:5",
            ),
            (
                C::Encapsulation(tunnel::VXLAN),
                [3, 12, 0, 0, 0, 0, 0, 8],
                "ET:8",
            ),
            (
                C::DefaultGateway,
                [3, 13, 0, 0, 0, 0, 0, 0],
                "Default Gateway",
            ),
            (
                C::RouterMac(Mac([2, 0, 0, 0, 0, 1])),
                [6, 3, 2, 0, 0, 0, 0, 1],
                "Rmac:02:00:00:00:00:01",
            ),
            (
                C::Mobility(Mobility {
                    sticky: true,
                    sequence: 258,
                }),
                [6, 0, 1, 0, 0, 0, 1, 2],
                "MM:258, sticky MAC",
            ),
        ] {
            assert_eq!(ExtendedCommunity::from(community).0, octets);
            assert_eq!(C::read(ExtendedCommunity(octets)), Some(community));
            assert_eq!(community.to_string(), text);
        }
        // A site of origin, and what RFC 7432 does not know.
        assert_eq!(C::read(ExtendedCommunity([0, 3, 0, 1, 0, 0, 0, 1])), None);
        assert_eq!(C::read(ExtendedCommunity([6, 99, 0, 1, 0, 0, 0, 1])), None);
    }

    #[test]
    fn targets_read_as_operators_write_them() {
        for (text, target) in [
            ("65001:4294967295", RouteTarget::As(65001, u32::MAX)),
            (
                "192.0.2.1:65535",
                RouteTarget::Address([192, 0, 2, 1].into(), 65535),
            ),
            ("65536:1", RouteTarget::LongAs(65536, 1)),
        ] {
            assert_eq!(text.parse(), Ok(target));
            assert_eq!(target.to_string(), text);
        }
        for text in ["", "1", "65536:65536", "192.0.2.1:65536", "x:1", "-1:1"] {
            let error = text.parse::<RouteTarget>().unwrap_err();
            assert!(error.to_string().contains("AS:NUMBER"), "{text}");
        }
    }

    #[test]
    fn derived_targets_are_of_the_low_half_of_a_long_as() {
        assert_eq!(RouteTarget::derived(65001, 1001).to_string(), "65001:1001");
        // 4200000000 = 64086 × 65536 + 59904
        assert_eq!(
            RouteTarget::derived(4_200_000_000, 7),
            RouteTarget::As(59904, 7)
        );
        assert_eq!(
            RouteTarget::derived_by_rfc_8365(65001, 1001),
            RouteTarget::As(65001, 0x1000_03e9)
        );
    }
}
