//! Tenants of EVPN: `exposing_method = vrf`, `l2vni` and `dynamic`, and `ovn_evpn_driver`.
//!
//! A tenant's table is a VRF and a bridge with a VXLAN device; an entrance per provider network leads from OVN into it. Devices
//! exist while something of the tenant is exposed here. What is exposed has a route, or where frames are bridged an entry of
//! the bridge, of its own; what peers teach is in the same table, and gives way to what is exposed here, because
//! [`Holder::Exposed`] comes before [`Holder::Taught`].

mod devices;
mod entrance;
mod inherited;
mod instance;
mod mtu;
pub mod names;
mod outline;
mod stations;
mod taught;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use bgp::evpn::{EvpnEvent, Instance, Vni};
use ipnet::IpNet;

use self::entrance::{Entrance, neighbour};
pub use self::inherited::taught_before;
pub use self::instance::AdvertisedRouter;
pub(super) use self::outline::{Extent, Outline};
use self::taught::Teaching;
use super::wish::Needs;
use super::{Facts, Pending, Wish};
use crate::exposure::{Attachment, Entry, Exposure, Layer, ProviderNetwork, Tenant};
use crate::mac::MacAddr;
use crate::reconcile::object::EtherType;
use crate::reconcile::{Holder, Key, Taught, Value};

/// All tenants that are known, have something exposed, or of which peers teach something.
#[derive(Clone, Debug, Default)]
pub(super) struct Tenants {
    tables: BTreeMap<Vni, Table>,
}

/// What is known of one tenant, besides what is exposed.
#[derive(Clone, Debug, Default)]
struct Table {
    tenant: Option<Arc<Tenant>>,
    /// How many exposures each provider network has.
    exposed: BTreeMap<Arc<str>, usize>,
    teaching: Teaching,
}

/// A tenant that has its devices.
struct Site<'a> {
    tenant: &'a Tenant,
    table: &'a Table,
    facts: &'a Facts,
    vtep: IpAddr,
}

impl Tenants {
    /// A tenant came, changed or went.
    pub(super) fn set(&mut self, vni: Vni, tenant: Option<Arc<Tenant>>) {
        self.tables.entry(vni).or_default().tenant = tenant;
        self.tidy(vni);
    }

    /// One exposure more of a network.
    pub(super) fn add(&mut self, vni: Vni, network: &Arc<str>) {
        let table = self.tables.entry(vni).or_default();
        *table.exposed.entry(Arc::clone(network)).or_default() += 1;
    }

    /// One exposure less.
    pub(super) fn remove(&mut self, vni: Vni, network: &Arc<str>) {
        if let Some(table) = self.tables.get_mut(&vni)
            && let Some(count) = table.exposed.get_mut(network)
        {
            *count -= 1;
            if *count == 0 {
                table.exposed.remove(network);
            }
        }
        self.tidy(vni);
    }

    /// Takes in what peers teach. Answers of what it says something else than before.
    pub(super) fn learn(&mut self, event: EvpnEvent) -> (Vni, BTreeSet<Taught>) {
        let vni = taught::vni(&event);
        let subjects = self.tables.entry(vni).or_default().teaching.learn(event);
        self.tidy(vni);
        (vni, subjects)
    }

    /// Takes in what an earlier process was taught, where peers have not taught this one. Answers of what.
    pub(super) fn inherit(&mut self, event: EvpnEvent) -> (Vni, BTreeSet<Taught>) {
        let vni = taught::vni(&event);
        let subjects = self.tables.entry(vni).or_default().teaching.inherit(event);
        self.tidy(vni);
        (vni, subjects)
    }

    /// Peers have taught what they have to teach: what an earlier process was taught besides is void. Answers of what.
    pub(super) fn forget_inherited(&mut self) -> Vec<(Vni, BTreeSet<Taught>)> {
        let tables = self.tables.iter_mut();
        let forgotten = tables.map(|(vni, table)| (*vni, table.teaching.forget_inherited(*vni)));
        let forgotten: Vec<_> = forgotten.collect();
        for (vni, _) in &forgotten {
            self.tidy(*vni);
        }
        forgotten
    }

    fn tidy(&mut self, vni: Vni) {
        let idle = |table: &Table| {
            table.tenant.is_none() && table.exposed.is_empty() && table.teaching.is_empty()
        };
        if self.tables.get(&vni).is_some_and(idle) {
            self.tables.remove(&vni);
        }
    }

