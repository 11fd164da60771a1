//! The pure middle: rows and observations go in, wishes come out for [`Reconciler`] to compare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgp::evpn::{EvpnEvent, Instance, Vni};
use ipnet::{IpNet, Ipv6Net};

use super::driver::{Consequences, Ovn};
use super::learners::Learners;
use crate::config::Driver;
use crate::exposure::native::{Devices, Teacher};
use crate::exposure::{Decision, Delta, Exposure, Method, Node, Options, Policy};
use crate::fib::Routers;
use crate::kernel::rt_tables::{self, RtTablesError};
use crate::mac::MacAddr;
use crate::ovn::{Northbound, RowProblem, Vswitch};
use crate::ovsdb::Change;
use crate::peering::TenantNews;
use crate::reconcile::object::TableId;
use crate::reconcile::ownership::{Leak, Scope, TenantScope};
use crate::reconcile::{Holder, Key, Reconciler};
use crate::wiring::tenants::{self, names};
use crate::wiring::{AdvertisedRouter, BridgeFacts, BridgeRole, Facts, Tenancy, Wiring, Wish};

/// What of tenants is others' business than wiring's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub instances: BTreeMap<Vni, Instance>,
    /// By device.
    pub routers: BTreeMap<Arc<str>, AdvertisedRouter>,
}

/// Everything known, and what follows from it.
#[derive(Debug, Default)]
pub struct Core {
    host: Arc<str>,
    driver: Driver,
    options: Options,
    /// Tables that no bridge may get: the BGP VRF's.
    reserved: BTreeSet<TableId>,
    vswitch: Vswitch,
    ovn: Ovn,
    node: Option<Node>,
    tables: BTreeMap<Arc<str>, TableId>,
    macs: BTreeMap<Arc<str>, MacAddr>,
    /// Bridges that are mapped no more, until what is ours on them has been removed.
    retiring: BTreeSet<Arc<str>>,
    wiring: Wiring,
    /// Those that are wished for, and whether others may be by now.
    sysctls: Vec<Arc<str>>,
    sysctls_stale: bool,
    /// What tenants depend on, but for what is observed.
    tenancy: Tenancy,
    /// The kernel's side of them is looked at.
    tenant_scope: Option<TenantScope>,
    /// Peers have taught all they have of tenants' tables.
    converged: bool,
    reconciler: Reconciler,
    /// What FRR leaks, or has leaked for a former backend.
    leak: Option<Leak>,
    /// IPv6 addresses this process answers, or has answered, neighbour solicitations for.
    proxied: BTreeSet<IpNet>,
    /// What is wrong with networks' VNIs, to be told.
    complaints: Vec<String>,
    /// The facts have to be gathered again.
    stale: bool,
    /// The same, if it turns out that what wiring goes by is not what interfaces say now.
    links_changed: bool,
    /// How often they were, and how often `sysctls`.
    #[cfg(test)]
    gathered: (u32, u32),
    learners: Learners,
}

impl Core {
    /// For the node that calls itself `host`; `reserved` is the table of `bgp_vrf`.
    pub fn new(host: &str, reserved: TableId, driver: Driver, options: Options) -> Self {
        Self {
            driver,
            host: host.into(),
            options,
            ovn: Ovn::new(driver),
            reserved: BTreeSet::from([reserved]),
            ..Self::default()
        }
    }

    /// Other policies count from now on.
    pub fn set_policy(&mut self, policy: Policy) {
        if self.options.policy != policy {
            self.options.policy = policy;
            self.ovn.decide_again();
        }
    }

    /// What the bridges of provider networks are for.
    fn role(&self) -> BridgeRole {
        let has_tenants = || {
            self.wiring
                .vnis()
                .any(|vni| self.wiring.tenant(vni).is_some())
        };
        match (self.driver, self.options.method) {
            (Driver::Evpn, _) => BridgeRole::Answers,
            // Without tenants OVN's routers and the fabric are on one network, where nobody is to answer for either.
            (Driver::Native, _) if has_tenants() => BridgeRole::Answers,
            (Driver::Native, _) | (_, Method::Vrf | Method::L2Vni) => BridgeRole::Nothing,
            (_, Method::Underlay | Method::Dynamic) => BridgeRole::Routes,
        }
    }

    /// What tenants depend on is this from now on; what is observed of it is kept up by [`Self::take_links`].
    pub fn set_tenancy(&mut self, tenancy: Tenancy) {
        self.stale |= self.tenancy != tenancy;
        self.tenancy = tenancy;
    }

