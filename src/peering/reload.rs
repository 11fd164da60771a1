//! Other settings and neighbours for a running speaker: only what differs is touched.

use std::time::Instant;

use bgp::{Change, PeerId};
use tokio::sync::oneshot;

use super::driver::{Command, Driver};
use super::settings::{Neighbour, Settings};
use super::{Ended, Peering};

/// What a speaker is to be like.
#[derive(Debug)]
pub(super) struct Wanted {
    settings: Settings,
    neighbours: Vec<Neighbour>,
}

impl Neighbour {
    /// Every option that differs in `new`, and what it takes to go there.
    pub fn differences(&self, new: &Self) -> Vec<(&'static str, Change)> {
        let mut all = self.peer.differences(&new.peer);
        all.extend(self.differences_of_sockets(new));
        all
    }

    /// What differs in what the sockets are made with.
    fn differences_of_sockets(&self, new: &Self) -> Vec<(&'static str, Change)> {
        // Taken apart so that a field that is added cannot be forgotten.
        let Self {
            peer: _,
            port,
            local_address,
            source_interface,
            interface,
            password,
            multihop,
            ttl_security,
            bfd,
            router_lifetime,
        } = self;
        let same_source =
            *local_address == new.local_address && *source_interface == new.source_interface;
        let all = [
            ("port", *port == new.port, Change::Applied),
            ("update_source", same_source, Change::Restarted),
            (
                "bind_device",
                *interface == new.interface,
                Change::Restarted,
            ),
            ("password", *password == new.password, Change::Restarted),
            ("multihop", *multihop == new.multihop, Change::Restarted),
            (
                "ttl_security",
                *ttl_security == new.ttl_security,
                Change::Restarted,
            ),
            // Intervals are negotiated without a flap.
            ("bfd", *bfd == new.bfd, Change::Applied),
            (
                "router_lifetime",
                *router_lifetime == new.router_lifetime,
                Change::Restarted,
            ),
        ];
        let differing = all.into_iter().filter(|(_, same, _)| !same);
        differing
            .map(|(option, _, change)| (option, change))
            .collect()
    }

    /// The neighbour is somewhere else: another one, under the same name.
    fn has_moved(&self, new: &Self) -> bool {
        let end = |n: &Self| {
            (
                n.peer.remote_address,
                n.peer.link.clone(),
                n.router_lifetime,
            )
        };
        end(self) != end(new)
    }
}

impl Peering {
    /// Makes the running speaker what these settings and neighbours ask for. Neighbours are told apart by their
    /// names. Addresses to listen on stay what they were.
    ///
    /// # Errors
    /// The speaker's thread has ended.
    pub async fn reconfigure(
        &self,
        settings: Settings,
        neighbours: Vec<Neighbour>,
    ) -> Result<(), Ended> {
        let (answer, done) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(Ended)?;
        let wanted = Box::new(Wanted {
            settings,
            neighbours,
        });
        let asked = commands.send(Command::Reconfigure(wanted, answer)).await;
        asked.map_err(|_| Ended)?;
        done.await.map_err(|_| Ended)
    }
}

impl Driver {
    pub(super) fn reconfigure(&mut self, wanted: Wanted, now: Instant) {
        let Wanted {
            settings,
            neighbours,
        } = wanted;
        self.asn = settings.asn;
        // First who goes: an address may have passed to another neighbour.
        let stays = |name: &str| neighbours.iter().any(|n| n.peer.name == name);
        let configured = self
            .names
            .iter()
            .filter(|(peer, _)| !self.ranges.has(**peer));
        let going = configured.filter(|(_, name)| !stays(name));
        let going: Vec<_> = going.map(|(peer, _)| *peer).collect();
        for peer in going {
            self.remove_neighbour(peer, now);
        }
        self.speaker.reconfigure_speaker(&settings.speaker(), now);
        for neighbour in neighbours {
            self.reconfigure_neighbour(neighbour, now);
        }
        self.set_ranges(settings.ranges, now);
    }

    /// Gives a neighbour of this name what it is to be like, or adds it.
    pub(super) fn reconfigure_neighbour(&mut self, new: Neighbour, now: Instant) {
        let Some((peer, former)) = self.neighbour_named(&new.peer.name) else {
            self.add_neighbour(new, now);
            return;
        };
        if former.has_moved(&new) {
            self.remove_neighbour(peer, now);
            self.add_neighbour(new, now);
            return;
        }
        let sockets = former.differences_of_sockets(&new);
        let config = new.peer.clone();
        let password = new.password.clone();
        let rekeyed = former.password != password;
        self.neighbours.insert(peer, new);
        if rekeyed {
            // The key before the session: the peer may call at once.
            self.set_password(peer, password);
        }
        let change = self.speaker.reconfigure(peer, config, now);
        self.watch_path(peer);
        let restart = sockets
            .iter()
            .any(|(_, change)| *change == Change::Restarted);
        if restart && change < Change::Restarted {
            self.speaker
                .reset(peer, "the configuration has changed", now);
        }
    }

    fn neighbour_named(&self, name: &str) -> Option<(PeerId, &Neighbour)> {
        let mut all = self.neighbours.iter();
        all.find(|(_, neighbour)| neighbour.peer.name == name)
            .map(|(peer, neighbour)| (*peer, neighbour))
    }
}
