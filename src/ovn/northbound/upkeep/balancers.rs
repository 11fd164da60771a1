//! Floating IPs, SNAT and load balancers.

use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use crate::ovn::index;
use crate::ovn::northbound::{Balancer, Fip, Nat, Northbound};

impl Northbound {
    pub(super) fn replace_nat(&mut self, uuid: Uuid, new: Option<Nat>) {
        let old = self.nats.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        self.affect_nat(uuid);
        if let Some(old) = old {
            self.nats.remove(&uuid);
            if let Some(fip) = old.as_fip() {
                self.unlink_fip(fip);
            }
        }
        if let Some(mut new) = new {
            if let Nat::Fip(fip) = &mut new {
                fip.network = fip.network.take().map(|name| self.shared(name));
                self.link_fip(fip);
            }
            self.nats.insert(uuid, Arc::new(new));
        }
        self.affect_nat(uuid);
    }

    fn link_fip(&mut self, fip: &Fip) {
        if let Some(port) = &fip.logical_port {
            self.nats_by_port.insert(port.clone(), fip.uuid);
        }
        if let Some(name) = &fip.network {
            let network = self.networks.entry(name.clone()).or_default();
            index::insert(&mut network.nats, fip.uuid);
        }
    }

    fn unlink_fip(&mut self, fip: &Fip) {
        if let Some(port) = &fip.logical_port {
            self.nats_by_port.remove(port, fip.uuid);
        }
        if let Some(name) = &fip.network {
            if let Some(network) = self.networks.get_mut(name) {
                index::remove(&mut network.nats, fip.uuid);
            }
            self.forget_if_empty(name);
        }
    }

    /// A NAT row, and all that its router hides, if it hides.
    pub(super) fn affect_nat(&mut self, uuid: Uuid) {
        self.affected.nats.insert(uuid);
        if self
            .nats
            .get(&uuid)
            .is_some_and(|nat| nat.as_snat().is_some())
        {
            for router in self.routers_of_nat.get(&uuid).to_vec() {
                self.affect_router(router);
            }
        }
    }

    pub(super) fn replace_balancer(&mut self, uuid: Uuid, new: Option<Balancer>) {
        let old = self.balancers.get(&uuid).cloned();
        if old.as_deref() == new.as_ref() {
            return;
        }
        if let Some(old) = old {
            self.affect_balancer(&old);
            self.unlink_balancer(&old);
            self.balancers.remove(&uuid);
        }
        if let Some(new) = new.map(Arc::new) {
            self.balancers.insert(uuid, new.clone());
            self.link_balancer(&new);
            self.affect_balancer(&new);
        }
    }

    fn link_balancer(&mut self, balancer: &Balancer) {
        let uuid = balancer.uuid;
        if let Some(router) = balancer.router() {
            self.balancers_by_router.insert(router.clone(), uuid);
        }
        if let Some(octavia) = balancer.octavia() {
            self.balancers_by_port.insert(octavia.port.clone(), uuid);
        }
        for member in members_that_matter(balancer) {
            self.balancers_by_member.insert(member, uuid);
        }
    }

    fn unlink_balancer(&mut self, balancer: &Balancer) {
        let uuid = balancer.uuid;
        if let Some(router) = balancer.router() {
            self.balancers_by_router.remove(router, uuid);
        }
        if let Some(octavia) = balancer.octavia() {
            self.balancers_by_port.remove(&octavia.port, uuid);
        }
        for member in members_that_matter(balancer) {
            self.balancers_by_member.remove(&member, uuid);
        }
    }

    /// A load balancer, the other rows with the same VIP, and the floating IPs of that.
    fn affect_balancer(&mut self, balancer: &Balancer) {
        let affected = &mut self.affected;
        affected.balancers.insert(balancer.uuid);
        if let Some(octavia) = balancer.octavia() {
            let same = self.balancers_by_port.get(&octavia.port);
            affected.balancers.extend(same);
            affected.nats.extend(self.nats_by_port.get(&octavia.port));
        }
    }
}

/// Without a router, a VIP is where its one member is; another of its rows may have a router.
fn members_that_matter(balancer: &Balancer) -> impl Iterator<Item = IpAddr> {
    let is_alone = balancer.octavia().is_none() && balancer.router().is_some();
    let vips = balancer.vips.iter().filter(move |_| !is_alone);
    vips.flat_map(|vip| vip.members.iter().copied())
}
