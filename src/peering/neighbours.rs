//! Neighbours of a running speaker: added, removed, discovered, given another password.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Instant;

use bgp::PeerId;
use bgp::discovery::DiscoveryConfig;
use tracing::info;

use super::driver::Driver;
use super::settings::{Neighbour, Password};

/// A change to the neighbours while the speaker runs.
#[derive(Debug)]
pub(super) enum NeighbourChange {
    Add(Box<Neighbour>),
    Remove(String),
    Password(String, Option<Password>),
}

impl Driver {
    /// Changes the neighbours; a name that none has changes nothing.
    pub(super) fn change_neighbours(&mut self, change: NeighbourChange, now: Instant) {
        let named = |name: &str| {
            let mut names = self.names.iter();
            names
                .find(|(_, known)| &***known == name)
                .map(|(peer, _)| *peer)
        };
        match change {
            NeighbourChange::Add(neighbour) => {
                self.add_neighbour(*neighbour, now);
            }
            NeighbourChange::Remove(name) => {
                if let Some(peer) = named(&name) {
                    self.remove_neighbour(peer, now);
                }
            }
            NeighbourChange::Password(name, password) => {
                if let Some(peer) = named(&name) {
                    self.set_password(peer, password);
                }
            }
        }
    }

    /// Starts the session with a neighbour, or the search for it.
    pub(super) fn add_neighbour(&mut self, neighbour: Neighbour, now: Instant) -> PeerId {
        let name: Arc<str> = neighbour.peer.name.as_str().into();
        let peer = self.speaker.add_peer(neighbour.peer.clone(), now);
        let remote = neighbour.peer.remote_address.map(Into::into);
        self.listeners
            .set_key(peer, remote, neighbour.password.as_ref());
        if let Some(interface) = neighbour.discovered_on() {
            let config = DiscoveryConfig {
                router_lifetime: neighbour.router_lifetime,
                seed: fastrand::u64(..),
            };
            let interface = Arc::clone(interface);
            self.discoveries
                .start(peer, interface, config, self.events.clone());
        }
        self.names.insert(peer, name);
        self.neighbours.insert(peer, neighbour);
        self.watch_path(peer);
        peer
    }

    /// Ends the session with a neighbour, or the search for it.
    pub(super) fn remove_neighbour(&mut self, peer: PeerId, now: Instant) {
        self.discoveries.stop(peer);
        self.unwatch_path(peer);
        self.listeners.set_key(peer, None, None);
        self.speaker.remove_peer(peer, now);
        self.names.remove(&peer);
        self.neighbours.remove(&peer);
    }

    /// Signs with another password from the next connection on; no other neighbour's key is touched. The
    /// session, if it is up, has been agreed under the former one: whoever asks for the change resets it.
    pub(super) fn set_password(&mut self, peer: PeerId, password: Option<Password>) {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else {
            return;
        };
        neighbour.password = password;
        self.listeners
            .set_password(peer, neighbour.password.as_ref());
    }

    /// An unnumbered neighbour's link leads to `remote` now, or to nobody.
    pub(super) fn discovered(&mut self, peer: PeerId, remote: Option<Ipv6Addr>, now: Instant) {
        let Some(neighbour) = self.neighbours.get(&peer) else {
            return;
        };
        let name = &neighbour.peer.name;
        match remote {
            Some(address) => info!(peer = %name, %address, "neighbour discovered"),
            None => info!(peer = %name, "no neighbour on the link"),
        }
        let remote = remote.map(IpAddr::V6);
        // The key first: the neighbour may call at any time from now on.
        self.listeners
            .set_key(peer, remote.map(Into::into), neighbour.password.as_ref());
        self.speaker.set_remote(peer, remote, now);
        self.watch_path(peer);
    }
}
