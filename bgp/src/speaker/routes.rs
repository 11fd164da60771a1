//! Routes through the speaker: learned from UPDATEs, decided upon, told to the peers.

use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use super::peer::Peer;
use super::{Event, Multipath, Output, PeerId, Speaker};
use crate::rib::{Batch, Choice, ExportProfile, Received, Told, Via, Window};
use crate::session::Reset;
use crate::wire::{DecodedUpdate, Family, FamilyNlri, NextHop, Nlri};

impl Speaker {
    pub(super) fn handle_update(&mut self, id: PeerId, update: Box<DecodedUpdate>) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let mut errors: Vec<_> = update.errors.iter().map(ToString::to_string).collect();
        let attributes = update.update.attributes.as_ref();
        if let Some(path) = attributes.map(|attributes| &attributes.as_path)
            && path.has_sets()
            && !peer.config.accept_as_sets
        {
            errors.push(format!(
                "AS_PATH {path} has an AS_SET, deprecated by RFC 9774: its routes are not used"
            ));
        }
        if !errors.is_empty() {
            self.outputs
                .push_back(Output::Event(Event::UpdateErrors { peer: id, errors }));
        }
        if let Some((family, error)) = update.disabled_families().next() {
            // RFC 7606 §5.3 allows either; a reset is what an operator notices.
            let notification = error.notification();
            let reset = Reset {
                notification,
                why: format!("{error} ({family} cannot be read)"),
                hard: false,
            };
            peer.session.reset_established(reset, &mut self.core.env());
            return;
        }
        if let Some(family) = update.end_of_rib() {
            self.end_of_rib(id, family);
            return;
        }
        self.learn_evpn(id, &update);
        let changed = self.learn(id, update);
        self.decide(changed);
        self.limit_prefixes(id);
    }

    /// Apply an UPDATE to the peer's Adj-RIB-In; returns the prefixes whose paths it changed.
    fn learn(&mut self, id: PeerId, mut update: Box<DecodedUpdate>) -> Vec<IpNet> {
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
        changed
    }

    /// Ask a peer's import policy again about what it taught, after a change of its configuration.
    pub(super) fn reevaluate_in(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let changed = peer.reevaluate_in(&self.core.local);
        self.decide(changed);
        self.reevaluate_evpn(id);
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

    /// Say whether a way leads there at present; unless it is said otherwise, one does. Paths through it compete again:
    /// one without a way is used only where there is no other (RFC 4271 §9.1.2.1).
    pub fn set_reachable(&mut self, via: &Via, reachable: bool, now: Instant) {
        self.core.now = now;
        if self.loc_rib.set_reachable(via, reachable) {
            let peers = self.peers.values();
            let routes = peers.flat_map(|peer| peer.adj_in.iter());
            let through = routes.filter(|(_, path)| path.via() == *via);
            self.decide(through.map(|(prefix, _)| *prefix).collect());
        }
    }

    /// Another number of paths, or another idea of which are equally good. False when it is the same.
    pub fn set_multipath(&mut self, multipath: Multipath, now: Instant) -> bool {
        self.core.now = now;
        let changed = self.loc_rib.set_multipath(multipath);
        self.tenants.evpn.set_multipath(multipath);
        self.tell_tenants();
        if changed {
            let peers = self.peers.values();
            let routes = peers.flat_map(|peer| peer.adj_in.iter());
            self.decide(routes.map(|(prefix, _)| *prefix).collect());
        }
        changed
    }

    /// A session came up: it is due everything we originate.
    pub(super) fn open_families(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let asn = self.core.local.asn;
        for profile in peer.open_families(asn, self.graceful_shutdown) {
            if profile.family == Family::L2VPN_EVPN {
                let tenants = &mut self.tenants;
                tenants.groups.join(id, profile, &tenants.originated);
            } else {
                self.groups.join(id, profile, &self.originated);
            }
        }
        for (family, why) in peer.withheld.iter().copied() {
            let peer = id;
            let event = Event::FamilyWithheld { peer, family, why };
            self.outputs.push_back(Output::Event(event));
        }
        self.unflushed = true;
    }

    /// Ask the export policies of these peers again, after a change of their configuration: each is told what differs
    /// for it.
    pub(super) fn reevaluate_out(&mut self, ids: impl IntoIterator<Item = PeerId>) {
        let asn = self.core.local.asn;
        let mut wanted = Vec::new();
        for peer in ids.into_iter().filter_map(|id| self.peers.get(&id)) {
            let profiles = peer.export_profiles(asn, self.graceful_shutdown);
            wanted.extend(profiles.into_iter().map(|profile| (peer.id, profile)));
        }
        let of_evpn = |(_, profile): &(_, ExportProfile)| profile.family == Family::L2VPN_EVPN;
        let (evpn, unicast): (Vec<_>, Vec<_>) = wanted.into_iter().partition(of_evpn);
        self.groups.regroup(&unicast, &self.originated);
        let tenants = &mut self.tenants;
        tenants.groups.regroup(&evpn, &tenants.originated);
        self.unflushed = true;
    }

    /// Ask every peer to prefer other paths than ours, or no longer (RFC 8326).
    pub(super) fn set_graceful_shutdown(&mut self, graceful_shutdown: bool) {
        self.graceful_shutdown = graceful_shutdown;
        let peers: Vec<_> = self.peers.keys().copied().collect();
        self.reevaluate_out(peers);
    }

    /// Hand every peer what it is due, as far as its window allows.
    pub(super) fn flush(&mut self) {
        while let Some(told) = {
            let peers = &self.peers;
            let window = |id| peers.get(&id).map_or(Window::Choked, Peer::window);
            self.groups.next(&window)
        } {
            self.hand_out(told, |peer, prefixes, announced| match announced {
                true => Event::Advertised { peer, prefixes },
                false => Event::Withdrawn { peer, prefixes },
            });
        }
        while let Some(told) = {
            let peers = &self.peers;
            let window = |id| peers.get(&id).map_or(Window::Choked, Peer::window);
            self.tenants.groups.next(&window)
        } {
            self.hand_out(told, |peer, routes, announced| match announced {
                true => Event::EvpnAdvertised { peer, routes },
                false => Event::EvpnWithdrawn { peer, routes },
            });
        }
    }

    /// A batch to the peers that it is for, and an event of each for who watches.
    fn hand_out<D>(&mut self, told: Told<D>, event: impl Fn(PeerId, Arc<[D]>, bool) -> Event) {
        let refreshed = u64::from(matches!(told.batch, Batch::EndOfRefresh));
        let (announced, destinations): (bool, Arc<[D]>) = match told.batch {
            Batch::Announce(runs) => {
                let all = runs.into_iter().flat_map(|(_, destinations)| destinations);
                (true, all.collect())
            }
            Batch::Withdraw(destinations) => (false, destinations.into()),
            Batch::EndOfRib | Batch::EndOfRefresh => (false, Arc::new([])),
        };
        for id in told.peers {
            if let Some(peer) = self.peers.get_mut(&id) {
                let bytes = told.bytes.clone();
                peer.session.counters.sent.route_refreshes += refreshed;
                peer.session
                    .send_update(bytes, told.updates, &mut self.core.env());
            }
            self.perform(id);
            if !destinations.is_empty() {
                let event = event(id, Arc::clone(&destinations), announced);
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
                FamilyNlri::Evpn(_) | FamilyNlri::Opaque(_) => None,
            });
            [plain, multi]
        });
        announced.into_iter().flatten().flatten()
    }
}
