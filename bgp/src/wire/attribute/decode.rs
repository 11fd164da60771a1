//! Octets to attributes, with the error handling of RFC 7606.

use bytes::Bytes;

use super::super::Asn;
use super::super::input::{
    Malformed, Parsed, all, flat, four_octets, ipv4, long_field, octet, short_field,
};
use super::super::notification::update_subcode as subcode;
use super::super::{
    AttributeError, CodecOptions, DecodeError, Disposition, Family, FamilyNlri, MpReach, MpUnreach,
    NextHop, RouterId, nlri,
};
use super::value::{
    aggregator, as_path, extended_community, large_community, list, map, origin, segments,
};
use super::{
    Aggregator, AsPath, Community, PathAttributes, UnknownAttribute, as4, attribute_code as code,
    flag,
};

/// What the path attributes field of one UPDATE says.
#[derive(Default)]
pub(in super::super) struct Attributes {
    pub(in super::super) path: PathAttributes,
    pub(in super::super) mp_reach: Option<MpReach>,
    pub(in super::super) mp_unreach: Option<MpUnreach>,
    pub(in super::super) errors: Vec<AttributeError>,
    /// How many attributes there were, bad ones included.
    pub(in super::super) count: usize,
    seen: Seen,
    as4_path: Option<AsPath>,
    as4_aggregator: Option<Aggregator>,
}

/// One attribute with its parts.
#[derive(Clone, Copy)]
struct Raw<'a> {
    flags: u8,
    code: u8,
    value: &'a [u8],
    /// All of it: flags, code, length, value.
    octets: &'a [u8],
}

/// Why an attribute is not taken.
pub(super) struct Fault {
    disposition: Disposition,
    subcode: u8,
    reason: &'static str,
}

impl Attributes {
    /// Reads the field, in place: this is too large to be handed about. An error is given only where the session
    /// cannot go on.
    pub(in super::super) fn read(
        &mut self,
        field: &[u8],
        options: &CodecOptions,
    ) -> Result<(), DecodeError> {
        let mut input = field;
        while !input.is_empty() {
            match Raw::decode(input) {
                Ok((rest, raw)) => {
                    self.count += 1;
                    self.take(raw, options)?;
                    input = rest;
                }
                Err(error) => {
                    self.overrun(input, flat(error));
                    break;
                }
            }
        }
        let Self {
            path,
            as4_path,
            as4_aggregator,
            ..
        } = self;
        if as4_path.is_some() || as4_aggregator.is_some() {
            as4::join(
                &mut path.as_path,
                &mut path.aggregator,
                as4_path.take(),
                as4_aggregator.take(),
            );
        }
        Ok(())
    }

    /// Which of the attributes that a route must have is missing (RFC 7606 §3 d). One that was there and
    /// malformed is not missing as well.
    pub(in super::super) fn missing(&self, plain_nlri: bool) -> Option<u8> {
        let mandatory = [code::ORIGIN, code::AS_PATH, code::NEXT_HOP];
        let mandatory = mandatory
            .into_iter()
            .filter(|&code| code != code::NEXT_HOP || plain_nlri);
        mandatory
            .into_iter()
            .find(|&code| !self.seen.contains(code))
    }

    /// A length that leaves the field: everything so far counts, the routes are withdrawn (RFC 7606 §4).
    fn overrun(&mut self, rest: &[u8], malformed: Malformed) {
        self.count += 1;
        self.errors.push(AttributeError {
            code: rest.get(1).copied().unwrap_or_default(),
            disposition: Disposition::TreatAsWithdraw,
            subcode: subcode::MALFORMED_ATTRIBUTE_LIST,
            data: Bytes::copy_from_slice(rest),
            reason: malformed.0,
        });
    }

    fn take(&mut self, raw: Raw<'_>, options: &CodecOptions) -> Result<(), DecodeError> {
        let Err(fault) = self.try_take(raw, options) else {
            return Ok(());
        };
        let error = AttributeError {
            code: raw.code,
            disposition: fault.disposition,
            subcode: fault.subcode,
            data: Bytes::copy_from_slice(raw.octets),
            reason: fault.reason,
        };
        if fault.disposition == Disposition::ResetSession {
            return Err(error.into());
        }
        self.errors.push(error);
        Ok(())
    }

