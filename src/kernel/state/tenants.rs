//! The devices of tenants: VRFs, bridges, VXLAN devices, and what leads to Open vSwitch.

use std::sync::Arc;

use super::{State, Touched, leak, link_key};
use crate::kernel::message::{Device, LinkFacts, PortFacts, RouteFacts, RouteId};
use crate::reconcile::Found;
use crate::reconcile::object::{Key, TableId, Value};
use crate::reconcile::ownership::tenants::{DeviceFacts, is_tenant_table};
use crate::reconcile::ownership::{TenantDevice, TenantScope};

impl State {
    /// What it would be as a tenant's device, by its name; `None` where EVPN is not configured.
    pub(super) fn tenant_device(&self, name: &str) -> Option<TenantDevice> {
        self.scope.tenants.as_ref()?;
        if self.scope.bridges.contains_key(name) {
            return None;
        }
        TenantDevice::named(name)
    }

    /// True for a tenant's device that can carry addresses, neighbours and routes of ours.
    pub(super) fn is_tenant_entry(&self, name: &str) -> bool {
        let device = self.tenant_device(name);
        device.is_some_and(TenantDevice::carries_objects)
    }

    /// The tables that have routes of ours, or may have.
    pub(in crate::kernel) fn tables(&self) -> Vec<TableId> {
        let tenants = self.links.iter().filter_map(|link| self.tenant_table(link));
        self.scope.tables().chain(tenants).collect()
    }

    /// The table of a VRF with a tenant's name and number, whoever made it. Tables that have another purpose here are
    /// nobody's.
    fn tenant_table(&self, link: &LinkFacts) -> Option<TableId> {
        let table = link.vrf()?;
        let named = self.tenant_device(&link.name) == Some(TenantDevice::Vrf(table));
        let taken = self.scope.tables().any(|t| t == table);
        (named && is_tenant_table(table) && !taken).then_some(table)
    }

    /// The VRF that a tenant's table is looked up by.
    fn vrf_of(&self, table: TableId) -> Option<&LinkFacts> {
        self.scope.tenants.as_ref()?;
        let link = self.links.named(&format!("vrf-{table}"))?;
        (self.tenant_table(link) == Some(table)).then_some(link)
    }

    /// Whether a route in this table is ours; `None` for a table that is no tenant's.
    pub(super) fn owns_tenant_route(&self, table: TableId, protocol: u8) -> Option<bool> {
        let tenants = self.scope.tenants.as_ref()?;
        let vrf = self.vrf_of(table)?;
        Some(tenants.owns_route(protocol, self.is_our_vrf(tenants, vrf)))
    }

    /// Whether an FRR was taught this route of a tenant of ours: its way is a VTEP, by the tenant's bridge.
    pub(super) fn inherits_route(&self, id: &RouteId, facts: &RouteFacts) -> bool {
        let Some(tenants) = &self.scope.tenants else {
            return false;
        };
        let by_bridge = || {
            let link = self.links.get(facts.index);
            let device = link.and_then(|link| self.tenant_device(&link.name));
            !facts.via.is_empty() && device == Some(TenantDevice::Bridge(id.table))
        };
        let of_tenant = |vrf| {
            let ours = self.is_our_vrf(tenants, vrf);
            tenants.inherits_route(facts.protocol, ours) && by_bridge()
        };
        !id.unreachable && self.vrf_of(id.table).is_some_and(of_tenant)
    }

    fn is_our_vrf(&self, tenants: &TenantScope, link: &LinkFacts) -> bool {
        self.tenant_table(link).is_some()
            && self
                .with_facts(link, false, |facts| tenants.is_our_vrf(facts))
                .unwrap_or(false)
    }

    /// True for a tenant's device that may be removed, or made anew.
    pub(super) fn owns_tenant_device(&self, link: &LinkFacts) -> bool {
        let Some(tenants) = &self.scope.tenants else {
            return false;
        };
        if link.vrf().is_some() && self.tenant_table(link).is_none() {
            return false;
        }
        let in_our_vrf = self.is_in_our_vrf(tenants, link);
        self.with_facts(link, in_our_vrf, |facts| tenants.owns_device(facts))
            .unwrap_or(false)
    }

    /// True where the device of this name is in the VRF of a tenant of ours.
    pub(in crate::kernel) fn is_tenant_member(&self, name: &str) -> bool {
        let link = self.links.named(name);
        let tenants = self.scope.tenants.as_ref();
        tenants
            .zip(link)
            .is_some_and(|(tenants, link)| self.is_in_our_vrf(tenants, link))
    }

    /// Itself or by the bridge that it is a port of.
    fn is_in_our_vrf(&self, tenants: &TenantScope, link: &LinkFacts) -> bool {
        let vni = self.tenant_device(&link.name).and_then(TenantDevice::vni);
        let is_of = |master: &LinkFacts| {
            let of = self.tenant_device(&master.name).and_then(TenantDevice::vni);
            of.is_some() && (vni.is_none() || vni == of)
        };
        let Some(master) = self.links.master(link).filter(|master| is_of(master)) else {
            return false;
        };
        self.is_our_vrf(tenants, master)
            || self
                .links
                .master(master)
                .is_some_and(|vrf| is_of(vrf) && self.is_our_vrf(tenants, vrf))
    }

