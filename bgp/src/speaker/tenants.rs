//! Tenants' tables through the speaker: EVPN learned from UPDATEs, told to the peers that speak it.

use std::collections::BTreeMap;
use std::time::Instant;

use super::retention::Step;
use super::{Event, Output, PeerId, Speaker};
use crate::evpn::{Evpn, Instance, LocalHost, Prefixes, Vni};
use crate::rib::{Originated, Received, UpdateGroups};
use crate::wire::DecodedUpdate;
use crate::wire::evpn::{EvpnRoute, Mac};

/// EVPN, and who is told of it.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    pub(super) evpn: Evpn,
    pub(super) originated: Originated<EvpnRoute>,
    pub(super) groups: UpdateGroups<EvpnRoute>,
}

impl Speaker {
    /// EVPN: instances, what they hold, what peers teach.
    pub fn evpn(&self) -> &Evpn {
        &self.tenants.evpn
    }

    /// These are the tenants' tables from now on, each under its VNI: see [`Evpn::set_instances`].
    pub fn set_evpn_instances(&mut self, instances: BTreeMap<Vni, Instance>, now: Instant) {
        self.core.now = now;
        self.tenants.evpn.set_instances(instances);
        self.tell_tenants();
    }

    /// These are the prefixes that this node has in a routed table: see [`Evpn::set_prefixes`].
    pub fn set_evpn_prefixes(&mut self, vni: Vni, prefixes: Prefixes, now: Instant) {
        self.core.now = now;
        self.tenants.evpn.set_prefixes(vni, prefixes);
        self.tell_tenants();
    }

    /// These are the hosts that this node has in a bridged table: see [`Evpn::set_hosts`].
    pub fn set_evpn_hosts(&mut self, vni: Vni, hosts: BTreeMap<Mac, LocalHost>, now: Instant) {
        self.core.now = now;
        self.tenants.evpn.set_hosts(vni, hosts, now);
        self.tell_tenants();
    }

    /// What a peer has been sent of EVPN, in no particular order.
    pub fn evpn_sent(&self, peer: PeerId) -> impl Iterator<Item = &EvpnRoute> {
        self.tenants.groups.sent(peer).map(|(route, _)| route)
    }

    /// What a peer teaches of EVPN, in no particular order; and whether it can be used.
    pub fn evpn_taught(&self, peer: PeerId) -> impl Iterator<Item = (&EvpnRoute, bool)> {
        self.tenants.evpn.learned().of_peer(peer)
    }

    /// Apply the EVPN routes of an UPDATE.
    pub(super) fn learn_evpn(&mut self, id: PeerId, update: &DecodedUpdate) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let learned = self.tenants.evpn.learned_mut();
        let mut changed: Vec<_> = update.evpn_withdrawals().collect();
        changed.retain(|key| learned.remove(id, key));
        let mut announced = update.evpn_announcements().peekable();
        if let Some((_, next_hop, attributes)) = announced.peek() {
            let received = self.received.intern(Received {
                next_hop: *next_hop,
                attributes: std::sync::Arc::new((*attributes).clone()),
            });
            let path = peer.evpn_path(&received, &self.core.local);
            for (route, ..) in announced {
                if learned.insert(id, route, &received, path.clone()) {
                    changed.push(route.key());
                }
            }
        }
        self.tenants.evpn.decide(&changed);
        self.tell_tenants();
    }

    /// Ask again what can be used of what a peer teaches, after a change of its configuration.
    pub(super) fn reevaluate_evpn(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let local = &self.core.local;
        let learned = self.tenants.evpn.learned_mut();
        let changed = learned.reevaluate(id, |received| peer.evpn_path(received, local));
        self.tenants.evpn.decide(&changed);
        self.tell_tenants();
    }

    /// Do to what a peer teaches of EVPN what its absence or return asks for.
    pub(super) fn retain_evpn(&mut self, id: PeerId, step: Step) {
        use crate::rib::Stale::{LongLived, Restarting};
        let learned = self.tenants.evpn.learned_mut();
        let changed = match step {
            Step::MarkStale(_) => learned.mark(id, Restarting),
            Step::MarkLongLived(_) => learned.mark(id, LongLived),
            Step::Purge(_) => learned.purge_unconfirmed(id),
            Step::ExpectAgain(_) => {
                learned.expect_again(id);
                Vec::new()
            }
            Step::Forget(_) => learned.forget(id),
        };
        self.tenants.evpn.decide(&changed);
        self.tell_tenants();
    }

    /// What changed: to the peers what we say, to who watches what we hear.
    pub(super) fn tell_tenants(&mut self) {
        let tenants = &mut self.tenants;
        for (route, attributes) in tenants.evpn.take_offers() {
            tenants.groups.offer(route, attributes.as_ref());
            match attributes {
                Some(attributes) => tenants.originated.insert(route, attributes),
                None => tenants.originated.remove(&route),
            };
            self.unflushed = true;
        }
        while let Some(event) = tenants.evpn.next_event() {
            self.outputs.push_back(Output::Event(Event::Evpn(event)));
        }
    }
}