    /// The VNIs of all of them.
    pub(super) fn tenant(&self, vni: Vni) -> Option<&Arc<Tenant>> {
        self.tables.get(&vni)?.tenant.as_ref()
    }

    pub(super) fn vnis(&self) -> impl Iterator<Item = Vni> + '_ {
        self.tables.keys().copied()
    }

    /// The attachments of all provider networks that are a tenant's own: the kernel's interface of the bridge has no part
    /// in them.
    pub(super) fn claimed(&self) -> BTreeSet<&Attachment> {
        let tenants = self.tables.values().filter_map(|t| t.tenant.as_deref());
        let own = tenants.filter(|tenant| tenant.entry == Entry::PerNetwork);
        own.flat_map(|tenant| tenant.networks.values())
            .map(|network| &network.attachment)
            .collect()
    }

    fn site<'a>(&'a self, vni: Vni, facts: &'a Facts) -> Option<Site<'a>> {
        let table = self.tables.get(&vni);
        let table = table.filter(|_| !facts.tenancy.taken.contains(&vni))?;
        let tenant = table.tenant.as_deref()?;
        if instance::clash(tenant, &facts.tenancy).is_some() {
            return None;
        }
        let site = Site {
            tenant,
            table,
            facts,
            vtep: facts.tenancy.vtep?,
        };
        site.networks().next()?;
        Some(site)
    }

    /// What a tenant's table is made of, and its entrances. `occupied` tells which addresses OVN has a port for here.
    pub(super) fn wish(&self, vni: Vni, facts: &Facts, occupied: impl Fn(IpAddr) -> bool) -> Wish {
        let objects = match self.site(vni, facts) {
            Some(site) => site.objects(occupied),
            None if facts.tenancy.keeps_vrf(vni) => vec![devices::vrf(vni)],
            None => Vec::new(),
        };
        Wish {
            objects,
            ..Wish::nothing(Holder::Tenant(vni))
        }
    }

    /// What an exposure needs besides.
    pub(super) fn exposed(&self, vni: Vni, exposure: &Exposure, facts: &Facts) -> Needs {
        let requiring = |requires| Needs {
            objects: Vec::new(),
            requires,
        };
        let Some(attachment) = &exposure.attachment else {
            return requiring(Arc::from([]));
        };
        let site = self.site(vni, facts);
        let needs = site.and_then(|site| site.exposed(exposure));
        needs.unwrap_or_else(|| requiring([never(attachment)].into()))
    }

    /// What keeps an exposure from being advertised.
    pub(super) fn waits_for(
        &self,
        vni: Vni,
        exposure: &Exposure,
        facts: &Facts,
    ) -> Option<Pending> {
        exposure.attachment.as_ref()?;
        if facts.tenancy.vtep.is_none() {
            return Some(Pending::NoVtep { vni });
        }
        if facts.tenancy.taken.contains(&vni) {
            return Some(Pending::TableTaken { vni });
        }
        let tenant = self.tables.get(&vni).and_then(|t| t.tenant.as_deref());
        if let Some((rd, by)) = tenant.and_then(|t| instance::clash(t, &facts.tenancy)) {
            return Some(Pending::DistinguisherTaken { vni, rd, by });
        }
        let site = self.site(vni, facts);
        let entrance = site
            .as_ref()
            .and_then(|site| site.entrance(&exposure.network));
        let Some(entrance) = entrance else {
            let network = Arc::clone(&exposure.network);
            return Some(Pending::NoEntrance { vni, network });
        };
        entrance.waits_for()
    }

    /// Whether an exposure is the address that the kernel itself has on a network: its ports' router.
    pub(super) fn is_own_address(&self, vni: Vni, exposure: &Exposure) -> bool {
        let tenant = self.tables.get(&vni).and_then(|t| t.tenant.as_deref());
        tenant.is_some_and(|tenant| own_address(tenant, exposure).is_some())
    }

    /// Whether the kernel would have this address itself.
    pub(super) fn is_router(&self, vni: Vni, address: IpAddr) -> bool {
        let tenant = self.tables.get(&vni).and_then(|t| t.tenant.as_deref());
        let networks = tenant
            .into_iter()
            .flat_map(|tenant| tenant.networks.values());
        networks.into_iter().any(|n| n.routers.contains(&address))
    }

    /// What peers teach of a subject; `local` tells which MAC addresses are here.
    pub(super) fn taught(
        &self,
        vni: Vni,
        subject: Taught,
        facts: &Facts,
        local: impl Fn(MacAddr) -> bool,
    ) -> Wish {
        let here = match subject {
            Taught::Host(mac) => local(mac),
            // Every node that has something of the network has its router's address, and advertises it. The VRF's own
            // table holds the kernel's local route: another one to the same address would take its place.
            Taught::Prefix(prefix) => {
                prefix.prefix_len() == prefix.max_prefix_len() && self.is_router(vni, prefix.addr())
            }
            Taught::NextHop(_) | Taught::Flood => false,
        };
        let site = self.site(vni, facts).filter(|_| !here);
        let objects = site.map(|site| {
            let teaching = &site.table.teaching;
            teaching.objects(vni, site.tenant.layer, subject)
        });
        Wish {
            objects: objects.unwrap_or_default(),
            ..Wish::nothing(Holder::Taught { vni, subject })
        }
    }

    /// Everything that peers teach of a tenant.
    pub(super) fn subjects(&self, vni: Vni) -> impl Iterator<Item = Taught> + '_ {
        let table = self.tables.get(&vni).into_iter();
        table.flat_map(|table| table.teaching.subjects())
    }

    /// What a VNI's table has for the routers of these gateways, if the tenant has its devices: the prefixes that peers
    /// teach, the addresses by which this node is the routers' next one, and their bridge.
    pub(super) fn lessons(
        &self,
        vni: Vni,
        gateways: &BTreeSet<Arc<str>>,
        facts: &Facts,
    ) -> Option<(BTreeSet<IpNet>, BTreeSet<IpAddr>, Arc<str>)> {
        let site = self.site(vni, facts)?;
        let (_, network) = site.networks().next()?;
        let entrance = Entrance::new(site.tenant, network, facts);
        let here = network.gateways.iter();
        let here = here.filter(|(lrp, _)| gateways.contains(*lrp));
        let next = here.flat_map(|(_, gateway)| entrance.next_routers(gateway));
        let bridge = Arc::clone(&network.attachment.bridge);
        Some((site.table.teaching.prefixes(), next.collect(), bridge))
    }

    /// Whether peers teach where this MAC address is.
    pub(super) fn knows_host(&self, vni: Vni, mac: MacAddr) -> bool {
        let table = self.tables.get(&vni);
        table.is_some_and(|table| table.teaching.has_host(mac))
    }

    /// What the speaker is to be told of the tenants that have their devices.
    pub(super) fn instances(&self, facts: &Facts) -> BTreeMap<Vni, Instance> {
        let known = self
            .tables
            .iter()
            .filter(|(_, table)| table.tenant.is_some());
        let numbers = instance::numbers(known.map(|(vni, _)| *vni), &facts.tenancy);
        let tenancy = &facts.tenancy;
        let instance = |(vni, number): (Vni, u16)| {
            let site = self.site(vni, facts)?;
            let mac = tenancy.macs.get(&names::bridge(vni)).copied();
            let instance = instance::instance(site.tenant, tenancy, site.vtep, mac, number)?;
            Some((vni, instance))
        };
        numbers.into_iter().filter_map(instance).collect()
    }

    /// What IPv6 routers say on the devices of provider networks.
    pub(super) fn routers(&self, facts: &Facts) -> BTreeMap<Arc<str>, AdvertisedRouter> {
        let mut routers = BTreeMap::new();
        let sites = self.vnis().filter_map(|vni| self.site(vni, facts));
        for site in sites.filter(|site| site.tenant.layer == Layer::Routed) {
            for (_, network) in site.networks() {
                if network.advertisements.is_empty() {
                    continue;
                }
                let entrance = Entrance::new(site.tenant, network, facts);
                let router = AdvertisedRouter {
                    source: entrance.link_local(),
                    advertisements: network.advertisements.iter().cloned().collect(),
                };
                routers.insert(entrance.dev, router);
            }
        }
        routers
    }
}

