//! Attributes to octets.

use std::net::Ipv4Addr;

use bytes::{BufMut, BytesMut};

use super::super::frame::put_u16_at;
use super::super::{Asn, CodecOptions, EncodeError, Family, NextHop};
use super::{Aggregator, AsPath, AsPathSegment, PathAttributes, attribute_code as code, flag};

/// ASes in one segment: its count is one octet.
const SEGMENT_MAX: usize = 255;

impl PathAttributes {
    /// Appends all attributes in the order of their codes (RFC 4271 §5), with the given NEXT_HOP.
    pub(in super::super) fn encode(
        &self,
        out: &mut BytesMut,
        options: &CodecOptions,
        next_hop: Option<Ipv4Addr>,
    ) -> Result<(), EncodeError> {
        let wide = options.four_octet_as;
        out.put_slice(&[flag::TRANSITIVE, code::ORIGIN, 1, self.origin as u8]);
        put(out, flag::TRANSITIVE, code::AS_PATH, |out| {
            self.as_path.encode(out, wide)
        })?;
        if let Some(next_hop) = next_hop {
            put_four(out, flag::TRANSITIVE, code::NEXT_HOP, next_hop.to_bits());
        }
        if let Some(med) = self.med {
            put_four(out, flag::OPTIONAL, code::MULTI_EXIT_DISC, med);
        }
        if let Some(local_pref) = self.local_pref {
            put_four(out, flag::TRANSITIVE, code::LOCAL_PREF, local_pref);
        }
        if self.atomic_aggregate {
            out.put_slice(&[flag::TRANSITIVE, code::ATOMIC_AGGREGATE, 0]);
        }
        if let Some(aggregator) = self.aggregator {
            put(out, TRANSIT, code::AGGREGATOR, |out| {
                aggregator.encode(out, wide)
            })?;
        }
        self.encode_communities(out)?;
        if !wide {
            self.encode_for_two_octets(out)?;
        }
        self.encode_large_communities(out)?;
        for unknown in &self.unknown {
            put(out, unknown.flags, unknown.code, |out| {
                out.put_slice(&unknown.value)
            })?;
        }
        Ok(())
    }

    /// Codes 8 to 16.
    fn encode_communities(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        if !self.communities.is_empty() {
            put(out, TRANSIT, code::COMMUNITIES, |out| {
                self.communities
                    .iter()
                    .for_each(|community| out.put_u32(community.0));
            })?;
        }
        if let Some(originator) = self.originator_id {
            put_four(
                out,
                flag::OPTIONAL,
                code::ORIGINATOR_ID,
                originator.0.to_bits(),
            );
        }
        if !self.cluster_list.is_empty() {
            put(out, flag::OPTIONAL, code::CLUSTER_LIST, |out| {
                self.cluster_list
                    .iter()
                    .for_each(|cluster| out.put_u32(cluster.to_bits()));
            })?;
        }
        if !self.extended_communities.is_empty() {
            put(out, TRANSIT, code::EXTENDED_COMMUNITIES, |out| {
                self.extended_communities
                    .iter()
                    .for_each(|community| out.put_slice(&community.0));
            })?;
        }
        Ok(())
    }

    /// What AS_PATH and AGGREGATOR could not say to a two-octet peer (RFC 6793 §4.2.2).
    fn encode_for_two_octets(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        if self.as_path.asns().any(Asn::needs_four_octets) {
            let mut path = self.as_path.clone();
            // Confederation segments never go into AS4_PATH (RFC 6793 §3).
            path.segments.retain(|segment| !segment.is_confederation());
            if !path.segments.is_empty() {
                put(out, TRANSIT, code::AS4_PATH, |out| path.encode(out, true))?;
            }
        }
        match self.aggregator {
            Some(aggregator) if aggregator.asn.needs_four_octets() => {
                put(out, TRANSIT, code::AS4_AGGREGATOR, |out| {
                    aggregator.encode(out, true)
                })
            }
            _ => Ok(()),
        }
    }

    fn encode_large_communities(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        if self.large_communities.is_empty() {
            return Ok(());
        }
        put(out, TRANSIT, code::LARGE_COMMUNITIES, |out| {
            for community in &self.large_communities {
                out.put_u32(community.global);
                out.put_u32(community.local1);
                out.put_u32(community.local2);
            }
        })
    }
}

const TRANSIT: u8 = flag::OPTIONAL | flag::TRANSITIVE;

/// Appends MP_REACH_NLRI up to where the destinations begin (RFC 4760 §3).
pub(in super::super) fn put_mp_reach_head(
    out: &mut BytesMut,
    family: Family,
    next_hop: Option<NextHop>,
) {
    family.encode(out);
    match next_hop {
        Some(next_hop) => {
            out.put_u8(next_hop.encoded_len());
            next_hop.encode(out);
        }
        None => out.put_u8(0),
    }
    out.put_u8(0);
}

/// Appends one attribute; the length takes two octets where one is not enough.
pub(in super::super) fn put(
    out: &mut BytesMut,
    flags: u8,
    code: u8,
    value: impl FnOnce(&mut BytesMut),
) -> Result<(), EncodeError> {
    let start = out.len();
    out.put_slice(&[flags & !flag::EXTENDED_LENGTH, code, 0]);
    let value_at = out.len();
    value(out);
    let length = out.len() - value_at;
    if let Ok(short) = u8::try_from(length) {
        if let Some(field) = out.get_mut(value_at - 1) {
            *field = short;
        }
        return Ok(());
    }
    let field = u16::try_from(length).map_err(|_| EncodeError::FieldTooLong {
        what: "path attribute",
        length,
    })?;
    // Rare: make room for the second length octet.
    out.put_u8(0);
    let end = out.len();
    if let Some(moved) = out.get_mut(value_at..end) {
        moved.rotate_right(1);
    }
    if let Some(flags) = out.get_mut(start) {
        *flags |= flag::EXTENDED_LENGTH;
    }
    put_u16_at(out, value_at - 1, field);
    Ok(())
}

fn put_four(out: &mut BytesMut, flags: u8, code: u8, value: u32) {
    out.put_slice(&[flags, code, 4]);
    out.put_u32(value);
}

impl AsPath {
    fn encode(&self, out: &mut BytesMut, wide: bool) {
        for segment in &self.segments {
            segment.encode(out, wide);
        }
    }
}

impl AsPathSegment {
    /// A segment of more than 255 ASes becomes several (RFC 4271 §5.1.2; CVE-2025-20115 is about not doing so).
    fn encode(&self, out: &mut BytesMut, wide: bool) {
        for asns in self.asns.chunks(SEGMENT_MAX) {
            out.put_u8(self.kind as u8);
            // At most 255 in a chunk.
            out.put_u8(u8::try_from(asns.len()).unwrap_or(u8::MAX));
            for asn in asns {
                put_asn(out, *asn, wide);
            }
        }
    }
}

impl Aggregator {
    fn encode(&self, out: &mut BytesMut, wide: bool) {
        put_asn(out, self.asn, wide);
        out.put_slice(&self.address.octets());
    }
}

fn put_asn(out: &mut BytesMut, asn: Asn, wide: bool) {
    if wide {
        out.put_u32(asn.0);
    } else {
        out.put_u16(asn.two_octets());
    }
}
