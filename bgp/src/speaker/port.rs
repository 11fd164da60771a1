//! What goes in and what comes out.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ipnet::IpNet;

use crate::evpn::EvpnEvent;
use crate::rib::{LearnedPath, RouteAttributes};
use crate::session::{ConnectionId, DownReason, Ends, State};
use crate::wire::Family;
use crate::wire::evpn::EvpnRoute;

/// Identifies a peer for as long as it is configured; never used again after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// A route this node originates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub prefix: IpNet,
    /// With what: one copy for all routes that have the same.
    pub attributes: Arc<RouteAttributes>,
}

impl Route {
    /// A route without attributes of its own.
    pub fn new(prefix: IpNet) -> Self {
        Self {
            prefix,
            attributes: RouteAttributes::none(),
        }
    }
}

/// Something happened outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// The instant of the last [`Output::Timeout`] has come.
    Timeout,
    /// TCP is open: one that [`Output::Connect`] asked for, or one accepted from the peer
    /// (`passive`, with an identifier from [`super::Speaker::new_connection`]).
    ConnectionOpened {
        /// Whose connection.
        peer: PeerId,
        /// Which one.
        connection: ConnectionId,
        /// Its addresses.
        ends: Ends,
        /// The peer opened it.
        passive: bool,
    },
    /// TCP asked for by [`Output::Connect`] could not be opened.
    ConnectionFailed {
        /// Which one.
        connection: ConnectionId,
        /// The system's words.
        why: String,
    },
    /// TCP ended, other than by [`Output::Close`].
    ConnectionClosed {
        /// Which one.
        connection: ConnectionId,
        /// The system's words.
        why: String,
    },
    /// Bytes arrived.
    Received {
        /// On which connection.
        connection: ConnectionId,
        /// In order, cut anywhere.
        bytes: &'a [u8],
    },
    /// The kernel took bytes of an [`Output::Send`]: room for more.
    Flushed {
        /// On which connection.
        connection: ConnectionId,
        /// How many.
        bytes: usize,
    },
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Open TCP to the peer.
    Connect {
        /// To whom.
        peer: PeerId,
        /// What to call it in the answer.
        connection: ConnectionId,
        /// Where.
        remote: IpAddr,
        /// On which interface, for a link-local address.
        link: Option<Arc<str>>,
    },
    /// Send these bytes, after those of earlier outputs.
    Send {
        /// On which connection.
        connection: ConnectionId,
        /// Whole messages.
        bytes: Bytes,
    },
    /// Close TCP once all bytes are out, and forget the connection. Also ends an attempt.
    Close {
        /// Which one.
        connection: ConnectionId,
    },
    /// Tell who watches.
    Event(Event),
    /// Nothing more to do before that instant, or before the next input.
    Timeout(Option<Instant>),
}

/// What watchers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A session changed state.
    StateChanged {
        /// Whose.
        peer: PeerId,
        /// The peer's configured name.
        name: Arc<str>,
        /// From.
        from: State,
        /// To.
        to: State,
        /// Why, when it went backwards.
        reason: Option<DownReason>,
    },
    /// Prefixes were handed to the session's connection.
    Advertised {
        /// To whom.
        peer: PeerId,
        /// Which; shared by the events of all peers that are told the same.
        prefixes: Arc<[IpNet]>,
    },
    /// Withdrawals were handed to the session's connection.
    Withdrawn {
        /// To whom.
        peer: PeerId,
        /// Which; shared by the events of all peers that are told the same.
        prefixes: Arc<[IpNet]>,
    },
    /// The peer has told all it has of a family (RFC 4724 §2).
    EndOfRib {
        /// Who.
        peer: PeerId,
        /// Of what.
        family: Family,
    },
    /// The paths in use to a prefix that peers teach changed.
    RouteLearned {
        /// Where to.
        prefix: IpNet,
        /// How: the best path first, then those equally good ([`super::Multipath`]), all with different next hops.
        paths: Arc<[LearnedPath]>,
    },
    /// No peer teaches this prefix any more.
    RouteLost {
        /// Which.
        prefix: IpNet,
    },
    /// After a start: every peer has told all it has of a family, or was waited for long enough. What an earlier
    /// process left behind and nobody has taught since is nobody's. Comes once for each unicast family, and for EVPN where a peer is to carry it.
    Converged {
        /// Of what.
        family: Family,
    },
    /// A peer teaches many routes: its warning percentage, or its limit without a reset.
    PrefixLimit {
        /// Who.
        peer: PeerId,
        /// How many it teaches.
        count: usize,
        /// How many it may.
        limit: usize,
        /// Routes above the limit were not taken.
        refused: bool,
    },
    /// A dynamic peer's session has ended: the peer is forgotten.
    PeerVanished {
        /// Who.
        peer: PeerId,
        /// Its name.
        name: Arc<str>,
    },
    /// A family's routes are kept from an established peer.
    FamilyWithheld {
        /// From whom.
        peer: PeerId,
        /// Which.
        family: Family,
        /// Why.
        why: Withheld,
    },
    /// What a tenant's table takes from others changed.
    Evpn(EvpnEvent),
    /// Routes of EVPN were handed to the session's connection.
    EvpnAdvertised {
        /// To whom.
        peer: PeerId,
        /// Which; shared by the events of all peers that are told the same.
        routes: Arc<[EvpnRoute]>,
    },
    /// Withdrawals of EVPN were handed to the session's connection.
    EvpnWithdrawn {
        /// To whom.
        peer: PeerId,
        /// Which; shared by the events of all peers that are told the same.
        routes: Arc<[EvpnRoute]>,
    },
    /// An UPDATE had errors that do not end the session (RFC 7606).
    UpdateErrors {
        /// From whom.
        peer: PeerId,
        /// Each in words.
        errors: Vec<String>,
    },
}

/// Why routes of a family are not sent to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Withheld {
    /// The node has no address of that family on the session's interface.
    #[error(
        "no next hop of this family: give the session's interface an address or set next_hop_v4 or next_hop_v6"
    )]
    NoNextHop,
    /// The peer did not offer the family.
    #[error("the peer did not offer this family in its OPEN")]
    NotNegotiated,
}
