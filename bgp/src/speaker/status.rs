//! What `show` wants to know.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use super::peer::Peer;
use super::port::{PeerId, Withheld};
use crate::session::{DownReason, Ends, MessageCounters, Negotiated, State};
use crate::wire::Family;

/// One neighbour at one moment.
#[derive(Debug, Clone)]
pub struct PeerStatus {
    /// Its identifier.
    pub id: PeerId,
    /// Its configured name.
    pub name: Arc<str>,
    /// Its address.
    pub address: IpAddr,
    /// State of its session.
    pub state: State,
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
    /// How often an established session ended.
    pub flaps: u64,
    /// Prefixes it has taught us.
    pub received: usize,
    /// Prefixes it has been sent.
    pub sent: usize,
    /// Changes that wait until it reads.
    pub pending: usize,
    /// Families it is not sent, and why.
    pub withheld: Vec<(Family, Withheld)>,
}

impl PeerStatus {
    pub(crate) fn of(peer: &Peer) -> Self {
        let session = &peer.session;
        Self {
            id: peer.id,
            name: Arc::clone(&peer.name),
            address: peer.config.remote_address,
            state: session.state(),
            since: session.since,
            negotiated: session.negotiated().cloned(),
            ends: session
                .established()
                .map(|connection| connection.ends.clone()),
            counters: session.counters,
            last_error: session.last_error.clone(),
            flaps: session.flaps,
            received: peer.adj_in.len(),
            sent: peer.out.iter().map(|out| out.rib.sent_count()).sum(),
            pending: peer.out.iter().map(|out| out.rib.pending_count()).sum(),
            withheld: peer.withheld.clone(),
        }
    }
}
