//! An originated route as one peer sees it: next hop self, and the attributes its session requires.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::attributes::RouteAttributes;
use super::destination::Destination;
use super::essence::keep_essence;
use super::intern::Interner;
use super::learned_path::DEFAULT_LOCAL_PREF;
use super::next_hops::NextHops;
use super::reader::Batch;
use crate::policy::{Candidate, Filter, Verdict};
use crate::session::{Ends, Negotiated};
use crate::speaker::PeerConfig;
use crate::wire::{
    Asn, CodecOptions, Community, EncodeError, Family, Message, NextHop, PathAttributes,
    RefreshSubtype, RouteRefresh, pack,
};

/// A route as peers are told it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExportedRoute {
    /// Where its traffic is to go.
    pub next_hop: NextHop,
    /// The rest.
    pub attributes: PathAttributes,
}

/// All that one family's routes to a peer depend on. Peers for which this is equal are told the same octets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExportProfile {
    pub(crate) family: Family,
    filter: Filter,
    codec: CodecOptions,
    /// Next hop self; without it only routes whose next hop is set leave.
    next_hop: Option<NextHop>,
    /// ASes that a path gets in front: none towards our own AS (RFC 4271 §5.1.2).
    front: Vec<Asn>,
    /// Everything is about to be withdrawn (RFC 8326).
    graceful_shutdown: bool,
}

/// The session that routes leave by, and the speaker behind it.
pub(crate) struct ExportContext<'a> {
    pub(crate) config: &'a PeerConfig,
    pub(crate) negotiated: &'a Negotiated,
    pub(crate) ends: &'a Ends,
    pub(crate) asn: Asn,
    pub(crate) graceful_shutdown: bool,
}

impl ExportContext<'_> {
    /// What makes the routes of a family what they are in this session.
    pub(crate) fn profile(&self, family: Family) -> ExportProfile {
        let mut codec = self.negotiated.codec.clone();
        // How the peer numbers its paths is nothing to what we send.
        codec.add_path_receive.clear();
        ExportProfile {
            family,
            filter: self.config.export.of(family).clone(),
            codec,
            next_hop: NextHops::new(self.config, self.ends, self.negotiated).of(family),
            front: self.front(),
            graceful_shutdown: self.graceful_shutdown,
        }
    }

    /// Our AS, and in front of it the one we have in this session only.
    fn front(&self) -> Vec<Asn> {
        let in_session = self.negotiated.local_as;
        if self.negotiated.is_internal() {
            return Vec::new();
        }
        match self.config.local_as {
            Some(local) if !local.replace && in_session != self.asn => vec![in_session, self.asn],
            _ => vec![in_session],
        }
    }
}

/// What was made of the attributes of the last route: those that follow mostly have the same.
#[derive(Debug, Default)]
pub(crate) struct ExportMemo {
    last: Option<(Arc<RouteAttributes>, PathAttributes)>,
    outcomes: Vec<(Verdict, Option<Arc<ExportedRoute>>)>,
}

impl ExportProfile {
    /// True when every route has a next hop.
    pub(crate) fn has_next_hop(&self) -> bool {
        self.next_hop.is_some()
    }

    /// Of IPv4 routes to a peer in another AS.
    #[cfg(test)]
    pub(super) fn external(filter: Filter, next_hop: NextHop) -> Self {
        Self {
            family: Family::IPV4_UNICAST,
            filter,
            codec: CodecOptions::default(),
            next_hop: Some(next_hop),
            front: vec![Asn(65001)],
            graceful_shutdown: false,
        }
    }

    /// The route as these peers are told it; `None` when they are not.
    pub(crate) fn export<D: Destination>(
        &self,
        destination: &D,
        route: &Arc<RouteAttributes>,
        memo: &mut ExportMemo,
        routes: &mut Interner<ExportedRoute>,
    ) -> Option<Arc<ExportedRoute>> {
        let ExportMemo { last, outcomes } = memo;
        let (_, attributes) = match last {
            Some(last) if Arc::ptr_eq(&last.0, route) => last,
            last => {
                outcomes.clear();
                last.insert((Arc::clone(route), route.path_attributes()))
            }
        };
        let own = self.usable(route.next_hop.map(next_hop)).or(self.next_hop);
        let verdict = self.filter.judge(&Candidate {
            prefix: destination.prefix().as_ref(),
            next_hop: own,
            attributes,
            as_network: route.as_network,
        });
        if let Some((_, known)) = outcomes.iter().find(|(of, _)| *of == verdict) {
            return known.clone();
        }
        let exported = (verdict != Verdict::Denied).then(|| {
            let before = attributes;
            let mut attributes = before.clone();
            let mut set = own;
            self.filter.apply(verdict, &mut attributes, &mut set);
            let mut next_hop = self.usable(set).or(own)?;
            if self.family == Family::L2VPN_EVPN {
                next_hop = own?;
                keep_essence(before, &mut attributes);
            }
            self.finish(&mut attributes);
            let route = ExportedRoute {
                next_hop,
                attributes,
            };
            self.fits::<D>(&route).then(|| routes.intern(route))
        });
        outcomes.push((verdict, exported.flatten()));
        outcomes.last()?.1.clone()
    }

