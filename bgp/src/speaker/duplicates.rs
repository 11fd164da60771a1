//! Who else originates what we originate.

use std::sync::Arc;

use ipnet::IpNet;

use super::Speaker;
use super::peer::Peer;
use crate::wire::{Asn, PathAttributes, RouterId};

/// Another router that originates a prefix, as a neighbour tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OtherOrigin {
    /// Name of the neighbour.
    pub peer: Arc<str>,
    /// The AS it is originated in.
    pub asn: Asn,
    /// The router, where it is known: inside our AS.
    pub router: Option<RouterId>,
}

impl Speaker {
    /// Who else originates `prefix`, as far as neighbours tell, whether or not their routes can be used. Anycast is
    /// legal: this says nothing of right and wrong. A route that may be an echo of ours is left out: that is one
    /// from another AS that begins in ours.
    pub fn other_origins<'a>(
        &'a self,
        prefix: &'a IpNet,
    ) -> impl Iterator<Item = OtherOrigin> + 'a {
        self.peers.values().flat_map(move |peer| {
            let said = peer.adj_in.said_of(prefix);
            said.filter_map(|attributes| self.other_origin(peer, attributes))
        })
    }

    fn other_origin(&self, peer: &Peer, attributes: &PathAttributes) -> Option<OtherOrigin> {
        let negotiated = peer.session.negotiated()?;
        let own = self.core.local.router_id;
        let (asn, router) = match (negotiated.is_internal(), attributes.as_path.origin()) {
            // RFC 4456 §8: who brought it into our AS; without it, the neighbour itself.
            (true, None) => {
                let router = attributes.originator_id.unwrap_or(negotiated.remote_id);
                (negotiated.local_as, Some(router))
            }
            (_, origin) => (origin?, None),
        };
        let ours = match router {
            Some(router) => router == own,
            None => asn == self.core.local.asn || asn == negotiated.local_as,
        };
        (!ours).then(|| OtherOrigin {
            peer: Arc::clone(&peer.name),
            asn,
            router,
        })
    }
}
