//! UPDATE (RFC 4271 §4.3, errors by RFC 7606).

use bytes::{BufMut, BytesMut};

use super::attribute::{Attributes, attribute_code, flag, put, put_mp_reach_head};
use super::evpn::EvpnRoute;
use super::frame::{MessageType, put_u16_at, write_message};
use super::input::{Malformed, Parsed, flat, long_field};
use super::notification::{code, update_subcode};
use super::pack::field_len;
use super::{
    AttributeError, CodecOptions, DecodeError, Disposition, EncodeError, Family, FamilyNlri,
    MpReach, MpUnreach, NextHop, Nlri, PathAttributes, nlri,
};

/// Routes withdrawn and announced by one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// IPv4 destinations withdrawn.
    pub withdrawn: Vec<Nlri>,
    /// Destinations of any family withdrawn.
    pub mp_unreach: Option<MpUnreach>,
    /// Attributes of what is announced; decoding gives them exactly when something is.
    pub attributes: Option<PathAttributes>,
    /// Destinations of any family announced.
    pub mp_reach: Option<MpReach>,
    /// IPv4 destinations announced, with the NEXT_HOP attribute.
    pub nlri: Vec<Nlri>,
}

impl Update {
    /// The family that this UPDATE is the End-of-RIB of: no octet but the fixed ones, or but one empty
    /// MP_UNREACH_NLRI (RFC 4724 §2). Of a decoded UPDATE ask [`DecodedUpdate::end_of_rib`].
    #[must_use]
    pub fn end_of_rib(&self) -> Option<Family> {
        let rest_is_empty = self.withdrawn.is_empty()
            && self.attributes.is_none()
            && self.mp_reach.is_none()
            && self.nlri.is_empty();
        match &self.mp_unreach {
            _ if !rest_is_empty => None,
            None => Some(Family::IPV4_UNICAST),
            Some(unreach) => unreach.nlri.is_empty().then_some(unreach.family),
        }
    }
}

/// An UPDATE as received, with what was wrong in it. [`Self::withdrawals`] and
/// [`Self::announcements`] already follow RFC 7606; only [`Disposition::DisableFamily`] is left to the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedUpdate {
    /// What could be read. Destinations stand where the peer put them, even under treat-as-withdraw.
    pub update: Update,
    /// Everything that was wrong, in order of discovery; never [`Disposition::ResetSession`].
    pub errors: Vec<AttributeError>,
    /// The destinations announced are to be withdrawn (RFC 7606 §2).
    pub treat_as_withdraw: bool,
    pub(super) end_of_rib: Option<Family>,
}

/// Destinations of one family that share next hop and attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement<'a> {
    /// The family.
    pub family: Family,
    /// Where to send their traffic.
    pub next_hop: NextHop,
    /// Their attributes.
    pub attributes: &'a PathAttributes,
    /// The destinations.
    pub nlri: &'a [Nlri],
}

impl DecodedUpdate {
    /// The family that this UPDATE is the End-of-RIB of. Only the exact shape on the wire counts: attributes
    /// that were dropped as malformed do not make an End-of-RIB (CVE-2023-47235).
    #[must_use]
    pub const fn end_of_rib(&self) -> Option<Family> {
        self.end_of_rib
    }

    /// Unicast destinations to withdraw, by family: those the peer withdrew, and those it announced with an
    /// error that makes them withdrawn. To be acted on before [`Self::announcements`] (RFC 4271 §4.3).
    pub fn withdrawals(&self) -> impl Iterator<Item = (Family, &[Nlri])> {
        let update = &self.update;
        let plain = (Family::IPV4_UNICAST, update.withdrawn.as_slice());
        let multi = update
            .mp_unreach
            .as_ref()
            .map(|mp| (mp.family, mp.nlri.unicast()));
        let turned = self.treat_as_withdraw.then(|| {
            let multi = update
                .mp_reach
                .as_ref()
                .map(|mp| (mp.family, mp.nlri.unicast()));
            [Some((Family::IPV4_UNICAST, update.nlri.as_slice())), multi]
        });
        [Some(plain), multi]
            .into_iter()
            .chain(turned.into_iter().flatten())
            .flatten()
            .filter(|(_, nlri)| !nlri.is_empty())
    }

