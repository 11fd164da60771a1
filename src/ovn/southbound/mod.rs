//! The Southbound database as the drivers see it: who binds which port, what hangs together, and
//! which rows a change concerns.

mod bgpvpn;
mod feed;
mod routing;
mod rows;
#[cfg(test)]
mod tests;
mod topology;
mod upkeep;

use std::net::Ipv6Addr;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

pub use self::bgpvpn::{Bgpvpn, Membership};
pub use self::feed::monitor;
pub use self::routing::{AdvertisedRoute, DynamicRouting};
pub(in crate::ovn) use self::rows::resident;
pub use self::rows::{
    BindingAddress, BindingKind, Chassis, Datapath, DatapathGroup, LoadBalancer, Localnet,
    NatAddress, Patch, PortBinding,
};
pub use self::topology::{Gateway, Interface};
use super::index::Index;

/// How much of the database is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All that the Southbound drivers use.
    #[default]
    Everything,
    /// Who binds which port: what the NB driver takes from here, where it is connected.
    Bindings,
    /// What OVN's own dynamic routing says, and what hangs together with that.
    Routing,
}

/// A replica of the rows the drivers use.
#[derive(Clone, Debug, Default)]
pub struct Southbound {
    scope: Scope,
    bindings: FxHashMap<Uuid, Arc<PortBinding>>,
    datapaths: FxHashMap<Uuid, Arc<Datapath>>,
    chassis: FxHashMap<Uuid, Chassis>,
    balancers: FxHashMap<Uuid, Arc<LoadBalancer>>,
    groups: FxHashMap<Uuid, DatapathGroup>,
    routes: FxHashMap<Uuid, AdvertisedRoute>,

    by_name: Index<Arc<str>>,
    on_datapath: FxHashMap<Uuid, OnDatapath>,
    /// Patch ports by the ports that their `nat_addresses` name.
    answering_for: Index<Arc<str>>,
    /// Ports that reserve the VIPs of a load balancer, by its name.
    vip_ports: Index<Arc<str>>,
    /// Ports with an address that others on the datapath could use as their gateway.
    gateway_like: Index<(Uuid, Ipv6Addr)>,
    balancers_by_name: Index<Arc<str>>,
    balancers_by_group: Index<Uuid>,
    balancers_by_datapath: Index<Uuid>,
    groups_by_datapath: Index<Uuid>,
    routes_by_router: Index<Uuid>,
    /// By `logical_port` and by `tracked_port`.
    routes_by_port: Index<Uuid>,

    affected: Affected,
}

/// The bindings of one datapath, each list sorted.
#[derive(Clone, Debug, Default)]
struct OnDatapath {
    /// VMs, containers and virtual ports.
    ports: Vec<Uuid>,
    localnets: Vec<Uuid>,
    patches: Vec<Uuid>,
    /// Chassis-redirect ports, and ports of gateway routers.
    redirects: Vec<Uuid>,
    others: Vec<Uuid>,
}

/// What the changes since the last look may concern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affected {
    /// Every decision must be taken again.
    pub everything: bool,
    /// Port bindings: themselves, or their floating IPs.
    pub bindings: FxHashSet<Uuid>,
    /// Switches: the ports on them, by way of a router interface.
    pub switches: FxHashSet<Uuid>,
    /// Routers: their gateways and interfaces, and whatever is behind them.
    pub routers: FxHashSet<Uuid>,
    /// Datapaths: their kind, their localnet ports, or the gateway addresses on them; so whatever is
    /// attached by way of them.
    pub datapaths: FxHashSet<Uuid>,
    /// Load balancers, by name.
    pub balancers: FxHashSet<Arc<str>>,
    /// Logical ports whose chassis may have changed, for
    /// [`Northbound::affect_port_named`](super::Northbound::affect_port_named).
    pub rebound: FxHashSet<Arc<str>>,
    /// The localnet ports of some network ([`Southbound::all_localnets`]).
    pub localnets: bool,
}

/// A row of one of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    PortBinding(PortBinding),
    Datapath(Datapath),
    Chassis(Chassis),
    LoadBalancer(LoadBalancer),
    DatapathGroup(DatapathGroup),
    AdvertisedRoute(AdvertisedRoute),
}

/// The tables the drivers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    PortBinding,
    Datapath,
    Chassis,
    LoadBalancer,
    DatapathGroup,
    AdvertisedRoute,
}

impl Southbound {
    /// Empty, for what [`monitor`] follows with this scope.
    pub fn new(scope: Scope) -> Self {
        Self {
            scope,
            ..Self::default()
        }
    }

    /// Takes what the changes since the last call may concern.
    pub fn take_affected(&mut self) -> Affected {
        std::mem::take(&mut self.affected)
    }

    /// Every port binding, in no particular order.
    pub fn bindings(&self) -> impl Iterator<Item = &Arc<PortBinding>> {
        self.bindings.values()
    }

    /// A port binding by row id.
    pub fn binding(&self, uuid: Uuid) -> Option<&Arc<PortBinding>> {
        self.bindings.get(&uuid)
    }

    /// A port binding by `logical_port`.
    pub fn binding_named(&self, logical_port: &str) -> Option<&Arc<PortBinding>> {
        self.bindings.get(self.by_name.get(logical_port).first()?)
    }

    /// The name of the chassis a logical port is bound to.
    pub fn chassis_of(&self, logical_port: &str) -> Option<&Arc<str>> {
        self.chassis_name(self.binding_named(logical_port)?)
    }

    /// The name of the chassis a port is bound to.
    pub fn chassis_name(&self, binding: &PortBinding) -> Option<&Arc<str>> {
        Some(&self.chassis.get(&binding.chassis?)?.name)
    }

