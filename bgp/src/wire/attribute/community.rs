//! Communities: standard (RFC 1997), extended (RFC 4360), large (RFC 8092).

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A text that is no community.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseCommunityError {
    /// Not a standard community.
    #[error(
        "'{0}' is no community: write AS:NUMBER, both up to 65535, or a name such as graceful-shutdown"
    )]
    Standard(String),
    /// Not a large community.
    #[error("'{0}' is no large community: write AS:NUMBER:NUMBER, each up to 4294967295")]
    Large(String),
    /// Not an extended community.
    #[error(
        "'{0}' is no extended community: write rt:AS:NUMBER, soo:ADDRESS:NUMBER, or sixteen hexadecimal digits"
    )]
    Extended(String),
}

/// A standard community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

impl Community {
    /// Asks the receiver to prefer any other path (RFC 8326).
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xffff_0000);
    /// Not to be kept as a stale route for long (RFC 9494 §4.4).
    pub const NO_LLGR: Self = Self(0xffff_0007);
    /// A stale route that is kept for long (RFC 9494 §4.4).
    pub const LLGR_STALE: Self = Self(0xffff_0006);
    /// Discard traffic to this prefix (RFC 7999).
    pub const BLACKHOLE: Self = Self(0xffff_029a);
    /// Not outside the AS or confederation (RFC 1997).
    pub const NO_EXPORT: Self = Self(0xffff_ff01);
    /// To no peer (RFC 1997).
    pub const NO_ADVERTISE: Self = Self(0xffff_ff02);
    /// Not outside the AS, even within the confederation (RFC 1997).
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xffff_ff03);
}

/// Names that the IANA registry "BGP Well-known Communities" gives, as routers spell them.
const NAMES: [(Community, &str); 7] = [
    (Community::GRACEFUL_SHUTDOWN, "graceful-shutdown"),
    (Community::NO_LLGR, "no-llgr"),
    (Community::LLGR_STALE, "llgr-stale"),
    (Community::BLACKHOLE, "blackhole"),
    (Community::NO_EXPORT, "no-export"),
    (Community::NO_ADVERTISE, "no-advertise"),
    (Community::NO_EXPORT_SUBCONFED, "no-export-subconfed"),
];

/// What [`fmt::Display`] writes, "65535:0" for a well-known one included.
impl FromStr for Community {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((community, _)) = NAMES.iter().find(|(_, name)| *name == text) {
            return Ok(*community);
        }
        let halves = text.split_once(':').and_then(|(asn, number)| {
            Some((asn.parse::<u16>().ok()?, number.parse::<u16>().ok()?))
        });
        let (asn, number) = halves.ok_or_else(|| ParseCommunityError::Standard(text.to_owned()))?;
        Ok(Self(u32::from(asn) << 16 | u32::from(number)))
    }
}

/// The well-known name, otherwise "65001:100".
impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(community, _)| community == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xffff),
        }
    }
}

/// An extended community: type, subtype and six octets, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedCommunity(pub [u8; 8]);

/// `rt:65000:1`, `soo:192.0.2.1:1` (RFC 4360 §4, RFC 5668), or what [`fmt::Display`] writes.
impl FromStr for ExtendedCommunity {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let octets = match text.split_once(':') {
            Some(("rt", rest)) => administered(0x02, rest),
            Some(("soo", rest)) => administered(0x03, rest),
            Some(_) => None,
            None => octets(text),
        };
        octets
            .map(Self)
            .ok_or_else(|| ParseCommunityError::Extended(text.to_owned()))
    }
}

/// `ADMINISTRATOR:NUMBER`, transitive: an AS number of two octets, an IPv4 address, or an AS number of four.
fn administered(subtype: u8, text: &str) -> Option<[u8; 8]> {
    let (administrator, number) = text.rsplit_once(':')?;
    let (kind, administrator): (u8, u32) = match administrator.parse::<Ipv4Addr>() {
        Ok(address) => (0x01, address.to_bits()),
        Err(_) => {
            let asn: u32 = administrator.parse().ok()?;
            (if asn > 0xffff { 0x02 } else { 0x00 }, asn)
        }
    };
    let value = if kind == 0x00 {
        u64::from(administrator) << 32 | u64::from(number.parse::<u32>().ok()?)
    } else {
        u64::from(administrator) << 16 | u64::from(number.parse::<u16>().ok()?)
    };
    let header = u64::from(kind) << 56 | u64::from(subtype) << 48;
    Some((header | value).to_be_bytes())
}

fn octets(text: &str) -> Option<[u8; 8]> {
    let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let octets = digits.then(|| u64::from_str_radix(text, 16).ok())?;
    octets.map(u64::to_be_bytes)
}

/// Sixteen hexadecimal digits.
impl fmt::Display for ExtendedCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// A large community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LargeCommunity {
    /// Global Administrator, an AS number.
    pub global: u32,
    /// Local Data Part 1.
    pub local1: u32,
    /// Local Data Part 2.
    pub local2: u32,
}

impl FromStr for LargeCommunity {
    type Err = ParseCommunityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(':').map(|part| part.parse().ok());
        let mut part = || parts.next().flatten();
        let large = (|| {
            Some(Self {
                global: part()?,
                local1: part()?,
                local2: part()?,
            })
        })();
        large
            .filter(|_| parts.next().is_none())
            .ok_or_else(|| ParseCommunityError::Large(text.to_owned()))
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn communities_read_as_operators_write_them() {
        assert_eq!(Community(0xfde9_0064).to_string(), "65001:100");
        assert_eq!(
            Community::GRACEFUL_SHUTDOWN.to_string(),
            "graceful-shutdown"
        );
        let large = LargeCommunity {
            global: 4_200_000_000,
            local1: 1,
            local2: 2,
        };
        assert_eq!(large.to_string(), "4200000000:1:2");
        for text in ["65001:100", "graceful-shutdown", "no-export"] {
            assert_eq!(text.parse::<Community>().unwrap().to_string(), text);
        }
        assert_eq!("65535:0".parse(), Ok(Community::GRACEFUL_SHUTDOWN));
        assert_eq!("4200000000:1:2".parse(), Ok(large));
        for text in ["", "1", "65536:1", "1:2:3", "a:b", "1:-2"] {
            assert!(text.parse::<Community>().is_err(), "{text}");
        }
        for text in ["1:2", "1:2:3:4", "4294967296:1:1"] {
            assert!(text.parse::<LargeCommunity>().is_err(), "{text}");
        }
        let target = ExtendedCommunity([0, 2, 0xfd, 0xe9, 0, 0, 0, 77]);
        assert_eq!(target.to_string(), "0002fde90000004d");
        assert_eq!("rt:65001:77".parse(), Ok(target));
        assert_eq!("0002fde90000004d".parse(), Ok(target));
        for (text, octets) in [
            ("soo:192.0.2.1:5", [1, 3, 192, 0, 2, 1, 0, 5]),
            ("rt:4200000000:1", [2, 2, 0xfa, 0x56, 0xea, 0, 0, 1]),
            ("030c000000000008", [3, 12, 0, 0, 0, 0, 0, 8]),
        ] {
            assert_eq!(text.parse(), Ok(ExtendedCommunity(octets)), "{text}");
        }
        for text in [
            "rt:1",
            "rt:4200000000:65536",
            "soo:192.0.2.1:65536",
            "color:1:1",
            "0002",
        ] {
            assert!(text.parse::<ExtendedCommunity>().is_err(), "{text}");
        }
    }
}