    fn try_take(&mut self, raw: Raw<'_>, options: &CodecOptions) -> Result<(), Fault> {
        if !self.seen.insert(raw.code) {
            return Err(duplicate(raw.code));
        }
        raw.check_believed(options)?;
        // Destinations are read in spite of wrong flags: they have to be known to be withdrawn.
        match raw.code {
            code::MP_REACH_NLRI => self.take_mp_reach(raw.value, options)?,
            code::MP_UNREACH_NLRI => self.take_mp_unreach(raw.value, options)?,
            _ => {}
        }
        raw.check_flags()?;
        match raw.code {
            code::MP_REACH_NLRI | code::MP_UNREACH_NLRI => Ok(()),
            code::ORIGIN..=code::CLUSTER_LIST
            | code::EXTENDED_COMMUNITIES
            | code::LARGE_COMMUNITIES => self.take_known(raw, options),
            code::AS4_PATH => self.take_as4_path(raw.value),
            code::AS4_AGGREGATOR => {
                let aggregator = all(raw.value, |input| aggregator(input, true));
                self.as4_aggregator = Some(
                    aggregator.map_err(|error| discard(subcode::OPTIONAL_ATTRIBUTE, error.0))?,
                );
                Ok(())
            }
            code::IPV6_EXTENDED_COMMUNITIES
                if raw.value.is_empty() || !raw.value.len().is_multiple_of(20) =>
            {
                Err(withdraw(
                    subcode::OPTIONAL_ATTRIBUTE,
                    "has a length that is no multiple of 20",
                ))
            }
            _ => {
                self.take_unknown(raw);
                Ok(())
            }
        }
    }

    /// The attributes of RFC 7606 §7 that have a place in [`PathAttributes`].
    fn take_known(&mut self, raw: Raw<'_>, options: &CodecOptions) -> Result<(), Fault> {
        let path = &mut self.path;
        let value = raw.value;
        let wide = options.four_octet_as;
        match raw.code {
            code::ORIGIN => path.origin = origin(value)?,
            code::AS_PATH => path.as_path = as_path(value, options)?,
            code::NEXT_HOP => path.next_hop = Some(all(value, ipv4).map_err(length_fault)?),
            code::MULTI_EXIT_DISC => {
                path.med = Some(all(value, four_octets).map_err(length_fault)?)
            }
            code::LOCAL_PREF => {
                path.local_pref = Some(all(value, four_octets).map_err(length_fault)?)
            }
            code::ATOMIC_AGGREGATE if value.is_empty() => path.atomic_aggregate = true,
            code::ATOMIC_AGGREGATE => {
                return Err(discard(subcode::ATTRIBUTE_LENGTH, "has a value"));
            }
            code::AGGREGATOR => {
                let parsed = all(value, |input| aggregator(input, wide));
                path.aggregator =
                    Some(parsed.map_err(|error| discard(subcode::OPTIONAL_ATTRIBUTE, error.0))?);
            }
            code::COMMUNITIES => {
                path.communities = list(value, |input| map(four_octets(input), Community))?
            }
            code::ORIGINATOR_ID => {
                path.originator_id = Some(RouterId(all(value, ipv4).map_err(length_fault)?))
            }
            code::CLUSTER_LIST => path.cluster_list = list(value, ipv4)?,
            code::EXTENDED_COMMUNITIES => {
                path.extended_communities = list(value, extended_community)?
            }
            _ => path.large_communities = list(value, large_community)?,
        }
        Ok(())
    }

