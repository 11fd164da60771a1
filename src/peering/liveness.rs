//! BFD for neighbours: which path belongs to which, and what its failure means to BGP (RFC 5882).
//!
//! * A session that goes from up to down ends the BGP session, which keeps nothing of the neighbour's (§3.2).
//!   Graceful restart does not change that: BFD is there to find in a blink what the hold timer finds late, and
//!   a neighbour that restarts without having told is most likely found by BFD first (§4.3.2).
//! * Once the BGP session has ended, and the neighbour's routes are kept while it restarts, the end of its BFD
//!   says nothing: it ends with the process, unless its C bit is set (§4.3.1). [`Speaker::bfd_down`] decides.
//! * What an operator takes down on either side is no failure, and BGP does not wait for BFD to come up.
//!
//! [`Speaker::bfd_down`]: bgp::Speaker::bfd_down

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};

use bgp::PeerId;
use tracing::{info, warn};

use super::settings::Neighbour;
use crate::bfd::{Bfd, Change, Event, Events, SessionConfig, SessionKey, State};

/// The paths to neighbours that want theirs watched.
#[derive(Debug)]
pub(super) struct Liveness {
    bfd: Bfd,
    events: Events,
    /// Neighbours by path: several may share one.
    watched: BTreeMap<SessionKey, BTreeSet<PeerId>>,
}

/// The path to these neighbours has failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) peers: Vec<PeerId>,
    /// The neighbour's C bit: its BFD would have outlived its BGP.
    pub(super) control_plane_independent: bool,
}

impl Liveness {
    /// Starts BFD, in the network namespace of the calling thread.
    pub(super) fn start() -> io::Result<Self> {
        let (bfd, events) = Bfd::spawn()?;
        Ok(Self {
            bfd,
            events,
            watched: BTreeMap::new(),
        })
    }

    /// Watch the path to a neighbour from now on, and no other one to it. The same again changes nothing; other
    /// intervals are negotiated without a flap.
    pub(super) fn watch(&mut self, peer: PeerId, key: SessionKey, config: SessionConfig) {
        self.leave(peer, Some(&key));
        if let Err(error) = self.bfd.add(key.clone(), config) {
            warn!(session = %key, %error, "no BFD session");
            return;
        }
        self.watched.entry(key).or_default().insert(peer);
    }

    /// Watch no path to a neighbour any more.
    pub(super) fn unwatch(&mut self, peer: PeerId) {
        self.leave(peer, None);
    }

    /// The next failure of a path. Logs what else happens. Never returns once BFD has ended, which is logged.
    pub(super) async fn failure(&mut self) -> Failure {
        loop {
            let Some(event) = self.events.recv().await else {
                warn!("BFD has ended: paths are not watched any more; restart the agent");
                return std::future::pending().await;
            };
            if let Some(failure) = self.judge(event) {
                return failure;
            }
        }
    }

    /// What `show bfd` prints, later.
    pub(super) fn snapshot(
        &self,
    ) -> impl Future<Output = Result<crate::bfd::Snapshot, crate::bfd::OrderError>> + use<> {
        self.bfd.snapshot()
    }

    /// Tell every peer that this is no failure, and end.
    pub(super) async fn stop(self) {
        // Fails only when it has ended.
        let _ = self.bfd.shutdown().await;
    }

    fn judge(&self, event: Event) -> Option<Failure> {
        match event {
            Event::Changed(change) => {
                log(&change);
                let peers = self.watched.get(&change.key)?;
                change.is_path_failure().then(|| Failure {
                    peers: peers.iter().copied().collect(),
                    control_plane_independent: change.remote_control_plane_independent,
                })
            }
            Event::Trouble { key, what } => {
                let session = key.map(|key| key.to_string());
                warn!(session, "BFD: {what}");
                None
            }
            Event::Missed(count) => {
                warn!(count, "BFD changes were lost: the speaker is overloaded");
                None
            }
        }
    }

    fn leave(&mut self, peer: PeerId, except: Option<&SessionKey>) {
        let bfd = &self.bfd;
        self.watched.retain(|key, peers| {
            if Some(key) != except && peers.remove(&peer) && peers.is_empty() {
                // Fails only when it has ended.
                let _ = bfd.remove(key.clone());
            }
            !peers.is_empty()
        });
    }
}

fn log(change: &Change) {
    let Change {
        key,
        from,
        to,
        diagnostic,
        ..
    } = change;
    match (from, to) {
        (_, State::Up) => info!(session = %key, "BFD session up"),
        (State::Up, _) if change.is_path_failure() => {
            warn!(session = %key, state = %to, reason = %diagnostic, "BFD session lost: the path has failed");
        }
        (State::Up, _) => {
            info!(session = %key, state = %to, reason = %diagnostic, "BFD session taken down by an operator");
        }
        _ => tracing::debug!(session = %key, %from, %to, reason = %diagnostic, "BFD session"),
    }
}

/// The path to a neighbour that is at `remote`. Several hops long where the neighbour may be, or where it is in our
/// AS and on no link of ours: iBGP between loopbacks.
pub(super) fn path(neighbour: &Neighbour, remote: IpAddr, local: Option<SocketAddr>) -> SessionKey {
    let internal = matches!(
        neighbour.peer.remote_as,
        bgp::RemoteAs::Internal | bgp::RemoteAs::Auto
    );
    let far = neighbour.multihop.is_some_and(|hops| hops > 1)
        || neighbour.ttl_security.is_some_and(|hops| hops > 1)
        || (internal && neighbour.interface.is_none() && !is_on_link(remote));
    let configured = neighbour.local_address;
    SessionKey {
        remote,
        // The far end knows us by the address that BGP speaks from.
        local: configured.or_else(|| local.filter(|_| far).map(|local| local.ip())),
        interface: neighbour.interface.as_deref().map(Into::into),
        multihop: far,
    }
}
