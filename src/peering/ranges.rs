//! Neighbours nobody has named: whoever connects from a range is one, for as long as its session lasts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

use bgp::{PeerConfig, PeerId};
use ipnet::IpNet;
use tracing::{info, warn};

use super::driver::Driver;
use super::listeners::Holder;
use super::settings::Neighbour;

/// Where such neighbours come from, and what they are like.
#[derive(Debug, Clone)]
pub struct ListenRange {
    /// Whoever connects from here, and is not a neighbour by name, is one.
    pub prefix: IpNet,
    /// At most so many at a time: memory is bounded.
    pub limit: usize,
    /// What they are like. Its name is the range's; its address means nothing.
    pub template: Neighbour,
}

/// The ranges, and who has come from them.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    ranges: Vec<ListenRange>,
    /// The name of the range each is from.
    members: HashMap<PeerId, String>,
}

impl ListenRange {
    fn name(&self) -> &str {
        &self.template.peer.name
    }

    /// One of its neighbours.
    fn member(&self, name: &str, remote: Option<IpAddr>) -> Neighbour {
        Neighbour {
            peer: PeerConfig {
                name: name.to_owned(),
                remote_address: remote,
                passive: true,
                ..self.template.peer.clone()
            },
            ..self.template.clone()
        }
    }
}

impl Ranges {
    /// The narrowest range of an address.
    fn of(&self, remote: IpAddr) -> Option<&ListenRange> {
        let around = self
            .ranges
            .iter()
            .filter(|range| range.prefix.contains(&remote));
        around.max_by_key(|range| range.prefix.prefix_len())
    }

    /// Whether it is a member of a range, and nobody's named neighbour.
    pub(super) fn has(&self, peer: PeerId) -> bool {
        self.members.contains_key(&peer)
    }

    fn count(&self, range: &str) -> usize {
        self.members.values().filter(|name| *name == range).count()
    }
}

impl Driver {
    /// Who connects from `remote`, if it is in a range that has room.
    pub(super) fn admit(&mut self, remote: IpAddr, now: Instant) -> Option<PeerId> {
        let range = self.ranges.of(remote)?.clone();
        if self.ranges.count(range.name()) >= range.limit {
            warn!(%remote, range = range.name(), limit = range.limit, "connection refused: the range has its limit of neighbours");
            return None;
        }
        let peer = self.speaker.add_dynamic(&range.template.peer, remote, now);
        let name = format!("{}@{remote}", range.name());
        info!(peer = %name, range = %range.prefix, "a neighbour of a listen range");
        self.neighbours
            .insert(peer, range.member(&name, Some(remote)));
        self.names.insert(peer, name.into());
        self.ranges.members.insert(peer, range.name().to_owned());
        Some(peer)
    }

    /// Its session has ended, and with it the neighbour.
    pub(super) fn forget_member(&mut self, peer: PeerId) {
        self.ranges.members.remove(&peer);
        self.neighbours.remove(&peer);
        self.names.remove(&peer);
    }

    /// Listens for these ranges from now on. Neighbours of a range that is gone are told so.
    pub(super) fn set_ranges(&mut self, ranges: Vec<ListenRange>, now: Instant) {
        for index in 0..self.ranges.ranges.len().max(ranges.len()) {
            let range = ranges.get(index);
            let remote = range.map(|range| range.prefix);
            let password = range.and_then(|range| range.template.password.as_ref());
            self.listeners
                .set_key(Holder::Range(index), remote, password);
        }
        self.ranges.ranges = ranges;
        let members: Vec<_> = self.ranges.members.clone().into_iter().collect();
        for (peer, name) in members {
            let remote = self
                .neighbours
                .get(&peer)
                .and_then(|n| n.peer.remote_address);
            let mut all = self.ranges.ranges.iter();
            let range = all.find(|range| range.name() == name);
            match range.filter(|range| remote.is_some_and(|ip| range.prefix.contains(&ip))) {
                Some(range) => {
                    let name = self.names.get(&peer).cloned().unwrap_or_default();
                    let member = range.member(&name, remote);
                    self.reconfigure_neighbour(member, now);
                }
                None => {
                    self.remove_neighbour(peer, now);
                    self.ranges.members.remove(&peer);
                }
            }
        }
    }
}