    /// Has the kernel's side of tenants looked at.
    pub fn watch_tenants(&mut self, scope: TenantScope) {
        self.tenant_scope = Some(scope);
    }

    /// How the kernel's side of tenants is looked at, if it is.
    pub fn tenant_scope(&self) -> Option<&TenantScope> {
        self.tenant_scope.as_ref()
    }

    /// What tenants depend on, but for what is observed.
    pub fn tenancy(&self) -> &Tenancy {
        &self.tenancy
    }

    /// Interfaces have come, gone or changed.
    pub fn take_links(&mut self) {
        self.links_changed = true;
    }

    /// Takes in what peers teach of tenants' tables.
    pub fn teach(&mut self, news: &TenantNews) {
        let wishes = self.wiring.teach(news.events());
        self.taught(wishes);
    }

    /// What peers taught an agent before this one stays in the kernel until they have taught this one: peers keep our routes
    /// through a restart (RFC 4724 §4.2), and we keep theirs.
    pub fn inherit(&mut self) {
        let wishes = self.wiring.inherit(self.taught_before());
        self.taught(wishes);
    }

    /// What peers taught an agent before this one, as far as they may still tell this one. Nobody would ever take it back
    /// where they have told all already, while OVN was out of reach, or tell FRR (`bgp_backend = frr`).
    pub fn taught_before(&self) -> Vec<EvpnEvent> {
        let speaks = self.tenant_scope.as_ref().is_none_or(|scope| scope.speaks);
        if self.converged || !speaks {
            return Vec::new();
        }
        tenants::taught_before(self.reconciler.observations())
    }

    /// Peers have taught all they have: what they did not is no more.
    pub fn forget_inherited(&mut self) {
        self.converged = true;
        let wishes = self.wiring.forget_inherited();
        self.taught(wishes);
    }

    fn taught(&mut self, wishes: Vec<Wish>) {
        self.learners.doubt();
        self.wish(wishes);
    }

    /// Takes in changes of Open_vSwitch. Answers the rows that do not parse.
    pub fn take_vswitch(&mut self, changes: &[Change]) -> Vec<RowProblem> {
        let problems = self.vswitch.apply(changes);
        self.stale = true;
        self.learners.doubt();
        if let Some(ids) = self.vswitch.node_ids()
            && let Ok(node) = Node::new(ids, &self.host)
            && self.node.as_ref() != Some(&node)
        {
            let unmapped: Vec<_> = self.bridges().cloned().collect();
            self.node = Some(node);
            self.retiring.extend(unmapped);
            let mapped: BTreeSet<_> = self.bridges().cloned().collect();
            self.retiring.retain(|bridge| !mapped.contains(bridge));
            self.ovn.decide_again();
        }
        problems
    }

    /// Takes in changes of OVN_Northbound. Answers the rows that do not parse.
    pub fn take_northbound(&mut self, changes: &[Change]) -> Vec<RowProblem> {
        self.ovn.take_northbound(changes)
    }

    /// Takes in changes of OVN_Southbound. Answers the rows that do not parse.
    pub fn take_southbound(&mut self, changes: &[Change]) -> Vec<RowProblem> {
        self.learners.doubt();
        self.ovn.take_southbound(changes)
    }

    /// Another Northbound database is followed from now on: what the old one said is void once the new
    /// one has been read. Take no steps before that.
    pub fn forget_northbound(&mut self) {
        self.ovn.forget_northbound();
    }

    /// The same of the Southbound database.
    pub fn forget_southbound(&mut self) {
        self.learners.doubt();
        self.ovn.forget_southbound();
    }

    /// Whether a Northbound driver goes by the Southbound database from now on.
    pub fn heed_southbound(&mut self, counts: bool) {
        self.ovn.heed_southbound(counts);
    }

    /// Whether it does.
    pub fn heeds_southbound(&self) -> bool {
        self.ovn.heeds_southbound()
    }

    /// Gives each mapped bridge its routing table, by the text of `rt_tables`. Answers the bridges
    /// that get none.
    pub fn take_table_names(&mut self, text: &str) -> Vec<RtTablesError> {
        let mut problems = Vec::new();
        let bridges: BTreeSet<Arc<str>> = self.bridges().cloned().collect();
        for (bridge, table) in rt_tables::allocate(text, &bridges, &self.reserved) {
            match table {
                Ok(table) => drop(self.tables.insert(bridge, table)),
                Err(error) => problems.push(error),
            }
        }
        self.stale = true;
        problems
    }