    /// Unicast destinations announced, by family; none under treat-as-withdraw.
    pub fn announcements(&self) -> impl Iterator<Item = Announcement<'_>> {
        let attributes = self
            .update
            .attributes
            .as_ref()
            .filter(|_| !self.treat_as_withdraw);
        attributes.into_iter().flat_map(|attributes| {
            let plain = attributes.next_hop.map(|next_hop| Announcement {
                family: Family::IPV4_UNICAST,
                next_hop: NextHop::V4(next_hop),
                attributes,
                nlri: &self.update.nlri,
            });
            let multi = self.update.mp_reach.as_ref().and_then(|mp| {
                Some(Announcement {
                    family: mp.family,
                    next_hop: mp.next_hop?,
                    attributes,
                    nlri: mp.nlri.unicast(),
                })
            });
            [plain, multi]
                .into_iter()
                .flatten()
                .filter(|announcement| !announcement.nlri.is_empty())
        })
    }

    /// Routes of EVPN to withdraw, their labels aside: as [`Self::withdrawals`].
    pub fn evpn_withdrawals(&self) -> impl Iterator<Item = EvpnRoute> {
        let update = &self.update;
        let withdrawn = update.mp_unreach.as_ref().map(|mp| mp.nlri.evpn());
        let announced = update.mp_reach.as_ref().map(|mp| mp.nlri.evpn());
        let turned = announced
            .into_iter()
            .flatten()
            .filter(|route| self.treat_as_withdraw || route.fault().is_some());
        let withdrawn = withdrawn.into_iter().flatten();
        withdrawn.chain(turned).map(|route| route.key())
    }

    /// Routes of EVPN announced, with the VTEP and what they share; those that RFC 9136 §3.1 makes as good as withdrawn
    /// are among [`Self::evpn_withdrawals`] instead.
    pub fn evpn_announcements(
        &self,
    ) -> impl Iterator<Item = (EvpnRoute, NextHop, &PathAttributes)> {
        let sound = || {
            let attributes = self.update.attributes.as_ref()?;
            let mp = self.update.mp_reach.as_ref()?;
            let routes = mp
                .nlri
                .evpn()
                .iter()
                .filter(|route| route.fault().is_none());
            let next_hop = mp.next_hop?;
            Some(routes.map(move |route| (*route, next_hop, attributes)))
        };
        let sound = (!self.treat_as_withdraw).then(sound).flatten();
        sound.into_iter().flatten()
    }

    /// Families that an error made unbelievable (RFC 7606 §5.3): disable them, or reset the session
    /// with the notification of the error.
    pub fn disabled_families(&self) -> impl Iterator<Item = (Family, &AttributeError)> {
        self.errors
            .iter()
            .filter_map(|error| match error.disposition {
                Disposition::DisableFamily(family) => Some((family, error)),
                _ => None,
            })
    }
}

impl MpUnreach {
    /// The End-of-RIB marker's attribute (RFC 4724 §2).
    #[must_use]
    pub const fn end_of_rib(family: Family) -> Self {
        Self {
            family,
            nlri: FamilyNlri::Unicast(Vec::new()),
        }
    }
}

impl MpReach {
    /// True when it announces nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nlri.is_empty()
    }
}

impl DecodedUpdate {
    /// Reads what follows the header.
    pub(super) fn decode(body: &[u8], options: &CodecOptions) -> Result<Self, DecodeError> {
        let fields = Fields::decode(body)?;
        let plain = |octets| {
            let add_path = options.add_path_receive.contains(&Family::IPV4_UNICAST);
            nlri::decode_prefixes(octets, Family::IPV4_UNICAST, add_path)
        };
        // RFC 7606 §3 i, j: what cannot be read here cannot be withdrawn either.
        let withdrawn =
            plain(fields.withdrawn).map_err(|error| network_field("withdrawn routes", error))?;
        let announced = plain(fields.nlri).map_err(|error| network_field("NLRI", error))?;
        let mut attributes = Attributes::default();
        attributes.read(fields.attributes, options)?;
        let end_of_rib = fields.end_of_rib(&attributes);
        Self::assemble(withdrawn, announced, attributes, end_of_rib)
    }

