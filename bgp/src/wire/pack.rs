//! Filling UPDATEs with routes: as many per message as fit, attributes written once.
//!
//! Output is appended to one buffer as consecutive messages, ready to be sent to every peer that shares the
//! same [`CodecOptions`].

use bytes::{BufMut, BytesMut};

use super::attribute::{attribute_code, flag, put_mp_reach_head};
use super::evpn::EvpnRoute;
use super::frame::{MessageType, put_u16_at, write_message};
use super::nlri::encoded_len;
use super::{CodecOptions, EncodeError, Family, MpUnreach, NextHop, Nlri, PathAttributes, Update};

/// Appends the UPDATEs that announce `nlri`, all with the same attributes and next hop. Returns how many.
///
/// IPv4 destinations with an IPv4 next hop go into the message proper, all others into MP_REACH_NLRI.
/// `attributes.next_hop` is not looked at: `next_hop` is used.
///
/// # Errors
/// The attributes leave no room for a prefix, a prefix is of another family, or the next hop cannot be used.
/// `out` is unchanged.
pub fn announce(
    out: &mut BytesMut,
    options: &CodecOptions,
    family: Family,
    next_hop: NextHop,
    attributes: &PathAttributes,
    nlri: impl IntoIterator<Item = impl Destination>,
) -> Result<usize, EncodeError> {
    let plain = match (family, next_hop) {
        (Family::IPV4_UNICAST, NextHop::V4(address)) => Some(address),
        (Family::IPV4_UNICAST, NextHop::V6 { .. })
            if options.extended_next_hop.contains(&family) =>
        {
            None
        }
        (Family::IPV6_UNICAST, NextHop::V6 { .. }) => None,
        // The VTEP, without a link-local address beside it (RFC 7432 §9.1, RFC 8365 §5.1.3).
        (
            Family::L2VPN_EVPN,
            NextHop::V4(_)
            | NextHop::V6 {
                link_local: None, ..
            },
        ) => None,
        _ => return Err(EncodeError::NextHop { family }),
    };
    let mut block = BytesMut::with_capacity(128);
    attributes.encode(&mut block, options, plain)?;
    let shape = Shape {
        family,
        options,
        block: &block,
        field: match plain {
            Some(_) => Field::Announced,
            None => Field::MpReach(next_hop),
        },
    };
    shape.pack(out, nlri)
}

/// Appends the UPDATEs that withdraw `nlri`. Returns how many.
///
/// # Errors
/// A prefix is of another family. `out` is unchanged.
pub fn withdraw(
    out: &mut BytesMut,
    options: &CodecOptions,
    family: Family,
    nlri: impl IntoIterator<Item = impl Destination>,
) -> Result<usize, EncodeError> {
    let field = if family == Family::IPV4_UNICAST {
        Field::Withdrawn
    } else {
        Field::MpUnreach
    };
    Shape {
        family,
        options,
        block: &[],
        field,
    }
    .pack(out, nlri)
}

/// Appends the End-of-RIB marker of a family (RFC 4724 §2).
///
/// # Errors
/// None in practice: the message is 23 or 30 octets long.
pub fn end_of_rib(
    out: &mut BytesMut,
    options: &CodecOptions,
    family: Family,
) -> Result<(), EncodeError> {
    let mp_unreach = (family != Family::IPV4_UNICAST).then(|| MpUnreach::end_of_rib(family));
    let update = Update {
        mp_unreach,
        ..Update::default()
    };
    update.encode(out, options)
}

/// What an UPDATE can be filled with.
pub trait Destination {
    /// The family it belongs to.
    fn family(&self) -> Family;
    /// Octets that [`Self::write`] appends.
    fn encoded_len(&self, with_path_id: bool) -> usize;
    /// Appends it, with a path identifier where add-path is in use.
    fn write(&self, out: &mut BytesMut, with_path_id: bool);
}

impl Destination for Nlri {
    fn family(&self) -> Family {
        Family::of(&self.prefix)
    }

    fn encoded_len(&self, with_path_id: bool) -> usize {
        encoded_len(self, with_path_id)
    }

    fn write(&self, out: &mut BytesMut, with_path_id: bool) {
        self.encode(out, with_path_id);
    }
}

/// Add-path is not offered for EVPN.
impl Destination for EvpnRoute {
    fn family(&self) -> Family {
        Family::L2VPN_EVPN
    }

    fn encoded_len(&self, _: bool) -> usize {
        self.octets()
    }

    fn write(&self, out: &mut BytesMut, _: bool) {
        self.encode(out);
    }
}

/// Where in the message the destinations go.
#[derive(Clone, Copy)]
enum Field {
    Withdrawn,
    MpUnreach,
    MpReach(NextHop),
    Announced,
}

