//! Next hops (RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950 §3).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut, BytesMut};

use super::Family;
use super::input::{Malformed, all, ipv4, ipv6};

/// The address that traffic is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextHop {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, and the link-local one of the same router when it sent both (32 octets, RFC 2545 §3).
    V6 {
        /// The first or only address. A router reached over an unnumbered link may put a link-local one here.
        address: Ipv6Addr,
        /// The link-local address beside a global one.
        link_local: Option<Ipv6Addr>,
    },
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => address.fmt(f),
            Self::V6 {
                address,
                link_local: None,
            } => address.fmt(f),
            Self::V6 {
                address,
                link_local: Some(local),
            } => write!(f, "{address} ({local})"),
        }
    }
}

impl From<Ipv4Addr> for NextHop {
    fn from(address: Ipv4Addr) -> Self {
        Self::V4(address)
    }
}

impl From<Ipv6Addr> for NextHop {
    fn from(address: Ipv6Addr) -> Self {
        Self::V6 {
            address,
            link_local: None,
        }
    }
}

impl NextHop {
    /// False for an address that no router can have: unspecified, loopback, multicast, class E and
    /// IPv4-mapped ones.
    #[must_use]
    pub fn is_host(&self) -> bool {
        match self {
            Self::V4(address) => is_host_v4(*address),
            Self::V6 { address, .. } => is_host_v6(*address),
        }
    }

    /// Reads the next hop field of MP_REACH_NLRI; its length decides what it is (RFC 2545 §3, RFC 8950 §3). Whether
    /// the peer may use that here is for the caller to say.
    pub(super) fn decode(field: &[u8], family: Family) -> Result<Self, Malformed> {
        match field.len() {
            // EVPN's is the VTEP, of either family (RFC 7432 §9, RFC 8365 §5.1.3).
            4 if matches!(family, Family::IPV4_UNICAST | Family::L2VPN_EVPN) => {
                all(field, ipv4).map(Self::V4)
            }
            16 => all(field, ipv6).map(Self::from),
            32 => all(field, |input| {
                let (input, address) = ipv6(input)?;
                let (input, local) = ipv6(input)?;
                Ok((input, Self::pair(address, local)))
            }),
            _ => Err(Malformed(
                "has a next hop of a length that the family does not have",
            )),
        }
    }

    /// The meaning of 32 octets. Routers without a link-local address fill the second half with zeros or with the first;
    /// those without a global one the first half, with zeros (BIRD) or with the second (FRR).
    fn pair(address: Ipv6Addr, second: Ipv6Addr) -> Self {
        let has_global = !address.is_unspecified() && !address.is_unicast_link_local();
        match second.is_unicast_link_local() {
            true if has_global => Self::V6 {
                address,
                link_local: Some(second),
            },
            true => second.into(),
            false => address.into(),
        }
    }

    /// Writes the address or addresses, without a length.
    pub(super) fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::V4(address) => out.put_slice(&address.octets()),
            Self::V6 {
                address,
                link_local,
            } => {
                out.put_slice(&address.octets());
                if let Some(local) = link_local {
                    out.put_slice(&local.octets());
                }
            }
        }
    }

    /// Octets that [`Self::encode`] writes: 4, 16 or 32.
    pub(super) const fn encoded_len(&self) -> u8 {
        match self {
            Self::V4(_) => 4,
            Self::V6 {
                link_local: None, ..
            } => 16,
            Self::V6 {
                link_local: Some(_),
                ..
            } => 32,
        }
    }
}

/// RFC 4271 §6.3: "a valid IP host address".
pub(super) fn is_host_v4(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && !address.is_loopback() && first < 224
}

fn is_host_v6(address: Ipv6Addr) -> bool {
    !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && address.to_ipv4_mapped().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_octets_are_read_whatever_fills_the_half_that_is_missing() {
        let read = |first: &str, second: &str| {
            let halves = [first, second].map(|half| half.parse::<Ipv6Addr>().unwrap().octets());
            let family = Family::IPV6_UNICAST;
            NextHop::decode(&halves.concat(), family).unwrap()
        };
        let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
        let both = NextHop::V6 {
            address: address("2001:db8::1"),
            link_local: Some(address("fe80::1")),
        };
        assert_eq!(read("2001:db8::1", "fe80::1"), both);
        for (first, second) in [("::", "fe80::1"), ("fe80::1", "fe80::1"), ("fe80::1", "::")] {
            assert_eq!(
                read(first, second),
                address("fe80::1").into(),
                "{first} {second}"
            );
        }
        for second in ["::", "2001:db8::1"] {
            assert_eq!(read("2001:db8::1", second), address("2001:db8::1").into());
        }
        assert!(!read("::", "::").is_host());
    }

    #[test]
    fn martian_next_hops_are_no_hosts() {
        for martian in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "224.0.0.5",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(
                !NextHop::from(martian.parse::<Ipv4Addr>().unwrap()).is_host(),
                "{martian}"
            );
        }
        for martian in ["::", "::1", "ff02::1", "::ffff:10.0.0.1"] {
            assert!(
                !NextHop::from(martian.parse::<Ipv6Addr>().unwrap()).is_host(),
                "{martian}"
            );
        }
        assert!(NextHop::from("fe80::1".parse::<Ipv6Addr>().unwrap()).is_host());
        assert!(NextHop::from(Ipv4Addr::new(10, 0, 0, 1)).is_host());
    }
}
