//! The values of single attributes.

use super::super::input::{
    Malformed, Parsed, all, each, four_octets, ipv4, malformed, octet, take, two_octets,
};
use super::super::notification::update_subcode as subcode;
use super::super::{Asn, CodecOptions};
use super::decode::{Fault, length_fault, withdraw};
use super::{
    Aggregator, AsPath, AsPathSegment, Asns, ExtendedCommunity, LargeCommunity, Origin, SegmentKind,
};

/// RFC 7606 §7.1.
pub(super) fn origin(value: &[u8]) -> Result<Origin, Fault> {
    match all(value, octet).map_err(length_fault)? {
        0 => Ok(Origin::Igp),
        1 => Ok(Origin::Egp),
        2 => Ok(Origin::Incomplete),
        _ => Err(withdraw(subcode::INVALID_ORIGIN, "has an undefined value")),
    }
}

/// RFC 7606 §7.2; AS 0 by RFC 7607 §2; confederations end at the border (RFC 5065 §5).
pub(super) fn as_path(value: &[u8], options: &CodecOptions) -> Result<AsPath, Fault> {
    let fault = |reason| withdraw(subcode::MALFORMED_AS_PATH, reason);
    let path = segments(value, options.four_octet_as).map_err(|error| fault(error.0))?;
    if path.asns().any(|asn| asn == Asn(0)) {
        return Err(fault("contains AS 0"));
    }
    if !options.internal_peer && path.segments.iter().any(AsPathSegment::is_confederation) {
        return Err(fault(
            "shows the inside of a confederation to an external peer",
        ));
    }
    Ok(path)
}

pub(super) fn segments(value: &[u8], wide: bool) -> Result<AsPath, Malformed> {
    let mut path = AsPath::default();
    each(value, |input| {
        let (input, segment) = segment(input, wide)?;
        path.segments.push(segment);
        Ok((input, ()))
    })?;
    Ok(path)
}

fn segment(input: &[u8], wide: bool) -> Parsed<'_, AsPathSegment> {
    let (input, kind) = octet(input)?;
    let (input, count) = octet(input)?;
    let kind = match kind {
        1 => SegmentKind::Set,
        2 => SegmentKind::Sequence,
        3 => SegmentKind::ConfedSequence,
        4 => SegmentKind::ConfedSet,
        _ => return malformed("has a segment of unknown type"),
    };
    if count == 0 {
        return malformed("has a segment without an AS");
    }
    let width = if wide { 4 } else { 2 };
    let (input, body) = take(input, usize::from(count) * width)?;
    let mut asns = Asns::with_capacity(count.into());
    each(body, |input| {
        let (input, asn) = asn(input, wide)?;
        asns.push(asn);
        Ok((input, ()))
    })
    .map_err(nom::Err::Error)?;
    Ok((input, AsPathSegment { kind, asns }))
}

fn asn(input: &[u8], wide: bool) -> Parsed<'_, Asn> {
    if wide {
        map(four_octets(input), Asn)
    } else {
        map(two_octets(input), |number| Asn(number.into()))
    }
}

/// RFC 7606 §7.7; AS 0 by RFC 7607 §2.
pub(super) fn aggregator(input: &[u8], wide: bool) -> Parsed<'_, Aggregator> {
    let (input, asn) = asn(input, wide)?;
    let (input, address) = ipv4(input)?;
    if asn == Asn(0) {
        return malformed("names AS 0");
    }
    Ok((input, Aggregator { asn, address }))
}

pub(super) fn extended_community(input: &[u8]) -> Parsed<'_, ExtendedCommunity> {
    let (input, high) = four_octets(input)?;
    let (input, low) = four_octets(input)?;
    let value = u64::from(high) << 32 | u64::from(low);
    Ok((input, ExtendedCommunity(value.to_be_bytes())))
}

pub(super) fn large_community(input: &[u8]) -> Parsed<'_, LargeCommunity> {
    let (input, global) = four_octets(input)?;
    let (input, local1) = four_octets(input)?;
    let (input, local2) = four_octets(input)?;
    Ok((
        input,
        LargeCommunity {
            global,
            local1,
            local2,
        },
    ))
}

/// Elements to the end, at least one (RFC 7606 §7.8, 7.10, 7.14; RFC 8092 §5).
pub(super) fn list<'a, T>(
    value: &'a [u8],
    element: impl Fn(&'a [u8]) -> Parsed<'a, T>,
) -> Result<Vec<T>, Fault> {
    let mut elements = Vec::with_capacity(value.len() / size_of::<T>());
    each(value, |input| {
        let (input, parsed) = element(input)?;
        elements.push(parsed);
        Ok((input, ()))
    })
    .map_err(|error| withdraw(subcode::OPTIONAL_ATTRIBUTE, error.0))?;
    if elements.is_empty() {
        return Err(withdraw(subcode::OPTIONAL_ATTRIBUTE, "is empty"));
    }
    Ok(elements)
}

pub(super) fn map<T, U>(parsed: Parsed<'_, T>, into: impl FnOnce(T) -> U) -> Parsed<'_, U> {
    parsed.map(|(rest, value)| (rest, into(value)))
}
