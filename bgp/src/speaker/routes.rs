//! Routes through the speaker: learned from UPDATEs, decided upon, told to the peers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use super::{Event, Multipath, Output, PeerId, Speaker};
use crate::rib::{Batch, Choice, Reachability, Received};
use crate::session::Reset;
use crate::wire::{DecodedUpdate, Family, FamilyNlri, NextHop, Nlri};

impl Speaker {
    pub(super) fn handle_update(&mut self, id: PeerId, update: DecodedUpdate) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        if !update.errors.is_empty() {
            let errors = update.errors.iter().map(ToString::to_string).collect();
            self.outputs
                .push_back(Output::Event(Event::UpdateErrors { peer: id, errors }));
        }
        if let Some((family, error)) = update.disabled_families().next() {
            // RFC 7606 §5.3 allows either; a reset is what an operator notices.
            let notification = error.notification();
            let reset = Reset {
                notification,
                why: format!("{error} ({family} cannot be read)"),
            };
            peer.session.reset_established(reset, &mut self.core.env());
            return;
        }
        if let Some(family) = update.end_of_rib() {
            self.outputs
                .push_back(Output::Event(Event::EndOfRib { peer: id, family }));
            return;
        }
        let changed = self.learn(id, update);
        self.decide(changed);
    }

    /// Apply an UPDATE to the peer's Adj-RIB-In; returns the prefixes whose paths it changed.
    fn learn(&mut self, id: PeerId, mut update: DecodedUpdate) -> Vec<IpNet> {
        let Some(peer) = self.peers.get_mut(&id) else {
            return Vec::new();
        };
        let mut changed = Vec::new();
        peer.forget_withdrawn(&update, &mut changed);
        for announced in Announced::of(&mut update) {
            let received = self.received.intern(announced.received);
            peer.learn(
                &received,
                announced.family,
                &announced.nlri,
                &self.core.local,
                &mut changed,
            );
        }
        if peer.adj_in.len() > peer.config.max_prefixes.limit {
            let reset = Reset::too_many_prefixes(peer.config.max_prefixes.limit);
            peer.session.reset_established(reset, &mut self.core.env());
        }
        changed
    }

    /// Ask a peer's import policy again about what it taught, after a change of its configuration.
    pub(super) fn reevaluate_in(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let changed = peer.reevaluate_in(&self.core.local);
        self.decide(changed);
    }

    /// Choose again among the peers' paths to these prefixes.
    pub(super) fn decide(&mut self, prefixes: Vec<IpNet>) {
        let teachers: Vec<_> = self
            .peers
            .values()
            .filter(|peer| !peer.adj_in.is_empty())
            .collect();
        for prefix in prefixes {
            let paths = teachers.iter().flat_map(|peer| peer.adj_in.get(&prefix));
            let event = match self.loc_rib.decide(prefix, paths) {
                Choice::Unchanged => continue,
                Choice::Changed(paths) => Event::RouteLearned { prefix, paths },
                Choice::Lost => Event::RouteLost { prefix },
            };
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// Say whether there is a way to a next hop, and at what cost; `None`: nothing is known, and it is taken to be
    /// reachable. Paths through it compete again.
    pub fn set_reachability(
        &mut self,
        next_hop: IpAddr,
        reachability: Option<Reachability>,
        now: Instant,
    ) {
        self.core.now = now;
        if self.loc_rib.set_reachability(next_hop, reachability) {
            let peers = self.peers.values();
            let routes = peers.flat_map(|peer| peer.adj_in.iter());
            let through = routes.filter(|(_, path)| path.next_hop_address() == next_hop);
            self.decide(through.map(|(prefix, _)| *prefix).collect());
        }
    }

    /// Another number of paths, or another idea of which are equally good.
    pub fn set_multipath(&mut self, multipath: Multipath, now: Instant) {
        self.core.now = now;
        if self.loc_rib.set_multipath(multipath) {
            let peers = self.peers.values();
            let routes = peers.flat_map(|peer| peer.adj_in.iter());
            self.decide(routes.map(|(prefix, _)| *prefix).collect());
        }
    }

    /// Hand every peer what it is due, as far as its window allows.
    pub(super) fn flush(&mut self) {
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            while let Some(peer) = self.peers.get_mut(&id)
                && let Some((batch, bytes, messages)) = peer.next_update()
            {
                peer.session
                    .send_update(bytes, messages, &mut self.core.env());
                self.perform(id);
                let event = match batch {
                    Batch::Announce(_, prefixes) => Event::Advertised {
                        peer: id,
                        prefixes: prefixes.into(),
                    },
                    Batch::Withdraw(prefixes) => Event::Withdrawn {
                        peer: id,
                        prefixes: prefixes.into(),
                    },
                    Batch::EndOfRib => continue,
                };
                self.outputs.push_back(Output::Event(event));
            }
        }
    }
}

/// Destinations of one family that an UPDATE announces, taken out of it.
struct Announced {
    family: Family,
    received: Received,
    nlri: Vec<Nlri>,
}

impl Announced {
    /// At most one of IPv4 destinations and one of MP_REACH_NLRI.
    fn of(update: &mut DecodedUpdate) -> impl Iterator<Item = Self> + use<> {
        let treat_as_withdraw = update.treat_as_withdraw;
        let update = &mut update.update;
        let attributes = update.attributes.take().filter(|_| !treat_as_withdraw);
        let attributes = attributes.map(|mut attributes| {
            let plain = attributes.next_hop.take();
            (plain, Arc::new(attributes))
        });
        let of = |family, next_hop, attributes: &Arc<_>, nlri: Vec<Nlri>| {
            let attributes = Arc::clone(attributes);
            let received = Received {
                next_hop,
                attributes,
            };
            (!nlri.is_empty()).then_some(Self {
                family,
                received,
                nlri,
            })
        };
        let announced = attributes.map(|(plain, attributes)| {
            let nlri = std::mem::take(&mut update.nlri);
            let plain = plain.and_then(|next_hop| {
                of(
                    Family::IPV4_UNICAST,
                    NextHop::V4(next_hop),
                    &attributes,
                    nlri,
                )
            });
            let multi = update.mp_reach.take().and_then(|mp| match mp.nlri {
                FamilyNlri::Unicast(nlri) => of(mp.family, mp.next_hop?, &attributes, nlri),
                FamilyNlri::Opaque(_) => None,
            });
            [plain, multi]
        });
        announced.into_iter().flatten().flatten()
    }
}
