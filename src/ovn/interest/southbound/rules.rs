//! What leads to what.

use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::leads::{Balancer, Binding, GROUP_COLUMNS, Kind, Leads};
use super::{BALANCER, BINDING, DATAPATH, GROUP, Own, ROUTE, Reach, TenantRows, Wanted};
use crate::ovn::interest::wanted::Want;

const FLOATING_IPS: Want = Want::Some("nat_addresses");

/// With more clauses than this, as on a gateway node with many routers, floating IPs are asked for together with
/// all other patch ports, which doubles what they are (1 MB of 5,000), so that the server need not hold each
/// of 20,000 rows against each clause (a tenth of a second of its time).
const MOST_BESIDE_FLOATING_IPS: usize = 200;

/// All that the rules look at.
pub(super) struct View<'a> {
    pub(super) own: &'a Own,
    pub(super) reach: Reach,
    /// What is said of routes goes by the name of their router.
    pub(super) routers_tell: bool,
    pub(super) leads: &'a Leads,
}

/// What is needed of OVN_Southbound.
pub(super) fn apply(view: &View<'_>) -> Wanted {
    let mut rules = Rules::new(view);
    match view.reach {
        Reach::Node(tenants) => {
            rules.this_node();
            rules.floating_ips(view.routers_tell);
            let networks = rules.provider_networks_here();
            let routers = rules.routers_here(|kind| *kind == Kind::Redirect);
            for router in &routers {
                rules.behind(*router, tenants);
            }
            rules.balancers(&networks, &routers);
            let patches = Want::Text("type", "patch".into());
            let most = MOST_BESIDE_FLOATING_IPS;
            rules.wanted.hash(BINDING, &FLOATING_IPS, patches, most);
        }
        Reach::Routers => {
            for kind in ["patch", "chassisredirect"] {
                rules.want(BINDING, Want::Text("type", kind.into()));
            }
        }
        Reach::Gateways => {
            rules.this_node();
            for router in rules.routers_here(|kind| *kind == Kind::Redirect) {
                rules.behind(router, TenantRows::Ports);
            }
        }
        Reach::Routing => {
            rules.this_node();
            let pinned = |kind: &Kind| matches!(kind, Kind::Redirect | Kind::L3Gateway { .. });
            for router in rules.routers_here(pinned) {
                rules.advertised(router);
            }
        }
    }
    rules.datapaths();
    rules.wanted
}

struct Rules<'a> {
    leads: &'a Leads,
    /// The rows of this node's chassis: one, but for the instant in which it is made anew.
    chassis: Vec<Uuid>,
    /// VMs, containers and virtual ports that are bound to it.
    workloads: Vec<&'a Binding>,
    /// Ends of links, by name.
    by_name: FxHashMap<&'a str, &'a Binding>,
    /// Ends of links, by datapath.
    patches: FxHashMap<Uuid, Vec<&'a Binding>>,
    /// Switches with a localnet port.
    provider: FxHashSet<Uuid>,
    /// Of gateways bound here: their networks, and the switch that these are on.
    gateways: Vec<(&'a [IpNet], Uuid)>,
    /// Tenant switches behind gateways bound here.
    tenants: FxHashSet<Uuid>,
    wanted: Wanted,
}

impl<'a> Rules<'a> {
    fn new(view: &View<'a>) -> Self {
        let (own, leads): (&Own, _) = (view.own, view.leads);
        let chassis = leads.chassis.iter();
        let chassis = chassis.filter(|(_, name)| name.as_ref() == Some(&own.chassis));
        let mut rules = Self {
            chassis: chassis.map(|(uuid, _)| *uuid).collect(),
            leads,
            workloads: Vec::new(),
            by_name: FxHashMap::default(),
            patches: FxHashMap::default(),
            provider: FxHashSet::default(),
            gateways: Vec::new(),
            tenants: FxHashSet::default(),
            wanted: Wanted::none_of(view.reach.tables()),
        };
        for binding in leads.bindings.values() {
            rules.index(binding);
        }
        rules
    }

    fn index(&mut self, binding: &'a Binding) {
        match &binding.kind {
            Kind::Workload { .. } if self.is_here(binding) => self.workloads.push(binding),
            Kind::Localnet => self.provider.extend(binding.datapath),
            Kind::Patch { .. } | Kind::L3Gateway { .. } => {
                if let Some(name) = &binding.name {
                    self.by_name.insert(name, binding);
                }
                if let Some(datapath) = binding.datapath {
                    self.patches.entry(datapath).or_default().push(binding);
                }
            }
            Kind::Workload { .. } | Kind::Redirect | Kind::Other => {}
        }
    }

