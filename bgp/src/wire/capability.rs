//! Capabilities (RFC 5492): what a speaker offers in its OPEN.

use bytes::{BufMut, Bytes, BytesMut};

use super::input::{
    Malformed, Parsed, all, each, four_octets, malformed, octet, short_field, two_octets,
};
use super::{Asn, EncodeError, Family};

/// Capability codes (IANA "Capability Codes").
mod code {
    pub(super) const MULTIPROTOCOL: u8 = 1;
    pub(super) const ROUTE_REFRESH: u8 = 2;
    pub(super) const EXTENDED_NEXT_HOP: u8 = 5;
    pub(super) const EXTENDED_MESSAGE: u8 = 6;
    pub(super) const GRACEFUL_RESTART: u8 = 64;
    pub(super) const FOUR_OCTET_AS: u8 = 65;
    pub(super) const ADD_PATH: u8 = 69;
    pub(super) const ENHANCED_ROUTE_REFRESH: u8 = 70;
    pub(super) const LONG_LIVED_GRACEFUL_RESTART: u8 = 71;
    pub(super) const FQDN: u8 = 73;
    pub(super) const LINK_LOCAL_NEXT_HOP: u8 = 77;
}

/// One capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// 1: routes of this family (RFC 4760 §8).
    Multiprotocol(Family),
    /// 2: answers ROUTE-REFRESH (RFC 2918).
    RouteRefresh,
    /// 5: these families accept such next hops (RFC 8950 §4).
    ExtendedNextHop(Vec<ExtendedNextHop>),
    /// 6: messages up to 65535 octets (RFC 8654).
    ExtendedMessage,
    /// 64: keeps forwarding across a restart (RFC 4724 §3).
    GracefulRestart(GracefulRestart),
    /// 65: AS numbers of four octets, and the sender's own (RFC 6793 §3).
    FourOctetAs(Asn),
    /// 69: several paths to one destination (RFC 7911 §4).
    AddPath(Vec<AddPath>),
    /// 70: brackets its answer to ROUTE-REFRESH (RFC 7313).
    EnhancedRouteRefresh,
    /// 71: keeps stale routes for long (RFC 9494 §3).
    LongLivedGracefulRestart(Vec<LongLivedFamily>),
    /// 73: the sender's names (draft-walton-bgp-hostname-capability).
    Fqdn {
        /// Host name; octets that are not UTF-8 were replaced.
        host: String,
        /// Domain, may be empty.
        domain: String,
    },
    /// 77: a link-local address alone may be a next hop (draft-ietf-idr-linklocal-capability §3).
    LinkLocalNextHop,
    /// Any other, or one of the above with a length it cannot have; means nothing to us.
    Unknown {
        /// Capability code.
        code: u8,
        /// Its value.
        value: Bytes,
    },
}

/// One line of the Extended Next Hop Encoding capability (RFC 8950 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExtendedNextHop {
    /// Family of the destinations.
    pub family: Family,
    /// Address family of the next hop; 2 is IPv6.
    pub next_hop_afi: u16,
}

/// Value of the Graceful Restart capability (RFC 4724 §3, RFC 8538 §2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct GracefulRestart {
    /// R: the sender has just restarted.
    pub restarting: bool,
    /// N: NOTIFICATIONs end the session gracefully as well (RFC 8538).
    pub notification: bool,
    /// Seconds until the sender expects to be back, 0 to 4095.
    pub time: u16,
    /// Families whose forwarding may survive. Empty: the sender only helps others.
    pub families: Vec<RestartFamily>,
}

/// One family of the Graceful Restart capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RestartFamily {
    /// The family.
    pub family: Family,
    /// F: its forwarding state did survive.
    pub forwarding: bool,
}

/// One family of the ADD-PATH capability (RFC 7911 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddPath {
    /// The family.
    pub family: Family,
    /// The sender is able to receive several paths.
    pub receive: bool,
    /// The sender is able to send several paths.
    pub send: bool,
}

/// One family of the Long-Lived Graceful Restart capability (RFC 9494 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LongLivedFamily {
    /// The family.
    pub family: Family,
    /// F: its forwarding state did survive.
    pub forwarding: bool,
    /// Seconds, 24 bits.
    pub stale_time: u32,
}