    fn with_facts<T>(
        &self,
        link: &LinkFacts,
        in_our_vrf: bool,
        ask: impl FnOnce(&DeviceFacts<'_>) -> T,
    ) -> Option<T> {
        let device = self.tenant_device(&link.name)?;
        let members: Vec<&str> = self.links.members(link.index).map(|l| &*l.name).collect();
        let kind = self.kind(link);
        Some(ask(&DeviceFacts {
            name: &link.name,
            device,
            kind: &kind,
            alias: link.alias.as_deref(),
            in_our_vrf,
            members: &members,
        }))
    }

    /// The indexes of the VXLAN devices of tenants and of the ports of their bridges.
    pub(in crate::kernel) fn forwarding_indexes(&self) -> Vec<u32> {
        let with_table = |link: &&LinkFacts| self.has_forwarding_table(link);
        self.links
            .iter()
            .filter(with_table)
            .map(|l| l.index)
            .collect()
    }

    /// A tenant's VXLAN device, or the port of a tenant's bridge.
    pub(super) fn has_forwarding_table(&self, link: &LinkFacts) -> bool {
        match self.tenant_device(&link.name) {
            Some(TenantDevice::Vxlan(_)) => true,
            Some(_) => self.is_port_of_tenant(link),
            None => false,
        }
    }

    fn is_port_of_tenant(&self, link: &LinkFacts) -> bool {
        let master = self.links.master(link);
        let device = master.and_then(|master| self.tenant_device(&master.name));
        matches!(device, Some(TenantDevice::Bridge(_)))
    }

    pub(super) fn found_port(&self, dev: &Arc<str>) -> Option<Found> {
        self.tenant_device(dev)?;
        let link = self.links.named(dev)?;
        let PortFacts {
            learning,
            neigh_suppress,
        } = link.port.filter(|_| link.master.is_some())?;
        Some(Found::foreign(Value::BridgePort {
            learning,
            neigh_suppress,
        }))
    }

    pub(super) fn tenant_keys(&self) -> impl Iterator<Item = Key> {
        let devices = self.links.iter();
        let devices = devices.filter(|link| self.tenant_device(&link.name).is_some());
        devices.flat_map(|link| [leak::master_key(&link.name), port_key(&link.name)])
    }

    /// What is ours of what a link that is about to change has to do with.
    pub(super) fn titles(&self, before: Option<&LinkFacts>, link: Option<&LinkFacts>) -> Titles {
        let mut titles = Titles::default();
        if self.scope.tenants.is_none() {
            return titles;
        }
        for link in [before, link].into_iter().flatten() {
            let mut next = Some(link.index);
            // A port, its bridge, the bridge's VRF.
            for _ in 0..3 {
                let Some(known) = next.and_then(|index| self.links.get(index)) else {
                    break;
                };
                titles.0.push((known.index, self.title(known)));
                next = known.master;
            }
            let master = link.master.and_then(|index| self.links.get(index));
            titles.0.extend(master.map(|m| (m.index, self.title(m))));
        }
        titles
    }

    /// Whether a device is ours to remove, and whether it is a VRF of ours.
    fn title(&self, link: &LinkFacts) -> (bool, bool) {
        let tenants = self.scope.tenants.as_ref();
        let vrf = tenants.is_some_and(|tenants| self.is_our_vrf(tenants, link));
        (self.owns_tenant_device(link), vrf)
    }

    /// Takes note of what depends on a link that changed. True where more than the link has to be looked at again: what
    /// hangs on it has become ours or ceased to be, or a table is there that was none.
    pub(super) fn note_tenant(
        &self,
        before: Option<&LinkFacts>,
        now: Option<&LinkFacts>,
        titles: &Titles,
        touched: &mut Touched,
    ) -> bool {
        if self.scope.tenants.is_none() {
            return false;
        }
        for link in [before, now].into_iter().flatten() {
            let named = |name: &str| self.tenant_device(name).is_some();
            if named(&link.name) {
                touched.keys.insert(port_key(&link.name));
            }
            // The other end's kind has our name in it.
            if let Device::Veth { peer } = link.device
                && let Some(peer) = self.links.name(peer).filter(|name| named(name))
            {
                touched.keys.insert(link_key(peer));
            }
        }
        let changed = |(index, title): &(u32, (bool, bool))| {
            let link = self.links.get(*index);
            link.is_some_and(|link| self.title(link) != *title)
        };
        let is_new = before.is_none() && now.is_some_and(|link| self.tenant_table(link).is_some());
        is_new || titles.0.iter().any(changed)
    }

    /// How a bridge treats one of its ports, or that it is none any more.
    pub(super) fn note_port(&mut self, index: u32, port: Option<PortFacts>, touched: &mut Touched) {
        if self.links.set_port(index, port)
            && let Some(name) = self.links.name(index)
            && self.tenant_device(name).is_some()
        {
            touched.keys.insert(port_key(name));
        }
    }
}

/// Of interfaces, by index: whether each is ours to remove, and whether it is a VRF of ours.
#[derive(Debug, Default)]
pub(super) struct Titles(Vec<(u32, (bool, bool))>);

pub(super) fn port_key(dev: &Arc<str>) -> Key {
    Key::BridgePort {
        dev: Arc::clone(dev),
    }
}