    #[inline]
    fn assemble(
        withdrawn: Vec<Nlri>,
        nlri: Vec<Nlri>,
        mut attributes: Attributes,
        end_of_rib: Option<Family>,
    ) -> Result<Self, DecodeError> {
        let announces = !nlri.is_empty()
            || attributes
                .mp_reach
                .as_ref()
                .is_some_and(|mp| !mp.is_empty());
        if announces && let Some(code) = attributes.missing(!nlri.is_empty()) {
            attributes.errors.push(AttributeError::missing(code));
        }
        if let Some(error) = martian(&nlri, &attributes.path) {
            attributes.errors.push(error);
        }
        let treat_as_withdraw = find(&attributes.errors, Disposition::TreatAsWithdraw);
        if let Some(error) = treat_as_withdraw
            && !announces
            && !attributes
                .errors
                .iter()
                .any(|error| matches!(error.disposition, Disposition::DisableFamily(_)))
        {
            // RFC 7606 §5.2: there is an error and nothing to withdraw for it, so destinations were lost.
            return Err(error.clone().into());
        }
        let treat_as_withdraw = treat_as_withdraw.is_some();
        let mut path = attributes.path;
        if nlri.is_empty() {
            // RFC 4760 §3: NEXT_HOP beside MP_REACH_NLRI means nothing.
            path.next_hop = None;
        }
        let update = Update {
            withdrawn,
            mp_unreach: attributes.mp_unreach,
            attributes: (announces && !treat_as_withdraw).then_some(path),
            mp_reach: attributes.mp_reach,
            nlri,
        };
        Ok(Self {
            update,
            errors: attributes.errors,
            treat_as_withdraw,
            end_of_rib,
        })
    }
}

/// An UPDATE to be written, as if it had been received without fault.
impl From<Update> for DecodedUpdate {
    fn from(update: Update) -> Self {
        Self {
            end_of_rib: update.end_of_rib(),
            update,
            errors: Vec::new(),
            treat_as_withdraw: false,
        }
    }
}

impl Update {
    /// Appends the message to `out`. For many destinations use [`super::pack`].
    ///
    /// # Errors
    /// It is longer than the session allows, or announces without attributes. `out` is unchanged.
    pub fn encode(&self, out: &mut BytesMut, options: &CodecOptions) -> Result<(), EncodeError> {
        write_message(out, MessageType::Update, options.max_message_len(), |out| {
            let add_path = options.add_path_send.contains(&Family::IPV4_UNICAST);
            let withdrawn_at = out.len();
            out.put_u16(0);
            put_prefixes(out, &self.withdrawn, Family::IPV4_UNICAST, add_path)?;
            put_u16_at(
                out,
                withdrawn_at,
                field_len("withdrawn routes", out.len() - withdrawn_at - 2)?,
            );
            let attributes_at = out.len();
            out.put_u16(0);
            self.encode_attributes(out, options)?;
            put_u16_at(
                out,
                attributes_at,
                field_len("path attributes", out.len() - attributes_at - 2)?,
            );
            put_prefixes(out, &self.nlri, Family::IPV4_UNICAST, add_path)
        })
    }

    /// Destinations come first, so that they can be found whatever is wrong behind them (RFC 7606 §5.1).
    fn encode_attributes(
        &self,
        out: &mut BytesMut,
        options: &CodecOptions,
    ) -> Result<(), EncodeError> {
        if let Some(reach) = &self.mp_reach {
            let body = encode_nlri(&reach.nlri, reach.family, options)?;
            put(out, flag::OPTIONAL, attribute_code::MP_REACH_NLRI, |out| {
                put_mp_reach_head(out, reach.family, reach.next_hop);
                out.put_slice(&body);
            })?;
        }
        if let Some(unreach) = &self.mp_unreach {
            let body = encode_nlri(&unreach.nlri, unreach.family, options)?;
            put(
                out,
                flag::OPTIONAL,
                attribute_code::MP_UNREACH_NLRI,
                |out| {
                    unreach.family.encode(out);
                    out.put_slice(&body);
                },
            )?;
        }
        match &self.attributes {
            Some(attributes) if !self.nlri.is_empty() && attributes.next_hop.is_none() => {
                Err(EncodeError::MissingAttributes)
            }
            Some(attributes) => attributes.encode(out, options, attributes.next_hop),
            None if self.nlri.is_empty() && self.mp_reach.is_none() => Ok(()),
            None => Err(EncodeError::MissingAttributes),
        }
    }
}