    /// Whether it is bound to this chassis.
    fn is_here(&self, binding: &Binding) -> bool {
        binding.chassis.iter().any(|c| self.chassis.contains(c))
    }

    /// What can be named without having seen anything but this node's chassis.
    fn this_node(&mut self) {
        self.want(BINDING, Want::Text("type", "localnet".into()));
        for uuid in self.chassis.clone() {
            self.want(BINDING, Want::Row("chassis", uuid));
        }
    }

    /// Floating IPs are with the switch's end of the gateway port of their router, by the name of the port that
    /// they are for. No clause can say that name, and none but that of a whole switch leads from the port to its
    /// router; so where there are ports, the floating IPs of all routers are asked for. They are a fraction of
    /// what the switches would be, and the condition stays as it is while ports come and go.
    fn floating_ips(&mut self, routers_tell: bool) {
        if self.workloads.is_empty() {
            return;
        }
        self.want(BINDING, FLOATING_IPS);
        if !routers_tell {
            return;
        }
        let names = self.workloads.iter().flat_map(|port| &port.name);
        let names: FxHashSet<_> = names.collect();
        let peers = self
            .leads
            .bindings
            .values()
            .filter_map(|end| match &end.kind {
                Kind::Patch {
                    peer, residents, ..
                } => {
                    let peer = peer.as_ref()?;
                    residents
                        .iter()
                        .any(|port| names.contains(port))
                        .then_some(peer)
                }
                _ => None,
            });
        for peer in peers.cloned().collect::<Vec<_>>() {
            self.named(&peer);
        }
    }

    /// Switches of provider networks with ports here. Those with IPv6 are read whole, for the gateway addresses
    /// that their ports own.
    fn provider_networks_here(&mut self) -> FxHashSet<Uuid> {
        let mut here = FxHashSet::default();
        for port in std::mem::take(&mut self.workloads) {
            let Some(switch) = port.datapath.filter(|dp| self.provider.contains(dp)) else {
                continue;
            };
            here.insert(switch);
            if port.kind == (Kind::Workload { has_ipv6: true }) {
                self.want(BINDING, Want::Row("datapath", switch));
            }
        }
        here
    }

    /// Routers with a gateway here. Switches have chassis-redirect ports too, since OVN 24.03.
    fn routers_here(&self, is_pinned: impl Fn(&Kind) -> bool) -> FxHashSet<Uuid> {
        let bindings = self.leads.bindings.values();
        let redirects = bindings.filter(|b| is_pinned(&b.kind) && self.is_here(b));
        let datapaths = redirects.filter_map(|redirect| redirect.datapath);
        datapaths
            .filter(|datapath| self.leads.datapaths.get(datapath) == Some(&true))
            .collect()
    }

    /// All about a switch of which a load balancer may be decided by its member: its ports, and the routers on
    /// it, which the load balancer must not have.
    fn routed(&mut self, switch: Uuid) {
        self.want(BINDING, Want::Row("datapath", switch));
        for (peer, end) in self.ends_of_links(switch) {
            self.named(&peer);
            if let Some(router) = end.and_then(|end| end.datapath) {
                self.links(router);
            }
        }
    }

    /// A router's ports and their other ends.
    fn links(&mut self, router: Uuid) {
        self.want(BINDING, Want::Row("datapath", router));
        for (peer, _) in self.ends_of_links(router) {
            self.named(&peer);
        }
    }

    /// The other ends of the links of a datapath: their names, and their rows where they are there.
    fn ends_of_links(&self, datapath: Uuid) -> Vec<(Arc<str>, Option<&'a Binding>)> {
        let ends = self.patches.get(&datapath).into_iter().flatten();
        let peer = |end: &&Binding| match &end.kind {
            Kind::Patch { peer, .. } | Kind::L3Gateway { peer, .. } => peer.clone(),
            _ => None,
        };
        ends.filter_map(peer)
            .map(|peer| {
                let row = self.by_name.get(&*peer).copied();
                (peer, row)
            })
            .collect()
    }

