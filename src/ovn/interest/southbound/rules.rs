//! What leads to what.

use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::leads::{Binding, Kind, Leads};
use super::{BALANCER, BINDING, DATAPATH, GROUP, Own, Reach, TABLES, TenantRows, Wanted};
use crate::ovn::interest::wanted::Want;

/// What is needed of OVN_Southbound.
pub(super) fn apply(own: &Own, reach: Reach, leads: &Leads) -> Wanted {
    let mut rules = Rules::new(own, leads);
    match reach {
        Reach::Node(tenants) => {
            rules.this_node();
            let switches = rules.switches_here();
            let routers = rules.routers_here();
            rules.routers_of(&switches);
            for router in &routers {
                rules.behind(*router, tenants);
            }
            rules.balancers(&switches, &routers);
        }
        Reach::Routers => {
            for kind in ["patch", "chassisredirect"] {
                rules.want(BINDING, Want::Text("type", kind.into()));
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
    by_name: FxHashMap<&'a str, &'a Binding>,
    /// Ends of links, by datapath.
    patches: FxHashMap<Uuid, Vec<&'a Binding>>,
    /// Of gateways bound here: their networks, and the switch that these are on.
    gateways: Vec<(&'a [IpNet], Uuid)>,
    /// Tenant switches behind gateways bound here.
    tenants: FxHashSet<Uuid>,
    wanted: Wanted,
}

impl<'a> Rules<'a> {
    fn new(own: &Own, leads: &'a Leads) -> Self {
        let chassis = leads.chassis.iter();
        let chassis = chassis.filter(|(_, name)| name.as_ref() == Some(&own.chassis));
        let mut rules = Self {
            chassis: chassis.map(|(uuid, _)| *uuid).collect(),
            leads,
            by_name: FxHashMap::default(),
            patches: FxHashMap::default(),
            gateways: Vec::new(),
            tenants: FxHashSet::default(),
            wanted: Wanted::none_of(&TABLES),
        };
        for binding in leads.bindings.values() {
            if let Kind::Patch { .. } = binding.kind {
                if let Some(name) = &binding.name {
                    rules.by_name.insert(name, binding);
                }
                if let Some(datapath) = binding.datapath {
                    rules.patches.entry(datapath).or_default().push(binding);
                }
            }
        }
        rules
    }

    /// What can be named without having seen anything but this node's chassis.
    fn this_node(&mut self) {
        self.want(BINDING, Want::Text("type", "localnet".into()));
        for uuid in self.chassis.clone() {
            self.want(BINDING, Want::Row("chassis", uuid));
        }
    }

    /// The datapaths of ports of this kind that are bound to this chassis.
    fn datapaths_of(&self, wanted: impl Fn(&Kind) -> bool) -> FxHashSet<Uuid> {
        let here = |binding: &&Binding| {
            wanted(&binding.kind) && binding.chassis.iter().any(|c| self.chassis.contains(c))
        };
        let bindings = self.leads.bindings.values().filter(here);
        bindings.filter_map(|binding| binding.datapath).collect()
    }

    /// Switches with ports here, which are read whole: for the routers attached to them, for the gateway
    /// addresses that their ports own, for VIPs.
    fn switches_here(&mut self) -> FxHashSet<Uuid> {
        let switches = self.datapaths_of(|kind| *kind == Kind::Workload);
        for switch in &switches {
            self.want(BINDING, Want::Row("datapath", *switch));
        }
        switches
    }

    /// Routers with a gateway here. Switches have chassis-redirect ports too, since OVN 24.03.
    fn routers_here(&self) -> FxHashSet<Uuid> {
        let mut routers = self.datapaths_of(|kind| *kind == Kind::Redirect);
        routers.retain(|datapath| self.leads.datapaths.get(datapath) == Some(&true));
        routers
    }

    /// Floating IPs of ports here are with the switch's end of the gateway of a router on their network.
    fn routers_of(&mut self, switches: &FxHashSet<Uuid>) {
        for switch in switches {
            for (peer, end) in self.ends_of_links(*switch) {
                self.named(&peer);
                if let Some(router) = end.and_then(|end| end.datapath) {
                    self.links(router);
                }
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
            Kind::Patch { peer, .. } => peer.clone(),
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

    /// Load balancers of routers and of switches, and the ports of their VIPs. The port of a VIP cannot be
    /// asked for: with a VIP on a gateway's network, that network is read whole.
    fn balancers(&mut self, switches: &FxHashSet<Uuid>, routers: &FxHashSet<Uuid>) {
        let datapaths = switches.iter().chain(routers).chain(&self.tenants);
        let datapaths: Vec<Uuid> = datapaths.copied().collect();
        for datapath in datapaths {
            self.want(GROUP, Want::Member("datapaths", datapath));
            // Servers before OVN 21.12 have no groups.
            self.want(BALANCER, Want::Member("datapaths", datapath));
        }
        for group in self.leads.groups.keys() {
            for column in ["datapath_group", "ls_datapath_group", "lr_datapath_group"] {
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
    }

    /// The datapath of every port that is there.
    fn datapaths(&mut self) {
        for binding in self.leads.bindings.values() {
            if let Some(datapath) = binding.datapath {
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