    /// Octets of the largest packet of a localnet port's network, where the port's row or the network's says so. northd
    /// copies `external_ids` of ports; of a network it copies no size.
    pub fn mtu_at(&self, localnet: &PortBinding) -> Option<u32> {
        let BindingKind::Localnet(port) = &localnet.kind else {
            return None;
        };
        let network = || self.datapath(localnet.datapath?)?.mtu.octets();
        port.mtu.octets().or_else(network)
    }

    /// A datapath by row id.
    pub fn datapath(&self, uuid: Uuid) -> Option<&Arc<Datapath>> {
        self.datapaths.get(&uuid)
    }

    /// The name of the network a datapath is, `neutron-<uuid>`; its row id where its row is missing.
    pub fn network_name(&self, datapath: Uuid) -> Arc<str> {
        let row = self.datapaths.get(&datapath);
        row.map_or_else(|| datapath.to_string().into(), |row| row.name.clone())
    }

    /// The VMs, containers and virtual ports of a datapath.
    pub fn ports_on(&self, datapath: Uuid) -> impl Iterator<Item = &Arc<PortBinding>> {
        self.rows(datapath, |on| &on.ports)
    }

    /// The localnet ports of a datapath.
    pub fn localnets_on(&self, datapath: Uuid) -> impl Iterator<Item = (&Arc<str>, &Localnet)> {
        let rows = self.rows(datapath, |on| &on.localnets);
        rows.filter_map(|row| Some((&row.logical_port, localnet(row)?)))
    }

    /// Every localnet port, in no particular order.
    pub fn all_localnets(&self) -> impl Iterator<Item = &Localnet> {
        let rows = self.on_datapath.values().flat_map(|on| &on.localnets);
        let rows = rows.filter_map(|uuid| self.bindings.get(uuid));
        rows.filter_map(|row| localnet(row))
    }

    /// Every binding of a datapath.
    pub fn all_on(&self, datapath: Uuid) -> impl Iterator<Item = &Arc<PortBinding>> {
        let lists = self.on_datapath.get(&datapath).map(OnDatapath::all);
        let rows = lists.into_iter().flatten().flatten();
        rows.filter_map(|uuid| self.bindings.get(uuid))
    }

    /// The patch ports whose `nat_addresses` name a port.
    pub fn answering_for(&self, logical_port: &str) -> impl Iterator<Item = Uuid> {
        self.answering_for.get(logical_port).iter().copied()
    }

    /// Whether a port on the datapath has this address, one of the first two of a subnet.
    pub fn owns(&self, datapath: Uuid, address: Ipv6Addr) -> bool {
        !self.gateway_like.get(&(datapath, address)).is_empty()
    }

    /// The names of all load balancers, each once, in no particular order.
    pub fn balancer_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.balancers_by_name.keys()
    }

    /// The rows of a load balancer: one per protocol.
    pub fn balancers_named(&self, name: &str) -> impl Iterator<Item = &Arc<LoadBalancer>> {
        let rows = self.balancers_by_name.get(name).iter();
        rows.filter_map(|uuid| self.balancers.get(uuid))
    }

    /// The load balancers of a switch or router.
    pub fn balancers_on(&self, datapath: Uuid) -> impl Iterator<Item = &Arc<LoadBalancer>> {
        let groups = self.groups_by_datapath.get(&datapath).iter();
        let grouped = groups.flat_map(|group| self.balancers_by_group.get(group));
        let rows = grouped.chain(self.balancers_by_datapath.get(&datapath));
        rows.filter_map(|uuid| self.balancers.get(uuid))
    }

    /// The switches and routers of a load balancer, each maybe more than once.
    pub fn datapaths_of<'a>(
        &'a self,
        balancer: &'a LoadBalancer,
    ) -> impl Iterator<Item = Uuid> + 'a {
        let groups = balancer.groups.iter();
        let grouped = groups.filter_map(|group| self.groups.get(group));
        let grouped = grouped.flat_map(|group| &group.datapaths);
        grouped.chain(&balancer.datapaths).copied()
    }

    /// The ports that reserve the VIPs of a load balancer, by its name.
    pub fn vip_ports(&self, balancer: &str) -> impl Iterator<Item = &Arc<PortBinding>> {
        let rows = self.vip_ports.get(balancer).iter();
        rows.filter_map(|uuid| self.bindings.get(uuid))
    }

    fn rows<'a>(
        &'a self,
        datapath: Uuid,
        list: impl Fn(&'a OnDatapath) -> &'a Vec<Uuid>,
    ) -> impl Iterator<Item = &'a Arc<PortBinding>> {
        let rows = self.on_datapath.get(&datapath).map(list);
        let rows = rows.into_iter().flatten();
        rows.filter_map(|uuid| self.bindings.get(uuid))
    }
}

fn localnet(row: &PortBinding) -> Option<&Localnet> {
    match &row.kind {
        BindingKind::Localnet(localnet) => Some(localnet),
        _ => None,
    }
}

impl OnDatapath {
    fn list(&mut self, kind: &BindingKind) -> &mut Vec<Uuid> {
        match kind {
            BindingKind::Vif | BindingKind::Virtual => &mut self.ports,
            BindingKind::Localnet(_) => &mut self.localnets,
            BindingKind::Patch(_) => &mut self.patches,
            BindingKind::ChassisRedirect { .. } | BindingKind::L3Gateway { .. } => {
                &mut self.redirects
            }
            BindingKind::Other(_) => &mut self.others,
        }
    }

    fn all(&self) -> [&Vec<Uuid>; 5] {
        [
            &self.ports,
            &self.localnets,
            &self.patches,
            &self.redirects,
            &self.others,
        ]
    }

    fn is_empty(&self) -> bool {
        self.all().into_iter().all(Vec::is_empty)
    }
}
