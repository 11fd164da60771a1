//! What `show` wants to know.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use super::Speaker;
use super::peer::Peer;
use super::port::{PeerId, Withheld};
use super::tenants::Tenants;
use crate::rib::{ExportedRoute, LearnedPath, RouteAttributes, UpdateGroups};
use crate::session::{DownReason, Ends, IdleReason, MessageCounters, Negotiated, State};
use crate::wire::Family;

/// One neighbour at one moment.
#[derive(Debug, Clone)]
pub struct PeerStatus {
    /// Its identifier.
    pub id: PeerId,
    /// Its configured name.
    pub name: Arc<str>,
    /// Its address, as far as it is known.
    pub address: Option<IpAddr>,
    /// The interface of a link-local session.
    pub link: Option<Arc<str>>,
    /// State of its session.
    pub state: State,
    /// Why it is left alone, while it is.
    pub idle: Option<IdleReason>,
    /// When the session entered that state.
    pub since: Instant,
    /// What the OPENs agreed on, while established.
    pub negotiated: Option<Arc<Negotiated>>,
    /// Addresses of the connection, while established.
    pub ends: Option<Ends>,
    /// Messages since it was configured.
    pub counters: MessageCounters,
    /// The last thing that went wrong, and when.
    pub last_error: Option<(Instant, DownReason)>,
    /// How often an established session ended; one of two connections of the same start that the peer gave up is none.
    pub flaps: u64,
    /// Routes it has taught us, of all families.
    pub received: usize,
    /// Of these, told before it went away or began a refresh and not again since.
    pub stale: usize,
    /// Routes it has been sent, of all families.
    pub sent: usize,
    /// Changes that wait until it reads.
    pub pending: usize,
    /// Families it is not sent, and why.
    pub withheld: Vec<(Family, Withheld)>,
}

impl PeerStatus {
    pub(super) fn of(peer: &Peer, groups: &UpdateGroups, tenants: &Tenants) -> Self {
        let session = &peer.session;
        let (sent, pending) = groups.counts(peer.id);
        let (evpn_sent, evpn_pending) = tenants.groups.counts(peer.id);
        let learned = tenants.evpn.learned();
        Self {
            id: peer.id,
            name: Arc::clone(&peer.name),
            address: session.remote(),
            link: peer.config.link.clone(),
            state: session.state(),
            idle: session.idle_reason(),
            since: session.since,
            negotiated: session.negotiated().cloned(),
            ends: session
                .established()
                .map(|connection| connection.ends.clone()),
            counters: session.counters,
            last_error: session.last_error.clone(),
            flaps: session.flaps,
            received: peer.adj_in.len() + learned.len(peer.id),
            stale: peer.adj_in.unconfirmed_count() + learned.unconfirmed_count(peer.id),
            sent: sent + evpn_sent,
            pending: pending + evpn_pending,
            withheld: peer.withheld.clone(),
        }
    }
}

impl Speaker {
    /// Every neighbour.
    pub fn peers(&self) -> impl Iterator<Item = PeerStatus> + '_ {
        let peers = self.peers.values();
        peers.map(|peer| PeerStatus::of(peer, &self.groups, &self.tenants))
    }

    /// What this node originates, in no particular order.
    pub fn routes(&self) -> impl Iterator<Item = (&IpNet, &Arc<RouteAttributes>)> {
        self.originated.iter()
    }

    /// Names of the peers that have been sent `prefix`.
    pub fn advertised_to<'a>(&'a self, prefix: &'a IpNet) -> impl Iterator<Item = &'a Arc<str>> {
        let holders = self.groups.holders(prefix);
        holders.filter_map(|peer| self.peers.get(&peer).map(|peer| &peer.name))
    }

    /// What one peer has been sent, in no particular order.
    pub fn adj_rib_out(&self, peer: PeerId) -> impl Iterator<Item = (&IpNet, &Arc<ExportedRoute>)> {
        self.groups.sent(peer)
    }

    /// The paths in use to one prefix, best first.
    pub fn learned_to(&self, prefix: &IpNet) -> Option<&Arc<[LearnedPath]>> {
        self.loc_rib.get(prefix)
    }

    /// What one peer has taught, in no particular order.
    pub fn adj_rib_in(&self, peer: PeerId) -> impl Iterator<Item = (&IpNet, &LearnedPath)> {
        self.peers
            .get(&peer)
            .into_iter()
            .flat_map(|peer| peer.adj_in.iter())
    }

    /// The paths in use to every prefix that peers teach, best first; the prefixes in no particular order.
    pub fn learned(&self) -> impl Iterator<Item = (&IpNet, &Arc<[LearnedPath]>)> {
        self.loc_rib.iter()
    }
}
