//! OPEN (RFC 4271 §4.2).

use bytes::{BufMut, BytesMut};

use super::frame::{MessageType, write_message};
use super::input::{
    Malformed, Parsed, all, each, flat, ipv4, long_field, octet, short_field, two_octets,
};
use super::notification::{code, open_subcode};
use super::options::MAX_MESSAGE_LEN;
use super::{Asn, Capability, DecodeError, EncodeError, Family, RouterId};

/// The only version in use.
const VERSION: u8 = 4;

/// Optional parameter type: Capabilities (RFC 5492 §4).
const CAPABILITIES: u8 = 2;

/// Optional parameter type: what follows has the form of RFC 9072 §2.
const EXTENDED: u8 = 255;

/// The first message of each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The sender's AS, from the four-octet capability when there is one (RFC 6793 §4.1).
    pub asn: Asn,
    /// Proposed hold time in seconds: zero (none) or at least three.
    pub hold_time: u16,
    /// The sender's identifier.
    pub router_id: RouterId,
    /// What the sender can do, in its order; the same one may come twice (RFC 5492 §4).
    /// [`Capability::FourOctetAs`] is not implied by `asn`: put it in.
    pub capabilities: Vec<Capability>,
}

impl Open {
    /// Families with a Multiprotocol capability. Without any, IPv4 unicast is meant (RFC 4760 §8).
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let mut families: Vec<Family> = Vec::new();
        for capability in &self.capabilities {
            if let Capability::Multiprotocol(family) = capability
                && !families.contains(family)
            {
                families.push(*family);
            }
        }
        if families.is_empty() {
            families.push(Family::IPV4_UNICAST);
        }
        families
    }
}

impl Open {
    /// Reads what follows the header.
    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let (parameters, fixed) = Fixed::decode(body).map_err(|error| unspecific(flat(error)))?;
        fixed.check()?;
        let capabilities = decode_parameters(parameters)?;
        let four_octets = capabilities.iter().find_map(|capability| match capability {
            Capability::FourOctetAs(asn) => Some(*asn),
            _ => None,
        });
        let asn = four_octets.unwrap_or_else(|| Asn(fixed.asn.into()));
        if asn == Asn(0) {
            return Err(open_error(
                open_subcode::BAD_PEER_AS,
                &[],
                "AS 0 cannot be the peer's (RFC 7607)",
            ));
        }
        Ok(Self {
            asn,
            hold_time: fixed.hold_time,
            router_id: fixed.router_id,
            capabilities,
        })
    }

    /// Appends the message to `out`. Optional parameters of more than 255 octets take the form of RFC 9072.
    ///
    /// # Errors
    /// The capabilities do not fit in 4096 octets, or one of them in 255.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let mut capabilities = BytesMut::new();
        for capability in &self.capabilities {
            capability.encode(&mut capabilities)?;
        }
        write_message(out, MessageType::Open, MAX_MESSAGE_LEN, |out| {
            out.put_u8(VERSION);
            out.put_u16(self.asn.two_octets());
            out.put_u16(self.hold_time);
            out.put_slice(&self.router_id.0.octets());
            encode_parameters(out, &capabilities)
        })
    }
}

/// The fields before the optional parameters.
struct Fixed {
    version: u8,
    asn: u16,
    hold_time: u16,
    router_id: RouterId,
}

