//! BFD for neighbours: which path belongs to which, and what its failure means to BGP (RFC 5882).
//!
//! * A session that goes from up to down ends the BGP session, which keeps nothing of the neighbour's (§3.2).
//!   Graceful restart does not change that: BFD is there to find in a blink what the hold timer finds late, and
//!   a neighbour that restarts without having told is most likely found by BFD first (§4.3.2).
//! * Once the BGP session has ended, and the neighbour's routes are kept while it restarts, the end of its BFD
//!   says nothing where it has ended with the process (§4.3.2); where it would have gone on (its C bit), forwarding
//!   has failed, and the routes go (§4.3.1). [`bgp::Speaker::bfd_down`] decides.
//! * What an operator takes down on either side is no failure, and BGP does not wait for BFD to come up.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use bgp::PeerId;
use ipnet::IpNet;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::sys::socket::SockaddrStorage;
use tokio::sync::broadcast;
use tracing::{info, warn};

use super::PathNotice;
use super::settings::Neighbour;
use crate::bfd::{Bfd, Change, Event, Events, SessionConfig, SessionKey, State};

/// The paths to neighbours that want theirs watched.
#[derive(Debug)]
pub(super) struct Liveness {
    bfd: Bfd,
    events: Events,
    /// Neighbours by path: several may share one.
    watched: BTreeMap<SessionKey, BTreeSet<PeerId>>,
    /// Whoever watches hears of every change.
    told: broadcast::Sender<PathNotice>,
}

/// A path that has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The neighbours at its end.
    pub(super) peers: Vec<PeerId>,
    /// Their BFD goes on when their BGP does not (C bit, RFC 5880 §4.1).
    pub(super) control_plane_independent: bool,
}