    /// Takes in the MAC address of a bridge's interface; `None` when there is no such interface.
    pub fn take_mac(&mut self, bridge: &Arc<str>, mac: Option<MacAddr>) {
        if self.macs.get(bridge).copied() != mac {
            match mac {
                Some(mac) => self.macs.insert(Arc::clone(bridge), mac),
                None => self.macs.remove(bridge),
            };
            self.stale = true;
        }
    }

    /// Works out what changed since the last call, and wishes accordingly.
    pub fn update(&mut self) {
        let Some(node) = &self.node else { return };
        let Consequences {
            delta,
            localnets,
            complaints,
        } = self.ovn.update(node, &self.options);
        self.complaints.extend(complaints);
        self.stale |= std::mem::take(&mut self.links_changed) && self.links_matter();
        if std::mem::take(&mut self.stale) || localnets {
            self.renew_facts();
        }
        if !delta.is_empty() {
            self.expose(&delta);
        }
        if std::mem::take(&mut self.stale) {
            self.renew_facts();
        }
        if std::mem::take(&mut self.sysctls_stale) {
            self.gather_sysctls();
        }
        self.look_at_learners();
    }

    fn look_at_learners(&mut self) {
        let Some(node) = self.node.as_ref().filter(|_| self.learners.is_doubted()) else {
            return;
        };
        let mapping = self.vswitch.node_ids();
        let mapping = mapping.and_then(|ids| ids.port_mapping.as_deref());
        let devices = Devices::parse(mapping.unwrap_or_default());
        let mut routers = self.ovn.learning(node, &self.options, &devices);
        for learning in routers.values_mut() {
            if let Teacher::Tenant(lessons) = &mut learning.teacher {
                self.wiring.teach_routers(lessons);
                lessons.complete = self.converged;
            }
        }
        let tenants = self.wiring.vnis().collect();
        let complaints = self.learners.set(routers, &tenants);
        self.complaints.extend(complaints);
    }

    /// The routers that learn what peers teach, if they have changed since the last call.
    pub fn take_routers(&mut self) -> Option<Arc<Routers>> {
        self.look_at_learners();
        self.learners.take()
    }

    /// Most interfaces are VMs', of which nothing depends.
    fn links_matter(&self) -> bool {
        let mut now = Tenancy::default();
        now.observe(self.reconciler.links());
        let known = &self.wiring.facts().tenancy;
        (&now.macs, &now.vrfs) != (&known.macs, &known.vrfs)
    }

    fn renew_facts(&mut self) {
        let Some(node) = &self.node else { return };
        #[cfg(test)]
        {
            self.gathered.0 += 1;
        }
        let facts = self.gather_facts(node);
        if *self.wiring.facts() != facts {
            self.learners.doubt();
            let wishes = self.wiring.set_facts(facts);
            self.reconciler.hold(Holder::Base, self.wiring.base());
            self.sysctls_stale = true;
            self.wish(wishes);
        }
    }

    fn expose(&mut self, delta: &Delta) {
        for exposure in &delta.added {
            let hosts = exposure
                .proxied
                .iter()
                .map(|ip| IpNet::V6(Ipv6Net::from(*ip)));
            self.proxied.extend(hosts);
        }
        // What the bridges are for may depend on there being tenants.
        self.stale |= !delta.tenants.is_empty();
        self.learners.doubt();
        let wishes = self.wiring.update(delta);
        self.wish(wishes);
    }

