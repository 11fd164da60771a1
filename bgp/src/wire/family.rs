//! Address families (RFC 4760 §2).

use std::fmt;

use bytes::{BufMut, BytesMut};
use ipnet::IpNet;

use super::input::{Parsed, octet, two_octets};

/// What kind of destination an UPDATE speaks of: an address family and its subsequent one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family {
    /// Address Family Identifier, IANA's "address-family-numbers".
    pub afi: u16,
    /// Subsequent Address Family Identifier, IANA's "safi-namespace".
    pub safi: u8,
}

impl Family {
    /// IPv4 prefixes.
    pub const IPV4_UNICAST: Self = Self::new(1, 1);
    /// IPv6 prefixes.
    pub const IPV6_UNICAST: Self = Self::new(2, 1);
    /// Ethernet VPN routes (RFC 7432).
    pub const L2VPN_EVPN: Self = Self::new(25, 70);

    /// A family by its numbers.
    #[must_use]
    pub const fn new(afi: u16, safi: u8) -> Self {
        Self { afi, safi }
    }

    /// The unicast family of a prefix.
    #[must_use]
    pub const fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::IPV4_UNICAST,
            IpNet::V6(_) => Self::IPV6_UNICAST,
        }
    }

    pub(super) fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, afi) = two_octets(input)?;
        let (input, safi) = octet(input)?;
        Ok((input, Self { afi, safi }))
    }

    pub(super) fn encode(self, out: &mut BytesMut) {
        out.put_u16(self.afi);
        out.put_u8(self.safi);
    }

    /// Bits in an address, for the families whose NLRI are plain prefixes.
    pub(super) const fn prefix_bits(self) -> Option<u8> {
        match self {
            Self::IPV4_UNICAST => Some(32),
            Self::IPV6_UNICAST => Some(128),
            _ => None,
        }
    }
}

/// "ipv4-unicast", "ipv6-unicast", "l2vpn-evpn", otherwise "afi-N-safi-N".
impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IPV4_UNICAST => f.write_str("ipv4-unicast"),
            Self::IPV6_UNICAST => f.write_str("ipv6-unicast"),
            Self::L2VPN_EVPN => f.write_str("l2vpn-evpn"),
            Self { afi, safi } => write!(f, "afi-{afi}-safi-{safi}"),
        }
    }
}