    /// RFC 7606 §5.3, §7.11. Once the family is known an error concerns only it.
    fn take_mp_reach(&mut self, value: &[u8], options: &CodecOptions) -> Result<(), Fault> {
        let (rest, family) = Family::decode(value).map_err(|error| reset(flat(error).0))?;
        let (rest, next_hop) = short_field(rest).map_err(|error| disable(family, flat(error).0))?;
        let (rest, _reserved) = octet(rest).map_err(|error| disable(family, flat(error).0))?;
        let nlri =
            nlri::decode_all(rest, family, options).map_err(|error| disable(family, error.0))?;
        let next_hop = match nlri {
            FamilyNlri::Unicast(_) | FamilyNlri::Evpn(_) => {
                Some(NextHop::decode(next_hop, family).map_err(|error| disable(family, error.0))?)
            }
            FamilyNlri::Opaque(_) => None,
        };
        self.mp_reach = Some(MpReach {
            family,
            next_hop,
            nlri,
        });
        let negotiated = options.extended_next_hop.contains(&family);
        match next_hop {
            Some(next_hop) if !next_hop.is_host() => Err(withdraw(
                subcode::OPTIONAL_ATTRIBUTE,
                "has a next hop that no router can have",
            )),
            // RFC 7606 §7.11 resets because the NLRI cannot be located behind a next hop of unknown length. This length is
            // known, and GoBGP sends it over every IPv6 session, negotiated or not (RFC 8950 §4).
            Some(NextHop::V6 { .. }) if family == Family::IPV4_UNICAST && !negotiated => {
                Err(withdraw(
                    subcode::OPTIONAL_ATTRIBUTE,
                    "has an IPv6 next hop for IPv4, which was not negotiated (extended_next_hop)",
                ))
            }
            _ => Ok(()),
        }
    }

    /// RFC 7606 §5.3, §7.12.
    fn take_mp_unreach(&mut self, value: &[u8], options: &CodecOptions) -> Result<(), Fault> {
        let (rest, family) = Family::decode(value).map_err(|error| reset(flat(error).0))?;
        let nlri =
            nlri::decode_all(rest, family, options).map_err(|error| disable(family, error.0))?;
        self.mp_unreach = Some(MpUnreach { family, nlri });
        Ok(())
    }

    /// Errors in AS4_PATH only cost the attribute (RFC 6793 §6).
    fn take_as4_path(&mut self, value: &[u8]) -> Result<(), Fault> {
        let mut path =
            segments(value, true).map_err(|error| discard(subcode::OPTIONAL_ATTRIBUTE, error.0))?;
        path.segments.retain(|segment| !segment.is_confederation());
        if path.asns().any(|asn| asn == Asn(0)) {
            return Err(discard(subcode::OPTIONAL_ATTRIBUTE, "contains AS 0"));
        }
        self.as4_path = Some(path);
        Ok(())
    }

    /// RFC 4271 §5: passed on when transitive, marked partial; otherwise quietly ignored.
    fn take_unknown(&mut self, raw: Raw<'_>) {
        if raw.flags & flag::TRANSITIVE != 0 {
            self.path.unknown.push(UnknownAttribute {
                flags: raw.flags & !flag::EXTENDED_LENGTH | flag::PARTIAL,
                code: raw.code,
                value: Bytes::copy_from_slice(raw.value),
            });
        }
    }
}