/// The three variable parts of the message.
struct Fields<'a> {
    withdrawn: &'a [u8],
    attributes: &'a [u8],
    nlri: &'a [u8],
}

impl<'a> Fields<'a> {
    fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let both = |input: &'a [u8]| -> Parsed<'a, (&'a [u8], &'a [u8])> {
            let (input, withdrawn) = long_field(input)?;
            let (input, attributes) = long_field(input)?;
            Ok((input, (withdrawn, attributes)))
        };
        match both(body) {
            Ok((nlri, (withdrawn, attributes))) => Ok(Self {
                withdrawn,
                attributes,
                nlri,
            }),
            // RFC 4271 §6.3, kept by RFC 7606 §3 a.
            Err(error) => Err(DecodeError::new(
                code::UPDATE,
                update_subcode::MALFORMED_ATTRIBUTE_LIST,
                &[],
                format!(
                    "UPDATE {}: its length fields exceed the message",
                    flat(error).0
                ),
            )),
        }
    }

    /// RFC 4724 §2, by the octets and not by what is left of them after errors.
    fn end_of_rib(&self, attributes: &Attributes) -> Option<Family> {
        if !self.withdrawn.is_empty() || !self.nlri.is_empty() {
            return None;
        }
        match &attributes.mp_unreach {
            None if self.attributes.is_empty() => Some(Family::IPV4_UNICAST),
            Some(unreach)
                if attributes.count == 1
                    && attributes.errors.is_empty()
                    && unreach.nlri.is_empty() =>
            {
                Some(unreach.family)
            }
            _ => None,
        }
    }
}

/// RFC 4271 §6.3: IPv4 destinations whose NEXT_HOP no router can have are not used.
fn martian(nlri: &[Nlri], path: &PathAttributes) -> Option<AttributeError> {
    let next_hop = path
        .next_hop
        .filter(|next_hop| !nlri.is_empty() && !NextHop::V4(*next_hop).is_host())?;
    Some(AttributeError {
        code: attribute_code::NEXT_HOP,
        disposition: Disposition::TreatAsWithdraw,
        subcode: update_subcode::INVALID_NEXT_HOP,
        data: next_hop.octets().to_vec().into(),
        reason: "is an address that no router can have",
    })
}

fn find(errors: &[AttributeError], disposition: Disposition) -> Option<&AttributeError> {
    errors.iter().find(|error| error.disposition == disposition)
}

fn network_field(field: &str, error: Malformed) -> DecodeError {
    DecodeError::new(
        code::UPDATE,
        update_subcode::INVALID_NETWORK_FIELD,
        &[],
        format!("UPDATE: {field} {}", error.0),
    )
}

fn encode_nlri(
    nlri: &FamilyNlri,
    family: Family,
    options: &CodecOptions,
) -> Result<BytesMut, EncodeError> {
    let mut out = BytesMut::new();
    match nlri {
        FamilyNlri::Opaque(octets) => out.put_slice(octets),
        FamilyNlri::Evpn(all) => {
            for route in &all.routes {
                route.encode(&mut out);
            }
        }
        FamilyNlri::Unicast(nlri) => put_prefixes(
            &mut out,
            nlri,
            family,
            options.add_path_send.contains(&family),
        )?,
    }
    Ok(out)
}

fn put_prefixes(
    out: &mut BytesMut,
    nlri: &[Nlri],
    family: Family,
    add_path: bool,
) -> Result<(), EncodeError> {
    for nlri in nlri {
        if Family::of(&nlri.prefix) != family {
            return Err(EncodeError::Nlri { family });
        }
        nlri.encode(out, add_path);
    }
    Ok(())
}
