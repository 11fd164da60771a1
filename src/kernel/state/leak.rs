//! What FRR leaks: the VRF, the dummy device in it, its addresses and routes.

use std::sync::Arc;

use ipnet::IpNet;

use super::{State, Touched, link_key};
use crate::kernel::message::{Device, LinkFacts, RouteFacts, RouteId};
use crate::reconcile::Found;
use crate::reconcile::object::{Key, Value};
use crate::reconcile::ownership::{LOOPBACK, Leak, NicFacts, default_prefix};

impl State {
    /// True for a device that can carry objects of ours, for the VRF, and for tenants' devices.
    pub(super) fn concerns_us(&self, link: &LinkFacts) -> bool {
        let is_vrf = |leak: &Leak| leak.vrf == link.name;
        self.is_device(link)
            || self.scope.leak.as_ref().is_some_and(is_vrf)
            || self.tenant_device(&link.name).is_some()
    }

    /// The dummy device, and the loopback device where it may have an address of ours.
    pub(super) fn is_leak_device(&self, name: &str) -> bool {
        self.scope.leak.is_some() && (self.is_leak_nic(name) || name == LOOPBACK)
    }

    pub(super) fn is_leak_nic(&self, name: &str) -> bool {
        let leak = self.scope.leak.as_ref();
        leak.is_some_and(|leak| &*leak.nic == name)
    }

    /// The VRF or the dummy device.
    pub(super) fn owns_leaking(&self, link: &LinkFacts) -> bool {
        let Some(leak) = &self.scope.leak else {
            return false;
        };
        match link.vrf() {
            Some(table) => {
                let mut members = self.links.members(link.index);
                leak.owns_vrf(&link.name, table, members.any(|l| l.name != leak.nic))
            }
            None => {
                let nic = NicFacts {
                    is_dummy: link.device == Device::Dummy,
                    alias: link.alias.as_deref(),
                    master: self.master(link).map(|master| &**master),
                };
                link.name == leak.nic && leak.owns_nic(&nic)
            }
        }
    }

    pub(super) fn owns_leaked_address(&self, index: u32, address: &IpNet) -> bool {
        let (Some(leak), Some(link)) = (&self.scope.leak, self.links.get(index)) else {
            return false;
        };
        match &*link.name {
            LOOPBACK => leak.loopback.contains(address),
            name => *name == *leak.nic && leak.owns_address(address) && self.owns_leaking(link),
        }
    }

    pub(super) fn is_leaked_route(&self, id: &RouteId, route: &RouteFacts) -> bool {
        let by_nic = |leak: &Leak| {
            let link = self.links.get(route.index);
            link.is_some_and(|link| link.name == leak.nic)
                && leak.owns_route(id.table, route.protocol)
        };
        self.scope.leak.as_ref().is_some_and(by_nic)
    }

    pub(super) fn has_ipv4_address(&self, index: u32) -> bool {
        let lowest = (index, default_prefix(false));
        let mut addresses = self.addresses.range(lowest..);
        // IPv4 sorts before IPv6.
        addresses
            .next()
            .is_some_and(|((i, address), _)| *i == index && address.addr().is_ipv4())
    }

    pub(super) fn master_keys(&self) -> impl Iterator<Item = Key> + '_ {
        let nic = self.scope.leak.as_ref().map(|leak| &leak.nic);
        nic.map(master_key).into_iter()
    }

    pub(super) fn found_master(&self, dev: &Arc<str>) -> Option<Found> {
        let concerns_us =
            |link: &&LinkFacts| self.is_leak_nic(&link.name) || self.tenant_device(dev).is_some();
        let link = self.link(dev).filter(concerns_us)?;
        let master = Arc::clone(self.master(link)?);
        Some(Found {
            value: Value::Master { master },
            owned: self.owns_leaking(link) || self.owns_tenant_device(link),
        })
    }

    /// Takes note of a device that enters or leaves another; true if it does.
    pub(super) fn note_master(
        &self,
        before: Option<&LinkFacts>,
        link: &LinkFacts,
        touched: &mut Touched,
    ) -> bool {
        let masters = [before.and_then(|b| b.master), link.master];
        if masters[0] == masters[1] {
            return false;
        }
        touched.keys.insert(master_key(&link.name));
        // Whether the VRF is ours depends on its members.
        let masters = masters.into_iter().flatten();
        let links = masters.filter_map(|index| self.links.get(index));
        touched.keys.extend(links.map(|link| link_key(&link.name)));
        before.is_some()
    }

    fn master(&self, link: &LinkFacts) -> Option<&Arc<str>> {
        Some(&self.links.master(link)?.name)
    }
}

pub(super) fn master_key(dev: &Arc<str>) -> Key {
    Key::Master {
        dev: Arc::clone(dev),
    }
}