impl Capability {
    /// Reads one capability. A value that a known code cannot have makes it [`Capability::Unknown`], so that
    /// it is not negotiated; only the AS number has to be readable (RFC 6793 §3).
    pub(super) fn decode(input: &[u8]) -> Parsed<'_, Self> {
        let (input, code) = octet(input)?;
        let (input, value) = short_field(input)?;
        match Self::known(code, value) {
            Ok(capability) => Ok((input, capability)),
            Err(_) if code == code::FOUR_OCTET_AS => {
                malformed("has a four-octet AS capability of another length")
            }
            Err(_) => {
                let value = Bytes::copy_from_slice(value);
                Ok((input, Self::Unknown { code, value }))
            }
        }
    }

    fn known(code: u8, value: &[u8]) -> Result<Self, Malformed> {
        match code {
            code::MULTIPROTOCOL => all(value, multiprotocol).map(Self::Multiprotocol),
            code::ROUTE_REFRESH => flag(value, Self::RouteRefresh),
            code::EXTENDED_NEXT_HOP => list(value, extended_next_hop).map(Self::ExtendedNextHop),
            code::EXTENDED_MESSAGE => flag(value, Self::ExtendedMessage),
            code::GRACEFUL_RESTART => graceful_restart(value).map(Self::GracefulRestart),
            code::FOUR_OCTET_AS => all(value, four_octets).map(|asn| Self::FourOctetAs(Asn(asn))),
            code::ADD_PATH => list(value, add_path).map(Self::AddPath),
            code::ENHANCED_ROUTE_REFRESH => flag(value, Self::EnhancedRouteRefresh),
            code::LONG_LIVED_GRACEFUL_RESTART => {
                list(value, long_lived).map(Self::LongLivedGracefulRestart)
            }
            code::FQDN => all(value, fqdn),
            code::LINK_LOCAL_NEXT_HOP => flag(value, Self::LinkLocalNextHop),
            _ => Err(Malformed("is not known")),
        }
    }

    /// Appends the capability: code, length, value.
    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.put_u8(self.code());
        let length_at = out.len();
        out.put_u8(0);
        self.encode_value(out)?;
        let length = out.len() - length_at - 1;
        let field = u8::try_from(length).map_err(|_| EncodeError::FieldTooLong {
            what: "capability",
            length,
        })?;
        if let Some(octet) = out.get_mut(length_at) {
            *octet = field;
        }
        Ok(())
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Multiprotocol(_) => code::MULTIPROTOCOL,
            Self::RouteRefresh => code::ROUTE_REFRESH,
            Self::ExtendedNextHop(_) => code::EXTENDED_NEXT_HOP,
            Self::ExtendedMessage => code::EXTENDED_MESSAGE,
            Self::GracefulRestart(_) => code::GRACEFUL_RESTART,
            Self::FourOctetAs(_) => code::FOUR_OCTET_AS,
            Self::AddPath(_) => code::ADD_PATH,
            Self::EnhancedRouteRefresh => code::ENHANCED_ROUTE_REFRESH,
            Self::LongLivedGracefulRestart(_) => code::LONG_LIVED_GRACEFUL_RESTART,
            Self::Fqdn { .. } => code::FQDN,
            Self::LinkLocalNextHop => code::LINK_LOCAL_NEXT_HOP,
            Self::Unknown { code, .. } => *code,
        }
    }

    fn encode_value(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        match self {
            Self::RouteRefresh
            | Self::ExtendedMessage
            | Self::EnhancedRouteRefresh
            | Self::LinkLocalNextHop => {}
            Self::Multiprotocol(family) => {
                out.put_u16(family.afi);
                out.put_u8(0);
                out.put_u8(family.safi);
            }
            Self::ExtendedNextHop(lines) => lines.iter().for_each(|line| line.encode(out)),
            Self::GracefulRestart(restart) => restart.encode(out),
            Self::FourOctetAs(asn) => out.put_u32(asn.0),
            Self::AddPath(lines) => lines.iter().for_each(|line| line.encode(out)),
            Self::LongLivedGracefulRestart(lines) => lines.iter().for_each(|line| line.encode(out)),
            Self::Fqdn { host, domain } => {
                encode_name(out, host)?;
                encode_name(out, domain)?;
            }
            Self::Unknown { value, .. } => out.put_slice(value),
        }
        Ok(())
    }
}

impl ExtendedNextHop {
    /// The SAFI takes two octets here (RFC 8950 §4).
    fn encode(self, out: &mut BytesMut) {
        out.put_u16(self.family.afi);
        out.put_u16(self.family.safi.into());
        out.put_u16(self.next_hop_afi);
    }
}

