//! Paths to neighbours: watched as neighbours come, go and change, and what their failure does.

use std::time::Instant;

use bgp::{AddressMap, Event, PeerId, State, Via};
use tokio::sync::oneshot;
use tracing::warn;

use super::driver::Driver;
use super::liveness::{Failure, Liveness, path, subnets};
use super::socket::source_of;

impl Driver {
    /// Watch the path to a neighbour where that is wanted, and where it is known; else not any more.
    pub(super) fn watch_path(&mut self, peer: PeerId) {
        let remote = self.speaker.remote(peer);
        let wanted = self.neighbours.get(&peer).and_then(|neighbour| {
            let config = neighbour.bfd?;
            let remote = remote?;
            // Without a source the session does not come up either, and says why.
            let local = source_of(neighbour, remote).ok().flatten();
            Some((path(neighbour, remote, local, &subnets()), config))
        });
        let Some((key, config)) = wanted else {
            self.unwatch_path(peer);
            return;
        };
        if self.liveness.is_none() {
            match Liveness::start(self.path_notices.clone()) {
                Ok(liveness) => self.liveness = Some(liveness),
                Err(error) => warn!(%error, "cannot start BFD: no path is watched"),
            }
        }
        if let Some(liveness) = &mut self.liveness {
            liveness.watch(peer, key, config);
        }
    }

    /// Watch the path to a neighbour no longer.
    pub(super) fn unwatch_path(&mut self, peer: PeerId) {
        if let Some(liveness) = &mut self.liveness {
            liveness.unwatch(peer);
        }
    }

    /// Where a neighbour is, and how far, may only be known once its session is up.
    pub(super) fn follow_paths(&mut self, event: &Event) {
        match event {
            Event::StateChanged {
                peer,
                to: State::Established,
                ..
            } => self.watch_path(*peer),
            Event::PeerVanished { peer, .. } => self.unwatch_path(*peer),
            _ => {}
        }
    }

    /// BFD answers when it likes: the protocol goes on meanwhile.
    pub(super) fn show_paths(&self, answer: oneshot::Sender<crate::bfd::Snapshot>) {
        let Some(liveness) = &self.liveness else {
            // Whoever asked may have given up; so below.
            let _ = answer.send(crate::bfd::Snapshot::default());
            return;
        };
        let snapshot = liveness.snapshot();
        tokio::spawn(async move {
            if let Ok(snapshot) = snapshot.await {
                let _ = answer.send(snapshot);
            }
        });
    }

    /// Whoever brings routes to the kernel says where ways lead.
    pub(super) fn heed(&mut self, verdicts: &AddressMap<Via, bool>) {
        for (via, reachable) in verdicts {
            self.speaker.set_reachable(via, *reachable, Instant::now());
        }
    }

    /// The path to these neighbours has failed.
    pub(super) fn lose_path(&mut self, failure: &Failure) {
        let independent = failure.control_plane_independent;
        for peer in &failure.peers {
            self.speaker.bfd_down(*peer, independent, Instant::now());
        }
    }
}
