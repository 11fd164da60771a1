//! Neighbours that nobody configured one by one: whoever connects from a range gets a session.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bgp::{PeerConfig, PeerId};
use ipnet::IpNet;
use tracing::{info, warn};

use super::driver::Driver;
use super::settings::Neighbour;

/// Whoever connects from `prefix` is such a neighbour.
#[derive(Debug, Clone)]
pub struct Range {
    /// Where they connect from.
    pub prefix: IpNet,
    /// At most so many at a time: memory is bounded whoever calls.
    pub limit: usize,
    /// What they have in common. Each is named after this and its address: `NAME@ADDRESS`.
    pub template: Neighbour,
}

impl Range {
    fn name(&self) -> &str {
        &self.template.peer.name
    }
}

/// The ranges, and who came from them.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    ranges: Vec<Range>,
    /// Every dynamic neighbour, with the name of its range.
    members: Vec<(PeerId, String)>,
}

impl Ranges {
    pub(super) fn new(ranges: &[Range]) -> Self {
        Self {
            ranges: ranges.to_vec(),
            members: Vec::new(),
        }
    }

    /// The narrowest range that holds the address.
    fn of(&self, remote: IpAddr) -> Option<&Range> {
        let holding = self.ranges.iter().filter(|r| r.prefix.contains(&remote));
        holding.max_by_key(|range| range.prefix.prefix_len())
    }

    fn members_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = PeerId> + 'a {
        let members = self.members.iter().filter(move |(_, range)| range == name);
        members.map(|(peer, _)| *peer)
    }

    pub(super) fn has(&self, peer: PeerId) -> bool {
        self.members.iter().any(|(member, _)| *member == peer)
    }
}

impl Driver {
    /// Listening sockets know the ranges' passwords.
    pub(super) fn set_range_keys(&mut self) {
        for (position, range) in self.ranges.ranges.iter().enumerate() {
            let password = range.template.password.as_ref();
            self.listeners
                .set_range_key(position, Some(range.prefix), password);
        }
    }

    /// A neighbour for somebody who has connected from a range, if one holds the address and has room.
    pub(super) fn join_range(&mut self, remote: SocketAddr, now: Instant) -> Option<PeerId> {
        let range = self.ranges.of(remote.ip())?;
        let name = range.name();
        if self.ranges.members_of(name).count() >= range.limit {
            let limit = range.limit;
            warn!(%remote, range = name, limit, "connection refused: the range has as many neighbours as it may");
            return None;
        }
        let (name, template) = (name.to_owned(), range.template.clone());
        let peer = self.speaker.add_dynamic(&template.peer, remote.ip(), now);
        let called = format!("{name}@{}", remote.ip());
        info!(peer = %called, range = name, "neighbour connected from a range");
        self.names.insert(peer, called.as_str().into());
        self.neighbours
            .insert(peer, member(&template, &called, remote.ip()));
        self.ranges.members.push((peer, name));
        Some(peer)
    }

    /// A dynamic neighbour's session is over.
    pub(super) fn leave_range(&mut self, peer: PeerId) {
        self.names.remove(&peer);
        self.neighbours.remove(&peer);
        self.ranges.members.retain(|(member, _)| *member != peer);
    }

    /// Other ranges: neighbours of those that are gone go, the others' sessions are changed as far as they must.
    pub(super) fn set_ranges(&mut self, ranges: Vec<Range>, now: Instant) {
        for position in 0..self.ranges.ranges.len() {
            self.listeners.set_range_key(position, None, None);
        }
        self.ranges.ranges = ranges;
        self.set_range_keys();
        for (peer, name) in self.ranges.members.clone() {
            let range = self.ranges.ranges.iter().find(|range| range.name() == name);
            let known = self.neighbours.get(&peer);
            let remote = known.and_then(|known| known.peer.remote_address);
            match range.zip(remote) {
                Some((range, remote)) if range.prefix.contains(&remote) => {
                    let called = format!("{name}@{remote}");
                    let changed = member(&range.template, &called, remote);
                    self.reconfigure_neighbour(changed, now);
                }
                _ => {
                    self.speaker.remove_peer(peer, now);
                    self.leave_range(peer);
                }
            }
        }
    }
}

/// What the template makes of one that came from `remote`.
fn member(template: &Neighbour, called: &str, remote: IpAddr) -> Neighbour {
    Neighbour {
        peer: PeerConfig {
            name: called.to_owned(),
            remote_address: Some(remote),
            passive: true,
            ..template.peer.clone()
        },
        ..template.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use bgp::RemoteAs;

    use super::*;

    fn range(name: &str, prefix: &str) -> Range {
        let nowhere = Ipv4Addr::UNSPECIFIED.into();
        Range {
            prefix: prefix.parse().unwrap(),
            limit: 1,
            template: Neighbour::new(PeerConfig::new(name, nowhere, RemoteAs::External)),
        }
    }

    #[test]
    fn the_narrowest_range_counts() {
        let ranges = Ranges::new(&[
            range("all", "10.0.0.0/8"),
            range("rack", "10.1.2.0/24"),
            range("row", "10.1.0.0/16"),
        ]);
        let of = |address: &str| ranges.of(address.parse().unwrap()).map(Range::name);
        assert_eq!(of("10.1.2.3"), Some("rack"));
        assert_eq!(of("10.1.3.3"), Some("row"));
        assert_eq!(of("10.2.3.3"), Some("all"));
        assert_eq!(of("192.0.2.1"), None);
        assert_eq!(of("2001:db8::1"), None);
    }
}
