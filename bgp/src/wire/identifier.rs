//! Numbers that name an autonomous system or a router.

use std::fmt;
use std::net::Ipv4Addr;

/// An autonomous system number, always four octets in memory (RFC 6793).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asn(pub u32);

impl Asn {
    /// Stands for any number above 65535 towards a peer that only knows two octets (RFC 6793 §9).
    pub const TRANS: Self = Self(23456);

    /// The number as two octets: itself when it fits, otherwise [`Asn::TRANS`].
    #[must_use]
    pub fn two_octets(self) -> u16 {
        u16::try_from(self.0).unwrap_or(23456)
    }

    /// True when two octets cannot carry the number.
    #[must_use]
    pub const fn needs_four_octets(self) -> bool {
        self.0 > 0xffff
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u32> for Asn {
    fn from(number: u32) -> Self {
        Self(number)
    }
}

/// The BGP Identifier: four octets, not zero, unique within the AS (RFC 6286 §2.1).
/// Written like an IPv4 address, compared as an unsigned number (RFC 4271 §6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub Ipv4Addr);

impl fmt::Display for RouterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Ipv4Addr> for RouterId {
    fn from(address: Ipv4Addr) -> Self {
        Self(address)
    }
}

impl From<u32> for RouterId {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_as_number_above_65535_becomes_as_trans() {
        assert_eq!(Asn(65535).two_octets(), 65535);
        assert_eq!(u32::from(Asn(65536).two_octets()), Asn::TRANS.0);
        assert!(Asn(65536).needs_four_octets());
    }

    #[test]
    fn router_ids_compare_as_unsigned_numbers() {
        assert!(RouterId::from(0x80_00_00_00) > RouterId::from(0x7f_ff_ff_ff));
    }
}