    fn wish(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            // No others wish for any.
            self.sysctls_stale |= matches!(wish.holder, Holder::Base | Holder::Tenant(_));
            wish.tell(&mut self.reconciler);
        }
    }

    fn gather_facts(&self, node: &Node) -> Facts {
        let bridge = |bridge: &Arc<str>| {
            let facts = BridgeFacts {
                table: self.tables.get(bridge).copied(),
                mac: self.macs.get(bridge).copied(),
                patch_ports: self.vswitch.patch_ports(bridge),
            };
            (Arc::clone(bridge), facts)
        };
        if !self.ovn.is_wired() {
            // What a driver before this one has wired is swept.
            return Facts::default();
        }
        let mappings = node.mappings.entries();
        let mut tenancy = self.tenancy.clone();
        tenancy.observe(self.reconciler.links());
        tenancy.ports = self.vswitch.ofports(names::is_port_of_gateways);
        let of_bridges = self.watched_bridges().filter_map(|b| self.tables.get(b));
        tenancy.taken = self.reserved.iter().chain(of_bridges).copied().collect();
        Facts {
            role: self.role(),
            routers_learn: self.driver == Driver::Native,
            tenancy,
            localnets: self.ovn.localnets(),
            bridges: mappings.iter().map(|m| bridge(&m.bridge)).collect(),
            mappings: node.mappings.clone(),
        }
    }

    /// What is wrong with networks' VNIs, since the last call.
    pub fn take_complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// The tenants' tables that the speaker is to have and the routers that advertise themselves, if either may have
    /// changed since the last call.
    pub fn take_tenants(&mut self) -> Option<Told> {
        self.wiring.take_tenants_changed().then(|| Told {
            instances: self.wiring.instances(),
            routers: self.wiring.advertised_routers(),
        })
    }

    /// Has what FRR leaks, or has leaked for a former backend, looked at.
    pub fn watch_leak(&mut self, names: Leak) {
        self.leak = Some(names);
    }

    fn gather_sysctls(&mut self) {
        #[cfg(test)]
        {
            self.gathered.1 += 1;
        }
        let tenants = self.wiring.vnis().map(Holder::Tenant);
        let holders = std::iter::once(Holder::Base).chain(tenants);
        let sysctls = holders
            .flat_map(|holder| self.reconciler.held(holder).iter())
            .filter_map(|key| match key {
                Key::Sysctl { path } => Some(Arc::clone(path)),
                _ => None,
            });
        self.sysctls = sysctls.collect();
    }

    /// The part of the node that concerns the agent.
    pub fn scope(&self) -> Scope {
        Scope {
            bridges: self
                .watched_bridges()
                .filter_map(|b| Some((Arc::clone(b), *self.tables.get(b)?)))
                .collect(),
            proxied: self.proxied.iter().copied().collect(),
            sysctls: self.sysctls.clone(),
            interfaces: self.watched_bridges().cloned().collect(),
            leak: self.leak.clone(),
            tenants: self.tenant_scope.clone(),
        }
    }

    /// The mapped bridges, in the order of the setting; one may be there twice.
    pub fn bridges(&self) -> impl Iterator<Item = &Arc<str>> {
        let node = self.node.as_ref();
        node.into_iter()
            .flat_map(|node| node.mappings.entries())
            .map(|m| &m.bridge)
    }

    /// The mapped bridges, and those from which the agent has not withdrawn yet.
    pub fn watched_bridges(&self) -> impl Iterator<Item = &Arc<str>> {
        self.bridges().chain(&self.retiring)
    }

    /// Forgets the bridges that are mapped no more, once a pass has cleared them. True if there were any.
    pub fn retire(&mut self) -> bool {
        let any = !std::mem::take(&mut self.retiring).is_empty();
        // Their tables are free.
        self.stale |= any;
        any
    }

    /// Every exposure and every candidate that is withheld; `None` before the node is known.
    pub fn decision(&self) -> Option<Decision> {
        Some(self.ovn.decide(self.node.as_ref()?, &self.options))
    }

    /// The exposures in force, in no particular order.
    pub fn exposures(&self) -> impl Iterator<Item = &Arc<Exposure>> {
        self.ovn.exposures()
    }

    /// Their prefixes in the default table: a tenant's are in its own.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> {
        let destinations = self.exposures().map(|exposure| exposure.destination());
        destinations.filter_map(|destination| destination.prefix())
    }

    /// This node, once Open vSwitch has told.
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// What Open vSwitch says.
    pub fn vswitch(&self) -> &Vswitch {
        &self.vswitch
    }

    /// What OVN wants.
    pub fn northbound(&self) -> &Northbound {
        self.ovn.northbound()
    }

    /// How exposures are wired.
    pub fn wiring(&self) -> &Wiring {
        &self.wiring
    }

    /// What is wished and what there is.
    pub fn reconciler(&self) -> &Reconciler {
        &self.reconciler
    }

    /// What is wished and what there is, to observe and to take steps.
    pub fn reconciler_mut(&mut self) -> &mut Reconciler {
        &mut self.reconciler
    }
}

#[cfg(test)]
impl Core {
    /// How often all networks were looked at for what is wrong with their VNIs.
    pub(super) fn looks_for_complaints(&self) -> u32 {
        self.ovn.looks_for_complaints()
    }

    /// How often the facts were gathered, and how often the sysctls.
    pub(super) fn gathered(&self) -> (u32, u32) {
        self.gathered
    }
}