    /// What the session requires, behind the policy: RFC 4271 §5.1.2, §5.1.5; RFC 8326 §4.1, §4.3.
    fn finish(&self, attributes: &mut PathAttributes) {
        let preference = if self.graceful_shutdown {
            0
        } else {
            attributes.local_pref.unwrap_or(DEFAULT_LOCAL_PREF)
        };
        attributes.local_pref = self.is_internal().then_some(preference);
        for asn in self.front.iter().rev() {
            attributes.as_path.prepend(*asn);
        }
        let told = attributes
            .communities
            .contains(&Community::GRACEFUL_SHUTDOWN);
        if self.graceful_shutdown && !told {
            attributes.communities.push(Community::GRACEFUL_SHUTDOWN);
        }
    }

    /// Whether a message holds the route. What does not fit is not there at all: then the books are right, and what was
    /// told before is withdrawn.
    fn fits<D: Destination>(&self, route: &ExportedRoute) -> bool {
        let host = [D::longest(self.family)];
        let (codec, family) = (&self.codec, self.family);
        let mut out = BytesMut::new();
        let ExportedRoute {
            next_hop,
            attributes,
        } = route;
        let written = pack::announce(&mut out, codec, family, *next_hop, attributes, host);
        if let Err(error) = &written {
            tracing::error!(%family, %error, "routes with these attributes cannot be sent: give them fewer communities");
        }
        written.is_ok()
    }

    fn is_internal(&self) -> bool {
        self.front.is_empty()
    }

    /// Only a next hop of the route's family, or for IPv4 one that RFC 8950 lets be IPv6.
    fn usable(&self, next_hop: Option<NextHop>) -> Option<NextHop> {
        let extended = self.codec.extended_next_hop.contains(&self.family);
        next_hop.filter(|next_hop| match next_hop {
            // A VTEP is of either family, whatever its tenants' are (RFC 8365 §5.1.3).
            _ if self.family == Family::L2VPN_EVPN => true,
            NextHop::V4(_) => self.family == Family::IPV4_UNICAST,
            NextHop::V6 { .. } => self.family == Family::IPV6_UNICAST || extended,
        })
    }

    /// Octets that a batch of host prefixes takes, about: the buffer is shared by all peers, but it should neither
    /// grow nor be much too large.
    fn capacity<D: Destination>(&self, batch: &Batch<D>) -> usize {
        let each = D::octets(self.family);
        let (prefixes, runs) = match batch {
            Batch::Announce(runs) => (runs.iter().map(|(_, p)| p.len()).sum(), runs.len()),
            Batch::Withdraw(prefixes) => (prefixes.len(), 1),
            Batch::EndOfRib | Batch::EndOfRefresh => (0, 0),
        };
        let octets = prefixes * each;
        octets + octets / 32 + runs * 96 + 64
    }

    /// The messages of a batch in one buffer, and how many UPDATEs they are.
    pub(crate) fn encode<D: Destination>(
        &self,
        batch: &Batch<D>,
    ) -> Result<(Bytes, usize), EncodeError> {
        let (codec, family) = (&self.codec, self.family);
        let mut out = BytesMut::with_capacity(self.capacity(batch));
        let mut updates = 0;
        match batch {
            Batch::Announce(runs) => {
                for (route, prefixes) in runs {
                    let ExportedRoute {
                        next_hop,
                        attributes,
                    } = &**route;
                    let nlri = prefixes.iter().map(D::nlri);
                    updates +=
                        pack::announce(&mut out, codec, family, *next_hop, attributes, nlri)?;
                }
            }
            Batch::Withdraw(prefixes) => {
                let nlri = prefixes.iter().map(D::nlri);
                updates += pack::withdraw(&mut out, codec, family, nlri)?;
            }
            Batch::EndOfRib => {
                pack::end_of_rib(&mut out, codec, family)?;
                updates += 1;
            }
            Batch::EndOfRefresh => {
                let subtype = RefreshSubtype::End;
                Message::RouteRefresh(RouteRefresh { family, subtype }).encode(&mut out, codec)?;
            }
        }
        Ok((out.freeze(), updates))
    }
}

fn next_hop(address: IpAddr) -> NextHop {
    match address {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => address.into(),
    }
}