/// What all messages of one call have in common.
struct Shape<'a> {
    family: Family,
    options: &'a CodecOptions,
    /// The encoded attributes other than MP_REACH_NLRI and MP_UNREACH_NLRI.
    block: &'a [u8],
    field: Field,
}

impl Shape<'_> {
    fn pack(
        &self,
        out: &mut BytesMut,
        nlri: impl IntoIterator<Item = impl Destination>,
    ) -> Result<usize, EncodeError> {
        let start = out.len();
        let mut pending = nlri.into_iter().peekable();
        let mut messages = 0;
        while pending.peek().is_some() {
            if let Err(error) = self.message(out, &mut pending) {
                out.truncate(start);
                return Err(error);
            }
            messages += 1;
        }
        Ok(messages)
    }

    fn message(
        &self,
        out: &mut BytesMut,
        pending: &mut std::iter::Peekable<impl Iterator<Item = impl Destination>>,
    ) -> Result<(), EncodeError> {
        let limit = self.options.max_message_len();
        let start = out.len();
        write_message(out, MessageType::Update, limit, |out| match self.field {
            Field::Withdrawn => {
                let length_at = out.len();
                out.put_u16(0);
                // The two octets after the field say that there are no attributes.
                let length = self.fill(out, pending, start + limit - 2)?;
                put_u16_at(out, length_at, field_len("withdrawn routes", length)?);
                out.put_u16(0);
                Ok(())
            }
            Field::Announced => {
                out.put_u16(0);
                out.put_u16(field_len("path attributes", self.block.len())?);
                out.put_slice(self.block);
                self.fill(out, pending, start + limit).map(drop)
            }
            Field::MpReach(next_hop) => {
                let head = |out: &mut BytesMut| put_mp_reach_head(out, self.family, Some(next_hop));
                self.multiprotocol(
                    out,
                    pending,
                    start + limit,
                    attribute_code::MP_REACH_NLRI,
                    head,
                )
            }
            Field::MpUnreach => {
                let head = |out: &mut BytesMut| self.family.encode(out);
                self.multiprotocol(
                    out,
                    pending,
                    start + limit,
                    attribute_code::MP_UNREACH_NLRI,
                    head,
                )
            }
        })
    }

    /// The multiprotocol attribute comes first, as RFC 7606 §5.1 asks, and always with a two-octet length.
    fn multiprotocol(
        &self,
        out: &mut BytesMut,
        pending: &mut std::iter::Peekable<impl Iterator<Item = impl Destination>>,
        end: usize,
        code: u8,
        head: impl FnOnce(&mut BytesMut),
    ) -> Result<(), EncodeError> {
        out.put_u16(0);
        let total_at = out.len();
        out.put_u16(0);
        out.put_slice(&[flag::OPTIONAL | flag::EXTENDED_LENGTH, code, 0, 0]);
        let value_at = out.len();
        head(out);
        let end = end
            .checked_sub(self.block.len())
            .ok_or_else(|| self.no_room(self.block.len()))?;
        self.fill(out, pending, end)?;
        put_u16_at(
            out,
            value_at - 2,
            field_len("multiprotocol attribute", out.len() - value_at)?,
        );
        out.put_slice(self.block);
        put_u16_at(
            out,
            total_at,
            field_len("path attributes", out.len() - total_at - 2)?,
        );
        Ok(())
    }

    /// Writes destinations until `end`; the number of octets written, at least one destination's.
    fn fill(
        &self,
        out: &mut BytesMut,
        pending: &mut std::iter::Peekable<impl Iterator<Item = impl Destination>>,
        end: usize,
    ) -> Result<usize, EncodeError> {
        let start = out.len();
        let with_path_id = self.options.add_path_send.contains(&self.family);
        while let Some(nlri) = pending.peek() {
            if nlri.family() != self.family {
                return Err(EncodeError::Nlri {
                    family: self.family,
                });
            }
            if out.len() + nlri.encoded_len(with_path_id) > end {
                break;
            }
            nlri.write(out, with_path_id);
            pending.next();
        }
        match out.len() - start {
            0 => Err(self.no_room(self.block.len())),
            written => Ok(written),
        }
    }

    /// The attributes alone fill the message.
    fn no_room(&self, length: usize) -> EncodeError {
        EncodeError::TooLong {
            length,
            limit: self.options.max_message_len(),
        }
    }
}

pub(super) fn field_len(what: &'static str, length: usize) -> Result<u16, EncodeError> {
    u16::try_from(length).map_err(|_| EncodeError::FieldTooLong { what, length })
}