impl<'a> Raw<'a> {
    fn decode(input: &'a [u8]) -> Parsed<'a, Self> {
        let (rest, flags) = octet(input)?;
        let (rest, code) = octet(rest)?;
        let (rest, value) = if flags & flag::EXTENDED_LENGTH != 0 {
            long_field(rest)?
        } else {
            short_field(rest)?
        };
        let octets = input.get(..input.len() - rest.len()).unwrap_or(input);
        Ok((
            rest,
            Self {
                flags,
                code,
                value,
                octets,
            },
        ))
    }

    /// Attributes that this peer has no business sending are dropped before anything else about them is
    /// looked at (RFC 7606 §7.5, 7.9, 7.10; RFC 6793 §6; RFC 8669 §4).
    fn check_believed(&self, options: &CodecOptions) -> Result<(), Fault> {
        match self.code {
            code::LOCAL_PREF | code::ORIGINATOR_ID | code::CLUSTER_LIST
                if !options.internal_peer =>
            {
                Err(discard(
                    subcode::ATTRIBUTE_FLAGS,
                    "is not for external peers",
                ))
            }
            code::AS4_PATH | code::AS4_AGGREGATOR if options.four_octet_as => Err(discard(
                subcode::ATTRIBUTE_FLAGS,
                "is not for peers with four-octet AS numbers",
            )),
            code::PREFIX_SID => Err(discard(
                subcode::OPTIONAL_ATTRIBUTE,
                "is not accepted: no segment routing here",
            )),
            _ => Ok(()),
        }
    }

    /// RFC 7606 §3 c; an unknown attribute that claims to be well-known stays fatal (RFC 4271 §6.3).
    fn check_flags(&self) -> Result<(), Fault> {
        let given = self.flags & (flag::OPTIONAL | flag::TRANSITIVE);
        match expected_flags(self.code) {
            Some(expected) if given != expected => Err(withdraw(
                subcode::ATTRIBUTE_FLAGS,
                "has flags that it cannot have",
            )),
            None if given & flag::OPTIONAL == 0 => Err(Fault {
                disposition: Disposition::ResetSession,
                subcode: subcode::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE,
                reason: "claims to be well-known and is not known",
            }),
            _ => Ok(()),
        }
    }
}

/// Which attributes have been met.
#[derive(Default)]
struct Seen([u128; 2]);

impl Seen {
    /// True when it is the first of its type.
    fn insert(&mut self, code: u8) -> bool {
        let Self([low, high]) = self;
        let half = if code < 128 { low } else { high };
        let bit = 1 << (code % 128);
        let first = *half & bit == 0;
        *half |= bit;
        first
    }

    const fn contains(&self, code: u8) -> bool {
        let Self([low, high]) = self;
        let half = if code < 128 { low } else { high };
        *half & (1 << (code % 128)) != 0
    }
}

/// Optional and Transitive as each specification sets them; `None` for attributes unknown to us.
const fn expected_flags(code: u8) -> Option<u8> {
    match code {
        code::ORIGIN
        | code::AS_PATH
        | code::NEXT_HOP
        | code::LOCAL_PREF
        | code::ATOMIC_AGGREGATE => Some(flag::TRANSITIVE),
        code::MULTI_EXIT_DISC
        | code::ORIGINATOR_ID
        | code::CLUSTER_LIST
        | code::MP_REACH_NLRI
        | code::MP_UNREACH_NLRI => Some(flag::OPTIONAL),
        code::AGGREGATOR
        | code::COMMUNITIES
        | code::EXTENDED_COMMUNITIES
        | code::AS4_PATH
        | code::AS4_AGGREGATOR
        | code::IPV6_EXTENDED_COMMUNITIES
        | code::LARGE_COMMUNITIES => Some(flag::OPTIONAL | flag::TRANSITIVE),
        _ => None,
    }
}

/// RFC 7606 §3 g.
const fn duplicate(code: u8) -> Fault {
    match code {
        code::MP_REACH_NLRI | code::MP_UNREACH_NLRI => Fault {
            disposition: Disposition::ResetSession,
            subcode: subcode::MALFORMED_ATTRIBUTE_LIST,
            reason: "comes twice",
        },
        _ => discard(
            subcode::MALFORMED_ATTRIBUTE_LIST,
            "comes twice; the first one holds",
        ),
    }
}

const fn discard(subcode: u8, reason: &'static str) -> Fault {
    Fault {
        disposition: Disposition::Discard,
        subcode,
        reason,
    }
}

pub(super) const fn withdraw(subcode: u8, reason: &'static str) -> Fault {
    Fault {
        disposition: Disposition::TreatAsWithdraw,
        subcode,
        reason,
    }
}

const fn disable(family: Family, reason: &'static str) -> Fault {
    Fault {
        disposition: Disposition::DisableFamily(family),
        subcode: subcode::OPTIONAL_ATTRIBUTE,
        reason,
    }
}

const fn reset(reason: &'static str) -> Fault {
    Fault {
        disposition: Disposition::ResetSession,
        subcode: subcode::OPTIONAL_ATTRIBUTE,
        reason,
    }
}

/// A value of fixed length that has another one.
pub(super) const fn length_fault(error: Malformed) -> Fault {
    withdraw(subcode::ATTRIBUTE_LENGTH, error.0)
}
