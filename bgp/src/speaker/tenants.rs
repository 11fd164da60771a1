//! Tenants' tables through the speaker: EVPN learned from UPDATEs, told to the peers that speak it.

use std::collections::BTreeMap;
use std::time::Instant;

use ipnet::IpNet;

use super::retention::Step;
use super::{Event, Multipath, Output, PeerId, Route, Speaker};
use crate::evpn::{Evpn, Instance, LocalHost, Vni};
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

impl Tenants {
    /// Without a tenant.
    pub(super) fn new(multipath: Multipath) -> Self {
        let mut tenants = Self::default();
        tenants.evpn.set_multipath(multipath);
        tenants
    }
}

impl Speaker {
    /// EVPN: instances, what they hold, what peers teach.
    pub fn evpn(&self) -> &Evpn {
        &self.tenants.evpn
    }

    /// These are the tenants' tables from now on, each under its VNI. What is in those that stay is kept, and told again
    /// as they are now. What was originated in a VNI outlives its table: it is told once there is one again.
    pub fn set_evpn_instances(&mut self, instances: BTreeMap<Vni, Instance>, now: Instant) {
        self.core.now = now;
        self.tenants.evpn.set_instances(instances, now);
        self.tell_tenants();
    }

    /// Originate these prefixes in a tenant's routed table, replacing what was originated there for the same ones. Their
    /// next hop is the table's VTEP, whatever they say.
    pub fn originate_evpn(
        &mut self,
        vni: Vni,
        routes: impl IntoIterator<Item = Route>,
        now: Instant,
    ) {
        self.core.now = now;
        for route in routes {
            let told = self.attributes.intern_shared(&route.attributes);
            self.tenants
                .evpn
                .add_prefix(vni, route.prefix.trunc(), told);
        }
        self.tell_tenants();
    }

    /// Stop originating these prefixes in a tenant's table.
    pub fn withdraw_evpn(
        &mut self,
        vni: Vni,
        prefixes: impl IntoIterator<Item = IpNet>,
        now: Instant,
    ) {
        self.core.now = now;
        for prefix in prefixes {
            self.tenants.evpn.remove_prefix(vni, prefix.trunc());
        }
        self.tell_tenants();
    }

    /// These hosts are on this node, in a tenant's bridged table; others that are there stay. One that was not here
    /// before has come: if another VTEP claims it, ours is the newer word (RFC 7432 §7.7).
    pub fn originate_evpn_hosts(
        &mut self,
        vni: Vni,
        hosts: impl IntoIterator<Item = (Mac, LocalHost)>,
        now: Instant,
    ) {
        self.core.now = now;
        for (mac, host) in hosts {
            self.tenants.evpn.add_host(vni, mac, host, now);
        }
        self.tell_tenants();
    }

    /// These hosts have left this node.
    pub fn withdraw_evpn_hosts(
        &mut self,
        vni: Vni,
        macs: impl IntoIterator<Item = Mac>,
        now: Instant,
    ) {
        self.core.now = now;
        for mac in macs {
            self.tenants.evpn.remove_host(vni, mac, now);
        }
        self.tell_tenants();
    }

    /// Withdraw all that is originated in tenants' tables, or originate it again. It may change meanwhile, and what
    /// others teach is taken all the same.
    pub fn set_evpn_silent(&mut self, silent: bool, now: Instant) {
        self.core.now = now;
        self.tenants.evpn.set_silent(silent);
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
            let allowed = peer.config.max_prefixes;
            let mut refused = 0;
            for (route, ..) in announced {
                let full = peer.adj_in.len() + learned.len(id) >= allowed.limit;
                if allowed.warn_only && full && !learned.contains(id, &route.key()) {
                    refused += 1;
                    continue;
                }
                let path = peer.evpn_path(&route, &received, &self.core.local);
                if learned.insert(id, route, &received, path) {
                    changed.push(route.key());
                }
            }
            peer.refused += refused;
        }
        self.tenants.evpn.decide(&changed, self.core.now);
        self.tell_tenants();
    }

    /// Ask again what can be used of what a peer teaches, after a change of its configuration.
    pub(super) fn reevaluate_evpn(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        let local = &self.core.local;
        let learned = self.tenants.evpn.learned_mut();
        let changed =
            learned.reevaluate(id, |route, received| peer.evpn_path(route, received, local));
        self.tenants.evpn.decide(&changed, self.core.now);
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
        self.tenants.evpn.decide(&changed, self.core.now);
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