impl<'a> Site<'a> {
    /// The provider networks that have an entrance: those of which something is exposed or is here without an IP
    /// address, or on which there are gateways.
    fn networks(&self) -> impl Iterator<Item = (&'a Arc<str>, &'a ProviderNetwork)> + use<'a> {
        let exposed = &self.table.exposed;
        let networks = self.tenant.networks.iter();
        let used = networks.filter(|(name, n)| n.has_others() || exposed.contains_key(*name));
        // Devices of gateways are named by the VNI alone: there is one entrance.
        used.take(match self.tenant.entry {
            Entry::PerNetwork => usize::MAX,
            Entry::PerGateway => 1,
        })
    }

    fn entrance(&self, network: &Arc<str>) -> Option<Entrance<'a>> {
        let (_, network) = match self.tenant.entry {
            Entry::PerNetwork => self.tenant.networks.get_key_value(network)?,
            Entry::PerGateway => self.networks().find(|(name, _)| *name == network)?,
        };
        Some(Entrance::new(self.tenant, network, self.facts))
    }

    fn objects(&self, occupied: impl Fn(IpAddr) -> bool) -> Vec<(Key, Value)> {
        let mut objects = devices::objects(self.tenant, self.vtep, self.facts);
        for (_, network) in self.networks() {
            let entrance = Entrance::new(self.tenant, network, self.facts);
            objects.extend(entrance.objects(&occupied));
        }
        objects
    }

    fn exposed(&self, exposure: &Exposure) -> Option<Needs> {
        let entrance = self.entrance(&exposure.network)?;
        let Tenant { vni, layer, .. } = *self.tenant;
        if layer == Layer::Bridged {
            // A host that is told by its MAC address has one.
            exposure.mac?;
        }
        let (objects, own) = if let Some(address) = own_address(self.tenant, exposure) {
            let dev = Arc::clone(&entrance.dev);
            let address = IpNet::from(address);
            (Vec::new(), vec![Key::Address { dev, address }])
        } else {
            let objects = self.steering(exposure, &entrance);
            let keys = objects.iter().map(|(key, _)| key.clone()).collect();
            (objects, keys)
        };
        let source = exposure.subnet.unwrap_or(exposure.prefix);
        let source = exposure.mac.map(|mac| (mac, source));
        let devices = devices::requires(vni, self.vtep, self.facts);
        let requires = devices
            .chain(entrance.requires())
            .chain(entrance.required_flow(exposure.prefix, source))
            .chain(own);
        let requires = requires.collect();
        let proxies = exposure
            .proxied
            .iter()
            .map(|address| entrance.proxy(*address));
        let objects = objects.into_iter().chain(proxies).collect();
        Some(Needs { objects, requires })
    }

    /// What leads to an exposure.
    fn steering(&self, exposure: &Exposure, entrance: &Entrance<'_>) -> Vec<(Key, Value)> {
        let address = exposure.prefix.addr();
        match (self.tenant.layer, exposure.mac) {
            (Layer::Routed, mac) => {
                let answering = exposure.via.unwrap_or(address);
                let neighbour = mac.map(|mac| neighbour(&entrance.dev, answering, mac));
                let route = entrance.route(exposure.prefix, exposure.via);
                std::iter::once(route).chain(neighbour).collect()
            }
            (Layer::Bridged, Some(mac)) => {
                let dev = Arc::clone(&entrance.dev);
                // With its address the bridge answers for it, and peers are not asked (RFC 9161 §3.2).
                vec![
                    (Key::Fdb { dev, mac }, Value::Fdb { vtep: None }),
                    neighbour(&names::bridge(self.tenant.vni), address, mac),
                ]
            }
            (Layer::Bridged, None) => Vec::new(),
        }
    }
}

/// The address, if it is the kernel's own on a network of the tenant.
fn own_address(tenant: &Tenant, exposure: &Exposure) -> Option<IpAddr> {
    let network = tenant.networks.get(&exposure.network)?;
    let address = exposure.prefix.addr();
    let own = tenant.layer == Layer::Routed
        && exposure.mac.is_none()
        && exposure.via.is_none()
        && network.routers.contains(&address);
    own.then_some(address)
}

/// What nobody wishes: an advert that requires it waits, and stays out if it is out.
fn never(attachment: &Attachment) -> Key {
    Key::Flow {
        bridge: Arc::clone(&attachment.bridge),
        priority: super::underlay::FLOW_PRIORITY,
        in_port: 0,
        ether_type: EtherType::Ipv4,
        source: None,
    }
}