impl GracefulRestart {
    fn encode(&self, out: &mut BytesMut) {
        let flags = u16::from(self.restarting) << 15 | u16::from(self.notification) << 14;
        out.put_u16(flags | self.time.min(RESTART_TIME_MAX));
        for line in &self.families {
            line.family.encode(out);
            out.put_u8(u8::from(line.forwarding) << 7);
        }
    }
}

impl AddPath {
    fn encode(self, out: &mut BytesMut) {
        self.family.encode(out);
        out.put_u8(u8::from(self.send) << 1 | u8::from(self.receive));
    }
}

impl LongLivedFamily {
    fn encode(self, out: &mut BytesMut) {
        self.family.encode(out);
        out.put_u8(u8::from(self.forwarding) << 7);
        out.put_uint(self.stale_time.min(STALE_TIME_MAX).into(), 3);
    }
}

/// Restart Time is 12 bits wide.
const RESTART_TIME_MAX: u16 = 0x0fff;

/// Long-lived Stale Time is 24 bits wide.
const STALE_TIME_MAX: u32 = 0x00ff_ffff;

/// A capability without a value.
fn flag(value: &[u8], capability: Capability) -> Result<Capability, Malformed> {
    if value.is_empty() {
        Ok(capability)
    } else {
        Err(Malformed("has a value"))
    }
}

/// Equal elements to the end.
fn list<T>(value: &[u8], element: fn(&[u8]) -> Parsed<'_, T>) -> Result<Vec<T>, Malformed> {
    let mut elements = Vec::new();
    each(value, |input| {
        let (input, parsed) = element(input)?;
        elements.push(parsed);
        Ok((input, ()))
    })?;
    Ok(elements)
}

fn multiprotocol(input: &[u8]) -> Parsed<'_, Family> {
    let (input, afi) = two_octets(input)?;
    let (input, _reserved) = octet(input)?;
    let (input, safi) = octet(input)?;
    Ok((input, Family { afi, safi }))
}

fn extended_next_hop(input: &[u8]) -> Parsed<'_, ExtendedNextHop> {
    let (input, afi) = two_octets(input)?;
    let (input, safi) = two_octets(input)?;
    let (input, next_hop_afi) = two_octets(input)?;
    match u8::try_from(safi) {
        Ok(safi) => Ok((
            input,
            ExtendedNextHop {
                family: Family { afi, safi },
                next_hop_afi,
            },
        )),
        Err(_) => malformed("has a SAFI above 255"),
    }
}

fn graceful_restart(value: &[u8]) -> Result<GracefulRestart, Malformed> {
    let (input, head) = two_octets(value).map_err(super::input::flat)?;
    Ok(GracefulRestart {
        restarting: head & 0x8000 != 0,
        notification: head & 0x4000 != 0,
        time: head & RESTART_TIME_MAX,
        families: list(input, |input| {
            let (input, family) = Family::decode(input)?;
            let (input, flags) = octet(input)?;
            Ok((
                input,
                RestartFamily {
                    family,
                    forwarding: flags & 0x80 != 0,
                },
            ))
        })?,
    })
}

fn add_path(input: &[u8]) -> Parsed<'_, AddPath> {
    let (input, family) = Family::decode(input)?;
    let (input, mode) = octet(input)?;
    match mode {
        1..=3 => Ok((
            input,
            AddPath {
                family,
                receive: mode & 1 != 0,
                send: mode & 2 != 0,
            },
        )),
        _ => malformed("has an undefined send/receive mode"),
    }
}

fn long_lived(input: &[u8]) -> Parsed<'_, LongLivedFamily> {
    let (input, family) = Family::decode(input)?;
    let (input, flags_and_time) = four_octets(input)?;
    Ok((
        input,
        LongLivedFamily {
            family,
            forwarding: flags_and_time & 0x8000_0000 != 0,
            stale_time: flags_and_time & STALE_TIME_MAX,
        },
    ))
}

fn fqdn(input: &[u8]) -> Parsed<'_, Capability> {
    let (input, host) = short_field(input)?;
    let (input, domain) = short_field(input)?;
    let text = |octets| String::from_utf8_lossy(octets).into_owned();
    let capability = Capability::Fqdn {
        host: text(host),
        domain: text(domain),
    };
    Ok((input, capability))
}

fn encode_name(out: &mut BytesMut, name: &str) -> Result<(), EncodeError> {
    let length = name.len();
    out.put_u8(u8::try_from(length).map_err(|_| EncodeError::FieldTooLong {
        what: "name",
        length,
    })?);
    out.put_slice(name.as_bytes());
    Ok(())
}
