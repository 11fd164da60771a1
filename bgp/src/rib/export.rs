//! An originated route as one peer sees it: next hop self, and the attributes its session requires.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{Bytes, BytesMut};

use super::adj_out::Batch;
use super::attributes::RouteAttributes;
use super::learned_path::DEFAULT_LOCAL_PREF;
use crate::session::{Ends, Negotiated};
use crate::speaker::PeerConfig;
use crate::wire::{AsPath, EncodeError, Family, NextHop, Nlri, PathAttributes, pack};

/// Next hop self, per family (RFC 4271 §5.1.3, RFC 2545 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NextHops {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
}

impl NextHops {
    /// The configured address, else the session's own, else one of the interface.
    pub(crate) fn new(config: &PeerConfig, ends: &Ends) -> Self {
        let (session_v4, session_v6) = match ends.local {
            IpAddr::V4(address) => (Some(address), None),
            IpAddr::V6(address) => (None, Some(address)),
        };
        let session_v6 = session_v6.filter(|address| !address.is_unicast_link_local());
        Self {
            v4: config.next_hop_v4.or(session_v4).or(ends.local_v4),
            v6: config.next_hop_v6.or(session_v6).or(ends.local_v6),
        }
    }

    /// The next hop of a family's routes; `None` when this node has no address the peer could use.
    pub(crate) fn of(self, family: Family) -> Option<NextHop> {
        match family {
            Family::IPV4_UNICAST => self.v4.map(NextHop::from),
            Family::IPV6_UNICAST => self.v6.map(NextHop::from),
            _ => None,
        }
    }
}

/// Everything the encoding of one family's routes to one peer depends on.
pub(crate) struct ExportContext<'a> {
    pub(crate) negotiated: &'a Negotiated,
    pub(crate) family: Family,
    /// Absent only where no route is announced.
    pub(crate) next_hop: Option<NextHop>,
}

impl ExportContext<'_> {
    /// The messages of a batch in one buffer, and how many they are.
    pub(crate) fn encode(&self, batch: &Batch) -> Result<(Bytes, usize), EncodeError> {
        let codec = &self.negotiated.codec;
        let family = self.family;
        let mut out = BytesMut::with_capacity(256);
        let messages = match batch {
            Batch::Announce(attributes, prefixes) => {
                let next_hop = self.next_hop.ok_or(EncodeError::NextHop { family })?;
                let attributes = self.attributes(attributes);
                let nlri = prefixes.iter().copied().map(Nlri::from);
                pack::announce(&mut out, codec, family, next_hop, &attributes, nlri)?
            }
            Batch::Withdraw(prefixes) => {
                let nlri = prefixes.iter().copied().map(Nlri::from);
                pack::withdraw(&mut out, codec, family, nlri)?
            }
            Batch::EndOfRib => {
                pack::end_of_rib(&mut out, codec, family)?;
                1
            }
        };
        Ok((out.freeze(), messages))
    }

    /// RFC 4271 §5.1: AS_PATH is ours towards an external peer and empty towards an internal one,
    /// which gets LOCAL_PREF instead.
    fn attributes(&self, route: &RouteAttributes) -> PathAttributes {
        let internal = self.negotiated.is_internal();
        PathAttributes {
            origin: route.origin,
            as_path: AsPath::sequence((!internal).then_some(self.negotiated.local_as)),
            med: route.med,
            local_pref: internal.then(|| route.local_pref.unwrap_or(DEFAULT_LOCAL_PREF)),
            communities: route.communities.clone(),
            extended_communities: route.extended_communities.clone(),
            large_communities: route.large_communities.clone(),
            ..PathAttributes::default()
        }
    }
}
