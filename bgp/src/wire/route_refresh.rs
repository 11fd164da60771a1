//! ROUTE-REFRESH (RFC 2918 §3, RFC 7313 §3.2).

use bytes::{BufMut, BytesMut};

use super::frame::{HEADER_LEN, MessageType, write_message};
use super::input::{Parsed, flat, octet, two_octets};
use super::notification::{code, header_subcode};
use super::options::MAX_MESSAGE_LEN;
use super::{DecodeError, EncodeError, Family};

/// Invalid Message Length, the only subcode of ROUTE-REFRESH Message Error (RFC 7313 §5).
const INVALID_MESSAGE_LENGTH: u8 = 1;

/// Asks for, or brackets, a fresh copy of one family's routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteRefresh {
    /// The family.
    pub family: Family,
    /// What the message says about it.
    pub subtype: RefreshSubtype,
}

/// Message subtype of RFC 7313.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefreshSubtype {
    /// 0: send me everything again. Outbound route filters behind it are not read (RFC 5291).
    Request,
    /// 1: BoRR, everything comes again from here.
    Begin,
    /// 2: EoRR, what did not come again is gone.
    End,
    /// Any other; to be ignored (RFC 7313 §5).
    Unknown(u8),
}

impl RouteRefresh {
    /// Asks the peer to send a family again.
    #[must_use]
    pub const fn request(family: Family) -> Self {
        Self {
            family,
            subtype: RefreshSubtype::Request,
        }
    }

    pub(super) fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let (rest, refresh) = Self::fields(body).map_err(|error| {
            let length = u16::try_from(HEADER_LEN + body.len())
                .unwrap_or(u16::MAX)
                .to_be_bytes();
            DecodeError::new(
                code::HEADER,
                header_subcode::BAD_LENGTH,
                &length,
                format!("ROUTE-REFRESH {}", flat(error).0),
            )
        })?;
        let bracket = matches!(refresh.subtype, RefreshSubtype::Begin | RefreshSubtype::End);
        if bracket && !rest.is_empty() {
            let mut message = BytesMut::new();
            // RFC 7313 §5 wants the whole message back; writing the header again gives the same octets.
            let rebuilt = write_message(
                &mut message,
                MessageType::RouteRefresh,
                usize::from(u16::MAX),
                |out| {
                    out.put_slice(body);
                    Ok(())
                },
            );
            let data = rebuilt.map_or(body, |()| &message);
            let reason = "ROUTE-REFRESH that begins or ends a refresh is too long";
            return Err(DecodeError::new(
                code::ROUTE_REFRESH,
                INVALID_MESSAGE_LENGTH,
                data,
                reason,
            ));
        }
        Ok(refresh)
    }

    /// What follows is an outbound route filter of a peer that ignored that we did not offer them.
    fn fields(body: &[u8]) -> Parsed<'_, Self> {
        let (body, afi) = two_octets(body)?;
        let (body, subtype) = octet(body)?;
        let (body, safi) = octet(body)?;
        let subtype = match subtype {
            0 => RefreshSubtype::Request,
            1 => RefreshSubtype::Begin,
            2 => RefreshSubtype::End,
            other => RefreshSubtype::Unknown(other),
        };
        Ok((
            body,
            Self {
                family: Family { afi, safi },
                subtype,
            },
        ))
    }

    /// Appends the message to `out`.
    ///
    /// # Errors
    /// None in practice: the message is 23 octets long.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let subtype = match self.subtype {
            RefreshSubtype::Request => 0,
            RefreshSubtype::Begin => 1,
            RefreshSubtype::End => 2,
            RefreshSubtype::Unknown(other) => other,
        };
        write_message(out, MessageType::RouteRefresh, MAX_MESSAGE_LEN, |out| {
            out.put_u16(self.family.afi);
            out.put_u8(subtype);
            out.put_u8(self.family.safi);
            Ok(())
        })
    }
}
