//! What an EVPN route is told apart by: route distinguishers, Ethernet segments, MAC addresses, labels.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// Makes equal addresses of different tenants different destinations (RFC 4364 §4.2): eight octets on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteDistinguisher(pub [u8; 8]);

/// The text is no route distinguisher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no route distinguisher: write ADDRESS:NUMBER (192.0.2.1:100), AS:NUMBER (65001:100), \
     the number up to 65535 where the AS takes four octets or an address stands in its place"
)]
pub struct ParseRdError(String);

impl RouteDistinguisher {
    /// Type 1, an IPv4 address and a number: what RFC 7432 §7.9 recommends, the VTEP and something unique on it.
    #[must_use]
    pub const fn of_address(address: Ipv4Addr, number: u16) -> Self {
        let [a, b, c, d] = address.octets();
        let [high, low] = number.to_be_bytes();
        Self([0, 1, a, b, c, d, high, low])
    }

    /// Type 0, an AS number of two octets, or type 2, one of four, which leaves 16 bits for `number`; `None` if they do
    /// not suffice.
    #[must_use]
    pub fn of_as(asn: u32, number: u32) -> Option<Self> {
        if let Ok(short) = u16::try_from(asn) {
            let [a, b] = short.to_be_bytes();
            let [c, d, e, f] = number.to_be_bytes();
            return Some(Self([0, 0, a, b, c, d, e, f]));
        }
        let [a, b, c, d] = asn.to_be_bytes();
        let [e, f] = u16::try_from(number).ok()?.to_be_bytes();
        Some(Self([0, 2, a, b, c, d, e, f]))
    }
}

/// As routers print it: "65001:100", "192.0.2.1:100"; of an unknown type sixteen hexadecimal digits.
impl fmt::Display for RouteDistinguisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, kind, a, b, c, d, g, h] = self.0;
        match u16::from_be_bytes([self.0[0], kind]) {
            0 => write!(
                f,
                "{}:{}",
                u16::from_be_bytes([a, b]),
                u32::from_be_bytes([c, d, g, h])
            ),
            1 => write!(
                f,
                "{}:{}",
                Ipv4Addr::new(a, b, c, d),
                u16::from_be_bytes([g, h])
            ),
            2 => write!(
                f,
                "{}:{}",
                u32::from_be_bytes([a, b, c, d]),
                u16::from_be_bytes([g, h])
            ),
            _ => write!(f, "{:016x}", u64::from_be_bytes(self.0)),
        }
    }
}

impl FromStr for RouteDistinguisher {
    type Err = ParseRdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.rsplit_once(':').and_then(|(administrator, number)| {
            if let Ok(address) = administrator.parse::<Ipv4Addr>() {
                return Some(Self::of_address(address, number.parse().ok()?));
            }
            Self::of_as(administrator.parse().ok()?, number.parse().ok()?)
        });
        parsed.ok_or_else(|| ParseRdError(text.to_owned()))
    }
}

/// An Ethernet Segment Identifier (RFC 7432 §5); zero is a host or network with a single home.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Esi(pub [u8; 10]);

impl Esi {
    /// A single home.
    pub const SINGLE_HOMED: Self = Self([0; 10]);
}

/// Ten octets with colons between.
impl fmt::Display for Esi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        colons(f, &self.0)
    }
}

/// A MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        colons(f, &self.0)
    }
}

fn colons(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    for (at, octet) in octets.iter().enumerate() {
        let colon = if at == 0 { "" } else { ":" };
        write!(f, "{colon}{octet:02x}")?;
    }
    Ok(())
}

/// The three octets of a label field. Over VXLAN all 24 bits are the VNI (RFC 8365 §5.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(u32);

impl Label {
    /// The largest value, 2²⁴ − 1.
    pub const MAX: u32 = 0x00ff_ffff;

    /// A VNI; `None` beyond 24 bits.
    #[must_use]
    pub const fn of_vni(vni: u32) -> Option<Self> {
        if vni <= Self::MAX {
            Some(Self(vni))
        } else {
            None
        }
    }

    /// The 24 bits as a VNI.
    #[must_use]
    pub const fn vni(self) -> u32 {
        self.0
    }

    pub(super) const fn from_octets([a, b, c]: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([0, a, b, c]))
    }

    pub(crate) const fn octets(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinguishers_read_as_routers_write_them() {
        for (text, octets) in [
            ("65001:100", [0, 0, 0xfd, 0xe9, 0, 0, 0, 100]),
            ("192.0.2.1:77", [0, 1, 192, 0, 2, 1, 0, 77]),
            ("4200000000:5", [0, 2, 0xfa, 0x56, 0xea, 0x00, 0, 5]),
        ] {
            let rd: RouteDistinguisher = text.parse().unwrap();
            assert_eq!((rd.0, rd.to_string().as_str()), (octets, text));
        }
        let odd = RouteDistinguisher([0, 9, 1, 2, 3, 4, 5, 6]);
        assert_eq!(odd.to_string(), "0009010203040506");
    }

    #[test]
    fn what_does_not_fit_is_no_distinguisher() {
        for text in [
            "",
            "65001",
            "192.0.2.1:65536",
            "4200000000:65536",
            "4294967296:1",
            "65001:4294967296",
            "a:b",
        ] {
            let error = text.parse::<RouteDistinguisher>().unwrap_err();
            assert!(error.to_string().contains("ADDRESS:NUMBER"), "{text}");
        }
    }

    #[test]
    fn a_vni_takes_all_24_bits_of_the_label() {
        assert_eq!(Label::of_vni(1 << 24), None);
        let label = Label::of_vni(0x00ab_cdef).unwrap();
        assert_eq!(label.octets(), [0xab, 0xcd, 0xef]);
        assert_eq!(Label::from_octets(label.octets()).vni(), 0x00ab_cdef);
    }
}