impl Liveness {
    /// Starts BFD, in the network namespace of the calling thread. What changes goes to `told` as well.
    pub(super) fn start(told: broadcast::Sender<PathNotice>) -> io::Result<Self> {
        let (bfd, events) = Bfd::spawn()?;
        Ok(Self {
            bfd,
            events,
            watched: BTreeMap::new(),
            told,
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

    /// The next path that fails. Logs what else happens. Never returns once BFD has ended, which is logged.
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
                let peers: Vec<PeerId> = peers.iter().copied().collect();
                let failure = change.is_path_failure().then(|| Failure {
                    peers: peers.clone(),
                    control_plane_independent: change.remote_control_plane_independent,
                });
                // Fails only when nobody watches.
                let _ = self.told.send(PathNotice { peers, change });
                failure
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

/// [`Liveness::failure`], of nothing before there is something.
pub(super) async fn failure(liveness: &mut Option<Liveness>) -> Failure {
    match liveness {
        Some(liveness) => liveness.failure().await,
        None => std::future::pending().await,
    }
}

/// The path to a neighbour that is at `remote`. Several hops long where the neighbour may be that far, or where it is
/// in our AS and in none of `subnets`, which are ours: iBGP between loopbacks. `local`: where the session is from.
pub(super) fn path(
    neighbour: &Neighbour,
    remote: IpAddr,
    local: Option<IpAddr>,
    subnets: &[IpNet],
) -> SessionKey {
    let internal = matches!(
        neighbour.peer.remote_as,
        bgp::RemoteAs::Internal | bgp::RemoteAs::Auto
    );
    let may_be_far = |hops: Option<u8>| hops.is_some_and(|hops| hops > 1);
    let link_local = matches!(remote, IpAddr::V6(remote) if remote.is_unicast_link_local());
    let on_link = link_local || subnets.iter().any(|subnet| subnet.contains(&remote));
    let multihop = may_be_far(neighbour.multihop)
        || may_be_far(neighbour.ttl_security)
        || (internal && !on_link);
    let link = neighbour.peer.link.as_deref();
    let interface = link
        .or(neighbour.interface.as_deref())
        .filter(|_| !multihop);
    SessionKey {
        remote,
        local,
        interface: interface.map(Into::into),
        multihop,
    }
}

/// The subnets of this node's interfaces; loopbacks have such of one address, which nobody else is in.
pub(super) fn subnets() -> Vec<IpNet> {
    let subnet = |ours: InterfaceAddress| {
        let address = ip_of(&ours.address?)?;
        let mask = ip_of(&ours.netmask?)?;
        IpNet::with_netmask(address, mask).ok()
    };
    match getifaddrs() {
        Ok(all) => all.filter_map(subnet).collect(),
        Err(error) => {
            warn!(%error, "this node's addresses cannot be read: BFD with neighbours in its AS takes them to be hops away");
            Vec::new()
        }
    }
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| v4.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| v6.ip().into()))
}

#[cfg(test)]
mod tests {
    use bgp::wire::Asn;
    use bgp::{PeerConfig, RemoteAs};

    use super::*;

    fn neighbour(remote_as: RemoteAs) -> Neighbour {
        let remote = IpAddr::from([192, 0, 2, 1]);
        Neighbour::new(PeerConfig::new("leaf", remote, remote_as))
    }

    #[test]
    fn a_path_is_as_long_as_the_neighbour_may_be_far() {
        let subnets: [IpNet; 1] = ["192.0.2.9/24".parse().unwrap()];
        let here = IpAddr::from([192, 0, 2, 1]);
        let elsewhere = IpAddr::from([198, 51, 100, 1]);
        let external = RemoteAs::Number(Asn(65001));
        let multihop =
            |neighbour: &Neighbour, remote| path(neighbour, remote, None, &subnets).multihop;
        assert!(!multihop(&neighbour(external), elsewhere));
        assert!(!multihop(&neighbour(RemoteAs::Internal), here));
        assert!(multihop(&neighbour(RemoteAs::Internal), elsewhere));
        let mut far = neighbour(external);
        far.multihop = Some(2);
        assert!(multihop(&far, here));
        let mut unnumbered = neighbour(RemoteAs::Internal);
        unnumbered.interface = Some("eth1".to_owned());
        let link_local = "fe80::1".parse().unwrap();
        assert!(!multihop(&unnumbered, link_local));
        assert_eq!(
            path(&unnumbered, link_local, None, &subnets).check(),
            Ok(())
        );
    }

    /// Neighbours that share a path share its session, and its failure.
    #[test]
    fn a_shared_path_is_watched_until_nobody_wants_it() {
        let (told, mut notices) = broadcast::channel(8);
        let mut liveness = Liveness::start(told).unwrap();
        let key = SessionKey::single_hop(IpAddr::from([127, 0, 0, 2]));
        let (one, two) = (PeerId(1), PeerId(2));
        liveness.watch(one, key.clone(), SessionConfig::default());
        liveness.watch(two, key.clone(), SessionConfig::default());
        let failed = Change {
            key: key.clone(),
            from: State::Up,
            to: State::Down,
            diagnostic: crate::bfd::Diagnostic::DETECTION_TIME_EXPIRED,
            remote_state: State::Up,
            remote_control_plane_independent: true,
            at: std::time::Instant::now(),
        };
        let judged =
            |liveness: &Liveness, change: &Change| liveness.judge(Event::Changed(change.clone()));
        let of = |peers: &[PeerId]| {
            Some(Failure {
                peers: peers.to_vec(),
                control_plane_independent: true,
            })
        };
        assert_eq!(judged(&liveness, &failed), of(&[one, two]));
        let notice = notices.try_recv().unwrap();
        assert_eq!((notice.peers, &notice.change), (vec![one, two], &failed));
        let by_operator = Change {
            remote_state: State::AdminDown,
            ..failed.clone()
        };
        assert_eq!(judged(&liveness, &by_operator), None);
        liveness.unwatch(one);
        assert_eq!(judged(&liveness, &failed), of(&[two]));
        let moved = SessionKey::single_hop(IpAddr::from([127, 0, 0, 3]));
        liveness.watch(two, moved, SessionConfig::default());
        assert_eq!(judged(&liveness, &failed), None);
    }
}