impl Fixed {
    fn decode(body: &[u8]) -> Parsed<'_, Self> {
        let (body, version) = octet(body)?;
        let (body, asn) = two_octets(body)?;
        let (body, hold_time) = two_octets(body)?;
        let (body, router_id) = ipv4(body)?;
        Ok((
            body,
            Self {
                version,
                asn,
                hold_time,
                router_id: RouterId(router_id),
            },
        ))
    }

    /// RFC 4271 §6.2, in its order.
    fn check(&self) -> Result<(), DecodeError> {
        if self.version != VERSION {
            let ours = [0, VERSION];
            return Err(open_error(
                open_subcode::UNSUPPORTED_VERSION,
                &ours,
                "the peer does not speak BGP version 4",
            ));
        }
        if self.asn == 0 {
            return Err(open_error(
                open_subcode::BAD_PEER_AS,
                &[],
                "AS 0 cannot be the peer's (RFC 7607)",
            ));
        }
        if matches!(self.hold_time, 1 | 2) {
            let reason = "a hold time of one or two seconds is not allowed";
            return Err(open_error(
                open_subcode::UNACCEPTABLE_HOLD_TIME,
                &[],
                reason,
            ));
        }
        if self.router_id.0.is_unspecified() {
            return Err(open_error(
                open_subcode::BAD_IDENTIFIER,
                &[],
                "the BGP identifier is zero",
            ));
        }
        Ok(())
    }
}

/// The optional parameters with their length field. One parser for both forms: a first parameter type of 255
/// makes the lengths two octets wide (RFC 9072 §2); every length is bounded by the one around it.
fn decode_parameters(input: &[u8]) -> Result<Vec<Capability>, DecodeError> {
    let (after_length, length) = octet(input).map_err(|error| unspecific(flat(error)))?;
    let extended = matches!(after_length.first(), Some(&EXTENDED)) && length != 0;
    let parameters = if extended {
        let (input, _) = octet(after_length).map_err(|error| unspecific(flat(error)))?;
        all(input, long_field)
    } else {
        all(input, short_field)
    };
    let mut capabilities = Vec::new();
    let mut unsupported = None;
    each(parameters.map_err(unspecific)?, |input| {
        let (input, kind) = octet(input)?;
        let (input, value) = if extended {
            long_field(input)?
        } else {
            short_field(input)?
        };
        if kind == CAPABILITIES {
            decode_capabilities(value, &mut capabilities).map_err(nom::Err::Error)?;
        } else {
            unsupported = unsupported.or(Some(kind));
        }
        Ok((input, ()))
    })
    .map_err(unspecific)?;
    match unsupported {
        Some(kind) => Err(open_error(
            open_subcode::UNSUPPORTED_PARAMETER,
            &[],
            format!("optional parameter {kind} is not known"),
        )),
        None => Ok(capabilities),
    }
}

fn decode_capabilities(input: &[u8], capabilities: &mut Vec<Capability>) -> Result<(), Malformed> {
    each(input, |input| {
        let (input, capability) = Capability::decode(input)?;
        capabilities.push(capability);
        Ok((input, ()))
    })
}

fn encode_parameters(out: &mut BytesMut, capabilities: &[u8]) -> Result<(), EncodeError> {
    let too_long = |_| EncodeError::FieldTooLong {
        what: "optional parameters",
        length: capabilities.len(),
    };
    if capabilities.is_empty() {
        out.put_u8(0);
    } else if capabilities.len() <= 253 {
        let length = u8::try_from(capabilities.len()).map_err(too_long)?;
        out.put_slice(&[length + 2, CAPABILITIES, length]);
    } else {
        let length = u16::try_from(capabilities.len()).map_err(too_long)?;
        let total = length.checked_add(3).ok_or(EncodeError::FieldTooLong {
            what: "optional parameters",
            length: capabilities.len(),
        })?;
        out.put_slice(&[255, EXTENDED]);
        out.put_u16(total);
        out.put_u8(CAPABILITIES);
        out.put_u16(length);
    }
    out.put_slice(capabilities);
    Ok(())
}

fn open_error(
    subcode: u8,
    data: &[u8],
    reason: impl Into<std::borrow::Cow<'static, str>>,
) -> DecodeError {
    DecodeError::new(code::OPEN, subcode, data, reason)
}

/// RFC 4271 §6.2: a malformed optional parameter has no subcode of its own.
fn unspecific(malformed: Malformed) -> DecodeError {
    open_error(
        open_subcode::UNSPECIFIC,
        &[],
        format!("OPEN {}", malformed.0),
    )
}