    /// Everything behind a router whose gateway is here.
    fn behind(&mut self, router: Uuid, tenants: TenantRows) {
        self.links(router);
        for port in self.patches.get(&router).cloned().unwrap_or_default() {
            let Kind::Patch {
                peer: Some(peer),
                is_gateway,
                nets,
                ..
            } = &port.kind
            else {
                continue;
            };
            let switch = self.by_name.get(&**peer).and_then(|end| end.datapath);
            let Some(switch) = switch else { continue };
            if *is_gateway {
                self.gateways.push((nets, switch));
                // Which gateway addresses of its IPv6 subnets are owned by ports there.
                if nets.iter().any(|net| matches!(net, IpNet::V6(_))) {
                    self.want(BINDING, Want::Row("datapath", switch));
                }
            } else {
                self.tenants.insert(switch);
                if tenants == TenantRows::Ports {
                    self.want(BINDING, Want::Row("datapath", switch));
                }
            }
        }
    }

    /// What a router wants advertised, its ports and their other ends. Hosts that the routes lead to are there if they
    /// are bound to this chassis, which is all that counts of them.
    fn advertised(&mut self, router: Uuid) {
        self.want(ROUTE, Want::Row("datapath", router));
        // With those whose place is another chassis: what leaves by them is not for this one to advertise.
        self.want(BINDING, Want::Row("datapath", router));
        self.links(router);
        for port in self.patches.get(&router).cloned().unwrap_or_default() {
            let (Kind::Patch { peer, nets, .. } | Kind::L3Gateway { peer, nets }) = &port.kind
            else {
                continue;
            };
            let end = peer.as_ref().and_then(|peer| self.by_name.get(&**peer));
            let Some(switch) = end.and_then(|end| end.datapath) else {
                continue;
            };
            // Which gateway addresses of its IPv6 subnets are owned by ports there.
            let has_ipv6 = nets.iter().any(|net| matches!(net, IpNet::V6(_)));
            if has_ipv6 && self.provider.contains(&switch) {
                self.want(BINDING, Want::Row("datapath", switch));
            }
        }
    }

    /// Load balancers of routers and of switches, and the ports of their VIPs. The port of a VIP cannot be
    /// asked for: with a VIP on a gateway's network, that network is read whole.
    fn balancers(&mut self, networks: &FxHashSet<Uuid>, routers: &FxHashSet<Uuid>) {
        let datapaths = networks.iter().chain(routers).chain(&self.tenants);
        let datapaths: Vec<Uuid> = datapaths.copied().collect();
        for datapath in datapaths {
            self.want(GROUP, Want::Member("datapaths", datapath));
            // Servers before OVN 21.12 have no groups.
            self.want(BALANCER, Want::Member("datapaths", datapath));
        }
        for group in self.leads.groups.keys() {
            for column in GROUP_COLUMNS {
                self.want(BALANCER, Want::Row(column, *group));
            }
        }
        let balancers = self.leads.balancers.values();
        let vips: FxHashSet<_> = balancers.flat_map(|balancer| &balancer.vips).collect();
        for (nets, switch) in self.gateways.clone() {
            if nets
                .iter()
                .any(|net| vips.iter().any(|vip| net.contains(*vip)))
            {
                self.want(BINDING, Want::Row("datapath", switch));
            }
        }
        for balancer in self.leads.balancers.values() {
            self.members_here(balancer, networks);
        }
    }

    /// One without router on a provider network is where its one member is.
    fn members_here(&mut self, balancer: &Balancer, networks: &FxHashSet<Uuid>) {
        let groups = &self.leads.groups;
        let grouped = balancer.groups.iter().filter_map(|group| groups.get(group));
        let datapaths = grouped.flatten().chain(&balancer.datapaths);
        let datapaths: FxHashSet<Uuid> = datapaths.copied().collect();
        let here: Vec<Uuid> = datapaths.intersection(networks).copied().collect();
        for switch in &here {
            self.routed(*switch);
        }
        if !here.is_empty() {
            for datapath in datapaths {
                self.want(DATAPATH, Want::this(datapath));
            }
        }
    }

    /// The datapath of every port that tells something about its network or router.
    fn datapaths(&mut self) {
        for binding in self.leads.bindings.values() {
            if let Some(datapath) = binding.datapath
                && !matches!(binding.kind, Kind::Workload { .. } | Kind::Other)
            {
                self.want(DATAPATH, Want::this(datapath));
            }
        }
    }

    fn named(&mut self, port: &Arc<str>) {
        self.want(BINDING, Want::Text("logical_port", Arc::clone(port)));
    }

    fn want(&mut self, table: &'static str, want: Want) {
        self.wanted.want(table, want);
    }
}
